import EventLoop
import HTTPServer
import PostgresClient

/// Work that outlived its request, for whoever ordered it. With `Prefer: wait=10` (RFC 7240 section 4.3) the answer
/// comes when the work is done, or after that many seconds.
func getJob(_ call: Call) async throws(Failure) -> Response {
  let wait = JobWait(call.request.headers)
  var pauses = wait.pauses[...]
  while true {
    var work = try call.work()
    try work.add(JobStatements.get, call.id("job_id"))
    // Asked again in full each time: a caller who has logged out meanwhile waits in vain.
    let result = try await call.read(work).last
    var response = try call.context.answer(read: result)
    guard result?.bool(0, 2) != true, let pause = pauses.popFirst() else {
      if let seconds = wait.seconds { response.headers.append("Preference-Applied", "wait=\(seconds)") }
      return response
    }
    await sleep(for: pause)
  }
}

/// The `wait` preference.
struct JobWait: Sendable {
  static let secondsMax = 10

  /// Nil when none was asked for.
  let seconds: Int?

  init(_ headers: Headers) {
    let digits = Preferences(headers).value("wait") ?? ""
    guard (1...2).contains(digits.utf8.count), digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
      seconds = nil
      return
    }
    seconds = min(digits.utf8.reduce(0) { $0 * 10 + Int($1 - 0x30) }, Self.secondsMax)
  }

  /// How long to sleep before each look at the job: first for a moment, since most work is soon done.
  var pauses: [Duration] {
    guard let seconds, seconds > 0 else { return [] }
    let first: [Duration] = [.milliseconds(25), .milliseconds(50), .milliseconds(75), .milliseconds(100)]
    return first + Array(repeating: .milliseconds(250), count: seconds * 4 - 1)
  }
}
