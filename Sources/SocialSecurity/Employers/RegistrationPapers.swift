import Crypto
import HTTPServer
import JSON
import PostgresClient

func getEmployerRegistration(_ call: Call) async throws(Failure) -> Response {
  try await call.answer(reading: RegistrationStatements.get, call.id("registration_id"))
}

/// The contact gets a mail with the reason; the papers are deleted.
func rejectEmployerRegistration(_ call: Call) async throws(Failure) -> Response {
  let id = try call.id("registration_id")
  let rejection = try await call.input(RegistrationRejection.self)
  return try await call.answer(writing: RegistrationStatements.reject, id, rejection.reason)
}

/// A paper of a waiting registration, from whoever has the token that was mailed to its contact. The token is judged
/// before a byte of the file is read, and again when it is written.
func uploadRegistrationDocument(_ call: OpenCall) async throws(Failure) -> Response {
  let id = try call.id("registration_id")
  let announced = try AnnouncedDocument(call)
  let token = papersToken(call)
  var question = try call.work()
  try question.add(RegistrationStatements.open, id, token, false)
  _ = try await call.read(question)
  let file = try await announced.receive(call)
  var opening = try call.work()
  try opening.add(RegistrationStatements.open, id, token, true)
  try opening.add(
    DocumentStatements.begin, announced.purpose, announced.fileName, announced.format.rawValue,
    Int32(file.bytes.length), file.digest)
  return try await DocumentWriter(call: call, announced: announced, file: file, opening: opening.segment).write()
}

/// The digest of the `Registration-Token` header; nothing, which opens no registration, for what can't be a token.
private func papersToken(_ call: OpenCall) -> [UInt8] {
  guard let text = call.request.headers.string("registration-token") else { return [] }
  return (try? ReturnedToken(parsing: text).digest) ?? []
}

struct RegistrationRejection: Input {
  /// Goes to the contact.
  let reason: String

  static func read(_ fields: inout JSONFields) -> RegistrationRejection? {
    fields.required("reason", text: .line(1...500)).map { RegistrationRejection(reason: $0) }
  }
}

enum RegistrationStatements {
  static let get = Statement(
    "registrations.get",
    """
    SELECT b.body, smile.body_etag(b.body::text)
    FROM smile.employer_registration AS r CROSS JOIN LATERAL (SELECT smile.registration_body(r.id) AS body) AS b
    WHERE r.id = $1
    """,
    SQLUUID.self)

  static let reject = Statement(
    "registrations.reject", "SELECT status, body, etag, location FROM smile.reject_employer_registration($1, $2)",
    SQLUUID.self, String.self)

  static let open = Statement(
    "registrations.open", "SELECT smile.open_registration($1, $2, $3)", SQLUUID.self, [UInt8].self, Bool.self)

  static let all: [any StatementDescription] = [get, reject, open]
}
