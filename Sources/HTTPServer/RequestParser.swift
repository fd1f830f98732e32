/// HTTP/1.1 requests (RFC 9112): bytes in, events out. No input or output, no text, no clock. After an error the parser
/// must not be used again: nothing that follows on the connection can be trusted.
struct RequestParser {
  enum Event {
    /// The input holds nothing complete; call again with more after what was consumed.
    case needMore
    case head(RequestHead)
    /// Bytes of the body: a range of the input.
    case body(Range<Int>)
    /// The request has ended (its body and trailers too); the next byte begins another one.
    case end
  }

  private enum State {
    case start
    case head
    case length(Int)
    case chunks
    case trailers
    case end
  }

  private let limits: Limits
  private let allowedHosts: [[UInt8]]
  private var state = State.start
  private var hasSkippedLine = false
  private var head: HeadParser
  private var chunks: ChunkedDecoder
  private var trailerBytes = 0

  /// `allowedHosts` in lower case, without ports; empty allows any.
  init(limits: Limits, allowedHosts: [[UInt8]] = []) {
    self.limits = limits
    self.allowedHosts = allowedHosts
    head = HeadParser(limits: limits, allowedHosts: allowedHosts)
    chunks = ChunkedDecoder(limits: limits)
  }

  /// The method of the request being read, or of the last one read, once its request line was valid.
  var method: Method? { head.method }

  /// Whether no request is begun: the last one's end was read.
  var isBetweenRequests: Bool { if case .start = state { true } else { false } }

  /// Reads the next event. `consumed` bytes at the front of the input must not be given again; the rest must be, first.
  mutating func next(_ input: Span<UInt8>) throws(FramingError) -> (event: Event, consumed: Int) {
    switch state {
    case .start:
      return try parseStart(input)
    case .head:
      return try parseHead(input, from: 0)
    case .length(let remaining):
      guard input.count > 0 else { return (.needMore, 0) }
      let count = min(remaining, input.count)
      state = count == remaining ? .end : .length(remaining - count)
      return (.body(0..<count), count)
    case .chunks:
      return try parseChunks(input)
    case .trailers:
      return try parseTrailers(input, from: 0)
    case .end:
      state = .start
      hasSkippedLine = false
      return (.end, 0)
    }
  }

  /// One empty line before a request is ignored (RFC 9112 section 2.2).
  private mutating func parseStart(_ input: Span<UInt8>) throws(FramingError) -> (event: Event, consumed: Int) {
    head = HeadParser(limits: limits, allowedHosts: allowedHosts)
    var start = 0
    if input.count > 0, input[0] == .carriageReturn, !hasSkippedLine {
      guard input.count > 1 else { return (.needMore, 0) }
      guard input[1] == .lineFeed else { throw .badRequestLine }
      hasSkippedLine = true
      start = 2
    }
    guard input.count > start else { return (.needMore, start) }
    state = .head
    return try parseHead(input, from: start)
  }

  private mutating func parseHead(
    _ input: Span<UInt8>, from start: Int
  ) throws(FramingError) -> (event: Event, consumed: Int) {
    guard let (parsed, length) = try head.parse(input.extracting(start..<input.count)) else {
      return (.needMore, start)
    }
    switch parsed.framing {
    case .none:
      state = .end
    case .length(let length):
      state = .length(length)
    case .chunked:
      chunks = ChunkedDecoder(limits: limits)
      trailerBytes = 0
      state = .chunks
    }
    return (.head(parsed), start + length)
  }

  private mutating func parseChunks(_ input: Span<UInt8>) throws(FramingError) -> (event: Event, consumed: Int) {
    let (data, end) = try chunks.decode(input, from: 0)
    if !data.isEmpty { return (.body(data), end) }
    guard chunks.hasEnded else { return (.needMore, end) }
    state = .trailers
    return try parseTrailers(input, from: end)
  }

  /// Trailers are checked and dropped: merging them into the head would let a body change what was authorised.
  private mutating func parseTrailers(
    _ input: Span<UInt8>, from start: Int
  ) throws(FramingError) -> (event: Event, consumed: Int) {
    var lineStart = start
    while let lineFeed = input.lineFeed(from: lineStart) {
      guard lineFeed > lineStart, input[lineFeed - 1] == .carriageReturn else { throw .badTrailer }
      if lineFeed - 1 == lineStart {
        state = .start
        hasSkippedLine = false
        return (.end, lineFeed + 1)
      }
      try FieldLine.checkTrailer(input, lineStart..<lineFeed - 1)
      trailerBytes += lineFeed + 1 - lineStart
      guard trailerBytes <= limits.trailers else { throw .headersTooLarge }
      lineStart = lineFeed + 1
    }
    try checkUnfinishedTrailer(input, lineStart..<input.count)
    return (.needMore, lineStart)
  }

  private func checkUnfinishedTrailer(_ input: Span<UInt8>, _ line: Range<Int>) throws(FramingError) {
    guard let first = line.first else { return }
    guard input[first].isTokenCharacter || input[first] == .carriageReturn && line.count == 1 else {
      throw .badTrailer
    }
    guard trailerBytes + line.count <= limits.trailers else { throw .headersTooLarge }
    for index in line where !input[index].isFieldValueByte {
      guard input[index] == .carriageReturn, index == line.upperBound - 1 else { throw .badTrailer }
    }
  }
}
