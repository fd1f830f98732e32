import EventLoop

/// A connection of one's own for the time of `Database.dedicated`. Not to be kept beyond it.
///
/// `limit` bounds one call; without it only the server's `statement_timeout` does. A call that passes it closes the
/// line.
@LoopActor
package final class DedicatedConnection {
  private let connection: PipelineConnection
  private var isGivenBack = false

  init(_ connection: PipelineConnection) { self.connection = connection }

  /// The server process's id (`pg_stat_activity.pid`).
  package var serverProcess: Int32 { connection.serverProcess }

  /// Runs SQL text, which may be several statements, without parameters; one result per statement.
  @discardableResult
  package func execute(
    _ sql: StaticString, within limit: Duration? = nil
  ) async throws(DatabaseError) -> [QueryResult] {
    try await runText(sql.description, within: limit)
  }

  /// Runs a segment up to its Sync; one result per statement. Outside of `transaction` it is a transaction of its own.
  package func run(_ segment: Segment, within limit: Duration? = nil) async throws(DatabaseError) -> [QueryResult] {
    guard !isGivenBack else { throw .unavailable(retryAfter: 1) }
    let isInTransaction = connection.isInTransaction
    return try Self.results(
      await connection.submit(segment, until: Self.deadline(limit)), mayHaveCommitted: !isInTransaction)
  }

  /// Runs one statement of the catalogue.
  package func run<each Parameter: SQLParameter>(
    _ statement: Statement<repeat each Parameter>, _ values: repeat each Parameter
  ) async throws(DatabaseError) -> QueryResult {
    var segment = Segment()
    try segment.add(statement, repeat each values)
    guard let result = try await run(segment).first else { throw .protocolViolation }
    return result
  }

  /// Starts `COPY … FROM STDIN`; inside a transaction, it belongs to it. Nothing else may run until it is finished.
  package func copyIn(_ sql: StaticString) async throws(DatabaseError) -> CopyIn {
    guard !isGivenBack else { throw .unavailable(retryAfter: 1) }
    let isInTransaction = connection.isInTransaction
    switch await connection.run(sql.description, until: nil) {
    case .copying: return CopyIn(connection, isInTransaction: isInTransaction)
    case .refused(let error): throw .server(error)
    case .lost: throw .unavailable(retryAfter: 1)
    case .timedOut: throw .timeout
    case .done, .outOfStep: throw .protocolViolation
    }
  }

  func runText(_ sql: String, within limit: Duration? = nil) async throws(DatabaseError) -> [QueryResult] {
    guard !isGivenBack else { throw .unavailable(retryAfter: 1) }
    let isInTransaction = connection.isInTransaction
    return try Self.results(
      await connection.run(sql, until: Self.deadline(limit)), mayHaveCommitted: !isInTransaction)
  }

  var isOpen: Bool { connection.isOpen }

  /// Undoes what the session may have been left with: an open transaction closes the line, the rest is reset (DISCARD
  /// ALL without the prepared statements).
  func giveBack() async {
    isGivenBack = true
    guard connection.isClean else { return connection.close() }
    let reset = await connection.run(
      """
      SET SESSION AUTHORIZATION DEFAULT; RESET ROLE; RESET ALL; CLOSE ALL; UNLISTEN *; \
      SELECT pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES
      """, until: LoopActor.shared.loop.now + .seconds(5))
    if case .done = reset { return }
    connection.close()
  }

  private static func deadline(_ limit: Duration?) -> MonotonicInstant? { limit.map { LoopActor.shared.loop.now + $0 } }

  private static func results(
    _ outcome: SegmentOutcome, mayHaveCommitted: Bool
  ) throws(DatabaseError) -> [QueryResult] {
    switch outcome {
    case .done(let results): return results
    case .refused(let error): throw .server(error)
    case .lost(let sent): throw sent && mayHaveCommitted ? .unknownOutcome : .unavailable(retryAfter: 1)
    case .timedOut: throw mayHaveCommitted ? .unknownOutcome : .timeout
    case .outOfStep, .copying: throw .protocolViolation
    }
  }
}
