import CLinux
import Glibc
import JSON
import Testing

/// A supervisor with its processes, seen from outside: its log, its signals and its socket.
final class ProbeServer {
  struct Event {
    let name: String
    let fields: [String: String]

    var slot: Int? { fields["slot"].flatMap { Int($0) } }
    var pid: Int32? { fields["pid"].flatMap { Int32($0) } }
  }

  struct Answer {
    let pid: Int32
    let requests: Int
    let open: Int
    let crashLoop: String
  }

  /// Longest wait for anything that has to happen.
  static let patience: Int32 = 30_000

  let pid: Int32
  private(set) var port: UInt16 = 0
  private let log: Int32
  private var pending: [UInt8] = []
  private var isReaped = false

  init(workers: Int, listen: String = "127.0.0.1:0", behaviour: String? = nil) throws {
    // The Swift backtracer would keep a dying process for seconds.
    unsafe setenv("SWIFT_BACKTRACE", "enable=no", 1)
    var ends: [Int32] = [-1, -1]
    try #require(unsafe clinux_pipe(&ends) == 0)
    let words = ["supervisor-probe", "\(ends[1])", "\(workers)", listen] + (behaviour.map { [$0] } ?? [])
    var pointers: [UnsafeMutablePointer<CChar>?] = unsafe words.map { unsafe strdup($0) }
    unsafe pointers.append(nil)
    pid = unsafe clinux_spawn(try ProbeServer.path(), pointers, [ends[1]], 1)
    for unsafe pointer in unsafe pointers { unsafe free(pointer) }
    close(ends[1])
    log = ends[0]
    try #require(pid > 0)
  }

  deinit {
    if !isReaped {
      kill(pid, SIGKILL)
      clinux_reap(pid)
    }
    close(log)
  }

  /// Waits for the socket and for every process.
  func waitUntilReady(processes: Int) throws {
    let started = try event("supervisor_started")
    port = started.fields["listen"]?.split(separator: ":").last.flatMap { UInt16($0) } ?? 0
    for _ in 0..<processes { _ = try event("process_ready") }
  }

  /// The next event of that name; others are skipped.
  func event(_ name: String) throws -> Event {
    while true {
      let event = try #require(try nextEvent(patience: ProbeServer.patience), "the log ended before \(name)")
      if event.name == name { return event }
    }
  }

  /// The next event; nil when the log has ended, or when there is none in time.
  func nextEvent(patience: Int32) throws -> Event? {
    while true {
      if let end = pending.firstIndex(of: 0x0A) {
        let line = Array(pending[..<end])
        pending.removeSubrange(...end)
        return try ProbeServer.event(of: line)
      }
      var entry = pollfd(fd: log, events: Int16(POLLIN), revents: 0)
      if unsafe poll(&entry, 1, patience) == 0 {
        if patience == ProbeServer.patience { Issue.record("nothing happened") }
        return nil
      }
      var buffer = [UInt8](repeating: 0, count: 4_096)
      let count = unsafe read(log, &buffer, buffer.count)
      if count <= 0 { return nil }
      pending += buffer.prefix(count)
    }
  }

  /// Waits until the log has ended, that is until the supervisor and all of its processes are gone.
  func waitForTheEnd() throws -> [Event] {
    var events: [Event] = []
    while let event = try nextEvent(patience: ProbeServer.patience) { events.append(event) }
    return events
  }

  func signal(_ number: Int32) {
    kill(pid, number)
  }

  /// The supervisor's exit code, or 256 + the signal that ended it.
  func exitCode() -> Int32 {
    isReaped = true
    return clinux_reap(pid)
  }

  func connect() throws -> Int32 {
    let connection = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    let size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let result = unsafe withUnsafePointer(to: &address) { address in
      unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe Glibc.connect(connection, $0, size) }
    }
    try #require(result == 0)
    return connection
  }

  /// What the process says; nil when the connection ended without an answer.
  func answer(on connection: Int32) -> Answer? {
    defer { close(connection) }
    var buffer = [UInt8](repeating: 0, count: 256)
    let count = unsafe read(connection, &buffer, buffer.count)
    guard count > 0 else { return nil }
    let words = String(decoding: buffer.prefix(count), as: UTF8.self).split(separator: " ")
    guard words.count == 4, let pid = Int32(words[0]), let requests = Int(words[1]), let open = Int(words[2]) else {
      return nil
    }
    return Answer(pid: pid, requests: requests, open: open, crashLoop: String(words[3]))
  }

  func ask(_ byte: String = "p") throws -> Answer? {
    let connection = try connect()
    _ = unsafe write(connection, byte, 1)
    return answer(on: connection)
  }

  private static func event(of line: [UInt8]) throws -> Event {
    guard case .object(let members) = try JSONReader.parse(line).root else {
      throw SyntaxProblem(line: String(decoding: line, as: UTF8.self))
    }
    var fields: [String: String] = [:]
    for member in members {
      switch member.value {
      case .string(let text): fields[member.name] = text
      case .number(let number): fields[member.name] = number.text
      default: break
      }
    }
    return Event(name: fields["event"] ?? "", fields: fields)
  }

  struct SyntaxProblem: Error {
    let line: String
  }

  /// Beside the test bundle, whose path the memory map shows.
  private static func path() throws -> String {
    let descriptor = unsafe open("/proc/self/maps", O_RDONLY | O_CLOEXEC)
    defer { close(descriptor) }
    var text: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = unsafe read(descriptor, &buffer, buffer.count)
      if count <= 0 { break }
      text += buffer.prefix(count)
    }
    for line in String(decoding: text, as: UTF8.self).split(separator: "\n") where line.hasSuffix(".xctest") {
      guard let start = line.firstIndex(of: "/"), let end = line.lastIndex(of: "/") else { continue }
      return line[start..<end] + "/supervisor-probe"
    }
    throw SyntaxProblem(line: "no test bundle")
  }
}
