import HTTPServer
import JSON
import PostgresClient

/// Counts the try, then verifies, then opens the session. An unknown identifier takes the same way and the same time.
func logIn(_ call: OpenCall) async throws(Failure) -> Response {
  let attempt = try await call.input(LogIn.self)
  let throttle = ThrottleKeys(attempt.folded, from: call.request.remoteAddress, call.services.throttleKey)
  var question = try call.work()
  try question.add(SessionStatements.begin, attempt.folded, throttle.pair, throttle.source)
  let found = try await call.write(question).last
  let hash = found.flatMap { $0.rowCount > 0 ? $0.string(0, 1) : nil }
  let isRight = try await call.services.verify(attempt.password, against: hash)
  guard isRight, let account = found?.uuid(0, 0) else { throw Failure(401, "invalid_credentials") }
  let tokens = try SessionTokens()
  var work = try call.work()
  try work.add(
    SessionStatements.open, account, tokens.access.digest, tokens.refresh.digest, attempt.deviceName, attempt.client,
    throttle.pair, throttle.source)
  return try tokens.answer(await call.write(work).last)
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
  var work = try call.work()
  try work.add(SessionStatements.switchGrant, choice.grant, tokens.access.digest, tokens.refresh.digest)
  return try tokens.answer(await call.write(work).last)
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
