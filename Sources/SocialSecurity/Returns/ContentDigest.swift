import Crypto
import JSON

/// The `Content-Digest` header (RFC 9530 section 2), of which `sha-256` is understood.
struct ContentDigest: Sendable, Equatable {
  let sha256: [UInt8]

  /// - Throws: 400 when it isn't a dictionary of byte sequences (RFC 8941 sections 3.2 and 3.3.5), or names no SHA-256:
  ///   who sends a digest relies on its being checked.
  init(_ header: String) throws(Failure) {
    let malformed = Failure.invalid(parameter: "Content-Digest", .invalidFormat("sha-256=:base64:"))
    var found: [UInt8]?
    for member in header.split(separator: ",", omittingEmptySubsequences: false) {
      let text = String(decoding: trimmed(Array(member.utf8)[...]), as: UTF8.self)
      let parts = text.split(separator: ":", omittingEmptySubsequences: false)
      guard parts.count == 3, parts[0].count > 1, parts[0].last == "=", parts[2].isEmpty || parts[2].first == ";"
      else { throw malformed }
      guard parts[0] == "sha-256=" else { continue }
      guard let digest = Base64.decode(String(parts[1])), digest.count == SHA256.digestBytes else { throw malformed }
      found = digest
    }
    guard let found else { throw malformed }
    sha256 = found
  }
}
