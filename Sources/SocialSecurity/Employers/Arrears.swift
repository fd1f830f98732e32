import HTTPServer
import JSON
import PostgresClient

/// For an officer: the employers that are behind with their months.
func listEmployerArrears(_ call: Call) async throws(Failure) -> Response {
  let page = try await call.page()
  let least: ArrearsLimit?
  do {
    least = try call.query.value("min_months")
  } catch {
    throw await call.refuse(error)
  }
  // Not over a shared connection: it looks at a thousand employers.
  var work = try call.work()
  try work.add(ArrearsStatements.employers, least?.months ?? 1, page.after, page.limit)
  return try await call.context.answer(read: call.write(work).last)
}

/// What protects the member on a day, and who would pay first.
func getOwnProtection(_ call: Call) async throws(Failure) -> Response {
  let day: PlainDate?
  do {
    day = try call.query.value("as_of")
  } catch {
    throw await call.refuse(error)
  }
  // Not over a shared connection: it goes through the months of each employer.
  var work = try call.work()
  try work.add(ArrearsStatements.ownProtection, day?.sql)
  return try await call.context.answer(read: call.write(work).last)
}

/// The same for an officer, who opens a person's record: with a stated purpose, and a trace.
func getProtection(_ call: Call) async throws(Failure) -> Response {
  let day: PlainDate?
  do {
    day = try call.query.value("as_of")
  } catch {
    throw await call.refuse(error)
  }
  return try await call.answer(writing: ArrearsStatements.openProtection, call.id("member_id"), day?.sql)
}

/// How many months of arrears at least.
private struct ArrearsLimit: JSONTextReadable {
  private static let range: ClosedRange<Int64> = 1...1_000

  let months: Int32

  init(parsing text: String) throws(FieldProblem) {
    guard let value = Digits.value(text.utf8), Self.range.contains(Int64(value)) else {
      throw .outOfRange(min: Self.range.lowerBound, max: Self.range.upperBound)
    }
    months = Int32(value)
  }
}

enum ArrearsStatements {
  static let employers = Statement(
    "arrears.employers", "SELECT smile.list_employer_arrears($1, $2, $3)", Int32.self, SQLUUID?.self, Int32.self)

  static let ownProtection = Statement("arrears.own_protection", "SELECT smile.own_protection($1)", SQLDate?.self)

  static let openProtection = Statement(
    "arrears.open_protection", "SELECT status, body, etag, location FROM smile.open_protection($1, $2)",
    SQLUUID.self, SQLDate?.self)

  static let all: [any StatementDescription] = [employers, ownProtection, openProtection]
}
