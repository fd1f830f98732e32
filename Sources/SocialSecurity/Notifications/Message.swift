import Crypto
import JSON
import PostgresClient

/// A row of `smile.outbox`, its parameters opened.
struct Message: Sendable {
  let id: SQLUUID
  /// As PostgreSQL writes it: with `id` the row's key.
  let createdAt: String
  let channel: String
  let recipient: String
  let template: String
  let language: Language
  /// What the template's `{name}`s stand for.
  let parameters: [String: String]

  var subject: String { MessageTemplate.of(template, in: language).subject }

  /// What this channel carries, with every parameter in its place, on one line each: a parameter can't begin a line of
  /// its own, nor name another one.
  var text: String {
    var text = ""
    let words = MessageTemplate.of(template, in: language)
    var rest = (channel == "sms" ? words.short ?? words.text : words.text)[...]
    while let open = rest.firstIndex(of: "{"), let close = rest[open...].firstIndex(of: "}") {
      text += rest[..<open]
      text += Self.line(parameters[String(rest[rest.index(after: open)..<close])] ?? "")
      rest = rest[rest.index(after: close)...]
    }
    return text + rest
  }

  private static func line(_ value: String) -> String {
    var line = ""
    for scalar in value.unicodeScalars {
      line.unicodeScalars.append(scalar.properties.generalCategory == .control ? " " : scalar)
    }
    return line
  }
}

extension Message {
  /// Reads a row of `id, created_at, channel, recipient, template, language, parameters, sealed_parameters`. A sealed
  /// part is the token of the mail; one that doesn't open any more (its key is gone) leaves the token out.
  init?(_ result: QueryResult, row: Int, _ sealer: Sealer) {
    guard let id = result.uuid(row, 0), let createdAt = result.string(row, 1), let channel = result.string(row, 2),
      let recipient = result.string(row, 3), let template = result.string(row, 4),
      let language = result.string(row, 5).flatMap(Language.init(rawValue:))
    else { return nil }
    self.id = id
    self.createdAt = createdAt
    self.channel = channel
    self.recipient = recipient
    self.template = template
    self.language = language
    var parameters = Self.texts(result.bytes(row, 6))
    if let sealed = result.bytea(row, 7),
      let token = try? sealer.openText(sealed, at: MailToken.place(ofMail: id))
    {
      parameters["token"] = token
    }
    self.parameters = parameters
  }

  private static func texts(_ json: [UInt8]) -> [String: String] {
    guard let document = try? JSONReader.parse(json), case .object(let members) = document.root else { return [:] }
    var texts: [String: String] = [:]
    for member in members {
      switch member.value {
      case .string(let text): texts[member.name] = text
      case .number(let number): texts[member.name] = number.text
      default: continue
      }
    }
    return texts
  }
}

/// Where the token of a mail is sealed.
enum MailToken {
  static func place(ofMail id: SQLUUID) -> SealedPlace {
    SealedPlace(table: "outbox", column: "sealed_parameters", row: id.description)
  }
}
