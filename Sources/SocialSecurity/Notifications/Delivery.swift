import Crypto
import EventLoop
import PostgresClient

/// Brings messages from the outbox to the mail program. At least once: a message is taken for `lease`, and is due again
/// should this process die before it is marked.
@LoopActor
final class Delivery {
  private static let leaseSeconds: Int32 = 300
  private static let batch: Int32 = 20

  private let database: Database
  private let sealer: Sealer
  private let command: MailCommand
  private let sender: String

  init(database: Database, sealer: Sealer, command: MailCommand, sender: String) {
    self.database = database
    self.sealer = sealer
    self.command = command
    self.sender = sender
  }

  /// Delivers everything that is due.
  func deliverDue() async throws(DatabaseError) {
    while let taken = try await database.run(JobsProcessStatements.takeMessages, Self.leaseSeconds, Self.batch),
      taken.rowCount > 0
    {
      for row in 0..<taken.rowCount {
        guard let message = Message(taken, row: row, sealer) else { continue }
        try await deliver(message)
      }
    }
  }

  private func deliver(_ message: Message) async throws(DatabaseError) {
    var isDelivered = false
    if message.channel == "email", let mail = MailText.compose(message, from: sender) {
      do {
        try await command.send(mail)
        isDelivered = true
      } catch {
        // The row keeps its number of tries; the next one comes by itself.
      }
    }
    let createdAt = SQLInstant(message.createdAt)
    if isDelivered {
      try await database.run(JobsProcessStatements.delivered, message.id, createdAt)
    } else {
      try await database.run(JobsProcessStatements.undelivered, message.id, createdAt)
    }
  }
}
