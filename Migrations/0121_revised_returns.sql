-- Corrections of a month that was finalised: a return of its own, of kind `revised`, with its reason. Its lines say
-- what the wage of a reported worker should have been; the difference to what stands becomes, by worker, programme and
-- side, a debit of the return's billing or a credit of the employer. What was finalised before is never touched.

INSERT INTO smile.ledger_account (code, kind, name_id, name_en, per_member) VALUES
  ('payable.employer_credit', 'liability', 'Kelebihan bayar pemberi kerja', 'Credit of employers', false)
ON CONFLICT (code) DO NOTHING;

INSERT INTO smile.rule
  (code, severity, applies_to, title_id, title_en, description_id, description_en, fix_id, fix_en, citation)
VALUES
  ('worker_not_reported', 'error', 'line', 'Pekerja belum dilaporkan', 'Worker not reported',
   'Tidak ada laporan final bulan ini yang memuat pekerja ini.', 'No finalised return of the month holds this worker.',
   'Kirim pekerja yang terlupa sebagai laporan susulan (supplementary).',
   'Send forgotten workers as a supplementary return.', NULL),
  ('back_pay_not_revised', 'error', 'line', 'Rapel tidak direvisi di sini', 'Back pay isn''t revised here',
   'Laporan revisi memuat upah bulan itu saja, tanpa rapel.',
   'A revised return holds the month''s wage alone, no back pay.',
   'Kirim rapel dalam laporan bulan pembayarannya.', 'Send back pay in the return of the month it was paid in.', NULL);

ALTER TABLE smile.contribution_return ADD COLUMN reason text CHECK (length(reason) BETWEEN 1 AND 500),
  ADD CONSTRAINT revised_return_has_reason CHECK ((kind = 'revised') = (reason IS NOT NULL));

-- What the month of a worker is more (above zero) or less (below) than it was.
CREATE TABLE smile.return_difference (
  employer_id uuid NOT NULL,
  return_id uuid NOT NULL,
  line integer NOT NULL,
  member_id uuid NOT NULL,
  wage bigint NOT NULL,
  jht_employer bigint NOT NULL, jht_worker bigint NOT NULL, jkk bigint NOT NULL,
  jkm bigint NOT NULL, jp_employer bigint NOT NULL, jp_worker bigint NOT NULL, jkp_from_jkk bigint NOT NULL,
  jkp_from_jkm bigint NOT NULL, jkp_state bigint NOT NULL,
  PRIMARY KEY (employer_id, return_id, line),
  FOREIGN KEY (employer_id, return_id, line) REFERENCES smile.return_line ON DELETE CASCADE
);

-- What a revised return gave back, all members together. It leaves the members' months and the funds when everything
-- that was billed for the month is paid: before that the money isn't there.
CREATE TABLE smile.return_credit (
  return_id uuid PRIMARY KEY REFERENCES smile.contribution_return,
  employer_id uuid NOT NULL REFERENCES smile.employer,
  period smile.wage_month NOT NULL,
  jht_employer bigint NOT NULL CHECK (jht_employer >= 0),
  jht_worker bigint NOT NULL CHECK (jht_worker >= 0), jkk bigint NOT NULL CHECK (jkk >= 0),
  jkm bigint NOT NULL CHECK (jkm >= 0), jp_employer bigint NOT NULL CHECK (jp_employer >= 0),
  jp_worker bigint NOT NULL CHECK (jp_worker >= 0), jkp_from_jkk bigint NOT NULL CHECK (jkp_from_jkk >= 0),
  jkp_from_jkm bigint NOT NULL CHECK (jkp_from_jkm >= 0), jkp_state bigint NOT NULL CHECK (jkp_state >= 0),
  amount bigint NOT NULL GENERATED ALWAYS AS
    (jht_employer + jht_worker + jkk + jkm + jp_employer + jp_worker) STORED,
  granted_at timestamptz NOT NULL DEFAULT smile.now(),
  -- The subject of the ledger transaction that took it from the funds; another one each time.
  posting_id uuid
);
CREATE INDEX return_credit_employer ON smile.return_credit (employer_id, period);

