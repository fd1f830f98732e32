import Glibc
import SocialSecurity

/// `smile-admin`: what the database's owner does by hand. Its answers are lines of JSON on standard output.
@main
struct Admin {
  static func main() {
    do {
      let command = try AdminCommand(Array(CommandLine.arguments.dropFirst())) { readLine() }
      try AdminSession.run(command, Configuration(environment: environment())) { print($0) }
    } catch let misuse as AdminCommand.Misuse {
      fail(2, "smile-admin: \(misuse.reason)\n\(AdminCommand.usage)")
    } catch {
      fail(1, "smile-admin: \(error)")
    }
  }

  private static func fail(_ code: Int32, _ line: String) -> Never {
    unsafe fputs(line + "\n", stderr)
    exit(code)
  }
}
