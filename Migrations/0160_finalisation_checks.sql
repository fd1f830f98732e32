-- A return is judged again when it is finalised, by the rules of its upload: between the two an employment can end, a
-- member's data be corrected, the employer's risk class or size or a legal parameter change. A line that no longer
-- stands refuses the whole finalisation and is named; so does an amount that is no longer right. Nothing is posted.

-- The spell that a wage month is about: the last one begun before the month's end, or else the last one. Who left
-- before the month and came back after it was no worker in it.
CREATE FUNCTION smile.spell_of_month(worker uuid, employer uuid, period date)
RETURNS TABLE (start_date date, end_date date) LANGUAGE sql STABLE ROWS 1
BEGIN ATOMIC
  SELECT e.start_date, e.end_date FROM smile.employment AS e
  WHERE e.member_id = worker AND e.employer_id = employer
  ORDER BY e.start_date < (period + interval '1 month')::date DESC, e.start_date DESC LIMIT 1;
END;

-- As before, with the spell of the month.
CREATE OR REPLACE FUNCTION smile.move_lines(r smile.contribution_return, upload uuid) RETURNS void
LANGUAGE plpgsql AS $$
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
  LEFT JOIN LATERAL smile.spell_of_month(m.id, r.employer_id, r.period) AS spell ON true
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

-- What a finalisation finds of lines that stood when they were checked: at most 200 that don't any more, as the members
-- of a problem's `errors`, and whether any amount would be another one today.
CREATE FUNCTION smile.recheck_lines(r smile.contribution_return, OUT errors json, OUT differs boolean)
LANGUAGE plpgsql STABLE AS $$
DECLARE
  rates smile.contribution_rates := smile.rates_of_month(r.employer_id, r.period);
BEGIN
  WITH today AS MATERIALIZED (
    SELECT l.line, k.code, CASE WHEN l.kpj IS NULL THEN 'nik' ELSE 'kpj' END AS field,
      (l.jht_employer, l.jht_worker, l.jkk, l.jkm, l.jp_employer, l.jp_worker, l.jkp_from_jkk, l.jkp_from_jkm,
        l.jkp_state)
      IS DISTINCT FROM (c.jht_employer, c.jht_worker, c.jkk, c.jkm, c.jp_employer, c.jp_worker, c.jkp_from_jkk,
        c.jkp_from_jkm, c.jkp_state) AS differs
    FROM smile.return_line AS l
    LEFT JOIN smile.member AS m ON m.id = l.member_id
    LEFT JOIN smile.member_number AS n ON n.kpj = l.kpj
    LEFT JOIN smile.national_id AS i ON i.member_id = l.member_id
    LEFT JOIN LATERAL smile.spell_of_month(l.member_id, r.employer_id, r.period) AS spell ON true
    CROSS JOIN LATERAL (
      SELECT CASE
        WHEN l.match = 'new_member' THEN NULL
        WHEN l.kpj IS NOT NULL AND n.member_id IS DISTINCT FROM m.id THEN 'identity_mismatch'
        -- Of a NIK that was recognised the line keeps the last four digits.
        WHEN NOT smile.identity_agrees(
          n.member_id, CASE WHEN i.last_four = l.nik_last_four THEN m.id END, l.nik_last_four IS NOT NULL,
          i.member_id IS NOT NULL, m.birth_date = l.birth_date,
          m.full_name = l.full_name OR m.name_key = smile.name_key(l.full_name)) THEN 'identity_mismatch'
        WHEN spell.end_date < r.period THEN 'worker_ended' END AS code
      OFFSET 0) AS k
    CROSS JOIN LATERAL smile.contribution_of(
      l.wage, 0, smile.is_in_jp(l.birth_date, rates),
      smile.is_in_jkp(l.birth_date, coalesce(spell.start_date, r.period), rates), rates) AS c
    WHERE l.employer_id = r.employer_id AND l.return_id = r.id AND l.status <> 'rejected')
  SELECT (
      SELECT json_agg(json_build_object(
        'pointer', format('/lines/%s/%s', f.line - 1, f.field), 'code', f.code, 'rule', '/v1/rules/' || f.code,
        'message_id', c.description_id, 'message_en', c.description_en) ORDER BY f.line)
      FROM (SELECT t.line, t.field, t.code FROM today AS t WHERE t.code IS NOT NULL ORDER BY t.line LIMIT 200) AS f
      JOIN smile.rule AS c ON c.code = f.code),
    coalesce(bool_or(t.differs), false)
  INTO errors, differs
  FROM today AS t;
