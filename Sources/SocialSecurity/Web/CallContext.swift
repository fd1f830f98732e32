import Crypto
import EventLoop
import HTTPServer
import JSON
import PostgresClient

/// What is known of a request once it has found its endpoint; what all calls share, whoever makes them.
package final class CallContext: Sendable {
  package enum Mode: Sendable { case read, write, rehearsal }

  package let request: Request
  package let endpoint: Endpoint
  package let services: Services
  package let requestID: RequestID
  package let language: Language
  /// Nil on open endpoints.
  package let token: TokenDigest?
  package let query: Query
  /// The endpoint's grants, as `smile.authenticate` takes them.
  let access: [String]
  let parameterNames: [String]
  let parameterValues: [String]
  let idempotencyKey: String?
  let isRehearsal: Bool
  /// Whether the limiter doesn't know yet who the token belongs to.
  let isCallerNew: Bool
  let observation: Observation

  init(
    request: Request, endpoint: Endpoint, services: Services, requestID: RequestID, language: Language,
    token: TokenDigest?, query: Query, access: [String], parameterNames: [String], parameterValues: [String],
    idempotencyKey: String?, isRehearsal: Bool, isCallerNew: Bool, observation: Observation
  ) {
    self.request = request
    self.endpoint = endpoint
    self.services = services
    self.requestID = requestID
    self.language = language
    self.token = token
    self.query = query
    self.access = access
    self.parameterNames = parameterNames
    self.parameterValues = parameterValues
    self.idempotencyKey = idempotencyKey
    self.isRehearsal = isRehearsal
    self.isCallerNew = isCallerNew
    self.observation = observation
  }

  /// The caller's address, as text.
  package var address: String { request.remoteAddress.description }

  /// `Access-Purpose: <kind>:<id>`, which officers send when they open a person's record.
  package var purpose: String? { request.headers.string("access-purpose") }

  func parameter(_ name: StaticString) -> String? {
    for (index, known) in parameterNames.enumerated() where known == name.description { return parameterValues[index] }
    return nil
  }

  /// The whole JSON body.
  ///
  /// - Throws: 415 unless it is declared as JSON, 413 over the endpoint's limit.
  func body() async throws(Failure) -> [UInt8] {
    try request.requireMediaType(
      endpoint.method == .PATCH ? ["application/json", "application/merge-patch+json"] : ["application/json"])
    return try await collectBody(atMost: endpoint.options.contains(.credentials) ? 16 << 10 : 1 << 20)
  }

  /// The whole body, kept for the idempotency fingerprint too.
  package func collectBody(atMost limit: Int) async throws(Failure) -> [UInt8] {
    do {
      let bytes = try await request.body.collect(atMost: limit)
      if idempotencyKey != nil { observation.keepDigest(of: bytes) }
      return bytes
    } catch {
      throw Failure(bodyError: error)
    }
  }

  // MARK: the round trip

  /// Runs a segment that begins with the caller; the first result tells who it is.
  func run(
    _ segment: Segment, _ mode: Mode, within limit: Duration? = nil
  ) async throws(Failure) -> [QueryResult] {
    let started = MonotonicInstant.read()
    defer { observation.databaseTook(MonotonicInstant.read() - started) }
    do {
      let results =
        switch mode {
        case .read: try await services.database.read(segment, within: limit)
        case .write: try await services.database.write(segment, within: limit)
        case .rehearsal: try await services.database.rehearse(segment, within: limit)
        }
      if isCallerNew { await noteCaller(results.first) }
      return results
    } catch {
      throw services.failures.failure(for: error)
    }
  }

  /// Remembers who a token belongs to, for the rate limits of its next requests.
  @LoopActor
  private func noteCaller(_ result: QueryResult?) {
    guard let token, let result, result.rowCount == 1, let principal = result.uuid(0, 1) else { return }
    services.limiter.remember(
      token, RateLimiter.Caller(kind: result.string(0, 0) ?? "", principal: principal, employer: result.uuid(0, 2)))
  }

  func answer(read result: QueryResult?) throws(Failure) -> Response {
    guard let result, result.rowCount > 0, !result.isNull(0, 0) else { throw .notFound }
    let etag = result.columnCount > 1 ? result.string(0, 1) : nil
    if let unchanged = unchanged(etag) { return unchanged }
    let body = result.bytes(0, 0)
    var response = Response.json(200, body, etag: etag)
    if endpoint.parameters.contains("after"), let after = Page.nextAfter(in: body) {
      response.headers.append("Link", Page.link(path: request.path, query: query, after: after))
    }
    return response
  }

  /// 304 when the client has what this tag stands for.
  private func unchanged(_ etag: String?) -> Response? {
    guard let etag, let match = request.headers.string(.ifNoneMatch), ETag.matches(match, etag) else { return nil }
    var response = Response(status: 304, body: .none)
    response.headers.append("ETag", etag)
    return response
  }

  // MARK: changes

  func claimKey(in segment: inout Segment) throws(Failure) {
    guard let idempotencyKey, !isRehearsal else { return }
    do {
      try segment.add(WebStatements.claimKey, idempotencyKey, fingerprint())
    } catch {
      throw services.failures.failure(for: error)
    }
  }

  /// SHA-256 of method, path, query and body: what makes two requests with one key the same.
  private func fingerprint() -> [UInt8] {
    var message = Array(endpoint.method.name.description.utf8)
    for part in [request.path, request.query ?? [], observation.bodyDigest ?? []] {
      message.append(0)
      message.append(contentsOf: part)
    }
    return SHA256.hash(message)
  }

  func answer<Caller: CallerKind>(
    writing segment: Segment, _: Caller.Type, within limit: Duration? = nil
  ) async throws(Failure) -> Response {
    if isRehearsal { return try await rehearse(segment, within: limit) }
    do {
      let results = try await run(segment, .write, within: limit)
      return try answer(written: results.last)
    } catch let failure where failure.status == 208 {
      return try await replay(Caller.self)
    }
  }

  private func rehearse(_ segment: Segment, within limit: Duration?) async throws(Failure) -> Response {
    let results = try await run(segment, .rehearsal, within: limit)
    let response = try answer(written: results.last)
    guard case .bytes = response.body else { return response }
    return Response(status: 200, headers: .json, body: response.body)
  }

  /// The answer stored under the request's key.
  func replay<Caller: CallerKind>(_: Caller.Type) async throws(Failure) -> Response {
    var work = try Work<Caller>(self)
    try work.add(WebStatements.replay, idempotencyKey ?? "")
    let results = try await run(work.segment, .read)
    var response = try answer(written: results.last)
    response.headers.append("Idempotency-Replayed", "true")
    return response
  }

  /// A row of `smile.answer_row` as a response.
  func answer(written result: QueryResult?) throws(Failure) -> Response {
    guard let result, result.rowCount > 0, let status = result.int(0, 0) else { throw .notFound }
    guard !result.isNull(0, 1) else { return Response(status: status, body: .none) }
    // A look at a person's record is written down, so it is a change to the database, but none to the client.
    if endpoint.method == .GET, status == 200, let unchanged = unchanged(result.string(0, 2)) { return unchanged }
    var response = Response.json(status, result.bytes(0, 1), etag: result.string(0, 2))
    if let location = result.string(0, 3) { response.headers.append("Location", location) }
    return response
  }
}
