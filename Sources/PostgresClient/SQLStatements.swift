/// Cuts SQL text into its statements, as psql does: quotes, dollar quotes and comments are respected. Needed only for
/// files whose statements must run one by one; a body in BEGIN ATOMIC … END isn't understood.
struct SQLStatements {
  private let text: [UInt8]
  private var position = 0

  /// The statements without their semicolons; comments stay where they are, and what is only comment or space is
  /// dropped.
  static func split(_ text: [UInt8]) -> [String] {
    var scanner = SQLStatements(text: text)
    var statements: [String] = []
    while let statement = scanner.next() {
      if let statement { statements.append(statement) }
    }
    return statements
  }

  private init(text: [UInt8]) { self.text = text }

  /// Nil at the end of the text; an inner nil for an empty statement.
  private mutating func next() -> String?? {
    guard position < text.count else { return nil }
    let start = position
    var hasContent = false
    while position < text.count {
      let byte = text[position]
      if byte == UInt8(ascii: ";") { break }
      if starts("--") {
        skipLine()
      } else if starts("/*") {
        skipComment()
      } else {
        if !Self.isSpace(byte) { hasContent = true }
        skipToken(byte)
      }
    }
    let end = min(position, text.count)
    position = end + 1
    return .some(hasContent ? String(decoding: text[start..<end], as: UTF8.self) : nil)
  }

  private mutating func skipToken(_ byte: UInt8) {
    switch byte {
    case UInt8(ascii: "'"):
      let isEscaped = position > 0 && (text[position - 1] | 0x20) == UInt8(ascii: "e")
      skipQuoted(byte, backslashEscapes: isEscaped)
    case UInt8(ascii: "\""): skipQuoted(byte, backslashEscapes: false)
    case UInt8(ascii: "$"): skipDollarQuoted()
    default: position += 1
    }
  }

  private mutating func skipQuoted(_ quote: UInt8, backslashEscapes: Bool) {
    position += 1
    while position < text.count, text[position] != quote {
      position += backslashEscapes && text[position] == UInt8(ascii: "\\") ? 2 : 1
    }
    // A doubled quote looks like the end and a new beginning, which comes to the same.
    position += 1
  }

  private mutating func skipDollarQuoted() {
    var end = position + 1
    while end < text.count, Self.isTagByte(text[end]) { end += 1 }
    guard end < text.count, text[end] == UInt8(ascii: "$") else { return position += 1 }
    let tag = Array(text[position...end])
    position = end + 1
    while position < text.count, !starts(tag) { position += 1 }
    position += tag.count
  }

  private mutating func skipLine() {
    while position < text.count, text[position] != UInt8(ascii: "\n") { position += 1 }
  }

  private mutating func skipComment() {
    var depth = 0
    repeat {
      if starts("/*") {
        depth += 1
        position += 2
      } else if starts("*/") {
        depth -= 1
        position += 2
      } else {
        position += 1
      }
    } while depth > 0 && position < text.count
  }

  private func starts(_ prefix: StaticString) -> Bool { starts(Array(prefix.description.utf8)) }

  private func starts(_ prefix: [UInt8]) -> Bool {
    position + prefix.count <= text.count && text[position..<(position + prefix.count)].elementsEqual(prefix)
  }

  private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0d).contains(byte) }

  private static func isTagByte(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: "_") || byte >= 0x80 || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
      || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
  }
}
