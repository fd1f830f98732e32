import HTTPServer
import JSON
import PostgresClient

func updateEmployer(_ call: Call) async throws(Failure) -> Response {
  let id = try call.id("employer_id")
  let change = try await call.input(EmployerChange.self)
  return try await call.answer(
    writing: EmployerStatements.update, id, change.address, change.email?.text, change.phone?.text, call.ifMatch)
}

/// A merge patch (RFC 7396) of where an employer is reached; nothing of it can be cleared.
struct EmployerChange: Input {
  let address: String?
  let email: EmailAddress?
  let phone: PhoneNumber?

  static func read(_ fields: inout JSONFields) -> EmployerChange? {
    let address = fields.optional("address", text: .line(1...300))
    let email = fields.optional("email", EmailAddress.self)
    return EmployerChange(address: address, email: email, phone: fields.optional("phone", PhoneNumber.self))
  }
}
