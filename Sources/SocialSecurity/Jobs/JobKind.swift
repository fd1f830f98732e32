import EventLoop
import PostgresClient

/// A kind of queued work, such as rows of `smile.job` name it.
package protocol JobKind: Sendable {
  /// As in `smile.job.kind`.
  var name: String { get }

  /// Does the work. It may be run again after a crash, so what it does twice must be as if done once.
  @LoopActor func run(_ job: JobRun) async -> JobOutcome
}

/// One run of a job.
package struct JobRun: Sendable {
  package let id: SQLUUID
  /// The JSON object of `smile.job.parameters`.
  package let parameters: [UInt8]
  /// The database as `smile_jobs`.
  package let database: Database
}

package enum JobOutcome: Sendable {
  /// With the JSON that `GET /v1/jobs/{id}` shows as `result`.
  case succeeded([UInt8])
  /// Well or badly, and the run's own transaction said so in the job's row.
  case ended
  /// With a stable code; tried again later, as messages are, when that can help.
  case failed(code: String, mayRetry: Bool)
}

/// Every kind of work there is.
enum JobKinds {
  static let all: [any JobKind] = [
    Housekeeping()
  ] + ReturnJob.all
}
