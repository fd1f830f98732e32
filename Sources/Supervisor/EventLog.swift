import CLinux
import Glibc
import JSON

/// One JSON object in one line for each event, written at once so that lines of several processes don't mix.
package struct EventLog: Sendable {
  /// How urgent a line is.
  package enum Level: String, Sendable {
    case info, warning, error
  }

  private let descriptor: Int32

  /// - Parameter descriptor: where lines go; standard error by default.
  package init(descriptor: Int32 = 2) {
    self.descriptor = descriptor
  }

  /// Writes `{"time":…,"level":…,"event":…,<fields>}`. A log that can't be written to stops nothing.
  package func write(_ level: Level, _ event: StaticString, _ fields: (inout JSONWriter) -> Void = { _ in }) {
    var writer = JSONWriter()
    writer.object { writer in
      writer.field("time", EventLog.timestamp())
      writer.field("level", level.rawValue)
      writer.field("event", event.description)
      fields(&writer)
    }
    let line = writer.bytes + [0x0A]
    var written = 0
    while written < line.count {
      let count = unsafe line.withUnsafeBytes { bytes in
        let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[written...])
        return unsafe Glibc.write(descriptor, rest.baseAddress, rest.count)
      }
      if count < 0, errno == EINTR { continue }
      if count <= 0 { return }
      written += count
    }
  }

  /// The wall clock in RFC 3339, in UTC, with milliseconds.
  package static func timestamp() -> String {
    var text = [CChar](repeating: 0, count: 40)
    unsafe text.withUnsafeMutableBufferPointer { unsafe clinux_timestamp($0.baseAddress, $0.count) }
    return String(validating: text.prefix { $0 != 0 }, as: UTF8.self) ?? ""
  }
}
