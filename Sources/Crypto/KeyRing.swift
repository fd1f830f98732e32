/// What a derived key is for. Keys of different purposes have nothing in common.
package enum KeyPurpose: String, Sendable, CaseIterable {
  /// Values sealed in the database.
  case seal = "seal"
  /// The index by which a sealed national id is found.
  case nationalIDIndex = "nik-index"
  /// Under passwords, before they are hashed.
  case pepper = "pepper"
  /// Successors of refresh tokens.
  case refresh = "refresh"
  /// Cursors of pages.
  case cursor = "cursor"
  /// Keys under which throttles count what was typed.
  case throttle = "throttle"
  /// Under one-time codes.
  case oneTimeCode = "one-time-code"
  /// The seed of the key that signs verification codes.
  case signing = "signing"
}

/// A derived key and the id of the master key that it comes from.
package struct PurposeKey: Sendable {
  /// Id of the master key, to be stored beside what the key made.
  package let keyID: String
  /// 32 bytes.
  package let bytes: [UInt8]
}

/// The server's master keys, newest first. None is used itself: each purpose has its own, derived by HKDF.
package struct KeyRing: Sendable {
  private struct MasterKey: Sendable {
    let id: String
    let bytes: [UInt8]
  }

  private let masters: [MasterKey]

  /// Reads the text of a key file: a line for each key, newest first: an id of 1 to 16 letters, digits, `-` or `_`,
  /// one space, and 32 bytes in base 64. Empty lines and lines that start with `#` don't count.
  ///
  /// - Throws: `KeyFileError`, which names the line and never its text.
  package init(text: String) throws(KeyFileError) {
    var masters: [MasterKey] = []
    for (index, line) in text.utf8.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated() {
      if line.isEmpty || line.first == 0x23 { continue }
      let words = line.split(separator: 0x20, omittingEmptySubsequences: false)
      guard words.count == 2, let id = KeyRing.keyID(words[0]),
        let encoded = String(words[1]), let bytes = Base64.decode(encoded), bytes.count == 32
      else { throw .malformedLine(index + 1) }
      if masters.contains(where: { $0.id == id }) { throw .repeatedID(index + 1) }
      masters.append(MasterKey(id: id, bytes: bytes))
    }
    if masters.isEmpty { throw .noKey }
    self.masters = masters
  }

  /// The text of a key file with one fresh key.
  package static func freshText(keyID: String) throws(CryptoError) -> String {
    "\(keyID) \(Base64.encode(try SecureRandom.bytes(32)))\n"
  }

  /// Ids of all keys, newest first.
  package var keyIDs: [String] { masters.map(\.id) }

  /// The key that makes new things.
  package func newest(_ purpose: KeyPurpose) throws(CryptoError) -> PurposeKey {
    guard let master = masters.first else { throw CryptoError("key ring") }
    return try derive(master, purpose)
  }

  /// The oldest key: for what can't hold two keys at a time, as an index does. It stays the same when a key is added,
  /// and its line must stay until everything made with it is made anew.
  package func oldest(_ purpose: KeyPurpose) throws(CryptoError) -> PurposeKey {
    guard let master = masters.last else { throw CryptoError("key ring") }
    return try derive(master, purpose)
  }

  /// All keys of a purpose, newest first.
  package func all(_ purpose: KeyPurpose) throws(CryptoError) -> [PurposeKey] {
    var keys: [PurposeKey] = []
    for master in masters { keys.append(try derive(master, purpose)) }
    return keys
  }

  private func derive(_ master: MasterKey, _ purpose: KeyPurpose) throws(CryptoError) -> PurposeKey {
    let bytes = try HKDF.derive(key: master.bytes, info: Array("smile/\(purpose.rawValue)".utf8), count: 32)
    return PurposeKey(keyID: master.id, bytes: bytes)
  }

  private static func keyID(_ word: Substring.UTF8View) -> String? {
    let isPlain = word.allSatisfy { byte in
      switch byte {
      case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x5F: true
      default: false
      }
    }
    return isPlain && (1...16).contains(word.count) ? String(word) : nil
  }
}

/// Why a key file can't be used.
package enum KeyFileError: Error, Sendable, Equatable {
  case cannotOpen(errno: Int32)
  case notARegularFile
  /// Somebody else may read or change it: the mode must be 0400 or 0600.
  case openToOthers(mode: UInt32)
  /// It belongs to neither this user nor root.
  case foreignOwner
  case notText
  case malformedLine(Int)
  case repeatedID(Int)
  case noKey
}
