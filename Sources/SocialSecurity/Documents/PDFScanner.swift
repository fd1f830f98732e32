/// PDF (ISO 32000-1 section 7.5): `%PDF-` are the first bytes, and `%%EOF` stands within the last 1,024.
struct PDFScanner: StructureScanner {
  private static let opening = Array("%PDF-".utf8)
  private static let ending = Array("%%EOF".utf8)
  private static let tailLength = 1_024

  private var head: [UInt8] = []
  private var tail: [UInt8] = []

  mutating func scan(_ bytes: [UInt8]) {
    if head.count < Self.opening.count { head += bytes.prefix(Self.opening.count - head.count) }
    tail += bytes.suffix(Self.tailLength)
    if tail.count > Self.tailLength { tail.removeFirst(tail.count - Self.tailLength) }
  }

  var isWhole: Bool { head == Self.opening && tail.firstRange(of: Self.ending) != nil }
}
