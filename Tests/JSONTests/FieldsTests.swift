import JSON
import Testing

enum Programme: String, JSONChoice {
  case jht, jkk, jkm
}

struct Month: JSONTextReadable, Equatable {
  let text: String

  init(parsing text: String) throws(FieldProblem) {
    guard text.utf8.count == 7 else { throw .invalidFormat("month") }
    self.text = text
  }
}

struct FieldsTests {
  private func fields(_ text: String) throws -> JSONFields {
    JSONFields(try JSONReader.parse(Array(text.utf8)))
  }

  @Test func readsWhatIsRight() throws {
    var fields = try fields(
      #"{"name":"Siti","wage":7500000,"active":true,"period":"2026-10","programme":"jht","tags":["a","b"]}"#)
    #expect(fields.required("name", text: .name) == "Siti")
    #expect(fields.required("wage", in: 0...1_000_000_000) == 7_500_000)
    #expect(fields.required("active", Bool.self) == true)
    #expect(fields.required("period", Month.self)?.text == "2026-10")
    #expect(fields.required("programme", Programme.self) == .jht)
    #expect(fields.list("tags", of: String.self, max: 2) == ["a", "b"])
    #expect(fields.optional("note", text: .note) == nil)
    fields.finish()
    #expect(fields.errors.isEmpty)
  }

  @Test func collectsEveryError() throws {
    var fields = try fields(
      #"{"wage":"7500000","period":"2026","programme":"jp","active":null,"rate":1.5,"typo":1,"dup":1,"dup":1}"#)
    _ = fields.required("name", text: .name)
    _ = fields.required("wage", Int64.self)
    _ = fields.required("period", Month.self)
    _ = fields.required("programme", Programme.self)
    _ = fields.optional("active", Bool.self)
    _ = fields.required("rate", Int64.self)
    _ = fields.required("dup", Int64.self)
    fields.fail("", FieldProblem("inconsistent"))
    fields.finish()
    #expect(fields.errors == [
      FieldError(pointer: "/dup", .duplicateKey),
      FieldError(pointer: "/name", .required),
      FieldError(pointer: "/wage", .wrongType(expected: "integer")),
      FieldError(pointer: "/period", .invalidFormat("month")),
      FieldError(pointer: "/programme", .notAllowed(["jht", "jkk", "jkm"])),
      FieldError(pointer: "/active", .wrongType(expected: "boolean")),
      FieldError(pointer: "/rate", .wrongType(expected: "integer")),
      FieldError(pointer: "", FieldProblem("inconsistent")),
      FieldError(pointer: "/typo", .unknownField),
    ])
  }

