-- Who is told by mail of what workers report: the employer that has one to answer, the officers for whom one waits,
-- and the worker when it is answered or decided. No mail says who reported what: it names the report, which those who
-- may see it open. A worker's own name never is in the employer's mail.

ALTER TABLE smile.worker_report ADD COLUMN officers_told_at timestamptz;
-- What waited before this is known to the officers.
UPDATE smile.worker_report SET officers_told_at = smile.now() WHERE status IN ('open', 'contested');
CREATE INDEX worker_report_untold ON smile.worker_report (answer_due)
  WHERE status IN ('open', 'contested') AND officers_told_at IS NULL;

-- Once an hour at most: one worker may dispute many months, and the employer finds them all in its list.
CREATE FUNCTION smile.tell_employer_of_report(r smile.worker_report) RETURNS void LANGUAGE sql VOLATILE
BEGIN ATOMIC
  INSERT INTO smile.outbox (channel, recipient, template, language, parameters)
  SELECT 'email', e.email, 'worker_report_to_answer', 'id', json_build_object('answer_due', (r).answer_due)
  FROM smile.employer AS e
  WHERE e.id = (r).employer_id AND NOT (r).confidential AND NOT EXISTS (
    SELECT FROM smile.worker_report AS x
    WHERE x.employer_id = (r).employer_id AND x.id <> (r).id AND NOT x.confidential AND x.status = 'open'
      AND x.reported_at > (r).reported_at - interval '1 hour');
END;

-- A report waits for officers when the employer has contested it or let the days go by, and at once when it is for
-- their eyes alone. One mail each hour to each of them, however many reports there are.
CREATE FUNCTION smile.tell_officers_of_reports() RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp
BEGIN ATOMIC
  WITH told AS (
    UPDATE smile.worker_report AS r SET officers_told_at = smile.now()
    WHERE r.officers_told_at IS NULL
      AND (r.status = 'contested' OR r.status = 'open' AND (r.confidential OR r.answer_due < smile.today()))
    RETURNING r.id)
  INSERT INTO smile.outbox (channel, recipient, template, language, parameters)
  SELECT 'email', a.email, 'worker_reports_to_decide', a.language, json_build_object('reports', t.reports::text)
  FROM (SELECT count(*) AS reports FROM told) AS t
  JOIN smile.account_grant AS g ON g.kind = 'officer' AND g.active AND 'manage_employers' = ANY (g.permissions)
  JOIN smile.account AS a ON a.id = g.account_id AND a.status = 'active'
  WHERE t.reports > 0;
END;

-- As before, and the employer is told.
CREATE OR REPLACE FUNCTION smile.make_worker_report(
  spell uuid, kind text, period date, last_day date, reason text, claimed_wage bigint, note text,
  confidential boolean)
RETURNS smile.answer_row LANGUAGE plpgsql AS $$
DECLARE
  e smile.employment;
  made smile.worker_report;
BEGIN
  SELECT x.* INTO e FROM smile.employment AS x WHERE x.id = spell AND x.member_id = smile.member_id();
  IF NOT FOUND THEN
    PERFORM smile.refuse(422, 'employment_unknown', '/employment_id');
  ELSIF kind = 'leave' AND e.end_date IS NOT NULL THEN
    PERFORM smile.fail(409, 'employment_already_ended');
  ELSIF last_day < e.start_date THEN
    PERFORM smile.refuse(422, 'end_before_start', '/last_day');
  ELSIF last_day > smile.today() THEN
    PERFORM smile.refuse(422, 'date_too_far_ahead', '/last_day');
  ELSIF kind = 'wage' AND (period > smile.today() OR period + interval '1 month' <= e.start_date
    OR period > e.end_date)
  THEN
    PERFORM smile.refuse(422, 'not_employed_then', '/period');
  END IF;
  BEGIN
    INSERT INTO smile.worker_report
      (kind, member_id, employer_id, employment_id, period, last_day, reason, claimed_wage, note, confidential,
      answer_due)
    VALUES (make_worker_report.kind, e.member_id, e.employer_id, e.id, make_worker_report.period,
      make_worker_report.last_day, make_worker_report.reason, make_worker_report.claimed_wage,
      make_worker_report.note, make_worker_report.confidential,
      smile.add_working_days(smile.today(),
        smile.parameter('ALL', 'worker_report.answer_working_days', smile.today())::integer))
    RETURNING * INTO made;
  EXCEPTION WHEN unique_violation THEN
    PERFORM smile.fail(409, 'report_pending');
  END;
  PERFORM smile.audit('worker_report.made', 'worker_report', made.id, json_build_object('kind', made.kind));
  PERFORM smile.tell_employer_of_report(made);
  RETURN smile.answer(201, smile.worker_report_body(made), NULL, '/v1/worker_reports/' || made.id);
END
$$;

