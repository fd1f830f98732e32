import EventLoop

/// A running `COPY … FROM STDIN`. Ends with `finish` or `abort`; a connection given back in the middle is closed, which
/// aborts it too.
@LoopActor
package final class CopyIn {
  private let connection: PipelineConnection
  /// Asked before the COPY began: libpq doesn't tell while it runs.
  private let isInTransaction: Bool

  init(_ connection: PipelineConnection, isInTransaction: Bool) {
    self.connection = connection
    self.isInTransaction = isInTransaction
  }

  /// Sends a piece of the data, cut anywhere; returns once the socket has taken it, so the caller reads its source no
  /// faster than the server writes. 32 KiB to 256 KiB at a time are best. Throws `.unavailable` when the line is lost.
  package func write(_ data: [UInt8]) async throws(DatabaseError) {
    guard await connection.copy(data) else { throw .unavailable(retryAfter: 1) }
  }

  /// Ends the data and returns the number of rows. The server reports malformed data only here.
  package func finish() async throws(DatabaseError) -> Int {
    switch await connection.endCopy(refusing: nil, until: nil) {
    case .done(let results): return results.first?.affectedRows ?? 0
    case .refused(let error): throw .server(error)
    case .lost, .timedOut: throw isInTransaction ? .unavailable(retryAfter: 1) : .unknownOutcome
    case .outOfStep, .copying: throw .protocolViolation
    }
  }

  /// Makes the server throw the data away; a transaction around it has failed then.
  package func abort() async {
    _ = await connection.endCopy(refusing: "aborted by the client", until: nil)
  }
}
