import JSON
import PostgresClient

extension RequestCall {
  /// `limit` and `after` of a list whose cursor is an id. The caller is judged first: 401 and 403 win over 400.
  package func page() async throws(Failure) -> (limit: Int32, after: SQLUUID?) {
    do {
      return try query.page()
    } catch {
      throw await refuse(error)
    }
  }
}

extension Query {
  /// - Throws: 400 naming the parameter.
  func page() throws(Failure) -> (limit: Int32, after: SQLUUID?) {
    let limit = Int32(try limit())
    guard let text = try after() else { return (limit, nil) }
    guard let after = SQLUUID(parsing: text) else { throw .invalid(parameter: "after", .invalidFormat("cursor")) }
    return (limit, after)
  }
}

/// A page of a list, as PostgreSQL built it: `{"items":[…],"next_after":"…"}`, the cursor last and absent on the last
/// page.
enum Page {
  /// The `next_after` of a page, for its `Link` field (RFC 8288); nil on the last page and for what isn't a page.
  ///
  /// Read from the page's end, so that a page of 200 items isn't parsed for it; the cursor's characters need no escape.
  static func nextAfter(in body: [UInt8]) -> String? {
    var end = body.count
    func skipSpaces() { while end > 0, body[end - 1] == 0x20 || body[end - 1] == 0x0A { end -= 1 } }
    func take(_ text: StaticString) -> Bool {
      let bytes = Array(text.description.utf8)
      guard end >= bytes.count, body[(end - bytes.count)..<end].elementsEqual(bytes) else { return false }
      end -= bytes.count
      return true
    }
    skipSpaces()
    guard take("}") else { return nil }
    skipSpaces()
    guard take("\"") else { return nil }
    let valueEnd = end
    while end > 0, body[end - 1] != 0x22, valueEnd - end <= 128 { end -= 1 }
    let value = body[end..<valueEnd]
    guard take("\"") else { return nil }
    skipSpaces()
    guard take(":") else { return nil }
    skipSpaces()
    guard take("\"next_after\"") else { return nil }
    return String(validating: value, as: UTF8.self)
  }

  /// The address of the next page: the same query with another `after`.
  static func link(path: [UInt8], query: Query, after: String) -> String {
    var parameters = query.pairs.filter { $0.name != "after" }
    parameters.append((name: "after", value: after))
    let text = parameters.map { "\($0.name)=\(Query.encoded($0.value))" }.joined(separator: "&")
    return "<\(String(decoding: path, as: UTF8.self))?\(text)>; rel=\"next\""
  }
}
