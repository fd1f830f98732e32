import CLinux
import Glibc
import Synchronization

/// Something that wants to act once at the end of the current turn of the loop, after all jobs of the turn: that is
/// where connections write what the turn produced, in one system call each.
@LoopActor
package protocol TurnEndObserver: AnyObject {
  /// Called once for each `EventLoop.atTurnEnd` call.
  func turnEnded()
}

/// One thread, one epoll, timers, and the jobs of `LoopActor`.
///
/// A turn: run queued jobs (a bounded number, so that a busy task can't starve the sockets), tell the turn-end
/// observers, wait for events, handle them, run expired timers. Jobs enqueued by the loop's own thread go to a plain
/// array; those of other threads through a mutex, and an eventfd wakes the loop only while it sleeps.
///
/// It is a task executor too, because a continuation resumes on a task's preferred executor, and only then on its
/// actor: a task without that preference (`Task { @LoopActor in … }`) takes the way over another thread at each
/// continuation. Tasks of the loop are therefore made by `LoopActor.task`; `async let` and task groups inherit the
/// preference.
package final class EventLoop: SerialExecutor, TaskExecutor {
  private static let jobsPerTurn = 256
  private static let eventsPerTurn = 256
  private static let wakeToken = UInt64.max

  private let epoll: Int32
  private let wakeDescriptor: Int32
  private let thread = Atomic<UInt>(0)
  private let sleeping = Atomic<Bool>(false)
  private let stopping = Atomic<Bool>(false)
  private let foreignJobs = Mutex<[UnownedJob]>([])

  // Touched by the loop's thread alone: `enqueue` looks at `thread` first, and everything else is LoopActor's.
  private nonisolated(unsafe) var localJobs: [UnownedJob] = []
  private nonisolated(unsafe) var jobsInTurn: [UnownedJob] = []

  @LoopActor private var registrations = RegistrationTable()
  @LoopActor private var timers = TimerQueue<@LoopActor () -> Void>()
  @LoopActor private var observers: [any TurnEndObserver] = []
  @LoopActor private var observersInTurn: [any TurnEndObserver] = []
  @LoopActor private var turnTime = MonotonicInstant.read()

  init() {
    epoll = clinux_epoll_create()
    wakeDescriptor = clinux_eventfd_create()
  }

  deinit {
    if epoll >= 0 { close(epoll) }
    if wakeDescriptor >= 0 { close(wakeDescriptor) }
  }

  // MARK: executor

  package func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    if isOnLoop {
      unsafe localJobs.append(job)
      return
    }
    foreignJobs.withLock { $0.append(job) }
    wake()
  }

  package func checkIsolated() {
    precondition(isOnLoop, "called off the loop's thread")
  }

  package func isIsolatingCurrentContext() -> Bool? { isOnLoop }

  /// Whether the calling thread is the loop's.
  package var isOnLoop: Bool { thread.load(ordering: .relaxed) == UInt(pthread_self()) }

  // MARK: running

  /// Makes the calling thread the loop's until `stop()`. Throws when another thread is the loop's already (EBUSY), when
  /// the descriptors of the loop couldn't be made, or when epoll fails.
  package func run() throws(SystemError) {
    _ = try SystemError.check(epoll, "epoll_create1")
    _ = try SystemError.check(wakeDescriptor, "eventfd")
    guard thread.compareExchange(expected: 0, desired: UInt(pthread_self()), ordering: .relaxed).exchanged else {
      throw SystemError(code: EBUSY, operation: "run")
    }
    _ = clinux_epoll_control(epoll, CLINUX_EPOLL_ADD, wakeDescriptor, CLINUX_EPOLL_IN, Self.wakeToken)
    defer {
      thread.store(0, ordering: .relaxed)
      _ = clinux_epoll_control(epoll, CLINUX_EPOLL_DELETE, wakeDescriptor, 0, 0)
    }
    let result = LoopActor.assumeIsolated { turnUntilStopped() }
    stopping.store(false, ordering: .relaxed)
    _ = try SystemError.check(result, "epoll_wait")
  }

  /// Ends `run()` after the current turn; any thread may call it.
  package func stop() {
    stopping.store(true, ordering: .relaxed)
    wake()
  }

  private func wake() {
    // Sequentially consistent on both sides: either the loop sees the job before it sleeps, or we see it sleeping.
    if sleeping.exchange(false, ordering: .sequentiallyConsistent) { clinux_eventfd_signal(wakeDescriptor) }
  }

  @LoopActor
  private func turnUntilStopped() -> Int32 {
    var events = unsafe [epoll_event](repeating: epoll_event(), count: Self.eventsPerTurn)
    while !stopping.load(ordering: .relaxed) {
      runJobs()
      tellObservers()
      let count = unsafe waitForEvents(&events)
      if count < 0 && count != -EINTR { return count }
      turnTime = .read()
      for index in 0..<max(0, Int(count)) {
        let token = unsafe withUnsafePointer(to: events[index]) { unsafe clinux_epoll_token($0) }
        unsafe dispatch(token: token, events: events[index].events)
      }
      while let action = timers.popExpired(at: turnTime) { action() }
    }
    return 0
  }

  @LoopActor
  private func runJobs() {
    var budget = Self.jobsPerTurn
    while budget > 0 {
      if unsafe localJobs.isEmpty {
        foreignJobs.withLock { jobs in unsafe swap(&jobs, &localJobs) }
        if unsafe localJobs.isEmpty { return }
      }
      // Swapped so that both arrays keep their capacity; jobs that these jobs enqueue run in the next round.
      unsafe swap(&localJobs, &jobsInTurn)
      for job in unsafe jobsInTurn {
        unsafe job.runSynchronously(isolatedTo: asUnownedSerialExecutor(), taskExecutor: asUnownedTaskExecutor())
      }
      budget -= unsafe jobsInTurn.count
      unsafe jobsInTurn.removeAll(keepingCapacity: true)
    }
  }

  @LoopActor
  private func tellObservers() {
    while !observers.isEmpty {
      swap(&observers, &observersInTurn)
      for observer in observersInTurn { observer.turnEnded() }
      observersInTurn.removeAll(keepingCapacity: true)
    }
  }

  @LoopActor
  private func waitForEvents(_ events: inout [epoll_event]) -> Int32 {
    sleeping.store(true, ordering: .sequentiallyConsistent)
    defer { sleeping.store(false, ordering: .sequentiallyConsistent) }
    var timeout: Int64 = 0
    if unsafe localJobs.isEmpty, foreignJobs.withLock({ $0.isEmpty }), !stopping.load(ordering: .relaxed) {
      timeout = nanosecondsToNextTimer()
    }
    return unsafe events.withUnsafeMutableBufferPointer { buffer in
      unsafe clinux_epoll_wait(epoll, buffer.baseAddress, Int32(buffer.count), timeout)
    }
  }

  @LoopActor
  private func nanosecondsToNextTimer() -> Int64 {
    guard let earliest = timers.earliest else { return -1 }
    // To the nanosecond: time rounded from the moment of the wait would tell how long the work before it took.
    return max(0, (earliest - .read()).inNanoseconds)
  }

  @LoopActor
  private func dispatch(token: UInt64, events: UInt32) {
    if token == Self.wakeToken { return clinux_eventfd_clear(wakeDescriptor) }
    registrations.handler(for: token)?(Readiness(events: events))
  }
}

