import HTTPServer
import JSON
import PostgresClient

func listBillings(_ call: Call) async throws(Failure) -> Response {
  let employer = try call.id("employer_id")
  let page = try await call.page()
  let status: BillingStatus?
  do {
    status = try call.query.choice("status")
  } catch {
    throw await call.refuse(error)
  }
  return try await call.answer(reading: BillingStatements.list, employer, status?.rawValue, page.after, page.limit)
}

func getBilling(_ call: Call) async throws(Failure) -> Response {
  let day: PlainDate?
  do {
    day = try call.query.value("as_of", as: PlainDate.self)
  } catch {
    throw await call.refuse(error)
  }
  return try await call.answer(reading: BillingStatements.get, call.id("billing_id"), day?.sql)
}

enum BillingStatus: String, JSONChoice {
  case unpaid, paid
  case partiallyPaid = "partially_paid"
}

enum BillingStatements {
  static let list = Statement(
    "billings.list", "SELECT smile.list_billings($1, $2, $3, $4)",
    SQLUUID.self, String?.self, SQLUUID?.self, Int32.self)

  static let get = Statement(
    "billings.get", "SELECT body, etag FROM smile.get_billing($1, $2)", SQLUUID.self, SQLDate?.self)

  static let all: [any StatementDescription] = [list, get]
}
