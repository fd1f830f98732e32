import CLibPQ

/// One libpq connection. This file is the only one that names PQ functions: what is unsafe about libpq is audited here.
///
/// Not thread safe and not `Sendable`: a line belongs to the actor (or the single-threaded program) that made it.
/// `finish()` and `deinit` close it once, whichever comes first; every method of a finished line answers "lost".
@safe final class LibPQ {
  private var raw: OpaquePointer?

  private init(raw: OpaquePointer?) {
    unsafe self.raw = unsafe raw
    // libpq prints notices to stderr by default: they would bypass the log and could carry personal data.
    if unsafe raw != nil { _ = unsafe PQsetNoticeProcessor(raw, { _, _ in }, nil) }
  }

  deinit { finish() }

  /// Closes the connection and frees its memory. The socket's number is free for others afterwards.
  func finish() {
    guard let open = unsafe raw else { return }
    unsafe raw = nil
    unsafe PQfinish(open)
  }

  // MARK: Connecting

  /// What `pollConnect` wants before it is called again.
  enum ConnectStep { case awaitReadable, awaitWritable, connected, failed }

  /// Starts a non-blocking connect; `options` are libpq keywords that override those of `conninfo` (libpq's own
  /// syntax). A host *name* would still be resolved by a blocking getaddrinfo: deployments give addresses or socket
  /// directories.
  static func start(_ conninfo: String, _ options: [(String, String)]) -> LibPQ {
    unsafe withKeywords(conninfo, options) { keywords, values in
      unsafe LibPQ(raw: PQconnectStartParams(keywords, values, 1))
    }
  }

  /// Connects and waits; for programs without a loop.
  static func connect(_ conninfo: String, _ options: [(String, String)]) -> LibPQ {
    unsafe withKeywords(conninfo, options) { keywords, values in
      unsafe LibPQ(raw: PQconnectdbParams(keywords, values, 1))
    }
  }

  /// Whether no server answers there, or only one that is starting up or shutting down. One that answers and refuses
  /// us isn't away. Waits.
  static func isAway(_ conninfo: String) -> Bool {
    switch unsafe PQping(conninfo) {
    case PQPING_REJECT, PQPING_NO_RESPONSE: true
    default: false
    }
  }

  /// One step of a non-blocking connect. The socket may be another one after each step.
  func pollConnect() -> ConnectStep {
    switch unsafe PQconnectPoll(raw) {
    case PGRES_POLLING_OK: .connected
    case PGRES_POLLING_READING: .awaitReadable
    case PGRES_POLLING_WRITING: .awaitWritable
    default: .failed
    }
  }

  /// The value of one keyword in a connection string; nil when absent. Empty dictionary-like answer for a malformed
  /// string is told apart by `isWellFormed`.
  static func option(_ keyword: String, in conninfo: String) -> String? {
    guard let parsed = unsafe PQconninfoParse(conninfo, nil) else { return nil }
    defer { unsafe PQconninfoFree(parsed) }
    var entry = unsafe parsed
    while let name = unsafe entry.pointee.keyword {
      if unsafe String(cString: name) == keyword { return unsafe entry.pointee.val.map { unsafe String(cString: $0) } }
      unsafe entry += 1
    }
    return nil
  }

  /// Whether libpq understands the connection string.
  static func isWellFormed(_ conninfo: String) -> Bool {
    guard let parsed = unsafe PQconninfoParse(conninfo, nil) else { return false }
    unsafe PQconninfoFree(parsed)
    return true
  }

  // MARK: State

  /// The socket's number, or nil when there is none.
  var socket: Int32? {
    let descriptor = unsafe PQsocket(raw)
    return descriptor >= 0 ? descriptor : nil
  }

  var isLost: Bool { unsafe PQstatus(raw) == CONNECTION_BAD }
  /// True when no transaction block is open and no command runs.
  var isIdle: Bool { unsafe PQtransactionStatus(raw) == PQTRANS_IDLE }
  /// True inside an intact transaction block.
  var isInTransaction: Bool { unsafe PQtransactionStatus(raw) == PQTRANS_INTRANS }
  /// The server process's id, as in `pg_stat_activity.pid`.
  var serverProcess: Int32 { unsafe PQbackendPID(raw) }
  /// libpq's last message, for the log only: it may name hosts and users.
  var message: String {
    let text = unsafe String(cString: PQerrorMessage(raw))
    return text.last == "\n" ? String(text.dropLast()) : text
  }

