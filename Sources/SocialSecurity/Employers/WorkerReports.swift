import HTTPServer
import JSON
import PostgresClient

/// A worker says to have left.
func reportLeave(_ call: Call) async throws(Failure) -> Response {
  let report = try await call.input(LeaveReport.self)
  return try await call.answer(
    writing: DiscrepancyStatements.reportLeave, report.employment, report.lastDay.sql, report.reason.rawValue,
    report.note)
}

/// A worker says that a wage was another one than what was reported.
func disputeWage(_ call: Call) async throws(Failure) -> Response {
  let dispute = try await call.input(WageDispute.self)
  return try await call.answer(
    writing: DiscrepancyStatements.disputeWage, dispute.employment, dispute.period.sql, dispute.claimedWage,
    dispute.note, dispute.isConfidential)
}

/// Those that the caller may see: a worker's own, those of the employer's workers, all for officers.
func listWorkerReports(_ call: Call) async throws(Failure) -> Response {
  let page = try await call.page()
  let status: WorkerReportStatus?
  do {
    status = try call.query.choice("status")
  } catch {
    throw await call.refuse(error)
  }
  return try await call.answer(reading: DiscrepancyStatements.reports, status?.rawValue, page.after, page.limit)
}

func getWorkerReport(_ call: Call) async throws(Failure) -> Response {
  try await call.answer(reading: DiscrepancyStatements.report, call.id("worker_report_id"))
}

/// The employer agrees or contests.
func answerWorkerReport(_ call: Call) async throws(Failure) -> Response {
  let id = try call.id("worker_report_id")
  let answer = try await call.input(WorkerReportAnswer.self)
  return try await call.answer(writing: DiscrepancyStatements.answer, id, answer.agrees, answer.note)
}

func decideWorkerReport(_ call: Call) async throws(Failure) -> Response {
  let id = try call.id("worker_report_id")
  let decision = try await call.input(WorkerReportDecision.self)
  return try await call.answer(writing: DiscrepancyStatements.decide, id, decision.isUpheld, decision.note)
}

enum WorkerReportStatus: String, JSONChoice {
  case open, agreed, contested, upheld, dismissed
}

/// What a person may write in their own words.
private let noteRule: TextRule = .lines(1...1_000)

private struct LeaveReport: Input {
  /// The reasons of an end, but for the one that nobody reports of themselves.
  enum Reason: String, JSONChoice {
    case resignation, layoff, retirement, disability, other
    case contractEnd = "contract_end"
  }

  let employment: SQLUUID
  let lastDay: PlainDate
  let reason: Reason
  let note: String?

  static func read(_ fields: inout JSONFields) -> LeaveReport? {
    let employment = fields.required("employment_id", SQLUUID.self)
    let lastDay = fields.required("last_day", PlainDate.self)
    let reason = fields.required("reason", Reason.self)
    let note = fields.optional("note", text: noteRule)
    guard let employment, let lastDay, let reason else { return nil }
    return LeaveReport(employment: employment, lastDay: lastDay, reason: reason, note: note)
  }
}

private struct WageDispute: Input {
  let employment: SQLUUID
  let period: WageMonth
  let claimedWage: Int64
  let note: String?
  let isConfidential: Bool

  static func read(_ fields: inout JSONFields) -> WageDispute? {
    let employment = fields.required("employment_id", SQLUUID.self)
    let period = fields.required("period", WageMonth.self)
    let wage = fields.required("claimed_wage", in: Rupiah.wages)
    let note = fields.optional("note", text: noteRule)
    let isConfidential = fields.optional("confidential", Bool.self) ?? false
    guard let employment, let period, let wage else { return nil }
    return WageDispute(
      employment: employment, period: period, claimedWage: wage, note: note, isConfidential: isConfidential)
  }
}

private struct WorkerReportAnswer: Input {
  let agrees: Bool
  let note: String?

  static func read(_ fields: inout JSONFields) -> WorkerReportAnswer? {
    let agrees = fields.required("agrees", Bool.self)
    let note = fields.optional("note", text: noteRule)
    return agrees.map { WorkerReportAnswer(agrees: $0, note: note) }
  }
}

private struct WorkerReportDecision: Input {
  let isUpheld: Bool
  let note: String

  static func read(_ fields: inout JSONFields) -> WorkerReportDecision? {
    let isUpheld = fields.required("upheld", Bool.self)
    let note = fields.required("note", text: noteRule)
    guard let isUpheld, let note else { return nil }
    return WorkerReportDecision(isUpheld: isUpheld, note: note)
  }
}
