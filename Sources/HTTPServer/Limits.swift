/// What one client may cost the server. Sizes are bytes. The defaults are those of a server behind a proxy; tests
/// inject short times.
package struct Limits: Sendable {
  /// Request line without its CRLF; over it 414 (RFC 9112 section 3 recommends at least 8,000).
  package var requestLine = 8_192
  /// All field lines together; over it 431.
  package var headerSection = 16_384
  /// One field line; over it 431.
  package var field = 8_192
  /// Field lines of a request; over it 431.
  package var fieldCount = 64
  /// Longest method name; over it 501.
  package var method = 16
  /// Largest body that any route takes; over it 413. Routes set their own, lower limits when they read.
  package var body = 1 << 30
  /// Chunk extensions of one chunk, and of a whole request; over it 400.
  package var chunkExtension = 256
  package var chunkExtensions = 4_096
  /// Trailer section; over it 431.
  package var trailers = 4_096

  /// From accept to the first byte of a request; then 408 and close.
  package var firstByte: Duration = .seconds(10)
  /// From a request's first byte to the end of its head, however steadily bytes drip in; then 408 and close.
  package var header: Duration = .seconds(10)
  /// Between two requests; then close. Longer than the proxy's own, so that the proxy closes first.
  package var idle: Duration = .seconds(75)
  /// A body that the handler waits for must keep `bodyRate` bytes a second once `bodyGrace` has passed; else 408.
  package var bodyGrace: Duration = .seconds(5)
  package var bodyRate = 1_024
  /// A client must take `responseRate` bytes a second once `responseGrace` has passed; else reset.
  package var responseGrace: Duration = .seconds(5)
  package var responseRate = 1_024
  /// After the last answer: how long and how much is still read, so that the answer isn't lost to a reset.
  package var linger: Duration = .seconds(1)
  package var lingerBytes = 65_536
  /// How long idle connections are kept when a drain begins: a request already under way is still answered.
  package var drainGrace: Duration = .seconds(1)

  /// Bytes of a request body held for a handler that doesn't take them; then the socket is no longer read.
  package var bodyBuffer = 262_144
  /// Bytes of answers held for a client that doesn't take them; then the handler's stream waits.
  package var responseBuffer = 262_144
  /// Requests on one connection; the last answer says `Connection: close`.
  package var requestsPerConnection = 1_000
  /// Open connections; over it 503 and close.
  package var connections = 4_096

  package init() {}
}
