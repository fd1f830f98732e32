/// Reads an object's members into types that can't be wrong, and collects everything that is wrong on the way.
///
/// ```swift
/// static func read(_ fields: inout JSONFields) -> NewDependant? {
///   let name = fields.required("full_name", text: .name)
///   let born = fields.required("birth_date", CalendarDate.self)
///   guard let name, let born else { return nil }   // fields.errors says why
///   return NewDependant(name: name, born: born)
/// }
/// ```
/// Whoever made the outermost `JSONFields` calls `finish()` when all fields are read; nested ones do it themselves.
/// A value is usable only while `errors` is empty.
package struct JSONFields {
  /// Errors of one body that are kept; a longer list helps nobody.
  package static let errorsMax = 1_000

  /// What is wrong so far: first what the reader met, then fields in the order in which they were read.
  package private(set) var errors: [FieldError]
  private let members: [JSONMember]
  private var taken: [Bool]
  private let pointer: String
  /// False when there is no object to read: then only that is reported, and no field is missed.
  private let isReadable: Bool

  /// Reads a whole body, which must be an object.
  package init(_ document: JSONDocument) {
    self.init(document.root, pointer: "", errors: document.violations)
  }

  private init(_ value: JSONValue, pointer: String, errors: [FieldError] = []) {
    self.pointer = pointer
    self.errors = errors
    if case .object(let members) = value {
      self.members = members
      isReadable = true
    } else {
      self.members = []
      isReadable = false
    }
    taken = Array(repeating: false, count: members.count)
    if isReadable { return }
    if case .invalid = value { return }
    append(FieldError(pointer: pointer, .wrongType(expected: "object")))
  }

  /// Adds an error about a field of this object, for a rule over several fields; "" names the object itself.
  package mutating func fail(_ name: StaticString, _ problem: FieldProblem) {
    let name = name.description
    append(FieldError(pointer: name.isEmpty ? pointer : JSONPointer.member(name, of: pointer), problem))
  }

  /// Whether the object has a member of that name, null included. Doesn't count as reading it.
  package func has(_ name: StaticString) -> Bool {
    let name = ExactName(text: name.description)
    return members.contains { ExactName(text: $0.name) == name }
  }

  /// Reports every member that nobody has asked for.
  package mutating func finish() {
    for (index, member) in members.enumerated() where !taken[index] {
      append(FieldError(pointer: JSONPointer.member(member.name, of: pointer), .unknownField))
    }
  }

  mutating func append(_ error: FieldError) {
    if errors.count < JSONFields.errorsMax { errors.append(error) }
  }

  /// The first member of that name. All of that name count as read; the reader has reported duplicates.
  mutating func take(_ name: StaticString) -> Field? {
    let wanted = ExactName(text: name.description)
    var found: JSONValue?
    for index in members.indices where ExactName(text: members[index].name) == wanted {
      taken[index] = true
      if found == nil { found = members[index].value }
    }
    return found.map { Field(value: $0, pointer: JSONPointer.member(wanted.text, of: pointer)) }
  }

  mutating func takeRequired(_ name: StaticString) -> Field? {
    if let field = take(name) { return field }
    if isReadable { fail(name, .required) }
    return nil
  }

  mutating func read<T: JSONReadable>(_ field: Field, as type: T.Type) -> T? {
    if case .invalid = field.value { return nil }
    do {
      return try T.read(field.value)
    } catch {
      append(FieldError(pointer: field.pointer, error))
      return nil
    }
  }

  /// Reads a nested object with `body`, and its unknown fields after that.
  mutating func readObject<T>(_ field: Field, _ body: (inout JSONFields) -> T?) -> T? {
    var nested = JSONFields(field.value, pointer: field.pointer)
    let result = nested.isReadable ? body(&nested) : nil
    nested.finish()
    for error in nested.errors { append(error) }
    return nested.errors.isEmpty ? result : nil
  }

  mutating func elements(of field: Field, min: Int, max: Int) -> [Field]? {
    if case .invalid = field.value { return nil }
    guard case .array(let values) = field.value else {
      append(FieldError(pointer: field.pointer, .wrongType(expected: "array")))
      return nil
    }
    if values.count > max {
      append(FieldError(pointer: field.pointer, .tooMany(max: max)))
      return nil
    }
    if values.count < min {
      append(FieldError(pointer: field.pointer, .tooFew(min: min)))
      return nil
    }
    return values.enumerated().map {
      Field(value: $0.element, pointer: JSONPointer.element($0.offset, of: field.pointer))
    }
  }
}

/// A value and its place.
struct Field {
  let value: JSONValue
  let pointer: String
}

/// A field of a merge patch (RFC 7396): left as it is, removed, or given a value.
package enum Patch<Value> {
  /// The field isn't in the body, or it was wrong (then `errors` says so).
  case absent
  /// The field is null.
  case clear
  case set(Value)

  /// The new value, nil when absent or cleared.
  package var value: Value? {
    if case .set(let value) = self { value } else { nil }
  }

  /// Whether the field stays as it is.
  package var isAbsent: Bool {
    if case .absent = self { true } else { false }
  }
}

extension Patch: Sendable where Value: Sendable {}
extension Patch: Equatable where Value: Equatable {}
