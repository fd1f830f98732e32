import JSON

/// What an employer's machine client may be allowed to do.
enum ClientScope: String, JSONChoice, Sendable {
  case writeReturns = "returns:write"
  case readReturns = "returns:read"
  case readBillings = "billings:read"
  case writeWorkers = "workers:write"
  case readWorkers = "workers:read"
}

/// A client to be made.
struct NewClient: Input {
  let name: String
  let scopes: [ClientScope]

  static func read(_ fields: inout JSONFields) -> NewClient? {
    let name = fields.required("name", text: .line(1...100))
    let scopes = fields.list("scopes", of: ClientScope.self, min: 1, max: ClientScope.allCases.count)
    guard let name, let scopes else { return nil }
    return NewClient(name: name, scopes: ClientScope.allCases.filter(scopes.contains))
  }
}
