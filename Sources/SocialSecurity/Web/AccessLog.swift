import EventLoop
import Glibc
import HTTPServer
import JSON

/// One JSON line a request on standard output, without personal data: the route's pattern and never the path or query,
/// no address, no token.
///
/// Never blocks the loop: lines are gathered and written once a turn; when the reader doesn't keep up, they wait up to
/// `bufferMax` and are then dropped and counted, and the next line says how many.
@LoopActor
package final class AccessLog {
  struct Entry: Sendable {
    let id: RequestID
    /// Nil when the message's framing was in doubt: nothing of it is believed.
    let method: Method?
    let route: String?
    let status: Int
    let elapsed: Duration
    let database: Duration
    let roundTrips: Int
    let trace: TraceParent?
    /// Of a failure on our side, see `Failure.cause`; or the framing error.
    let cause: String?
  }

  private static let bufferMax = 1 << 20
  /// POSIX lets a pipe take this much at once without mixing it with other writers' bytes.
  private static let atomicWrite = 4_096

  private let isOn: Bool
  private let descriptor: Int32
  private var buffer: [UInt8] = []
  private var dropped = 0
  private var flushIsDue = false
  private var clock = LogClock()

  package init(isOn: Bool, descriptor: Int32 = STDOUT_FILENO) {
    self.isOn = isOn
    self.descriptor = descriptor
  }

  func write(_ entry: Entry) {
    guard isOn else { return }
    if buffer.count > Self.bufferMax {
      dropped += 1
      return
    }
    var json = JSONWriter(appendingTo: buffer)
    buffer = []
    json.object { json in
      json.field("at", raw: clock.stamp())
      json.field("request_id", entry.id.description)
      json.field("method", optional: entry.method?.name.description)
      json.field("route", optional: entry.route)
      json.field("status", entry.status)
      json.field("us", entry.elapsed.inNanoseconds / 1_000)
      json.field("db_us", entry.database.inNanoseconds / 1_000)
      json.field("round_trips", entry.roundTrips)
      json.field("trace_id", optional: entry.trace?.traceID)
      json.field("cause", optional: entry.cause)
      if dropped > 0 { json.field("lines_dropped", dropped) }
    }
    dropped = 0
    buffer = json.bytes
    buffer.append(UInt8(ascii: "\n"))
    if buffer.count >= Self.atomicWrite {
      flush()
    } else if !flushIsDue {
      flushIsDue = true
      _ = LoopActor.shared.loop.schedule(after: .milliseconds(100)) { self.flush() }
    }
  }

  /// Writes what the reader can take now, whole lines in pieces that pipes keep together.
  package func flush() {
    flushIsDue = false
    while !buffer.isEmpty, isWritable() {
      var end = min(buffer.count, Self.atomicWrite)
      if end < buffer.count, let newline = buffer[..<end].lastIndex(of: UInt8(ascii: "\n")) { end = newline + 1 }
      let written = unsafe buffer[..<end].withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
      guard written > 0 else { break }
      buffer.removeFirst(written)
    }
    if buffer.isEmpty || flushIsDue { return }
    flushIsDue = true
    _ = LoopActor.shared.loop.schedule(after: .milliseconds(100)) { self.flush() }
  }

  private func isWritable() -> Bool {
    var query = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
    return unsafe poll(&query, 1, 0) == 1 && query.revents & Int16(POLLOUT) != 0
  }
}

/// The machine's wall clock, for the log only; whatever has a deadline or a date takes the database's clocks.
struct LogClock {
  private static let millisecondsAt = 21

  private var second = -1
  /// The moment as JSON text; of a new moment in the same second only the milliseconds are written anew.
  private var text: [UInt8] = []

  /// RFC 3339 in UTC with milliseconds, as a JSON string.
  mutating func stamp() -> [UInt8] {
    var time = timespec()
    unsafe clock_gettime(CLOCK_REALTIME, &time)
    if time.tv_sec != second {
      second = time.tv_sec
      text = Self.text(of: second)
    }
    var rest = time.tv_nsec / 1_000_000
    for place in (Self.millisecondsAt..<Self.millisecondsAt + 3).reversed() {
      text[place] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
      rest /= 10
    }
    return text
  }

  private static func text(of second: Int) -> [UInt8] {
    var parts = unsafe tm()
    var second = second
    _ = unsafe gmtime_r(&second, &parts)
    var text = [CChar](repeating: 0, count: 40)
    let length = unsafe strftime(&text, text.count, "\"%Y-%m-%dT%H:%M:%S.000+00:00\"", &parts)
    return text.prefix(length).map { UInt8(bitPattern: $0) }
  }
}
