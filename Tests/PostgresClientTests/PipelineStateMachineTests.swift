import EventLoop
import Testing

@testable import PostgresClient

@Suite struct PipelineStateMachineTests {
  typealias Step = (PipelineStateMachine.Event, PipelineStateMachine.Action)

  private func check(_ segments: [Int], _ steps: [Step], left: Int = 0) {
    var machine = PipelineStateMachine()
    for statements in segments { machine.submit(statements: statements) }
    for (number, (event, action)) in steps.enumerated() {
      #expect(machine.receive(event) == action, "step \(number)")
    }
    #expect(machine.inFlight == left)
  }

  @Test func succeedsOnlyAtTheSync() {
    check([2], [(.result, .keep), (.result, .keep)], left: 1)
    check([2], [(.result, .keep), (.result, .keep), (.sync, .succeed)])
    check([0], [(.sync, .succeed)])
  }

  @Test func keepsSegmentsApart() {
    check([1, 2], [(.result, .keep), (.sync, .succeed), (.result, .keep), (.result, .keep), (.sync, .succeed)])
    check([1, 1], [(.failure, .keepFailure), (.sync, .fail), (.result, .keep), (.sync, .succeed)])
  }

  @Test func skipsToTheSyncAfterAnError() {
    check([3], [(.result, .keep), (.failure, .keepFailure), (.skipped, .ignore), (.sync, .fail)])
    check([3], [(.failure, .keepFailure), (.skipped, .ignore), (.skipped, .ignore), (.sync, .fail)])
  }

  @Test func anErrorAtTheSyncFailsTheSegment() {
    check([1], [(.result, .keep), (.failure, .keepFailure), (.sync, .fail)])
  }

  @Test func theFirstOfTwoErrorsCounts() {
    check([2], [(.failure, .keepFailure), (.failure, .ignore), (.sync, .fail)])
  }

  @Test func whatCannotComeClosesTheLine() {
    check([], [(.result, .close)])
    check([], [(.sync, .close)])
    check([1], [(.skipped, .close)], left: 1)
    check([1], [(.other, .close)], left: 1)
    check([1], [(.result, .keep), (.result, .close)], left: 1)
    check([2], [(.failure, .keepFailure), (.result, .close)], left: 1)
    check([2], [(.result, .keep), (.sync, .close)])
  }
}

@Suite struct FIFOTests {
  @Test func keepsTheOrderThroughManyRounds() {
    var queue = FIFO<Int>()
    var next = 0
    var expected = 0
    for round in 0..<1_000 {
      for _ in 0..<(round % 7) {
        queue.append(next)
        next += 1
      }
      for _ in 0..<(round % 5) where !queue.isEmpty {
        #expect(queue.popFirst() == expected)
        expected += 1
      }
    }
    #expect(queue.count == next - expected)
    queue.updateFirst { $0 = -1 }
    var visited: [Int] = []
    queue.forEach { visited.append($0) }
    #expect(queue.first == -1 && visited == [-1] + (expected + 1..<next))
    #expect(queue.removeAll() == visited)
    #expect(queue.popFirst() == nil)
  }
}

@Suite struct ReconnectPacerTests {
  @Test func opensAtMostSoManyASecond() {
    var pacer = ReconnectPacer(perSecond: 2)
    let start = MonotonicInstant(nanoseconds: 0)
    #expect(pacer.delay(at: start) == .zero)
    pacer.attemptStarted(at: start)
    pacer.attemptStarted(at: start + .milliseconds(400))
    #expect(pacer.delay(at: start + .milliseconds(500)) == .milliseconds(500))
    #expect(pacer.delay(at: start + .seconds(1)) == .zero)
  }

  @Test func doublesUpToThirtyTwoSeconds() {
    var pacer = ReconnectPacer(perSecond: 4)
    let now = MonotonicInstant(nanoseconds: 0)
    var delays: [Duration] = []
    for _ in 0..<10 {
      pacer.attemptFailed(at: now, jitter: 0)
      delays.append(pacer.delay(at: now))
    }
    #expect(delays.prefix(3) == [.milliseconds(250), .milliseconds(500), .seconds(1)])
    #expect(delays.last == .seconds(32))
    #expect(pacer.isProbing)
    pacer.attemptFailed(at: now, jitter: 1_000)
    #expect(pacer.delay(at: now) == .seconds(16))
    pacer.attemptSucceeded()
    #expect(!pacer.isProbing && pacer.delay(at: now) == .zero)
  }
}
