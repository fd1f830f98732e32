import HTTPServer
import JSON
import PostgresClient
import Supervisor

enum HealthStatements {
  static let ping = Statement("health.ping", "SELECT 1")
  static let all: [any StatementDescription] = [ping]
}

/// The process answers, whatever the database does.
func getLiveness(_ call: OpenCall) async throws(Failure) -> Response {
  .json(200, Array("{\"status\":\"ok\"}".utf8))
}

/// The database answers too; its schema was checked at the start. A server whose processes keep dying
/// isn't ready: it answers, but what it gets may be what kills it.
func getReadiness(_ call: OpenCall) async throws(Failure) -> Response {
  if call.services.processes.isCrashLooping { throw .unavailable().because("crash loop") }
  var work = Segment()
  do {
    try work.add(HealthStatements.ping)
    _ = try await call.services.database.read(work)
  } catch {
    throw .unavailable()
  }
  return .json(200, Array("{\"status\":\"ok\"}".utf8))
}

func getContractYAML(_ call: OpenCall) async throws(Failure) -> Response {
  var response = Response(status: 200, body: .bytes(try await call.services.contract.read().yaml))
  response.headers.append("Content-Type", "application/yaml")
  return response
}

func getContractJSON(_ call: OpenCall) async throws(Failure) -> Response {
  .json(200, try await call.services.contract.read().json)
}

/// What the `type` of a problem resolves to.
func getProblem(_ call: OpenCall) async throws(Failure) -> Response {
  guard let text = call.services.catalogue[call.parameter("code")] else { throw .notFound }
  return .json(200) { json in
    json.field("code", text.code)
    json.field("status", text.status)
    json.field("id", text.id)
    json.field("en", text.en)
  }
}
