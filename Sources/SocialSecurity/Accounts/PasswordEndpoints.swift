import HTTPServer
import JSON
import PostgresClient

/// What a sign-up form shows while a password is chosen: the rules that registration and reset apply. Nothing is kept.
func checkPassword(_ call: OpenCall) async throws(Failure) -> Response {
  let check = try await call.input(PasswordCheck.self)
  var problems: [FieldProblem] = []
  do {
    let password = try Password(parsing: check.password)
    if let weakness = call.services.blockedPasswords.weakness(of: password.text, of: check.words) {
      problems.append(FieldProblem(weakness.rawValue))
    }
  } catch {
    problems.append(error)
  }
  let (language, catalogue) = (call.language, call.services.catalogue)
  return .json(200) { json in
    json.field("acceptable", problems.isEmpty)
    json.field("min_length", Password.lengths.lowerBound)
    json.field("max_length", Password.lengths.upperBound)
    json.field("problems", array: { (json: inout JSONWriter) in
      for problem in problems {
        json.object { json in
          json.field("code", problem.code)
          json.field("message", FieldTexts.message(of: problem, in: language, catalogue))
        }
      }
    })
  }
}

/// Compares the current password, then judges and hashes the new one. The session goes on with new tokens; all others
/// end.
func changePassword(_ call: Call) async throws(Failure) -> Response {
  let change = try await call.input(PasswordChange.self)
  var question = try call.work()
  try question.add(PasswordStatements.beginChange)
  guard let found = try await call.write(question).last, let hash = found.string(0, 0) else { throw .bug }
  guard try await call.services.verify(change.current, against: hash) else {
    throw .refused("current_password_wrong", pointer: "/current_password")
  }
  try call.services.blockedPasswords.refuse(change.new, of: lines(found.string(0, 1)), at: "/new_password")
  let newHash = try await call.services.hash(change.new)
  let tokens = try SessionTokens()
  var work = try call.work()
  try work.add(PasswordStatements.change, hash, newHash, tokens.access.digest, tokens.refresh.digest)
  return try tokens.answer(await call.write(work).last)
}

/// The same answer at the same time, whether there is such an account or not.
func requestPasswordReset(_ call: OpenCall) async throws(Failure) -> Response {
  let wanted = try await call.input(PasswordResetRequest.self)
  let beat = Beat(call.context)
  let token = try MailedToken.make(call.services.sealer)
  let answer = try await call.answer(
    writing: PasswordStatements.requestReset, wanted.identifier, token.digest, token.mailID, token.sealed)
  await beat.next()
  return answer
}

/// A refused password leaves the token good. Tries that were counted under the account's names are forgotten.
func resetPassword(_ call: OpenCall) async throws(Failure) -> Response {
  let reset = try await call.input(PasswordReset.self)
  var question = try call.work()
  try question.add(PasswordStatements.beginReset, reset.token.digest)
  guard let found = try await call.read(question).last else { throw .bug }
  try call.services.blockedPasswords.refuse(reset.new, of: lines(found.string(0, 0)), at: "/new_password")
  let hash = try await call.services.hash(reset.new)
  let source = LogInSource(call.request.remoteAddress, call.services.throttleKey)
  return try await call.answer(
    writing: PasswordStatements.reset, reset.token.digest, hash, found.string(0, 1).map(source.key(of:)),
    found.string(0, 2).map(source.key(of:)))
}

private func lines(_ text: String?) -> [String] { text?.split(separator: "\n").map(String.init) ?? [] }
