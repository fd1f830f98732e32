import CLibCrypt

/// Every call into libcrypt (libxcrypt).
enum LibCrypt {
  /// Bytes that a setting or a hash takes at the most, with its NUL.
  private static let outputSize = 384

  /// A fresh yescrypt setting, `$y$<parameters>$<salt>`.
  static func yescryptSetting(cost: Int, salt: [UInt8]) -> String? {
    guard salt.count == 16, (1...11).contains(cost) else { return nil }
    var out = [CChar](repeating: 0, count: outputSize)
    let done = unsafe out.withUnsafeMutableBufferPointer {
      unsafe smile_yescrypt_setting(UInt(cost), salt, $0.baseAddress, $0.count)
    }
    return done == 1 ? text(out) : nil
  }

  /// The hash of `phrase` under `setting`; nil when libcrypt refuses. Neither may hold NUL.
  static func hash(_ phrase: String, setting: String) -> String? {
    guard !phrase.utf8.contains(0), !setting.utf8.contains(0) else { return nil }
    var out = [CChar](repeating: 0, count: outputSize)
    let done = unsafe out.withUnsafeMutableBufferPointer {
      unsafe smile_crypt(phrase, setting, $0.baseAddress, $0.count)
    }
    return done == 1 ? text(out) : nil
  }

  private static func text(_ characters: [CChar]) -> String? {
    String(validating: characters.prefix { $0 != 0 }, as: UTF8.self)
  }
}
