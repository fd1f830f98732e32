import TestSupport
import Testing

@testable import SocialSecurity

/// The scanners of documents: every split of a file gives the same verdict, and every part of it another one.
@Suite struct DocumentScannerTests {
  static let pdf = Array("%PDF-1.4\n1 0 obj\n<< >>\nendobj\n%%EOF\n".utf8)

  static var png: [UInt8] {
    let header: [UInt8] = [0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0]
    return [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A] + chunk("IHDR", header)
      + chunk("IDAT", [0x78, 0x9C, 0x63, 0x60, 0, 0, 0, 2, 0, 1]) + chunk("IEND", [])
  }

  static let jpeg: [UInt8] =
    [0xFF, 0xD8, 0xFF, 0xE0, 0, 4, 1, 2, 0xFF, 0xC0, 0, 11, 8, 0, 16, 0, 16, 1, 1, 0x11, 0]
    + [0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 0x3F, 0, 0x11, 0xFF, 0, 0x22, 0xFF, 0xD0, 0x33]
    // A second scan, as progressive pictures have, after fill bytes.
    + [0xFF, 0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 0x3F, 0, 0x44, 0xFF, 0xD9]

  static func chunk(_ type: String, _ data: [UInt8]) -> [UInt8] {
    var crc = CRC32()
    for byte in Array(type.utf8) + data { crc.add(byte) }
    return bigEndian(UInt32(data.count)) + Array(type.utf8) + data + bigEndian(crc.value)
  }

  static func bigEndian(_ number: UInt32) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: number >> (24 - 8 * $0)) }
  }

  static func isWhole(_ format: DocumentFormat, _ pieces: [[UInt8]]) -> Bool {
    var scanner = format.makeScanner()
    for piece in pieces { scanner.scan(piece) }
    return scanner.isWhole
  }

  static let files: [(DocumentFormat, [UInt8])] = [(.pdf, pdf), (.png, png), (.jpeg, jpeg)]

  @Test(arguments: files) func everySplitGivesTheSameVerdict(format: DocumentFormat, file: [UInt8]) {
    for cut in 0...file.count {
      #expect(Self.isWhole(format, [Array(file[..<cut]), Array(file[cut...])]), "cut at \(cut)")
    }
    #expect(Self.isWhole(format, file.map { [$0] }))
  }

  @Test(arguments: files) func noPartIsAWhole(format: DocumentFormat, file: [UInt8]) {
    // A PDF ends with a newline that it doesn't need.
    for length in 0..<(format == .pdf ? file.count - 1 : file.count) {
      #expect(!Self.isWhole(format, [Array(file[..<length])]), "\(length) bytes")
    }
  }

  @Test(arguments: [(DocumentFormat.png, png), (.jpeg, jpeg)])
  func nothingMayFollow(format: DocumentFormat, file: [UInt8]) {
    #expect(!Self.isWhole(format, [file, [0]]))
  }

  @Test func everyFlippedBitOfAPNGIsNoticed() {
    for index in Self.png.indices {
      for bit in 0..<8 {
        var damaged = Self.png
        damaged[index] ^= 1 << bit
        #expect(!Self.isWhole(.png, [damaged]), "bit \(bit) of byte \(index)")
      }
    }
  }

  @Test func randomBytesAreNoDocument() {
    let seed = UInt64.random(in: .min ... .max)
    var random = SeededGenerator(seed: seed)
    for _ in 0..<2_000 {
      let noise = (0..<Int.random(in: 0...200, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
      for format in DocumentFormat.allCases { #expect(!Self.isWhole(format, [noise]), "seed \(seed)") }
    }
  }

  @Test func theTailOfAPDFIsLookedForInItsLastKibibyte() {
    #expect(Self.isWhole(.pdf, [Self.pdf + [UInt8](repeating: 0x20, count: 1_018)]))
    #expect(!Self.isWhole(.pdf, [Self.pdf + [UInt8](repeating: 0x20, count: 1_024)]))
  }

  @Test func crcOfTheStandard() {
    var crc = CRC32()
    for byte in "123456789".utf8 { crc.add(byte) }
    #expect(crc.value == 0xCBF4_3926)
  }

  @Test(arguments: [
    (UInt64(1), UInt64(50_000_000), true), (7_071, 7_071, true), (7_072, 7_071, false), (0, 5, false), (5, 0, false),
    (.max, 2, false), (4_294_967_295, 4_294_967_295, false),
  ]) func picturesHaveALimit(width: UInt64, height: UInt64, fits: Bool) {
    #expect(PictureLimit.allows(width: width, height: height) == fits)
  }
}
