/// A task that waits on the loop. Unlike a checked continuation it costs no allocation, so it serves where every request
/// waits. Whoever stores it must resume it exactly once: take it out of where it is stored first, then resume it.
@safe
package struct SuspendedTask: Sendable {
  private let continuation: UnsafeContinuation<Void, Never>

  /// Suspends the calling task; `store` keeps the value that will resume it.
  @LoopActor
  package static func suspend(_ store: @LoopActor (SuspendedTask) -> Void) async {
    await unsafe withUnsafeContinuation { continuation in
      store(unsafe SuspendedTask(continuation: continuation))
    }
  }

  /// Lets the task go on in one of the loop's next jobs.
  package func resume() {
    unsafe continuation.resume()
  }
}
