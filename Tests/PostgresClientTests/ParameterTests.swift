import Testing

@testable import PostgresClient

@Suite struct ParameterTests {
  static let text = Statement("p.text", "SELECT $1", String.self)
  static let bytes = Statement("p.bytes", "SELECT $1", SQLText.self)
  static let array = Statement("p.array", "SELECT $1", [String].self)
  static let many = Statement("p.many", "SELECT", SQLUUID.self, String?.self, [UInt8].self, [String].self, Bool.self)

  @Test func aNULNeverReachesPostgreSQL() {
    #expect(throws: DatabaseError.invalidParameter) { try Segment(Self.text, "123\u{0}evil") }
    #expect(throws: DatabaseError.invalidParameter) { try Segment(Self.array, ["a", "\u{0}"]) }
    #expect(throws: DatabaseError.invalidParameter) { try Segment(Self.bytes, SQLText([0x31, 0])) }
  }

  @Test(
    arguments: [[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0x61, 0xe2, 0x82]] as [[UInt8]])
  func invalidUTF8NeverReachesPostgreSQL(bytes: [UInt8]) {
    #expect(throws: DatabaseError.invalidParameter) { try Segment(Self.bytes, SQLText(bytes)) }
  }

  @Test func statementsDeclareTheirTypes() {
    #expect(Self.many.parameterOIDs == [2950, 25, 17, 1009, 16])
    #expect(Statement("p.none", "SELECT 1").parameterOIDs == [])
  }

  @Test func uuidsAreReadInTheirPlainFormOnly() {
    let text = "0190163d-8694-739b-aea5-966c26f8ad91"
    #expect(SQLUUID(parsing: text)?.description == text)
    #expect(SQLUUID(parsing: text.uppercased())?.description == text)
    for wrong in ["", "0190163d8694739baea5966c26f8ad91", "{\(text)}", text + "0", String(text.dropLast()) + "g"] {
      #expect(SQLUUID(parsing: wrong) == nil, "\(wrong)")
    }
  }

  @Test func errorsNameNoData() {
    let error = DatabaseError.server(
      ServerError(
        sqlState: "23505", severity: "ERROR", message: "duplicate key ZQX", detail: "Key (nik)=(ZQX) already exists.",
        schema: "smile", table: "t", column: nil, constraint: "c", position: nil, context: "ZQX"))
    #expect(!"\(error)".contains("ZQX"))
  }
}
