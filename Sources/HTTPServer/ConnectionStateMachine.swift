/// What a connection does next: events in, one action out. It knows no socket, no clock and no bytes, so every order of
/// events can be tried in memory.
struct ConnectionStateMachine {
  enum Phase: Equatable {
    /// Accepted; nothing has come.
    case fresh
    /// Between two requests.
    case idle
    /// Part of a head has come.
    case head
    /// The handler owes an answer.
    case handling
    /// The head of the answer is on its way, its content follows.
    case answering
    /// The last answer is queued; when it is sent, our side is shut.
    case closing
    /// Our side is shut; what still comes is thrown away for a moment.
    case lingering
    case closed
  }

  enum Event: Equatable {
    /// Bytes have come in `fresh` or `idle`.
    case bytes
    /// A head was read. `closes`: the client wants the connection closed after this request.
    case head(closes: Bool, body: Bool, expectsContinue: Bool)
    /// The handler waits for the body.
    case bodyAwaited
    /// Bytes of the body have come.
    case bodyBytes
    case bodyEnded
    /// The input broke the rules, or came too late.
    case refused
    /// The client has shut its side.
    case inputEnded
    /// The handler has its answer.
    case answer
    /// The answer's last byte is queued.
    case answerEnded
    /// The answer can't be completed: its source failed.
    case answerFailed
    /// Everything queued was sent.
    case sent
    /// `fresh`, `idle` or `lingering` have lasted long enough, or lingering has read enough.
    case expired
    /// The server takes no more requests.
    case drain
    /// The socket failed.
    case lost
  }

  enum Action: Equatable {
    case none
    /// Start the absolute deadline of the head.
    case startHead
    /// Give the request to the handler.
    case dispatch
    /// Send `100 Continue`.
    case sendContinue
    /// Send a refusal as the last answer.
    case refuse
    /// Fail the body that the handler reads; its answer will be replaced by a refusal.
    case failBody
    /// Send the answer's head, and say whether the connection stays.
    case sendAnswer(closes: Bool)
    /// Go on to the next request, which may have come already.
    case nextRequest
    /// Shut our side once everything is sent.
    case finish
    /// Shut our side, read on for a moment, close.
    case linger
    /// Close at once.
    case close
    /// Close with a reset: the client must not take what it got for the whole.
    case reset
  }

  private let requestLimit: Int
  private(set) var phase = Phase.fresh
  /// Part of the current request's body hasn't come.
  private(set) var isBodyOpen = false
  private(set) var requests = 0
  /// The body broke the rules: whatever the handler says, the answer is a refusal.
  private(set) var isPoisoned = false
  private(set) var isDraining = false
  private var owesContinue = false
  private var mustClose = false

  init(requestLimit: Int) {
    self.requestLimit = requestLimit
  }

  mutating func on(_ event: Event) -> Action {
    if phase == .closed { return .none }
    switch event {
    case .bytes: return bytes()
    case .head(let closes, let body, let expectsContinue): return head(closes, body, expectsContinue)
    case .bodyAwaited: return bodyAwaited()
    case .bodyBytes: owesContinue = false
    case .bodyEnded: isBodyOpen = false
    case .refused: return refused()
    case .inputEnded: return inputEnded()
    case .answer: return answer()
    case .answerEnded: return answerEnded()
    case .answerFailed: return end(.reset)
    case .sent: return sent()
    case .expired: return phase == .fresh ? refused() : end(.close)
    case .drain: return drain()
    case .lost: return end(.close)
    }
    return .none
  }

  private mutating func bytes() -> Action {
    guard phase == .fresh || phase == .idle else { return .none }
    phase = .head
    return .startHead
  }

  private mutating func head(_ closes: Bool, _ body: Bool, _ expectsContinue: Bool) -> Action {
    guard phase == .head else { return .none }
    phase = .handling
    requests += 1
    isBodyOpen = body
    owesContinue = expectsContinue
    mustClose = mustClose || closes || isDraining || requests >= requestLimit
    return .dispatch
  }

  private mutating func bodyAwaited() -> Action {
    guard phase == .handling, owesContinue, isBodyOpen else { return .none }
    owesContinue = false
    return .sendContinue
  }

  private mutating func refused() -> Action {
    switch phase {
    case .fresh, .idle, .head:
      phase = .closing
      return .refuse
    case .handling:
      isPoisoned = true
      mustClose = true
      return .failBody
    case .answering:
      mustClose = true
      return .failBody
    case .closing, .lingering, .closed:
      return .none
    }
  }

  private mutating func inputEnded() -> Action {
    switch phase {
    case .fresh, .idle: return end(.close)
    case .head: return refused()
    case .handling, .answering:
      if isBodyOpen { return refused() }
      // A client may shut its side and still read its answer.
      mustClose = true
      return .none
    case .closing: return .none
    case .lingering: return end(.close)
    case .closed: return .none
    }
  }

  private mutating func answer() -> Action {
    guard phase == .handling else { return .none }
    phase = .answering
    // Bytes of a body that nobody read must not become the next request, and waiting for them helps nobody.
    if isBodyOpen || isDraining { mustClose = true }
    owesContinue = false
    return .sendAnswer(closes: mustClose)
  }

  private mutating func answerEnded() -> Action {
    guard phase == .answering else { return .none }
    if mustClose || isBodyOpen {
      phase = .closing
      return .finish
    }
    phase = .idle
    return .nextRequest
  }

  private mutating func sent() -> Action {
    guard phase == .closing else { return .none }
    phase = .lingering
    return .linger
  }

  private mutating func drain() -> Action {
    isDraining = true
    return .none
  }

  private mutating func end(_ action: Action) -> Action {
    phase = .closed
    return action
  }
}
