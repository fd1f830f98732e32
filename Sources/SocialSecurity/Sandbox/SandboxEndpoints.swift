import HTTPServer
import JSON
import PostgresClient

enum SandboxStatements {
  static let outbox = Statement(
    "sandbox.outbox",
    """
    SELECT id, created_at, channel, recipient, template, language, parameters, sealed_parameters,
      to_json(created_at), to_json(delivered_at)
    FROM smile.sandbox_outbox($1, $2)
    """,
    String?.self, Int32.self)

  static let setClock = Statement(
    "sandbox.set_clock", "SELECT status, body, etag, location FROM smile.set_clock($1)", SQLInstant?.self)

  static let all: [any StatementDescription] = [outbox, setClock]
}

/// The last messages, newest first, as their recipients would read them, tokens included.
func listSandboxOutbox(_ call: OpenCall) async throws(Failure) -> Response {
  var work = try call.work()
  try work.add(SandboxStatements.outbox, call.query["recipient"], Int32(try call.query.limit()))
  let rows = try await call.read(work).last
  let sealer = call.services.sealer
  return .json(200) { json in
    json.field("items", array: { (json: inout JSONWriter) in
      for row in 0..<(rows?.rowCount ?? 0) {
        guard let rows, let message = Message(rows, row: row, sealer) else { continue }
        json.object { json in
          message.write(to: &json)
          json.field("created_at", raw: rows.bytes(row, 8))
          if !rows.isNull(row, 9) { json.field("delivered_at", raw: rows.bytes(row, 9)) }
        }
      }
    })
  }
}

extension Message {
  fileprivate func write(to json: inout JSONWriter) {
    json.field("id", id.description)
    json.field("channel", channel)
    json.field("recipient", recipient)
    json.field("template", template)
    json.field("language", language.rawValue)
    json.field("subject", subject)
    json.field("text", text)
    json.field("token", optional: parameters["token"])
  }
}

/// Sets the business clock, or lets it run again.
func setSandboxClock(_ call: OpenCall) async throws(Failure) -> Response {
  let input = try await call.input(ClockSetting.self)
  return try await call.answer(writing: SandboxStatements.setClock, input.now.map { SQLInstant($0.text) })
}

/// `{"now": "2026-11-05T09:00:00+07:00"}`, or null for the wall clock.
struct ClockSetting: Input {
  let now: Instant?

  static func read(_ fields: inout JSONFields) -> ClockSetting? {
    guard fields.has("now") else {
      fields.fail("now", .required)
      return nil
    }
    return ClockSetting(now: fields.patch("now", Instant.self).value)
  }
}

/// An instant with its offset (RFC 3339 section 5.6).
struct Instant: JSONTextReadable {
  let text: String

  init(parsing text: String) throws(FieldProblem) {
    let date = /(19|20|21)\d\d-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T/
    let time = /([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)/
    guard text.utf8.allSatisfy({ $0 < 0x80 }), let start = text.prefixMatch(of: date), Self.hasDay(text),
      text[start.range.upperBound...].wholeMatch(of: time) != nil
    else { throw .invalidFormat("instant") }
    self.text = text
  }

  /// Whether the month has that day.
  private static func hasDay(_ text: String) -> Bool {
    let numbers = text.utf8.prefix(10).split(separator: UInt8(ascii: "-")).map { digits in
      digits.reduce(0) { $0 * 10 + Int($1 - 0x30) }
    }
    let (year, month, day) = (numbers[0], numbers[1], numbers[2])
    let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
    let days = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    return day <= days[month - 1]
  }
}
