/// Follows the results of a pipelined connection: which segment a result belongs to, and when one has succeeded.
///
/// A pure value: events in, one action out, no I/O. A segment succeeds only when its Sync has come with every expected
/// result before it and no error; after an error the server skips to the Sync, and each skipped statement is reported.
struct PipelineStateMachine {
  enum Event: Equatable {
    /// A statement succeeded.
    case result
    /// A statement failed.
    case failure
    /// A statement was skipped because an earlier one of its segment failed.
    case skipped
    /// The segment's Sync was answered.
    case sync
    /// Something that can't come in a pipeline (a COPY, an unknown status).
    case other
  }

  enum Action: Equatable {
    /// Add the result to the oldest segment's.
    case keep
    /// Remember the error: the oldest segment has failed.
    case keepFailure
    case ignore
    /// The oldest segment is done: answer its results.
    case succeed
    /// The oldest segment is done: answer its error.
    case fail
    /// Out of step: close the connection.
    case close
  }

  private struct Progress {
    var expected: Int
    var received = 0
    var hasFailed = false
  }

  private var segments = FIFO<Progress>()

  /// Segments whose Sync hasn't been answered.
  var inFlight: Int { segments.count }

  /// A segment of so many statements and its Sync have been given to libpq.
  mutating func submit(statements: Int) { segments.append(Progress(expected: statements)) }

  mutating func receive(_ event: Event) -> Action {
    guard let head = segments.first else { return .close }
    switch event {
    case .result:
      if head.hasFailed || head.received == head.expected { return .close }
      segments.updateFirst { $0.received += 1 }
      return .keep
    case .failure:
      // A connection that dies can report twice: the first error is the one that tells why.
      if head.hasFailed { return .ignore }
      segments.updateFirst { $0.hasFailed = true }
      return .keepFailure
    case .skipped:
      return head.hasFailed ? .ignore : .close
    case .sync:
      _ = segments.popFirst()
      if head.hasFailed { return .fail }
      return head.received == head.expected ? .succeed : .close
    case .other:
      return .close
    }
  }
}
