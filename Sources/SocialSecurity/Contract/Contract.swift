import Glibc
import HTTPServer

/// The contract as it is served: `openapi.yaml` of the resources as far as it speaks of what this environment serves,
/// read and turned into JSON once at start.
package struct Contract: Sendable {
  let yaml: [UInt8]
  let json: [UInt8]

  /// - Parameters:
  ///   - directory: where `openapi.yaml` lies.
  ///   - absent: patterns of paths to leave out.
  /// - Throws: `StartFailure` when it can't be read or isn't plain YAML.
  package init(directory: String, without absent: Set<String> = []) throws(StartFailure) {
    let path = "\(directory)/openapi.yaml"
    guard let bytes = SmallFile.read(path), (try? UTF8Span(validating: bytes.span)) != nil else {
      throw StartFailure("\(path) can't be read")
    }
    do {
      yaml = ServedPaths.removing(absent, from: bytes)
      json = try PlainYAML.json(yaml)
    } catch {
      throw StartFailure("\(path), \(error)")
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
