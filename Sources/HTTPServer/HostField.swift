/// The Host field: `uri-host [ ":" port ]` (RFC 9110 section 7.2, RFC 3986 section 3.2.2).
enum HostField {
  /// The range of the host without its port; throws `badHost` unless the value is valid. Registered names may consist
  /// of unreserved characters and sub-delims, but not the comma: it would be the sign of two joined fields.
  static func check(_ input: Span<UInt8>, _ value: Range<Int>) throws(FramingError) -> Range<Int> {
    var end = value.lowerBound
    guard !value.isEmpty else { throw .badHost }
    if input[end] == .openBracket {
      while end < value.upperBound, input[end] != .closeBracket { end += 1 }
      guard end < value.upperBound,
        case .some = PeerAddress(parsing: input.copy(value.lowerBound + 1..<end)),
        (value.lowerBound + 1..<end).contains(where: { input[$0] == .colon })
      else { throw .badHost }
      end += 1
    } else {
      while end < value.upperBound, isNameByte(input[end]) { end += 1 }
    }
    guard end > value.lowerBound else { throw .badHost }
    if end < value.upperBound { try checkPort(input, end..<value.upperBound) }
    return value.lowerBound..<end
  }

  /// `:` and at most five digits, up to 65535. The grammar allows a port without digits.
  private static func checkPort(_ input: Span<UInt8>, _ range: Range<Int>) throws(FramingError) {
    guard input[range.lowerBound] == .colon, range.count <= 6 else { throw .badHost }
    var port = 0
    for index in range.dropFirst() {
      guard input[index].isDigit else { throw .badHost }
      port = port * 10 + Int(input[index] &- 0x30)
    }
    guard port <= 65_535 else { throw .badHost }
  }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
    case 0x2d, 0x2e, 0x5f, 0x7e: true  // - . _ ~
    case 0x21, 0x24, 0x26...0x2b, 0x3b, 0x3d: true  // ! $ & ' ( ) * + ; =
    default: false
    }
  }
}
