import PostgresClient

// What each feature adds to the whole besides its endpoints.
extension Endpoints {
  /// Every statement that a request may need; a connection prepares one when it first does.
  package static let statements: [any StatementDescription] = [
    WebStatements.all, HealthStatements.all,
    AccountStatements.all, PasswordStatements.all, CompromiseStatements.all, OfficerStatements.all,
    SessionStatements.all, FactorStatements.all, ClientStatements.all, SigningStatements.all,
    MemberStatements.all, ContactStatements.all, SelfEmploymentStatements.all, IncomeBandStatements.all,
    EmployerStatements.all, RegistrationStatements.all, EmployerUserStatements.all, RiskClassStatements.all,
    ReliefStatements.all,
    ProgrammeStatements.all,
    WorkerStatements.all, ReadingBackStatements.all, ArrearsStatements.all, CertificateStatements.all,
    DiscrepancyStatements.all, CalculatorStatements.all,
    ReturnStatements.all, BillingStatements.all,
    PaymentStatements.all, BankStatementStatements.all, ContributionStatements.all, ParameterStatements.all,
    HolidayStatements.all,
    DocumentStatements.all, ClaimStatements.all, JobStatements.all, SandboxStatements.all,
  ].flatMap { $0 }

  /// Texts of every problem.
  package static let problems = ProblemCatalogue([
    WebProblems.all,
    AccountProblems.all, OfficerProblems.all, SessionProblems.all, FactorProblems.all, ClientProblems.all,
    SigningProblems.all, MemberProblems.all, SelfEmploymentProblems.all,
    EmployerProblems.all, ReturnProblems.all, PaymentProblems.all,
    ParameterProblems.all, DocumentProblems.all, ClaimProblems.all,
  ])

  /// What a violated constraint means to the client.
  package static let constraints: [[String: Failure]] = [
    ClientProblems.constraints, EmployerProblems.constraints, PaymentProblems.constraints,
    DocumentProblems.constraints, SelfEmploymentProblems.constraints,
  ]
}
