-- Whether a return's amounts are verified follows from the parameters that they were computed with, as its basis tells
-- them, and from no others: an open question about the relief of some industries (0142) made every employer's months of
-- 2025 unverified, and so would one about a risk class that isn't the employer's.

CREATE FUNCTION smile.rates_are_verified(employer uuid, period date) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN (
    SELECT bool_and(p.verified)
    FROM smile.rate_parameters(
      smile.jkk_rate_parameter(employer, rates_are_verified.period), rates_are_verified.period) AS p);
END
$$;

-- As before, by the employer's own rates.
CREATE OR REPLACE FUNCTION smile.charge_totals(employer uuid, wanted uuid) RETURNS json LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN (
    SELECT json_strip_nulls(json_build_object(
      'wages', CASE WHEN max(k.kind) = 'revised' THEN (
        SELECT coalesce(sum(l.wage), 0) FROM smile.return_line AS l
        WHERE l.employer_id = employer AND l.return_id = wanted AND l.status <> 'rejected')
        ELSE coalesce(sum(c.wage), 0) END,
      'verified', (
        SELECT bool_and(smile.rates_are_verified(employer, m.period))
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
        coalesce(sum(c.jkp_from_jkm), 0)::bigint, coalesce(sum(c.jkp_state), 0)::bigint),
      'credit', CASE WHEN max(k.kind) = 'revised' THEN (
        SELECT coalesce(sum(d.jht_employer + d.jht_worker + d.jkk + d.jkm + d.jp_employer + d.jp_worker), 0)
        FROM smile.return_reductions(employer, wanted) AS d) END,
      'credit_amounts', CASE WHEN max(k.kind) = 'revised' THEN (
        SELECT smile.amounts_body(coalesce(sum(d.jht_employer), 0)::bigint,
          coalesce(sum(d.jht_worker), 0)::bigint, coalesce(sum(d.jkk), 0)::bigint, coalesce(sum(d.jkm), 0)::bigint,
          coalesce(sum(d.jp_employer), 0)::bigint, coalesce(sum(d.jp_worker), 0)::bigint,
          coalesce(sum(d.jkp_from_jkk), 0)::bigint, coalesce(sum(d.jkp_from_jkm), 0)::bigint,
          coalesce(sum(d.jkp_state), 0)::bigint)
        FROM smile.return_reductions(employer, wanted) AS d) END))
    FROM (SELECT r.kind FROM smile.contribution_return AS r WHERE r.id = wanted AND r.employer_id = employer) AS k
    LEFT JOIN smile.return_charges(employer, wanted) AS c ON true);
END
$$;

DROP FUNCTION smile.rates_are_verified(date);
