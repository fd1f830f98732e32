import PostgresClient

enum ClientStatements {
  static let create = Statement(
    "clients.create", "SELECT status, body, etag, location FROM smile.create_client($1, $2)",
    SQLJSON.self, [UInt8].self)

  static let list = Statement(
    "clients.list", "SELECT smile.list_clients($1, $2) AS body", SQLUUID?.self, Int32.self)

  static let get = Statement("clients.get", "SELECT body, etag FROM smile.get_client($1)", SQLUUID.self)

  static let update = Statement(
    "clients.update", "SELECT status, body, etag, location FROM smile.update_client($1, $2, $3)",
    SQLUUID.self, SQLJSON.self, String?.self)

  static let revoke = Statement(
    "clients.revoke", "SELECT status, body, etag, location FROM smile.revoke_client($1, $2)",
    SQLUUID.self, String?.self)

  static let createSecret = Statement(
    "clients.create_secret", "SELECT status, body, etag, location FROM smile.create_client_secret($1, $2, $3)",
    SQLUUID.self, [UInt8].self, SQLInstant?.self)

  static let revokeSecret = Statement(
    "clients.revoke_secret", "SELECT status, body, etag, location FROM smile.revoke_client_secret($1, $2)",
    SQLUUID.self, SQLUUID.self)

  static let approveSecret = Statement(
    "clients.approve_secret", "SELECT status, body, etag, location FROM smile.approve_client_secret($1, $2, $3)",
    SQLUUID.self, SQLUUID.self, String?.self)

  static let issueToken = Statement(
    "clients.issue_token", "SELECT refusal, expires_in, scopes FROM smile.issue_client_token($1, $2, $3, $4)",
    SQLUUID.self, [UInt8].self, [String]?.self, [UInt8].self)

  static let introspect = Statement(
    "clients.introspect", "SELECT refusal, body FROM smile.introspect_token($1, $2, $3)",
    SQLUUID.self, [UInt8].self, [UInt8].self)

  static let revokeToken = Statement(
    "clients.revoke_token", "SELECT refusal FROM smile.revoke_token($1, $2, $3)",
    SQLUUID.self, [UInt8]?.self, [UInt8].self)

  static let origins = Statement("clients.origins", "SELECT origin FROM smile.client_origins()")

  static let quotas = Statement(
    "clients.quotas", "SELECT client, requests_per_minute, is_front_end FROM smile.client_quotas()")

  static let frontEnd = Statement("clients.front_end", "SELECT smile.front_end_of($1)", [UInt8].self)

  static let all: [any StatementDescription] = [
    create, list, get, update, revoke, createSecret, revokeSecret, approveSecret, issueToken, introspect, revokeToken,
    origins, quotas, frontEnd,
  ]
}
