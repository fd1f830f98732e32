import CLinux
import EventLoop
import Glibc

/// An HTTP/1.1 server on listening sockets that somebody else has made, and keeps.
@LoopActor
package final class Server {
  let limits: Limits
  let allowedHosts: [[UInt8]]
  let trustedProxies: TrustedProxies
  let handler: any RequestHandler
  let inbox = Inbox()
  let emptyBody = RequestBody(complete: [])
  /// Emptied output buffers, for the next answers.
  var spareBuffers: [[UInt8]] = []

  private var listeners: [Listener] = []
  private var connections: [Connection] = []
  private var date = HTTPDate()
  private var isDraining = false
  private var drainWaiters: [SuspendedTask] = []
  /// A connection with this descriptor number, or a higher one, leaves fewer than 16 free.
  private let descriptorLimit: Int32

  /// `allowedHosts`: the names (without ports) that the Host field may have; another valid one is answered 421. Empty
  /// allows any. `trustedProxies`: the peers whose `X-Forwarded-For` is believed.
  package init(
    limits: Limits = Limits(), allowedHosts: [String] = [], trustedProxies: TrustedProxies = TrustedProxies(),
    handler: any RequestHandler
  ) {
    self.limits = limits
    self.allowedHosts = allowedHosts.map { $0.utf8.map(\.lowercased) }
    self.trustedProxies = trustedProxies
    self.handler = handler
    descriptorLimit = Self.openFilesLimit() - 16
  }

  private static func openFilesLimit() -> Int32 {
    var limit = rlimit()
    guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return .max }
    return Int32(clamping: limit.rlim_cur)
  }

  /// Open connections, those that are being closed included.
  package var connectionCount: Int { connections.count }

  /// Accepts connections on a TCP or Unix socket that listens already. The descriptor stays the caller's and is never
  /// closed here. `shared`: other processes wait on the same socket. Throws when the loop can't take the socket.
  package func listen(on descriptor: Int32, shared: Bool = false) throws(SystemError) {
    let listener = Listener(descriptor: descriptor, isShared: shared, server: self)
    try listener.resume()
    listeners.append(listener)
  }

  /// Accepts what waits already and takes the listening sockets out of the loop, without closing them; lets requests
  /// under way finish, each with `Connection: close`; closes idle connections after `Limits.drainGrace`. Returns when
  /// all connections are closed; those that are left after `limit` are reset. `afterLastAccept` is called once nothing
  /// more is accepted.
  package func drain(within limit: Duration, afterLastAccept: () -> Void = {}) async {
    isDraining = true
    for listener in listeners {
      listener.acceptWaiting()
      listener.stop()
    }
    listeners = []
    afterLastAccept()
    for connection in connections { connection.drain() }
    let timer = LoopActor.shared.loop.schedule(after: limit) { [self] in
      for connection in connections { connection.perform(connection.machine.on(.answerFailed)) }
    }
    await SuspendedTask.suspend(while: { !connections.isEmpty }) { drainWaiters.append($0) }
    LoopActor.shared.loop.cancel(timer)
  }

  // MARK: connections

  func accepted(_ descriptor: Int32, _ peer: PeerAddress) {
    let isOverLimit = connections.count >= limits.connections || descriptor >= descriptorLimit
    // Beyond some refusals at a time there is only one thing left to do.
    guard connections.count < limits.connections + 64 else {
      close(descriptor)
      return
    }
    let connection = Connection(server: self, descriptor: descriptor, peer: peer)
    do throws(SystemError) {
      try connection.start()
    } catch {
      close(descriptor)
      return
    }
    connection.index = connections.count
    connections.append(connection)
    if isDraining { connection.drain() }
    if isOverLimit { connection.refuse(.tooManyConnections) }
  }

  func forget(_ connection: Connection) {
    let index = connection.index
    guard index < connections.count, connections[index] === connection else { return }
    let last = connections.removeLast()
    if last !== connection {
      connections[index] = last
      last.index = index
    }
    if connections.isEmpty {
      for waiter in drainWaiters { waiter.resume() }
      drainWaiters = []
    }
  }

  /// The `Date` field line of the current second.
  func dateLine() -> [UInt8] {
    date.update(to: clinux_wall_seconds())
    return date.line
  }
}

extension Connection {
  /// No further request after the current one; an idle connection gets a moment for one that is on its way.
  func drain() {
    perform(machine.on(.drain))
    if machine.phase == .idle || machine.phase == .fresh { setInputDeadline(after: server.limits.drainGrace) }
  }
}
