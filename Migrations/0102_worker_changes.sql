-- What happens to a worker after the hire: wages from a date, units, data, the end and its correction, one by one or
-- many at once. Whoever changes a worker holds the employer's row in share mode, so that no return is finalised
-- meanwhile; a list of changes holds it alone, so that two lists can't block each other.

-- Wages by the day from which they count. The first change brings the wage of the hire in as well.
CREATE TABLE smile.employment_wage (
  employment_id uuid NOT NULL REFERENCES smile.employment,
  employer_id uuid NOT NULL,
  valid_from date NOT NULL,
  wage bigint NOT NULL CHECK (wage >= 0),
  PRIMARY KEY (employment_id, valid_from)
);
ALTER TABLE smile.employment_wage ENABLE ROW LEVEL SECURITY;
ALTER TABLE smile.employment_wage FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_all ON smile.employment_wage TO smile_owner USING (true);
CREATE POLICY own_workers ON smile.employment_wage FOR SELECT TO smile_api
  USING (employer_id = (SELECT smile.employer_id()));
GRANT SELECT ON smile.employment_wage TO smile_api;

-- Changes go through the definer functions below alone.
REVOKE UPDATE (end_date, end_reason) ON smile.employment FROM smile_api;

CREATE OR REPLACE FUNCTION smile.worker_body(wanted uuid) RETURNS json
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp
RETURN (
  SELECT json_strip_nulls(json_build_object(
    'id', e.id, 'employer_id', e.employer_id, 'member_id', e.member_id,
    'kpj', (SELECT min(n.kpj) FROM smile.member_number AS n WHERE n.member_id = e.member_id),
    'nik_last_four', (SELECT i.last_four FROM smile.national_id AS i WHERE i.member_id = e.member_id),
    'full_name', m.full_name, 'birth_date', m.birth_date, 'sex', m.sex,
    'employee_number', e.employee_number, 'job_title', e.job_title, 'unit_id', e.unit_id,
    'wage', coalesce((
      SELECT w.wage FROM smile.employment_wage AS w
      WHERE w.employment_id = e.id AND w.valid_from <= greatest(smile.today(), e.start_date)
      ORDER BY w.valid_from DESC LIMIT 1), e.wage),
    'wages', (
      SELECT json_agg(json_build_object('from', w.valid_from, 'wage', w.wage) ORDER BY w.valid_from)
      FROM smile.employment_wage AS w WHERE w.employment_id = e.id),
    'start_date', e.start_date, 'end_date', e.end_date, 'end_reason', e.end_reason))
  FROM smile.employment AS e JOIN smile.member AS m ON m.id = e.member_id
  WHERE e.id = wanted AND smile.may_see_workers(e.employer_id));

-- A member who is found or made begins to work here.
CREATE FUNCTION smile.begin_employment(
  employer uuid, wanted_kpj text, nik_index bytea, nik_sealed bytea, nik_last_four text, full_name text,
  birth_date date, sex text, wage bigint, start_date date)
RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
  worker uuid;
  spell uuid;
BEGIN
  IF begin_employment.start_date > smile.today() + 366 THEN
    PERFORM smile.refuse(422, 'date_too_far_ahead', '/start_date');
  ELSIF begin_employment.start_date <= begin_employment.birth_date THEN
    PERFORM smile.refuse(422, 'start_before_birth', '/start_date');
  END IF;
  worker := smile.identify_member(wanted_kpj, nik_index, full_name, birth_date);
  IF worker IS NULL THEN
    BEGIN
      INSERT INTO smile.member (full_name, birth_date, sex)
      VALUES (begin_employment.full_name, begin_employment.birth_date, begin_employment.sex)
      RETURNING id INTO worker;
      INSERT INTO smile.national_id (nik_index, member_id, nik_sealed, last_four)
      VALUES (begin_employment.nik_index, worker, begin_employment.nik_sealed, begin_employment.nik_last_four);
      INSERT INTO smile.member_number (kpj, member_id) VALUES (smile.next_kpj(), worker);
    EXCEPTION WHEN unique_violation THEN
      -- Somebody else made this person a member a moment ago.
      worker := smile.identify_member(wanted_kpj, nik_index, full_name, birth_date);
    END;
  END IF;
  BEGIN
    INSERT INTO smile.employment (member_id, employer_id, start_date, wage)
    VALUES (worker, employer, begin_employment.start_date, begin_employment.wage)
    RETURNING id INTO spell;
  EXCEPTION WHEN exclusion_violation THEN
    PERFORM smile.fail(409, 'employment_overlaps');
  END;
  PERFORM smile.audit('worker.hired', 'employment', spell, json_build_object('member_id', worker));
  RETURN spell;
