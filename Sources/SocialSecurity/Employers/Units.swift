import HTTPServer
import JSON
import PostgresClient

func listUnits(_ call: Call) async throws(Failure) -> Response {
  let employer = try call.id("employer_id")
  let page = try await call.page()
  return try await call.answer(reading: WorkerStatements.listUnits, employer, page.after, page.limit)
}

func getUnit(_ call: Call) async throws(Failure) -> Response {
  try await call.answer(reading: WorkerStatements.getUnit, call.id("employer_id"), call.id("unit_id"))
}

func createUnit(_ call: Call) async throws(Failure) -> Response {
  let employer = try call.id("employer_id")
  let unit = try await call.input(NewUnit.self)
  return try await call.answer(writing: WorkerStatements.createUnit, employer, unit.code.text, unit.name)
}

func updateUnit(_ call: Call) async throws(Failure) -> Response {
  let employer = try call.id("employer_id")
  let id = try call.id("unit_id")
  let change = try await call.input(UnitChange.self)
  return try await call.answer(
    writing: WorkerStatements.updateUnit, employer, id, change.code?.text, change.name, change.isActive, call.ifMatch)
}

/// An employer's own code of a unit.
struct UnitCode: Sendable, JSONTextReadable {
  let text: String

  /// - Throws: `invalid_format` unless it is 1 to 20 letters, digits or `._/-`.
  init(parsing text: String) throws(FieldProblem) {
    let allowed = text.utf8.allSatisfy { byte in
      (0x2D...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) || byte == 0x5F
    }
    guard allowed, (1...20).contains(text.utf8.count) else { throw .invalidFormat("[A-Za-z0-9._/-]{1,20}") }
    self.text = text
  }
}

struct NewUnit: Input {
  let code: UnitCode
  let name: String

  static func read(_ fields: inout JSONFields) -> NewUnit? {
    let code = fields.required("code", UnitCode.self)
    let name = fields.required("name", text: .line(1...150))
    guard let code, let name else { return nil }
    return NewUnit(code: code, name: name)
  }
}

/// A merge patch (RFC 7396); nothing of a unit can be cleared.
struct UnitChange: Input {
  let code: UnitCode?
  let name: String?
  let isActive: Bool?

  static func read(_ fields: inout JSONFields) -> UnitChange? {
    let code = fields.optional("code", UnitCode.self)
    let name = fields.optional("name", text: .line(1...150))
    return UnitChange(code: code, name: name, isActive: fields.optional("active", Bool.self))
  }
}
