import HTTPServer
import JSON

func listClients(_ call: Call) async throws(Failure) -> Response {
  let page = try await call.page()
  return try await call.answer(reading: ClientStatements.list, page.after, page.limit)
}

/// The only answer that shows the secret: the database keeps its digest.
func createClient(_ call: Call) async throws(Failure) -> Response {
  let wanted = try await call.input(NewClient.self)
  let secret = try FreshToken(.clientSecret)
  let made = try await call.answer(
    writing: ClientStatements.create, wanted.name, wanted.scopes.map(\.rawValue), secret.digest)
  guard case .bytes(let about) = made.body else { throw .bug }
  var json = JSONWriter(capacity: about.count + 80)
  json.object { json in
    json.key("secret")
    json.string(secret.text)
  }
  var response = made
  response.body = .bytes(json.bytes.dropLast() + [UInt8(ascii: ",")] + about.dropFirst())
  return response
}

func getClient(_ call: Call) async throws(Failure) -> Response {
  try await call.answer(reading: ClientStatements.get, call.id("client_id"))
}

func deleteClient(_ call: Call) async throws(Failure) -> Response {
  try await call.answer(writing: ClientStatements.revoke, call.id("client_id"), call.ifMatch)
}
