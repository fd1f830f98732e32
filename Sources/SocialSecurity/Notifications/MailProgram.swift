import EventLoop

/// Hands mails to a sendmail-compatible program such as `msmtp -t`: the recipient is taken from the mail's headers.
@LoopActor
final class MailProgram: MessageChannel {
  nonisolated let name = "email"

  private let program: FedProgram
  private let sender: String

  /// - Parameters:
  ///   - command: program and arguments, separated by spaces.
  ///   - sender: who mails come from.
  init(_ command: String, sender: String) {
    program = FedProgram(command.split(separator: " ").map(String.init))
    self.sender = sender
  }

  func send(_ message: Message) async throws(Undelivered) {
    guard let mail = MailText.compose(message, from: sender) else { throw Undelivered() }
    do {
      try await program.run(mail)
    } catch {
      throw Undelivered()
    }
  }
}
