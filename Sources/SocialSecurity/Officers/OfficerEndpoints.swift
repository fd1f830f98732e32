import HTTPServer
import JSON
import PostgresClient

func listOfficerPermissions(_ call: Call) async throws(Failure) -> Response {
  try await call.answer(reading: OfficerStatements.permissions, call.language.rawValue)
}

func listOfficers(_ call: Call) async throws(Failure) -> Response {
  let page = try await call.page()
  return try await call.answer(reading: OfficerStatements.list, page.after, page.limit)
}

func getOfficer(_ call: Call) async throws(Failure) -> Response {
  try await call.answer(reading: OfficerStatements.get, call.id("officer_id"))
}

/// Whoever is invited chooses the password; until then nobody knows one.
func createOfficer(_ call: Call) async throws(Failure) -> Response {
  let officer = try await call.input(NewOfficer.self)
  try await call.identify()
  let hash = try await call.services.hash(Password.unguessable())
  let token = try MailedToken.make(call.services.sealer)
  return try await call.answer(
    writing: OfficerStatements.create, officer.email.text, officer.name.text, officer.permissions,
    officer.language.rawValue, hash, token.digest, token.mailID, token.sealed)
}

func updateOfficer(_ call: Call) async throws(Failure) -> Response {
  let change = try await call.input(OfficerChange.self)
  return try await call.answer(
    writing: OfficerStatements.update, call.id("officer_id"), change.permissions, change.isActive, call.ifMatch)
}

/// The second pair of eyes on what an officer gets.
func approveOfficer(_ call: Call) async throws(Failure) -> Response {
  try await call.answer(writing: OfficerStatements.approve, call.id("officer_id"), call.ifMatch)
}

/// An officer by invitation.
struct NewOfficer: Input {
  let email: EmailAddress
  let name: PersonName
  let permissions: [String]
  /// Of the invitation and of what is mailed later.
  let language: Language

  static func read(_ fields: inout JSONFields) -> NewOfficer? {
    let email = fields.required("email", EmailAddress.self)
    let name = fields.required("full_name", PersonName.self)
    let permissions = fields.list("permissions", of: String.self, max: 50)
    let language = fields.optional("language", Language.self)
    guard let email, let name, let permissions else { return nil }
    return NewOfficer(email: email, name: name, permissions: permissions, language: language ?? .id)
  }
}

/// A merge patch (RFC 7396) of what an officer may do, and whether at all.
struct OfficerChange: Input {
  let permissions: [String]?
  let isActive: Bool?

  static func read(_ fields: inout JSONFields) -> OfficerChange? {
    let permissions = fields.optionalList("permissions", of: String.self, max: 50)
    return OfficerChange(permissions: permissions, isActive: fields.optional("active", Bool.self))
  }
}
