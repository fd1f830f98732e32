import HTTPServer
import JSON
import PostgresClient

/// The calendar that moves due days.
func listHolidays(_ call: OpenCall) async throws(Failure) -> Response {
  let limit = Int32(try call.query.limit())
  let after = try call.query.value("after", as: PlainDate.self)
  let year = try call.query.value("year", as: CalendarYear.self)
  return try await call.answer(reading: HolidayStatements.list, year?.number, after?.sql, limit)
}

func putHoliday(_ call: Call) async throws(Failure) -> Response {
  let day = try call.day("day")
  let holiday = try await call.input(Holiday.self)
  return try await call.answer(
    writing: HolidayStatements.put, day.sql, holiday.indonesianName, holiday.englishName, holiday.isVerified)
}

func deleteHoliday(_ call: Call) async throws(Failure) -> Response {
  try await call.answer(writing: HolidayStatements.delete, call.day("day").sql)
}

extension RequestCall {
  /// A path parameter that is a day.
  ///
  /// - Throws: 404 when it isn't written as one: no such resource can exist.
  fileprivate func day(_ name: StaticString) throws(Failure) -> PlainDate {
    guard let day = PlainDate(parameter(name).utf8.map { $0 }) else { throw .notFound }
    return day
  }
}

struct Holiday: Input {
  let indonesianName: String
  let englishName: String
  /// Whether the day was compared with the joint decree of its year.
  let isVerified: Bool

  static func read(_ fields: inout JSONFields) -> Holiday? {
    let indonesian = fields.required("name_id", text: .line(1...100))
    let english = fields.required("name_en", text: .line(1...100))
    let isVerified = fields.required("verified", Bool.self)
    guard let indonesian, let english, let isVerified else { return nil }
    return Holiday(indonesianName: indonesian, englishName: english, isVerified: isVerified)
  }
}

enum HolidayStatements {
  static let list = Statement(
    "holidays.list", "SELECT smile.list_holidays($1, $2, $3)", Int32?.self, SQLDate?.self, Int32.self)

  static let put = Statement(
    "holidays.put", "SELECT status, body, etag, location FROM smile.put_holiday($1, $2, $3, $4)",
    SQLDate.self, String.self, String.self, Bool.self)

  static let delete = Statement(
    "holidays.delete", "SELECT status, body, etag, location FROM smile.delete_holiday($1)", SQLDate.self)

  static let all: [any StatementDescription] = [list, put, delete]
}
