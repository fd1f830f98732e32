-- Temporary reliefs that an employer has to qualify for, recorded by officers. PP 7/2025 as changed by PP 36/2025: JKK
-- at half the rate for labour-intensive industry. The months, rates and conditions are legal parameters.

-- How the 0.14 % that goes on to JKP is found where a class I employer pays no more than 0.12 % for JKK isn't said by
-- any source that was found. Chosen: JKP gets what JKK brings, and no more.
INSERT INTO smile.legal_parameter
  (programme, parameter, value, valid_from, valid_to, instrument, certainty, grade)
VALUES
  ('JKK', 'relief.labour_intensive.industries',
    'food_beverage_tobacco textile_garment leather footwear children_toys furniture', '2025-02-01', '2026-01-31',
    'PP 7/2025 Art 3; PP 36/2025 Art 10A', 'found:S27', 'found'),
  ('JKK', 'relief.labour_intensive.jkk_paid_through', '2025-01', '2025-02-01', '2026-01-31',
    'PP 7/2025; PP 36/2025 Art 10A', 'found:S27', 'found'),
  ('JKK', 'relief.labour_intensive.recomposition', 'at_most_jkk', '2025-02-01', '2026-01-31',
    'PP 6/2025 Art 11(5); PP 7/2025 Art 4(1)', 'memory-unconfirmed', 'memory');

CREATE TABLE smile.employer_relief (
  id uuid PRIMARY KEY DEFAULT smile.uuid7(),
  employer_id uuid NOT NULL REFERENCES smile.employer,
  kind text NOT NULL CHECK (kind IN ('labour_intensive')),
  industry text NOT NULL CHECK (industry ~ '^[a-z_]{1,40}$'),
  valid_from smile.wage_month NOT NULL,
  -- The last month.
  valid_to smile.wage_month NOT NULL,
  granted_at timestamptz NOT NULL DEFAULT smile.now(),
  granted_by uuid DEFAULT smile.account_id(),
  withdrawn_at timestamptz,
  withdrawn_by uuid,
  withdrawal_reason text CHECK (length(withdrawal_reason) BETWEEN 1 AND 500),
  CONSTRAINT relief_ends_after_start CHECK (valid_to >= valid_from),
  CONSTRAINT withdrawal_has_reason CHECK ((withdrawn_at IS NULL) = (withdrawal_reason IS NULL)),
  CONSTRAINT employer_reliefs_do_not_overlap EXCLUDE USING gist
    (employer_id WITH =, kind WITH =, daterange(valid_from, valid_to, '[]') WITH &&) WHERE (withdrawn_at IS NULL)
);
CREATE INDEX employer_relief_employer ON smile.employer_relief (employer_id, id);
ALTER TABLE smile.employer_relief ENABLE ROW LEVEL SECURITY;
ALTER TABLE smile.employer_relief FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_all ON smile.employer_relief TO smile_owner USING (true);
CREATE POLICY own_reliefs ON smile.employer_relief FOR SELECT TO smile_api
  USING (employer_id = (SELECT smile.employer_id()));
CREATE POLICY officers_read ON smile.employer_relief FOR SELECT TO smile_api
  USING ((SELECT smile.is_officer('manage_employers') OR smile.is_officer('manage_billing')));
GRANT SELECT ON smile.employer_relief TO smile_api;

-- The parameter that is an employer's JKK rate in a month: its class's, or that of its relief.
CREATE FUNCTION smile.jkk_rate_parameter(employer uuid, period date) RETURNS text LANGUAGE sql STABLE
RETURN format(
  CASE WHEN EXISTS (
    SELECT FROM smile.employer_relief AS f
    WHERE f.employer_id = employer AND f.kind = 'labour_intensive' AND f.withdrawn_at IS NULL
      AND jkk_rate_parameter.period BETWEEN f.valid_from AND f.valid_to)
  THEN 'relief.labour_intensive.class_%s_employer_pct' ELSE 'pu.rate.class_%s_employer_pct' END,
  to_char(smile.risk_class(employer, period), 'FMRN'));

-- The rates of a month for a firm of that size whose JKK rate is the parameter of that name.
CREATE FUNCTION smile.rates_for(jkk_parameter text, firm_size text, period date) RETURNS smile.contribution_rates
LANGUAGE plpgsql STABLE AS $$
DECLARE
  r smile.contribution_rates;
