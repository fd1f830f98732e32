/// The process's one event-loop thread as a global actor. Whatever has I/O state (connections, pools, the server,
/// timers) is isolated to it, so the compiler proves that no second thread touches it, and no lock is needed.
@globalActor
package actor LoopActor {
  package static let shared = LoopActor()

  /// The loop that runs this actor's jobs. Nothing runs before some thread calls `loop.run()`.
  package nonisolated let loop = EventLoop()

  package nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe loop.asUnownedSerialExecutor()
  }

  /// A new task that runs on the loop and stays there whatever it waits for. Any thread may call it. `Task { @LoopActor
  /// in` would run there as well, but leave for another thread and come back at each continuation.
  @discardableResult
  package static func task<T: Sendable>(
    _ body: sending @escaping @LoopActor () async -> T
  ) -> Task<T, Never> {
    Task(executorPreference: shared.loop) { await body() }
  }

  /// Runs `body` at once, for code that is on the loop's thread but that the compiler can't see there (C callbacks).
  /// Traps off the loop's thread.
  package static func assumeIsolated<T: Sendable>(_ body: @LoopActor () throws -> T) rethrows -> T {
    shared.preconditionIsolated("called off the loop's thread")
    return try withoutActuallyEscaping(body) { (escaping: @escaping @LoopActor () throws -> T) throws -> T in
      // Isolation isn't part of a closure's layout; the standard library's MainActor does the same.
      let bare = unsafe unsafeBitCast(escaping, to: (() throws -> T).self)
      return try bare()
    }
  }
}

/// Suspends the calling task for `duration` on the loop's own timers (`Task.sleep` wakes another thread each time).
/// Returns early when the task is cancelled.
@LoopActor
package func sleep(for duration: Duration) async {
  let sleeper = Sleeper()
  await withTaskCancellationHandler {
    await sleeper.sleep(for: duration)
  } onCancel: {
    Task { @LoopActor in sleeper.wake() }
  }
}

/// One sleeping task; ended by its timer or by cancellation, whichever comes first.
@LoopActor
private final class Sleeper {
  private var continuation: CheckedContinuation<Void, Never>?
  private var timer: TimerHandle?
  private var woken = false

  func sleep(for duration: Duration) async {
    if woken || Task.isCancelled { return }
    await withCheckedContinuation { continuation in
      self.continuation = continuation
      timer = LoopActor.shared.loop.schedule(after: duration) { [self] in wake() }
    }
  }

  func wake() {
    woken = true
    if let timer { LoopActor.shared.loop.cancel(timer) }
    timer = nil
    continuation?.resume()
    continuation = nil
  }
}
