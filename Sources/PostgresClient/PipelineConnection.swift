import EventLoop

/// How a segment ended on one connection, before retries are decided.
enum SegmentOutcome: Sendable {
  case done([QueryResult])
  /// The server refused; nothing of the segment was kept.
  case refused(ServerError)
  /// The line broke. When not even the Sync had left this process, nothing can have been kept.
  case lost(sent: Bool)
  case timedOut
  case outOfStep
  /// The server waits for COPY data.
  case copying
}

/// What a pool wants to know about its connections.
@LoopActor
protocol PipelineConnectionOwner: AnyObject {
  func connectionClosed(_ connection: PipelineConnection)
}

/// One segment or command on its way: who waits for it, until when, and how it ended. An object rather than a checked
/// continuation in a queue: one allocation, and no value of a resilient type to copy on the way of every request.
@LoopActor
final class Flight {
  let deadline: MonotonicInstant?
  let since: MonotonicInstant
  private(set) var outcome: SegmentOutcome?
  private var waiter: SuspendedTask?
  /// Told once, after the outcome is known.
  var onEnd: (@LoopActor () -> Void)?

  init(until deadline: MonotonicInstant?, onEnd: (@LoopActor () -> Void)? = nil) {
    self.deadline = deadline
    self.onEnd = onEnd
    since = LoopActor.shared.loop.now
  }

  func isOverdue(at now: MonotonicInstant) -> Bool { deadline.map { $0 <= now } ?? false }

  /// Suspends the caller while `start` sends the work, until it has ended.
  func wait(_ start: @LoopActor () -> Void) async -> SegmentOutcome {
    await SuspendedTask.suspend { task in
      waiter = task
      start()
    }
    return outcome ?? .outOfStep
  }

  /// The first outcome counts; later ones are those of work that its caller has given up.
  func end(_ outcome: SegmentOutcome) {
    if self.outcome != nil { return }
    self.outcome = outcome
    let waiter = waiter
    self.waiter = nil
    waiter?.resume()
    onEnd?()
    onEnd = nil
  }
}

/// One established connection on the loop. Segments may be posted while others are in flight; their outcomes come in
/// order. Nothing here blocks: sends are buffered, and EPOLLOUT is awaited only while libpq couldn't send everything.
@LoopActor
final class PipelineConnection {
  let purpose: ConnectionPurpose
  weak var owner: (any PipelineConnectionOwner)?
  /// Callers that hold this connection; the pool's own count.
  var leases = 0
  /// When the last caller gave it back; the pool closes what nobody uses.
  var idleSince = LoopActor.shared.loop.now
  var onNotification: (@LoopActor (_ channel: String, _ payload: String) -> Void)?

  private let line: LibPQ
  private let statements: [any StatementDescription]
  /// Names, by address, of the statements that this session has, or will have once what was sent before has run.
  private var prepared: Set<UInt> = []
  private var registration: Registration?
  private var awaitsWritable = false
  private(set) var isOpen = true
  private var isPipelining = false

  private var machine = PipelineStateMachine()
  private var pending = FIFO<Flight>()
  private var results: [QueryResult] = []
  private var failure: ServerError?
  /// The command that runs outside of pipeline mode, and whoever waits for room in the socket while it copies.
  private var plain: Flight?
  private var isCopying = false
  private var flushWaiter: SuspendedTask?

  /// Takes over a connected, non-blocking line. `statements` are what segments may name.
  init(
    _ line: LibPQ, _ purpose: ConnectionPurpose, _ statements: [any StatementDescription]
  ) throws(DatabaseError) {
    self.line = line
    self.purpose = purpose
    self.statements = statements
    guard line.setNonblocking(), let socket = line.socket else { throw .unavailable(retryAfter: 1) }
    do {
      registration = try LoopActor.shared.loop.register(socket, .read) { [weak self] ready in self?.handle(ready) }
    } catch {
      throw .unavailable(retryAfter: 1)
    }
  }

  /// True when nothing runs, no transaction is open and no result is unread: fit for the next user.
  var isClean: Bool { isOpen && machine.inFlight == 0 && plain == nil && !isCopying && line.isIdle }
  var isInTransaction: Bool { line.isInTransaction }
  var inFlight: Int { machine.inFlight + (plain == nil ? 0 : 1) }
  var serverProcess: Int32 { line.serverProcess }

