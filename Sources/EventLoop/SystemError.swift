import Glibc

/// A system call that failed: its name and errno.
package struct SystemError: Error, Equatable, CustomStringConvertible {
  /// The positive errno value, for example `EMFILE`.
  package let code: Int32
  /// What was tried, for example `epoll_ctl`.
  package let operation: String

  package init(code: Int32, operation: String) {
    self.code = code
    self.operation = operation
  }

  /// `accept: Too many open files (24)`.
  package var description: String {
    guard let text = unsafe strerror(code) else { return "\(operation): error \(code)" }
    return unsafe "\(operation): \(String(cString: text)) (\(code))"
  }

  /// `result` where it isn't negative; else the error that it carries (the wrappers of CLinux return -errno).
  package static func check(_ result: Int32, _ operation: String) throws(SystemError) -> Int32 {
    guard result < 0 else { return result }
    throw SystemError(code: -result, operation: operation)
  }
}
