import EventLoop
import Glibc

/// The event loop of the test process: one for all tests, since there is one `LoopActor`.
package enum LoopThread {
  /// Starts it, once. Suites that need the loop call this in their initialiser.
  package static func start() {
    _ = started
  }

  private static let started: Void = {
    var thread = pthread_t()
    unsafe pthread_create(
      &thread, nil,
      { _ in
        // EBUSY: somebody else's thread runs it already, which is as good.
        try? LoopActor.shared.loop.run()
        return nil
      }, nil)
  }()
}

/// Waits on the loop until `condition` holds; false after ten seconds.
@LoopActor
package func eventually(_ condition: @LoopActor () -> Bool) async -> Bool {
  let deadline = MonotonicInstant.read() + .seconds(10)
  while !condition() {
    if MonotonicInstant.read() > deadline { return false }
    await sleep(for: .milliseconds(2))
  }
  return true
}
