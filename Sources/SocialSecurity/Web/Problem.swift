import HTTPServer
import JSON

/// A failure as the client sees it: RFC 9457 problem details. The only place that writes them.
struct Problem {
  let failure: Failure
  let requestID: String
  let language: Language
  let catalogue: ProblemCatalogue

  func response() -> Response {
    var response = Response(status: failure.status, body: .bytes(body()))
    response.headers.append("Content-Type", "application/problem+json")
    response.headers.append("Content-Language", language.rawValue)
    switch failure.status {
    case 401: response.headers.append("WWW-Authenticate", challenge)
    case 403 where failure.code == "insufficient_scope": response.headers.append("WWW-Authenticate", challenge)
    case 405: response.headers.append("Allow", failure.allow ?? "")
    default: break
    }
    if let seconds = failure.retryAfter { response.headers.append("Retry-After", "\(seconds)") }
    if let tag = failure.extensions.first(where: { $0.name == "current_etag" }) {
      response.headers.append("ETag", tag.value)
    }
    return response
  }

  /// RFC 6750 section 3, whose errors are about access tokens alone; for a step-up RFC 9470 section 3.
  private var challenge: String {
    let realm = "Bearer realm=\"smile\""
    switch failure.code {
    case "invalid_token" where failure.lacksCredentials: return realm
    case "invalid_token", "insufficient_scope": return "\(realm), error=\"\(failure.code)\""
    case "step_up_required": return "\(realm), error=\"insufficient_user_authentication\", max_age=\"300\""
    default: return realm
    }
  }

  private func body() -> [UInt8] {
    let text = catalogue[failure.code]
    var json = JSONWriter(capacity: 384)
    json.object { json in
      json.field("type", "/problems/\(failure.code)")
      json.field("title", Problem.title(failure.status))
      json.field("status", failure.status)
      json.field("detail", text?.text(in: language) ?? Problem.title(failure.status))
      json.field("code", failure.code)
      json.field("request_id", requestID)
      for (name, value) in failure.extensions {
        json.key(name)
        json.string(value)
      }
      for (name, values) in failure.lists {
        json.key(name)
        json.array { json in values.forEach { json.string($0) } }
      }
      if !failure.errors.isEmpty { write(failure.errors, to: &json) }
    }
    return json.bytes
  }

  private func write(_ errors: [FieldError], to json: inout JSONWriter) {
    json.key("errors")
    json.array { json in
      for error in errors {
        json.object { json in
          if let parameter = error.parameter {
            json.field("parameter", parameter)
          } else {
            json.field("pointer", error.pointer ?? "")
          }
          json.field("code", error.code)
          json.field("message", FieldTexts.message(of: error.problem, in: language, catalogue))
          json.field("rule", optional: error.parameters.first { $0.name == "rule" }?.value)
        }
      }
    }
  }

  /// The status's phrase (RFC 9110 section 15): RFC 9457 recommends it as title.
  static func title(_ status: Int) -> String {
    switch status {
    case 400: "Bad Request"
    case 401: "Unauthorized"
    case 403: "Forbidden"
    case 404: "Not Found"
    case 405: "Method Not Allowed"
    case 406: "Not Acceptable"
    case 408: "Request Timeout"
    case 409: "Conflict"
    case 410: "Gone"
    case 412: "Precondition Failed"
    case 413: "Content Too Large"
    case 414: "URI Too Long"
    case 415: "Unsupported Media Type"
    case 417: "Expectation Failed"
    case 421: "Misdirected Request"
    case 422: "Unprocessable Content"
    case 428: "Precondition Required"
    case 429: "Too Many Requests"
    case 431: "Request Header Fields Too Large"
    case 501: "Not Implemented"
    case 503: "Service Unavailable"
    case 505: "HTTP Version Not Supported"
    default: "Internal Server Error"
    }
  }
}
