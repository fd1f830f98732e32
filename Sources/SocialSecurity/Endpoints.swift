import HTTPServer

// The API on one page: method, path, operation, who may call, what guards it, its query parameters, and the function
// that answers. `openapi.yaml` says the same to the outside; tests hold the two together. What employers read back
// has a page of its own: Employers/ReadingBackEndpoints.swift.

/// Owners see their documents; officers those of a claim or of an employer's registration, by row-level security.
private let documentReaders: [Grant] = [
  .member, .employer, .officer("review_claims"), .officer("approve_claims"), .officer("pay_claims"),
  .officer("manage_employers"),
]
private let employerReaders: [Grant] = [
  .employer, .client("workers:read"), .client("workers:write"), .client("returns:read"), .client("returns:write"),
  .client("billings:read"), .officer("manage_employers"), .officer("manage_billing"),
]
private let employerUserReaders: [Grant] = [.employer, .officer("manage_employers")]
private let workerReaders: [Grant] = [.employer, .client("workers:read"), .client("workers:write")]
private let unitReaders = workerReaders + [.officer("manage_employers")]
private let workerWriters: [Grant] = [.employer(.payroll), .client("workers:write")]
private let claimOfficers: [Grant] = [.officer("review_claims"), .officer("approve_claims"), .officer("pay_claims")]
private let claimReaders: [Grant] = [.member] + claimOfficers
/// Whoever has logged in, whatever they act as; machines have no sessions.
private let everyPerson: [Grant] = [.member, .employer, .officer]
private let clientManagers: [Grant] = [.employer(.admin), .officer("manage_clients")]
private let billingReaders: [Grant] = [.employer, .client("billings:read"), .officer("manage_billing")]
private let returnWriters: [Grant] = [.employer(.payroll), .client("returns:write")]
private let returnReaders: [Grant] = [
  .employer, .client("returns:read"), .client("returns:write"), .officer("manage_billing"),
]
/// The parameters of every list.
private let page = ["limit", "after"]

