import HTTPServer
import JSON
import PostgresClient

func listClients(_ call: Call) async throws(Failure) -> Response {
  let page = try await call.page()
  return try await call.answer(reading: ClientStatements.list, page.after, page.limit)
}

func createClient(_ call: Call) async throws(Failure) -> Response {
  let wanted = try await call.input(NewClient.self).settings
  let secret = try FreshToken(.clientSecret)
  let made = try await call.answer(writing: ClientStatements.create, wanted.sql, secret.digest)
  return wanted.kind == .application ? made : try secret.shown(in: made)
}

func getClient(_ call: Call) async throws(Failure) -> Response {
  try await call.answer(reading: ClientStatements.get, call.id("client_id"))
}

func updateClient(_ call: Call) async throws(Failure) -> Response {
  let change = try await call.input(ClientChange.self).settings
  return try await call.answer(writing: ClientStatements.update, call.id("client_id"), change.sql, call.ifMatch)
}

func deleteClient(_ call: Call) async throws(Failure) -> Response {
  try await call.answer(writing: ClientStatements.revoke, call.id("client_id"), call.ifMatch)
}

func createClientSecret(_ call: Call) async throws(Failure) -> Response {
  let wanted = try await call.input(NewClientSecret.self)
  let secret = try FreshToken(.clientSecret)
  let made = try await call.answer(
    writing: ClientStatements.createSecret, call.id("client_id"), secret.digest,
    wanted.expiry.map { SQLInstant($0.text) })
  return try secret.shown(in: made)
}

/// The second pair of eyes on a secret that an officer made.
func approveClientSecret(_ call: Call) async throws(Failure) -> Response {
  try await call.answer(
    writing: ClientStatements.approveSecret, call.id("client_id"), call.id("secret_id"), call.ifMatch)
}

func deleteClientSecret(_ call: Call) async throws(Failure) -> Response {
  try await call.answer(writing: ClientStatements.revokeSecret, call.id("client_id"), call.id("secret_id"))
}

extension FreshToken {
  /// The only answer that shows a secret: the database keeps its digest.
  fileprivate func shown(in made: Response) throws(Failure) -> Response {
    guard case .bytes(let about) = made.body else { throw .bug }
    var json = JSONWriter(capacity: about.count + 80)
    json.object { json in json.field("secret", text) }
    var response = made
    response.body = .bytes(json.bytes.dropLast() + [UInt8(ascii: ",")] + about.dropFirst())
    return response
  }
}
