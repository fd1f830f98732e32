-- Calculators: what a wage costs and what paying late does, for anybody, from the functions that compute the real
-- amounts. Nothing of it is kept.

CREATE FUNCTION smile.calculate_contribution(
  period date, wage bigint, risk_class integer, firm_size text, labour_intensive boolean, birth_date date,
  employed_since date)
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
  END IF;
  rates := smile.rates_for(jkk_parameter, firm_size, period);
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

-- The fine of an amount of which nothing is paid, as that of a billing: with each month of delay. At most a year ahead,
-- since it is computed month by month.
CREATE FUNCTION smile.calculate_late_charge(period date, amount bigint, as_of date) RETURNS json
LANGUAGE plpgsql STABLE AS $$
DECLARE
  due date;
  unpaid smile.billing;
BEGIN
  IF smile.parameter_or_null('JHT', 'pu.rate.employer_pct', period) IS NULL THEN
    PERFORM smile.refuse(422, 'period_too_early', '/period');
  ELSIF period > smile.today() THEN
    PERFORM smile.refuse(422, 'period_in_future', '/period');
  ELSIF as_of > smile.today() + 366 THEN
    PERFORM smile.refuse(422, 'date_too_far_ahead', '/as_of');
  END IF;
  due := smile.due_date(period);
  unpaid.amount := calculate_late_charge.amount;
  unpaid.due_date := due;
  unpaid.period := calculate_late_charge.period;
  RETURN json_build_object(
    'period', smile.month_text(period), 'due_date', due, 'amount', amount,
    'late_fine', smile.late_fine_body(unpaid, coalesce(as_of, smile.today())));
END
$$;