DO $policies$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['return_difference', 'return_credit'] LOOP
    EXECUTE format('ALTER TABLE smile.%I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE smile.%I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY owner_all ON smile.%I TO smile_owner USING (true)', name);
    EXECUTE format('CREATE POLICY own_returns ON smile.%I FOR SELECT TO smile_api
      USING (employer_id = (SELECT smile.employer_id()))', name);
    EXECUTE format('CREATE POLICY officers_read ON smile.%I FOR SELECT TO smile_api
      USING ((SELECT smile.is_officer(''manage_billing'')))', name);
  END LOOP;
END
$policies$;
GRANT SELECT ON smile.return_difference, smile.return_credit TO smile_api;

-- As before; a revision wants its reason and something to revise, and nobody says of a month that goes on that there
-- was no activity in it.
DROP FUNCTION smile.open_return(uuid, date, text, text, bigint, bigint);
CREATE FUNCTION smile.open_return(
  employer uuid, wanted_period date, wanted_kind text, reference text, lines bigint, wages bigint,
  reason text)
RETURNS smile.answer_row LANGUAGE plpgsql AS $$
DECLARE
  existing uuid;
  made uuid;
BEGIN
  IF NOT EXISTS (SELECT FROM smile.employer AS e WHERE e.id = employer AND e.id = smile.employer_id()) THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  IF wanted_period > smile.today() THEN
    PERFORM smile.refuse(422, 'period_in_future', '/period');
  END IF;
  IF smile.parameter_or_null('JHT', 'pu.rate.employer_pct', wanted_period) IS NULL THEN
    PERFORM smile.refuse(422, 'period_too_early', '/period');
  END IF;
  IF wanted_kind = 'no_activity' AND wanted_period + interval '1 month' > smile.today() THEN
    PERFORM smile.refuse(422, 'period_not_over', '/period');
  ELSIF wanted_kind = 'revised' AND reason IS NULL THEN
    PERFORM smile.refuse(422, 'reason_required', '/reason');
  ELSIF wanted_kind <> 'revised' AND reason IS NOT NULL THEN
    PERFORM smile.refuse(422, 'reason_not_taken', '/reason');
  ELSIF wanted_kind = 'revised' AND NOT EXISTS (
    SELECT FROM smile.contribution_return AS r
    WHERE r.employer_id = employer AND r.period = wanted_period AND r.status = 'finalised' AND r.kind <> 'no_activity')
  THEN
    PERFORM smile.fail(409, 'nothing_to_revise');
  END IF;
  SELECT r.id INTO existing FROM smile.contribution_return AS r
  WHERE r.employer_id = employer AND r.client_reference = reference AND r.status <> 'discarded';
  IF FOUND THEN
    PERFORM smile.fail(409, 'client_reference_used', json_build_object('return_id', existing));
  END IF;
  SELECT r.id INTO existing FROM smile.contribution_return AS r
  WHERE r.employer_id = employer AND r.period = wanted_period AND r.kind IN ('regular', 'no_activity')
    AND r.status <> 'discarded' AND wanted_kind IN ('regular', 'no_activity');
  IF FOUND THEN
    PERFORM smile.fail(409, 'return_exists', json_build_object('return_id', existing));
  END IF;
  INSERT INTO smile.contribution_return
    (employer_id, period, kind, client_reference, declared_lines, declared_wages, reason)
  VALUES (employer, wanted_period, wanted_kind, reference, lines, wages, open_return.reason)
  RETURNING id INTO made;
  PERFORM smile.audit('return.opened', 'contribution_return', made);
  RETURN smile.answer(201, smile.return_body(made), smile.etag(1), '/v1/returns/' || made);
END
$$;

CREATE OR REPLACE FUNCTION smile.return_body(wanted uuid) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_strip_nulls(json_build_object(
    'id', r.id, 'employer_id', r.employer_id, 'period', smile.month_text(r.period), 'kind', r.kind,
    'client_reference', r.client_reference, 'reason', r.reason, 'status', r.status, 'pending_job_id', r.pending_job,
    'outcome', r.outcome,
    'declared_totals', CASE WHEN num_nonnulls(r.declared_lines, r.declared_wages) > 0 THEN
      json_build_object('lines', r.declared_lines, 'wages', r.declared_wages) END,
    'counts', json_build_object('lines', r.lines, 'accepted', r.accepted, 'warned', r.warned,
      'rejected', r.rejected),
    'totals', r.totals, 'content_sha256', encode(r.content_sha256, 'hex'), 'opened_at', r.opened_at,
    'loaded_at', r.loaded_at, 'finalised_at', r.finalised_at,
    'billing_id', (SELECT b.id FROM smile.billing AS b WHERE b.return_id = r.id)))
  FROM smile.contribution_return AS r WHERE r.id = wanted);

-- As before, with what a revision makes of each line.
CREATE OR REPLACE FUNCTION smile.list_return_lines(
  wanted uuid, wanted_status text, after integer, page integer, language text)
RETURNS json LANGUAGE sql STABLE
BEGIN ATOMIC
  WITH found AS (
    SELECT l.*, row_number() OVER (ORDER BY l.line) AS place
    FROM smile.return_line AS l
    WHERE l.employer_id = (SELECT r.employer_id FROM smile.contribution_return AS r WHERE r.id = wanted)
      AND l.return_id = wanted AND l.line > (SELECT coalesce(after, 0))
      AND (wanted_status IS NULL OR l.status = wanted_status)
    ORDER BY l.line LIMIT page + 1)
  SELECT json_strip_nulls(json_build_object(
    'items', coalesce(json_agg(json_build_object(
        'line', l.line, 'line_key', l.line_key, 'status', l.status, 'match', l.match,
        'kpj', CASE WHEN l.match <> 'new_member' OR (
          SELECT r.status = 'finalised' FROM smile.contribution_return AS r WHERE r.id = wanted) THEN l.kpj END,
        'nik_last_four', l.nik_last_four, 'full_name', l.full_name, 'birth_date', l.birth_date, 'wage', l.wage,
        'back_pay', l.back_pay, 'back_pay_period', smile.month_text(l.back_pay_period),
        'amounts', CASE WHEN l.status <> 'rejected' THEN smile.amounts_body(l.jht_employer, l.jht_worker, l.jkk,
          l.jkm, l.jp_employer, l.jp_worker, l.jkp_from_jkk, l.jkp_from_jkm, l.jkp_state) END,
        'back_pay_amounts', (
          SELECT smile.amounts_body(b.jht_employer, b.jht_worker, b.jkk, b.jkm, b.jp_employer, b.jp_worker,
            b.jkp_from_jkk, b.jkp_from_jkm, b.jkp_state)
          FROM smile.return_back_pay AS b
          WHERE b.employer_id = l.employer_id AND b.return_id = l.return_id AND b.line = l.line),
        'debit', d.debit, 'credit', d.credit,
        'findings', (
          SELECT json_agg(smile.finding_body(f, language) ORDER BY f.field, f.code) FROM smile.finding AS f
          WHERE f.employer_id = l.employer_id AND f.return_id = l.return_id AND f.line = l.line))
      ORDER BY l.place) FILTER (WHERE l.place <= page), '[]'),
    'next_after', CASE WHEN count(*) > page THEN (SELECT g.line::text FROM found AS g WHERE g.place = page) END))
  FROM found AS l
  LEFT JOIN LATERAL (
    SELECT smile.amounts_body(greatest(x.jht_employer, 0), greatest(x.jht_worker, 0), greatest(x.jkk, 0),
      greatest(x.jkm, 0), greatest(x.jp_employer, 0), greatest(x.jp_worker, 0), greatest(x.jkp_from_jkk, 0),
      greatest(x.jkp_from_jkm, 0), greatest(x.jkp_state, 0)) AS debit,
      smile.amounts_body(greatest(-x.jht_employer, 0), greatest(-x.jht_worker, 0),
      greatest(-x.jkk, 0), greatest(-x.jkm, 0), greatest(-x.jp_employer, 0), greatest(-x.jp_worker, 0),
      greatest(-x.jkp_from_jkk, 0), greatest(-x.jkp_from_jkm, 0), greatest(-x.jkp_state, 0)) AS credit
    FROM smile.return_difference AS x
    WHERE x.employer_id = l.employer_id AND x.return_id = l.return_id AND x.line = l.line) AS d ON true
  HAVING EXISTS (SELECT FROM smile.contribution_return AS r WHERE r.id = wanted);
END;

-- As before; a revision speaks of workers who were reported, any other return of those who weren't.
CREATE OR REPLACE FUNCTION smile.apply_rules_across_lines(r smile.contribution_return) RETURNS void
LANGUAGE plpgsql SET enable_nestloop = off AS $$
DECLARE
  others uuid[] := smile.finalised_for_month(r);
BEGIN
  INSERT INTO smile.finding (employer_id, return_id, line, field, code, params)
  WITH worker AS (
    SELECT l.line, CASE WHEN l.match = 'new_member' THEN l.nik_index ELSE uuid_send(l.member_id) END AS key
    FROM smile.return_line AS l
    WHERE l.employer_id = r.employer_id AND l.return_id = r.id
      AND l.match IN ('worker', 'new_employment', 'new_member')
      -- A line that falls for another reason takes no other with it.
      AND NOT EXISTS (
        SELECT FROM smile.finding AS f JOIN smile.rule AS c ON c.code = f.code AND c.severity = 'error'
        WHERE f.employer_id = r.employer_id AND f.return_id = r.id AND f.line = l.line)),
  repeated AS (SELECT w.key, min(w.line) AS first FROM worker AS w GROUP BY w.key HAVING count(*) > 1)
  SELECT r.employer_id, r.id, w.line, '', 'duplicate_worker', json_build_object('first_line', f.first)
  FROM repeated AS f JOIN worker AS w ON w.key = f.key AND w.line > f.first;

  INSERT INTO smile.finding (employer_id, return_id, line, field, code, params)
  WITH repeated AS (
    SELECT l.line_key, min(l.line) AS first FROM smile.return_line AS l
    WHERE l.employer_id = r.employer_id AND l.return_id = r.id AND l.line_key IS NOT NULL
    GROUP BY l.line_key HAVING count(*) > 1)
  SELECT r.employer_id, r.id, l.line, 'line_key', 'line_key_repeated', json_build_object('first_line', f.first)
  FROM repeated AS f
  JOIN smile.return_line AS l ON l.employer_id = r.employer_id AND l.return_id = r.id AND l.line_key = f.line_key
    AND l.line > f.first;

  IF r.kind = 'revised' THEN
    INSERT INTO smile.finding (employer_id, return_id, line, field, code)
    SELECT r.employer_id, r.id, l.line, '', 'worker_not_reported'
    FROM smile.return_line AS l
    LEFT JOIN (
      SELECT DISTINCT x.member_id FROM smile.return_line AS x
      WHERE x.employer_id = r.employer_id AND x.return_id = ANY (others) AND x.status <> 'rejected') AS told
      ON told.member_id = l.member_id
    WHERE l.employer_id = r.employer_id AND l.return_id = r.id AND l.match IN ('worker', 'new_employment', 'new_member')
      AND told.member_id IS NULL;
    INSERT INTO smile.finding (employer_id, return_id, line, field, code)
    SELECT r.employer_id, r.id, l.line, 'back_pay', 'back_pay_not_revised' FROM smile.return_line AS l
    WHERE l.employer_id = r.employer_id AND l.return_id = r.id AND l.back_pay IS NOT NULL;
  ELSIF others <> '{}' THEN
    INSERT INTO smile.finding (employer_id, return_id, line, field, code)
    SELECT r.employer_id, r.id, l.line, '', 'worker_already_reported'
    FROM smile.return_line AS l
    JOIN (
      SELECT DISTINCT x.member_id FROM smile.return_line AS x
      WHERE x.employer_id = r.employer_id AND x.return_id = ANY (others) AND x.status <> 'rejected') AS told
      ON told.member_id = l.member_id
    WHERE l.employer_id = r.employer_id AND l.return_id = r.id AND l.match IN ('worker', 'new_employment');
  END IF;

  UPDATE smile.return_line AS l
  SET status = CASE WHEN f.bad THEN 'rejected' ELSE 'warned' END
  FROM (
    SELECT x.line, bool_or(c.severity = 'error') AS bad
    FROM smile.finding AS x JOIN smile.rule AS c ON c.code = x.code AND c.severity <> 'information'
    WHERE x.employer_id = r.employer_id AND x.return_id = r.id
    GROUP BY x.line) AS f
  WHERE l.employer_id = r.employer_id AND l.return_id = r.id AND l.line = f.line;
END
$$;

-- As before; of a revision only the difference counts.
CREATE OR REPLACE FUNCTION smile.compute_back_pay(r smile.contribution_return) RETURNS void LANGUAGE sql
BEGIN ATOMIC
  INSERT INTO smile.return_back_pay
    (employer_id, return_id, line, member_id, period, wage, jht_employer, jht_worker, jkk, jkm, jp_employer,
    jp_worker, jkp_from_jkk, jkp_from_jkm, jkp_state)
  WITH due AS MATERIALIZED (
    SELECT l.line, l.member_id, l.birth_date, l.back_pay, l.back_pay_period::date AS period
    FROM smile.return_line AS l
    WHERE l.employer_id = (r).employer_id AND l.return_id = (r).id AND l.back_pay IS NOT NULL
      AND l.status <> 'rejected'),
  month AS MATERIALIZED (
    SELECT p.period, smile.rates_of_month((r).employer_id, p.period) AS rates
    FROM (SELECT DISTINCT d.period FROM due AS d) AS p),
  earlier AS MATERIALIZED (
    SELECT o.id, o.kind, o.period::date AS period FROM smile.contribution_return AS o
    WHERE o.employer_id = (r).employer_id AND o.status = 'finalised'),
  told AS MATERIALIZED (
    SELECT t.member_id, t.period, max(t.line) AS line, max(t.birth_date) AS birth_date, max(t.back_pay) AS back_pay,
      sum(t.reported)::bigint AS reported
    FROM (
      SELECT d.member_id, d.period, d.line, d.birth_date, d.back_pay, 0 AS reported FROM due AS d
      UNION ALL
      SELECT l.member_id, o.period, NULL, NULL, NULL, l.wage
      FROM earlier AS o
      JOIN smile.return_line AS l ON l.employer_id = (r).employer_id AND l.return_id = o.id AND l.status <> 'rejected'
      WHERE o.kind <> 'revised' AND o.period = ANY (ARRAY(SELECT m.period FROM month AS m))
      UNION ALL
      SELECT x.member_id, o.period, NULL, NULL, NULL, x.wage
      FROM earlier AS o
      JOIN smile.return_difference AS x ON x.employer_id = (r).employer_id AND x.return_id = o.id
      WHERE o.period = ANY (ARRAY(SELECT m.period FROM month AS m))
      UNION ALL
      SELECT b.member_id, b.period::date, NULL, NULL, NULL, b.wage
      FROM smile.return_back_pay AS b
      WHERE b.employer_id = (r).employer_id AND b.return_id = ANY (ARRAY(SELECT o.id FROM earlier AS o))
        AND b.period = ANY (ARRAY(SELECT m.period FROM month AS m))) AS t
    GROUP BY t.member_id, t.period HAVING max(t.line) IS NOT NULL),
  -- Apart, so that the planner can take contribution_of() into the statement.
  ready AS MATERIALIZED (
    SELECT d.line, d.member_id, d.period, d.back_pay, greatest(d.reported, p.wage) AS reported, m.rates,
      smile.is_in_jp(d.birth_date, m.rates) AS in_jp,
      smile.is_in_jkp(d.birth_date, coalesce((
        SELECT max(e.start_date) FROM smile.employment AS e
        WHERE e.member_id = d.member_id AND e.employer_id = (r).employer_id), d.period), m.rates) AS in_jkp
    FROM told AS d
    JOIN month AS m ON m.period = d.period
    -- Months that came in without a return.
    LEFT JOIN smile.contribution AS p
      ON p.member_id = d.member_id AND p.period = d.period AND p.employer_id = (r).employer_id)
  SELECT (r).employer_id, (r).id, d.line, d.member_id, d.period, d.back_pay, c.*
  FROM ready AS d
  CROSS JOIN LATERAL smile.contribution_of(d.back_pay, d.reported, d.in_jp, d.in_jkp, d.rates) AS c;
END;

-- What each line of a revision changes: the month as it should be, against all that stands of it. Back pay that was
-- billed for the month stays on top of the new wage, under the month's ceilings. JKP never gets more of a difference
-- than JKK or JKM had, which rounding could bring about.
CREATE FUNCTION smile.compute_differences(r smile.contribution_return) RETURNS void
LANGUAGE plpgsql SET enable_nestloop = off AS $$
DECLARE
  rates smile.contribution_rates := smile.rates_of_month(r.employer_id, r.period);
BEGIN
  DELETE FROM smile.return_difference AS d WHERE d.employer_id = r.employer_id AND d.return_id = r.id;
  INSERT INTO smile.return_difference
    (employer_id, return_id, line, member_id, wage,
    jht_employer, jht_worker, jkk, jkm, jp_employer, jp_worker, jkp_from_jkk,
    jkp_from_jkm, jkp_state)
  WITH other AS MATERIALIZED (
    SELECT o.id, o.kind, o.period FROM smile.contribution_return AS o
    WHERE o.employer_id = r.employer_id AND o.status = 'finalised' AND o.id <> r.id),
  stood AS MATERIALIZED (
    SELECT t.member_id, sum(t.wage)::bigint AS wage, sum(t.jht_employer)::bigint AS jht_employer,
      sum(t.jht_worker)::bigint AS jht_worker, sum(t.jkk)::bigint AS jkk, sum(t.jkm)::bigint AS jkm,
      sum(t.jp_employer)::bigint AS jp_employer, sum(t.jp_worker)::bigint AS jp_worker,
      sum(t.jkp_from_jkk)::bigint AS jkp_from_jkk, sum(t.jkp_from_jkm)::bigint AS jkp_from_jkm,
      sum(t.jkp_state)::bigint AS jkp_state
    FROM (
      SELECT l.member_id, l.wage, l.jht_employer, l.jht_worker, l.jkk, l.jkm, l.jp_employer,
        l.jp_worker, l.jkp_from_jkk, l.jkp_from_jkm, l.jkp_state
      FROM other AS o
      JOIN smile.return_line AS l ON l.employer_id = r.employer_id AND l.return_id = o.id AND l.status <> 'rejected'
      WHERE o.period = r.period AND o.kind <> 'revised'
      UNION ALL
      SELECT d.member_id, d.wage, d.jht_employer, d.jht_worker, d.jkk, d.jkm, d.jp_employer,
        d.jp_worker, d.jkp_from_jkk, d.jkp_from_jkm, d.jkp_state
      FROM other AS o
      JOIN smile.return_difference AS d ON d.employer_id = r.employer_id AND d.return_id = o.id
      WHERE o.period = r.period) AS t
    GROUP BY t.member_id),
  added AS MATERIALIZED (
    SELECT b.member_id, sum(b.wage)::bigint AS wage, sum(b.jht_employer)::bigint AS jht_employer,
      sum(b.jht_worker)::bigint AS jht_worker, sum(b.jkk)::bigint AS jkk, sum(b.jkm)::bigint AS jkm,
      sum(b.jp_employer)::bigint AS jp_employer, sum(b.jp_worker)::bigint AS jp_worker,
      sum(b.jkp_from_jkk)::bigint AS jkp_from_jkk, sum(b.jkp_from_jkm)::bigint AS jkp_from_jkm,
      sum(b.jkp_state)::bigint AS jkp_state
    FROM smile.return_back_pay AS b JOIN other AS o ON o.id = b.return_id
    WHERE b.employer_id = r.employer_id AND b.period = r.period
    GROUP BY b.member_id)
  SELECT r.employer_id, r.id, l.line, l.member_id, l.wage - s.wage,
    l.jht_employer - s.jht_employer + coalesce(n.jht_employer - a.jht_employer, 0),
    l.jht_worker - s.jht_worker + coalesce(n.jht_worker - a.jht_worker, 0),
    l.jkk - s.jkk + coalesce(n.jkk - a.jkk, 0), l.jkm - s.jkm + coalesce(n.jkm - a.jkm, 0),
    l.jp_employer - s.jp_employer + coalesce(n.jp_employer - a.jp_employer, 0),
    l.jp_worker - s.jp_worker + coalesce(n.jp_worker - a.jp_worker, 0),
    least(l.jkp_from_jkk - s.jkp_from_jkk + coalesce(n.jkp_from_jkk - a.jkp_from_jkk, 0),
      greatest(l.jkk - s.jkk + coalesce(n.jkk - a.jkk, 0), 0)),
    least(l.jkp_from_jkm - s.jkp_from_jkm + coalesce(n.jkp_from_jkm - a.jkp_from_jkm, 0),
      greatest(l.jkm - s.jkm + coalesce(n.jkm - a.jkm, 0), 0)),
    l.jkp_state - s.jkp_state + coalesce(n.jkp_state - a.jkp_state, 0)
  FROM smile.return_line AS l
  JOIN stood AS s ON s.member_id = l.member_id
  LEFT JOIN added AS a ON a.member_id = l.member_id
  LEFT JOIN LATERAL smile.contribution_of(
    a.wage, l.wage, smile.is_in_jp(l.birth_date, rates),
    smile.is_in_jkp(l.birth_date, coalesce((
      SELECT max(e.start_date) FROM smile.employment AS e
      WHERE e.member_id = l.member_id AND e.employer_id = r.employer_id), r.period), rates), rates) AS n
    ON a.wage IS NOT NULL
  WHERE l.employer_id = r.employer_id AND l.return_id = r.id AND l.status <> 'rejected';
END
$$;

-- As before; a revision is outdated when another one changed what it was compared with.
CREATE OR REPLACE FUNCTION smile.refuse_outdated(r smile.contribution_return) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  others uuid[] := smile.finalised_for_month(r);
BEGIN
  IF r.kind = 'revised' THEN
    PERFORM smile.compute_differences(r);
    IF smile.charge_totals(r.employer_id, r.id)::text IS DISTINCT FROM r.totals::text THEN
      PERFORM smile.fail(409, 'return_outdated');
    END IF;
    RETURN;
  ELSIF others <> '{}' AND EXISTS (
    SELECT FROM smile.return_line AS l
    WHERE l.employer_id = r.employer_id AND l.return_id = ANY (others || r.id) AND l.status <> 'rejected'
    GROUP BY l.member_id HAVING bool_or(l.return_id = r.id) AND bool_or(l.return_id <> r.id))
  THEN
    PERFORM smile.fail(409, 'return_outdated');
  END IF;
  IF EXISTS (
    SELECT FROM smile.return_back_pay AS b WHERE b.employer_id = r.employer_id AND b.return_id = r.id)
  THEN
    DELETE FROM smile.return_back_pay AS b WHERE b.employer_id = r.employer_id AND b.return_id = r.id;
    PERFORM smile.compute_back_pay(r);
    IF smile.charge_totals(r.employer_id, r.id)::text IS DISTINCT FROM r.totals::text THEN
      PERFORM smile.fail(409, 'return_outdated');
    END IF;
  END IF;
END
$$;

-- As before; of a revision what it adds.
CREATE OR REPLACE FUNCTION smile.return_charges(employer uuid, wanted uuid)
RETURNS TABLE (
  line integer, member_id uuid, period date, wage bigint, jht_employer bigint, jht_worker bigint, jkk bigint,
  jkm bigint, jp_employer bigint, jp_worker bigint, jkp_from_jkk bigint, jkp_from_jkm bigint, jkp_state bigint)
LANGUAGE sql STABLE ROWS 1000
BEGIN ATOMIC
  SELECT l.line, l.member_id, r.period::date, l.wage, l.jht_employer, l.jht_worker, l.jkk, l.jkm, l.jp_employer,
    l.jp_worker, l.jkp_from_jkk, l.jkp_from_jkm, l.jkp_state
  FROM smile.contribution_return AS r
  JOIN smile.return_line AS l ON l.employer_id = r.employer_id AND l.return_id = r.id
  WHERE r.id = wanted AND r.employer_id = employer AND l.status <> 'rejected' AND r.kind <> 'revised'
  UNION ALL
  SELECT x.line, x.member_id, r.period::date, greatest(x.wage, 0),
    greatest(x.jht_employer, 0), greatest(x.jht_worker, 0), greatest(x.jkk, 0),
    greatest(x.jkm, 0), greatest(x.jp_employer, 0), greatest(x.jp_worker, 0), greatest(x.jkp_from_jkk, 0),
    greatest(x.jkp_from_jkm, 0), greatest(x.jkp_state, 0)
  FROM smile.contribution_return AS r
  JOIN smile.return_difference AS x ON x.employer_id = r.employer_id AND x.return_id = r.id
  WHERE r.id = wanted AND r.employer_id = employer
    AND greatest(x.wage, x.jht_employer, x.jht_worker, x.jkk, x.jkm, x.jp_employer,
      x.jp_worker, x.jkp_from_jkk, x.jkp_from_jkm, x.jkp_state) > 0
  UNION ALL
  SELECT b.line, b.member_id, b.period::date, b.wage, b.jht_employer, b.jht_worker, b.jkk, b.jkm, b.jp_employer,
    b.jp_worker, b.jkp_from_jkk, b.jkp_from_jkm, b.jkp_state
  FROM smile.return_back_pay AS b
  WHERE b.employer_id = employer AND b.return_id = wanted;
END;

-- And what it takes off.
CREATE FUNCTION smile.return_reductions(employer uuid, wanted uuid)
RETURNS TABLE (
  member_id uuid, wage bigint, jht_employer bigint, jht_worker bigint, jkk bigint, jkm bigint, jp_employer bigint,
  jp_worker bigint, jkp_from_jkk bigint, jkp_from_jkm bigint, jkp_state bigint)
LANGUAGE sql STABLE ROWS 1000
BEGIN ATOMIC
  SELECT d.member_id, greatest(-d.wage, 0), greatest(-d.jht_employer, 0), greatest(-d.jht_worker, 0),
    greatest(-d.jkk, 0), greatest(-d.jkm, 0), greatest(-d.jp_employer, 0), greatest(-d.jp_worker, 0),
    greatest(-d.jkp_from_jkk, 0), greatest(-d.jkp_from_jkm, 0), greatest(-d.jkp_state, 0)
  FROM smile.return_difference AS d
  WHERE d.employer_id = employer AND d.return_id = wanted
    AND least(d.wage, d.jht_employer, d.jht_worker, d.jkk, d.jkm, d.jp_employer,
      d.jp_worker, d.jkp_from_jkk, d.jkp_from_jkm, d.jkp_state) < 0;
END;

-- As before; `due` is what a revision adds, `credit` what it gives back.
CREATE OR REPLACE FUNCTION smile.charge_totals(employer uuid, wanted uuid) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_strip_nulls(json_build_object(
    'wages', CASE WHEN max(k.kind) = 'revised' THEN (
      SELECT coalesce(sum(l.wage), 0) FROM smile.return_line AS l
      WHERE l.employer_id = employer AND l.return_id = wanted AND l.status <> 'rejected')
      ELSE coalesce(sum(c.wage), 0) END,
    'verified', (
      SELECT bool_and(smile.rates_are_verified(m.period))
      FROM (
        SELECT r.period::date AS period FROM smile.contribution_return AS r
        WHERE r.id = wanted AND r.employer_id = employer
        UNION
        SELECT b.period::date FROM smile.return_back_pay AS b
        WHERE b.employer_id = employer AND b.return_id = wanted) AS m),
    'due', coalesce(sum(c.jht_employer + c.jht_worker + c.jkk + c.jkm + c.jp_employer + c.jp_worker), 0),
    'amounts', smile.amounts_body(
      coalesce(sum(c.jht_employer), 0)::bigint, coalesce(sum(c.jht_worker), 0)::bigint,
      coalesce(sum(c.jkk), 0)::bigint, coalesce(sum(c.jkm), 0)::bigint, coalesce(sum(c.jp_employer), 0)::bigint,
      coalesce(sum(c.jp_worker), 0)::bigint, coalesce(sum(c.jkp_from_jkk), 0)::bigint,
      coalesce(sum(c.jkp_from_jkm), 0)::bigint, coalesce(sum(c.jkp_state), 0)::bigint),
    'credit', CASE WHEN max(k.kind) = 'revised' THEN (
      SELECT coalesce(sum(d.jht_employer + d.jht_worker + d.jkk + d.jkm + d.jp_employer + d.jp_worker), 0)
      FROM smile.return_reductions(employer, wanted) AS d) END,
    'credit_amounts', CASE WHEN max(k.kind) = 'revised' THEN (
      SELECT smile.amounts_body(coalesce(sum(d.jht_employer), 0)::bigint,
        coalesce(sum(d.jht_worker), 0)::bigint, coalesce(sum(d.jkk), 0)::bigint, coalesce(sum(d.jkm), 0)::bigint,
        coalesce(sum(d.jp_employer), 0)::bigint, coalesce(sum(d.jp_worker), 0)::bigint,
        coalesce(sum(d.jkp_from_jkk), 0)::bigint, coalesce(sum(d.jkp_from_jkm), 0)::bigint,
        coalesce(sum(d.jkp_state), 0)::bigint)
      FROM smile.return_reductions(employer, wanted) AS d) END))
  FROM (SELECT r.kind FROM smile.contribution_return AS r WHERE r.id = wanted AND r.employer_id = employer) AS k
  LEFT JOIN smile.return_charges(employer, wanted) AS c ON true);

