import CLinux
import EventLoop
import Glibc
import Testing

@testable import HTTPServer

/// A handler made of a closure; refusals are one word.
struct TestHandler: RequestHandler {
  let answer: @Sendable @LoopActor (Request) async -> Response

  init(_ answer: @escaping @Sendable @LoopActor (Request) async -> Response) {
    self.answer = answer
  }

  func respond(to request: Request) async -> Response { await answer(request) }

  func refusal(_ status: Int, _ reason: FramingError) -> Response {
    Response(status: status, body: .bytes(Array("\(reason)".utf8)))
  }

  /// Answers with the request's path.
  static let path = TestHandler { Response(status: 200, body: .bytes($0.path)) }

  /// Answers with the request's body, or 413.
  static let body = TestHandler { request in
    do throws(BodyError) {
      return Response(status: 200, body: .bytes(try await request.body.collect(atMost: 1 << 20)))
    } catch {
      return Response(status: error == .tooLarge ? 413 : 499)
    }
  }
}

/// A server on a port of its own.
@LoopActor
final class TestServer {
  let server: Server
  let socket: Int32
  let port: UInt16

  init(_ handler: TestHandler = .path, limits: Limits = Limits(), trustedProxies: TrustedProxies = .init()) throws {
    server = Server(limits: limits, trustedProxies: trustedProxies, handler: handler)
    socket = try SystemError.check(unsafe clinux_listen_tcp([127, 0, 0, 1], 4, 0, 512, 0), "listen")
    port = UInt16(clamping: try SystemError.check(clinux_bound_port(socket), "getsockname"))
    try server.listen(on: socket)
  }

  func connect() throws -> TestClient { try TestClient(port: port) }

  /// Ends the server, and with it whatever is still connected.
  func stop() async {
    await server.drain(within: .zero)
    close(socket)
  }
}

/// A client on the loop that sees every byte.
@LoopActor
final class TestClient {
  enum End { case open, closed, reset }

  struct Answer: Equatable {
    let status: Int
    let fields: [String: String]
    let body: String
  }

  private(set) var received: [UInt8] = []
  private(set) var end = End.open
  private var descriptor: Int32
  private var registration: Registration?
  private var isReading = false

  /// Takes over a connected socket.
  init(connected descriptor: Int32) {
    self.descriptor = descriptor
    _ = clinux_set_nonblocking(descriptor)
    startReading()
  }

  init(port: UInt16) throws {
    descriptor = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    let result = unsafe withUnsafeBytes(of: &address) { bytes in
      unsafe Glibc.connect(
        descriptor, bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t(bytes.count))
    }
    _ = try SystemError.check(result < 0 ? -errno : 0, "connect")
    _ = clinux_set_nonblocking(descriptor)
    _ = clinux_set_nodelay(descriptor)
    startReading()
  }

  /// Reads whatever comes, until `stopReading`.
  func startReading() {
    guard !isReading, descriptor >= 0 else { return }
    isReading = true
    registration = try? LoopActor.shared.loop.register(descriptor, .read) { [weak self] _ in self?.read() }
  }

  isolated deinit { disconnect() }

  func stopReading() {
    if let registration { LoopActor.shared.loop.deregister(registration) }
    isReading = false
  }

  private func read() {
    var buffer = [UInt8](repeating: 0, count: 65_536)
    let count = unsafe clinux_receive(descriptor, &buffer, buffer.count)
    if count == -Int(EAGAIN) { return }
    if count > 0 {
      received += buffer[0..<count]
    } else {
      end = count == 0 ? .closed : .reset
      stopReading()
    }
  }

  /// Sends all of it, as fast as the server takes it.
  func send(_ bytes: [UInt8]) async {
    var rest = bytes[...]
    while !rest.isEmpty {
      let sent = trySend(rest)
      if sent < 0 { return }
      rest = rest.dropFirst(sent)
      if sent == 0 { await sleep(for: .milliseconds(1)) }
    }
  }

  func send(_ text: String) async { await send(Array(text.utf8)) }

  /// Sends what the socket takes at once: the count, 0 when it is full, -1 when the connection is gone.
  func trySend(_ bytes: ArraySlice<UInt8>) -> Int {
    let count = unsafe bytes.withUnsafeBytes { unsafe clinux_send(descriptor, $0.baseAddress, $0.count) }
    return count == -Int(EAGAIN) ? 0 : max(count, -1)
  }

  func shutDown() { shutdown(descriptor, Int32(SHUT_WR)) }

  func setReceiveBuffer(_ bytes: Int32) {
    var bytes = bytes
    _ = unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &bytes, socklen_t(MemoryLayout<Int32>.size))
  }

  func disconnect() {
    stopReading()
    if descriptor >= 0 { close(descriptor) }
    descriptor = -1
  }

  /// The next answer, taken from what was received; nil when the connection ends first, or after ten seconds.
  /// `isHead`: it answers a HEAD request.
  func answer(isHead: Bool = false) async -> Answer? {
    let deadline = MonotonicInstant.read() + .seconds(10)
    while true {
      if let (answer, length) = parse(isHead: isHead) {
        received.removeFirst(length)
        return answer
      }
      if end != .open || MonotonicInstant.read() > deadline { return nil }
      await sleep(for: .milliseconds(1))
    }
  }

  private func parse(isHead: Bool) -> (Answer, Int)? {
    guard let headEnd = position(of: "\r\n\r\n", from: 0) else { return nil }
    let lines = String(decoding: received[0..<headEnd], as: UTF8.self).split(separator: "\r\n")
    let status = lines[0].split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
    var fields: [String: String] = [:]
    for line in lines.dropFirst() {
      let parts = line.split(separator: ":", maxSplits: 1)
      fields[parts[0].lowercased()] = parts.count == 2 ? String(parts[1].drop { $0 == " " }) : ""
    }
    var position = headEnd + 4
    var body: [UInt8] = []
    if isHead || status < 200 || status == 204 || status == 304 {
    } else if fields["transfer-encoding"] == "chunked" {
      while true {
        guard let lineEnd = self.position(of: "\r\n", from: position) else { return nil }
        let size = Int(String(decoding: received[position..<lineEnd], as: UTF8.self), radix: 16) ?? 0
        guard received.count >= lineEnd + 2 + size + 2 else { return nil }
        body += received[(lineEnd + 2)..<(lineEnd + 2 + size)]
        position = lineEnd + 2 + size + 2
        if size == 0 { break }
      }
    } else if let length = fields["content-length"].flatMap({ Int($0) }) {
      guard received.count >= position + length else { return nil }
      body = Array(received[position..<(position + length)])
      position += length
    } else {
      guard end == .closed else { return nil }
      body = Array(received[position...])
      position = received.count
    }
    return (Answer(status: status, fields: fields, body: String(decoding: body, as: UTF8.self)), position)
  }

  private func position(of text: String, from start: Int) -> Int? {
    let wanted = Array(text.utf8)
    guard received.count >= wanted.count, start <= received.count - wanted.count else { return nil }
    return (start...(received.count - wanted.count)).first { received[$0..<($0 + wanted.count)].elementsEqual(wanted) }
  }
}

func get(_ path: String, _ fields: String = "") -> String { "GET \(path) HTTP/1.1\r\nHost: h\r\n\(fields)\r\n" }

func post(_ path: String, _ fields: String, _ body: String = "") -> String {
  "POST \(path) HTTP/1.1\r\nHost: h\r\n\(fields)\r\n\(body)"
}
