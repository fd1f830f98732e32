import JSON

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

/// Why a bank takes a payment back.
enum ReversalReason: String, JSONChoice {
  case returned, duplicate, fraud
  case bankError = "bank_error"
}

struct PaymentReversal: Input {
  let reason: ReversalReason
  let reversedAt: Instant

  static func read(_ fields: inout JSONFields) -> PaymentReversal? {
    let reason = fields.required("reason", ReversalReason.self)
    let reversedAt = fields.required("reversed_at", Instant.self)
    guard let reason, let reversedAt else { return nil }
    return PaymentReversal(reason: reason, reversedAt: reversedAt)
  }
}

enum ExceptionStatus: String, JSONChoice {
  case open, resolved
}

/// What an officer does with money that matched nothing, or with what a bank told and can't be so.
struct ExceptionResolution: Input {
  enum Action: String, JSONChoice {
    case assign, `return`, keep, dismiss
  }

  let action: Action
  /// Of the billing that the payment was meant for; with `assign` alone.
  let code: String?
  /// With `dismiss` alone.
  let reason: String?

  static func read(_ fields: inout JSONFields) -> ExceptionResolution? {
    guard let action = fields.required("action", Action.self) else { return nil }
    switch action {
    case .assign:
      guard let code = fields.required("payment_code", PaymentCode.self) else { return nil }
      return ExceptionResolution(action: action, code: code.digits, reason: nil)
    case .dismiss:
      guard let reason = fields.required("reason", text: .line(1...500)) else { return nil }
      return ExceptionResolution(action: action, code: nil, reason: reason)
    case .return, .keep: return ExceptionResolution(action: action, code: nil, reason: nil)
    }
  }
}

/// What a second officer says of money that the first one wants to move.
struct ExceptionDecision: Input {
  let isApproved: Bool

  static func read(_ fields: inout JSONFields) -> ExceptionDecision? {
    fields.required("approved", Bool.self).map { ExceptionDecision(isApproved: $0) }
  }
}

/// Twelve digits, the last of which checks the others (ISO/IEC 7812-1 annex B): for whoever types them. Here a code
/// that doesn't check is one that was never given out, and money under it is kept like other money without a purpose.
package struct PaymentCode: Sendable, JSONTextReadable {
  let digits: String

  /// - Throws: `invalid_payment_code` when it isn't twelve digits.
  package init(parsing text: String) throws(FieldProblem) {
    guard Digits.areAll(text, count: 12) else { throw FieldProblem("invalid_payment_code") }
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
