/// What the server said about a failed statement.
///
/// `description` is bland: `message`, `detail` and `context` may quote a row (PostgreSQL's DETAIL of a unique violation
/// prints the key), so they never belong into an answer or a log of the client's.
package struct ServerError: Error, Sendable, Equatable, CustomStringConvertible {
  /// Five characters (PostgreSQL appendix A), or one of the product's own classes.
  package let sqlState: String
  /// ERROR, FATAL or PANIC, never translated.
  package let severity: String
  package let message: String
  package let detail: String?
  package let schema: String?
  package let table: String?
  package let column: String?
  /// The violated constraint's name.
  package let constraint: String?
  /// Character offset into the statement, from 1.
  package let position: String?
  package let context: String?

  package var description: String { "PostgreSQL refused with SQLSTATE \(sqlState)" }

  /// Serialisation failure or deadlock: the same work may succeed when it is repeated as a whole.
  package var isTransient: Bool { sqlState == "40001" || sqlState == "40P01" }
  /// What the server lacked, or what stood in its way, is of the moment (classes 08, 40, 53, 55, 57 and 58 of
  /// appendix A): it says nothing about the statement.
  package var isOfTheMoment: Bool { ["08", "40", "53", "55", "57", "58"].contains(sqlState.prefix(2)) }
  /// FATAL and PANIC end the session.
  package var endsSession: Bool { severity == "FATAL" || severity == "PANIC" }
  /// The server has become (or always was) a read-only standby: this connection is of no use for writes.
  package var isReadOnly: Bool { sqlState == "25006" }
}

/// The ways in which database work ends other than well. `description` never carries the server's text.
package enum DatabaseError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The server refused; nothing of the segment or transaction was kept.
  case server(ServerError)
  /// No connection within the bounded wait, or the line broke before anything could be kept. Whole seconds until a
  /// retry.
  case unavailable(retryAfter: Int)
  /// All connections stayed in use for the bounded wait, or the queue was full. Nothing was sent.
  case busy
  /// The line broke after a write's Sync was sent: it is not known whether the work was kept.
  case unknownOutcome
  /// A read's deadline passed.
  case timeout
  /// A parameter held a NUL or invalid UTF-8, or was too long. Nothing was sent.
  case invalidParameter
  /// COMMIT was answered with ROLLBACK: an error inside the transaction had been swallowed.
  case rolledBack
  /// The connection string can't be understood.
  case invalidConfiguration
  /// PostgreSQL or libpq answered in an order that the protocol doesn't allow; the connection was closed.
  case protocolViolation

  package var description: String {
    switch self {
    case .server(let error): error.description
    case .unavailable: "the database can't be reached"
    case .busy: "all database connections are in use"
    case .unknownOutcome: "the connection was lost before the outcome was known"
    case .timeout: "the database didn't answer in time"
    case .invalidParameter: "a parameter can't be sent to PostgreSQL"
    case .rolledBack: "the transaction was rolled back"
    case .invalidConfiguration: "the database connection string is malformed"
    case .protocolViolation: "the database connection got out of step"
    }
  }
}
