import PostgresClient

enum ReturnStatements {
  /// Lets the statements after it run longer than the role's limit: the lines of a large return are one statement.
  static let patience = Statement(
    "returns.patience", "SELECT set_config('statement_timeout', '110s', true)")
  /// How long to wait for them.
  static let patienceLimit: Duration = .seconds(120)

  static let open = Statement(
    "returns.open", "SELECT status, body, etag, location FROM smile.open_return($1, $2, $3, $4, $5, $6)",
    SQLUUID.self, SQLDate.self, String.self, String?.self, SQLJSON?.self, String?.self)

  static let list = Statement(
    "returns.list", "SELECT smile.list_returns($1, $2, $3, $4, $5, $6)",
    SQLUUID.self, SQLDate?.self, String?.self, [UInt8]?.self, SQLUUID?.self, Int32.self)

  static let get = Statement(
    "returns.get",
    "SELECT smile.return_body(r.id), smile.etag(r.version) FROM smile.contribution_return AS r WHERE r.id = $1",
    SQLUUID.self)

  static let discard = Statement(
    "returns.discard", "SELECT status, body, etag, location FROM smile.discard_return($1, $2)",
    SQLUUID.self, String?.self)

  static let admitUpload = Statement("returns.admit_upload", "SELECT smile.admit_upload($1)", SQLUUID.self)

  static let beginUpload = Statement("returns.begin_upload", "SELECT smile.begin_upload($1)", SQLUUID.self)

  static let stage = Statement("returns.stage", "SELECT smile.stage_lines($1, $2)", SQLUUID.self, SQLJSON.self)

  /// Checks the staged lines, or has them checked by a job when they are many and it needn't be at once. What was
  /// checked is told with its first findings, and a rehearsal's preview, or as rows where that was asked for; the last
  /// two parameters are the language and the media type.
  static let take = Statement(
    "returns.take",
    """
    SELECT t.status, CASE WHEN t.status <> 200 THEN t.body
        WHEN $8 <> 'application/json' THEN smile.report_text($1, $7, $8)
        WHEN $6 THEN smile.with_findings(smile.with_preview(t.body, $1), $1, $7)
        ELSE smile.with_findings(t.body, $1, $7) END, t.etag, t.location
    FROM smile.take_lines($1, $2, $3, $4, $5, $6) AS t
    """,
    SQLUUID.self, SQLUUID.self, [UInt8].self, Int64.self, Bool.self, Bool.self, String.self, String.self)

  static let lines = Statement(
    "returns.lines", "SELECT smile.list_return_lines($1, $2, $3, $4, $5)",
    SQLUUID.self, String?.self, Int32?.self, Int32.self, String.self)

  /// An officer's look at the lines.
  static let noteRead = Statement("returns.note_read", "SELECT smile.note_return_read($1)", SQLUUID.self)

  static let findings = Statement(
    "returns.findings", "SELECT smile.list_findings($1, $2, $3, $4)",
    SQLUUID.self, String?.self, Int32.self, String.self)

  /// A page of lines or findings as CSV or NDJSON.
  static let export = Statement(
    "returns.export", "SELECT body, next_after, version FROM smile.export_return($1, $2, $3, $4, $5, $6, $7)",
    SQLUUID.self, String.self, String?.self, String?.self, Int32.self, String.self, String.self)

  /// A rehearsal's answer holds the preview's token.
  static let finalise = Statement(
    "returns.finalise",
    """
    SELECT f.status, CASE WHEN $2 AND f.status = 200 THEN smile.with_preview(f.body, $1) ELSE f.body END, f.etag,
      f.location
    FROM smile.request_finalisation($1, $2, $3) AS f
    """,
    SQLUUID.self, Bool.self, String?.self)

  /// Whether the job of a return has ended, why it failed with what detail, and otherwise the answer to what it was
  /// ordered for.
  static let settled = Statement(
    "returns.settled",
    """
    SELECT a.status, a.body, a.etag, a.location, j.finished_at IS NOT NULL, j.problem_code,
      CASE WHEN j.problem_code IS NOT NULL THEN j.result::text END
    FROM smile.job AS j CROSS JOIN LATERAL smile.return_job_answer(j.id) AS a WHERE j.id = $1
    """, SQLUUID.self)

  static let receipt = Statement(
    "returns.receipt",
    "SELECT r.receipt FROM smile.contribution_return AS r WHERE r.id = $1 AND r.status = 'finalised'", SQLUUID.self)

  /// As they were when the return was finalised, or as they are while it is open.
  static let basis = Statement(
    "returns.basis",
    "SELECT coalesce(r.basis, smile.return_basis(r)) FROM smile.contribution_return AS r WHERE r.id = $1", SQLUUID.self)

  static let rules = Statement(
    "rules.list", "SELECT smile.list_rules($1, $2, $3, $4)", String?.self, String?.self, Int32.self, String.self)

  static let rule = Statement("rules.get", "SELECT smile.rule_body($1, $2)", String.self, String.self)

  static let all: [any StatementDescription] = [
    patience, open, list, get, discard, admitUpload, beginUpload, stage, take, lines, noteRead, findings, export,
    finalise, settled, receipt, basis, rules, rule,
  ]
}
