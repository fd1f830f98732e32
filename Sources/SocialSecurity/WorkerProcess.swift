import EventLoop
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
  package static func run(_ configuration: Configuration, _ worker: WorkerContext) throws(StartFailure) {
    do {
      try KnownSchema.verify(
        conninfo: configuration.databaseURL, directory: "\(configuration.resources)/Migrations")
    } catch {
      throw StartFailure("\(error)")
    }
    try runLoop { () async throws(StartFailure) in try await serve(configuration, worker) }
  }

  /// Runs `body` on the loop, and the loop until `body` has ended.
  static func runLoop(_ body: @escaping @Sendable @LoopActor () async throws(StartFailure) -> Void) throws(StartFailure) {
    let outcome = Outcome()
    Task { @LoopActor in
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

  @LoopActor
  private static func serve(_ configuration: Configuration, _ worker: WorkerContext) async throws(StartFailure) {
    let database = Database(
      DatabaseConfiguration(
        conninfo: configuration.databaseURL, applicationName: "smile-worker-\(worker.slot)",
        statements: Endpoints.statements))
    do {
      try await database.start()
    } catch {
      // A database that is away for the moment is no reason to be away as well: the pools go on trying. A statement
      // that doesn't fit the schema is: no request could ever be answered.
      if case .server = error { throw StartFailure("\(error): \(database.lastConnectFailure ?? "no detail")") }
    }
    let services = try Services(
      configuration, database: database,
      limiter: RateLimiter(worker.memory, isOn: configuration.rateLimits),
      metrics: Metrics(worker.memory, slot: worker.slot, endpoints: Endpoints.all(in: configuration.environment)))
    let log = AccessLog(isOn: configuration.accessLog)
    let server = Server(
      limits: configuration.limits, allowedHosts: configuration.allowedHosts,
      trustedProxies: configuration.trustedProxies, handler: try App(services, log: log))
    do {
      try server.listen(on: worker.listener, shared: worker.sharesListener)
    } catch {
      throw StartFailure("listening: \(error)")
    }
    worker.reportReady()
    await worker.drainRequested()
    await server.drain(within: drainLimit)
    log.flush()
    await database.close()
  }
}
