import PostgresClient

enum FactorStatements {
  static let start = Statement(
    "factors.start", "SELECT email FROM smile.start_totp($1, $2)", SQLUUID.self, [UInt8].self)

  static let waiting = Statement("factors.waiting", "SELECT totp_id, sealed, epoch FROM smile.waiting_totp()")

  static let confirm = Statement(
    "factors.confirm", "SELECT status FROM smile.confirm_totp($1, $2, $3)", SQLUUID.self, Int64.self, [String].self)

  static let remove = Statement("factors.remove", "SELECT status, body, etag, location FROM smile.remove_totp()")

  static let replaceRecoveryCodes = Statement(
    "factors.replace_recovery_codes", "SELECT status FROM smile.replace_recovery_codes($1)", [String].self)

  static let all: [any StatementDescription] = [start, waiting, confirm, remove, replaceRecoveryCodes]
}
