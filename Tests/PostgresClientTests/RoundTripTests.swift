import EventLoop
import TestSupport
import Testing

@testable import PostgresClient

extension DatabaseTests {
  /// What goes in comes out, for every parameter type, with values chosen at random and at the edges.
  @Suite struct RoundTripTests {
    init() { LoopThread.start() }

    static let text = Statement("r.text", "SELECT $1, octet_length($1)", String.self)
    static let optional = Statement("r.optional", "SELECT $1, $1 IS NULL, $1 = ''", String?.self)
    static let bytes = Statement("r.bytes", "SELECT $1, octet_length($1)", [UInt8].self)
    static let binaryBytes = Statement("r.binary", "SELECT $1", [UInt8].self, binaryResult: true)
    static let integers = Statement("r.integers", "SELECT $1, $2, $3", Int64.self, Int32.self, Int16.self)
    static let binaryIntegers = Statement(
      "r.binary_integers", "SELECT $1, $2, $3", Int64.self, Int32.self, Int16.self, binaryResult: true)
    static let bool = Statement("r.bool", "SELECT $1, NOT $1, NULL::boolean", Bool.self)
    static let uuid = Statement("r.uuid", "SELECT $1, $1::text", SQLUUID.self)
    static let binaryUUID = Statement("r.binary_uuid", "SELECT $1", SQLUUID.self, binaryResult: true)
    static let arrays = Statement(
      "r.arrays", "SELECT to_json($1), to_json($2), to_json($3), cardinality($1)", [String].self, [Int64].self,
      [SQLUUID].self)
    static let array = Statement(
      "r.array", "SELECT e FROM unnest($1) WITH ORDINALITY AS u (e, n) ORDER BY n", [String].self)
    static let judged = Statement(
      "r.judged", "SELECT $1::text, $2::text, $3::text, $4::text", SQLNumeric.self, SQLDate.self, SQLInstant.self,
      SQLJSON.self)

    static let all: [any StatementDescription] = [
      text, optional, bytes, binaryBytes, integers, binaryIntegers, bool, uuid, binaryUUID, arrays, array, judged,
    ]

    private func randomText(_ random: inout SeededGenerator) -> String {
      var text = String.UnicodeScalarView()
      for _ in 0..<Int.random(in: 0...40, using: &random) {
        let edge: [UInt32] = [0x1, 0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xffff, 0x10000, 0x10ffff, 0x27, 0x5c]
        let value =
          Bool.random(using: &random)
          ? edge.randomElement(using: &random) ?? 0x41 : .random(in: 1...0x10ffff, using: &random)
        if let scalar = Unicode.Scalar(value) { text.append(scalar) }
      }
      return String(text)
    }

    private func randomInteger<I: FixedWidthInteger>(_ type: I.Type, _ random: inout SeededGenerator) -> I {
      [.min, .min + 1, -1 as I, 0, 1, .max - 1, .max, I.random(in: .min ... .max, using: &random)]
        .randomElement(using: &random) ?? 0
    }

