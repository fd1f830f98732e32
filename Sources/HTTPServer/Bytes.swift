import CLinux

// ASCII as the grammar of RFC 9110 and 9112 sees it. Bytes only: Swift's String folds, trims and splits by Unicode's
// rules, which would accept what the grammar doesn't.

extension UInt8 {
  static let tab: UInt8 = 0x09
  static let lineFeed: UInt8 = 0x0a
  static let carriageReturn: UInt8 = 0x0d
  static let space: UInt8 = 0x20
  static let quote: UInt8 = 0x22
  static let numberSign: UInt8 = 0x23
  static let percent: UInt8 = 0x25
  static let asterisk: UInt8 = 0x2a
  static let comma: UInt8 = 0x2c
  static let dot: UInt8 = 0x2e
  static let slash: UInt8 = 0x2f
  static let colon: UInt8 = 0x3a
  static let semicolon: UInt8 = 0x3b
  static let equals: UInt8 = 0x3d
  static let questionMark: UInt8 = 0x3f
  static let openBracket: UInt8 = 0x5b
  static let backslash: UInt8 = 0x5c
  static let closeBracket: UInt8 = 0x5d
  static let underscore: UInt8 = 0x5f

  /// `tchar` of RFC 9110 section 5.6.2.
  var isTokenCharacter: Bool {
    // One bit for each of the 128 ASCII characters.
    let low: UInt64 = 0x03ff_6cfa_0000_0000
    let high: UInt64 = 0x57ff_ffff_c7ff_fffe
    if self < 64 { return low >> UInt64(self) & 1 == 1 }
    return self < 128 && high >> UInt64(self & 63) & 1 == 1
  }

  /// A byte that may stand in a field value: VCHAR, SP, HTAB or obs-text (RFC 9110 section 5.5).
  var isFieldValueByte: Bool { self >= 0x20 && self != 0x7f || self == .tab }

  var isDigit: Bool { self >= 0x30 && self <= 0x39 }

  /// The value of a hexadecimal digit, nil of any other byte.
  var hexValue: UInt8? {
    switch self {
    case 0x30...0x39: self &- 0x30
    case 0x41...0x46: self &- 0x37
    case 0x61...0x66: self &- 0x57
    default: nil
    }
  }

  /// ASCII upper case as lower case; every other byte as it is.
  var lowercased: UInt8 { self >= 0x41 && self <= 0x5a ? self | 0x20 : self }
}

extension Span where Element == UInt8 {
  /// Index of the first line feed at or after `start`, nil when there is none.
  func lineFeed(from start: Int) -> Int? {
    guard start < count else { return nil }
    let found = unsafe extracting(start..<count).withUnsafeBufferPointer { buffer in
      unsafe clinux_find_byte(buffer.baseAddress, buffer.count, .lineFeed)
    }
    return found < 0 ? nil : start + found
  }

  /// A copy of the bytes in `range`.
  func copy(_ range: Range<Int>) -> [UInt8] {
    unsafe extracting(range).withUnsafeBufferPointer { unsafe Array($0) }
  }

  /// Whether the bytes in `range` are `text`, letters compared without regard to case. `text` is lower case.
  func equals(_ text: StaticString, in range: Range<Int>) -> Bool {
    guard range.count == text.utf8CodeUnitCount else { return false }
    for index in 0..<range.count {
      let expected = unsafe text.utf8Start[index]
      if self[range.lowerBound + index].lowercased != expected { return false }
    }
    return true
  }

  /// `range` without spaces and tabs at either end.
  func trimmed(_ range: Range<Int>) -> Range<Int> {
    var start = range.lowerBound
    var end = range.upperBound
    while start < end, self[start] == .space || self[start] == .tab { start += 1 }
    while end > start, self[end - 1] == .space || self[end - 1] == .tab { end -= 1 }
    return start..<end
  }
}
