import EventLoop
import Glibc
import TestSupport
import Testing

@testable import PostgresClient

/// Everything that needs the server runs one after the other: the tests measure times, memory and connections.
@Suite(.serialized) enum DatabaseTests {}

/// A schema of its own for one test, first in the search path, in a database that this run makes in the cluster which
/// TEST_DATABASE_URL names (a superuser's connection string). The cluster is thrown away afterwards, so nothing is
/// dropped.
struct TestDatabase: Sendable {
  let conninfo: String

  struct Missing: Error, CustomStringConvertible {
    let description = "TEST_DATABASE_URL must name a PostgreSQL superuser connection (make test sets it)"
  }

  init(_ setUp: String = "") throws {
    let database = try Self.database.get()
    let schema = "test_\(UInt32.random(in: 0 ... .max))"
    try MigrationSession(database, applicationName: "set-up").run("CREATE SCHEMA \(schema)")
    conninfo = "\(database) options='-c search_path=\(schema)'"
    if !setUp.isEmpty { try run(setUp) }
  }

  /// Runs SQL on a waiting connection of its own: the loop stands still meanwhile.
  @discardableResult
  func run(_ sql: String) throws -> QueryResult { try MigrationSession(conninfo, applicationName: "set-up").run(sql) }

  func configuration(_ statements: [any StatementDescription] = []) -> DatabaseConfiguration {
    DatabaseConfiguration(conninfo: conninfo, applicationName: "smile-test", statements: statements)
  }

  /// Path of the server's Unix socket.
  var socketPath: String {
    (LibPQ.option("host", in: conninfo) ?? "/var/run/postgresql") + "/.s.PGSQL."
      + (LibPQ.option("port", in: conninfo) ?? "5432")
  }

  private static let database = Result<String, any Error> {
    guard let cluster = unsafe getenv("TEST_DATABASE_URL").map({ unsafe String(cString: $0) }) else { throw Missing() }
    let name = "client_\(getpid())"
    try MigrationSession(cluster, applicationName: "set-up").run("CREATE DATABASE \(name)")
    return "\(cluster) dbname=\(name)"
  }
}

/// The error that a call throws; nil when it succeeds.
@LoopActor
func failure<T>(of body: @LoopActor () async throws(DatabaseError) -> T) async -> DatabaseError? {
  do {
    _ = try await body()
    return nil
  } catch {
    return error
  }
}

extension Segment {
  /// A segment of one statement.
  init<each P: SQLParameter>(_ statement: Statement<repeat each P>, _ values: repeat each P) throws(DatabaseError) {
    self.init()
    try add(statement, repeat each values)
  }
}

extension Database {
  /// The connections that stand once all are open.
  var standing: Int { configuration.sharedConnections + configuration.leasedConnections }

  /// As `start`, and waits for all connections, for tests that count them.
  @LoopActor
  func startAll() async throws(DatabaseError) {
    try await start()
    let stand = await eventually { statistics.sharedOpen + statistics.leasedOpen == standing }
    if !stand { throw .unavailable(retryAfter: 1) }
  }
}
