import Testing

@testable import Supervisor

/// The supervisor's decisions, on a clock that the test moves.
struct RosterTests {
  private func id(_ slot: Int, _ side: Int, _ number: Int) -> ChildID {
    ChildID(seat: Seat(slot: slot, side: side), number: number)
  }

  private func roster(_ slots: Int) -> Roster {
    Roster(slots: slots, timing: SupervisorTiming())
  }

  @Test func startsEverySlot() {
    var roster = roster(2)
    #expect(roster.start(at: 0) == [.spawn(id(0, 0, 1)), .spawn(id(1, 0, 2))])
    #expect(roster.ready(id(0, 0, 1), at: 5).isEmpty)
    #expect(roster.nextDeadline == nil)
  }

  @Test func backsOffFromATenthToTenSeconds() {
    var roster = roster(1)
    _ = roster.start(at: 0)
    var now: Int64 = 0
    var pauses: [Int64] = []
    for number in 1...9 {
      let actions = roster.ended(id(0, 0, number), .signal(4), at: now)
      #expect(actions.first == .report(.died(id(0, 0, number), .signal(4), livedMilliseconds: 0)))
      guard let next = roster.nextDeadline else { break }
      pauses.append((roster.tick(at: next - 1).isEmpty ? next : 0) - now)
      now = next
      #expect(roster.tick(at: now).contains(.spawn(id(0, 0, number + 1))))
    }
    // A crash loop's end is a deadline too, but a later one than these.
    #expect(pauses == [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000])
  }

  @Test func aLongLifeForgivesTheFirstDeath() {
    var roster = roster(1)
    _ = roster.start(at: 0)
    _ = roster.ended(id(0, 0, 1), .exit(1), at: 0)
    _ = roster.tick(at: 100)
    _ = roster.ready(id(0, 0, 2), at: 200)
    let actions = roster.ended(id(0, 0, 2), .signal(11), at: 10_100)
    #expect(actions.contains(.report(.willRestart(slot: 0, afterMilliseconds: 100))))
  }

  @Test func fiveDeathsInAMinuteAreACrashLoop() {
    var roster = roster(5)
    _ = roster.start(at: 0)
    for slot in 0..<4 {
      let time = Int64(slot) * 1_000
      #expect(!roster.ended(id(slot, 0, slot + 1), .signal(4), at: time).contains(.setCrashLooping(true)))
      _ = roster.tick(at: time + 100)
    }
    #expect(roster.ended(id(4, 0, 5), .signal(4), at: 59_999).contains(.setCrashLooping(true)))
    #expect(!roster.tick(at: 59_999).contains(.setCrashLooping(false)))
    #expect(roster.nextDeadline == 60_000)
    #expect(roster.tick(at: 60_000) == [.setCrashLooping(false)])
  }

  @Test func stopDrainsThenKills() {
    var roster = roster(2)
    _ = roster.start(at: 0)
    _ = roster.ready(id(0, 0, 1), at: 1)
    #expect(roster.stop(at: 1_000) == [.terminate(id(0, 0, 1)), .terminate(id(1, 0, 2))])
    #expect(roster.ended(id(1, 0, 2), .exit(0), at: 1_500) == [.report(.drained(id(1, 0, 2)))])
    #expect(roster.nextDeadline == 31_000)
    #expect(roster.tick(at: 31_000) == [.kill(id(0, 0, 1))])
    #expect(roster.tick(at: 31_001).isEmpty)
    #expect(roster.ended(id(0, 0, 1), .signal(9), at: 31_002) == [.report(.drained(id(0, 0, 1))), .finish(0)])
  }

  @Test func aSecondStopWaitsNoLonger() {
    var roster = roster(1)
    _ = roster.start(at: 0)
    _ = roster.stop(at: 1)
    #expect(roster.stop(at: 2) == [.kill(id(0, 0, 1))])
  }

  @Test func stopWhileNothingRuns() {
    var roster = roster(1)
    _ = roster.start(at: 0)
    _ = roster.ended(id(0, 0, 1), .exit(1), at: 0)
    #expect(roster.stop(at: 50) == [.finish(0)])
    #expect(roster.tick(at: 1_000).isEmpty)
  }

  @Test func aWrongConfigurationIsNotTriedAgain() {
    var roster = roster(2)
    _ = roster.start(at: 0)
    // Another process, which reads other settings, may serve already.
    _ = roster.ready(id(1, 0, 2), at: 5)
    #expect(roster.ended(id(0, 0, 1), .exit(78), at: 10).contains(.terminate(id(1, 0, 2))))
    #expect(roster.ended(id(1, 0, 2), .signal(15), at: 20).contains(.finish(78)))
  }

