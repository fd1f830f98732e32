/// The chunked coding (RFC 9112 section 7.1) up to and including the last chunk's size line; trailers are the parser's.
/// Every byte of a size line is judged as it comes, so that a wrong one is refused without waiting for the line's end.
struct ChunkedDecoder {
  private enum State {
    case size, sizeEnd
    case extensionName, extensionValueStart, extensionValue, quoted, escaped, quotedEnd
    case data, dataCarriageReturn, dataLineFeed
    case ended
  }

  private let limits: Limits
  private var state = State.size
  private var digits = 0
  private var size = 0
  private var total = 0
  private var extensionBytes = 0
  private var extensionBytesInAll = 0
  private var nameBytes = 0

  init(limits: Limits) {
    self.limits = limits
  }

  /// Whether the last chunk's size line was read.
  var hasEnded: Bool { state == .ended }

  /// Reads on at `start`: the next stretch of data (empty where there is none yet), and where reading stopped.
  mutating func decode(_ input: Span<UInt8>, from start: Int) throws(FramingError) -> (data: Range<Int>, end: Int) {
    var index = start
    while index < input.count, state != .ended {
      if state == .data {
        let end = min(input.count, index + size)
        size -= end - index
        if size == 0 { state = .dataCarriageReturn }
        return (index..<end, end)
      }
      try step(input[index])
      index += 1
    }
    return (index..<index, index)
  }

  private mutating func step(_ byte: UInt8) throws(FramingError) {
    switch state {
    case .size:
      if let digit = byte.hexValue { try add(digit) } else { try endSize(byte) }
    case .sizeEnd:
      guard byte == .lineFeed else { throw .badChunk }
      try beginData()
    case .extensionName, .extensionValueStart, .extensionValue, .quoted, .escaped, .quotedEnd:
      try stepInExtension(byte)
    case .dataCarriageReturn:
      guard byte == .carriageReturn else { throw .badChunk }
      state = .dataLineFeed
    case .dataLineFeed:
      guard byte == .lineFeed else { throw .badChunk }
      state = .size
    case .data, .ended:
      break
    }
  }

  private mutating func add(_ digit: UInt8) throws(FramingError) {
    digits += 1
    guard digits <= 16, size <= Int.max >> 4 else { throw .badChunk }
    size = size << 4 | Int(digit)
  }

  private mutating func endSize(_ byte: UInt8) throws(FramingError) {
    guard digits > 0 else { throw .badChunk }
    switch byte {
    case .carriageReturn: state = .sizeEnd
    case .semicolon: try beginExtension()
    default: throw .badChunk
    }
  }

  private mutating func beginData() throws(FramingError) {
    digits = 0
    extensionBytes = 0
    if size == 0 {
      state = .ended
      return
    }
    let (sum, overflow) = total.addingReportingOverflow(size)
    guard !overflow, sum <= limits.body else { throw .bodyTooLarge }
    total = sum
    state = .data
  }

  private mutating func beginExtension() throws(FramingError) {
    state = .extensionName
    nameBytes = 0
    try countExtensionByte()
  }

  private mutating func countExtensionByte() throws(FramingError) {
    extensionBytes += 1
    extensionBytesInAll += 1
    guard extensionBytes <= limits.chunkExtension, extensionBytesInAll <= limits.chunkExtensions else {
      throw .badChunk
    }
  }

  /// `;name`, `;name=token` or `;name="quoted"`; the white space that the grammar allows only for history is refused.
  private mutating func stepInExtension(_ byte: UInt8) throws(FramingError) {
    if byte != .carriageReturn { try countExtensionByte() }
    switch (state, byte) {
    case (.extensionName, _) where byte.isTokenCharacter: nameBytes += 1
    case (.extensionName, .equals) where nameBytes > 0: state = .extensionValueStart
    case (.extensionName, .semicolon) where nameBytes > 0: try beginExtension()
    case (.extensionName, .carriageReturn) where nameBytes > 0: state = .sizeEnd
    case (.extensionValueStart, .quote): state = .quoted
    case (.extensionValueStart, _) where byte.isTokenCharacter: state = .extensionValue
    case (.extensionValue, _) where byte.isTokenCharacter: break
    case (.extensionValue, .semicolon), (.quotedEnd, .semicolon): try beginExtension()
    case (.extensionValue, .carriageReturn), (.quotedEnd, .carriageReturn): state = .sizeEnd
    case (.quoted, .quote): state = .quotedEnd
    case (.quoted, .backslash): state = .escaped
    case (.quoted, _) where byte.isFieldValueByte: break
    case (.escaped, _) where byte.isFieldValueByte: state = .quoted
    default: throw .badChunk
    }
  }
}
