import CLinux
import Glibc
import JSON

/// What the supervisor keeps running.
package struct SupervisorConfiguration: Sendable {
  /// Where workers accept requests.
  package var listen: ListenAddress
  /// Where the jobs process serves metrics.
  package var metricsListen: ListenAddress?
  /// Worker processes, at least 1.
  package var workers: Int
  /// Whether there is a jobs process after the workers.
  package var hasJobsProcess = true
  /// The same registry that every process registers.
  package var metrics = MetricsRegistry()
  /// The program of the processes. This one by default, so that a supervisor and its processes are always one build.
  package var executable = "/proc/self/exe"
  /// Arguments before those that name the role.
  package var arguments: [String] = []
  /// Connections that may wait to be accepted, for each socket.
  package var backlog: Int32 = 1_024
  /// How long to wait for what.
  package var timing = SupervisorTiming()
  /// Where events are told.
  package var log = EventLog()

  /// A configuration with a jobs process and no metrics socket.
  package init(listen: ListenAddress, workers: Int) {
    self.listen = listen
    self.workers = workers
  }
}

/// Opens the sockets, starts a process for each slot, and starts it again when it dies.
///
/// SIGTERM and SIGINT drain everything and end the supervisor (a second one kills what is left); SIGHUP replaces all
/// processes one by one. It waits for signals, ends and timers in one `poll` and does nothing in between.
package final class Supervisor {
  let configuration: SupervisorConfiguration
  private let sockets: ListeningSockets
  private let metricsSocket: Int32?
  let memory: SharedMemory
  private let metrics: Metrics
  private let signals: Int32
  private var roster: Roster
  private var children: [ChildID: Child] = [:]
  private var exitCode: Int32?

  private struct Child {
    let pid: Int32
    /// Readable when the process has ended.
    let pidDescriptor: Int32
    /// Where the process says that it is ready; -1 once it has.
    var readyPipe: Int32
  }

  /// Runs until a signal ends it.
  ///
  /// - Returns: the exit code: 0 after a drain, 78 (EX_CONFIG) when a process said at its first start that the
  ///   configuration is wrong.
  /// - Throws: when the sockets or the shared memory can't be had; nothing runs then.
  package static func run(_ configuration: SupervisorConfiguration) throws(SupervisorError) -> Int32 {
    try ProcessHardening.apply()
    unsafe setenv("SWIFT_BACKTRACE", Backtraces.setting, 0)
    // libpq brings GnuTLS along for LDAP, which nobody asks for: its tables would be 0.7 MB of each process.
    unsafe setenv("GNUTLS_NO_IMPLICIT_INIT", "1", 0)
    let supervisor = try Supervisor(configuration)
    return supervisor.run()
  }

  private init(_ configuration: SupervisorConfiguration) throws(SupervisorError) {
    self.configuration = configuration
    let slots = configuration.workers + (configuration.hasJobsProcess ? 1 : 0)
    signals = unsafe clinux_take_signals([SIGTERM, SIGINT, SIGHUP], 3)
    guard signals >= 0 else { throw SupervisorError("signalfd", errno: -signals) }
    sockets = try ListeningSockets(
      configuration.listen, count: configuration.workers, backlog: configuration.backlog)
    if let address = configuration.metricsListen, configuration.hasJobsProcess {
      metricsSocket = try ListeningSockets(address, count: 1, backlog: configuration.backlog).descriptors.first
    } else {
      metricsSocket = nil
    }
    memory = try SharedMemory.create(slots: slots, metricCells: configuration.metrics.cellCount)
    metrics = try Metrics(configuration.metrics, in: memory, slot: 0)
    roster = Roster(slots: slots, timing: configuration.timing)
  }

  private func run() -> Int32 {
    configuration.log.write(.info, "supervisor_started") { writer in
      writer.field("pid", getpid())
      writer.field("listen", sockets.address.description)
      writer.field("workers", configuration.workers)
    }
    perform(roster.start(at: Supervisor.now()))
    while true {
      if let exitCode {
        if case .unix(let path) = sockets.address { unsafe unlink(path) }
        configuration.log.write(.info, "supervisor_ended") { $0.field("exit_code", exitCode) }
        return exitCode
      }
      wait()
    }
  }

  /// Sleeps until something happens and handles all of it.
  private func wait() {
    let watched = children.sorted { $0.key.number < $1.key.number }
    var entries = [pollfd(fd: signals, events: Int16(POLLIN), revents: 0)]
    for (_, child) in watched {
      entries.append(pollfd(fd: child.pidDescriptor, events: Int16(POLLIN), revents: 0))
      entries.append(pollfd(fd: child.readyPipe, events: Int16(POLLIN), revents: 0))
    }
    let timeout = roster.nextDeadline.map { Int32(clamping: max(0, $0 - Supervisor.now())) } ?? -1
    _ = unsafe poll(&entries, nfds_t(entries.count), timeout)
    if entries[0].revents != 0 { handleSignals() }
    for (index, (id, _)) in watched.enumerated() {
      // Ready first: a process may have said so and died since.
      if entries[2 + 2 * index].revents != 0 { readReadiness(of: id) }
      if entries[1 + 2 * index].revents != 0 { reap(id) }
    }
    perform(roster.tick(at: Supervisor.now()))
  }

  private func handleSignals() {
    while true {
      switch clinux_next_signal(signals) {
      case 0: return
      case SIGHUP:
        configuration.log.write(.info, "rolling_restart_started")
        perform(roster.startRoll(at: Supervisor.now()))
      default:
        configuration.log.write(.info, "drain_started")
        memory.status.setStopping()
        perform(roster.stop(at: Supervisor.now()))
      }
    }
  }

  private func readReadiness(of id: ChildID) {
    guard let child = children[id] else { return }
    var byte: UInt8 = 0
    let count = unsafe read(child.readyPipe, &byte, 1)
    if count < 0 { return }
    close(child.readyPipe)
    children[id]?.readyPipe = -1
    if count == 0 { return }
    log(.info, "process_ready", id, child.pid)
    perform(roster.ready(id, at: Supervisor.now()))
  }

  private func reap(_ id: ChildID) {
    guard let child = children.removeValue(forKey: id) else { return }
    let status = clinux_reap(child.pid)
    close(child.pidDescriptor)
    if child.readyPipe >= 0 { close(child.readyPipe) }
    memory.status.set(.absent, of: id.seat)
    if !children.keys.contains(where: { $0.seat.slot == id.seat.slot }) { metrics.resetGauges(of: id.seat.slot) }
    let ending = status >= 256 ? Ending.signal(status - 256) : Ending.exit(status)
    perform(roster.ended(id, ending, at: Supervisor.now()), pid: child.pid)
  }

  /// Does what the roster says. A process that can't be started is an event at once, and what follows from it is done
  /// before the rest of the actions, which stay right.
  private func perform(_ actions: [Roster.Action], pid: Int32 = 0) {
    for action in actions {
      switch action {
      case .spawn(let id): spawn(id)
      case .terminate(let id):
        if let child = children[id] { kill(child.pid, SIGTERM) }
      case .kill(let id):
        guard let child = children[id] else { continue }
        log(.warning, "process_killed", id, child.pid)
        kill(child.pid, SIGKILL)
      case .setCrashLooping(let isLooping):
        memory.status.setCrashLooping(isLooping)
        configuration.log.write(isLooping ? .error : .info, isLooping ? "crash_loop" : "crash_loop_ended")
      case .report(let report): write(report, pid: pid)
      case .finish(let code): exitCode = code
      }
    }
  }

  private func spawn(_ id: ChildID) {
    var ends: [Int32] = [-1, -1]
    let piped = unsafe clinux_pipe(&ends)
    guard piped == 0 else {
      perform(roster.ended(id, .notStarted(-piped), at: Supervisor.now()))
      return
    }
    let isWorker = id.seat.slot < configuration.workers
    var values = ChildArguments()
    values.slot = id.seat.slot
    values.side = id.seat.side
    values.listener = isWorker ? sockets.descriptors[id.seat.slot] : metricsSocket ?? -1
    values.memory = memory.descriptor
    values.ready = ends[1]
    values.supervisor = getpid()
    let arguments = configuration.arguments + values.text(role: isWorker ? .worker : .jobs)
    let pid = start(arguments, keeping: values.descriptors)
    close(ends[1])
    let pidDescriptor = pid > 0 ? clinux_pidfd(pid) : pid
    guard pidDescriptor >= 0 else {
      close(ends[0])
      if pid > 0 {
        kill(pid, SIGKILL)
        clinux_reap(pid)
      }
      perform(roster.ended(id, .notStarted(-pidDescriptor), at: Supervisor.now()))
      return
    }
    memory.status.set(.starting, processID: pid, of: id.seat)
    memory.status.clearNote(of: id.seat)
    children[id] = Child(pid: pid, pidDescriptor: pidDescriptor, readyPipe: ends[0])
    log(.info, "process_started", id, pid)
  }

  /// Returns the process id or -errno.
  private func start(_ arguments: [String], keeping descriptors: [Int32]) -> Int32 {
    let words = [CommandLine.arguments.first ?? "smile-server"] + arguments
    var pointers: [UnsafeMutablePointer<CChar>?] = unsafe words.map { unsafe strdup($0) }
    defer { for unsafe pointer in unsafe pointers { unsafe free(pointer) } }
    unsafe pointers.append(nil)
    return unsafe clinux_spawn(configuration.executable, pointers, descriptors, Int32(descriptors.count))
  }

  static func now() -> Int64 {
    clinux_monotonic_nanoseconds() / 1_000_000
  }
}
