import Glibc

/// Where a request comes from.
package enum PeerAddress: Hashable, Sendable, CustomStringConvertible {
  /// The four bytes, first byte highest.
  case ipv4(UInt32)
  /// The sixteen bytes, first byte highest. IPv4-mapped addresses are `ipv4`.
  case ipv6(high: UInt64, low: UInt64)
  /// A Unix socket.
  case unix

  /// An address in its text form; nil when it isn't one (ports, brackets, zones and names aren't part of it).
  package init?(parsing text: some Collection<UInt8>) {
    guard text.count <= 45, !text.contains(0) else { return nil }
    var terminated = text.map { CChar(bitPattern: $0) }
    terminated.append(0)
    var bytes = [UInt8](repeating: 0, count: 16)
    if unsafe inet_pton(AF_INET, terminated, &bytes) == 1 {
      self = .ipv4(Self.integer(bytes[0..<4]))
    } else if unsafe inet_pton(AF_INET6, terminated, &bytes) == 1 {
      self.init(ipv6: bytes)
    } else {
      return nil
    }
  }

  /// Sixteen bytes in network order.
  init(ipv6 bytes: [UInt8]) {
    let high: UInt64 = Self.integer(bytes[0..<8])
    let low: UInt64 = Self.integer(bytes[8..<16])
    if high == 0, low >> 32 == 0xffff {
      self = .ipv4(UInt32(truncatingIfNeeded: low))
    } else {
      self = .ipv6(high: high, low: low)
    }
  }

  static func integer<T: FixedWidthInteger>(_ bytes: ArraySlice<UInt8>) -> T {
    bytes.reduce(0) { $0 << 8 | T($1) }
  }

  /// `192.0.2.1`, `2001:db8::1` or `unix`.
  package var description: String {
    switch self {
    case .unix:
      return "unix"
    case .ipv4(let value):
      return Self.dotted(value)
    case .ipv6(let high, let low):
      let bytes = (0..<8).map { UInt8(truncatingIfNeeded: high >> (56 - 8 * $0)) }
        + (0..<8).map { UInt8(truncatingIfNeeded: low >> (56 - 8 * $0)) }
      var text = [CChar](repeating: 0, count: 46)
      guard unsafe inet_ntop(AF_INET6, bytes, &text, 46) != nil else { return "unknown" }
      return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
  }
}

extension PeerAddress {
  /// Four decimal numbers; interpolating them would cost ten times as much, once a request.
  private static func dotted(_ value: UInt32) -> String {
    unsafe String(unsafeUninitializedCapacity: 15) { text in
      var place = 0
      for shift in [UInt32(24), 16, 8, 0] {
        let byte = value >> shift & 255
        for unit in [UInt32(100), 10, 1] where byte >= unit || unit == 1 {
          unsafe text[place] = UInt8(truncatingIfNeeded: byte / unit % 10) + UInt8(ascii: "0")
          place += 1
        }
        if shift > 0 {
          unsafe text[place] = .dot
          place += 1
        }
      }
      return place
    }
  }
}

/// Which peers may name another client in `X-Forwarded-For`.
package struct TrustedProxies: Sendable {
  /// A network: an address and how many of its leading bits count.
  package struct Network: Sendable {
    let address: PeerAddress
    let prefix: Int

    /// `10.0.0.0/8`, `::1/128`, or a single address; nil when it isn't one.
    package init?(_ text: String) {
      let parts = text.utf8.split(separator: UInt8.slash, maxSplits: 1, omittingEmptySubsequences: false)
      guard let first = parts.first, let address = PeerAddress(parsing: first) else { return nil }
      let width = if case .ipv4 = address { 32 } else { 128 }
      var prefix = width
      if parts.count == 2 {
        guard let digits = DecimalNumber.parse(parts[1]), digits <= width else { return nil }
        prefix = digits
      }
      self.address = address
      self.prefix = prefix
    }

    func contains(_ other: PeerAddress) -> Bool {
      switch (address, other) {
      case (.ipv4(let a), .ipv4(let b)):
        return prefix == 0 || (a ^ b) >> UInt32(32 - prefix) == 0
      case (.ipv6(let highA, let lowA), .ipv6(let highB, let lowB)):
        if prefix <= 64 { return prefix == 0 || (highA ^ highB) >> UInt64(64 - prefix) == 0 }
        return highA == highB && (lowA ^ lowB) >> UInt64(128 - prefix) == 0
      default:
        return false
      }
    }
  }

  private let networks: [Network]
  private let unixSocket: Bool

  /// `unixSocket`: whether whoever can connect to a Unix socket is believed.
  package init(networks: [Network] = [], unixSocket: Bool = false) {
    self.networks = networks
    self.unixSocket = unixSocket
  }

  /// Whether that peer is one of them.
  package func trusts(_ peer: PeerAddress) -> Bool {
    if case .unix = peer { return unixSocket }
    return networks.contains { $0.contains(peer) }
  }

  /// The client's address: walking `X-Forwarded-For` from the right, the first address that isn't a trusted proxy. What
  /// stands left of it, or of something that isn't an address, is the client's own invention.
  func client(of peer: PeerAddress, forwarded: () -> [[UInt8]]) -> PeerAddress {
    guard trusts(peer) else { return peer }
    var client = peer
    for value in forwarded().reversed() {
      for element in value.split(separator: UInt8.comma, omittingEmptySubsequences: false).reversed() {
        let range = element.span.trimmed(0..<element.count)
        guard let address = PeerAddress(parsing: element.span.copy(range)) else { return client }
        client = address
        if !trusts(address) { return client }
      }
    }
    return client
  }
}
