import CLinux
import EventLoop

/// The one buffer that all connections of a loop receive into. A connection keeps a copy only of what can't be parsed
/// yet, so idle ones hold nothing.
@LoopActor
final class Inbox {
  private(set) var bytes = [UInt8](repeating: 0, count: 65_536)

  /// Receives once: the bytes are `bytes[0..<result]`; 0 at the end of the stream, -errno on failure.
  func receive(from descriptor: Int32) -> Int {
    unsafe bytes.withUnsafeMutableBytes { buffer in
      unsafe clinux_receive(descriptor, buffer.baseAddress, buffer.count)
    }
  }
}
