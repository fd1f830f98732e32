/// A migration as the database remembers it.
struct AppliedMigration: Equatable {
  let version: Int
  let name: String
  /// SHA-256 of the file's bytes, lower-case hex.
  let checksum: String
  /// RFC 3339, for people.
  let appliedAt: String

  var fileName: String { MigrationFile.fileName(version, name) }
}

/// The first way in which a directory of migrations and a database differ.
package enum MigrationDifference: Equatable, Sendable, CustomStringConvertible {
  /// The file's text isn't what was applied.
  case edited(file: String, appliedAt: String)
  /// The number was applied under another name.
  case renamed(file: String, applied: String)
  /// The database has a migration that the directory doesn't know: the program is older than the database.
  case unknown(applied: String)
  /// A file that isn't applied although a later one is.
  case gap(file: String, newest: String)
  /// The database is older than the directory.
  case pending(file: String, count: Int)

  package var description: String {
    switch self {
    case .edited(let file, let appliedAt):
      "\(file) was edited after it had been applied (\(appliedAt)). Migrations go forward only: restore the file and "
        + "put the change into a new one (smile-migrate new NAME)."
    case .renamed(let file, let applied):
      "\(file) was applied under the name \(applied). Restore its name."
    case .unknown(let applied):
      "the database has \(applied), which this program doesn't know: the database is newer. "
        + "Use the release that brought it, or restore the missing file."
    case .gap(let file, let newest):
      "\(file) is not applied, but the later \(newest) is. Give the file a number after it (smile-migrate new NAME)."
    case .pending(let file, let count):
      "the database is older than this program: \(file) is not applied (\(count) missing). Run: smile-migrate up"
    }
  }

  /// Compares files (with their checksums) and applied rows, both by ascending version. Returns the first difference
  /// other than files still to come, and the number of leading files that are applied.
  static func first(
    files: [(file: MigrationFile, checksum: String)], applied: [AppliedMigration]
  ) -> MigrationDifference? {
    let known = Dictionary(uniqueKeysWithValues: files.map { ($0.file.version, $0) })
    for row in applied {
      guard let (file, checksum) = known[row.version] else { return .unknown(applied: row.fileName) }
      if file.name != row.name { return .renamed(file: file.fileName, applied: row.fileName) }
      if checksum != row.checksum { return .edited(file: file.fileName, appliedAt: row.appliedAt) }
    }
    guard let newest = applied.last else { return nil }
    let done = Set(applied.map(\.version))
    for (file, _) in files where file.version < newest.version && !done.contains(file.version) {
      return .gap(file: file.fileName, newest: newest.fileName)
    }
    return nil
  }
}
