/// The name of a header field, lower case, for looking one up.
package struct HeaderName: ExpressibleByStringLiteral, Sendable {
  let text: StaticString

  package init(stringLiteral text: StaticString) {
    self.text = text
  }

  package static let accept: HeaderName = "accept"
  package static let acceptLanguage: HeaderName = "accept-language"
  package static let authorization: HeaderName = "authorization"
  package static let contentDigest: HeaderName = "content-digest"
  package static let contentEncoding: HeaderName = "content-encoding"
  package static let contentLength: HeaderName = "content-length"
  package static let contentType: HeaderName = "content-type"
  package static let expect: HeaderName = "expect"
  package static let forwardedFor: HeaderName = "x-forwarded-for"
  package static let host: HeaderName = "host"
  package static let idempotencyKey: HeaderName = "idempotency-key"
  package static let ifMatch: HeaderName = "if-match"
  package static let ifNoneMatch: HeaderName = "if-none-match"
  package static let origin: HeaderName = "origin"
  package static let requestID: HeaderName = "x-request-id"
}

/// The field lines of a request, as they came. Every name is a token, every value consists of visible characters,
/// spaces, tabs and bytes from 0x80 on, without white space at its ends: the parser has refused anything else.
package struct Headers: Sendable {
  struct Field: Sendable {
    let nameStart: UInt32
    let nameEnd: UInt32
    let valueStart: UInt32
    let valueEnd: UInt32

    var name: Range<Int> { Int(nameStart)..<Int(nameEnd) }
    var value: Range<Int> { Int(valueStart)..<Int(valueEnd) }
  }

  private let bytes: [UInt8]
  private let fields: [Field]

  /// Fields as ranges of `bytes`.
  init(bytes: [UInt8], fields: [Field]) {
    self.bytes = bytes
    self.fields = fields
  }

  /// Fields made in memory, for requests that didn't come over a socket. They aren't checked.
  package init(_ fields: [(name: String, value: String)] = []) {
    var bytes: [UInt8] = []
    var table: [Field] = []
    for (name, value) in fields {
      let start = bytes.count
      bytes += name.utf8
      let middle = bytes.count
      bytes += value.utf8
      table.append(
        Field(
          nameStart: UInt32(start), nameEnd: UInt32(middle), valueStart: UInt32(middle), valueEnd: UInt32(bytes.count)))
    }
    self.init(bytes: bytes, fields: table)
  }

  /// How many field lines there are.
  package var count: Int { fields.count }

  /// The value of the first field of that name, nil when there is none.
  package subscript(_ name: HeaderName) -> [UInt8]? {
    guard let range = range(of: name) else { return nil }
    return Array(bytes[range])
  }

  /// The value of the first field of that name as text; nil when there is none, or when it isn't UTF-8.
  package func string(_ name: HeaderName) -> String? {
    guard let range = range(of: name) else { return nil }
    return String(validating: bytes[range], as: UTF8.self)
  }

  /// Whether there is a field of that name.
  package func contains(_ name: HeaderName) -> Bool { range(of: name) != nil }

  /// The values of all fields of that name, in their order.
  package func all(_ name: HeaderName) -> [[UInt8]] {
    var values: [[UInt8]] = []
    for field in fields where bytes.span.equals(name.text, in: field.name) { values.append(Array(bytes[field.value])) }
    return values
  }

  private func range(of name: HeaderName) -> Range<Int>? {
    let span = bytes.span
    for field in fields where span.equals(name.text, in: field.name) { return field.value }
    return nil
  }
}
