import Crypto
import HTTPServer
import JSON
import PostgresClient

/// Counts the try, then verifies, then opens the session or asks for the second factor. An unknown identifier takes the
/// same way and the same time; what refusals differ by in the database is hidden by the beat.
func logIn(_ call: OpenCall) async throws(Failure) -> Response {
  let attempt = try await call.input(LogIn.self)
  // A try that would only be turned away at the queue isn't worth a round trip, and must not count.
  if call.services.hashing.isFull { throw .unavailable("busy") }
  let beat = Beat(call.context)
  do {
    return try await showPassword(attempt, call)
  } catch {
    if error.status != 503 { await beat.next() }
    throw error
  }
}

private func showPassword(_ attempt: LogIn, _ call: OpenCall) async throws(Failure) -> Response {
  let source = LogInSource(call.request.remoteAddress, call.services.throttleKey)
  var question = try call.work()
  try question.add(
    SessionStatements.begin, attempt.folded, source.key(of: attempt.folded), source.key, source.counts,
    attempt.device?.bytes)
  let found = try await call.write(question).last
  let hash = found.flatMap { $0.rowCount > 0 ? $0.string(0, 1) : nil }
  let check = try await call.services.verifyAtLogIn(attempt.password, against: hash)
  guard check.isRight, let account = found?.uuid(0, 0), let hash else { throw Failure(401, "invalid_credentials") }
  let tokens = try SessionTokens()
  let device = try FreshToken(.device)
  let challenge = try FreshChallenge(call.services)
  var work = try call.work()
  try work.add(
    SessionStatements.open, account, hash, check.freshHash, attempt.deviceName, attempt.client, attempt.device?.bytes,
    device.digest, source.key, source.counts, tokens.access.digest, tokens.refresh.digest, challenge.token.digest,
    challenge.code.digest, challenge.code.messageID, challenge.code.sealed)
  return try LogInAnswer(tokens, device, challenge).response(await call.write(work).last)
}

/// Meets the challenge of a log-in or of a change of role. Unknown, used and expired challenges and wrong codes are
/// answered alike.
func finishLogIn(_ call: OpenCall) async throws(Failure) -> Response {
  let shown = try await call.input(SecondFactor.self)
  let beat = Beat(call.context)
  do {
    return try await meetChallenge(shown, call)
  } catch {
    await beat.next()
    throw error
  }
}

private func meetChallenge(_ shown: SecondFactor, _ call: OpenCall) async throws(Failure) -> Response {
  guard let challenge = TokenDigest(.challenge, shown.challenge.utf8) else { throw Failure(401, "invalid_code") }
  var question = try call.work()
  try question.add(SessionStatements.beginSecondFactor, challenge.bytes)
  guard let found = try await call.write(question).last, found.rowCount > 0 else { throw Failure(401, "invalid_code") }
  let secret = TOTPSecret(found, id: 0, sealed: 1, lastStep: 2)
  let step = try secret?.step(of: shown.code, at: found.int64(0, 3) ?? 0, call.services.sealer)
  let code = shown.code.digits.map { OneTimeCode.digest(of: $0, for: challenge.bytes, call.services) }
  let source = LogInSource(call.request.remoteAddress, call.services.throttleKey)
  let tokens = try SessionTokens()
  let device = try FreshToken(.device)
  var work = try call.work()
  try work.add(
    SessionStatements.finish, challenge.bytes, secret?.id, step, shown.code.recoveryDigest, code, device.digest,
    source.key, source.counts, tokens.access.digest, tokens.refresh.digest)
  return try LogInAnswer(tokens, device, nil).response(await call.write(work).last)
}

/// Answers the same whether a code was sent or not.
func resendCode(_ call: OpenCall) async throws(Failure) -> Response {
  let wanted = try await call.input(CodeRequest.self)
  if wanted.channel == .sms, !call.services.configuration.sendsSMS {
    throw .refused("sms_unavailable", pointer: "/channel")
  }
  let beat = Beat(call.context)
  let challenge = TokenDigest(.challenge, wanted.challenge.utf8)?.bytes ?? []
  let code = try OneTimeCode.make(for: challenge, call.services)
  let response = try await call.answer(
    writing: SessionStatements.resendCode, challenge, wanted.channel.rawValue, code.digest, code.messageID, code.sealed)
  await beat.next()
  return response
}

func refreshSession(_ call: OpenCall) async throws(Failure) -> Response {
  let token = try await call.input(Refresh.self).token
  guard let digest = TokenDigest(.refresh, token.utf8) else { throw Failure(401, "invalid_refresh_token") }
  let tokens = try SessionTokens(refresh: FreshToken(successorOf: token, under: call.services.refreshSuccessor))
  var work = try call.work()
  try work.add(SessionStatements.refresh, digest.bytes, tokens.refresh.digest, tokens.access.digest)
  return try tokens.answer(await call.write(work).last)
}

func switchRole(_ call: Call) async throws(Failure) -> Response {
  let choice = try await call.input(RoleChoice.self)
  let tokens = try SessionTokens()
  let challenge = try FreshChallenge(call.services)
  var work = try call.work()
  try work.add(
    SessionStatements.switchGrant, choice.grant, tokens.access.digest, tokens.refresh.digest, challenge.token.digest,
    challenge.code.digest, challenge.code.messageID, challenge.code.sealed)
  return try LogInAnswer(tokens, nil, challenge).response(await call.write(work).last)
}

func listSessions(_ call: Call) async throws(Failure) -> Response {
  try await call.answer(reading: SessionStatements.list)
}

func endOtherSessions(_ call: Call) async throws(Failure) -> Response {
  try await call.answer(writing: SessionStatements.endOthers)
}

func logOut(_ call: Call) async throws(Failure) -> Response {
  try await call.answer(writing: SessionStatements.logOut)
}

func endSession(_ call: Call) async throws(Failure) -> Response {
  try await call.answer(writing: SessionStatements.end, call.id("session_id"))
}
