import JSON

/// A person's name as written on the identity card: one line in NFC with at least one letter. One word is enough: many
/// Indonesians have a single name.
package struct PersonName: Sendable, Hashable, JSONTextReadable {
  package let text: String

  /// - Throws: `too_short`, `too_long`, `invalid_text` or `invalid_name`.
  package init(parsing text: String) throws(FieldProblem) {
    let checked = try TextRule.line(1...100).check(text)
    guard checked.unicodeScalars.contains(where: { $0.properties.isAlphabetic }) else {
      throw FieldProblem("invalid_name")
    }
    self.text = checked
  }
}
