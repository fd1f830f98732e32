import CLinux

/// A moment of the machine's monotonic clock, in nanoseconds since an arbitrary start. Deadlines and durations use
/// this clock alone: it never jumps with the wall clock.
package struct MonotonicInstant: Comparable, Hashable, Sendable {
  /// Nanoseconds since the clock's start.
  package let nanoseconds: Int64

  /// An instant of that many nanoseconds; for tests and for stored values.
  package init(nanoseconds: Int64) {
    self.nanoseconds = nanoseconds
  }

  /// The clock's reading at the moment of the call. On the loop, `EventLoop.now` is cheaper.
  package static func read() -> MonotonicInstant {
    MonotonicInstant(nanoseconds: clinux_monotonic_nanoseconds())
  }

  package static func < (left: MonotonicInstant, right: MonotonicInstant) -> Bool {
    left.nanoseconds < right.nanoseconds
  }

  /// The later instant; saturates instead of overflowing.
  package static func + (left: MonotonicInstant, right: Duration) -> MonotonicInstant {
    let (sum, overflow) = left.nanoseconds.addingReportingOverflow(right.inNanoseconds)
    return MonotonicInstant(nanoseconds: overflow ? (right < .zero ? .min : .max) : sum)
  }

  /// The time from `right` to `left`; saturates instead of overflowing.
  package static func - (left: MonotonicInstant, right: MonotonicInstant) -> Duration {
    let (difference, overflow) = left.nanoseconds.subtractingReportingOverflow(right.nanoseconds)
    return .nanoseconds(overflow ? (left < right ? Int64.min : Int64.max) : difference)
  }
}

extension Duration {
  /// Whole nanoseconds, saturating at 292 years.
  package var inNanoseconds: Int64 {
    // Up to nine seconds fit in 64 bits; beyond, 128-bit divisions cost ten times as much.
    if let small = Int64(exactly: attoseconds) { return small / 1_000_000_000 }
    let (seconds, attoseconds) = components
    let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    if overflow { return seconds < 0 ? .min : .max }
    let (sum, carried) = whole.addingReportingOverflow(attoseconds / 1_000_000_000)
    return carried ? (seconds < 0 ? .min : .max) : sum
  }
}
