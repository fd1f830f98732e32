import Crypto
import HTTPServer
import JSON
import PostgresClient

/// The two tokens of a session, made anew at log-in, refresh and change of role.
struct SessionTokens: Sendable {
  let access: FreshToken
  let refresh: FreshToken

  init() throws(Failure) {
    try self.init(refresh: FreshToken(.refresh))
  }

  init(refresh: FreshToken) throws(Failure) {
    access = try FreshToken(.access)
    self.refresh = refresh
  }

  /// Puts the tokens, which the database never sees, before what it says about the session.
  ///
  /// - Throws: 401 `invalid_refresh_token` when it says no: that refusal is an answer, because it ends a session.
  func answer(_ result: QueryResult?) throws(Failure) -> Response {
    guard let result, let status = result.int(0, 0) else { throw .bug }
    if status == 401 { throw Failure(401, "invalid_refresh_token") }
    let about = result.bytes(0, 1)
    guard about.first == UInt8(ascii: "{") else { throw .bug }
    var json = JSONWriter(capacity: about.count + 160)
    json.object { json in
      json.key("access_token")
      json.string(access.text)
      json.key("refresh_token")
      json.string(refresh.text)
      json.key("token_type")
      json.string("Bearer")
    }
    return .json(status, json.bytes.dropLast() + [UInt8(ascii: ",")] + about.dropFirst())
  }
}

/// Under what a try to log in is counted: keyed hashes, so that the table names nobody and unknown identifiers behave
/// as known ones.
struct ThrottleKeys: Sendable {
  /// Identifier and source.
  let pair: [UInt8]
  /// The source alone; nil for the machine itself and its proxy, from which everyone seems to come.
  let source: [UInt8]?

  init(_ identifier: String, from address: PeerAddress, _ key: HMACSHA256) {
    pair = key.code("pair\u{1F}\(address.bucket)\u{1F}\(identifier)")
    source = address.isLocal ? nil : key.code("source\u{1F}\(address.bucket)")
  }
}
