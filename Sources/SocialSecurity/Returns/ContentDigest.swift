import Crypto
import JSON

/// The `Content-Digest` header (RFC 9530 section 2), of which `sha-256` is understood.
struct ContentDigest: Sendable, Equatable {
  let sha256: [UInt8]

  /// nil when the header names no SHA-256, which is no digest to check.
  ///
  /// - Throws: 400 when it isn't a dictionary of byte sequences (RFC 8941 sections 3.2 and 3.3.5).
  init?(_ header: String) throws(Failure) {
    var found: [UInt8]?
    for member in header.split(separator: ",", omittingEmptySubsequences: false) {
      let halves = member.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard halves.count == 2, let name = halves.first?.filter({ $0 != " " && $0 != "\t" }), !name.isEmpty,
        halves[1].first == ":"
      else { throw .invalid(parameter: "Content-Digest", .invalidFormat("sha-256=:base64:")) }
      let value = halves[1].dropFirst().prefix { $0 != ":" }
      guard halves[1].dropFirst(value.count + 1) == ":" else {
        throw .invalid(parameter: "Content-Digest", .invalidFormat("sha-256=:base64:"))
      }
      guard name == "sha-256" else { continue }
      guard let digest = Base64.decode(String(value)), digest.count == SHA256.digestBytes else {
        throw .invalid(parameter: "Content-Digest", .invalidFormat("sha-256=:base64:"))
      }
      found = digest
    }
    guard let found else { return nil }
    sha256 = found
  }
}
