import Glibc
import HTTPServer
import Supervisor

/// The settings, all from environment variables, all checked before anything starts.
package struct Configuration: Sendable {
  /// Where the server stands: `dev` accepts loopback listeners only and shows the outbox; `sandbox` lets clients set
  /// the business clock; `production` has neither.
  package enum Environment: String, Sendable, CaseIterable {
    case dev, sandbox, production
  }

  package var listen: ListenAddress
  /// Where the jobs process serves `/metrics`.
  package var metricsListen: ListenAddress
  package var workers: Int
  package var databaseURL: String
  package var jobsDatabaseURL: String
  package var dataDirectory: String
  package var keyFile: String
  package var environment: Environment
  /// The directory of `Migrations/` and `openapi.yaml`.
  package var resources: String
  package var allowedHosts: [String]
  package var corsOrigins: [String]
  /// Peers whose `X-Forwarded-For` is believed: networks, addresses, or `unix` for a Unix socket's.
  package var proxies: [String]
  /// yescrypt cost: 7 takes about 60 ms and 64 MiB a password.
  package var passwordCost: Int
  package var accessLog: Bool
  package var rateLimits: Bool
  package var mailCommand: String?
  /// Who mails come from.
  package var mailSender: String
  /// Through which gateway SMS leave; none: they don't.
  var smsHook: SMSHook.Settings?

  /// Everything that is wrong, one line each.
  package struct Problems: Error, CustomStringConvertible {
    package let lines: [String]
    package var description: String { lines.joined(separator: "\n") }
  }

  /// - Parameter environment: the process's variables.
  /// - Throws: `Problems` naming every setting that is missing or malformed.
  package init(environment variables: [String: String]) throws(Problems) {
    var reader = Reader(variables: variables)
    environment = reader.choice("ENVIRONMENT", default: .production)
    listen = reader.address("LISTEN", default: .internet(address: [127, 0, 0, 1], port: 8_080))
    metricsListen = reader.address("METRICS_LISTEN", default: .internet(address: [127, 0, 0, 1], port: 9_180))
    workers = reader.number("WORKERS", default: max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))), in: 1...64)
    databaseURL = reader.text("DATABASE_URL", default: "host=/var/run/postgresql dbname=smile user=smile_api")
    jobsDatabaseURL = reader.text("JOBS_DATABASE_URL", default: "host=/var/run/postgresql dbname=smile user=smile_jobs")
    dataDirectory = reader.text("SMILE_DATA", default: ".smile")
    keyFile = reader.text("KEY_FILE", default: "\(dataDirectory)/keys")
    resources = reader.text("SMILE_RESOURCES", default: ".")
    allowedHosts = reader.list("ALLOWED_HOSTS")
    corsOrigins = reader.list("CORS_ORIGINS")
    proxies = reader.list("PROXIES")
    passwordCost = reader.number("PASSWORD_COST", default: 7, in: 1...11)
    accessLog = reader.choice("ACCESS_LOG", default: Switch.on) == .on
    rateLimits = reader.choice("RATE_LIMITS", default: Switch.on) == .on
    mailSender = reader.text("MAIL_FROM", default: "no-reply@localhost")
    mailCommand = variables["MAIL_COMMAND"].flatMap { $0.isEmpty ? nil : $0 }
    smsHook = reader.smsHook()
    if environment != .dev, passwordCost < 5 { reader.lines.append("PASSWORD_COST below 5 is for dev only") }
    if environment == .dev, !listen.isLoopback {
      reader.lines.append("LISTEN must be a loopback address or a Unix socket in dev")
    }
    for proxy in proxies where proxy != "unix" && TrustedProxies.Network(proxy) == nil {
      reader.lines.append("PROXIES holds \(proxy), which is neither a network, an address nor unix")
    }
    if !reader.lines.isEmpty { throw Problems(lines: reader.lines) }
  }

  private enum Switch: String, CaseIterable { case on, off }

  /// The settings as they are in force, passwords hidden, for the start-up log.
  package var redacted: [(name: String, value: String)] {
    [
      ("ENVIRONMENT", environment.rawValue), ("LISTEN", listen.description),
      ("METRICS_LISTEN", metricsListen.description),
      ("WORKERS", "\(workers)"), ("DATABASE_URL", Self.withoutPassword(databaseURL)),
      ("JOBS_DATABASE_URL", Self.withoutPassword(jobsDatabaseURL)), ("SMILE_DATA", dataDirectory),
      ("KEY_FILE", keyFile), ("SMILE_RESOURCES", resources), ("PASSWORD_COST", "\(passwordCost)"),
      // Its path may be what the gateway knows us by.
      ("SMS_HOOK_URL", smsHook == nil ? "" : "***"),
    ]
  }

  static func withoutPassword(_ connection: String) -> String {
    // libpq allows spaces around the sign and escapes in the value; an address ends its password at its last @.
    let result = connection.replacing(/password\s*=\s*('(\\.|[^'\\])*'?|(\\.|[^\s\\])+)/, with: "password=***")
    return result.replacing(/:\/\/([^:@\/]*):[^\/?]*@/) { "://\($0.1):***@" }
  }

  /// Whether somebody gets to read an SMS: the one it is for, or whoever looks into the outbox of a try-out.
  var sendsSMS: Bool { smsHook != nil || environment != .production }

  /// What one client may cost.
  var limits: Limits { Limits() }

  /// Who is believed in `X-Forwarded-For`.
  var trustedProxies: TrustedProxies {
    TrustedProxies(networks: proxies.compactMap { TrustedProxies.Network($0) }, unixSocket: proxies.contains("unix"))
  }

  private struct Reader {
    let variables: [String: String]
    var lines: [String] = []

    init(variables: [String: String]) { self.variables = variables }

    func text(_ name: String, default standard: String) -> String {
      variables[name].flatMap { $0.isEmpty ? nil : $0 } ?? standard
    }

    func list(_ name: String) -> [String] {
      (variables[name] ?? "").split { $0 == "," || $0 == " " }.map(String.init)
    }

    mutating func address(_ name: String, default standard: ListenAddress) -> ListenAddress {
      guard let text = variables[name], !text.isEmpty else { return standard }
      guard let address = ListenAddress(parsing: text) else {
        lines.append("\(name) must be an address with a port, such as 127.0.0.1:8080 or [::1]:8080, or unix:/path")
        return standard
      }
      return address
    }

    mutating func number(_ name: String, default standard: Int, in range: ClosedRange<Int>) -> Int {
      guard let text = variables[name], !text.isEmpty else { return standard }
      guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let value = Int(text), range.contains(value) else {
        lines.append("\(name) must be a whole number from \(range.lowerBound) to \(range.upperBound)")
        return standard
      }
      return value
    }

    mutating func smsHook() -> SMSHook.Settings? {
      let url = text("SMS_HOOK_URL", default: "")
      let keyFile = text("SMS_HOOK_KEY_FILE", default: "")
      let authorities = text("SMS_HOOK_CA_FILE", default: "")
      if url.isEmpty {
        if !keyFile.isEmpty { lines.append("SMS_HOOK_KEY_FILE needs SMS_HOOK_URL") }
        return nil
      }
      if url.wholeMatch(of: /https:\/\/[A-Za-z0-9.-]+(:[0-9]{1,5})?(\/[A-Za-z0-9._~\/?=&%:-]*)?/) == nil {
        lines.append("SMS_HOOK_URL must be an https address without user, fragment or spaces")
      }
      if keyFile.isEmpty { lines.append("SMS_HOOK_URL needs SMS_HOOK_KEY_FILE") }
      if authorities.unicodeScalars.contains(where: { $0.value < 0x20 }) {
        lines.append("SMS_HOOK_CA_FILE must be a path")
      }
      return SMSHook.Settings(url: url, keyFile: keyFile, authorities: authorities.isEmpty ? nil : authorities)
    }

    mutating func choice<T: RawRepresentable & CaseIterable>(_ name: String, default standard: T) -> T
    where T.RawValue == String {
      guard let text = variables[name], !text.isEmpty else { return standard }
      guard let value = T(rawValue: text) else {
        lines.append("\(name) must be one of \(T.allCases.map(\.rawValue).joined(separator: ", "))")
        return standard
      }
      return value
    }
  }
}
