-- What a legal parameter is: some rows aren't law but the agency's own rules or announcements, and of some nothing is
-- computed here. Both are told with the row, since whoever reads `verified` takes it for the law.

ALTER TABLE smile.legal_parameter
  DROP CONSTRAINT legal_parameter_grade_check,
  ADD CONSTRAINT legal_parameter_grade_check
    CHECK (grade IN ('law', 'found', 'secondary', 'derived', 'memory', 'policy')),
  ADD COLUMN purpose text NOT NULL DEFAULT 'computed' CHECK (purpose IN ('computed', 'informational'));

-- `verified` follows from the words of the certainty.
UPDATE smile.legal_parameter
SET grade = 'policy', certainty = CASE WHEN certainty = 'derived (own choice)' THEN 'own choice, inferred from no law'
  ELSE 'announcement of the agency, not law; ' || certainty END
WHERE instrument LIKE 'agency%';
UPDATE smile.legal_parameter SET certainty = 'derived (inferred: fits all published values)'
WHERE programme = 'JP' AND parameter = 'wage_ceiling_rounding';
ALTER TABLE smile.legal_parameter
  ADD CONSTRAINT legal_parameter_policy_is_named CHECK ((instrument LIKE 'agency%') = (grade = 'policy')),
  ADD CONSTRAINT legal_parameter_policy_is_not_law CHECK (grade <> 'policy' OR NOT verified);

-- The bands of income of PP 44/2015 Lampiran II are rows of smile.income_band, with their contributions.
DELETE FROM smile.legal_parameter
WHERE programme = 'JKK' AND parameter IN ('bpu.rate_of_band_pct', 'bpu.min_contribution_idr',
  'bpu.band_1100000_1299000_idr');

-- Benefits and procedures that no operation computes, and what follows from other rows: the rate that is left after
-- recomposition, the total and the worker's rate of JKP, that JHT has no ceiling, the rule by which the next ceiling of
-- JP is found, and that nobody pays a fine for BPU, whose months aren't charged one.
UPDATE smile.legal_parameter SET purpose = 'informational'
WHERE programme = 'PDP'
  OR programme = 'ALL' AND (parameter LIKE 'sanction.%' OR parameter = 'bpu.late_fine_pct_per_month')
  OR programme = 'JHT' AND (parameter LIKE 'partial.%' OR parameter LIKE 'pmi.%' OR parameter IN (
    'development_rate_pct', 'pu.wage_ceiling_idr', 'selfservice.jmo_limit_idr'))
  OR programme LIKE 'JK_' AND programme <> 'JKP' AND (parameter LIKE 'benefit.%' OR parameter LIKE 'construction.%'
    OR parameter LIKE 'pu.rate_net_of_jkp.%' OR parameter IN (
      'claim.lapse_years', 'report.stage1_hours', 'scholarship.min_contribution_years', 'sla.late_penalty_pct_per_day'))
  OR programme = 'JKK+JKM'
  OR programme = 'JKP' AND (parameter LIKE 'benefit.%' OR parameter IN (
    'arrears.refund_request_months', 'claim.deadline_months', 'eligibility.min_contribution_months',
    'eligibility.window_months', 'rate.total_pct', 'rate.worker_pct', 'sla.refund_working_days'))
  OR programme = 'JP' AND (parameter LIKE 'pension\_%' OR parameter LIKE 'survivor.%' OR parameter IN (
    'deferral_max_years', 'formula.accrual_pct_per_year', 'qualifying_months', 'wage_ceiling_rounding'));

CREATE OR REPLACE VIEW api.legal_parameter WITH (security_invoker) AS
SELECT p.id, p.programme, p.parameter, p.value, p.valid_from, p.valid_to, p.instrument, p.certainty, p.grade,
  p.verified, p.purpose
FROM smile.legal_parameter AS p;

-- As before, with the purpose.
CREATE OR REPLACE FUNCTION smile.list_parameters(as_of date, programme text, after uuid, page integer) RETURNS json
LANGUAGE sql STABLE
BEGIN ATOMIC
  WITH found AS (
    SELECT p.*, row_number() OVER (ORDER BY p.id) AS place
    FROM api.legal_parameter AS p
    WHERE p.valid_from <= coalesce(as_of, smile.today())
      AND (p.valid_to IS NULL OR p.valid_to >= coalesce(as_of, smile.today()))
      AND (list_parameters.programme IS NULL OR p.programme = 'ALL'
        OR list_parameters.programme = ANY (string_to_array(p.programme, '+')))
      AND (after IS NULL OR p.id > after)
    ORDER BY p.id LIMIT page + 1)
  SELECT json_strip_nulls(json_build_object(
    'as_of', coalesce(as_of, smile.today()),
    'items', coalesce(json_agg(json_build_object(
        'id', f.id, 'programme', f.programme, 'parameter', f.parameter, 'value', f.value, 'valid_from', f.valid_from,
        'valid_to', f.valid_to, 'instrument', f.instrument, 'certainty', f.certainty, 'grade', f.grade,
        'verified', f.verified, 'purpose', f.purpose) ORDER BY f.place) FILTER (WHERE f.place <= page), '[]'),
    'next_after', CASE WHEN count(*) > page THEN (SELECT g.id FROM found AS g WHERE g.place = page) END))
  FROM found AS f;
END;

-- As before: whole rows, with their new column.
CREATE OR REPLACE FUNCTION smile.parameter_row(programme text, name text, on_date date)
RETURNS SETOF smile.legal_parameter LANGUAGE sql STABLE ROWS 1
BEGIN ATOMIC
  SELECT p.id, p.programme, p.parameter, p.value, p.valid_from, p.valid_to, p.instrument, p.certainty, p.grade,
    p.verified, p.purpose
  FROM smile.legal_parameter AS p
  WHERE p.programme = parameter_row.programme AND p.parameter = name
    AND p.valid_from <= on_date AND (p.valid_to IS NULL OR p.valid_to >= on_date);
END;

-- What part of the normal contribution is paid, in per cent; none where there is no relief. That of PP 50/2025 is for
-- those whom no public budget pays, that of PP 49/2020 was for all.
CREATE OR REPLACE FUNCTION smile.self_employed_relief(programme text, sector text, funding text, on_date date)
RETURNS SETOF smile.legal_parameter LANGUAGE sql STABLE ROWS 1
BEGIN ATOMIC
  SELECT p.id, p.programme, p.parameter, p.value, p.valid_from, p.valid_to, p.instrument, p.certainty, p.grade,
    p.verified, p.purpose
  FROM smile.legal_parameter AS p
  WHERE p.programme = self_employed_relief.programme
    AND (p.parameter = 'relief.covid.factor_pct_of_normal'
      OR p.parameter = format('relief.bpu_%s_pct_of_normal', sector) AND funding = 'own')
    AND p.valid_from <= on_date AND (p.valid_to IS NULL OR p.valid_to >= on_date)
  ORDER BY p.value::numeric LIMIT 1;
END;

-- One definition under two names.
CREATE OR REPLACE FUNCTION smile.this_month() RETURNS date LANGUAGE sql STABLE RETURN smile.current_month();
