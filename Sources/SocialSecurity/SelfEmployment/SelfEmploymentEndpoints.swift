import HTTPServer
import JSON
import PostgresClient

/// The member's latest spell of paying for themselves, and whether it protects.
func getOwnSelfEmployment(_ call: Call) async throws(Failure) -> Response {
  try await call.answer(reading: SelfEmploymentStatements.own)
}

func enrolSelfEmployed(_ call: Call) async throws(Failure) -> Response {
  let wanted = try await call.input(NewSelfEmployment.self)
  return try await call.answer(
    writing: SelfEmploymentStatements.enrol, wanted.firstPeriod?.sql, wanted.incomeBase, wanted.withJHT,
    wanted.sector.rawValue, wanted.funding.rawValue)
}

func changeSelfEmployment(_ call: Call) async throws(Failure) -> Response {
  let change = try await call.input(SelfEmploymentChange.self)
  return try await call.answer(
    writing: SelfEmploymentStatements.change, change.from?.sql, change.incomeBase, change.withJHT,
    change.sector?.rawValue, change.funding?.rawValue, !change.lastPeriod.isAbsent, change.lastPeriod.value?.sql,
    call.ifMatch)
}

/// For an officer: a person's record, opened with a stated purpose.
func getSelfEmployment(_ call: Call) async throws(Failure) -> Response {
  try await call.answer(writing: SelfEmploymentStatements.open, call.id("member_id"))
}

/// Newest first.
func listOwnBillings(_ call: Call) async throws(Failure) -> Response {
  let page = try await call.page()
  let status: OwnBillingStatus?
  do {
    status = try call.query.choice("status")
  } catch {
    throw await call.refuse(error)
  }
  return try await call.answer(reading: SelfEmploymentStatements.billings, status?.rawValue, page.after, page.limit)
}

func getOwnBilling(_ call: Call) async throws(Failure) -> Response {
  try await call.answer(reading: SelfEmploymentStatements.billing, call.id("own_billing_id"))
}

/// Bills one month or several at once under one payment code.
func createOwnBilling(_ call: Call) async throws(Failure) -> Response {
  let wanted = try await call.input(NewOwnBilling.self)
  return try await call.answer(writing: SelfEmploymentStatements.bill, wanted.from?.sql, wanted.months)
}

/// Takes the months that aren't paid off a billing, so that they can be billed again.
func withdrawOwnBilling(_ call: Call) async throws(Failure) -> Response {
  try await call.answer(writing: SelfEmploymentStatements.withdraw, call.id("own_billing_id"))
}

enum SelfEmploymentStatements {
  static let own = Statement("self_employment.own", "SELECT body, etag FROM smile.own_self_employment()")

  static let enrol = Statement(
    "self_employment.enrol",
    "SELECT status, body, etag, location FROM smile.enrol_self_employed($1, $2, $3, $4, $5)",
    SQLDate?.self, Int64.self, Bool.self, String.self, String.self)

  static let change = Statement(
    "self_employment.change",
    "SELECT status, body, etag, location FROM smile.change_self_employment($1, $2, $3, $4, $5, $6, $7, $8)",
    SQLDate?.self, Int64?.self, Bool?.self, String?.self, String?.self, Bool.self, SQLDate?.self, String?.self)

  static let open = Statement(
    "self_employment.open", "SELECT status, body, etag, location FROM smile.open_self_employment($1)", SQLUUID.self)

  static let billings = Statement(
    "self_employment.billings", "SELECT smile.list_self_employed_billings($1, $2, $3)",
    String?.self, SQLUUID?.self, Int32.self)

  static let billing = Statement(
    "self_employment.billing",
    """
    SELECT smile.self_employed_billing_body(b.id), smile.etag(b.version) FROM smile.self_employed_billing AS b
    WHERE b.id = $1 AND b.member_id = (SELECT smile.member_id())
    """,
    SQLUUID.self)

  static let bill = Statement(
    "self_employment.bill", "SELECT status, body, etag, location FROM smile.bill_self_employed($1, $2)",
    SQLDate?.self, Int32.self)

  static let withdraw = Statement(
    "self_employment.withdraw", "SELECT status, body, etag, location FROM smile.withdraw_self_employed_billing($1)",
    SQLUUID.self)

  static let all: [any StatementDescription] = [
    own, enrol, change, open, billings, billing, bill, withdraw,
  ]
}
