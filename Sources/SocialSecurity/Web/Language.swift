/// The languages in which messages exist.
package enum Language: String, Sendable, CaseIterable {
  case id, en

  /// Picks by `Accept-Language` (RFC 9110 section 12.5.4): the first of our languages with the highest weight;
  /// Indonesian when none is asked for.
  package init(accepting header: String?) {
    self = .id
    guard let header else { return }
    var best = -1
    for range in header.utf8.split(separator: UInt8(ascii: ",")) {
      let parts = range.split(separator: UInt8(ascii: ";"))
      guard let tag = parts.first.map({ $0.filter { $0 != UInt8(ascii: " ") } }) else { continue }
      let weight = parts.dropFirst().compactMap { Language.weight(of: $0) }.first ?? 1_000
      guard weight > best, weight > 0, let language = Language.matching(tag) else { continue }
      best = weight
      self = language
    }
  }

  private static func matching(_ tag: [UInt8]) -> Language? {
    let primary = tag.prefix { $0 != UInt8(ascii: "-") }.map { $0 | 0x20 }
    if primary == Array("en".utf8) { return .en }
    if primary == Array("id".utf8) || primary == Array("in".utf8) || tag == [UInt8(ascii: "*")] { return .id }
    return nil
  }

  /// `q=0.8` as thousandths, by digits: no floating point and no locale.
  private static func weight(of parameter: Substring.UTF8View.SubSequence) -> Int? {
    let bytes = parameter.filter { $0 != UInt8(ascii: " ") }
    guard bytes.count >= 3, bytes[0] | 0x20 == UInt8(ascii: "q"), bytes[1] == UInt8(ascii: "=") else { return nil }
    var value = 0
    var digits = 0
    for byte in bytes.dropFirst(2) where byte != UInt8(ascii: ".") {
      guard (0x30...0x39).contains(byte), digits < 4 else { return nil }
      value = value * 10 + Int(byte - 0x30)
      digits += 1
    }
    while digits < 4 {
      value *= 10
      digits += 1
    }
    return min(value, 1_000)
  }
}
