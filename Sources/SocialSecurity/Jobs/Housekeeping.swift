import EventLoop
import PostgresClient

/// Ordered hourly: partitions ahead of time, old rows away, and a look at the ledger. The job's row keeps the report.
struct Housekeeping: JobKind {
  /// The ledger is added up as a whole, which takes its time once it has grown.
  private static let limit: Duration = .seconds(900)

  let name = "housekeeping"

  @LoopActor func run(_ job: JobRun) async -> JobOutcome {
    do {
      let done = try await job.database.dedicated {
        (connection: DedicatedConnection) async throws(DatabaseError) -> QueryResult? in
        var work = Segment()
        try work.add(JobsProcessStatements.keepHouse)
        return try await connection.run(work, within: Self.limit).last
      }
      guard let done, done.int64(0, 1) == 0 else { return .failed(code: "ledger_unbalanced", mayRetry: false) }
      return .succeeded(done.bytes(0, 0))
    } catch {
      return .failed(code: "unavailable", mayRetry: true)
    }
  }
}
