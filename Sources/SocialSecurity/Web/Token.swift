import Crypto
import HTTPServer

/// A bearer token as the database knows it: its SHA-256. The token itself is dropped as soon as it is parsed.
package struct TokenDigest: Sendable, Hashable {
  package let bytes: [UInt8]

  /// A digest is as good as random already: some of its bytes spread it over a table as well as all of them.
  package func hash(into hasher: inout Hasher) {
    hasher.combine(bytes.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
  }

  /// Kinds of tokens, told apart by their prefix so that leaked ones are found by scanners.
  package enum Kind: String, Sendable {
    case access = "sat_"
    case refresh = "srt_"
    case clientSecret = "sck_"
    case device = "sdt_"
    case challenge = "smc_"
  }

  /// Characters of a token after its prefix: 32 bytes in base64url (RFC 4648 section 5) without padding.
  private static let bodyLength = 43

  /// Digests a token's text; nil when it can't be a token of that kind.
  package init?(_ kind: Kind, _ text: some Collection<UInt8>) {
    self.init(kind, bytes: Array(text))
  }

  private init?(_ kind: Kind, bytes text: [UInt8]) {
    let prefix = kind.rawValue.utf8
    guard text.count == prefix.count + Self.bodyLength, text.starts(with: prefix) else { return nil }
    for index in prefix.count..<text.count where !Self.isBase64URL(text[index]) { return nil }
    bytes = SHA256.hash(text)
  }

  /// The access token of an `Authorization: Bearer …` header (RFC 6750 section 2.1; the scheme in any case).
  package init?(authorization header: [UInt8]) {
    let scheme: StaticString = "bearer "
    let length = scheme.utf8CodeUnitCount
    guard header.count > length else { return nil }
    let isBearer = scheme.withUTF8Buffer { scheme in
      scheme.indices.allSatisfy { unsafe header[$0] | 0x20 == scheme[$0] }
    }
    guard isBearer else { return nil }
    self.init(.access, bytes: Array(header[length...]))
  }

  private static func isBase64URL(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x5F: true
    default: false
    }
  }
}
