import HTTPServer
import JSON
import PostgresClient

/// The legal numbers in force on a day, today unless `as_of` says otherwise, with where each was found.
func listParameters(_ call: OpenCall) async throws(Failure) -> Response {
  let page = try call.query.page()
  let day = try call.query.value("as_of", as: PlainDate.self)
  let programme = try call.query.programme()
  return try await call.answer(
    reading: ParameterStatements.list, day?.sql, programme?.rawValue.uppercased(), page.after, page.limit)
}

/// The programmes of Law 24/2011 and of PP 37/2021, as the API spells them.
package enum Programme: String, JSONChoice, Sendable {
  case jht, jkk, jkm, jp, jkp
}

extension Query {
  /// - Throws: 400 for a programme that there isn't.
  func programme() throws(Failure) -> Programme? { try choice("programme") }

  /// One of a closed set of texts.
  ///
  /// - Throws: 400 naming the parameter and the set.
  func choice<T: JSONChoice>(_ name: String, as _: T.Type = T.self) throws(Failure) -> T? {
    guard let text = self[name] else { return nil }
    do {
      return try T.read(.string(text))
    } catch {
      throw .invalid(parameter: name, error)
    }
  }
}

enum ParameterStatements {
  static let list = Statement(
    "parameters.list", "SELECT smile.list_parameters($1, $2, $3, $4)",
    SQLDate?.self, String?.self, SQLUUID?.self, Int32.self)

  static let all: [any StatementDescription] = [list]
}

enum ParameterProblems {
  static let all: [ProblemText] = [
    ProblemText(
      "parameter_not_in_force", 422, id: "Untuk bulan itu belum ada parameter hukum yang dibutuhkan.",
      en: "A legal parameter that is needed isn't in force for that month.")
  ]
}
