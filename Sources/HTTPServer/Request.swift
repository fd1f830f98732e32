import EventLoop

/// A request whose head has come whole and was found valid; its body is pulled by the handler.
package struct Request: Sendable {
  package let method: Method
  /// The path, percent-decoded once: valid UTF-8, starts with `/` (or is `*` of `OPTIONS *`), holds no control
  /// character, no empty, `.` or `..` segment, and no slash that was escaped.
  package let path: [UInt8]
  /// What follows the `?`, still escaped (every escape is well-formed); nil without a `?`.
  package let query: [UInt8]?
  package let headers: Headers
  /// The client's address: the peer's, or what a trusted proxy says of it in `X-Forwarded-For`.
  package let remoteAddress: PeerAddress
  package let body: RequestBody
  /// When the head was complete.
  package let receivedAt: MonotonicInstant

  /// A request made in memory, as tests and conversations need it; a body is complete from the start.
  @LoopActor
  package init(
    _ method: Method, _ path: [UInt8], query: [UInt8]? = nil, headers: Headers = Headers(), body: [UInt8] = [],
    remoteAddress: PeerAddress = .ipv4(0x7f00_0001)
  ) {
    self.init(
      method: method, path: path, query: query, headers: headers, remoteAddress: remoteAddress,
      body: RequestBody(complete: body), receivedAt: LoopActor.shared.loop.now)
  }

  init(
    method: Method, path: [UInt8], query: [UInt8]?, headers: Headers, remoteAddress: PeerAddress, body: RequestBody,
    receivedAt: MonotonicInstant
  ) {
    self.method = method
    self.path = path
    self.query = query
    self.headers = headers
    self.remoteAddress = remoteAddress
    self.body = body
    self.receivedAt = receivedAt
  }
}

/// What the server serves. One handler answers all requests of a server.
package protocol RequestHandler: Sendable {
  /// Answers a request. Deadlines of handlers are the handler's own; when the client has gone, the answer is dropped.
  @LoopActor func respond(to request: Request) async -> Response

  /// The answer to a request that couldn't be read; the server adds `Connection: close` and closes. `status` is
  /// `reason.status`.
  @LoopActor func refusal(_ status: Int, _ reason: FramingError) -> Response
}
