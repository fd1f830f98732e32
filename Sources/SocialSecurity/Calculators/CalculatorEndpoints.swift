import HTTPServer
import JSON
import PostgresClient

/// What a month's wage costs, by programme and side. Nothing of it is kept.
func calculateContribution(_ call: OpenCall) async throws(Failure) -> Response {
  let wanted = try await call.input(ContributionInput.self)
  return try await call.answer(
    reading: CalculatorStatements.contribution, wanted.period.sql, wanted.wage, wanted.riskClass,
    wanted.size.rawValue, wanted.isLabourIntensive, wanted.birthDate.sql, wanted.employedSince?.sql, wanted.choosesJP)
}

/// The fine of an amount that wasn't paid in time.
func calculateLateCharge(_ call: OpenCall) async throws(Failure) -> Response {
  let wanted = try await call.input(LateChargeInput.self)
  return try await call.answer(
    reading: CalculatorStatements.lateCharge, wanted.period.sql, wanted.amount, wanted.day?.sql,
    wanted.isDeferred)
}

private struct ContributionInput: Input {
  let period: WageMonth
  let wage: Int64
  let riskClass: Int32
  let size: FirmSize
  let isLabourIntensive: Bool
  /// JP at an employer whose size leaves the choice.
  let choosesJP: Bool
  let birthDate: PlainDate
  let employedSince: PlainDate?

  static func read(_ fields: inout JSONFields) -> ContributionInput? {
    let period = fields.required("period", WageMonth.self)
    let wage = fields.required("wage", in: Rupiah.wages)
    let riskClass = fields.required("risk_class", in: 1...5)
    let size = fields.required("size", FirmSize.self)
    let isLabourIntensive = fields.optional("labour_intensive", Bool.self) ?? false
    let choosesJP = fields.optional("jp_chosen", Bool.self) ?? false
    let birthDate = fields.required("birth_date", PlainDate.self)
    let employedSince = fields.optional("employed_since", PlainDate.self)
    guard let period, let wage, let riskClass, let size, let birthDate else { return nil }
    return ContributionInput(
      period: period, wage: wage, riskClass: Int32(riskClass), size: size, isLabourIntensive: isLabourIntensive,
      choosesJP: choosesJP, birthDate: birthDate, employedSince: employedSince)
  }
}

private struct LateChargeInput: Input {
  let period: WageMonth
  let amount: Int64
  let day: PlainDate?
  /// JP that PP 49/2020 Art. 17 defers.
  let isDeferred: Bool

  static func read(_ fields: inout JSONFields) -> LateChargeInput? {
    let period = fields.required("period", WageMonth.self)
    let amount = fields.required("amount", in: 1...Rupiah.totals.upperBound)
    let day = fields.optional("as_of", PlainDate.self)
    let isDeferred = fields.optional("jp_deferred", Bool.self) ?? false
    guard let period, let amount else { return nil }
    return LateChargeInput(period: period, amount: amount, day: day, isDeferred: isDeferred)
  }
}

enum CalculatorStatements {
  static let contribution = Statement(
    "calculators.contribution", "SELECT smile.calculate_contribution($1, $2, $3, $4, $5, $6, $7, $8)",
    SQLDate.self, Int64.self, Int32.self, String.self, Bool.self, SQLDate.self, SQLDate?.self, Bool.self)

  static let lateCharge = Statement(
    "calculators.late_charge", "SELECT smile.calculate_late_charge($1, $2, $3, $4)",
    SQLDate.self, Int64.self, SQLDate?.self, Bool.self)

  static let all: [any StatementDescription] = [contribution, lateCharge]
}
