import Crypto
import HTTPServer
import JSON
import PostgresClient

/// A fresh TOTP secret, shown this once; it counts when its first code has been shown.
func startTOTP(_ call: Call) async throws(Failure) -> Response {
  let id = SQLUUID.random()
  let secret: [UInt8]
  let sealed: [UInt8]
  do {
    secret = try TOTP.freshSecret()
    sealed = try call.services.sealer.seal(secret, at: TOTPSecret.place(id))
  } catch {
    throw .bug
  }
  var work = try call.work()
  try work.add(FactorStatements.start, id, sealed)
  guard let email = try await call.write(work).last?.string(0, 0), let totp = try? TOTP(secret: secret) else {
    throw .bug
  }
  return .json(200) { json in
    json.field("secret", Base32.encode(secret))
    json.field("otpauth_uri", totp.provisioningURI(issuer: "SMILE", account: email))
  }
}

func confirmTOTP(_ call: Call) async throws(Failure) -> Response {
  let code = try await call.input(FirstCode.self).code
  var question = try call.work()
  try question.add(FactorStatements.waiting)
  guard let found = try await call.write(question).last, let secret = TOTPSecret(found, id: 0, sealed: 1) else {
    throw .bug
  }
  guard let step = try secret.step(of: code, at: found.int64(0, 2) ?? 0, call.services.sealer) else {
    throw .refused("wrong_code", pointer: "/code")
  }
  let codes = try RecoveryCode.fresh()
  var work = try call.work()
  try work.add(FactorStatements.confirm, secret.id, step, codes.map { Hex.encode($0.digest) })
  _ = try await call.write(work)
  return answer(codes)
}

func removeTOTP(_ call: Call) async throws(Failure) -> Response {
  try await call.answer(writing: FactorStatements.remove)
}

func replaceRecoveryCodes(_ call: Call) async throws(Failure) -> Response {
  let codes = try RecoveryCode.fresh()
  var work = try call.work()
  try work.add(FactorStatements.replaceRecoveryCodes, codes.map { Hex.encode($0.digest) })
  _ = try await call.write(work)
  return answer(codes)
}

/// Recovery codes are shown once.
private func answer(_ codes: [RecoveryCode]) -> Response {
  .json(200) { json in
    json.field("recovery_codes", array: { (json: inout JSONWriter) in
      for code in codes { json.string(code.text) }
    })
  }
}

/// The first code of an authenticator.
struct FirstCode: Input {
  let code: ShownCode

  static func read(_ fields: inout JSONFields) -> FirstCode? {
    fields.required("code", ShownCode.self).map(FirstCode.init)
  }
}
