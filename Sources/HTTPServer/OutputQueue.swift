import CLinux
import Glibc

/// Bytes on their way to the client. Small pieces gather in one buffer, so that an answer, or several pipelined ones,
/// leave in one call; large ones are queued as they are, and go out together with what stands before them.
struct OutputQueue {
  private static let gathered = 16_384

  private var pieces: [[UInt8]] = []
  private var first = 0
  /// Bytes of `pieces[first]` that were sent.
  private var sent = 0
  /// Bytes waiting.
  private(set) var count = 0

  var isEmpty: Bool { count == 0 }

  /// Appends what `write` adds to a buffer. `spare` is where an emptied buffer is taken from.
  mutating func gather(_ spare: inout [[UInt8]], _ write: (inout [UInt8]) -> Void) {
    if pieces.count == first || pieces[pieces.count - 1].count >= Self.gathered {
      pieces.append(spare.popLast() ?? [])
      if pieces[pieces.count - 1].capacity == 0 { pieces[pieces.count - 1].reserveCapacity(2_048) }
    }
    let last = pieces.count - 1
    let before = pieces[last].count
    write(&pieces[last])
    count += pieces[last].count - before
  }

  /// Appends bytes: copied when few, else kept as they are.
  mutating func append(_ bytes: [UInt8], _ spare: inout [[UInt8]]) {
    guard bytes.count > Self.gathered else {
      if !bytes.isEmpty { gather(&spare) { $0 += bytes } }
      return
    }
    pieces.append(bytes)
    count += bytes.count
  }

  /// Sends what the socket takes. Returns the bytes sent, or -errno (`-EAGAIN` when it takes nothing more now).
  mutating func send(to descriptor: Int32, _ spare: inout [[UInt8]]) -> Int {
    var total = 0
    while count > 0 {
      let result = sendOnce(to: descriptor)
      guard result > 0 else { return result == -Int(EAGAIN) && total > 0 ? total : result }
      total += result
      drop(result, &spare)
    }
    return total
  }

  private func sendOnce(to descriptor: Int32) -> Int {
    unsafe pieces[first].withUnsafeBytes { a in
      let rest = unsafe UnsafeRawBufferPointer(rebasing: a[sent...])
      guard first + 1 < pieces.count else { return unsafe clinux_send(descriptor, rest.baseAddress, rest.count) }
      return unsafe pieces[first + 1].withUnsafeBytes { b in
        unsafe clinux_send_two(descriptor, rest.baseAddress, rest.count, b.baseAddress, b.count)
      }
    }
  }

  private mutating func drop(_ bytes: Int, _ spare: inout [[UInt8]]) {
    var left = bytes
    count -= bytes
    while left > 0 {
      let rest = pieces[first].count - sent
      if left < rest {
        sent += left
        return
      }
      left -= rest
      recycle(first, &spare)
      first += 1
      sent = 0
    }
    if first == pieces.count {
      pieces.removeAll(keepingCapacity: true)
      first = 0
    }
  }

  /// Keeps a few emptied buffers for the next answers of any connection; idle connections hold none.
  private mutating func recycle(_ index: Int, _ spare: inout [[UInt8]]) {
    var emptied: [UInt8] = []
    swap(&emptied, &pieces[index])
    guard spare.count < 32, emptied.capacity <= 2 * Self.gathered else { return }
    emptied.removeAll(keepingCapacity: true)
    spare.append(emptied)
  }
}
