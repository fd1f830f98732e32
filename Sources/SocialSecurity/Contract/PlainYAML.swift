import JSON

/// Reads the plain subset of YAML that the contract is written in, and writes it as JSON.
///
/// Block maps and lists, plain and quoted scalars, `|` and `>` blocks, `[a, b]` and `{}`; no anchors, tags or
/// documents. What it doesn't know is an error at start, so the contract stays plain. Works on bytes: every worker
/// reads the contract at its start, and on characters that took 100 ms for 200 KB.
struct PlainYAML {
  struct SyntaxError: Error, CustomStringConvertible {
    let line: Int
    let reason: String
    var description: String { "line \(line): \(reason)" }
  }

  private typealias Text = ArraySlice<UInt8>

  private struct Line {
    /// Counted from 1.
    let number: Int
    let indent: Int
    let text: Text
  }

  private let source: [Text]
  private var lines: [Line] = []
  private var position = 0

  /// - Throws: `SyntaxError` with the line at fault.
  static func json(_ yaml: [UInt8]) throws(SyntaxError) -> [UInt8] {
    var reader = PlainYAML(yaml)
    let root = try reader.node(indent: 0)
    if reader.position < reader.lines.count {
      throw SyntaxError(line: reader.lines[reader.position].number, reason: "unexpected indentation")
    }
    var json = JSONWriter(capacity: yaml.count)
    json.value(root)
    return json.bytes
  }

  private init(_ yaml: [UInt8]) {
    source = yaml[...].split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    for (index, text) in source.enumerated() {
      let content = Self.trimmed(text)
      if content.isEmpty || content.first == UInt8(ascii: "#") { continue }
      lines.append(Line(number: index + 1, indent: content.startIndex - text.startIndex, text: content))
    }
  }

  // MARK: blocks

  private mutating func node(indent: Int) throws(SyntaxError) -> JSONValue {
    guard position < lines.count, lines[position].indent >= indent else { return .null }
    let line = lines[position]
    if Self.isItem(line.text) { return try list(line.indent) }
    if Self.key(of: line.text) != nil { return try map(line.indent) }
    position += 1
    return try Self.scalar(line.text, line.number)
  }

  private mutating func list(_ level: Int) throws(SyntaxError) -> JSONValue {
    var items: [JSONValue] = []
    while position < lines.count, lines[position].indent == level, Self.isItem(lines[position].text) {
      let line = lines[position]
      let rest = Self.trimmed(line.text.dropFirst())
      if rest.isEmpty {
        position += 1
        items.append(try node(indent: level + 1))
      } else {
        // `- a: 1` is a map that begins on the dash's line.
        let inner = level + rest.startIndex - line.text.startIndex
        lines[position] = Line(number: line.number, indent: inner, text: rest)
        items.append(try node(indent: inner))
      }
    }
    return .array(items)
  }

  private mutating func map(_ level: Int) throws(SyntaxError) -> JSONValue {
    var members: [JSONMember] = []
    var seen: Set<String> = []
    while position < lines.count, lines[position].indent == level {
      let line = lines[position]
      guard let (name, rest) = Self.key(of: line.text) else {
        throw SyntaxError(line: line.number, reason: "expected a key")
      }
      guard seen.insert(name).inserted else { throw SyntaxError(line: line.number, reason: "\(name) stands twice") }
      position += 1
      members.append(JSONMember(name, try value(rest, after: line)))
    }
    return .object(members)
  }

  /// What belongs to a key: on its line, or in the lines below.
  private mutating func value(_ rest: Text, after line: Line) throws(SyntaxError) -> JSONValue {
    if rest.elementsEqual("|".utf8) { return .string(block(after: line, joined: "\n")) }
    if rest.elementsEqual(">".utf8) { return .string(block(after: line, joined: " ")) }
    if !rest.isEmpty { return try Self.scalar(rest, line.number) }
    guard position < lines.count else { return .null }
    // A list may stand as far left as its key.
    if lines[position].indent == line.indent, Self.isItem(lines[position].text) { return try list(line.indent) }
    return lines[position].indent > line.indent ? try node(indent: line.indent + 1) : .null
  }

