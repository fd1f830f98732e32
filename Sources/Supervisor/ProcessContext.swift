import CLinux
import Glibc

/// What a process is for.
package enum ProcessRole: String, Sendable {
  /// Serves requests.
  case worker
  /// Runs queued work and serves the metrics.
  case jobs
}

/// What a process that the supervisor has started knows about itself.
package struct ProcessContext: Sendable {
  /// What it is for.
  package let role: ProcessRole
  /// Where it writes in the shared memory; `seat.slot` counts workers from 0, the jobs process comes last.
  package let seat: Seat
  /// The socket to accept from: a worker's requests, the jobs process's metrics; nil when there is none.
  /// It belongs to the supervisor: take it out of epoll to stop, don't close it before the end.
  package let listener: Int32?
  /// What it shares with the others.
  package let memory: SharedMemory
  /// Readable once the process is to drain: the supervisor said so, or is gone. Non-blocking; never read from it.
  package let drainSignal: Int32
  private let readyPipe: Int32

  /// Takes over what the supervisor handed down, when the arguments are those of one of its processes: hardens the
  /// process, maps the shared memory, and lets SIGTERM and the supervisor's death show at `drainSignal`. SIGINT and
  /// SIGHUP are left to the supervisor. To be called at the start of main, before any other thread exists.
  ///
  /// - Returns: nil when the arguments don't begin with a role; then this process is the supervisor or something else.
  /// - Throws: when the arguments or what they name are unusable.
  package static func take(
    from arguments: [String] = CommandLine.arguments
  ) throws(SupervisorError) -> ProcessContext? {
    guard let index = arguments.firstIndex(where: { ProcessRole(rawValue: $0) != nil }),
      let role = ProcessRole(rawValue: arguments[index])
    else { return nil }
    var values = ChildArguments()
    try values.parse(arguments[(index + 1)...])
    for descriptor in values.descriptors { clinux_close_on_exec(descriptor) }
    try ProcessHardening.apply()
    let drainSignal = unsafe clinux_take_signals([SIGTERM], 1)
    guard drainSignal >= 0 else { throw SupervisorError("signalfd", errno: -drainSignal) }
    clinux_ignore_signal(SIGINT)
    clinux_ignore_signal(SIGHUP)
    clinux_signal_at_parents_death(SIGTERM)
    // It may have died before that line.
    if getppid() != values.supervisor { raise(SIGTERM) }
    let memory = try SharedMemory.attach(descriptor: values.memory)
    let seat = Seat(slot: values.slot, side: values.side)
    guard values.slot < memory.slots else { throw SupervisorError("slot", errno: EINVAL) }
    memory.status.set(.starting, processID: getpid(), of: seat)
    memory.status.clearNote(of: seat)
    return ProcessContext(
      role: role, seat: seat, listener: values.listener < 0 ? nil : values.listener, memory: memory,
      drainSignal: drainSignal, readyPipe: values.ready)
  }

  /// Tells the supervisor that this process serves: its predecessor may go.
  package func reportReady() {
    memory.status.set(.ready, of: seat)
    var byte: UInt8 = 1
    _ = unsafe write(readyPipe, &byte, 1)
  }

  /// Shows in the status that this process takes nothing new.
  package func reportDraining() {
    memory.status.set(.draining, of: seat)
  }

  /// To be called when draining, after the last `accept`: when the whole server stops, new connections are refused
  /// from now on rather than reset at the end; when only this process is replaced, nothing happens.
  package func stopListening() {
    if let listener, memory.status.isStopping { _ = shutdown(listener, Int32(SHUT_RDWR)) }
  }

  /// Says what this process is at; see `ProcessStatus.note`.
  package func note(_ text: [UInt8]) {
    memory.status.note(text, of: seat)
  }

  /// Says what this process is at; see `ProcessStatus.note`.
  package func note(_ text: String.UTF8View) {
    memory.status.note(text, of: seat)
  }

  /// Says that this process is at nothing.
  package func clearNote() {
    memory.status.clearNote(of: seat)
  }
}

/// The arguments between the supervisor and its processes.
struct ChildArguments {
  var slot = -1
  var side = -1
  var listener: Int32 = -1
  var memory: Int32 = -1
  var ready: Int32 = -1
  var supervisor: Int32 = -1

  var descriptors: [Int32] { [listener, memory, ready].filter { $0 >= 0 } }

  func text(role: ProcessRole) -> [String] {
    [
      role.rawValue, "--slot", "\(slot)", "--side", "\(side)", "--listener", "\(listener)", "--memory", "\(memory)",
      "--ready", "\(ready)", "--supervisor", "\(supervisor)",
    ]
  }

  mutating func parse(_ arguments: ArraySlice<String>) throws(SupervisorError) {
    var rest = arguments
    while let name = rest.popFirst() {
      guard let number = rest.popFirst().flatMap(Int32.init) else {
        throw SupervisorError("argument \(name)", errno: EINVAL)
      }
      switch name {
      case "--slot": slot = Int(number)
      case "--side": side = Int(number)
      case "--listener": listener = number
      case "--memory": memory = number
      case "--ready": ready = number
      case "--supervisor": supervisor = number
      default: throw SupervisorError("argument \(name)", errno: EINVAL)
      }
    }
    guard slot >= 0, (0..<ProcessStatus.seatsPerSlot).contains(side), memory >= 0, ready >= 0, supervisor > 0 else {
      throw SupervisorError("arguments of a process", errno: EINVAL)
    }
  }
}
