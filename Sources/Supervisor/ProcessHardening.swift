import CLinux
import Glibc

/// What every process of the server gives up at its start.
package enum ProcessHardening {
  private static let openFilesMax: Int64 = 65_536

  /// No new privileges, no core dumps, no reading of its memory by others of the same user, SIGPIPE ignored (a closed
  /// peer is an error of `write`), and as many open files as the system allows, 65,536 at the most.
  package static func apply() throws(SupervisorError) {
    try check(clinux_no_new_privileges(), "PR_SET_NO_NEW_PRIVS")
    try check(clinux_not_dumpable(), "PR_SET_DUMPABLE")
    try check(clinux_ignore_signal(SIGPIPE), "SIGPIPE")
    let limit = clinux_raise_open_files(openFilesMax)
    if limit < 0 { throw SupervisorError("RLIMIT_NOFILE", errno: Int32(-limit)) }
  }

  private static func check(_ result: Int32, _ operation: String) throws(SupervisorError) {
    if result < 0 { throw SupervisorError(operation, errno: -result) }
  }
}
