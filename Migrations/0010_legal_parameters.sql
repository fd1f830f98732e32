-- Every legal number is a row here: what it is, from when to when, by which instrument, and how sure we are of it.
-- Code and functions name parameters; none holds a rate, ceiling, age or deadline.

CREATE TABLE smile.legal_parameter (
  id uuid PRIMARY KEY DEFAULT smile.uuid7(),
  -- One programme, several joined by '+', or ALL.
  programme text NOT NULL CHECK (programme ~ '^(ALL|PDP|[A-Z]+(\+[A-Z]+)*)$'),
  parameter text NOT NULL CHECK (parameter ~ '^[A-Za-z0-9_.]{1,80}$'),
  value text NOT NULL CHECK (length(value) BETWEEN 1 AND 100),
  valid_from date NOT NULL,
  -- The last day it holds; NULL while it holds.
  valid_to date,
  instrument text NOT NULL,
  -- Where the value was found, as the register of sources says it.
  certainty text NOT NULL,
  grade text NOT NULL CHECK (grade IN ('law', 'found', 'secondary', 'derived', 'memory')),
  verified boolean NOT NULL GENERATED ALWAYS AS (certainty !~* '(memory|infer|announcement)') STORED,
  CONSTRAINT legal_parameter_ends_after_start CHECK (valid_to >= valid_from),
  CONSTRAINT legal_parameter_validity_does_not_overlap EXCLUDE USING gist
    (programme WITH =, parameter WITH =, daterange(valid_from, valid_to, '[]') WITH &&)
);
CREATE INDEX legal_parameter_name ON smile.legal_parameter (programme, parameter, valid_from);
ALTER TABLE smile.legal_parameter ENABLE ROW LEVEL SECURITY;
ALTER TABLE smile.legal_parameter FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_all ON smile.legal_parameter TO smile_owner USING (true);
CREATE POLICY everyone_reads ON smile.legal_parameter FOR SELECT TO smile_api, smile_jobs, smile_auth USING (true);
GRANT SELECT ON smile.legal_parameter TO smile_api, smile_jobs, smile_auth;

-- NULL where no row is in force on that day.
CREATE FUNCTION smile.parameter_or_null(programme text, name text, on_date date) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (
  SELECT p.value FROM smile.legal_parameter AS p
  WHERE p.programme = parameter_or_null.programme AND p.parameter = name
    AND p.valid_from <= on_date AND (p.valid_to IS NULL OR p.valid_to >= on_date));

-- Fails with 422 parameter_not_in_force where no row is in force on that day.
CREATE FUNCTION smile.parameter_text(programme text, name text, on_date date) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
  found text := smile.parameter_or_null(programme, name, on_date);
BEGIN
  IF found IS NULL THEN
    PERFORM smile.fail(422, 'parameter_not_in_force', json_build_object(
      'programme', programme, 'parameter', name, 'on_date', on_date));
  END IF;
  RETURN found;
END
$$;

CREATE FUNCTION smile.parameter(programme text, name text, on_date date) RETURNS numeric
LANGUAGE sql STABLE PARALLEL SAFE
RETURN smile.parameter_text(programme, name, on_date)::numeric;

-- A contribution in whole rupiah by the rule that parameter ALL pu.contribution_rounding names.
CREATE FUNCTION smile.round_rupiah(amount numeric, rule text) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE rule
  WHEN 'half_up' THEN round(amount)::bigint
  WHEN 'down' THEN floor(amount)::bigint
  WHEN 'up' THEN ceil(amount)::bigint
END;

CREATE VIEW api.legal_parameter WITH (security_invoker) AS
SELECT p.id, p.programme, p.parameter, p.value, p.valid_from, p.valid_to, p.instrument, p.certainty, p.grade,
  p.verified
FROM smile.legal_parameter AS p;
GRANT SELECT ON api.legal_parameter TO smile_api;

INSERT INTO smile.legal_parameter
  (programme, parameter, value, valid_from, valid_to, instrument, certainty, grade)
