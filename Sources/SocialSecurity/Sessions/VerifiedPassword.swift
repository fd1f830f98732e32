import Crypto

/// What came of comparing a password with a hash.
struct VerifiedPassword: Sendable {
  let isRight: Bool
  /// The same password under today's cost and pepper, when the stored hash has others.
  let freshHash: String?
}

extension Services {
  /// Compares, and hashes anew what is right but outdated, in one turn on the hash thread. Without a hash it takes as
  /// long and is wrong.
  ///
  /// - Throws: 503 at once when too many are waiting.
  func verifyAtLogIn(_ password: String, against hash: String?) async throws(Failure) -> VerifiedPassword {
    let hasher = passwords
    do {
      return try await hashing.run {
        guard let hash else { return VerifiedPassword(isRight: hasher.verifyAgainstNothing(password), freshHash: nil) }
        let isRight = hasher.verify(password, against: hash)
        let fresh = isRight && hasher.needsRehash(hash) ? try? hasher.hash(password) : nil
        return VerifiedPassword(isRight: isRight, freshHash: fresh)
      }
    } catch {
      throw .unavailable("busy")
    }
  }
}
