import PostgresClient

enum ClientStatements {
  static let create = Statement(
    "clients.create", "SELECT status, body, etag, location FROM smile.create_client($1, $2, $3)",
    String.self, [String].self, [UInt8].self)

  static let list = Statement(
    "clients.list", "SELECT smile.list_clients($1, $2) AS body", SQLUUID?.self, Int32.self)

  static let get = Statement("clients.get", "SELECT body, etag FROM smile.get_client($1)", SQLUUID.self)

  static let revoke = Statement(
    "clients.revoke", "SELECT status, body, etag, location FROM smile.revoke_client($1, $2)",
    SQLUUID.self, String?.self)

  static let issueToken = Statement(
    "clients.issue_token", "SELECT expires_in, scopes FROM smile.issue_client_token($1, $2, $3, $4)",
    SQLUUID.self, [UInt8].self, [String]?.self, [UInt8].self)

  static let all: [any StatementDescription] = [create, list, get, revoke, issueToken]
}
