import PostgresClient

enum JobStatements {
  /// For the workers.
  static let get = Statement(
    "jobs.get",
    "SELECT smile.job_body(j.id), NULL, j.finished_at IS NOT NULL FROM smile.job AS j WHERE j.id = $1", SQLUUID.self)

  static let all: [any StatementDescription] = [get]
}

/// What only the jobs process prepares: its role may run it, the workers' role may not.
enum JobsProcessStatements {
  static let takeMessages = Statement(
    "jobs.take_messages",
    """
    SELECT id, created_at, channel, recipient, template, language, parameters, sealed_parameters
    FROM smile.take_messages($1, $2, $3)
    """,
    Int32.self, Int32.self, [String].self)

  static let delivered = Statement(
    "jobs.delivered", "SELECT smile.message_delivered($1, $2)", SQLUUID.self, SQLInstant.self)

  static let undelivered = Statement(
    "jobs.undelivered", "SELECT smile.message_failed($1, $2)", SQLUUID.self, SQLInstant.self)

  /// Milliseconds.
  static let nextDue = Statement("jobs.next_due", "SELECT (smile.next_due_in($1) * 1000)::bigint", [String].self)

  static let take = Statement(
    "jobs.take", "SELECT id, kind, parameters FROM smile.take_job($1)", [String].self)

  static let finish = Statement("jobs.finish", "SELECT smile.finish_job($1, $2)", SQLUUID.self, SQLJSON.self)

  static let fail = Statement(
    "jobs.fail", "SELECT smile.fail_job($1, $2, $3)", SQLUUID.self, String.self, Bool.self)

  static let requeue = Statement("jobs.requeue", "SELECT smile.requeue_lost_jobs()")

  static let queueHousekeeping = Statement("jobs.queue_housekeeping", "SELECT smile.queue_housekeeping()")

  /// How many employers the batch was; 0 when none is left.
  static let chargeBegunMonths = Statement("jobs.charge_begun_months", "SELECT smile.charge_begun_months()")

  /// The report, and the ledger's sum, which must be 0. Takes how many employers were charged before.
  static let keepHouse = Statement(
    "jobs.keep_house", "SELECT r, (r ->> 'ledger_sum')::bigint FROM smile.keep_house($1) AS r", Int64.self)

  static let all: [any StatementDescription] = [
    takeMessages, delivered, undelivered, nextDue, take, finish, fail, requeue, queueHousekeeping,
    chargeBegunMonths, keepHouse,
  ]
}
