-- The life of a return: opened, its lines loaded and validated as a set, finalised or discarded. How many statements
-- run never depends on how many lines there are.

CREATE FUNCTION smile.open_return(
  employer uuid, wanted_period date, wanted_kind text, reference text, lines bigint, wages bigint)
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
    (employer_id, period, kind, client_reference, declared_lines, declared_wages)
  VALUES (employer, wanted_period, wanted_kind, reference, lines, wages)
  RETURNING id INTO made;
  PERFORM smile.audit('return.opened', 'contribution_return', made);
  RETURN smile.answer(201, smile.return_body(made), smile.etag(1), '/v1/returns/' || made);
END
$$;

CREATE FUNCTION smile.return_body(wanted uuid) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_strip_nulls(json_build_object(
    'id', r.id, 'employer_id', r.employer_id, 'period', smile.month_text(r.period), 'kind', r.kind,
    'client_reference', r.client_reference, 'status', r.status, 'outcome', r.outcome,
    'declared_totals', CASE WHEN num_nonnulls(r.declared_lines, r.declared_wages) > 0 THEN
      json_build_object('lines', r.declared_lines, 'wages', r.declared_wages) END,
    'counts', json_build_object('lines', r.lines, 'accepted', r.accepted, 'warned', r.warned,
      'rejected', r.rejected),
    'totals', r.totals, 'content_sha256', encode(r.content_sha256, 'hex'), 'opened_at', r.opened_at,
    'loaded_at', r.loaded_at, 'finalised_at', r.finalised_at,
    'billing_id', (SELECT b.id FROM smile.billing AS b WHERE b.return_id = r.id)))
  FROM smile.contribution_return AS r WHERE r.id = wanted);

CREATE FUNCTION smile.list_returns(employer uuid, wanted_period date, reference text, content bytea, after uuid,
  page integer)
RETURNS json LANGUAGE sql STABLE
BEGIN ATOMIC
  WITH found AS (
    SELECT r.id, row_number() OVER (ORDER BY r.id DESC) AS place
    FROM smile.contribution_return AS r
    WHERE r.employer_id = employer AND (after IS NULL OR r.id < after)
      AND (wanted_period IS NULL OR r.period = wanted_period)
      AND (reference IS NULL OR r.client_reference = reference)
      AND (content IS NULL OR r.content_sha256 = content)
    ORDER BY r.id DESC LIMIT page + 1)
  SELECT json_strip_nulls(json_build_object(
    'items', coalesce(json_agg(smile.return_body(f.id) ORDER BY f.place) FILTER (WHERE f.place <= page), '[]'),
    'next_after', CASE WHEN count(*) > page THEN (SELECT g.id FROM found AS g WHERE g.place = page) END))
  FROM found AS f
  HAVING EXISTS (SELECT FROM smile.employer AS e WHERE e.id = employer);
END;

-- Findings with their texts, in the order of the lines. The cursor is 'line.field.code'.
CREATE FUNCTION smile.finding_body(f smile.finding, language text) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_strip_nulls(json_build_object(
    'line', nullif(f.line, 0), 'field', nullif(f.field, ''), 'code', f.code, 'severity', r.severity,
    'message', CASE language WHEN 'en' THEN r.description_en ELSE r.description_id END,
    'fix', CASE language WHEN 'en' THEN r.fix_en ELSE r.fix_id END,
    'params', f.params, 'rule', '/v1/rules/' || f.code, 'citation', r.citation))
  FROM smile.rule AS r WHERE r.code = f.code);

CREATE FUNCTION smile.list_findings(wanted uuid, after text, page integer, language text) RETURNS json
LANGUAGE sql STABLE
BEGIN ATOMIC
  WITH found AS (
    SELECT f AS row, f.line, f.field, f.code, l.line_key,
      row_number() OVER (ORDER BY f.line, f.field, f.code) AS place
    FROM smile.finding AS f
    LEFT JOIN smile.return_line AS l
      ON l.employer_id = f.employer_id AND l.return_id = f.return_id AND l.line = f.line
    WHERE f.return_id = wanted
      AND f.employer_id = (SELECT r.employer_id FROM smile.contribution_return AS r WHERE r.id = wanted)
      AND (after IS NULL OR (f.line, f.field, f.code) >
        (split_part(after, '.', 1)::integer, split_part(after, '.', 2), split_part(after, '.', 3)))
    ORDER BY f.line, f.field, f.code LIMIT page + 1)
  SELECT json_strip_nulls(json_build_object(
    'items', coalesce(json_agg(smile.finding_body(f.row, language) ORDER BY f.place)
      FILTER (WHERE f.place <= page), '[]'),
    'next_after', CASE WHEN count(*) > page THEN (
      SELECT g.line || '.' || g.field || '.' || g.code FROM found AS g WHERE g.place = page) END))
  FROM found AS f
  HAVING EXISTS (SELECT FROM smile.contribution_return AS r WHERE r.id = wanted);
