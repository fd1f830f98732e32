import HTTPServer
import JSON
import PostgresClient

/// The programmes of an employer in a wage month: its size's duty, its own choice, or each worker's conditions.
func listProgrammes(_ call: Call) async throws(Failure) -> Response {
  let employer = try call.id("employer_id")
  let period: WageMonth?
  do {
    period = try call.query.value("period")
  } catch {
    throw await call.refuse(error)
  }
  return try await call.answer(reading: ProgrammeStatements.list, employer, period?.sql)
}

/// A programme that the size of the employer leaves open, from a month on.
func chooseProgramme(_ call: Call) async throws(Failure) -> Response {
  let employer = try call.id("employer_id")
  let choice = try await call.input(ProgrammeChoice.self)
  return try await call.answer(
    writing: ProgrammeStatements.choose, employer, choice.programme.rawValue, choice.validFrom.sql, choice.takesPart)
}

struct ProgrammeChoice: Input {
  /// Those of which an employer may decide.
  enum Programme: String, JSONChoice {
    case jp
  }

  let programme: Programme
  let takesPart: Bool
  /// The first wage month.
  let validFrom: WageMonth

  static func read(_ fields: inout JSONFields) -> ProgrammeChoice? {
    let programme = fields.required("programme", Programme.self)
    let takesPart = fields.required("takes_part", Bool.self)
    let validFrom = fields.required("valid_from", WageMonth.self)
    guard let programme, let takesPart, let validFrom else { return nil }
    return ProgrammeChoice(programme: programme, takesPart: takesPart, validFrom: validFrom)
  }
}

enum ProgrammeStatements {
  static let list = Statement(
    "programmes.list", "SELECT smile.list_programmes($1, $2)", SQLUUID.self, SQLDate?.self)

  static let choose = Statement(
    "programmes.choose", "SELECT status, body, etag, location FROM smile.choose_programme($1, $2, $3, $4)",
    SQLUUID.self, String.self, SQLDate.self, Bool.self)

  static let all: [any StatementDescription] = [list, choose]
}
