/// The ways to read a field. null has a meaning only in a patch; elsewhere it is a wrong type.
extension JSONFields {
  /// A field that must be there.
  package mutating func required<T: JSONReadable>(_ name: StaticString, _ type: T.Type = T.self) -> T? {
    guard let field = takeRequired(name) else { return nil }
    return read(field, as: type)
  }

  /// A field that may be absent: nil then, and nil with an error when it is wrong.
  package mutating func optional<T: JSONReadable>(_ name: StaticString, _ type: T.Type = T.self) -> T? {
    guard let field = take(name) else { return nil }
    return read(field, as: type)
  }

  /// A field of a merge patch that may be cleared by null.
  package mutating func patch<T: JSONReadable>(_ name: StaticString, _ type: T.Type = T.self) -> Patch<T> {
    guard let field = take(name) else { return .absent }
    if case .null = field.value { return .clear }
    return read(field, as: type).map(Patch.set) ?? .absent
  }

  /// Text that must be there and obeys `rule`.
  package mutating func required(_ name: StaticString, text rule: TextRule) -> String? {
    guard let field = takeRequired(name) else { return nil }
    return read(field, text: rule)
  }

  /// Text that may be absent and obeys `rule`.
  package mutating func optional(_ name: StaticString, text rule: TextRule) -> String? {
    guard let field = take(name) else { return nil }
    return read(field, text: rule)
  }

  /// Text of a merge patch.
  package mutating func patch(_ name: StaticString, text rule: TextRule) -> Patch<String> {
    guard let field = take(name) else { return .absent }
    if case .null = field.value { return .clear }
    return read(field, text: rule).map(Patch.set) ?? .absent
  }

  /// A plain integer within `range` that must be there.
  package mutating func required(_ name: StaticString, in range: ClosedRange<Int64>) -> Int64? {
    guard let field = takeRequired(name) else { return nil }
    return read(field, in: range)
  }

  /// A plain integer within `range` that may be absent.
  package mutating func optional(_ name: StaticString, in range: ClosedRange<Int64>) -> Int64? {
    guard let field = take(name) else { return nil }
    return read(field, in: range)
  }

  /// A plain integer of a merge patch within `range`.
  package mutating func patch(_ name: StaticString, in range: ClosedRange<Int64>) -> Patch<Int64> {
    guard let field = take(name) else { return .absent }
    if case .null = field.value { return .clear }
    return read(field, in: range).map(Patch.set) ?? .absent
  }

  /// A nested object that must be there.
  package mutating func object<T>(_ name: StaticString, _ body: (inout JSONFields) -> T?) -> T? {
    guard let field = takeRequired(name) else { return nil }
    return readObject(field, body)
  }

  /// A nested object that may be absent.
  package mutating func optionalObject<T>(_ name: StaticString, _ body: (inout JSONFields) -> T?) -> T? {
    guard let field = take(name) else { return nil }
    return readObject(field, body)
  }

  /// An array of objects that must be there, of `min` to `max` elements; errors of all elements are collected.
  package mutating func list<T>(
    _ name: StaticString, min: Int = 0, max: Int, _ body: (inout JSONFields) -> T?
  ) -> [T]? {
    guard let field = takeRequired(name) else { return nil }
    return readList(field, min: min, max: max, body)
  }

  /// An array of objects that may be absent.
  package mutating func optionalList<T>(
    _ name: StaticString, min: Int = 0, max: Int, _ body: (inout JSONFields) -> T?
  ) -> [T]? {
    guard let field = take(name) else { return nil }
    return readList(field, min: min, max: max, body)
  }

  /// An array of plain values that must be there.
  package mutating func list<T: JSONReadable>(
    _ name: StaticString, of type: T.Type, min: Int = 0, max: Int
  ) -> [T]? {
    guard let field = takeRequired(name) else { return nil }
    return readList(field, of: type, min: min, max: max)
  }

  /// An array of plain values that may be absent.
  package mutating func optionalList<T: JSONReadable>(
    _ name: StaticString, of type: T.Type, min: Int = 0, max: Int
  ) -> [T]? {
    guard let field = take(name) else { return nil }
    return readList(field, of: type, min: min, max: max)
  }

  /// An array of plain values of a merge patch, of `min` to `max` elements.
  package mutating func patchList<T: JSONReadable>(
    _ name: StaticString, of type: T.Type, min: Int = 0, max: Int
  ) -> Patch<[T]> {
    guard let field = take(name) else { return .absent }
    if case .null = field.value { return .clear }
    return readList(field, of: type, min: min, max: max).map(Patch.set) ?? .absent
  }

  private mutating func readList<T>(
    _ field: Field, min: Int, max: Int, _ body: (inout JSONFields) -> T?
  ) -> [T]? {
    guard let elements = elements(of: field, min: min, max: max) else { return nil }
    var results: [T] = []
    for element in elements {
      if let result = readObject(element, body) { results.append(result) }
    }
    return results.count == elements.count ? results : nil
  }

  private mutating func readList<T: JSONReadable>(
    _ field: Field, of type: T.Type, min: Int, max: Int
  ) -> [T]? {
    guard let elements = elements(of: field, min: min, max: max) else { return nil }
    var results: [T] = []
    for element in elements {
      if let result = read(element, as: type) { results.append(result) }
    }
    return results.count == elements.count ? results : nil
  }

  private mutating func read(_ field: Field, text rule: TextRule) -> String? {
    guard let text = read(field, as: String.self) else { return nil }
    do {
      return try rule.check(text)
    } catch {
      append(FieldError(pointer: field.pointer, error))
      return nil
    }
  }

  private mutating func read(_ field: Field, in range: ClosedRange<Int64>) -> Int64? {
    let outOfRange = FieldProblem.outOfRange(min: range.lowerBound, max: range.upperBound)
    if case .number(let number) = field.value, number.isBeyond64Bits {
      append(FieldError(pointer: field.pointer, outOfRange))
      return nil
    }
    guard let integer = read(field, as: Int64.self) else { return nil }
    if range.contains(integer) { return integer }
    append(FieldError(pointer: field.pointer, outOfRange))
    return nil
  }
}
