import PostgresClient

/// The API on one page: every endpoint there is, feature by feature. Each line of these tables says method, path,
/// operation, who may call, and what answers.
package enum Endpoints {
  package static func all(in environment: Configuration.Environment) -> [Endpoint] {
    (healthEndpoints).filter { environment != .production || !$0.options.contains(.sandbox) }
  }

  /// Every statement the server prepares when it connects.
  package static let statements: [any StatementDescription] = WebStatements.all + HealthStatements.all

  /// Texts of every problem.
  package static let problems = ProblemCatalogue([WebProblems.all])

  /// What a violated constraint means to the client.
  package static let constraints: [[String: Failure]] = []
}
