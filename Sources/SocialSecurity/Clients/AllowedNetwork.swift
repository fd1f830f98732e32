import HTTPServer
import JSON

/// A network that a client may call from: CIDR notation (RFC 4632 section 3.1), or one address.
struct AllowedNetwork: Sendable, Hashable, JSONTextReadable {
  /// With its prefix, as PostgreSQL writes it.
  let text: String

  /// - Throws: `invalid_format`, also for bits behind the prefix: whoever writes 10.1.2.3/8 means something else.
  init(parsing text: String) throws(FieldProblem) {
    let parts = text.utf8.split(separator: UInt8(ascii: "/"), maxSplits: 1, omittingEmptySubsequences: false)
    guard let address = PeerAddress(parsing: parts[0]), let width = address.width else {
      throw .invalidFormat("CIDR")
    }
    var prefix = width
    if parts.count == 2 {
      guard (1...3).contains(parts[1].count), let digits = Digits.value(parts[1]), digits <= width,
        "\(digits)".utf8.elementsEqual(parts[1])
      else { throw .invalidFormat("CIDR") }
      prefix = digits
    }
    guard address.hasNothingBehind(prefix) else { throw .invalidFormat("CIDR") }
    self.text = "\(address)/\(prefix)"
  }
}

extension PeerAddress {
  /// Its length in bits; nil for a Unix socket.
  fileprivate var width: Int? {
    switch self {
    case .ipv4: 32
    case .ipv6: 128
    case .unix: nil
    }
  }

  /// Whether all bits after the first `prefix` are zero. A shift by the whole width gives zero in Swift.
  fileprivate func hasNothingBehind(_ prefix: Int) -> Bool {
    switch self {
    case .ipv4(let value): value << UInt32(prefix) == 0
    case .ipv6(let high, let low) where prefix < 64: high << UInt64(prefix) == 0 && low == 0
    case .ipv6(_, let low): low << UInt64(prefix - 64) == 0
    case .unix: false
    }
  }
}
