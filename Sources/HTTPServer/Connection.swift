import CLinux
import EventLoop
import Glibc

/// One client's connection: the socket's bytes go to the parser, the parser's events to the state machine, and what the
/// machine decides is done here. One task serves the requests of a connection one after another, so that answers leave
/// in the order of their requests; requests that arrive early wait unparsed.
@LoopActor
final class Connection {
  /// Bytes kept unparsed; then the socket is no longer read.
  private static let pendingLimit = 65_536

  let server: Server
  let descriptor: Int32
  let peer: PeerAddress
  var machine: ConnectionStateMachine
  /// Where the connection stands in the server's list.
  var index = 0

  private var parser: RequestParser
  private var registration: Registration?
  private var interest: Interest = .read

  /// Bytes that came and weren't parsed, from `pendingStart` on.
  private var pending: [UInt8] = []
  private var pendingStart = 0
  private var hasInputEnded = false
  private var discarded = 0

  /// The task waits, or looks, for a request: only then may a head be parsed.
  private var wantsRequest = false
  private var ready: Request?
  private var requestWaiter: SuspendedTask?
  var body: RequestBody?
  var isHTTP10 = false
  /// Why the current request is refused.
  var refusalReason = FramingError.truncated

  // Output and deadlines; see the extensions.
  var output = OutputQueue()
  var isFlushScheduled = false
  var roomWaiter: SuspendedTask?
  var deadlines = ConnectionDeadlines()

  var loop: EventLoop { LoopActor.shared.loop }
  var method: Method? { parser.method }

  init(server: Server, descriptor: Int32, peer: PeerAddress) {
    self.server = server
    self.descriptor = descriptor
    self.peer = peer
    machine = ConnectionStateMachine(requestLimit: server.limits.requestsPerConnection)
    parser = RequestParser(limits: server.limits, allowedHosts: server.allowedHosts)
  }

  /// Watches the socket and begins to serve. Throws when the loop can't take the socket.
  func start() throws(SystemError) {
    registration = try loop.register(descriptor, interest) { [self] in isReady($0) }
    setInputDeadline(after: server.limits.firstByte)
    LoopActor.task { [self] in await serve() }
  }

  private func serve() async {
    while let request = await nextRequest() {
      let response = await server.handler.respond(to: request)
      guard await send(response) else { return }
    }
  }

  // MARK: requests

  /// The next request; nil when there will be none.
  private func nextRequest() async -> Request? {
    wantsRequest = true
    parsePending()
    while mayGetRequest { await SuspendedTask.suspend(while: { mayGetRequest }) { requestWaiter = $0 } }
    let request = ready
    ready = nil
    return request
  }

  private var mayGetRequest: Bool {
    ready == nil && (machine.phase == .fresh || machine.phase == .idle || machine.phase == .head)
  }

  private func wakeRequestWaiter() {
    guard let waiter = requestWaiter else { return }
    requestWaiter = nil
    waiter.resume()
  }

  private func dispatch(_ head: RequestHead) {
    let action = machine.on(
      .head(closes: head.closes, body: head.framing != .none, expectsContinue: head.expectsContinue))
    guard action == .dispatch else { return }
    clearInputDeadline()
    wantsRequest = false
    isHTTP10 = head.isHTTP10
    let requestBody: RequestBody
    switch head.framing {
    case .none: requestBody = server.emptyBody
    case .length(let length): requestBody = RequestBody(declaredLength: length, source: self)
    case .chunked: requestBody = RequestBody(declaredLength: nil, source: self)
    }
    body = head.framing == .none ? nil : requestBody
    let headers = head.headers
    ready = Request(
      method: head.method, path: head.target.path, query: head.target.query, headers: headers,
      remoteAddress: server.trustedProxies.client(of: peer) { headers.all(.forwardedFor) }, body: requestBody,
      receivedAt: loop.now)
    wakeRequestWaiter()
  }

  // MARK: input

  private func isReady(_ readiness: Readiness) {
    if readiness.contains(.writable) { flush() }
    if machine.phase == .closed { return }
    if interest.contains(.read) {
      if readiness.contains(.readable) || readiness.isBroken { receive() }
    } else if readiness.isBroken {
      perform(machine.on(.lost))
    }
  }

  private func receive() {
    let count = server.inbox.receive(from: descriptor)
    guard count > 0 else {
      if count == -Int(EAGAIN) { return }
      if count < 0 { return perform(machine.on(.lost)) }
      hasInputEnded = true
      updateInterest()
      // What came before the end may still be waiting; it is judged first.
      if pending.isEmpty || machine.phase == .head { perform(machine.on(.inputEnded)) }
      return
    }
    switch machine.phase {
    case .closing, .lingering: return discard(count)
    case .closed: return
    case .fresh, .idle: perform(machine.on(.bytes))
    case .handling where machine.isPoisoned: return
    case .head, .handling, .answering: break
    }
    let bytes = server.inbox.bytes
    if pending.isEmpty {
      let consumed = parse(bytes.span.extracting(0..<count))
      if consumed < count { pending.append(contentsOf: bytes[consumed..<count]) }
    } else {
      pending.append(contentsOf: bytes[0..<count])
      parsePending()
    }
    updateInterest()
  }

