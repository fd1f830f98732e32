import CLinux
import EventLoop
import Glibc

@testable import PostgresClient

/// A relay between a client on 127.0.0.1 and PostgreSQL's Unix socket that breaks on order. Runs on the loop.
@LoopActor
final class FaultProxy {
  /// What happens when the client's bytes hold `trigger`.
  enum Fault {
    case none
    /// Cut both sides; nothing of these bytes reaches the server.
    case cutBefore
    /// Pass the bytes on, then cut the client once the server has answered; the answer is dropped.
    case cutOnReply
    /// Pass nothing on any more, in either direction.
    case stall
    /// Pass on only so many of these bytes, then cut both sides.
    case cutWithin(Int)
    /// Pass the bytes on, and only so many of the answer's, then cut both sides.
    case cutReplyAfter(Int)
  }

  private final class Pair {
    let client: Int32
    let server: Int32
    var registrations: [Registration] = []
    /// How many bytes of the server's may still pass; nil for all.
    var replyLeft: Int?
    var isStalled = false

    init(client: Int32, server: Int32) {
      self.client = client
      self.server = server
    }
  }

  let port: Int
  var fault = Fault.none
  var trigger: [UInt8] = []
  /// How often the fault struck.
  private(set) var strikes = 0
  /// How many connections were made.
  private(set) var accepted = 0
  private let listener: Int32
  private let serverPath: String
  private var listening: Registration?
  private var pairs: [ObjectIdentifier: Pair] = [:]

  init(to serverPath: String) throws {
    self.serverPath = serverPath
    listener = unsafe clinux_listen_tcp([127, 0, 0, 1], 4, 0, 64, 0)
    port = Int(clinux_bound_port(listener))
    listening = try LoopActor.shared.loop.register(listener, .read) { [weak self] _ in self?.accept() }
  }

  /// Strikes each time that the client's bytes hold `text`.
  func arm(_ fault: Fault, on text: String) {
    self.fault = fault
    trigger = Array(text.utf8)
  }

  /// Refuses new connections and cuts the present ones.
  func shutDown() {
    if let listening { LoopActor.shared.loop.deregister(listening) }
    listening = nil
    close(listener)
    cutAll()
  }

  /// Cuts the present connections.
  func cutAll() {
    for pair in pairs.values { cut(pair) }
  }

  private func accept() {
    var peer = clinux_peer()
    let client = unsafe clinux_accept(listener, &peer)
    guard client >= 0 else { return }
    accepted += 1
    let server = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: serverPath.utf8) }
    let isConnected = unsafe withUnsafePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe connect(server, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
      }
    }
    guard isConnected else {
      close(client)
      close(server)
      return
    }
    let pair = Pair(client: client, server: server)
    pairs[ObjectIdentifier(pair)] = pair
    let loop = LoopActor.shared.loop
    for (from, to) in [(client, server), (server, client)] {
      guard let registration = try? loop.register(from, .read, { [weak self] _ in self?.relay(pair, from, to) }) else {
        continue
      }
      pair.registrations.append(registration)
    }
  }

  private func relay(_ pair: Pair, _ from: Int32, _ to: Int32) {
    var block = [UInt8](repeating: 0, count: 65_536)
    let count = unsafe clinux_receive(from, &block, block.count)
    if count == -Int(EAGAIN) { return }
    guard count > 0 else { return cut(pair) }
    let bytes = block[..<count]
    var allowed = count
    if from == pair.client, !trigger.isEmpty, Self.holds(bytes, trigger) {
      switch fault {
      case .none: break
      case .cutBefore: allowed = 0
      case .cutOnReply: pair.replyLeft = 0
      case .stall: pair.isStalled = true
      case .cutWithin(let limit): allowed = min(limit, count)
      case .cutReplyAfter(let limit): pair.replyLeft = limit
      }
      if pair.isStalled || allowed < count { strikes += 1 }
    } else if from == pair.server, let left = pair.replyLeft {
      allowed = min(left, count)
      pair.replyLeft = left - allowed
      if allowed < count { strikes += 1 }
    }
    if pair.isStalled { return }
    forward(bytes[..<allowed], to, pair)
    if allowed < count { cut(pair) }
  }

  private func forward(_ bytes: ArraySlice<UInt8>, _ to: Int32, _ pair: Pair) {
    var sent = 0
    while sent < bytes.count {
      let rest = Array(bytes[sent...])
      let written = unsafe clinux_send(to, rest, rest.count)
      if written == -Int(EAGAIN) {
        // The tests' messages are small; a full socket only needs a moment.
        var full = pollfd(fd: to, events: Int16(POLLOUT), revents: 0)
        _ = unsafe poll(&full, 1, 1_000)
        continue
      }
      guard written > 0 else { return cut(pair) }
      sent += written
    }
  }

  private static func holds(_ bytes: ArraySlice<UInt8>, _ text: [UInt8]) -> Bool {
    guard bytes.count >= text.count else { return false }
    return (bytes.startIndex...(bytes.endIndex - text.count)).contains { start in
      bytes[start..<(start + text.count)].elementsEqual(text)
    }
  }

  private func cut(_ pair: Pair) {
    guard pairs.removeValue(forKey: ObjectIdentifier(pair)) != nil else { return }
    for registration in pair.registrations { LoopActor.shared.loop.deregister(registration) }
    _ = clinux_set_reset_on_close(pair.client)
    close(pair.client)
    close(pair.server)
  }
}

extension TestDatabase {
  /// The same database, through a proxy.
  @LoopActor
  func configuration(through proxy: FaultProxy, _ statements: [any StatementDescription]) -> DatabaseConfiguration {
    var configuration = configuration(statements)
    configuration.conninfo += " host=127.0.0.1 port=\(proxy.port) sslmode=disable gssencmode=disable"
    return configuration
  }
}
