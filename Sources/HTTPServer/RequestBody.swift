import EventLoop

/// Why a body couldn't be read to its end.
package enum BodyError: Error, Sendable, Equatable {
  /// More bytes than the reader takes: 413.
  case tooLarge
  /// The bytes broke the framing, or came too slowly (`.timedOut`). The server refuses the request itself then,
  /// whatever the handler answers.
  case framing(FramingError)
  /// The client has gone.
  case disconnected
  /// Another task waits for the same body.
  case alreadyAwaited
  /// The spool file couldn't be made or written.
  case storage(SystemError)
}

/// The body of a request, pulled by its handler. The first pull is what sends `100 Continue` to a client that waits for
/// it, so a handler decides on everything that the head tells before it pulls. While nobody pulls, the socket is read
/// no further than one buffer.
@LoopActor
package final class RequestBody {
  /// Bytes announced by Content-Length, 0 for no body; nil when the body is chunked.
  package nonisolated let declaredLength: Int?

  private enum State {
    case open
    case complete
    case failed(BodyError)
  }

  private var state: State
  private var pieces: [[UInt8]] = []
  private var taken = 0
  private var waiter: SuspendedTask?
  private weak var source: (any BodySource)?

  /// Bytes that have come and weren't taken.
  private(set) var buffered = 0

  /// A body that is in memory already.
  nonisolated init(complete bytes: [UInt8]) {
    declaredLength = bytes.count
    state = .complete
    pieces = bytes.isEmpty ? [] : [bytes]
    buffered = bytes.count
  }

  init(declaredLength: Int?, source: any BodySource) {
    self.declaredLength = declaredLength
    self.source = source
    state = .open
  }

  // MARK: the handler's side

  /// The next bytes, as they came; nil at the end. Throws when the body can't be read to its end.
  package func next() async throws(BodyError) -> [UInt8]? {
    while true {
      if taken < pieces.count {
        let piece = pieces[taken]
        taken += 1
        buffered -= piece.count
        if taken == pieces.count {
          pieces.removeAll(keepingCapacity: true)
          taken = 0
        }
        source?.bodyTaken()
        return piece
      }
      switch state {
      case .complete: return nil
      case .failed(let error): throw error
      case .open: break
      }
      guard waiter == nil else { throw .alreadyAwaited }
      guard let source else { throw .disconnected }
      source.bodyAwaited()
      await SuspendedTask.suspend(while: { isWaiting }) { waiter = $0 }
    }
  }

  /// The whole body, at most `limit` bytes. A declared length over the limit throws `tooLarge` before anything is read.
  package func collect(atMost limit: Int) async throws(BodyError) -> [UInt8] {
    if let declaredLength, declaredLength > limit { throw .tooLarge }
    guard var whole = try await next() else { return [] }
    guard whole.count <= limit else { throw .tooLarge }
    if let declaredLength, whole.count < declaredLength { whole.reserveCapacity(declaredLength) }
    while let piece = try await next() {
      guard whole.count + piece.count <= limit else { throw .tooLarge }
      whole += piece
    }
    return whole
  }

  // MARK: the connection's side

  /// Whether there is nothing to give yet.
  private var isWaiting: Bool { if case .open = state { pieces.isEmpty } else { false } }

  func append(_ bytes: [UInt8]) {
    pieces.append(bytes)
    buffered += bytes.count
    wake()
  }

  func complete() {
    state = .complete
    source = nil
    wake()
  }

  func fail(_ error: BodyError) {
    guard case .open = state else { return }
    state = .failed(error)
    source = nil
    wake()
  }

  private func wake() {
    guard let waiting = waiter else { return }
    waiter = nil
    waiting.resume()
  }
}

/// Where a body's bytes come from.
@LoopActor
protocol BodySource: AnyObject {
  /// The handler waits for bytes that haven't come.
  func bodyAwaited()
  /// The handler took bytes: there is room again.
  func bodyTaken()
}
