/// The trace that a request belongs to, from its `traceparent` (W3C Trace Context, section 3.2): kept in the log, so
/// that an integrator's trace finds ours.
struct TraceParent: Sendable {
  /// 32 lower-case hex digits.
  let traceID: String

  /// nil when there is none, or when it isn't valid; an invalid one is ignored, as section 3.2.1 asks.
  init?(_ header: [UInt8]?) {
    guard let header, header.count == 55, header[2] == 0x2D, header[35] == 0x2D, header[52] == 0x2D,
      header.enumerated().allSatisfy({ [2, 35, 52].contains($0.offset) || Self.isHex($0.element) }),
      !header.starts(with: "ff".utf8), header[3..<35].contains(where: { $0 != 0x30 })
    else { return nil }
    traceID = String(decoding: header[3..<35], as: UTF8.self)
  }

  private static func isHex(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte)
  }
}
