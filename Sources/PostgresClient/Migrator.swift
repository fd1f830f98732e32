import EventLoop
import Glibc

/// Applies a directory of numbered SQL files to a database: each once, in order, each in one transaction with the row
/// that remembers it, so an interruption anywhere leaves either all of a file or nothing.
///
/// Only one runs at a time (an advisory lock of the database); a second one waits and then finds nothing to do.
package struct Migrator {
  package struct Configuration {
    package var conninfo: String
    package var directory: String
    /// The role that files run as, from the second one on.
    package var ownerRole: String
    /// Roles that may read what is applied, for the server's start check; those that don't exist are left out.
    package var readerRoles: [String]
    /// How long a statement of a file may wait for a lock that a running server holds. 0 waits for ever.
    package var lockTimeoutSeconds: Int

    package init(
      conninfo: String, directory: String, ownerRole: String, readerRoles: [String], lockTimeoutSeconds: Int = 10
    ) {
      self.conninfo = conninfo
      self.directory = directory
      self.ownerRole = ownerRole
      self.readerRoles = readerRoles
      self.lockTimeoutSeconds = lockTimeoutSeconds
    }
  }

  /// What is applied and what isn't, for people.
  struct State {
    var files: [(file: MigrationFile, checksum: String)]
    var applied: [AppliedMigration]
    var difference: MigrationDifference? { .first(files: files, applied: applied) }
    var pending: [(file: MigrationFile, checksum: String)] {
      let done = Set(applied.map(\.version))
      return files.filter { !done.contains($0.file.version) }
    }
  }

  static let applicationName = "smile-migrate"
  /// An arbitrary number that only this program locks, in each database by itself.
  private static let lock = 7_305_437_201_125_901_421

  let configuration: Configuration
  private let session: MigrationSession
  private let say: (String) -> Void

  /// Connects. `say` is given each line of progress.
  init(_ configuration: Configuration, say: @escaping (String) -> Void) throws(MigrationError) {
    self.configuration = configuration
    self.say = say
    session = try MigrationSession(configuration.conninfo, applicationName: Self.applicationName)
  }

  /// Reads files and rows without changing anything.
  func state() throws(MigrationError) -> State {
    let files = try MigrationFile.all(in: configuration.directory)
    return State(files: try session.checksums(of: files), applied: try session.applied() ?? [])
  }

  /// Applies what is pending and returns the number of files. Throws before any change when the directory and the
  /// database tell different stories.
  func up() throws(MigrationError) -> Int {
    // The files are read, and refused, before anything waits.
    _ = try MigrationFile.all(in: configuration.directory)
    try takeLock()
    try prepareBookkeeping()
    let state = try state()
    if let difference = state.difference { throw .difference(difference) }
    for (file, checksum) in state.pending {
      let start = MonotonicInstant.read()
      if file.withoutTransaction {
        try applyStatementByStatement(file, checksum, since: start)
      } else {
        try apply(file, checksum, since: start)
      }
      say("\(file.fileName) applied in \(Self.milliseconds(since: start)) ms")
    }
    try grantReaders()
    return state.pending.count
  }

  // MARK: Bookkeeping

  private func own(_ sql: String) throws(MigrationError) -> QueryResult {
    do { return try session.run(sql) } catch { throw .bookkeeping(error.message) }
  }

  /// Asked again and again instead of waited for: a session that waits inside a statement holds a snapshot, for which
  /// CREATE INDEX CONCURRENTLY would wait in turn.
  private func takeLock() throws(MigrationError) {
    var hasSaidSo = false
    while try own("SELECT pg_try_advisory_lock(\(Self.lock))").bool(0, 0) != true {
      if !hasSaidSo { say("another migration is running; waiting for it") }
      hasSaidSo = true
      usleep(100_000)
    }
  }

  private func prepareBookkeeping() throws(MigrationError) {
    if try session.applied() == nil {
      _ = try own(
        """
        BEGIN;
        CREATE SCHEMA smile_migration;
        CREATE TABLE smile_migration.applied (
          version integer PRIMARY KEY CHECK (version > 0),
          name text NOT NULL,
          checksum text NOT NULL CHECK (checksum ~ '^[0-9a-f]{64}$'),
          applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
          duration_ms bigint NOT NULL CHECK (duration_ms >= 0),
          app text NOT NULL
        );
        COMMENT ON TABLE smile_migration.applied IS 'One row a migration file; written by smile-migrate alone';
        COMMIT
        """)
    }
    _ = try own("SET lock_timeout = '\(max(0, configuration.lockTimeoutSeconds))s'")
  }

  private func grantReaders() throws(MigrationError) {
    for role in configuration.readerRoles {
      let exists = try own("SELECT FROM pg_roles WHERE rolname = '\(role)'").rowCount == 1
      if !exists { continue }
      _ = try own(
        "GRANT USAGE ON SCHEMA smile_migration TO \(role); GRANT SELECT ON smile_migration.applied TO \(role)")
    }
  }

  private func remember(_ file: MigrationFile, _ checksum: String, since start: MonotonicInstant) throws(ServerError) {
    try session.run(
      """
      INSERT INTO smile_migration.applied (version, name, checksum, duration_ms, app)
      VALUES (\(file.version), '\(file.name)', '\(checksum)', \(Self.milliseconds(since: start)), \
      '\(Self.applicationName)')
      """)
  }

  // MARK: One file

  private func apply(
    _ file: MigrationFile, _ checksum: String, since start: MonotonicInstant
  ) throws(MigrationError) {
    do throws(ServerError) {
      try session.run("BEGIN")
      let transaction = try session.run("SELECT pg_current_xact_id()").string(0, 0)
      if !file.asConnectingUser { try session.run("SET LOCAL ROLE \(configuration.ownerRole)") }
      try session.run(String(decoding: file.text, as: UTF8.self))
      guard session.isInTransaction, try session.run("SELECT pg_current_xact_id()").string(0, 0) == transaction else {
        throw endedItsTransaction
      }
      // What a file sets for itself must not reach the next one; the role first, or the row couldn't be written.
      try session.run("SET LOCAL ROLE NONE; RESET search_path")
      try remember(file, checksum, since: start)
      try session.run("COMMIT")
    } catch {
      _ = try? session.run("ROLLBACK")
      throw .failed(file: file.fileName, Self.explain(error, in: file))
    }
  }

  private var endedItsTransaction: ServerError {
    ServerError(
      sqlState: "25000", severity: "ERROR",
      message: "the file ends its own transaction; what ran before its COMMIT or ROLLBACK has to be repaired by hand",
      detail: nil, schema: nil, table: nil, column: nil, constraint: nil, position: nil, context: nil)
  }

  /// Each statement is its own transaction, so an interruption leaves a part: such a file's statements must be
  /// repeatable (IF NOT EXISTS), and an index that an interrupted build left invalid is dropped first.
  private func applyStatementByStatement(
    _ file: MigrationFile, _ checksum: String, since start: MonotonicInstant
  ) throws(MigrationError) {
    do throws(ServerError) {
      if !file.asConnectingUser { try session.run("SET ROLE \(configuration.ownerRole)") }
      for index in try invalidIndexes(namedIn: file) {
        say("dropping the invalid index \(index), left by an interrupted run")
        try session.run("DROP INDEX CONCURRENTLY IF EXISTS \(index)")
      }
      for statement in SQLStatements.split(file.text) { try session.run(statement) }
      if let index = try invalidIndexes(namedIn: file).first {
        throw ServerError(
          sqlState: "55000", severity: "ERROR", message: "the index \(index) is invalid", detail: nil, schema: nil,
          table: nil, column: nil, constraint: nil, position: nil, context: nil)
      }
      try session.run("RESET ROLE; RESET search_path")
      try remember(file, checksum, since: start)
    } catch {
      _ = try? session.run("RESET ROLE")
      throw .failed(file: file.fileName, Self.explain(error, in: file))
    }
  }

  /// Invalid indexes (quoted, with their schema) whose name stands in the file's text.
  private func invalidIndexes(namedIn file: MigrationFile) throws(ServerError) -> [String] {
    let rows = try session.run(
      """
      SELECT c.relname, format('%I.%I', n.nspname, c.relname)
      FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE NOT i.indisvalid ORDER BY 2
      """)
    let text = String(decoding: file.text, as: UTF8.self)
    return (0..<rows.rowCount).compactMap { row in
      guard let name = rows.string(row, 0), text.contains(name) else { return nil }
      return rows.string(row, 1)
    }
  }

  private static func explain(_ error: ServerError, in file: MigrationFile) -> String {
    var explanation = "\(error.message) (SQLSTATE \(error.sqlState)"
    if let position = error.position.flatMap({ Int($0) }), !file.withoutTransaction {
      let line = String(decoding: file.text, as: UTF8.self).unicodeScalars.prefix(position).count { $0 == "\n" } + 1
      explanation += ", line \(line)"
    }
    explanation += ")"
    if let detail = error.detail { explanation += "\n  \(detail)" }
    if let context = error.context { explanation += "\n  \(context)" }
    if error.sqlState == "55P03" { explanation += "\n  A running session holds the lock; run smile-migrate up again." }
    return explanation
  }

  private static func milliseconds(since start: MonotonicInstant) -> Int64 {
    (MonotonicInstant.read() - start).inNanoseconds / 1_000_000
  }
}
