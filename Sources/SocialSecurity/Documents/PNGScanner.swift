/// PNG (ISO/IEC 15948): the signature, then chunks of length, type, data and CRC-32; IHDR first, image data in
/// between, IEND last and nothing behind it.
struct PNGScanner: StructureScanner {
  private enum State {
    case signature(Int)
    case chunkHead
    case data(left: Int)
    case checksum
    case end
    case broken
  }

  private static let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
  private static let header = Array("IHDR".utf8)
  private static let imageData = Array("IDAT".utf8)
  private static let end = Array("IEND".utf8)
  private static let headerLength = 13

  private var state = State.signature(0)
  /// The few bytes that must be seen together: a chunk's length and type, the IHDR data, a checksum.
  private var gathered: [UInt8] = []
  private var type: [UInt8] = []
  private var crc = CRC32()
  private var chunks = 0
  private var hasImageData = false

  var isWhole: Bool { if case .end = state { true } else { false } }

  mutating func scan(_ bytes: [UInt8]) {
    for byte in bytes { take(byte) }
  }

  private mutating func take(_ byte: UInt8) {
    switch state {
    case .signature(let index):
      guard byte == Self.signature[index] else { return state = .broken }
      state = index + 1 == Self.signature.count ? .chunkHead : .signature(index + 1)
    case .chunkHead:
      gathered.append(byte)
      if gathered.count == 8 { beginChunk() }
    case .data(let left):
      crc.add(byte)
      if type == Self.header { gathered.append(byte) }
      if left > 1 { state = .data(left: left - 1) } else { endData() }
    case .checksum:
      gathered.append(byte)
      if gathered.count == 4 { endChunk() }
    case .end, .broken:
      state = .broken
    }
  }

  private mutating func beginChunk() {
    let length = Self.number(gathered[0..<4])
    type = Array(gathered[4..<8])
    gathered.removeAll(keepingCapacity: true)
    let isLetter = type.allSatisfy { (0x41...0x5A).contains($0 & 0xDF) }
    let isFirst = chunks == 0
    guard isLetter, length <= Int32.max, isFirst == (type == Self.header),
      !isFirst || length == Self.headerLength, type != Self.end || (length == 0 && hasImageData)
    else { return state = .broken }
    chunks += 1
    if type == Self.imageData { hasImageData = true }
    crc = CRC32()
    for byte in type { crc.add(byte) }
    state = length == 0 ? .checksum : .data(left: Int(length))
  }

  private mutating func endData() {
    state = .checksum
    guard type == Self.header else { return }
    let fits = PictureLimit.allows(width: Self.number(gathered[0..<4]), height: Self.number(gathered[4..<8]))
    gathered.removeAll(keepingCapacity: true)
    if !fits { state = .broken }
  }

  private mutating func endChunk() {
    let isRight = Self.number(gathered[0..<4]) == UInt64(crc.value)
    gathered.removeAll(keepingCapacity: true)
    if !isRight {
      state = .broken
    } else {
      state = type == Self.end ? .end : .chunkHead
    }
  }

  private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }
}

/// CRC-32 as PNG uses it (ISO/IEC 15948 annex D).
struct CRC32 {
  private static let table: [UInt32] = (0..<256).map { (index: UInt32) in
    (0..<8).reduce(index) { rest, _ in rest & 1 == 1 ? 0xEDB8_8320 ^ (rest >> 1) : rest >> 1 }
  }

  private var register: UInt32 = 0xFFFF_FFFF

  mutating func add(_ byte: UInt8) {
    register = Self.table[Int(UInt8(truncatingIfNeeded: register) ^ byte)] ^ (register >> 8)
  }

  var value: UInt32 { ~register }
}
