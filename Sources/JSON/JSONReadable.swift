/// A type that one JSON value can be read into. Nothing is coerced: "1" is no number and 1 is no text.
package protocol JSONReadable {
  /// - Throws: what is wrong with the value.
  static func read(_ value: JSONValue) throws(FieldProblem) -> Self
}

/// A type written as a JSON string: it says only how its text is parsed.
package protocol JSONTextReadable: JSONReadable {
  init(parsing text: String) throws(FieldProblem)
}

extension JSONTextReadable {
  /// Reads a string.
  package static func read(_ value: JSONValue) throws(FieldProblem) -> Self {
    try Self(parsing: String.read(value))
  }
}

/// A closed set of texts: an enum with String raw values.
package protocol JSONChoice: JSONReadable, RawRepresentable, CaseIterable where RawValue == String {}

extension JSONChoice {
  /// Reads a string.
  package static func read(_ value: JSONValue) throws(FieldProblem) -> Self {
    let text = try String.read(value)
    let wanted = ExactName(text: text)
    guard let choice = allCases.first(where: { ExactName(text: $0.rawValue) == wanted }) else {
      throw .notAllowed(allCases.map(\.rawValue))
    }
    return choice
  }
}

extension String: JSONReadable {
  /// Any text; a field that is kept or shown is read with a `TextRule` instead.
  package static func read(_ value: JSONValue) throws(FieldProblem) -> String {
    guard case .string(let text) = value else { throw .wrongType(expected: "string") }
    return text
  }
}

extension Bool: JSONReadable {
  /// `true` or `false`, nothing that stands for them.
  package static func read(_ value: JSONValue) throws(FieldProblem) -> Bool {
    guard case .bool(let bool) = value else { throw .wrongType(expected: "boolean") }
    return bool
  }
}

extension Int64: JSONReadable {
  /// A plain integer: `1.0`, `1e2` and `-0` are refused rather than interpreted.
  package static func read(_ value: JSONValue) throws(FieldProblem) -> Int64 {
    guard case .number(let number) = value else { throw .wrongType(expected: "integer") }
    if let integer = number.exactInteger { return integer }
    if number.isBeyond64Bits { throw .outOfRange(min: .min, max: .max) }
    throw .wrongType(expected: "integer")
  }
}
