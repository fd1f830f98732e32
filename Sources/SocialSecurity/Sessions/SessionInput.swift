import JSON
import PostgresClient

/// What someone shows to log in. The password is taken as it comes: today's rules may be younger than it.
struct LogIn: Input {
  let identifier: String
  let password: String
  let deviceName: String?
  /// The front-end application, where it is registered.
  let client: SQLUUID?

  static func read(_ fields: inout JSONFields) -> LogIn? {
    let identifier = fields.required("identifier", text: .line(1...254))
    let password = fields.required("password", String.self)
    let deviceName = fields.optional("device_name", text: .line(1...100))
    let client = fields.optional("client_id", SQLUUID.self)
    guard let identifier, let password else { return nil }
    return LogIn(identifier: identifier, password: password, deviceName: deviceName, client: client)
  }

  /// Identifiers are kept in lower case; only ASCII letters can stand in one.
  var folded: String {
    String(decoding: identifier.utf8.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }, as: UTF8.self)
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
