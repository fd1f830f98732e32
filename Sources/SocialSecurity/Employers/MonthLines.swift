import EventLoop
import HTTPServer
import JSON
import PostgresClient

/// What the digests of a month were made of, a row a member, as pages of JSON or whole as CSV or NDJSON.
func listMonthLines(_ call: Call) async throws(Failure) -> Response {
  let employer = try call.id("employer_id")
  let format = try await call.preferred(of: [.json, .csv, .ndjson])
  let month: WageMonth
  let fields: MonthFields
  let after: KPJ?
  let limit: Int32
  do throws(Failure) {
    guard let given: WageMonth = try call.query.value("period") else {
      throw .invalid(parameter: "period", .required)
    }
    month = given
    fields = try call.query.value("fields") ?? .all
    after = try call.query.value("after")
    limit = Int32(try call.query.limit())
    if format != .json, call.query["limit"] != nil {
      throw .invalid(parameter: "limit", FieldProblem("unknown_parameter"))
    }
  } catch {
    throw await call.refuse(error)
  }
  guard format != .json else {
    return try await call.answer(
      reading: ReadingBackStatements.monthLines, employer, month.sql, after?.digits, limit, fields.names,
      format.rawValue)
  }
  let pages = await MonthLinePages(call: call, employer: employer, month: month, fields: fields, format: format)
  return try await PageStream.response(pages, after: after?.digits, mediaType: format.rawValue)
}

/// Some of a row's fields, in the order of the digests: `kpj,wage`.
struct MonthFields: Sendable, JSONTextReadable {
  private enum Field: String, CaseIterable {
    case kpj, wage
    case jhtEmployer = "jht_employer"
    case jhtWorker = "jht_worker"
    case jkk, jkm
    case jpEmployer = "jp_employer"
    case jpWorker = "jp_worker"
  }

  static let all = MonthFields(Field.allCases)

  private let fields: [Field]

  var names: [String] { fields.map(\.rawValue) }

  private init(_ fields: [Field]) {
    self.fields = fields
  }

  /// - Throws: unless it is a list of names, none of them twice.
  init(parsing text: String) throws(FieldProblem) {
    let names = text.split(separator: ",", omittingEmptySubsequences: false)
    let fields = Field.allCases.filter { field in names.contains { $0 == field.rawValue } }
    guard fields.count == names.count else { throw .notAllowed(Field.allCases.map(\.rawValue)) }
    self.init(fields)
  }
}

/// A return that is finalised meanwhile cuts the stream, so that nobody takes parts of two months for one.
@LoopActor
private final class MonthLinePages: PageSource {
  /// Each page goes through the whole month.
  private static let size: Int32 = 10_000

  private let call: Call
  private let employer: SQLUUID
  private let month: WageMonth
  private let fields: MonthFields
  private let format: PayrollFormat
  private var stamp: String?

  init(call: Call, employer: SQLUUID, month: WageMonth, fields: MonthFields, format: PayrollFormat) {
    self.call = call
    self.employer = employer
    self.month = month
    self.fields = fields
    self.format = format
  }

  func page(after: String?) async throws(Failure) -> TextPage {
    var work = try call.work()
    try work.add(
      ReadingBackStatements.monthLines, employer, month.sql, after, Self.size, fields.names, format.rawValue)
    guard let page = try await call.read(work).last, page.rowCount == 1 else { throw .notFound }
    let found = page.string(0, 3)
    if stamp == nil { stamp = found } else if stamp != found { throw Failure(409, "conflict") }
    return TextPage(text: page.bytes(0, 0), after: page.string(0, 2))
  }
}
