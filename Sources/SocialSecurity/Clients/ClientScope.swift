import JSON

/// What a machine client may be allowed to do; which kind of client may have which, the database judges.
enum ClientScope: String, JSONChoice, Sendable {
  case writeReturns = "returns:write"
  case readReturns = "returns:read"
  case readBillings = "billings:read"
  case writeWorkers = "workers:write"
  case readWorkers = "workers:read"
  case notifyPayments = "payments:notify"
}

/// Whose client it is: an employer's and a bank's are machines with secrets, an application is a front end, whose
/// program is in everybody's hands and which therefore has none (RFC 6749 section 2.1).
enum ClientKind: String, JSONChoice, Sendable {
  case employer, bank, application
}
