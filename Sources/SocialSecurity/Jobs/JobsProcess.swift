import Crypto
import EventLoop
import PostgresClient

/// The one process that works without being asked: delivers messages, runs queued work, and clears away what is old.
/// Woken by NOTIFY on `smile_job`, by its own timers, and after each reconnect.
@LoopActor
package final class JobsProcess {
  /// Nothing that was missed waits longer than this.
  private static let pauseMax: Duration = .seconds(30)

  private let database: Database
  private let delivery: Delivery?
  private let kinds: [any JobKind]
  private let report: @Sendable (String) -> Void
  private var listener: Listener?
  private var isWorking = false
  private var isCalled = false
  private var isStopped = false
  private var timer: TimerHandle?

  /// - Parameters:
  ///   - database: configured with `JobsProcess.statements` and the role `smile_jobs`.
  ///   - report: takes a line for the log.
  package init(
    configuration: Configuration, database: Database, sealer: Sealer, report: @escaping @Sendable (String) -> Void
  ) {
    self.database = database
    self.report = report
    kinds = JobKinds.all
    // In dev without a mail program, messages stay where GET /v1/sandbox/outbox shows them.
    delivery = configuration.mailCommand.map {
      Delivery(database: database, sealer: sealer, command: MailCommand($0), sender: configuration.mailSender)
    }
  }

  /// What its database connections prepare.
  package nonisolated static let statements: [any StatementDescription] = JobsProcessStatements.all

  /// Begins to work; returns at once.
  package func start() {
    let listener = Listener(
      database.configuration, channels: ["smile_job"], onConnected: { self.wake() },
      onNotification: { (_: String, _: String) in self.wake() })
    self.listener = listener
    listener.start()
    LoopActor.task {
      await self.attempt("requeue") { (database: Database) async throws(DatabaseError) in
        try await database.run(JobsProcessStatements.requeue)
      }
      self.wake()
    }
  }

  /// Takes no more work; what is under way ends by itself or is taken again after its lease.
  package func stop() {
    isStopped = true
    listener?.stop()
    if let timer { LoopActor.shared.loop.cancel(timer) }
  }

  private func wake() {
    guard !isStopped else { return }
    isCalled = true
    guard !isWorking else { return }
    isWorking = true
    LoopActor.task { await self.work() }
  }

  private func work() async {
    while isCalled, !isStopped {
      isCalled = false
      await attempt("housekeeping") { (database: Database) async throws(DatabaseError) in
        try await database.run(JobsProcessStatements.queueHousekeeping)
      }
      await attempt("jobs") { (_: Database) async throws(DatabaseError) in while try await self.runNextJob() {} }
      await attempt("delivery") { (_: Database) async throws(DatabaseError) in try await self.delivery?.deliverDue() }
    }
    isWorking = false
    await sleepUntilDue()
  }

  private func sleepUntilDue() async {
    var pause = Self.pauseMax
    await attempt("next due") { (database: Database) async throws(DatabaseError) in
      let due = try await database.run(JobsProcessStatements.nextDue)?.int64(0, 0)
      if let due, self.delivery != nil { pause = min(pause, .milliseconds(max(due, 50))) }
    }
    if let timer { LoopActor.shared.loop.cancel(timer) }
    guard !isStopped else { return }
    timer = LoopActor.shared.loop.schedule(after: pause) { self.wake() }
  }

  /// Takes one job and runs it; false when none is due.
  private func runNextJob() async throws(DatabaseError) -> Bool {
    guard !isStopped,
      let taken = try await database.run(JobsProcessStatements.take, kinds.map(\.name)),
      let id = taken.uuid(0, 0), let name = taken.string(0, 1), let kind = kinds.first(where: { $0.name == name })
    else { return false }
    switch await kind.run(JobRun(id: id, parameters: taken.bytes(0, 2), database: database)) {
    case .succeeded(let result): try await database.run(JobsProcessStatements.finish, id, SQLJSON(result))
    case .failed(let code, let mayRetry):
      report("jobs: \(name) \(id) failed: \(code)")
      try await database.run(JobsProcessStatements.fail, id, code, mayRetry)
    }
    return true
  }

  private func attempt(
    _ what: String, _ work: @LoopActor (Database) async throws(DatabaseError) -> Void
  ) async {
    do {
      try await work(database)
    } catch {
      report("jobs: \(what): \(error)")
    }
  }
}

extension Database {
  /// One statement as a transaction of its own.
  @discardableResult
  func run<each P: SQLParameter>(
    _ statement: Statement<repeat each P>, _ values: repeat each P
  ) async throws(DatabaseError) -> QueryResult? {
    var segment = Segment()
    try segment.add(statement, repeat each values)
    return try await write(segment).last
  }
}
