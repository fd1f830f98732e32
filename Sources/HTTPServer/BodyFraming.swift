/// How the end of a request's body is found (RFC 9112 section 6.3).
enum BodyFraming: Equatable, Sendable {
  case none
  /// That many bytes, at least 1.
  case length(Int)
  case chunked
}
