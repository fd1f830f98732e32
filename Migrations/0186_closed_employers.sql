-- Employers that went bankrupt or closed, which officers record: of their workers' JKP benefit the agency pays up to
-- more months of arrears (PP 6/2025 Art. 39A). They owe no month after the one in which they closed; what they owed
-- before stays owed. The calendar of obligations says besides what of a month was deferred, and counts in arrears only
-- what is past its own due day.

ALTER TABLE smile.employer
  ADD COLUMN closed_as text CHECK (closed_as IN ('bankruptcy', 'closure')),
  -- The last day on which it was open.
  ADD COLUMN closed_on date,
  ADD CONSTRAINT employer_closure_is_whole CHECK (num_nulls(closed_as, closed_on) IN (0, 2)
    AND (closed_on IS NULL OR status = 'closed'));

CREATE OR REPLACE VIEW api.employer WITH (security_invoker) AS
SELECT e.id, e.npp, e.name, e.npwp, e.industry, e.size, smile.risk_class(e.id, smile.today()) AS risk_class,
  e.address, e.email, e.phone, e.status, e.approved_at, e.version, e.closed_as, e.closed_on,
  e.billing_per_unit
FROM smile.employer AS e;

CREATE OR REPLACE FUNCTION smile.employer_body(wanted uuid) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_strip_nulls(json_build_object(
    'id', e.id, 'npp', e.npp, 'name', e.name, 'npwp', e.npwp, 'industry', e.industry, 'size', e.size,
    'risk_class', e.risk_class, 'address', e.address, 'email', e.email, 'phone', e.phone,
    'billing_per_unit', e.billing_per_unit, 'status', e.status, 'closed_as', e.closed_as, 'closed_on', e.closed_on,
    'approved_at', e.approved_at))
  FROM api.employer AS e WHERE e.id = wanted);

-- As before, with the closure, which nulls take back, and the employer's own choice of its billings, which counts from
-- the next finalisation on.
CREATE OR REPLACE FUNCTION smile.update_employer(wanted uuid, patch json, if_match text) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  reserved text;
  before smile.employer;
  e smile.employer;
  ended_on CONSTANT date := patch ->> 'closed_on';
BEGIN
  IF NOT (smile.is_officer('manage_employers')
    OR smile.role() = 'employer' AND smile.has_permission('admin') AND coalesce(smile.employer_id() = wanted, false))
  THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  SELECT x.* INTO before FROM smile.employer AS x WHERE x.id = wanted FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  PERFORM smile.check_match(if_match, smile.employer_version(before));
  SELECT k INTO reserved FROM json_object_keys(patch) AS k
  WHERE k IN ('name', 'npwp', 'industry', 'size', 'closed_as', 'closed_on') ORDER BY k LIMIT 1;
  IF reserved IS NOT NULL AND NOT smile.is_officer('manage_employers') THEN
    PERFORM smile.refuse(403, 'field_not_yours', '/' || reserved);
  END IF;
  IF ended_on > smile.today() THEN
    PERFORM smile.refuse(422, 'closure_in_future', '/closed_on');
  END IF;
  IF patch ->> 'size' <> before.size THEN
    PERFORM smile.refuse_reported_month(wanted, smile.current_month());
  END IF;
  UPDATE smile.employer AS x
  SET name = coalesce(patch ->> 'name', x.name), npwp = coalesce(patch ->> 'npwp', x.npwp),
    industry = coalesce(patch ->> 'industry', x.industry), size = coalesce(patch ->> 'size', x.size),
    address = coalesce(patch ->> 'address', x.address), email = coalesce(patch ->> 'email', x.email),
    phone = coalesce(patch ->> 'phone', x.phone),
    billing_per_unit = coalesce((patch ->> 'billing_per_unit')::boolean, x.billing_per_unit),
    status = CASE WHEN patch -> 'closed_on' IS NULL THEN x.status WHEN ended_on IS NOT NULL THEN 'closed'
      WHEN x.status = 'closed' THEN 'active' ELSE x.status END,
    closed_as = CASE WHEN patch -> 'closed_on' IS NULL THEN x.closed_as ELSE patch ->> 'closed_as' END,
    closed_on = CASE WHEN patch -> 'closed_on' IS NULL THEN x.closed_on ELSE ended_on END
  WHERE x.id = wanted RETURNING x.* INTO e;
  IF reserved IS NOT NULL THEN
    INSERT INTO smile.outbox (channel, recipient, template, language, parameters)
    VALUES ('email', before.email, 'employer_changed', 'id', json_build_object('name', before.name));
  END IF;
  -- Of the NPWP, which may be a person's, the last four digits.
  PERFORM smile.audit('employer.changed', 'employer', wanted, json_strip_nulls(json_build_object(
    'fields', (SELECT json_agg(k ORDER BY k) FROM json_object_keys(patch) AS k),
    'name_before', CASE WHEN e.name <> before.name THEN before.name END,
    'npwp_last_four_before', CASE WHEN e.npwp <> before.npwp THEN right(before.npwp, 4) END,
    'industry_before', CASE WHEN e.industry <> before.industry THEN before.industry END,
    'size_before', CASE WHEN e.size <> before.size THEN before.size END,
    'closed_as', CASE WHEN e.closed_on IS DISTINCT FROM before.closed_on THEN e.closed_as END,
    'closed_on_before', CASE WHEN e.closed_on IS DISTINCT FROM before.closed_on THEN before.closed_on END)));
  RETURN smile.answer(200, smile.employer_body(wanted), smile.etag(smile.employer_version(e)));
