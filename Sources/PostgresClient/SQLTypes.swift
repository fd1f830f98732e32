/// A `uuid` parameter: 16 bytes, bound in binary format, so that no text has to be checked again by the server.
package struct SQLUUID: SQLParameter, Hashable, CustomStringConvertible {
  private let high: UInt64
  private let low: UInt64

  package static var oid: UInt32 { 2950 }

  package init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// Reads the plain text form of RFC 9562 section 4 (8-4-4-4-12 hex digits, either case); nil for anything else.
  package init?(parsing text: String) { self.init(parsing: Array(text.utf8)) }

  /// The same, from bytes.
  package init?(parsing text: [UInt8]) {
    guard text.count == 36 else { return nil }
    var halves: (UInt64, UInt64) = (0, 0)
    var digits = 0
    for (index, byte) in text.enumerated() {
      if index == 8 || index == 13 || index == 18 || index == 23 {
        guard byte == UInt8(ascii: "-") else { return nil }
        continue
      }
      guard let value = Self.hexDigit(byte) else { return nil }
      if digits < 16 { halves.0 = halves.0 << 4 | value } else { halves.1 = halves.1 << 4 | value }
      digits += 1
    }
    (high, low) = halves
  }

  private static func hexDigit(_ byte: UInt8) -> UInt64? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt64(byte - UInt8(ascii: "0"))
    case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt64(byte - UInt8(ascii: "a") + 10)
    case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt64(byte - UInt8(ascii: "A") + 10)
    default: nil
    }
  }

  /// The lower-case text form, as PostgreSQL writes it.
  package var description: String {
    unsafe String(unsafeUninitializedCapacity: 36) { text in
      var place = 0
      for digit in 0..<32 {
        if digit == 8 || digit == 12 || digit == 16 || digit == 20 {
          unsafe text[place] = UInt8(ascii: "-")
          place += 1
        }
        let half = digit < 16 ? high : low
        let value = UInt8(truncatingIfNeeded: half >> UInt64(60 - 4 * (digit & 15))) & 0xf
        unsafe text[place] = value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
        place += 1
      }
      return place
    }
  }

  package func encode(into buffer: inout ParameterBuffer) {
    buffer.appendBinary(UInt128(high) << 64 | UInt128(low))
  }
}

extension SQLUUID: SQLArrayElement {
  package static var arrayOID: UInt32 { 2951 }
  package static func encode(_ elements: [SQLUUID], into buffer: inout ParameterBuffer) {
    buffer.appendArray(elements, elementType: oid) { uuid, buffer in
      buffer.append(bigEndian: uuid.high)
      buffer.append(bigEndian: uuid.low)
    }
  }
}

/// A `date`, as ISO 8601 text ("2026-11-05"); PostgreSQL judges it.
package struct SQLDate: SQLParameter, Hashable {
  package let text: String
  package static var oid: UInt32 { 1082 }
  package init(_ text: String) { self.text = text }
  package func encode(into buffer: inout ParameterBuffer) { buffer.appendText(text) }
}

/// A `timestamptz`, as RFC 3339 text; PostgreSQL judges it.
package struct SQLInstant: SQLParameter, Hashable {
  package let text: String
  package static var oid: UInt32 { 1184 }
  package init(_ text: String) { self.text = text }
  package func encode(into buffer: inout ParameterBuffer) { buffer.appendText(text) }
}

/// A `numeric`, as decimal text: exact, never through floating point.
package struct SQLNumeric: SQLParameter, Hashable {
  package let text: String
  package static var oid: UInt32 { 1700 }
  package init(_ text: String) { self.text = text }
  package func encode(into buffer: inout ParameterBuffer) { buffer.appendText(text) }
}

/// A `json` parameter in UTF-8.
package struct SQLJSON: SQLParameter, Hashable {
  package let bytes: [UInt8]
  package static var oid: UInt32 { 114 }
  package init(_ bytes: [UInt8]) { self.bytes = bytes }
  package func encode(into buffer: inout ParameterBuffer) { buffer.appendText(utf8: bytes) }
}

/// A `text` parameter from bytes that haven't become a `String`; refused unless they are valid UTF-8 without NUL.
package struct SQLText: SQLParameter, Hashable {
  package let bytes: [UInt8]
  package static var oid: UInt32 { 25 }
  package init(_ bytes: [UInt8]) { self.bytes = bytes }
  package func encode(into buffer: inout ParameterBuffer) { buffer.appendText(utf8: bytes) }
}
