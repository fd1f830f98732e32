import CLibCrypto

/// libcrypto refused. With valid input that means no memory, no entropy, or an algorithm that this build lacks.
package struct CryptoError: Error, Sendable, Equatable {
  /// What was being done; holds no data.
  package let operation: String

  /// Names what failed.
  package init(_ operation: String) {
    self.operation = operation
  }
}

/// Every call into libcrypto. The rest of the module has no pointers.
enum LibCrypto {
  /// SHA-256, fetched once. The pointer is never freed and what it points to never changes.
  nonisolated(unsafe) private static let sha256 = unsafe smile_fetch_digest("SHA256")

  static func random(_ count: Int) throws(CryptoError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    let done = unsafe bytes.withUnsafeMutableBufferPointer { unsafe smile_random($0.baseAddress, $0.count) }
    guard done == 1 else { throw CryptoError("random bytes") }
    return bytes
  }

  static func equal(_ left: [UInt8], _ right: [UInt8]) -> Bool {
    guard left.count == right.count else { return false }
    return unsafe left.withUnsafeBufferPointer { left in
      unsafe right.withUnsafeBufferPointer { right in
        unsafe smile_equal(left.baseAddress, right.baseAddress, left.count) == 1
      }
    }
  }

  static func sha256(_ bytes: [UInt8]) -> [UInt8]? {
    var digest = [UInt8](repeating: 0, count: 32)
    let done = unsafe bytes.withUnsafeBufferPointer { bytes in
      unsafe digest.withUnsafeMutableBufferPointer { digest in
        unsafe smile_digest(sha256, bytes.baseAddress, bytes.count, digest.baseAddress)
      }
    }
    return done == 1 ? digest : nil
  }

  static func hkdf(key: [UInt8], salt: [UInt8], info: [UInt8], count: Int) throws(CryptoError) -> [UInt8] {
    var derived = [UInt8](repeating: 0, count: count)
    let done = unsafe derived.withUnsafeMutableBufferPointer { out in
      unsafe key.withUnsafeBufferPointer { key in
        unsafe salt.withUnsafeBufferPointer { salt in
          unsafe info.withUnsafeBufferPointer { info in
            unsafe smile_hkdf_sha256(
              key.baseAddress, key.count, salt.baseAddress, salt.count, info.baseAddress, info.count,
              out.baseAddress, out.count)
          }
        }
      }
    }
    guard done == 1 else { throw CryptoError("key derivation") }
    return derived
  }

  /// Returns the ciphertext followed by the 16-byte tag. `key` has 32 bytes, `nonce` 12.
  static func seal(
    _ plain: [UInt8], key: [UInt8], nonce: [UInt8], associated: [UInt8]
  ) throws(CryptoError) -> [UInt8] {
    guard key.count == 32, nonce.count == 12, let length = Int32(exactly: plain.count),
      let associatedLength = Int32(exactly: associated.count)
    else { throw CryptoError("sealing") }
    var cipher = [UInt8](repeating: 0, count: plain.count)
    var tag = [UInt8](repeating: 0, count: 16)
    let done = unsafe cipher.withUnsafeMutableBufferPointer { cipher in
      unsafe tag.withUnsafeMutableBufferPointer { tag in
        unsafe key.withUnsafeBufferPointer { key in
          unsafe smile_aes256gcm_seal(
            key.baseAddress, nonce, associated, associatedLength, plain, length, cipher.baseAddress, tag.baseAddress)
        }
      }
    }
    guard done == 1 else { throw CryptoError("sealing") }
    return cipher + tag
  }

  /// The opposite of `seal`; nil when the tag doesn't fit.
  static func open(_ cipher: [UInt8], tag: [UInt8], key: [UInt8], nonce: [UInt8], associated: [UInt8]) -> [UInt8]? {
    guard key.count == 32, nonce.count == 12, tag.count == 16, let length = Int32(exactly: cipher.count),
      let associatedLength = Int32(exactly: associated.count)
    else { return nil }
    var plain = [UInt8](repeating: 0, count: cipher.count)
    let done = unsafe plain.withUnsafeMutableBufferPointer { plain in
      unsafe smile_aes256gcm_open(
        key, nonce, associated, associatedLength, cipher, length, tag, plain.baseAddress)
    }
    return done == 1 ? plain : nil
  }

  static func ed25519PublicKey(seed: [UInt8]) -> [UInt8]? {
    guard seed.count == 32 else { return nil }
    var key = [UInt8](repeating: 0, count: 32)
    let done = unsafe key.withUnsafeMutableBufferPointer { unsafe smile_ed25519_public(seed, $0.baseAddress) }
    return done == 1 ? key : nil
  }

  static func ed25519Sign(_ message: [UInt8], seed: [UInt8]) -> [UInt8]? {
    guard seed.count == 32 else { return nil }
    var signature = [UInt8](repeating: 0, count: 64)
    let done = unsafe signature.withUnsafeMutableBufferPointer {
      unsafe smile_ed25519_sign(seed, message, message.count, $0.baseAddress)
    }
    return done == 1 ? signature : nil
  }

  static func ed25519Verify(_ signature: [UInt8], of message: [UInt8], publicKey: [UInt8]) -> Bool {
    guard publicKey.count == 32, signature.count == 64 else { return false }
    return unsafe smile_ed25519_verify(publicKey, signature, message, message.count) == 1
  }

  /// A SHA-256 that is under way.
  @safe struct DigestContext: ~Copyable {
    private let raw: OpaquePointer

    init() throws(CryptoError) {
      guard let raw = unsafe smile_digest_start(sha256) else { throw CryptoError("SHA-256") }
      unsafe self.raw = raw
    }

    func add(_ bytes: [UInt8]) -> Bool {
      unsafe bytes.withUnsafeBufferPointer { unsafe smile_digest_add(raw, $0.baseAddress, $0.count) == 1 }
    }

    func end() -> [UInt8]? {
      var digest = [UInt8](repeating: 0, count: 32)
      let done = unsafe digest.withUnsafeMutableBufferPointer { unsafe smile_digest_end(raw, $0.baseAddress) }
      return done == 1 ? digest : nil
    }

    deinit { unsafe EVP_MD_CTX_free(raw) }
  }

  /// An HMAC with its key already in it.
  @safe struct KeyedContext: ~Copyable {
    private let raw: OpaquePointer
    private let size: Int

    init(digest: String, size: Int, key: [UInt8]) throws(CryptoError) {
      guard let raw = unsafe smile_hmac_new(digest, key, key.count) else { throw CryptoError("HMAC") }
      unsafe self.raw = raw
      self.size = size
    }

    /// The code of one message; the context is as fresh as before afterwards.
    func code(_ message: [UInt8]) -> [UInt8]? {
      var code = [UInt8](repeating: 0, count: size)
      let done = unsafe code.withUnsafeMutableBufferPointer { code in
        unsafe message.withUnsafeBufferPointer { message in
          unsafe smile_hmac(raw, message.baseAddress, message.count, code.baseAddress, code.count)
        }
      }
      return done == 1 ? code : nil
    }

    deinit { unsafe EVP_MAC_CTX_free(raw) }
  }
}
