import Crypto
import JSON

/// A code as somebody typed it: six digits of an app or a message, or a recovery code. What is neither is a wrong code
/// and no malformed request: nothing tells the three apart.
struct ShownCode: Sendable, JSONTextReadable {
  private static let bytesMax = 64

  /// Six digits, else nil.
  let digits: String?
  /// The SHA-256 of a recovery code's 120 bits, else nil.
  let recoveryDigest: [UInt8]?

  init(parsing text: String) throws(FieldProblem) {
    if text.isEmpty { throw .tooShort(min: 1) }
    if text.utf8.count > Self.bytesMax { throw .tooLong(max: Self.bytesMax) }
    // People type what helps them read: spaces and dashes.
    let typed = text.utf8.filter { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "-") }
    let isNumber = typed.count == OneTimeCode.length && typed.allSatisfy { (0x30...0x39).contains($0) }
    digits = isNumber ? String(decoding: typed, as: UTF8.self) : nil
    recoveryDigest = RecoveryCode(typed: typed)?.digest
  }
}

/// A code that stands in for a lost authenticator, once: 120 random bits in base 32 (ASVS 6.5.2 asks for 112).
struct RecoveryCode: Sendable {
  /// How many an account has.
  static let count = 10
  private static let byteCount = 15
  private static let groupLength = 4

  private let bytes: [UInt8]

  /// - Throws: 500 when there is no randomness.
  static func fresh() throws(Failure) -> [RecoveryCode] {
    do {
      var codes: [RecoveryCode] = []
      for _ in 0..<count { codes.append(RecoveryCode(bytes: try SecureRandom.bytes(byteCount))) }
      return codes
    } catch {
      throw .bug
    }
  }

  private init(bytes: [UInt8]) { self.bytes = bytes }

  /// - Parameter typed: without what separates its groups, in either case; nil when it can't be one.
  init?(typed: [UInt8]) {
    let upper = typed.map { (0x61...0x7A).contains($0) ? $0 & 0xDF : $0 }
    guard let bytes = Base32.decode(String(decoding: upper, as: UTF8.self)), bytes.count == Self.byteCount else {
      return nil
    }
    self.bytes = bytes
  }

  var digest: [UInt8] { SHA256.hash(bytes) }

  /// Six groups of four.
  var text: String {
    let letters = Array(Base32.encode(bytes))
    return stride(from: 0, to: letters.count, by: Self.groupLength)
      .map { String(letters[$0..<min($0 + Self.groupLength, letters.count)]) }
      .joined(separator: "-")
  }
}
