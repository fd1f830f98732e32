import EventLoop
import HTTPServer
import JSON
import PostgresClient

/// What the jobs process does to a large return or a bank's large statement. One transaction holds the effect and the
/// job's end, so a run that is repeated after a crash finds either nothing done or nothing to do.
struct ReturnJob: JobKind {
  /// Two million lines take about two minutes.
  private static let limit: Duration = .seconds(600)

  private static let runReturn = Statement(
    "jobs.run_return_job", "SELECT problem_code FROM smile.run_return_job($1)", SQLUUID.self)
  private static let runStatement = Statement(
    "jobs.run_statement_job", "SELECT problem_code FROM smile.run_statement_job($1)", SQLUUID.self)
  static let statements: [any StatementDescription] = [runReturn, runStatement]
  static let all = [
    ReturnJob(name: "load_lines", run: runReturn), ReturnJob(name: "finalise_return", run: runReturn),
    ReturnJob(name: "reconcile_statement", run: runStatement),
  ]

  let name: String
  private let run: Statement<SQLUUID>

  @LoopActor func run(_ job: JobRun) async -> JobOutcome {
    do {
      _ = try await job.database.dedicated {
        (connection: DedicatedConnection) async throws(DatabaseError) -> [QueryResult] in
        var work = Segment()
        try work.add(run, job.id)
        return try await connection.run(work, within: Self.limit)
      }
      return .ended
    } catch {
      // What PostgreSQL refuses for another reason than a lock would be refused again.
      if case .server(let refusal) = error, !refusal.isTransient, refusal.sqlState != "55P03" {
        return .failed(code: "internal_error", mayRetry: false)
      }
      return .failed(code: "unavailable", mayRetry: true)
    }
  }
}

extension RequestCall {
  /// The answer to a change of a return, or to a statement. When it is a job and the caller prefers to wait (RFC 7240
  /// section 4.3), what the job was ordered for, as if it had been done at once; the job still when the time isn't
  /// enough.
  ///
  /// - Throws: the problem that the job ended with.
  func settled(
    _ answer: Response, by outcome: Statement<SQLUUID> = ReturnStatements.settled
  ) async throws(Failure) -> Response {
    let wait = JobWait(request.headers)
    guard let seconds = wait.seconds, let job = Self.job(in: answer) else { return answer }
    var settled = answer
    for pause in wait.pauses {
      await sleep(for: pause)
      var work = try self.work()
      try work.add(outcome, job)
      guard let found = try await read(work).last, found.bool(0, 4) == true else { continue }
      if let code = found.string(0, 5) {
        throw DatabaseFailures.refusal(services.catalogue[code]?.status ?? 500, code, detail: found.string(0, 6))
      }
      settled = try context.answer(written: found)
      break
    }
    settled.headers.append("Preference-Applied", "wait=\(seconds)")
    return settled
  }

  /// The job that a fresh 202 speaks of; a replayed answer stays as it was given.
  private static func job(in answer: Response) -> SQLUUID? {
    guard answer.status == 202, !answer.headers.contains("idempotency-replayed"), case .bytes(let body) = answer.body,
      let document = try? JSONReader.parse(body), case .object(let members) = document.root,
      case .string(let id)? = members.first(where: { $0.name == "id" })?.value
    else { return nil }
    return SQLUUID(parsing: id)
  }
}
