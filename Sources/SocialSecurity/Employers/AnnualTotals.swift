import EventLoop
import HTTPServer
import JSON
import PostgresClient

/// What was paid in for each worker in a year, as pages of JSON or whole as CSV.
func getAnnualTotals(_ call: Call) async throws(Failure) -> Response {
  let employer = try call.id("employer_id")
  let page = try await call.page()
  let format = try await call.preferred(of: [.json, .csv])
  let year: CalendarYear
  do throws(Failure) {
    guard let given: CalendarYear = try call.query.value("year") else {
      throw .invalid(parameter: "year", .required)
    }
    year = given
    if format == .csv, call.query["limit"] != nil {
      throw .invalid(parameter: "limit", FieldProblem("unknown_parameter"))
    }
  } catch {
    throw await call.refuse(error)
  }
  guard format == .csv else {
    return try await call.answer(
      reading: ReadingBackStatements.annualTotals, employer, year.number, page.after, page.limit)
  }
  let pages = await AnnualTotalPages(call: call, employer: employer, year: year)
  return try await PageStream.response(pages, after: page.after?.description, mediaType: format.rawValue)
}

/// A year of four digits, from the first of the programmes on.
struct CalendarYear: Sendable, JSONTextReadable {
  let number: Int32

  /// - Throws: `invalid_format` unless it is a year from 2000 to 2999.
  init(parsing text: String) throws(FieldProblem) {
    guard text.utf8.count == 4, let year = Digits.value(Array(text.utf8)[0..<4]), (2_000...2_999).contains(year) else {
      throw .invalidFormat("YYYY")
    }
    number = Int32(year)
  }
}

@LoopActor
private final class AnnualTotalPages: PageSource {
  private static let size: Int32 = 1_000

  private let call: Call
  private let employer: SQLUUID
  private let year: CalendarYear

  init(call: Call, employer: SQLUUID, year: CalendarYear) {
    self.call = call
    self.employer = employer
    self.year = year
  }

  func page(after: String?) async throws(Failure) -> TextPage {
    var work = try call.work()
    try work.add(
      ReadingBackStatements.annualTotalsText, employer, year.number, after.flatMap { SQLUUID(parsing: $0) }, Self.size)
    guard let page = try await call.read(work).last, page.rowCount == 1 else { throw .notFound }
    return TextPage(text: page.bytes(0, 0), after: page.string(0, 1))
  }
}

/// The state of an employer's account on a day, today unless `as_of` says otherwise.
func getStatement(_ call: Call) async throws(Failure) -> Response {
  let employer = try call.id("employer_id")
  let format = try await call.preferred(of: [.json, .csv])
  let day: PlainDate?
  do {
    day = try call.query.value("as_of")
  } catch {
    throw await call.refuse(error)
  }
  guard format == .csv else {
    return try await call.answer(reading: ReadingBackStatements.statement, employer, day?.sql)
  }
  return try await call.text(format, reading: ReadingBackStatements.statementText, employer, day?.sql)
}

extension RequestCall {
  /// The answer of one read whose row is text of a media type other than JSON. NULL is a 404.
  func text<each P: SQLParameter>(
    _ format: PayrollFormat, reading statement: Statement<repeat each P>, _ values: repeat each P
  ) async throws(Failure) -> Response {
    var work = try self.work()
    try work.add(statement, repeat each values)
    guard let result = try await read(work).last, result.rowCount == 1, !result.isNull(0, 0) else { throw .notFound }
    var response = Response(status: 200)
    response.headers.append("Content-Type", "\(format.rawValue); charset=utf-8")
    response.body = .bytes(result.bytes(0, 0))
    return response
  }
}
