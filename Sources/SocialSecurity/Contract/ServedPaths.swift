/// What `openapi.yaml` says of paths that aren't served is left out: a production installation has no sandbox, and
/// speaks of none.
enum ServedPaths {
  /// The lines of the contract without the blocks of these paths. It is plain YAML: a path is a key two spaces from
  /// the margin, and its block ends at the next key or comment that stands no further in.
  static func removing(_ absent: Set<String>, from yaml: [UInt8]) -> [UInt8] {
    if absent.isEmpty { return yaml }
    var kept: [UInt8] = []
    kept.reserveCapacity(yaml.count)
    var isLeftOut = false
    for line in yaml.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropLast() {
      let text = line.drop { $0 == UInt8(ascii: " ") }
      if !text.isEmpty, text.startIndex - line.startIndex <= 2 {
        isLeftOut =
          text.startIndex - line.startIndex == 2 && text.last == UInt8(ascii: ":")
          && absent.contains(String(decoding: text.dropLast(), as: UTF8.self))
      }
      if isLeftOut { continue }
      kept.append(contentsOf: line)
      kept.append(UInt8(ascii: "\n"))
    }
    return kept
  }
}

extension Endpoints {
  /// Patterns that an environment doesn't serve although the contract describes them.
  static func absentPaths(in environment: Configuration.Environment) -> Set<String> {
    Set(all(in: .dev).map(\.pattern)).subtracting(all(in: environment).map(\.pattern))
  }
}
