/// How to reach PostgreSQL, how many connections to hold, and how long anything may wait.
package struct DatabaseConfiguration: Sendable {
  /// libpq's own syntax (keywords or URI, several hosts allowed). Hosts are addresses or socket directories: a host
  /// name is resolved by libpq with a blocking call.
  package var conninfo: String
  package var applicationName: String
  /// What segments may name; a connection prepares a statement when it first needs it.
  package var statements: [any StatementDescription]

  /// Pipelined, read-only, never cancelled. Two keep a core of PostgreSQL busy; four were 20 % slower on two cores.
  package var sharedConnections = 2
  /// For writes, one segment at a time.
  package var leasedConnections = 4
  /// For COPY, long work and multi-step transactions; opened when first needed.
  package var dedicatedConnections = 2
  /// Segments on one shared connection before others have to wait.
  package var segmentsPerSharedConnection = 64
  /// Callers that may wait for a connection of one kind.
  package var queueLimit = 256
  /// The longest wait for a connection.
  package var waitLimit: Duration = .seconds(2)
  /// The longest time for one connect.
  package var connectLimit: Duration = .seconds(10)
  /// The longest time for one segment unless the call says otherwise. Longer than the role's `statement_timeout`, so
  /// that the server's own answer comes first; this one is for a line that has gone silent.
  package var segmentLimit: Duration = .seconds(15)
  /// An unused dedicated connection is closed after this time.
  package var dedicatedIdleLimit: Duration = .seconds(60)

  package init(conninfo: String, applicationName: String, statements: [any StatementDescription]) {
    self.conninfo = conninfo
    self.applicationName = applicationName
    self.statements = statements
  }

  /// Connections of all kinds that one process may hold.
  package var connectionsMax: Int { sharedConnections + leasedConnections + dedicatedConnections }

  /// Whether libpq understands `conninfo`.
  package var isWellFormed: Bool { LibPQ.isWellFormed(conninfo) }
}

/// What a connection is for; decides its session settings.
enum ConnectionPurpose: Sendable {
  case shared, leased, dedicated, listener

  /// libpq keywords for the connect: the settings arrive with the startup packet, so there is no round trip for them,
  /// and RESET returns to them.
  func options(for configuration: DatabaseConfiguration) -> [(String, String)] {
    var settings = "-c TimeZone=UTC -c DateStyle=ISO -c IntervalStyle=iso_8601 -c bytea_output=hex"
    switch self {
    case .shared: settings += " -c default_transaction_read_only=on"
    // We give up on a statement by closing its line; the server must notice while it runs.
    case .leased, .dedicated: settings += " -c client_connection_check_interval=500"
    case .listener: break
    }
    let own = LibPQ.option("options", in: configuration.conninfo) ?? ""
    return [
      ("options", own + " " + settings), ("client_encoding", "UTF8"),
      ("application_name", configuration.applicationName),
    ]
  }
}
