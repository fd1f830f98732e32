/// A task that waits on the loop. Unlike a checked continuation it costs no allocation, so it serves where every
/// request waits. Whoever stores it must resume it exactly once: take it out of where it is stored first, then resume
/// it.
@safe
package struct SuspendedTask: Sendable {
  private let continuation: UnsafeContinuation<Void, Never>

  /// Suspends the calling task; `store` keeps the value that will resume it, or resumes it at once. Whether there is
  /// something to wait for must be judged inside `store`: the call itself may give way to other jobs, so what was
  /// checked before it may have come true in the meantime, and then nobody would resume the task.
  @LoopActor
  package static func suspend(_ store: @LoopActor (SuspendedTask) -> Void) async {
    await unsafe withUnsafeContinuation { continuation in
      store(unsafe SuspendedTask(continuation: continuation))
    }
  }

  /// Suspends the calling task if `condition` holds, judged where nothing can come between it and `store`.
  @LoopActor
  package static func suspend(
    while condition: @LoopActor () -> Bool, _ store: @LoopActor (SuspendedTask) -> Void
  ) async {
    await suspend { task in
      if condition() { store(task) } else { task.resume() }
    }
  }

  /// Lets the task go on in one of the loop's next jobs.
  package func resume() {
    unsafe continuation.resume()
  }
}
