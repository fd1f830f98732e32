/// How long the supervisor waits for what, in milliseconds.
package struct SupervisorTiming: Sendable {
  /// Pause before a process that died is started again; doubled by each death, up to `backoffMax`.
  package var backoffFirst: Int64 = 100
  /// The longest pause.
  package var backoffMax: Int64 = 10_000
  /// A process that has lived so long starts from `backoffFirst` again.
  package var stableAfter: Int64 = 10_000
  /// So many deaths within `crashWindow` make a crash loop.
  package var crashCount = 5
  /// The window in which deaths of all slots are counted.
  package var crashWindow: Int64 = 60_000
  /// From SIGTERM to SIGKILL.
  package var drain: Int64 = 30_000
  /// A successor that isn't ready by then is given up.
  package var start: Int64 = 30_000

  /// The times of production.
  package init() {}
}

/// One process, from its start to its end.
struct ChildID: Hashable {
  let seat: Seat
  /// Different for each process ever started.
  let number: Int
}

/// How a process ended.
enum Ending: Equatable {
  case exit(Int32)
  case signal(Int32)
  /// It couldn't be started at all.
  case notStarted(Int32)

  /// EX_CONFIG of sysexits.h: starting it again can't help.
  static let misconfigured: Int32 = 78
}

/// Which processes there should be: events in, actions out, no call into the system. Times are milliseconds of any
/// clock that doesn't go back.
struct Roster {
  enum Action: Equatable {
    case spawn(ChildID)
    /// Ask it to drain.
    case terminate(ChildID)
    /// It had its time.
    case kill(ChildID)
    case setCrashLooping(Bool)
    case report(Report)
    /// Nothing is left; exit with this code.
    case finish(Int32)
  }

  enum Report: Equatable {
    case died(ChildID, Ending, livedMilliseconds: Int64)
    case drained(ChildID)
    case willRestart(slot: Int, afterMilliseconds: Int64)
    case rolled
    case rollFailed(slot: Int)
  }

  private struct Child {
    let id: ChildID
    let startedAt: Int64
    var isReady = false
    /// When it is killed: set while it drains, and while a successor starts.
    var deadline: Int64?
  }

  private struct Slot {
    var current: Child?
    /// Started to take over from `current`.
    var successor: Child?
    /// Told to drain.
    var leaving: Child?
    var backoff: Int64
    var restartAt: Int64?
    /// Until then, a process that calls the configuration wrong is believed: the slots read different parts of it.
    var wasEverReady = false
  }

  private let timing: SupervisorTiming
  private var slots: [Slot]
  private var lastNumber = 0
  private var deaths: [Int64] = []
  private var isCrashLooping = false
  private var isStopping = false
  private var exitCode: Int32 = 0
  /// Slots that a rolling restart hasn't reached yet.
  private var toRoll: [Int] = []
  private var isRolling = false

  init(slots: Int, timing: SupervisorTiming) {
    self.timing = timing
    self.slots = Array(repeating: Slot(backoff: timing.backoffFirst), count: slots)
  }

  /// The next time at which `tick` has something to do.
  var nextDeadline: Int64? {
    var times = slots.flatMap { [$0.restartAt, $0.current?.deadline, $0.successor?.deadline, $0.leaving?.deadline] }
    if isCrashLooping, let oldest = deaths.first { times.append(oldest + timing.crashWindow) }
    return times.compactMap { $0 }.min()
  }

  /// Starts a process in every slot.
  mutating func start(at now: Int64) -> [Action] {
    slots.indices.map { spawn(slot: $0, at: now) }
  }

  /// A process serves.
  mutating func ready(_ id: ChildID, at now: Int64) -> [Action] {
    let slot = id.seat.slot
    slots[slot].wasEverReady = true
    if slots[slot].current?.id == id {
      slots[slot].current?.isReady = true
      return []
    }
    guard slots[slot].successor?.id == id, !isStopping else { return [] }
    var actions: [Action] = []
    if var old = slots[slot].current {
      old.deadline = now + timing.drain
      slots[slot].leaving = old
      actions.append(.terminate(old.id))
    }
    slots[slot].current = slots[slot].successor
    slots[slot].current?.isReady = true
    slots[slot].current?.deadline = nil
    slots[slot].successor = nil
    return actions + roll(at: now)
  }

