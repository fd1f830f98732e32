-- Where the agency's record of an employer's workers and the employer's returns disagree, month by month, and what
-- workers say of both: that they left, or that the wage reported isn't theirs. The employer answers; where it contests
-- or keeps silent, an officer decides.

ALTER TABLE smile.rule DROP CONSTRAINT rule_applies_to_check,
  ADD CONSTRAINT rule_applies_to_check CHECK (applies_to IN ('line', 'return', 'month'));

-- What the agency itself decides on; no law says it.
INSERT INTO smile.legal_parameter
  (programme, parameter, value, valid_from, valid_to, instrument, certainty, grade)
VALUES
  ('ALL', 'discrepancy.wage_drop_pct', '30', '2015-07-01', NULL, 'agency policy', 'derived (own choice)', 'derived'),
  ('ALL', 'worker_report.answer_working_days', '7', '2015-07-01', NULL,
    'agency policy', 'derived (own choice)', 'derived');

INSERT INTO smile.rule
  (code, severity, applies_to, title_id, title_en, description_id, description_en, fix_id, fix_en, citation)
VALUES
  ('employment_not_reported', 'warning', 'month', 'Pekerja tidak dilaporkan', 'Worker not reported for the month',
   'Pekerja ini bekerja pada bulan itu menurut catatan, tetapi tidak ada dalam laporan final mana pun.',
   'By the record the worker was employed in the month, but no finalised return holds the worker.',
   'Kirim laporan susulan, atau akhiri hubungan kerja pada hari terakhir yang benar.',
   'Send a supplementary return, or end the employment on its true last day.', NULL),
  ('reported_without_employment', 'warning', 'month', 'Dilaporkan tanpa hubungan kerja', 'Reported without employment',
   'Laporan final memuat upah pekerja ini, tetapi menurut catatan ia tidak bekerja pada bulan itu.',
   'A finalised return holds a wage of the worker, who by the record wasn''t employed in the month.',
   'Perbaiki masa kerja, atau kirim laporan revisi dengan upah nol.',
   'Correct the spell of employment, or send a revised return with a wage of zero.', NULL),
  ('wage_dropped', 'information', 'month', 'Upah turun tajam', 'Wage dropped sharply',
   'Upah yang dilaporkan jauh lebih rendah daripada bulan sebelumnya, padahal bekerja sebulan penuh.',
   'The reported wage is far below that of the month before, though the worker was there all month.',
   'Periksa upahnya; bila salah, kirim laporan revisi.',
   'Check the wage; if it is wrong, send a revised return.', NULL),
  ('wage_change_not_reported', 'warning', 'month', 'Perubahan upah tidak dilaporkan', 'Change of wage not reported',
   'Upah yang dilaporkan berbeda dengan upah baru yang tercatat sejak sebelum bulan itu.',
   'The reported wage differs from the new wage that the record holds from before the month on.',
   'Kirim laporan revisi, atau perbaiki upah pada catatan pekerja.',
   'Send a revised return, or correct the wage in the worker''s record.', NULL),
  ('leave_reported', 'warning', 'month', 'Pekerja menyatakan sudah berhenti', 'Worker says to have left',
   'Pekerja menyatakan sudah berhenti, tetapi hubungan kerjanya masih tercatat.',
   'The worker says to have left; by the record the employment goes on.',
   'Setujui pernyataan itu, yang mengakhiri hubungan kerja, atau bantah dengan alasan.',
   'Agree, which ends the employment, or contest it with the reason.', NULL),
  ('wage_disputed', 'warning', 'month', 'Pekerja menyangkal upah', 'Worker disputes the wage',
   'Pekerja menyatakan upahnya pada bulan itu lain daripada yang dilaporkan.',
   'The worker says the wage of the month was another one than what was reported.',
   'Kirim laporan revisi dengan upah yang benar, atau bantah dengan alasan.',
   'Send a revised return with the true wage, or contest it with the reason.', NULL);

