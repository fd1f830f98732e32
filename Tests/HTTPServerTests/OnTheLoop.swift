import EventLoop
import TestSupport
import Testing

/// Keeps the tests of a suite on the loop's thread, as connections are kept: else each wait would go over the thread
/// pool, which other tests keep busy, and deadlines would pass.
struct OnTheLoop: SuiteTrait, TestTrait, TestScoping {
  var isRecursive: Bool { true }

  @concurrent
  func provideScope(
    for test: Test, testCase: Test.Case?, performing function: @Sendable @concurrent () async throws -> Void
  ) async throws {
    LoopThread.start()
    try await withTaskExecutorPreference(LoopActor.shared.loop) { try await function() }
  }
}

extension Trait where Self == OnTheLoop {
  static var onTheLoop: OnTheLoop { OnTheLoop() }
}