  /// A process has ended, or couldn't be started.
  mutating func ended(_ id: ChildID, _ ending: Ending, at now: Int64) -> [Action] {
    let slot = id.seat.slot
    if slots[slot].leaving?.id == id {
      slots[slot].leaving = nil
      return [.report(.drained(id))] + roll(at: now) + finishIfEmpty()
    }
    if slots[slot].successor?.id == id {
      let started = slots[slot].successor?.startedAt ?? now
      slots[slot].successor = nil
      return [.report(.died(id, ending, livedMilliseconds: now - started))] + abandonRoll(slot: slot) + finishIfEmpty()
    }
    guard slots[slot].current?.id == id, let child = slots[slot].current else { return [] }
    slots[slot].current = nil
    if isStopping { return [.report(.drained(id))] + finishIfEmpty() }
    let lived = now - child.startedAt
    var actions: [Action] = [.report(.died(id, ending, livedMilliseconds: lived))]
    if ending == .exit(Ending.misconfigured), !slots[slot].wasEverReady {
      exitCode = Ending.misconfigured
      return actions + stop(at: now)
    }
    if let successor = slots[slot].successor {
      // It was about to take over anyway.
      slots[slot].current = successor
      slots[slot].current?.deadline = nil
      slots[slot].successor = nil
      return actions + countDeath(at: now) + roll(at: now)
    }
    let pause = child.isReady && lived >= timing.stableAfter ? timing.backoffFirst : slots[slot].backoff
    slots[slot].backoff = min(pause * 2, timing.backoffMax)
    slots[slot].restartAt = now + pause
    actions.append(.report(.willRestart(slot: slot, afterMilliseconds: pause)))
    return actions + countDeath(at: now) + roll(at: now)
  }

  /// Drains everything; the second time, waits no longer.
  mutating func stop(at now: Int64) -> [Action] {
    let isRepeated = isStopping
    isStopping = true
    toRoll = []
    var actions: [Action] = []
    for index in slots.indices {
      slots[index].restartAt = nil
      if isRepeated {
        for child in live(index) { actions.append(.kill(child.id)) }
        continue
      }
      let deadline = now + timing.drain
      if let child = slots[index].current { actions.append(.terminate(child.id)) }
      if let child = slots[index].successor { actions.append(.terminate(child.id)) }
      slots[index].current?.deadline = deadline
      slots[index].successor?.deadline = deadline
    }
    return actions + finishIfEmpty()
  }

  /// Replaces every process, one after another, each by one that is ready first.
  mutating func startRoll(at now: Int64) -> [Action] {
    if isStopping { return [] }
    isRolling = true
    toRoll = Array(slots.indices)
    return roll(at: now)
  }

  /// Does what is due.
  mutating func tick(at now: Int64) -> [Action] {
    var actions: [Action] = []
    for index in slots.indices {
      if let time = slots[index].restartAt, time <= now {
        slots[index].restartAt = nil
        actions.append(spawn(slot: index, at: now))
      }
      for child in live(index) {
        if let deadline = child.deadline, deadline <= now { actions.append(.kill(child.id)) }
      }
      clearDeadlines(of: index, upTo: now)
    }
    return actions + judgeCrashLoop(at: now)
  }

  private func live(_ slot: Int) -> [Child] {
    [slots[slot].current, slots[slot].successor, slots[slot].leaving].compactMap { $0 }
  }

  private mutating func clearDeadlines(of slot: Int, upTo now: Int64) {
    if let deadline = slots[slot].current?.deadline, deadline <= now { slots[slot].current?.deadline = nil }
    if let deadline = slots[slot].successor?.deadline, deadline <= now { slots[slot].successor?.deadline = nil }
    if let deadline = slots[slot].leaving?.deadline, deadline <= now { slots[slot].leaving?.deadline = nil }
  }

  private mutating func newChild(slot: Int, at now: Int64) -> Child {
    lastNumber += 1
    let taken = live(slot).map(\.id.seat.side)
    let seat = Seat(slot: slot, side: taken.contains(0) ? 1 : 0)
    return Child(id: ChildID(seat: seat, number: lastNumber), startedAt: now)
  }

  private mutating func spawn(slot: Int, at now: Int64) -> Action {
    let child = newChild(slot: slot, at: now)
    slots[slot].current = child
    return .spawn(child.id)
  }

  /// Goes on with a rolling restart, one slot at a time.
  private mutating func roll(at now: Int64) -> [Action] {
    guard isRolling, !isStopping, !slots.contains(where: { $0.successor != nil }) else { return [] }
    while let slot = toRoll.first {
      // Both seats are taken until the last one's predecessor has drained.
      if slots[slot].leaving != nil { return [] }
      toRoll.removeFirst()
      // A process that hasn't served yet is as new as its successor would be.
      guard slots[slot].current?.isReady == true else { continue }
      var child = newChild(slot: slot, at: now)
      child.deadline = now + timing.start
      slots[slot].successor = child
      return [.spawn(child.id)]
    }
    isRolling = false
    return [.report(.rolled)]
  }

  private mutating func abandonRoll(slot: Int) -> [Action] {
    toRoll = []
    isRolling = false
    return isStopping ? [] : [.report(.rollFailed(slot: slot))]
  }

  private mutating func countDeath(at now: Int64) -> [Action] {
    deaths.append(now)
    return judgeCrashLoop(at: now)
  }

  private mutating func judgeCrashLoop(at now: Int64) -> [Action] {
    deaths.removeAll { now - $0 >= timing.crashWindow }
    let isLooping = deaths.count >= timing.crashCount
    if isLooping == isCrashLooping { return [] }
    isCrashLooping = isLooping
    return [.setCrashLooping(isLooping)]
  }

  private func finishIfEmpty() -> [Action] {
    isStopping && slots.indices.allSatisfy { live($0).isEmpty } ? [.finish(exitCode)] : []
  }
}
