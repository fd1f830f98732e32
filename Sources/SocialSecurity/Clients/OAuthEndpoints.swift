import Crypto
import HTTPServer
import JSON
import PostgresClient

// OAuth 2.0 for machines. Errors have the body of RFC 6749 section 5.2, not a problem document: that is what OAuth
// libraries read.

/// A token for the client (RFC 6749 section 4.4).
func issueClientToken(_ call: OpenCall) async throws(Failure) -> Response {
  let body = try await call.formBody()
  let client: (id: SQLUUID, secret: TokenDigest)
  let scopes: [String]?
  do {
    let form = try call.form(body)
    try form.requireClientCredentials()
    client = try form.confidentialClient()
    scopes = try form.scopes()
  } catch {
    return error.response()
  }
  let token = try FreshToken(.access)
  var work = try call.work()
  try work.add(ClientStatements.issueToken, client.id, client.secret.bytes, scopes, token.digest)
  return try await call.oauthAnswer(work) { result in
    var response = Response.json(200) { json in
      json.field("access_token", token.text)
      json.field("token_type", "Bearer")
      json.field("expires_in", optional: result.int(0, 1))
      json.field("scope", optional: result.string(0, 2))
    }
    // RFC 6749 section 5.1 wants it beside Cache-Control.
    response.headers.append("Pragma", "no-cache")
    return response
  }
}

/// What a token of the client's own is worth (RFC 7662). Refresh tokens, others' tokens and any other text are alike.
func introspectToken(_ call: OpenCall) async throws(Failure) -> Response {
  let body = try await call.formBody()
  let client: (id: SQLUUID, secret: TokenDigest)
  let token: String
  do {
    let form = try call.form(body)
    client = try form.confidentialClient()
    token = try form.token()
  } catch {
    return error.response()
  }
  var work = try call.work()
  // Nothing has the digest of nothing; the client is judged all the same.
  let digest = TokenDigest(.access, token.utf8)?.bytes ?? []
  try work.add(ClientStatements.introspect, client.id, client.secret.bytes, digest)
  return try await call.oauthAnswer(work) { result in .json(200, result.bytes(0, 1)) }
}

/// Gives a token back (RFC 7009). A token that isn't the client's is answered as one that isn't any more.
func revokeToken(_ call: OpenCall) async throws(Failure) -> Response {
  let body = try await call.formBody()
  let client: OAuthForm.Client
  let token: String
  do {
    let form = try call.form(body)
    client = try form.client()
    token = try form.token()
  } catch {
    return error.response()
  }
  var work = try call.work()
  let digest = TokenDigest(.access, token.utf8) ?? TokenDigest(.refresh, token.utf8)
  try work.add(ClientStatements.revokeToken, client.id, client.secret?.bytes, digest?.bytes ?? [])
  return try await call.oauthAnswer(work) { _ in Response(status: 200, body: .none) }
}

extension RequestCall where Caller == Anyone {
  /// A body of `application/x-www-form-urlencoded`, 16 KiB at the most.
  ///
  /// - Throws: 415 or 413.
  fileprivate func formBody() async throws(Failure) -> [UInt8] {
    try request.requireMediaType(["application/x-www-form-urlencoded"])
    return try await context.collectBody(atMost: 16 << 10)
  }

  fileprivate func form(_ body: [UInt8]) throws(OAuthRefusal) -> OAuthForm {
    try OAuthForm(body, authorization: request.headers[.authorization])
  }

  /// The answer of work whose last row begins with a refusal, or NULL.
  fileprivate func oauthAnswer(
    _ work: Work<Anyone>, _ answer: (QueryResult) -> Response
  ) async throws(Failure) -> Response {
    guard let result = try await write(work).last, result.rowCount == 1 else { throw .bug }
    guard let code = result.string(0, 0) else { return answer(result) }
    guard let refusal = OAuthRefusal(rawValue: code) else { throw .bug }
    return refusal.response()
  }
}
