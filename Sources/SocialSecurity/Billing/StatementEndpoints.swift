import Crypto
import HTTPServer
import JSON
import PostgresClient

/// A bank's statement of a day, signed as its notices are. Few rows are reconciled here and now, many by a job.
func takePaymentStatement(_ call: Call) async throws(Failure) -> Response {
  let announced: AnnouncedStatement
  do {
    try call.request.requireMediaType(["text/csv"])
    announced = try AnnouncedStatement(call.query)
  } catch {
    throw await call.refuse(error)
  }
  let body = try await SignedBody.read(call, as: ["text/csv"], atMost: AnnouncedStatement.bytesMax)
  var reader = StatementReader()
  for start in stride(from: 0, to: body.bytes.count, by: AnnouncedStatement.pieceBytes) {
    try reader.feed(body.bytes[start..<min(start + AnnouncedStatement.pieceBytes, body.bytes.count)])
    // A whole file at once would keep the other requests of this worker waiting.
    await Task.yield()
  }
  let rows = try reader.finish()
  var work = try call.change()
  try work.add(ReturnStatements.patience)
  try body.claim(in: &work)
  try work.add(
    BankStatementStatements.take, announced.day.sql, SHA256.hash(body.bytes), announced.count, announced.amount,
    SQLJSON(rows), call.context.isRehearsal)
  let answer = try await call.answer(writing: work, within: ReturnStatements.patienceLimit)
  return try await call.settled(answer, by: BankStatementStatements.settled)
}

/// A statement and a page of its rows, in the order sent.
func getPaymentStatement(_ call: Call) async throws(Failure) -> Response {
  let id = try call.id("statement_id")
  let limit: Int32
  let after: LineNumber?
  do {
    limit = Int32(try call.query.limit())
    after = try call.query.value("after")
  } catch {
    throw await call.refuse(error)
  }
  return try await call.answer(reading: BankStatementStatements.get, id, after?.number, limit)
}

/// What the query says of a statement: its day, and the control totals that its rows must add up to.
private struct AnnouncedStatement {
  /// 4 MiB, some 40,000 rows.
  static let bytesMax = 4 << 20
  static let pieceBytes = 64 << 10

  let day: PlainDate
  let count: Int64
  /// Payments less reversals.
  let amount: Int64

  init(_ query: Query) throws(Failure) {
    guard let day = try query.value("statement_date", as: PlainDate.self) else {
      throw .invalid(parameter: "statement_date", .required)
    }
    self.day = day
    count = try Self.number(query, "count", 0...1_000_000)
    amount = try Self.number(query, "amount", -Rupiah.totals.upperBound...Rupiah.totals.upperBound)
  }

  private static func number(
    _ query: Query, _ name: String, _ range: ClosedRange<Int64>
  ) throws(Failure) -> Int64 {
    guard let text = query[name] else { throw .invalid(parameter: name, .required) }
    let isNegative = text.utf8.first == UInt8(ascii: "-")
    guard let digits = Digits.value(isNegative ? text.utf8.dropFirst() : text.utf8[...]) else {
      throw .invalid(parameter: name, .outOfRange(min: range.lowerBound, max: range.upperBound))
    }
    let value = Int64(isNegative ? -digits : digits)
    guard range.contains(value) else {
      throw .invalid(parameter: name, .outOfRange(min: range.lowerBound, max: range.upperBound))
    }
    return value
  }
}

enum BankStatementStatements {
  static let take = Statement(
    "payment_statements.take",
    "SELECT status, body, etag, location FROM smile.take_statement($1, $2, $3, $4, $5, $6)",
    SQLDate.self, [UInt8].self, Int64.self, Int64.self, SQLJSON.self, Bool.self)

  static let get = Statement(
    "payment_statements.get", "SELECT smile.payment_statement_body($1, $2, $3)",
    SQLUUID.self, Int32?.self, Int32.self)

  static let settled = Statement(
    "payment_statements.settled",
    """
    SELECT a.status, a.body, a.etag, a.location, j.finished_at IS NOT NULL, j.problem_code
    FROM smile.job AS j CROSS JOIN LATERAL smile.statement_job_answer(j.id) AS a WHERE j.id = $1
    """, SQLUUID.self)

  static let all: [any StatementDescription] = [take, get, settled]
}