  private func discard(_ count: Int) {
    discarded += count
    if machine.phase == .lingering, discarded > server.limits.lingerBytes { perform(machine.on(.expired)) }
  }

  /// Parses what waits, as far as it may be parsed now.
  func parsePending() {
    if !pending.isEmpty {
      if machine.phase == .idle { perform(machine.on(.bytes)) }
      let bytes = pending
      let consumed = parse(bytes.span.extracting(pendingStart..<bytes.count))
      dropPending(consumed)
    }
    if hasInputEnded, pending.isEmpty || machine.phase == .head { perform(machine.on(.inputEnded)) }
    updateInterest()
  }

  private func dropPending(_ count: Int) {
    pendingStart += count
    // A refusal has thrown it all away in the meantime, or it is used up.
    if pendingStart >= pending.count { return forgetPending() }
    if pendingStart > Self.pendingLimit {
      pending.removeSubrange(0..<pendingStart)
      pendingStart = 0
    }
  }

  private func forgetPending() {
    pending = []
    pendingStart = 0
  }

  /// Feeds the parser; returns how much was consumed. Stops where the next request begins, unless the task wants it,
  /// and where the body's buffer is full.
  private func parse(_ input: Span<UInt8>) -> Int {
    var consumed = 0
    do throws(FramingError) {
      while mayParse {
        let (event, count) = try parser.next(input.extracting(consumed..<input.count))
        switch event {
        case .needMore:
          return consumed + count
        case .head(let head):
          dispatch(head)
        case .body(let range):
          perform(machine.on(.bodyBytes))
          noteBodyBytes(range.count)
          body?.append(input.extracting(consumed..<input.count).copy(range))
        case .end:
          perform(machine.on(.bodyEnded))
          clearBodyDeadline()
          body?.complete()
        }
        consumed += count
      }
    } catch {
      refuse(error)
      return input.count
    }
    return consumed
  }

  private var mayParse: Bool {
    switch machine.phase {
    case .head: wantsRequest
    case .handling, .answering:
      // A request without a body ends at once: its end is read here too.
      !machine.isPoisoned && !parser.isBetweenRequests && (body?.buffered ?? 0) < server.limits.bodyBuffer
    case .fresh, .idle, .closing, .lingering, .closed: false
    }
  }

  func updateInterest() {
    guard let registration else { return }
    // Not `[]`: the array literal goes through generic code at each call.
    var wanted = Interest(rawValue: 0)
    let isDiscarding = machine.phase == .closing || machine.phase == .lingering
    if !hasInputEnded && (isDiscarding || !isPendingFull) { wanted.insert(.read) }
    // What a flush at the end of the turn will try first needs no event.
    if !output.isEmpty && !isFlushScheduled { wanted.insert(.write) }
    guard wanted != interest else { return }
    interest = wanted
    loop.update(registration, wanted)
  }

  private var isPendingFull: Bool { pending.count - pendingStart >= Self.pendingLimit }

  // MARK: actions

  /// Ends the current request for breaking the rules, or the clock.
  func refuse(_ reason: FramingError) {
    refusalReason = reason
    perform(machine.on(.refused))
  }

  func perform(_ action: ConnectionStateMachine.Action) {
    switch action {
    case .none, .dispatch, .nextRequest, .sendAnswer: break
    case .startHead: setInputDeadline(after: server.limits.header)
    case .sendContinue: queueContinue()
    case .refuse: queueRefusal()
    case .failBody: failBody(.framing(refusalReason))
    case .finish: scheduleFlush()
    case .linger: linger()
    case .close: close()
    case .reset:
      _ = clinux_set_reset_on_close(descriptor)
      close()
    }
  }

  private func failBody(_ error: BodyError) {
    clearBodyDeadline()
    forgetPending()
    body?.fail(error)
  }

  private func linger() {
    forgetPending()
    shutdown(descriptor, Int32(SHUT_WR))
    if hasInputEnded { return perform(machine.on(.expired)) }
    setInputDeadline(after: server.limits.linger)
    updateInterest()
    wakeRequestWaiter()
  }

  private func close() {
    cancelDeadlines()
    if let registration { loop.deregister(registration) }
    registration = nil
    Glibc.close(descriptor)
    body?.fail(.disconnected)
    wakeRequestWaiter()
    wakeRoomWaiter()
    server.forget(self)
  }
}

extension Connection: BodySource {
  func bodyAwaited() {
    perform(machine.on(.bodyAwaited))
    startBodyDeadline()
  }

  func bodyTaken() {
    if !isBodyBufferFull { parsePending() }
  }

  private var isBodyBufferFull: Bool { (body?.buffered ?? 0) >= server.limits.bodyBuffer }
}
