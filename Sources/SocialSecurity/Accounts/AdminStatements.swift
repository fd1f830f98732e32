import PostgresClient

/// What smile-admin does beyond what the server may: it connects as the database's owner.
enum AdminStatements {
  /// Who acts, for the audit log and the functions that ask.
  static let act = Statement(
    "admin.act",
    """
    SELECT set_config('smile.role', $1, true), set_config('smile.permissions', $2, true),
      set_config('smile.employer_id', $3, true)
    """,
    String.self, String.self, String?.self)

  static let accountExists = Statement(
    "admin.account_exists",
    "SELECT EXISTS (SELECT FROM smile.account AS a WHERE a.email = $1 AND a.status = 'active')", String.self)

  static let createOfficer = Statement(
    "admin.create_officer", "SELECT account, is_new FROM smile.create_officer($1, $2, $3, $4, $5)",
    String.self, String.self, [String].self, String.self, [UInt8]?.self)

  static let createBankClient = Statement(
    "admin.create_bank_client", "SELECT smile.create_bank_client($1, $2, $3, $4)",
    String.self, [UInt8].self, SQLUUID.self, [UInt8].self)

  static let endSessions = Statement("admin.end_sessions", "SELECT smile.end_sessions($1)", String?.self)

  static let setDisabled = Statement(
    "admin.set_disabled", "SELECT smile.set_account_disabled($1, $2)", String.self, Bool.self)

  static let removeAuthenticator = Statement(
    "admin.remove_authenticator", "SELECT smile.remove_authenticator($1)", String.self)

  static let secondFactorPolicy = Statement(
    "admin.second_factor_policy", "SELECT smile.set_second_factor_policy($1, $2)", String.self, Bool.self)

  static let registerEmployer = Statement(
    "admin.register_employer",
    "SELECT status, body FROM smile.register_employer($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    String.self, String.self, String.self, String.self, Int32.self, String.self, String.self, String.self,
    String.self, String.self, String.self)

  static let waitingRegistration = Statement(
    "admin.waiting_registration",
    """
    SELECT r.id FROM smile.employer_registration AS r
    WHERE r.contact_email = $1 AND r.status = 'pending' ORDER BY r.id DESC LIMIT 1
    """,
    String.self)

  static let approveEmployer = Statement(
    "admin.approve_employer",
    "SELECT status, body FROM smile.approve_employer_registration($1, NULL, $2, $3, $4)",
    SQLUUID.self, [UInt8].self, SQLUUID.self, [UInt8].self)

  static let employerOf = Statement(
    "admin.employer_of",
    """
    SELECT g.employer_id
    FROM smile.account_grant AS g JOIN smile.account AS a ON a.id = g.account_id
    WHERE a.email = $1 AND g.kind = 'employer' ORDER BY g.id DESC LIMIT 1
    """,
    String.self)

  static let hire = Statement(
    "admin.hire", "SELECT status, body FROM smile.hire_worker($1, NULL, $2, $3, $4, $5, $6, $7, $8, $9, NULL, 'id')",
    SQLUUID.self, [UInt8].self, [UInt8].self, String.self, String.self, SQLDate.self, String.self, Int64.self,
    SQLDate.self)

  static let kpjOf = Statement(
    "admin.kpj_of",
    """
    SELECT n.kpj FROM smile.national_id AS i JOIN smile.member_number AS n ON n.member_id = i.member_id
    WHERE i.nik_index = $1 ORDER BY n.kpj LIMIT 1
    """,
    [UInt8].self)

  static let all: [any StatementDescription] = [
    act, accountExists, createOfficer, createBankClient, endSessions, setDisabled, removeAuthenticator,
    secondFactorPolicy,
    registerEmployer, waitingRegistration, approveEmployer, employerOf, hire, kpjOf, AccountStatements.register,
    AccountStatements.confirm,
  ] + MemberImportStatements.all
}