  // MARK: Sending without waiting

  /// Makes sends return at once; false when the line is gone.
  func setNonblocking() -> Bool { unsafe PQsetnonblocking(raw, 1) == 0 }
  func enterPipeline() -> Bool { unsafe PQenterPipelineMode(raw) == 1 }
  func exitPipeline() -> Bool { unsafe PQexitPipelineMode(raw) == 1 }
  func sendSync() -> Bool { unsafe PQpipelineSync(raw) == 1 }

  func sendPrepare(_ name: StaticString, _ sql: StaticString, _ types: [UInt32]) -> Bool {
    unsafe types.withUnsafeBufferPointer { oids in
      unsafe PQsendPrepare(raw, name.text, sql.text, Int32(oids.count), oids.baseAddress) == 1
    }
  }

  /// Sends text without parameters through the extended protocol, so that it can stand in a pipeline.
  func sendExtended(_ sql: StaticString) -> Bool {
    unsafe PQsendQueryParams(raw, sql.text, 0, nil, nil, nil, nil, 0) == 1
  }

  /// Sends text through the simple protocol: several statements, COPY. Not allowed in pipeline mode.
  func sendSimple(_ sql: String) -> Bool { unsafe PQsendQuery(raw, sql) == 1 }

  /// Binds the parameters of `range` to a prepared statement and executes it.
  func sendPrepared(
    _ name: StaticString, _ parameters: ParameterBuffer, _ range: Range<Int>, binaryResult: Bool
  ) -> Bool {
    let count = range.count
    return unsafe parameters.bytes.withUnsafeBytes { bytes in
      unsafe withUnsafeTemporaryAllocation(of: UnsafePointer<CChar>?.self, capacity: count + 1) { values in
        unsafe withUnsafeTemporaryAllocation(of: Int32.self, capacity: 2 * count + 1) { numbers in
          for index in 0..<count {
            let slot = parameters.slots[range.lowerBound + index]
            let start = unsafe bytes.baseAddress?.advanced(by: slot.offset).assumingMemoryBound(to: CChar.self)
            unsafe (values.baseAddress! + index).initialize(to: slot.isNull ? nil : start)
            unsafe (numbers.baseAddress! + index).initialize(to: Int32(slot.length))
            unsafe (numbers.baseAddress! + count + index).initialize(to: slot.isBinary ? 1 : 0)
          }
          return unsafe PQsendQueryPrepared(
            raw, name.text, Int32(count), values.baseAddress, numbers.baseAddress, numbers.baseAddress! + count,
            binaryResult ? 1 : 0) == 1
        }
      }
    }
  }

  enum Flush { case done, pending, failed }

  /// Pushes what is buffered into the socket. `pending`: wait for writable and readable, then call it again.
  func flush() -> Flush {
    switch unsafe PQflush(raw) {
    case 0: .done
    case 1: .pending
    default: .failed
    }
  }

  // MARK: Receiving without waiting

  /// Reads what the socket has; false when the line is lost.
  func consumeInput() -> Bool { unsafe PQconsumeInput(raw) == 1 }
  /// True while the next result isn't complete yet: `nextResult` would block.
  var isBusy: Bool { unsafe PQisBusy(raw) == 1 }

  /// The next result; nil ends the results of one statement.
  func nextResult() -> ResultStorage? {
    guard let result = unsafe PQgetResult(raw) else { return nil }
    return unsafe ResultStorage(raw: result)
  }

  /// The next waiting notification.
  func nextNotification() -> (channel: String, payload: String)? {
    guard let notification = unsafe PQnotifies(raw) else { return nil }
    defer { unsafe PQfreemem(notification) }
    return unsafe (String(cString: notification.pointee.relname), String(cString: notification.pointee.extra))
  }

