import JSON
import PostgresClient

/// What a body says about a client. What fits which kind, and what only officers give, the database judges.
struct ClientSettings: Sendable {
  var name: String?
  var kind: ClientKind?
  var employer: SQLUUID?
  var scopes: [ClientScope]?
  var networks: Patch<[AllowedNetwork]> = .absent
  var origins: [WebOrigin]?
  var requestsPerMinute: Patch<Int64> = .absent
  var expiry: Patch<Instant> = .absent

  static let networksMax = 20
  static let originsMax = 20
  static let quotas: ClosedRange<Int64> = 1...100_000

  /// The fields that were given and no others, as `smile.create_client` and `smile.update_client` take them.
  var sql: SQLJSON {
    var json = JSONWriter()
    json.object { json in
      json.field("name", optional: name)
      json.field("kind", optional: kind?.rawValue)
      json.field("employer_id", optional: employer?.description)
      if let scopes { json.field("scopes", texts: ClientScope.allCases.filter(scopes.contains).map(\.rawValue)) }
      json.field("allowed_networks", networks) { json, value in json.texts(value.map(\.text)) }
      if let origins { json.field("allowed_origins", texts: origins.map(\.text)) }
      json.field("requests_per_minute", requestsPerMinute) { json, value in json.integer(value) }
      json.field("expires_at", expiry) { json, value in json.string(value.text) }
    }
    return SQLJSON(json.bytes)
  }
}

extension JSONWriter {
  fileprivate mutating func texts(_ texts: [String]) {
    array { (json: inout JSONWriter) in for text in texts { json.string(text) } }
  }

  fileprivate mutating func field(_ name: StaticString, texts: [String]) {
    key(name)
    self.texts(texts)
  }

  /// A field of a merge patch as it was given: absent, null or a value.
  fileprivate mutating func field<Value>(
    _ name: StaticString, _ patch: Patch<Value>, _ write: (inout JSONWriter, Value) -> Void
  ) {
    if patch.isAbsent { return }
    key(name)
    if let value = patch.value { write(&self, value) } else { null() }
  }
}

/// A client to be made.
struct NewClient: Input {
  let settings: ClientSettings

  static func read(_ fields: inout JSONFields) -> NewClient? {
    var settings = ClientSettings()
    settings.name = fields.required("name", text: .line(1...100))
    settings.kind = fields.optional("kind", ClientKind.self)
    settings.employer = fields.optional("employer_id", SQLUUID.self)
    let isMachine = settings.kind != .application
    if isMachine, !fields.has("scopes") { fields.fail("scopes", .required) }
    settings.scopes = fields.optionalList(
      "scopes", of: ClientScope.self, min: isMachine ? 1 : 0, max: ClientScope.allCases.count)
    let networks = fields.optionalList(
      "allowed_networks", of: AllowedNetwork.self, min: 1, max: ClientSettings.networksMax)
    settings.networks = networks.map(Patch.set) ?? .absent
    settings.origins = fields.optionalList("allowed_origins", of: WebOrigin.self, max: ClientSettings.originsMax)
    let quota = fields.optional("requests_per_minute", in: ClientSettings.quotas)
    settings.requestsPerMinute = quota.map(Patch.set) ?? .absent
    settings.expiry = fields.optional("expires_at", Instant.self).map(Patch.set) ?? .absent
    return settings.name.map { _ in NewClient(settings: settings) }
  }
}

/// A merge patch (RFC 7396): null returns a setting to its default. Kind and employer stay as they are.
struct ClientChange: Input {
  let settings: ClientSettings

  static func read(_ fields: inout JSONFields) -> ClientChange? {
    var settings = ClientSettings()
    settings.name = fields.optional("name", text: .line(1...100))
    settings.scopes = fields.optionalList("scopes", of: ClientScope.self, min: 1, max: ClientScope.allCases.count)
    settings.networks = fields.patchList(
      "allowed_networks", of: AllowedNetwork.self, min: 1, max: ClientSettings.networksMax)
    settings.origins = fields.optionalList("allowed_origins", of: WebOrigin.self, max: ClientSettings.originsMax)
    settings.requestsPerMinute = fields.patch("requests_per_minute", in: ClientSettings.quotas)
    settings.expiry = fields.patch("expires_at", Instant.self)
    return ClientChange(settings: settings)
  }
}

/// A further secret of a client, for changing over.
struct NewClientSecret: Input {
  /// A year from now unless it says so.
  let expiry: Instant?

  static func read(_ fields: inout JSONFields) -> NewClientSecret? {
    NewClientSecret(expiry: fields.optional("expires_at", Instant.self))
  }
}
