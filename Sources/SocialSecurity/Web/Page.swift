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
