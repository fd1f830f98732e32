import CLinux
import EventLoop

/// The clocks of one connection. One timer of the loop serves them all: it is moved only to an earlier time, and when
/// it goes off too early it is set anew, so a request that comes and goes costs no timer at all.
struct ConnectionDeadlines {
  /// Of the head, the idle time, or lingering.
  var input: MonotonicInstant?
  /// Of the body's rate; set while the handler waits for bytes.
  var body: MonotonicInstant?
  /// Of the answer's rate; set while the client has something to take.
  var output: MonotonicInstant?

  /// Bytes of the body in the current window, and how long the handler has waited in it.
  var bodyBytes = 0
  var bodyWaited: Duration = .zero
  var bodyAwaitedSince: MonotonicInstant?

  /// Bytes handed to the socket, and how many of them the client had taken when the current window began.
  var sentBytes = 0
  var takenBytes = 0

  var timer: TimerHandle?
  var timerAt = MonotonicInstant(nanoseconds: .max)

  var earliest: MonotonicInstant? {
    var earliest = input
    for deadline in [body, output] {
      if let deadline, deadline < earliest ?? MonotonicInstant(nanoseconds: .max) { earliest = deadline }
    }
    return earliest
  }
}

extension Connection {
  // MARK: head, idle, lingering

  func setInputDeadline(after duration: Duration) {
    deadlines.input = loop.now + duration
    arm()
  }

  func clearInputDeadline() {
    deadlines.input = nil
  }

  // MARK: body

  /// The handler waits for bytes of the body: only that time counts.
  func startBodyDeadline() {
    let limits = server.limits
    guard machine.isBodyOpen, deadlines.bodyAwaitedSince == nil else { return }
    deadlines.bodyAwaitedSince = loop.now
    deadlines.body = loop.now + (limits.bodyGrace - deadlines.bodyWaited)
    arm()
  }

  /// Bytes have come.
  func noteBodyBytes(_ count: Int) {
    deadlines.bodyBytes += count
    if let since = deadlines.bodyAwaitedSince { deadlines.bodyWaited += loop.now - since }
    deadlines.bodyAwaitedSince = nil
    deadlines.body = nil
  }

  func clearBodyDeadline() {
    deadlines.body = nil
    deadlines.bodyAwaitedSince = nil
    deadlines.bodyBytes = 0
    deadlines.bodyWaited = .zero
  }

  // MARK: answer

  func startOutputDeadline() {
    guard deadlines.output == nil else { return }
    deadlines.takenBytes = takenBytes()
    deadlines.output = loop.now + server.limits.responseGrace
    arm()
  }

  func stopOutputDeadline() {
    deadlines.output = nil
  }

  /// Bytes that the client's side has acknowledged. What the socket has swallowed is no progress.
  private func takenBytes() -> Int {
    deadlines.sentBytes - Int(max(0, clinux_unsent_bytes(descriptor)))
  }

  // MARK: the timer

  private func arm() {
    guard machine.phase != .closed, let earliest = deadlines.earliest else { return }
    if deadlines.timer != nil, deadlines.timerAt <= earliest { return }
    if let timer = deadlines.timer { loop.cancel(timer) }
    deadlines.timerAt = earliest
    deadlines.timer = loop.schedule(after: earliest - .read()) { [self] in timerFired() }
  }

  func cancelDeadlines() {
    if let timer = deadlines.timer { loop.cancel(timer) }
    deadlines.timer = nil
    deadlines.input = nil
    deadlines.body = nil
    deadlines.output = nil
  }

  private func timerFired() {
    deadlines.timer = nil
    let now = loop.now
    if let deadline = deadlines.input, deadline <= now {
      deadlines.input = nil
      inputExpired()
    }
    if let deadline = deadlines.body, deadline <= now { bodyExpired() }
    if let deadline = deadlines.output, deadline <= now { outputExpired() }
    arm()
  }

  private func inputExpired() {
    switch machine.phase {
    case .fresh, .head: refuse(.timedOut)
    case .idle, .lingering: perform(machine.on(.expired))
    case .handling, .answering, .closing, .closed: break
    }
  }

  private func bodyExpired() {
    let limits = server.limits
    let enough = limits.bodyRate * Int(limits.bodyGrace.components.seconds)
    guard deadlines.bodyBytes > 0, deadlines.bodyBytes >= enough else {
      clearBodyDeadline()
      return refuse(.timedOut)
    }
    clearBodyDeadline()
    startBodyDeadline()
  }

  private func outputExpired() {
    let limits = server.limits
    let enough = limits.responseRate * Int(limits.responseGrace.components.seconds)
    let taken = takenBytes()
    guard taken > deadlines.takenBytes, taken - deadlines.takenBytes >= enough else {
      deadlines.output = nil
      return perform(machine.on(.answerFailed))
    }
    deadlines.output = nil
    startOutputDeadline()
  }
}
