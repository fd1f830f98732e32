import HTTPServer

/// Marks an endpoint that anyone may call.
package enum Open: Sendable { case open }

/// One operation of the API as data: where it is, who may call it, what guards it, and what answers.
package final class Endpoint: Sendable {
  package struct Options: OptionSet, Sendable {
    package let rawValue: Int
    package init(rawValue: Int) { self.rawValue = rawValue }

    /// Moves money, wages, claims or people: an `Idempotency-Key` is required.
    package static let idempotent = Options(rawValue: 1)
    /// The answer carries a secret, which must not be stored: an `Idempotency-Key` and `validate_only` are refused.
    package static let secret = Options(rawValue: 2)
    /// Takes the tighter rate limit of log-in routes.
    package static let credentials = Options(rawValue: 4)
    /// Exists in `dev` and `sandbox` only.
    package static let sandbox = Options(rawValue: 8)
    /// Answers with something other than JSON, or chooses by `Accept` itself.
    package static let media = Options(rawValue: 16)
    /// Wants a person who proved who they are in the last five minutes (RFC 9470): else 401 `step_up_required`.
    package static let stepUp = Options(rawValue: 32)
  }

  enum Handler: Sendable {
    case open(@Sendable (OpenCall) async throws(Failure) -> Response)
    case identified(@Sendable (Call) async throws(Failure) -> Response)
  }

  package let method: Method
  /// Such as `/v1/claims/{claim_id}`.
  package let pattern: String
  package let operationId: String
  /// Who may call; empty for an open endpoint.
  package let grants: [Grant]
  package let options: Options
  /// Query parameters it understands, besides `validate_only` on changes.
  package let parameters: [String]
  let handler: Handler

  /// An endpoint that anyone may call.
  package convenience init(
    _ method: Method, _ pattern: String, _ operationId: String, _: Open, _ options: Options,
    parameters: [String] = [], _ handler: @escaping @Sendable (OpenCall) async throws(Failure) -> Response
  ) {
    self.init(method, pattern, operationId, [], options, parameters, handler: .open(handler))
  }

  package convenience init(
    _ method: Method, _ pattern: String, _ operationId: String, _: Open,
    parameters: [String] = [], _ handler: @escaping @Sendable (OpenCall) async throws(Failure) -> Response
  ) {
    self.init(method, pattern, operationId, [], [], parameters, handler: .open(handler))
  }

  /// An endpoint for callers with one of `grants`. The handler takes a `Call`, which can't exist without a token, so
  /// it can't be mounted open by mistake.
  package convenience init(
    _ method: Method, _ pattern: String, _ operationId: String, _ grants: [Grant], _ options: Options,
    parameters: [String] = [], _ handler: @escaping @Sendable (Call) async throws(Failure) -> Response
  ) {
    self.init(method, pattern, operationId, grants, options, parameters, handler: .identified(handler))
  }

  package convenience init(
    _ method: Method, _ pattern: String, _ operationId: String, _ grants: [Grant],
    parameters: [String] = [], _ handler: @escaping @Sendable (Call) async throws(Failure) -> Response
  ) {
    self.init(method, pattern, operationId, grants, [], parameters, handler: .identified(handler))
  }

  private init(
    _ method: Method, _ pattern: String, _ operationId: String, _ grants: [Grant], _ options: Options,
    _ parameters: [String], handler: Handler
  ) {
    self.method = method
    self.pattern = pattern
    self.operationId = operationId
    self.grants = grants
    self.options = options
    self.parameters = parameters
    self.handler = handler
  }

  /// Whether `validate_only=true` rehearses it: every change by an identified caller, unless its answer is a secret.
  package var allowsRehearsal: Bool { !grants.isEmpty && isChange && !options.contains(.secret) }

  /// Whether it may take an `Idempotency-Key` at all.
  package var takesKey: Bool { method == .POST && !grants.isEmpty && !options.contains(.secret) }

  var isChange: Bool { method != .GET && method != .HEAD }
}
