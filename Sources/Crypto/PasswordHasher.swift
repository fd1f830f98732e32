@_spi(_Unicode) import Swift

/// Hashes of passwords: `crypt_r(base64(HMAC-SHA-256(pepper, NFC(password))), yescrypt)`, kept as `<key id>:$y$…`.
///
/// The HMAC is the pepper (NIST SP 800-63B, section 3.1.1.2: a key outside the database), and its base 64 frees
/// crypt of its limits: no NUL, no 512 bytes, any length of password counts whole.
/// Each call takes tens of milliseconds and as much memory as the cost says: call it on a `HashQueue`.
package struct PasswordHasher: Sendable {
  private struct Pepper: Sendable {
    let keyID: String
    let code: HMACSHA256
  }

  private let newest: Pepper
  private let peppers: [Pepper]
  private let cost: Int
  /// `$y$<parameters>$` of the current cost.
  private let currentParameters: String
  /// A hash that no password opens, of the current cost.
  private let decoy: String

  /// - Parameter cost: yescrypt's, 1 to 11: 5 takes 16 MiB, each step doubles (7: 64 MiB, 8: 128 MiB).
  package init(_ keys: KeyRing, cost: Int) throws(CryptoError) {
    var peppers: [Pepper] = []
    for key in try keys.all(.pepper) {
      peppers.append(Pepper(keyID: key.keyID, code: try HMACSHA256(key: key.bytes)))
    }
    guard let newest = peppers.first, let setting = try PasswordHasher.setting(cost: cost),
      let parameters = PasswordHasher.parameters(of: setting)
    else { throw CryptoError("password hashing") }
    self.newest = newest
    self.peppers = peppers
    self.cost = cost
    currentParameters = parameters
    // A setting without a hash has the cost of one and equals none.
    decoy = "\(newest.keyID):\(setting)"
  }

  /// A hash to be stored.
  package func hash(_ password: String) throws(CryptoError) -> String {
    guard let setting = try PasswordHasher.setting(cost: cost),
      let hash = LibCrypt.hash(peppered(password, newest), setting: setting)
    else { throw CryptoError("password hashing") }
    return "\(newest.keyID):\(hash)"
  }

  /// Whether the password is the one that was hashed. False for a hash that can't be read or whose key is gone.
  package func verify(_ password: String, against stored: String) -> Bool {
    guard let (pepper, hash) = parts(of: stored),
      let computed = LibCrypt.hash(peppered(password, pepper), setting: hash)
    else { return false }
    return constantTimeEquals(Array(computed.utf8), Array(hash.utf8))
  }

  /// Takes as long as `verify` does and is always false: for accounts that don't exist.
  package func verifyAgainstNothing(_ password: String) -> Bool {
    _ = verify(password, against: decoy)
    return false
  }

  /// Whether the hash has another cost or an older pepper than new ones have.
  package func needsRehash(_ stored: String) -> Bool {
    guard let (pepper, hash) = parts(of: stored) else { return true }
    return pepper.keyID != newest.keyID || PasswordHasher.parameters(of: hash) != currentParameters
  }

  private func peppered(_ password: String, _ pepper: Pepper) -> String {
    Base64.encode(pepper.code.code(PasswordHasher.normalised(password)))
  }

  /// Normalisation form C (NIST SP 800-63B, section 3.1.1.2), so that every keyboard spells a password alike.
  private static func normalised(_ password: String) -> [UInt8] {
    var normal = ""
    for scalar in password._nfc { normal.unicodeScalars.append(scalar) }
    return Array(normal.utf8)
  }

  private func parts(of stored: String) -> (Pepper, String)? {
    guard let colon = stored.utf8.firstIndex(of: 0x3A) else { return nil }
    let keyID = stored[..<colon]
    let hash = String(stored[stored.utf8.index(after: colon)...])
    guard hash.utf8.starts(with: "$y$".utf8), let pepper = peppers.first(where: { $0.keyID == keyID }) else {
      return nil
    }
    return (pepper, hash)
  }

  private static func setting(cost: Int) throws(CryptoError) -> String? {
    LibCrypt.yescryptSetting(cost: cost, salt: try SecureRandom.bytes(16))
  }

  /// `$y$<parameters>$`: all up to the third dollar sign.
  private static func parameters(of setting: String) -> String? {
    let words = setting.utf8.split(separator: 0x24, omittingEmptySubsequences: false)
    guard words.count >= 4, let parameters = String(words[2]) else { return nil }
    return "$y$\(parameters)$"
  }
}
