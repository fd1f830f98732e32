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
    do {
      try await pool.start()
    } catch {
      if case .server = error { throw StartFailure("\(error): \(pool.lastConnectFailure ?? "no detail")") }
    }
    let sealer: Sealer
    do {
      sealer = try Sealer(try KeyRing.load(path: configuration.keyFile))
    } catch {
      throw StartFailure("KEY_FILE \(configuration.keyFile): \(error)")
    }
    let jobs = JobsProcess(
      configuration: configuration, database: pool, sealer: sealer, report: ServerProgram.complain)
    let metrics = try RequestMetrics(RequestMetrics.Layout(Endpoints.all(in: configuration.environment)), process)
    let server = Server(handler: MetricsPage(metrics))
    do {
      if let listener = process.listener { try server.listen(on: listener) }
      jobs.start()
      process.reportReady()
      try await WorkerProcess.drainRequested(process)
    } catch {
      throw StartFailure("\(error)")
    }
    process.reportDraining()
    jobs.stop()
    await server.drain(within: .seconds(5), afterLastAccept: process.stopListening)
    await pool.close()
  }
}
