import Testing
import TestSupport

@testable import SocialSecurity

@Suite("CSV tokenizer")
struct CSVTokenizerTests {
  /// Each file with the records it holds; a record that can't be read is named by its fault.
  static let files: [(text: String, records: [[String]])] = [
    ("", []),
    ("a,b\n", [["a", "b"]]),
    ("a,b", [["a", "b"]]),
    ("a,b\r\nc,d\r\n", [["a", "b"], ["c", "d"]]),
    ("a,b\nc,d\r\n", [["a", "b"], ["c", "d"]]),
    ("\u{FEFF}a,b\n", [["a", "b"]]),
    ("\n\na\n\r\n\nb\n", [["a"], ["b"]]),
    (",\n", [["", ""]]),
    ("a,,b\n", [["a", "", "b"]]),
    ("\"\"\n", [[""]]),
    ("\"a,b\",\"c\nd\"\n", [["a,b", "c\nd"]]),
    ("\"a \"\"b\"\" c\"\r\n", [["a \"b\" c"]]),
    ("=cmd(),x\n", [["=cmd()", "x"]]),
    ("a\"b,c\nd,e\n", [["!malformed"], ["d", "e"]]),
    ("\"a\"b\nd\n", [["!malformed"], ["d"]]),
    ("\"a\nb\n", [["!malformed"]]),
    ("a\rb\nc\n", [["!malformed"], ["c"]]),
    ("a\r", [["a"]]),
    ("\"a\"", [["a"]]),
    ("é,ü\n", [["é", "ü"]]),
  ]

  @Test("every file, cut at every byte", arguments: files)
  func everySplit(file: (text: String, records: [[String]])) {
    let bytes = Array(file.text.utf8)
    for cut in 0...bytes.count {
      #expect(Self.records(of: [Array(bytes[..<cut]), Array(bytes[cut...])]) == file.records, "cut at \(cut)")
    }
    #expect(Self.records(of: bytes.map { [$0] }) == file.records, "byte by byte")
  }

  @Test("a line over the limit costs nothing but itself")
  func longLine() {
    let long = Array(repeating: UInt8(ascii: "x"), count: 1 << 20)
    #expect(
      Self.records(of: [Array("a\n".utf8), long, Array("\nb\n".utf8)]) == [["a"], ["!tooLong"], ["b"]])
    let exact = Array(repeating: UInt8(ascii: "x"), count: CSVTokenizer.lineBytesMax - 1)
    #expect(Self.records(of: [exact, Array("\n".utf8)])[0][0].utf8.count == exact.count)
  }

  @Test("an unclosed quote costs at most the lines within the limit")
  func unclosedQuote() {
    let lines = Array(String(repeating: "abcdefg\n", count: 20_000).utf8)
    let records = Self.records(of: [Array("\"open\n".utf8), lines])
    #expect(records.first == ["!tooLong"])
    #expect(records.dropFirst().allSatisfy { $0 == ["abcdefg"] })
    #expect(records.count > 20_000 - CSVTokenizer.lineBytesMax / 8 - 2)
  }

  @Test("what was written as RFC 4180 says is read back")
  func roundTrip() {
    let seed = UInt64.random(in: 0 ... .max)
    var random = SeededGenerator(seed: seed)
    for _ in 0..<500 {
      let records = (0..<Int.random(in: 1...6, using: &random)).map { _ in
        (0..<Int.random(in: 2...5, using: &random)).map { _ in Self.field(&random) }
      }
      let text = records.map { $0.map(Self.quoted).joined(separator: ",") }.joined(separator: "\r\n") + "\r\n"
      var bytes = Array(text.utf8)[...]
      var pieces: [[UInt8]] = []
      while !bytes.isEmpty {
        let count = Int.random(in: 1...7, using: &random)
        pieces.append(Array(bytes.prefix(count)))
        bytes = bytes.dropFirst(count)
      }
      #expect(Self.records(of: pieces) == records, "seed \(seed)")
    }
  }

  private static func field(_ random: inout SeededGenerator) -> String {
    String((0..<Int.random(in: 0...6, using: &random)).map { _ in "a,\"\r\n é".randomElement(using: &random) ?? "a" })
  }

  private static func quoted(_ field: String) -> String { "\"" + field.replacing("\"", with: "\"\"") + "\"" }

  private static func records(of pieces: [[UInt8]]) -> [[String]] {
    var tokenizer = CSVTokenizer()
    var records: [[String]] = []
    func take(_ record: borrowing CSVRecord) {
      if let fault = record.fault {
        records.append(["!\(fault)"])
      } else {
        records.append((0..<record.fieldCount).map { String(decoding: record.field($0), as: UTF8.self) })
      }
    }
    for piece in pieces { tokenizer.feed(piece, take) }
    tokenizer.finish(take)
    return records
  }
}