END;

-- Each line in the order sent, with what was found and what it costs. A rejected line costs nothing.
CREATE FUNCTION smile.list_return_lines(wanted uuid, wanted_status text, after integer, page integer, language text)
RETURNS json LANGUAGE sql STABLE
BEGIN ATOMIC
  WITH found AS (
    SELECT l.*, r.status AS return_status, row_number() OVER (ORDER BY l.line) AS place
    FROM smile.contribution_return AS r
    JOIN smile.return_line AS l ON l.employer_id = r.employer_id AND l.return_id = r.id
    WHERE r.id = wanted AND (after IS NULL OR l.line > after)
      AND (wanted_status IS NULL OR l.status = wanted_status)
    ORDER BY l.line LIMIT page + 1)
  SELECT json_strip_nulls(json_build_object(
    'items', coalesce(json_agg(json_build_object(
        'line', l.line, 'line_key', l.line_key, 'status', l.status, 'match', l.match,
        'kpj', CASE WHEN l.match <> 'new_member' OR l.return_status = 'finalised' THEN l.kpj END,
        'nik_last_four', l.nik_last_four, 'full_name', l.full_name, 'birth_date', l.birth_date, 'wage', l.wage,
        'back_pay', l.back_pay, 'back_pay_period', smile.month_text(l.back_pay_period),
        'amounts', CASE WHEN l.status <> 'rejected' THEN smile.amounts_body(l.jht_employer, l.jht_worker, l.jkk,
          l.jkm, l.jp_employer, l.jp_worker, l.jkp_from_jkk, l.jkp_from_jkm, l.jkp_state) END,
        'back_pay_amounts', (
          SELECT smile.amounts_body(b.jht_employer, b.jht_worker, b.jkk, b.jkm, b.jp_employer, b.jp_worker,
            b.jkp_from_jkk, b.jkp_from_jkm, b.jkp_state)
          FROM smile.return_back_pay AS b
          WHERE b.employer_id = l.employer_id AND b.return_id = l.return_id AND b.line = l.line),
        'findings', (
          SELECT json_agg(smile.finding_body(f, language) ORDER BY f.field, f.code) FROM smile.finding AS f
          WHERE f.employer_id = l.employer_id AND f.return_id = l.return_id AND f.line = l.line))
      ORDER BY l.place) FILTER (WHERE l.place <= page), '[]'),
    'next_after', CASE WHEN count(*) > page THEN (SELECT g.line::text FROM found AS g WHERE g.place = page) END))
  FROM found AS l
  HAVING EXISTS (SELECT FROM smile.contribution_return AS r WHERE r.id = wanted);
END;

-- An officer looked at the people of a return.
CREATE FUNCTION smile.note_return_read(wanted uuid) RETURNS void LANGUAGE sql VOLATILE
RETURN smile.audit('return.read', 'contribution_return', wanted);

-- Whether lines may be sent at all: asked before a byte of them is read.
CREATE FUNCTION smile.admit_upload(wanted uuid) RETURNS void LANGUAGE plpgsql STABLE AS $$
DECLARE
  r smile.contribution_return;
BEGIN
  SELECT * INTO r FROM smile.contribution_return AS x WHERE x.id = wanted AND x.employer_id = smile.employer_id();
  IF NOT FOUND THEN
    PERFORM smile.fail(404, 'not_found');
  ELSIF r.status <> 'open' THEN
    PERFORM smile.fail(409, 'return_not_open');
  ELSIF r.kind = 'no_activity' THEN
    PERFORM smile.fail(409, 'return_takes_no_lines');
  END IF;
END
$$;

