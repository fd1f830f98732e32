/// Appends JSON to a buffer. The caller keeps the order right: a member has a key and then a value.
package struct JSONWriter {
  /// The text so far.
  package private(set) var bytes: [UInt8]
  private var needsComma = false

  /// Goes on after what stands in a buffer already.
  package init(appendingTo buffer: consuming [UInt8]) { bytes = buffer }

  /// - Parameter capacity: bytes to reserve.
  package init(capacity: Int = 256) {
    bytes = []
    bytes.reserveCapacity(capacity)
  }

  /// Writes an object as the next value.
  package mutating func object<E: Error>(_ members: (inout JSONWriter) throws(E) -> Void) throws(E) {
    open(ASCII.openBrace)
    try members(&self)
    close(ASCII.closeBrace)
  }

  /// Writes an array as the next value.
  package mutating func array<E: Error>(_ elements: (inout JSONWriter) throws(E) -> Void) throws(E) {
    open(ASCII.openBracket)
    try elements(&self)
    close(ASCII.closeBracket)
  }

  /// Writes a member's name. It stands in the code, so it needs no escapes: letters, digits and `_`.
  package mutating func key(_ name: StaticString) {
    separate()
    bytes.append(ASCII.quote)
    // The literal's bytes live as long as the program.
    name.withUTF8Buffer { unsafe bytes.append(contentsOf: $0) }
    bytes.append(ASCII.quote)
    bytes.append(ASCII.colon)
    needsComma = false
  }

  /// Writes a member's name that is data.
  package mutating func key(_ name: String) {
    separate()
    appendString(name)
    bytes.append(ASCII.colon)
    needsComma = false
  }

  /// Writes a string as the next value.
  package mutating func string(_ value: String) {
    separate()
    appendString(value)
  }

  /// Writes an integer as the next value.
  package mutating func integer(_ value: Int64) {
    separate()
    if value < 0 { bytes.append(ASCII.minus) }
    let magnitude = value.magnitude
    var unit: UInt64 = 1
    while magnitude / unit >= 10 { unit *= 10 }
    while unit > 0 {
      bytes.append(ASCII.zero + UInt8(truncatingIfNeeded: magnitude / unit % 10))
      unit /= 10
    }
  }

  /// Writes an integer as the next value.
  package mutating func integer(_ value: Int) { integer(Int64(value)) }

  /// Writes true or false as the next value.
  package mutating func bool(_ value: Bool) {
    separate()
    bytes.append(contentsOf: (value ? "true" : "false").utf8)
  }

  /// Writes null as the next value.
  package mutating func null() {
    separate()
    bytes.append(contentsOf: "null".utf8)
  }

  /// Writes a value that is JSON already, for example from PostgreSQL.
  package mutating func raw(_ json: some Sequence<UInt8>) {
    separate()
    bytes.append(contentsOf: json)
  }

  /// Writes a parsed value again; `invalid` becomes null.
  package mutating func value(_ value: JSONValue) {
    switch value {
    case .null, .invalid: null()
    case .bool(let value): bool(value)
    case .number(let number): raw(number.text.utf8)
    case .string(let text): string(text)
    case .array(let elements): array { writer in for element in elements { writer.value(element) } }
    case .object(let members):
      object { writer in
        for member in members {
          writer.key(member.name)
          writer.value(member.value)
        }
      }
    }
  }

  private mutating func open(_ bracket: UInt8) {
    separate()
    bytes.append(bracket)
    needsComma = false
  }

  private mutating func close(_ bracket: UInt8) {
    bytes.append(bracket)
    needsComma = true
  }

  private mutating func separate() {
    if needsComma { bytes.append(ASCII.comma) }
    needsComma = true
  }

  /// Escapes what RFC 8259, section 7 demands, and nothing else.
  private mutating func appendString(_ text: String) {
    bytes.append(ASCII.quote)
    if !JSONWriter.needsEscape(text.utf8.span) {
      bytes.append(contentsOf: text.utf8)
      bytes.append(ASCII.quote)
      return
    }
    for byte in text.utf8 {
      switch byte {
      case ASCII.quote, ASCII.backslash:
        bytes.append(ASCII.backslash)
        bytes.append(byte)
      case ASCII.lineFeed: bytes.append(contentsOf: [ASCII.backslash, 0x6E])
      case ASCII.carriageReturn: bytes.append(contentsOf: [ASCII.backslash, 0x72])
      case ASCII.tab: bytes.append(contentsOf: [ASCII.backslash, 0x74])
      case 0x00..<ASCII.space:
        bytes.append(contentsOf: "\\u00".utf8)
        bytes.append(JSONWriter.hexDigit(byte >> 4))
        bytes.append(JSONWriter.hexDigit(byte & 0x0F))
      default: bytes.append(byte)
      }
    }
    bytes.append(ASCII.quote)
  }

  private static func needsEscape(_ text: Span<UInt8>) -> Bool {
    for index in text.indices {
      let byte = text[index]
      if byte < ASCII.space || byte == ASCII.quote || byte == ASCII.backslash { return true }
    }
    return false
  }

  private static func hexDigit(_ value: UInt8) -> UInt8 {
    value < 10 ? ASCII.zero + value : 0x61 + value - 10
  }
}

/// The members of an object.
extension JSONWriter {
  /// A member with a string.
  package mutating func field(_ name: StaticString, _ value: String) {
    key(name)
    string(value)
  }

  /// A member with an integer.
  package mutating func field(_ name: StaticString, _ value: Int64) {
    key(name)
    integer(value)
  }

  /// A member with an integer.
  package mutating func field(_ name: StaticString, _ value: Int) { field(name, Int64(value)) }

  /// A member with an integer.
  package mutating func field(_ name: StaticString, _ value: Int32) { field(name, Int64(value)) }

  /// A member with true or false.
  package mutating func field(_ name: StaticString, _ value: Bool) {
    key(name)
    bool(value)
  }

  /// Writes nothing when the value is nil: absent rather than null.
  package mutating func field(_ name: StaticString, optional value: String?) {
    if let value { field(name, value) }
  }

  /// Writes nothing when the value is nil: absent rather than null.
  package mutating func field(_ name: StaticString, optional value: Int?) {
    if let value { field(name, value) }
  }

  /// A member whose value is JSON already.
  package mutating func field(_ name: StaticString, raw json: some Sequence<UInt8>) {
    key(name)
    raw(json)
  }

  /// A member with a container, which the closure writes.
  package mutating func field<E: Error>(
    _ name: StaticString, object members: (inout JSONWriter) throws(E) -> Void
  ) throws(E) {
    key(name)
    try object(members)
  }

  /// A member with a container, which the closure writes.
  package mutating func field<E: Error>(
    _ name: StaticString, array elements: (inout JSONWriter) throws(E) -> Void
  ) throws(E) {
    key(name)
    try array(elements)
  }
}
