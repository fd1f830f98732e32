/// Numbers of the protocol, by our own digit loop: `Int("+5")` is 5, and a protocol number has no sign.
enum DecimalNumber {
  /// 1 to 19 digits as a number; nil for anything else, a superfluous leading zero or an overflow included.
  static func parse(_ digits: some Collection<UInt8>) -> Int? {
    guard let first = digits.first, digits.count <= 19, first != 0x30 || digits.count == 1 else { return nil }
    var number = 0
    for digit in digits {
      guard digit.isDigit else { return nil }
      let (product, overflow) = number.multipliedReportingOverflow(by: 10)
      let (sum, carried) = product.addingReportingOverflow(Int(digit &- 0x30))
      if overflow || carried { return nil }
      number = sum
    }
    return number
  }

  /// Appends a number of at least 0 in decimal.
  static func append(_ number: Int, to bytes: inout [UInt8]) {
    if number >= 10 { append(number / 10, to: &bytes) }
    bytes.append(UInt8(truncatingIfNeeded: number % 10) &+ 0x30)
  }

  /// Appends a number of at least 0 in hexadecimal.
  static func appendHex(_ number: Int, to bytes: inout [UInt8]) {
    if number >= 16 { appendHex(number / 16, to: &bytes) }
    let digit = UInt8(truncatingIfNeeded: number % 16)
    bytes.append(digit < 10 ? digit &+ 0x30 : digit &+ 0x57)
  }
}
