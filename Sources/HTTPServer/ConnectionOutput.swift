import CLinux
import EventLoop
import Glibc

// The way out: answers are queued, and what a turn of the loop has queued leaves at its end in one call.
extension Connection: TurnEndObserver {
  /// Sends an answer, and returns whether another request may follow.
  func send(_ response: Response) async -> Bool {
    let isRefusal = machine.isPoisoned
    let response = isRefusal ? server.handler.refusal(refusalReason.status, refusalReason) : response
    guard case .sendAnswer(let closes) = machine.on(.answer) else { return false }
    let encoder = ResponseEncoder(method: method, isHTTP10: isHTTP10)
    let content = encoder.content(of: response)
    queueHead(response, encoder, closes: closes || content == .untilClose)
    switch response.body {
    case .bytes(let bytes) where content != .none:
      output.append(bytes, &server.spareBuffers)
    case .stream(_, let next) where content != .none:
      do {
        try await sendStream(content, next)
      } catch {
        perform(machine.on(.answerFailed))
        return false
      }
    default: break
    }
    scheduleFlush()
    // Asked before, too: each await costs, and hardly any answer has to wait.
    if isFull { await room() }
    return endAnswer(content)
  }

  private func endAnswer(_ content: ResponseEncoder.Content) -> Bool {
    let action = machine.on(.answerEnded)
    body = nil
    if action == .nextRequest {
      setInputDeadline(after: machine.isDraining ? server.limits.drainGrace : server.limits.idle)
      return true
    }
    perform(action)
    return false
  }

  private func queueHead(_ response: Response, _ encoder: ResponseEncoder, closes: Bool) {
    let date = server.dateLine()
    output.gather(&server.spareBuffers) { encoder.encodeHead(of: response, closes: closes, date: date, to: &$0) }
  }

  private enum StreamError: Error { case wrongLength, connectionLost }

  private func sendStream(
    _ content: ResponseEncoder.Content, _ next: @Sendable () async throws -> [UInt8]?
  ) async throws {
    var left: Int? = if case .length(let length) = content { length } else { nil }
    while true {
      scheduleFlush()
      await room()
      guard machine.phase == .answering else { throw StreamError.connectionLost }
      guard let piece = try await next() else { break }
      if piece.isEmpty { continue }
      if let expected = left {
        guard piece.count <= expected else { throw StreamError.wrongLength }
        left = expected - piece.count
      }
      if content == .chunked { queueChunk(piece) } else { output.append(piece, &server.spareBuffers) }
    }
    guard left == nil || left == 0 else { throw StreamError.wrongLength }
    if content == .chunked { output.gather(&server.spareBuffers) { $0 += [0x30, 13, 10, 13, 10] } }
    scheduleFlush()
  }

  private func queueChunk(_ piece: [UInt8]) {
    output.gather(&server.spareBuffers) {
      DecimalNumber.appendHex(piece.count, to: &$0)
      $0 += [.carriageReturn, .lineFeed]
    }
    output.append(piece, &server.spareBuffers)
    output.gather(&server.spareBuffers) { $0 += [.carriageReturn, .lineFeed] }
  }

  func queueContinue() {
    output.gather(&server.spareBuffers) { $0 += "HTTP/1.1 100 Continue\r\n\r\n".utf8 }
    scheduleFlush()
  }

  /// The last answer of a connection whose input can't be trusted any more.
  func queueRefusal() {
    clearInputDeadline()
    let response = server.handler.refusal(refusalReason.status, refusalReason)
    let encoder = ResponseEncoder(method: method, isHTTP10: false)
    queueHead(response, encoder, closes: true)
    // A refusal is small; a streamed one would need the task, so it is sent without its content.
    if case .bytes(let bytes) = response.body, encoder.content(of: response) != .none {
      output.append(bytes, &server.spareBuffers)
    }
    scheduleFlush()
  }

  // MARK: sending

  func scheduleFlush() {
    guard !isFlushScheduled else { return }
    isFlushScheduled = true
    loop.atTurnEnd(self)
  }

  func turnEnded() {
    isFlushScheduled = false
    flush()
  }

  /// Sends what the socket takes now; the rest waits for it to become writable.
  func flush() {
    guard machine.phase != .closed else { return }
    let result = output.send(to: descriptor, &server.spareBuffers)
    guard result >= 0 || result == -Int(EAGAIN) else { return perform(machine.on(.lost)) }
    deadlines.sentBytes += max(0, result)
    if output.count <= server.limits.responseBuffer { wakeRoomWaiter() }
    if output.isEmpty {
      stopOutputDeadline()
      perform(machine.on(.sent))
    } else {
      startOutputDeadline()
    }
    updateInterest()
  }

  /// Waits until little enough is queued, or the client has gone.
  private func room() async {
    while isFull { await SuspendedTask.suspend(while: { isFull }) { roomWaiter = $0 } }
  }

  private var isFull: Bool { output.count > server.limits.responseBuffer && machine.phase == .answering }

  func wakeRoomWaiter() {
    guard let waiter = roomWaiter else { return }
    roomWaiter = nil
    waiter.resume()
  }
}
