import JSON

/// A name to log in with, in lower case; it can't be mistaken for an e-mail address.
struct Username: Sendable, JSONTextReadable {
  let text: String

  /// - Throws: `invalid_username` unless it has 3 to 40 of `a-z`, `0-9`, `.`, `_`, `-`, a letter or digit first.
  init(parsing text: String) throws(FieldProblem) {
    let lowered = text.utf8.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }
    let isPlain = lowered.allSatisfy { byte in
      switch byte {
      case 0x30...0x39, 0x61...0x7A, 0x2D, 0x2E, 0x5F: true
      default: false
      }
    }
    guard (3...40).contains(lowered.count), isPlain, let first = lowered.first, first >= 0x30, first != 0x5F,
      let valid = String(validating: lowered, as: UTF8.self)
    else { throw FieldProblem("invalid_username") }
    self.text = valid
  }
}