END
$$;

CREATE OR REPLACE FUNCTION smile.hire_worker(
  employer uuid, wanted_kpj text, nik_index bytea, nik_sealed bytea, nik_last_four text, full_name text,
  birth_date date, sex text, wage bigint, start_date date)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  spell uuid;
BEGIN
  IF smile.employer_id() IS DISTINCT FROM employer THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  spell := smile.begin_employment(employer, wanted_kpj, hire_worker.nik_index, hire_worker.nik_sealed,
    hire_worker.nik_last_four, hire_worker.full_name, hire_worker.birth_date, hire_worker.sex, hire_worker.wage,
    hire_worker.start_date);
  RETURN smile.answer(201, smile.worker_body(spell), smile.etag(1),
    format('/v1/employers/%s/workers/%s', employer, spell));
END
$$;

-- One of the caller's workers, held until the end of the transaction.
CREATE FUNCTION smile.lock_employment(employer uuid, spell uuid) RETURNS smile.employment LANGUAGE plpgsql AS $$
DECLARE
  e smile.employment;
BEGIN
  IF smile.employer_id() IS DISTINCT FROM employer THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  PERFORM FROM smile.employer AS x WHERE x.id = employer FOR SHARE;
  SELECT * INTO e FROM smile.employment AS x WHERE x.id = spell AND x.employer_id = employer FOR UPDATE;
  IF NOT FOUND THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  RETURN e;
END
$$;

