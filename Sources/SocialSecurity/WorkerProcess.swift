import EventLoop
import Glibc
import HTTPServer
import PostgresClient
import Supervisor
import Synchronization

/// One worker: the listener it was handed, its own connections to PostgreSQL, one loop.
package enum WorkerProcess {
  /// Requests under way get this long when the worker is told to end.
  private static let drainLimit: Duration = .seconds(30)

  /// Serves until the supervisor says otherwise; the calling thread becomes the loop's.
  ///
  /// - Throws: `StartFailure` when it can't begin to serve.
  package static func run(_ configuration: Configuration, _ process: ProcessContext) throws(StartFailure) {
    yieldToDatabase()
    let isSchemaKnown: Bool
    do {
      isSchemaKnown = try unlessAway(configuration) { _ = try verifySchema(configuration) }
    } catch {
      throw StartFailure("\(error)")
    }
    try runLoop { () async throws(StartFailure) in
      try await serve(configuration, process, isSchemaKnown: isSchemaKnown)
    }
  }

  /// SCHED_BATCH of <linux/sched.h>, a part of the kernel's interface that glibc's module leaves out.
  private static let schedBatch: Int32 = 3

  /// Under full load a worker that wakes for a result no longer interrupts the backend that is at the next one: it
  /// finds several results when its turn comes, for less work each. With an idle core it wakes as fast as ever. A
  /// kernel that refuses loses nothing but that.
  private static func yieldToDatabase() {
    var parameter = sched_param()
    _ = unsafe sched_setscheduler(0, schedBatch, &parameter)
  }

  /// - Throws: `StartFailure` with the first difference between the database's schema and the one this server knows.
  /// - Returns: the database's `max_connections`.
  @discardableResult
  static func verifySchema(_ configuration: Configuration) throws(StartFailure) -> Int {
    do {
      return try KnownSchema.verify(
        conninfo: configuration.databaseURL, directory: "\(configuration.resources)/Migrations")
    } catch {
      throw StartFailure("\(error)")
    }
  }

  /// Runs `body` on the loop, and the loop until `body` has ended.
  static func runLoop(
    _ body: @escaping @Sendable @LoopActor () async throws(StartFailure) -> Void
  ) throws(StartFailure) {
    let outcome = Outcome()
    LoopActor.task {
      do throws(StartFailure) {
        try await body()
      } catch {
        outcome.failure.withLock { $0 = error }
      }
      LoopActor.shared.loop.stop()
    }
    do {
      try LoopActor.shared.loop.run()
    } catch {
      throw StartFailure("\(error)")
    }
    if let failure = outcome.failure.withLock({ $0 }) { throw failure }
  }

  private final class Outcome: Sendable {
    let failure = Mutex<StartFailure?>(nil)
  }

  /// - Parameter isSchemaKnown: false while PostgreSQL didn't answer: the worker lives then, but isn't ready, and
  ///   answers 503 where it needs the database.
  @LoopActor
  private static func serve(
    _ configuration: Configuration, _ process: ProcessContext, isSchemaKnown: Bool
  ) async throws(StartFailure) {
    let database = Database(
      DatabaseConfiguration(
        conninfo: configuration.databaseURL, applicationName: "smile-worker-\(process.seat.slot)",
        statements: Endpoints.statements))
    let clients = ClientDirectory(database)
    // What takes a moment to read is read while the first connections are made. A database that is away for the moment
    // is no reason to be away as well: the pools go on trying.
    let start = LoopActor.task {
      try? await database.start()
      await clients.start()
    }
    let services = try Services(
      configuration, database: database, clients: clients,
      limiter: RateLimiter(
        process.memory.rateLimits, isOn: configuration.rateLimits, proxies: configuration.trustedProxies,
        clients: clients),
      metrics: try RequestMetrics(RequestMetrics.Layout(Endpoints.all(in: configuration.environment)), process),
      processes: process.memory.status)
    let log = AccessLog(isOn: configuration.accessLog)
    let server = Server(
      limits: configuration.limits, allowedHosts: configuration.allowedHosts,
      trustedProxies: configuration.trustedProxies, handler: try App(services, log: log))
    await start.value
    guard let listener = process.listener else { throw StartFailure("a worker needs a listening socket") }
    do {
      // A path has one socket for all workers; addresses have one each.
      try server.listen(on: listener, shared: configuration.listen.isPath)
      process.reportReady()
      let waiter = try DrainWaiter(process.drainSignal)
      if !isSchemaKnown { LoopActor.task { await verifyLater(configuration, waiter) } }
      await waiter.wait()
      if let failure = waiter.failure { throw failure }
    } catch {
      throw StartFailure("\(error)")
    }
    process.reportDraining()
    clients.stop()
    await server.drain(within: drainLimit, afterLastAccept: process.stopListening)
    log.flush()
    await database.close()
  }
}
