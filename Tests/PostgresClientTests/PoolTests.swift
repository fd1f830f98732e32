import EventLoop
import TestSupport
import Testing

@testable import PostgresClient

extension DatabaseTests {
  /// Who gets a connection, when, and in which state.
  @Suite struct PoolTests {
    init() { LoopThread.start() }

    static let pause = Statement("p.pause", "SELECT $1::bigint, pg_sleep($2::bigint / 1000.0)", Int64.self, Int64.self)
    static let process = Statement("p.process", "SELECT pg_backend_pid()")
    static let state = Statement(
      "p.state",
      """
      SELECT current_setting('smile.mark', true), current_user,
        (SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory')
      """)
    static let mark = Statement("p.mark", "SELECT set_config('smile.mark', $1, false)", String.self)
    static let localMark = Statement("p.local_mark", "SELECT set_config('smile.mark', $1, true)", String.self)
    static let all: [any StatementDescription] = [process, pause, state, mark, localMark]

    @LoopActor
    private func make(_ change: (inout DatabaseConfiguration) -> Void) async throws -> (TestDatabase, Database) {
      let test = try TestDatabase()
      var configuration = test.configuration(Self.all)
      change(&configuration)
      let database = Database(configuration)
      try await database.startAll()
      return (test, database)
    }

    @Test @LoopActor func whoWaitsIsServedInOrder() async throws {
      let (_, database) = try await make { $0.leasedConnections = 1 }
      var order: [Int] = []
      let tasks = (0..<20).map { number in
        LoopActor.task {
          let error = await failure { () throws(DatabaseError) in
            try await database.write(Segment(Self.pause, Int64(number), 5))
          }
          order.append(number)
          return error
        }
      }
      for task in tasks { #expect(await task.value == nil) }
      #expect(order == Array(0..<20))
      await database.close()
    }

    @Test @LoopActor func whoWaitsTooLongIsToldBusy() async throws {
      let (_, database) = try await make { $0.leasedConnections = 1 }
      let long = LoopActor.task {
        await failure { () throws(DatabaseError) in try await database.write(Segment(Self.pause, 0, 3_000)) }
      }
      #expect(await eventually { database.statistics.waiting == 0 })
      let start = MonotonicInstant.read()
      let error = await failure { () throws(DatabaseError) in try await database.write(Segment(Self.pause, 1, 0)) }
      let waited = MonotonicInstant.read() - start
      #expect(error == .busy && waited >= .seconds(2) && waited < .seconds(3))
      #expect(await long.value == nil)
      await database.close()
    }

    @Test @LoopActor func theQueueIsBounded() async throws {
      let (_, database) = try await make {
        $0.leasedConnections = 1
        $0.queueLimit = 10
      }
      let start = MonotonicInstant.read()
      let tasks = (0..<30).map { _ in
        LoopActor.task {
          await failure { () throws(DatabaseError) in try await database.write(Segment(Self.pause, 0, 20)) }
        }
      }
      var refused = 0
      for task in tasks where await task.value == .busy { refused += 1 }
      #expect(refused == 19, "one runs, ten wait")
      #expect(MonotonicInstant.read() - start < .seconds(2))
      await database.close()
    }

    @Test @LoopActor func aStatementPastItsDeadlineIsEndedOnTheServerToo() async throws {
      let (test, database) = try await make { $0.leasedConnections = 1 }
      let process = try await database.write(Segment(Self.process))[0].int(0, 0) ?? 0
      let error = await failure { () throws(DatabaseError) in
        try await database.write(Segment(Self.pause, 1, 30_000), within: .milliseconds(300))
      }
      #expect(error == .unknownOutcome)
      // The next user has a new line, so nothing can be cancelled under it.
      #expect(try await database.write(Segment(Self.process))[0].int(0, 0) != process)
      let deadline = MonotonicInstant.read() + .seconds(5)
      while try test.run("SELECT FROM pg_stat_activity WHERE pid = \(process)").rowCount > 0 {
        if MonotonicInstant.read() > deadline {
          Issue.record("the statement runs on")
          break
        }
        await sleep(for: .milliseconds(50))
      }
      await database.close()
    }

    @Test @LoopActor func aSharedCallerIsLetGoAndTheLineLivesOn() async throws {
      let (_, database) = try await make { $0.sharedConnections = 1 }
      let error = await failure { () throws(DatabaseError) in
        try await database.read(Segment(Self.pause, 1, 700), within: .milliseconds(200))
      }
      #expect(error == .timeout)
      #expect(try await database.read(Segment(Self.pause, 2, 0))[0].int(0, 0) == 2)
      #expect(database.statistics.connectionsOpened == 5, "no line was closed")
      await database.close()
    }

    @Test @LoopActor func aKilledSessionIsReplaced() async throws {
      let (test, database) = try await make { _ in }
      let pid = try await database.dedicated { connection throws(DatabaseError) in connection.serverProcess }
      try test.run("SELECT pg_terminate_backend(\(pid))")
      #expect(await eventually { database.statistics.dedicatedOpen == 0 })
      let next = try await database.dedicated { connection throws(DatabaseError) in
        try await connection.run(Self.state).int(0, 2)
      }
      #expect(next == 0)
      await database.close()
    }

    @Test @LoopActor func aConnectionOnDemandIsMadeAgainHoweverLongAgoTheLastOneClosed() async throws {
      let (_, database) = try await make {
        $0.dedicatedIdleLimit = .zero
        $0.waitLimit = .milliseconds(500)
      }
      for _ in 0..<2 {
        _ = try await database.dedicated { connection throws(DatabaseError) in connection.serverProcess }
        #expect(await eventually { database.statistics.dedicatedOpen == 0 })
        await sleep(for: .milliseconds(600))  // longer than anyone waits: the pause is what is tried
      }
      await database.close()
    }

    @Test @LoopActor func nothingOfOneUserReachesTheNext() async throws {
      let (_, database) = try await make { $0.dedicatedConnections = 1 }
      let first = try await database.dedicated { connection throws(DatabaseError) in
        _ = try await connection.run(Self.mark, "left behind")
        try await connection.execute(
          "SELECT pg_advisory_lock(42); SET ROLE pg_monitor; LISTEN noise; CREATE TEMP TABLE t ()")
        return connection.serverProcess
      }
      let second = try await database.dedicated { connection throws(DatabaseError) in
        let state = try await connection.run(Self.state)
        #expect(state.string(0, 0) == "" && state.string(0, 1) == "postgres" && state.int(0, 2) == 0)
        try await connection.execute("BEGIN; CREATE TEMP TABLE t ()")
        return connection.serverProcess
      }
      #expect(first == second, "what can be cleaned is used again")
      let third = try await database.dedicated { connection throws(DatabaseError) in connection.serverProcess }
      #expect(third != second, "an open transaction closes the line")
      await database.close()
    }

    @Test @LoopActor func aSegmentLeavesNoContextBehind() async throws {
      let (_, database) = try await make { $0.sharedConnections = 1 }
      for _ in 0..<3 {
        var segment = Segment()
        try segment.add(Self.state)
        try segment.add(Self.localMark, "mine")
        try segment.add(Self.state)
        let results = try await database.read(segment)
        #expect(results[0].string(0, 0) ?? "" == "" && results[2].string(0, 0) == "mine")
      }
      await database.close()
    }

    @Test @LoopActor func aClosedDatabaseRefuses() async throws {
      let (_, database) = try await make { _ in }
      await database.close()
      let error = await failure { () throws(DatabaseError) in try await database.read(Segment(Self.state)) }
      #expect(error == .unavailable(retryAfter: 1))
    }
  }
}
