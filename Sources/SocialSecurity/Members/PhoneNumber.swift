import JSON

/// A phone number as ITU-T E.164 has it: `+`, country code, number. The national form `08…` counts as Indonesian.
package struct PhoneNumber: Sendable, Hashable, JSONTextReadable {
  /// Such as `+628123456789`.
  package let text: String

  /// - Throws: `invalid_phone`.
  package init(parsing text: String) throws(FieldProblem) {
    let international = text.utf8.starts(with: "08".utf8) ? "+62" + text.dropFirst() : text
    let digits = international.utf8.dropFirst()
    guard international.utf8.first == UInt8(ascii: "+"), (7...15).contains(digits.count),
      digits.allSatisfy({ (0x30...0x39).contains($0) }), digits.first != 0x30
    else { throw FieldProblem("invalid_phone") }
    self.text = international
  }
}
