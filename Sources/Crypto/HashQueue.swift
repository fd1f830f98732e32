import Glibc
import Synchronization

/// The queue is full: answer 503 with Retry-After.
package struct HashQueueFull: Error, Sendable {
  /// The error has no details.
  package init() {}
}

/// One thread that does slow pure work, such as hashing passwords, one piece after another. It runs when nothing else
/// wants the processor (SCHED_IDLE), so a flood of log-ins doesn't slow other requests.
package final class HashQueue: Sendable {
  /// Pieces of work that may wait.
  package static let waitingMax = 32

  private let line: WorkLine

  /// Starts the thread.
  ///
  /// - Throws: `CryptoError` when the system gives no thread.
  package init() throws(CryptoError) {
    line = WorkLine()
    guard line.startThread() else { throw CryptoError("hash thread") }
  }

  deinit {
    line.close()
  }

  /// Whether a piece of work would be refused now.
  package var isFull: Bool { line.isFull }

  /// Runs `work` on the thread and returns to the caller's executor with its result.
  ///
  /// - Throws: `HashQueueFull` at once when `waitingMax` pieces are waiting.
  package func run<T: Sendable>(_ work: @escaping @Sendable () -> T) async throws(HashQueueFull) -> T {
    let line = line
    let result: T? = await withCheckedContinuation { continuation in
      let isQueued = line.append { continuation.resume(returning: work()) }
      if !isQueued { continuation.resume(returning: nil) }
    }
    guard let result else { throw HashQueueFull() }
    return result
  }
}

/// What the queue and its thread share.
private final class WorkLine: Sendable {
  private struct State {
    var waiting: [@Sendable () -> Void] = []
    var isClosed = false
  }

  private let state = Mutex(State())
  private let arrivals = Arrivals()

  var isFull: Bool { state.withLock { $0.waiting.count >= HashQueue.waitingMax } }

  func append(_ work: @escaping @Sendable () -> Void) -> Bool {
    let isQueued = state.withLock { state in
      if state.waiting.count >= HashQueue.waitingMax { return false }
      state.waiting.append(work)
      return true
    }
    if isQueued { arrivals.signal() }
    return isQueued
  }

  /// The thread ends when all that waits is done.
  func close() {
    state.withLock { $0.isClosed = true }
    arrivals.signal()
  }

  func work() {
    while true {
      arrivals.wait()
      let next: (@Sendable () -> Void)? = state.withLock { state in
        state.waiting.isEmpty ? nil : state.waiting.removeFirst()
      }
      if let next {
        next()
      } else if state.withLock({ $0.isClosed }) {
        return
      }
    }
  }

  func startThread() -> Bool {
    // The thread inherits a mask that blocks all signals: those are for the loop.
    var all = sigset_t()
    var before = sigset_t()
    unsafe sigfillset(&all)
    unsafe pthread_sigmask(SIG_BLOCK, &all, &before)
    defer { unsafe pthread_sigmask(SIG_SETMASK, &before, nil) }
    var thread = pthread_t()
    let retained = unsafe Unmanaged.passRetained(self)
    let result = unsafe pthread_create(
      &thread, nil,
      { line in
        HashThread.lowerPriority()
        // Balances passRetained; `line` is that very object.
        if let line = unsafe line { unsafe Unmanaged<WorkLine>.fromOpaque(line).takeRetainedValue().work() }
        return nil
      }, unsafe retained.toOpaque())
    if result != 0 {
      unsafe retained.release()
      return false
    }
    pthread_detach(thread)
    return true
  }
}

private enum HashThread {
  /// SCHED_IDLE of <linux/sched.h>, a part of the kernel's interface that glibc's module leaves out.
  private static let schedIdle: Int32 = 5

  /// Applies to the calling thread. Where SCHED_IDLE is refused, the lowest nice value is nearly as good.
  static func lowerPriority() {
    var parameter = sched_param()
    if unsafe sched_setscheduler(0, schedIdle, &parameter) != 0 {
      _ = nice(19)
    }
  }
}

/// A counting semaphore of the system, which a thread can sleep on.
@safe private final class Arrivals: Sendable {
  /// Allocated once, as a semaphore must not move; the system synchronises its use.
  nonisolated(unsafe) private let semaphore: UnsafeMutablePointer<sem_t>

  init() {
    unsafe semaphore = .allocate(capacity: 1)
    unsafe sem_init(semaphore, 0, 0)
  }

  deinit {
    unsafe sem_destroy(semaphore)
    unsafe semaphore.deallocate()
  }

  func signal() {
    unsafe sem_post(semaphore)
  }

  func wait() {
    while unsafe sem_wait(semaphore) != 0, errno == EINTR {}
  }
}
