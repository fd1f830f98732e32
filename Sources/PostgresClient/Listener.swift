import EventLoop

/// LISTEN on a connection of its own, reconnecting with the pools' back-off.
///
/// Notifications sent while the line is down are gone: `onConnected` runs after each (re)connect, so that the user
/// looks at the tables once more.
@LoopActor
package final class Listener {
  private let configuration: DatabaseConfiguration
  private let channels: [String]
  private let onNotification: @LoopActor (_ channel: String, _ payload: String) -> Void
  private let onConnected: @LoopActor () -> Void
  private var connection: PipelineConnection?
  private var pacer = ReconnectPacer(perSecond: 1)
  private var retry: TimerHandle?
  private var isStopped = false

  package init(
    _ configuration: DatabaseConfiguration, channels: [String],
    onConnected: @escaping @LoopActor () -> Void = {},
    onNotification: @escaping @LoopActor (_ channel: String, _ payload: String) -> Void
  ) {
    self.configuration = configuration
    self.channels = channels
    self.onConnected = onConnected
    self.onNotification = onNotification
  }

  /// Starts connecting; returns at once.
  package func start() { connect() }

  /// Ends it for good.
  package func stop() {
    isStopped = true
    if let retry { LoopActor.shared.loop.cancel(retry) }
    retry = nil
    connection?.close()
    connection = nil
  }

  private func connect() {
    retry = nil
    pacer.attemptStarted(at: LoopActor.shared.loop.now)
    LoopActor.task { await self.attempt() }
  }

  private func attempt() async {
    do {
      let connection = try await PipelineConnection.open(configuration, .listener, report: { _ in })
      guard await listen(on: connection), !isStopped else {
        connection.close()
        throw DatabaseError.unavailable(retryAfter: 1)
      }
      connection.owner = self
      self.connection = connection
      pacer.attemptSucceeded()
      onConnected()
    } catch {
      pacer.attemptFailed(at: LoopActor.shared.loop.now, jitter: Int.random(in: 0...1_000))
      reconnect()
    }
  }

  private func listen(on connection: PipelineConnection) async -> Bool {
    connection.onNotification = onNotification
    for channel in channels {
      guard let name = connection.quotedIdentifier(channel),
        case .done = await connection.run("LISTEN \(name)", until: nil)
      else { return false }
    }
    return connection.isOpen
  }

  private func reconnect() {
    guard !isStopped, retry == nil else { return }
    let delay = pacer.delay(at: LoopActor.shared.loop.now)
    retry = LoopActor.shared.loop.schedule(after: delay) { [weak self] in self?.connect() }
  }
}

extension Listener: PipelineConnectionOwner {
  func connectionClosed(_ connection: PipelineConnection) {
    self.connection = nil
    reconnect()
  }
}
