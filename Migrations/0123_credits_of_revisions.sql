-- What revisions give back pays the employer's open billings as money over what was due does: the one due first first,
-- and what is left the next one.

CREATE OR REPLACE FUNCTION smile.settlement_targets(employer uuid)
RETURNS TABLE (billing_id uuid, received bigint, paid bigint, paid_at timestamptz) LANGUAGE sql STABLE
BEGIN ATOMIC
  WITH receipt AS (
    SELECT p.billing_id, sum(p.amount - p.returned_amount)::bigint AS amount, max(p.paid_at) AS last_paid_at
    FROM smile.payment AS p WHERE p.employer_id = employer AND p.reversed_at IS NULL GROUP BY p.billing_id),
  own AS (
    SELECT b.id, b.due_date, b.issued_at, b.amount, coalesce(r.amount, 0) AS received, r.last_paid_at,
      least(b.amount, coalesce(r.amount, 0)) AS direct
    FROM smile.billing AS b LEFT JOIN receipt AS r ON r.billing_id = b.id
    WHERE b.employer_id = employer),
  surplus AS (
    SELECT (sum(o.received - o.direct) + coalesce(max(g.amount), 0))::bigint AS amount,
      greatest(max(o.last_paid_at) FILTER (WHERE o.received > o.direct), max(g.last_granted_at)) AS last_paid_at
    FROM own AS o
    CROSS JOIN (
      SELECT sum(c.amount) AS amount, max(c.granted_at) AS last_granted_at
      FROM smile.return_credit AS c WHERE c.employer_id = employer) AS g),
  spread AS (
    SELECT o.*, greatest(o.issued_at, s.last_paid_at, o.last_paid_at) AS credited_at,
      least(o.amount - o.direct, greatest(s.amount - (sum(o.amount - o.direct) OVER (
        ORDER BY o.due_date, o.id) - (o.amount - o.direct)), 0))::bigint AS credit
    FROM own AS o CROSS JOIN surplus AS s)
  SELECT d.id, d.received, d.direct + d.credit, CASE
    WHEN d.direct + d.credit < d.amount THEN NULL WHEN d.credit > 0 THEN d.credited_at ELSE d.last_paid_at END
  FROM spread AS d;
END;

-- What the agency holds for an employer until its next billing.
CREATE OR REPLACE FUNCTION smile.employer_credit(employer uuid) RETURNS bigint LANGUAGE sql STABLE
RETURN (
  SELECT (coalesce(sum(b.received_amount - b.paid_amount), 0) + (
    SELECT coalesce(sum(c.amount), 0) FROM smile.return_credit AS c WHERE c.employer_id = employer))::bigint
  FROM smile.billing AS b WHERE b.employer_id = employer);

