import EventLoop
import PostgresClient

/// Ordered hourly: months of delay that have begun are charged, partitions made ahead of time, old rows cleared away,
/// and the ledger is looked at. The job's row keeps the report.
struct Housekeeping: JobKind {
  /// The ledger is added up as a whole, which takes its time once it has grown.
  private static let limit: Duration = .seconds(900)
  /// No batch of fines begins later than this; what is left is charged an hour later. 5,000 employers with a month each
  /// took 7.5 s on two cores that were busy otherwise, so a day on which 500,000 are late takes 12 minutes.
  private static let chargingMax: Duration = .seconds(1800)

  let name = "housekeeping"

  @LoopActor func run(_ job: JobRun) async -> JobOutcome {
    do {
      let done = try await job.database.dedicated {
        (connection: DedicatedConnection) async throws(DatabaseError) -> QueryResult? in
        let fined = try await chargeBegunMonths(connection)
        var work = Segment()
        try work.add(JobsProcessStatements.keepHouse, fined)
        return try await connection.run(work, within: Self.limit).last
      }
      guard let done, done.int64(0, 1) == 0 else { return .failed(code: "ledger_unbalanced", mayRetry: false) }
      return .succeeded(done.bytes(0, 0))
    } catch {
      return .failed(code: "unavailable", mayRetry: true)
    }
  }

  /// Batch by batch, each a transaction of its own that holds its employers' rows for a fraction of a second. Gives how
  /// many employers were charged.
  @LoopActor private func chargeBegunMonths(_ connection: DedicatedConnection) async throws(DatabaseError) -> Int64 {
    let loop = LoopActor.shared.loop
    let end = loop.now + Self.chargingMax
    var fined: Int64 = 0
    repeat {
      let batch = try await connection.run(JobsProcessStatements.chargeBegunMonths).int64(0, 0) ?? 0
      if batch == 0 { break }
      fined += batch
    } while loop.now < end
    return fined
  }
}
