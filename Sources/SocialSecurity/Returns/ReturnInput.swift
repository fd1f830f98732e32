import Crypto
import JSON

/// What kind of return it is: the month's own, one for forgotten workers, a correction of what was finalised, or the
/// statement that nobody worked.
enum ReturnKind: String, JSONChoice {
  case regular, supplementary, revised
  case noActivity = "no_activity"
}

enum LineStatus: String, JSONChoice {
  case accepted, warned, rejected
}

struct NewReturn: Input {
  let period: WageMonth
  let kind: ReturnKind
  /// The sender's own number, unique among the employer's returns.
  let reference: String?
  let declaredLines: Int64?
  let declaredWages: Int64?
  /// Why a month is revised.
  let reason: String?

  static func read(_ fields: inout JSONFields) -> NewReturn? {
    let period = fields.required("period", WageMonth.self)
    let kind = fields.required("kind", ReturnKind.self)
    let reference = fields.optional("client_reference", ClientReference.self)
    let declared: (Int64?, Int64?)? = fields.optionalObject("declared_totals") { totals in
      (totals.optional("lines", in: Rupiah.totals), totals.optional("wages", in: Rupiah.totals))
    }
    let reason = fields.optional("reason", RevisionReason.self)
    guard let period, let kind else { return nil }
    return NewReturn(
      period: period, kind: kind, reference: reference?.text, declaredLines: declared?.0, declaredWages: declared?.1,
      reason: reason?.text)
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
