/// Writes the head of an answer (RFC 9112 section 4). Everything that an answer's framing depends on is decided here.
struct ResponseEncoder {
  /// How the content follows the head.
  enum Content: Equatable {
    /// There is none (HEAD, 204, 304, or an empty body).
    case none
    /// Exactly that many bytes.
    case length(Int)
    case chunked
    /// Until the connection closes: HTTP/1.0 and no length.
    case untilClose
  }

  let method: Method?
  let isHTTP10: Bool

  /// What follows the head of `response`.
  func content(of response: Response) -> Content {
    if method == .HEAD || response.status == 204 || response.status == 304 { return .none }
    switch response.body {
    case .none: return .length(0)
    case .bytes(let bytes): return .length(bytes.count)
    case .stream(let length?, _): return .length(length)
    case .stream(nil, _): return isHTTP10 ? .untilClose : .chunked
    }
  }

  /// Appends status line, `Date`, the answer's own fields, and those of the framing.
  func encodeHead(of response: Response, closes: Bool, date: [UInt8], to bytes: inout [UInt8]) {
    let status = 200...599 ~= response.status ? response.status : 500
    append("HTTP/1.1 ", to: &bytes)
    DecimalNumber.append(status, to: &bytes)
    bytes.append(.space)
    append(Self.reason(status), to: &bytes)
    append("\r\n", to: &bytes)
    bytes += date
    bytes += response.headers.lines
    if let length = announcedLength(of: response, status: status) {
      append("Content-Length: ", to: &bytes)
      DecimalNumber.append(length, to: &bytes)
      append("\r\n", to: &bytes)
    } else if content(of: response) == .chunked {
      append("Transfer-Encoding: chunked\r\n", to: &bytes)
    }
    if closes { append("Connection: close\r\n", to: &bytes) }
    append("\r\n", to: &bytes)
  }

  /// Content-Length: of HEAD what GET would have; never of 204, and of 304 neither (RFC 9110 section 8.6).
  private func announcedLength(of response: Response, status: Int) -> Int? {
    if status == 204 || status == 304 { return nil }
    switch response.body {
    case .none: return method == .HEAD ? nil : 0
    case .bytes(let bytes): return bytes.count
    case .stream(let length, _): return length
    }
  }

  private func append(_ text: StaticString, to bytes: inout [UInt8]) {
    unsafe bytes.append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  private static func reason(_ status: Int) -> StaticString {
    switch status {
    case 200: "OK"
    case 201: "Created"
    case 202: "Accepted"
    case 204: "No Content"
    case 206: "Partial Content"
    case 303: "See Other"
    case 304: "Not Modified"
    case 400: "Bad Request"
    case 401: "Unauthorized"
    case 403: "Forbidden"
    case 404: "Not Found"
    case 405: "Method Not Allowed"
    case 406: "Not Acceptable"
    case 408: "Request Timeout"
    case 409: "Conflict"
    case 410: "Gone"
    case 411: "Length Required"
    case 412: "Precondition Failed"
    case 413: "Content Too Large"
    case 414: "URI Too Long"
    case 415: "Unsupported Media Type"
    case 416: "Range Not Satisfiable"
    case 417: "Expectation Failed"
    case 421: "Misdirected Request"
    case 422: "Unprocessable Content"
    case 425: "Too Early"
    case 428: "Precondition Required"
    case 429: "Too Many Requests"
    case 431: "Request Header Fields Too Large"
    case 500: "Internal Server Error"
    case 501: "Not Implemented"
    case 502: "Bad Gateway"
    case 503: "Service Unavailable"
    case 504: "Gateway Timeout"
    case 505: "HTTP Version Not Supported"
    // The phrase may be empty, the space before it may not be missing (RFC 9112 section 4).
    default: ""
    }
  }
}
