import Crypto
import Glibc
import Synchronization
import Testing

struct HashQueueTests {
  @Test func resultsComeBack() async throws {
    let queue = try HashQueue()
    for number in 0..<100 {
      #expect(try await queue.run { number * 2 } == number * 2)
    }
    #expect(try await queue.run { Int?.none } == nil)
  }

  /// A gate holds the thread, so that what is sent after it waits.
  @Test func fullQueueRefusesAtOnce() async throws {
    let queue = try HashQueue()
    let gate = try Gate()
    async let held: Void = queue.run { gate.hold() }
    await gate.reached()
    try await withThrowingTaskGroup(of: Bool.self) { group in
      // One more than fits; exactly one is refused, whichever comes last.
      for _ in 0...HashQueue.waitingMax {
        group.addTask {
          do {
            try await queue.run {}
            return true
          } catch is HashQueueFull {
            gate.open()
            return false
          }
        }
      }
      var done = 0
      for try await isDone in group where isDone { done += 1 }
      #expect(done == HashQueue.waitingMax)
    }
    try await held
  }

  @Test func manyCallersOneAtATime() async throws {
    let queue = try HashQueue()
    let observed = Observed()
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<16 {
        group.addTask {
          for _ in 0..<20 { try? await queue.run { observed.work() } }
        }
      }
    }
    #expect(observed.overlaps.load(ordering: .sequentiallyConsistent) == 0)
    #expect(observed.done.load(ordering: .sequentiallyConsistent) > 0)
  }
}

private final class Observed: Sendable {
  let running = Atomic(0)
  let overlaps = Atomic(0)
  let done = Atomic(0)

  func work() {
    if running.add(1, ordering: .sequentiallyConsistent).oldValue > 0 {
      overlaps.add(1, ordering: .sequentiallyConsistent)
    }
    _ = SHA256.hash([1, 2, 3])
    running.subtract(1, ordering: .sequentiallyConsistent)
    done.add(1, ordering: .sequentiallyConsistent)
  }
}

/// Holds a thread until it is opened, and tells when the thread has come.
private final class Gate: Sendable {
  private let readEnd: Int32
  private let writeEnd: Int32
  private let arrival = AsyncStream<Void>.makeStream()

  init() throws {
    var ends: [Int32] = [-1, -1]
    try #require(unsafe pipe(&ends) == 0)
    readEnd = ends[0]
    writeEnd = ends[1]
  }

  deinit {
    close(readEnd)
    close(writeEnd)
  }

  func hold() {
    arrival.continuation.yield()
    var byte: UInt8 = 0
    _ = unsafe read(readEnd, &byte, 1)
  }

  func reached() async {
    for await _ in arrival.stream { return }
  }

  func open() {
    _ = unsafe write(writeEnd, [1], 1)
  }
}