  @Test func aWrongConfigurationLaterOnIsADeath() {
    var roster = roster(1)
    _ = roster.start(at: 0)
    _ = roster.ready(id(0, 0, 1), at: 1)
    let actions = roster.ended(id(0, 0, 1), .exit(78), at: 10)
    #expect(actions.contains(.report(.willRestart(slot: 0, afterMilliseconds: 100))))
  }

  @Test func rollsOneSlotAfterAnother() {
    var roster = roster(2)
    _ = roster.start(at: 0)
    _ = roster.ready(id(0, 0, 1), at: 1)
    _ = roster.ready(id(1, 0, 2), at: 1)
    #expect(roster.startRoll(at: 100) == [.spawn(id(0, 1, 3))])
    #expect(roster.ready(id(0, 1, 3), at: 200) == [.terminate(id(0, 0, 1)), .spawn(id(1, 1, 4))])
    #expect(roster.ended(id(0, 0, 1), .exit(0), at: 250) == [.report(.drained(id(0, 0, 1)))])
    #expect(roster.ready(id(1, 1, 4), at: 300) == [.terminate(id(1, 0, 2)), .report(.rolled)])
    #expect(roster.ended(id(1, 0, 2), .exit(0), at: 350) == [.report(.drained(id(1, 0, 2)))])
    #expect(roster.nextDeadline == nil)
    // Back on the first side, which is free again.
    #expect(roster.startRoll(at: 400) == [.spawn(id(0, 0, 5))])
  }

  @Test func rollWaitsForTheSeatOfOneThatDrains() {
    var roster = roster(1)
    _ = roster.start(at: 0)
    _ = roster.ready(id(0, 0, 1), at: 1)
    _ = roster.startRoll(at: 100)
    _ = roster.ready(id(0, 1, 2), at: 200)
    #expect(roster.startRoll(at: 300).isEmpty)
    #expect(roster.ended(id(0, 0, 1), .exit(0), at: 400) == [.report(.drained(id(0, 0, 1))), .spawn(id(0, 0, 3))])
  }

  @Test func aSuccessorThatFailsLeavesTheOldOne() {
    var roster = roster(2)
    _ = roster.start(at: 0)
    _ = roster.ready(id(0, 0, 1), at: 1)
    _ = roster.ready(id(1, 0, 2), at: 1)
    _ = roster.startRoll(at: 100)
    #expect(roster.tick(at: 30_100) == [.kill(id(0, 1, 3))])
    let actions = roster.ended(id(0, 1, 3), .signal(9), at: 30_101)
    #expect(actions.contains(.report(.rollFailed(slot: 0))))
    #expect(!actions.contains(.terminate(id(0, 0, 1))))
    #expect(roster.nextDeadline == nil)
  }

  @Test func aSuccessorTakesOverFromOneThatDies() {
    var roster = roster(1)
    _ = roster.start(at: 0)
    _ = roster.ready(id(0, 0, 1), at: 1)
    _ = roster.startRoll(at: 100)
    let actions = roster.ended(id(0, 0, 1), .signal(4), at: 150)
    #expect(!actions.contains { if case .spawn = $0 { true } else { false } })
    #expect(roster.ready(id(0, 1, 2), at: 200).isEmpty)
    #expect(roster.stop(at: 300) == [.terminate(id(0, 1, 2))])
  }

  /// Random events: at most two processes in a slot, never two in one seat, and after a stop everything ends.
  @Test func randomLives() {
    let seed = Seed.announced()
    var random = SeededNumbers(seed: seed)
    for _ in 0..<300 {
      var timing = SupervisorTiming()
      timing.crashCount = Int.random(in: 2...5, using: &random)
      var roster = Roster(slots: Int.random(in: 1...3, using: &random), timing: timing)
      var alive = Set<ChildID>()
      var finished = false
      var now: Int64 = 0
      func apply(_ actions: [Roster.Action]) {
        for action in actions {
          switch action {
          case .spawn(let id):
            #expect(!alive.contains { $0.seat == id.seat }, "seed \(seed)")
            alive.insert(id)
          case .terminate(let id), .kill(let id): #expect(alive.contains(id), "seed \(seed)")
          case .finish: finished = true
          default: break
          }
        }
      }
      apply(roster.start(at: now))
      for _ in 0..<200 {
        now += Int64.random(in: 0...2_000, using: &random)
        switch Int.random(in: 0...5, using: &random) {
        case 0...1: if let id = alive.randomElement(using: &random) { apply(roster.ready(id, at: now)) }
        case 2:
          if let id = alive.randomElement(using: &random) {
            alive.remove(id)
            apply(roster.ended(id, Bool.random(using: &random) ? .signal(4) : .exit(0), at: now))
          }
        case 3: apply(roster.startRoll(at: now))
        default: apply(roster.tick(at: now))
        }
      }
      apply(roster.stop(at: now))
      while let id = alive.popFirst() { apply(roster.ended(id, .exit(0), at: now)) }
      #expect(finished, "seed \(seed)")
    }
  }
}
