import EventLoop
import TestSupport
import Testing

@testable import PostgresClient

extension DatabaseTests {
  /// Segments against a real server: order, errors in the middle, rehearsal.
  @Suite struct SegmentTests {
    init() { LoopThread.start() }

    static let insert = Statement("s.insert", "INSERT INTO kept (id) VALUES ($1)", Int64.self)
    static let divide = Statement("s.divide", "SELECT 10 / $1::bigint", Int64.self)
    static let count = Statement("s.count", "SELECT count(*) FROM kept")
    static let echo = Statement("s.echo", "SELECT $1::bigint, pg_sleep($2::bigint / 1000.0)", Int64.self, Int64.self)
    static let wide = Statement("s.wide", "SELECT octet_length($1), $1", [UInt8].self, binaryResult: true)
    static let orphan = Statement("s.orphan", "INSERT INTO child (parent) VALUES ($1)", Int64.self)
    static let flaky = Statement("s.flaky", "SELECT flaky($1)", Int64.self)
    static let refuse = Statement("s.refuse", "SELECT refuse($1)", String.self)
    static let settings = Statement(
      "s.settings",
      """
      SELECT current_setting('TimeZone'), current_setting('DateStyle'), current_setting('client_encoding'),
        current_setting('application_name'), current_setting('default_transaction_read_only')
      """)
    static let all: [any StatementDescription] = [insert, divide, count, echo, wide, orphan, flaky, refuse, settings]

    private func make() throws -> TestDatabase {
      try TestDatabase(
        """
        CREATE TABLE kept (id bigint PRIMARY KEY);
        CREATE TABLE child (parent bigint REFERENCES kept DEFERRABLE INITIALLY DEFERRED);
        CREATE SEQUENCE tries;
        CREATE FUNCTION flaky(successful bigint) RETURNS bigint LANGUAGE plpgsql AS $$
        DECLARE try bigint := nextval('tries');
        BEGIN
          IF try < successful THEN RAISE EXCEPTION 'try %', try USING ERRCODE = '40001'; END IF;
          RETURN try;
        END $$;
        CREATE FUNCTION refuse(code text) RETURNS void LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = code, DETAIL = 'because'; END $$;
        """)
    }

    @Test @LoopActor func sessionsHaveTheirSettings() async throws {
      let test = try make()
      let database = Database(test.configuration(Self.all))
      try await database.startAll()
      let read = try await database.read(Segment(Self.settings))[0]
      #expect((0..<5).map { read.string(0, $0) } == ["UTC", "ISO, MDY", "UTF8", "smile-test", "on"])
      #expect(try await database.write(Segment(Self.settings))[0].string(0, 4) == "off")
      await database.close()
    }

    @Test @LoopActor func anErrorInTheMiddleKeepsNothing() async throws {
      let test = try make()
      let database = Database(test.configuration(Self.all))
      try await database.startAll()
      var segment = Segment()
      try segment.add(Self.insert, 1)
      try segment.add(Self.divide, 0)
      try segment.add(Self.insert, 2)
      let wrong = segment
      let failure = await failure { () throws(DatabaseError) in try await database.write(wrong) }
      guard case .server(let error)? = failure else {
        Issue.record("the segment passed")
        return
      }
      #expect(error.sqlState == "22012")
      #expect(try await database.read(Segment(Self.count))[0].int(0, 0) == 0)
      var right = Segment()
      try right.add(Self.insert, 1)
      try right.add(Self.divide, 5)
      let results = try await database.write(right)
      #expect(results.count == 2 && results[0].affectedRows == 1 && results[1].int(0, 0) == 2)
      #expect(try await database.read(Segment(Self.count))[0].int(0, 0) == 1)
      await database.close()
    }

    @Test @LoopActor func anErrorAtTheSyncKeepsNothing() async throws {
      let test = try make()
      let database = Database(test.configuration(Self.all))
      try await database.startAll()
      let error = await failure { () throws(DatabaseError) in try await database.write(Segment(Self.orphan, 99)) }
      guard case .server(let server)? = error else {
        Issue.record("\(String(describing: error))")
        return
      }
      #expect(server.sqlState == "23503" && server.constraint == "child_parent_fkey" && server.table == "child")
      #expect(database.statistics.leasedOpen == 4, "the connection is clean and stays")
      #expect(try test.run("SELECT count(*) FROM child").int(0, 0) == 0)
      await database.close()
    }

    @Test @LoopActor func aSharedConnectionCannotWrite() async throws {
      let test = try make()
      let database = Database(test.configuration(Self.all))
      try await database.startAll()
      let error = await failure { () throws(DatabaseError) in try await database.read(Segment(Self.insert, 5)) }
      guard case .server(let server)? = error else {
        Issue.record("\(String(describing: error))")
        return
      }
      #expect(server.sqlState == "25006")
      await database.close()
    }

