/// Base 64 of RFC 4648, section 4, with padding. Decoding takes the one canonical form of each value only.
package enum Base64 {
  private static let alphabet = Alphabet("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")

  /// The text of these bytes.
  package static func encode(_ bytes: [UInt8]) -> String {
    let text = BitGroups.encode(bytes, alphabet)
    return text + String(repeating: "=", count: (4 - text.utf8.count % 4) % 4)
  }

  /// nil for other characters, white space, missing or surplus padding, and non-zero bits after the last byte.
  package static func decode(_ text: String) -> [UInt8]? {
    var digits = Array(text.utf8)
    guard digits.count % 4 == 0 else { return nil }
    let padding = digits.suffix(2).count { $0 == 0x3D }
    if padding == 2, digits.last != 0x3D { return nil }
    digits.removeLast(padding)
    return BitGroups.decode(digits, alphabet)
  }
}

/// The URL-safe alphabet of RFC 4648, section 5, without padding. Decoding takes the one canonical form only.
package enum Base64URL {
  private static let alphabet = Alphabet("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")

  /// The text of these bytes.
  package static func encode(_ bytes: [UInt8]) -> String {
    BitGroups.encode(bytes, alphabet)
  }

  /// nil for other characters, padding, impossible lengths, and non-zero bits after the last byte.
  package static func decode(_ text: String) -> [UInt8]? {
    BitGroups.decode(Array(text.utf8), alphabet)
  }
}

/// Base 32 of RFC 4648, section 6, without padding: how authenticator apps want their secrets.
package enum Base32 {
  private static let alphabet = Alphabet("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")

  /// The text of these bytes.
  package static func encode(_ bytes: [UInt8]) -> String {
    BitGroups.encode(bytes, alphabet)
  }

  /// nil for lower case, padding, impossible lengths, and non-zero bits after the last byte.
  package static func decode(_ text: String) -> [UInt8]? {
    BitGroups.decode(Array(text.utf8), alphabet)
  }
}

/// Hexadecimal text in lower case.
package enum Hex {
  private static let alphabet = Alphabet("0123456789abcdef")

  /// The text of these bytes.
  package static func encode(_ bytes: [UInt8]) -> String {
    BitGroups.encode(bytes, alphabet)
  }

  /// nil for upper case, other characters, and an odd length.
  package static func decode(_ text: String) -> [UInt8]? {
    BitGroups.decode(Array(text.utf8), alphabet)
  }
}

/// 16, 32 or 64 digits, each of which stands for 4, 5 or 6 bits.
private struct Alphabet {
  static let none: UInt8 = 0xFF

  let digits: [UInt8]
  /// The value of each byte; `none` for bytes that are no digit.
  let values: [UInt8]
  let bits: Int

  init(_ text: String) {
    digits = Array(text.utf8)
    bits = digits.count.trailingZeroBitCount
    var values = [UInt8](repeating: Alphabet.none, count: 256)
    for (value, digit) in digits.enumerated() { values[Int(digit)] = UInt8(value) }
    self.values = values
  }
}

/// Bytes as groups of bits, high bits first. For encoding only; secrets are compared as digests.
private enum BitGroups {
  static func encode(_ bytes: [UInt8], _ alphabet: Alphabet) -> String {
    let bits = alphabet.bits
    let mask = UInt32(alphabet.digits.count - 1)
    var text: [UInt8] = []
    text.reserveCapacity((bytes.count * 8 + bits - 1) / bits)
    var pending: UInt32 = 0
    var pendingBits = 0
    for byte in bytes {
      pending = (pending << 8 | UInt32(byte)) & 0xFFFF
      pendingBits += 8
      while pendingBits >= bits {
        pendingBits -= bits
        text.append(alphabet.digits[Int(pending >> UInt32(pendingBits) & mask)])
      }
    }
    if pendingBits > 0 {
      text.append(alphabet.digits[Int(pending << UInt32(bits - pendingBits) & mask)])
    }
    return String(decoding: text, as: UTF8.self)
  }

  static func decode(_ digits: [UInt8], _ alphabet: Alphabet) -> [UInt8]? {
    let bits = alphabet.bits
    var bytes: [UInt8] = []
    bytes.reserveCapacity(digits.count * bits / 8)
    var pending: UInt32 = 0
    var pendingBits = 0
    for digit in digits {
      let value = alphabet.values[Int(digit)]
      if value == Alphabet.none { return nil }
      pending = (pending << UInt32(bits) | UInt32(value)) & 0xFFFF
      pendingBits += bits
      if pendingBits >= 8 {
        pendingBits -= 8
        bytes.append(UInt8(truncatingIfNeeded: pending >> UInt32(pendingBits)))
      }
    }
    // A whole unused digit, or bits that encode nothing: another spelling of the same bytes.
    if pendingBits >= bits || pending & ((1 << UInt32(pendingBits)) - 1) != 0 { return nil }
    return bytes
  }
}