BEGIN
  r.jht_employer := smile.parameter('JHT', 'pu.rate.employer_pct', period) * 0.01;
  r.jht_worker := smile.parameter('JHT', 'pu.rate.worker_pct', period) * 0.01;
  -- PP 44/2015 Art. 16(1); PP 7/2025 Art. 4(1); PP 49/2020 Art. 10 for the months it covered.
  r.jkk := smile.parameter('JKK', jkk_parameter, period) * 0.01
    * coalesce(smile.parameter_or_null('JKK', 'relief.covid.factor_pct_of_normal', period)::numeric * 0.01, 1);
  r.jkm := smile.parameter('JKM', 'pu.rate.employer_pct', period) * 0.01
    * coalesce(smile.parameter_or_null('JKM', 'relief.covid.factor_pct_of_normal', period)::numeric * 0.01, 1);
  r.jp_employer := smile.parameter('JP', 'pu.rate.employer_pct', period) * 0.01;
  r.jp_worker := smile.parameter('JP', 'pu.rate.worker_pct', period) * 0.01;
  r.jp_ceiling := smile.parameter('JP', 'wage_ceiling_idr', period);
  r.jp_cutoff := period
    - make_interval(years => smile.parameter('JP', 'retirement_age_years', period)::integer);
  r.jp_mandatory := firm_size = ANY (
    string_to_array(smile.parameter_text('JP', 'pu.mandatory_sizes', period), ' '));
  r.jkp_from_jkk := coalesce(smile.parameter_or_null('JKK', 'recomposition_to_jkp_pct', period)::numeric * 0.01, 0);
  r.jkp_from_jkm := coalesce(smile.parameter_or_null('JKM', 'recomposition_to_jkp_pct', period)::numeric * 0.01, 0);
  r.jkp_state := coalesce(smile.parameter_or_null('JKP', 'rate.state_pct', period)::numeric * 0.01, 0);
  r.jkp_ceiling := smile.parameter_or_null('JKP', 'wage_ceiling_idr', period)::bigint;
  r.jkp_max_age := smile.parameter_or_null('JKP', 'eligibility.max_age_at_registration_years', period)::integer;
  r.rounding := smile.parameter_text('ALL', 'pu.contribution_rounding', period);
  RETURN r;
END
$$;

-- As before, with the relief of the month and the size of the month.
CREATE OR REPLACE FUNCTION smile.rates_of_month(employer uuid, period date) RETURNS smile.contribution_rates
LANGUAGE sql STABLE
RETURN smile.rates_for(smile.jkk_rate_parameter(employer, period), smile.firm_size(employer, period), period);

-- As before. Whoever has no relief is told of its open point too: the month alone is asked about here.
-- In PL/pgSQL it is planned once a connection: small returns ask it often.
CREATE OR REPLACE FUNCTION smile.rates_are_verified(period date) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN (
    SELECT bool_and(p.verified) FROM smile.legal_parameter AS p
    WHERE p.valid_from <= rates_are_verified.period
      AND (p.valid_to IS NULL OR p.valid_to >= rates_are_verified.period)
      AND (p.programme IN ('JHT', 'JKK', 'JKM', 'JP') AND p.parameter LIKE 'pu.rate.%'
        OR p.programme = 'JKK' AND p.parameter LIKE 'relief.labour_intensive.%'
        OR (p.programme, p.parameter) IN (
          ('JKK', 'relief.covid.factor_pct_of_normal'), ('JKM', 'relief.covid.factor_pct_of_normal'),
          ('JKK', 'recomposition_to_jkp_pct'), ('JKM', 'recomposition_to_jkp_pct'), ('JP', 'wage_ceiling_idr'),
          ('JP', 'retirement_age_years'), ('JP', 'pu.mandatory_sizes'), ('JKP', 'rate.state_pct'),
          ('JKP', 'wage_ceiling_idr'), ('JKP', 'eligibility.max_age_at_registration_years'),
          ('ALL', 'pu.contribution_rounding'))));
END
$$;

CREATE FUNCTION smile.relief_body(wanted uuid) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_strip_nulls(json_build_object('id', f.id, 'employer_id', f.employer_id, 'kind', f.kind,
    'industry', f.industry, 'valid_from', smile.month_text(f.valid_from), 'valid_to', smile.month_text(f.valid_to),
    'granted_at', f.granted_at, 'withdrawn_at', f.withdrawn_at, 'withdrawal_reason', f.withdrawal_reason))
  FROM smile.employer_relief AS f WHERE f.id = wanted);

-- NULL when the employer isn't the caller's to see.
CREATE FUNCTION smile.list_reliefs(employer uuid, after uuid, page integer) RETURNS json LANGUAGE sql STABLE
BEGIN ATOMIC
  WITH found AS (
    SELECT f.id, row_number() OVER (ORDER BY f.id) AS place
    FROM smile.employer_relief AS f WHERE f.employer_id = employer AND (after IS NULL OR f.id > after)
    ORDER BY f.id LIMIT page + 1)
  SELECT json_strip_nulls(json_build_object(
    'items', coalesce(json_agg(smile.relief_body(f.id) ORDER BY f.place) FILTER (WHERE f.place <= page), '[]'),
    'next_after', CASE WHEN count(*) > page THEN (SELECT g.id FROM found AS g WHERE g.place = page) END))
  FROM found AS f
  HAVING EXISTS (SELECT FROM smile.employer AS e WHERE e.id = employer);
END;