  private mutating func block(after key: Line, joined separator: String) -> String {
    var texts: [Text] = []
    var index = key.number
    while index < source.count {
      let content = Self.trimmed(source[index])
      if !content.isEmpty, content.startIndex - source[index].startIndex <= key.indent { break }
      texts.append(source[index])
      index += 1
    }
    while texts.last?.isEmpty == true { texts.removeLast() }
    let margin = texts.filter { !$0.isEmpty }.map { Self.trimmed($0).startIndex - $0.startIndex }.min() ?? 0
    while position < lines.count, lines[position].number <= index { position += 1 }
    return texts.map { Self.string($0.dropFirst(margin)) }.joined(separator: separator) + "\n"
  }

  // MARK: scalars

  private static func scalar(_ text: Text, _ line: Int) throws(SyntaxError) -> JSONValue {
    guard let first = text.first else { return .null }
    switch first {
    case UInt8(ascii: "["):
      guard text.last == UInt8(ascii: "]") else {
        throw SyntaxError(line: line, reason: "a list must end on its line")
      }
      var values: [JSONValue] = []
      for item in items(of: text.dropFirst().dropLast()) { values.append(try scalar(item, line)) }
      return .array(values)
    case UInt8(ascii: "'"), UInt8(ascii: "\""):
      guard text.count > 1, text.last == first else { throw SyntaxError(line: line, reason: "unclosed quote") }
      return .string(unquoted(string(text.dropFirst().dropLast()), first))
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"):
      return number(text) ?? .string(string(text))
    default: break
    }
    switch string(text) {
    case "true": return .bool(true)
    case "false": return .bool(false)
    case "null", "~": return .null
    case "{}": return .object([])
    case let plain:
      if "&*!{%@`".utf8.contains(first) { throw SyntaxError(line: line, reason: "\(plain) isn't plain") }
      return .string(plain)
    }
  }

  private static func unquoted(_ text: String, _ quote: UInt8) -> String {
    if quote == UInt8(ascii: "'") { return text.replacing("''", with: "'") }
    return text.replacing("\\n", with: "\n").replacing("\\\"", with: "\"").replacing("\\\\", with: "\\")
  }

  /// The items between a list's brackets; a comma inside quotes separates nothing.
  private static func items(of text: Text) -> [Text] {
    var items: [Text] = []
    var start = text.startIndex
    var quote: UInt8?
    for index in text.indices {
      let byte = text[index]
      if byte == quote {
        quote = nil
      } else if quote == nil, byte == UInt8(ascii: "'") || byte == UInt8(ascii: "\"") {
        quote = byte
      } else if quote == nil, byte == UInt8(ascii: ",") {
        items.append(trimmed(text[start..<index]))
        start = index + 1
      }
    }
    let last = trimmed(text[start...])
    return last.isEmpty ? items : items + [last]
  }

  private static func number(_ text: Text) -> JSONValue? {
    guard let document = try? JSONReader.parse([UInt8(ascii: "[")] + text + [UInt8(ascii: "]")]),
      case .array(let values) = document.root, values.count == 1, case .number = values[0]
    else { return nil }
    return values[0]
  }

  // MARK: lines

  private static func isItem(_ text: Text) -> Bool {
    text.first == UInt8(ascii: "-") && (text.count == 1 || text[text.startIndex + 1] == UInt8(ascii: " "))
  }

  /// A line's key and what stands after its colon; nil when the line isn't `key: …`.
  private static func key(of text: Text) -> (String, Text)? {
    var end = text.startIndex
    var name = text
    if let quote = text.first, quote == UInt8(ascii: "'") || quote == UInt8(ascii: "\"") {
      guard let closing = text.dropFirst().firstIndex(of: quote) else { return nil }
      name = text[(text.startIndex + 1)..<closing]
      end = closing + 1
      guard end < text.endIndex, text[end] == UInt8(ascii: ":") else { return nil }
    } else {
      guard let colon = colon(in: text) else { return nil }
      name = text[..<colon]
      end = colon
    }
    guard end + 1 == text.endIndex || text[end + 1] == UInt8(ascii: " ") else { return nil }
    return (string(name), trimmed(text[(end + 1)...]))
  }

  /// The first colon that a space or the line's end follows.
  private static func colon(in text: Text) -> Int? {
    text.indices.first { index in
      text[index] == UInt8(ascii: ":") && (index + 1 == text.endIndex || text[index + 1] == UInt8(ascii: " "))
    }
  }

  private static func trimmed(_ text: Text) -> Text { text.drop { $0 == UInt8(ascii: " ") } }

  private static func string(_ text: Text) -> String { String(decoding: text, as: UTF8.self) }
}
