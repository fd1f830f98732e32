import Crypto
import JSON
import PostgresClient

/// A token that goes out by mail: 256 bits. The database keeps its digest to recognise it and its sealed text until it
/// is delivered.
package struct MailedToken: Sendable {
  package let digest: [UInt8]
  /// The mail's id in the outbox, to which the seal is bound.
  package let mailID: SQLUUID
  /// The token's text, for whoever delivers the mail.
  package let sealed: [UInt8]

  /// - Throws: 500 when there is no randomness or no key.
  package static func make(_ sealer: Sealer) throws(Failure) -> MailedToken {
    do {
      let text = Base64URL.encode(try SecureRandom.bytes(32))
      let mailID = SQLUUID.random()
      return MailedToken(
        digest: SHA256.hash(text), mailID: mailID,
        sealed: try sealer.seal(text, at: MailToken.place(ofMail: mailID)))
    } catch {
      throw .bug
    }
  }
}

extension SQLUUID {
  /// A random id (RFC 9562 section 5.4) for a row that Swift has to name before it is inserted.
  package static func random() -> SQLUUID {
    var random = SystemRandomNumberGenerator()
    let high: UInt64 = random.next() & ~0xF000 | 0x4000
    let low: UInt64 = random.next() & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
    return SQLUUID(high: high, low: low)
  }
}

/// A mailed token as it comes back.
struct ReturnedToken: Sendable, JSONTextReadable {
  let digest: [UInt8]

  init(parsing text: String) throws(FieldProblem) {
    guard text.utf8.count == 43, Base64URL.decode(text) != nil else { throw .invalidFormat("token") }
    digest = SHA256.hash(text)
  }
}
