/// What one statement gave: rows of text (or binary) cells, or the number of rows that it changed.
///
/// Rows and columns count from 0. A cell that isn't there reads like NULL: a wrong index must not end the process.
package struct QueryResult: Sendable {
  let storage: ResultStorage

  package var rowCount: Int { storage.rowCount }
  package var columnCount: Int { storage.columnCount }
  /// PostgreSQL's tag: "SELECT 1", "INSERT 0 3", "COMMIT".
  package var commandTag: String { storage.commandTag }
  /// The number of rows that INSERT, UPDATE, DELETE, MERGE or COPY touched; 0 for others.
  package var affectedRows: Int { Int(storage.affectedRows) ?? 0 }

  package func columnName(_ column: Int) -> String? { storage.columnName(column) }
  /// `pg_type.oid` of a column; 0 when there is no such column.
  package func columnType(_ column: Int) -> UInt32 { storage.columnType(column) }

  package func isNull(_ row: Int, _ column: Int) -> Bool { storage.isNull(row, column) }

  /// The cell's bytes as they came, in one copy; empty for NULL.
  package func bytes(_ row: Int, _ column: Int) -> [UInt8] {
    var copy: [UInt8] = []
    storage.append(row, column, to: &copy)
    return copy
  }

  /// Appends the cell's bytes to a buffer: one copy, no object in between. NULL appends nothing.
  package func append(_ row: Int, _ column: Int, to target: inout [UInt8]) { storage.append(row, column, to: &target) }

  /// Lends the cell's bytes without a copy; an empty span for NULL.
  package func withBytes<T, E: Error>(_ row: Int, _ column: Int, _ body: (RawSpan) throws(E) -> T) throws(E) -> T {
    try storage.withBytes(row, column, body)
  }

  /// The cell as text; nil for NULL and for bytes that aren't UTF-8.
  package func string(_ row: Int, _ column: Int) -> String? { storage.string(row, column) }

  /// The cell as an integer (text, or any binary integer width); nil for NULL and for what isn't one.
  package func int64(_ row: Int, _ column: Int) -> Int64? {
    if storage.isNull(row, column) { return nil }
    let isBinary = storage.isBinary(column)
    return storage.withBytes(row, column) { isBinary ? Self.bigEndian($0) : Self.decimal($0) }
  }

  /// The cell as an `Int`.
  package func int(_ row: Int, _ column: Int) -> Int? { int64(row, column).map { Int($0) } }

  /// The cell as a boolean; nil for NULL.
  package func bool(_ row: Int, _ column: Int) -> Bool? {
    if storage.isNull(row, column) { return nil }
    return storage.withBytes(row, column) { bytes in
      guard bytes.byteCount == 1 else { return nil }
      return switch bytes.byte(0) {
      case UInt8(ascii: "t"), 1: true
      case UInt8(ascii: "f"), 0: false
      default: nil
      }
    }
  }

  /// The cell as a uuid (text or binary); nil for NULL.
  package func uuid(_ row: Int, _ column: Int) -> SQLUUID? {
    if storage.isNull(row, column) { return nil }
    let raw = bytes(row, column)
    guard storage.isBinary(column) else { return SQLUUID(parsing: raw) }
    guard raw.count == 16 else { return nil }
    let halves = raw.reduce(UInt128(0)) { $0 << 8 | UInt128($1) }
    return SQLUUID(high: UInt64(truncatingIfNeeded: halves >> 64), low: UInt64(truncatingIfNeeded: halves))
  }

  /// A `bytea` cell (hex text form or binary); nil for NULL and for what isn't one.
  package func bytea(_ row: Int, _ column: Int) -> [UInt8]? {
    if storage.isNull(row, column) { return nil }
    let raw = bytes(row, column)
    return storage.isBinary(column) ? raw : Self.hex(raw)
  }

  private static func decimal(_ bytes: RawSpan) -> Int64? {
    var index = 0
    let isNegative = bytes.byteCount > 0 && bytes.byte(0) == UInt8(ascii: "-")
    if isNegative { index = 1 }
    guard index < bytes.byteCount else { return nil }
    var value: Int64 = 0
    while index < bytes.byteCount {
      let digit = bytes.byte(index) &- UInt8(ascii: "0")
      guard digit < 10 else { return nil }
      let (tens, overflow) = value.multipliedReportingOverflow(by: 10)
      // Negative on the way, because Int64.min has no positive counterpart.
      let (next, second) = tens.subtractingReportingOverflow(Int64(digit))
      if overflow || second { return nil }
      value = next
      index += 1
    }
    if isNegative { return value }
    return value == .min ? nil : -value
  }

  private static func bigEndian(_ bytes: RawSpan) -> Int64? {
    guard [1, 2, 4, 8].contains(bytes.byteCount) else { return nil }
    var value = Int64(Int8(bitPattern: bytes.byte(0)))
    for index in 1..<max(1, bytes.byteCount) { value = value << 8 | Int64(bytes.byte(index)) }
    return value
  }

  private static func hex(_ text: [UInt8]) -> [UInt8]? {
    guard text.count >= 2, text.count % 2 == 0, text[0] == UInt8(ascii: "\\"), text[1] == UInt8(ascii: "x") else {
      return nil
    }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.count / 2 - 1)
    var index = 2
    while index < text.count {
      guard let high = hexDigit(text[index]), let low = hexDigit(text[index + 1]) else { return nil }
      bytes.append(high << 4 | low)
      index += 2
    }
    return bytes
  }

  private static func hexDigit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    default: nil
    }
  }
}

extension RawSpan {
  /// One byte; the span checks the offset.
  fileprivate func byte(_ offset: Int) -> UInt8 {
    unsafe unsafeLoad(fromByteOffset: offset, as: UInt8.self)
  }
}
