import Crypto
import HTTPServer
import JSON
import PostgresClient

/// The two tokens of a session, made anew at log-in, refresh and change of role.
struct SessionTokens: Sendable {
  let access: FreshToken
  let refresh: FreshToken

  init() throws(Failure) {
    try self.init(refresh: FreshToken(.refresh))
  }

  init(refresh: FreshToken) throws(Failure) {
    access = try FreshToken(.access)
    self.refresh = refresh
  }

  /// - Throws: 401 `invalid_refresh_token` when the database says no: that refusal is an answer, because it ends a
  ///   session.
  func answer(_ result: QueryResult?) throws(Failure) -> Response {
    if result?.int(0, 0) == 401 { throw Failure(401, "invalid_refresh_token") }
    return try Self.answer(result, write)
  }

  func write(to json: inout JSONWriter) {
    json.field("access_token", access.text)
    json.field("refresh_token", refresh.text)
  }

  /// Puts tokens, which the database never sees, before what it says about the session.
  static func answer(
    _ result: QueryResult?, _ tokens: (inout JSONWriter) -> Void
  ) throws(Failure) -> Response {
    guard let result, let status = result.int(0, 0) else { throw .bug }
    let about = result.bytes(0, 1)
    guard about.first == UInt8(ascii: "{") else { throw .bug }
    var json = JSONWriter(capacity: about.count + 224)
    json.object { json in
      tokens(&json)
      json.field("token_type", "Bearer")
    }
    return .json(status, json.bytes.dropLast() + [UInt8(ascii: ",")] + about.dropFirst())
  }
}

/// The challenge that a log-in may be answered with, and the code that may go out for it.
struct FreshChallenge: Sendable {
  let token: FreshToken
  let code: OneTimeCode
  /// Methods that this installation doesn't have.
  let absent: Set<String>

  init(_ services: Services) throws(Failure) {
    absent = services.configuration.sendsSMS ? [] : ["sms"]
    token = try FreshToken(.challenge)
    code = try OneTimeCode.make(for: token.digest, services)
  }
}

/// What `smile.log_in_answer` becomes: tokens, or 401 `mfa_required` with the challenge.
struct LogInAnswer: Sendable {
  private let tokens: SessionTokens
  private let device: FreshToken?
  private let challenge: FreshChallenge?

  init(_ tokens: SessionTokens, _ device: FreshToken?, _ challenge: FreshChallenge?) {
    self.tokens = tokens
    self.device = device
    self.challenge = challenge
  }

  /// - Throws: 401 `mfa_required`; nothing was undone, for the challenge has to stay.
  func response(_ result: QueryResult?) throws(Failure) -> Response {
    if let challenge, result?.int(0, 0) == 401 {
      var failure = Failure(401, "mfa_required", extensions: [("challenge", challenge.token.text)])
      let methods = (result?.string(0, 3) ?? "").split(separator: " ").map(String.init)
      failure.lists = [("methods", methods.filter { !challenge.absent.contains($0) })]
      throw failure
    }
    let isNew = result?.bool(0, 2) ?? false
    return try SessionTokens.answer(result) { json in
      tokens.write(to: &json)
      if isNew { json.field("device_token", optional: device?.text) }
    }
  }
}
