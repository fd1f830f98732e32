import HTTPServer
import JSON
import PostgresClient

/// Where a wage month stands.
enum ObligationState: String, JSONChoice {
  case paid, due, overdue, open, missing
}

/// The calendar of months to report and pay, newest first.
func listObligations(_ call: Call) async throws(Failure) -> Response {
  let employer = try call.id("employer_id")
  let wanted: ObligationQuery
  do {
    wanted = try ObligationQuery(call.query)
  } catch {
    throw await call.refuse(error)
  }
  return try await call.answer(
    reading: ReadingBackStatements.obligations, employer, wanted.from?.sql, wanted.to?.sql, wanted.state?.rawValue,
    wanted.after?.sql, wanted.limit)
}

/// A part of the calendar; its cursor is a month.
private struct ObligationQuery {
  let from: WageMonth?
  let to: WageMonth?
  let state: ObligationState?
  let after: WageMonth?
  let limit: Int32

  /// - Throws: 400 naming the parameter.
  init(_ query: Query) throws(Failure) {
    from = try query.value("from")
    to = try query.value("to")
    state = try query.choice("state")
    limit = Int32(try query.limit())
    after = try query.monthCursor()
  }
}

/// What stands for each month, with digests to compare.
func getSummary(_ call: Call) async throws(Failure) -> Response {
  let employer = try call.id("employer_id")
  let months: (from: WageMonth, to: WageMonth)?
  let limit: Int64
  let after: WageMonth?
  do {
    months = try call.query.months(atMost: 36)
    // A month of 100,000 workers takes two seconds.
    limit = try call.query.limit(default: 12, max: 36)
    after = try call.query.monthCursor()
  } catch {
    throw await call.refuse(error)
  }
  return try await call.answer(
    reading: ReadingBackStatements.summary, employer, months?.from.sql, months?.to.sql, after?.sql, Int32(limit))
}

extension Query {
  /// `after` of a list of months.
  ///
  /// - Throws: 400 when it isn't one.
  fileprivate func monthCursor() throws(Failure) -> WageMonth? {
    guard let cursor = try after() else { return nil }
    guard let month = WageMonth(Array(cursor.utf8)) else {
      throw .invalid(parameter: "after", .invalidFormat("cursor"))
    }
    return month
  }

  /// `period`, or `from` and `to`, with so many months at the most; nil for the last month that is over.
  ///
  /// - Throws: 400 naming the parameter.
  fileprivate func months(atMost most: Int64) throws(Failure) -> (from: WageMonth, to: WageMonth)? {
    if let period: WageMonth = try value("period") {
      for name in ["from", "to"] where self[name] != nil {
        throw .invalid(parameter: name, FieldProblem("unknown_parameter"))
      }
      return (period, period)
    }
    let from: WageMonth? = try value("from")
    let to: WageMonth? = try value("to")
    if from == nil, to == nil { return nil }
    guard let from else { throw .invalid(parameter: "from", .required) }
    guard let to else { throw .invalid(parameter: "to", .required) }
    let count = Int64((to.year - from.year) * 12 + to.month - from.month + 1)
    guard (1...most).contains(count) else { throw .invalid(parameter: "to", .outOfRange(min: 1, max: most)) }
    return (from, to)
  }
}

enum ReadingBackStatements {
  static let obligations = Statement(
    "employers.obligations", "SELECT smile.list_obligations($1, $2, $3, $4, $5, $6)",
    SQLUUID.self, SQLDate?.self, SQLDate?.self, String?.self, SQLDate?.self, Int32.self)

  static let summary = Statement(
    "employers.summary", "SELECT smile.summarise_months($1, $2, $3, $4, $5)",
    SQLUUID.self, SQLDate?.self, SQLDate?.self, SQLDate?.self, Int32.self)

  /// A page of a month's rows: text, no tag, where the next one begins, and the state of the employer's returns.
  static let monthLines = Statement(
    "employers.month_lines",
    "SELECT m.body, NULL::text, m.next_after, m.stamp FROM smile.month_lines($1, $2, $3, $4, $5, $6) AS m",
    SQLUUID.self, SQLDate.self, String?.self, Int32.self, [String].self, String.self)

  static let annualTotals = Statement(
    "employers.annual_totals", "SELECT smile.list_annual_totals($1, $2, $3, $4)",
    SQLUUID.self, Int32.self, SQLUUID?.self, Int32.self)

  /// A page of it as CSV.
  static let annualTotalsText = Statement(
    "employers.annual_totals_text", "SELECT body, next_after FROM smile.export_annual_totals($1, $2, $3, $4)",
    SQLUUID.self, Int32.self, SQLUUID?.self, Int32.self)

  static let statement = Statement(
    "employers.statement", "SELECT smile.employer_statement($1, $2)", SQLUUID.self, SQLDate?.self)

  static let statementText = Statement(
    "employers.statement_text", "SELECT smile.employer_statement_csv($1, $2)", SQLUUID.self, SQLDate?.self)

  static let all: [any StatementDescription] = [
    obligations, summary, monthLines, annualTotals, annualTotalsText, statement, statementText,
  ]
}
