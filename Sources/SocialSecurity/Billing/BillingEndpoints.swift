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
  try await call.answer(reading: BillingStatements.get, call.id("billing_id"))
}

/// The bank's notice. Settling a billing posts the contributions of all its workers, which may take a while.
func recordPayment(_ call: Call) async throws(Failure) -> Response {
  let notice = try await call.input(PaymentNotice.self)
  var work = try call.change()
  try work.add(ReturnStatements.patience)
  try work.add(BillingStatements.pay, notice.code, notice.amount, SQLInstant(notice.paidAt.text), notice.reference)
  return try await call.answer(writing: work, within: ReturnStatements.patienceLimit)
}

enum BillingStatus: String, JSONChoice {
  case unpaid, paid
  case partiallyPaid = "partially_paid"
}

/// What a bank tells of a payment.
struct PaymentNotice: Input {
  let code: String
  let amount: Int64
  let paidAt: Instant
  /// The bank's own number of the payment: the same number again is the same payment.
  let reference: String

  static func read(_ fields: inout JSONFields) -> PaymentNotice? {
    let code = fields.required("payment_code", PaymentCode.self)
    let amount = fields.required("amount", in: 1...Rupiah.totals.upperBound)
    let paidAt = fields.required("paid_at", Instant.self)
    let reference = fields.required("bank_reference", BankReference.self)
    guard let code, let amount, let paidAt, let reference else { return nil }
    return PaymentNotice(
      code: code.digits, amount: amount, paidAt: paidAt, reference: reference.text)
  }
}

/// Twelve digits, the last of which checks the others (ISO/IEC 7812-1 annex B).
package struct PaymentCode: Sendable, JSONTextReadable {
  let digits: String

  /// - Throws: `invalid_payment_code`, also when the check digit doesn't fit: no code was ever given out like that.
  package init(parsing text: String) throws(FieldProblem) {
    guard Digits.areAll(text, count: 12) else { throw FieldProblem("invalid_payment_code") }
    var sum = 0
    for (place, byte) in text.utf8.reversed().enumerated() {
      let value = Int(byte - 0x30) * (place % 2 == 0 ? 1 : 2)
      sum += value / 10 + value % 10
    }
    guard sum % 10 == 0 else { throw FieldProblem("invalid_payment_code") }
    digits = text
  }
}

struct BankReference: JSONTextReadable {
  let text: String

  init(parsing text: String) throws(FieldProblem) {
    let allowed = text.utf8.allSatisfy { byte in
      switch byte {
      case 0x2D...0x39, 0x41...0x5A, 0x61...0x7A, 0x5F: true
      default: false
      }
    }
    guard allowed, (1...64).contains(text.utf8.count) else { throw .invalidFormat("1 to 64 of [A-Za-z0-9._/-]") }
    self.text = text
  }
}

enum BillingStatements {
  static let list = Statement(
    "billings.list", "SELECT smile.list_billings($1, $2, $3, $4)",
    SQLUUID.self, String?.self, SQLUUID?.self, Int32.self)

  static let get = Statement(
    "billings.get",
    "SELECT smile.billing_body(b.id), smile.etag(b.version) FROM smile.billing AS b WHERE b.id = $1", SQLUUID.self)

  static let pay = Statement(
    "payments.record", "SELECT status, body, etag, location FROM smile.record_payment($1, $2, $3, $4)",
    String.self, Int64.self, SQLInstant.self, String.self)

  static let all: [any StatementDescription] = [list, get, pay]
}

enum BillingProblems {
  static let all: [ProblemText] = [
    ProblemText(
      "invalid_payment_code", 400, id: "Kode pembayaran terdiri dari 12 angka dengan angka pemeriksa.",
      en: "A payment code has 12 digits, the last of which checks the others."),
    ProblemText(
      "payment_code_unknown", 422, id: "Tidak ada tagihan dengan kode pembayaran ini.",
      en: "No billing has this payment code."),
    ProblemText(
      "amount_exceeds_billing", 422, id: "Jumlah melebihi sisa tagihan.",
      en: "The amount is more than is outstanding."),
    ProblemText(
      "billing_already_paid", 409, id: "Tagihan ini sudah lunas.", en: "This billing was settled already."),
    ProblemText(
      "bank_reference_used", 409, id: "Nomor bank ini sudah dipakai untuk pembayaran lain.",
      en: "The bank reference was used for another payment."),
  ]

  static let constraints: [String: Failure] = ["payment_reference_once": Failure(409, "bank_reference_used")]
}
