import EventLoop

extension PipelineConnection {
  /// Connects without blocking and prepares the whole catalogue in a segment of its own. Throws `.unavailable` when no
  /// server could be reached or it refused the connection, `.server` when a statement doesn't fit the schema.
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
    let connection = try PipelineConnection(line, purpose)
    let catalogue = purpose == .listener ? [] : configuration.statements
    if catalogue.isEmpty { return connection }
    let timer = LoopActor.shared.loop.schedule(after: configuration.connectLimit) { connection.close() }
    let outcome = await connection.submit(.preparing(catalogue), until: nil)
    LoopActor.shared.loop.cancel(timer)
    switch outcome {
    case .done: return connection
    case .refused(let error):
      connection.close()
      report("SQLSTATE \(error.sqlState): \(error.message)")
      throw .server(error)
    default:
      connection.close()
      throw .unavailable(retryAfter: 1)
    }
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
