import JSON

/// The forms in which lines may be sent.
package enum PayrollFormat: String, Sendable {
  case csv = "text/csv"
  case ndjson = "application/x-ndjson"
  case json = "application/json"
}

/// Turns the bytes of an upload, cut anywhere, into lines. Only the beginning can be refused as a whole; after that a
/// bad line is a line with a problem.
package struct PayrollReader: Sendable {
  /// A JSON body is one value and has to be held whole; CSV and NDJSON have no such limit.
  package static let jsonBytesMax = 1 << 20

  private let format: PayrollFormat
  private let change: PayrollChange
  private let mapping: ColumnMapping?
  private var tokenizer = CSVTokenizer()
  private var header: PayrollHeader?
  private var rest: [UInt8] = []
  private var isSkipping = false
  private var isFirstLine = true

  package init(_ format: PayrollFormat, for change: PayrollChange = .replace, mapping: ColumnMapping? = nil) {
    self.format = format
    self.change = change
    self.mapping = mapping
  }

  /// Takes the first bytes and gives the lines in them.
  ///
  /// - Parameter isWhole: whether nothing follows.
  /// - Throws: 400 when there is no usable CSV header, or the JSON isn't an object with `lines`.
  package mutating func start(_ piece: [UInt8], isWhole: Bool) throws(Failure) -> [PayrollLine] {
    switch format {
    case .json: return try lines(of: piece)
    case .ndjson: return feed(piece)
    case .csv:
      var lines: [PayrollLine] = []
      var found: PayrollHeader?
      let (change, mapping) = (self.change, self.mapping)
      try tokenizer.feed(piece) { (record: borrowing CSVRecord) throws(Failure) in
        if let header = found {
          lines.append(Self.line(record, header))
        } else {
          found = try PayrollHeader(record, for: change, mapping: mapping)
        }
      }
      if found == nil, isWhole {
        try tokenizer.finish { (record: borrowing CSVRecord) throws(Failure) in
          found = try PayrollHeader(record, for: change, mapping: mapping)
        }
      }
      guard let found else { throw PayrollHeader.malformed }
      header = found
      return lines
    }
  }

  /// Takes the next bytes and gives the lines that they complete.
  package mutating func feed(_ piece: [UInt8]) -> [PayrollLine] {
    var lines: [PayrollLine] = []
    switch format {
    case .json: break
    case .ndjson: feedLines(piece, to: &lines)
    case .csv:
      guard let header else { return [] }
      tokenizer.feed(piece) { lines.append(Self.line($0, header)) }
    }
    return lines
  }

  /// The last line, when nothing ended it.
  package mutating func finish() -> [PayrollLine] {
    var lines: [PayrollLine] = []
    switch format {
    case .json: break
    case .ndjson: endLine(to: &lines)
    case .csv:
      guard let header else { return [] }
      tokenizer.finish { lines.append(Self.line($0, header)) }
    }
    return lines
  }

  // MARK: CSV

  private static func line(_ record: borrowing CSVRecord, _ header: PayrollHeader) -> PayrollLine {
    switch record.fault {
    case .malformed: return PayrollLine(unreadable: "line_malformed")
    case .tooLong: return PayrollLine(unreadable: "line_too_long")
    case nil: break
    }
    guard record.fieldCount == header.columns.count else { return PayrollLine(unreadable: "field_count_differs") }
    var fields = PayrollFields()
    for (index, column) in header.columns.enumerated() {
      if let column { fields[column] = trimmed(record.field(index)) }
    }
    return PayrollLine(fields)
  }

  // MARK: NDJSON

  private mutating func feedLines(_ piece: [UInt8], to lines: inout [PayrollLine]) {
    for byte in piece {
      if byte == UInt8(ascii: "\n") {
        endLine(to: &lines)
      } else if rest.count >= CSVTokenizer.lineBytesMax {
        isSkipping = true
      } else {
        rest.append(byte)
      }
    }
  }

  private mutating func endLine(to lines: inout [PayrollLine]) {
    defer {
      rest.removeAll(keepingCapacity: true)
      isSkipping = false
      isFirstLine = false
    }
    if isSkipping {
      lines.append(PayrollLine(unreadable: "line_too_long"))
      return
    }
    if isFirstLine, rest.starts(with: CSVTokenizer.mark) { rest.removeFirst(CSVTokenizer.mark.count) }
    if rest.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) { return }
    guard let document = try? JSONReader.parse(rest), document.violations.isEmpty else {
      lines.append(PayrollLine(unreadable: isText(rest[...]) ? "line_malformed" : "encoding_invalid"))
      return
    }
    lines.append(line(document.root))
  }

  // MARK: JSON

  /// `{"lines": […]}`.
  private func lines(of body: [UInt8]) throws(Failure) -> [PayrollLine] {
    let document: JSONDocument
    do {
      document = try JSONReader.parse(body)
    } catch {
      throw Failure(400, "invalid_json")
    }
    guard document.violations.isEmpty else { throw .invalid(document.violations) }
    guard case .object(let members) = document.root else {
      throw .invalid([FieldError(pointer: "", .wrongType(expected: "object"))])
    }
    for member in members where member.name != "lines" {
      throw .invalid([FieldError(pointer: "/\(member.name)", .unknownField)])
    }
    guard members.count == 1 else {
      throw .invalid([FieldError(pointer: "/lines", members.isEmpty ? .required : .duplicateKey)])
    }
    guard case .array(let elements) = members[0].value else {
      throw .invalid([FieldError(pointer: "/lines", .wrongType(expected: "array"))])
    }
    return elements.map(line)
  }

  /// A line from an object; unreadable when it is none, or has unknown or repeated members or values of other kinds.
  private func line(_ value: JSONValue) -> PayrollLine {
    guard case .object(let members) = value else { return PayrollLine(unreadable: "line_malformed") }
    var fields = PayrollFields()
    var seen: Set<PayrollColumn> = []
    for member in members {
      guard let column = change.column(member.name.utf8), seen.insert(column).inserted else {
        return PayrollLine(unreadable: "line_malformed")
      }
      switch member.value {
      case .string(let text): fields[column] = trimmed(Array(text.utf8)[...])
      case .number(let number): fields[column] = Array(number.text.utf8)[...]
      case .bool(let value) where column == .remove: fields[column] = Array("\(value)".utf8)[...]
      default: return PayrollLine(unreadable: "line_malformed")
      }
    }
    return PayrollLine(fields)
  }
}
