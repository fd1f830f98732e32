import PostgresClient

/// What is asked and changed about an employer's people.
enum WorkerStatements {
  static let verify = Statement(
    "workers.verify", "SELECT status, body, etag, location FROM smile.verify_members($1)", SQLJSON.self)

  static let get = Statement(
    "workers.get",
    """
    SELECT smile.worker_body(e.id), smile.etag(e.version) FROM smile.employment AS e
    WHERE e.id = $2 AND e.employer_id = $1 AND smile.may_see_workers($1)
    """,
    SQLUUID.self, SQLUUID.self)

  static let update = Statement(
    "workers.update", "SELECT status, body, etag, location FROM smile.update_worker($1, $2, $3, $4)",
    SQLUUID.self, SQLUUID.self, SQLJSON.self, String?.self)

  static let change = Statement(
    "workers.change", "SELECT status, body, etag, location FROM smile.change_workers($1, $2, $3)",
    SQLUUID.self, SQLJSON.self, String.self)

  static let listUnits = Statement(
    "units.list", "SELECT smile.list_units($1, $2, $3)", SQLUUID.self, SQLUUID?.self, Int32.self)

  static let getUnit = Statement(
    "units.get",
    """
    SELECT smile.unit_body(u.id), smile.etag(u.version) FROM smile.employer_unit AS u
    WHERE u.id = $2 AND u.employer_id = $1
    """,
    SQLUUID.self, SQLUUID.self)

  static let createUnit = Statement(
    "units.create", "SELECT status, body, etag, location FROM smile.create_unit($1, $2, $3)",
    SQLUUID.self, String.self, String.self)

  static let updateUnit = Statement(
    "units.update", "SELECT status, body, etag, location FROM smile.update_unit($1, $2, $3, $4, $5, $6)",
    SQLUUID.self, SQLUUID.self, String?.self, String?.self, Bool?.self, String?.self)

  static let all: [any StatementDescription] = [
    verify, get, update, change, listUnits, getUnit, createUnit, updateUnit,
  ]
}
