/// A waiting connection for the migration program and the server's start check: neither has a loop.
final class MigrationSession {
  private let line: LibPQ

  init(_ conninfo: String, applicationName: String) throws(MigrationError) {
    guard LibPQ.isWellFormed(conninfo) else { throw .unreachable("the connection string is malformed") }
    line = LibPQ.connect(
      conninfo,
      [
        ("application_name", applicationName), ("client_encoding", "UTF8"),
        ("options", (LibPQ.option("options", in: conninfo) ?? "") + " -c TimeZone=UTC -c DateStyle=ISO"),
      ])
    if line.isLost { throw .unreachable(line.message) }
  }

  /// True inside an intact transaction block.
  var isInTransaction: Bool { line.isInTransaction }

  /// Runs text, which may be several statements; the last result.
  @discardableResult
  func run(_ sql: String) throws(ServerError) -> QueryResult { try check(line.execute(sql)) }

  /// Runs one statement with parameters.
  func run(_ sql: StaticString, _ parameters: ParameterBuffer) throws(ServerError) -> QueryResult {
    try check(line.execute(sql, parameters))
  }

  private func check(_ result: ResultStorage?) throws(ServerError) -> QueryResult {
    if let result, result.status != .failure { return QueryResult(storage: result) }
    throw result?.serverError
      ?? ServerError(
        sqlState: "08006", severity: "FATAL", message: line.message, detail: nil, schema: nil, table: nil, column: nil,
        constraint: nil, position: nil, context: nil)
  }

  // MARK: What the database remembers

  /// The applied rows by version; nil when the database has no `smile_migration.applied`.
  func applied() throws(MigrationError) -> [AppliedMigration]? {
    do {
      let rows = try run("SELECT version, name, checksum, applied_at FROM smile_migration.applied ORDER BY version")
      return (0..<rows.rowCount).map { row in
        AppliedMigration(
          version: rows.int(row, 0) ?? 0, name: rows.string(row, 1) ?? "", checksum: rows.string(row, 2) ?? "",
          appliedAt: rows.string(row, 3) ?? "")
      }
    } catch {
      // Undefined schema or table.
      if error.sqlState == "3F000" || error.sqlState == "42P01" { return nil }
      throw .bookkeeping(error.message)
    }
  }

  /// SHA-256 of each file, computed by PostgreSQL: the platform needs no second implementation.
  func checksums(of files: [MigrationFile]) throws(MigrationError) -> [(file: MigrationFile, checksum: String)] {
    var parameters = ParameterBuffer()
    parameters.appendArray(files.map(\.text), elementType: 17) { text, buffer in buffer.appendElement(text) }
    let rows: QueryResult
    do {
      rows = try run(
        """
        SELECT encode(sha256(f.text), 'hex')
        FROM unnest($1::bytea[]) WITH ORDINALITY AS f (text, number) ORDER BY number
        """, parameters)
    } catch {
      throw .bookkeeping(error.message)
    }
    guard rows.rowCount == files.count else { throw .bookkeeping("checksums are missing") }
    return files.enumerated().map { ($0.element, rows.string($0.offset, 0) ?? "") }
  }
}
