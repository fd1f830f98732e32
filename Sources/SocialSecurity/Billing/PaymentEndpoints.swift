import HTTPServer
import JSON
import PostgresClient

/// The bank's notice. Settling a billing posts the contributions of all its workers, which may take a while.
func recordPayment(_ call: Call) async throws(Failure) -> Response {
  let body = try await SignedBody.read(call, as: ["application/json"], atMost: 64 << 10)
  let notice = try PaymentNotice(json: body.bytes)
  var work = try call.change()
  try work.add(ReturnStatements.patience)
  try body.claim(in: &work)
  try work.add(PaymentStatements.record, notice.code, notice.amount, SQLInstant(notice.paidAt.text), notice.reference)
  return try await call.answer(writing: work, within: ReturnStatements.patienceLimit)
}

/// The bank takes a payment back, which takes months back from their members.
func reversePayment(_ call: Call) async throws(Failure) -> Response {
  let body = try await SignedBody.read(call, as: ["application/json"], atMost: 64 << 10)
  let reversal = try PaymentReversal(json: body.bytes)
  var work = try call.change()
  try work.add(ReturnStatements.patience)
  try body.claim(in: &work)
  try work.add(
    PaymentStatements.reverse, call.id("payment_id"), reversal.reason.rawValue, SQLInstant(reversal.reversedAt.text))
  return try await call.answer(writing: work, within: ReturnStatements.patienceLimit)
}

func listPaymentExceptions(_ call: Call) async throws(Failure) -> Response {
  let page = try await call.page()
  let status: ExceptionStatus?
  do {
    status = try call.query.choice("status")
  } catch {
    throw await call.refuse(error)
  }
  return try await call.answer(
    reading: PaymentStatements.exceptions, status.map { $0 == .open }, page.after, page.limit)
}

func resolvePaymentException(_ call: Call) async throws(Failure) -> Response {
  let resolution = try await call.input(ExceptionResolution.self)
  var work = try call.change()
  try work.add(ReturnStatements.patience)
  try work.add(
    PaymentStatements.resolve, call.id("exception_id"), resolution.action.rawValue, resolution.code,
    resolution.reason)
  return try await call.answer(writing: work, within: ReturnStatements.patienceLimit)
}

/// The second pair of eyes: money moves when another officer than the one who asked says so.
func decidePaymentException(_ call: Call) async throws(Failure) -> Response {
  let decision = try await call.input(ExceptionDecision.self)
  var work = try call.change()
  try work.add(ReturnStatements.patience)
  try work.add(PaymentStatements.decide, call.id("exception_id"), decision.isApproved)
  return try await call.answer(writing: work, within: ReturnStatements.patienceLimit)
}

/// JHT that was paid out and whose months were taken back since.
func listJHTAdvances(_ call: Call) async throws(Failure) -> Response {
  let page = try await call.page()
  return try await call.answer(reading: PaymentStatements.advances, page.after, page.limit)
}

enum PaymentStatements {
  static let record = Statement(
    "payments.record", "SELECT status, body, etag, location FROM smile.record_payment($1, $2, $3, $4)",
    String.self, Int64.self, SQLInstant.self, String.self)

  static let reverse = Statement(
    "payments.reverse", "SELECT status, body, etag, location FROM smile.reverse_payment($1, $2, $3)",
    SQLUUID.self, String.self, SQLInstant.self)

  static let exceptions = Statement(
    "payments.exceptions", "SELECT smile.list_payment_exceptions($1, $2, $3)", Bool?.self, SQLUUID?.self, Int32.self)

  static let resolve = Statement(
    "payments.resolve", "SELECT status, body, etag, location FROM smile.resolve_payment_exception($1, $2, $3, $4)",
    SQLUUID.self, String.self, String?.self, String?.self)

  static let decide = Statement(
    "payments.decide", "SELECT status, body, etag, location FROM smile.decide_payment_exception($1, $2)",
    SQLUUID.self, Bool.self)

  static let advances = Statement(
    "payments.advances", "SELECT smile.list_jht_advances($1, $2)", SQLUUID?.self, Int32.self)

  static let all: [any StatementDescription] = [record, reverse, exceptions, resolve, decide, advances]
}
