import HTTPServer
import JSON
import PostgresClient

func updateEmployer(_ call: Call) async throws(Failure) -> Response {
  let id = try call.id("employer_id")
  let change = try await call.input(EmployerChange.self)
  return try await call.answer(writing: EmployerStatements.update, id, SQLJSON(change.json), call.ifMatch)
}

/// A merge patch (RFC 7396) of an employer's record; nothing of it can be cleared. What identifies the firm is
/// officers' to change, which the database judges.
struct EmployerChange: Input {
  let json: [UInt8]

  static func read(_ fields: inout JSONFields) -> EmployerChange? {
    let name = fields.optional("name", text: .line(1...150))
    let npwp = fields.optional("npwp", NPWP.self)?.digits
    let industry = fields.optional("industry", text: .line(1...100))
    let size = fields.optional("size", FirmSize.self)?.rawValue
    let address = fields.optional("address", text: .line(1...300))
    let email = fields.optional("email", EmailAddress.self)?.text
    let phone = fields.optional("phone", PhoneNumber.self)?.text
    var json = JSONWriter()
    json.object { json in
      if let name { json.field("name", name) }
      if let npwp { json.field("npwp", npwp) }
      if let industry { json.field("industry", industry) }
      if let size { json.field("size", size) }
      if let address { json.field("address", address) }
      if let email { json.field("email", email) }
      if let phone { json.field("phone", phone) }
    }
    return EmployerChange(json: json.bytes)
  }
}
