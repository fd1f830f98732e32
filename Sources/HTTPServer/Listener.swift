import CLinux
import EventLoop
import Glibc

/// A listening socket in the loop. When the process runs out of descriptors it pauses instead of spinning; clients wait
/// in the socket's queue.
@LoopActor
final class Listener {
  private static let acceptsPerTurn = 64
  private static let pause: Duration = .milliseconds(100)

  private let descriptor: Int32
  private let isShared: Bool
  /// Strong: a server lives as long as it listens.
  private let server: Server
  private var registration: Registration?
  private var timer: TimerHandle?

  init(descriptor: Int32, isShared: Bool, server: Server) {
    self.descriptor = descriptor
    self.isShared = isShared
    self.server = server
  }

  /// Begins or goes on to accept.
  func resume() throws(SystemError) {
    timer = nil
    _ = try SystemError.check(clinux_set_nonblocking(descriptor), "fcntl")
    registration = try LoopActor.shared.loop.register(descriptor, isShared ? [.read, .exclusive] : .read) {
      [self] _ in accept()
    }
  }

  /// Leaves the loop; the socket stays open.
  func stop() {
    if let registration { LoopActor.shared.loop.deregister(registration) }
    registration = nil
    if let timer { LoopActor.shared.loop.cancel(timer) }
    timer = nil
  }

  /// Accepts all that have connected so far.
  func acceptWaiting() {
    while acceptOne() >= 0 {}
  }

  private func accept() {
    for _ in 0..<Self.acceptsPerTurn {
      let result = acceptOne()
      // The queue is empty, or a client has gone while it waited; anything else is a lack of resources.
      if result == -EAGAIN || result == -EINTR || result == -ECONNABORTED { return }
      if result < 0 { return pauseAccepting() }
    }
  }

  /// The accepted descriptor or -errno.
  private func acceptOne() -> Int32 {
    var peer = clinux_peer()
    let accepted = unsafe clinux_accept(descriptor, &peer)
    if accepted >= 0 { server.accepted(accepted, address(of: peer, accepted)) }
    return accepted
  }

  private func pauseAccepting() {
    stop()
    timer = LoopActor.shared.loop.schedule(after: Self.pause) { [self] in
      do throws(SystemError) { try resume() } catch { pauseAccepting() }
    }
  }

  private func address(of peer: clinux_peer, _ accepted: Int32) -> PeerAddress {
    let bytes = unsafe withUnsafeBytes(of: peer.address) { unsafe Array($0) }
    switch peer.family {
    case AF_INET:
      _ = clinux_set_nodelay(accepted)
      return .ipv4(PeerAddress.integer(bytes[0..<4]))
    case AF_INET6:
      _ = clinux_set_nodelay(accepted)
      return PeerAddress(ipv6: bytes)
    default:
      return .unix
    }
  }
}
