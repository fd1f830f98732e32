@_spi(_Unicode) import Swift

/// What a text may be: its length in Unicode scalars after normalisation to NFC, and its characters.
package struct TextRule: Sendable {
  private let lengths: ClosedRange<Int>
  private let allowsLines: Bool

  /// One line: no control characters, no line or paragraph separators, no bidirectional formatting, and no white
  /// space at its ends.
  package static func line(_ lengths: ClosedRange<Int>) -> TextRule {
    TextRule(lengths: lengths, allowsLines: false)
  }

  /// As `line`, with LF and TAB allowed anywhere inside.
  package static func lines(_ lengths: ClosedRange<Int>) -> TextRule {
    TextRule(lengths: lengths, allowsLines: true)
  }

  /// A person's or firm's name.
  package static let name = TextRule.line(1...200)
  /// A short remark.
  package static let note = TextRule.lines(1...2_000)

  /// The text in NFC.
  ///
  /// - Throws: `too_short`, `too_long` or `invalid_text`.
  package func check(_ text: String) throws(FieldProblem) -> String {
    let normal = TextRule.normalised(text)
    let scalars = normal.unicodeScalars
    let length = scalars.count
    if length < lengths.lowerBound { throw .tooShort(min: lengths.lowerBound) }
    if length > lengths.upperBound { throw .tooLong(max: lengths.upperBound) }
    for scalar in scalars where !isAllowed(scalar) { throw .invalidText }
    if let first = scalars.first, let last = scalars.last,
      first.properties.isWhitespace || last.properties.isWhitespace
    {
      throw .invalidText
    }
    return normal
  }

  private func isAllowed(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x09, 0x0A: allowsLines
    case 0x00...0x1F, 0x7F...0x9F: false
    // Line and paragraph separator; bidirectional embeddings, overrides and isolates, which make a name read as
    // another one.
    case 0x2028, 0x2029, 0x202A...0x202E, 0x2066...0x2069: false
    // Byte order mark, and noncharacters that no font shows.
    case 0xFEFF, 0xFFFE, 0xFFFF: false
    default: true
    }
  }

  /// Normalisation form C, so that one word has one spelling. ASCII is in it already.
  package static func normalised(_ text: String) -> String {
    if text.utf8.allSatisfy({ $0 < 0x80 }) { return text }
    var normal = ""
    normal.reserveCapacity(text.utf8.count)
    for scalar in text._nfc { normal.unicodeScalars.append(scalar) }
    return normal
  }
}
