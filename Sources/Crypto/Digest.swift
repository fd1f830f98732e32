import Synchronization

/// SHA-256 (FIPS 180-4) by libcrypto.
package enum SHA256 {
  /// Bytes of a digest.
  package static let digestBytes = 32

  /// The digest of a whole message, 32 bytes.
  package static func hash(_ bytes: [UInt8]) -> [UInt8] {
    guard let digest = LibCrypto.sha256(bytes) else {
      // Only a libcrypto without SHA-256 or a machine without memory gets here; no digest may be made up.
      preconditionFailure("libcrypto has no SHA-256")  // why: see above
    }
    return digest
  }

  /// The digest of a text's UTF-8 bytes.
  package static func hash(_ text: String) -> [UInt8] {
    hash(Array(text.utf8))
  }
}

/// A SHA-256 over bytes that come in pieces, such as an upload.
package struct SHA256Stream: ~Copyable {
  private let context: LibCrypto.DigestContext

  /// Starts with no bytes.
  package init() throws(CryptoError) {
    context = try LibCrypto.DigestContext()
  }

  /// Adds a piece.
  package mutating func update(_ bytes: [UInt8]) throws(CryptoError) {
    guard context.add(bytes) else { throw CryptoError("SHA-256") }
  }

  /// The digest of all pieces, 32 bytes.
  package consuming func finish() throws(CryptoError) -> [UInt8] {
    guard let digest = context.end() else { throw CryptoError("SHA-256") }
    return digest
  }
}

/// HMAC-SHA-256 (RFC 2104) under one key. The keyed context is kept, which makes a code four times as fast as keying
/// again; the lock around it is free where one thread uses it.
package final class HMACSHA256: Sendable {
  private let context: Mutex<LibCrypto.KeyedContext>

  /// Takes a key of any length; 32 random bytes are right.
  package init(key: [UInt8]) throws(CryptoError) {
    context = Mutex(try LibCrypto.KeyedContext(digest: "SHA256", size: 32, key: key))
  }

  /// The code of a message, 32 bytes.
  package func code(_ message: [UInt8]) -> [UInt8] {
    guard let code = context.withLock({ $0.code(message) }) else {
      // As with SHA-256: a code that can't be computed must not be replaced by anything.
      preconditionFailure("libcrypto has no HMAC-SHA-256")  // why: see above
    }
    return code
  }

  /// The code of a text's UTF-8 bytes.
  package func code(_ text: String) -> [UInt8] {
    code(Array(text.utf8))
  }

  /// Whether `code` is the code of `message`, in constant time.
  package func isValid(_ code: [UInt8], for message: [UInt8]) -> Bool {
    constantTimeEquals(code, self.code(message))
  }
}

/// HKDF-SHA-256 (RFC 5869).
package enum HKDF {
  /// - Parameter count: bytes wanted, 1 to 8,160.
  package static func derive(
    key: [UInt8], salt: [UInt8] = [], info: [UInt8], count: Int
  ) throws(CryptoError) -> [UInt8] {
    guard (1...8_160).contains(count) else { throw CryptoError("key derivation") }
    return try LibCrypto.hkdf(key: key, salt: salt, info: info, count: count)
  }
}

/// Whether two byte strings are equal, in a time that depends on their lengths alone.
package func constantTimeEquals(_ left: [UInt8], _ right: [UInt8]) -> Bool {
  LibCrypto.equal(left, right)
}
