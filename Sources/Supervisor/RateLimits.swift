/// How many requests a caller may send: `burst` at once, and `perMinute` of them over time.
package struct RateLimit: Sendable, Equatable {
  /// Requests a minute in the long run.
  package let perMinute: Int
  /// Requests at once after a rest.
  package let burst: Int

  /// - Parameters:
  ///   - perMinute: 1 to 60,000,000.
  ///   - burst: 1 or more; a minute's worth when nil.
  package init(perMinute: Int, burst: Int? = nil) {
    self.perMinute = min(max(perMinute, 1), 60_000_000)
    self.burst = min(max(burst ?? perMinute, 1), 60_000_000)
  }

  /// Microseconds that one request uses up, rounded up so that no window admits more than it should.
  var interval: UInt64 { UInt64((60_000_000 + perMinute - 1) / perMinute) }
}

/// What became of a request under its limit; the numbers of `RateLimit` and `Retry-After`.
package enum RateDecision: Sendable, Equatable {
  /// - remaining: requests that would be admitted right now.
  /// - resetAfterMicros: until the whole burst is there again.
  case admitted(remaining: Int, resetAfterMicros: UInt64)
  /// - retryAfterMicros: until one request is admitted.
  case refused(retryAfterMicros: UInt64)

  /// Whether the request may go on.
  package var isAdmitted: Bool {
    if case .admitted = self { true } else { false }
  }
}

/// Buckets of the generic cell rate algorithm (ITU-T I.371, annex A) in shared memory, without locks: all processes
/// count together, and none can be held up by one that died.
///
/// A bucket is a key and the theoretical arrival time (TAT) of the next request. A TAT in the past is as good as no
/// bucket at all, so such a bucket is given to the next key that needs one, and nothing has to be swept.
/// A key has 16 places. When others hold them all, each with requests not yet paid off, the request is admitted
/// without being counted, and `overflows` counts that: refusing would let a flood of addresses shut everybody out.
/// Two processes that claim and charge one place in the same instant can forget one request or charge one twice.
package struct RateLimits: Sendable {
  static let bucketCount = 65_536
  static let cellsPerBucket = 2
  private static let places = 16
  /// Turns of the claiming loop; more than a few need as many processes in the same instant.
  private static let attempts = 64

  private let buckets: SharedCells
  private let overflowCount: SharedCells
  private let seed: UInt64

  init(buckets: SharedCells, overflows: SharedCells, seed: UInt64) {
    self.buckets = buckets
    overflowCount = overflows
    self.seed = seed
  }

  /// Requests that were admitted without a bucket.
  package var overflows: UInt64 { overflowCount.load(0) }

  /// The key of a caller, the same in all processes that share this memory, and another after each start. Callers
  /// whose keys collide share a bucket; the secret start keeps anybody from arranging that.
  ///
  /// - Parameter kind: tells apart what the bytes are (an address, an account).
  package func key(_ kind: UInt8, _ caller: String.UTF8View) -> UInt64 {
    key(kind, caller.span)
  }

  /// The key of a caller that is known by bytes.
  package func key(_ kind: UInt8, _ caller: [UInt8]) -> UInt64 {
    key(kind, caller.span)
  }

  // Not generic over sequences: those aren't specialised across modules, and one key took 1 µs.
  private func key(_ kind: UInt8, _ caller: Span<UInt8>) -> UInt64 {
    // FNV-1a from a secret start, then the finaliser of SplitMix64 so that all bits choose the place.
    var hash = seed ^ 0xCBF2_9CE4_8422_2325
    hash = (hash ^ UInt64(kind)) &* 0x100_0000_01B3
    for index in caller.indices { hash = (hash ^ UInt64(caller[index])) &* 0x100_0000_01B3 }
    hash = (hash ^ (hash >> 30)) &* 0xBF58_476D_1CE4_E5B9
    hash = (hash ^ (hash >> 27)) &* 0x94D0_49BB_1331_11EB
    return hash ^ (hash >> 31)
  }

  /// Counts one request against a bucket.
  ///
  /// - Parameters:
  ///   - key: of the caller. Different limits need different keys.
  ///   - nowMicros: a clock that all processes of the machine share and that never goes back.
  package func admit(_ key: UInt64, _ limit: RateLimit, nowMicros: UInt64) -> RateDecision {
    // Zero marks a place that nobody ever had.
    let key = key == 0 ? 1 : key
    for _ in 0..<RateLimits.attempts {
      guard let place = place(of: key, nowMicros: nowMicros) else { break }
      let before = buckets.load(place + 1)
      let start = max(before, nowMicros)
      let room = limit.interval * UInt64(limit.burst)
      let arrival = start + limit.interval
      if arrival - nowMicros > room {
        return .refused(retryAfterMicros: arrival - nowMicros - room)
      }
      guard buckets.exchange(before, for: arrival, at: place + 1) else { continue }
      // The place may have been given to another key in between: then that one paid, and this one must pay too.
      guard buckets.load(place) == key else { continue }
      let remaining = (room - (arrival - nowMicros)) / limit.interval
      return .admitted(remaining: Int(remaining), resetAfterMicros: arrival - nowMicros)
    }
    overflowCount.add(1, at: 0)
    return .admitted(remaining: 0, resetAfterMicros: limit.interval)
  }

  /// The first cell of the key's bucket, or of one that could be claimed for it; nil when there is no room.
  private func place(of key: UInt64, nowMicros: UInt64) -> Int? {
    let first = Int(key % UInt64(RateLimits.bucketCount))
    for _ in 0..<RateLimits.attempts {
      var free: (place: Int, key: UInt64)?
      for step in 0..<RateLimits.places {
        let place = (first + step) % RateLimits.bucketCount * RateLimits.cellsPerBucket
        let owner = buckets.load(place)
        if owner == key { return place }
        if free == nil, owner == 0 || buckets.load(place + 1) <= nowMicros { free = (place, owner) }
        // Nobody has ever been pushed beyond a place that was never used.
        if owner == 0 { break }
      }
      guard let free else { return nil }
      if buckets.exchange(free.key, for: key, at: free.place) { return free.place }
    }
    return nil
  }
}
