/// The media types that a client takes (`Accept`, RFC 9110 section 12.5.1).
struct Acceptance: Sendable {
  private struct Range {
    let type: String
    /// Thousandths.
    let weight: Int
  }

  private var ranges: [Range] = []

  /// - Parameter lines: the field's values, as often as it was sent; none asks for nothing in particular.
  init(_ lines: [[UInt8]]) {
    for line in lines {
      for range in String(decoding: line, as: UTF8.self).split(separator: ",") {
        let parts = range.split(separator: ";").map { $0.filter { $0 != " " && $0 != "\t" }.lowercased() }
        guard let type = parts.first else { continue }
        let weight = parts.dropFirst().last { $0.hasPrefix("q=") }.map { Self.thousandths($0.dropFirst(2)) }
        ranges.append(Range(type: type, weight: weight ?? 1_000))
      }
    }
  }

  /// The offered type that the client likes best, the earlier of equals; nil when it takes none of them.
  func choice(of offered: [String]) -> String? {
    guard !ranges.isEmpty else { return offered.first }
    var best: (type: String, weight: Int)?
    for type in offered {
      let weight = weight(of: type)
      if weight > best?.weight ?? 0 { best = (type, weight) }
    }
    return best?.type
  }

  /// The most specific range that fits decides.
  private func weight(of type: String) -> Int {
    let family = type.prefix { $0 != "/" } + "/*"
    for name in [type, String(family), "*/*"] {
      if let range = ranges.last(where: { $0.type == name }) { return range.weight }
    }
    return 0
  }

  /// `0`, `1`, or up to three decimals; what is no weight counts as none given.
  private static func thousandths(_ text: Substring) -> Int {
    var digits = text.utf8.filter { $0 != UInt8(ascii: ".") }
    guard (1...4).contains(digits.count), digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return 1_000 }
    while digits.count < 4 { digits.append(UInt8(ascii: "0")) }
    return min(1_000, digits.reduce(0) { $0 * 10 + Int($1 - 0x30) })
  }
}
