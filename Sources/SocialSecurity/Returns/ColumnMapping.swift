import JSON

/// What a payroll system's own CSV files call the columns of a return, `nik:No. KTP,wage:Gaji Pokok`: our name, a
/// colon, theirs, as it stands in the header. Columns that aren't named keep our names; any other column of the file is
/// passed over. A name of theirs can't hold a comma.
package struct ColumnMapping: JSONTextReadable, Sendable {
  private static let bytesMax = 2_000

  /// By their name, in bytes.
  private let columns: [[UInt8]: PayrollColumn]

  /// - Throws: when it isn't such a list, or names a column twice.
  package init(parsing text: String) throws(FieldProblem) {
    let format = FieldProblem.invalidFormat("column:header,column:header")
    guard text.utf8.count <= Self.bytesMax else { throw .invalidFormat("at most \(Self.bytesMax) bytes") }
    var columns: [[UInt8]: PayrollColumn] = [:]
    for pair in text.split(separator: ",", omittingEmptySubsequences: false) {
      guard let colon = pair.firstIndex(of: ":"), let column = PayrollColumn(pair[..<colon].utf8) else { throw format }
      let theirs = Array(trimmed(Array(pair[pair.index(after: colon)...].utf8)[...]))
      guard !theirs.isEmpty, columns[theirs] == nil, !columns.values.contains(column) else { throw format }
      columns[theirs] = column
    }
    self.columns = columns
  }

  /// - Returns: nil for a column to pass over.
  func column(_ name: ArraySlice<UInt8>, in change: PayrollChange) -> PayrollColumn? {
    if let column = columns[Array(name)] { return change.takes(column) ? column : nil }
    guard let column = change.column(name), !columns.values.contains(column) else { return nil }
    return column
  }

  /// Their names of columns that weren't found, in the order of ours.
  func missing(from found: [PayrollColumn?]) -> [String] {
    columns.filter { !found.contains($0.value) }.sorted { $0.value.place < $1.value.place }
      .map { String(decoding: $0.key.prefix(40), as: UTF8.self) }
  }
}