CREATE TABLE smile.worker_report (
  id uuid PRIMARY KEY DEFAULT smile.uuid7(),
  kind text NOT NULL CHECK (kind IN ('leave', 'wage')),
  member_id uuid NOT NULL REFERENCES smile.member,
  employer_id uuid NOT NULL REFERENCES smile.employer,
  employment_id uuid NOT NULL REFERENCES smile.employment,
  -- The month of the wage, or of the last day.
  period smile.wage_month NOT NULL,
  last_day date,
  reason text CHECK (reason IN ('resignation', 'layoff', 'contract_end', 'retirement', 'disability', 'other')),
  claimed_wage bigint CHECK (claimed_wage >= 0),
  note text CHECK (length(note) BETWEEN 1 AND 1000),
  -- For officers' eyes, not the employer's.
  confidential boolean NOT NULL DEFAULT false,
  status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'agreed', 'contested', 'upheld', 'dismissed')),
  answer_due date NOT NULL,
  answer_note text CHECK (length(answer_note) BETWEEN 1 AND 1000),
  answered_at timestamptz,
  decision_note text CHECK (length(decision_note) BETWEEN 1 AND 1000),
  decided_at timestamptz,
  reported_at timestamptz NOT NULL DEFAULT smile.now(),
  CONSTRAINT worker_report_says_what CHECK (CASE kind
    WHEN 'leave' THEN num_nulls(last_day, reason) = 0 AND claimed_wage IS NULL AND NOT confidential
    ELSE num_nonnulls(last_day, reason) = 0 AND claimed_wage IS NOT NULL END),
  CONSTRAINT worker_report_decision CHECK ((status IN ('upheld', 'dismissed')) = (decided_at IS NOT NULL))
);
-- One at a time about the same thing.
CREATE UNIQUE INDEX worker_report_leave_once ON smile.worker_report (employment_id)
  WHERE kind = 'leave' AND status IN ('open', 'contested');
CREATE UNIQUE INDEX worker_report_wage_once ON smile.worker_report (employment_id, period)
  WHERE kind = 'wage' AND status IN ('open', 'contested');
CREATE INDEX worker_report_member ON smile.worker_report (member_id, id);
CREATE INDEX worker_report_employer ON smile.worker_report (employer_id, id);
ALTER TABLE smile.worker_report ENABLE ROW LEVEL SECURITY;
ALTER TABLE smile.worker_report FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_all ON smile.worker_report TO smile_owner USING (true);
CREATE POLICY own_reports ON smile.worker_report FOR SELECT TO smile_api
  USING (member_id = (SELECT smile.member_id()));
CREATE POLICY of_own_workers ON smile.worker_report FOR SELECT TO smile_api
  USING (employer_id = (SELECT smile.employer_id()) AND NOT confidential);
CREATE POLICY officers_read ON smile.worker_report FOR SELECT TO smile_api
  USING ((SELECT smile.is_officer('manage_employers')));
GRANT SELECT ON smile.worker_report TO smile_api;

-- Officers find the person by the id, with a purpose and a trace.
CREATE FUNCTION smile.worker_report_body(r smile.worker_report) RETURNS json LANGUAGE sql STABLE
RETURN json_strip_nulls(json_build_object(
  'id', (r).id, 'kind', (r).kind, 'member_id', (r).member_id, 'employment_id', (r).employment_id,
  'employer', json_build_object('id', (r).employer_id, 'name', smile.employer_name((r).employer_id)),
  'period', smile.month_text((r).period), 'last_day', (r).last_day, 'reason', (r).reason,
  'claimed_wage', (r).claimed_wage, 'note', (r).note, 'confidential', (r).confidential, 'status', (r).status,
  'answer_due', CASE WHEN (r).status = 'open' AND NOT (r).confidential THEN (r).answer_due END,
  'answer_note', (r).answer_note, 'answered_at', (r).answered_at, 'decision_note', (r).decision_note,
  'decided_at', (r).decided_at, 'reported_at', (r).reported_at));

CREATE FUNCTION smile.list_worker_reports(wanted_status text, after uuid, page integer) RETURNS json
LANGUAGE sql STABLE
BEGIN ATOMIC
  WITH found AS (
    SELECT r AS row, r.id, row_number() OVER (ORDER BY r.id DESC) AS place
    FROM smile.worker_report AS r
    WHERE (wanted_status IS NULL OR r.status = wanted_status) AND (after IS NULL OR r.id < after)
    ORDER BY r.id DESC LIMIT page + 1)
  SELECT json_strip_nulls(json_build_object(
    'items', coalesce(json_agg(smile.worker_report_body(f.row) ORDER BY f.place) FILTER (WHERE f.place <= page), '[]'),
    'next_after', CASE WHEN count(*) > page THEN (SELECT g.id FROM found AS g WHERE g.place = page) END))
  FROM found AS f;
END;

-- One of the caller's own spells; what it says is kept until the employer has answered.
CREATE FUNCTION smile.make_worker_report(
  spell uuid, kind text, period date, last_day date, reason text, claimed_wage bigint, note text,
  confidential boolean)
