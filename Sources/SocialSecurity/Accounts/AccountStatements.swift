import PostgresClient

enum AccountStatements {
  static let register = Statement(
    "accounts.register",
    """
    SELECT status, body, etag, location
    FROM smile.register_member($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
    """,
    String.self, [UInt8].self, String.self, SQLDate.self, String.self, [UInt8].self, String.self, String?.self,
    String.self, String.self, [UInt8].self, SQLUUID.self, [UInt8].self)

  static let confirm = Statement(
    "accounts.confirm", "SELECT status, body, etag, location FROM smile.confirm_registration($1)", [UInt8].self)

  static let resend = Statement(
    "accounts.resend", "SELECT status, body, etag, location FROM smile.resend_confirmation($1, $2, $3, $4, $5)",
    String.self, [UInt8].self, [UInt8].self, SQLUUID.self, [UInt8].self)

  static let own = Statement("accounts.own", "SELECT body, etag FROM smile.own_account()")

  static let securityEvents = Statement(
    "accounts.security_events", "SELECT smile.list_security_events($1, $2, $3) AS body",
    SQLUUID?.self, Int32.self, String.self)

  static let all: [any StatementDescription] = [register, confirm, resend, own, securityEvents]
}
