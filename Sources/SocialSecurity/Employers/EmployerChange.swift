import HTTPServer
import JSON
import PostgresClient

func updateEmployer(_ call: Call) async throws(Failure) -> Response {
  let id = try call.id("employer_id")
  let change = try await call.input(EmployerChange.self)
  return try await call.answer(writing: EmployerStatements.update, id, SQLJSON(change.json), call.ifMatch)
}

/// A merge patch (RFC 7396) of an employer's record; nothing of it but a closure can be cleared. What identifies the
/// firm is officers' to change, which the database judges.
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
    let closure = EmployerClosure.read(&fields)
    let billingPerUnit = fields.optional("billing_per_unit", Bool.self)
    var json = JSONWriter()
    json.object { json in
      if let name { json.field("name", name) }
      if let npwp { json.field("npwp", npwp) }
      if let industry { json.field("industry", industry) }
      if let size { json.field("size", size) }
      if let address { json.field("address", address) }
      if let email { json.field("email", email) }
      if let phone { json.field("phone", phone) }
      closure.write(&json)
      if let billingPerUnit { json.field("billing_per_unit", billingPerUnit) }
    }
    return EmployerChange(json: json.bytes)
  }
}

/// That an employer went bankrupt or closed, and its last day: of its workers' JKP the agency then pays longer
/// (PP 6/2025 Art. 39A). Both change together.
private enum EmployerClosure {
  case absent, clear
  case set(Kind, PlainDate)

  enum Kind: String, JSONChoice {
    case bankruptcy, closure
  }

  static func read(_ fields: inout JSONFields) -> EmployerClosure {
    let before = fields.errors.count
    let kind = fields.patch("closed_as", Kind.self)
    let day = fields.patch("closed_on", PlainDate.self)
    if fields.errors.count > before { return .absent }
    switch (kind, day) {
    case (.set(let kind), .set(let day)): return .set(kind, day)
    case (.clear, .clear): return .clear
    case (.absent, .absent): return .absent
    case (.set, _), (.clear, .absent): fields.fail("closed_on", .required)
    case (_, .set), (.absent, .clear): fields.fail("closed_as", .required)
    }
    return .absent
  }

  func write(_ json: inout JSONWriter) {
    switch self {
    case .absent: break
    case .clear:
      json.key("closed_as")
      json.null()
      json.key("closed_on")
      json.null()
    case .set(let kind, let day):
      json.field("closed_as", kind.rawValue)
      json.field("closed_on", day.description)
    }
  }
}
