import JSON

/// The columns of a bank's statement, in any order.
enum StatementColumn: String, CaseIterable, Sendable {
  case type
  case reference = "bank_reference"
  case code = "payment_code"
  case amount, at, reason

  var place: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}

/// Turns a bank's statement of a day (RFC 4180) into the rows that `smile.take_statement` takes. Only its header can be
/// refused as a whole: a row that can't be read is a row with problems, each as `column:code`.
struct StatementReader: Sendable {
  private var tokenizer = CSVTokenizer()
  private var rows = StatementRows()

  /// - Throws: 400 for a header with unknown, repeated or missing columns.
  mutating func feed(_ piece: some Sequence<UInt8>) throws(Failure) {
    var rows = StatementRows()
    swap(&rows, &self.rows)
    try tokenizer.feed(piece) { (record: borrowing CSVRecord) throws(Failure) in try rows.take(record) }
    self.rows = rows
  }

  /// The rows as a JSON array.
  ///
  /// - Throws: 400 without a header.
  mutating func finish() throws(Failure) -> [UInt8] {
    var rows = self.rows
    try tokenizer.finish { (record: borrowing CSVRecord) throws(Failure) in try rows.take(record) }
    return try rows.finish()
  }
}

/// What the file has told so far.
private struct StatementRows {
  private var columns: [StatementColumn]?
  private var json: [UInt8] = [UInt8(ascii: "[")]
  private var count = 0

  private static let malformedHeader = Failure.invalid(
    [FieldError(parameter: "header", FieldProblem("malformed_header"))])

  mutating func take(_ record: borrowing CSVRecord) throws(Failure) {
    guard let columns else {
      columns = try Self.header(record)
      return
    }
    count += 1
    if count > 1 { json.append(UInt8(ascii: ",")) }
    StatementRow(record, columns).write(to: &json, as: count)
  }

  consuming func finish() throws(Failure) -> [UInt8] {
    guard columns != nil else { throw Self.malformedHeader }
    json.append(UInt8(ascii: "]"))
    return json
  }

  private static func header(_ record: borrowing CSVRecord) throws(Failure) -> [StatementColumn] {
    guard record.fault == nil else { throw malformedHeader }
    var columns: [StatementColumn] = []
    var errors: [FieldError] = []
    for index in 0..<record.fieldCount {
      let name = String(decoding: record.field(index).prefix(40), as: UTF8.self)
      guard let column = StatementColumn(rawValue: name) else {
        errors.append(error("unknown_column", name))
        continue
      }
      if columns.contains(column) { errors.append(error("repeated_column", name)) }
      columns.append(column)
    }
    for column in StatementColumn.allCases where !columns.contains(column) {
      errors.append(error("missing_column", column.rawValue))
    }
    guard errors.isEmpty else { throw .invalid(errors) }
    return columns
  }

  private static func error(_ code: String, _ column: String) -> FieldError {
    FieldError(parameter: "header", FieldProblem(code, [FieldProblem.Parameter("column", column)]))
  }
}

/// One row: a payment, or one that the bank took back.
private struct StatementRow {
  private var kind: String?
  private var reference: String?
  private var code: String?
  private var amount: Int64?
  private var at: String?
  private var reason: String?
  private var problems: [String] = []

  init(_ record: borrowing CSVRecord, _ columns: [StatementColumn]) {
    switch record.fault {
    case .malformed: problems = [":line_malformed"]
    case .tooLong: problems = [":line_too_long"]
    case nil where record.fieldCount != columns.count: problems = [":field_count_differs"]
    case nil:
      var fields = [ArraySlice<UInt8>](repeating: [], count: StatementColumn.allCases.count)
      for (index, column) in columns.enumerated() { fields[column.place] = record.field(index) }
      read(fields)
    }
  }

  private mutating func read(_ fields: [ArraySlice<UInt8>]) {
    kind = read(fields, .type) { (text) throws(FieldProblem) in
      guard text == "payment" || text == "reversal" else { throw .notAllowed(["payment", "reversal"]) }
      return text
    }
    reference = read(fields, .reference) { (text) throws(FieldProblem) in try BankReference(parsing: text).text }
    amount = read(fields, .amount) { (text) throws(FieldProblem) in
      let most = Rupiah.totals.upperBound
      guard let value = Digits.value(text.utf8), (1...most).contains(Int64(value)) else {
        throw .outOfRange(min: 1, max: most)
      }
      return Int64(value)
    }
    at = read(fields, .at) { (text) throws(FieldProblem) in try Instant(parsing: text).text }
    switch kind {
    case "payment":
      code = read(fields, .code) { (text) throws(FieldProblem) in try PaymentCode(parsing: text).digits }
    case "reversal":
      reason = read(fields, .reason) { (text) throws(FieldProblem) in
        try ReversalReason.read(.string(text)).rawValue
      }
    default: break
    }
  }

  private mutating func read<T>(
    _ fields: [ArraySlice<UInt8>], _ column: StatementColumn, _ parse: (String) throws(FieldProblem) -> T
  ) -> T? {
    let bytes = fields[column.place]
    guard let text = String(validating: bytes, as: UTF8.self) else {
      problems.append("\(column.rawValue):encoding_invalid")
      return nil
    }
    do throws(FieldProblem) {
      guard !text.isEmpty else { throw FieldProblem.required }
      return try parse(text)
    } catch {
      problems.append("\(column.rawValue):\(error.code)")
      return nil
    }
  }

  func write(to rows: inout [UInt8], as number: Int) {
    var json = JSONWriter()
    json.object { json in
      json.field("number", number)
      json.field("kind", optional: kind)
      json.field("bank_reference", optional: reference)
      json.field("payment_code", optional: code)
      json.field("amount", optional: amount.map { "\($0)" })
      json.field("at", optional: at)
      json.field("reason", optional: reason)
      if !problems.isEmpty {
        json.field("problems", array: { (json: inout JSONWriter) in
          for problem in problems { json.string(problem) }
        })
      }
    }
    rows += json.bytes
  }
}
