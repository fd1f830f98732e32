import EventLoop
import PostgresClient

extension WorkerProcess {
  /// Runs checks that need PostgreSQL.
  ///
  /// - Returns: false when it doesn't answer for the moment, so that nothing is known yet.
  /// - Throws: what a check found, or why PostgreSQL won't let us in: waiting wouldn't help.
  static func unlessAway(_ configuration: Configuration, _ checks: () throws -> Void) throws -> Bool {
    do {
      try checks()
      return true
    } catch {
      if KnownSchema.isAway(conninfo: configuration.databaseURL) { return false }
      throw error
    }
  }

  /// Verifies the schema once PostgreSQL answers, asking ever less often, and ends the process when it isn't the one
  /// that it knows.
  @LoopActor
  static func verifyLater(_ configuration: Configuration, _ waiter: DrainWaiter) async {
    var pause: Duration = .milliseconds(100)
    while !Task.isCancelled {
      await sleep(for: pause)
      pause = min(pause * 2, .seconds(5))
      // It blocks, so not on the loop.
      let outcome = await Task.detached {
        Result { try unlessAway(configuration) { _ = try verifySchema(configuration) } }
      }.value
      switch outcome {
      case .success(true): return
      case .success(false): continue
      case .failure(let error): return waiter.end(with: StartFailure("\(error)"))
      }
    }
  }
}

/// Wakes one waiter once, whichever comes first: the wait, the supervisor's word to drain (or its death), or a failure.
@LoopActor
final class DrainWaiter {
  private(set) var failure: StartFailure?
  private var continuation: CheckedContinuation<Void, Never>?
  private var deregister: (@LoopActor () -> Void)?
  private var isDue = false

  init(_ signal: Int32) throws(SystemError) {
    let registration = try LoopActor.shared.loop.register(signal, .read) { [weak self] _ in self?.resume() }
    deregister = { LoopActor.shared.loop.deregister(registration) }
  }

  func end(with failure: StartFailure) {
    self.failure = failure
    resume()
  }

  func wait() async {
    // Judged inside: between a check outside and the suspension the event could pass unseen.
    await withCheckedContinuation { waiter in
      if isDue { waiter.resume() } else { continuation = waiter }
    }
    deregister?()
  }

  private func resume() {
    isDue = true
    continuation?.resume()
    continuation = nil
  }
}
