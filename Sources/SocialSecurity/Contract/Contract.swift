import EventLoop
import Glibc
import HTTPServer

/// The contract as it is served: `openapi.yaml` of the resources as far as it speaks of what this environment serves,
/// as it stands and as JSON. Made when it is first asked for: few workers ever are, and it takes as long as all else at
/// a start together.
@LoopActor
package final class Contract {
  struct Served: Sendable {
    let yaml: [UInt8]
    let json: [UInt8]
  }

  private let path: String
  private let absent: Set<String>
  private var served: Task<Result<Served, StartFailure>, Never>?

  /// - Parameters:
  ///   - directory: where `openapi.yaml` lies.
  ///   - absent: patterns of paths to leave out.
  package nonisolated init(directory: String, without absent: Set<String>) {
    path = "\(directory)/openapi.yaml"
    self.absent = absent
  }

  /// - Throws: `Failure.bug` when the file can't be read or isn't plain YAML.
  func read() async throws(Failure) -> Served {
    let making = served ?? Task.detached { [path, absent] in Self.make(path, without: absent) }
    served = making
    do {
      return try await making.value.get()
    } catch {
      throw .bug.because(error.description)
    }
  }

  private nonisolated static func make(
    _ path: String, without absent: Set<String>
  ) -> Result<Served, StartFailure> {
    guard let bytes = SmallFile.read(path), (try? UTF8Span(validating: bytes.span)) != nil else {
      return .failure(StartFailure("\(path) can't be read"))
    }
    do {
      let yaml = ServedPaths.removing(absent, from: bytes)
      return .success(Served(yaml: yaml, json: try PlainYAML.json(yaml)))
    } catch {
      return .failure(StartFailure("\(path), \(error)"))
    }
  }
}

/// Why a process can't start, in one line for the person who starts it.
package struct StartFailure: Error, CustomStringConvertible {
  package let description: String
  package init(_ description: String) { self.description = description }
}

/// Reads a file whole, at start only: it blocks.
enum SmallFile {
  static func read(_ path: String) -> [UInt8]? {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      let count = unsafe chunk.withUnsafeMutableBytes { unsafe Glibc.read(descriptor, $0.baseAddress, $0.count) }
      if count == 0 { return bytes }
      guard count > 0 else { return nil }
      bytes.append(contentsOf: chunk[..<count])
    }
  }
}