-- The first step of an upload: the caller's own open return, held until the end of the transaction.
CREATE FUNCTION smile.begin_upload(wanted uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM smile.contribution_return AS x
  WHERE x.id = wanted AND x.employer_id = smile.employer_id() FOR UPDATE;
  PERFORM smile.admit_upload(wanted);
END
$$;

-- The second step for a few lines: one JSON array instead of a COPY, so that all steps are one round trip. Bytes are
-- hexadecimal.
CREATE FUNCTION smile.stage_lines(upload uuid, lines json) RETURNS void LANGUAGE sql
BEGIN ATOMIC
  INSERT INTO smile.return_staging
    (upload_id, line, line_key, kpj, nik_index, nik_sealed, nik_last_four, full_name, birth_date, sex, wage, back_pay,
    back_pay_period, problems)
  SELECT upload, l.line, l.line_key, l.kpj, decode(l.nik_index, 'hex'), decode(l.nik_sealed, 'hex'), l.nik_last_four,
    l.full_name, l.birth_date, l.sex, l.wage, l.back_pay, l.back_pay_period, l.problems
  FROM json_to_recordset(lines) AS l (
    line integer, line_key text, kpj text, nik_index text, nik_sealed text, nik_last_four text, full_name text,
    birth_date date, sex text, wage bigint, back_pay bigint, back_pay_period date, problems text[]);
END;

-- Recognises each staged worker and computes the amounts: staged rows become lines.
CREATE FUNCTION smile.move_lines(r smile.contribution_return, upload uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  rates smile.contribution_rates := smile.rates_of_month(r.employer_id, r.period);
BEGIN
  INSERT INTO smile.return_line
    (employer_id, return_id, line, line_key, match, member_id, kpj, nik_index, nik_sealed, nik_last_four, full_name,
    birth_date, sex, wage, back_pay, back_pay_period, jht_employer, jht_worker, jkk, jkm, jp_employer, jp_worker,
    jkp_from_jkk, jkp_from_jkm, jkp_state)
  SELECT r.employer_id, r.id, s.line, s.line_key, k.match,
    CASE WHEN k.match = 'new_member' THEN smile.uuid7() ELSE m.id END,
    CASE WHEN k.match = 'new_member' THEN smile.next_kpj() ELSE s.kpj END,
    -- The NIK stays only where a member is to be made of it.
    CASE WHEN k.match = 'new_member' THEN s.nik_index END, CASE WHEN k.match = 'new_member' THEN s.nik_sealed END,
    s.nik_last_four, s.full_name, s.birth_date, s.sex, s.wage, s.back_pay, s.back_pay_period,
    coalesce(c.jht_employer, 0), coalesce(c.jht_worker, 0), coalesce(c.jkk, 0), coalesce(c.jkm, 0),
    coalesce(c.jp_employer, 0), coalesce(c.jp_worker, 0), coalesce(c.jkp_from_jkk, 0), coalesce(c.jkp_from_jkm, 0),
    coalesce(c.jkp_state, 0)
  FROM smile.return_staging AS s
  LEFT JOIN smile.member_number AS n ON n.kpj = s.kpj
  LEFT JOIN smile.national_id AS i ON i.nik_index = s.nik_index
  LEFT JOIN smile.member AS m ON m.id = coalesce(n.member_id, i.member_id)
  -- Asked only where a KPJ comes with a NIK that nobody has.
  LEFT JOIN smile.national_id AS known
    ON known.member_id = n.member_id AND s.nik_index IS NOT NULL AND i.member_id IS NULL
  LEFT JOIN LATERAL (
    SELECT e.start_date, e.end_date FROM smile.employment AS e
    WHERE e.member_id = m.id AND e.employer_id = r.employer_id
    ORDER BY e.start_date DESC LIMIT 1) AS spell ON true
  CROSS JOIN LATERAL (
    SELECT CASE
      WHEN s.full_name IS NULL OR s.birth_date IS NULL
        OR s.problems && ARRAY['kpj:kpj_malformed', 'nik:nik_malformed'] THEN 'unreadable'
      WHEN s.kpj IS NOT NULL AND n.member_id IS NULL THEN 'kpj_unknown'
      WHEN s.kpj IS NULL AND s.nik_index IS NULL THEN 'unidentified'
      WHEN m.id IS NULL THEN 'new_member'
      WHEN NOT smile.identity_agrees(n.member_id, i.member_id, s.nik_index IS NOT NULL,
        known.member_id IS NOT NULL, m.birth_date = s.birth_date,
        -- Names that are the same as written needn't be reduced to their keys.
        m.full_name = s.full_name OR m.name_key = smile.name_key(s.full_name)) THEN 'mismatch'
      WHEN spell.start_date IS NULL THEN 'new_employment'
      WHEN spell.end_date < r.period THEN 'ended'
      ELSE 'worker' END AS match
    -- Keeps the planner from repeating the expression wherever it is used.
    OFFSET 0) AS k
  LEFT JOIN LATERAL smile.contribution_of(
    s.wage, 0, smile.is_in_jp(s.birth_date, rates),
    smile.is_in_jkp(s.birth_date, coalesce(spell.start_date, r.period), rates), rates) AS c
    ON k.match IN ('worker', 'new_employment', 'new_member') AND s.wage IS NOT NULL
  WHERE s.upload_id = upload;
END
$$;

-- One statement a rule.
CREATE FUNCTION smile.apply_rules(r smile.contribution_return, upload uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  -- What the server saw while it read the fields.
  INSERT INTO smile.finding (employer_id, return_id, line, field, code)
  SELECT r.employer_id, r.id, s.line, split_part(p.problem, ':', 1), split_part(p.problem, ':', 2)
  FROM smile.return_staging AS s CROSS JOIN LATERAL unnest(s.problems) AS p (problem)
  WHERE s.upload_id = upload
  ON CONFLICT DO NOTHING;

  INSERT INTO smile.finding (employer_id, return_id, line, field, code)
  SELECT r.employer_id, r.id, l.line, k.field, k.code
  FROM smile.return_line AS l
  JOIN (VALUES
    ('unidentified', 'nik', 'worker_unidentified'),
    ('kpj_unknown', 'kpj', 'kpj_unknown'),
    ('mismatch', NULL, 'identity_mismatch'),
    ('ended', 'kpj', 'worker_ended')) AS m (match, field, code) ON m.match = l.match
  CROSS JOIN LATERAL (
    SELECT coalesce(m.field, CASE WHEN l.kpj IS NULL THEN 'nik' ELSE 'kpj' END) AS field, m.code) AS k
  WHERE l.employer_id = r.employer_id AND l.return_id = r.id AND l.match <> 'worker';

  INSERT INTO smile.finding (employer_id, return_id, line, field, code)
  SELECT r.employer_id, r.id, l.line, 'full_name', 'name_differs'
  FROM smile.return_line AS l JOIN smile.member AS m ON m.id = l.member_id
  WHERE l.employer_id = r.employer_id AND l.return_id = r.id AND l.match IN ('worker', 'new_employment')
    AND m.full_name <> l.full_name AND m.name_key <> smile.name_key(l.full_name);

  INSERT INTO smile.finding (employer_id, return_id, line, field, code)
  SELECT r.employer_id, r.id, l.line, 'wage', 'wage_zero' FROM smile.return_line AS l
  WHERE l.employer_id = r.employer_id AND l.return_id = r.id AND l.wage = 0;

  INSERT INTO smile.finding (employer_id, return_id, line, field, code)
  SELECT r.employer_id, r.id, l.line, 'birth_date', 'birth_date_invalid' FROM smile.return_line AS l
  WHERE l.employer_id = r.employer_id AND l.return_id = r.id AND l.birth_date >= r.period + interval '1 month';

  INSERT INTO smile.finding (employer_id, return_id, line, field, code)
  SELECT r.employer_id, r.id, l.line, 'back_pay_period', 'back_pay_period_invalid' FROM smile.return_line AS l
  WHERE l.employer_id = r.employer_id AND l.return_id = r.id AND (l.back_pay_period >= r.period
    OR smile.parameter_or_null('JHT', 'pu.rate.employer_pct', l.back_pay_period) IS NULL)
    AND l.back_pay_period IS NOT NULL;
END
$$;

-- The other returns of the same month that stand: a worker is reported in one of them.
CREATE FUNCTION smile.finalised_for_month(r smile.contribution_return) RETURNS uuid[] LANGUAGE sql STABLE
RETURN ARRAY(
  SELECT o.id FROM smile.contribution_return AS o
  WHERE o.employer_id = (r).employer_id AND o.period = (r).period AND o.status = 'finalised' AND o.id <> (r).id);

-- The rules that compare a return's lines with each other, and the outcome of each line. A new return has no
-- statistics: the planner would take its rows for a handful and loop over them.
CREATE FUNCTION smile.apply_rules_across_lines(r smile.contribution_return) RETURNS void
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

  IF others <> '{}' THEN
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

-- Back pay of lines that stand, on top of what was reported for the month it was earned in, paid already or not: the
-- month's ceilings hold for the sum. Both are gathered into one aggregate rather than joined, because the planner
-- knows nothing of rows this young.
CREATE FUNCTION smile.compute_back_pay(r smile.contribution_return) RETURNS void LANGUAGE sql
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
    SELECT o.id, o.period::date AS period FROM smile.contribution_return AS o
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

-- What changed since the lines were checked, another return of the month or back pay for the same one: the amounts
-- would no longer be right, and a fresh check tells what to do. The caller holds the employer's row, so nobody else
-- finalises meanwhile.
CREATE FUNCTION smile.refuse_outdated(r smile.contribution_return) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  others uuid[] := smile.finalised_for_month(r);
BEGIN
  IF others <> '{}' AND EXISTS (
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

-- Wages and amounts of the lines that stand, back pay among them.
CREATE FUNCTION smile.return_charges(employer uuid, wanted uuid)
RETURNS TABLE (
  line integer, member_id uuid, period date, wage bigint, jht_employer bigint, jht_worker bigint, jkk bigint,
  jkm bigint, jp_employer bigint, jp_worker bigint, jkp_from_jkk bigint, jkp_from_jkm bigint, jkp_state bigint)
LANGUAGE sql STABLE ROWS 1000
BEGIN ATOMIC
  SELECT l.line, l.member_id, r.period::date, l.wage, l.jht_employer, l.jht_worker, l.jkk, l.jkm, l.jp_employer,
    l.jp_worker, l.jkp_from_jkk, l.jkp_from_jkm, l.jkp_state
  FROM smile.contribution_return AS r
  JOIN smile.return_line AS l ON l.employer_id = r.employer_id AND l.return_id = r.id
  WHERE r.id = wanted AND r.employer_id = employer AND l.status <> 'rejected'
  UNION ALL
  SELECT b.line, b.member_id, b.period::date, b.wage, b.jht_employer, b.jht_worker, b.jkk, b.jkm, b.jp_employer,
    b.jp_worker, b.jkp_from_jkk, b.jkp_from_jkm, b.jkp_state
  FROM smile.return_back_pay AS b
  WHERE b.employer_id = employer AND b.return_id = wanted;
END;

-- `verified` tells whether every legal parameter behind the amounts is.
CREATE FUNCTION smile.charge_totals(employer uuid, wanted uuid) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_build_object(
    'wages', coalesce(sum(c.wage), 0),
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
      coalesce(sum(c.jkp_from_jkm), 0)::bigint, coalesce(sum(c.jkp_state), 0)::bigint))
  FROM smile.return_charges(employer, wanted) AS c);

-- The last step of an upload: the staged rows replace the return's lines, every rule is applied, the totals are
-- taken. Runs as the owner, who alone may read the staging table; it acts on the caller's own return only.
CREATE FUNCTION smile.load_lines(wanted uuid, upload uuid, digest bytea) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  r smile.contribution_return;
  counted record;
  now_version bigint;
BEGIN
  SELECT * INTO r FROM smile.contribution_return AS x
  WHERE x.id = wanted AND x.employer_id = smile.employer_id() AND x.status = 'open' FOR UPDATE;
  IF NOT FOUND THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  IF r.loaded_at IS NOT NULL THEN
    DELETE FROM smile.finding AS f WHERE f.employer_id = r.employer_id AND f.return_id = r.id;
    DELETE FROM smile.return_line AS l WHERE l.employer_id = r.employer_id AND l.return_id = r.id;
  END IF;
  PERFORM smile.move_lines(r, upload);
  PERFORM smile.apply_rules(r, upload);
  PERFORM smile.apply_rules_across_lines(r);
  IF EXISTS (
    SELECT FROM smile.return_line AS l
    WHERE l.employer_id = r.employer_id AND l.return_id = r.id AND l.back_pay IS NOT NULL)
  THEN
    PERFORM smile.compute_back_pay(r);
  END IF;
  DELETE FROM smile.return_staging AS s WHERE s.upload_id = upload;

  SELECT count(*) AS lines, count(*) FILTER (WHERE l.status = 'accepted') AS accepted,
    count(*) FILTER (WHERE l.status = 'warned') AS warned, count(*) FILTER (WHERE l.status = 'rejected') AS rejected,
    coalesce(sum(l.wage), 0) AS wages
  INTO counted
  FROM smile.return_line AS l WHERE l.employer_id = r.employer_id AND l.return_id = r.id;
  INSERT INTO smile.finding (employer_id, return_id, line, code, params)
  SELECT r.employer_id, r.id, 0, d.code, json_build_object('declared', d.declared, 'found', d.found)
  FROM (VALUES
    ('declared_lines_differ', r.declared_lines, counted.lines::bigint),
    ('declared_wages_differ', r.declared_wages, counted.wages::bigint)) AS d (code, declared, found)
  WHERE d.declared <> d.found;

  UPDATE smile.contribution_return AS x
  SET lines = counted.lines, accepted = counted.accepted, warned = counted.warned, rejected = counted.rejected,
    content_sha256 = digest, loaded_at = smile.now(), totals = smile.charge_totals(r.employer_id, r.id),
    outcome = CASE
      WHEN counted.rejected = counted.lines THEN 'rejected'
      WHEN counted.rejected > 0 THEN 'partially_accepted'
      WHEN counted.warned > 0 OR EXISTS (SELECT FROM smile.finding AS f
        WHERE f.employer_id = r.employer_id AND f.return_id = r.id AND f.line = 0) THEN 'accepted_with_warnings'
      ELSE 'accepted' END
  WHERE x.id = r.id
  RETURNING x.version INTO now_version;
  PERFORM smile.audit('return.loaded', 'contribution_return', r.id, json_build_object('lines', counted.lines));
  RETURN smile.answer(200, smile.return_body(r.id), smile.etag(now_version));
END
$$;
REVOKE EXECUTE ON FUNCTION smile.move_lines(smile.contribution_return, uuid),
  smile.apply_rules(smile.contribution_return, uuid), smile.apply_rules_across_lines(smile.contribution_return),
  smile.compute_back_pay(smile.contribution_return), smile.refuse_outdated(smile.contribution_return),
  smile.finalised_for_month(smile.contribution_return)
  FROM smile_api, smile_jobs;

-- Members, their numbers and employments for the lines that brought new people.
CREATE FUNCTION smile.register_new_workers(r smile.contribution_return) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  made bigint;
  known bigint;
BEGIN
  INSERT INTO smile.member (id, full_name, birth_date, sex)
  SELECT l.member_id, l.full_name, l.birth_date, l.sex FROM smile.return_line AS l
  WHERE l.employer_id = r.employer_id AND l.return_id = r.id AND l.match = 'new_member' AND l.status <> 'rejected';
  GET DIAGNOSTICS made = ROW_COUNT;
  -- The key of NIKs keeps one from becoming two members; in its order, so that two returns can't block each other.
  INSERT INTO smile.national_id (nik_index, member_id, nik_sealed, last_four)
  SELECT l.nik_index, l.member_id, l.nik_sealed, l.nik_last_four FROM smile.return_line AS l
  WHERE l.employer_id = r.employer_id AND l.return_id = r.id AND l.match = 'new_member' AND l.status <> 'rejected'
  ORDER BY l.nik_index
  ON CONFLICT (nik_index) DO NOTHING;
  GET DIAGNOSTICS known = ROW_COUNT;
  IF known < made THEN
    -- Someone else registered one of them since the lines were checked; a fresh check recognises them.
    PERFORM smile.fail(409, 'return_outdated');
  END IF;
  INSERT INTO smile.member_number (kpj, member_id)
  SELECT l.kpj, l.member_id FROM smile.return_line AS l
  WHERE l.employer_id = r.employer_id AND l.return_id = r.id AND l.match = 'new_member' AND l.status <> 'rejected';
  INSERT INTO smile.employment (member_id, employer_id, start_date, wage)
  SELECT l.member_id, r.employer_id, r.period, l.wage FROM smile.return_line AS l
  WHERE l.employer_id = r.employer_id AND l.return_id = r.id AND l.match IN ('new_employment', 'new_member')
    AND l.status <> 'rejected'
  -- Another return may have begun the spell meanwhile.
  ON CONFLICT ON CONSTRAINT employment_spells_do_not_overlap DO NOTHING;
END
$$;

-- Bills what stands and books it as due. NULL when nothing is due.
CREATE FUNCTION smile.bill_return(r smile.contribution_return) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
  b smile.billing;
BEGIN
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

-- A billing's amounts by programme, JKK and JKM without what goes on to JKP.
CREATE FUNCTION smile.billing_accounts(b smile.billing, prefix text, sign integer)
RETURNS TABLE (account text, amount bigint) LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
  SELECT prefix || '.' || v.programme, v.amount * sign
  FROM (VALUES
    ('jht', (b).jht_employer + (b).jht_worker),
    ('jkk', (b).jkk - (b).jkp_from_jkk),
    ('jkm', (b).jkm - (b).jkp_from_jkm),
    ('jp', (b).jp_employer + (b).jp_worker),
    ('jkp', (b).jkp_from_jkk + (b).jkp_from_jkm + (b).jkp_state)) AS v (programme, amount)
  WHERE v.amount <> 0;
END;

CREATE FUNCTION smile.finalise_return(wanted uuid) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  r smile.contribution_return;
  bill uuid;
  now_version bigint;
BEGIN
  SELECT * INTO r FROM smile.contribution_return AS x
  WHERE x.id = wanted AND x.employer_id = smile.employer_id() FOR UPDATE;
  IF NOT FOUND THEN
    PERFORM smile.fail(404, 'not_found');
  ELSIF r.status <> 'open' THEN
    PERFORM smile.fail(409, 'return_not_open');
  ELSIF r.kind <> 'no_activity' AND r.accepted + r.warned = 0 THEN
    PERFORM smile.fail(422, 'return_without_lines');
  END IF;
  PERFORM FROM smile.employer AS e WHERE e.id = r.employer_id FOR NO KEY UPDATE;
  PERFORM smile.refuse_outdated(r);
  PERFORM smile.register_new_workers(r);
  bill := smile.bill_return(r);
  UPDATE smile.contribution_return AS x
  SET status = 'finalised', finalised_at = smile.now(),
    receipt = json_strip_nulls(json_build_object(
      'receipt_id', smile.uuid7(), 'return_id', r.id, 'employer_id', r.employer_id,
      'npp', (SELECT e.npp FROM smile.employer AS e WHERE e.id = r.employer_id),
      'period', smile.month_text(r.period), 'kind', r.kind, 'client_reference', r.client_reference,
      'content_sha256', encode(r.content_sha256, 'hex'), 'outcome', r.outcome,
      'counts', json_build_object('lines', r.lines, 'accepted', r.accepted, 'warned', r.warned,
        'rejected', r.rejected),
      'totals', r.totals, 'billing_id', bill, 'finalised_at', smile.now()))
  WHERE x.id = r.id
  RETURNING x.version INTO now_version;
  PERFORM smile.audit('return.finalised', 'contribution_return', r.id, json_build_object('billing_id', bill));
  RETURN smile.answer(200, smile.return_body(r.id), smile.etag(now_version), '/v1/billings/' || bill);
END
$$;
REVOKE EXECUTE ON FUNCTION smile.register_new_workers(smile.contribution_return),
  smile.bill_return(smile.contribution_return) FROM smile_api, smile_jobs;

-- Gives a draft up. Its lines go with it; its number stays.
CREATE FUNCTION smile.discard_return(wanted uuid, if_match text) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  r smile.contribution_return;
BEGIN
  SELECT * INTO r FROM smile.contribution_return AS x
  WHERE x.id = wanted AND x.employer_id = smile.employer_id() FOR UPDATE;
  IF NOT FOUND THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  PERFORM smile.check_match(if_match, r.version);
  IF r.status <> 'open' THEN
    PERFORM smile.fail(409, 'return_not_open');
  END IF;
  DELETE FROM smile.finding AS f WHERE f.employer_id = r.employer_id AND f.return_id = r.id;
  DELETE FROM smile.return_line AS l WHERE l.employer_id = r.employer_id AND l.return_id = r.id;
  UPDATE smile.contribution_return AS x
  SET status = 'discarded', lines = 0, accepted = 0, warned = 0, rejected = 0, outcome = NULL, totals = NULL
  WHERE x.id = r.id;
  PERFORM smile.audit('return.discarded', 'contribution_return', r.id);
  RETURN smile.answer(204, NULL);
END
$$;
