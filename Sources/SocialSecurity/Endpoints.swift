import PostgresClient

/// The API on one page: every endpoint there is, feature by feature. Each line of these tables says method, path,
/// operation, who may call, and what answers.
package enum Endpoints {
  package static func all(in environment: Configuration.Environment) -> [Endpoint] {
    let all: [[Endpoint]] = [
      healthEndpoints,
      accountEndpoints, sessionEndpoints, clientEndpoints, memberEndpoints,
      employerEndpoints, returnEndpoints, billingEndpoints, contributionEndpoints, parameterEndpoints,
      documentEndpoints, claimEndpoints, jobEndpoints, sandboxEndpoints,
    ]
    return all.flatMap { $0 }.filter { environment != .production || !$0.options.contains(.sandbox) }
  }

  /// Every statement a worker prepares when it connects.
  package static let statements: [any StatementDescription] = [
    WebStatements.all, HealthStatements.all,
    AccountStatements.all, SessionStatements.all, ClientStatements.all, MemberStatements.all,
    EmployerStatements.all, ReturnStatements.all, BillingStatements.all, ContributionStatements.all,
    ParameterStatements.all,
    DocumentStatements.all, ClaimStatements.all, JobStatements.all, SandboxStatements.all,
  ].flatMap { $0 }

  /// Texts of every problem.
  package static let problems = ProblemCatalogue([
    WebProblems.all,
    AccountProblems.all, SessionProblems.all, ClientProblems.all, MemberProblems.all,
    EmployerProblems.all, ReturnProblems.all, BillingProblems.all, ParameterProblems.all,
    DocumentProblems.all, ClaimProblems.all,
  ])

  /// What a violated constraint means to the client.
  package static let constraints: [[String: Failure]] = [
    EmployerProblems.constraints, ReturnProblems.constraints, BillingProblems.constraints,
  ]
}
