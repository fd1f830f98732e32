import Crypto
import HTTPServer
import JSON
import PostgresClient

/// Password or code again: the session's access tokens are replaced by one that has just been vouched for. Who has TOTP
/// shows a code, who hasn't the password.
func stepUpSession(_ call: Call) async throws(Failure) -> Response {
  let shown = try await call.input(StepUp.self)
  if call.services.hashing.isFull { throw .unavailable("busy") }
  var question = try call.work()
  try question.add(SessionStatements.beginStepUp)
  guard let found = try await call.write(question).last, let hash = found.string(0, 1) else { throw .bug }
  let secret = TOTPSecret(found, id: 2, sealed: 3, lastStep: 4)
  let access = try FreshToken(.access)
  var work = try call.work()
  switch shown {
  case .password(let password):
    if secret != nil { throw .refused("code_required", pointer: "/password") }
    guard try await call.services.verify(password, against: hash) else { throw Failure(401, "invalid_credentials") }
    try work.add(SessionStatements.stepUp, hash, nil, nil, nil, access.digest)
  case .code(let code):
    guard let secret else { throw .refused("password_required", pointer: "/code") }
    let step = try secret.step(of: code, at: found.int64(0, 5) ?? 0, call.services.sealer)
    try work.add(SessionStatements.stepUp, nil, secret.id, step, code.recoveryDigest, access.digest)
  }
  return try SessionTokens.answer(await call.write(work).last) { json in json.field("access_token", access.text) }
}
