import PostgresClient

enum SessionStatements {
  static let begin = Statement(
    "sessions.begin", "SELECT account_id, password_hash FROM smile.begin_log_in($1, $2, $3)",
    String.self, [UInt8].self, [UInt8]?.self)

  static let open = Statement(
    "sessions.open", "SELECT status, body, etag, location FROM smile.open_session($1, $2, $3, $4, $5, $6, $7)",
    SQLUUID.self, [UInt8].self, [UInt8].self, String?.self, SQLUUID?.self, [UInt8].self, [UInt8]?.self)

  static let refresh = Statement(
    "sessions.refresh", "SELECT status, body, etag, location FROM smile.refresh_session($1, $2, $3)",
    [UInt8].self, [UInt8].self, [UInt8].self)

  static let switchGrant = Statement(
    "sessions.switch_grant", "SELECT status, body, etag, location FROM smile.switch_grant($1, $2, $3)",
    SQLUUID.self, [UInt8].self, [UInt8].self)

  static let list = Statement("sessions.list", "SELECT smile.list_sessions() AS body")

  static let logOut = Statement("sessions.log_out", "SELECT status, body, etag, location FROM smile.log_out()")

  static let end = Statement(
    "sessions.end", "SELECT status, body, etag, location FROM smile.end_session($1, 'revoked')", SQLUUID.self)

  static let endOthers = Statement(
    "sessions.end_others", "SELECT status, body, etag, location FROM smile.end_other_sessions()")

  static let all: [any StatementDescription] = [begin, open, refresh, switchGrant, list, logOut, end, endOthers]
}
