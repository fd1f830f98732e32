import EventLoop
import TestSupport
import Testing

@testable import PostgresClient

extension DatabaseTests {
  /// What becomes of work when the line breaks, before and after its Sync.
  @Suite struct LossTests {
    init() { LoopThread.start() }

    static let insert = Statement("l.insert", "INSERT INTO kept (note) VALUES ($1)", String.self)
    static let echo = Statement("l.echo", "SELECT $1::text", String.self)
    static let all: [any StatementDescription] = [insert, echo]

    @LoopActor
    private func make(
      _ change: (inout DatabaseConfiguration) -> Void = { _ in }
    ) async throws -> (TestDatabase, FaultProxy, Database) {
      let test = try TestDatabase("CREATE TABLE kept (note text NOT NULL)")
      let proxy = try FaultProxy(to: test.socketPath)
      var configuration = test.configuration(through: proxy, Self.all)
      change(&configuration)
      let database = Database(configuration)
      try await database.startAll()
      return (test, proxy, database)
    }

    private func kept(_ test: TestDatabase) throws -> Int? { try test.run("SELECT count(*) FROM kept").int(0, 0) }

    @Test @LoopActor func aWriteWhoseAnswerIsLostHasAnUnknownOutcome() async throws {
      let (test, proxy, database) = try await make()
      proxy.arm(.cutOnReply, on: "marker-one")
      let error = await failure { () throws(DatabaseError) in
        try await database.write(Segment(Self.insert, "marker-one"))
      }
      #expect(error == .unknownOutcome)
      #expect(try kept(test) == 1, "the server had kept it: a blind retry would have doubled it")
      #expect(proxy.strikes == 1 && database.statistics.unknownOutcomes == 1)
      // The pool heals by itself.
      _ = try await database.write(Segment(Self.insert, "two"))
      #expect(await eventually { database.statistics.leasedOpen == 4 })
      await database.close()
      proxy.shutDown()
    }

    @Test @LoopActor func aWriteCutOnItsWayIsUnknownToo() async throws {
      let (test, proxy, database) = try await make()
      proxy.arm(.cutBefore, on: "marker-two")
      let error = await failure { () throws(DatabaseError) in
        try await database.write(Segment(Self.insert, "marker-two"))
      }
      #expect(error == .unknownOutcome, "our side can't tell this from a lost answer")
      #expect(try kept(test) == 0 && proxy.strikes == 1)
      await database.close()
      proxy.shutDown()
    }

    /// The line is cut after each single byte of the request, then of the answer: whatever the caller is told is true,
    /// and nothing is ever kept twice.
    @Test(arguments: [true, false]) @LoopActor func aLineCutAtEveryByteNeverLies(inRequest: Bool) async throws {
      let (test, proxy, database) = try await make {
        $0.sharedConnections = 1
        $0.leasedConnections = 60
      }
      // Each line has its statement before it is cut: else the server could find it gone before it came to the insert.
      await withTaskGroup { group in
        for line in 0..<60 {
          group.addTask { _ = try? await database.write(Segment(Self.insert, "first-on-\(line)")) }
        }
      }
      #expect(try kept(test) == 60)
      var struck = true
      var limit = 0
      var told: [String: Int] = [:]
      while struck {
        let note = "byte-\(limit)-of"
        proxy.arm(inRequest ? .cutWithin(limit) : .cutReplyAfter(limit), on: note)
        let before = proxy.strikes
        let error = await failure { () throws(DatabaseError) in try await database.write(Segment(Self.insert, note)) }
        struck = proxy.strikes > before
        proxy.arm(.none, on: "")
        let rows = try test.run("SELECT count(*) FROM kept WHERE note = '\(note)'").int(0, 0) ?? -1
        switch error {
        case nil: #expect(rows == 1 && !struck, "after \(limit) bytes")
        case .unknownOutcome: #expect(inRequest ? rows == 0 : rows == 1, "after \(limit) bytes")
        default: Issue.record("after \(limit) bytes: \(String(describing: error))")
        }
        told[error.map { "\($0)" } ?? "kept", default: 0] += 1
        limit += 1
      }
      #expect(told["kept"] == 1 && limit > 30, "\(told)")
      await database.close()
      proxy.shutDown()
    }

    @Test @LoopActor func aReadIsRetriedOnceOnAnotherLine() async throws {
      let (_, proxy, database) = try await make()
      proxy.arm(.cutOnReply, on: "marker-three")
      let first = await failure { () throws(DatabaseError) in
        try await database.read(Segment(Self.echo, "marker-three"))
      }
      #expect(first == .unavailable(retryAfter: 1), "both lines were cut")
      #expect(proxy.strikes == 2)
      proxy.arm(.none, on: "")
      #expect(try await database.read(Segment(Self.echo, "marker-three"))[0].string(0, 0) == "marker-three")
      await database.close()
      proxy.shutDown()
    }