    @Test @LoopActor func everyTypeComesBackAsItWent() async throws {
      let seed = UInt64.random(in: 0 ... .max)
      print("round trip seed \(seed)")
      var random = SeededGenerator(seed: seed)
      let test = try TestDatabase()
      let database = Database(test.configuration(Self.all))
      try await database.start()
      for _ in 0..<1_500 {
        let text = randomText(&random)
        let bytes = (0..<Int.random(in: 0...200, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
        let int64 = randomInteger(Int64.self, &random)
        let int32 = randomInteger(Int32.self, &random)
        let int16 = randomInteger(Int16.self, &random)
        let bool = Bool.random(using: &random)
        let uuid = SQLUUID(high: .random(in: 0 ... .max, using: &random), low: .random(in: 0 ... .max, using: &random))
        let strings = (0..<Int.random(in: 0...5, using: &random)).map { _ in randomText(&random) }
        var segment = Segment()
        try segment.add(Self.text, text)
        try segment.add(Self.optional, bool ? text : nil)
        try segment.add(Self.bytes, bytes)
        try segment.add(Self.binaryBytes, bytes)
        try segment.add(Self.integers, int64, int32, int16)
        try segment.add(Self.binaryIntegers, int64, int32, int16)
        try segment.add(Self.bool, bool)
        try segment.add(Self.uuid, uuid)
        try segment.add(Self.binaryUUID, uuid)
        try segment.add(Self.array, strings)
        let r = try await database.read(segment)
        #expect(r[0].string(0, 0).map { Array($0.utf8) } == Array(text.utf8) && r[0].int(0, 1) == text.utf8.count)
        #expect(r[1].bool(0, 1) == !bool && r[1].string(0, 0) == (bool ? text : nil))
        #expect(r[1].bool(0, 2) == (bool ? text.isEmpty : nil))
        #expect(r[2].bytea(0, 0) == bytes && r[2].int(0, 1) == bytes.count && r[3].bytea(0, 0) == bytes)
        for result in [r[4], r[5]] {
          #expect(result.int64(0, 0) == int64)
          #expect(result.int64(0, 1) == Int64(int32) && result.int64(0, 2) == Int64(int16))
        }
        #expect(r[6].bool(0, 0) == bool && r[6].bool(0, 1) == !bool && r[6].bool(0, 2) == nil)
        #expect(r[7].uuid(0, 0) == uuid && r[7].string(0, 1) == uuid.description && r[8].uuid(0, 0) == uuid)
        #expect((0..<r[9].rowCount).map { r[9].string($0, 0) } == strings)
      }
      await database.close()
    }

    @Test @LoopActor func typesThatPostgreSQLJudges() async throws {
      let test = try TestDatabase()
      let database = Database(test.configuration(Self.all))
      try await database.start()
      func judge(_ numeric: String, _ date: String, _ instant: String, _ json: String) async throws -> [String?] {
        var segment = Segment()
        try segment.add(
          Self.judged, SQLNumeric(numeric), SQLDate(date), SQLInstant(instant), SQLJSON(Array(json.utf8)))
        let result = try await database.read(segment)[0]
        return (0..<4).map { result.string(0, $0) }
      }
      let exact = "12345678901234567890123456789012345678.123456789"
      #expect(
        try await judge(exact, "0001-01-01", "2026-11-05T09:00:00+07:00", #"{"a" : 1.0}"#)
          == [exact, "0001-01-01", "2026-11-05 02:00:00+00", #"{"a" : 1.0}"#])
      #expect(try await judge("NaN", "9999-12-31", "infinity", "null") == ["NaN", "9999-12-31", "infinity", "null"])
      for (numeric, date, instant, json) in [
        ("1,5", "2026-01-01", "now", "1"), ("1", "2026-02-30", "now", "1"), ("1", "2026-01-01", "x", "1"),
        ("1", "2026-01-01", "now", "{"),
      ] {
        do {
          _ = try await judge(numeric, date, instant, json)
          Issue.record("accepted \(numeric) \(date) \(instant) \(json)")
        } catch DatabaseError.server(let error) {
          #expect(error.sqlState.hasPrefix("22"))
        }
      }
      let empty = try await database.read(Segment(Self.arrays, [], [], []))[0]
      #expect(empty.string(0, 0) == "[]" && empty.string(0, 1) == "[]" && empty.int(0, 3) == 0)
      let full = try await database.read(
        Segment(Self.arrays, [#"a"b"#, "NULL", ""], [.min, 0, .max], [SQLUUID(high: 1, low: 2)]))[0]
      #expect(full.string(0, 0) == #"["a\"b","NULL",""]"#)
      #expect(full.string(0, 1) == "[-9223372036854775808,0,9223372036854775807]")
      #expect(full.string(0, 2) == #"["00000000-0000-0001-0000-000000000002"]"#)
      await database.close()
    }

    @Test @LoopActor func whatIsNoIntegerReadsAsNil() async throws {
      let cells = Statement(
        "r.cells", "SELECT '', '-', '+5', '1.0', '9223372036854775808', '-9223372036854775808', 'x'")
      let test = try TestDatabase()
      let database = Database(test.configuration([cells]))
      try await database.start()
      let result = try await database.read(Segment(cells))[0]
      #expect((0..<5).allSatisfy { result.int64(0, $0) == nil } && result.int64(0, 5) == .min)
      #expect(result.int64(0, 6) == nil && result.int64(1, 0) == nil && result.int64(-1, 0) == nil)
      #expect(result.string(0, 99) == nil && result.bytes(7, 7) == [] && result.uuid(0, 6) == nil)
      await database.close()
    }
  }
}
