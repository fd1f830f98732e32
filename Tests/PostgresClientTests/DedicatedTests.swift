import EventLoop
import Glibc
import TestSupport
import Testing

@testable import PostgresClient

extension DatabaseTests {
  /// COPY, transactions and LISTEN.
  @Suite struct DedicatedTests {
    init() { LoopThread.start() }

    static let count = Statement("d.count", "SELECT count(*), sum(number) FROM line")
    static let insert = Statement("d.insert", "INSERT INTO line VALUES ($1, 'x')", Int64.self)
    static let fail = Statement("d.fail", "SELECT 1 / $1::bigint", Int64.self)
    static let flaky = Statement("d.flaky", "SELECT flaky($1)", Int64.self)
    static let notify = Statement("d.notify", "SELECT pg_notify($1, $2)", String.self, String.self)
    static let all: [any StatementDescription] = [count, insert, fail, flaky, notify]

    @LoopActor
    private func make() async throws -> (TestDatabase, Database) {
      let test = try TestDatabase(
        """
        CREATE TABLE line (number bigint, note text);
        CREATE SEQUENCE tries;
        CREATE FUNCTION flaky(successful bigint) RETURNS bigint LANGUAGE plpgsql AS $$
        DECLARE try bigint := nextval('tries');
        BEGIN
          IF try < successful THEN RAISE EXCEPTION 'try %', try USING ERRCODE = '40P01'; END IF;
          RETURN try;
        END $$;
        """)
      let database = Database(test.configuration(Self.all))
      try await database.start()
      return (test, database)
    }

    /// Resident memory in bytes.
    private func resident() -> Int {
      let descriptor = unsafe open("/proc/self/statm", O_RDONLY)
      defer { close(descriptor) }
      var text = [UInt8](repeating: 0, count: 128)
      let length = unsafe read(descriptor, &text, text.count)
      let fields = String(decoding: text[..<max(0, length)], as: UTF8.self).split(separator: " ")
      return (fields.count > 1 ? Int(fields[1]) ?? 0 : 0) * 4_096
    }

    @Test @LoopActor func aMillionLinesGoThroughInFlatMemory() async throws {
      let (_, database) = try await make()
      let chunk = 10_000
      let note = String(repeating: "a worker of the line; ", count: 4)
      let before = resident()
      var peak = 0
      var sent = 0
      let rows = try await database.dedicated { connection throws(DatabaseError) in
        let copy = try await connection.copyIn("COPY line FROM STDIN")
        var bytes: [UInt8] = []
        for start in stride(from: 0, to: 1_000_000, by: chunk) {
          bytes.removeAll(keepingCapacity: true)
          for number in start..<(start + chunk) { bytes.append(contentsOf: "\(number)\t\(note)\n".utf8) }
          try await copy.write(bytes)
          sent += bytes.count
          peak = max(peak, self.resident())
        }
        return try await copy.finish()
      }
      #expect(rows == 1_000_000)
      let result = try await database.read(Segment(Self.count))[0]
      #expect(result.int(0, 0) == 1_000_000 && result.int(0, 1) == 499_999_500_000)
      // Other suites run in the same process at the same time, so what is asked is that memory doesn't follow the data.
      #expect(peak - before < sent / 2, "grew by \((peak - before) >> 10) KiB for \(sent >> 10) KiB")
      await database.close()
    }

