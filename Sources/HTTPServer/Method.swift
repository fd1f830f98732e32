/// The request methods that this server implements (RFC 9110 section 9, RFC 5789); any other is answered 501. The raw
/// value is the name's ASCII bytes, first byte highest.
package enum Method: UInt64, Sendable, CaseIterable {
  case GET = 0x47_45_54
  case HEAD = 0x48_45_41_44
  case POST = 0x50_4f_53_54
  case PUT = 0x50_55_54
  case PATCH = 0x50_41_54_43_48
  case DELETE = 0x44_45_4c_45_54_45
  case OPTIONS = 0x4f_50_54_49_4f_4e_53

  /// `GET`, `HEAD`, …
  package var name: StaticString {
    switch self {
    case .GET: "GET"
    case .HEAD: "HEAD"
    case .POST: "POST"
    case .PUT: "PUT"
    case .PATCH: "PATCH"
    case .DELETE: "DELETE"
    case .OPTIONS: "OPTIONS"
    }
  }

  /// Whether a body in the request has a meaning; GET, HEAD and DELETE with one are refused.
  var allowsBody: Bool {
    switch self {
    case .GET, .HEAD, .DELETE: false
    case .POST, .PUT, .PATCH, .OPTIONS: true
    }
  }
}
