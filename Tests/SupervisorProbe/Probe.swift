import CLinux
import Glibc
import JSON
import Supervisor

/// A small server for the tests of the supervisor. Without a role it is the supervisor:
/// `supervisor-probe <log descriptor> <workers> <listen> [behaviour]`.
@main struct Probe {
  static func main() {
    do {
      if let context = try ProcessContext.take() {
        runProcess(context)
      } else {
        exit(try Supervisor.run(try configuration(CommandLine.arguments)))
      }
    } catch {
      EventLog().write(.error, "probe_failed") { $0.field("reason", "\(error)") }
      exit(1)
    }
  }

  private static func configuration(_ words: [String]) throws(SupervisorError) -> SupervisorConfiguration {
    guard words.count >= 4, let log = Int32(words[1]), let workers = Int(words[2]),
      let address = ListenAddress(parsing: words[3])
    else { throw SupervisorError("arguments", errno: EINVAL) }
    var configuration = SupervisorConfiguration(listen: address, workers: workers)
    configuration.log = EventLog(descriptor: log)
    configuration.metrics = registry.registry
    configuration.arguments = words.count > 4 ? [words[4]] : []
    // Short enough for tests, long enough to tell one from another.
    configuration.timing.backoffFirst = 10
    configuration.timing.backoffMax = 100
    configuration.timing.crashWindow = 3_000
    configuration.timing.drain = 1_500
    configuration.timing.start = 5_000
    return configuration
  }

  static let registry: (registry: MetricsRegistry, requests: MetricsRegistry.Counter, open: MetricsRegistry.Gauge) = {
    var registry = MetricsRegistry()
    let requests = registry.counter("probe_requests_total", "Requests.")
    let open = registry.gauge("probe_open", "Open connections.")
    return (registry, requests, open)
  }()

  private static func runProcess(_ context: ProcessContext) {
    switch CommandLine.arguments.count > 1 ? CommandLine.arguments[1] : "" {
    case "misconfigured": exit(78)
    case "die" where context.role == .worker: exit(3)
    case "stubborn" where context.role == .worker:
      context.reportReady()
      while true { pause() }
    default: break
    }
    context.reportReady()
    serve(context)
    exit(0)
  }

  /// One connection at a time: a byte in, an answer out.
  private static func serve(_ context: ProcessContext) {
    let listener = context.listener ?? -1
    while true {
      var entries = [
        pollfd(fd: context.drainSignal, events: Int16(POLLIN), revents: 0),
        pollfd(fd: listener, events: Int16(POLLIN), revents: 0),
      ]
      _ = unsafe poll(&entries, 2, -1)
      if entries[1].revents != 0 { while answerOne(listener, context) {} }
      if entries[0].revents != 0 { break }
    }
    context.reportDraining()
    while answerOne(listener, context) {}
    context.stopListening()
  }

  private static func answerOne(_ listener: Int32, _ context: ProcessContext) -> Bool {
    guard listener >= 0 else { return false }
    var peer = clinux_peer()
    let connection = unsafe clinux_accept(listener, &peer)
    guard connection >= 0 else { return false }
    defer { close(connection) }
    var wait = pollfd(fd: connection, events: Int16(POLLIN), revents: 0)
    _ = unsafe poll(&wait, 1, 2_000)
    var byte: UInt8 = 0
    guard unsafe read(connection, &byte, 1) == 1 else { return true }
    guard let metrics = try? Metrics(registry.registry, in: context.memory, slot: context.seat.slot) else {
      return true
    }
    metrics.add(registry.requests)
    metrics.change(registry.open, by: 1)
    if byte == UInt8(ascii: "t") {
      context.note("POST /trap".utf8)
      kill(getpid(), SIGILL)
    }
    metrics.change(registry.open, by: -1)
    let flag = context.memory.status.isCrashLooping ? "looping" : "steady"
    let answer = Array("\(getpid()) \(metrics.total(registry.requests)) \(metrics.total(registry.open)) \(flag)".utf8)
    _ = unsafe write(connection, answer, answer.count)
    return true
  }
}
