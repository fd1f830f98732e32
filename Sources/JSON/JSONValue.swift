/// A parsed JSON value. Numbers keep their text, objects keep the order and the duplicates of their members.
package enum JSONValue: Sendable {
  case null
  case bool(Bool)
  case number(JSONNumber)
  case string(String)
  case array([JSONValue])
  case object([JSONMember])
  /// A value that broke a limit or holds text that PostgreSQL can't keep. The reader has reported it
  /// (`JSONDocument.violations`), so whoever meets it stays silent.
  case invalid
}

/// One member of an object, as it was sent.
package struct JSONMember: Sendable {
  /// With its escapes resolved.
  package let name: String
  /// What stands after the colon.
  package let value: JSONValue

  /// A member to be written.
  package init(_ name: String, _ value: JSONValue) {
    self.name = name
    self.value = value
  }
}

/// A number as the text that was sent (RFC 8259, section 6): never a floating-point value, so that nothing is rounded.
package struct JSONNumber: Sendable {
  /// The text, which the reader has checked against the grammar; ASCII.
  package let text: String

  init(checked text: String) {
    self.text = text
  }

  /// The number when it is written as a plain integer that fits; nil for `1.0`, `1e2`, `-0` and everything
  /// outside of 64 bits.
  package var exactInteger: Int64? {
    var digits = text.utf8[...]
    let negative = digits.first == ASCII.minus
    if negative { digits = digits.dropFirst() }
    if negative, digits.first == ASCII.zero { return nil }
    var value: Int64 = 0
    for byte in digits {
      guard ASCII.isDigit(byte) else { return nil }
      let (shifted, overflowed) = value.multipliedReportingOverflow(by: 10)
      // Summed on the negative side, where the range is larger by one.
      let (sum, overflowedAgain) = shifted.subtractingReportingOverflow(Int64(byte - ASCII.zero))
      if overflowed || overflowedAgain { return nil }
      value = sum
    }
    if negative { return value }
    let (positive, overflowed) = Int64(0).subtractingReportingOverflow(value)
    return overflowed ? nil : positive
  }

  /// Whether this is a plain integer that needs more than 64 bits.
  var isBeyond64Bits: Bool {
    let isInteger = text.utf8.allSatisfy { ASCII.isDigit($0) || $0 == ASCII.minus }
    return isInteger && text != "-0" && exactInteger == nil
  }
}

/// A parsed text: its value, and everything in it that the grammar allows and our limits don't.
package struct JSONDocument: Sendable {
  /// The outermost value.
  package let root: JSONValue
  /// Limits broken and unusable text, each with its pointer, in the order of the text.
  package let violations: [FieldError]

  /// A document made by hand.
  package init(root: JSONValue, violations: [FieldError] = []) {
    self.root = root
    self.violations = violations
  }
}