END
$$;

-- As before, up to the month of the closure. A month is due on the day on which the next money of it is: a deferred
-- part keeps it from being paid, and makes it overdue on its own day.
CREATE OR REPLACE FUNCTION smile.obligation_months(employer uuid)
RETURNS TABLE (period date, due_date date, state text, billed bigint, paid bigint) LANGUAGE sql STABLE ROWS 50
BEGIN ATOMIC
  WITH month AS (
    SELECT g::date AS period
    FROM smile.employer AS e
    CROSS JOIN LATERAL generate_series(
      date_trunc('month', greatest(e.approved_at AT TIME ZONE 'Asia/Jakarta', (
        SELECT min(s.start_date) FROM smile.employment AS s WHERE s.employer_id = employer)::timestamp)),
      -- least() passes over a NULL, as greatest() does.
      date_trunc('month', least(smile.today(), e.closed_on)::timestamp), interval '1 month') AS g
    WHERE e.id = employer AND e.approved_at IS NOT NULL
      AND EXISTS (SELECT FROM smile.employment AS s WHERE s.employer_id = employer)
    UNION
    SELECT r.period::date FROM smile.contribution_return AS r
    WHERE r.employer_id = employer AND r.status = 'finalised'),
  money AS (
    SELECT b.period::date AS period, min(b.due_date) AS due_date,
      min(b.due_date) FILTER (WHERE b.status <> 'paid') AS next_due_date, sum(b.amount)::bigint AS billed,
      sum(b.paid_amount)::bigint AS paid
    FROM smile.billing AS b WHERE b.employer_id = employer GROUP BY 1),
  known AS (
    SELECT m.period, y.due_date, y.next_due_date, coalesce(y.billed, 0) AS billed, coalesce(y.paid, 0) AS paid,
      EXISTS (
        SELECT FROM smile.contribution_return AS r
        WHERE r.employer_id = employer AND r.period = m.period AND r.status = 'finalised'
          AND r.kind IN ('regular', 'no_activity')) AS reported
    FROM month AS m LEFT JOIN money AS y ON y.period = m.period),
  dated AS (
    -- What was billed keeps its day, whatever becomes of the calendar of holidays.
    SELECT k.period, coalesce(CASE WHEN k.reported THEN k.next_due_date END, k.due_date, smile.due_date(k.period))
      AS due_date, k.billed, k.paid, k.reported
    FROM known AS k)
  SELECT d.period, d.due_date, CASE
      WHEN d.reported AND d.paid >= d.billed THEN 'paid'
      WHEN d.reported THEN CASE WHEN d.due_date < smile.today() THEN 'overdue' ELSE 'due' END
      ELSE CASE WHEN d.due_date < smile.today() THEN 'missing' ELSE 'open' END END,
    d.billed, d.paid
  FROM dated AS d;
END;

-- What an employer has to pay still and should have paid by now.
CREATE FUNCTION smile.overdue_amount(employer uuid) RETURNS bigint LANGUAGE sql STABLE
RETURN (
  SELECT coalesce(sum(b.amount - b.paid_amount), 0)::bigint FROM smile.billing AS b
  WHERE b.employer_id = employer AND b.status <> 'paid' AND b.due_date < smile.today());

-- NULL without arrears. Of an employer that is closed by the limit for those, where a programme has one.
CREATE FUNCTION smile.arrears_effects(months bigint, is_closed boolean) RETURNS json LANGUAGE sql STABLE
RETURN CASE WHEN months > 0 THEN (
  SELECT json_agg(json_strip_nulls(json_build_object(
      'programme', lower(e.programme),
      'effect', CASE WHEN e.limit_months IS NULL THEN e.value WHEN arrears_effects.months <= e.limit_months
        THEN 'agency_pays' ELSE 'employer_pays_first' END,
      'limit_months', e.limit_months, 'instrument', e.instrument, 'grade', e.grade,
      'verified', e.verified AND e.grade IN ('law', 'found'))) ORDER BY e.programme)
  FROM (
    SELECT DISTINCT ON (p.programme) p.programme, p.value, p.instrument, p.grade, p.verified,
      CASE WHEN p.parameter <> 'arrears.effect' THEN p.value::bigint END AS limit_months
    FROM smile.legal_parameter AS p
    WHERE (p.parameter IN ('arrears.agency_pays_upto_months', 'arrears.effect')
        OR is_closed AND p.parameter = 'arrears.bankrupt_agency_pays_upto_months')
      AND smile.today() >= p.valid_from AND (p.valid_to IS NULL OR smile.today() <= p.valid_to)
    ORDER BY p.programme, p.parameter = 'arrears.bankrupt_agency_pays_upto_months' DESC) AS e) END;

