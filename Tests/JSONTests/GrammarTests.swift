import JSON
import Testing

/// RFC 8259 as two tables: what is JSON and what is not.
struct GrammarTests {
  static let accepted: [String] = [
    "0", "-0", "-0.0", "10", "1.25", "1e5", "1E+5", "1e-05", "0e0", "123456789012345678901234567890",
    "\"\"", "\" \"", #""\" \\ \/ \b \f \n \r \t""#, #""\u0041\u00e9\uD83D\uDE00""#, "\"\u{7F}\"", "\"\u{2028}é😀\"",
    #""\u0000""#, #""\uD800""#, #""\uDC00\uD800""#, #""\uD800\uD800\uDC00""#,
    "true", "false", "null", " \t\r\n null \t\r\n ",
    "[]", "[ ]", "[1]", "[1 , 2]", "[[],[[]],{}]", "[null,true,\"\",-1]",
    "{}", "{ }", #"{"":0}"#, #"{"a":1,"a":2}"#, #"{"a" : {"b" : [ ]}}"#, #"{"\u0061":1}"#,
  ]

  static let refused: [String] = [
    "", " ", "\u{FEFF}{}", "nul", "nulll", "True", "NaN", "Infinity", "-Infinity", "undefined", "'a'", "a", "// no",
    "+1", "01", "-01", "-", "--1", "1.", ".5", "1.e5", "1e", "1e+", "1e5.0", "0x10", "1_000", "1 2", "00", "-a", "1a",
    "\"", "\"a", "\"\n\"", "\"\t\"", "\"\u{0}\"", #""\""#, #""\x41""#, #""\u""#, #""\u12""#, #""\u12G4""#, #""\'""#,
    #""\U0041""#, #""\uD800\u12""#, #""\uD800\"#,
    "[", "]", "[1", "[1,", "[1,]", "[,1]", "[,]", "[1 2]", "[1,,2]", "[1}", "[1]]", "[1],", "[\"a\"", "[-]", "[1:2]",
    "{", "}", #"{"a""#, #"{"a":"#, #"{"a":1"#, #"{"a":1,"#, #"{"a":1,}"#, #"{,"a":1}"#, #"{"a" 1}"#, #"{"a",1}"#,
    #"{a:1}"#, #"{1:1}"#, #"{"a":1]"#, #"{"a":1 "b":2}"#, #"{"a":1}}"#, #"{"a"::1}"#, #"{"a":1;"b":2}"#, "{null:1}",
    #"{"a":1}#"#, "\u{A0}1", "1\u{A0}", "\u{B}1", "1\u{C}", "[1\u{85}]", "\u{2028}1",
  ]

  @Test(arguments: accepted) func accepts(_ text: String) throws {
    let document = try JSONReader.parse(Array(text.utf8), limits: .grammarOnly)
    #expect(document.violations.isEmpty)
  }

  @Test(arguments: refused) func refuses(_ text: String) {
    #expect(throws: JSONSyntaxError.self) { try JSONReader.parse(Array(text.utf8), limits: .grammarOnly) }
  }

  /// Overlong forms, surrogates, continuation bytes alone, bytes that never occur, and a cut sequence.
  @Test(arguments: [
    [0xC0, 0x80], [0xE0, 0x80, 0xAF], [0xED, 0xA0, 0x80], [0x80], [0xFF], [0xF4, 0x90, 0x80, 0x80], [0xC3],
    [0xF8, 0x88, 0x80, 0x80, 0x80], [0xE2, 0x82],
  ] as [[UInt8]])
  func refusesInvalidUTF8(_ bytes: [UInt8]) throws {
    let error = #expect(throws: JSONSyntaxError.self) { try JSONReader.parse([0x22, 0x61] + bytes + [0x22]) }
    #expect(error?.reason == .invalidUTF8)
    #expect(error?.offset == 2)
    #expect(throws: JSONSyntaxError.self) { try JSONReader.parse([0x5B] + bytes + [0x5D]) }
  }

  @Test func refusesOtherEncodings() {
    #expect(throws: JSONSyntaxError.self) { try JSONReader.parse([0xFF, 0xFE, 0x7B, 0, 0x7D, 0]) }
    #expect(throws: JSONSyntaxError.self) { try JSONReader.parse([0, 0x7B, 0, 0x7D]) }
  }

  @Test func saysWhere() {
    let error = #expect(throws: JSONSyntaxError.self) { try JSONReader.parse(Array("{\n  \"a\": 1,\n  b: 2\n}".utf8)) }
    #expect(error?.reason == .unexpectedByte)
    #expect(error?.offset == 14)
    #expect(error?.line == 3)
    #expect(error?.column == 3)
  }

  @Test func depthCantExhaustTheStack() throws {
    let open = [UInt8](repeating: 0x5B, count: 1_000_000)
    #expect(throws: JSONSyntaxError.self) { try JSONReader.parse(open) }
    let objects = Array(String(repeating: #"{"a":"#, count: 200_000).utf8)
    #expect(throws: JSONSyntaxError.self) { try JSONReader.parse(objects) }
    let closed = open + [UInt8](repeating: 0x5D, count: 1_000_000)
    let document = try JSONReader.parse(closed)
    #expect(document.violations.map(\.code) == ["too_deep"])
    #expect(throws: JSONSyntaxError.self) { try JSONReader.parse(closed + [0x5D]) }
  }

  @Test func resolvesEscapes() throws {
    let document = try JSONReader.parse(Array(#""\u0041\n\/\\\"\uD83D\uDE00\u00e9""#.utf8))
    guard case .string(let text) = document.root else { throw Unexpected() }
    #expect(Array(text.utf8) == Array("A\n/\\\"😀é".utf8))
  }
}

struct Unexpected: Error {}
