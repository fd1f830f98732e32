import JSON
import PostgresClient

/// What someone shows to log in. The password is taken as it comes: today's rules may be younger than it.
struct LogIn: Input {
  let identifier: String
  let password: String
  let deviceName: String?
  /// What an earlier log-in left on this device; whatever can't be such a token is none.
  let device: TokenDigest?
  /// The front-end application, where it is registered.
  let client: SQLUUID?

  static func read(_ fields: inout JSONFields) -> LogIn? {
    let identifier = fields.required("identifier", text: .line(1...254))
    let password = fields.required("password", String.self)
    let deviceName = fields.optional("device_name", text: .line(1...100))
    let device = fields.optional("device_token", String.self)
    let client = fields.optional("client_id", SQLUUID.self)
    guard let identifier, let password else { return nil }
    return LogIn(
      identifier: identifier, password: password, deviceName: deviceName,
      device: device.flatMap { TokenDigest(.device, $0.utf8) }, client: client)
  }

  /// Identifiers are kept in lower case; only ASCII letters can stand in one.
  var folded: String {
    String(decoding: identifier.utf8.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }, as: UTF8.self)
  }
}

/// A code for the challenge that a log-in was answered with.
struct SecondFactor: Input {
  let challenge: String
  let code: ShownCode

  static func read(_ fields: inout JSONFields) -> SecondFactor? {
    let challenge = fields.required("challenge", String.self)
    let code = fields.required("code", ShownCode.self)
    guard let challenge, let code else { return nil }
    return SecondFactor(challenge: challenge, code: code)
  }
}

/// Where another code is wanted.
struct CodeRequest: Input {
  enum Channel: String, CaseIterable, JSONChoice {
    case email, sms
  }

  let challenge: String
  let channel: Channel

  static func read(_ fields: inout JSONFields) -> CodeRequest? {
    let challenge = fields.required("challenge", String.self)
    let channel = fields.optional("channel", Channel.self)
    return challenge.map { CodeRequest(challenge: $0, channel: channel ?? .email) }
  }
}

/// Password or code, shown again.
enum StepUp: Input {
  case password(String)
  case code(ShownCode)

  static func read(_ fields: inout JSONFields) -> StepUp? {
    let password = fields.optional("password", String.self)
    let code = fields.optional("code", ShownCode.self)
    if fields.has("password") == fields.has("code") { fields.fail("", FieldProblem("password_or_code")) }
    return password.map(StepUp.password) ?? code.map(StepUp.code)
  }
}

struct Refresh: Input {
  let token: String

  static func read(_ fields: inout JSONFields) -> Refresh? {
    fields.required("refresh_token", String.self).map(Refresh.init)
  }
}

struct RoleChoice: Input {
  let grant: SQLUUID

  static func read(_ fields: inout JSONFields) -> RoleChoice? {
    fields.required("grant_id", SQLUUID.self).map(RoleChoice.init)
  }
}
