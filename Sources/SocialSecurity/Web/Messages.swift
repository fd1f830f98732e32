import HTTPServer
import JSON

extension Response {
  /// A JSON answer from bytes that are JSON already, as PostgreSQL built them.
  package static func json(_ status: Int, _ body: [UInt8], etag: String? = nil) -> Response {
    var response = Response(status: status, headers: .json, body: .bytes(body))
    if let etag { response.headers.append("ETag", etag) }
    return response
  }

  /// A JSON object written by `members`.
  package static func json(_ status: Int, _ members: (inout JSONWriter) -> Void) -> Response {
    var json = JSONWriter()
    json.object(members)
    return .json(status, json.bytes)
  }
}

extension ResponseHeaders {
  package static var json: ResponseHeaders {
    var headers = ResponseHeaders()
    headers.append("Content-Type", "application/json")
    return headers
  }
}

extension Request {
  /// The media type of the body without its parameters, lower case; nil when none is declared.
  package var mediaType: String? {
    guard let value = headers[.contentType] else { return nil }
    let type = value.prefix { $0 != UInt8(ascii: ";") }.filter { $0 != UInt8(ascii: " ") }
    return String(validating: type.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }, as: UTF8.self)
  }

  /// - Throws: 415 unless the body is declared as one of `types`.
  package func requireMediaType(_ types: [String]) throws(Failure) {
    guard let mediaType, types.contains(mediaType) else { throw Failure(415, "unsupported_media_type") }
  }
}

extension Failure {
  /// A body that couldn't be read whole.
  package init(bodyError error: BodyError) {
    switch error {
    case .tooLarge: self.init(413, "payload_too_large")
    case .framing(.timedOut): self.init(408, "request_timeout")
    case .storage(let error): self = Failure.unavailable().because("\(error)")
    default: self.init(400, "malformed_request")
    }
  }
}
