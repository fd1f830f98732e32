import HTTPServer
import JSON
import PostgresClient

/// Paid months, newest first.
func listMyContributions(_ call: Call) async throws(Failure) -> Response {
  let limit: Int32
  let range: (from: WageMonth?, to: WageMonth?)
  let employer: SQLUUID?
  let programme: Programme?
  let after: ContributionCursor?
  do {
    limit = Int32(try call.query.limit())
    range = (try call.query.value("from"), try call.query.value("to"))
    employer = try call.query.value("employer_id")
    programme = try call.query.programme()
    after = try call.query.value("after")
  } catch {
    throw await call.refuse(error)
  }
  return try await call.answer(
    reading: ContributionStatements.list, range.from?.sql, range.to?.sql, employer, programme?.rawValue, after?.text,
    limit)
}

func getMyBalances(_ call: Call) async throws(Failure) -> Response {
  try await call.answer(reading: ContributionStatements.balances)
}

/// The member's JHT account as the ledger has it, newest first.
func listMyJHTEntries(_ call: Call) async throws(Failure) -> Response {
  let limit: Int32
  let after: EntryNumber?
  do {
    limit = Int32(try call.query.limit())
    after = try call.query.value("after")
  } catch {
    throw await call.refuse(error)
  }
  return try await call.answer(reading: ContributionStatements.jhtEntries, after?.number, limit)
}

/// `YYYY-MM.employer`.
private struct ContributionCursor: JSONTextReadable {
  let text: String

  init(parsing text: String) throws(FieldProblem) {
    let halves = text.split(separator: ".", omittingEmptySubsequences: false)
    guard halves.count == 2, WageMonth(Array(halves[0].utf8)) != nil, SQLUUID(parsing: Array(halves[1].utf8)) != nil
    else { throw .invalidFormat("cursor") }
    self.text = text
  }
}

private struct EntryNumber: JSONTextReadable {
  let number: Int64

  init(parsing text: String) throws(FieldProblem) {
    guard let number = Digits.value(text.utf8) else { throw .invalidFormat("cursor") }
    self.number = Int64(number)
  }
}

enum ContributionStatements {
  static let list = Statement(
    "contributions.list", "SELECT smile.list_contributions($1, $2, $3, $4, $5, $6)",
    SQLDate?.self, SQLDate?.self, SQLUUID?.self, String?.self, String?.self, Int32.self)

  static let balances = Statement("contributions.balances", "SELECT smile.balances_body()")

  static let jhtEntries = Statement(
    "contributions.jht_entries", "SELECT smile.list_jht_entries($1, $2)", Int64?.self, Int32.self)

  static let all: [any StatementDescription] = [list, balances, jhtEntries]
}