  /// Quotes a name so that it can stand in SQL text; nil when the line is gone or the name isn't valid in its encoding.
  func quotedIdentifier(_ name: String) -> String? {
    guard let quoted = unsafe PQescapeIdentifier(raw, name, name.utf8.count) else { return nil }
    defer { unsafe PQfreemem(quoted) }
    return unsafe String(cString: quoted)
  }

  // MARK: COPY

  /// Buffers a piece of COPY data; the caller flushes before the next piece, or memory grows.
  func putCopyData(_ data: [UInt8]) -> Bool {
    unsafe data.withUnsafeBytes { bytes in
      let start = unsafe bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
      return unsafe bytes.isEmpty || PQputCopyData(raw, start, Int32(bytes.count)) == 1
    }
  }

  /// Ends the COPY; a reason makes the server refuse all of it.
  func putCopyEnd(refusing reason: StaticString?) -> Bool {
    if let reason { return unsafe PQputCopyEnd(raw, reason.text) == 1 }
    return unsafe PQputCopyEnd(raw, nil) == 1
  }

  // MARK: Waiting (programs without a loop)

  /// Runs text through the simple protocol and waits; the last result, or that of the first statement that failed.
  func execute(_ sql: String) -> ResultStorage? {
    guard let result = unsafe PQexec(raw, sql) else { return nil }
    return unsafe ResultStorage(raw: result)
  }

  /// Runs one statement with text parameters and waits.
  func execute(_ sql: StaticString, _ parameters: ParameterBuffer) -> ResultStorage? {
    guard sendParameters(sql, parameters) else { return nil }
    var last: ResultStorage?
    while let result = nextResult() { last = result }
    return last
  }

  private func sendParameters(_ sql: StaticString, _ parameters: ParameterBuffer) -> Bool {
    unsafe parameters.bytes.withUnsafeBytes { bytes in
      let values: [UnsafePointer<CChar>?] = unsafe parameters.slots.map { slot in
        unsafe slot.isNull ? nil : bytes.baseAddress?.advanced(by: slot.offset).assumingMemoryBound(to: CChar.self)
      }
      let lengths = parameters.slots.map { Int32($0.length) }
      let formats: [Int32] = parameters.slots.map { $0.isBinary ? 1 : 0 }
      return unsafe PQsendQueryParams(raw, sql.text, Int32(values.count), nil, values, lengths, formats, 0) == 1
    }
  }

  private static func withKeywords<T>(
    _ conninfo: String, _ options: [(String, String)],
    _ body: (UnsafePointer<UnsafePointer<CChar>?>, UnsafePointer<UnsafePointer<CChar>?>) -> T
  ) -> T {
    let all = [("dbname", conninfo)] + options
    var storage: [UInt8] = []
    var offsets: [(Int, Int)] = []
    for (keyword, value) in all {
      let first = storage.count
      storage.append(contentsOf: keyword.utf8)
      storage.append(0)
      offsets.append((first, storage.count))
      storage.append(contentsOf: value.utf8)
      storage.append(0)
    }
    return unsafe storage.withUnsafeBytes { bytes in
      let base = unsafe bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
      let keywords = unsafe offsets.map { unsafe base?.advanced(by: $0.0) } + [nil]
      let values = unsafe offsets.map { unsafe base?.advanced(by: $0.1) } + [nil]
      return unsafe keywords.withUnsafeBufferPointer { keys in
        unsafe values.withUnsafeBufferPointer { texts in
          // Both arrays hold at least the closing nil, so they have an address.
          unsafe body(keys.baseAddress.unsafelyUnwrapped, texts.baseAddress.unsafelyUnwrapped)
        }
      }
    }
  }
}

extension StaticString {
  /// The literal as a C string: literals end in a NUL.
  fileprivate var text: UnsafePointer<CChar> {
    unsafe UnsafeRawPointer(utf8Start).assumingMemoryBound(to: CChar.self)
  }
}

/// One PGresult: immutable once received, so it may be read from any thread; freed with the last reference.
@safe final class ResultStorage: Sendable {
  private nonisolated(unsafe) let raw: OpaquePointer

  fileprivate init(raw: OpaquePointer) { unsafe self.raw = unsafe raw }
  deinit { unsafe PQclear(raw) }

