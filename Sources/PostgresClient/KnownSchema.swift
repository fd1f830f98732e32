/// The server's start check: does the database have exactly the schema that this program's migration files describe?
package enum KnownSchema {
  /// Compares the applied rows with the files of `directory`. Throws `.difference` with the first difference and the
  /// command to run, `.unreachable` when there is no database to ask. Waits: for the time before the loop runs.
  package static func verify(conninfo: String, directory: String) throws(MigrationError) {
    let session = try MigrationSession(conninfo, applicationName: "smile-start-check")
    let files = try session.checksums(of: MigrationFile.all(in: directory))
    let state = Migrator.State(files: files, applied: try session.applied() ?? [])
    if let difference = state.difference { throw .difference(difference) }
    if let next = state.pending.first {
      throw .difference(.pending(file: next.file.fileName, count: state.pending.count))
    }
  }

  /// The server's `max_connections`. Throws `.unreachable` when there is no database to ask. Waits, as `verify` does.
  package static func connectionsMax(conninfo: String) throws(MigrationError) -> Int {
    let session = try MigrationSession(conninfo, applicationName: "smile-start-check")
    do {
      return try session.run("SELECT current_setting('max_connections')::integer").int(0, 0) ?? 0
    } catch {
      throw .bookkeeping(error.message)
    }
  }
}
