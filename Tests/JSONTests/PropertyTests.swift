import Glibc
import JSON
import Testing

/// SplitMix64: the same numbers for the same seed, everywhere.
struct SeededNumbers: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) {
    state = seed
  }

  /// A seed for this run, printed first so that even a trap can be replayed; SEED in the environment sets it.
  static func announcedSeed(_ test: StaticString = #function) -> UInt64 {
    let given = unsafe getenv("SEED").flatMap { unsafe UInt64(String(cString: $0)) }
    let seed = given ?? UInt64.random(in: .min ... .max)
    print("\(test): SEED=\(seed)")
    return seed
  }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}

struct PropertyTests {
  static let pieces = ["", "a", "é", "e\u{301}", "😀", "\"", "\\", "/", "\n", "\t", "\u{1}", "\u{1F}", "\u{7F}", "nik"]
  static let numbers = ["0", "-1", "1.50", "1e9", "9223372036854775807", "0.000000001", "-12.5E-3"]

  private func randomText(_ random: inout SeededNumbers) -> String {
    (0..<Int.random(in: 0...6, using: &random)).map { _ in Self.pieces.randomElement(using: &random) ?? "" }.joined()
  }

  private func write(_ writer: inout JSONWriter, depth: Int, _ random: inout SeededNumbers) {
    switch Int.random(in: 0...(depth > 0 ? 6 : 4), using: &random) {
    case 0: writer.null()
    case 1: writer.bool(.random(using: &random))
    case 2: writer.raw((Self.numbers.randomElement(using: &random) ?? "0").utf8)
    case 3: writer.integer(Int64.random(in: .min ... .max, using: &random))
    case 4: writer.string(randomText(&random))
    case 5:
      writer.array { writer in
        for _ in 0..<Int.random(in: 0...4, using: &random) { write(&writer, depth: depth - 1, &random) }
      }
    default:
      writer.object { writer in
        for index in 0..<Int.random(in: 0...4, using: &random) {
          writer.key("\(index)" + randomText(&random))
          write(&writer, depth: depth - 1, &random)
        }
      }
    }
  }

  /// What the writer writes, the reader reads, and the same bytes come out again.
  @Test func roundTrip() throws {
    let seed = SeededNumbers.announcedSeed()
    var random = SeededNumbers(seed: seed)
    for _ in 0..<2_000 {
      var writer = JSONWriter()
      write(&writer, depth: 5, &random)
      let document = try JSONReader.parse(writer.bytes)
      #expect(document.violations.isEmpty, "seed \(seed)")
      var again = JSONWriter()
      again.value(document.root)
      #expect(again.bytes == writer.bytes, "seed \(seed)")
    }
  }

  /// Broken bytes end in an error or in a document, never in a trap; what is accepted can be written and read again.
  @Test func mutations() throws {
    let seed = SeededNumbers.announcedSeed()
    var random = SeededNumbers(seed: seed)
    var accepted = 0
    for _ in 0..<300 {
      var writer = JSONWriter()
      write(&writer, depth: 4, &random)
      for _ in 0..<20 {
        let bytes = mutated(writer.bytes, &random)
        guard let document = try? JSONReader.parse(bytes) else { continue }
        accepted += 1
        var fields = JSONFields(document)
        _ = fields.required("0", Int64.self)
        fields.finish()
        var again = JSONWriter()
        again.value(document.root)
        #expect(throws: Never.self, "seed \(seed)") { try JSONReader.parse(again.bytes) }
      }
    }
    #expect(accepted > 0, "seed \(seed)")
  }

  private func mutated(_ original: [UInt8], _ random: inout SeededNumbers) -> [UInt8] {
    var bytes = original
    for _ in 0...Int.random(in: 0...2, using: &random) {
      let place = Int.random(in: 0...bytes.count, using: &random)
      switch Int.random(in: 0...3, using: &random) {
      case 0: bytes.insert(UInt8.random(in: .min ... .max, using: &random), at: place)
      case 1 where place < bytes.count: bytes[place] = UInt8.random(in: .min ... .max, using: &random)
      case 2 where place < bytes.count: bytes.remove(at: place)
      default: bytes.removeSubrange(place...)
      }
    }
    return bytes
  }

  /// Every prefix of a text is refused or is a shorter text; none traps.
  @Test func prefixes() {
    let text = Array(#"{"a":[1,-2.5e+3,"x\u00e9\uD83D\uDE00\n",true,false,null,{}],"b":{"c":[[]]}}"#.utf8)
    for length in 0..<text.count {
      #expect(throws: JSONSyntaxError.self) { try JSONReader.parse(Array(text.prefix(length))) }
    }
    #expect(throws: Never.self) { try JSONReader.parse(text) }
  }
}

struct WriterTests {
  @Test func writesMembersAndElements() {
    var writer = JSONWriter()
    writer.object { writer in
      writer.field("name", "A\"\\\n\u{1}é")
      writer.field("wage", Int64.max)
      writer.field("active", true)
      writer.field("absent", optional: String?.none)
      writer.field("items", array: { writer in
        writer.integer(1)
        writer.null()
        writer.array { _ in }
      })
      writer.field("bank", object: { writer in writer.field("code", optional: "008") })
      writer.field("row", raw: Array("{\"x\":1}".utf8))
    }
    let expected =
      #"{"name":"A\"\\\n\u0001é","wage":9223372036854775807,"active":true,"items":[1,null,[]],"#
      + #""bank":{"code":"008"},"row":{"x":1}}"#
    #expect(writer.bytes == Array(expected.utf8))
  }
}
