import EventLoop

/// Connections of one purpose, handed out first come, first served; each to at most `leasesPerConnection` users at
/// once.
@LoopActor
final class ConnectionPool: PipelineConnectionOwner {
  private struct Waiter {
    var deadline: MonotonicInstant
    var continuation: CheckedContinuation<Result<PipelineConnection, DatabaseError>, Never>
  }

  let purpose: ConnectionPurpose
  private let configuration: DatabaseConfiguration
  private let size: Int
  private let leasesPerConnection: Int
  /// Opens connections only for users that wait, and closes them when unused.
  private let isOnDemand: Bool

  private(set) var connections: [PipelineConnection] = []
  private var waiters = FIFO<Waiter>()
  private var connecting = 0
  private var pacer: ReconnectPacer
  private var refill: TimerHandle?
  private var isClosed = false
  /// Since when there has been no connection although one was wanted.
  private var downSince: MonotonicInstant?
  /// Why the last connect failed, in libpq's words; for the log only.
  private(set) var lastReport: String?
  private(set) var opened = 0

  init(
    _ purpose: ConnectionPurpose, _ configuration: DatabaseConfiguration, size: Int, leasesPerConnection: Int = 1,
    isOnDemand: Bool = false
  ) {
    self.purpose = purpose
    self.configuration = configuration
    self.size = size
    self.leasesPerConnection = leasesPerConnection
    self.isOnDemand = isOnDemand
    pacer = ReconnectPacer(perSecond: max(1, size))
  }

  var waiting: Int { waiters.count }
  var isBusy: Bool { !waiters.isEmpty || connections.contains { $0.leases > 0 || $0.inFlight > 0 } }

  // MARK: Opening

  /// Opens one connection and then, without waiting, the others: the first is what a caller needs to begin. Throws
  /// when it could not be made. The pool goes on trying by itself in either case.
  func start() async throws(DatabaseError) {
    noteAttempt()
    if let error = await attempt() { throw error }
  }

  private var wanted: Int {
    isOnDemand ? min(size, connections.count { $0.leases > 0 } + waiters.count) : size
  }

  private func fill() {
    guard !isClosed, refill == nil else { return }
    while connections.count + connecting < wanted {
      if pacer.isProbing && connecting > 0 { return }
      let delay = pacer.delay(at: LoopActor.shared.loop.now)
      if delay > .zero {
        refill = LoopActor.shared.loop.schedule(after: delay) { [weak self] in
          self?.refill = nil
          self?.fill()
        }
        return
      }
      noteAttempt()
      LoopActor.task { _ = await self.attempt() }
    }
  }

  private func noteAttempt() {
    connecting += 1
    pacer.attemptStarted(at: LoopActor.shared.loop.now)
  }

  private func attempt() async -> DatabaseError? {
    var failure: DatabaseError?
    do {
      let connection = try await PipelineConnection.open(configuration, purpose, report: { lastReport = $0 })
      connecting -= 1
      admit(connection)
    } catch {
      connecting -= 1
      failure = error
      pacer.attemptFailed(at: LoopActor.shared.loop.now, jitter: Int.random(in: 0...1_000))
      if connections.isEmpty { downSince = downSince ?? LoopActor.shared.loop.now }
    }
    fill()
    return failure
  }

  private func admit(_ connection: PipelineConnection) {
    pacer.attemptSucceeded()
    guard !isClosed, connection.isOpen else { return connection.close() }
    connection.owner = self
    connections.append(connection)
    downSince = nil
    opened += 1
    serveWaiters()
  }

  // MARK: Handing out

  /// A connection for one user. Waits at most `waitLimit`; then throws `.busy`, or `.unavailable` when there is no
  /// connection at all. While the database has been gone for longer than that, throws at once.
  func acquire() async throws(DatabaseError) -> PipelineConnection {
    if let connection = take() { return connection }
    let now = LoopActor.shared.loop.now
    if isClosed { throw .unavailable(retryAfter: 1) }
    // A pool on demand has none while nobody needs one, and tries only while somebody waits.
    if !isOnDemand, connections.isEmpty, let downSince, downSince + configuration.waitLimit <= now {
      throw unavailable(at: now)
    }
    if waiters.count >= configuration.queueLimit { throw .busy }
    let deadline = now + configuration.waitLimit
    let result = await withCheckedContinuation {
      (continuation: CheckedContinuation<Result<PipelineConnection, DatabaseError>, Never>) in
      if isClosed { return continuation.resume(returning: .failure(.unavailable(retryAfter: 1))) }
      waiters.append(Waiter(deadline: deadline, continuation: continuation))
      // A connection may have become free while the task was being suspended.
      serveWaiters()
      fill()
    }
    return try result.get()
  }

  /// A connection, if one is free and nobody has waited longer.
  func take() -> PipelineConnection? { waiters.isEmpty ? free().map(lease) : nil }

  /// Takes a connection back. One that isn't clean is closed: nothing of one user reaches the next.
  func release(_ connection: PipelineConnection) {
    connection.leases -= 1
    connection.idleSince = LoopActor.shared.loop.now
    if purpose != .shared && connection.isOpen && !connection.isClean { connection.close() }
    serveWaiters()
  }

  private func free() -> PipelineConnection? {
    var best: PipelineConnection?
    for connection in connections where connection.leases < leasesPerConnection {
      if connection.leases == 0 { return connection }
      if connection.leases < best?.leases ?? .max { best = connection }
    }
    return best
  }

  private func lease(_ connection: PipelineConnection) -> PipelineConnection {
    connection.leases += 1
    return connection
  }

  private func serveWaiters() {
    while !waiters.isEmpty, let free = free(), let waiter = waiters.popFirst() {
      waiter.continuation.resume(returning: .success(lease(free)))
    }
  }

  private func unavailable(at now: MonotonicInstant) -> DatabaseError {
    .unavailable(retryAfter: Int(max(1, pacer.delay(at: now).components.seconds + 1)))
  }

  // MARK: Ending

  func connectionClosed(_ connection: PipelineConnection) {
    connections.removeAll { $0 === connection }
    if connections.isEmpty { downSince = downSince ?? LoopActor.shared.loop.now }
    fill()
  }

  /// Lets go whoever has waited too long, gives up overdue segments, and closes connections on demand that nobody uses.
  func expire(at now: MonotonicInstant) {
    while let first = waiters.first, first.deadline <= now, let waiter = waiters.popFirst() {
      waiter.continuation.resume(returning: .failure(connections.isEmpty ? unavailable(at: now) : .busy))
    }
    for connection in connections {
      connection.expire(at: now, silence: configuration.segmentLimit)
      let isUnused = isOnDemand && connection.leases == 0
      if isUnused && connection.idleSince + configuration.dedicatedIdleLimit <= now { connection.close() }
    }
  }

  /// Closes the connections that nobody holds, so that new ones are made.
  func discard() {
    for connection in connections where connection.leases == 0 { connection.close() }
  }

  /// Closes every connection and refuses whoever waits or comes later.
  func close() {
    isClosed = true
    if let refill { LoopActor.shared.loop.cancel(refill) }
    refill = nil
    for connection in connections { connection.close() }
    connections = []
    for waiter in waiters.removeAll() { waiter.continuation.resume(returning: .failure(.unavailable(retryAfter: 1))) }
  }
}
