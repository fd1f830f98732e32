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
    let offered: [PayrollFormat] = [.json, .csv, .ndjson]
    guard let choice = Acceptance(request.headers.all(.accept)).choice(of: offered.map(\.rawValue)),
      let format = PayrollFormat(rawValue: choice)
    else { throw await refuse(Failure(406, "not_acceptable")) }
    if format == .json { return nil }
    if query["limit"] != nil {
      throw await refuse(.invalid(parameter: "limit", FieldProblem("unknown_parameter")))
    }
    let pages = await ReturnPages(call: self, id: id, list: list, status: status, format: format, after: after)
    // The first page is read here: what is wrong with the request is still a problem document.
    try await pages.read()
    var response = Response(status: 200)
    response.headers.append("Content-Type", "\(format.rawValue); charset=utf-8")
    response.body = .stream(length: nil) { try await pages.next() }
    return response
  }
}

/// Reads a list page by page as the client takes it, each in a round trip of its own that judges the caller again: a
/// slow reader holds no connection to PostgreSQL. A return that changes meanwhile cuts the stream, so that nobody takes
/// parts of two for one.
@LoopActor
private final class ReturnPages {
  private static let size: Int32 = 200

  private let call: Call
  private let id: SQLUUID
  private let list: ReturnList
  private let status: LineStatus?
  private let format: PayrollFormat
  private var after: String?
  private var hasMore = true
  private var version: Int64?
  private var unsent: [UInt8] = []

  init(call: Call, id: SQLUUID, list: ReturnList, status: LineStatus?, format: PayrollFormat, after: String?) {
    self.call = call
    self.id = id
    self.list = list
    self.status = status
    self.format = format
    self.after = after
  }

  func read() async throws(Failure) {
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
    unsent = page.bytes(0, 0)
    after = page.string(0, 1)
    hasMore = after != nil
  }

  func next() async throws(Failure) -> [UInt8]? {
    if unsent.isEmpty, hasMore { try await read() }
    defer { unsent = [] }
    return unsent.isEmpty ? nil : unsent
  }
}
