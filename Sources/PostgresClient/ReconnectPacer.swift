import EventLoop

/// Decides when a pool may open its next connection: at most `perSecond` in any second, and after failures one probe
/// at a time with a delay that doubles from 250 ms to 32 s, shortened by up to a half at random so that workers
/// spread out.
struct ReconnectPacer {
  private let perSecond: Int
  private var starts: [MonotonicInstant] = []
  private var notBefore: MonotonicInstant?
  private(set) var failures = 0

  init(perSecond: Int) { self.perSecond = perSecond }

  /// True after a failure: only one attempt at a time until one succeeds.
  var isProbing: Bool { failures > 0 }

  /// Zero when an attempt may start now, else how long to wait.
  mutating func delay(at now: MonotonicInstant) -> Duration {
    if let notBefore, now < notBefore { return notBefore - now }
    starts.removeAll { $0 + .seconds(1) <= now }
    guard starts.count >= perSecond, let oldest = starts.first else { return .zero }
    return oldest + .seconds(1) - now
  }

  mutating func attemptStarted(at now: MonotonicInstant) { starts.append(now) }

  mutating func attemptSucceeded() {
    failures = 0
    notBefore = nil
  }

  /// `jitter` is a random number from 0 to 1,000.
  mutating func attemptFailed(at now: MonotonicInstant, jitter: Int) {
    let milliseconds = min(32_000, 250 << min(failures, 7))
    failures += 1
    notBefore = now + .milliseconds(milliseconds - milliseconds / 2 * max(0, min(1_000, jitter)) / 1_000)
  }
}
