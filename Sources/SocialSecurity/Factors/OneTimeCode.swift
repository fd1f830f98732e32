import Crypto
import PostgresClient

/// Six random digits that go out by mail or SMS for one challenge, or to prove one address. Like a mailed token they
/// are sealed until they are delivered; of so few digits a plain hash would hide nothing, so the database keeps a keyed
/// one.
struct OneTimeCode: Sendable {
  static let length = 6

  let digest: [UInt8]
  let messageID: SQLUUID
  let sealed: [UInt8]

  /// - Parameter challenge: its digest.
  /// - Throws: 500 when there is no randomness or no key.
  static func make(for challenge: [UInt8], _ services: Services) throws(Failure) -> OneTimeCode {
    try make(services) { text, _ in digest(of: text, for: challenge, services) }
  }

  /// A code that is bound to the message that carries it.
  ///
  /// - Throws: 500 when there is no randomness or no key.
  static func make(_ services: Services) throws(Failure) -> OneTimeCode {
    try make(services) { text, message in digest(of: text, inMessage: message, services) }
  }

  private static func make(
    _ services: Services, digest: (String, SQLUUID) -> [UInt8]
  ) throws(Failure) -> OneTimeCode {
    do {
      // 2⁶⁴ isn't a multiple of a million; the first codes are likelier by one in 10¹³.
      let number = try SecureRandom.bytes(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) } % 1_000_000
      let text = String(String(1_000_000 + number).dropFirst())
      let messageID = SQLUUID.random()
      return OneTimeCode(
        digest: digest(text, messageID), messageID: messageID,
        sealed: try services.sealer.seal(text, at: MailToken.place(ofMail: messageID)))
    } catch {
      throw .bug
    }
  }

  static func digest(of digits: String, for challenge: [UInt8], _ services: Services) -> [UInt8] {
    services.codeKey.code(challenge + Array(digits.utf8))
  }

  static func digest(of digits: String, inMessage id: SQLUUID, _ services: Services) -> [UInt8] {
    digest(of: digits, for: Array(id.description.utf8), services)
  }
}
