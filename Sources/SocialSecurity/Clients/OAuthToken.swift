import Crypto
import HTTPServer
import JSON
import PostgresClient

/// OAuth 2.0 client credentials (RFC 6749 section 4.4). The client shows its secret by HTTP Basic or in the body, never
/// both (section 2.3). Errors have the body of section 5.2, not a problem document: that is what OAuth libraries read.
func issueClientToken(_ call: OpenCall) async throws(Failure) -> Response {
  let body = try await call.formBody()
  let form: OAuthForm
  do {
    form = try OAuthForm(body, authorization: call.request.headers[.authorization])
  } catch {
    return error.response()
  }
  let token = try FreshToken(.access)
  var work = try call.work()
  try work.add(ClientStatements.issueToken, form.client, form.secret.bytes, form.scopes, token.digest)
  let result: QueryResult?
  do {
    result = try await call.write(work).last
  } catch {
    guard let refusal = OAuthRefusal(rawValue: error.code) else { throw error }
    return refusal.response()
  }
  guard let seconds = result?.int(0, 0), let scopes = result?.string(0, 1) else { throw .bug }
  return .json(200) { json in
    json.key("access_token")
    json.string(token.text)
    json.key("token_type")
    json.string("Bearer")
    json.key("expires_in")
    json.integer(seconds)
    json.key("scope")
    json.string(scopes)
  }
}

/// What RFC 6749 section 5.2 calls an error.
enum OAuthRefusal: String, Error {
  case invalidRequest = "invalid_request"
  case invalidClient = "invalid_client"
  case unsupportedGrantType = "unsupported_grant_type"
  case invalidScope = "invalid_scope"

  func response() -> Response {
    var response = Response.json(self == .invalidClient ? 401 : 400) { json in
      json.key("error")
      json.string(rawValue)
    }
    if self == .invalidClient {
      response.headers.append("WWW-Authenticate", "Basic realm=\"smile\", charset=\"UTF-8\"")
    }
    return response
  }
}

/// The request of section 4.4.2.
struct OAuthForm: Sendable {
  let client: SQLUUID
  let secret: TokenDigest
  /// Nil: all that the client has.
  let scopes: [String]?

  /// - Throws: `OAuthRefusal`. An id or a secret that can't be one is refused as an unknown one is.
  init(_ body: [UInt8], authorization: [UInt8]?) throws(OAuthRefusal) {
    let form = Query(body, known: ["grant_type", "scope", "client_id", "client_secret"])
    // Unknown parameters are ignored (section 3.2); repeated and broken ones are not.
    guard form.errors.allSatisfy({ $0.code == "unknown_parameter" }) else { throw .invalidRequest }
    guard let grantType = Self.value(form, "grant_type") else { throw .invalidRequest }
    guard grantType == "client_credentials" else { throw .unsupportedGrantType }
    let named = Self.value(form, "client_id")
    let shown = Self.value(form, "client_secret")
    let pair: (id: String, secret: String)
    if let authorization {
      guard shown == nil, let basic = Self.basic(authorization) else { throw .invalidClient }
      if let named, named != basic.id { throw .invalidRequest }
      pair = basic
    } else {
      guard let named, let shown else { throw .invalidClient }
      pair = (named, shown)
    }
    guard let client = SQLUUID(parsing: pair.id), let secret = TokenDigest(.clientSecret, pair.secret.utf8) else {
      throw .invalidClient
    }
    self.client = client
    self.secret = secret
    scopes = Self.value(form, "scope").map { $0.split(separator: " ").map(String.init) }
  }

  /// A parameter without a value counts as omitted (section 3.2).
  private static func value(_ form: Query, _ name: String) -> String? {
    form[name].flatMap { $0.isEmpty ? nil : $0 }
  }

  /// HTTP Basic with both halves form-encoded (section 2.3.1).
  private static func basic(_ header: [UInt8]) -> (id: String, secret: String)? {
    let scheme = Array("basic ".utf8)
    guard header.count > scheme.count, header.prefix(scheme.count).map({ $0 | 0x20 }) == scheme,
      let encoded = String(validating: header.dropFirst(scheme.count), as: UTF8.self),
      let bytes = Base64.decode(encoded), let colon = bytes.firstIndex(of: UInt8(ascii: ":")),
      let id = Query.decoded(bytes[..<colon]), let secret = Query.decoded(bytes[(colon + 1)...])
    else { return nil }
    return (id, secret)
  }
}

extension RequestCall {
  /// A body of `application/x-www-form-urlencoded`, 16 KiB at the most.
  ///
  /// - Throws: 415 or 413.
  fileprivate func formBody() async throws(Failure) -> [UInt8] {
    try request.requireMediaType(["application/x-www-form-urlencoded"])
    return try await context.collectBody(atMost: 16 << 10)
  }
}
