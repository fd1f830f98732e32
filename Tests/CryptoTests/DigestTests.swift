import Crypto
import Testing

struct DigestTests {
  /// FIPS 180-4 examples, and the empty message.
  @Test(arguments: [
    ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
  ])
  func sha256(_ message: String, _ digest: String) throws {
    #expect(Hex.encode(SHA256.hash(message)) == digest)
    var stream = try SHA256Stream()
    for byte in message.utf8 { try stream.update([byte]) }
    try stream.update([])
    #expect(Hex.encode(try stream.finish()) == digest)
  }

  @Test func aMillionLetters() throws {
    var stream = try SHA256Stream()
    for _ in 0..<1_000 { try stream.update(repeated(0x61, 1_000)) }
    #expect(Hex.encode(try stream.finish()) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
  }

  /// RFC 4231, sections 4.2 to 4.8 (4.6, the truncated one, apart). Each key's context serves several messages.
  @Test(arguments: [
    (
      repeated(0x0B, 20), Array("Hi There".utf8),
      "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
    ),
    (
      Array("Jefe".utf8), Array("what do ya want for nothing?".utf8),
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    ),
    (
      repeated(0xAA, 20), repeated(0xDD, 50),
      "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"
    ),
    (
      Array(1...25), repeated(0xCD, 50),
      "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"
    ),
    (
      repeated(0xAA, 131), Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8),
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
    ),
    (
      repeated(0xAA, 131),
      Array(
        ("This is a test using a larger than block-size key and a larger than block-size data. "
          + "The key needs to be hashed before being used by the HMAC algorithm.").utf8),
      "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"
    ),
  ] as [([UInt8], [UInt8], String)])
  func hmacSHA256(_ key: [UInt8], _ message: [UInt8], _ code: String) throws {
    let hmac = try HMACSHA256(key: key)
    #expect(Hex.encode(hmac.code(message)) == code)
    _ = hmac.code("another message")
    _ = hmac.code([UInt8]())
    #expect(Hex.encode(hmac.code(message)) == code)
    #expect(hmac.isValid(bytes(code), for: message))
    #expect(!hmac.isValid(bytes(code), for: message + [0]))
    #expect(!hmac.isValid(Array(bytes(code).dropLast()), for: message))
  }

  /// RFC 5869, appendix A.1 to A.3.
  @Test func hkdfSHA256() throws {
    #expect(
      try HKDF.derive(
        key: repeated(0x0B, 22), salt: Array(0...0x0C), info: Array(0xF0...0xF9), count: 42)
        == bytes("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"))
    #expect(
      try HKDF.derive(key: Array(0...0x4F), salt: Array(0x60...0xAF), info: Array(0xB0...0xFF), count: 82)
        == bytes(
          "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
            + "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"))
    #expect(
      try HKDF.derive(key: repeated(0x0B, 22), info: [], count: 42)
        == bytes("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"))
    #expect(throws: CryptoError.self) { try HKDF.derive(key: [1], info: [], count: 0) }
    #expect(throws: CryptoError.self) { try HKDF.derive(key: [1], info: [], count: 8_161) }
  }

  @Test func constantTimeComparison() {
    #expect(constantTimeEquals([], []))
    #expect(constantTimeEquals([1, 2, 3], [1, 2, 3]))
    #expect(!constantTimeEquals([1, 2, 3], [1, 2, 4]))
    #expect(!constantTimeEquals([1, 2, 3], [1, 2]))
    #expect(!constantTimeEquals([], [0]))
  }
}

struct RandomTests {
  @Test func bytesDiffer() throws {
    #expect(try SecureRandom.bytes(0).isEmpty)
    #expect(try SecureRandom.bytes(32) != SecureRandom.bytes(32))
    #expect(throws: CryptoError.self) { try SecureRandom.bytes(-1) }
  }

  /// The buffer is refilled many times, and no byte of it is given out twice.
  @Test func bufferedWordsDiffer() throws {
    let source = RandomSource()
    var seen = Set<UInt64>()
    for _ in 0..<4_000 { seen.insert(try source.word()) }
    #expect(seen.count == 4_000)
  }
}