    @Test @LoopActor func aLineThatDiedIdleIsReplacedBeforeUse() async throws {
      let (test, proxy, database) = try await make()
      let before = database.statistics.connectionsOpened
      proxy.cutAll()
      #expect(await eventually { database.statistics.sharedOpen == 0 && database.statistics.leasedOpen == 0 })
      #expect(await eventually { database.statistics.sharedOpen + database.statistics.leasedOpen == database.standing })
      #expect(database.statistics.connectionsOpened == before + database.standing)
      _ = try await database.write(Segment(Self.insert, "three"))
      #expect(try kept(test) == 1)
      await database.close()
      proxy.shutDown()
    }

    @Test @LoopActor func aSilentLineIsGivenUp() async throws {
      let (_, proxy, database) = try await make { $0.segmentLimit = .milliseconds(600) }
      proxy.arm(.stall, on: "marker-four")
      let start = MonotonicInstant.read()
      let read = await failure { () throws(DatabaseError) in
        try await database.read(Segment(Self.echo, "marker-four"), within: .milliseconds(200))
      }
      #expect(read == .timeout && MonotonicInstant.read() - start < .seconds(2))
      let write = await failure { () throws(DatabaseError) in
        try await database.write(Segment(Self.insert, "marker-four"), within: .milliseconds(200))
      }
      #expect(write == .unknownOutcome)
      proxy.arm(.none, on: "")
      // The dead shared line goes as well, and both are replaced.
      #expect(await eventually { database.statistics.connectionsOpened == database.standing + 2 })
      #expect(try await database.read(Segment(Self.echo, "five"))[0].string(0, 0) == "five")
      await database.close()
      proxy.shutDown()
    }

    @Test @LoopActor func withoutADatabaseNobodyWaitsLong() async throws {
      let (_, proxy, database) = try await make { $0.waitLimit = .milliseconds(300) }
      proxy.shutDown()
      #expect(await eventually { !database.isReady })
      var waits: [Duration] = []
      for _ in 0..<3 {
        let start = MonotonicInstant.read()
        let error = await failure { () throws(DatabaseError) in try await database.read(Segment(Self.echo, "x")) }
        guard case .unavailable(let seconds)? = error, seconds >= 1 else {
          Issue.record("\(String(describing: error))")
          return
        }
        waits.append(MonotonicInstant.read() - start)
      }
      #expect(waits[0] < .seconds(1) && waits[1] < .milliseconds(200) && waits[2] < .milliseconds(200), "\(waits)")
      #expect(await eventually { database.lastConnectFailure?.contains("refused") == true })
      await database.close()
    }

    @Test @LoopActor func aStartWithoutADatabaseFailsAndGoesOnTrying() async throws {
      let test = try TestDatabase()
      var configuration = test.configuration(Self.all)
      configuration.conninfo = "host=127.0.0.1 port=1 dbname=postgres connect_timeout=1"
      let database = Database(configuration)
      let error = await failure { () throws(DatabaseError) in try await database.start() }
      #expect(error == .unavailable(retryAfter: 1) && !database.isReady)
      await database.close()
      let malformed = Database(
        DatabaseConfiguration(conninfo: "postgres://[", applicationName: "smile-test", statements: []))
      #expect(await failure { () throws(DatabaseError) in try await malformed.start() } == .invalidConfiguration)
      await malformed.close()
    }

    @Test @LoopActor func aStatementThatDoesNotFitTheSchemaIsFoundByTheCheck() async throws {
      let test = try TestDatabase()
      let fitting = Database(test.configuration([Self.echo]))
      try await fitting.verifyStatements()
      let database = Database(test.configuration([Self.echo, Self.wrong]))
      let failure = await failure { () throws(DatabaseError) in try await database.verifyStatements() }
      guard case .server(let error)? = failure else {
        Issue.record("the check passed")
        return
      }
      #expect(error.sqlState == "42P01")
    }

    /// It fails with PostgreSQL's reason, each time, and takes nothing else on its connection along.
    @Test @LoopActor func aStatementThatDoesNotFitTheSchemaFailsItsOwnSegments() async throws {
      let test = try TestDatabase()
      let database = Database(test.configuration([Self.echo, Self.wrong]))
      try await database.start()
      for _ in 0..<2 {
        async let other = database.read(Segment(Self.echo, "x"))
        let failure = await failure { () throws(DatabaseError) in
          try await database.read(Segment(Self.wrong, SQLUUID(high: 1, low: 1)))
        }
        guard case .server(let error)? = failure else {
          Issue.record("\(String(describing: failure))")
          return
        }
        #expect(error.sqlState == "42P01")
        #expect(try await other[0].string(0, 0) == "x")
      }
      await database.close()
    }

    private static let wrong = Statement("l.wrong", "SELECT nothing FROM nowhere WHERE id = $1", SQLUUID.self)
  }
}
