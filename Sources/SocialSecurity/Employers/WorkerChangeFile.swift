import JSON

/// A list of changes of workers as CSV or NDJSON, made into the JSON that says the same, so that one reader judges all
/// three.
enum WorkerChangeFile: String {
  case csv = "text/csv"
  case ndjson = "application/x-ndjson"

  /// What a cell `null` clears.
  private static let clearable: Set<String> = ["unit_id", "employee_number", "job_title", "end_date", "end_reason"]

  /// `{"changes": […]}`.
  ///
  /// - Throws: 400 with the first line that can't be read. What is wrong within a line is found in the JSON.
  func json(of bytes: [UInt8]) throws(Failure) -> [UInt8] {
    let changes =
      switch self {
      case .csv: try Self.changes(ofCSV: bytes)
      case .ndjson: try Self.changes(ofNDJSON: bytes)
      }
    var json = JSONWriter()
    json.object { json in
      json.key("changes")
      json.array { json in
        for change in changes { json.raw(change) }
      }
    }
    return json.bytes
  }

  private static func changes(ofNDJSON bytes: [UInt8]) throws(Failure) -> [[UInt8]] {
    var changes: [[UInt8]] = []
    for line in bytes.split(separator: UInt8(ascii: "\n")) {
      let line = Array(trimmed(line.last == UInt8(ascii: "\r") ? line.dropLast() : line))
      if line.isEmpty { continue }
      guard let document = try? JSONReader.parse(line), case .object = document.root else {
        throw unreadable(changes.count, "JSON")
      }
      changes.append(line)
    }
    return changes
  }

  /// A header of the members' names, then a line a change; an empty cell leaves a member out.
  private static func changes(ofCSV bytes: [UInt8]) throws(Failure) -> [[UInt8]] {
    var tokenizer = CSVTokenizer()
    var header: [String]?
    var changes: [[UInt8]] = []
    func take(_ record: borrowing CSVRecord) throws(Failure) {
      guard record.fault == nil, let cells = cells(of: record) else { throw unreadable(changes.count, "CSV") }
      guard let names = header else {
        header = cells
        return
      }
      guard cells.count == names.count else { throw unreadable(changes.count, "CSV") }
      changes.append(change(names, cells))
    }
    try tokenizer.feed(bytes) { (record: borrowing CSVRecord) throws(Failure) in try take(record) }
    try tokenizer.finish { (record: borrowing CSVRecord) throws(Failure) in try take(record) }
    return changes
  }

  /// Nil for bytes that aren't UTF-8.
  private static func cells(of record: borrowing CSVRecord) -> [String]? {
    var cells: [String] = []
    for index in 0..<record.fieldCount {
      guard let cell = String(validating: trimmed(record.field(index)), as: UTF8.self) else { return nil }
      cells.append(cell)
    }
    return cells
  }

  private static func change(_ names: [String], _ cells: [String]) -> [UInt8] {
    var json = JSONWriter()
    json.object { json in
      for (name, cell) in zip(names, cells) where !cell.isEmpty {
        json.key(name)
        if cell == "null", clearable.contains(name) {
          json.null()
        } else if name == "wage", isNumber(cell) {
          json.raw(cell.utf8)
        } else {
          json.string(cell)
        }
      }
    }
    return json.bytes
  }

  /// As JSON writes a whole number.
  private static func isNumber(_ cell: String) -> Bool {
    cell.utf8.allSatisfy { (0x30...0x39).contains($0) } && (cell == "0" || cell.utf8.first != 0x30)
  }

  private static func unreadable(_ line: Int, _ format: String) -> Failure {
    .invalid([FieldError(pointer: "/changes/\(line)", .invalidFormat(format))])
  }
}
