import Crypto
import JSON
import PostgresClient

/// What kind of return it is: the month's own, one for forgotten workers, a correction of what was finalised, or the
/// statement that nobody worked.
enum ReturnKind: String, JSONChoice {
  case regular, supplementary, revised
  case noActivity = "no_activity"
}

enum LineStatus: String, JSONChoice {
  case accepted, warned, rejected
}

/// What a rule speaks of: a line or the whole of a return, or a month as it stands.
enum RuleSubject: String, JSONChoice {
  case line, month
  case whole = "return"
}

struct NewReturn: Input {
  let period: WageMonth
  let kind: ReturnKind
  /// The sender's own number, unique among the employer's returns.
  let reference: String?
  /// What the sender counted and computed itself.
  let declared: DeclaredTotals?
  /// Why a month is revised.
  let reason: String?

  static func read(_ fields: inout JSONFields) -> NewReturn? {
    let period = fields.required("period", WageMonth.self)
    let kind = fields.required("kind", ReturnKind.self)
    let reference = fields.optional("client_reference", ClientReference.self)
    let declared: DeclaredTotals? = fields.optionalObject("declared_totals") { totals in
      DeclaredTotals(
        members: DeclaredTotals.names.compactMap { name in
          totals.optional(name, in: Rupiah.totals).map { (name, $0) }
        })
    }
    let reason = fields.optional("reason", RevisionReason.self)
    guard let period, let kind else { return nil }
    return NewReturn(
      period: period, kind: kind, reference: reference?.text, declared: declared, reason: reason?.text)
  }
}

/// Lines, wages and each programme's contributions as the sender has them, in rupiah.
struct DeclaredTotals: Sendable {
  static let names: [StaticString] = ["lines", "wages", "jht", "jkk", "jkm", "jp"]

  let members: [(name: StaticString, value: Int64)]

  /// As an object.
  var json: SQLJSON {
    var json = JSONWriter()
    json.object { json in
      for (name, value) in members { json.field(name, value) }
    }
    return SQLJSON(json.bytes)
  }
}

/// What a return is finalised with: nothing, or the preview that was agreed to.
struct Finalisation: Input {
  let preview: PreviewToken?

  static func read(_ fields: inout JSONFields) -> Finalisation? {
    Finalisation(preview: fields.optional("preview_token", PreviewToken.self))
  }
}

/// What a rehearsal answered as `preview_token`: `prv1` and three hexadecimal digests, the first of which may be empty.
struct PreviewToken: JSONTextReadable {
  let text: String

  init(parsing text: String) throws(FieldProblem) {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    let isHex = { (part: Substring) in
      part.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }
    guard parts.count == 4, parts[0] == "prv1", parts[1].isEmpty || parts[1].utf8.count == 64,
      parts[2...].allSatisfy({ $0.utf8.count == 64 }), parts[1...].allSatisfy(isHex)
    else { throw .invalidFormat("preview token") }
    self.text = text
  }
}

/// 1 to 500 characters, on lines of their own if need be.
struct RevisionReason: JSONTextReadable {
  let text: String

  init(parsing text: String) throws(FieldProblem) {
    self.text = try TextRule.lines(1...500).check(text)
  }
}

/// 1 to 64 visible ASCII characters without spaces.
struct ClientReference: JSONTextReadable {
  let text: String

  init(parsing text: String) throws(FieldProblem) {
    guard (1...64).contains(text.utf8.count), text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
      throw .invalidFormat("1 to 64 visible characters")
    }
    self.text = text
  }
}

/// A SHA-256 as 64 hex digits.
struct ContentHash: JSONTextReadable {
  let bytes: [UInt8]

  init(parsing text: String) throws(FieldProblem) {
    guard let bytes = Hex.decode(text), bytes.count == SHA256.digestBytes else {
      throw .invalidFormat("64 hex digits")
    }
    self.bytes = bytes
  }
}

/// The cursor of a list of lines.
struct LineNumber: JSONTextReadable {
  let number: Int32

  init(parsing text: String) throws(FieldProblem) {
    guard let number = Digits.value(text.utf8).flatMap({ Int32(exactly: $0) }) else {
      throw .invalidFormat("cursor")
    }
    self.number = number
  }
}

/// The cursor of a list of findings: `line.field.code`.
struct FindingCursor: JSONTextReadable {
  let text: String

  init(parsing text: String) throws(FieldProblem) {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    let isName = { (part: Substring) in part.utf8.allSatisfy { (0x61...0x7A).contains($0) || $0 == 0x5F } }
    guard parts.count == 3, let line = Digits.value(parts[0].utf8), Int32(exactly: line) != nil, isName(parts[1]),
      isName(parts[2]), text.utf8.count <= 128
    else { throw .invalidFormat("cursor") }
    self.text = text
  }
}
