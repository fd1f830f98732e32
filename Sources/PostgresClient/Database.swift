import EventLoop

/// PostgreSQL as the product sees it: segments that read, segments that write, and connections of one's own for the
/// rest.
///
/// Reads share a few pipelined connections, so they must be short and take no row lock (the connections are
/// read-only). Writes lease a connection for one round trip. See `DatabaseConfiguration` for every limit.
@LoopActor
package final class Database {
  package let configuration: DatabaseConfiguration
  private let shared: ConnectionPool
  private let leased: ConnectionPool
  private let dedicatedPool: ConnectionPool
  private var sweep: TimerHandle?
  private var isSweepForIdle = false
  private var isClosed = false
  private var counters = Statistics()

  /// Waiting and running work is looked at this often; deadlines are met within it.
  private static let sweepInterval: Duration = .milliseconds(100)
  /// Idle dedicated connections are looked at this often.
  private static let idleInterval: Duration = .seconds(5)
  /// Serialisation failures and deadlocks of one segment are retried so often.
  private static let transientRetries = 5

  package init(_ configuration: DatabaseConfiguration) {
    self.configuration = configuration
    shared = ConnectionPool(
      .shared, configuration, size: configuration.sharedConnections,
      leasesPerConnection: configuration.segmentsPerSharedConnection)
    leased = ConnectionPool(.leased, configuration, size: configuration.leasedConnections)
    dedicatedPool = ConnectionPool(
      .dedicated, configuration, size: configuration.dedicatedConnections, isOnDemand: true)
  }

  /// Opens the shared and leased connections; returns when there is one of each kind, and the others follow. Throws
  /// when no connection of a kind could be made; the pools go on trying until `close`, so a caller may also go on and
  /// answer `.unavailable` meanwhile.
  package func start() async throws(DatabaseError) {
    let sharedStart = LoopActor.task { await self.failure(of: self.shared) }
    let leasedFailure = await failure(of: leased)
    if let failure = await sharedStart.value ?? leasedFailure { throw failure }
  }

  private func failure(of pool: ConnectionPool) async -> DatabaseError? {
    do {
      try await pool.start()
      return nil
    } catch {
      return error
    }
  }

  /// Prepares every statement of the catalogue on a connection of its own. Throws `.server` when one doesn't fit the
  /// schema, `.unavailable` when there is no server to ask or it can't say for the moment.
  package func verifyStatements() async throws(DatabaseError) {
    let connection = try await PipelineConnection.open(configuration, .leased, report: { _ in })
    // No pool looks after this connection's deadlines.
    let limit = LoopActor.shared.loop.schedule(after: configuration.segmentLimit) { connection.close() }
    let outcome = await connection.submit(.preparing(configuration.statements), until: nil)
    LoopActor.shared.loop.cancel(limit)
    connection.close()
    switch outcome {
    case .done: return
    case .refused(let error) where !error.isOfTheMoment: throw .server(error)
    default: throw .unavailable(retryAfter: 1)
    }
  }

  /// Closes all connections; whatever still waits is refused.
  package func close() async {
    isClosed = true
    if let sweep { LoopActor.shared.loop.cancel(sweep) }
    sweep = nil
    for pool in [shared, leased, dedicatedPool] { pool.close() }
  }

  // MARK: Work

  /// Runs a read-only segment on a shared connection; one result per statement. Retried once when the line is lost.
  /// Throws `.timeout` after `limit` (default: `segmentLimit`); the segment then runs on and its result is dropped.
  package func read(_ segment: Segment, within limit: Duration? = nil) async throws(DatabaseError) -> [QueryResult] {
    let deadline = LoopActor.shared.loop.now + (limit ?? configuration.segmentLimit)
    var isRetry = false
    while true {
      scheduleSweep()
      // Taken at once where one is free, as nearly always: each await costs.
      let connection = if let free = shared.take() { free } else { try await shared.acquire() }
      let outcome = await connection.submit(segment, until: deadline)
      shared.release(connection)
      switch outcome {
      case .done(let results): return results
      case .refused(let error): throw .server(error)
      case .timedOut:
        counters.timeouts += 1
        throw .timeout
      case .lost where !isRetry:
        counters.retriedReads += 1
        isRetry = true
      case .lost: throw .unavailable(retryAfter: 1)
      case .outOfStep, .copying: throw .protocolViolation
      }
    }
  }

  /// Runs a segment as one transaction on a leased connection; one result per statement. Repeated as a whole after a
  /// serialisation failure or deadlock. Throws `.unknownOutcome` when the line was lost, or `limit` passed, after the
  /// Sync had been sent; `.busy` when no connection was free in time; `.unavailable` also when the server has become
  /// read-only.
  package func write(_ segment: Segment, within limit: Duration? = nil) async throws(DatabaseError) -> [QueryResult] {
    var retries = 0
    while true {
      let connection = try await acquire(from: leased)
      let deadline = LoopActor.shared.loop.now + (limit ?? configuration.segmentLimit)
      let outcome = await connection.submit(segment, until: deadline)
      leased.release(connection)
      switch outcome {
      case .done(let results): return results
      case .refused(let error) where error.isTransient && retries < Self.transientRetries:
        counters.retriedWrites += 1
        await sleep(for: .milliseconds(Int.random(in: 10...200)))
      case .refused(let error) where error.isReadOnly:
        // The primary has become a standby: the next connects find the new one (target_session_attrs).
        leased.discard()
        throw .unavailable(retryAfter: 1)
      case .refused(let error): throw .server(error)
      case .lost(sent: false) where retries < Self.transientRetries: counters.retriedWrites += 1
      case .lost(sent: false): throw .unavailable(retryAfter: 1)
      case .lost, .timedOut, .outOfStep, .copying:
        counters.unknownOutcomes += 1
        throw .unknownOutcome
      }
      retries += 1
    }
  }

  /// Runs a segment as `write` would, checks deferred constraints, and rolls it back: the results come, nothing is
  /// kept.
  package func rehearse(
    _ segment: Segment, within limit: Duration? = nil
  ) async throws(DatabaseError) -> [QueryResult] {
    let rehearsal = segment.surrounded(by: "BEGIN", "SET CONSTRAINTS ALL IMMEDIATE")
    var rollback = Segment()
    rollback.add(text: "ROLLBACK")
    var retries = 0
    while true {
      let connection = try await acquire(from: leased)
      let deadline = LoopActor.shared.loop.now + (limit ?? configuration.segmentLimit)
      // The rollback has a Sync of its own, so it runs whatever became of the rehearsal; both leave together.
      let flight = Flight(until: deadline)
      let outcome = await flight.wait {
        connection.post(rehearsal, flight)
        connection.post(rollback, Flight(until: deadline) { [leased] in leased.release(connection) })
      }
      switch outcome {
      case .done(let results): return Array(results.dropFirst().dropLast())
      case .refused(let error) where error.isTransient && retries < Self.transientRetries:
        await sleep(for: .milliseconds(Int.random(in: 10...200)))
      case .refused(let error): throw .server(error)
      case .lost where retries < 1: break
      case .lost: throw .unavailable(retryAfter: 1)
      case .timedOut: throw .timeout
      case .outOfStep, .copying: throw .protocolViolation
      }
      retries += 1
    }
  }

  /// Lends a connection of its own for work that takes several round trips, COPY, or more time than a read or write may
  /// take. It is cleaned afterwards (or closed), whether `body` throws or not.
  package func dedicated<T: Sendable>(
    _ body: @LoopActor (DedicatedConnection) async throws(DatabaseError) -> T
  ) async throws(DatabaseError) -> T {
    let connection = try await acquire(from: dedicatedPool)
    let lent = DedicatedConnection(connection)
    do {
      let value = try await body(lent)
      await lent.giveBack()
      dedicatedPool.release(connection)
      return value
    } catch {
      await lent.giveBack()
      dedicatedPool.release(connection)
      throw error
    }
  }

  private func acquire(from pool: ConnectionPool) async throws(DatabaseError) -> PipelineConnection {
    scheduleSweep()
    return try await pool.acquire()
  }

  // MARK: Deadlines

  private func scheduleSweep() {
    if isSweepForIdle, let idle = sweep {
      LoopActor.shared.loop.cancel(idle)
      sweep = nil
    }
    guard sweep == nil else { return }
    schedule(after: Self.sweepInterval, forIdle: false)
  }

  private func schedule(after delay: Duration, forIdle: Bool) {
    guard !isClosed else { return }
    isSweepForIdle = forIdle
    sweep = LoopActor.shared.loop.schedule(after: delay) { [weak self] in self?.sweepDeadlines() }
  }

  private func sweepDeadlines() {
    sweep = nil
    let now = LoopActor.shared.loop.now
    let pools = [shared, leased, dedicatedPool]
    for pool in pools { pool.expire(at: now) }
    // An idle worker sleeps: no timer runs while nothing waits, runs or is to be closed.
    if pools.contains(where: { $0.isBusy }) {
      schedule(after: Self.sweepInterval, forIdle: false)
    } else if !dedicatedPool.connections.isEmpty {
      schedule(after: Self.idleInterval, forIdle: true)
    }
  }

  // MARK: Figures

  /// Counts since the start and the present state, for metrics.
  package struct Statistics: Sendable {
    package var sharedOpen = 0
    package var leasedOpen = 0
    package var dedicatedOpen = 0
    package var waiting = 0
    package var connectionsOpened = 0
    package var retriedReads = 0
    package var retriedWrites = 0
    package var unknownOutcomes = 0
    package var timeouts = 0
  }

  package var statistics: Statistics {
    var now = counters
    now.sharedOpen = shared.connections.count
    now.leasedOpen = leased.connections.count
    now.dedicatedOpen = dedicatedPool.connections.count
    now.waiting = shared.waiting + leased.waiting + dedicatedPool.waiting
    now.connectionsOpened = shared.opened + leased.opened + dedicatedPool.opened
    return now
  }

  /// True while both kinds of connection that requests need are there.
  package var isReady: Bool { !shared.connections.isEmpty && !leased.connections.isEmpty }

  /// Why the last connect failed, in libpq's words: for the log, since it names hosts and users.
  package var lastConnectFailure: String? { leased.lastReport ?? shared.lastReport ?? dedicatedPool.lastReport }
}
