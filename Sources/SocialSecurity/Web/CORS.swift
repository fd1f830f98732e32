import EventLoop
import HTTPServer

/// Cross-origin access for the origins of the configuration and of registered front ends, and for no others; an origin
/// is never reflected unless it is listed (Fetch standard section 3.2).
struct CORS: Sendable {
  private static let exposed = """
    ETag, Location, Link, Retry-After, RateLimit, RateLimit-Policy, Idempotency-Replayed, X-Request-Id, Deprecation, \
    Sunset
    """
  private static let accepted = """
    Authorization, Content-Type, Accept-Language, Idempotency-Key, If-Match, If-None-Match, Prefer, X-Request-Id, \
    Access-Purpose, Content-Digest, Registration-Token, traceparent
    """

  private let origins: [String]
  private let clients: ClientDirectory

  init(origins: [String], clients: ClientDirectory) {
    self.origins = origins
    self.clients = clients
  }

  /// The answer to a preflight; nil when the request isn't one from a listed origin.
  @LoopActor
  func preflight(_ request: Request) -> Response? {
    guard request.method == .OPTIONS, let origin = origin(of: request),
      request.headers.string("access-control-request-method") != nil
    else { return nil }
    var response = Response(status: 204, body: .none)
    response.headers.append("Access-Control-Allow-Origin", origin)
    response.headers.append("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE")
    response.headers.append("Access-Control-Allow-Headers", Self.accepted)
    response.headers.append("Access-Control-Max-Age", "600")
    return response
  }

  @LoopActor
  func expose(_ response: inout Response, to request: Request) {
    if origins.isEmpty, clients.origins.isEmpty { return }
    response.headers.append("Vary", "Origin")
    guard request.method != .OPTIONS, let origin = origin(of: request) else { return }
    response.headers.append("Access-Control-Allow-Origin", origin)
    response.headers.append("Access-Control-Expose-Headers", Self.exposed)
  }

  @LoopActor
  private func origin(of request: Request) -> String? {
    guard let origin = request.headers.string(.origin) else { return nil }
    return origins.contains(origin) || clients.origins.contains(origin) ? origin : nil
  }
}