    /// Hundreds of reads at once on few lines: each gets its own answer, errors among them hurt only their own
    /// segment.
    @Test @LoopActor func answersReachWhoAsked() async throws {
      let test = try make()
      let database = Database(test.configuration(Self.all))
      try await database.startAll()
      let tasks = (0..<800).map { number in
        Task { @LoopActor () -> Bool in
          do {
            if number % 7 == 3 {
              _ = try await database.read(Segment(Self.divide, 0))
              return false
            }
            return try await database.read(Segment(Self.echo, Int64(number), Int64(number % 3)))[0].int(0, 0) == number
          } catch DatabaseError.server(let error) {
            return number % 7 == 3 && error.sqlState == "22012"
          } catch DatabaseError.busy {
            return database.configuration.queueLimit < 800
          } catch {
            return false
          }
        }
      }
      for task in tasks { #expect(await task.value) }
      #expect(database.statistics.connectionsOpened == database.standing)
      await database.close()
    }

    @Test @LoopActor func largeParametersAndResultsDoNotBlock() async throws {
      let test = try make()
      let database = Database(test.configuration(Self.all))
      try await database.startAll()
      let large = [UInt8](repeating: 0xa5, count: 20 << 20)
      async let answer = database.write(Segment(Self.wide, large), within: .seconds(60))
      // The loop serves others meanwhile.
      #expect(try await database.read(Segment(Self.divide, 2))[0].int(0, 0) == 5)
      let result = try await answer[0]
      #expect(result.int(0, 0) == large.count && result.bytes(0, 1) == large)
      await database.close()
    }

    @Test @LoopActor func serialisationFailuresAreRetriedAsAWhole() async throws {
      let test = try make()
      let database = Database(test.configuration(Self.all))
      try await database.startAll()
      var segment = Segment()
      try segment.add(Self.insert, 7)
      try segment.add(Self.flaky, 3)
      #expect(try await database.write(segment)[1].int(0, 0) == 3)
      #expect(try test.run("SELECT count(*) FROM kept").int(0, 0) == 1)
      try test.run("SELECT setval('tries', 1, false)")
      let error = await failure { () throws(DatabaseError) in try await database.write(Segment(Self.flaky, 1_000)) }
      guard case .server(let server)? = error else {
        Issue.record("\(String(describing: error))")
        return
      }
      #expect(server.isTransient)
      #expect(try test.run("SELECT last_value FROM tries").int(0, 0) == 6, "one try and five retries")
      await database.close()
    }

    @Test @LoopActor func aServerThatBecameReadOnlyIsLeft() async throws {
      let test = try make()
      let database = Database(test.configuration(Self.all))
      try await database.startAll()
      let error = await failure { () throws(DatabaseError) in try await database.write(Segment(Self.refuse, "25006")) }
      #expect(error == .unavailable(retryAfter: 1))
      #expect(await eventually { database.statistics.connectionsOpened == database.standing + 4 })
      await database.close()
    }

    @Test @LoopActor func theProductsOwnCodesArrive() async throws {
      let test = try make()
      let database = Database(test.configuration(Self.all))
      try await database.startAll()
      let error = await failure { () throws(DatabaseError) in try await database.write(Segment(Self.refuse, "SM422")) }
      guard case .server(let server)? = error else {
        Issue.record("\(String(describing: error))")
        return
      }
      #expect(server.sqlState == "SM422" && server.message == "refused" && server.detail == "because")
      await database.close()
    }

    @Test @LoopActor func aRehearsalKeepsNothing() async throws {
      let test = try make()
      let database = Database(test.configuration(Self.all))
      try await database.startAll()
      var segment = Segment()
      try segment.add(Self.insert, 1)
      try segment.add(Self.count)
      let results = try await database.rehearse(segment)
      #expect(results.count == 2 && results[0].affectedRows == 1 && results[1].int(0, 0) == 1)
      // A deferred constraint is judged although COMMIT never comes.
      let error = await failure { () throws(DatabaseError) in try await database.rehearse(Segment(Self.orphan, 99)) }
      guard case .server(let server)? = error else {
        Issue.record("\(String(describing: error))")
        return
      }
      #expect(server.sqlState == "23503")
      #expect(await eventually { database.statistics.leasedOpen == 4 })
      for _ in 0..<8 { #expect(try await database.write(Segment(Self.count))[0].int(0, 0) == 0) }
      #expect(database.statistics.connectionsOpened == database.standing, "none was closed")
      await database.close()
    }
  }
}
