import HTTPServer
import JSON

/// The same answer after the same work, whoever asks: what was found stands only in the mail.
func registerMember(_ call: OpenCall) async throws(Failure) -> Response {
  let wanted = try await call.input(Registration.self)
  let beat = Beat(call.context)
  try call.services.blockedPasswords.refuse(wanted.password, of: wanted.personalWords, at: "/password")
  let hash = try await call.services.hash(wanted.password)
  let token = try MailedToken.make(call.services.sealer)
  let answer = try await call.answer(
    writing: AccountStatements.register, wanted.kpj.digits, wanted.nik.index(under: call.services.nationalIDIndex),
    wanted.name.text, wanted.birthDate.sql, wanted.email.text, wanted.email.key(under: call.services.throttleKey),
    wanted.phone.text, wanted.username?.text, hash, call.language.rawValue, token.digest, token.mailID, token.sealed)
  await beat.next()
  return answer
}

func confirmRegistration(_ call: OpenCall) async throws(Failure) -> Response {
  let confirmation = try await call.input(Confirmation.self)
  return try await call.answer(writing: AccountStatements.confirm, confirmation.token.digest)
}

func resendConfirmation(_ call: OpenCall) async throws(Failure) -> Response {
  let wanted = try await call.input(Resend.self)
  let beat = Beat(call.context)
  let token = try MailedToken.make(call.services.sealer)
  let answer = try await call.answer(
    writing: AccountStatements.resend, wanted.email.text, wanted.email.key(under: call.services.throttleKey),
    token.digest, token.mailID, token.sealed)
  await beat.next()
  return answer
}

func getAccount(_ call: Call) async throws(Failure) -> Response {
  try await call.answer(reading: AccountStatements.own)
}

func listSecurityEvents(_ call: Call) async throws(Failure) -> Response {
  let page = try await call.page()
  return try await call.answer(
    reading: AccountStatements.securityEvents, page.after, page.limit, call.language.rawValue)
}
