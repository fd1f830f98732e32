import Crypto
import HTTPServer
import JSON
import PostgresClient

/// Sends a code to the new address. One that is another account's is answered alike, at the same time.
func startContactChange(_ call: Call) async throws(Failure) -> Response {
  let contact = try await call.input(NewContact.self)
  let beat = Beat(call.context)
  if case .phone = contact, !call.services.configuration.sendsSMS {
    throw await call.refuse(.refused("sms_unavailable", pointer: "/phone"))
  }
  let code = try OneTimeCode.make(call.services)
  let answer = try await call.answer(
    writing: ContactStatements.start, contact.kind, contact.address, contact.recipientKey(call.services), code.digest,
    code.messageID, code.sealed)
  await beat.next()
  return answer
}

func getContactChange(_ call: Call) async throws(Failure) -> Response {
  try await call.answer(reading: ContactStatements.own, call.id("change_id"))
}

/// Counts the try, then compares; what is no code at all is a wrong one.
func confirmContactChange(_ call: Call) async throws(Failure) -> Response {
  let id = try call.id("change_id")
  let shown = try await call.input(ContactConfirmation.self)
  var question = try call.work()
  try question.add(ContactStatements.begin, id)
  guard let message = try await call.write(question).last?.uuid(0, 0) else { throw .bug }
  let digest = shown.code.digits.map { OneTimeCode.digest(of: $0, inMessage: message, call.services) }
  return try await call.answer(writing: ContactStatements.confirm, id, digest, shown.endsOtherSessions)
}

/// Where the member wants to be reached from now on: either of the two.
enum NewContact: Input {
  case email(EmailAddress)
  case phone(PhoneNumber)

  /// As the database has it.
  var kind: String {
    switch self {
    case .email: "email"
    case .phone: "phone"
    }
  }

  var address: String {
    switch self {
    case .email(let address): address.text
    case .phone(let number): number.text
    }
  }

  /// Under what messages to it are counted.
  func recipientKey(_ services: Services) -> [UInt8] {
    switch self {
    case .email(let address): address.key(under: services.throttleKey)
    case .phone(let number): services.throttleKey.code("recipient\u{1F}\(number.text)")
    }
  }

  static func read(_ fields: inout JSONFields) -> NewContact? {
    let email = fields.optional("email", EmailAddress.self)
    let phone = fields.optional("phone", PhoneNumber.self)
    if fields.has("email") == fields.has("phone") { fields.fail("", FieldProblem("email_or_phone")) }
    return email.map(NewContact.email) ?? phone.map(NewContact.phone)
  }
}

/// The code that came to the new address.
struct ContactConfirmation: Input {
  let code: ShownCode
  /// Whether the account's other sessions end with the change.
  let endsOtherSessions: Bool

  static func read(_ fields: inout JSONFields) -> ContactConfirmation? {
    let code = fields.required("code", ShownCode.self)
    let ends = fields.optional("end_other_sessions", Bool.self)
    return code.map { ContactConfirmation(code: $0, endsOtherSessions: ends ?? false) }
  }
}

enum ContactStatements {
  static let start = Statement(
    "contacts.start", "SELECT status, body, etag, location FROM smile.start_contact_change($1, $2, $3, $4, $5, $6)",
    String.self, String.self, [UInt8].self, [UInt8].self, SQLUUID.self, [UInt8].self)

  static let own = Statement("contacts.own", "SELECT body FROM smile.own_contact_change($1)", SQLUUID.self)

  static let begin = Statement("contacts.begin", "SELECT smile.begin_contact_confirmation($1)", SQLUUID.self)

  static let confirm = Statement(
    "contacts.confirm", "SELECT status, body, etag, location FROM smile.confirm_contact_change($1, $2, $3)",
    SQLUUID.self, [UInt8]?.self, Bool.self)

  static let all: [any StatementDescription] = [start, own, begin, confirm]
}
