-- Whether a month's back pay belongs to JKP depends on the age at which the worker joined (PP 6/2025 Art. 4), by the
-- spell of that month, as for the month's own wage: who left and came back after the age limit still has the JKP of the
-- months before. And what a revision took off no longer fills the month's ceilings, although it leaves the member's
-- month only when all that was billed for the month is paid.

CREATE OR REPLACE FUNCTION smile.compute_back_pay(r smile.contribution_return) RETURNS void LANGUAGE sql
BEGIN ATOMIC
  INSERT INTO smile.return_back_pay
    (employer_id, return_id, line, member_id, period, wage, jht_employer, jht_worker, jkk, jkm, jp_employer,
    jp_worker, jkp_from_jkk, jkp_from_jkm, jkp_state)
  WITH due AS MATERIALIZED (
    SELECT l.line, l.member_id, l.birth_date, l.back_pay, l.back_pay_period::date AS period
    FROM smile.return_line AS l
    WHERE l.employer_id = (r).employer_id AND l.return_id = (r).id AND l.back_pay IS NOT NULL
      AND l.status <> 'rejected'),
  month AS MATERIALIZED (
    SELECT p.period, smile.rates_of_month((r).employer_id, p.period) AS rates
    FROM (SELECT DISTINCT d.period FROM due AS d) AS p),
  earlier AS MATERIALIZED (
    SELECT o.id, o.kind, o.period::date AS period FROM smile.contribution_return AS o
    WHERE o.employer_id = (r).employer_id AND o.status = 'finalised'),
  told AS MATERIALIZED (
    SELECT t.member_id, t.period, max(t.line) AS line, max(t.birth_date) AS birth_date, max(t.back_pay) AS back_pay,
      sum(t.reported)::bigint AS reported, bool_or(t.is_month) AS is_reported
    FROM (
      SELECT d.member_id, d.period, d.line, d.birth_date, d.back_pay, 0 AS reported, false AS is_month
      FROM due AS d
      UNION ALL
      SELECT l.member_id, o.period, NULL, NULL, NULL, l.wage, true
      FROM earlier AS o
      JOIN smile.return_line AS l ON l.employer_id = (r).employer_id AND l.return_id = o.id AND l.status <> 'rejected'
      WHERE o.kind <> 'revised' AND o.period = ANY (ARRAY(SELECT m.period FROM month AS m))
      UNION ALL
      SELECT x.member_id, o.period, NULL, NULL, NULL, x.wage, true
      FROM earlier AS o
      JOIN smile.return_difference AS x ON x.employer_id = (r).employer_id AND x.return_id = o.id
      WHERE o.period = ANY (ARRAY(SELECT m.period FROM month AS m))
      UNION ALL
      SELECT b.member_id, b.period::date, NULL, NULL, NULL, b.wage, false
      FROM smile.return_back_pay AS b
      WHERE b.employer_id = (r).employer_id AND b.return_id = ANY (ARRAY(SELECT o.id FROM earlier AS o))
        AND b.period = ANY (ARRAY(SELECT m.period FROM month AS m))) AS t
    GROUP BY t.member_id, t.period HAVING max(t.line) IS NOT NULL),
  -- Apart, so that the planner can take contribution_of() into the statement.
  ready AS MATERIALIZED (
    SELECT d.line, d.member_id, d.period, d.back_pay, m.rates,
      CASE WHEN d.is_reported THEN d.reported ELSE greatest(d.reported, p.wage) END AS reported,
      smile.is_in_jp(d.birth_date, m.rates) AS in_jp,
      smile.is_in_jkp(d.birth_date, coalesce(spell.start_date, d.period), m.rates) AS in_jkp
    FROM told AS d
    JOIN month AS m ON m.period = d.period
    LEFT JOIN LATERAL smile.spell_of_month(d.member_id, (r).employer_id, d.period) AS spell ON true
    -- Months that came in without a return.
    LEFT JOIN smile.contribution AS p
      ON p.member_id = d.member_id AND p.period = d.period AND p.employer_id = (r).employer_id)
  SELECT (r).employer_id, (r).id, d.line, d.member_id, d.period, d.back_pay, c.*
  FROM ready AS d
  CROSS JOIN LATERAL smile.contribution_of(d.back_pay, d.reported, d.in_jp, d.in_jkp, d.rates) AS c;
END;

-- As before, with the spell of the month.
CREATE OR REPLACE FUNCTION smile.compute_differences(r smile.contribution_return) RETURNS void
LANGUAGE plpgsql SET enable_nestloop = off AS $$
DECLARE
  rates smile.contribution_rates := smile.rates_of_month(r.employer_id, r.period);
