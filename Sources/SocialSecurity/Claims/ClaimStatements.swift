import PostgresClient

enum ClaimStatements {
  static let types = Statement("claims.types", "SELECT smile.list_claim_types()")

  static let create = Statement(
    "claims.create", "SELECT status, body, etag, location FROM smile.create_claim($1, $2, $3)",
    String.self, String.self, String?.self)

  static let list = Statement(
    "claims.list", "SELECT smile.list_claims($1, $2, $3)", String?.self, SQLUUID?.self, Int32.self)

  /// Writes an audit row when an officer asks.
  static let get = Statement(
    "claims.get", "SELECT body, etag FROM smile.read_claim($1)", SQLUUID.self)

  static let timeline = Statement(
    "claims.timeline", "SELECT t FROM smile.claim_timeline($1, $2) AS t", SQLUUID.self, String.self)

  static let attach = Statement(
    "claims.attach", "SELECT status, body, etag, location FROM smile.attach_document($1, $2, $3)",
    SQLUUID.self, SQLUUID.self, SQLUUID?.self)

  static let submit = Statement(
    "claims.submit", "SELECT status, body, etag, location FROM smile.submit_claim($1)", SQLUUID.self)

  static let withdraw = Statement(
    "claims.withdraw", "SELECT status, body, etag, location FROM smile.withdraw_claim($1)", SQLUUID.self)

  static let queue = Statement(
    "claims.queue", "SELECT smile.list_claim_queue($1, $2, $3, $4)",
    String?.self, Bool.self, SQLUUID?.self, Int32.self)

  static let assign = Statement(
    "claims.assign", "SELECT status, body, etag, location FROM smile.assign_claim($1)", SQLUUID.self)

  static let decide = Statement(
    "claims.decide", "SELECT status, body, etag, location FROM smile.decide_claim($1, $2, $3)",
    SQLUUID.self, String.self, String.self)

  static let approve = Statement(
    "claims.approve", "SELECT status, body, etag, location FROM smile.approve_claim($1)", SQLUUID.self)

  static let pay = Statement(
    "claims.pay", "SELECT status, body, etag, location FROM smile.pay_claim($1, $2)", SQLUUID.self, String.self)

  static let all: [any StatementDescription] = [
    types, create, list, get, timeline, attach, submit, withdraw, queue, assign, decide, approve, pay,
  ]
}
