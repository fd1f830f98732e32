import Crypto
import JSON

/// An e-mail address in lower case, of the plain kind: dot-atom, `@`, a domain with a dot (RFC 5321 sections 4.1.2 and
/// 4.5.3.1, without quoted strings and address literals).
package struct EmailAddress: Sendable, Hashable, JSONTextReadable {
  package let text: String

  /// - Throws: `invalid_email`.
  package init(parsing text: String) throws(FieldProblem) {
    let lowered = text.utf8.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }
    let halves = lowered.split(separator: UInt8(ascii: "@"), omittingEmptySubsequences: false)
    guard halves.count == 2, lowered.count <= 254, Self.isLocalPart(halves[0]), Self.isDomain(halves[1]),
      let valid = String(validating: lowered, as: UTF8.self)
    else { throw FieldProblem("invalid_email") }
    self.text = valid
  }

  /// Under what mails to it are counted: 32 bytes of an HMAC. `name+anything` is one mailbox with most hosts, so it
  /// counts as one.
  func key(under key: HMACSHA256) -> [UInt8] {
    let halves = text.split(separator: "@")
    let mailbox = halves[0].split(separator: "+", maxSplits: 1, omittingEmptySubsequences: false)[0]
    return key.code("recipient\u{1F}\(mailbox)@\(halves[1])")
  }

  private static func isLocalPart(_ part: ArraySlice<UInt8>) -> Bool {
    let atoms = part.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    return part.count <= 64 && atoms.allSatisfy { !$0.isEmpty && $0.allSatisfy(isAtomText) }
  }

  private static func isDomain(_ domain: ArraySlice<UInt8>) -> Bool {
    let labels = domain.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    return labels.count >= 2
      && labels.allSatisfy { label in
        (1...63).contains(label.count) && label.first != UInt8(ascii: "-") && label.last != UInt8(ascii: "-")
          && label.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "-") }
      }
  }

  /// `atext` of RFC 5322 section 3.2.3.
  private static func isAtomText(_ byte: UInt8) -> Bool {
    isAlphanumeric(byte) || "!#$%&'*+-/=?^_`{|}~".utf8.contains(byte)
  }

  private static func isAlphanumeric(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte)
  }
}
