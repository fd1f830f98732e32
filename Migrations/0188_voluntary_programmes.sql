-- Which programmes an employer of a size must be in, and JP, which micro and small employers may choose: Art. 4(3) of
-- PP 6/2025 wants them in JKK, JHT and JKM at least. What the sizes had to do before that is from memory of Perpres
-- 109/2013, and that "at least" lets an employer choose JP is an inference.
INSERT INTO smile.legal_parameter
  (programme, parameter, value, valid_from, valid_to, instrument, certainty, grade)
SELECT t.programme, 'pu.mandatory_sizes', 'micro small medium large', v.valid_from::date, v.valid_to::date,
  v.instrument, v.certainty, v.grade
FROM unnest(ARRAY['JKK', 'JKM', 'JHT']) AS t (programme)
CROSS JOIN (VALUES
  ('2015-07-01', '2025-02-06', 'Perpres 109/2013', 'memory-unconfirmed (its list of programmes by size)', 'memory'),
  ('2025-02-07', NULL, 'PP 6/2025 Art 4(3)', 'found-law:S1', 'law')
) AS v (valid_from, valid_to, instrument, certainty, grade);
INSERT INTO smile.legal_parameter
  (programme, parameter, value, valid_from, valid_to, instrument, certainty, grade)
VALUES
  ('JP', 'pu.voluntary_sizes', 'micro small', '2015-07-01', NULL, 'PP 6/2025 Art 4(3)',
    'derived (inferred from "at least", S1)', 'derived');

-- What an employer chose, from a wage month on: the latest row not after a month holds in it, as with its size.
CREATE TABLE smile.employer_choice (
  employer_id uuid NOT NULL REFERENCES smile.employer,
  programme text NOT NULL CHECK (programme IN ('jp')),
  valid_from smile.wage_month NOT NULL,
  takes_part boolean NOT NULL,
  decided_at timestamptz NOT NULL DEFAULT smile.now(),
  decided_by uuid DEFAULT smile.account_id(),
  PRIMARY KEY (employer_id, programme, valid_from)
);
ALTER TABLE smile.employer_choice ENABLE ROW LEVEL SECURITY;
ALTER TABLE smile.employer_choice FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_all ON smile.employer_choice TO smile_owner USING (true);
CREATE POLICY own_choices ON smile.employer_choice FOR SELECT TO smile_api
  USING (employer_id = (SELECT smile.employer_id()));
CREATE POLICY officers_read ON smile.employer_choice FOR SELECT TO smile_api
  USING ((SELECT smile.is_officer('manage_employers') OR smile.is_officer('manage_billing')));
GRANT SELECT ON smile.employer_choice TO smile_api;

CREATE FUNCTION smile.chose(employer uuid, programme text, period date) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN coalesce((
    SELECT c.takes_part FROM smile.employer_choice AS c
    WHERE c.employer_id = employer AND c.programme = chose.programme AND c.valid_from <= period
    ORDER BY c.valid_from DESC LIMIT 1), false);
END
$$;

-- In JP by duty or by choice; only the duty decides on JKP.
ALTER TYPE smile.contribution_rates ADD ATTRIBUTE in_jp boolean;

CREATE OR REPLACE FUNCTION smile.is_in_jp(birth_date date, r smile.contribution_rates) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (r).in_jp AND birth_date > (r).jp_cutoff;

-- As before, with the choice.
CREATE FUNCTION smile.rates_for(jkk_parameter text, firm_size text, chose_jp boolean, period date)
RETURNS smile.contribution_rates LANGUAGE plpgsql STABLE AS $$
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
  r.in_jp := r.jp_mandatory OR chose_jp;
  r.jkp_from_jkk := coalesce(smile.parameter_or_null('JKK', 'recomposition_to_jkp_pct', period)::numeric * 0.01, 0);
  r.jkp_from_jkm := coalesce(smile.parameter_or_null('JKM', 'recomposition_to_jkp_pct', period)::numeric * 0.01, 0);
  r.jkp_state := coalesce(smile.parameter_or_null('JKP', 'rate.state_pct', period)::numeric * 0.01, 0);
  r.jkp_ceiling := smile.parameter_or_null('JKP', 'wage_ceiling_idr', period)::bigint;
  r.jkp_max_age := smile.parameter_or_null('JKP', 'eligibility.max_age_at_registration_years', period)::integer;
  r.rounding := smile.parameter_text('ALL', 'pu.contribution_rounding', period);
  RETURN r;
END
$$;

