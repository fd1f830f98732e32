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

  /// Bytes that no one else gets. Throws as `SecureRandom.bytes` does.
  package func bytes(_ count: Int) throws(CryptoError) -> [UInt8] {
    guard count <= RandomSource.bufferBytes else { return try SecureRandom.bytes(count) }
    return try buffer.withLock { buffer throws(CryptoError) in
      if buffer.count < count { buffer = try SecureRandom.bytes(RandomSource.bufferBytes) }
      let taken = Array(buffer.suffix(count))
      buffer.removeLast(count)
      return taken
    }
  }

  /// A random UUID in its text form (RFC 9562, version 4), for request ids.
  package func uuidText() throws(CryptoError) -> String {
    var bytes = try bytes(16)
    bytes[6] = bytes[6] & 0x0F | 0x40
    bytes[8] = bytes[8] & 0x3F | 0x80
    var text: [UInt8] = []
    text.reserveCapacity(36)
    for (index, byte) in bytes.enumerated() {
      if index == 4 || index == 6 || index == 8 || index == 10 { text.append(0x2D) }
      text.append(RandomSource.hexDigit(byte >> 4))
      text.append(RandomSource.hexDigit(byte & 0x0F))
    }
    return String(decoding: text, as: UTF8.self)
  }

  private static func hexDigit(_ value: UInt8) -> UInt8 {
    value < 10 ? 0x30 + value : 0x61 + value - 10
  }
}
