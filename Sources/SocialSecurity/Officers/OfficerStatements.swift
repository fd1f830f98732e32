import PostgresClient

enum OfficerStatements {
  static let permissions = Statement(
    "officers.permissions",
    """
    SELECT json_build_object('items', json_agg(json_build_object(
      'code', p.code, 'title', CASE $1 WHEN 'en' THEN p.title_en ELSE p.title_id END, 'grantable', p.grantable)
      ORDER BY p.code)) AS body
    FROM smile.officer_permission AS p
    """,
    String.self)

  static let list = Statement("officers.list", "SELECT smile.list_officers($1, $2) AS body", SQLUUID?.self, Int32.self)

  static let get = Statement("officers.get", "SELECT body, etag FROM smile.get_officer($1)", SQLUUID.self)

  static let create = Statement(
    "officers.create",
    """
    SELECT status, body, etag, location
    FROM smile.create_officer_by_invitation($1, $2, $3, $4, $5, $6, $7, $8)
    """,
    String.self, String.self, [String].self, String.self, String.self, [UInt8].self, SQLUUID.self, [UInt8].self)

  static let update = Statement(
    "officers.update", "SELECT status, body, etag, location FROM smile.update_officer($1, $2, $3, $4)",
    SQLUUID.self, [String]?.self, Bool?.self, String?.self)

  static let approve = Statement(
    "officers.approve", "SELECT status, body, etag, location FROM smile.approve_officer($1, $2)",
    SQLUUID.self, String?.self)

  static let all: [any StatementDescription] = [permissions, list, get, create, update, approve]
}
