import HTTPServer
import JSON
import PostgresClient

func listEmployerUsers(_ call: Call) async throws(Failure) -> Response {
  let employer = try call.id("employer_id")
  let page = try await call.page()
  return try await call.answer(reading: EmployerUserStatements.list, employer, page.after, page.limit)
}

func getEmployerUser(_ call: Call) async throws(Failure) -> Response {
  try await call.answer(reading: EmployerUserStatements.get, call.id("employer_id"), call.id("user_id"))
}

/// Mails a token that brings the role: to an account, or with the password of a new one.
func inviteEmployerUser(_ call: Call) async throws(Failure) -> Response {
  let employer = try call.id("employer_id")
  let user = try await call.input(NewEmployerUser.self)
  let token = try MailedToken.make(call.services.sealer)
  return try await call.answer(
    writing: EmployerUserStatements.invite, employer, user.email.text, user.name.text, user.role.rawValue,
    user.language.rawValue, token.digest, token.mailID, token.sealed)
}

func updateEmployerUser(_ call: Call) async throws(Failure) -> Response {
  let employer = try call.id("employer_id")
  let user = try call.id("user_id")
  let change = try await call.input(EmployerUserChange.self)
  return try await call.answer(
    writing: EmployerUserStatements.update, employer, user, change.role.rawValue, call.ifMatch)
}

func removeEmployerUser(_ call: Call) async throws(Failure) -> Response {
  try await call.answer(
    writing: EmployerUserStatements.remove, call.id("employer_id"), call.id("user_id"), call.ifMatch)
}

/// A refused password leaves the token good.
func acceptInvitation(_ call: OpenCall) async throws(Failure) -> Response {
  let acceptance = try await call.input(InvitationAcceptance.self)
  var question = try call.work()
  try question.add(EmployerUserStatements.beginInvitation, acceptance.token.digest)
  guard let found = try await call.read(question).last else { throw .bug }
  let hash: String?
  switch (found.bool(0, 0), acceptance.password) {
  case (true, let password?):
    let words = found.string(0, 1)?.split(separator: "\n").map(String.init) ?? []
    try call.services.blockedPasswords.refuse(password, of: words, at: "/password")
    hash = try await call.services.hash(password)
  case (true, nil): throw .refused("password_wanted", pointer: "/password")
  case (_, nil): hash = nil
  case (_, _?): throw .refused("password_not_taken", pointer: "/password")
  }
  return try await call.answer(writing: EmployerUserStatements.acceptInvitation, acceptance.token.digest, hash)
}

/// What a user may do for an employer: everything; wages and workers; only read.
enum EmployerUserRole: String, JSONChoice {
  case admin, payroll, viewer
}

struct NewEmployerUser: Input {
  let email: EmailAddress
  let name: PersonName
  let role: EmployerUserRole
  /// Of the invitation, and of what is mailed later where the account is new.
  let language: Language

  static func read(_ fields: inout JSONFields) -> NewEmployerUser? {
    let email = fields.required("email", EmailAddress.self)
    let name = fields.required("full_name", PersonName.self)
    let role = fields.required("role", EmployerUserRole.self)
    let language = fields.optional("language", Language.self)
    guard let email, let name, let role else { return nil }
    return NewEmployerUser(email: email, name: name, role: role, language: language ?? .id)
  }
}

/// A merge patch (RFC 7396): the role alone can be changed.
struct EmployerUserChange: Input {
  let role: EmployerUserRole

  static func read(_ fields: inout JSONFields) -> EmployerUserChange? {
    fields.required("role", EmployerUserRole.self).map { EmployerUserChange(role: $0) }
  }
}

struct InvitationAcceptance: Input {
  let token: ReturnedToken
  /// For a new account; whoever has one keeps its password.
  let password: Password?

  static func read(_ fields: inout JSONFields) -> InvitationAcceptance? {
    let token = fields.required("token", ReturnedToken.self)
    let password = fields.optional("password", Password.self)
    return token.map { InvitationAcceptance(token: $0, password: password) }
  }
}

enum EmployerUserStatements {
  static let list = Statement(
    "employer_users.list", "SELECT smile.list_employer_users($1, $2, $3)", SQLUUID.self, SQLUUID?.self, Int32.self)

  static let get = Statement(
    "employer_users.get", "SELECT body, etag FROM smile.get_employer_user($1, $2)", SQLUUID.self, SQLUUID.self)

  static let invite = Statement(
    "employer_users.invite",
    "SELECT status, body, etag, location FROM smile.invite_employer_user($1, $2, $3, $4, $5, $6, $7, $8)",
    SQLUUID.self, String.self, String.self, String.self, String.self, [UInt8].self, SQLUUID.self, [UInt8].self)

  static let update = Statement(
    "employer_users.update", "SELECT status, body, etag, location FROM smile.update_employer_user($1, $2, $3, $4)",
    SQLUUID.self, SQLUUID.self, String.self, String?.self)

  static let remove = Statement(
    "employer_users.remove", "SELECT status, body, etag, location FROM smile.remove_employer_user($1, $2, $3)",
    SQLUUID.self, SQLUUID.self, String?.self)

  static let beginInvitation = Statement(
    "employer_users.begin_invitation", "SELECT password_wanted, words FROM smile.begin_invitation($1)", [UInt8].self)

  static let acceptInvitation = Statement(
    "employer_users.accept_invitation", "SELECT status, body, etag, location FROM smile.accept_invitation($1, $2)",
    [UInt8].self, String?.self)

  static let all: [any StatementDescription] = [list, get, invite, update, remove, beginInvitation, acceptInvitation]
}
