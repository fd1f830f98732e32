import Synchronization

/// Bytes of libcrypto's generator.
package enum SecureRandom {
  /// Fresh bytes for secrets: tokens, keys, nonces, salts.
  ///
  /// - Throws: when the generator has no entropy; nothing may be sent or stored then.
  package static func bytes(_ count: Int) throws(CryptoError) -> [UInt8] {
    guard count >= 0 else { throw CryptoError("random bytes") }
    return try LibCrypto.random(count)
  }
}

/// Random bytes out of a buffer, for identifiers that are no secrets: one call into the generator for many ids.
package final class RandomSource: Sendable {
  private static let bufferBytes = 4_096
  private let buffer = Mutex<[UInt8]>([])

  /// Starts with an empty buffer.
  package init() {}

  /// 64 bits that no one else gets. Throws as `SecureRandom.bytes` does.
  package func word() throws(CryptoError) -> UInt64 {
    try buffer.withLock { buffer throws(CryptoError) in
      if buffer.isEmpty { buffer = try SecureRandom.bytes(RandomSource.bufferBytes) }
      let word = buffer[(buffer.count - 8)...].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
      buffer.removeLast(8)
      return word
    }
  }
}
