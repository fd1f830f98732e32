import Glibc
import PostgresClient

/// `smile-migrate`: brings a database to the schema of the numbered files in `Migrations/`.
@main
struct Migrate {
  static func main() {
    let conninfo = unsafe getenv("DATABASE_URL").map { unsafe String(cString: $0) }
    let command = MigratorCommand(
      arguments: Array(CommandLine.arguments.dropFirst()), conninfo: conninfo, ownerRole: "smile_owner",
      readerRoles: ["smile_api", "smile_jobs"])
    exit(command.run())
  }
}
