import JSON

/// What a line of a return tells, by the names that CSV headers and JSON members have.
package enum PayrollColumn: String, CaseIterable, Sendable {
  case lineKey = "line_key"
  case kpj, nik
  case fullName = "full_name"
  case birthDate = "birth_date"
  case sex, wage
  case backPay = "back_pay"
  case backPayPeriod = "back_pay_period"
  /// Takes the key's line away; where lines are mended only.
  case remove

  /// Its place in `PayrollFields`.
  var place: Int {
    switch self {
    case .lineKey: 0
    case .kpj: 1
    case .nik: 2
    case .fullName: 3
    case .birthDate: 4
    case .sex: 5
    case .wage: 6
    case .backPay: 7
    case .backPayPeriod: 8
    case .remove: 9
    }
  }

  init?(_ bytes: some Sequence<UInt8>) {
    guard let column = Self.allCases.first(where: { $0.rawValue.utf8.elementsEqual(bytes) }) else { return nil }
    self = column
  }
}

/// What an upload does to the lines that stand.
package enum PayrollChange: Sendable {
  case replace
  /// Each line has the key of the line it replaces or removes, or a new one.
  case merge

  /// - Returns: nil where the column has no meaning.
  func column(_ name: some Sequence<UInt8>) -> PayrollColumn? {
    guard let column = PayrollColumn(name), takes(column) else { return nil }
    return column
  }

  func takes(_ column: PayrollColumn) -> Bool { self == .merge || column != .remove }
}

/// The header of a CSV file: which column stands where. Columns may come in any order; those that a payroll has no use
/// for may be left out.
package struct PayrollHeader: Sendable, Equatable {
  /// Nil where a mapping passes a column over.
  package let columns: [PayrollColumn?]

  /// - Parameter mapping: what the file calls its columns, where it doesn't use our names.
  /// - Throws: every unknown, repeated and missing column, as errors of the parameter `header`.
  package init(
    _ record: borrowing CSVRecord, for change: PayrollChange = .replace, mapping: ColumnMapping? = nil
  ) throws(Failure) {
    var columns: [PayrollColumn?] = []
    var errors: [FieldError] = []
    for index in 0..<record.fieldCount {
      let name = trimmed(record.field(index))
      let found = if let mapping { mapping.column(name, in: change) } else { change.column(name) }
      guard let column = found else {
        if mapping != nil {
          columns.append(nil)
          continue
        }
        guard isText(name) else { throw Self.malformed }
        errors.append(Self.error("unknown_column", String(decoding: name.prefix(40), as: UTF8.self)))
        continue
      }
      if columns.contains(column) { errors.append(Self.error("repeated_column", column.rawValue)) }
      columns.append(column)
    }
    for name in mapping?.missing(from: columns) ?? [] { errors.append(Self.error("missing_column", name)) }
    if change == .merge, !columns.contains(.lineKey) { errors.append(Self.error("missing_column", "line_key")) }
    // A file that removes needs no more than keys.
    if !columns.contains(.remove) {
      for column in [PayrollColumn.fullName, .birthDate, .wage] where !columns.contains(column) {
        errors.append(Self.error("missing_column", column.rawValue))
      }
      if !columns.contains(.kpj), !columns.contains(.nik) { errors.append(Self.error("missing_column", "nik")) }
    }
    if record.fault != nil { throw Self.malformed }
    if !errors.isEmpty { throw .invalid(errors) }
    self.columns = columns
  }

  /// Nothing that reads as a header of CSV in UTF-8.
  static let malformed = Failure.invalid([FieldError(parameter: "header", FieldProblem("malformed_header"))])

  private static func error(_ code: String, _ column: String) -> FieldError {
    FieldError(parameter: "header", FieldProblem(code, [FieldProblem.Parameter("column", column)]))
  }
}

/// The raw values of a line; an empty one wasn't given.
package struct PayrollFields: Sendable {
  private var values: [ArraySlice<UInt8>] = Array(repeating: [], count: PayrollColumn.allCases.count)

  package init() {}

  package subscript(_ column: PayrollColumn) -> ArraySlice<UInt8> {
    get { values[column.place] }
    set { values[column.place] = newValue }
  }
}

/// Whether it is UTF-8 without a NUL, which UTF-16 is full of.
func isText(_ bytes: ArraySlice<UInt8>) -> Bool {
  bytes.allSatisfy { (0x01..<0x80).contains($0) }
    || String(validating: bytes, as: UTF8.self).map { !$0.utf8.contains(0) } ?? false
}

/// Without the spaces and tabs at both ends.
func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
  var bytes = bytes
  while let first = bytes.first, first == 0x20 || first == 0x09 { bytes.removeFirst() }
  while let last = bytes.last, last == 0x20 || last == 0x09 { bytes.removeLast() }
  return bytes
}