-- A credit's amounts by programme, JKK and JKM without what goes on to JKP.
CREATE FUNCTION smile.credit_accounts(c smile.return_credit, prefix text, sign integer)
RETURNS TABLE (account text, amount bigint) LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
  SELECT prefix || '.' || v.programme, v.amount * sign
  FROM (VALUES
    ('jht', (c).jht_employer + (c).jht_worker),
    ('jkk', (c).jkk - (c).jkp_from_jkk),
    ('jkm', (c).jkm - (c).jkp_from_jkm),
    ('jp', (c).jp_employer + (c).jp_worker),
    ('jkp', (c).jkp_from_jkk + (c).jkp_from_jkm + (c).jkp_state)) AS v (programme, amount)
  WHERE v.amount <> 0;
END;

-- Grants what a revision gives back: less is billed, and the employer, or the state, has the rest to its credit.
CREATE FUNCTION smile.credit_return(r smile.contribution_return) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  c smile.return_credit;
BEGIN
  INSERT INTO smile.return_credit
    (return_id, employer_id, period, jht_employer, jht_worker, jkk, jkm, jp_employer, jp_worker, jkp_from_jkk,
    jkp_from_jkm, jkp_state)
  SELECT r.id, r.employer_id, r.period, sum(d.jht_employer), sum(d.jht_worker), sum(d.jkk), sum(d.jkm),
    sum(d.jp_employer), sum(d.jp_worker), sum(d.jkp_from_jkk), sum(d.jkp_from_jkm), sum(d.jkp_state)
  FROM smile.return_reductions(r.employer_id, r.id) AS d
  HAVING count(*) > 0
  RETURNING * INTO c;
  IF c.return_id IS NULL THEN
    RETURN;
  END IF;
  PERFORM smile.book('contributions_reduced', 'contribution_return', r.id, (
    SELECT array_agg((l.account, NULL, r.employer_id, r.period, l.amount)::smile.posting_line)
    FROM smile.credit_accounts(c, 'billed', 1) AS l)
    || ('payable.employer_credit', NULL, r.employer_id, r.period, -c.amount)::smile.posting_line
    || ('receivable.state', NULL, r.employer_id, r.period, -c.jkp_state)::smile.posting_line);
  PERFORM smile.settle(r.employer_id);
  PERFORM smile.post_reductions(r.employer_id, r.period);
