import JSON
import PostgresClient

/// `POST /v1/claims`. Whether type and reason exist is data, so the database judges them.
struct NewClaim: Input {
  let type: String
  let reason: String
  let note: String?

  static func read(_ fields: inout JSONFields) -> NewClaim? {
    let type = fields.required("type", text: .line(1...40))
    let reason = fields.required("reason", text: .line(1...40))
    let note = fields.optional("note", text: .lines(1...500))
    guard let type, let reason else { return nil }
    return NewClaim(type: type, reason: reason, note: note)
  }
}

struct ClaimDocument: Input {
  let document: SQLUUID
  let requirement: SQLUUID?

  static func read(_ fields: inout JSONFields) -> ClaimDocument? {
    let document = fields.required("document_id", SQLUUID.self)
    let requirement = fields.optional("requirement_id", SQLUUID.self)
    guard let document else { return nil }
    return ClaimDocument(document: document, requirement: requirement)
  }
}

struct ClaimDecision: Input {
  enum Decision: String, JSONChoice {
    case approve, reject

    /// As `smile.claim_decision.outcome` and `smile.claim_state.code` call it.
    var outcome: String {
      switch self {
      case .approve: "approved"
      case .reject: "rejected"
      }
    }
  }

  let decision: Decision
  let reason: String

  static func read(_ fields: inout JSONFields) -> ClaimDecision? {
    let decision = fields.required("decision", Decision.self)
    let reason = fields.required("reason", text: .lines(1...1_000))
    guard let decision, let reason else { return nil }
    return ClaimDecision(decision: decision, reason: reason)
  }
}

struct ClaimPayment: Input {
  /// The transfer's reference at the bank: 1 to 64 of `[A-Za-z0-9._/-]`.
  let reference: String

  static func read(_ fields: inout JSONFields) -> ClaimPayment? {
    guard let reference = fields.required("reference", PaymentReference.self) else { return nil }
    return ClaimPayment(reference: reference.text)
  }
}

private struct PaymentReference: JSONTextReadable {
  let text: String

  init(parsing text: String) throws(FieldProblem) {
    let allowed = text.utf8.allSatisfy { byte in
      switch byte {
      case 0x2D...0x39, 0x41...0x5A, 0x61...0x7A, 0x5F: true
      default: false
      }
    }
    guard allowed, (1...64).contains(text.utf8.count) else {
      throw .invalidFormat("1 to 64 of [A-Za-z0-9._/-]")
    }
    self.text = text
  }
}

/// An object without members.
struct NoInput: Input {
  static func read(_ fields: inout JSONFields) -> NoInput? { NoInput() }
}

/// The states of `smile.claim_state`.
enum ClaimState: String, JSONChoice {
  case draft, submitted, verification, approved, rejected, paid, closed, withdrawn, expired
  case documentsIncomplete = "documents_incomplete"
  case interviewScheduled = "interview_scheduled"
  case taxComputed = "tax_computed"
  case paymentOrdered = "payment_ordered"
  case paymentReturned = "payment_returned"
}

extension Query {
  /// - Throws: 400 for a state that there isn't.
  func claimState() throws(Failure) -> ClaimState? {
    guard let text = self["state"] else { return nil }
    do {
      return try ClaimState.read(.string(text))
    } catch {
      throw .invalid(parameter: "state", error)
    }
  }
}
