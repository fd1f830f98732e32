import HTTPServer
import JSON

/// The origin of a front end in a browser, exactly as browsers write it (RFC 6454 section 6.2): scheme, host in lower
/// case, and the port unless it is the scheme's own.
struct WebOrigin: Sendable, Hashable, JSONTextReadable {
  let text: String

  /// - Throws: `invalid_format`. Only https, but for pages that a developer's own machine serves.
  init(parsing text: String) throws(FieldProblem) {
    let host = /[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*/
    guard text.utf8.count <= 255, text.utf8.allSatisfy({ $0 < 0x80 }),
      let scheme = ["https", "http"].first(where: { text.hasPrefix("\($0)://") }),
      let found = text.dropFirst(scheme.utf8.count + 3).prefixMatch(of: host)
    else { throw .invalidFormat("origin") }
    if scheme == "http", found.0 != "localhost", found.0 != "127.0.0.1" { throw .invalidFormat("origin") }
    let rest = text[found.range.upperBound...]
    if !rest.isEmpty {
      guard rest.first == ":", let port = Digits.value(Array(rest.utf8.dropFirst())), (1...65_535).contains(port),
        "\(port)" == rest.dropFirst(), port != (scheme == "https" ? 443 : 80)
      else { throw .invalidFormat("origin") }
    }
    self.text = text
  }
}
