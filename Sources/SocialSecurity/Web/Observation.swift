import Crypto
import EventLoop
import Synchronization

/// What is worth knowing of one request afterwards; the access log line, the metrics and `Server-Timing` all come from
/// it. Holds no personal data.
package final class Observation: Sendable {
  private struct State {
    var database = Duration.zero
    var roundTrips = 0
    var bodyDigest: [UInt8]?
    var isTimeSecret = false
  }

  private let state = Mutex(State())

  init() {}

  /// Adds a round trip to the database.
  func databaseTook(_ duration: Duration) {
    state.withLock { state in
      state.database += duration
      state.roundTrips += 1
    }
  }

  /// Time spent waiting for the database.
  var database: Duration { state.withLock { $0.database } }

  /// Round trips to the database.
  var roundTrips: Int { state.withLock { $0.roundTrips } }

  /// Whether the answer must not tell how long it took, for that would tell what was found.
  var isTimeSecret: Bool { state.withLock { $0.isTimeSecret } }

  func keepTimeSecret() { state.withLock { $0.isTimeSecret = true } }

  /// SHA-256 of the body, for the idempotency fingerprint.
  var bodyDigest: [UInt8]? { state.withLock { $0.bodyDigest } }

  func keepDigest(of body: [UInt8]) { keepDigest(SHA256.hash(body)) }

  /// Keeps the digest of a body that went by in pieces.
  func keepDigest(_ digest: [UInt8]) {
    state.withLock { $0.bodyDigest = digest }
  }
}
