import EventLoop
import HTTPServer

/// A part of a list as text.
struct TextPage: Sendable {
  let text: [UInt8]
  /// Where the next one begins; nil on the last.
  let after: String?
}

/// A list that is read page by page.
@LoopActor
protocol PageSource: AnyObject, Sendable {
  /// - Parameter after: the cursor of the page before; nil for the first.
  /// - Throws: whatever refuses the caller or the page.
  func page(after: String?) async throws(Failure) -> TextPage
}

/// Sends a list page by page as the client takes it, each read in a round trip of its own that judges the caller again:
/// a slow reader holds no connection to PostgreSQL. A failure on the way cuts the stream.
@LoopActor
final class PageStream {
  private let source: any PageSource
  private var after: String?
  private var isOver = false
  private var unsent: [UInt8] = []

  private init(of source: any PageSource, after: String?) {
    self.source = source
    self.after = after
  }

  /// The answer that holds the whole list from behind `after`.
  ///
  /// - Throws: what refuses the first page, which is read here: it is still a problem document.
  static func response(
    _ source: any PageSource, after: String?, mediaType: String
  ) async throws(Failure) -> Response {
    let stream = PageStream(of: source, after: after)
    try await stream.read()
    var response = Response(status: 200)
    response.headers.append("Content-Type", "\(mediaType); charset=utf-8")
    response.body = .stream(length: nil) { try await stream.next() }
    return response
  }

  private func read() async throws(Failure) {
    let page = try await source.page(after: after)
    unsent = page.text
    after = page.after
    isOver = page.after == nil
  }

  private func next() async throws(Failure) -> [UInt8]? {
    if unsent.isEmpty, !isOver { try await read() }
    defer { unsent = [] }
    return unsent.isEmpty ? nil : unsent
  }
}

extension RequestCall {
  /// The media type that the client likes best of those offered.
  ///
  /// - Throws: 406 when it takes none of them; 401 or 403 before that.
  func preferred(of offered: [PayrollFormat]) async throws(Failure) -> PayrollFormat {
    let choice = Acceptance(request.headers.all(.accept)).choice(of: offered.map(\.rawValue))
    guard let format = choice.flatMap(PayrollFormat.init(rawValue:)) else {
      throw await refuse(Failure(406, "not_acceptable"))
    }
    return format
  }
}
