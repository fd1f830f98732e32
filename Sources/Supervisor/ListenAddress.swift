import CLinux
import Glibc

/// Where to listen: an address and port, or a path.
package enum ListenAddress: Sendable, Equatable, CustomStringConvertible {
  /// 4 or 16 bytes in network order. Port 0 lets the system choose.
  case internet(address: [UInt8], port: UInt16)
  case unix(path: String)

  /// Reads `127.0.0.1:8080`, `[::1]:8080` or `unix:/run/smile.sock`; nil for anything else. Names aren't looked up.
  package init?(parsing text: String) {
    if text.hasPrefix("unix:") {
      let path = String(text.dropFirst(5))
      // sun_path has 108 bytes with its NUL.
      guard path.utf8.first == 0x2F, path.utf8.count <= 107, !path.utf8.contains(0) else { return nil }
      self = .unix(path: path)
      return
    }
    guard let colon = text.utf8.lastIndex(of: 0x3A),
      let port = ListenAddress.port(text[text.utf8.index(after: colon)...])
    else { return nil }
    var host = text[..<colon]
    let family = host.hasPrefix("[") && host.hasSuffix("]") ? AF_INET6 : AF_INET
    if family == AF_INET6 { host = host.dropFirst().dropLast() }
    var address = [UInt8](repeating: 0, count: family == AF_INET6 ? 16 : 4)
    let parsed = unsafe address.withUnsafeMutableBytes { unsafe inet_pton(family, String(host), $0.baseAddress) }
    guard parsed == 1 else { return nil }
    self = .internet(address: address, port: port)
  }

  /// Whether only this machine can connect.
  package var isLoopback: Bool {
    switch self {
    case .unix: true
    case .internet(let address, _):
      address.count == 4 ? address[0] == 127 : address == [UInt8](repeating: 0, count: 15) + [1]
    }
  }

  /// Whether it is a path, whose one socket all workers share.
  package var isPath: Bool {
    if case .unix = self { true } else { false }
  }

  /// The text that `init(parsing:)` reads.
  package var description: String {
    switch self {
    case .unix(let path): return "unix:\(path)"
    case .internet(let address, let port):
      var text = [CChar](repeating: 0, count: 64)
      let family = address.count == 4 ? AF_INET : AF_INET6
      let length = socklen_t(text.count)
      _ = unsafe text.withUnsafeMutableBufferPointer { text in
        unsafe inet_ntop(family, address, text.baseAddress, length)
      }
      let host = String(validating: text.prefix { $0 != 0 }, as: UTF8.self) ?? ""
      return family == AF_INET ? "\(host):\(port)" : "[\(host)]:\(port)"
    }
  }

  /// One to five digits without a leading zero, or 0.
  private static func port(_ digits: Substring) -> UInt16? {
    guard (1...5).contains(digits.utf8.count), digits.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }),
      digits.utf8.count == 1 || digits.utf8.first != 0x30
    else { return nil }
    return UInt16(digits)
  }
}

/// Listening sockets, which the supervisor opens once and never closes.
struct ListeningSockets {
  /// One for each slot; the same one several times for a path.
  let descriptors: [Int32]
  /// With the port that the system chose.
  let address: ListenAddress

  /// - Throws: also when somebody else listens there, be it with SO_REUSEPORT, as two servers on one port would share
  ///   its connections without noticing.
  init(_ address: ListenAddress, count: Int, backlog: Int32) throws(SupervisorError) {
    switch address {
    case .unix(let path):
      let descriptor = try ListeningSockets.open(path: path, backlog: backlog)
      descriptors = Array(repeating: descriptor, count: count)
      self.address = address
    case .internet(let bytes, let wantedPort):
      let alone = try ListeningSockets.open(bytes, wantedPort, backlog: 1, reusePort: false, address)
      let port = clinux_bound_port(alone)
      close(alone)
      guard port > 0, let port = UInt16(exactly: port) else { throw SupervisorError("\(address)", errno: EINVAL) }
      var descriptors: [Int32] = []
      for _ in 0..<count {
        descriptors.append(try ListeningSockets.open(bytes, port, backlog: backlog, reusePort: true, address))
      }
      self.descriptors = descriptors
      self.address = .internet(address: bytes, port: port)
    }
  }

  private static func open(
    _ bytes: [UInt8], _ port: UInt16, backlog: Int32, reusePort: Bool, _ address: ListenAddress
  ) throws(SupervisorError) -> Int32 {
    let descriptor = unsafe clinux_listen_tcp(bytes, Int32(bytes.count), port, backlog, reusePort ? 1 : 0)
    guard descriptor >= 0 else { throw SupervisorError("listening on \(address)", errno: -descriptor) }
    return descriptor
  }

  /// Removes the socket that a killed server left behind, and nothing else.
  private static func open(path: String, backlog: Int32) throws(SupervisorError) -> Int32 {
    var descriptor = unsafe clinux_listen_unix(path, backlog)
    if descriptor == -EADDRINUSE, unsafe clinux_unix_is_abandoned(path) == 1 {
      unsafe unlink(path)
      descriptor = unsafe clinux_listen_unix(path, backlog)
    }
    guard descriptor >= 0 else { throw SupervisorError("listening on unix:\(path)", errno: -descriptor) }
    return descriptor
  }
}
