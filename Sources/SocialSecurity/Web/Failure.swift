import HTTPServer
import JSON

/// The only error that a handler can end with. `Problem` turns it into a problem document; nothing else speaks of
/// statuses to the client.
package struct Failure: Error, Sendable {
  /// The HTTP status.
  package var status: Int
  /// The stable code, one of `ProblemCatalogue`; also the last segment of the problem's `type`.
  package var code: String
  package var errors: [FieldError]
  /// Seconds after which another try can help, for `Retry-After`.
  package var retryAfter: Int?
  /// More members of the problem, such as `current_etag`.
  package var extensions: [(name: String, value: String)]
  /// Members of the problem that are lists of texts, such as the `methods` of `mfa_required`.
  package var lists: [(name: String, values: [String])] = []
  /// The methods that a path has, for the `Allow` of a 405.
  package var allow: String?
  /// Whether the request showed no credentials at all, so that the challenge of a 401 names no error.
  package var lacksCredentials = false
  /// Why, for the log alone: an SQLSTATE and names from the schema, never a value.
  package var cause: String?

  package init(
    _ status: Int, _ code: String, errors: [FieldError] = [], retryAfter: Int? = nil,
    extensions: [(name: String, value: String)] = []
  ) {
    self.status = status
    self.code = code
    self.errors = errors
    self.retryAfter = retryAfter
    self.extensions = extensions
  }

  /// 404, also for what is there but not the caller's.
  package static let notFound = Failure(404, "not_found")
  /// 401 for a token that is missing or can't be one.
  package static func unauthenticated(_ request: Request) -> Failure {
    var failure = Failure(401, "invalid_token")
    failure.lacksCredentials = !request.headers.contains(.authorization)
    return failure
  }

  /// 400: the input isn't what the contract says, with everything that is wrong.
  package static func invalid(_ errors: [FieldError]) -> Failure { Failure(400, "invalid_request", errors: errors) }

  /// 400 for one query parameter or header.
  package static func invalid(parameter: String, _ problem: FieldProblem) -> Failure {
    .invalid([FieldError(parameter: parameter, problem)])
  }

  /// 422: a rule of the business refuses one field.
  package static func refused(_ code: String, pointer: String) -> Failure {
    Failure(422, code, errors: [FieldError(pointer: pointer, FieldProblem(code))])
  }

  /// 503: try again after some seconds.
  package static func unavailable(_ code: String = "unavailable", retryAfter: Int = 1) -> Failure {
    Failure(503, code, retryAfter: retryAfter)
  }

  /// 500 without a word about why to the client.
  package static let bug = Failure(500, "internal_error")

  /// The same failure with what the log says of it.
  package func because(_ cause: String) -> Failure {
    var failure = self
    failure.cause = cause
    return failure
  }
}
