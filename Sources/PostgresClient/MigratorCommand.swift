import Glibc

/// The command line of the migration program: what it was asked, what it prints, how it exits.
package struct MigratorCommand {
  private static let usage = """
    usage: smile-migrate up | status | verify | new NAME [--directory DIRECTORY] [--lock-timeout SECONDS]
      up       apply the files that the database doesn't have yet, in order
      status   list all files and whether they are applied
      verify   exit 1 unless the database has exactly these files
      new      make the next numbered file
    The database is named by DATABASE_URL (libpq's syntax). DIRECTORY is Migrations unless given.
    """

  private let arguments: [String]
  private let conninfo: String?
  private let ownerRole: String
  private let readerRoles: [String]

  /// `arguments` without the program's name; `conninfo` is DATABASE_URL.
  package init(arguments: [String], conninfo: String?, ownerRole: String, readerRoles: [String]) {
    self.arguments = arguments
    self.conninfo = conninfo
    self.ownerRole = ownerRole
    self.readerRoles = readerRoles
  }

  /// Does it. Returns the exit status: 0 done, 1 refused or failed (the reason is on stderr), 2 not understood.
  package func run() -> Int32 {
    var words: [String] = []
    var options = ["--directory": "Migrations", "--lock-timeout": "10"]
    var rest = arguments[...]
    while let word = rest.popFirst() {
      guard word.hasPrefix("-") else {
        words.append(word)
        continue
      }
      guard options[word] != nil, let value = rest.popFirst() else { return refuse(Self.usage, 2) }
      options[word] = value
    }
    guard let directory = options["--directory"], let seconds = options["--lock-timeout"].flatMap({ Int($0) }) else {
      return refuse(Self.usage, 2)
    }
    do {
      switch (words.first, words.count) {
      case ("new", 2): say(try MigrationFile.create(words[1], in: directory))
      case ("up", 1): try up(migrator(directory, seconds))
      case ("status", 1): return try status(migrator(directory, seconds))
      case ("verify", 1): return try verify(migrator(directory, seconds))
      default: return refuse(Self.usage, 2)
      }
      return 0
    } catch {
      return refuse("smile-migrate: \(error)", 1)
    }
  }

  private func migrator(_ directory: String, _ seconds: Int) throws(MigrationError) -> Migrator {
    guard let conninfo, !conninfo.isEmpty else { throw .unreachable("DATABASE_URL is not set") }
    return try Migrator(
      Migrator.Configuration(
        conninfo: conninfo, directory: directory, ownerRole: ownerRole, readerRoles: readerRoles,
        lockTimeoutSeconds: seconds),
      say: { Self.say($0) })
  }

  private func up(_ migrator: Migrator) throws(MigrationError) {
    let count = try migrator.up()
    say(count == 0 ? "nothing to do" : "\(count) applied")
  }

  private func status(_ migrator: Migrator) throws(MigrationError) -> Int32 {
    let state = try migrator.state()
    let applied = Dictionary(uniqueKeysWithValues: state.applied.map { ($0.version, $0) })
    for (file, checksum) in state.files {
      let note =
        switch applied[file.version] {
        case .none: "pending"
        case .some(let row) where row.checksum != checksum: "edited after it was applied \(row.appliedAt)"
        case .some(let row): "applied \(row.appliedAt)"
        }
      say("\(file.fileName)  \(note)")
    }
    for row in state.applied where !state.files.contains(where: { $0.file.version == row.version }) {
      say("\(row.fileName)  applied \(row.appliedAt), but there is no such file")
    }
    if let difference = state.difference { return refuse("smile-migrate: \(difference)", 1) }
    return 0
  }

  private func verify(_ migrator: Migrator) throws(MigrationError) -> Int32 {
    let state = try migrator.state()
    if let difference = state.difference { return refuse("smile-migrate: \(difference)", 1) }
    if let next = state.pending.first {
      let pending = MigrationDifference.pending(file: next.file.fileName, count: state.pending.count)
      return refuse("smile-migrate: \(pending)", 1)
    }
    say("the database has exactly these \(state.files.count) migrations")
    return 0
  }

  private func refuse(_ message: String, _ status: Int32) -> Int32 {
    Self.write(message, to: STDERR_FILENO)
    return status
  }

  private func say(_ message: String) { Self.say(message) }

  private static func say(_ message: String) { write(message, to: STDOUT_FILENO) }

  /// Unbuffered: progress is seen as it happens, also through a pipe.
  private static func write(_ message: String, to descriptor: Int32) {
    let line = Array((message + "\n").utf8)
    _ = unsafe Glibc.write(descriptor, line, line.count)
  }
}
