import PostgresClient

/// What every request's pipeline begins with, and what an idempotent one needs besides.
enum WebStatements {
  /// Finds the caller by the token's digest, judges the access, and sets the context that row-level security reads.
  static let authenticate = Statement(
    "web.authenticate",
    "SELECT kind, principal, employer_id FROM smile.authenticate($1, $2, $3, $4, $5, $6)",
    [UInt8].self, [String].self, Bool.self, String.self, SQLUUID.self, String?.self)

  /// The context of a request without a caller.
  static let open = Statement("web.open", "SELECT smile.open_call($1, $2)", String.self, SQLUUID.self)

  static let claimKey = Statement("web.claim_key", "SELECT smile.claim_key($1, $2)", String.self, [UInt8].self)

  /// The answer stored under a key of the caller's.
  static let replay = Statement(
    "web.replay",
    """
    SELECT k.status, k.body, k.etag, k.location
    FROM smile.idempotency_key AS k
    WHERE k.principal = coalesce(smile.client_id(), smile.account_id()) AND k.key = $1
    """,
    String.self)

  static let all: [any StatementDescription] = [authenticate, open, claimKey, replay]
}