    @Test @LoopActor func aCopyThatFailsOrIsAbortedKeepsNothing() async throws {
      let (_, database) = try await make()
      let malformed = await failure { () throws(DatabaseError) in
        try await database.dedicated { connection throws(DatabaseError) in
          let copy = try await connection.copyIn("COPY line FROM STDIN")
          try await copy.write(Array("1\tgood\nnot a number\tbad\n".utf8))
          return try await copy.finish()
        }
      }
      guard case .server(let error)? = malformed else {
        Issue.record("\(String(describing: malformed))")
        return
      }
      #expect(error.sqlState == "22P02")
      try await database.dedicated { connection throws(DatabaseError) in
        let copy = try await connection.copyIn("COPY line FROM STDIN")
        try await copy.write(Array("1\tgood\n".utf8))
        await copy.abort()
        #expect(try await connection.run(Self.count).int(0, 0) == 0, "the connection can be used again")
      }
      // Forgotten in the middle: the line is closed.
      try await database.dedicated { connection throws(DatabaseError) in
        let copy = try await connection.copyIn("COPY line FROM STDIN")
        try await copy.write(Array("1\tgood\n".utf8))
      }
      #expect(database.statistics.dedicatedOpen == 0)
      #expect(try await database.read(Segment(Self.count))[0].int(0, 0) == 0)
      await database.close()
    }

    @Test @LoopActor func aCopyBelongsToItsTransaction() async throws {
      let (_, database) = try await make()
      let error = await failure { () throws(DatabaseError) in
        try await database.dedicated { connection throws(DatabaseError) in
          try await connection.transaction { transaction throws(DatabaseError) in
            let copy = try await transaction.copyIn("COPY line FROM STDIN")
            try await copy.write(Array("1\ta\n2\tb\n".utf8))
            #expect(try await copy.finish() == 2)
            #expect(try await transaction.run(Self.count).int(0, 0) == 2)
            _ = try await transaction.run(Self.fail, 0)
          }
        }
      }
      guard case .server(let server)? = error else {
        Issue.record("\(String(describing: error))")
        return
      }
      #expect(server.sqlState == "22012")
      #expect(try await database.read(Segment(Self.count))[0].int(0, 0) == 0)
      await database.close()
    }

    @Test @LoopActor func aCommitThatRollsBackIsNotBelieved() async throws {
      let (_, database) = try await make()
      let error = await failure { () throws(DatabaseError) in
        try await database.dedicated { connection throws(DatabaseError) in
          try await connection.transaction { transaction throws(DatabaseError) in
            _ = try await transaction.run(Self.insert, 1)
            // The mistake: an error is swallowed, and the work goes on as if nothing had happened.
            do { _ = try await transaction.run(Self.fail, 0) } catch {}
          }
        }
      }
      #expect(error == .rolledBack)
      #expect(try await database.read(Segment(Self.count))[0].int(0, 0) == 0)
      await database.close()
    }

    @Test @LoopActor func aTransactionIsRepeatedAsAWhole() async throws {
      let (_, database) = try await make()
      var runs = 0
      let value = try await database.dedicated { connection throws(DatabaseError) in
        try await connection.transaction { transaction throws(DatabaseError) in
          runs += 1
          _ = try await transaction.run(Self.insert, 1)
          return try await transaction.run(Self.flaky, 3).int(0, 0)
        }
      }
      #expect(value == 3 && runs == 3)
      #expect(try await database.read(Segment(Self.count))[0].int(0, 0) == 1)
      await database.close()
    }

    @Test @LoopActor func aListenerHearsAndComesBack() async throws {
      let (test, database) = try await make()
      var heard: [String] = []
      var connects = 0
      let listener = Listener(
        test.configuration(), channels: ["odd Channel\"", "jobs"], onConnected: { connects += 1 },
        onNotification: { heard.append("\($0):\($1)") })
      listener.start()
      #expect(await eventually { connects == 1 })
      _ = try await database.write(Segment(Self.notify, "odd Channel\"", "ä"))
      #expect(await eventually { heard == ["odd Channel\":ä"] })
      try test.run(
        """
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND query LIKE 'LISTEN%' AND query LIKE '%jobs%'
        """)
      #expect(await eventually { connects == 2 })
      _ = try await database.write(Segment(Self.notify, "jobs", "2"))
      #expect(await eventually { heard.last == "jobs:2" })
      listener.stop()
      await database.close()
    }
  }
}
