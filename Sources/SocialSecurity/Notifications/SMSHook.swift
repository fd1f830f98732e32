import Crypto
import EventLoop
import Glibc
import JSON
import PostgresClient

/// Hands SMS to a gateway of the operator's: a POST of `{"id", "to", "text", "language"}`, signed as Standard Webhooks
/// 1.0 has it, through `curl`, over HTTPS alone and without following anybody elsewhere. Taken is what is answered with
/// 2xx; the same id comes again after a try whose answer got lost.
@LoopActor
final class SMSHook: MessageChannel {
  /// Where the gateway is and how it knows us.
  struct Settings: Sendable {
    let url: String
    /// A file of mode 0400 with a key, `whsec_` and base64.
    let keyFile: String
    /// Who vouches for the gateway's certificate, where it isn't one whom the system trusts.
    let authorities: String?
  }

  nonisolated let name = "sms"

  private let settings: Settings
  private let key: HMACSHA256
  // What is secret or personal goes in by standard input: the command line can be read by every user.
  private let program = FedProgram(["curl", "--disable", "--config", "-"])

  init(_ settings: Settings, key: HMACSHA256) {
    self.settings = settings
    self.key = key
  }

  func send(_ message: Message) async throws(Undelivered) {
    do {
      try await program.run(Array(Self.request(for: message, to: settings, key, at: time(nil)).utf8))
    } catch {
      throw Undelivered()
    }
  }

  /// The request as a config file of curl's.
  ///
  /// - Parameter seconds: Unix time of this try.
  nonisolated static func request(
    for message: Message, to settings: Settings, _ key: HMACSHA256, at seconds: Int
  ) -> String {
    var json = JSONWriter()
    json.object { json in
      json.field("id", message.id.description)
      json.field("to", message.recipient)
      json.field("text", message.text)
      json.field("language", message.language.rawValue)
    }
    let signature = Base64.encode(key.code(Array("\(message.id).\(seconds).".utf8) + json.bytes))
    var lines = [
      option("url", settings.url), option("proto", "=https"), option("proto-redir", "=https"),
      // curl takes a redirection for success unless it is told to follow it and may not.
      "location", option("max-redirs", "0"), "fail", "silent", option("noproxy", "*"),
      option("connect-timeout", "5"), option("max-time", "20"),
      option("header", "Content-Type: application/json"), option("header", "Expect:"),
      option("header", "webhook-id: \(message.id)"), option("header", "webhook-timestamp: \(seconds)"),
      option("header", "webhook-signature: v1,\(signature)"),
      option("data-binary", String(decoding: json.bytes, as: UTF8.self)),
    ]
    if let authorities = settings.authorities { lines.append(option("cacert", authorities)) }
    return lines.joined(separator: "\n") + "\n"
  }

  /// A line of curl's config files. Control characters can't come: JSON and headers have none, paths are checked.
  private nonisolated static func option(_ name: String, _ value: String) -> String {
    let quoted = value.utf8.flatMap { byte in
      byte == UInt8(ascii: "\\") || byte == UInt8(ascii: "\"") ? [UInt8(ascii: "\\"), byte] : [byte]
    }
    return "\(name) = \"\(String(decoding: quoted, as: UTF8.self))\""
  }
}
