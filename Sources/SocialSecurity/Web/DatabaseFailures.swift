import JSON
import PostgresClient

/// Where the database's errors become failures: one table for SQLSTATEs, one for constraint names. No text of the
/// database reaches the client.
package struct DatabaseFailures: Sendable {
  /// Constraint name → what it means to the client.
  private let constraints: [String: Failure]

  package init(constraints lists: [[String: Failure]]) {
    constraints = lists.reduce(into: [:]) { all, list in all.merge(list) { first, _ in first } }
  }

  package func failure(for error: DatabaseError) -> Failure {
    switch error {
    case .server(let server): failure(for: server)
    case .unavailable(let seconds): .unavailable(retryAfter: seconds).because(error.description)
    case .busy: .unavailable("busy").because(error.description)
    case .unknownOutcome: .unavailable("outcome_unknown").because(error.description)
    case .timeout: .unavailable("timeout").because(error.description)
    case .invalidParameter: .invalid([FieldError(pointer: "", .invalidText)])
    case .rolledBack, .invalidConfiguration, .protocolViolation: .bug.because(error.description)
    }
  }

  private func failure(for error: ServerError) -> Failure {
    let state = error.sqlState
    if state.hasPrefix("SM") { return raised(error) }
    if let constraint = error.constraint, let known = constraints[constraint] { return known }
    return standard(error).because(Self.cause(error))
  }

  /// What the log may know: `message`, `detail` and `context` can quote a row.
  private static func cause(_ error: ServerError) -> String {
    let place = [error.schema, error.table, error.column, error.constraint].compactMap { $0 }
    return ([error.description] + place).joined(separator: " ")
  }

  private func standard(_ error: ServerError) -> Failure {
    let state = error.sqlState
    switch state {
    // lock_not_available: within smile.claim_key, which waits for nothing but another request with the same key.
    case "55P03" where error.context?.contains("claim_key(") == true:
      return Failure(409, "idempotency_in_flight", retryAfter: 1)
    case "55P03": return .unavailable("busy")
    case "57014": return .unavailable("timeout")  // query_canceled
    // invalid_sql_statement_name: another request was just refused its preparation, and has said why.
    case "26000": return .unavailable()
    case "40001", "40P01": return .unavailable("busy")  // serialization_failure, deadlock_detected
    case "25006": return .unavailable()  // read_only_sql_transaction: a failover
    case _ where state.hasPrefix("08") || state.hasPrefix("53") || state.hasPrefix("57"): return .unavailable()
    case "23505", "23P01": return Failure(409, "conflict")
    default: return .bug
    }
  }

  /// What `smile.fail` raised: SQLSTATE `SM` + status, the code as message, JSON as detail.
  private func raised(_ error: ServerError) -> Failure {
    guard let status = Int(error.sqlState.dropFirst(2)), (200...599).contains(status) else { return .bug }
    return Self.refusal(status, error.message, detail: error.detail)
  }

  /// The failure that `smile.fail` means by its status, code and JSON detail.
  static func refusal(_ status: Int, _ code: String, detail: String?) -> Failure {
    var failure = Failure(status, code)
    if status == 429 || status == 503 { failure.retryAfter = 1 }
    guard let detail, let document = try? JSONReader.parse(Array(detail.utf8)),
      case .object(let members) = document.root
    else { return failure }
    for member in members {
      switch (member.name, member.value) {
      case ("errors", .array(let errors)): failure.errors = errors.compactMap(Self.fieldError)
      case (_, .array(let texts)):
        failure.lists.append((member.name, texts.compactMap { if case .string(let text) = $0 { text } else { nil } }))
      case ("retry_after", .number(let seconds)): failure.retryAfter = seconds.exactInteger.map { Int($0) }
      case (_, .string(let text)): failure.extensions.append((member.name, text))
      case (_, .number(let number)): failure.extensions.append((member.name, number.text))
      default: continue
      }
    }
    return failure
  }

  private static func fieldError(_ value: JSONValue) -> FieldError? {
    guard case .object(let members) = value else { return nil }
    var texts: [String: String] = [:]
    var parameters: [FieldProblem.Parameter] = []
    for member in members {
      switch member.value {
      case .string(let text): texts[member.name] = text
      case .number(let number): texts[member.name] = number.text
      default: continue
      }
    }
    guard let code = texts["code"] else { return nil }
    for (name, text) in texts.sorted(by: { $0.key < $1.key }) where !["code", "pointer", "parameter"].contains(name) {
      parameters.append(FieldProblem.Parameter(name, text))
    }
    let problem = FieldProblem(code, parameters)
    if let parameter = texts["parameter"] { return FieldError(parameter: parameter, problem) }
    return FieldError(pointer: texts["pointer"] ?? "", problem)
  }
}
