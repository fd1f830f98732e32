/// The server's start check: does the database have exactly the schema that this program's migration files describe?
package enum KnownSchema {
  /// Compares the applied rows with the files of `directory`. Throws `.difference` with the first difference and the
  /// command to run, `.unreachable` when there is no database to ask. Waits: for the time before the loop runs.
  /// - Returns: the server's `max_connections`, from the same connection: another one would cost 10 ms of the start.
  @discardableResult
  package static func verify(conninfo: String, directory: String) throws(MigrationError) -> Int {
    let session = try MigrationSession(conninfo, applicationName: "smile-start-check")
    let files = try session.checksums(of: MigrationFile.all(in: directory))
    let state = Migrator.State(files: files, applied: try session.applied() ?? [])
    if let difference = state.difference { throw .difference(difference) }
    if let next = state.pending.first {
      throw .difference(.pending(file: next.file.fileName, count: state.pending.count))
    }
    do {
      return try session.run("SELECT current_setting('max_connections')::integer").int(0, 0) ?? 0
    } catch {
      throw .bookkeeping(error.message)
    }
  }

  /// Whether PostgreSQL doesn't answer at all for the moment: down, starting up, out of reach. One that answers but
  /// won't let us in isn't away. Waits, as `verify` does.
  package static func isAway(conninfo: String) -> Bool { LibPQ.isAway(conninfo) }
}