-- Whoever works for an employer on any day of a month.
CREATE FUNCTION smile.active_workers(employer uuid, period date) RETURNS bigint LANGUAGE sql STABLE
RETURN (
  SELECT count(DISTINCT e.member_id) FROM smile.employment AS e
  WHERE e.employer_id = employer
    AND daterange(e.start_date, e.end_date, '[]') && daterange(period, (period + interval '1 month')::date, '[)'));

-- The conditions of PP 7/2025 Art. 3, as the agency's own records show them in the first month of the relief.
CREATE FUNCTION smile.refuse_unqualified(employer uuid, industry text, from_month date, to_month date) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  prefix CONSTANT text := 'relief.labour_intensive.';
  wanted bigint;
  found bigint;
  paid_through date;
BEGIN
  IF smile.parameter_or_null('JKK', prefix || 'class_I_employer_pct', from_month) IS NULL THEN
    PERFORM smile.refuse(422, 'relief_not_in_force', '/valid_from');
  ELSIF smile.parameter_or_null('JKK', prefix || 'class_I_employer_pct', to_month) IS NULL THEN
    PERFORM smile.refuse(422, 'relief_not_in_force', '/valid_to');
  ELSIF industry <> ALL (string_to_array(smile.parameter_text('JKK', prefix || 'industries', from_month), ' ')) THEN
    PERFORM smile.refuse(422, 'industry_without_relief', '/industry');
  END IF;
  wanted := smile.parameter('JKK', prefix || 'min_active_workers', from_month);
  found := smile.active_workers(employer, from_month);
  IF found < wanted THEN
    PERFORM smile.fail(422, 'too_few_workers', json_build_object('active_workers', found, 'wanted', wanted));
  END IF;
  paid_through := to_date(smile.parameter_text('JKK', prefix || 'jkk_paid_through', from_month), 'YYYY-MM');
  IF EXISTS (
    SELECT FROM smile.obligation_months(employer) AS o
    WHERE o.period <= paid_through AND o.state IN ('overdue', 'missing', 'due'))
  THEN
    PERFORM smile.fail(422, 'jkk_in_arrears', json_build_object('paid_through', smile.month_text(paid_through)));
  END IF;
END
$$;

-- What is finalised stays: of months that were reported at the full rate a revised return brings the difference back.
CREATE FUNCTION smile.grant_relief(
  employer uuid, kind text, industry text, from_month date, to_month date)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  made uuid;
BEGIN
  IF NOT smile.is_officer('manage_employers') THEN
    PERFORM smile.fail(403, 'insufficient_scope');
  END IF;
  -- A finalisation waits for this row, and sees the relief then.
  PERFORM FROM smile.employer AS e WHERE e.id = employer FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    PERFORM smile.fail(404, 'not_found');
  ELSIF to_month < from_month THEN
    PERFORM smile.refuse(422, 'end_before_start', '/valid_to');
  END IF;
  PERFORM smile.refuse_unqualified(employer, grant_relief.industry, from_month, to_month);
  INSERT INTO smile.employer_relief (employer_id, kind, industry, valid_from, valid_to)
  VALUES (employer, grant_relief.kind, grant_relief.industry, from_month, to_month)
  RETURNING id INTO made;
  PERFORM smile.audit('employer.relief_granted', 'employer', employer, json_build_object(
    'relief_id', made, 'kind', grant_relief.kind, 'valid_from', smile.month_text(from_month),
    'valid_to', smile.month_text(to_month)));
  RETURN smile.answer(201, smile.relief_body(made), NULL, format('/v1/employers/%s/reliefs', employer));
END
$$;

-- From now on every computation is made without it; what was finalised stays until it is revised.
CREATE FUNCTION smile.withdraw_relief(employer uuid, wanted uuid, reason text) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
BEGIN
  IF NOT smile.is_officer('manage_employers') THEN
    PERFORM smile.fail(403, 'insufficient_scope');
  END IF;
  PERFORM FROM smile.employer AS e WHERE e.id = employer FOR NO KEY UPDATE;
  UPDATE smile.employer_relief AS f
  SET withdrawn_at = smile.now(), withdrawn_by = smile.account_id(), withdrawal_reason = reason
  WHERE f.id = wanted AND f.employer_id = employer AND f.withdrawn_at IS NULL;
  IF NOT FOUND THEN
    IF EXISTS (SELECT FROM smile.employer_relief AS f WHERE f.id = wanted AND f.employer_id = employer) THEN
      PERFORM smile.fail(409, 'relief_already_withdrawn');
    END IF;
    PERFORM smile.fail(404, 'not_found');
  END IF;
  PERFORM smile.audit('employer.relief_withdrawn', 'employer', employer, json_build_object('relief_id', wanted));
  RETURN smile.answer(200, smile.relief_body(wanted));
END
$$;

REVOKE EXECUTE ON FUNCTION smile.active_workers(uuid, date), smile.refuse_unqualified(uuid, text, date, date)
FROM smile_api, smile_jobs;
