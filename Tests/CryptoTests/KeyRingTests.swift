import Crypto
import Glibc
import Testing

struct KeyRingTests {
  @Test func purposesAndKeysDiffer() throws {
    let ring = try KeyRing(text: "# keys\n\n" + twoKeys)
    #expect(ring.keyIDs == ["b2", "a1"])
    var seen = Set<[UInt8]>()
    for purpose in KeyPurpose.allCases {
      #expect(try ring.newest(purpose).keyID == "b2")
      #expect(try ring.oldest(purpose).keyID == "a1")
      for key in try ring.all(purpose) {
        #expect(key.bytes.count == 32)
        seen.insert(key.bytes)
      }
    }
    #expect(seen.count == 2 * KeyPurpose.allCases.count)
  }

  /// A file with one key and the same file after a second was put before it.
  @Test func theOldestStays() throws {
    let before = try KeyRing(text: oldKeyOnly)
    let after = try KeyRing(text: twoKeys)
    #expect(try before.oldest(.nationalIDIndex).bytes == after.oldest(.nationalIDIndex).bytes)
    #expect(try before.newest(.seal).bytes != after.newest(.seal).bytes)
  }

  @Test func freshText() throws {
    let text = try KeyRing.freshText(keyID: "k1")
    #expect(try KeyRing(text: text).keyIDs == ["k1"])
    #expect(try KeyRing.freshText(keyID: "k1") != text)
  }

  @Test(arguments: [
    ("", .noKey), ("# only a remark\n", .noKey),
    ("k1\n", .malformedLine(1)), ("k1 AAAA\n", .malformedLine(1)), ("k 1 AAAA\n", .malformedLine(1)),
    (oldKeyOnly + " " + oldKeyOnly, .malformedLine(2)), (oldKeyOnly + oldKeyOnly, .repeatedID(2)),
    ("seventeen-letters " + oldKeyOnly.dropFirst(3), .malformedLine(1)),
    ("k: " + oldKeyOnly.dropFirst(3), .malformedLine(1)),
  ] as [(String, KeyFileError)])
  func refusedTexts(_ text: String, _ error: KeyFileError) {
    #expect(throws: error) { try KeyRing(text: text) }
  }

  @Test(arguments: [
    ("whsec_" + Base64.encode([UInt8](repeating: 1, count: 24)) + "\n", true),
    ("whsec_" + Base64.encode([UInt8](repeating: 1, count: 64)), true),
    ("whsec_" + Base64.encode([UInt8](repeating: 1, count: 23)), false), ("whsec_", false), ("", false),
    (Base64.encode([UInt8](repeating: 1, count: 32)), false), (oldKeyOnly, false),
    ("whsec_AAAA\nwhsec_AAAA", false),
  ]) func keysOfWebhooks(text: String, isKey: Bool) throws {
    let path = "/tmp/smile-webhook-\(getpid())-\(Hex.encode(try SecureRandom.bytes(8)))"
    defer { unsafe unlink(path) }
    let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL, 0o400)
    try #require(descriptor >= 0)
    let bytes = Array(text.utf8)
    #expect(unsafe write(descriptor, bytes, bytes.count) == bytes.count)
    close(descriptor)
    #expect(((try? KeyRing.loadWebhookKey(path: path)) != nil) == isKey)
  }

  @Test func fileModes() throws {
    let path = "/tmp/smile-keyring-\(getpid())-\(Hex.encode(try SecureRandom.bytes(8)))"
    defer { unsafe unlink(path) }
    #expect(throws: KeyFileError.cannotOpen(errno: ENOENT)) { try KeyRing.load(path: path) }
    let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL, 0o600)
    try #require(descriptor >= 0)
    let text = Array(twoKeys.utf8)
    #expect(unsafe write(descriptor, text, text.count) == text.count)
    close(descriptor)
    for mode: mode_t in [0o600, 0o400] {
      unsafe chmod(path, mode)
      #expect(try KeyRing.load(path: path).keyIDs == ["b2", "a1"])
    }
    for mode: mode_t in [0o644, 0o640, 0o604, 0o700, 0o660] {
      unsafe chmod(path, mode)
      #expect(throws: KeyFileError.openToOthers(mode: mode)) { try KeyRing.load(path: path) }
    }
    #expect(throws: KeyFileError.notARegularFile) { try KeyRing.load(path: "/tmp") }
  }
}
