import JSON

/// Reads the plain subset of YAML that the contract is written in, and writes it as JSON.
///
/// Block maps and lists, plain and quoted scalars, `|` and `>` blocks, `[a, b]` and `{}`; no anchors, tags or documents. What
/// it doesn't know is an error at start, so the contract stays plain.
struct PlainYAML {
  struct SyntaxError: Error, CustomStringConvertible {
    let line: Int
    let reason: String
    var description: String { "line \(line): \(reason)" }
  }

  private struct Line {
    let number: Int
    let indent: Int
    let text: String
  }

  private let source: [String]
  private var lines: [Line] = []
  private var position = 0

  /// - Throws: `SyntaxError` with the line at fault.
  static func json(_ yaml: String) throws(SyntaxError) -> [UInt8] {
    var reader = PlainYAML(yaml)
    let root = try reader.node(indent: 0)
    if reader.position < reader.lines.count {
      throw SyntaxError(line: reader.lines[reader.position].number, reason: "unexpected indentation")
    }
    var json = JSONWriter(capacity: yaml.utf8.count)
    json.value(root)
    return json.bytes
  }

  private init(_ yaml: String) {
    source = yaml.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    for (index, text) in source.enumerated() {
      let content = text.drop { $0 == " " }
      if content.isEmpty || content.first == "#" { continue }
      lines.append(Line(number: index + 1, indent: text.count - content.count, text: String(content)))
    }
  }

  private mutating func node(indent: Int) throws(SyntaxError) -> JSONValue {
    guard position < lines.count, lines[position].indent >= indent else { return .null }
    let level = lines[position].indent
    if lines[position].text.hasPrefix("- ") || lines[position].text == "-" {
      return try list(level)
    }
    if Self.key(of: lines[position].text) != nil { return try map(level) }
    position += 1
    return try Self.scalar(lines[position - 1].text, lines[position - 1].number)
  }

  private mutating func list(_ level: Int) throws(SyntaxError) -> JSONValue {
    var items: [JSONValue] = []
    while position < lines.count, lines[position].indent == level, lines[position].text.hasPrefix("-") {
      let line = lines[position]
      let rest = line.text.dropFirst().drop { $0 == " " }
      if rest.isEmpty {
        position += 1
        items.append(try node(indent: level + 1))
      } else {
        // `- a: 1` is a map that begins on the dash's line.
        let inner = level + line.text.count - rest.count
        lines[position] = Line(number: line.number, indent: inner, text: String(rest))
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
      if rest.isEmpty {
        let nested = position < lines.count && lines[position].indent > level
        let sequence = position < lines.count && lines[position].indent == level && lines[position].text.hasPrefix("- ")
        let value: JSONValue = nested || sequence ? try node(indent: sequence ? level : level + 1) : .null
        members.append(JSONMember(name, value))
      } else if rest == "|" || rest == ">" {
        members.append(JSONMember(name, .string(block(after: line, folded: rest == ">"))))
      } else {
        members.append(JSONMember(name, try Self.scalar(rest, line.number)))
      }
    }
    return .object(members)
  }

  /// Text that keeps its lines (`|`) or joins them (`>`).
  private mutating func block(after key: Line, folded: Bool) -> String {
    var texts: [String] = []
    var index = key.number
    while index < source.count {
      let text = source[index]
      let content = text.drop { $0 == " " }
      if !content.isEmpty, text.count - content.count <= key.indent { break }
      texts.append(text)
      index += 1
    }
    while texts.last?.isEmpty == true { texts.removeLast() }
    let margin = texts.filter { !$0.isEmpty }.map { $0.count - $0.drop { $0 == " " }.count }.min() ?? 0
    while position < lines.count, lines[position].number <= index { position += 1 }
    return texts.map { String($0.dropFirst(margin)) }.joined(separator: folded ? " " : "\n") + "\n"
  }

  private static func scalar(_ text: String, _ line: Int) throws(SyntaxError) -> JSONValue {
    switch text {
    case "true": return .bool(true)
    case "false": return .bool(false)
    case "null", "~": return .null
    case "{}": return .object([])
    default: break
    }
    guard let first = text.first else { return .null }
    if first == "[" {
      guard text.last == "]" else { throw SyntaxError(line: line, reason: "a list must end on its line") }
      var values: [JSONValue] = []
      for item in items(of: text.dropFirst().dropLast()) { values.append(try scalar(item, line)) }
      return .array(values)
    }
    if first == "'" || first == "\"" {
      guard text.count > 1, text.last == first else { throw SyntaxError(line: line, reason: "unclosed quote") }
      return .string(unquoted(text.dropFirst().dropLast(), first))
    }
    if "&*!{%@`".contains(first) { throw SyntaxError(line: line, reason: "\(first) isn't plain") }
    return number(text) ?? .string(text)
  }

  private static func unquoted(_ text: Substring, _ quote: Character) -> String {
    let text = String(text)
    if quote == "'" { return text.replacing("''", with: "'") }
    return text.replacing("\\n", with: "\n").replacing("\\\"", with: "\"").replacing("\\\\", with: "\\")
  }

  private static func items(of text: Substring) -> [String] {
    var items: [String] = []
    var current = ""
    var quote: Character?
    for character in text {
      if let open = quote {
        if character == open { quote = nil }
        current.append(character)
      } else if character == "," {
        items.append(current)
        current = ""
      } else {
        if current.isEmpty, character == " " { continue }
        if current.isEmpty, character == "'" || character == "\"" { quote = character }
        current.append(character)
      }
    }
    if !current.isEmpty { items.append(current) }
    return items
  }

  private static func number(_ text: String) -> JSONValue? {
    guard let document = try? JSONReader.parse(Array("[\(text)]".utf8)), case .array(let values) = document.root,
      values.count == 1, case .number = values[0]
    else { return nil }
    return values[0]
  }

  /// A line's key and what stands after its colon; nil when the line isn't `key: …`.
  private static func key(of text: String) -> (String, String)? {
    if let quote = text.first, quote == "'" || quote == "\"" {
      let inner = text.dropFirst()
      guard let end = inner.firstIndex(of: quote) else { return nil }
      let after = inner[inner.index(after: end)...]
      guard after == ":" || after.hasPrefix(": ") else { return nil }
      return (String(inner[..<end]), String(after.dropFirst().drop { $0 == " " }))
    }
    if text.last == ":", !text.contains(": ") { return (String(text.dropLast()), "") }
    guard let range = text.firstRange(of: ": ") else { return nil }
    return (String(text[..<range.lowerBound]), String(text[range.upperBound...].drop { $0 == " " }))
  }
}
