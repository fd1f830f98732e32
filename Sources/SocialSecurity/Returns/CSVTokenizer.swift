/// One record of a CSV file: its fields one after the other in one block, so that a file of any length needs the memory
/// of one line.
package struct CSVRecord: Sendable {
  package enum Fault: Sendable, Equatable {
    /// A quote where RFC 4180 section 2 allows none, or one that is never closed; a carriage return inside a line.
    case malformed
    /// Longer than `CSVTokenizer.lineBytesMax`.
    case tooLong
  }

  private var bytes: [UInt8] = []
  private var ends: [Int] = []
  package fileprivate(set) var fault: Fault?

  package var fieldCount: Int { ends.count }

  /// A field's bytes with its quoting undone; empty beyond the last one.
  package func field(_ index: Int) -> ArraySlice<UInt8> {
    guard ends.indices.contains(index) else { return [] }
    return bytes[(index == 0 ? 0 : ends[index - 1])..<ends[index]]
  }

  fileprivate var isEmpty: Bool { bytes.isEmpty && ends.isEmpty }
  fileprivate mutating func append(_ byte: UInt8) { bytes.append(byte) }
  fileprivate mutating func endField() { ends.append(bytes.count) }

  fileprivate mutating func clear() {
    bytes.removeAll(keepingCapacity: true)
    ends.removeAll(keepingCapacity: true)
    fault = nil
  }
}

/// Reads CSV (RFC 4180) out of bytes that come in pieces cut anywhere: commas, double quotes, CRLF or LF, an optional
/// byte order mark; blank lines don't count. A broken line is told and skipped up to the next line feed, so that it
/// costs nothing but itself.
package struct CSVTokenizer: Sendable {
  /// 64 KiB.
  package static let lineBytesMax = 64 << 10

  private enum State {
    case start, fieldStart, plain, quoted, quoteInQuoted, carriageReturn, skipping
  }

  private static let comma = UInt8(ascii: ",")
  private static let quote = UInt8(ascii: "\"")
  private static let lineFeed = UInt8(ascii: "\n")
  private static let carriageReturn = UInt8(ascii: "\r")
  /// The byte order mark of UTF-8.
  static let mark: [UInt8] = [0xEF, 0xBB, 0xBF]

  private var state = State.start
  private var markBytes = 0
  private var lineBytes = 0
  private var record = CSVRecord()

  package init() {}

  /// Takes the next bytes and gives each record that they complete.
  package mutating func feed<E: Error>(
    _ piece: some Sequence<UInt8>, _ body: (borrowing CSVRecord) throws(E) -> Void
  ) throws(E) {
    for byte in piece {
      if state == .start {
        if byte == Self.mark[markBytes] {
          markBytes += 1
          if markBytes == 3 { state = .fieldStart }
          continue
        }
        state = .fieldStart
        for swallowed in Self.mark.prefix(markBytes) { try take(swallowed, body) }
      }
      try take(byte, body)
    }
  }

  /// The last record, when the file doesn't end with a line feed.
  package mutating func finish<E: Error>(_ body: (borrowing CSVRecord) throws(E) -> Void) throws(E) {
    if state == .start {
      state = .fieldStart
      for swallowed in Self.mark.prefix(markBytes) { try take(swallowed, body) }
    }
    switch state {
    case .quoted:
      record.fault = .malformed
      try end(body)
    case .skipping: try end(body)
    case .start, .fieldStart, .plain, .quoteInQuoted, .carriageReturn:
      if lineBytes > 0 { try endLine(body) }
    }
  }

  private mutating func take<E: Error>(
    _ byte: UInt8, _ body: (borrowing CSVRecord) throws(E) -> Void
  ) throws(E) {
    lineBytes += 1
    if lineBytes > Self.lineBytesMax, state != .skipping { fail(.tooLong) }
    switch state {
    case .start, .fieldStart: try startField(byte, body)
    case .plain: try continuePlain(byte, body)
    case .quoted:
      if byte == Self.quote { state = .quoteInQuoted } else { record.append(byte) }
    case .quoteInQuoted: try afterQuote(byte, body)
    case .carriageReturn:
      if byte == Self.lineFeed { try endLine(body) } else { fail(.malformed) }
    case .skipping:
      if byte == Self.lineFeed { try end(body) }
    }
  }

  private mutating func startField<E: Error>(
    _ byte: UInt8, _ body: (borrowing CSVRecord) throws(E) -> Void
  ) throws(E) {
    if byte == Self.quote {
      state = .quoted
    } else {
      state = .plain
      try continuePlain(byte, body)
    }
  }

  private mutating func continuePlain<E: Error>(
    _ byte: UInt8, _ body: (borrowing CSVRecord) throws(E) -> Void
  ) throws(E) {
    switch byte {
    case Self.comma:
      record.endField()
      state = .fieldStart
    case Self.lineFeed: try endLine(body)
    case Self.carriageReturn: state = .carriageReturn
    case Self.quote: fail(.malformed)
    default: record.append(byte)
    }
  }

  private mutating func afterQuote<E: Error>(
    _ byte: UInt8, _ body: (borrowing CSVRecord) throws(E) -> Void
  ) throws(E) {
    switch byte {
    case Self.quote:
      record.append(byte)
      state = .quoted
    case Self.comma, Self.lineFeed, Self.carriageReturn: try continuePlain(byte, body)
    default: fail(.malformed)
    }
  }

  private mutating func fail(_ fault: CSVRecord.Fault) {
    record.fault = fault
    state = .skipping
  }

  /// A whole line; one without a single byte of data is blank.
  private mutating func endLine<E: Error>(_ body: (borrowing CSVRecord) throws(E) -> Void) throws(E) {
    if record.isEmpty, state != .quoteInQuoted {
      reset()
    } else {
      record.endField()
      try end(body)
    }
  }

  private mutating func end<E: Error>(_ body: (borrowing CSVRecord) throws(E) -> Void) throws(E) {
    defer { reset() }
    try body(record)
  }

  private mutating func reset() {
    record.clear()
    lineBytes = 0
    state = .fieldStart
  }
}
