import Crypto
import EventLoop
import JSON
import PostgresClient

/// People to try things out with. They come in the way everyone does, through the functions that the API calls; only
/// their passwords are known to everybody, so they exist in `dev` and `sandbox` alone.
private enum Demo {
  static let password = "perahu-kertas-di-laut"
  static let officer = "petugas@contoh.id"
  static let permissions = [
    "read_members", "verify_members", "manage_employers", "review_claims", "approve_claims", "pay_claims",
    "manage_billing", "manage_parameters", "publish", "manage_officers", "manage_clients", "read_audit",
  ]
  /// Approves what the other one decides.
  static let approver = "penyetuju@contoh.id"
  static let employerUser = "hrd@contoh.id"
  static let start = "2020-02-01"

  struct Worker: Sendable {
    let email: String
    let phone: String
    let name: String
    let nik: String
    let birthDate: String
    let sex: String
    let wage: Int64
  }

  static let workers = [
    Worker(
      email: "siti@contoh.id", phone: "+628111000001", name: "Siti Rahayu", nik: "3171014507700001",
      birthDate: "1970-07-05", sex: "female", wage: 12_000_000),
    Worker(
      email: "budi@contoh.id", phone: "+628111000002", name: "Budi Santoso", nik: "3273011203880002",
      birthDate: "1988-03-12", sex: "male", wage: 7_500_000),
    Worker(
      email: "made@contoh.id", phone: "+628111000003", name: "I Made Wirawan", nik: "5171012411950003",
      birthDate: "1995-11-24", sex: "male", wage: 5_200_000),
  ]
}

extension AdminSession {
  /// Makes what isn't there yet.
  ///
  /// - Returns: a line of JSON for each log-in.
  func makeDemoData() async throws -> [String] {
    try await makeOfficer(Demo.officer, "Petugas Contoh", Demo.permissions)
    try await makeOfficer(Demo.approver, "Penyetuju Contoh", ["approve_claims"])
    let employer = try await makeEmployer()
    var lines = [
      Self.line([("role", "officer"), ("identifier", Demo.officer), ("password", Demo.password)]),
      Self.line([("role", "officer"), ("identifier", Demo.approver), ("password", Demo.password)]),
      Self.line([("role", "employer"), ("identifier", Demo.employerUser), ("password", Demo.password)]),
    ]
    for worker in Demo.workers {
      let kpj = try await makeMember(worker, at: employer)
      lines.append(
        Self.line([
          ("role", "member"), ("identifier", worker.email), ("password", Demo.password), ("kpj", kpj),
        ]))
    }
    return lines
  }

  private func makeOfficer(_ email: String, _ name: String, _ permissions: [String]) async throws {
    guard try await !hasAccount(email) else { return }
    var work = try acting("operator")
    try work.add(AdminStatements.createOfficer, email, name, permissions, try passwords.hash(Demo.password), nil)
    _ = try await database.write(work)
  }

  private func makeEmployer() async throws -> SQLUUID {
    if try await !hasAccount(Demo.employerUser) {
      if try await one(AdminStatements.waitingRegistration, Demo.employerUser)?.uuid(0, 0) == nil {
        var registering = try acting("anyone")
        try registering.add(
          AdminStatements.registerEmployer, "PT Contoh Sejahtera", "012345678901000", "Perdagangan besar", "medium", 3,
          "Jl. Merdeka 1, Jakarta", "kantor@contoh.id", "+62215550001", "Dewi Lestari", Demo.employerUser,
          try passwords.hash(Demo.password))
        _ = try await database.write(registering)
      }
      guard let waiting = try await one(AdminStatements.waitingRegistration, Demo.employerUser)?.uuid(0, 0) else {
        throw StartFailure("the demo employer's registration is gone")
      }
      let token = try MailedToken.make(sealer)
      var approving = try acting("officer", permissions: "manage_employers")
      try approving.add(AdminStatements.approveEmployer, waiting, token.digest, token.mailID, token.sealed)
      try approving.add(AccountStatements.confirm, token.digest)
      _ = try await database.write(approving)
    }
    guard let employer = try await one(AdminStatements.employerOf, Demo.employerUser)?.uuid(0, 0) else {
      throw StartFailure("the demo employer has no user")
    }
    return employer
  }

  /// - Returns: the member's KPJ.
  private func makeMember(_ worker: Demo.Worker, at employer: SQLUUID) async throws -> String {
    let nik = try NIK(parsing: worker.nik)
    let index = nik.index(under: nationalIDIndex)
    if try await one(AdminStatements.kpjOf, index)?.string(0, 0) == nil {
      var hiring = try acting("employer", permissions: "admin", employer: employer)
      try hiring.add(
        AdminStatements.hire, employer, index, try sealer.seal(nik.digits, at: .nationalID(index)), nik.lastFour,
        worker.name, SQLDate(worker.birthDate), worker.sex, worker.wage, SQLDate(Demo.start))
      _ = try await database.write(hiring)
    }
    guard let kpj = try await one(AdminStatements.kpjOf, index)?.string(0, 0) else {
      throw StartFailure("\(worker.name) has no membership number")
    }
    if try await !hasAccount(worker.email) {
      let token = try MailedToken.make(sealer)
      var registering = try acting("anyone")
      try registering.add(
        AccountStatements.register, kpj, index, worker.name, SQLDate(worker.birthDate), worker.email,
        try EmailAddress(parsing: worker.email).key(under: throttleKey), worker.phone, nil,
        try passwords.hash(Demo.password), "id", token.digest, token.mailID, token.sealed)
      try registering.add(AccountStatements.confirm, token.digest)
      _ = try await database.write(registering)
    }
    return kpj
  }

  private func hasAccount(_ email: String) async throws -> Bool {
    try await one(AdminStatements.accountExists, email)?.bool(0, 0) ?? false
  }

  private func one<each P: SQLParameter>(
    _ statement: Statement<repeat each P>, _ values: repeat each P
  ) async throws -> QueryResult? {
    var work = Segment()
    try work.add(statement, repeat each values)
    let result = try await database.write(work).last
    return result?.rowCount == 0 ? nil : result
  }

  private func acting(_ role: String, permissions: String = "", employer: SQLUUID? = nil) throws -> Segment {
    var work = Segment()
    try work.add(AdminStatements.act, role, permissions, employer?.description)
    return work
  }
}