RETURNS smile.answer_row LANGUAGE plpgsql AS $$
DECLARE
  e smile.employment;
  made smile.worker_report;
BEGIN
  SELECT * INTO e FROM smile.employment AS x WHERE x.id = spell AND x.member_id = smile.member_id();
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
  RETURN smile.answer(201, smile.worker_report_body(made), NULL, '/v1/worker_reports/' || made.id);
END
$$;

CREATE FUNCTION smile.report_leave(spell uuid, last_day date, reason text, note text) RETURNS smile.answer_row
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp
RETURN smile.make_worker_report(
  spell, 'leave', date_trunc('month', last_day::timestamp)::date, last_day, reason, NULL, note, false);

CREATE FUNCTION smile.dispute_wage(spell uuid, period date, claimed_wage bigint, note text, confidential boolean)
RETURNS smile.answer_row
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp
RETURN smile.make_worker_report(spell, 'wage', period, NULL, NULL, claimed_wage, note, confidential);

-- The employer's word. To agree that a worker left ends the employment as the employer's own termination does.
CREATE FUNCTION smile.answer_worker_report(wanted uuid, agrees boolean, note text) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  r smile.worker_report;
BEGIN
  SELECT * INTO r FROM smile.worker_report AS x
  WHERE x.id = wanted AND x.employer_id = smile.employer_id() AND NOT x.confidential;
  IF NOT FOUND THEN
    PERFORM smile.fail(404, 'not_found');
  ELSIF NOT agrees AND note IS NULL THEN
    PERFORM smile.refuse(422, 'note_required', '/note');
  END IF;
  -- In the order of all who change workers: the employer first.
  PERFORM FROM smile.employer AS x WHERE x.id = r.employer_id FOR SHARE;
  SELECT * INTO r FROM smile.worker_report AS x WHERE x.id = wanted FOR UPDATE;
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
  RETURN smile.answer(200, smile.worker_report_body(r));
END
$$;

-- What an officer finds, once the employer has contested or let the days go by. To uphold that a worker left ends the
-- employment, whatever the employer reported after that day: those months show as discrepancies.
CREATE FUNCTION smile.decide_worker_report(wanted uuid, upheld boolean, note text) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  r smile.worker_report;
BEGIN
  IF NOT smile.is_officer('manage_employers') THEN
    PERFORM smile.fail(403, 'insufficient_scope');
  END IF;
  SELECT * INTO r FROM smile.worker_report AS x WHERE x.id = wanted;
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
  SELECT * INTO r FROM smile.worker_report AS x WHERE x.id = wanted FOR UPDATE;
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
  RETURN smile.answer(200, smile.worker_report_body(r));
END
$$;

-- Every discrepancy of a month, each with the worker, what was reported and what was to be expected.
CREATE FUNCTION smile.month_discrepancies(employer uuid, wanted date)
RETURNS TABLE (code text, member_id uuid, employment_id uuid, reported_wage bigint, expected_wage bigint,
  report_id uuid)
