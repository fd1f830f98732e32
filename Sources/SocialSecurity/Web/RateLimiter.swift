import EventLoop
import HTTPServer
import PostgresClient
import Supervisor

/// Rate limits as data, shared by all workers of the machine through the supervisor's memory.
///
/// By address at once for whoever comes without a known token; by account, client and employer from the second request
/// of a token on, because only the database knows whose it is and a round trip just for a limit would cost more than it
/// saves.
@LoopActor
package final class RateLimiter {
  /// Who a token was found to belong to. Only limits look at it: access is judged in the database each time.
  package struct Caller: Sendable {
    let kind: String
    let principal: SQLUUID
    let employer: SQLUUID?
  }

  /// A bucket: what it counts and how many a minute it lets through.
  struct Bucket: Sendable {
    let name: StaticString
    let perMinute: Int
  }

  private static let open = Bucket(name: "open", perMinute: 60)
  private static let credentials = Bucket(name: "credentials", perMinute: 20)
  private static let account = Bucket(name: "account", perMinute: 300)
  private static let client = Bucket(name: "client", perMinute: 3_000)
  private static let employer = Bucket(name: "employer", perMinute: 6_000)
  private static let callersMax = 65_536

  private let memory: SharedMemory
  private let isOn: Bool
  private var callers: [TokenDigest: Caller] = [:]

  package init(_ memory: SharedMemory, isOn: Bool) {
    self.memory = memory
    self.isOn = isOn
  }

  func remember(_ token: TokenDigest, _ caller: Caller) {
    if callers.count >= Self.callersMax { callers.removeAll(keepingCapacity: true) }
    callers[token] = caller
  }

  /// - Throws: 429 with `Retry-After`.
  func admit(_ address: PeerAddress, _ endpoint: Endpoint, _ token: TokenDigest?) throws(Failure) {
    guard isOn else { return }
    if let token, let caller = callers[token] {
      let isMachine = caller.kind == "client" || caller.kind == "bank"
      try take(isMachine ? Self.client : Self.account, caller.principal.description)
      if let employer = caller.employer { try take(Self.employer, employer.description) }
      return
    }
    guard !address.isLocal else { return }
    if endpoint.options.contains(.credentials) { try take(Self.credentials, address.bucket) }
    try take(Self.open, address.bucket)
  }

  private func take(_ bucket: Bucket, _ key: String) throws(Failure) {
    let now = LoopActor.shared.loop.now.nanoseconds / 1_000
    switch memory.admit("\(bucket.name):\(key)", perMinute: bucket.perMinute, burst: bucket.perMinute, now: now) {
    case .admitted: return
    case .refused(let seconds): throw Failure(429, "rate_limited", retryAfter: seconds)
    }
  }
}

extension PeerAddress {
  /// The proxy and the machine itself aren't limited by address: everyone's requests come from there.
  fileprivate var isLocal: Bool {
    switch self {
    case .unix: true
    case .ipv4(let value): value >> 24 == 127
    case .ipv6(let high, let low): high == 0 && low == 1
    }
  }

  /// One bucket for an IPv4 address, one for the /64 of an IPv6 address: that is what one subscriber gets.
  fileprivate var bucket: String {
    if case .ipv6(let high, _) = self { return "\(high)/64" }
    return description
  }
}
