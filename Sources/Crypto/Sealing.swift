/// Where a sealed value lives. It is bound into the seal, so a value moved to another row or column doesn't open.
package struct SealedPlace: Sendable, Equatable {
  /// The table's name.
  package let table: StaticString
  /// The column's name.
  package let column: StaticString
  /// The row's id in its text form.
  package let row: String

  /// The place of one value.
  package init(table: StaticString, column: StaticString, row: String) {
    self.table = table
    self.column = column
    self.row = row
  }

  /// Whether a value sealed for one opens at the other.
  package static func == (left: SealedPlace, right: SealedPlace) -> Bool {
    left.associated(keyID: "") == right.associated(keyID: "")
  }

  func associated(keyID: String) -> [UInt8] {
    Array("\(table)|\(column)|\(row)|\(keyID)".utf8)
  }
}

/// Values sealed with AES-256-GCM (NIST SP 800-38D): nobody reads or changes them without the key.
/// Layout: length of the key id (1 byte), key id, nonce (12), ciphertext, tag (16).
///
/// Nonces are random; one key may seal 2³² values (SP 800-38D, section 8.3), after which a key is to be added.
package struct Sealer: Sendable {
  private static let nonceBytes = 12
  private static let tagBytes = 16

  private let newest: PurposeKey
  private let all: [PurposeKey]

  /// Derives the sealing keys of every master key.
  package init(_ keys: KeyRing) throws(CryptoError) {
    newest = try keys.newest(.seal)
    all = try keys.all(.seal)
  }

  /// Seals a value with the newest key.
  package func seal(_ plain: [UInt8], at place: SealedPlace) throws(CryptoError) -> [UInt8] {
    let nonce = try SecureRandom.bytes(Sealer.nonceBytes)
    let cipher = try LibCrypto.seal(
      plain, key: newest.bytes, nonce: nonce, associated: place.associated(keyID: newest.keyID))
    let keyID = Array(newest.keyID.utf8)
    return [UInt8(keyID.count)] + keyID + nonce + cipher
  }

  /// Seals a text's UTF-8 bytes with the newest key.
  package func seal(_ text: String, at place: SealedPlace) throws(CryptoError) -> [UInt8] {
    try seal(Array(text.utf8), at: place)
  }

  /// Opens a sealed value.
  ///
  /// - Throws: `SealingError` when its key is gone, or it was changed, cut, or sealed for another place.
  package func open(_ sealed: [UInt8], at place: SealedPlace) throws(SealingError) -> [UInt8] {
    guard let parts = SealedParts(sealed, nonceBytes: Sealer.nonceBytes, tagBytes: Sealer.tagBytes) else {
      throw .malformed
    }
    guard let key = all.first(where: { Array($0.keyID.utf8) == parts.keyID }) else { throw .unknownKey }
    let associated = place.associated(keyID: key.keyID)
    let plain = LibCrypto.open(
      parts.cipher, tag: parts.tag, key: key.bytes, nonce: parts.nonce, associated: associated)
    guard let plain else { throw .notAuthentic }
    return plain
  }

  /// Opens a sealed text.
  package func openText(_ sealed: [UInt8], at place: SealedPlace) throws(SealingError) -> String {
    guard let text = String(validating: try open(sealed, at: place), as: UTF8.self) else { throw .malformed }
    return text
  }

  /// Whether a value was sealed with a key that isn't the newest and should be sealed again.
  package func isOutdated(_ sealed: [UInt8]) -> Bool {
    let parts = SealedParts(sealed, nonceBytes: Sealer.nonceBytes, tagBytes: Sealer.tagBytes)
    return parts?.keyID != Array(newest.keyID.utf8)
  }
}

/// Why a sealed value didn't open.
package enum SealingError: Error, Sendable, Equatable {
  case malformed
  case unknownKey
  /// The tag doesn't fit: changed bytes, another place, or another key under the same id.
  case notAuthentic
}

private struct SealedParts {
  let keyID: [UInt8]
  let nonce: [UInt8]
  let cipher: [UInt8]
  let tag: [UInt8]

  init?(_ sealed: [UInt8], nonceBytes: Int, tagBytes: Int) {
    guard let keyIDBytes = sealed.first.map(Int.init),
      sealed.count >= 1 + keyIDBytes + nonceBytes + tagBytes
    else { return nil }
    var rest = sealed.dropFirst()
    keyID = Array(rest.prefix(keyIDBytes))
    rest = rest.dropFirst(keyIDBytes)
    nonce = Array(rest.prefix(nonceBytes))
    rest = rest.dropFirst(nonceBytes)
    cipher = Array(rest.dropLast(tagBytes))
    tag = Array(rest.suffix(tagBytes))
  }
}
