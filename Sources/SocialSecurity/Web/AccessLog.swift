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
    var json = JSONWriter(capacity: 256)
    json.object { json in
      json.field("at", WallClock.now())
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
    buffer.append(contentsOf: json.bytes)
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

/// The machine's wall clock, for logs only; whatever has a deadline or a date takes the database's clocks.
enum WallClock {
  /// RFC 3339 in UTC with milliseconds.
  static func now() -> String {
    var time = timespec()
    unsafe clock_gettime(CLOCK_REALTIME, &time)
    var parts = unsafe tm()
    var seconds = time.tv_sec
    _ = unsafe gmtime_r(&seconds, &parts)
    let (year, month, day) = unsafe (Int(parts.tm_year) + 1_900, Int(parts.tm_mon) + 1, Int(parts.tm_mday))
    let (hour, minute, second) = unsafe (Int(parts.tm_hour), Int(parts.tm_min), Int(parts.tm_sec))
    let date = "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))"
    let clock = "\(padded(hour, 2)):\(padded(minute, 2)):\(padded(second, 2))"
    return "\(date)T\(clock).\(padded(time.tv_nsec / 1_000_000, 3))+00:00"
  }

  private static func padded(_ number: Int, _ width: Int) -> String {
    let text = "\(number)"
    return String(repeating: "0", count: max(0, width - text.count)) + text
  }
}
