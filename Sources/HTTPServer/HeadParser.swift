/// The head of a request: request line and fields, found valid.
struct RequestHead {
  let method: Method
  let target: RequestTarget
  let headers: Headers
  let framing: BodyFraming
  /// The client will send, or understand, nothing after this request: HTTP/1.0, or `Connection: close`.
  let closes: Bool
  let isHTTP10: Bool
  let expectsContinue: Bool
}

/// Reads heads line by line. The caller keeps the bytes of an unfinished head and gives them again, with what has come
/// since; nothing is scanned twice.
struct HeadParser {
  private let limits: Limits
  private let allowedHosts: [[UInt8]]

  private var lineStart = 0
  private var scanned = 0
  private var hasRequestLine = false
  private var sectionStart = 0
  private var target: RequestTarget?
  private var isHTTP10 = false
  private var fields: [Headers.Field] = []
  private var framing = FramingFields()
  /// Known from the request line on; a refused HEAD gets no body either.
  private(set) var method: Method?

  /// `allowedHosts` in lower case, without ports; empty allows any.
  init(limits: Limits, allowedHosts: [[UInt8]]) {
    self.limits = limits
    self.allowedHosts = allowedHosts
  }

  /// The head and its length, once `input` (from the head's first byte on) holds all of it; nil before.
  mutating func parse(_ input: Span<UInt8>) throws(FramingError) -> (head: RequestHead, length: Int)? {
    while let lineFeed = input.lineFeed(from: scanned) {
      scanned = lineFeed + 1
      guard lineFeed > lineStart, input[lineFeed - 1] == .carriageReturn else {
        throw hasRequestLine ? .badFieldLine : .badRequestLine
      }
      let line = lineStart..<lineFeed - 1
      try checkSize(line.count, upTo: lineFeed + 1)
      if !hasRequestLine {
        try parseRequestLine(input, line)
        sectionStart = lineFeed + 1
      } else if line.isEmpty {
        return (try finish(input, length: lineFeed + 1), lineFeed + 1)
      } else {
        try parseField(input, line)
      }
      lineStart = lineFeed + 1
    }
    try checkUnfinishedLine(input)
    return nil
  }

  private func checkSize(_ lineLength: Int, upTo end: Int) throws(FramingError) {
    if !hasRequestLine {
      guard lineLength <= limits.requestLine else { throw .requestLineTooLong }
    } else {
      guard lineLength <= limits.field, end - sectionStart <= limits.headerSection else { throw .headersTooLarge }
    }
  }

  /// What can be said of a line before its end: its size, that it doesn't begin with white space, and that no control
  /// character stands in it. So nobody waits for the end of what can't become valid.
  private mutating func checkUnfinishedLine(_ input: Span<UInt8>) throws(FramingError) {
    let error: FramingError = hasRequestLine ? .badFieldLine : .badRequestLine
    guard lineStart < input.count else { return }
    guard input[lineStart].isTokenCharacter || (hasRequestLine && input[lineStart] == .carriageReturn) else {
      throw error
    }
    for index in max(scanned - 1, lineStart)..<input.count where !input[index].isFieldValueByte {
      guard input[index] == .carriageReturn, index == input.count - 1 else { throw error }
    }
    scanned = input.count
    try checkSize(input.count - lineStart - 1, upTo: input.count)
  }

  // MARK: request line

  /// `method SP request-target SP HTTP-version` (RFC 9112 section 3), single spaces.
  private mutating func parseRequestLine(_ input: Span<UInt8>, _ line: Range<Int>) throws(FramingError) {
    var index = line.lowerBound
    var packed: UInt64 = 0
    while index < line.upperBound, input[index].isTokenCharacter {
      packed = packed << 8 | UInt64(input[index])
      index += 1
    }
    let length = index - line.lowerBound
    guard length > 0, index < line.upperBound, input[index] == .space else { throw .badRequestLine }
    let targetStart = index + 1
    index = targetStart
    while index < line.upperBound, input[index] != .space { index += 1 }
    guard index > targetStart, index < line.upperBound else { throw .badRequestLine }
    try parseVersion(input, index + 1..<line.upperBound)
    guard length <= limits.method, length <= 8, let method = Method(rawValue: packed) else { throw .unknownMethod }
    self.method = method
    target = try RequestTarget(input, targetStart..<index, method: method)
    hasRequestLine = true
    fields.reserveCapacity(12)
  }

  private mutating func parseVersion(_ input: Span<UInt8>, _ range: Range<Int>) throws(FramingError) {
    // Case matters here, and there is nothing else in these seven bytes.
    let name: InlineArray<5, UInt8> = [0x48, 0x54, 0x54, 0x50, 0x2f]
    guard range.count == 8 else { throw .badRequestLine }
    let start = range.lowerBound
    for index in 0..<5 where input[start + index] != name[index] { throw .badRequestLine }
    guard input[start + 5].isDigit, input[start + 6] == .dot, input[start + 7].isDigit else { throw .badRequestLine }
    guard input[start + 5] == 0x31, input[start + 7] <= 0x31 else { throw .badVersion }
    isHTTP10 = input[start + 7] == 0x30
  }

  // MARK: fields

  private mutating func parseField(_ input: Span<UInt8>, _ line: Range<Int>) throws(FramingError) {
    guard fields.count < limits.fieldCount else { throw .headersTooLarge }
    let field = try FieldLine.parse(input, line)
    try framing.note(input, field)
    fields.append(field)
  }

  private mutating func finish(_ input: Span<UInt8>, length: Int) throws(FramingError) -> RequestHead {
    guard let method, let target else { throw .badRequestLine }
    try checkHost(input, target)
    let body = try framing.bodyFraming(isHTTP10: isHTTP10, limit: limits.body)
    guard body == .none || method.allowsBody else { throw .bodyNotAllowed }
    guard isHTTP10 || framing.expectation != .unknown else { throw .unknownExpectation }
    return RequestHead(
      method: method, target: target, headers: Headers(bytes: input.copy(0..<length), fields: fields),
      framing: body, closes: isHTTP10 || framing.closes, isHTTP10: isHTTP10,
      expectsContinue: !isHTTP10 && framing.expectation == .continue && body != .none)
  }

  private func checkHost(_ input: Span<UInt8>, _ target: RequestTarget) throws(FramingError) {
    guard let field = framing.host else {
      // Only HTTP/1.0 may leave it out, and then nothing may depend on it.
      guard isHTTP10, target.authority == nil, allowedHosts.isEmpty else { throw .badHost }
      return
    }
    let host = try HostField.check(input, field)
    if let authority = target.authority {
      guard authority.count == field.count else { throw .badHost }
      for offset in 0..<field.count
      where input[authority.lowerBound + offset].lowercased != input[field.lowerBound + offset].lowercased {
        throw .badHost
      }
    }
    guard allowedHosts.isEmpty || allowedHosts.contains(where: { isSame(input, host, as: $0) }) else {
      throw .foreignHost
    }
  }

  private func isSame(_ input: Span<UInt8>, _ range: Range<Int>, as name: [UInt8]) -> Bool {
    guard range.count == name.count else { return false }
    for offset in 0..<name.count where input[range.lowerBound + offset].lowercased != name[offset] { return false }
    return true
  }
}