  enum Status { case rows, command, copyIn, copyOut, failure, skipped, sync, empty, other }

  var status: Status {
    switch unsafe PQresultStatus(raw) {
    case PGRES_TUPLES_OK: .rows
    case PGRES_COMMAND_OK: .command
    case PGRES_COPY_IN: .copyIn
    case PGRES_COPY_OUT: .copyOut
    case PGRES_FATAL_ERROR, PGRES_BAD_RESPONSE: .failure
    case PGRES_PIPELINE_ABORTED: .skipped
    case PGRES_PIPELINE_SYNC: .sync
    case PGRES_EMPTY_QUERY: .empty
    default: .other
    }
  }

  var rowCount: Int { unsafe Int(PQntuples(raw)) }
  var columnCount: Int { unsafe Int(PQnfields(raw)) }
  /// "COMMIT", "ROLLBACK", "INSERT 0 1" …
  var commandTag: String { unsafe String(cString: PQcmdStatus(raw)) }
  /// The number of rows that the command touched, as text; empty for others.
  var affectedRows: String { unsafe String(cString: PQcmdTuples(raw)) }

  func columnName(_ column: Int) -> String? {
    guard 0..<columnCount ~= column else { return nil }
    return unsafe PQfname(raw, Int32(column)).map { unsafe String(cString: $0) }
  }

  func columnType(_ column: Int) -> UInt32 {
    0..<columnCount ~= column ? unsafe PQftype(raw, Int32(column)) : 0
  }

  func isBinary(_ column: Int) -> Bool {
    unsafe 0..<columnCount ~= column && PQfformat(raw, Int32(column)) == 1
  }

  /// True for NULL, and for a cell that isn't there.
  func isNull(_ row: Int, _ column: Int) -> Bool {
    guard 0..<rowCount ~= row, 0..<columnCount ~= column else { return true }
    return unsafe PQgetisnull(raw, Int32(row), Int32(column)) == 1
  }

  /// Lends the bytes of one cell; an empty span for NULL.
  func withBytes<T, E: Error>(_ row: Int, _ column: Int, _ body: (RawSpan) throws(E) -> T) throws(E) -> T {
    if isNull(row, column) { return try body(RawSpan()) }
    let start = unsafe PQgetvalue(raw, Int32(row), Int32(column))
    let count = unsafe Int(PQgetlength(raw, Int32(row), Int32(column)))
    let bytes = unsafe UnsafeRawBufferPointer(start: start, count: count)
    return try body(unsafe bytes.bytes)
  }

  /// Appends the bytes of one cell: one copy, no object in between.
  func append(_ row: Int, _ column: Int, to target: inout [UInt8]) {
    guard !isNull(row, column), let start = unsafe PQgetvalue(raw, Int32(row), Int32(column)) else { return }
    let count = unsafe Int(PQgetlength(raw, Int32(row), Int32(column)))
    unsafe target.append(contentsOf: UnsafeRawBufferPointer(start: start, count: count))
  }

  func string(_ row: Int, _ column: Int) -> String? {
    guard !isNull(row, column), let start = unsafe PQgetvalue(raw, Int32(row), Int32(column)) else { return nil }
    let count = unsafe Int(PQgetlength(raw, Int32(row), Int32(column)))
    let bytes = unsafe UnsafeRawBufferPointer(start: start, count: count)
    return unsafe String(validating: bytes, as: UTF8.self)
  }

  /// The server's error, or nil when libpq made the result itself because the line broke.
  var serverError: ServerError? {
    guard let state = field("C") else { return nil }
    return ServerError(
      sqlState: state, severity: field("V") ?? field("S") ?? "", message: field("M") ?? "", detail: field("D"),
      schema: field("s"), table: field("t"), column: field("c"), constraint: field("n"), position: field("P"),
      context: field("W"))
  }

  /// One field of an error message by its letter in the protocol ("Error and Notice Message Fields").
  private func field(_ letter: Unicode.Scalar) -> String? {
    unsafe PQresultErrorField(raw, Int32(letter.value)).map { unsafe String(cString: $0) }
  }
}
