import HTTPServer
import JSON

/// What a request's headers and query must satisfy before its handler runs. Its failure is told only after the caller
/// is known: 401 and 403 win over 400.
struct Preconditions {
  private(set) var failure: Failure?
  private(set) var idempotencyKey: String?
  private(set) var isRehearsal = false
  /// Whether it is one because `Prefer: tx=rollback` asked for it.
  private(set) var prefersRollback = false

  init(_ request: Request, _ endpoint: Endpoint, _ query: Query) {
    do {
      try check(request, endpoint, query)
    } catch {
      failure = error
    }
  }

  private mutating func check(_ request: Request, _ endpoint: Endpoint, _ query: Query) throws(Failure) {
    if !query.errors.isEmpty { throw .invalid(query.errors) }
    if request.headers.contains(.contentEncoding) { throw Failure(415, "unsupported_media_type") }
    if !endpoint.options.contains(.media), request.headers.contains(.accept),
      Acceptance(request.headers.all(.accept)).choice(of: ["application/json"]) == nil
    {
      throw Failure(406, "not_acceptable")
    }
    if endpoint.allowsRehearsal {
      prefersRollback = Preferences(request.headers).wantsRollback
      isRehearsal = try query.flag("validate_only") || prefersRollback
    }
    guard request.headers.contains(.idempotencyKey) else {
      if endpoint.options.contains(.idempotent), !isRehearsal { throw Failure(400, "idempotency_key_required") }
      return
    }
    if endpoint.isChange, endpoint.grants.isEmpty || endpoint.options.contains(.secret) {
      throw Failure(400, "idempotency_key_refused")
    }
    if endpoint.takesKey { idempotencyKey = try Self.key(request.headers.string(.idempotencyKey) ?? "") }
  }

  /// 16 to 64 of `[A-Za-z0-9_-]`, with or without the double quotes of a structured field (RFC 8941 section 3.3.3).
  private static func key(_ header: String) throws(Failure) -> String {
    var text = header[...]
    if text.count > 1, text.first == "\"", text.last == "\"" { text = text.dropFirst().dropLast() }
    let allowed = text.utf8.allSatisfy { byte in
      (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
        || byte == 0x2D || byte == 0x5F
    }
    guard allowed, (16...64).contains(text.utf8.count) else {
      throw .invalid(parameter: "Idempotency-Key", .invalidFormat("16 to 64 of [A-Za-z0-9_-]"))
    }
    return String(text)
  }
}