VALUES
  ('JHT', 'pu.rate.employer_pct', '3.7', '2015-07-01', NULL, 'PP 46/2015 Art 16(1)', 'found-sec:S13', 'secondary'),
  ('JHT', 'pu.rate.worker_pct', '2.0', '2015-07-01', NULL, 'PP 46/2015 Art 16(1)', 'found-sec:S13', 'secondary'),
  ('JHT', 'pu.wage_ceiling_idr', 'none', '2015-07-01', NULL, 'PP 46/2015', 'found-sec:S13', 'secondary'),
  ('JHT', 'bpu.rate_of_band_pct', '2.0', '2015-07-01', NULL, 'PP 46/2015', 'found:S65 (from-date memory)', 'found'),
  ('JHT', 'pmi.choice_min_idr', '50000', '2023-02-22', NULL, 'Permenaker 4/2023', 'found:S67 (from-date memory)', 'found'),
  ('JHT', 'pmi.choice_max_idr', '600000', '2023-02-22', NULL, 'Permenaker 4/2023', 'found:S67 (from-date memory)', 'found'),
  ('JHT', 'benefit.age_years', '56', '2015-07-01', NULL, 'PP 46/2015 Art 22(1)', 'found-law:S3', 'law'),
  ('JHT', 'partial.min_membership_years', '10', '2015-07-01', NULL, 'PP 46/2015 Art 22(4)', 'found-law:S3', 'law'),
  ('JHT', 'partial.housing_max_pct', '30', '2015-07-01', NULL, 'PP 46/2015 Art 22(5)', 'found-law:S3', 'law'),
  ('JHT', 'partial.other_max_pct', '10', '2015-07-01', NULL, 'PP 46/2015 Art 22(5)', 'found-law:S3', 'law'),
  ('JHT', 'partial.max_times', '1', '2015-07-01', NULL, 'PP 46/2015 Art 22(6)', 'found-law:S3', 'law'),
  ('JHT', 'wait.resign_months', '1', '2022-04-28', NULL, 'Permenaker 4/2022 Art 8-9', 'found:S37 (from-date = announcement)', 'found'),
  ('JHT', 'wait.layoff_months', '1', '2022-04-28', NULL, 'Permenaker 4/2022', 'found:S37 (from-date = announcement)', 'found'),
  ('JHT', 'sla.pay_working_days', '5', '2022-04-28', NULL, 'Permenaker 4/2022', 'found:S37 (from-date = announcement)', 'found'),
  ('JHT', 'selfservice.jmo_limit_idr', '10000000', '2021-09-01', '2025-04-30', 'agency policy', 'found:S47c (from-date memory)', 'found'),
  ('JHT', 'selfservice.jmo_limit_idr', '15000000', '2025-05-01', NULL, 'agency policy', 'found:S47d', 'found'),
  ('JHT', 'development_rate_pct', '7.19', '2016-01-01', '2016-12-31', 'agency announcement', 'found:S42a', 'found'),
  ('JHT', 'development_rate_pct', '5.63', '2020-01-01', '2020-12-31', 'agency announcement', 'found:S42c', 'found'),
  ('JHT', 'development_rate_pct', '6.08', '2019-01-01', '2019-12-31', 'agency announcement', 'memory-unconfirmed', 'memory'),
  ('JHT', 'development_rate_pct', '5.51', '2021-01-01', '2021-12-31', 'agency announcement', 'memory-unconfirmed', 'memory'),
  ('JHT', 'tax.final_bracket1_upto_idr', '50000000', '2009-11-16', NULL, 'PP 68/2009 Art 5', 'found:S38', 'found'),
  ('JHT', 'tax.final_bracket1_pct', '0', '2009-11-16', NULL, 'PP 68/2009 Art 5', 'found:S38', 'found'),
  ('JHT', 'tax.final_bracket2_pct', '5', '2009-11-16', NULL, 'PP 68/2009 Art 5', 'found:S38', 'found'),
  ('JHT', 'tax.one_payment_window_calendar_years', '2', '2009-11-16', NULL, 'PP 68/2009 Art 2,6', 'found:S38', 'found'),
  ('JKK', 'pu.rate.class_I_employer_pct', '0.24', '2015-07-01', NULL, 'PP 44/2015 Art 16(1)', 'found-sec:S13', 'secondary'),
  ('JKK', 'pu.rate.class_II_employer_pct', '0.54', '2015-07-01', NULL, 'PP 44/2015 Art 16(1)', 'found-sec:S13', 'secondary'),
  ('JKK', 'pu.rate.class_III_employer_pct', '0.89', '2015-07-01', NULL, 'PP 44/2015 Art 16(1)', 'found-sec:S13', 'secondary'),
  ('JKK', 'pu.rate.class_IV_employer_pct', '1.27', '2015-07-01', NULL, 'PP 44/2015 Art 16(1)', 'found-sec:S13', 'secondary'),
  ('JKK', 'pu.rate.class_V_employer_pct', '1.74', '2015-07-01', NULL, 'PP 44/2015 Art 16(1)', 'found-sec:S13', 'secondary'),
  ('JKK', 'relief.labour_intensive.class_I_employer_pct', '0.120', '2025-02-01', '2026-01-31', 'PP 7/2025 Art 4(1),10; PP 36/2025 Art 10A', 'found-sec:S13', 'secondary'),
  ('JKK', 'relief.labour_intensive.class_II_employer_pct', '0.270', '2025-02-01', '2026-01-31', 'PP 7/2025 Art 4(1),10; PP 36/2025 Art 10A', 'found-sec:S13', 'secondary'),
  ('JKK', 'relief.labour_intensive.class_III_employer_pct', '0.445', '2025-02-01', '2026-01-31', 'PP 7/2025 Art 4(1),10; PP 36/2025 Art 10A', 'found-sec:S13', 'secondary'),
  ('JKK', 'relief.labour_intensive.class_IV_employer_pct', '0.635', '2025-02-01', '2026-01-31', 'PP 7/2025 Art 4(1),10; PP 36/2025 Art 10A', 'found-sec:S13', 'secondary'),
  ('JKK', 'relief.labour_intensive.class_V_employer_pct', '0.870', '2025-02-01', '2026-01-31', 'PP 7/2025 Art 4(1),10; PP 36/2025 Art 10A', 'found-sec:S13', 'secondary'),
  ('JKK', 'relief.labour_intensive.min_active_workers', '50', '2025-02-01', '2026-01-31', 'PP 7/2025 Art 3(3)', 'found:S27', 'found'),
  ('JKK', 'recomposition_to_jkp_pct', '0.14', '2021-02-02', '2025-02-06', 'PP 37/2021 Art 11; PP 49/2023 Art 16A', 'found:S32a,S36', 'found'),
  ('JKK', 'recomposition_to_jkp_pct', '0.14', '2025-02-07', NULL, 'PP 6/2025 Art 11(5)', 'found-law:S1', 'law'),
  ('JKK', 'pu.rate_net_of_jkp.class_I_pct', '0.10', '2021-02-02', NULL, 'PP 37/2021 Art 11; PP 6/2025 Art 11(5)', 'derived (rate - 0.14)', 'derived'),
  ('JKK', 'pu.rate_net_of_jkp.class_II_pct', '0.40', '2021-02-02', NULL, 'PP 37/2021 Art 11; PP 6/2025 Art 11(5)', 'derived (rate - 0.14)', 'derived'),
  ('JKK', 'pu.rate_net_of_jkp.class_III_pct', '0.75', '2021-02-02', NULL, 'PP 37/2021 Art 11; PP 6/2025 Art 11(5)', 'derived (rate - 0.14)', 'derived'),
  ('JKK', 'pu.rate_net_of_jkp.class_IV_pct', '1.13', '2021-02-02', NULL, 'PP 37/2021 Art 11; PP 6/2025 Art 11(5)', 'derived (rate - 0.14)', 'derived'),
  ('JKK', 'pu.rate_net_of_jkp.class_V_pct', '1.60', '2021-02-02', NULL, 'PP 37/2021 Art 11; PP 6/2025 Art 11(5)', 'derived (rate - 0.14)', 'derived'),
  ('JKK', 'relief.covid.factor_pct_of_normal', '1', '2020-08-01', '2021-01-31', 'PP 49/2020', 'found:S21 (start month memory)', 'found'),
  ('JKK', 'bpu.rate_of_band_pct', '1.0', '2015-07-01', NULL, 'PP 44/2015 Lampiran II', 'found:S28', 'found'),
  ('JKK', 'bpu.min_contribution_idr', '10000', '2015-07-01', NULL, 'PP 44/2015 Lampiran II', 'derived (16800-6800) S30', 'derived'),
  ('JKK', 'bpu.band_1100000_1299000_idr', '12000', '2015-07-01', NULL, 'PP 44/2015 Lampiran II', 'found:S28', 'found'),
  ('JKK', 'relief.bpu_transport_pct_of_normal', '50', '2026-01-01', '2027-03-31', 'PP 50/2025', 'found:S28', 'found'),
  ('JKK', 'relief.bpu_other_pct_of_normal', '50', '2026-04-01', '2026-12-31', 'PP 50/2025', 'found:S28', 'found'),
  ('JKK', 'construction.contract_tier_upto_100m_pct', '0.21', '2015-07-01', NULL, 'PP 44/2015', 'found:S26', 'found'),
  ('JKK', 'construction.contract_tier_upto_500m_pct', '0.17', '2015-07-01', NULL, 'PP 44/2015', 'found:S26', 'found'),
  ('JKK', 'construction.contract_tier_upto_1bn_pct', '0.13', '2015-07-01', NULL, 'PP 44/2015', 'found:S26', 'found'),
  ('JKK', 'construction.contract_tier_upto_5bn_pct', '0.11', '2015-07-01', NULL, 'PP 44/2015', 'found:S26', 'found'),
  ('JKK', 'construction.contract_tier_upto_above_pct', '0.09', '2015-07-01', NULL, 'PP 44/2015', 'found:S26', 'found'),
  ('JKK', 'construction.wage_known_rate_pct', '1.74', '2015-07-01', NULL, 'PP 44/2015', 'memory-unconfirmed', 'memory'),
  ('JKK', 'benefit.transport_land_max_idr', '1000000', '2015-07-01', '2019-12-01', 'PP 44/2015', 'memory-unconfirmed', 'memory'),
  ('JKK', 'benefit.transport_sea_max_idr', '1500000', '2015-07-01', '2019-12-01', 'PP 44/2015', 'memory-unconfirmed', 'memory'),
  ('JKK', 'benefit.transport_air_max_idr', '2500000', '2015-07-01', '2019-12-01', 'PP 44/2015', 'memory-unconfirmed', 'memory'),
  ('JKK', 'benefit.transport_land_max_idr', '5000000', '2019-12-02', NULL, 'PP 82/2019', 'found:S39 (from-date memory)', 'found'),
  ('JKK', 'benefit.transport_sea_max_idr', '2000000', '2019-12-02', NULL, 'PP 82/2019', 'found:S39 (from-date memory)', 'found'),
  ('JKK', 'benefit.transport_air_max_idr', '10000000', '2019-12-02', NULL, 'PP 82/2019', 'found:S39 (from-date memory)', 'found'),
  ('JKK', 'benefit.stmb_month_1_6_pct', '100', '2019-12-02', NULL, 'PP 82/2019', 'found:S39 (from-date memory)', 'found'),
  ('JKK', 'benefit.stmb_month_7_12_pct', '100', '2019-12-02', NULL, 'PP 82/2019', 'found:S39 (from-date memory)', 'found'),
  ('JKK', 'benefit.stmb_month_13_on_pct', '50', '2019-12-02', NULL, 'PP 82/2019', 'found:S39 (from-date memory)', 'found'),
  ('JKK', 'benefit.funeral_idr', '10000000', '2019-12-02', NULL, 'PP 82/2019', 'found:S39 (from-date memory)', 'found'),
  ('JKK', 'benefit.periodic_lump_idr', '12000000', '2019-12-02', NULL, 'PP 82/2019', 'found:S39 (from-date memory)', 'found'),
  ('JKK', 'benefit.stmb_month_1_6_pct', '100', '2015-07-01', '2019-12-01', 'PP 44/2015', 'memory-unconfirmed', 'memory'),
  ('JKK', 'benefit.stmb_month_7_12_pct', '75', '2015-07-01', '2019-12-01', 'PP 44/2015', 'memory-unconfirmed', 'memory'),
  ('JKK', 'benefit.stmb_month_13_on_pct', '50', '2015-07-01', '2019-12-01', 'PP 44/2015', 'memory-unconfirmed', 'memory'),
  ('JKK', 'benefit.funeral_idr', '3000000', '2015-07-01', '2019-12-01', 'PP 44/2015', 'memory-unconfirmed', 'memory'),
  ('JKK', 'benefit.periodic_lump_idr', '4800000', '2015-07-01', '2019-12-01', 'PP 44/2015', 'memory-unconfirmed', 'memory'),
  ('JKK', 'benefit.death_factor_pct', '60', '2015-07-01', NULL, 'PP 44/2015', 'found:S39 (from-date memory)', 'found'),
  ('JKK', 'benefit.total_disability_factor_pct', '70', '2015-07-01', NULL, 'PP 44/2015', 'found:S39 (from-date memory)', 'found'),
  ('JKK', 'benefit.wage_months', '80', '2015-07-01', NULL, 'PP 44/2015', 'found:S39 (from-date memory)', 'found'),
  ('JKK', 'claim.lapse_years', '5', '2019-12-02', NULL, 'PP 82/2019 Art 26', 'found-sec:S57', 'secondary'),
  ('JKK', 'report.stage1_hours', '48', '2021-04-01', NULL, 'Permenaker 5/2021; 1/2025', 'found:S58,S61', 'found'),
  ('JKK', 'sla.pay_working_days', '7', '2015-07-01', NULL, 'PP 44/2015 Art 37(2)', 'found-law:S4', 'law'),
  ('JKK', 'sla.late_penalty_pct_per_day', '1', '2015-07-01', NULL, 'PP 44/2015 Art 37(3)', 'found-law:S4', 'law'),
  ('JKM', 'pu.rate.employer_pct', '0.30', '2015-07-01', NULL, 'PP 44/2015 Art 18(1)', 'found-sec:S13', 'secondary'),
  ('JKM', 'recomposition_to_jkp_pct', '0.10', '2021-02-02', '2025-02-06', 'PP 37/2021 Art 11', 'found:S32a,S36', 'found'),
  ('JKM', 'recomposition_to_jkp_pct', '0', '2025-02-07', NULL, 'PP 6/2025', 'found-sec:S13 (legal inference, see S14b)', 'secondary'),
  ('JKM', 'relief.covid.factor_pct_of_normal', '1', '2020-08-01', '2021-01-31', 'PP 49/2020 Art 10', 'found:S21 (start month memory)', 'found'),
  ('JKM', 'bpu.contribution_idr', '6800', '2015-07-01', NULL, 'PP 44/2015', 'found:S28,S29', 'found'),
  ('JKM', 'relief.bpu_transport_pct_of_normal', '50', '2026-01-01', '2027-03-31', 'PP 50/2025', 'found:S28', 'found'),
  ('JKM', 'relief.bpu_other_pct_of_normal', '50', '2026-04-01', '2026-12-31', 'PP 50/2025', 'found:S28', 'found'),
  ('JKM', 'construction.contract_tier_upto_100m_pct', '0.03', '2015-07-01', NULL, 'PP 44/2015', 'found-law:S6', 'law'),
  ('JKM', 'construction.contract_tier_upto_500m_pct', '0.02', '2015-07-01', NULL, 'PP 44/2015', 'found-law:S6', 'law'),
  ('JKM', 'construction.contract_tier_upto_1bn_pct', '0.02', '2015-07-01', NULL, 'PP 44/2015', 'memory-unconfirmed', 'memory'),
  ('JKM', 'construction.contract_tier_upto_5bn_pct', '0.01', '2015-07-01', NULL, 'PP 44/2015', 'memory-unconfirmed', 'memory'),
  ('JKM', 'construction.contract_tier_upto_above_pct', '0.01', '2015-07-01', NULL, 'PP 44/2015', 'memory-unconfirmed', 'memory'),
  ('JKM', 'construction.wage_known_rate_pct', '0.30', '2015-07-01', NULL, 'PP 44/2015', 'found-law:S6', 'law'),
  ('JKM', 'benefit.death_idr', '16200000', '2015-07-01', '2019-12-01', 'PP 44/2015', 'found:S40c (dates memory)', 'found'),
  ('JKM', 'benefit.death_idr', '20000000', '2019-12-02', NULL, 'PP 82/2019', 'found:S40 (from-date memory)', 'found'),
  ('JKM', 'benefit.periodic_lump_idr', '4800000', '2015-07-01', '2019-12-01', 'PP 44/2015', 'found:S40c (dates memory)', 'found'),
  ('JKM', 'benefit.periodic_lump_idr', '12000000', '2019-12-02', NULL, 'PP 82/2019', 'found:S40 (from-date memory)', 'found'),
  ('JKM', 'benefit.funeral_idr', '3000000', '2015-07-01', '2019-12-01', 'PP 44/2015', 'found:S40c (dates memory)', 'found'),
  ('JKM', 'benefit.funeral_idr', '10000000', '2019-12-02', NULL, 'PP 82/2019', 'found:S40 (from-date memory)', 'found'),
  ('JKK+JKM', 'scholarship.max_children', '2', '2019-12-02', NULL, 'PP 82/2019', 'found:S41 (from-date memory)', 'found'),
  ('JKK+JKM', 'scholarship.kindergarten_per_year_idr', '1500000', '2019-12-02', NULL, 'PP 82/2019; Permenaker 5/2021', 'found:S41 (from-date memory)', 'found'),
  ('JKK+JKM', 'scholarship.kindergarten_max_years', '2', '2019-12-02', NULL, 'PP 82/2019; Permenaker 5/2021', 'found:S41 (from-date memory)', 'found'),
  ('JKK+JKM', 'scholarship.primary_per_year_idr', '1500000', '2019-12-02', NULL, 'PP 82/2019; Permenaker 5/2021', 'found:S41 (from-date memory)', 'found'),
  ('JKK+JKM', 'scholarship.primary_max_years', '6', '2019-12-02', NULL, 'PP 82/2019; Permenaker 5/2021', 'found:S41 (from-date memory)', 'found'),
  ('JKK+JKM', 'scholarship.junior_high_per_year_idr', '2000000', '2019-12-02', NULL, 'PP 82/2019; Permenaker 5/2021', 'found:S41 (from-date memory)', 'found'),
  ('JKK+JKM', 'scholarship.junior_high_max_years', '3', '2019-12-02', NULL, 'PP 82/2019; Permenaker 5/2021', 'found:S41 (from-date memory)', 'found'),
  ('JKK+JKM', 'scholarship.senior_high_per_year_idr', '3000000', '2019-12-02', NULL, 'PP 82/2019; Permenaker 5/2021', 'found:S41 (from-date memory)', 'found'),
  ('JKK+JKM', 'scholarship.senior_high_max_years', '3', '2019-12-02', NULL, 'PP 82/2019; Permenaker 5/2021', 'found:S41 (from-date memory)', 'found'),
  ('JKK+JKM', 'scholarship.tertiary_per_year_idr', '12000000', '2019-12-02', NULL, 'PP 82/2019; Permenaker 5/2021', 'found:S41 (from-date memory)', 'found'),
  ('JKK+JKM', 'scholarship.tertiary_max_years', '5', '2019-12-02', NULL, 'PP 82/2019; Permenaker 5/2021', 'found:S41 (from-date memory)', 'found'),
  ('JKK+JKM', 'scholarship.end_age_years', '23', '2019-12-02', NULL, 'PP 82/2019; Permenaker 5/2021', 'found:S41 (from-date memory)', 'found'),
  ('JKM', 'scholarship.min_contribution_years', '3', '2019-12-02', NULL, 'PP 82/2019', 'found:S40 (from-date memory)', 'found'),
  ('JKM', 'sla.pay_working_days', '3', '2015-12-01', NULL, 'Permenaker 44/2015 Art 19(3) (construction)', 'found-law:S5 (general rule and from-date memory)', 'law'),
  ('JKM', 'sla.late_penalty_pct_per_day', '1', '2015-12-01', NULL, 'Permenaker 44/2015 Art 19(4) (construction)', 'found-law:S5 (general rule and from-date memory)', 'law'),
  ('JKK+JKM', 'pmi.before_departure_idr', '37500', '2023-02-22', NULL, 'Permenaker 4/2023 Art 18', 'found-law:S7 (from-date memory)', 'law'),
  ('JKK+JKM', 'pmi.during_after_24m_idr', '332500', '2023-02-22', NULL, 'Permenaker 4/2023 Art 18', 'found-law:S7 (from-date memory)', 'law'),
  ('JKK+JKM', 'pmi.during_after_12m_idr', '189000', '2023-02-22', NULL, 'Permenaker 4/2023 Art 18', 'found-law:S7 (from-date memory)', 'law'),
  ('JKK+JKM', 'pmi.during_after_6m_idr', '108000', '2023-02-22', NULL, 'Permenaker 4/2023 Art 18', 'found-law:S7 (from-date memory)', 'law'),
  ('JKK+JKM', 'pmi.extra_month_idr', '13500', '2023-02-22', NULL, 'Permenaker 4/2023 Art 18', 'found-law:S7 (from-date memory)', 'law'),
  ('JP', 'pu.rate.employer_pct', '2.0', '2015-07-01', NULL, 'PP 45/2015 Art 28(3)', 'found-sec:S13', 'secondary'),
  ('JP', 'pu.rate.worker_pct', '1.0', '2015-07-01', NULL, 'PP 45/2015 Art 28(3)', 'found-sec:S13', 'secondary'),
  ('JP', 'wage_ceiling_idr', '7000000', '2015-07-01', '2016-02-29', 'PP 45/2015 Art 29(2)', 'found:S16,S13 (end memory)', 'found'),
  ('JP', 'wage_ceiling_idr', '7335300', '2016-03-01', '2017-02-28', 'PP 45/2015 Art 29(3)', 'found:S16 (month memory)', 'found'),
  ('JP', 'wage_ceiling_idr', '7703500', '2017-03-01', '2018-02-28', 'PP 45/2015 Art 29(3)', 'found:S16 (month memory)', 'found'),
  ('JP', 'wage_ceiling_idr', '8094000', '2018-03-01', '2019-02-28', 'PP 45/2015 Art 29(3)', 'found:S16 (month memory)', 'found'),
  ('JP', 'wage_ceiling_idr', '8512400', '2019-03-01', '2020-02-29', 'PP 45/2015 Art 29(3)', 'found:S16 (month memory)', 'found'),
  ('JP', 'wage_ceiling_idr', '8939700', '2020-03-01', '2021-02-28', 'PP 45/2015 Art 29(3)', 'derived from S16 formula', 'derived'),
  ('JP', 'wage_ceiling_idr', '8754600', '2021-03-01', '2022-02-28', 'PP 45/2015 Art 29(3)', 'found-sec:S20 (month memory); derived matches', 'secondary'),
  ('JP', 'wage_ceiling_idr', '9077600', '2022-03-01', '2023-02-28', 'quoted in B/77/022023', 'found-sec:S13 (start inferred)', 'secondary'),
  ('JP', 'wage_ceiling_idr', '9559600', '2023-03-01', '2024-02-29', 'B/77/022023', 'found-sec:S13', 'secondary'),
  ('JP', 'wage_ceiling_idr', '10042300', '2024-03-01', '2025-02-28', 'B/1387/022024', 'found-sec:S13,S17,S18', 'secondary'),
  ('JP', 'wage_ceiling_idr', '10547400', '2025-03-01', '2026-02-28', 'B/726/022025', 'found-sec:S13,S15', 'secondary'),
  ('JP', 'wage_ceiling_idr', '11086300', '2026-03-01', NULL, 'B/1226/022026', 'found-sec:S13,S14a,S14b', 'secondary'),
  ('JP', 'wage_ceiling_rounding', 'floor_100', '2015-07-01', NULL, 'practice', 'derived (fits all published values)', 'derived'),
  ('JP', 'retirement_age_years', '56', '2015-07-01', '2018-12-31', 'PP 45/2015 Art 15', 'found-law:S10', 'law'),
  ('JP', 'retirement_age_years', '57', '2019-01-01', '2021-12-31', 'PP 45/2015 Art 15', 'found-law:S10', 'law'),
  ('JP', 'retirement_age_years', '58', '2022-01-01', '2024-12-31', 'PP 45/2015 Art 15', 'found:S62', 'found'),
  ('JP', 'retirement_age_years', '59', '2025-01-01', '2027-12-31', 'PP 45/2015 Art 15', 'found:S63', 'found'),
  ('JP', 'retirement_age_years', '60', '2028-01-01', '2030-12-31', 'PP 45/2015 Art 15', 'derived', 'derived'),
  ('JP', 'retirement_age_years', '61', '2031-01-01', '2033-12-31', 'PP 45/2015 Art 15', 'derived', 'derived'),
  ('JP', 'retirement_age_years', '62', '2034-01-01', '2036-12-31', 'PP 45/2015 Art 15', 'derived', 'derived'),
  ('JP', 'retirement_age_years', '63', '2037-01-01', '2039-12-31', 'PP 45/2015 Art 15', 'derived', 'derived'),
  ('JP', 'retirement_age_years', '64', '2040-01-01', '2042-12-31', 'PP 45/2015 Art 15', 'derived', 'derived'),
  ('JP', 'retirement_age_years', '65', '2043-01-01', NULL, 'PP 45/2015 Art 15', 'found:S63', 'found'),
  ('JP', 'formula.accrual_pct_per_year', '1', '2015-07-01', NULL, 'PP 45/2015 Art 17(2)', 'found-law:S10', 'law'),
  ('JP', 'qualifying_months', '180', '2015-07-01', NULL, 'PP 45/2015 Art 19', 'found:S11', 'found'),
  ('JP', 'deferral_max_years', '3', '2015-07-01', NULL, 'PP 45/2015 Art 15(4)', 'found-law:S10', 'law'),
  ('JP', 'survivor.deemed_years', '15', '2015-07-01', NULL, 'Permenaker 29/2015 Art 26', 'found-law:S8', 'law'),
  ('JP', 'survivor.min_membership_years', '1', '2015-07-01', NULL, 'Permenaker 29/2015 Art 26', 'found-law:S8', 'law'),
  ('JP', 'survivor.min_density_pct', '80', '2015-07-01', NULL, 'Permenaker 29/2015 Art 26', 'found-law:S8', 'law'),
  ('JP', 'survivor.spouse_share_pct', '50', '2015-07-01', NULL, 'PP 45/2015 Art 21', 'memory-unconfirmed', 'memory'),
  ('JP', 'survivor.child_share_pct', '50', '2015-07-01', NULL, 'PP 45/2015 Art 22', 'memory-unconfirmed', 'memory'),
  ('JP', 'survivor.parent_share_pct', '20', '2015-07-01', NULL, 'PP 45/2015 Art 23', 'memory-unconfirmed', 'memory'),
  ('JP', 'survivor.max_children', '2', '2015-07-01', NULL, 'PP 45/2015', 'found:S70', 'found'),
  ('JP', 'pension_min_idr', '300000', '2015-07-01', '2016-02-29', 'PP 45/2015 Art 18', 'found:S70 (end memory)', 'found'),
  ('JP', 'pension_max_idr', '3600000', '2015-07-01', '2016-02-29', 'PP 45/2015 Art 18', 'found:S70 (end memory)', 'found'),
  ('JP', 'pension_min_idr', '383400', '2023-03-01', '2024-02-29', 'letter 2023', 'found:S18 (months memory)', 'found'),
  ('JP', 'pension_max_idr', '4598100', '2023-03-01', '2024-02-29', 'letter 2023', 'found:S18 (months memory)', 'found'),
  ('JP', 'pension_min_idr', '393500', '2024-03-01', '2025-02-28', 'B/1387/022024', 'found:S17,S18', 'found'),
  ('JP', 'pension_max_idr', '4718200', '2024-03-01', '2025-02-28', 'B/1387/022024', 'derived (4598100*1.0261 up to 100)', 'derived'),
  ('JP', 'pension_min_idr', '399700', '2025-03-01', '2026-01-31', 'B/726/022025', 'found-sec:S19 (month memory); derived matches', 'secondary'),
  ('JP', 'pension_max_idr', '4792300', '2025-03-01', '2026-01-31', 'B/726/022025', 'found-sec:S19 (month memory); derived matches', 'secondary'),
  ('JP', 'pension_min_idr', '411400', '2026-02-01', NULL, 'B/1226/022026', 'found-sec:S14b; derived matches', 'secondary'),
  ('JP', 'pension_max_idr', '4932300', '2026-02-01', NULL, 'B/1226/022026', 'found-sec:S14b; derived matches', 'secondary'),
  ('JP', 'pension_min_idr', '319450', '2017-03-01', '2018-02-28', 'PP 45/2015 Art 18(3)', 'memory-unconfirmed', 'memory'),
  ('JP', 'pension_min_idr', '331000', '2018-03-01', '2019-02-28', 'PP 45/2015 Art 18(3)', 'memory-unconfirmed', 'memory'),
  ('JP', 'pension_min_idr', '341400', '2019-03-01', '2020-02-29', 'PP 45/2015 Art 18(3)', 'memory-unconfirmed', 'memory'),
  ('JP', 'pension_min_idr', '350700', '2020-03-01', '2021-02-28', 'PP 45/2015 Art 18(3)', 'memory-unconfirmed', 'memory'),
  ('JP', 'pension_min_idr', '356600', '2021-03-01', '2022-02-28', 'PP 45/2015 Art 18(3)', 'memory-unconfirmed', 'memory'),
  ('JP', 'pension_min_idr', '363300', '2022-03-01', '2023-02-28', 'PP 45/2015 Art 18(3)', 'memory-unconfirmed', 'memory'),
  ('JP', 'relief.covid.pay_now_pct', '1', '2020-08-01', '2021-01-31', 'PP 49/2020 Art 17(2)', 'found-law:S6b (start month memory)', 'law'),
  ('JP', 'relief.covid.settle_from', '2021-05-15', '2021-05-15', '2022-04-15', 'PP 49/2020 Art 17(2)b', 'found-law:S6b', 'law'),
  ('JP', 'sla.pay_working_days', '15', '2015-07-01', NULL, 'Permenaker 29/2015', 'memory-unconfirmed', 'memory'),
  ('JKP', 'rate.total_pct', '0.46', '2021-02-02', '2025-02-06', 'PP 37/2021 Art 11', 'found:S32a', 'found'),
  ('JKP', 'rate.total_pct', '0.36', '2025-02-07', NULL, 'PP 6/2025 Art 11(2)', 'found-law:S1', 'law'),
  ('JKP', 'rate.state_pct', '0.22', '2021-02-02', NULL, 'PP 37/2021 Art 11; PP 6/2025 Art 11(4)', 'found-law:S1', 'law'),
  ('JKP', 'rate.worker_pct', '0', '2021-02-02', NULL, 'PP 37/2021; PP 6/2025', 'found-sec:S13', 'secondary'),
  ('JKP', 'wage_ceiling_idr', '5000000', '2021-02-02', NULL, 'PP 37/2021 Art 11(7); PP 6/2025 Art 11(7), 21(3)', 'found:S13,S32c', 'found'),
  ('JKP', 'benefit.month_1_3_pct', '45', '2021-02-02', '2025-02-06', 'PP 37/2021 Art 21', 'found:S32', 'found'),
  ('JKP', 'benefit.month_4_6_pct', '25', '2021-02-02', '2025-02-06', 'PP 37/2021 Art 21', 'found:S32', 'found'),
  ('JKP', 'benefit.month_1_6_pct', '60', '2025-02-07', NULL, 'PP 6/2025 Art 21(1)', 'found:S32c', 'found'),
  ('JKP', 'benefit.max_months', '6', '2021-02-02', NULL, 'PP 37/2021; PP 6/2025 Art 21(1)', 'found:S32c', 'found'),
  ('JKP', 'claim.deadline_months', '3', '2021-02-02', '2025-02-06', 'PP 37/2021 Art 40', 'found:S32c', 'found'),
  ('JKP', 'claim.deadline_months', '6', '2025-02-07', NULL, 'PP 6/2025 Art 40', 'found:S32c', 'found'),
  ('JKP', 'eligibility.max_age_at_registration_years', '54', '2025-02-07', NULL, 'PP 6/2025 Art 4(2)', 'found-law:S1 (must be under 54)', 'law'),
  ('JKP', 'eligibility.min_contribution_months', '12', '2025-02-07', NULL, 'PP 6/2025 Art 19', 'found-sec:S19', 'secondary'),
  ('JKP', 'eligibility.window_months', '24', '2025-02-07', NULL, 'PP 6/2025 Art 19', 'found-sec:S19', 'secondary'),
  ('JKP', 'arrears.agency_pays_upto_months', '3', '2025-02-07', NULL, 'PP 6/2025 Art 39(1)', 'found-law:S2', 'law'),
  ('JKP', 'arrears.bankrupt_agency_pays_upto_months', '6', '2025-02-07', NULL, 'PP 6/2025 Art 39A', 'found:S32b', 'found'),
  ('JKP', 'arrears.refund_request_months', '3', '2025-02-07', NULL, 'PP 6/2025 Art 39(5)', 'found-law:S2', 'law'),
  ('JKP', 'sla.refund_working_days', '7', '2025-02-07', NULL, 'PP 6/2025 Art 39(6)', 'found-law:S2', 'law'),
  ('ALL', 'pu.due_day_of_next_month', '15', '2015-07-01', '2020-07-31', 'PP 44/45/46 of 2015', 'found:S34,S22 (end memory)', 'found'),
  ('ALL', 'pu.due_day_of_next_month', '30', '2020-08-01', '2021-01-31', 'PP 49/2020 Art 4', 'found:S22,S23 (start month memory)', 'found'),
  ('ALL', 'pu.due_day_of_next_month', '15', '2021-02-01', NULL, 'PP 44/45/46 of 2015', 'found:S34,S22 (from memory)', 'found'),
  ('ALL', 'pu.due_holiday_rule', 'next_working_day', '2015-07-01', '2020-07-31', 'PP 44/2015', 'found:S34 (JKK)', 'found'),
  ('ALL', 'pu.due_holiday_rule', 'previous_working_day', '2020-08-01', '2021-01-31', 'PP 49/2020', 'found:S24', 'found'),
  ('ALL', 'pu.due_holiday_rule', 'next_working_day', '2021-02-01', NULL, 'PP 44/2015', 'found:S34 (JKK)', 'found'),
  ('ALL', 'bpu.due_day_of_same_month', '15', '2015-07-01', NULL, 'PP 44/2015', 'found:S34', 'found'),
  ('JKK+JKM+JHT+JP', 'pu.late_fine_pct_per_month', '2.0', '2015-07-01', '2020-07-31', 'PP 44/45/46 of 2015', 'found:S34 (JKK),S25 (JP); JHT memory', 'found'),
  ('JKK+JKM+JHT+JP', 'pu.late_fine_pct_per_month', '0.5', '2020-08-01', '2021-01-31', 'PP 49/2020 Art 23(1)', 'found:S23,S24 (start month memory)', 'found'),
  ('JKK+JKM+JHT+JP', 'pu.late_fine_pct_per_month', '2.0', '2021-02-01', NULL, 'PP 44/45/46 of 2015', 'found:S34 (JKK),S25 (JP); JHT memory', 'found'),
  ('ALL', 'bpu.late_fine_pct_per_month', '0', '2015-07-01', NULL, 'agency FAQ', 'found:S35', 'found'),
  ('ALL', 'bpu.inactive_after_unpaid_months', '3', '2015-07-01', NULL, 'agency FAQ', 'found:S35', 'found'),
  ('ALL', 'sanction.written_warnings_max', '2', '2013-12-24', NULL, 'PP 86/2013', 'found:S9', 'found'),
  ('ALL', 'sanction.warning_working_days', '10', '2013-12-24', NULL, 'PP 86/2013', 'found:S9', 'found'),
  ('ALL', 'sanction.fine_pct_per_month', '0.1', '2013-12-24', NULL, 'PP 86/2013', 'found:S9', 'found'),
  ('PDP', 'breach_notice_hours', '72', '2022-10-17', NULL, 'UU 27/2022 Art 46(1)', 'found:S49a', 'found'),
  ('ALL', 'pu.contribution_rounding', 'half_up', '2015-07-01', NULL, 'practice', 'memory-unconfirmed (rule of rounding not found)', 'memory'),
  ('JP', 'pu.mandatory_sizes', 'medium large', '2015-07-01', NULL, 'Perpres 109/2013; PP 6/2025 Art 4(3)', 'found-law:S1 (start and list of Perpres 109/2013 memory)', 'law');

-- What was in force on a day. A programme's own rows, those it shares with others, and those of all programmes.
CREATE FUNCTION smile.list_parameters(as_of date, programme text, after uuid, page integer) RETURNS json
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
        'verified', f.verified) ORDER BY f.place) FILTER (WHERE f.place <= page), '[]'),
    'next_after', CASE WHEN count(*) > page THEN (SELECT g.id FROM found AS g WHERE g.place = page) END))
  FROM found AS f;
END;
