import Glibc

/// What a crashing process prints of itself, by Swift's own settings in `SWIFT_BACKTRACE` (which the operator may set).
enum Backtraces {
  /// Frames only: registers and memory hold people's data.
  private static let frames = "enable=yes,color=no,interactive=no,registers=none,images=none,sanitize=yes"

  /// A release is linked statically and doesn't know where a toolchain keeps its helper: it prints backtraces when the
  /// helper lies beside the program, and else none, instead of a complaint by each process.
  static var setting: String {
    #if DEBUG
      return frames
    #else
      guard let directory = programDirectory else { return "enable=no" }
      for name in ["swift-backtrace-static", "swift-backtrace"] where unsafe access("\(directory)/\(name)", X_OK) == 0 {
        return "\(frames),swift-backtrace=\(directory)/\(name)"
      }
      return "enable=no"
    #endif
  }

  private static var programDirectory: String? {
    var path = [CChar](repeating: 0, count: Int(PATH_MAX))
    let length = unsafe readlink("/proc/self/exe", &path, path.count)
    guard length > 0 else { return nil }
    let bytes = path[..<length].map { UInt8(bitPattern: $0) }
    guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else { return nil }
    return String(validating: bytes[..<slash], as: UTF8.self)
  }
}
