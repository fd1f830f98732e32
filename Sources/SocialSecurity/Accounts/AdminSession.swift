import Crypto
import EventLoop
import JSON
import PostgresClient

/// Carries out one command over one connection and says what came of it as a JSON object.
@LoopActor
package struct AdminSession {
  let database: Database
  let passwords: PasswordHasher
  let blockedPasswords: BlockedPasswords
  let sealer: Sealer
  let nationalIDIndex: HMACSHA256
  let throttleKey: HMACSHA256

  /// Runs a command; the calling thread becomes the loop's until it is done.
  ///
  /// - Returns: what to print: lines of JSON.
  /// - Throws: `StartFailure` with a line for the operator.
  package nonisolated static func run(
    _ command: AdminCommand, _ configuration: Configuration, print: @escaping @Sendable (String) -> Void
  ) throws(StartFailure) {
    try WorkerProcess.runLoop { () async throws(StartFailure) in
      var settings = DatabaseConfiguration(
        conninfo: configuration.databaseURL, applicationName: "smile-admin", statements: AdminStatements.all)
      settings.sharedConnections = 1
      settings.leasedConnections = 1
      let database = Database(settings)
      do {
        try await database.start()
        let keys = try KeyRing.load(path: configuration.keyFile)
        let session = AdminSession(
          database: database, passwords: try PasswordHasher(keys, cost: configuration.passwordCost),
          blockedPasswords: try BlockedPasswords(directory: configuration.resources),
          sealer: try Sealer(keys), nationalIDIndex: try HMACSHA256(key: keys.oldest(.nationalIDIndex).bytes),
          throttleKey: try HMACSHA256(key: keys.newest(.throttle).bytes))
        try await session.carryOut(command, in: configuration.environment, print: print)
        await database.close()
      } catch let failure as StartFailure {
        throw failure
      } catch {
        throw StartFailure("\(error) \(database.lastConnectFailure ?? "")")
      }
    }
  }

  private func carryOut(
    _ command: AdminCommand, in environment: Configuration.Environment, print: (String) -> Void
  ) async throws {
    switch command {
    case .createOfficer(let email, let name, let permissions, let password):
      if let password, let weakness = blockedPasswords.weakness(of: password.text, of: [email.text, name.text]) {
        throw StartFailure("the password: \(weakness.rawValue)")
      }
      print(Self.line(try await createOfficer(email, name, permissions, password)))
    case .createBankClient(let name):
      let secret = try FreshToken(.clientSecret)
      let key = try FreshSigningKey(sealer)
      var work = Segment()
      try work.add(AdminStatements.act, "operator", "", nil)
      try work.add(AdminStatements.createBankClient, name, secret.digest, key.id, key.sealed)
      let client = try await database.write(work).last?.string(0, 0) ?? ""
      print(Self.line([("client_id", client), ("client_secret", secret.text), ("signing_key", key.text)]))
    case .endSessions(let email):
      var work = Segment()
      try work.add(AdminStatements.act, "operator", "", nil)
      try work.add(AdminStatements.endSessions, email?.text)
      print(Self.line([("ended", try await database.write(work).last?.string(0, 0) ?? "0")]))
    case .setDisabled(let isDisabled, let email):
      var work = Segment()
      try work.add(AdminStatements.act, "operator", "", nil)
      try work.add(AdminStatements.setDisabled, email.text, isDisabled)
      let isDone = try await database.write(work).last?.bool(0, 0) ?? false
      if !isDone { throw StartFailure("\(email.text) has no \(isDisabled ? "active" : "disabled") account") }
      print(Self.line([(isDisabled ? "disabled" : "enabled", email.text)]))
    case .removeAuthenticator(let email):
      var work = Segment()
      try work.add(AdminStatements.act, "operator", "", nil)
      try work.add(AdminStatements.removeAuthenticator, email.text)
      let isRemoved = try await database.write(work).last?.bool(0, 0) ?? false
      if !isRemoved { throw StartFailure("no authenticator is set up at \(email.text)") }
      print(Self.line([("removed", email.text)]))
    case .secondFactorPolicy(let npp, let required):
      var work = Segment()
      try work.add(AdminStatements.act, "operator", "", nil)
      try work.add(AdminStatements.secondFactorPolicy, npp, required)
      let isKnown = try await database.write(work).last?.bool(0, 0) ?? false
      if !isKnown { throw StartFailure("no employer has the number \(npp)") }
      print(Self.line([("npp", npp), ("administrators_second_factor", required ? "required" : "optional")]))
    case .importMembers(let file): print(try await importMembers(file))
    case .demoData:
      if environment == .production { throw StartFailure("demo data have no place in production") }
      for account in try await makeDemoData() { print(account) }
    }
  }

  /// Without a password, a new officer chooses one with the token that is printed here, and nowhere else.
  private func createOfficer(
    _ email: EmailAddress, _ name: PersonName, _ permissions: [String], _ password: Password?
  ) async throws -> [(name: String, value: String)] {
    let token = password == nil ? Base64URL.encode(try SecureRandom.bytes(32)) : nil
    var work = Segment()
    try work.add(AdminStatements.act, "operator", "", nil)
    try work.add(
      AdminStatements.createOfficer, email.text, name.text, permissions,
      try passwords.hash((password ?? Password.unguessable()).text), token.map { SHA256.hash($0) })
    let made = try await database.write(work).last
    var answer = [("account_id", made?.string(0, 0) ?? ""), ("email", email.text)]
    if let token, made?.bool(0, 1) == true { answer.append(("password_token", token)) }
    return answer
  }

  static func line(_ members: [(name: String, value: String)]) -> String {
    var json = JSONWriter()
    json.object { json in
      for member in members {
        json.key(member.name)
        json.string(member.value)
      }
    }
    return String(decoding: json.bytes, as: UTF8.self)
  }
}
