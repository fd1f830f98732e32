import PostgresClient

enum EmployerStatements {
  static let register = Statement(
    "employers.register",
    """
    SELECT status, body, etag, location
    FROM smile.register_employer($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
    """,
    String.self, String.self, String.self, String.self, Int32.self, String.self, String.self, String.self,
    String.self, String.self, String.self, [UInt8].self, [UInt8].self, SQLUUID.self, [UInt8].self, String.self)

  static let listRegistrations = Statement(
    "employers.list_registrations", "SELECT smile.list_registrations($1, $2, $3)",
    String?.self, SQLUUID?.self, Int32.self)

  static let approve = Statement(
    "employers.approve",
    "SELECT status, body, etag, location FROM smile.approve_employer_registration($1, $2, $3, $4, $5)",
    SQLUUID.self, Int32?.self, [UInt8].self, SQLUUID.self, [UInt8].self)

  static let list = Statement(
    "employers.list", "SELECT smile.list_employers($1, $2)", SQLUUID?.self, Int32.self)

  static let get = Statement(
    "employers.get",
    "SELECT smile.employer_body(e.id), smile.etag(smile.employer_version(e)) FROM smile.employer AS e WHERE e.id = $1",
    SQLUUID.self)

  static let update = Statement(
    "employers.update", "SELECT status, body, etag, location FROM smile.update_employer($1, $2, $3)",
    SQLUUID.self, SQLJSON.self, String?.self)

  static let listWorkers = Statement(
    "employers.list_workers", "SELECT smile.list_workers($1, $2, $3)", SQLUUID.self, SQLUUID?.self, Int32.self)

  static let hire = Statement(
    "employers.hire",
    """
    SELECT status, body, etag, location FROM smile.hire_worker($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
    """,
    SQLUUID.self, String?.self, [UInt8].self, [UInt8].self, String.self, String.self, SQLDate.self, String?.self,
    Int64.self, SQLDate.self, [String].self, String.self)

  static let end = Statement(
    "employers.end", "SELECT status, body, etag, location FROM smile.end_employment($1, $2, $3, $4)",
    SQLUUID.self, SQLUUID.self, SQLDate.self, String.self)

  static let all: [any StatementDescription] = [
    register, listRegistrations, approve, list, get, update, listWorkers, hire, end,
  ]
}
