import Testing

@testable import HTTPServer

/// Each test is a column of events and what the machine wants done at each.
@Suite struct ConnectionStateMachineTests {
  typealias Event = ConnectionStateMachine.Event
  typealias Action = ConnectionStateMachine.Action

  private let plain = Event.head(closes: false, body: false, expectsContinue: false)
  private let withBody = Event.head(closes: false, body: true, expectsContinue: false)

  private func run(_ column: [(Event, Action)], limit: Int = 100) -> ConnectionStateMachine {
    var machine = ConnectionStateMachine(requestLimit: limit)
    for (row, (event, action)) in column.enumerated() {
      #expect(machine.on(event) == action, "row \(row): \(event)")
    }
    return machine
  }

  @Test func twoRequestsOnOneConnection() {
    let machine = run([
      (.bytes, .startHead),
      (plain, .dispatch),
      (.bodyEnded, .none),
      (.answer, .sendAnswer(closes: false)),
      (.answerEnded, .nextRequest),
      (.sent, .none),
      (.bytes, .startHead),
      (plain, .dispatch),
      (.bodyEnded, .none),
      (.answer, .sendAnswer(closes: false)),
      (.answerEnded, .nextRequest),
    ])
    #expect(machine.phase == .idle && machine.requests == 2)
  }

  @Test func theClientWantsItClosed() {
    _ = run([
      (.bytes, .startHead),
      (.head(closes: true, body: false, expectsContinue: false), .dispatch),
      (.bodyEnded, .none),
      (.answer, .sendAnswer(closes: true)),
      (.answerEnded, .finish),
      (.sent, .linger),
      (.inputEnded, .close),
      (.sent, .none),
    ])
  }

  @Test func theLastRequestOfAConnectionIsToldSo() {
    _ = run(
      [
        (.bytes, .startHead), (plain, .dispatch), (.bodyEnded, .none), (.answer, .sendAnswer(closes: false)),
        (.answerEnded, .nextRequest),
        (.bytes, .startHead), (plain, .dispatch), (.bodyEnded, .none), (.answer, .sendAnswer(closes: true)),
        (.answerEnded, .finish),
      ], limit: 2)
  }

  @Test func continueIsSentOnceAndOnlyWhenTheBodyIsAwaited() {
    _ = run([
      (.bytes, .startHead),
      (.head(closes: false, body: true, expectsContinue: true), .dispatch),
      (.bodyAwaited, .sendContinue),
      (.bodyAwaited, .none),
      (.bodyBytes, .none),
      (.bodyEnded, .none),
      (.answer, .sendAnswer(closes: false)),
      (.answerEnded, .nextRequest),
    ])
  }

  @Test func continueIsNotSentOnceTheBodyCame() {
    _ = run([
      (.bytes, .startHead),
      (.head(closes: false, body: true, expectsContinue: true), .dispatch),
      (.bodyBytes, .none),
      (.bodyAwaited, .none),
    ])
  }

  @Test func anAnswerBeforeTheEndOfTheBodyClosesTheConnection() {
    _ = run([
      (.bytes, .startHead),
      (.head(closes: false, body: true, expectsContinue: true), .dispatch),
      (.answer, .sendAnswer(closes: true)),
      (.bodyBytes, .none),
      (.bodyEnded, .none),
      (.answerEnded, .finish),
      (.sent, .linger),
      (.expired, .close),
    ])
  }

  @Test func aBrokenHeadIsRefusedOnce() {
    _ = run([(.bytes, .startHead), (.refused, .refuse), (.refused, .none), (.sent, .linger), (.expired, .close)])
  }

  @Test func aBrokenBodyReplacesTheAnswer() {
    let machine = run([
      (.bytes, .startHead),
      (withBody, .dispatch),
      (.bodyBytes, .none),
      (.refused, .failBody),
      (.answer, .sendAnswer(closes: true)),
      (.answerEnded, .finish),
    ])
    #expect(machine.isPoisoned)
  }

  @Test func aBrokenBodyDuringTheAnswerOnlyCloses() {
    let machine = run([
      (.bytes, .startHead), (withBody, .dispatch), (.answer, .sendAnswer(closes: true)), (.refused, .failBody),
      (.answerEnded, .finish),
    ])
    #expect(!machine.isPoisoned)
  }

  @Test func theClientLeavesBetweenRequests() {
    _ = run([(.inputEnded, .close), (.bytes, .none)])
    _ = run([
      (.bytes, .startHead), (plain, .dispatch), (.bodyEnded, .none), (.answer, .sendAnswer(closes: false)),
      (.answerEnded, .nextRequest), (.inputEnded, .close),
    ])
  }

  @Test func theClientLeavesInTheMiddleOfAHead() {
    _ = run([(.bytes, .startHead), (.inputEnded, .refuse)])
  }

  @Test func theClientLeavesInTheMiddleOfABody() {
    _ = run([(.bytes, .startHead), (withBody, .dispatch), (.inputEnded, .failBody)])
  }

  @Test func aClientThatShutsItsSideStillGetsItsAnswer() {
    _ = run([
      (.bytes, .startHead), (plain, .dispatch), (.bodyEnded, .none), (.inputEnded, .none),
      (.answer, .sendAnswer(closes: true)), (.answerEnded, .finish), (.sent, .linger),
    ])
  }

  @Test func nothingCameAtAll() {
    _ = run([(.expired, .refuse), (.sent, .linger), (.expired, .close)])
  }

  @Test func idleLongEnough() {
    _ = run([
      (.bytes, .startHead), (plain, .dispatch), (.bodyEnded, .none), (.answer, .sendAnswer(closes: false)),
      (.answerEnded, .nextRequest), (.expired, .close),
    ])
  }

  @Test func drainingAnswersWhatIsUnderWayAndWhatComesAtTheLastMoment() {
    _ = run([
      (.bytes, .startHead), (plain, .dispatch), (.bodyEnded, .none), (.drain, .none),
      (.answer, .sendAnswer(closes: true)),
      (.answerEnded, .finish),
    ])
    _ = run([
      (.drain, .none), (.bytes, .startHead), (plain, .dispatch), (.bodyEnded, .none),
      (.answer, .sendAnswer(closes: true)),
      (.answerEnded, .finish),
    ])
  }

  @Test func anAnswerThatFailsResets() {
    _ = run([
      (.bytes, .startHead), (plain, .dispatch), (.bodyEnded, .none), (.answer, .sendAnswer(closes: false)),
      (.answerFailed, .reset), (.answerEnded, .none), (.sent, .none),
    ])
  }

  @Test func afterTheSocketFailedNothingIsDone() {
    for event in [Event.bytes, plain, .bodyAwaited, .refused, .answer, .answerEnded, .sent, .expired, .lost, .drain] {
      _ = run([(.bytes, .startHead), (.lost, .close), (event, .none)])
    }
  }
}