-- The end that a worker may get: after the start, at most a year ahead, and not before a month for which a finalised
-- return reports the worker, unless another spell covers that month.
CREATE FUNCTION smile.check_end(e smile.employment, last_day date, reason text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  reported date;
BEGIN
  IF last_day < e.start_date THEN
    PERFORM smile.refuse(422, 'end_before_start', '/end_date');
  ELSIF last_day > smile.today() + (CASE reason WHEN 'death' THEN 0 ELSE 366 END) THEN
    PERFORM smile.refuse(422, 'date_too_far_ahead', '/end_date');
  END IF;
  SELECT max(r.period) INTO reported
  FROM smile.contribution_return AS r
  JOIN smile.return_line AS l ON l.employer_id = r.employer_id AND l.return_id = r.id
  WHERE r.employer_id = e.employer_id AND r.status = 'finalised' AND r.period > last_day
    AND l.member_id = e.member_id AND l.status <> 'rejected'
    AND NOT EXISTS (
      SELECT FROM smile.employment AS o
      WHERE o.member_id = e.member_id AND o.employer_id = e.employer_id AND o.id <> e.id
        AND o.start_date < r.period + interval '1 month' AND coalesce(o.end_date >= r.period, true));
  IF reported IS NOT NULL THEN
    PERFORM smile.fail(409, 'end_contradicts_return', json_build_object('period', smile.month_text(reported)));
  END IF;
END
$$;

-- p holds what changes; JSON null clears. wage comes with wage_from; end_date null takes an end back.
CREATE FUNCTION smile.apply_worker_change(e smile.employment, p jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  last_day date := CASE WHEN p ? 'end_date' THEN (p ->> 'end_date')::date ELSE e.end_date END;
  reason text := CASE WHEN p ? 'end_reason' THEN p ->> 'end_reason' WHEN last_day IS NOT NULL THEN e.end_reason END;
  unit uuid := CASE WHEN p ? 'unit_id' THEN (p ->> 'unit_id')::uuid ELSE e.unit_id END;
BEGIN
  IF last_day IS NULL AND reason IS NOT NULL THEN
    PERFORM smile.refuse(422, 'end_date_and_reason', '/end_date');
  ELSIF last_day IS NOT NULL AND reason IS NULL THEN
    PERFORM smile.refuse(422, 'end_date_and_reason', '/end_reason');
  ELSIF last_day IS NOT NULL AND (p ? 'end_date' OR p ? 'end_reason') THEN
    PERFORM smile.check_end(e, last_day, reason);
  END IF;
  IF unit IS DISTINCT FROM e.unit_id AND unit IS NOT NULL AND NOT EXISTS (
    SELECT FROM smile.employer_unit AS u WHERE u.id = unit AND u.employer_id = e.employer_id AND u.active FOR KEY SHARE)
  THEN
    PERFORM smile.refuse(422, 'unit_unknown', '/unit_id');
  END IF;
  IF p ? 'wage' THEN
    PERFORM smile.set_wage(e, (p ->> 'wage')::bigint, (p ->> 'wage_from')::date, last_day);
  END IF;
  BEGIN
    UPDATE smile.employment AS x
    SET end_date = last_day, end_reason = reason, unit_id = unit,
      employee_number = CASE WHEN p ? 'employee_number' THEN p ->> 'employee_number' ELSE x.employee_number END,
      job_title = CASE WHEN p ? 'job_title' THEN p ->> 'job_title' ELSE x.job_title END
    WHERE x.id = e.id;
  EXCEPTION WHEN exclusion_violation THEN
    PERFORM smile.fail(409, 'employment_overlaps');
  END;
  PERFORM smile.audit('worker.changed', 'employment', e.id, json_build_object(
    'fields', (SELECT json_agg(k ORDER BY k) FROM jsonb_object_keys(p) AS k),
    'unit_before', CASE WHEN unit IS DISTINCT FROM e.unit_id THEN e.unit_id END,
    'end_before', CASE WHEN last_day IS DISTINCT FROM e.end_date THEN e.end_date END));
END
$$;

-- A wage from a day on. What counts today also stands in the spell itself, which the member sees.
CREATE FUNCTION smile.set_wage(e smile.employment, wage bigint, first_day date, last_day date) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  IF first_day < e.start_date OR first_day > coalesce(last_day, first_day) THEN
    PERFORM smile.refuse(422, 'wage_outside_employment', '/wage_from');
  ELSIF first_day > smile.today() + 366 THEN
    PERFORM smile.refuse(422, 'date_too_far_ahead', '/wage_from');
  END IF;
  INSERT INTO smile.employment_wage (employment_id, employer_id, valid_from, wage)
  VALUES (e.id, e.employer_id, e.start_date, e.wage) ON CONFLICT DO NOTHING;
  INSERT INTO smile.employment_wage AS w (employment_id, employer_id, valid_from, wage)
  VALUES (e.id, e.employer_id, first_day, set_wage.wage)
  ON CONFLICT (employment_id, valid_from) DO UPDATE SET wage = excluded.wage;
  UPDATE smile.employment AS x SET wage = (
    SELECT w.wage FROM smile.employment_wage AS w
    WHERE w.employment_id = e.id AND w.valid_from <= greatest(smile.today(), e.start_date)
    ORDER BY w.valid_from DESC LIMIT 1)
  WHERE x.id = e.id;
END
$$;

CREATE FUNCTION smile.update_worker(employer uuid, spell uuid, patch json, if_match text) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  e smile.employment := smile.lock_employment(employer, spell);
BEGIN
  PERFORM smile.check_match(if_match, e.version);
  PERFORM smile.apply_worker_change(e, patch::jsonb);
  RETURN smile.answer(200, smile.worker_body(spell), (
    SELECT smile.etag(x.version) FROM smile.employment AS x WHERE x.id = spell));
END
$$;

CREATE FUNCTION smile.terminate(employer uuid, spell uuid, last_day date, reason text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  e smile.employment := smile.lock_employment(employer, spell);
BEGIN
  IF e.end_date IS NOT NULL THEN
    PERFORM smile.fail(409, 'employment_already_ended');
  END IF;
  PERFORM smile.check_end(e, last_day, reason);
  UPDATE smile.employment AS x SET end_date = last_day, end_reason = reason WHERE x.id = spell;
  PERFORM smile.audit('worker.ended', 'employment', spell, json_build_object('reason', reason));
END
$$;

CREATE OR REPLACE FUNCTION smile.end_employment(employer uuid, spell uuid, last_day date, reason text)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
BEGIN
  PERFORM smile.terminate(employer, spell, last_day, reason);
  RETURN smile.answer(200, smile.worker_body(spell), (
    SELECT smile.etag(x.version) FROM smile.employment AS x WHERE x.id = spell));
END
$$;

-- Many changes in the order sent, an outcome a line: a line that a rule refuses leaves nothing and stops no other.
CREATE FUNCTION smile.change_workers(employer uuid, changes json) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  c record;
  spell uuid;
  refusal text;
  problem text;
  detail text;
  outcome json;
  outcomes json[] := '{}';
  refused integer := 0;
BEGIN
  IF smile.employer_id() IS DISTINCT FROM employer THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  PERFORM FROM smile.employer AS x WHERE x.id = employer FOR NO KEY UPDATE;
  FOR c IN
    SELECT x.line, x.line_key, x.action, x.employment_id, x.change, x.kpj, x.nik_index, x.nik_sealed,
      x.nik_last_four, x.full_name, x.birth_date, x.sex, x.wage, x.start_date, x.end_date, x.reason
    FROM json_to_recordset(changes) AS x (
      line integer, line_key text, action text, employment_id uuid, change jsonb, kpj text, nik_index text,
      nik_sealed text, nik_last_four text, full_name text, birth_date date, sex text, wage bigint, start_date date,
      end_date date, reason text)
    ORDER BY x.line
  LOOP
    BEGIN
      spell := c.employment_id;
      IF c.action = 'hire' THEN
        spell := smile.begin_employment(employer, c.kpj, decode(c.nik_index, 'hex'), decode(c.nik_sealed, 'hex'),
          c.nik_last_four, c.full_name, c.birth_date, c.sex, c.wage, c.start_date);
      ELSIF c.action = 'termination' THEN
        PERFORM smile.terminate(employer, spell, c.end_date, c.reason);
      ELSE
        PERFORM smile.apply_worker_change(smile.lock_employment(employer, spell), c.change);
      END IF;
      outcome := json_build_object('line', c.line, 'line_key', c.line_key, 'outcome', 'done',
        'worker', smile.worker_body(spell));
    EXCEPTION WHEN OTHERS THEN
      GET STACKED DIAGNOSTICS refusal = RETURNED_SQLSTATE, problem = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
      IF refusal !~ '^SM4' THEN
        RAISE;
      END IF;
      refused := refused + 1;
      outcome := json_build_object('line', c.line, 'line_key', c.line_key, 'outcome', 'refused',
        'employment_id', c.employment_id, 'code', problem, 'problem', '/problems/' || problem,
        'pointer', nullif(detail, '')::json #>> '{errors,0,pointer}', 'period', nullif(detail, '')::json ->> 'period');
    END;
    outcomes := outcomes || outcome;
  END LOOP;
  RETURN smile.answer(200, json_strip_nulls(json_build_object('items', to_json(outcomes), 'counts', json_build_object(
    'lines', cardinality(outcomes), 'done', cardinality(outcomes) - refused, 'refused', refused))));
END
$$;

REVOKE EXECUTE ON FUNCTION
  smile.begin_employment(uuid, text, bytea, bytea, text, text, date, text, bigint, date),
  smile.lock_employment(uuid, uuid), smile.check_end(smile.employment, date, text),
  smile.apply_worker_change(smile.employment, jsonb), smile.set_wage(smile.employment, bigint, date, date),
  smile.terminate(uuid, uuid, date, text)
FROM smile_api, smile_jobs;
