import HTTPServer
import JSON
import PostgresClient

func listReliefs(_ call: Call) async throws(Failure) -> Response {
  let employer = try call.id("employer_id")
  let page = try await call.page()
  return try await call.answer(reading: ReliefStatements.list, employer, page.after, page.limit)
}

/// An officer records that the employer qualifies; the law's conditions are checked against the agency's own records.
func grantRelief(_ call: Call) async throws(Failure) -> Response {
  let employer = try call.id("employer_id")
  let relief = try await call.input(NewRelief.self)
  return try await call.answer(
    writing: ReliefStatements.grant, employer, relief.kind.rawValue, relief.industry, relief.validFrom.sql,
    relief.validTo.sql)
}

func withdrawRelief(_ call: Call) async throws(Failure) -> Response {
  let employer = try call.id("employer_id")
  let relief = try call.id("relief_id")
  let withdrawal = try await call.input(ReliefWithdrawal.self)
  return try await call.answer(writing: ReliefStatements.withdraw, employer, relief, withdrawal.reason)
}

enum ReliefKind: String, JSONChoice {
  /// PP 7/2025, PP 36/2025.
  case labourIntensive = "labour_intensive"
  /// PP 49/2020 Art. 17.
  case deferral = "jp_deferral"
}

struct NewRelief: Input {
  let kind: ReliefKind
  /// One of those that the legal parameter names; nil for a relief that doesn't depend on it.
  let industry: String?
  /// The first and the last wage month.
  let validFrom: WageMonth
  let validTo: WageMonth

  static func read(_ fields: inout JSONFields) -> NewRelief? {
    let kind = fields.required("kind", ReliefKind.self)
    // Of a deferral an industry is an unknown field.
    let industry = kind == .deferral ? nil : fields.required("industry", text: .line(1...40))
    let validFrom = fields.required("valid_from", WageMonth.self)
    let validTo = fields.required("valid_to", WageMonth.self)
    guard let kind, let validFrom, let validTo else { return nil }
    return NewRelief(kind: kind, industry: industry, validFrom: validFrom, validTo: validTo)
  }
}

struct ReliefWithdrawal: Input {
  let reason: String

  static func read(_ fields: inout JSONFields) -> ReliefWithdrawal? {
    fields.required("reason", text: .line(1...500)).map { ReliefWithdrawal(reason: $0) }
  }
}

enum ReliefStatements {
  static let list = Statement(
    "reliefs.list", "SELECT smile.list_reliefs($1, $2, $3)", SQLUUID.self, SQLUUID?.self, Int32.self)

  static let grant = Statement(
    "reliefs.grant", "SELECT status, body, etag, location FROM smile.grant_relief($1, $2, $3, $4, $5)",
    SQLUUID.self, String.self, String?.self, SQLDate.self, SQLDate.self)

  static let withdraw = Statement(
    "reliefs.withdraw", "SELECT status, body, etag, location FROM smile.withdraw_relief($1, $2, $3)",
    SQLUUID.self, SQLUUID.self, String.self)

  static let all: [any StatementDescription] = [list, grant, withdraw]
}