END
$$;
REVOKE EXECUTE ON FUNCTION smile.recheck_lines(smile.contribution_return) FROM smile_api, smile_jobs, smile_auth;

-- As before, and nothing that was found or computed may have changed. The caller holds the employer's row, for which
-- whoever ends an employment or changes the employer waits.
CREATE OR REPLACE FUNCTION smile.refuse_outdated(r smile.contribution_return) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  others uuid[] := smile.finalised_for_month(r);
  today record;
BEGIN
  IF r.kind = 'no_activity' THEN
    RETURN;
  END IF;
  SELECT x.errors, x.differs INTO today FROM smile.recheck_lines(r) AS x;
  IF today.errors IS NOT NULL THEN
    PERFORM smile.fail(422, 'lines_no_longer_stand', json_build_object('errors', today.errors));
  ELSIF today.differs THEN
    PERFORM smile.fail(409, 'return_outdated');
  END IF;
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

-- As before; a job that was refused has what was wrong as its result.
CREATE OR REPLACE FUNCTION smile.run_return_job(wanted uuid) RETURNS TABLE (problem_code text, result text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  j smile.job;
  r smile.contribution_return;
  upload uuid;
  done smile.answer_row;
BEGIN
  SELECT * INTO j FROM smile.job AS x
  WHERE x.id = wanted AND x.status = 'running' AND x.kind IN ('load_lines', 'finalise_return') FOR UPDATE;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  PERFORM set_config('smile.role', j.parameters ->> 'role', true),
    set_config('smile.account_id', j.account_id::text, true),
    set_config('smile.client_id', j.client_id::text, true),
    set_config('smile.employer_id', j.employer_id::text, true),
    set_config('smile.request_id', j.parameters ->> 'request_id', true),
    set_config('smile.now', smile.now()::text, true);
  upload := (j.parameters ->> 'upload')::uuid;
  UPDATE smile.contribution_return AS x SET pending_job = NULL
  WHERE x.id = (j.parameters ->> 'return_id')::uuid AND x.employer_id = j.employer_id AND x.pending_job = j.id
  RETURNING x.* INTO r;
  BEGIN
    IF r.status IS DISTINCT FROM 'open' THEN
      PERFORM smile.fail(409, 'return_not_open');
    ELSIF j.kind = 'finalise_return' THEN
      done := smile.finalise_return(r.id);
    ELSIF j.total <> (SELECT count(*) FROM smile.return_staging AS s WHERE s.upload_id = upload) THEN
      -- The staging table is unlogged: PostgreSQL empties it when it recovers from a crash.
      PERFORM smile.fail(409, 'upload_lost');
    ELSE
      done := smile.load_lines(r.id, upload, decode(j.parameters ->> 'digest', 'hex'),
        coalesce((j.parameters ->> 'merging')::boolean, false));
    END IF;
    result := done.body;
  EXCEPTION WHEN OTHERS THEN
    IF SQLSTATE NOT LIKE 'SM4%' THEN
      RAISE;
    END IF;
    GET STACKED DIAGNOSTICS problem_code = MESSAGE_TEXT, result = PG_EXCEPTION_DETAIL;
    result := nullif(result, '');
  END;
  UPDATE smile.job AS x
  SET status = CASE WHEN run_return_job.problem_code IS NULL THEN 'succeeded' ELSE 'failed' END,
    result = run_return_job.result::json, problem_code = run_return_job.problem_code,
    done = CASE WHEN run_return_job.problem_code IS NULL THEN x.total ELSE 0 END, finished_at = smile.security_now()
  WHERE x.id = j.id;
  RETURN NEXT;
END
$$;
