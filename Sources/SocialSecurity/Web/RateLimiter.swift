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
    /// The front end that a person's token was got through, once it is known.
    var frontEnd: SQLUUID?
    var isFrontEndAsked = false
  }

  /// What is counted, and how many a minute are let through.
  private enum Bucket: UInt8 {
    case open, credentials, account, client, employer

    var perMinute: Int {
      switch self {
      case .open: 60
      case .credentials: 20
      case .account: 300
      case .client: 3_000
      case .employer: 6_000
      }
    }
  }

  private static let callersMax = 65_536

  private let limits: RateLimits
  private let isOn: Bool
  private let proxies: TrustedProxies
  private let clients: ClientDirectory
  private var callers: [TokenDigest: Caller] = [:]

  package init(_ limits: RateLimits, isOn: Bool, proxies: TrustedProxies, clients: ClientDirectory) {
    self.limits = limits
    self.isOn = isOn
    self.proxies = proxies
    self.clients = clients
  }

  /// Whether it has to be told who a token belongs to.
  func wantsCaller(of token: TokenDigest) -> Bool { isOn && callers[token] == nil }

  func remember(_ token: TokenDigest, _ caller: Caller) {
    if callers.count >= Self.callersMax { callers.removeAll(keepingCapacity: true) }
    callers[token] = caller
  }

  /// Where a caller stands with the limit that is nearest to being reached, for the answer's `RateLimit` fields
  /// (draft-ietf-httpapi-ratelimit-headers).
  struct Standing: Sendable {
    let policy: String
    let limit: String
  }

  /// - Parameter standing: set whenever a limit was looked at, also when it refuses.
  /// - Throws: 429 with `Retry-After`.
  func admit(
    _ address: PeerAddress, _ endpoint: Endpoint, _ token: TokenDigest?, _ standing: inout Standing?
  ) throws(Failure) {
    guard isOn else { return }
    if let token, let caller = callers[token] {
      let isMachine = caller.kind == "client" || caller.kind == "bank"
      if let employer = caller.employer { try take(.employer, employer.description, &standing) }
      // A client may have a quota of its own; a front end's is shared by all who come through it.
      let quota = isMachine ? clients.quotas[caller.principal] : nil
      if !isMachine { try admit(through: caller, token, &standing) }
      try take(isMachine ? .client : .account, caller.principal.description, perMinute: quota, &standing)
      return
    }
    guard !address.isLocal, !proxies.trusts(address) else { return }
    try take(.open, address.bucket, &standing)
    if endpoint.options.contains(.credentials) { try take(.credentials, address.bucket, &standing) }
  }

  private func admit(through caller: Caller, _ token: TokenDigest, _ standing: inout Standing?) throws(Failure) {
    guard clients.limitsFrontEnds else { return }
    if let frontEnd = caller.frontEnd, let quota = clients.quotas[frontEnd] {
      try take(.client, frontEnd.description, perMinute: quota, &standing)
    } else if !caller.isFrontEndAsked {
      callers[token]?.isFrontEndAsked = true
      LoopActor.task { self.callers[token]?.frontEnd = await self.clients.frontEnd(of: token) }
    }
  }

  private func take(
    _ bucket: Bucket, _ caller: String, perMinute: Int? = nil, _ standing: inout Standing?
  ) throws(Failure) {
    let limit = RateLimit(perMinute: perMinute ?? bucket.perMinute)
    let now = UInt64(max(0, LoopActor.shared.loop.now.nanoseconds / 1_000))
    let policy = "\"\(bucket)\";q=\(limit.burst);w=60"
    switch limits.admit(limits.key(bucket.rawValue, caller.utf8), limit, nowMicros: now) {
    case .admitted(let remaining, let reset):
      standing = Standing(policy: policy, limit: "\"\(bucket)\";r=\(remaining);t=\(Self.seconds(reset))")
    case .refused(let retry):
      standing = Standing(policy: policy, limit: "\"\(bucket)\";r=0;t=\(Self.seconds(retry))")
      throw Failure(429, "rate_limited", retryAfter: Self.seconds(retry))
    }
  }

  /// Whole seconds, rounded up: who comes back after them is let in.
  private static func seconds(_ micros: UInt64) -> Int { Int((micros + 999_999) / 1_000_000) }
}

extension PeerAddress {
  /// The machine itself isn't limited by address, and a trusted proxy isn't: everyone's requests come from there.
  var isLocal: Bool {
    switch self {
    case .unix: true
    case .ipv4(let value): value >> 24 == 127
    case .ipv6(let high, let low): high == 0 && low == 1
    }
  }

  /// One bucket for an IPv4 address, one for the /64 of an IPv6 address: that is what one subscriber gets.
  var bucket: String {
    if case .ipv6(let high, _) = self { return "\(high)/64" }
    return description
  }
}