LANGUAGE sql STABLE ROWS 100
BEGIN ATOMIC
  WITH told AS MATERIALIZED (
    SELECT m.member_id, m.wage FROM smile.reported_month(employer, wanted) AS m),
  before AS MATERIALIZED (
    SELECT m.member_id, m.wage FROM smile.reported_month(employer, (wanted - interval '1 month')::date) AS m),
  month AS (
    SELECT (wanted + interval '1 month')::date AS next, EXISTS (
      SELECT FROM smile.contribution_return AS r
      WHERE r.employer_id = employer AND r.period = wanted AND r.status = 'finalised'
        AND r.kind IN ('regular', 'no_activity')) AS reported),
  spell AS MATERIALIZED (
    SELECT DISTINCT ON (e.member_id) e.member_id, e.id, e.start_date, e.end_date, coalesce(w.wage, e.wage) AS wage,
      w.valid_from AS changed_on, e.start_date <= wanted AND coalesce(e.end_date >= m.next - 1, true) AS all_month
    FROM smile.employment AS e
    CROSS JOIN month AS m
    -- The wage from before the month on.
    LEFT JOIN LATERAL (
      SELECT x.wage, x.valid_from FROM smile.employment_wage AS x
      WHERE x.employment_id = e.id AND x.valid_from <= wanted ORDER BY x.valid_from DESC LIMIT 1) AS w ON true
    WHERE e.employer_id = employer AND e.start_date < m.next AND coalesce(e.end_date >= wanted, true)
    ORDER BY e.member_id, e.start_date DESC)
  SELECT 'employment_not_reported', s.member_id, s.id, NULL::bigint, s.wage, NULL::uuid
  FROM spell AS s CROSS JOIN month AS m LEFT JOIN told AS t ON t.member_id = s.member_id
  WHERE m.reported AND t.member_id IS NULL
  UNION ALL
  SELECT 'reported_without_employment', t.member_id, NULL, t.wage, NULL, NULL
  FROM told AS t LEFT JOIN spell AS s ON s.member_id = t.member_id
  WHERE s.member_id IS NULL AND t.wage > 0
  UNION ALL
  SELECT 'wage_dropped', t.member_id, s.id, t.wage, b.wage, NULL
  FROM told AS t JOIN before AS b ON b.member_id = t.member_id JOIN spell AS s ON s.member_id = t.member_id
  WHERE s.all_month
    AND t.wage * 100 < b.wage * (100 - smile.parameter('ALL', 'discrepancy.wage_drop_pct', smile.today()))
  UNION ALL
  SELECT 'wage_change_not_reported', t.member_id, s.id, t.wage, s.wage, NULL
  FROM told AS t JOIN spell AS s ON s.member_id = t.member_id CROSS JOIN month AS m
  WHERE s.all_month AND s.changed_on > s.start_date AND t.wage <> s.wage AND NOT EXISTS (
    SELECT FROM smile.employment_wage AS x
    WHERE x.employment_id = s.id AND x.valid_from > wanted AND x.valid_from < m.next)
  UNION ALL
  SELECT 'leave_reported', r.member_id, r.employment_id, t.wage, NULL, r.id
  FROM smile.worker_report AS r JOIN smile.employment AS e ON e.id = r.employment_id
  LEFT JOIN told AS t ON t.member_id = r.member_id
  WHERE r.employer_id = employer AND r.kind = 'leave' AND r.period <= wanted AND r.status IN ('open', 'contested')
    AND e.end_date IS NULL
  UNION ALL
  SELECT 'wage_disputed', r.member_id, r.employment_id, t.wage, r.claimed_wage, r.id
  FROM smile.worker_report AS r LEFT JOIN told AS t ON t.member_id = r.member_id
  WHERE r.employer_id = employer AND r.kind = 'wage' AND r.period = wanted AND r.status <> 'dismissed'
    AND NOT r.confidential AND t.wage IS DISTINCT FROM r.claimed_wage;
END;

-- A page of them by worker; the cursor is 'member.code'. Without a month the last one that is over. What a return
-- could mend comes with the line to send. NULL when the employer isn't the caller's to see; an officer's look is
-- written down.
CREATE FUNCTION smile.list_discrepancies(
  employer uuid, wanted date, wanted_code text, after text, page integer, language text)
RETURNS json LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  month date := coalesce(wanted, (date_trunc('month', smile.today()::timestamp) - interval '1 month')::date);
  after_member uuid := split_part(after, '.', 1)::uuid;
  after_code text := split_part(after, '.', 2);
BEGIN
  IF smile.is_officer('manage_employers') AND EXISTS (SELECT FROM smile.employer AS e WHERE e.id = employer) THEN
    PERFORM smile.audit('discrepancies.read', 'employer', employer);
  ELSIF smile.employer_id() IS DISTINCT FROM employer THEN
    RETURN NULL;
  END IF;
  RETURN (
    WITH found AS (
      SELECT d.code, d.member_id, d.employment_id, d.reported_wage, d.expected_wage, d.report_id,
        row_number() OVER (ORDER BY d.member_id, d.code) AS place
      FROM smile.month_discrepancies(employer, month) AS d
      WHERE (wanted_code IS NULL OR d.code = wanted_code)
        AND (after IS NULL OR (d.member_id, d.code) > (after_member, after_code))
      ORDER BY d.member_id, d.code LIMIT page + 1),
    shown AS (
      SELECT f.place, f.code, f.employment_id, f.reported_wage, f.expected_wage, f.report_id, f.member_id, w.full_name,
        w.birth_date, r.severity,
        (SELECT min(n.kpj) FROM smile.member_number AS n WHERE n.member_id = f.member_id) AS kpj,
        CASE language WHEN 'en' THEN r.description_en ELSE r.description_id END AS message,
        CASE language WHEN 'en' THEN r.fix_en ELSE r.fix_id END AS fix
      FROM found AS f JOIN smile.member AS w ON w.id = f.member_id JOIN smile.rule AS r ON r.code = f.code
      WHERE f.place <= page)
    SELECT json_strip_nulls(json_build_object(
      'period', smile.month_text(month),
      'items', (
        SELECT coalesce(json_agg(json_build_object(
          'code', s.code, 'severity', s.severity, 'rule', '/v1/rules/' || s.code, 'message', s.message, 'fix', s.fix,
          'worker', json_build_object('employment_id', s.employment_id, 'kpj', s.kpj, 'full_name', s.full_name),
          'reported_wage', s.reported_wage, 'expected_wage', s.expected_wage, 'report_id', s.report_id,
          'suggestion', CASE
            WHEN s.code IN ('employment_not_reported', 'wage_change_not_reported', 'wage_disputed') THEN
              json_build_object(
                'kind', CASE WHEN s.reported_wage IS NULL THEN 'supplementary' ELSE 'revised' END,
                'line', json_build_object('kpj', s.kpj, 'full_name', s.full_name, 'birth_date', s.birth_date,
                  'wage', s.expected_wage)) END) ORDER BY s.place), '[]')
        FROM shown AS s),
      'next_after', (
        SELECT g.member_id || '.' || g.code FROM found AS g
        WHERE g.place = page AND EXISTS (SELECT FROM found AS o WHERE o.place > page)))));
