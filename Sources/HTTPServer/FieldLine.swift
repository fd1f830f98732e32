/// One field line (RFC 9112 section 5): `field-name ":" OWS field-value OWS`.
enum FieldLine {
  /// Where name and value stand. Refused: white space before the name (folding) or the colon, an empty name, a name
  /// that isn't a token or has an underscore (proxies fold `_` and `-`), control characters in the value.
  static func parse(_ input: Span<UInt8>, _ line: Range<Int>) throws(FramingError) -> Headers.Field {
    var colon = line.lowerBound
    while colon < line.upperBound, input[colon].isTokenCharacter, input[colon] != .underscore { colon += 1 }
    guard colon > line.lowerBound, colon < line.upperBound, input[colon] == .colon else { throw .badFieldLine }
    for index in colon + 1..<line.upperBound where !input[index].isFieldValueByte { throw .badFieldLine }
    let value = input.trimmed(colon + 1..<line.upperBound)
    return Headers.Field(
      nameStart: UInt32(line.lowerBound), nameEnd: UInt32(colon), valueStart: UInt32(value.lowerBound),
      valueEnd: UInt32(value.upperBound))
  }

  /// A trailer field: the same grammar, but none of the fields that frame, route or authorise (RFC 9110 section 6.5.1).
  static func checkTrailer(_ input: Span<UInt8>, _ line: Range<Int>) throws(FramingError) {
    guard let field = try? parse(input, line) else { throw .badTrailer }
    for name in ["host", "content-length", "transfer-encoding", "authorization"] as [StaticString]
    where input.equals(name, in: field.name) {
      throw .badTrailer
    }
  }
}

/// The fields that say how a request is framed and handled, noted while the lines are read.
struct FramingFields {
  enum Expectation { case none, `continue`, unknown }

  private(set) var host: Range<Int>?
  private(set) var closes = false
  private(set) var expectation = Expectation.none
  private var contentLength: Int?
  private var transferEncoding: Range<Int>?
  private var isChunked = false
  private var isToken = true
  private var seen: UInt8 = 0

  /// Takes note of one field; a second one of a field that may stand once is refused.
  mutating func note(_ input: Span<UInt8>, _ field: Headers.Field) throws(FramingError) {
    let name = field.name
    switch name.count {
    case 4 where input.equals("host", in: name):
      guard host == nil else { throw .badHost }
      host = field.value
    case 6 where input.equals("expect", in: name):
      let isContinue = expectation == .none && input.equals("100-continue", in: field.value)
      expectation = isContinue ? .continue : .unknown
    case 8 where input.equals("if-match", in: name): try once(1)
    case 10 where input.equals("connection", in: name): noteConnection(input, field.value)
    case 12 where input.equals("content-type", in: name): try once(2)
    case 13 where input.equals("authorization", in: name): try once(4)
    case 14 where input.equals("content-length", in: name): try noteContentLength(input, field.value)
    case 15 where input.equals("idempotency-key", in: name): try once(8)
    case 17 where input.equals("transfer-encoding", in: name): try noteTransferEncoding(input, field.value)
    default: break
    }
  }

  private mutating func once(_ bit: UInt8) throws(FramingError) {
    guard seen & bit == 0 else { throw .duplicateField }
    seen |= bit
  }

  private mutating func noteContentLength(_ input: Span<UInt8>, _ value: Range<Int>) throws(FramingError) {
    guard contentLength == nil, value.count <= 19, let length = DecimalNumber.parse(input.copy(value)) else {
      throw .badContentLength
    }
    contentLength = length
  }

  private mutating func noteTransferEncoding(_ input: Span<UInt8>, _ value: Range<Int>) throws(FramingError) {
    guard transferEncoding == nil else { throw .badTransferEncoding }
    transferEncoding = value
    isChunked = input.equals("chunked", in: value)
    isToken = !value.isEmpty && value.allSatisfy { input[$0].isTokenCharacter }
  }

  private mutating func noteConnection(_ input: Span<UInt8>, _ value: Range<Int>) {
    var start = value.lowerBound
    for index in value where input[index] == .comma {
      if input.equals("close", in: input.trimmed(start..<index)) { closes = true }
      start = index + 1
    }
    if input.equals("close", in: input.trimmed(start..<value.upperBound)) { closes = true }
  }

  /// How the body is framed (RFC 9112 section 6.3, and stricter: both fields together are refused, and so is any
  /// transfer coding but one `chunked`, or one in HTTP/1.0).
  func bodyFraming(isHTTP10: Bool, limit: Int) throws(FramingError) -> BodyFraming {
    if transferEncoding != nil {
      guard contentLength == nil, !isHTTP10 else { throw .badTransferEncoding }
      guard isChunked else { throw isToken ? .unknownTransferEncoding : .badTransferEncoding }
      return .chunked
    }
    guard let contentLength, contentLength > 0 else { return .none }
    guard contentLength <= limit else { throw .bodyTooLarge }
    return .length(contentLength)
  }
}
