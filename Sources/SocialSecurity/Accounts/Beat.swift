import EventLoop
import HTTPServer

/// The beat on which answers leave that must not tell what was found: whole multiples of 50 ms after the request came.
/// What differs between a known and an unknown address (a row, a mail) takes less, so a stop-watch sees no difference;
/// nor does the answer say how long the database took.
struct Beat: Sendable {
  private static let length: Int64 = 50_000_000

  let start: MonotonicInstant

  init(_ context: CallContext) {
    start = context.request.receivedAt
    context.observation.keepTimeSecret()
  }

  /// Waits for the next beat. Timers count from the beginning of the loop's turn, and so does this.
  @LoopActor
  func next() async {
    let past = (LoopActor.shared.loop.now - start).inNanoseconds % Self.length
    await sleep(for: .nanoseconds(Self.length - past))
  }
}
