import Glibc
import SocialSecurity

/// `smile-admin`: what the database's owner does by hand. Its answers are lines of JSON on standard output.
@main
struct Admin {
  static func main() {
    exit(AdminProgram.main(Array(CommandLine.arguments.dropFirst())))
  }
}
