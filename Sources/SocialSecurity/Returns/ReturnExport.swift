import EventLoop
import HTTPServer
import JSON
import PostgresClient

/// What of a return is exported.
enum ReturnList: String, Sendable {
  case lines, findings
}

extension RequestCall<Principal> {
  /// The whole list as a stream of CSV or NDJSON, when the client prefers one of them to pages of JSON. `after` begins
  /// behind a line, so that a broken download can go on.
  ///
  /// - Returns: nil for who wants JSON.
  /// - Throws: 406 when the client takes none of the three; 400 for a `limit`, which only pages have.
  func export(
    _ list: ReturnList, of id: SQLUUID, status: LineStatus? = nil, after: String?
  ) async throws(Failure) -> Response? {
    let format = try await preferred(of: [.json, .csv, .ndjson])
    if format == .json { return nil }
    if query["limit"] != nil {
      throw await refuse(.invalid(parameter: "limit", FieldProblem("unknown_parameter")))
    }
    let pages = await ReturnPages(call: self, id: id, list: list, status: status, format: format)
    return try await PageStream.response(pages, after: after, mediaType: format.rawValue)
  }
}

/// A return that changes meanwhile cuts the stream, so that nobody takes parts of two for one.
@LoopActor
private final class ReturnPages: PageSource {
  private static let size: Int32 = 200

  private let call: Call
  private let id: SQLUUID
  private let list: ReturnList
  private let status: LineStatus?
  private let format: PayrollFormat
  private var version: Int64?

  init(call: Call, id: SQLUUID, list: ReturnList, status: LineStatus?, format: PayrollFormat) {
    self.call = call
    self.id = id
    self.list = list
    self.status = status
    self.format = format
  }

  func page(after: String?) async throws(Failure) -> TextPage {
    var work = try call.work()
    try work.add(
      ReturnStatements.export, id, list.rawValue, status?.rawValue, after, Self.size, call.language.rawValue,
      format.rawValue)
    let results = try await call.read(work)
    guard let page = results.last, page.rowCount == 1 else { throw .notFound }
    if version == nil {
      version = page.int64(0, 2)
      if list == .lines { try await call.noteOfficer(results.first, reading: id) }
    } else if version != page.int64(0, 2) {
      throw Failure(409, "conflict")
    }
    return TextPage(text: page.bytes(0, 0), after: page.string(0, 1))
  }
}
