import PostgresClient

enum SessionStatements {
  static let begin = Statement(
    "sessions.begin", "SELECT account_id, password_hash FROM smile.begin_log_in($1, $2, $3, $4, $5)",
    String.self, [UInt8].self, [UInt8].self, Bool.self, [UInt8]?.self)

  static let open = Statement(
    "sessions.open",
    """
    SELECT status, body, device_is_new, methods
    FROM smile.open_session($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
    """,
    SQLUUID.self, String.self, String?.self, String?.self, SQLUUID?.self, [UInt8]?.self, [UInt8].self, [UInt8].self,
    Bool.self, [UInt8].self, [UInt8].self, [UInt8].self, [UInt8].self, SQLUUID.self, [UInt8].self)

  static let beginSecondFactor = Statement(
    "sessions.begin_second_factor",
    "SELECT totp_id, sealed, last_step, epoch FROM smile.begin_second_factor($1)", [UInt8].self)

  static let finish = Statement(
    "sessions.finish",
    """
    SELECT status, body, device_is_new, methods
    FROM smile.finish_log_in($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
    """,
    [UInt8].self, SQLUUID?.self, Int64?.self, [UInt8]?.self, [UInt8]?.self, [UInt8].self, [UInt8].self, Bool.self,
    [UInt8].self, [UInt8].self)

  static let resendCode = Statement(
    "sessions.resend_code", "SELECT status, body, etag, location FROM smile.resend_code($1, $2, $3, $4, $5)",
    [UInt8].self, String.self, [UInt8].self, SQLUUID.self, [UInt8].self)

  static let beginStepUp = Statement(
    "sessions.begin_step_up",
    "SELECT account_id, password_hash, totp_id, sealed, last_step, epoch FROM smile.begin_step_up()")

  static let stepUp = Statement(
    "sessions.step_up", "SELECT status, body FROM smile.step_up($1, $2, $3, $4, $5)",
    String?.self, SQLUUID?.self, Int64?.self, [UInt8]?.self, [UInt8].self)

  static let refresh = Statement(
    "sessions.refresh", "SELECT status, body, etag, location FROM smile.refresh_session($1, $2, $3)",
    [UInt8].self, [UInt8].self, [UInt8].self)

  static let switchGrant = Statement(
    "sessions.switch_grant",
    "SELECT status, body, device_is_new, methods FROM smile.switch_grant($1, $2, $3, $4, $5, $6, $7)",
    SQLUUID.self, [UInt8].self, [UInt8].self, [UInt8].self, [UInt8].self, SQLUUID.self, [UInt8].self)

  static let list = Statement("sessions.list", "SELECT smile.list_sessions() AS body")

  static let logOut = Statement("sessions.log_out", "SELECT status, body, etag, location FROM smile.log_out()")

  static let end = Statement(
    "sessions.end", "SELECT status, body, etag, location FROM smile.end_session($1, 'revoked')", SQLUUID.self)

  static let endOthers = Statement(
    "sessions.end_others", "SELECT status, body, etag, location FROM smile.end_other_sessions()")

  static let all: [any StatementDescription] = [
    begin, open, beginSecondFactor, finish, resendCode, beginStepUp, stepUp, refresh, switchGrant, list, logOut, end,
    endOthers,
  ]
}
