import HTTPServer
import JSON
import PostgresClient

/// The bands in force on a day, today unless `as_of` says otherwise, the lowest first.
func listIncomeBands(_ call: OpenCall) async throws(Failure) -> Response {
  let day = try call.query.value("as_of", as: PlainDate.self)
  let limit = Int32(try call.query.limit())
  let after = try call.query.value("after", as: BandCursor.self)
  return try await call.answer(reading: IncomeBandStatements.list, day?.sql, after?.base, limit)
}

func getIncomeBand(_ call: Call) async throws(Failure) -> Response {
  try await call.answer(reading: IncomeBandStatements.get, call.id("band_id"))
}

func proposeIncomeBand(_ call: Call) async throws(Failure) -> Response {
  let band = try await call.input(IncomeBand.self)
  return try await call.answer(
    writing: IncomeBandStatements.propose, band.base, band.incomeFrom, band.incomeTo, band.jkk, band.validFrom.sql,
    band.instrument, band.certainty, band.grade.rawValue)
}

/// Another officer's: nobody makes law alone.
func approveIncomeBand(_ call: Call) async throws(Failure) -> Response {
  try await call.answer(writing: IncomeBandStatements.approve, call.id("band_id"))
}

/// How sure the source of a legal number is.
enum SourceGrade: String, JSONChoice {
  case law, found, secondary, derived, memory
}

/// A row of the table of bands (PP 44/2015 Lampiran II) that an officer proposes.
struct IncomeBand: Input {
  /// A month's income, in rupiah.
  static let incomes: ClosedRange<Int64> = 1...1_000_000_000_000

  /// The income that stands for the band, and names it.
  let base: Int64
  let incomeFrom: Int64?
  let incomeTo: Int64?
  /// A month's JKK contribution, in rupiah.
  let jkk: Int64
  let validFrom: WageMonth
  let instrument: String
  /// Where the row was found.
  let certainty: String
  let grade: SourceGrade

  static func read(_ fields: inout JSONFields) -> IncomeBand? {
    let base = fields.required("base", in: incomes)
    let incomeFrom = fields.optional("income_from", in: incomes)
    let incomeTo = fields.optional("income_to", in: incomes)
    let jkk = fields.required("jkk", in: incomes)
    let validFrom = fields.required("valid_from", WageMonth.self)
    let instrument = fields.required("instrument", text: .line(1...100))
    let certainty = fields.required("certainty", text: .line(1...200))
    let grade = fields.required("grade", SourceGrade.self)
    guard let base, let jkk, let validFrom, let instrument, let certainty, let grade else { return nil }
    return IncomeBand(
      base: base, incomeFrom: incomeFrom, incomeTo: incomeTo, jkk: jkk, validFrom: validFrom, instrument: instrument,
      certainty: certainty, grade: grade)
  }
}

/// The base of the last band of a page.
private struct BandCursor: JSONTextReadable {
  let base: Int64

  init(parsing text: String) throws(FieldProblem) {
    guard let base = Digits.value(text.utf8) else { throw .invalidFormat("cursor") }
    self.base = Int64(base)
  }
}

enum IncomeBandStatements {
  static let list = Statement(
    "income_bands.list", "SELECT smile.list_income_bands($1, $2, $3)", SQLDate?.self, Int64?.self, Int32.self)

  static let get = Statement(
    "income_bands.get", "SELECT smile.income_band_body(b) FROM smile.income_band AS b WHERE b.id = $1", SQLUUID.self)

  static let propose = Statement(
    "income_bands.propose",
    "SELECT status, body, etag, location FROM smile.propose_income_band($1, $2, $3, $4, $5, $6, $7, $8)",
    Int64.self, Int64?.self, Int64?.self, Int64.self, SQLDate.self, String.self, String.self, String.self)

  static let approve = Statement(
    "income_bands.approve", "SELECT status, body, etag, location FROM smile.approve_income_band($1)", SQLUUID.self)

  static let all: [any StatementDescription] = [list, get, propose, approve]
}
