import Crypto
import EventLoop
import PostgresClient
import Supervisor

/// What handlers may use: everything with an effect goes through here.
package final class Services: Sendable {
  package let configuration: Configuration
  package let database: Database
  /// Seals NIKs, bank account numbers and what else must not be readable in the database.
  package let sealer: Sealer
  /// The index by which a sealed NIK is found: HMAC-SHA-256, of which the first 16 bytes count.
  package let nationalIDIndex: HMACSHA256
  /// Makes a refresh token's successor, so that a repeated refresh gets the same one.
  package let refreshSuccessor: HMACSHA256
  /// Keys throttles, so that no typed identifier is kept.
  package let throttleKey: HMACSHA256
  /// Under it one-time codes are kept: six digits have too few values for a plain hash.
  package let codeKey: HMACSHA256
  package let passwords: PasswordHasher
  package let blockedPasswords: BlockedPasswords
  /// The one thread that hashes passwords.
  package let hashing: HashQueue
  package let failures: DatabaseFailures
  package let catalogue: ProblemCatalogue
  package let limiter: RateLimiter
  /// What is remembered of clients: origins and quotas.
  package let clients: ClientDirectory
  package let metrics: RequestMetrics
  package let contract: Contract
  /// What the supervisor says of all processes.
  package let processes: ProcessStatus

  /// - Throws: `StartFailure` when the key file or the contract can't be used.
  @LoopActor
  package init(
    _ configuration: Configuration, database: Database, clients: ClientDirectory, limiter: RateLimiter,
    metrics: RequestMetrics, processes: ProcessStatus
  ) throws(StartFailure) {
    self.configuration = configuration
    self.database = database
    self.clients = clients
    self.limiter = limiter
    self.metrics = metrics
    self.processes = processes
    failures = DatabaseFailures(constraints: Endpoints.constraints)
    catalogue = Endpoints.problems
    contract = Contract(
      directory: configuration.resources, without: Endpoints.absentPaths(in: configuration.environment))
    blockedPasswords = try BlockedPasswords(directory: configuration.resources)
    do {
      let keys = try KeyRing.load(path: configuration.keyFile)
      sealer = try Sealer(keys)
      // An index can't be rotated value by value: the oldest key keeps every stored one findable.
      nationalIDIndex = try HMACSHA256(key: try keys.oldest(.nationalIDIndex).bytes)
      refreshSuccessor = try HMACSHA256(key: try keys.newest(.refresh).bytes)
      throttleKey = try HMACSHA256(key: try keys.newest(.throttle).bytes)
      codeKey = try HMACSHA256(key: try keys.newest(.oneTimeCode).bytes)
      passwords = try PasswordHasher(keys, cost: configuration.passwordCost)
      hashing = try HashQueue()
    } catch {
      throw StartFailure("KEY_FILE \(configuration.keyFile): \(error)")
    }
  }
}
