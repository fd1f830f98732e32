/// What a text may hold beyond the grammar. A broken limit is a `FieldError` in the document's violations, not an end
/// of the parse.
package struct JSONLimits: Sendable {
  /// Containers inside each other; the outermost one counts.
  package var depth: Int
  /// Members of one object.
  package var members: Int
  /// Bytes of one string or member name, after its escapes are resolved.
  package var stringBytes: Int
  /// Characters of one number.
  package var numberCharacters: Int
  /// Whether NUL and lone surrogates are refused. PostgreSQL's text can hold neither, and a NUL cuts a C string.
  package var storableTextOnly: Bool
  /// Whether two members of one object may share a name. Parsers disagree on which one counts.
  package var uniqueNames: Bool

  /// Limits of request bodies.
  package static let requestBody = JSONLimits(
    depth: 32, members: 1_000, stringBytes: 65_536, numberCharacters: 40, storableTextOnly: true, uniqueNames: true)

  /// RFC 8259 alone; only the depth is bounded, as building a tree needs a bound.
  package static let grammarOnly = JSONLimits(
    depth: 512, members: .max, stringBytes: .max, numberCharacters: .max, storableTextOnly: false, uniqueNames: false)
}

/// The text isn't JSON. Nothing after `offset` was looked at.
package struct JSONSyntaxError: Error, Sendable, Equatable {
  /// Raw values are stable and may be shown.
  package enum Reason: String, Sendable {
    case empty = "empty"
    case byteOrderMark = "byte_order_mark"
    case invalidUTF8 = "invalid_utf8"
    case unexpectedEnd = "unexpected_end"
    case unexpectedByte = "unexpected_byte"
    case invalidNumber = "invalid_number"
    case invalidEscape = "invalid_escape"
    case controlCharacter = "control_character"
    case trailingBytes = "trailing_bytes"
  }
  /// What was met.
  package let reason: Reason
  /// Bytes from the start of the text.
  package let offset: Int
  /// Counted from 1; lines end with LF.
  package let line: Int
  /// Counted from 1, in bytes.
  package let column: Int

  init(_ reason: Reason, at offset: Int, in bytes: [UInt8]) {
    self.reason = reason
    self.offset = offset
    let before = bytes.prefix(offset)
    line = 1 + before.count { $0 == ASCII.lineFeed }
    let lineStart = before.lastIndex(of: ASCII.lineFeed).map { $0 + 1 } ?? 0
    column = 1 + before.count - lineStart
  }
}