END
$$;

-- Takes the credits of a month from the members' months and the funds, once nothing billed for it is open.
CREATE FUNCTION smile.post_reductions(employer uuid, wanted date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  c smile.return_credit;
  booked uuid;
BEGIN
  IF EXISTS (
    SELECT FROM smile.billing AS b
    WHERE b.employer_id = employer AND b.period = wanted AND b.status <> 'paid')
  THEN
    RETURN;
  END IF;
  FOR c IN
    UPDATE smile.return_credit AS x SET posting_id = smile.uuid7()
    WHERE x.employer_id = employer AND x.period = wanted AND x.posting_id IS NULL
    RETURNING x.*
  LOOP
    UPDATE smile.contribution AS m
    SET wage = m.wage - d.wage, jht_employer = m.jht_employer - d.jht_employer,
      jht_worker = m.jht_worker - d.jht_worker, jkk = m.jkk - d.jkk, jkm = m.jkm - d.jkm,
      jp_employer = m.jp_employer - d.jp_employer, jp_worker = m.jp_worker - d.jp_worker,
      jkp_from_jkk = m.jkp_from_jkk - d.jkp_from_jkk, jkp_from_jkm = m.jkp_from_jkm - d.jkp_from_jkm,
      jkp_state = m.jkp_state - d.jkp_state
    FROM smile.return_reductions(employer, c.return_id) AS d
    WHERE m.member_id = d.member_id AND m.period = wanted AND m.employer_id = employer;
    INSERT INTO smile.ledger_transaction (kind, subject_kind, subject_id)
    VALUES ('contributions_corrected', 'return_credit', c.posting_id)
    RETURNING id INTO booked;
    INSERT INTO smile.posting (transaction_id, account, member_id, employer_id, period, amount)
    SELECT booked, 'fund.jht', d.member_id, employer, wanted, d.jht_employer + d.jht_worker
    FROM smile.return_reductions(employer, c.return_id) AS d WHERE d.jht_employer + d.jht_worker > 0
    UNION ALL
    SELECT booked, a.account, NULL, employer, wanted, a.amount
    FROM smile.credit_accounts(c, 'billed', -1) AS a
    UNION ALL
    SELECT booked, a.account, NULL, employer, wanted, a.amount
    FROM smile.credit_accounts(c, 'fund', 1) AS a WHERE a.account <> 'fund.jht';
  END LOOP;
END
$$;

-- The other way round, before a billing of the month that was paid is open again.
CREATE FUNCTION smile.unpost_reductions() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  c smile.return_credit;
  undone uuid;
BEGIN
  FOR c IN
    SELECT x.* FROM smile.return_credit AS x
    WHERE x.employer_id = NEW.employer_id AND x.period = NEW.period AND x.posting_id IS NOT NULL FOR UPDATE
  LOOP
    UPDATE smile.contribution AS m
    SET wage = m.wage + d.wage, jht_employer = m.jht_employer + d.jht_employer,
      jht_worker = m.jht_worker + d.jht_worker, jkk = m.jkk + d.jkk, jkm = m.jkm + d.jkm,
      jp_employer = m.jp_employer + d.jp_employer, jp_worker = m.jp_worker + d.jp_worker,
      jkp_from_jkk = m.jkp_from_jkk + d.jkp_from_jkk, jkp_from_jkm = m.jkp_from_jkm + d.jkp_from_jkm,
      jkp_state = m.jkp_state + d.jkp_state
    FROM smile.return_reductions(c.employer_id, c.return_id) AS d
    WHERE m.member_id = d.member_id AND m.period = c.period AND m.employer_id = c.employer_id;
    INSERT INTO smile.ledger_transaction (kind, subject_kind, subject_id, reverses)
    SELECT 'correction_reversed', t.subject_kind, t.subject_id, t.id
    FROM smile.ledger_transaction AS t WHERE t.subject_id = c.posting_id
    RETURNING id INTO undone;
    INSERT INTO smile.posting (transaction_id, account, member_id, employer_id, period, amount)
    SELECT undone, p.account, p.member_id, p.employer_id, p.period, -p.amount
    FROM smile.posting AS p
    JOIN smile.ledger_transaction AS t ON t.reverses = p.transaction_id WHERE t.id = undone;
    UPDATE smile.return_credit AS x SET posting_id = NULL WHERE x.return_id = c.return_id;
  END LOOP;
  RETURN NULL;
END
$$;
CREATE TRIGGER open_billing_unposts_reductions AFTER UPDATE OF status ON smile.billing
  FOR EACH ROW WHEN (OLD.status = 'paid' AND NEW.status <> 'paid') EXECUTE FUNCTION smile.unpost_reductions();

-- As before, with the credit of a revision.
CREATE OR REPLACE FUNCTION smile.bill_return(r smile.contribution_return) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
  b smile.billing;
BEGIN
  IF r.kind = 'revised' THEN
    PERFORM smile.credit_return(r);
  END IF;
  INSERT INTO smile.billing
    (employer_id, return_id, payment_code, period, due_date, jht_employer, jht_worker, jkk, jkm, jp_employer,
    jp_worker, jkp_from_jkk, jkp_from_jkm, jkp_state)
  SELECT r.employer_id, r.id, smile.next_payment_code(), r.period, smile.due_date(r.period), sum(c.jht_employer),
    sum(c.jht_worker), sum(c.jkk), sum(c.jkm), sum(c.jp_employer), sum(c.jp_worker), sum(c.jkp_from_jkk),
    sum(c.jkp_from_jkm), sum(c.jkp_state)
  FROM smile.return_charges(r.employer_id, r.id) AS c
  HAVING sum(c.jht_employer + c.jht_worker + c.jkk + c.jkm + c.jp_employer + c.jp_worker) > 0
  RETURNING * INTO b;
  IF b.id IS NULL THEN
    RETURN NULL;
  END IF;
  PERFORM smile.book('contributions_billed', 'billing', b.id, (
    SELECT array_agg((l.account, NULL, r.employer_id, r.period, l.amount)::smile.posting_line)
    FROM smile.billing_accounts(b, 'billed', -1) AS l)
    || (('receivable.employer', NULL, r.employer_id, r.period, b.amount)::smile.posting_line)
    || (('receivable.state', NULL, r.employer_id, r.period, b.jkp_state)::smile.posting_line));
  RETURN b.id;
END
$$;

-- As before; when the month's last open billing is paid, its credits follow.
CREATE OR REPLACE FUNCTION smile.post_contributions(b smile.billing) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  booked uuid;
BEGIN
  INSERT INTO smile.contribution AS c
    (member_id, period, employer_id, wage, jht_employer, jht_worker, jkk, jkm, jp_employer, jp_worker, jkp_from_jkk,
    jkp_from_jkm, jkp_state, posted_at)
  SELECT x.member_id, x.period, b.employer_id, x.wage, x.jht_employer, x.jht_worker, x.jkk, x.jkm, x.jp_employer,
    x.jp_worker, x.jkp_from_jkk, x.jkp_from_jkm, x.jkp_state, smile.now()
  FROM smile.return_charges(b.employer_id, b.return_id) AS x
  ON CONFLICT (member_id, period, employer_id) DO UPDATE
  SET wage = c.wage + excluded.wage, jht_employer = c.jht_employer + excluded.jht_employer,
    jht_worker = c.jht_worker + excluded.jht_worker, jkk = c.jkk + excluded.jkk, jkm = c.jkm + excluded.jkm,
    jp_employer = c.jp_employer + excluded.jp_employer, jp_worker = c.jp_worker + excluded.jp_worker,
    jkp_from_jkk = c.jkp_from_jkk + excluded.jkp_from_jkk, jkp_from_jkm = c.jkp_from_jkm + excluded.jkp_from_jkm,
    jkp_state = c.jkp_state + excluded.jkp_state, posted_at = excluded.posted_at;

  INSERT INTO smile.ledger_transaction (kind, subject_kind, subject_id)
  VALUES ('contributions_posted', 'billing', b.id)
  RETURNING id INTO booked;
  INSERT INTO smile.posting (transaction_id, account, member_id, employer_id, period, amount)
  SELECT booked, 'fund.jht', x.member_id, b.employer_id, x.period, -(x.jht_employer + x.jht_worker)
  FROM smile.return_charges(b.employer_id, b.return_id) AS x
  WHERE x.jht_employer + x.jht_worker > 0
  UNION ALL
  SELECT booked, a.account, NULL, b.employer_id, b.period, a.amount
  FROM smile.billing_accounts(b, 'billed', 1) AS a
  UNION ALL
  SELECT booked, a.account, NULL, b.employer_id, b.period, a.amount
  FROM smile.billing_accounts(b, 'fund', -1) AS a WHERE a.account <> 'fund.jht';
  PERFORM smile.post_reductions(b.employer_id, b.period);
END
$$;

REVOKE EXECUTE ON FUNCTION smile.compute_differences(smile.contribution_return),
  smile.credit_return(smile.contribution_return), smile.post_reductions(uuid, date), smile.unpost_reductions()
  FROM smile_api, smile_jobs, smile_auth;