package enum Endpoints {
  package static func all(in environment: Configuration.Environment) -> [Endpoint] {
    [
      operations, accounts, factors, officers, sessions, clients, members, selfEmployment, employers, readingBack,
      returns, billing, contributions, parameters, documents, claims, jobs, sandbox,
    ]
    .flatMap { $0 }
    .filter { environment != .production || !$0.options.contains(.sandbox) }
  }

  static let operations: [Endpoint] = [
    Endpoint(.GET, "/health/live", "getLiveness", .open, getLiveness),
    Endpoint(.GET, "/health/ready", "getReadiness", .open, getReadiness),
    Endpoint(.GET, "/openapi.yaml", "getContractYAML", .open, .media, getContractYAML),
    Endpoint(.GET, "/openapi.json", "getContractJSON", .open, getContractJSON),
    Endpoint(.GET, "/problems/{code}", "getProblem", .open, getProblem),
  ]

  static let accounts: [Endpoint] = [
    Endpoint(.POST, "/v1/registrations", "registerMember", .open, .credentials, registerMember),
    Endpoint(.POST, "/v1/registrations/confirmation", "confirmRegistration", .open, .credentials, confirmRegistration),
    Endpoint(.POST, "/v1/registrations/resend", "resendConfirmation", .open, .credentials, resendConfirmation),
    Endpoint(.POST, "/v1/password_checks", "checkPassword", .open, checkPassword),
    Endpoint(.POST, "/v1/password_resets", "requestPasswordReset", .open, .credentials, requestPasswordReset),
    Endpoint(.POST, "/v1/password_resets/confirmation", "resetPassword", .open, .credentials, resetPassword),
    Endpoint(.PUT, "/v1/account/password", "changePassword", everyPerson, [.secret, .stepUp], changePassword),
    Endpoint(.POST, "/v1/account/compromise_reports", "reportCompromise", everyPerson, .secret, reportCompromise),
    Endpoint(
      .GET, "/v1/account/compromise_reports/{report_id}", "getOwnCompromiseReport", everyPerson,
      getOwnCompromiseReport),
    Endpoint(
      .GET, "/v1/compromise_reports", "listCompromiseReports", [.officer("verify_members")],
      parameters: ["status"] + page, listCompromiseReports),
    Endpoint(
      .GET, "/v1/compromise_reports/{report_id}", "getCompromiseReport", [.officer("verify_members")],
      getCompromiseReport),
    Endpoint(
      .POST, "/v1/compromise_reports/{report_id}/closure", "closeCompromiseReport", [.officer("verify_members")],
      [.idempotent, .stepUp], closeCompromiseReport),
    Endpoint(.GET, "/v1/account", "getAccount", everyPerson, getAccount),
    Endpoint(
      .GET, "/v1/account/security_events", "listSecurityEvents", everyPerson, parameters: page, listSecurityEvents),
  ]

  static let officers: [Endpoint] = [
    Endpoint(
      .GET, "/v1/officer_permissions", "listOfficerPermissions", [.officer("manage_officers")],
      listOfficerPermissions),
    Endpoint(.GET, "/v1/officers", "listOfficers", [.officer("manage_officers")], parameters: page, listOfficers),
    Endpoint(
      .POST, "/v1/officers", "createOfficer", [.officer("manage_officers")], [.idempotent, .stepUp], createOfficer),
    Endpoint(.GET, "/v1/officers/{officer_id}", "getOfficer", [.officer("manage_officers")], getOfficer),
    Endpoint(
      .PATCH, "/v1/officers/{officer_id}", "updateOfficer", [.officer("manage_officers")], .stepUp, updateOfficer),
    Endpoint(
      .POST, "/v1/officers/{officer_id}/approval", "approveOfficer", [.officer("manage_officers")],
      [.idempotent, .stepUp], approveOfficer),
  ]

  static let factors: [Endpoint] = [
    Endpoint(.POST, "/v1/account/totp", "startTOTP", everyPerson, [.secret, .stepUp], startTOTP),
    Endpoint(
      .POST, "/v1/account/totp/confirmation", "confirmTOTP", everyPerson, [.secret, .stepUp], confirmTOTP),
    Endpoint(.DELETE, "/v1/account/totp", "removeTOTP", everyPerson, [.secret, .stepUp], removeTOTP),
    Endpoint(
      .POST, "/v1/account/recovery_codes", "replaceRecoveryCodes", everyPerson, [.secret, .stepUp],
      replaceRecoveryCodes),
  ]

  static let sessions: [Endpoint] = [
    Endpoint(.POST, "/v1/sessions", "logIn", .open, .credentials, logIn),
    Endpoint(.POST, "/v1/sessions/mfa", "finishLogIn", .open, .credentials, finishLogIn),
    Endpoint(.POST, "/v1/sessions/mfa/resend", "resendCode", .open, .credentials, resendCode),
    Endpoint(.POST, "/v1/sessions/step_up", "stepUpSession", everyPerson, [.secret, .credentials], stepUpSession),
    Endpoint(.POST, "/v1/sessions/refresh", "refreshSession", .open, .credentials, refreshSession),
    Endpoint(.GET, "/v1/sessions", "listSessions", everyPerson, listSessions),
    Endpoint(.DELETE, "/v1/sessions", "endOtherSessions", everyPerson, .secret, endOtherSessions),
    Endpoint(.PUT, "/v1/sessions/current/role", "switchRole", everyPerson, .secret, switchRole),
    Endpoint(.DELETE, "/v1/sessions/current", "logOut", everyPerson, .secret, logOut),
    Endpoint(.DELETE, "/v1/sessions/{session_id}", "endSession", everyPerson, .secret, endSession),
  ]

  static let clients: [Endpoint] = [
    Endpoint(.POST, "/v1/oauth/token", "issueClientToken", .open, .credentials, issueClientToken),
    Endpoint(.POST, "/v1/oauth/introspect", "introspectToken", .open, introspectToken),
    Endpoint(.POST, "/v1/oauth/revoke", "revokeToken", .open, revokeToken),
    Endpoint(.GET, "/v1/clients", "listClients", clientManagers, parameters: page, listClients),
    Endpoint(.POST, "/v1/clients", "createClient", clientManagers, [.secret, .stepUp], createClient),
    Endpoint(.GET, "/v1/clients/{client_id}", "getClient", clientManagers, getClient),
    Endpoint(.PATCH, "/v1/clients/{client_id}", "updateClient", clientManagers, .stepUp, updateClient),
    Endpoint(.DELETE, "/v1/clients/{client_id}", "deleteClient", clientManagers, .stepUp, deleteClient),
    Endpoint(
      .POST, "/v1/clients/{client_id}/secrets", "createClientSecret", clientManagers, [.secret, .stepUp],
      createClientSecret),
    Endpoint(
      .DELETE, "/v1/clients/{client_id}/secrets/{secret_id}", "deleteClientSecret", clientManagers, .stepUp,
      deleteClientSecret),
    Endpoint(
      .POST, "/v1/clients/{client_id}/secrets/{secret_id}/approval", "approveClientSecret",
      [.officer("manage_clients")], [.idempotent, .stepUp], approveClientSecret),
    Endpoint(
      .POST, "/v1/clients/{client_id}/signing_keys", "createSigningKey", [.officer("manage_clients")],
      [.secret, .stepUp], createSigningKey),
    Endpoint(
      .DELETE, "/v1/clients/{client_id}/signing_keys/{key_id}", "deleteSigningKey", [.officer("manage_clients")],
      .stepUp, deleteSigningKey),
  ]

  static let members: [Endpoint] = [
    Endpoint(.GET, "/v1/members/me", "getOwnMember", [.member], getOwnMember),
    Endpoint(.PATCH, "/v1/members/me", "updateOwnMember", [.member], updateOwnMember),
    Endpoint(
      .GET, "/v1/members/me/employments", "listOwnEmployments", [.member], parameters: page,
      listOwnEmployments),
    Endpoint(.POST, "/v1/members/me/leave_reports", "reportLeave", [.member], .idempotent, reportLeave),
    Endpoint(.POST, "/v1/members/me/wage_disputes", "disputeWage", [.member], .idempotent, disputeWage),
    Endpoint(.GET, "/v1/members/me/bank_account", "getOwnBankAccount", [.member], getOwnBankAccount),
    Endpoint(.PUT, "/v1/members/me/bank_account", "putOwnBankAccount", [.member], .stepUp, putOwnBankAccount),
    // Not to be rehearsed: codes go out, and tries are counted.
    Endpoint(
      .POST, "/v1/members/me/contact_changes", "startContactChange", [.member], [.secret, .stepUp],
      startContactChange),
    Endpoint(.GET, "/v1/members/me/contact_changes/{change_id}", "getContactChange", [.member], getContactChange),
    Endpoint(
      .POST, "/v1/members/me/contact_changes/{change_id}/confirmation", "confirmContactChange", [.member], .secret,
      confirmContactChange),
    // Not to be rehearsed: a rehearsal would leave no trace in the audit log.
    Endpoint(
      .POST, "/v1/members/search", "searchMembers", [.officer("read_members")], .secret,
      parameters: page, searchMembers),
    Endpoint(.GET, "/v1/members/{member_id}", "getMember", [.officer("read_members")], getMember),
    Endpoint(.POST, "/v1/members", "createMember", [.officer("verify_members")], .idempotent, createMember),
  ]

  static let selfEmployment: [Endpoint] = [
    Endpoint(.GET, "/v1/members/me/self_employment", "getOwnSelfEmployment", [.member], getOwnSelfEmployment),
    Endpoint(.POST, "/v1/members/me/self_employment", "enrolSelfEmployed", [.member], .idempotent, enrolSelfEmployed),
    Endpoint(.PATCH, "/v1/members/me/self_employment", "changeSelfEmployment", [.member], changeSelfEmployment),
    Endpoint(
      .GET, "/v1/members/me/self_employment/billings", "listOwnBillings", [.member],
      parameters: ["status"] + page, listOwnBillings),
    Endpoint(
      .POST, "/v1/members/me/self_employment/billings", "createOwnBilling", [.member], .idempotent, createOwnBilling),
    Endpoint(
      .GET, "/v1/members/me/self_employment/billings/{own_billing_id}", "getOwnBilling", [.member], getOwnBilling),
    Endpoint(
      .POST, "/v1/members/me/self_employment/billings/{own_billing_id}/withdrawal", "withdrawOwnBilling", [.member],
      .idempotent, withdrawOwnBilling),
    Endpoint(
      .GET, "/v1/members/{member_id}/self_employment", "getSelfEmployment", [.officer("read_members")],
      getSelfEmployment),
    Endpoint(.GET, "/v1/income_bands", "listIncomeBands", .open, parameters: ["as_of"] + page, listIncomeBands),
    Endpoint(
      .POST, "/v1/income_bands", "proposeIncomeBand", [.officer("manage_parameters")], [.idempotent, .stepUp],
      proposeIncomeBand),
    Endpoint(
      .GET, "/v1/income_bands/{band_id}", "getIncomeBand", [.officer("manage_parameters")], getIncomeBand),
    Endpoint(
      .POST, "/v1/income_bands/{band_id}/approval", "approveIncomeBand", [.officer("manage_parameters")],
      [.idempotent, .stepUp], approveIncomeBand),
  ]

  static let employers: [Endpoint] = [
    Endpoint(.POST, "/v1/employer_registrations", "registerEmployer", .open, .credentials, registerEmployer),
    Endpoint(
      .GET, "/v1/employer_registrations", "listEmployerRegistrations", [.officer("manage_employers")],
      parameters: ["status"] + page, listEmployerRegistrations),
    Endpoint(
      .POST, "/v1/employer_registrations/{registration_id}/approval", "approveEmployerRegistration",
      [.officer("manage_employers")], [.idempotent, .stepUp], approveEmployerRegistration),
    Endpoint(
      .GET, "/v1/employer_registrations/{registration_id}", "getEmployerRegistration",
      [.officer("manage_employers")], getEmployerRegistration),
    Endpoint(
      .POST, "/v1/employer_registrations/{registration_id}/rejection", "rejectEmployerRegistration",
      [.officer("manage_employers")], [.idempotent, .stepUp], rejectEmployerRegistration),
    Endpoint(
      .POST, "/v1/employer_registrations/{registration_id}/documents", "uploadRegistrationDocument", .open,
      .credentials, parameters: ["purpose", "file_name"], uploadRegistrationDocument),
    Endpoint(.GET, "/v1/employers", "listEmployers", employerReaders, parameters: page, listEmployers),
    Endpoint(.GET, "/v1/employers/{employer_id}", "getEmployer", employerReaders, getEmployer),
    Endpoint(
      .PATCH, "/v1/employers/{employer_id}", "updateEmployer", [.employer(.admin), .officer("manage_employers")],
      updateEmployer),
    Endpoint(
      .GET, "/v1/employers/{employer_id}/risk_classes", "listRiskClasses", employerReaders, parameters: page,
      listRiskClasses),
    Endpoint(
      .POST, "/v1/employers/{employer_id}/risk_classes", "setRiskClass", [.officer("manage_employers")],
      [.idempotent, .stepUp], setRiskClass),
    Endpoint(
      .GET, "/v1/employers/{employer_id}/programmes", "listProgrammes", employerReaders, parameters: ["period"],
      listProgrammes),
    Endpoint(
      .POST, "/v1/employers/{employer_id}/programmes", "chooseProgramme",
      [.employer(.admin), .officer("manage_employers")], .idempotent, chooseProgramme),
    Endpoint(
      .GET, "/v1/employers/{employer_id}/reliefs", "listReliefs", employerReaders, parameters: page, listReliefs),
    Endpoint(
      .POST, "/v1/employers/{employer_id}/reliefs", "grantRelief", [.officer("manage_employers")],
      [.idempotent, .stepUp], grantRelief),
    Endpoint(
      .POST, "/v1/employers/{employer_id}/reliefs/{relief_id}/withdrawal", "withdrawRelief",
      [.officer("manage_employers")], [.idempotent, .stepUp], withdrawRelief),
    Endpoint(
      .GET, "/v1/employers/{employer_id}/users", "listEmployerUsers", employerUserReaders, parameters: page,
      listEmployerUsers),
    Endpoint(
      .POST, "/v1/employers/{employer_id}/users", "inviteEmployerUser",
      [.employer(.admin), .officer("manage_employers")], [.idempotent, .stepUp], inviteEmployerUser),
    Endpoint(
      .GET, "/v1/employers/{employer_id}/users/{user_id}", "getEmployerUser", employerUserReaders, getEmployerUser),
    Endpoint(
      .PATCH, "/v1/employers/{employer_id}/users/{user_id}", "updateEmployerUser",
      [.employer(.admin), .officer("manage_employers")], .stepUp, updateEmployerUser),
    Endpoint(
      .DELETE, "/v1/employers/{employer_id}/users/{user_id}", "removeEmployerUser", [.employer(.admin)], .stepUp,
      removeEmployerUser),
    Endpoint(
      .POST, "/v1/employer_invitations/acceptance", "acceptInvitation", .open, .credentials, acceptInvitation),
    Endpoint(
      .GET, "/v1/employers/{employer_id}/workers", "listWorkers", workerReaders, parameters: page, listWorkers),
    Endpoint(
      .POST, "/v1/employers/{employer_id}/workers", "hireWorker", workerWriters, .idempotent, hireWorker),
    Endpoint(
      .POST, "/v1/employers/{employer_id}/workers/{employment_id}/termination", "endEmployment", workerWriters,
      .idempotent, endEmployment),
    Endpoint(
      .POST, "/v1/employers/{employer_id}/workers/changes", "changeWorkers", workerWriters, .idempotent,
      changeWorkers),
    Endpoint(
      .GET, "/v1/employers/{employer_id}/workers/{employment_id}", "getWorker", workerReaders, getWorker),
    Endpoint(
      .PATCH, "/v1/employers/{employer_id}/workers/{employment_id}", "updateWorker", workerWriters, updateWorker),
    Endpoint(.GET, "/v1/employers/{employer_id}/units", "listUnits", unitReaders, parameters: page, listUnits),
    Endpoint(.POST, "/v1/employers/{employer_id}/units", "createUnit", workerWriters, createUnit),
    Endpoint(.GET, "/v1/employers/{employer_id}/units/{unit_id}", "getUnit", unitReaders, getUnit),
    Endpoint(.PATCH, "/v1/employers/{employer_id}/units/{unit_id}", "updateUnit", workerWriters, updateUnit),
    // Not to be rehearsed: a rehearsal would leave no trace and use no quota.
    Endpoint(.POST, "/v1/member_verifications", "verifyMembers", workerWriters, .secret, verifyMembers),
  ]

  static let returns: [Endpoint] = [
    Endpoint(.POST, "/v1/employers/{employer_id}/returns", "openReturn", returnWriters, .idempotent, openReturn),
    Endpoint(
      .GET, "/v1/employers/{employer_id}/returns", "listReturns", returnReaders,
      parameters: ["period", "client_reference", "content_sha256"] + page, listReturns),
    Endpoint(.GET, "/v1/returns/{return_id}", "getReturn", returnReaders, getReturn),
    Endpoint(.DELETE, "/v1/returns/{return_id}", "discardReturn", returnWriters, discardReturn),
    Endpoint(
      .PUT, "/v1/returns/{return_id}/lines", "putReturnLines", returnWriters, .media, parameters: ["columns"],
      putReturnLines),
    Endpoint(
      .PATCH, "/v1/returns/{return_id}/lines", "patchReturnLines", returnWriters, .media, parameters: ["columns"],
      patchReturnLines),
    Endpoint(
      .GET, "/v1/returns/{return_id}/lines", "listReturnLines", returnReaders, .media,
      parameters: ["status"] + page, listReturnLines),
    Endpoint(
      .GET, "/v1/returns/{return_id}/findings", "listFindings", returnReaders, .media, parameters: page,
      listFindings),
    Endpoint(
      .POST, "/v1/returns/{return_id}/finalisation", "finaliseReturn", returnWriters, .idempotent, finaliseReturn),
    Endpoint(.GET, "/v1/returns/{return_id}/receipt", "getReceipt", returnReaders, getReceipt),
    Endpoint(.GET, "/v1/returns/{return_id}/parameters", "getReturnParameters", returnReaders, getReturnParameters),
    Endpoint(.GET, "/v1/rules", "listRules", .open, parameters: ["applies_to"] + page, listRules),
    Endpoint(.GET, "/v1/rules/{code}", "getRule", .open, getRule),
  ]

  static let billing: [Endpoint] = [
    Endpoint(
      .GET, "/v1/employers/{employer_id}/billings", "listBillings", billingReaders,
      parameters: ["status"] + page, listBillings),
    Endpoint(
      .GET, "/v1/billings/{billing_id}", "getBilling", billingReaders, parameters: ["as_of"], getBilling),
    Endpoint(.POST, "/v1/payments", "recordPayment", [.bank("payments:notify")], .idempotent, recordPayment),
    Endpoint(
      .POST, "/v1/payments/{payment_id}/reversal", "reversePayment", [.bank("payments:notify")], .idempotent,
      reversePayment),
    Endpoint(
      .POST, "/v1/payment_statements", "takePaymentStatement", [.bank("payments:notify")], .idempotent,
      parameters: ["statement_date", "count", "amount"], takePaymentStatement),
    Endpoint(
      .GET, "/v1/payment_statements/{statement_id}", "getPaymentStatement",
      [.bank("payments:notify"), .officer("manage_billing")], parameters: page, getPaymentStatement),
    Endpoint(
      .GET, "/v1/payment_exceptions", "listPaymentExceptions", [.officer("manage_billing")],
      parameters: ["status"] + page, listPaymentExceptions),
    Endpoint(
      .POST, "/v1/payment_exceptions/{exception_id}/resolution", "resolvePaymentException",
      [.officer("manage_billing")], [.idempotent, .stepUp], resolvePaymentException),
    Endpoint(
      .POST, "/v1/payment_exceptions/{exception_id}/decision", "decidePaymentException",
      [.officer("manage_billing")], [.idempotent, .stepUp], decidePaymentException),
    Endpoint(
      .GET, "/v1/jht_advances", "listJHTAdvances", [.officer("manage_billing")], parameters: page, listJHTAdvances),
  ]

  static let contributions: [Endpoint] = [
    Endpoint(
      .GET, "/v1/members/me/contributions", "listMyContributions", [.member],
      parameters: ["from", "to", "employer_id", "programme"] + page, listMyContributions),
    Endpoint(.GET, "/v1/members/me/balances", "getMyBalances", [.member], getMyBalances),
    Endpoint(
      .GET, "/v1/members/me/balances/jht/entries", "listMyJHTEntries", [.member], parameters: page,
      listMyJHTEntries),
  ]

  static let parameters: [Endpoint] = [
    Endpoint(
      .GET, "/v1/parameters", "listParameters", .open, parameters: ["as_of", "programme"] + page,
      listParameters),
    Endpoint(.POST, "/v1/calculators/contribution", "calculateContribution", .open, calculateContribution),
    Endpoint(.POST, "/v1/calculators/late_charge", "calculateLateCharge", .open, calculateLateCharge),
    Endpoint(.GET, "/v1/holidays", "listHolidays", .open, parameters: ["year"] + page, listHolidays),
    Endpoint(.PUT, "/v1/holidays/{day}", "putHoliday", [.officer("manage_parameters")], .stepUp, putHoliday),
    Endpoint(.DELETE, "/v1/holidays/{day}", "deleteHoliday", [.officer("manage_parameters")], .stepUp, deleteHoliday),
  ]

  static let documents: [Endpoint] = [
    Endpoint(
      .POST, "/v1/documents", "uploadDocument", [.member, .employer(.payroll)], parameters: ["purpose", "file_name"],
      uploadDocument),
    Endpoint(
      .GET, "/v1/documents", "listDocuments", [.member, .employer], parameters: ["purpose"] + page,
      listDocuments),
    Endpoint(.GET, "/v1/documents/{document_id}", "getDocument", documentReaders, getDocument),
    Endpoint(.GET, "/v1/documents/{document_id}/content", "getDocumentContent", documentReaders, getDocumentContent),
    Endpoint(.DELETE, "/v1/documents/{document_id}", "deleteDocument", [.member, .employer(.payroll)],
      deleteDocument),
  ]

  static let claims: [Endpoint] = [
    Endpoint(.GET, "/v1/claim_types", "listClaimTypes", .open, listClaimTypes),
    Endpoint(.POST, "/v1/claims", "createClaim", [.member], .idempotent, createClaim),
    Endpoint(.GET, "/v1/claims", "listClaims", [.member], parameters: ["state"] + page, listClaims),
    Endpoint(.GET, "/v1/claims/{claim_id}", "getClaim", claimReaders, getClaim),
    Endpoint(.GET, "/v1/claims/{claim_id}/timeline", "getClaimTimeline", claimReaders, getClaimTimeline),
    Endpoint(
      .POST, "/v1/claims/{claim_id}/documents", "attachClaimDocument", [.member], .idempotent, attachClaimDocument),
    Endpoint(.POST, "/v1/claims/{claim_id}/submission", "submitClaim", [.member], .idempotent, submitClaim),
    Endpoint(.POST, "/v1/claims/{claim_id}/withdrawal", "withdrawClaim", [.member], .idempotent, withdrawClaim),
    Endpoint(
      .GET, "/v1/claim_queue", "listClaimQueue", claimOfficers, parameters: ["state", "mine"] + page,
      listClaimQueue),
    Endpoint(
      .POST, "/v1/claims/{claim_id}/assignment", "assignClaim", [.officer("review_claims")], .idempotent, assignClaim),
    Endpoint(
      .POST, "/v1/claims/{claim_id}/decision", "decideClaim", [.officer("review_claims")], .idempotent, decideClaim),
    Endpoint(
      .POST, "/v1/claims/{claim_id}/approval", "approveClaim", [.officer("approve_claims")], [.idempotent, .stepUp],
      approveClaim),
    Endpoint(
      .POST, "/v1/claims/{claim_id}/payment", "payClaim", [.officer("pay_claims")], [.idempotent, .stepUp], payClaim),
  ]

  static let jobs: [Endpoint] = [
    Endpoint(.GET, "/v1/jobs/{job_id}", "getJob", [.any], getJob),
  ]

  static let sandbox: [Endpoint] = [
    Endpoint(
      .GET, "/v1/sandbox/outbox", "listSandboxOutbox", .open, .sandbox, parameters: ["recipient", "limit"],
      listSandboxOutbox),
    Endpoint(.PUT, "/v1/sandbox/clock", "setSandboxClock", .open, .sandbox, setSandboxClock),
  ]
}