-- As before, and the worker is told.
CREATE OR REPLACE FUNCTION smile.answer_worker_report(wanted uuid, agrees boolean, note text) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  r smile.worker_report;
BEGIN
  SELECT x.* INTO r FROM smile.worker_report AS x
  WHERE x.id = wanted AND x.employer_id = smile.employer_id() AND NOT x.confidential;
  IF NOT FOUND THEN
    PERFORM smile.fail(404, 'not_found');
  ELSIF NOT agrees AND note IS NULL THEN
    PERFORM smile.refuse(422, 'note_required', '/note');
  END IF;
  -- In the order of all who change workers: the employer first.
  PERFORM FROM smile.employer AS x WHERE x.id = r.employer_id FOR SHARE;
  SELECT x.* INTO r FROM smile.worker_report AS x WHERE x.id = wanted FOR UPDATE;
  IF r.status <> 'open' THEN
    PERFORM smile.fail(409, 'report_already_answered');
  END IF;
  IF agrees AND r.kind = 'leave' AND EXISTS (
    SELECT FROM smile.employment AS e WHERE e.id = r.employment_id AND e.end_date IS NULL)
  THEN
    PERFORM smile.terminate(r.employer_id, r.employment_id, r.last_day, r.reason);
  END IF;
  UPDATE smile.worker_report AS x
  SET status = CASE WHEN agrees THEN 'agreed' ELSE 'contested' END, answer_note = answer_worker_report.note,
    answered_at = smile.now()
  WHERE x.id = wanted RETURNING * INTO r;
  PERFORM smile.audit('worker_report.answered', 'worker_report', wanted, json_build_object('status', r.status));
  PERFORM smile.notify_member(r.member_id, 'worker_report_answered', json_build_object('report_id', r.id));
  RETURN smile.answer(200, smile.worker_report_body(r));
END
$$;

-- As before, and both are told.
CREATE OR REPLACE FUNCTION smile.decide_worker_report(wanted uuid, upheld boolean, note text) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  r smile.worker_report;
BEGIN
  IF NOT smile.is_officer('manage_employers') THEN
    PERFORM smile.fail(403, 'insufficient_scope');
  END IF;
  SELECT x.* INTO r FROM smile.worker_report AS x WHERE x.id = wanted;
  IF NOT FOUND THEN
    PERFORM smile.fail(404, 'not_found');
  ELSIF EXISTS (
    SELECT FROM smile.account_grant AS g
    WHERE g.account_id = smile.account_id() AND g.active
      AND (g.member_id = r.member_id OR g.employer_id = r.employer_id))
  THEN
    PERFORM smile.fail(403, 'own_case');
  END IF;
  PERFORM FROM smile.employer AS x WHERE x.id = r.employer_id FOR SHARE;
  SELECT x.* INTO r FROM smile.worker_report AS x WHERE x.id = wanted FOR UPDATE;
  IF r.status NOT IN ('open', 'contested') THEN
    PERFORM smile.fail(409, 'report_already_decided');
  ELSIF r.status = 'open' AND NOT r.confidential AND r.answer_due >= smile.today() THEN
    PERFORM smile.fail(409, 'answer_awaited', json_build_object('answer_due', r.answer_due));
  END IF;
  IF upheld AND r.kind = 'leave' THEN
    UPDATE smile.employment AS e SET end_date = r.last_day, end_reason = r.reason
    WHERE e.id = r.employment_id AND e.end_date IS NULL;
    IF FOUND THEN   -- The employer may have ended it since.
      PERFORM smile.audit('worker.ended', 'employment', r.employment_id, json_build_object('reason', r.reason));
    END IF;
  END IF;
  UPDATE smile.worker_report AS x
  SET status = CASE WHEN upheld THEN 'upheld' ELSE 'dismissed' END, decision_note = decide_worker_report.note,
    decided_at = smile.now()
  WHERE x.id = wanted RETURNING * INTO r;
  PERFORM smile.audit('worker_report.decided', 'worker_report', wanted, json_build_object('status', r.status));
  PERFORM smile.notify_member(r.member_id, 'worker_report_decided', json_build_object('report_id', r.id));
  INSERT INTO smile.outbox (channel, recipient, template, language, parameters)
  SELECT 'email', e.email, 'worker_report_decided', 'id', json_build_object('report_id', r.id)
  FROM smile.employer AS e WHERE e.id = r.employer_id AND NOT r.confidential;
  RETURN smile.answer(200, smile.worker_report_body(r));
END
$$;

-- As before, and officers are told of reports that wait for them. Fines are charged before it, in transactions of their
-- own; how many employers had any comes as a number.
DROP FUNCTION smile.keep_house();
CREATE FUNCTION smile.keep_house(fined_employers bigint) RETURNS json LANGUAGE plpgsql AS $$
BEGIN
  PERFORM smile.make_partitions();
  PERFORM smile.purge_identity();
  PERFORM smile.tell_officers_of_reports();
  RETURN json_build_object('expired', smile.expire_old_rows(), 'fined_employers', fined_employers,
    'ledger_sum', smile.ledger_sum());
END
$$;

REVOKE EXECUTE ON FUNCTION smile.tell_employer_of_report(smile.worker_report) FROM smile_api, smile_jobs, smile_auth;
REVOKE EXECUTE ON FUNCTION smile.tell_officers_of_reports(), smile.keep_house(bigint) FROM smile_api, smile_auth;
