import PostgresClient

enum PasswordStatements {
  static let beginChange = Statement(
    "passwords.begin_change", "SELECT password_hash, words FROM smile.begin_password_change()")

  static let change = Statement(
    "passwords.change", "SELECT status, body, etag, location FROM smile.change_password($1, $2, $3, $4)",
    String.self, String.self, [UInt8].self, [UInt8].self)

  static let requestReset = Statement(
    "passwords.request_reset", "SELECT status, body, etag, location FROM smile.request_password_reset($1, $2, $3, $4)",
    String.self, [UInt8].self, SQLUUID.self, [UInt8].self)

  static let beginReset = Statement(
    "passwords.begin_reset", "SELECT words, email, username FROM smile.begin_password_reset($1)", [UInt8].self)

  static let reset = Statement(
    "passwords.reset", "SELECT status, body, etag, location FROM smile.reset_password($1, $2, $3, $4)",
    [UInt8].self, String.self, [UInt8]?.self, [UInt8]?.self)

  static let all: [any StatementDescription] = [beginChange, change, requestReset, beginReset, reset]
}
