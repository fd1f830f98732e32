-- An employer owes no month before it had anybody to pay: its calendar begins with its first worker, and not before its
-- approval. What it reported all the same stands in it.

-- As before, from the month of the first worker on.
CREATE OR REPLACE FUNCTION smile.obligation_months(employer uuid)
RETURNS TABLE (period date, due_date date, state text, billed bigint, paid bigint) LANGUAGE sql STABLE ROWS 50
BEGIN ATOMIC
  WITH month AS (
    SELECT g::date AS period
    FROM smile.employer AS e
    CROSS JOIN LATERAL generate_series(
      date_trunc('month', greatest(e.approved_at AT TIME ZONE 'Asia/Jakarta', (
        SELECT min(s.start_date) FROM smile.employment AS s WHERE s.employer_id = employer)::timestamp)),
      date_trunc('month', smile.today()::timestamp), interval '1 month') AS g
    WHERE e.id = employer AND e.approved_at IS NOT NULL
      -- greatest() passes over a NULL.
      AND EXISTS (SELECT FROM smile.employment AS s WHERE s.employer_id = employer)
    UNION
    SELECT r.period::date FROM smile.contribution_return AS r
    WHERE r.employer_id = employer AND r.status = 'finalised'),
  money AS (
    SELECT b.period::date AS period, min(b.due_date) AS due_date, sum(b.amount)::bigint AS billed,
      sum(b.paid_amount)::bigint AS paid
    FROM smile.billing AS b WHERE b.employer_id = employer GROUP BY 1),
  known AS (
    -- What was billed keeps its day, whatever becomes of the calendar of holidays.
    SELECT m.period, coalesce(y.due_date, smile.due_date(m.period)) AS due_date, coalesce(y.billed, 0) AS billed,
      coalesce(y.paid, 0) AS paid,
      EXISTS (
        SELECT FROM smile.contribution_return AS r
        WHERE r.employer_id = employer AND r.period = m.period AND r.status = 'finalised'
          AND r.kind IN ('regular', 'no_activity')) AS reported
    FROM month AS m LEFT JOIN money AS y ON y.period = m.period)
  SELECT k.period, k.due_date, CASE
      WHEN k.reported AND k.paid >= k.billed THEN 'paid'
      WHEN k.reported THEN CASE WHEN k.due_date < smile.today() THEN 'overdue' ELSE 'due' END
      ELSE CASE WHEN k.due_date < smile.today() THEN 'missing' ELSE 'open' END END,
    k.billed, k.paid
  FROM known AS k;
END;
