import HTTPServer
import JSON
import PostgresClient

/// The JKK risk classes of an employer with the wage months that they hold for, newest first.
func listRiskClasses(_ call: Call) async throws(Failure) -> Response {
  let employer = try call.id("employer_id")
  let page: (limit: Int32, after: WageMonth?)
  do {
    page = try call.query.monthPage()
  } catch {
    throw await call.refuse(error)
  }
  return try await call.answer(reading: RiskClassStatements.list, employer, page.after?.sql, page.limit)
}

extension Query {
  /// `limit` and `after` of a list whose cursor is a wage month.
  ///
  /// - Throws: 400 naming the parameter.
  fileprivate func monthPage() throws(Failure) -> (limit: Int32, after: WageMonth?) {
    let limit = Int32(try limit())
    guard let text = try after() else { return (limit, nil) }
    guard let month = WageMonth(Array(text.utf8)) else {
      throw .invalid(parameter: "after", .invalidFormat("cursor"))
    }
    return (limit, month)
  }
}

func setRiskClass(_ call: Call) async throws(Failure) -> Response {
  let employer = try call.id("employer_id")
  let decision = try await call.input(RiskClassDecision.self)
  return try await call.answer(
    writing: RiskClassStatements.set, employer, decision.validFrom.sql, decision.riskClass, decision.reason)
}

struct RiskClassDecision: Input {
  /// The first wage month.
  let validFrom: WageMonth
  /// 1 (very low) to 5 (very high).
  let riskClass: Int32
  let reason: String

  static func read(_ fields: inout JSONFields) -> RiskClassDecision? {
    let validFrom = fields.required("valid_from", WageMonth.self)
    let riskClass = fields.required("risk_class", in: 1...5)
    let reason = fields.required("reason", text: .line(1...500))
    guard let validFrom, let riskClass, let reason else { return nil }
    return RiskClassDecision(validFrom: validFrom, riskClass: Int32(riskClass), reason: reason)
  }
}

enum RiskClassStatements {
  static let list = Statement(
    "risk_classes.list", "SELECT smile.list_risk_classes($1, $2, $3)", SQLUUID.self, SQLDate?.self, Int32.self)

  static let set = Statement(
    "risk_classes.set", "SELECT status, body, etag, location FROM smile.set_risk_class($1, $2, $3, $4)",
    SQLUUID.self, SQLDate.self, Int32.self, String.self)

  static let all: [any StatementDescription] = [list, set]
}