CREATE OR REPLACE FUNCTION smile.rates_of_month(employer uuid, period date) RETURNS smile.contribution_rates
LANGUAGE sql STABLE
RETURN smile.rates_for(smile.jkk_rate_parameter(employer, period), smile.firm_size(employer, period),
  smile.chose(employer, 'jp', period), period);
DROP FUNCTION smile.rates_for(text, text, date);

-- As before, with whether JP is charged by choice; planned once a connection, as in 0163.
CREATE OR REPLACE FUNCTION smile.month_basis(employer uuid, period date) RETURNS json LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN (
    SELECT json_build_object(
      'period', smile.month_text(month_basis.period),
      'risk_class', smile.risk_class(employer, month_basis.period),
      'size', smile.firm_size(employer, month_basis.period),
      'jp_chosen', smile.chose(employer, 'jp', month_basis.period),
      -- relief.covid.… is the relief `covid`.
      'reliefs', coalesce(
        json_agg(DISTINCT split_part(p.parameter, '.', 2)) FILTER (WHERE p.parameter LIKE 'relief.%'), '[]'),
      'verified', bool_and(p.verified),
      'parameters_used', json_agg(json_build_object(
        'programme', p.programme, 'parameter', p.parameter, 'value', p.value, 'valid_from', p.valid_from,
        'instrument', p.instrument, 'grade', p.grade, 'verified', p.verified) ORDER BY p.programme, p.parameter))
    FROM smile.rate_parameters(
      smile.jkk_rate_parameter(employer, month_basis.period), month_basis.period) AS p);
END
$$;

-- As before, with the choice of a size that has it.
DROP FUNCTION smile.calculate_contribution(date, bigint, integer, text, boolean, date, date);
CREATE FUNCTION smile.calculate_contribution(
  period date, wage bigint, risk_class integer, firm_size text, labour_intensive boolean, birth_date date,
  employed_since date, chose_jp boolean)
RETURNS json LANGUAGE plpgsql STABLE AS $$
DECLARE
  jkk_parameter text := format(CASE WHEN labour_intensive THEN 'relief.labour_intensive.class_%s_employer_pct'
    ELSE 'pu.rate.class_%s_employer_pct' END, to_char(risk_class, 'FMRN'));
  rates smile.contribution_rates;
BEGIN
  IF smile.parameter_or_null('JHT', 'pu.rate.employer_pct', period) IS NULL THEN
    PERFORM smile.refuse(422, 'period_too_early', '/period');
  ELSIF labour_intensive AND smile.parameter_or_null('JKK', jkk_parameter, period) IS NULL THEN
    PERFORM smile.refuse(422, 'parameter_not_in_force', '/labour_intensive');
  ELSIF chose_jp THEN
    PERFORM smile.refuse_choice('JP', firm_size, period, '/jp_chosen');
  END IF;
  rates := smile.rates_for(jkk_parameter, firm_size, chose_jp, period);
  RETURN (
    SELECT json_strip_nulls(json_build_object(
      'period', smile.month_text(calculate_contribution.period), 'wage', calculate_contribution.wage,
      'due', c.jht_employer + c.jht_worker + c.jkk + c.jkm + c.jp_employer + c.jp_worker,
      'worker_share', c.jht_worker + c.jp_worker, 'employer_share', c.jht_employer + c.jkk + c.jkm + c.jp_employer,
      'jp_wage', CASE WHEN c.jp_employer > 0 THEN least(calculate_contribution.wage, rates.jp_ceiling) END,
      'jkp_wage', CASE WHEN c.jkp_state > 0 THEN least(calculate_contribution.wage, rates.jkp_ceiling) END,
      'amounts', smile.amounts_body(c.jht_employer, c.jht_worker, c.jkk, c.jkm, c.jp_employer, c.jp_worker,
        c.jkp_from_jkk, c.jkp_from_jkm, c.jkp_state),
      'verified', p.verified, 'parameters_used', p.used))
    FROM smile.contribution_of(calculate_contribution.wage, 0, smile.is_in_jp(birth_date, rates),
      smile.is_in_jkp(birth_date, coalesce(employed_since, calculate_contribution.period), rates), rates) AS c
    CROSS JOIN (
      SELECT bool_and(u.verified) AS verified, json_agg(json_build_object(
        'programme', u.programme, 'parameter', u.parameter, 'value', u.value, 'valid_from', u.valid_from,
        'instrument', u.instrument, 'grade', u.grade, 'verified', u.verified) ORDER BY u.programme, u.parameter) AS used
      FROM smile.rate_parameters(jkk_parameter, calculate_contribution.period) AS u) AS p);
END
$$;

