-- What a month's wage costs, by programme and side, from the parameters in force on the first day of that month.

-- Rates as factors (0.037, not 3.7), ceilings in rupiah, ages in years.
CREATE TYPE smile.contribution_rates AS (
  jht_employer numeric, jht_worker numeric, jkk numeric, jkm numeric,
  jp_employer numeric, jp_worker numeric, jp_ceiling bigint,
  jkp_from_jkk numeric, jkp_from_jkm numeric, jkp_state numeric,
  -- NULL in months before JKP.
  jkp_ceiling bigint,
  -- Born on or before this day: too old for JP.
  jp_cutoff date,
  -- At this age or older on joining: not in JKP.
  jkp_max_age integer,
  jp_mandatory boolean,
  rounding text);

CREATE FUNCTION smile.rates_of_month(employer uuid, period date) RETURNS smile.contribution_rates
LANGUAGE plpgsql STABLE AS $$
DECLARE
  r smile.contribution_rates;
  class integer := smile.risk_class(employer, period);
  firm_size text;
BEGIN
  SELECT e.size INTO firm_size FROM smile.employer AS e WHERE e.id = employer;
  r.jht_employer := smile.parameter('JHT', 'pu.rate.employer_pct', period) * 0.01;
  r.jht_worker := smile.parameter('JHT', 'pu.rate.worker_pct', period) * 0.01;
  -- PP 44/2015 Art. 16(1); PP 49/2020 Art. 10 for the months it covered.
  r.jkk := smile.parameter('JKK', format('pu.rate.class_%s_employer_pct', to_char(class, 'FMRN')), period) * 0.01
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

-- Whether every row that smile.rates_of_month() may rest on is verified.
CREATE FUNCTION smile.rates_are_verified(period date) RETURNS boolean LANGUAGE sql STABLE
RETURN (
  SELECT bool_and(p.verified) FROM smile.legal_parameter AS p
  WHERE p.valid_from <= rates_are_verified.period
    AND (p.valid_to IS NULL OR p.valid_to >= rates_are_verified.period)
    AND (p.programme IN ('JHT', 'JKK', 'JKM', 'JP') AND p.parameter LIKE 'pu.rate.%'
      OR (p.programme, p.parameter) IN (
        ('JKK', 'relief.covid.factor_pct_of_normal'), ('JKM', 'relief.covid.factor_pct_of_normal'),
        ('JKK', 'recomposition_to_jkp_pct'), ('JKM', 'recomposition_to_jkp_pct'), ('JP', 'wage_ceiling_idr'),
        ('JP', 'retirement_age_years'), ('JP', 'pu.mandatory_sizes'), ('JKP', 'rate.state_pct'),
        ('JKP', 'wage_ceiling_idr'), ('JKP', 'eligibility.max_age_at_registration_years'),
        ('ALL', 'pu.contribution_rounding'))));

-- JP: not yet of retirement age on the first of the month, at a firm whose size makes it a duty.
CREATE FUNCTION smile.is_in_jp(birth_date date, r smile.contribution_rates) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (r).jp_mandatory AND birth_date > (r).jp_cutoff;

-- JKP (PP 6/2025 Art. 4): below the age limit on joining, and in the programmes that the firm's size demands.
CREATE FUNCTION smile.is_in_jkp(birth_date date, joined date, r smile.contribution_rates) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (r).jkp_ceiling IS NOT NULL
  AND coalesce(birth_date + make_interval(years => (r).jkp_max_age) > joined, true)
  AND (birth_date > (r).jp_cutoff OR NOT (r).jp_mandatory);

-- The amounts of a wage on top of what was reported for the same month before; the ceilings apply to the sum.
-- Each amount is rounded by itself. A plain query, so that the planner takes it into the set-based statements.
CREATE FUNCTION smile.contribution_of(
  wage bigint, reported bigint, in_jp boolean, in_jkp boolean, r smile.contribution_rates)
RETURNS TABLE (
  jht_employer bigint, jht_worker bigint, jkk bigint, jkm bigint, jp_employer bigint, jp_worker bigint,
  jkp_from_jkk bigint, jkp_from_jkm bigint, jkp_state bigint)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 1
BEGIN ATOMIC
  SELECT
    smile.round_rupiah(wage * (r).jht_employer, (r).rounding),
    smile.round_rupiah(wage * (r).jht_worker, (r).rounding),
    w.jkk,
    w.jkm,
    smile.round_rupiah(w.jp_base * (r).jp_employer, (r).rounding),
    smile.round_rupiah(w.jp_base * (r).jp_worker, (r).rounding),
    least(smile.round_rupiah(w.jkp_base * (r).jkp_from_jkk, (r).rounding), w.jkk),
    least(smile.round_rupiah(w.jkp_base * (r).jkp_from_jkm, (r).rounding), w.jkm),
    smile.round_rupiah(w.jkp_base * (r).jkp_state, (r).rounding)
  FROM (
    SELECT
      CASE WHEN in_jp THEN least(reported + wage, (r).jp_ceiling) - least(reported, (r).jp_ceiling) ELSE 0 END
        AS jp_base,
      CASE WHEN in_jkp THEN least(reported + wage, (r).jkp_ceiling) - least(reported, (r).jkp_ceiling) ELSE 0 END
        AS jkp_base,
      smile.round_rupiah(wage * (r).jkk, (r).rounding) AS jkk,
      smile.round_rupiah(wage * (r).jkm, (r).rounding) AS jkm
  ) AS w;
END;
