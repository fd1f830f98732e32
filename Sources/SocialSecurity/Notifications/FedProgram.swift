import CLinux
import EventLoop
import Glibc

/// A program that does something with what it is given on standard input, and says by its status whether it could.
/// Started by posix_spawn with an argument array; no shell ever sees a word of it.
@LoopActor
final class FedProgram {
  enum Failed: Error, Sendable {
    case notStarted(errno: Int32)
    /// It ended with another status than 0, or was killed after `limit`.
    case refused(status: Int32)
  }

  private static let limit: Duration = .seconds(30)
  /// A program that ends is seen within this time.
  private static let interval: Duration = .milliseconds(20)

  private let words: [String]

  /// - Parameter words: program and arguments. Other users of the machine can read them.
  init(_ words: [String]) {
    self.words = words
  }

  /// Starts it with this input and waits for its end.
  ///
  /// - Throws: unless it ended with status 0.
  func run(_ input: [UInt8]) async throws(Failed) {
    let process = try start(input)
    let deadline = LoopActor.shared.loop.now + Self.limit
    var isKilled = false
    while true {
      let status = clinux_reap_if_ended(process)
      if status == 0, !isKilled { return }
      guard status == -EAGAIN else { throw .refused(status: status) }
      if LoopActor.shared.loop.now > deadline, !isKilled {
        isKilled = true
        kill(process, SIGKILL)
      }
      await sleep(for: Self.interval)
    }
  }

  /// The input lies in an unnamed file rather than in a pipe, so a program that doesn't read can't block us.
  private func start(_ bytes: [UInt8]) throws(Failed) -> pid_t {
    let file = unsafe clinux_memory_create("input", bytes.count)
    guard file >= 0 else { throw .notStarted(errno: -file) }
    defer { close(file) }
    let written = unsafe bytes.withUnsafeBytes { unsafe write(file, $0.baseAddress, $0.count) }
    guard written == bytes.count, lseek(file, 0, SEEK_SET) == 0 else { throw .notStarted(errno: errno) }
    return try spawn(input: file)
  }

  private func spawn(input: Int32) throws(Failed) -> pid_t {
    guard let program = words.first else { throw .notStarted(errno: ENOENT) }
    var arguments = unsafe words.map { unsafe strdup($0) } + [nil]
    defer { for unsafe argument in unsafe arguments { unsafe free(argument) } }
    // Neither our secrets nor our database's address belong to it.
    var environment = unsafe [strdup("PATH=/usr/sbin:/usr/bin:/sbin:/bin"), nil]
    defer { for unsafe variable in unsafe environment { unsafe free(variable) } }
    let process = unsafe clinux_spawn_fed(program, &arguments, &environment, input)
    guard process > 0 else { throw .notStarted(errno: -process) }
    return process
  }
}
