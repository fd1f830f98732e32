import EventLoop

extension DedicatedConnection {
  /// Runs `body` between BEGIN and COMMIT. Repeated as a whole after a serialisation failure or a deadlock (up to 5
  /// times), so `body` must have no effect outside of the database. Rolled back when it throws.
  ///
  /// `rehearsing`: deferred constraints are judged, and everything is rolled back all the same, as `Database.rehearse`
  /// does it for a segment.
  ///
  /// Throws `.rolledBack` when COMMIT was answered with ROLLBACK (an error inside had been swallowed),
  /// `.unknownOutcome` when the line was lost during COMMIT, `.unavailable` when it was lost before.
  package func transaction<T: Sendable>(
    rehearsing: Bool = false, _ body: @LoopActor (DedicatedConnection) async throws(DatabaseError) -> T
  ) async throws(DatabaseError) -> T {
    var retries = 0
    while true {
      do {
        return try await attempt(rehearsing, body)
      } catch {
        guard case .server(let failure) = error, failure.isTransient, retries < 5, isOpen else { throw error }
        retries += 1
        await sleep(for: .milliseconds(Int.random(in: 10...200)))
      }
    }
  }

  private func attempt<T: Sendable>(
    _ rehearsing: Bool, _ body: @LoopActor (DedicatedConnection) async throws(DatabaseError) -> T
  ) async throws(DatabaseError) -> T {
    _ = try await runText("BEGIN")
    let value: T
    do {
      value = try await body(self)
      if rehearsing { _ = try await runText("SET CONSTRAINTS ALL IMMEDIATE") }
    } catch {
      // Whatever the rollback says, the first error is the one that tells why; an unclean line is closed when given
      // back.
      do { _ = try await runText("ROLLBACK") } catch {}
      throw error
    }
    if rehearsing {
      _ = try await runText("ROLLBACK")
      return value
    }
    guard try await commitTag() == "COMMIT" else { throw .rolledBack }
    return value
  }

  private func commitTag() async throws(DatabaseError) -> String? {
    do {
      return try await runText("COMMIT").first?.commandTag
    } catch {
      // Unlike other statements of a transaction, COMMIT may have been carried out although its answer never came.
      switch error {
      case .unavailable, .timeout: throw .unknownOutcome
      default: throw error
      }
    }
  }
}
