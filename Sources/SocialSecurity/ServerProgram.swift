import Crypto
import Glibc
import HTTPServer
import JSON
import PostgresClient
import Supervisor

/// `smile-server`: the supervisor, or the process that it starts this program again as.
package enum ServerProgram {
  /// EX_CONFIG of sysexits.h: the supervisor doesn't restart what a person must mend first.
  private static let configurationIsWrong: Int32 = 78

  /// - Returns: the exit code.
  package static func main(_ arguments: [String]) -> Int32 {
    do {
      if arguments.contains("--routes") {
        writeRoutes()
        return 0
      }
      let configuration = try configuration()
      do {
        switch try ProcessContext.take(from: arguments) {
        case let process? where process.role == .worker: try WorkerProcess.run(configuration, process)
        case let process?: try JobsProcess.run(configuration, process)
        case nil: return try supervise(configuration)
        }
        return 0
      } catch let failure as SupervisorError {
        throw StartFailure(failure.description)
      }
    } catch {
      complain("smile-server: \(error)")
      return configurationIsWrong
    }
  }

  private static func configuration() throws -> Configuration {
    try Configuration(environment: processEnvironment())
  }

  /// Checks what can be checked once for all processes, then keeps them running.
  private static func supervise(_ configuration: Configuration) throws -> Int32 {
    let isKnown = try WorkerProcess.unlessAway(configuration) {
      try checkConnections(configuration, limit: WorkerProcess.verifySchema(configuration))
    }
    if !isKnown { complain("smile-server: PostgreSQL doesn't answer; not ready until it does") }
    _ = try BlockedPasswords(directory: configuration.resources)
    try checkDataDirectory(configuration.dataDirectory)
    do {
      _ = try KeyRing.load(path: configuration.keyFile)
    } catch {
      throw StartFailure("KEY_FILE \(configuration.keyFile): \(error)")
    }
    var plan = SupervisorConfiguration(listen: configuration.listen, workers: configuration.workers)
    plan.metricsListen = configuration.metricsListen
    plan.metrics = RequestMetrics.Layout(Endpoints.all(in: configuration.environment)).registry
    complain(configuration.redacted.map { "\($0.name)=\($0.value)" }.joined(separator: " "))
    return try Supervisor.run(plan)
  }

  /// A pool that PostgreSQL can't fill would show as requests that wait, now and then.
  private static func checkConnections(_ configuration: Configuration, limit: Int) throws {
    let worker = DatabaseConfiguration(conninfo: configuration.databaseURL, applicationName: "", statements: [])
    // Each worker has one more to listen on. The jobs process holds fewer, and one to listen on; 10 stay for people and
    // their programs.
    let wanted = configuration.workers * (worker.connectionsMax + 1) + 6
    guard wanted <= limit - 10 else {
      throw StartFailure(
        "WORKERS=\(configuration.workers) may hold \(wanted) connections, but max_connections is \(limit), of which 10 "
          + "stay free: lower the one or raise the other")
    }
  }

  /// Uploads are spooled there: found out now, not at the first one.
  private static func checkDataDirectory(_ path: String) throws(StartFailure) {
    _ = unsafe mkdir(path, 0o700)
    do {
      try SpooledBody.probe(path)
    } catch {
      throw StartFailure("SMILE_DATA \(path): \(error)")
    }
  }

  /// The route table as JSON lines: what tests compare with `openapi.yaml`.
  private static func writeRoutes() {
    for endpoint in Endpoints.all(in: .dev) {
      var json = JSONWriter()
      json.object { json in
        json.field("method", endpoint.method.name.description)
        json.field("path", endpoint.pattern)
        json.field("operation_id", endpoint.operationId)
        json.key("access")
        json.array { json in for grant in endpoint.grants { json.string(grant.text) } }
        json.field("idempotent", endpoint.options.contains(.idempotent))
        json.field("step_up", endpoint.options.contains(.stepUp))
      }
      print(String(decoding: json.bytes, as: UTF8.self))
    }
  }

  /// A line on standard error, for whoever started the process.
  static func complain(_ line: String) {
    let bytes = Array((line + "\n").utf8)
    _ = unsafe bytes.withUnsafeBytes { unsafe write(STDERR_FILENO, $0.baseAddress, $0.count) }
  }

  /// The process's environment variables.
  package static func processEnvironment() -> [String: String] {
    var variables: [String: String] = [:]
    var index = 0
    while let entry = unsafe environ[index] {
      let text = unsafe String(cString: entry)
      if let equals = text.firstIndex(of: "=") {
        variables[String(text[..<equals])] = String(text[text.index(after: equals)...])
      }
      index += 1
    }
    return variables
  }
}
