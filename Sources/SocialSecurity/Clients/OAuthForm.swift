import Crypto
import HTTPServer
import JSON
import PostgresClient

/// What RFC 6749 section 5.2 calls an error.
enum OAuthRefusal: String, Error {
  case invalidRequest = "invalid_request"
  case invalidClient = "invalid_client"
  case unsupportedGrantType = "unsupported_grant_type"
  case invalidScope = "invalid_scope"

  func response() -> Response {
    var response = Response.json(self == .invalidClient ? 401 : 400) { json in json.field("error", rawValue) }
    if self == .invalidClient {
      response.headers.append("WWW-Authenticate", "Basic realm=\"smile\", charset=\"UTF-8\"")
    }
    return response
  }
}

/// The form of an OAuth request (RFC 6749 appendix B) and the client that it shows.
struct OAuthForm: Sendable {
  /// Who asks: an id with a secret, or for a front end the id alone.
  struct Client: Sendable {
    let id: SQLUUID
    let secret: TokenDigest?
  }

  private let form: Query
  private let authorization: [UInt8]?

  /// - Parameters:
  ///   - body: `application/x-www-form-urlencoded`.
  ///   - authorization: the header of that name.
  /// - Throws: `invalid_request` for raw control characters, spaces and bytes beyond ASCII, broken escapes, and
  ///   repeated parameters. Unknown parameters are ignored (section 3.2).
  init(_ body: [UInt8], authorization: [UInt8]?) throws(OAuthRefusal) {
    let known = ["grant_type", "scope", "client_id", "client_secret", "token", "token_type_hint"]
    guard body.allSatisfy({ (0x21...0x7E).contains($0) }) else { throw .invalidRequest }
    form = Query(body, known: known)
    guard form.errors.allSatisfy({ $0.code == "unknown_parameter" }) else { throw .invalidRequest }
    self.authorization = authorization
  }

  /// A parameter; one without a value counts as omitted (section 3.2).
  private subscript(_ name: String) -> String? { form[name].flatMap { $0.isEmpty ? nil : $0 } }

  /// - Throws: `invalid_request` or `unsupported_grant_type`.
  func requireClientCredentials() throws(OAuthRefusal) {
    guard let grantType = self["grant_type"] else { throw .invalidRequest }
    guard grantType == "client_credentials" else { throw .unsupportedGrantType }
  }

  /// Nil: all that the client has.
  ///
  /// - Throws: `invalid_scope` unless the scopes are separated by one space each (section 3.3).
  func scopes() throws(OAuthRefusal) -> [String]? {
    guard let text = self["scope"] else { return nil }
    let scopes = text.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
    guard !scopes.contains("") else { throw .invalidScope }
    return scopes
  }

  /// The token that is asked about or given back. `token_type_hint` is allowed and not needed: a token's prefix tells.
  ///
  /// - Throws: `invalid_request`.
  func token() throws(OAuthRefusal) -> String {
    guard let token = self["token"] else { throw .invalidRequest }
    return token
  }

  /// The client with the secret that it shows by HTTP Basic or in the body, never both (section 2.3).
  ///
  /// - Throws: `invalid_client`, also for an id or a secret that can't be one; `invalid_request` for two ways at once.
  func client() throws(OAuthRefusal) -> Client {
    let named = self["client_id"]
    let shown = self["client_secret"]
    guard let authorization else {
      guard let named else { throw .invalidClient }
      return try Self.client(named, shown)
    }
    guard shown == nil else { throw .invalidRequest }
    guard let basic = Self.basic(authorization) else { throw .invalidClient }
    if let named, named != basic.id { throw .invalidRequest }
    return try Self.client(basic.id, basic.secret)
  }

  /// The same, for what a front end may not ask.
  func confidentialClient() throws(OAuthRefusal) -> (id: SQLUUID, secret: TokenDigest) {
    let client = try client()
    guard let secret = client.secret else { throw .invalidClient }
    return (client.id, secret)
  }

  private static func client(_ id: String, _ secret: String?) throws(OAuthRefusal) -> Client {
    guard let id = SQLUUID(parsing: id) else { throw .invalidClient }
    guard let secret else { return Client(id: id, secret: nil) }
    guard let digest = TokenDigest(.clientSecret, secret.utf8) else { throw .invalidClient }
    return Client(id: id, secret: digest)
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
