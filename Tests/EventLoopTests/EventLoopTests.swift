import CLinux
import Glibc
import TestSupport
import Testing

@testable import EventLoop

@Suite struct EventLoopTests {
  init() { LoopThread.start() }

  @Test @LoopActor func jobsOfTheActorRunOnTheLoopAndStayThere() async {
    let loop = LoopActor.shared.loop
    #expect(loop.isOnLoop)
    await sleep(for: .milliseconds(1))
    #expect(loop.isOnLoop)
    await stillOnTheLoop()
  }

  /// Nonisolated async functions stay where their caller is, and continuations resume there.
  private nonisolated func stillOnTheLoop() async {
    #expect(LoopActor.shared.loop.isOnLoop)
    await withCheckedContinuation { $0.resume() }
    #expect(LoopActor.shared.loop.isOnLoop)
  }

  @Test func aContinuationOfALoopTaskResumesWithoutLeavingTheLoop() async {
    let threads = await LoopActor.task {
      var seen: Set<UInt> = []
      for _ in 0..<100 {
        var waiting: SuspendedTask?
        var isOver = false
        _ = LoopActor.shared.loop.schedule(after: .zero) {
          isOver = true
          waiting?.resume()
        }
        await SuspendedTask.suspend(while: { !isOver }) { waiting = $0 }
        seen.insert(UInt(pthread_self()))
      }
      return seen
    }.value
    #expect(threads.count == 1)
  }

  @Test func jobsOfOtherThreadsWakeTheLoop() async {
    let counter = Counter()
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<200 {
        group.addTask { await counter.increment() }
      }
    }
    #expect(await counter.count == 200)
  }

  @LoopActor
  private final class Counter {
    private(set) var count = 0
    func increment() { count += 1 }
  }

  @Test @LoopActor func timersRunInOrderAndNeverEarly() async {
    let loop = LoopActor.shared.loop
    let start = MonotonicInstant.read()
    var order: [Int] = []
    for delay in [30, 10, 20] {
      _ = loop.schedule(after: .milliseconds(delay)) {
        #expect(MonotonicInstant.read() - start >= .milliseconds(delay))
        order.append(delay)
      }
    }
    let cancelled = loop.schedule(after: .milliseconds(5)) { order.append(5) }
    let wasScheduled = loop.cancel(cancelled)
    #expect(wasScheduled)
    #expect(await eventually { order.count == 3 })
    #expect(order == [10, 20, 30])
  }

  @Test @LoopActor func sleepEndsEarlyWhenItsTaskIsCancelled() async {
    let sleeper = LoopActor.task { await sleep(for: .seconds(600)) }
    await sleep(for: .milliseconds(1))
    sleeper.cancel()
    await sleeper.value
  }

  @Test @LoopActor func aDescriptorIsReportedUntilItIsDeregistered() async throws {
    let loop = LoopActor.shared.loop
    let pair = try SocketPair()
    var events = 0
    let registration = try loop.register(pair.mine, .read) { readiness in
      #expect(readiness.contains(.readable))
      events += 1
      pair.readMine()
    }
    pair.writeTheirs()
    #expect(await eventually { events == 1 })
    pair.writeTheirs()
    #expect(await eventually { events == 2 })
    loop.deregister(registration)
    loop.deregister(registration)
    pair.writeTheirs()
    await sleep(for: .milliseconds(5))
    #expect(events == 2)
  }

  /// Both descriptors are reported in one turn; the first handler to run removes the other one and gives its number to
  /// a new socket, whose handler must not see the old one's event.
  @Test @LoopActor func anEventOfTheSameTurnNeverReachesADescriptorThatTookTheNumber() async throws {
    let loop = LoopActor.shared.loop
    for _ in 0..<50 {
      var pairs = [try SocketPair(), try SocketPair()]
      var registrations: [Registration] = []
      var strangers = 0
      var handled = 0
      for index in 0..<2 {
        registrations.append(
          try loop.register(pairs[index].mine, .read) { _ in
            handled += 1
            let other = 1 - index
            loop.deregister(registrations[other])
            loop.deregister(registrations[index])
            pairs[other].closeBoth()
            guard let fresh = try? SocketPair() else { return }
            pairs[other] = fresh
            guard let taken = try? loop.register(fresh.mine, .read, { _ in strangers += 1 }) else { return }
            registrations[other] = taken
          })
      }
      for pair in pairs { pair.writeTheirs() }
      #expect(await eventually { handled == 1 })
      await sleep(for: .milliseconds(1))
      #expect(handled == 1 && strangers == 0)
      for registration in registrations { loop.deregister(registration) }
      for pair in pairs { pair.closeBoth() }
    }
  }

  @Test @LoopActor func aBusyTaskDoesNotStarveTheTimers() async {
    var isDone = false
    let start = MonotonicInstant.read()
    _ = LoopActor.shared.loop.schedule(after: .milliseconds(5)) { isDone = true }
    while !isDone, MonotonicInstant.read() - start < .seconds(10) { await Task.yield() }
    #expect(isDone)
  }

  @Test @LoopActor func turnEndObserversAreCalledOnceForEachAsking() async {
    final class Observer: TurnEndObserver {
      var calls = 0
      func turnEnded() { calls += 1 }
    }
    let observer = Observer()
    LoopActor.shared.loop.atTurnEnd(observer)
    #expect(await eventually { observer.calls == 1 })
    await sleep(for: .milliseconds(1))
    #expect(observer.calls == 1)
  }

  @Test func aSecondThreadCannotRunTheLoop() async {
    await LoopActor.task {}.value
    #expect(throws: SystemError(code: EBUSY, operation: "run")) { try LoopActor.shared.loop.run() }
  }

  @Test func registeringADescriptorThatIsNoneFails() async {
    await #expect(throws: SystemError(code: EBADF, operation: "epoll_ctl")) {
      try await LoopActor.task { () -> Result<Void, SystemError> in
        do throws(SystemError) {
          _ = try LoopActor.shared.loop.register(-1, .read) { _ in }
          return .success(())
        } catch {
          return .failure(error)
        }
      }.value.get()
    }
  }
}

/// Two connected sockets.
struct SocketPair {
  let mine: Int32
  let theirs: Int32

  init() throws {
    var both: [Int32] = [0, 0]
    let result = unsafe socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &both)
    _ = try SystemError.check(result < 0 ? -errno : 0, "socketpair")
    (mine, theirs) = (both[0], both[1])
    _ = clinux_set_nonblocking(mine)
  }

  func writeTheirs() { _ = unsafe send(theirs, "x", 1, 0) }

  func readMine() {
    var byte: UInt8 = 0
    _ = unsafe recv(mine, &byte, 1, 0)
  }

  func closeBoth() {
    close(mine)
    close(theirs)
  }
}
