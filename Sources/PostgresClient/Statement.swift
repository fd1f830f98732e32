/// What the catalogue and the connections need to know about a statement, whatever its parameters are.
package protocol StatementDescription: Sendable {
  /// The prepared statement's name, unique in the catalogue: "members.me".
  var name: StaticString { get }
  var sql: StaticString { get }
  /// `pg_type.oid` of each `$n`, in order.
  var parameterOIDs: [UInt32] { get }
}

/// One SQL statement with the Swift types of its parameters, checked by the compiler where it is used.
///
/// The text is a literal, so that no input can become SQL. Columns come as text unless `binaryResult` is set.
/// ```swift
/// static let me = Statement("members.me", "SELECT body, etag FROM api.member WHERE id = $1", SQLUUID.self)
/// ```
package struct Statement<each Parameter: SQLParameter>: StatementDescription {
  package let name: StaticString
  package let sql: StaticString
  let binaryResult: Bool

  package init(
    _ name: StaticString, _ sql: StaticString, _ types: repeat (each Parameter).Type, binaryResult: Bool = false
  ) {
    self.name = name
    self.sql = sql
    self.binaryResult = binaryResult
  }

  package var parameterOIDs: [UInt32] {
    var types: [UInt32] = []
    repeat types.append((each Parameter).oid)
    return types
  }
}

/// Statements that travel together up to one Sync: PostgreSQL runs them as one transaction, all or nothing.
package struct Segment: Sendable {
  enum Command: Sendable {
    case prepared(StaticString, parameters: Range<Int>, binaryResult: Bool)
    case text(StaticString)
    case prepare(StaticString, StaticString, [UInt32])
  }

  private(set) var commands: [Command] = []
  private(set) var parameters = ParameterBuffer()

  package init() {
    commands.reserveCapacity(4)
    parameters.reserve(bytes: 256, slots: 16)
  }

  /// The number of statements, and of results to expect.
  package var count: Int { commands.count }

  /// Appends a statement with its values. Throws `.invalidParameter` when one holds a NUL, invalid UTF-8 or over 1 GiB;
  /// the segment must not be sent then.
  package mutating func add<each Parameter: SQLParameter>(
    _ statement: Statement<repeat each Parameter>, _ values: repeat each Parameter
  ) throws(DatabaseError) {
    let first = parameters.slots.count
    repeat (each values).encode(into: &parameters)
    if parameters.isRefused { throw .invalidParameter }
    commands.append(
      .prepared(
        statement.name, parameters: first..<parameters.slots.count, binaryResult: statement.binaryResult))
  }

  /// Appends a statement without parameters that isn't in the catalogue (BEGIN, SET CONSTRAINTS …).
  mutating func add(text: StaticString) { commands.append(.text(text)) }

  /// A segment that prepares these statements.
  static func preparing(_ statements: [any StatementDescription]) -> Segment {
    var segment = Segment()
    for statement in statements {
      segment.commands.append(.prepare(statement.name, statement.sql, statement.parameterOIDs))
    }
    return segment
  }

  /// The same statements between the given ones.
  func surrounded(by opening: StaticString, _ closing: StaticString) -> Segment {
    var segment = self
    segment.commands.insert(.text(opening), at: 0)
    segment.commands.append(.text(closing))
    return segment
  }
}

extension StaticString {
  /// Where the literal lies: as good as its text for telling statements apart, and quicker.
  var address: UInt { unsafe UInt(bitPattern: utf8Start) }
}
