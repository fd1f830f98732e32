/// A private Ed25519 key (RFC 8032).
package struct SigningKey: Sendable {
  private let seed: [UInt8]
  /// 32 bytes, to be published.
  package let publicKey: VerifyingKey

  /// - Parameter seed: 32 secret bytes; the same seed makes the same key.
  package init(seed: [UInt8]) throws(CryptoError) {
    guard let publicKey = LibCrypto.ed25519PublicKey(seed: seed) else { throw CryptoError("Ed25519 key") }
    self.seed = seed
    self.publicKey = VerifyingKey(checked: publicKey)
  }

  /// The signature of a message, 64 bytes; the same message gives the same signature.
  package func sign(_ message: [UInt8]) throws(CryptoError) -> [UInt8] {
    guard let signature = LibCrypto.ed25519Sign(message, seed: seed) else { throw CryptoError("Ed25519 signature") }
    return signature
  }
}

/// A public Ed25519 key.
package struct VerifyingKey: Sendable, Equatable {
  /// 32 bytes.
  package let bytes: [UInt8]

  /// nil unless there are 32 bytes. Whether they are a point of the curve shows when a signature is checked.
  package init?(_ bytes: [UInt8]) {
    guard bytes.count == 32 else { return nil }
    self.bytes = bytes
  }

  init(checked bytes: [UInt8]) {
    self.bytes = bytes
  }

  /// Whether the holder of the private key has signed this message.
  package func isValid(_ signature: [UInt8], for message: [UInt8]) -> Bool {
    LibCrypto.ed25519Verify(signature, of: message, publicKey: bytes)
  }
}
