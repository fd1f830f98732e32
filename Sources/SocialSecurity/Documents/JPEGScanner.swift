/// JPEG (ITU-T T.81 annex B): SOI, segments with lengths, a frame header, entropy-coded data after each SOS, and EOI as
/// the last two bytes.
struct JPEGScanner: StructureScanner {
  private enum State {
    case start(Int)
    case marker
    case markerCode
    case length
    case segment(left: Int)
    case coded
    case codedEscape
    case end
    case broken
  }

  private var state = State.start(0)
  private var code: UInt8 = 0
  private var length: [UInt8] = []
  /// The first bytes of a frame header: precision, height, width.
  private var frame: [UInt8] = []
  private var hasFrame = false
  private var hasScan = false

  var isWhole: Bool { if case .end = state { true } else { false } }

  mutating func scan(_ bytes: [UInt8]) {
    for byte in bytes { take(byte) }
  }

  private mutating func take(_ byte: UInt8) {
    switch state {
    case .start(let index):
      guard byte == (index == 0 ? 0xFF : 0xD8) else { return state = .broken }
      state = index == 0 ? .start(1) : .marker
    case .marker:
      state = byte == 0xFF ? .markerCode : .broken
    case .markerCode:
      begin(byte)
    case .length:
      length.append(byte)
      if length.count == 2 { beginSegment() }
    case .segment(let left):
      if isFrameHeader, frame.count < 5 { frame.append(byte) }
      if left > 1 { state = .segment(left: left - 1) } else { endSegment() }
    case .coded:
      if byte == 0xFF { state = .codedEscape }
    case .codedEscape:
      escape(byte)
    case .end, .broken:
      state = .broken
    }
  }

  /// A marker outside of coded data (B.1.1.3); 0xFF before it is fill.
  private mutating func begin(_ byte: UInt8) {
    switch byte {
    case 0xFF: return
    case 0xD9: state = hasFrame && hasScan ? .end : .broken
    case 0xC0...0xCF, 0xDA...0xFE:
      code = byte
      length.removeAll(keepingCapacity: true)
      frame.removeAll(keepingCapacity: true)
      state = .length
    default: state = .broken
    }
  }

  private var isFrameHeader: Bool {
    (0xC0...0xCF).contains(code) && code != 0xC4 && code != 0xC8 && code != 0xCC
  }

  private mutating func beginSegment() {
    let whole = Int(length[0]) << 8 | Int(length[1])
    // The length counts itself (B.1.1.4); a scan needs a frame before it.
    guard whole >= 2, !isFrameHeader || whole >= 8, code != 0xDA || hasFrame else { return state = .broken }
    if whole == 2 { endSegment() } else { state = .segment(left: whole - 2) }
  }

  private mutating func endSegment() {
    state = .marker
    if isFrameHeader {
      let height = UInt64(frame[1]) << 8 | UInt64(frame[2])
      let width = UInt64(frame[3]) << 8 | UInt64(frame[4])
      guard !hasFrame, PictureLimit.allows(width: width, height: height) else { return state = .broken }
      hasFrame = true
    } else if code == 0xDA {
      hasScan = true
      state = .coded
    }
  }

  /// What follows 0xFF in coded data: a stuffed zero, a restart marker, fill, or the marker that ends the scan.
  private mutating func escape(_ byte: UInt8) {
    switch byte {
    case 0x00, 0xD0...0xD7: state = .coded
    case 0xFF: return
    default: begin(byte)
    }
  }
}