  func quotedIdentifier(_ name: String) -> String? { line.quotedIdentifier(name) }

  // MARK: Sending

  /// Sends a segment with its Sync and waits for its outcome.
  func submit(_ segment: Segment, until deadline: MonotonicInstant?) async -> SegmentOutcome {
    let flight = Flight(until: deadline)
    return await flight.wait { post(segment, flight) }
  }

  /// Sends a segment with its Sync; the flight is told the outcome.
  func post(_ segment: Segment, _ flight: Flight) {
    prepare(for: segment, flight)
    send(segment, flight)
  }

  /// Sends what prepares the segment's statements that this session doesn't have yet: a segment of its own, so that it
  /// stands whatever becomes of the other, in the same write, so that it costs no round trip. When a statement doesn't
  /// fit the schema, that is the flight's outcome.
  private func prepare(for segment: Segment, _ flight: Flight) {
    var missing: [any StatementDescription] = []
    for case .prepared(let name, _, _) in segment.commands where prepared.insert(name.address).inserted {
      missing += statements.filter { $0.name.address == name.address }
    }
    if missing.isEmpty { return }
    // Without a deadline of its own: what became of it must be known.
    let preparation = Flight(until: nil)
    preparation.onEnd = { [weak self, weak preparation] in
      if case .done = preparation?.outcome { return }
      for statement in missing { self?.prepared.remove(statement.name.address) }
      if let outcome = preparation?.outcome { flight.end(outcome) }
    }
    send(.preparing(missing), preparation)
  }

  private func send(_ segment: Segment, _ flight: Flight) {
    guard isOpen, plain == nil, !isCopying, isPipelining || line.enterPipeline() else {
      return flight.end(.lost(sent: false))
    }
    isPipelining = true
    for command in segment.commands where !send(command, segment.parameters) {
      flight.end(.lost(sent: false))
      return close()
    }
    guard line.sendSync() else {
      flight.end(.lost(sent: false))
      return close()
    }
    machine.submit(statements: segment.count)
    pending.append(flight)
    flush()
  }

  private func send(_ command: Segment.Command, _ parameters: ParameterBuffer) -> Bool {
    switch command {
    case .prepared(let name, let range, let binaryResult):
      line.sendPrepared(name, parameters, range, binaryResult: binaryResult)
    case .text(let sql): line.sendExtended(sql)
    case .prepare(let name, let sql, let types): line.sendPrepare(name, sql, types)
    }
  }

  /// Runs text outside of pipeline mode (several statements, COPY) and waits for its outcome.
  func run(_ sql: String, until deadline: MonotonicInstant?) async -> SegmentOutcome {
    let flight = Flight(until: deadline)
    return await flight.wait {
      guard isOpen, machine.inFlight == 0, plain == nil, !isCopying else { return flight.end(.lost(sent: false)) }
      guard !isPipelining || line.exitPipeline(), line.sendSimple(sql) else {
        flight.end(.lost(sent: false))
        return close()
      }
      isPipelining = false
      plain = flight
      flush()
    }
  }

  /// Sends a piece of COPY data and returns once the socket has taken it, so that memory stays flat.
  func copy(_ data: [UInt8]) async -> Bool {
    guard isOpen, isCopying, flushWaiter == nil, line.putCopyData(data) else { return false }
    flush()
    // Whether there is something to wait for is asked inside: the task may have been suspended on the way there.
    await SuspendedTask.suspend { task in
      if isOpen && awaitsWritable { flushWaiter = task } else { task.resume() }
    }
    return isOpen
  }

  /// Ends the COPY (a reason makes the server refuse it) and waits for its outcome.
  func endCopy(refusing reason: StaticString?, until deadline: MonotonicInstant?) async -> SegmentOutcome {
    let flight = Flight(until: deadline)
    return await flight.wait {
      guard isOpen, isCopying, line.putCopyEnd(refusing: reason) else { return flight.end(.lost(sent: false)) }
      isCopying = false
      plain = flight
      flush()
    }
  }

  private func flush() {
    switch line.flush() {
    case .failed: lose()
    case .pending: awaitWritable(true)
    case .done:
      awaitWritable(false)
      resumeCopy()
    }
  }

