import EventLoop

extension PipelineConnection {
  /// Connects without blocking. Throws `.unavailable` when no server could be reached or it refused the connection.
  /// `report` is told libpq's words, for the log.
  static func open(
    _ configuration: DatabaseConfiguration, _ purpose: ConnectionPurpose, report: (String) -> Void
  ) async throws(DatabaseError) -> PipelineConnection {
    guard configuration.isWellFormed else { throw .invalidConfiguration }
    let deadline = LoopActor.shared.loop.now + configuration.connectLimit
    let line = LibPQ.start(configuration.conninfo, purpose.options(for: configuration))
    guard await connect(line, until: deadline) else {
      report(line.message)
      throw .unavailable(retryAfter: 1)
    }
    return try PipelineConnection(line, purpose, configuration.statements)
  }

  private static func connect(_ line: LibPQ, until deadline: MonotonicInstant) async -> Bool {
    // libpq: before the first poll, behave as if it had asked for writable.
    var interest = Interest.write
    while !line.isLost, let socket = line.socket {
      let wait = ReadinessWait()
      guard await wait.wait(for: interest, of: socket, until: deadline) else { return false }
      switch line.pollConnect() {
      case .connected: return true
      case .failed: return false
      case .awaitReadable: interest = .read
      case .awaitWritable: interest = .write
      }
    }
    return false
  }
}

/// One wait for one descriptor. libpq may exchange its socket between steps, so each step registers anew.
@LoopActor
private final class ReadinessWait {
  private var continuation: CheckedContinuation<Bool, Never>?
  private var registration: Registration?
  private var timer: TimerHandle?

  /// False when the deadline passed or the descriptor can't be watched.
  func wait(for interest: Interest, of descriptor: Int32, until deadline: MonotonicInstant) async -> Bool {
    await withCheckedContinuation { continuation in
      self.continuation = continuation
      start(interest, descriptor, deadline)
    }
  }

  private func start(_ interest: Interest, _ descriptor: Int32, _ deadline: MonotonicInstant) {
    let loop = LoopActor.shared.loop
    timer = loop.schedule(after: deadline - .read()) { [self] in end(false) }
    do {
      registration = try loop.register(descriptor, interest) { [self] _ in end(true) }
    } catch {
      end(false)
    }
  }

  private func end(_ isReady: Bool) {
    if let registration { LoopActor.shared.loop.deregister(registration) }
    if let timer { LoopActor.shared.loop.cancel(timer) }
    registration = nil
    timer = nil
    continuation?.resume(returning: isReady)
    continuation = nil
  }
}
