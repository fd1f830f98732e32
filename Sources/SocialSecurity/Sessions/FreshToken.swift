import Crypto

/// A token on its way out: its text goes to the caller, its digest to the database, and neither is kept.
struct FreshToken: Sendable {
  let text: String
  let digest: [UInt8]

  /// 256 random bits behind the kind's prefix.
  ///
  /// - Throws: 500 when there is no randomness.
  init(_ kind: TokenDigest.Kind) throws(Failure) {
    do {
      self.init(kind, bytes: try SecureRandom.bytes(32))
    } catch {
      throw .bug
    }
  }

  /// The only successor that a refresh token can have, so that two refreshes at once, or one whose answer was lost, end
  /// with the same one.
  init(successorOf token: String, under key: HMACSHA256) {
    self.init(.refresh, bytes: key.code(token))
  }

  private init(_ kind: TokenDigest.Kind, bytes: [UInt8]) {
    text = "\(kind.rawValue)\(Base64URL.encode(bytes))"
    digest = SHA256.hash(text)
  }
}