-- As before, with what was deferred.
CREATE OR REPLACE FUNCTION smile.list_obligations(
  employer uuid, from_period date, to_period date, wanted_state text, after date, page integer)
RETURNS json LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp
BEGIN ATOMIC
  WITH month AS MATERIALIZED (
    SELECT o.period, o.due_date, o.state, o.billed, o.paid
    FROM smile.obligation_months(employer) AS o WHERE smile.may_see_returns(employer)),
  found AS (
    SELECT m.*, row_number() OVER (ORDER BY m.period DESC) AS place
    FROM month AS m
    WHERE (from_period IS NULL OR m.period >= from_period) AND (to_period IS NULL OR m.period <= to_period)
      AND (wanted_state IS NULL OR m.state = wanted_state) AND (after IS NULL OR m.period < after)
    ORDER BY m.period DESC LIMIT page + 1)
  SELECT json_strip_nulls(json_build_object(
    'items', coalesce(json_agg(json_build_object(
        'period', smile.month_text(f.period), 'due_date', f.due_date, 'due_at', smile.end_of_day(f.due_date),
        'state', f.state, 'billed', f.billed, 'paid', f.paid, 'outstanding', f.billed - f.paid,
        'deferred', (
          SELECT json_build_object('due_date', b.due_date, 'billed', sum(b.amount), 'paid', sum(b.paid_amount),
            'outstanding', sum(b.amount - b.paid_amount))
          FROM smile.billing AS b
          WHERE b.employer_id = employer AND b.period = f.period AND b.deferred_of IS NOT NULL GROUP BY b.due_date),
        'returns', (
          SELECT coalesce(json_agg(json_build_object('id', r.id, 'kind', r.kind, 'status', r.status,
            'finalised_at', r.finalised_at) ORDER BY r.id), '[]')
          FROM smile.contribution_return AS r
          WHERE r.employer_id = employer AND r.period = f.period AND r.status <> 'discarded'),
        'billings', (
          SELECT coalesce(json_agg(b.id ORDER BY b.id), '[]') FROM smile.billing AS b
          WHERE b.employer_id = employer AND b.period = f.period))
      ORDER BY f.place) FILTER (WHERE f.place <= page), '[]'),
    'arrears', (
      SELECT json_build_object('months', count(*), 'outstanding', smile.overdue_amount(employer),
        'oldest', smile.month_text(min(a.period)))
      FROM month AS a WHERE a.state IN ('overdue', 'missing')),
    'arrears_effects', smile.arrears_effects(
      (SELECT count(*) FROM month AS a WHERE a.state IN ('overdue', 'missing')),
      (SELECT e.closed_on IS NOT NULL FROM smile.employer AS e WHERE e.id = employer)),
    'next_after', CASE WHEN count(*) > page THEN (
      SELECT smile.month_text(g.period) FROM found AS g WHERE g.place = page) END))
  FROM found AS f
  HAVING smile.may_see_returns(employer);
END;
DROP FUNCTION smile.arrears_effects(bigint);

-- As before, with what is past its due day as arrears.
CREATE OR REPLACE FUNCTION smile.issue_certificate(employer uuid, wanted_kind text) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  made uuid := smile.uuid7();
  new_code text := smile.certificate_code();
  words json;
BEGIN
  IF smile.employer_id() IS DISTINCT FROM employer THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  SELECT json_build_object(
    'id', made, 'kind', wanted_kind, 'employer_id', e.id, 'npp', e.npp, 'name', e.name, 'status', e.status,
    'member_since', (e.approved_at AT TIME ZONE 'Asia/Jakarta')::date,
    'active_workers', (
      SELECT count(DISTINCT w.member_id) FROM smile.employment AS w
      WHERE w.employer_id = e.id AND daterange(w.start_date, w.end_date, '[]') @> smile.today()),
    'arrears', (
      SELECT json_build_object('months', count(*), 'outstanding', smile.overdue_amount(e.id),
        'fines', (
          SELECT coalesce(sum(b.fine_amount - b.fine_paid), 0) FROM smile.billing AS b WHERE b.employer_id = e.id))
      FROM smile.obligation_months(e.id) AS m WHERE m.state IN ('overdue', 'missing')),
    'issued_at', smile.now(), 'verification_code', new_code, 'verification', '/v1/verifications/' || new_code)
  INTO words
  FROM smile.employer AS e WHERE e.id = employer;
  INSERT INTO smile.certificate (id, kind, employer_id, code, body)
  VALUES (made, wanted_kind, employer, new_code, words);
  PERFORM smile.audit('certificate.issued', 'certificate', made);
  RETURN smile.answer(201, words, NULL, format('/v1/employers/%s/certificates/%s', employer, made));
END
$$;

REVOKE EXECUTE ON FUNCTION smile.overdue_amount(uuid) FROM smile_api, smile_jobs, smile_auth;
