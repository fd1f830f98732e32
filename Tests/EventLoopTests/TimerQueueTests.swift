import TestSupport
import Testing

@testable import EventLoop

@Suite struct TimerQueueTests {
  @Test func actionsComeInTheOrderOfTheirDeadlines() {
    var queue = TimerQueue<Int>()
    for time in [5, 1, 4, 2, 3] { _ = queue.schedule(at: MonotonicInstant(nanoseconds: Int64(time)), time) }
    #expect(queue.earliest == MonotonicInstant(nanoseconds: 1))
    var order: [Int] = []
    while let action = queue.popExpired(at: MonotonicInstant(nanoseconds: 4)) { order.append(action) }
    #expect(order == [1, 2, 3, 4])
    #expect(queue.count == 1)
  }

  @Test func aHandleWhoseActionHasRunCancelsNothing() {
    var queue = TimerQueue<Int>()
    let first = queue.schedule(at: MonotonicInstant(nanoseconds: 1), 1)
    let action = queue.popExpired(at: MonotonicInstant(nanoseconds: 1))
    #expect(action == 1)
    let second = queue.schedule(at: MonotonicInstant(nanoseconds: 2), 2)
    let results = [queue.cancel(first), queue.cancel(second), queue.cancel(second)]
    #expect(results == [false, true, false])
  }

  @Test func anyMixOfSchedulingAndCancellingKeepsTheOrder() {
    let seed = UInt64.random(in: 0 ... .max)
    var random = SeededGenerator(seed: seed)
    var queue = TimerQueue<Int>()
    var model: [Int: (deadline: Int64, handle: TimerHandle)] = [:]
    var last = Int64.min
    for step in 0..<20_000 {
      switch Int.random(in: 0..<4, using: &random) {
      case 0, 1:
        let deadline = max(last, 0) + Int64.random(in: 0..<1_000, using: &random)
        model[step] = (deadline, queue.schedule(at: MonotonicInstant(nanoseconds: deadline), step))
      case 2:
        guard let (name, entry) = model.randomElement(using: &random) else { continue }
        let wasScheduled = queue.cancel(entry.handle)
        #expect(wasScheduled, "seed \(seed)")
        model[name] = nil
      default:
        guard let earliest = model.values.map(\.deadline).min() else { continue }
        last = earliest
        let action = queue.popExpired(at: MonotonicInstant(nanoseconds: earliest))
        #expect(action.flatMap { model[$0]?.deadline } == earliest, "seed \(seed)")
        if let action { model[action] = nil }
      }
      #expect(queue.count == model.count, "seed \(seed)")
    }
  }
}
