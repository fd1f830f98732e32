import Crypto
import Glibc
import JSON
import PostgresClient

/// What smile-admin was asked to do.
package enum AdminCommand: Sendable {
  /// Makes an officer. The password comes from standard input, or is made and printed once.
  case createOfficer(email: EmailAddress, name: PersonName, permissions: [String], password: Password?)
  /// Makes a bank's machine client and prints its secret once.
  case createBankClient(name: String)
  /// Ends every session of the account with this address, or of all accounts.
  case endSessions(of: EmailAddress?)
  /// Takes the authenticator and the recovery codes off an account whose owner has lost both.
  case removeAuthenticator(of: EmailAddress)
  /// Nobody gets into this account any more, or its owner does again.
  case setDisabled(Bool, account: EmailAddress)
  /// Whether the administrators of the employer with this number have to show a second factor.
  case secondFactorPolicy(npp: String, required: Bool)
  /// Loads members who have a number from the system before this one.
  case importMembers(file: String)
  /// An officer, an employer with a user, and members with accounts, for trying things out; made once.
  case demoData

  package static let usage = """
    usage: smile-admin create-officer --email E-MAIL --name NAME --permissions A,B [--password-stdin]
           smile-admin create-bank-client --name NAME
           smile-admin end-sessions (--email E-MAIL | --everybody)
           smile-admin disable-account --email E-MAIL
           smile-admin enable-account --email E-MAIL
           smile-admin remove-authenticator --email E-MAIL
           smile-admin second-factor-policy --npp NPP (--required | --optional)
           smile-admin import-members --file CSV
           smile-admin demo-data
    DATABASE_URL names the database as its owner sees it; KEY_FILE and PASSWORD_COST are the server's.
    """

  /// A command line that isn't one of these, with the reason.
  package struct Misuse: Error, Sendable {
    package let reason: String
  }

  /// - Parameters:
  ///   - arguments: the command line without the program's name.
  ///   - readLine: one line of standard input without its end.
  package init(_ arguments: [String], readLine: () -> String?) throws(Misuse) {
    var options = try Options(arguments.dropFirst())
    switch arguments.first {
    case "create-officer":
      let email = try options.value("--email", EmailAddress.init(parsing:))
      let name = try options.value("--name", PersonName.init(parsing:))
      let permissions = try options.value("--permissions") { (text: String) throws(FieldProblem) in
        text.split(separator: ",").map(String.init)
      }
      var password: Password?
      if options.flag("--password-stdin") {
        do {
          password = try Password(parsing: readLine() ?? "")
        } catch {
          throw Misuse(reason: "the password: \(error.code)")
        }
      }
      self = .createOfficer(email: email, name: name, permissions: permissions, password: password)
    case "create-bank-client":
      self = .createBankClient(
        name: try options.value("--name") { (text: String) throws(FieldProblem) in
          try TextRule.line(1...100).check(text)
        })
    case "end-sessions":
      let everybody = options.flag("--everybody")
      self = .endSessions(of: everybody ? nil : try options.value("--email", EmailAddress.init(parsing:)))
    case "disable-account":
      self = .setDisabled(true, account: try options.value("--email", EmailAddress.init(parsing:)))
    case "enable-account":
      self = .setDisabled(false, account: try options.value("--email", EmailAddress.init(parsing:)))
    case "remove-authenticator":
      self = .removeAuthenticator(of: try options.value("--email", EmailAddress.init(parsing:)))
    case "second-factor-policy":
      let npp = try options.value("--npp") { (text: String) throws(FieldProblem) in
        try TextRule.line(1...20).check(text)
      }
      let required = options.flag("--required")
      guard required || options.flag("--optional") else { throw Misuse(reason: "--required or --optional?") }
      self = .secondFactorPolicy(npp: npp, required: required)
    case "import-members":
      self = .importMembers(file: try options.value("--file") { (path: String) throws(FieldProblem) in path })
    case "demo-data": self = .demoData
    default: throw Misuse(reason: "no such command")
    }
    try options.finish()
  }

  private struct Options {
    private static let flagNames: Set = ["--password-stdin", "--everybody", "--required", "--optional"]
    private var values: [String: String] = [:]
    private var flags: Set<String> = []

    init(_ words: ArraySlice<String>) throws(Misuse) {
      var rest = words
      while let word = rest.popFirst() {
        if Self.flagNames.contains(word) {
          flags.insert(word)
        } else if word.hasPrefix("--"), values[word] == nil, let value = rest.popFirst() {
          values[word] = value
        } else {
          throw Misuse(reason: "\(word)?")
        }
      }
    }

    mutating func value<T>(_ name: String, _ parse: (String) throws(FieldProblem) -> T) throws(Misuse) -> T {
      guard let text = values.removeValue(forKey: name) else { throw Misuse(reason: "\(name) is missing") }
      do {
        return try parse(text)
      } catch {
        throw Misuse(reason: "\(name): \(error.code)")
      }
    }

    mutating func flag(_ name: String) -> Bool { flags.remove(name) != nil }

    func finish() throws(Misuse) {
      if let surplus = values.keys.first ?? flags.first { throw Misuse(reason: "\(surplus) has no meaning here") }
    }
  }
}
