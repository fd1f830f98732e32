import Glibc
import SocialSecurity

@main
struct Server {
  static func main() {
    exit(ServerProgram.main(CommandLine.arguments))
  }
}