-- A programme is chosen by sizes that may and needn't be in it.
CREATE FUNCTION smile.refuse_choice(programme text, firm_size text, period date, pointer text) RETURNS void
LANGUAGE plpgsql STABLE AS $$
BEGIN
  IF firm_size <> ALL (string_to_array(smile.parameter_text(programme, 'pu.voluntary_sizes', period), ' ')) THEN
    PERFORM smile.refuse(422, 'programme_not_voluntary', pointer);
  END IF;
END
$$;

-- The programmes of an employer in a month, this one when NULL: mandatory for its size; chosen, or open to its choice;
-- or, as JKP, automatic for each worker who meets its conditions. Then what it chose, newest first. NULL when the
-- employer isn't the caller's to see.
CREATE FUNCTION smile.list_programmes(employer uuid, wanted date) RETURNS json LANGUAGE sql STABLE
BEGIN ATOMIC
  WITH asked AS MATERIALIZED (
    SELECT e.id, m.period, smile.firm_size(e.id, m.period) AS size
    FROM smile.employer AS e CROSS JOIN (SELECT coalesce(wanted, smile.current_month()) AS period) AS m
    WHERE e.id = employer),
  ruled AS (
    SELECT lower(p.programme) AS programme, p.instrument, p.grade, p.verified,
      CASE WHEN p.parameter = 'rate.state_pct' THEN 'automatic'
        WHEN p.parameter = 'pu.mandatory_sizes' THEN 'mandatory'
        WHEN smile.chose(a.id, lower(p.programme), a.period) THEN 'chosen' ELSE 'open' END AS participation
    FROM asked AS a
    JOIN smile.legal_parameter AS p ON a.period >= p.valid_from AND (p.valid_to IS NULL OR a.period <= p.valid_to)
      AND (p.parameter IN ('pu.mandatory_sizes', 'pu.voluntary_sizes')
          AND a.size = ANY (string_to_array(p.value, ' '))
        OR p.programme = 'JKP' AND p.parameter = 'rate.state_pct'))
  SELECT json_build_object(
    'period', smile.month_text(a.period), 'size', a.size,
    'items', (
      SELECT json_agg(json_build_object('programme', r.programme, 'participation', r.participation,
        'instrument', r.instrument, 'grade', r.grade, 'verified', r.verified) ORDER BY r.programme)
      FROM ruled AS r),
    'choices', (
      SELECT coalesce(json_agg(json_build_object('programme', c.programme, 'valid_from', smile.month_text(c.valid_from),
        'takes_part', c.takes_part, 'decided_at', c.decided_at) ORDER BY c.valid_from DESC), '[]')
      FROM smile.employer_choice AS c WHERE c.employer_id = a.id))
  FROM asked AS a;
END;

-- From this month or a later one that nobody has reported yet, as long as the size of that month leaves the choice. An
-- employer joins by itself; that it leaves again is for officers to record, since no source says that it may. A choice
-- for the same month takes the place of the one before.
CREATE FUNCTION smile.choose_programme(employer uuid, wanted text, from_month date, takes_part boolean)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
BEGIN
  IF NOT (smile.is_officer('manage_employers') OR smile.role() = 'employer' AND smile.has_permission('admin')
    AND coalesce(smile.employer_id() = employer, false))
  THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  -- A finalisation waits for this row, and sees the choice then.
  PERFORM FROM smile.employer AS e WHERE e.id = employer FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    PERFORM smile.fail(404, 'not_found');
  ELSIF NOT takes_part AND NOT smile.is_officer('manage_employers') THEN
    PERFORM smile.refuse(403, 'field_not_yours', '/takes_part');
  ELSIF from_month < smile.current_month() THEN
    PERFORM smile.refuse(422, 'month_is_past', '/valid_from');
  END IF;
  PERFORM smile.refuse_choice(upper(wanted), smile.firm_size(employer, from_month), from_month, '/programme');
  PERFORM smile.refuse_reported_month(employer, from_month);
  INSERT INTO smile.employer_choice AS c (employer_id, programme, valid_from, takes_part)
  VALUES (employer, wanted, from_month, choose_programme.takes_part)
  ON CONFLICT (employer_id, programme, valid_from) DO UPDATE
  SET takes_part = excluded.takes_part, decided_at = excluded.decided_at, decided_by = excluded.decided_by;
  PERFORM smile.audit('employer.programme_chosen', 'employer', employer, json_build_object(
    'programme', wanted, 'valid_from', smile.month_text(from_month), 'takes_part', takes_part));
  RETURN smile.answer(201, smile.list_programmes(employer, from_month), NULL,
    format('/v1/employers/%s/programmes', employer));
END
$$;
