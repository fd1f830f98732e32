import Crypto
import HTTPServer

/// A bearer token as the database knows it: its SHA-256. The token itself is dropped as soon as it is parsed.
package struct TokenDigest: Sendable, Hashable {
  package let bytes: [UInt8]

  /// Kinds of tokens, told apart by their prefix so that leaked ones are found by scanners.
  package enum Kind: String, Sendable {
    case access = "sat_"
    case refresh = "srt_"
    case clientSecret = "sck_"
  }

  /// Characters of a token after its prefix: 32 bytes in base64url (RFC 4648 section 5) without padding.
  private static let bodyLength = 43

  /// Digests a token's text; nil when it can't be a token of that kind.
  package init?(_ kind: Kind, _ text: some Collection<UInt8>) {
    let prefix = kind.rawValue.utf8
    guard text.count == prefix.count + Self.bodyLength else { return nil }
    let bytes = Array(text)
    guard bytes.starts(with: prefix), bytes.dropFirst(prefix.count).allSatisfy(Self.isBase64URL) else { return nil }
    self.bytes = SHA256.hash(bytes)
  }

  /// The access token of an `Authorization: Bearer …` header (RFC 6750 section 2.1; the scheme in any case).
  package init?(authorization header: [UInt8]) {
    let scheme = Array("bearer ".utf8)
    guard header.count > scheme.count, header.prefix(scheme.count).map({ $0 | 0x20 }) == scheme else { return nil }
    self.init(.access, header.dropFirst(scheme.count))
  }

  private static func isBase64URL(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x5F: true
    default: false
    }
  }
}