END
$$;

REVOKE EXECUTE ON FUNCTION
  smile.make_worker_report(uuid, text, date, date, text, bigint, text, boolean),
  smile.month_discrepancies(uuid, date) FROM smile_api, smile_jobs, smile_auth;

INSERT INTO smile.rule_example (code, number, example) VALUES
  ('employment_not_reported', 1, '{"method": "GET", "period": "2026-10", "given": [{"kind": "regular", "period": "2026-09", "body": "nik,full_name,birth_date,wage\n3174011501850901,Adi Nugroho,1985-01-15,7500000\n"}, {"kind": "no_activity", "period": "2026-10"}], "finding": {"code": "employment_not_reported"}}'),
  ('reported_without_employment', 1, '{"method": "GET", "period": "2026-10", "given": [{"kind": "regular", "period": "2026-09", "body": "nik,full_name,birth_date,wage\n3174011501850901,Adi Nugroho,1985-01-15,7500000\n"}, {"kind": "regular", "period": "2026-10", "body": "nik,full_name,birth_date,wage\n3174011501850901,Adi Nugroho,1985-01-15,7500000\n"}, {"leave_report": {"last_day": "2026-09-30", "reason": "resignation"}}, {"answer": {"agrees": false, "note": "Masih bekerja"}}, {"decision": {"upheld": true, "note": "Surat keterangan kerja sah"}}], "finding": {"code": "reported_without_employment"}}'),
  ('wage_dropped', 1, '{"method": "GET", "period": "2026-10", "given": [{"kind": "regular", "period": "2026-09", "body": "nik,full_name,birth_date,wage\n3174011501850901,Adi Nugroho,1985-01-15,7500000\n"}, {"kind": "regular", "period": "2026-10", "body": "nik,full_name,birth_date,wage\n3174011501850901,Adi Nugroho,1985-01-15,5249999\n"}], "finding": {"code": "wage_dropped"}}'),
  ('wage_change_not_reported', 1, '{"method": "GET", "period": "2026-10", "given": [{"kind": "regular", "period": "2026-09", "body": "nik,full_name,birth_date,wage\n3174011501850901,Adi Nugroho,1985-01-15,7500000\n"}, {"wage": 8000000, "wage_from": "2026-10-01"}, {"kind": "regular", "period": "2026-10", "body": "nik,full_name,birth_date,wage\n3174011501850901,Adi Nugroho,1985-01-15,7500000\n"}], "finding": {"code": "wage_change_not_reported"}}'),
  ('leave_reported', 1, '{"method": "GET", "period": "2026-10", "given": [{"kind": "regular", "period": "2026-10", "body": "nik,full_name,birth_date,wage\n3174011501850901,Adi Nugroho,1985-01-15,7500000\n"}, {"leave_report": {"last_day": "2026-10-31", "reason": "resignation"}}], "finding": {"code": "leave_reported"}}'),
  ('wage_disputed', 1, '{"method": "GET", "period": "2026-10", "given": [{"kind": "regular", "period": "2026-10", "body": "nik,full_name,birth_date,wage\n3174011501850901,Adi Nugroho,1985-01-15,7500000\n"}, {"wage_dispute": {"period": "2026-10", "claimed_wage": 9000000}}], "finding": {"code": "wage_disputed"}}');
