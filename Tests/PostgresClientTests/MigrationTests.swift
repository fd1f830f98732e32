import Glibc
import Testing

@testable import PostgresClient

/// The parts of the migration program that need no second process; the whole of it is tried by
/// Tests/Edge/test_migrate.py.
@Suite struct MigrationTests {
  private func file(_ name: String, _ text: String = "SELECT 1;") throws -> MigrationFile {
    try MigrationFile(fileName: name, text: Array(text.utf8))
  }

  @Test(arguments: [
    ("SELECT 1", ["SELECT 1"]),
    ("SELECT 1; SELECT 2;", ["SELECT 1", " SELECT 2"]),
    (";;\n ; -- nothing;\n/* ; /* ; */ ; */", []),
    ("SELECT ';', \";\", E'\\';', 'it''s;'; X", ["SELECT ';', \";\", E'\\';', 'it''s;'", " X"]),
    ("DO $$ BEGIN; END $$; Y", ["DO $$ BEGIN; END $$", " Y"]),
    ("AS $a1$ ; $$ ; $a1$; $1; Z", ["AS $a1$ ; $$ ; $a1$", " $1", " Z"]),
    ("A -- it's; not\n; B /* ' */; C", ["A -- it's; not\n", " B /* ' */", " C"]),
    ("'open ; quote", ["'open ; quote"]),
    ("$open$ ; tag", ["$open$ ; tag"]),
    ("SELECT '\\'; D", ["SELECT '\\'", " D"]),
  ] as [(String, [String])])
  func statementsAreCutAsPsqlDoes(text: String, statements: [String]) {
    #expect(SQLStatements.split(Array(text.utf8)) == statements)
  }

  @Test func namesAndHeadersAreRead() throws {
    let plain = try file("0042_some_name2.sql", "-- role: superuser is not needed\nSELECT 1")
    #expect(plain.version == 42 && plain.name == "some_name2" && plain.fileName == "0042_some_name2.sql")
    #expect(!plain.asConnectingUser && !plain.withoutTransaction)
    #expect(try file("0001_first.sql").asConnectingUser)
    #expect(try file("0002_x.sql", "-- role: superuser\n").asConnectingUser)
    #expect(try file("0002_x.sql", "-- Why.\n-- transaction: none\nSELECT").withoutTransaction)
    #expect(try !file("0002_x.sql", "SELECT 1;\n-- transaction: none\n").withoutTransaction)
    for wrong in [
      "1_x.sql", "0000_x.sql", "0001_.sql", "0001_X.sql", "0001-x.sql", "00001_x.sql", "0001_x.SQL", "+001_x.sql",
    ] {
      #expect(throws: MigrationError.self, "\(wrong)") { try file(wrong) }
    }
  }

  @Test func theFirstDifferenceIsNamed() throws {
    let files = try ["0001_a.sql", "0002_b.sql", "0005_c.sql"].map { (file: try file($0), checksum: "sum-of-\($0)") }
    func row(_ version: Int, _ name: String, _ checksum: String? = nil) -> AppliedMigration {
      let fileName = MigrationFile.fileName(version, name)
      let checksum = checksum ?? "sum-of-\(fileName)"
      return AppliedMigration(version: version, name: name, checksum: checksum, appliedAt: "then")
    }
    let table: [([AppliedMigration], MigrationDifference?)] = [
      ([], nil),
      ([row(1, "a"), row(2, "b")], nil),
      ([row(1, "a"), row(2, "b"), row(5, "c")], nil),
      ([row(1, "a", "other")], .edited(file: "0001_a.sql", appliedAt: "then")),
      ([row(1, "z")], .renamed(file: "0001_a.sql", applied: "0001_z.sql")),
      ([row(1, "a"), row(5, "c")], .gap(file: "0002_b.sql", newest: "0005_c.sql")),
      ([row(1, "a"), row(2, "b"), row(9, "q")], .unknown(applied: "0009_q.sql")),
    ]
    for (applied, difference) in table {
      #expect(MigrationDifference.first(files: files, applied: applied) == difference)
    }
  }

  @Test func theServerRefusesASchemaItDoesNotKnow() throws {
    var template = Array("/tmp/smile-migrations-XXXXXX".utf8CString)
    let directory = try #require(unsafe mkdtemp(&template).map { unsafe String(cString: $0) })
    defer {
      for name in ["0001_a.sql", "0002_b.sql"] { unsafe unlink("\(directory)/\(name)") }
      unsafe rmdir(directory)
    }
    func write(_ name: String, _ text: String) throws {
      let descriptor = unsafe open("\(directory)/\(name)", O_WRONLY | O_CREAT | O_TRUNC, 0o600)
      try #require(descriptor >= 0)
      defer { close(descriptor) }
      let bytes = Array(text.utf8)
      try #require(unsafe Glibc.write(descriptor, bytes, bytes.count) == bytes.count)
    }
    try write("0001_a.sql", "SELECT 1;")
    let conninfo = try TestDatabase().conninfo
    func difference() -> MigrationDifference? {
      do {
        try KnownSchema.verify(conninfo: conninfo, directory: directory)
        return nil
      } catch MigrationError.difference(let difference) {
        return difference
      } catch {
        Issue.record("\(error)")
        return nil
      }
    }
    #expect(difference() == .pending(file: "0001_a.sql", count: 1))
    let migrator = try Migrator(
      Migrator.Configuration(
        conninfo: conninfo, directory: directory, ownerRole: "postgres", readerRoles: ["nobody_here"]),
      say: { _ in })
    #expect(try migrator.up() == 1 && difference() == nil)
    try write("0002_b.sql", "SELECT 2;")
    #expect(difference() == .pending(file: "0002_b.sql", count: 1), "the database is older")
    #expect(try migrator.up() == 1 && difference() == nil)
    unsafe unlink("\(directory)/0002_b.sql")
    #expect(difference() == .unknown(applied: "0002_b.sql"), "the database is newer")
    try write("0002_b.sql", "SELECT 3;")
    guard case .edited(file: "0002_b.sql", appliedAt: _)? = difference() else {
      Issue.record("an edited file passed")
      return
    }
    #expect(throws: MigrationError.self) {
      try KnownSchema.verify(conninfo: "host=/nowhere", directory: directory)
    }
  }
}
