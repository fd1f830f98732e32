/// An answer. The server adds `Date`, `Content-Length` or `Transfer-Encoding`, and `Connection`.
package struct Response: Sendable {
  /// 200 to 599; anything else is sent as 500.
  package var status: Int
  package var headers: ResponseHeaders
  package var body: ResponseBody

  package init(status: Int, headers: ResponseHeaders = ResponseHeaders(), body: ResponseBody = .none) {
    self.status = status
    self.headers = headers
    self.body = body
  }
}

/// The content of an answer. It is dropped for HEAD, 204 and 304.
package enum ResponseBody: Sendable {
  case none
  case bytes([UInt8])
  /// Pieces that `next` gives until it returns nil, asked for only while the client takes them. With a length exactly
  /// that many bytes must come; without one they are sent chunked. When `next` throws, or the length is wrong, the
  /// connection is cut, so that the client can't take the part for the whole.
  case stream(length: Int?, next: @Sendable () async throws -> [UInt8]?)
}

/// The fields of an answer. Nothing that could end a field line early can get in.
package struct ResponseHeaders: Sendable {
  /// Complete field lines, each with its CRLF.
  private(set) var lines: [UInt8] = []

  package init() {}

  /// Adds a field. False, and nothing added, when the name isn't a token, when it is one of the fields that the server
  /// writes itself, or when the value holds anything but visible characters, spaces and tabs (RFC 9110 section 5.5).
  @discardableResult
  package mutating func append(_ name: StaticString, _ value: String) -> Bool {
    var value = value
    return value.withUTF8 { unsafe append(name, $0) }
  }

  /// Adds a field whose value is bytes, under the same rules.
  @discardableResult
  package mutating func append(_ name: StaticString, _ value: [UInt8]) -> Bool {
    unsafe value.withUnsafeBufferPointer { unsafe append(name, $0) }
  }

  /// Adds fields that were checked when they were added to `other`.
  package mutating func append(contentsOf other: ResponseHeaders) { lines.append(contentsOf: other.lines) }

  /// Takes the fields of that name away; `name` is lower case.
  package mutating func remove(_ name: StaticString) {
    var start = 0
    while let end = lines.span.lineFeed(from: start) {
      let nameEnd = min(start + name.utf8CodeUnitCount, end)
      if lines[nameEnd] == .colon, lines.span.equals(name, in: start..<nameEnd) {
        lines.removeSubrange(start...end)
      } else {
        start = end + 1
      }
    }
  }

  private mutating func append(_ name: StaticString, _ value: UnsafeBufferPointer<UInt8>) -> Bool {
    let name = unsafe UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)
    guard name.count > 0, unsafe name.allSatisfy(\.isTokenCharacter), unsafe !Self.isReserved(name),
      unsafe value.allSatisfy({ $0.isFieldValueByte && $0 < 0x80 })
    else { return false }
    if lines.isEmpty { lines.reserveCapacity(256) }
    unsafe lines.append(contentsOf: name)
    lines.append(.colon)
    lines.append(.space)
    unsafe lines.append(contentsOf: value)
    lines.append(.carriageReturn)
    lines.append(.lineFeed)
    return true
  }

  /// Whether a field of that name was added; `name` is lower case.
  package func contains(_ name: StaticString) -> Bool {
    let span = lines.span
    var start = 0
    while let end = span.lineFeed(from: start) {
      let nameEnd = min(start + name.utf8CodeUnitCount, end)
      if span[nameEnd] == .colon, span.equals(name, in: start..<nameEnd) { return true }
      start = end + 1
    }
    return false
  }

  private static func isReserved(_ name: UnsafeBufferPointer<UInt8>) -> Bool {
    let span = unsafe Span(_unsafeElements: name)
    let whole = 0..<span.count
    return span.equals("content-length", in: whole) || span.equals("transfer-encoding", in: whole)
      || span.equals("connection", in: whole) || span.equals("date", in: whole)
  }
}
