import Crypto
import EventLoop
import HTTPServer
import JSON
import PostgresClient

/// The composition root: services in, one responder out. The way of every request is `respond(to:)`, top to bottom.
package final class App: RequestHandler, Sendable {
  private let services: Services
  private let endpoints: [Endpoint]
  private let access: [[String]]
  private let parameters: [[String]]
  private let router: Router
  private let cors: CORS
  private let log: AccessLog
  private let random = RandomSource()

  /// - Throws: `StartFailure` when the endpoint table contradicts itself.
  package init(_ services: Services, log: AccessLog) throws(StartFailure) {
    self.services = services
    self.log = log
    endpoints = Endpoints.all(in: services.configuration.environment)
    access = endpoints.map { $0.grants.map(\.text) }
    parameters = endpoints.map { $0.allowsRehearsal ? $0.parameters + ["validate_only"] : $0.parameters }
    cors = CORS(origins: services.configuration.corsOrigins, clients: services.clients)
    do {
      router = try Router(endpoints)
    } catch {
      throw StartFailure(error.description)
    }
    let doubled = services.catalogue.duplicates
    if !doubled.isEmpty { throw StartFailure("problem codes stand twice: \(doubled.joined(separator: ", "))") }
  }

  @LoopActor
  package func respond(to request: Request) async -> Response {
    let started = MonotonicInstant.read()
    let observation = Observation()
    let id = RequestID(header: request.headers.string(.requestID), random)
    let language = Language(accepting: request.headers.string(.acceptLanguage))
    let match = router.match(request.method, request.path)
    var route: Int?
    if case .endpoint(let index, _) = match { route = index }
    services.metrics.began(id, request.method, route: route.map { endpoints[$0].pattern })
    var standing: RateLimiter.Standing?
    var response: Response
    var cause: String?
    do {
      response = try await dispatch(request, match, id, language, observation, &standing)
    } catch {
      cause = error.cause
      response = Problem(
        failure: error, requestID: id.description, language: language, catalogue: services.catalogue
      ).response()
    }
    finish(&response, of: request, id, standing)
    let elapsed = MonotonicInstant.read() - started
    if services.configuration.environment != .production, !observation.isTimeSecret {
      response.headers.append("Server-Timing", Self.timing(elapsed, observation.database))
    }
    services.metrics.count(route: route, status: response.status, elapsed)
    log.write(
      AccessLog.Entry(
        id: id, method: request.method, route: route.map { endpoints[$0].pattern }, status: response.status,
        elapsed: elapsed, database: observation.database, roundTrips: observation.roundTrips,
        trace: TraceParent(request.headers["traceparent"]), cause: cause))
    return response
  }

  /// The answer to a message whose framing is in doubt: nothing of it is believed, not even its headers.
  @LoopActor
  package func refusal(_ status: Int, _ error: FramingError) -> Response {
    let id = RequestID(header: nil, random)
    let failure = Failure(status, Self.framingCode(status))
    var response = Problem(
      failure: failure, requestID: id.description, language: .id, catalogue: services.catalogue
    ).response()
    response.headers.append("X-Request-Id", id.description)
    Self.protect(&response)
    services.metrics.count(route: nil, status: status, .zero)
    log.write(
      AccessLog.Entry(
        id: id, method: nil, route: nil, status: status, elapsed: .zero, database: .zero, roundTrips: 0, trace: nil,
        cause: "framing: \(error)"))
    return response
  }

  @LoopActor
  private func dispatch(
    _ request: Request, _ match: Router.Match, _ id: RequestID, _ language: Language, _ observation: Observation,
    _ standing: inout RateLimiter.Standing?
  ) async throws(Failure) -> Response {
    if let preflight = cors.preflight(request) { return preflight }
    let index: Int
    let values: [String]
    switch match {
    case .none: throw .notFound
    case .otherMethods(let methods): throw Self.methodNotAllowed(methods)
    case .endpoint(let found, let parameters):
      index = found
      values = parameters
    }
    let endpoint = endpoints[index]
    // An open endpoint looks at no token: else whoever has one would guess passwords under an account's wider limit.
    let token =
      endpoint.grants.isEmpty ? nil : request.headers[.authorization].flatMap { TokenDigest(authorization: $0) }
    if !endpoint.grants.isEmpty, token == nil { throw .unauthenticated(request) }
    try services.limiter.admit(request.remoteAddress, endpoint, token, &standing)
    let query = Query(request.query, known: parameters[index])
    let checked = Preconditions(request, endpoint, query)
    let context = CallContext(
      request: request, endpoint: endpoint, services: services, requestID: id, language: language,
      token: token, query: query, access: access[index],
      parameterNames: router.parameterNames[index], parameterValues: values,
      idempotencyKey: checked.idempotencyKey, isRehearsal: checked.isRehearsal,
      isCallerNew: token.map(services.limiter.wantsCaller(of:)) ?? false, observation: observation)
    switch endpoint.handler {
    case .open(let handler):
      if let failure = checked.failure { throw failure }
      return try await handler(OpenCall(context: context))
    case .identified(let handler):
      let call = Call(context: context)
      if let failure = checked.failure { throw await call.refuse(failure) }
      do {
        var answer = try await handler(call)
        if checked.prefersRollback { answer.headers.append("Preference-Applied", "tx=rollback") }
        return answer
      } catch {
        // Refused before the caller was judged, for an id that can't be one: 401 and 403 win over 404 too.
        throw observation.roundTrips == 0 && error.status == 404 ? await call.refuse(error) : error
      }
    }
  }

  private static func methodNotAllowed(_ methods: [Method]) -> Failure {
    var failure = Failure(405, "method_not_allowed")
    var names = methods.map { $0.name.description }
    if methods.contains(.GET) { names.append("HEAD") }
    failure.allow = names.joined(separator: ", ")
    return failure
  }

  /// What stands on every answer.
  @LoopActor
  private func finish(
    _ response: inout Response, of request: Request, _ id: RequestID, _ standing: RateLimiter.Standing?
  ) {
    response.headers.append("X-Request-Id", id.description)
    if let standing {
      response.headers.append("RateLimit-Policy", standing.policy)
      response.headers.append("RateLimit", standing.limit)
    }
    Self.protect(&response)
    cors.expose(&response, to: request)
  }

  /// ASVS 3.4: no sniffing, no framing, no referrer, and no copy of personal data in any cache.
  private static func protect(_ response: inout Response) {
    response.headers.append(contentsOf: protection)
  }

  private static let protection: ResponseHeaders = {
    var headers = ResponseHeaders()
    headers.append("X-Content-Type-Options", "nosniff")
    headers.append("Cache-Control", "no-store")
    headers.append("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
    headers.append("Referrer-Policy", "no-referrer")
    headers.append("Cross-Origin-Resource-Policy", "same-origin")
    return headers
  }()

  private static func timing(_ all: Duration, _ database: Duration) -> String {
    "db;dur=\(milliseconds(database)), app;dur=\(milliseconds(all - database))"
  }

  private static func milliseconds(_ duration: Duration) -> String {
    let micros = max(0, duration.inNanoseconds / 1_000)
    let fraction = "\(micros % 1_000)"
    return "\(micros / 1_000)." + String(repeating: "0", count: 3 - fraction.count) + fraction
  }

  private static func framingCode(_ status: Int) -> String {
    switch status {
    case 408: "request_timeout"
    case 413: "payload_too_large"
    case 414: "uri_too_long"
    case 417: "expectation_failed"
    case 421: "misdirected_request"
    case 431: "headers_too_large"
    case 501: "not_implemented"
    case 503: "unavailable"
    case 505: "http_version_not_supported"
    default: "malformed_request"
    }
  }
}
