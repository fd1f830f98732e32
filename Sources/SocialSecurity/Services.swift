import Crypto
import EventLoop
import PostgresClient

/// What handlers may use: everything with an effect goes through here.
package struct Services: Sendable {
  package let configuration: Configuration
  package let database: Database
  /// Keys of the key file, one purpose each.
  package let keys: KeyRing
  /// The one thread that hashes passwords.
  package let hashing: HashQueue
  package let failures: DatabaseFailures
  package let catalogue: ProblemCatalogue
  package let limiter: RateLimiter
  package let contract: Contract
  package let metrics: Metrics
}
