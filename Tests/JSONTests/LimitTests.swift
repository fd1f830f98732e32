import JSON
import Testing

/// What the grammar allows and request bodies don't.
struct LimitTests {
  private func violations(_ text: String) throws -> [FieldError] {
    try JSONReader.parse(Array(text.utf8)).violations
  }

  private func nested(_ depth: Int) -> String {
    String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
  }

  @Test func depth() throws {
    #expect(try violations(#"{"a":"# + nested(31) + "}").isEmpty)
    let errors = try violations(#"{"a":"# + nested(32) + #","b":"\u0000"}"#)
    #expect(errors.count == 2)
    #expect(errors[0] == FieldError(pointer: "/a" + String(repeating: "/0", count: 31), .tooDeep(max: 32)))
    #expect(errors[1] == FieldError(pointer: "/b", .invalidText))
  }

  @Test func members() throws {
    func object(_ count: Int) -> String {
      #"{"o":{"# + (0..<count).map { "\"k\($0)\":0" }.joined(separator: ",") + "}}"
    }
    #expect(try violations(object(1_000)).isEmpty)
    #expect(try violations(object(1_001)) == [FieldError(pointer: "/o", .tooMany(max: 1_000))])
    #expect(try violations(object(3_000)).count == 1)
  }

  @Test func stringBytes() throws {
    let longest = String(repeating: "é", count: 32_768)
    #expect(try violations("[\"\(longest)\"]").isEmpty)
    #expect(try violations("[0,\"\(longest)x\"]") == [FieldError(pointer: "/1", .tooLong(max: 65_536))])
    #expect(try violations("{\"\(longest)x\":0}").map(\.code) == ["too_long"])
  }

  @Test func numberCharacters() throws {
    let longest = String(repeating: "9", count: 40)
    #expect(try violations("[\(longest)]").isEmpty)
    #expect(try violations("{\"n\":\(longest)9}") == [FieldError(pointer: "/n", .tooLong(max: 40))])
    #expect(try violations("[0.\(longest)]").count == 1)
  }

  @Test(arguments: [
    #"\u0000"#, #"a\u0000b"#, #"\uD800"#, #"\uDFFF"#, #"\uD800x"#, #"\uD800\n"#, #"\uDC00\uD800"#, #"\uD800\u0041"#,
    #"\uD83D\uD83D\uDE00"#,
  ])
  func unusableText(_ escaped: String) throws {
    #expect(try violations("{\"a\":[\"\(escaped)\"]}") == [FieldError(pointer: "/a/0", .invalidText)])
    #expect(try violations("{\"\(escaped)\":0}").map(\.code) == ["invalid_text"])
  }

  @Test func duplicateNames() throws {
    #expect(try violations(#"{"a":1,"b":2,"a":3,"a":4}"#) == [FieldError(pointer: "/a", .duplicateKey)])
    #expect(try violations(#"{"a":1,"\u0061":2}"#) == [FieldError(pointer: "/a", .duplicateKey)])
    #expect(try violations(#"{"o":[{"x/y~z":1,"x/y~z":1}]}"#) == [
      FieldError(pointer: "/o/0/x~1y~0z", .duplicateKey)
    ])
    #expect(try violations(#"{"a":{"b":1},"c":{"b":1}}"#).isEmpty)
    // Canonically equivalent, but not the same bytes.
    #expect(try violations("{\"\u{E9}\":1,\"e\u{301}\":2}").isEmpty)
  }

  @Test func allViolationsAtOnce() throws {
    let text = #"{"a":"\u0000","b":{"c":1,"c":2},"d":["\uD800",11111111111111111111111111111111111111111]}"#
    #expect(try violations(text) == [
      FieldError(pointer: "/a", .invalidText),
      FieldError(pointer: "/b/c", .duplicateKey),
      FieldError(pointer: "/d/0", .invalidText),
      FieldError(pointer: "/d/1", .tooLong(max: 40)),
    ])
  }

  /// A long name above many wrong values isn't repeated for each of them: 16 KiB of input gave 7 MB of errors.
  @Test func violationsStaySmall() throws {
    let name = String(repeating: "a", count: 8_000)
    let values = Array(repeating: #""\u0000""#, count: 1_000).joined(separator: ",")
    let many = try violations("{\"\(name)\":[\(values)],\"b\":\"\\u0000\"}")
    #expect(many.first == FieldError(pointer: "/\(name)/0", .invalidText))
    #expect(many.reduce(0) { $0 + ($1.pointer?.utf8.count ?? 0) } < 80_000)
    #expect(try violations("[\(values),\(values)]").count == JSONFields.errorsMax)
  }
}
