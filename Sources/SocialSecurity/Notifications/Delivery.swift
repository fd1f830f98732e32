import Crypto
import EventLoop
import PostgresClient

/// A way for messages to leave.
@LoopActor
protocol MessageChannel: Sendable {
  /// As the outbox has it: `email`, `sms`.
  nonisolated var name: String { get }

  /// - Throws: unless somebody has taken the message; it is tried again.
  func send(_ message: Message) async throws(Undelivered)
}

/// Nobody took the message. Why isn't kept: it might name the person.
struct Undelivered: Error {}

/// Brings messages from the outbox to where they leave. At least once: a message is taken for `lease`, and is due again
/// should this process die before it is marked. Messages of a channel that isn't there stay where they are.
@LoopActor
final class Delivery {
  private static let leaseSeconds: Int32 = 300
  private static let batch: Int32 = 20

  private let database: Database
  private let sealer: Sealer
  private let channels: [any MessageChannel]

  init(database: Database, sealer: Sealer, channels: [any MessageChannel]) {
    self.database = database
    self.sealer = sealer
    self.channels = channels
  }

  /// The names of the channels.
  var names: [String] { channels.map(\.name) }

  /// Delivers everything that is due.
  func deliverDue() async throws(DatabaseError) {
    while let taken = try await database.run(JobsProcessStatements.takeMessages, Self.leaseSeconds, Self.batch, names),
      taken.rowCount > 0
    {
      for row in 0..<taken.rowCount {
        guard let message = Message(taken, row: row, sealer) else { continue }
        try await deliver(message)
      }
    }
  }

  private func deliver(_ message: Message) async throws(DatabaseError) {
    let createdAt = SQLInstant(message.createdAt)
    do throws(Undelivered) {
      guard let channel = channels.first(where: { $0.name == message.channel }) else { throw Undelivered() }
      try await channel.send(message)
    } catch {
      // The row keeps its number of tries; the next one comes by itself.
      try await database.run(JobsProcessStatements.undelivered, message.id, createdAt)
      return
    }
    try await database.run(JobsProcessStatements.delivered, message.id, createdAt)
  }
}
