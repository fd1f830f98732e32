import PostgresClient

/// What is asked and changed about an employer's people.
enum WorkerStatements {
  static let verify = Statement(
    "workers.verify", "SELECT status, body, etag, location FROM smile.verify_members($1)", SQLJSON.self)

  static let all: [any StatementDescription] = [verify]
}
