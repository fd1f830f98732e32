import HTTPServer
import JSON
import PostgresClient

/// Where the record and the returns of a month disagree.
enum DiscrepancyCode: String, JSONChoice {
  case employmentNotReported = "employment_not_reported"
  case reportedWithoutEmployment = "reported_without_employment"
  case wageDropped = "wage_dropped"
  case wageChangeNotReported = "wage_change_not_reported"
  case leaveReported = "leave_reported"
  case wageDisputed = "wage_disputed"
}

/// Of one month, by worker.
func listDiscrepancies(_ call: Call) async throws(Failure) -> Response {
  let employer = try call.id("employer_id")
  let month: WageMonth?
  let code: DiscrepancyCode?
  let after: DiscrepancyCursor?
  let limit: Int32
  do {
    month = try call.query.value("period")
    code = try call.query.choice("code")
    after = try call.query.value("after")
    limit = Int32(try call.query.limit())
  } catch {
    throw await call.refuse(error)
  }
  // Not over a shared connection: an officer's look is written down.
  var work = try call.work()
  try work.add(
    DiscrepancyStatements.list, employer, month?.sql, code?.rawValue, after?.text, limit, call.language.rawValue)
  var response = try await call.context.answer(read: call.write(work).last)
  response.headers.append("Content-Language", call.language.rawValue)
  return response
}

/// `member.code`.
private struct DiscrepancyCursor: JSONTextReadable {
  let text: String

  init(parsing text: String) throws(FieldProblem) {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 2, SQLUUID(parsing: String(parts[0])) != nil,
      DiscrepancyCode(rawValue: String(parts[1])) != nil
    else { throw .invalidFormat("cursor") }
    self.text = text
  }
}

enum DiscrepancyStatements {
  static let list = Statement(
    "discrepancies.list", "SELECT smile.list_discrepancies($1, $2, $3, $4, $5, $6)",
    SQLUUID.self, SQLDate?.self, String?.self, String?.self, Int32.self, String.self)

  static let reportLeave = Statement(
    "worker_reports.leave", "SELECT status, body, etag, location FROM smile.report_leave($1, $2, $3, $4)",
    SQLUUID.self, SQLDate.self, String.self, String?.self)

  static let disputeWage = Statement(
    "worker_reports.wage", "SELECT status, body, etag, location FROM smile.dispute_wage($1, $2, $3, $4, $5)",
    SQLUUID.self, SQLDate.self, Int64.self, String?.self, Bool.self)

  static let reports = Statement(
    "worker_reports.list", "SELECT smile.list_worker_reports($1, $2, $3)", String?.self, SQLUUID?.self, Int32.self)

  static let report = Statement(
    "worker_reports.get", "SELECT smile.worker_report_body(r) FROM smile.worker_report AS r WHERE r.id = $1",
    SQLUUID.self)

  static let answer = Statement(
    "worker_reports.answer", "SELECT status, body, etag, location FROM smile.answer_worker_report($1, $2, $3)",
    SQLUUID.self, Bool.self, String?.self)

  static let decide = Statement(
    "worker_reports.decide", "SELECT status, body, etag, location FROM smile.decide_worker_report($1, $2, $3)",
    SQLUUID.self, Bool.self, String.self)

  static let all: [any StatementDescription] = [list, reportLeave, disputeWage, reports, report, answer, decide]
}