BEGIN
  DELETE FROM smile.return_difference AS d WHERE d.employer_id = r.employer_id AND d.return_id = r.id;
  INSERT INTO smile.return_difference
    (employer_id, return_id, line, member_id, wage,
    jht_employer, jht_worker, jkk, jkm, jp_employer, jp_worker, jkp_from_jkk,
    jkp_from_jkm, jkp_state)
  WITH other AS MATERIALIZED (
    SELECT o.id, o.kind, o.period FROM smile.contribution_return AS o
    WHERE o.employer_id = r.employer_id AND o.status = 'finalised' AND o.id <> r.id),
  stood AS MATERIALIZED (
    SELECT t.member_id, sum(t.wage)::bigint AS wage, sum(t.jht_employer)::bigint AS jht_employer,
      sum(t.jht_worker)::bigint AS jht_worker, sum(t.jkk)::bigint AS jkk, sum(t.jkm)::bigint AS jkm,
      sum(t.jp_employer)::bigint AS jp_employer, sum(t.jp_worker)::bigint AS jp_worker,
      sum(t.jkp_from_jkk)::bigint AS jkp_from_jkk, sum(t.jkp_from_jkm)::bigint AS jkp_from_jkm,
      sum(t.jkp_state)::bigint AS jkp_state
    FROM (
      SELECT l.member_id, l.wage, l.jht_employer, l.jht_worker, l.jkk, l.jkm, l.jp_employer,
        l.jp_worker, l.jkp_from_jkk, l.jkp_from_jkm, l.jkp_state
      FROM other AS o
      JOIN smile.return_line AS l ON l.employer_id = r.employer_id AND l.return_id = o.id AND l.status <> 'rejected'
      WHERE o.period = r.period AND o.kind <> 'revised'
      UNION ALL
      SELECT d.member_id, d.wage, d.jht_employer, d.jht_worker, d.jkk, d.jkm, d.jp_employer,
        d.jp_worker, d.jkp_from_jkk, d.jkp_from_jkm, d.jkp_state
      FROM other AS o
      JOIN smile.return_difference AS d ON d.employer_id = r.employer_id AND d.return_id = o.id
      WHERE o.period = r.period) AS t
    GROUP BY t.member_id),
  added AS MATERIALIZED (
    SELECT b.member_id, sum(b.wage)::bigint AS wage, sum(b.jht_employer)::bigint AS jht_employer,
      sum(b.jht_worker)::bigint AS jht_worker, sum(b.jkk)::bigint AS jkk, sum(b.jkm)::bigint AS jkm,
      sum(b.jp_employer)::bigint AS jp_employer, sum(b.jp_worker)::bigint AS jp_worker,
      sum(b.jkp_from_jkk)::bigint AS jkp_from_jkk, sum(b.jkp_from_jkm)::bigint AS jkp_from_jkm,
      sum(b.jkp_state)::bigint AS jkp_state
    FROM smile.return_back_pay AS b JOIN other AS o ON o.id = b.return_id
    WHERE b.employer_id = r.employer_id AND b.period = r.period
    GROUP BY b.member_id)
  SELECT r.employer_id, r.id, l.line, l.member_id, l.wage - s.wage,
    l.jht_employer - s.jht_employer + coalesce(n.jht_employer - a.jht_employer, 0),
    l.jht_worker - s.jht_worker + coalesce(n.jht_worker - a.jht_worker, 0),
    l.jkk - s.jkk + coalesce(n.jkk - a.jkk, 0), l.jkm - s.jkm + coalesce(n.jkm - a.jkm, 0),
    l.jp_employer - s.jp_employer + coalesce(n.jp_employer - a.jp_employer, 0),
    l.jp_worker - s.jp_worker + coalesce(n.jp_worker - a.jp_worker, 0),
    least(l.jkp_from_jkk - s.jkp_from_jkk + coalesce(n.jkp_from_jkk - a.jkp_from_jkk, 0),
      greatest(l.jkk - s.jkk + coalesce(n.jkk - a.jkk, 0), 0)),
    least(l.jkp_from_jkm - s.jkp_from_jkm + coalesce(n.jkp_from_jkm - a.jkp_from_jkm, 0),
      greatest(l.jkm - s.jkm + coalesce(n.jkm - a.jkm, 0), 0)),
    l.jkp_state - s.jkp_state + coalesce(n.jkp_state - a.jkp_state, 0)
  FROM smile.return_line AS l
  JOIN stood AS s ON s.member_id = l.member_id
  LEFT JOIN added AS a ON a.member_id = l.member_id
  LEFT JOIN LATERAL smile.spell_of_month(l.member_id, r.employer_id, r.period) AS spell ON a.wage IS NOT NULL
  LEFT JOIN LATERAL smile.contribution_of(
    a.wage, l.wage, smile.is_in_jp(l.birth_date, rates),
    smile.is_in_jkp(l.birth_date, coalesce(spell.start_date, r.period), rates), rates) AS n
    ON a.wage IS NOT NULL
  WHERE l.employer_id = r.employer_id AND l.return_id = r.id AND l.status <> 'rejected';
END
$$;