  private func resumeCopy() {
    let task = flushWaiter
    flushWaiter = nil
    task?.resume()
  }

  private func awaitWritable(_ wanted: Bool) {
    guard awaitsWritable != wanted, let registration else { return }
    awaitsWritable = wanted
    LoopActor.shared.loop.update(registration, wanted ? [.read, .write] : .read)
  }

  // MARK: Receiving

  private func handle(_ ready: Readiness) {
    guard isOpen else { return }
    // While libpq has unsent data it must read as well as write, or both sides could wait for each other.
    let isAlive = line.consumeInput()
    receive()
    guard isAlive, isOpen else { return lose() }
    if awaitsWritable { flush() }
    while let onNotification, let (channel, payload) = line.nextNotification() { onNotification(channel, payload) }
  }

  private func receive() {
    var ends = 0
    while isOpen, ends < 2, machine.inFlight > 0 || plain != nil, !line.isBusy {
      guard let result = line.nextResult() else {
        if plain != nil { endPlain() } else { ends += 1 }
        continue
      }
      ends = 0
      if plain != nil { receivePlain(result) } else { receivePipelined(result) }
    }
  }

  private func receivePipelined(_ result: ResultStorage) {
    let error = result.status == .failure ? result.serverError : nil
    if result.status == .failure && error?.endsSession ?? true { return lose() }
    let event: PipelineStateMachine.Event =
      switch result.status {
      case .rows, .command, .empty: .result
      case .failure: .failure
      case .skipped: .skipped
      case .sync: .sync
      case .copyIn, .copyOut, .other: .other
      }
    switch machine.receive(event) {
    case .keep: results.append(QueryResult(storage: result))
    case .keepFailure: failure = error
    case .ignore: break
    case .succeed: end(.done(results))
    case .fail: end(failure.map { .refused($0) } ?? .outOfStep)
    case .close: fail(.outOfStep)
    }
  }

  private func end(_ outcome: SegmentOutcome) {
    results = []
    failure = nil
    pending.popFirst()?.end(outcome)
  }

  private func receivePlain(_ result: ResultStorage) {
    switch result.status {
    case .rows, .command, .empty: results.append(QueryResult(storage: result))
    case .failure:
      guard let error = result.serverError, !error.endsSession else { return lose() }
      failure = failure ?? error
    case .copyIn:
      isCopying = true
      let flight = plain
      plain = nil
      flight?.end(.copying)
    case .copyOut, .skipped, .sync, .other: fail(.outOfStep)
    }
  }

  private func endPlain() {
    let outcome: SegmentOutcome = failure.map { .refused($0) } ?? .done(results)
    let flight = plain
    plain = nil
    results = []
    failure = nil
    flight?.end(outcome)
  }

  // MARK: Ending

  /// Gives up on what is overdue: a shared connection's caller is let go (the segment runs on, its result is dropped);
  /// any other line is closed, since a cancel request could reach the next user's statement.
  /// A shared line whose oldest segment has had no answer for `silence` is taken for dead.
  func expire(at now: MonotonicInstant, silence: Duration) {
    if purpose == .shared {
      if let oldest = pending.first, oldest.since + silence <= now { return lose() }
      pending.forEach { flight in
        if flight.isOverdue(at: now) { flight.end(.timedOut) }
      }
    } else {
      var isOverdue = plain?.isOverdue(at: now) ?? false
      pending.forEach { isOverdue = isOverdue || $0.isOverdue(at: now) }
      if isOverdue { fail(.timedOut) }
    }
  }

  /// Closes the line on purpose; whatever is in flight is lost.
  func close() { lose() }

  private func lose() { fail(.lost(sent: !awaitsWritable)) }

  private func fail(_ outcome: SegmentOutcome) {
    guard isOpen else { return }
    isOpen = false
    // libpq may have closed the socket already; the loop ignores that.
    if let registration { LoopActor.shared.loop.deregister(registration) }
    registration = nil
    line.finish()
    let interrupted = [plain].compactMap { $0 } + pending.removeAll()
    plain = nil
    isCopying = false
    results = []
    failure = nil
    resumeCopy()
    for flight in interrupted { flight.end(outcome) }
    owner?.connectionClosed(self)
  }
}
