import Crypto
import EventLoop
import HTTPServer
import PostgresClient
import Supervisor

extension JobsProcess {
  /// Works until the supervisor says otherwise, and serves the metrics of all processes; the calling thread becomes the
  /// loop's.
  ///
  /// - Throws: `StartFailure` when it can't begin.
  package nonisolated static func run(
    _ configuration: Configuration, _ process: ProcessContext
  ) throws(StartFailure) {
    try WorkerProcess.runLoop { () async throws(StartFailure) in try await serve(configuration, process) }
  }

  private static func serve(_ configuration: Configuration, _ process: ProcessContext) async throws(StartFailure) {
    var database = DatabaseConfiguration(
      conninfo: configuration.jobsDatabaseURL, applicationName: "smile-jobs", statements: statements)
    database.sharedConnections = 1
    database.leasedConnections = 2
    let pool = Database(database)
    // A database that is away for the moment is no reason to be away as well: the pools go on trying.
    try? await pool.start()
    let catalogues = [
      pool,
      Database(
        DatabaseConfiguration(
          conninfo: configuration.databaseURL, applicationName: "smile-start-check",
          statements: Endpoints.statements)),
    ]
    let sealer: Sealer
    do {
      sealer = try Sealer(try KeyRing.load(path: configuration.keyFile))
    } catch {
      throw StartFailure("KEY_FILE \(configuration.keyFile): \(error)")
    }
    let jobs = JobsProcess(
      try channels(configuration), database: pool, sealer: sealer, report: ServerProgram.complain)
    let metrics = try RequestMetrics(RequestMetrics.Layout(Endpoints.all(in: configuration.environment)), process)
    let server = Server(handler: MetricsPage(metrics))
    do {
      if let listener = process.listener { try server.listen(on: listener) }
      process.reportReady()
      let waiter = try DrainWaiter(process.drainSignal)
      LoopActor.task { await begin(jobs, catalogues, waiter) }
      await waiter.wait()
      if let failure = waiter.failure { throw failure }
    } catch {
      throw StartFailure("\(error)")
    }
    process.reportDraining()
    jobs.stop()
    await server.drain(within: .seconds(5), afterLastAccept: process.stopListening)
    await pool.close()
  }

  /// Whether every statement of this process and of the workers fits the database's schema: asked once for all, since
  /// connections prepare a statement only when they first need it.
  ///
  /// - Returns: false when PostgreSQL doesn't answer for the moment, so that nothing is known yet.
  /// - Throws: `StartFailure` with what PostgreSQL said of the first that doesn't fit: no restart would help.
  private static func fits(_ catalogues: [Database]) async throws(StartFailure) -> Bool {
    for catalogue in catalogues {
      do {
        try await catalogue.verifyStatements()
      } catch .server(let error) {
        throw StartFailure("a statement doesn't fit the schema: SQLSTATE \(error.sqlState): \(error.message)")
      } catch {
        return false
      }
    }
    return true
  }

  /// Begins to work once PostgreSQL answers and every statement fits, and ends the process when one doesn't. Not at
  /// once: the workers start at the same time, and would share the cores with the check and with what is due.
  private static func begin(_ jobs: JobsProcess, _ catalogues: [Database], _ waiter: DrainWaiter) async {
    do {
      repeat { await sleep(for: .seconds(1)) } while try await !fits(catalogues)
      jobs.start()
    } catch {
      waiter.end(with: error)
    }
  }

  private static func channels(_ configuration: Configuration) throws(StartFailure) -> [any MessageChannel] {
    var channels: [any MessageChannel] = []
    if let command = configuration.mailCommand {
      channels.append(MailProgram(command, sender: configuration.mailSender))
    }
    if let hook = configuration.smsHook {
      do {
        channels.append(SMSHook(hook, key: try HMACSHA256(key: KeyRing.loadWebhookKey(path: hook.keyFile))))
      } catch {
        throw StartFailure("SMS_HOOK_KEY_FILE \(hook.keyFile): \(error)")
      }
    }
    return channels
  }
}
