import JSON

/// Kartu Peserta Jamsostek: a membership number, 11 digits. A person may hold several.
package struct KPJ: Sendable, Hashable, JSONTextReadable {
  package let digits: String

  /// - Throws: `invalid_kpj`.
  package init(parsing text: String) throws(FieldProblem) {
    guard Digits.areAll(text, count: 11) else { throw FieldProblem("invalid_kpj") }
    digits = text
  }
}
