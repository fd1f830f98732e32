import Synchronization

/// Time-based one-time passwords (RFC 6238): steps of 30 s from the epoch.
package struct TOTP: Sendable {
  /// The hash under the HMAC; the raw value is its name in a provisioning URI.
  package enum Algorithm: String, Sendable {
    /// What authenticator apps take for granted.
    case sha1 = "SHA1"
    case sha256 = "SHA256"
    case sha512 = "SHA512"

    var digestBytes: Int {
      switch self {
      case .sha1: 20
      case .sha256: 32
      case .sha512: 64
      }
    }
  }

  /// Bytes of a fresh secret.
  package static let secretBytes = 20
  private static let stepSeconds: Int64 = 30

  private let secret: [UInt8]
  private let algorithm: Algorithm
  private let digits: Int

  /// - Parameter digits: 6 to 8.
  package init(secret: [UInt8], algorithm: Algorithm = .sha1, digits: Int = 6) throws(CryptoError) {
    guard !secret.isEmpty, (6...8).contains(digits) else { throw CryptoError("TOTP") }
    self.secret = secret
    self.algorithm = algorithm
    self.digits = digits
  }

  /// A fresh secret (RFC 4226, section 4: 160 bits).
  package static func freshSecret() throws(CryptoError) -> [UInt8] {
    try SecureRandom.bytes(secretBytes)
  }

  /// The step that an instant lies in.
  ///
  /// - Parameter epochSeconds: seconds since 1970, of the security clock.
  package static func step(at epochSeconds: Int64) -> Int64 {
    epochSeconds >= 0 ? epochSeconds / stepSeconds : 0
  }

  /// The code of a step, with its leading zeros.
  package func code(step: Int64) throws(CryptoError) -> String {
    let counter = (0..<8).map { UInt8(truncatingIfNeeded: step >> Int64(56 - 8 * $0)) }
    let context = try LibCrypto.KeyedContext(
      digest: algorithm.rawValue, size: algorithm.digestBytes, key: secret)
    guard let mac = context.code(counter), let last = mac.last else { throw CryptoError("TOTP") }
    // Dynamic truncation, RFC 4226, section 5.3.
    let offset = Int(last & 0x0F)
    let number = mac[offset..<offset + 4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) } & 0x7FFF_FFFF
    let modulus = (0..<digits).reduce(UInt32(1)) { power, _ in power * 10 }
    let text = String(number % modulus)
    return String(repeating: "0", count: digits - text.utf8.count) + text
  }

  /// The step whose code this is: the current one or the one before (a person types slowly). The caller stores it and
  /// takes no step twice.
  ///
  /// - Parameter after: the last step that was used; nothing up to it is accepted.
  /// - Returns: nil when the code is wrong or used up.
  package func acceptedStep(
    of code: String, at epochSeconds: Int64, after lastStep: Int64 = -1
  ) throws(CryptoError) -> Int64? {
    let current = TOTP.step(at: epochSeconds)
    var accepted: Int64?
    // Both are always compared, so that the time says nothing.
    for step in [current, current - 1] where step >= 0 {
      let fits = constantTimeEquals(Array(code.utf8), Array(try self.code(step: step).utf8))
      if fits, step > lastStep, accepted == nil { accepted = step }
    }
    return accepted
  }

  /// What a QR code for an authenticator app says (the Key Uri Format). `issuer` and `account` are percent-encoded.
  package func provisioningURI(issuer: String, account: String) -> String {
    let issuer = TOTP.percentEncoded(issuer)
    let label = "\(issuer):\(TOTP.percentEncoded(account))"
    return "otpauth://totp/\(label)?secret=\(Base32.encode(secret))&issuer=\(issuer)"
      + "&algorithm=\(algorithm.rawValue)&digits=\(digits)&period=\(TOTP.stepSeconds)"
  }

  /// Everything but the unreserved characters of RFC 3986, section 2.3.
  private static func percentEncoded(_ text: String) -> String {
    let hexadecimal = Array("0123456789ABCDEF".utf8)
    var encoded: [UInt8] = []
    for byte in text.utf8 {
      switch byte {
      case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E: encoded.append(byte)
      default: encoded += [0x25, hexadecimal[Int(byte >> 4)], hexadecimal[Int(byte & 0x0F)]]
      }
    }
    return String(decoding: encoded, as: UTF8.self)
  }
}
