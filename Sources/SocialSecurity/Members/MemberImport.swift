import Crypto
import EventLoop
import JSON
import PostgresClient

/// A member who has a number from the system before this one.
struct FormerMember: Sendable {
  static let header = "kpj,nik,full_name,birth_date,sex"

  let kpj: KPJ
  let nik: NIK
  let name: PersonName
  let birthDate: PlainDate
  let sex: String

  /// - Parameter line: the fields of `header`, without quotes.
  /// - Throws: `StartFailure` naming the line, not what it holds.
  init(_ line: Substring, number: Int) throws(StartFailure) {
    let fields = line.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    guard fields.count == 5 else { throw StartFailure("line \(number) hasn't five fields") }
    do {
      kpj = try KPJ(parsing: fields[0])
      nik = try NIK(parsing: fields[1])
      name = try PersonName(parsing: fields[2])
      birthDate = try PlainDate(parsing: fields[3])
    } catch {
      throw StartFailure("line \(number): \(error.code)")
    }
    guard ["female", "male"].contains(fields[4]) else { throw StartFailure("line \(number): sex") }
    sex = fields[4]
  }
}

enum MemberImportStatements {
  /// Number, person, NIK and audit row in one statement: all of a member or nothing. A known KPJ is left as it is.
  static let add = Statement(
    "admin.import_member",
    """
    WITH made AS (
      INSERT INTO smile.member (full_name, birth_date, sex)
      SELECT $5, $6, $7 WHERE NOT EXISTS (SELECT FROM smile.member_number AS n WHERE n.kpj = $1)
      RETURNING id),
    numbered AS (INSERT INTO smile.member_number (kpj, member_id) SELECT $1, m.id FROM made AS m),
    identified AS (
      INSERT INTO smile.national_id (nik_index, member_id, nik_sealed, last_four)
      SELECT $2, m.id, $3, $4 FROM made AS m)
    SELECT smile.audit('member.imported', 'member', m.id) FROM made AS m
    """,
    String.self, [UInt8].self, [UInt8].self, String.self, String.self, SQLDate.self, String.self)

  static let all: [any StatementDescription] = [add]
}

extension AdminSession {
  /// Members of one transaction.
  private static let batch = 100

  /// Loads a file of lines as `FormerMember.header` says; a second time it changes nothing.
  ///
  /// - Returns: a line of JSON with how many lines there were and how many members are new.
  func importMembers(_ path: String) async throws -> String {
    guard let bytes = SmallFile.read(path), let text = String(validating: bytes, as: UTF8.self) else {
      throw StartFailure("\(path) can't be read as UTF-8")
    }
    let lines = text.split(separator: "\n")
    guard lines.first == Substring(FormerMember.header) else {
      throw StartFailure("\(path) doesn't begin with \(FormerMember.header)")
    }
    var members: [FormerMember] = []
    for (index, line) in lines.enumerated().dropFirst() {
      members.append(try FormerMember(line, number: index + 1))
    }
    var made = 0
    for start in stride(from: 0, to: members.count, by: Self.batch) {
      made += try await add(members[start..<min(start + Self.batch, members.count)])
    }
    return Self.line([("members", "\(members.count)"), ("new", "\(made)")])
  }

  private func add(_ members: ArraySlice<FormerMember>) async throws -> Int {
    var work = Segment()
    try work.add(AdminStatements.act, "operator", "", nil)
    for member in members {
      let index = member.nik.index(under: nationalIDIndex)
      try work.add(
        MemberImportStatements.add, member.kpj.digits, index,
        try sealer.seal(member.nik.digits, at: .nationalID(index)), member.nik.lastFour, member.name.text,
        member.birthDate.sql, member.sex)
    }
    return try await database.write(work).dropFirst().reduce(0) { $0 + $1.rowCount }
  }
}
