import EventLoop
import PostgresClient

/// What a worker remembers of clients, so that no request asks: the web origins of front ends, and quotas of their
/// own. Read at start, after each NOTIFY on `smile_client`, and after each reconnect, since what was sent meanwhile is
/// lost.
@LoopActor
package final class ClientDirectory {
  /// Origins of registered front ends, in the form in which browsers send them.
  private(set) var origins: Set<String> = []
  /// Requests a minute of clients that don't have the usual limit.
  private(set) var quotas: [SQLUUID: Int] = [:]
  /// Whether any of the quotas is a front end's: only then it matters through which one a person's token was got.
  private(set) var limitsFrontEnds = false

  private let database: Database
  private var listener: Listener?
  private var isLoading = false
  private var isOutdated = false
  private var isStopped = false

  package init(_ database: Database) { self.database = database }

  /// Reads it once, and keeps it up to date from then on. A database that is away leaves it as it was; the listener
  /// comes back with the database.
  package func start() async {
    await load()
    let listener = Listener(
      database.configuration, channels: ["smile_client"], onConnected: { self.refresh() },
      onNotification: { (_: String, _: String) in self.refresh() })
    self.listener = listener
    listener.start()
  }

  package func stop() {
    isStopped = true
    listener?.stop()
  }

  /// Notifications that come while it is being read are answered by one more reading.
  private func refresh() {
    isOutdated = true
    guard !isLoading, !isStopped else { return }
    isLoading = true
    LoopActor.task {
      while self.isOutdated {
        self.isOutdated = false
        await self.load()
      }
      self.isLoading = false
    }
  }

  private func load() async {
    guard let (origins, quotas) = try? await read() else {
      // Only a database that is away fails here; until it is back nothing is lost but the news.
      _ = LoopActor.shared.loop.schedule(after: .seconds(1)) { [weak self] in self?.refresh() }
      return
    }
    self.origins = Set((0..<origins.rowCount).compactMap { origins.string($0, 0) })
    self.quotas = (0..<quotas.rowCount).reduce(into: [:]) { all, row in
      if let client = quotas.uuid(row, 0), let most = quotas.int(row, 1) { all[client] = most }
    }
    limitsFrontEnds = (0..<quotas.rowCount).contains { quotas.bool($0, 2) == true }
  }

  /// The front end that a person's token was got through; nil when there is none, or nobody to ask.
  func frontEnd(of token: TokenDigest) async -> SQLUUID? {
    var segment = Segment()
    guard (try? segment.add(ClientStatements.frontEnd, token.bytes)) != nil else { return nil }
    return (try? await database.read(segment))?.last?.uuid(0, 0)
  }

  private func read() async throws(DatabaseError) -> (origins: QueryResult, quotas: QueryResult)? {
    var segment = Segment()
    try segment.add(ClientStatements.origins)
    try segment.add(ClientStatements.quotas)
    let results = try await database.read(segment)
    return results.count == 2 ? (results[0], results[1]) : nil
  }
}