// MARK: - What code on the loop may do

extension EventLoop {
  /// The time of the current turn, read once after its events came.
  @LoopActor package var now: MonotonicInstant { turnTime }

  /// Watches a descriptor, level-triggered. The handler runs on the loop, in the turn of the event, and is kept until
  /// `deregister`; the descriptor stays the caller's to close, after `deregister`.
  @LoopActor
  package func register(
    _ descriptor: Int32, _ interest: Interest, _ handler: @escaping @LoopActor (Readiness) -> Void
  ) throws(SystemError) -> Registration {
    let registration = registrations.insert(descriptor, handler)
    let result = clinux_epoll_control(
      epoll, CLINUX_EPOLL_ADD, descriptor, interest.events, registration.token)
    if result < 0 { _ = registrations.remove(registration) }
    _ = try SystemError.check(result, "epoll_ctl")
    return registration
  }

  /// Changes what a descriptor waits for. A stale registration is ignored.
  @LoopActor
  package func update(_ registration: Registration, _ interest: Interest) {
    guard let descriptor = registrations.descriptor(of: registration) else { return }
    _ = clinux_epoll_control(
      epoll, CLINUX_EPOLL_MODIFY, descriptor, interest.events, registration.token)
  }

  /// Stops watching; events already reported for it in this turn are dropped. A stale registration is ignored.
  @LoopActor
  package func deregister(_ registration: Registration) {
    guard let descriptor = registrations.remove(registration) else { return }
    _ = clinux_epoll_control(epoll, CLINUX_EPOLL_DELETE, descriptor, 0, 0)
  }

  /// Runs `action` on the loop once `delay` has passed, never before, and at the earliest in the next turn.
  @LoopActor
  package func schedule(after delay: Duration, _ action: @escaping @LoopActor () -> Void) -> TimerHandle {
    timers.schedule(at: MonotonicInstant.read() + delay, action)
  }

  /// Forgets a scheduled action; false when it has run or was cancelled before.
  @LoopActor
  @discardableResult
  package func cancel(_ timer: TimerHandle) -> Bool {
    timers.cancel(timer)
  }

  /// Calls `observer.turnEnded()` once, after the jobs of the current turn.
  @LoopActor
  package func atTurnEnd(_ observer: any TurnEndObserver) {
    observers.append(observer)
  }
}
