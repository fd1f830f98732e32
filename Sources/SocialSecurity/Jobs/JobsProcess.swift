import Crypto
import EventLoop
import PostgresClient

/// The one process that works without being asked: delivers messages, runs queued work, and clears away what is old.
/// Woken by NOTIFY on `smile_job`, by its own timers, and after each reconnect.
@LoopActor
package final class JobsProcess {
  /// Nothing that was missed waits longer than this.
  private static let pauseMax: Duration = .seconds(30)
  /// So many jobs run at once: a large return keeps neither the others nor the mail waiting.
  private static let lanesMax = 2

  private let database: Database
  private let delivery: Delivery
  private let kinds: [any JobKind]
  private let report: @Sendable (String) -> Void
  private var listener: Listener?
  private var lanes = 0
  private var hasNewJobs = false
  /// Whether rows may say of a job that it runs although nobody runs it: one of a process before this one, or one whose
  /// end couldn't be written.
  private var mayHaveLostJobs = true
  private var isWorking = false
  private var isCalled = false
  private var isStopped = false
  private var timer: TimerHandle?

  /// - Parameters:
  ///   - channels: how messages leave; where there is none, as in dev, they stay in the outbox.
  ///   - database: configured with `JobsProcess.statements` and the role `smile_jobs`.
  ///   - report: takes a line for the log.
  init(
    _ channels: [any MessageChannel], database: Database, sealer: Sealer,
    report: @escaping @Sendable (String) -> Void
  ) {
    self.database = database
    self.report = report
    kinds = JobKinds.all
    delivery = Delivery(database: database, sealer: sealer, channels: channels)
  }

  /// What its database connections prepare.
  package nonisolated static let statements: [any StatementDescription] =
    JobsProcessStatements.all + ReturnJob.statements

  /// Begins to work, unless it was stopped before; returns at once.
  package func start() {
    guard !isStopped else { return }
    let listener = Listener(
      database.configuration, channels: ["smile_job"], onConnected: { self.wake() },
      onNotification: { (_: String, _: String) in self.wake() })
    self.listener = listener
    listener.start()
    wake()
  }

  /// Takes no more work; what is under way ends by itself or is taken again after its lease.
  package func stop() {
    isStopped = true
    listener?.stop()
    if let timer { LoopActor.shared.loop.cancel(timer) }
  }

  private func wake() {
    guard !isStopped else { return }
    hasNewJobs = true
    if lanes < Self.lanesMax {
      lanes += 1
      LoopActor.task { await self.runJobs() }
    }
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
      await attempt("delivery") { (_: Database) async throws(DatabaseError) in try await self.delivery.deliverDue() }
    }
    isWorking = false
    await sleepUntilDue()
  }

  private func sleepUntilDue() async {
    var pause = Self.pauseMax
    await attempt("next due") { (database: Database) async throws(DatabaseError) in
      let due = try await database.run(JobsProcessStatements.nextDue, self.delivery.names)?.int64(0, 0)
      if let due, !self.delivery.names.isEmpty { pause = min(pause, .milliseconds(max(due, 50))) }
    }
    if let timer { LoopActor.shared.loop.cancel(timer) }
    guard !isStopped else { return }
    timer = LoopActor.shared.loop.schedule(after: pause) { self.wake() }
  }

  /// One lane of jobs. What was queued while it looked for the last time is looked for again.
  private func runJobs() async {
    if mayHaveLostJobs, lanes == 1 {
      // No other lane may take a job meanwhile: it would look lost.
      lanes = Self.lanesMax
      await attempt("requeue") { (database: Database) async throws(DatabaseError) in
        try await database.run(JobsProcessStatements.requeue)
        self.mayHaveLostJobs = false
      }
      lanes = 1
    }
    while hasNewJobs, !isStopped {
      hasNewJobs = false
      await attempt("jobs") { (_: Database) async throws(DatabaseError) in
        do throws(DatabaseError) {
          while try await self.runNextJob() {}
        } catch {
          self.mayHaveLostJobs = true
          throw error
        }
      }
    }
    lanes -= 1
  }

  /// Takes one job and runs it; false when none is due.
  private func runNextJob() async throws(DatabaseError) -> Bool {
    guard !isStopped,
      let taken = try await database.run(JobsProcessStatements.take, kinds.map(\.name)),
      let id = taken.uuid(0, 0), let name = taken.string(0, 1), let kind = kinds.first(where: { $0.name == name })
    else { return false }
    let outcome = await kind.run(JobRun(id: id, parameters: taken.bytes(0, 2), database: database))
    switch outcome {
    case .ended: break
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
