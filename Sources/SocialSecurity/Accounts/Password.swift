import Crypto
import JSON

/// A password that someone chooses: 15 to 256 characters, no rule about their kinds (NIST SP 800-63B-4 section 3.1.1.2,
/// for a password that may be the only factor).
package struct Password: Sendable, JSONTextReadable {
  package static let lengths = 15...256
  private static let bytesMax = 1_024

  let text: String

  /// - Throws: `password_too_short` or `password_too_long`; characters are Unicode scalars.
  package init(parsing text: String) throws(FieldProblem) {
    let length = text.unicodeScalars.count
    if length < Self.lengths.lowerBound { throw FieldProblem("password_too_short") }
    if length > Self.lengths.upperBound || text.utf8.count > Self.bytesMax {
      throw FieldProblem("password_too_long")
    }
    self.text = text
  }

  /// 256 random bits, for an account whose owner has yet to choose a password: nobody ever knows it.
  ///
  /// - Throws: 500 when there is no randomness.
  static func unguessable() throws(Failure) -> Password {
    do {
      return try Password(parsing: Base64URL.encode(SecureRandom.bytes(32)))
    } catch {
      throw .bug
    }
  }
}

extension BlockedPasswords {
  /// - Parameter words: names, addresses and numbers of the password's owner.
  /// - Throws: 422 when the password is long enough and weak all the same.
  func refuse(_ password: Password, of words: [String], at pointer: String) throws(Failure) {
    guard let weakness = weakness(of: password.text, of: words) else { return }
    throw Failure(
      422, "password_refused", errors: [FieldError(pointer: pointer, FieldProblem(weakness.rawValue))])
  }
}

extension Services {
  /// The password's hash, made on the hash thread.
  ///
  /// - Throws: 503 at once when too many are waiting.
  package func hash(_ password: Password) async throws(Failure) -> String {
    let hasher = passwords
    let hash: String?
    do {
      hash = try await hashing.run { try? hasher.hash(password.text) }
    } catch {
      throw .unavailable("busy")
    }
    guard let hash else { throw .bug }
    return hash
  }

  /// Whether a password opens a hash; without a hash it takes as long and is false.
  ///
  /// - Throws: 503 at once when too many are waiting.
  func verify(_ password: String, against hash: String?) async throws(Failure) -> Bool {
    let hasher = passwords
    do {
      return try await hashing.run {
        hash.map { hasher.verify(password, against: $0) } ?? hasher.verifyAgainstNothing(password)
      }
    } catch {
      throw .unavailable("busy")
    }
  }
}
