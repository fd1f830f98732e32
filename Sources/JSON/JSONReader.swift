/// A strict reader of JSON texts (RFC 8259): UTF-8 without a byte order mark, no extension of the grammar.
/// It keeps its own stack, so depth can't exhaust the thread's.
package struct JSONReader {
  /// Parses one text and nothing after it but white space.
  ///
  /// - Throws: `JSONSyntaxError` at the first byte that isn't JSON. Broken limits are in the document's violations.
  package static func parse(
    _ bytes: [UInt8], limits: JSONLimits = .requestBody
  ) throws(JSONSyntaxError) -> JSONDocument {
    var reader = JSONReader(scanner: JSONScanner(bytes), limits: limits)
    return try reader.document()
  }

  private var scanner: JSONScanner
  private let limits: JSONLimits
  private var containers: [Container] = []
  /// Containers deeper than the limit: checked against the grammar, not built. True for an object.
  private var deeper: [Bool] = []
  private var violations: [FieldError] = []
  /// Bytes of their pointers: a long name above many bad values would be repeated for each.
  private var pointerBytes = 0
  private static let pointerBytesMax = 64 << 10

  private init(scanner: JSONScanner, limits: JSONLimits) {
    self.scanner = scanner
    self.limits = limits
  }

  private mutating func document() throws(JSONSyntaxError) -> JSONDocument {
    try scanner.refuseByteOrderMark()
    while true {
      guard let value = try startOfValue() else { continue }
      if let root = try attach(value) {
        return JSONDocument(root: root, violations: violations)
      }
    }
  }

  /// Reads a scalar or an empty container; nil when a container was opened and its first value comes next.
  private mutating func startOfValue() throws(JSONSyntaxError) -> JSONValue? {
    switch try scanner.token() {
    case ASCII.openBrace: return try openContainer(isObject: true)
    case ASCII.openBracket: return try openContainer(isObject: false)
    case ASCII.quote: return string(try scanner.string())
    case 0x74:
      try scanner.literal("true")
      return .bool(true)
    case 0x66:
      try scanner.literal("false")
      return .bool(false)
    case 0x6E:
      try scanner.literal("null")
      return .null
    case ASCII.minus, ASCII.zero...ASCII.nine: return number(try scanner.number())
    default: throw scanner.unexpected()
    }
  }

  private mutating func openContainer(isObject: Bool) throws(JSONSyntaxError) -> JSONValue? {
    scanner.skipByte()
    let isEmpty = try scanner.token() == (isObject ? ASCII.closeBrace : ASCII.closeBracket)
    if !deeper.isEmpty || containers.count >= limits.depth {
      if deeper.isEmpty { report(.tooDeep(max: limits.depth)) }
      if isEmpty {
        scanner.skipByte()
        return .invalid
      }
      deeper.append(isObject)
      if isObject { _ = try scanner.memberName() }
      return nil
    }
    if isEmpty {
      scanner.skipByte()
      return isObject ? .object([]) : .array([])
    }
    containers.append(Container(isObject: isObject))
    if isObject { try readMemberName() }
    return nil
  }

  /// Puts a finished value into its container and closes every container that ends here.
  /// Returns the root once the text has ended, nil when another value follows.
  private mutating func attach(_ value: JSONValue) throws(JSONSyntaxError) -> JSONValue? {
    var value = value
    while true {
      guard let isObject = deeper.last ?? containers.last?.isObject else {
        try scanner.end()
        return value
      }
      if deeper.isEmpty { add(value) }
      let next = try scanner.token()
      if next == ASCII.comma {
        scanner.skipByte()
        if isObject {
          _ = try scanner.token()
          if deeper.isEmpty { try readMemberName() } else { _ = try scanner.memberName() }
        }
        return nil
      }
      guard next == (isObject ? ASCII.closeBrace : ASCII.closeBracket) else { throw scanner.unexpected() }
      scanner.skipByte()
      value = deeper.popLast() != nil ? .invalid : closeContainer()
    }
  }

  private mutating func add(_ value: JSONValue) {
    let last = containers.count - 1
    if !containers[last].isObject {
      containers[last].elements.append(value)
    } else if containers[last].members.count < limits.members {
      containers[last].members.append(JSONMember(containers[last].name, value))
    } else if !containers[last].isOverfull {
      containers[last].isOverfull = true
      report(.tooMany(max: limits.members), within: last)
    }
  }

  private mutating func closeContainer() -> JSONValue {
    guard let closed = containers.popLast() else { return .invalid }
    if closed.isOverfull { return .invalid }
    if !closed.isObject { return .array(closed.elements) }
    if limits.uniqueNames { reportDuplicates(of: closed.members) }
    return .object(closed.members)
  }

  private mutating func readMemberName() throws(JSONSyntaxError) {
    let name = try scanner.memberName()
    containers[containers.count - 1].name = name.text
    // A name has the limits of a string; only the report matters here.
    _ = string(name)
  }

  private mutating func string(_ token: JSONScanner.StringToken) -> JSONValue {
    if token.text.utf8.count > limits.stringBytes {
      report(.tooLong(max: limits.stringBytes))
      return .invalid
    }
    if limits.storableTextOnly && !token.isStorable {
      report(.invalidText)
      return .invalid
    }
    return .string(token.text)
  }

  private mutating func number(_ text: String) -> JSONValue {
    if text.utf8.count > limits.numberCharacters {
      report(.tooLong(max: limits.numberCharacters))
      return .invalid
    }
    return .number(JSONNumber(checked: text))
  }

  /// Reports a problem of the value that is being read.
  private mutating func report(_ problem: FieldProblem) {
    guard deeper.isEmpty else { return }
    report(problem, within: containers.count)
  }

  /// Reports a problem at the place inside the first `depth` open containers, or at its member of that name. Once
  /// there is more than anybody reads, what else is wrong isn't told.
  private mutating func report(_ problem: FieldProblem, within depth: Int, member: String? = nil) {
    guard violations.count < JSONFields.errorsMax, pointerBytes < JSONReader.pointerBytesMax else { return }
    var pointer = pointer(to: depth)
    if let member { pointer = JSONPointer.member(member, of: pointer) }
    pointerBytes += pointer.utf8.count
    violations.append(FieldError(pointer: pointer, problem))
  }

  /// Objects of few members are compared pairwise, which takes no memory.
  private static let pairwiseMax = 8

  private mutating func reportDuplicates(of members: [JSONMember]) {
    var repeated: [ExactName] = []
    if members.count <= JSONReader.pairwiseMax {
      for index in members.indices {
        let name = ExactName(text: members[index].name)
        if members[..<index].contains(where: { ExactName(text: $0.name) == name }) { repeated.append(name) }
      }
    } else {
      var seen = Set<ExactName>(minimumCapacity: members.count)
      for member in members where !seen.insert(ExactName(text: member.name)).inserted {
        repeated.append(ExactName(text: member.name))
      }
    }
    if repeated.isEmpty { return }
    var reported = Set<ExactName>()
    for name in repeated where reported.insert(name).inserted {
      report(.duplicateKey, within: containers.count, member: name.text)
    }
  }

  /// The pointer of the value inside the first `depth` open containers.
  private func pointer(to depth: Int) -> String {
    var pointer = ""
    for container in containers.prefix(depth) {
      pointer =
        container.isObject
        ? JSONPointer.member(container.name, of: pointer)
        : JSONPointer.element(container.elements.count, of: pointer)
    }
    return pointer
  }
}

/// A container whose end hasn't been read yet.
private struct Container {
  let isObject: Bool
  var elements: [JSONValue] = []
  var members: [JSONMember] = []
  /// Name of the member that is being read.
  var name = ""
  var isOverfull = false
}

/// A name compared by its bytes: `String` takes "é" and "e" with an accent for the same.
struct ExactName: Hashable {
  let text: String

  static func == (left: ExactName, right: ExactName) -> Bool {
    // Equal bytes are equal text, and that comparison is the fast one.
    left.text == right.text && left.text.utf8.elementsEqual(right.text.utf8)
  }

  func hash(into hasher: inout Hasher) {
    hasher.combine(text)
  }
}
