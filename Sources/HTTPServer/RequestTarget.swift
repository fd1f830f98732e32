/// The target of a request line (RFC 9112 section 3.2), checked and taken apart. Authority-form belongs to CONNECT,
/// which isn't served.
struct RequestTarget {
  /// Decoded once.
  let path: [UInt8]
  /// Still escaped.
  let query: [UInt8]?
  /// Of the absolute form; must equal the Host field.
  let authority: Range<Int>?

  init(_ input: Span<UInt8>, _ range: Range<Int>, method: Method) throws(FramingError) {
    var hasEscapes = false
    var queryStart: Int?
    for index in range {
      let byte = input[index]
      guard byte > 0x20, byte < 0x7f, byte != .numberSign else { throw .badTarget }
      if byte == .percent {
        hasEscapes = true
        guard index + 2 < range.upperBound, input[index + 1].hexValue != nil, input[index + 2].hexValue != nil else {
          throw .badTarget
        }
      }
      if byte == .questionMark, queryStart == nil { queryStart = index }
    }
    let pathEnd = queryStart ?? range.upperBound
    query = queryStart.map { input.copy($0 + 1..<range.upperBound) }

    if range.count == 1, input[range.lowerBound] == .asterisk {
      guard method == .OPTIONS else { throw .badTarget }
      path = [.asterisk]
      authority = nil
      return
    }
    var pathStart = range.lowerBound
    authority = try Self.authority(input, range.lowerBound..<pathEnd)
    if let authority {
      pathStart = authority.upperBound
      if pathStart == pathEnd {
        path = [.slash]
        return
      }
    }
    path = try Self.path(input, pathStart..<pathEnd, hasEscapes: hasEscapes)
  }

  /// The authority of `http://authority…` or `https://authority…`; nil of the origin form.
  private static func authority(_ input: Span<UInt8>, _ range: Range<Int>) throws(FramingError) -> Range<Int>? {
    guard !range.isEmpty else { throw .badTarget }
    if input[range.lowerBound] == .slash { return nil }
    var start = range.lowerBound
    if range.count > 7, input.equals("http://", in: start..<start + 7) {
      start += 7
    } else if range.count > 8, input.equals("https://", in: start..<start + 8) {
      start += 8
    } else {
      throw .badTarget
    }
    var end = start
    while end < range.upperBound, input[end] != .slash { end += 1 }
    return start..<end
  }

  private static func path(
    _ input: Span<UInt8>, _ range: Range<Int>, hasEscapes: Bool
  ) throws(FramingError) -> [UInt8] {
    let path = hasEscapes ? try decoded(input, range) : input.copy(range)
    try checkSegments(path)
    return path
  }

  private static func decoded(_ input: Span<UInt8>, _ range: Range<Int>) throws(FramingError) -> [UInt8] {
    var path: [UInt8] = []
    path.reserveCapacity(range.count)
    var isASCII = true
    var index = range.lowerBound
    while index < range.upperBound {
      var byte = input[index]
      index += 1
      if byte == .percent, let high = input[index].hexValue, let low = input[index + 1].hexValue {
        byte = high << 4 | low
        index += 2
        // A slash that was escaped isn't the one that separates; no server and proxy agree on it.
        guard byte >= 0x20, byte != 0x7f, byte != .slash else { throw .badTarget }
        if byte >= 0x80 { isASCII = false }
      }
      path.append(byte)
    }
    if !isASCII {
      do { _ = try UTF8Span(validating: path.span) } catch { throw .badTarget }
    }
    return path
  }

  /// Refuses empty segments (but a slash at the end) and those that walk: `.` and `..`.
  private static func checkSegments(_ path: [UInt8]) throws(FramingError) {
    guard path.first == .slash else { throw .badTarget }
    var length = 0
    var dots = 0
    for index in 1...path.count {
      guard index == path.count || path[index] == .slash else {
        length += 1
        if path[index] == .dot { dots += 1 }
        continue
      }
      if length == 0, index < path.count { throw .badTarget }
      if length > 0, length == dots, length <= 2 { throw .badTarget }
      length = 0
      dots = 0
    }
  }
}