  @Test func nestedObjectsAndLists() throws {
    var fields = try fields(
      #"{"bank":{"code":"008","extra":1},"heirs":[{"name":"A"},{"nama":"B"},3],"empty":[],"ids":["x",1]}"#)
    #expect(fields.object("bank") { $0.required("code", text: .name) } == nil)
    #expect(fields.list("heirs", max: 5) { $0.required("name", text: .name) } == nil)
    #expect(fields.list("empty", min: 1, max: 5) { $0.required("name", text: .name) } == nil)
    #expect(fields.list("ids", of: String.self, max: 5) == nil)
    #expect(fields.optionalObject("absent") { $0.required("x", Bool.self) } == nil)
    #expect(fields.object("missing") { $0.required("x", Bool.self) } == nil)
    fields.finish()
    #expect(fields.errors == [
      FieldError(pointer: "/bank/extra", .unknownField),
      FieldError(pointer: "/heirs/1/name", .required),
      FieldError(pointer: "/heirs/1/nama", .unknownField),
      FieldError(pointer: "/heirs/2", .wrongType(expected: "object")),
      FieldError(pointer: "/empty", .tooFew(min: 1)),
      FieldError(pointer: "/ids/1", .wrongType(expected: "string")),
      FieldError(pointer: "/missing", .required),
    ])
  }

  @Test(arguments: ["[]", "\"a\"", "1", "null", "true"])
  func onlyAnObjectAtTheTop(_ text: String) throws {
    var fields = try fields(text)
    _ = fields.required("name", text: .name)
    fields.finish()
    #expect(fields.errors == [FieldError(pointer: "", .wrongType(expected: "object"))])
  }

  @Test func whatTheReaderReportedIsNotReportedAgain() throws {
    var fields = try fields(#"{"name":"\u0000","wage":99999999999999999999999999999999999999999,"list":["\u0000"]}"#)
    #expect(fields.required("name", text: .name) == nil)
    #expect(fields.required("wage", Int64.self) == nil)
    #expect(fields.list("list", of: String.self, max: 9) == nil)
    fields.finish()
    #expect(fields.errors.map(\.pointer) == ["/name", "/wage", "/list/0"])
  }

  @Test func patchTellsAbsentFromNull() throws {
    var fields = try fields(#"{"cleared":null,"set":"x","number":5,"wrong":7}"#)
    #expect(fields.patch("absent", text: .name) == .absent)
    #expect(fields.patch("cleared", text: .name) == .clear)
    #expect(fields.patch("set", text: .name) == .set("x"))
    #expect(fields.patch("number", in: 1...9) == .set(5))
    #expect(fields.patch("wrong", String.self) == .absent)
    fields.finish()
    #expect(fields.errors == [FieldError(pointer: "/wrong", .wrongType(expected: "string"))])
  }

  /// Plain integers that fit, and nothing else. nil: refused as out of range; "": refused as a wrong type.
  @Test(arguments: [
    ("0", "0"), ("-1", "-1"), ("9007199254740993", "9007199254740993"),
    ("9223372036854775807", "9223372036854775807"), ("-9223372036854775808", "-9223372036854775808"),
    ("9223372036854775808", nil), ("-9223372036854775809", nil), ("1000000000000000000000000000000", nil),
    ("1.0", ""), ("1e2", ""), ("-0", ""), ("0.0", ""), ("1e400", ""), ("-0.0", ""),
  ] as [(String, String?)])
  func integers(_ text: String, _ expected: String?) throws {
    var fields = try fields("{\"n\":\(text)}")
    let value = fields.required("n", Int64.self)
    switch expected {
    case nil: #expect(fields.errors.map(\.code) == ["out_of_range"])
    case "": #expect(fields.errors == [FieldError(pointer: "/n", .wrongType(expected: "integer"))])
    default: #expect(value?.description == expected)
    }
    #expect((value == nil) == !fields.errors.isEmpty)
  }

  @Test func integerRanges() throws {
    for (text, fits) in [("0", false), ("1", true), ("9", true), ("10", false), ("99999999999999999999", false)] {
      var fields = try fields("{\"n\":\(text)}")
      #expect((fields.required("n", in: 1...9) != nil) == fits)
      #expect(fields.errors == (fits ? [] : [FieldError(pointer: "/n", .outOfRange(min: 1, max: 9))]))
    }
  }

  @Test func longListsOfErrorsEnd() throws {
    let elements = Array(repeating: "1", count: 5_000).joined(separator: ",")
    var fields = try fields("{\"list\":[\(elements)]}")
    _ = fields.list("list", of: String.self, max: 10_000)
    #expect(fields.errors.count == JSONFields.errorsMax)
  }
}

struct TextRuleTests {
  private func problem(_ text: String, _ rule: TextRule) -> String? {
    do {
      _ = try rule.check(text)
      return nil
    } catch {
      return error.code
    }
  }

  @Test func lengthCountsScalars() {
    #expect(problem("ab", .line(3...5)) == "too_short")
    #expect(problem("abcdef", .line(3...5)) == "too_long")
    #expect(problem("😀😀😀😀😀", .line(3...5)) == nil)
    #expect(problem("", .line(0...5)) == nil)
  }

  @Test func oneSpellingOfOneWord() throws {
    let composed = try TextRule.name.check("Andr\u{E9}")
    let decomposed = try TextRule.name.check("Andre\u{301}")
    #expect(Array(composed.utf8) == Array(decomposed.utf8))
    #expect(problem("e\u{301}", .line(1...1)) == nil)
  }

  @Test(arguments: [
    "a\u{0}b", "a\u{7}b", "a\u{7F}b", "a\u{85}b", "a\u{202E}b", "a\u{2066}b", "a\u{2028}b", "a\u{FEFF}b", " a", "a ",
    "a\u{A0}", "\u{3000}a",
  ])
  func charactersThatNoFieldTakes(_ text: String) {
    #expect(problem(text, .name) == "invalid_text")
    #expect(problem(text, .note) == "invalid_text")
  }

  @Test func linesOnlyWhereAllowed() {
    #expect(problem("a\nb\tc", .name) == "invalid_text")
    #expect(problem("a\nb\tc", .note) == nil)
    #expect(problem("a\r\nb", .note) == "invalid_text")
  }
}
