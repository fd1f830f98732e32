import Glibc
import Supervisor
import Testing

struct RateLimitsTests {
  private let limits: RateLimits
  private let second: UInt64 = 1_000_000
  private let start: UInt64 = 1_000_000_000

  init() throws {
    limits = try SharedMemory.create(slots: 1, metricCells: 0).rateLimits
  }

  @Test func burstThenPace() {
    let limit = RateLimit(perMinute: 60, burst: 3)
    #expect(limits.admit(7, limit, nowMicros: start) == .admitted(remaining: 2, resetAfterMicros: second))
    #expect(limits.admit(7, limit, nowMicros: start) == .admitted(remaining: 1, resetAfterMicros: 2 * second))
    #expect(limits.admit(7, limit, nowMicros: start) == .admitted(remaining: 0, resetAfterMicros: 3 * second))
    #expect(limits.admit(7, limit, nowMicros: start) == .refused(retryAfterMicros: second))
    #expect(limits.admit(7, limit, nowMicros: start + second - 1) == .refused(retryAfterMicros: 1))
    #expect(limits.admit(7, limit, nowMicros: start + second).isAdmitted)
    #expect(!limits.admit(7, limit, nowMicros: start + second).isAdmitted)
    // After a long rest the whole burst is there, and no more.
    let later = start + 3_600 * second
    let admitted = (0..<5).map { _ in limits.admit(7, limit, nowMicros: later).isAdmitted }
    #expect(admitted == [true, true, true, false, false])
  }

  @Test func keysDontShare() {
    let limit = RateLimit(perMinute: 1, burst: 1)
    for caller in 0..<1_000 {
      let key = limits.key(1, "caller \(caller)".utf8)
      #expect(limits.admit(key, limit, nowMicros: start).isAdmitted)
      #expect(!limits.admit(key, limit, nowMicros: start).isAdmitted)
    }
    #expect(limits.key(1, "a".utf8) == limits.key(1, "a".utf8))
    #expect(limits.key(1, "a".utf8) != limits.key(2, "a".utf8))
    #expect(limits.admit(0, limit, nowMicros: start).isAdmitted)
    #expect(!limits.admit(0, limit, nowMicros: start).isAdmitted)
  }

  /// Over any window the admitted requests are at most burst + rate × length; a refused one is admitted when its time
  /// has come; a caller that keeps the pace is never refused.
  @Test func neverMoreThanTheLimit() throws {
    let seed = Seed.announced()
    var random = SeededNumbers(seed: seed)
    for round in 0..<200 {
      let limit = RateLimit(
        perMinute: Int.random(in: 1...6_000, using: &random), burst: Int.random(in: 1...50, using: &random))
      let key = random.next()
      let meanGap = UInt64(60_000_000 / limit.perMinute)
      var now = start
      var admitted: [UInt64] = []
      for _ in 0..<300 {
        if Int.random(in: 0...3, using: &random) > 0 {
          now += UInt64.random(in: 0...meanGap * (Bool.random(using: &random) ? 1 : 3), using: &random)
        }
        switch limits.admit(key, limit, nowMicros: now) {
        case .admitted(let remaining, _):
          admitted.append(now)
          #expect(remaining < limit.burst)
        case .refused(let wait):
          #expect(wait > 0)
          if Int.random(in: 0...9, using: &random) == 0 {
            now += wait
            #expect(limits.admit(key, limit, nowMicros: now).isAdmitted, "seed \(seed) round \(round)")
            admitted.append(now)
          }
        }
      }
      for first in admitted.indices {
        for last in first..<admitted.count {
          let length = admitted[last] - admitted[first]
          let allowed = UInt64(limit.burst) * 60_000_000 + UInt64(limit.perMinute) * length
          if UInt64(last - first + 1) * 60_000_000 > allowed {
            Issue.record("seed \(seed) round \(round): \(last - first + 1) in \(length) µs under \(limit)")
            return
          }
        }
      }
    }
  }

  /// More keys than places, one after another: paid-off places are used again, and nothing overflows.
  @Test func placesAreUsedAgain() {
    let limit = RateLimit(perMinute: 600, burst: 1)
    var now = start
    for caller in 0..<200_000 {
      if caller % 2_000 == 0 { now += second }
      #expect(limits.admit(limits.key(1, withBytes(of: caller)), limit, nowMicros: now).isAdmitted)
    }
    #expect(limits.overflows == 0)
  }

  /// A full table admits rather than shuts everybody out, and says so.
  @Test func fullTable() {
    let limit = RateLimit(perMinute: 1, burst: 1)
    for caller in 0..<200_000 {
      #expect(limits.admit(limits.key(1, withBytes(of: caller)), limit, nowMicros: start).isAdmitted)
    }
    #expect(limits.overflows > 100_000)
    #expect(limits.overflows < 180_000)
  }

  /// Several threads at one bucket admit exactly the burst between them.
  @Test func threadsCountTogether() async {
    let limit = RateLimit(perMinute: 1, burst: 1_000)
    let admitted = await withTaskGroup(of: Int.self) { group in
      for _ in 0..<4 {
        group.addTask { (0..<1_000).count { _ in limits.admit(42, limit, nowMicros: start).isAdmitted } }
      }
      return await group.reduce(0, +)
    }
    #expect(admitted == 1_000)
  }

  private func withBytes(of number: Int) -> [UInt8] {
    (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
  }
}
