import HTTPServer
import JSON
import PostgresClient

/// Ends all sessions, this one too, and leaves a password that nobody knows: the way back is the reset.
func reportCompromise(_ call: Call) async throws(Failure) -> Response {
  let report = try await call.input(CompromiseReport.self)
  try await call.identify()
  let hash = try await call.services.hash(Password.unguessable())
  return try await call.answer(writing: CompromiseStatements.report, report.note, hash)
}

/// How the caller's own report stands, for when they are back.
func getOwnCompromiseReport(_ call: Call) async throws(Failure) -> Response {
  try await call.answer(reading: CompromiseStatements.own, call.id("report_id"))
}

func listCompromiseReports(_ call: Call) async throws(Failure) -> Response {
  let page = try await call.page()
  let status: CompromiseReportStatus?
  do {
    status = try call.query.choice("status")
  } catch {
    throw await call.refuse(error)
  }
  return try await call.answer(reading: CompromiseStatements.list, status?.rawValue, page.after, page.limit)
}

func getCompromiseReport(_ call: Call) async throws(Failure) -> Response {
  try await call.answer(writing: CompromiseStatements.open, call.id("report_id"))
}

func closeCompromiseReport(_ call: Call) async throws(Failure) -> Response {
  let closure = try await call.input(CompromiseClosure.self)
  return try await call.answer(writing: CompromiseStatements.close, call.id("report_id"), closure.resolution)
}

enum CompromiseReportStatus: String, JSONChoice {
  case open, closed
}

/// What the person noticed, in their words.
struct CompromiseReport: Input {
  let note: String?

  static func read(_ fields: inout JSONFields) -> CompromiseReport? {
    CompromiseReport(note: fields.optional("note", text: .lines(1...500)))
  }
}

/// How an officer made sure who the person is.
struct CompromiseClosure: Input {
  let resolution: String

  static func read(_ fields: inout JSONFields) -> CompromiseClosure? {
    fields.required("resolution", text: .lines(1...500)).map(CompromiseClosure.init)
  }
}

enum CompromiseStatements {
  static let report = Statement(
    "compromise.report", "SELECT status, body, etag, location FROM smile.report_compromise($1, $2)",
    String?.self, String.self)

  static let own = Statement("compromise.own", "SELECT body FROM smile.own_compromise_report($1)", SQLUUID.self)

  static let list = Statement(
    "compromise.list", "SELECT smile.list_compromise_reports($1, $2, $3) AS body",
    String?.self, SQLUUID?.self, Int32.self)

  static let open = Statement(
    "compromise.open", "SELECT status, body, etag, location FROM smile.open_compromise_report($1)", SQLUUID.self)

  static let close = Statement(
    "compromise.close", "SELECT status, body, etag, location FROM smile.close_compromise_report($1, $2)",
    SQLUUID.self, String.self)

  static let all: [any StatementDescription] = [report, own, list, open, close]
}
