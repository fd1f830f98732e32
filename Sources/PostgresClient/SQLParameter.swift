/// A Swift type that can be bound to a `$n` of a statement.
///
/// `oid` is the parameter's type as PostgreSQL sees it (`pg_type.oid`); the statement is prepared with it, so a
/// mismatch with the schema fails at connect and not at the first request.
package protocol SQLParameter: Sendable {
  static var oid: UInt32 { get }
  func encode(into buffer: inout ParameterBuffer)
}

/// The bound values of a segment, one after the other in one block, each followed by a NUL (text parameters are C
/// strings).
package struct ParameterBuffer: Sendable {
  struct Slot: Sendable {
    var offset: Int
    var length: Int
    var isBinary: Bool
    var isNull: Bool
  }

  private(set) var bytes: [UInt8] = []
  private(set) var slots: [Slot] = []
  /// Set by a value that can't be bound; the segment refuses it.
  private(set) var isRefused = false

  /// libpq keeps a message's length in 32 bits.
  private static let largestValue = 0x3fff_ffff

  package init() {}

  mutating func reserve(bytes byteCount: Int, slots slotCount: Int) {
    bytes.reserveCapacity(byteCount)
    slots.reserveCapacity(slotCount)
  }

  /// Binds SQL NULL.
  package mutating func appendNull() {
    slots.append(Slot(offset: bytes.count, length: 0, isBinary: false, isNull: true))
  }

  /// Binds text in text format. Refuses NUL: libpq would silently cut the value there.
  package mutating func appendText(_ text: String) {
    let start = bytes.count
    bytes.append(contentsOf: text.utf8)
    if bytes[start...].contains(0) { isRefused = true }
    close(from: start, isBinary: false)
  }

  /// Binds UTF-8 bytes in text format. Refuses NUL and invalid UTF-8.
  package mutating func appendText(utf8: [UInt8]) {
    let start = bytes.count
    bytes.append(contentsOf: utf8)
    if utf8.contains(0) || (try? UTF8Span(validating: utf8.span)) == nil { isRefused = true }
    close(from: start, isBinary: false)
  }

  /// Binds bytes in the type's binary format.
  package mutating func appendBinary(_ value: [UInt8]) {
    let start = bytes.count
    bytes.append(contentsOf: value)
    close(from: start, isBinary: true)
  }

  /// Binds an integer in network byte order.
  package mutating func appendBinary<Integer: FixedWidthInteger>(_ value: Integer) {
    let start = bytes.count
    append(bigEndian: value)
    close(from: start, isBinary: true)
  }

  /// Binds a one-dimensional array (text or numbers) in binary format; NULL elements don't occur.
  mutating func appendArray<Element>(
    _ elements: [Element], elementType: UInt32, _ encode: (Element, inout ParameterBuffer) -> Void
  ) {
    let start = bytes.count
    append(bigEndian: Int32(elements.isEmpty ? 0 : 1))
    append(bigEndian: Int32(0))
    append(bigEndian: elementType)
    if !elements.isEmpty {
      append(bigEndian: Int32(truncatingIfNeeded: elements.count))
      append(bigEndian: Int32(1))
    }
    for element in elements {
      let lengthAt = bytes.count
      append(bigEndian: Int32(0))
      encode(element, &self)
      let length = UInt32(truncatingIfNeeded: bytes.count - lengthAt - 4)
      for byte in 0..<4 { bytes[lengthAt + byte] = UInt8(truncatingIfNeeded: length >> UInt32(24 - 8 * byte)) }
    }
    close(from: start, isBinary: true)
  }

  /// Appends text inside an array's element; refuses NUL.
  mutating func appendElement(_ text: String) {
    let start = bytes.count
    bytes.append(contentsOf: text.utf8)
    if bytes[start...].contains(0) { isRefused = true }
  }

  /// Appends raw bytes inside an array's element.
  mutating func appendElement(_ bytes: [UInt8]) { self.bytes.append(contentsOf: bytes) }

  mutating func append<Integer: FixedWidthInteger>(bigEndian value: Integer) {
    var value = value.bigEndian
    unsafe withUnsafeBytes(of: &value) { unsafe bytes.append(contentsOf: $0) }
  }

  private mutating func close(from start: Int, isBinary: Bool) {
    let length = bytes.count - start
    if length > Self.largestValue { isRefused = true }
    slots.append(Slot(offset: start, length: length, isBinary: isBinary, isNull: false))
    bytes.append(0)
  }
}

extension String: SQLParameter {
  package static var oid: UInt32 { 25 }
  package func encode(into buffer: inout ParameterBuffer) { buffer.appendText(self) }
}

/// `bytea`.
extension Array: SQLParameter where Element: SQLArrayElement {
  package static var oid: UInt32 { Element.arrayOID }
  package func encode(into buffer: inout ParameterBuffer) { Element.encode(self, into: &buffer) }
}

/// What can stand in a Swift array that is bound as one parameter: `[UInt8]` is `bytea`, the others are SQL arrays.
package protocol SQLArrayElement: Sendable {
  static var arrayOID: UInt32 { get }
  static func encode(_ elements: [Self], into buffer: inout ParameterBuffer)
}

extension UInt8: SQLArrayElement {
  package static var arrayOID: UInt32 { 17 }
  package static func encode(_ elements: [UInt8], into buffer: inout ParameterBuffer) { buffer.appendBinary(elements) }
}

extension String: SQLArrayElement {
  package static var arrayOID: UInt32 { 1009 }
  package static func encode(_ elements: [String], into buffer: inout ParameterBuffer) {
    buffer.appendArray(elements, elementType: String.oid) { $1.appendElement($0) }
  }
}

extension Int64: SQLParameter, SQLArrayElement {
  package static var oid: UInt32 { 20 }
  package static var arrayOID: UInt32 { 1016 }
  package func encode(into buffer: inout ParameterBuffer) { buffer.appendBinary(self) }
  package static func encode(_ elements: [Int64], into buffer: inout ParameterBuffer) {
    buffer.appendArray(elements, elementType: oid) { $1.append(bigEndian: $0) }
  }
}

extension Int32: SQLParameter, SQLArrayElement {
  package static var oid: UInt32 { 23 }
  package static var arrayOID: UInt32 { 1007 }
  package func encode(into buffer: inout ParameterBuffer) { buffer.appendBinary(self) }
  package static func encode(_ elements: [Int32], into buffer: inout ParameterBuffer) {
    buffer.appendArray(elements, elementType: oid) { $1.append(bigEndian: $0) }
  }
}

extension Int16: SQLParameter {
  package static var oid: UInt32 { 21 }
  package func encode(into buffer: inout ParameterBuffer) { buffer.appendBinary(self) }
}

extension Bool: SQLParameter {
  package static var oid: UInt32 { 16 }
  package func encode(into buffer: inout ParameterBuffer) { buffer.appendBinary(UInt8(self ? 1 : 0)) }
}

extension Optional: SQLParameter where Wrapped: SQLParameter {
  package static var oid: UInt32 { Wrapped.oid }
  package func encode(into buffer: inout ParameterBuffer) {
    switch self {
    case .some(let value): value.encode(into: &buffer)
    case .none: buffer.appendNull()
    }
  }
}
