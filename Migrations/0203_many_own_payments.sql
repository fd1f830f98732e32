-- A bank's statement may pay for thousands who pay for themselves: all of them are settled by a handful of SQL
-- statements, as employers are, instead of three for each member and five for each month. 5,000 rows of such a file
-- took 51 seconds, and the bank's notices waited.

-- Takes months of members' own back: what they brought is reversed, each by a transaction of its own.
CREATE FUNCTION smile.unpost_self_employed_months(billings uuid[], months date[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  WITH gone AS MATERIALIZED (
    SELECT m.billing_id, m.period, m.posting_id
    FROM unnest(billings, months) AS w (billing_id, period)
    JOIN smile.self_employed_month AS m ON m.billing_id = w.billing_id AND m.period = w.period),
  undone AS (
    INSERT INTO smile.ledger_transaction (kind, subject_kind, subject_id, reverses)
    SELECT 'own_month_reversed', t.subject_kind, t.subject_id, t.id
    FROM gone AS g JOIN smile.ledger_transaction AS t ON t.subject_id = g.posting_id AND t.reverses IS NULL
    RETURNING id, reverses),
  emptied AS (
    UPDATE smile.self_employed_month AS m SET posting_id = NULL, posted_at = NULL
    FROM gone AS g WHERE m.billing_id = g.billing_id AND m.period = g.period)
  INSERT INTO smile.posting (transaction_id, account, member_id, employer_id, period, amount)
  SELECT u.id, p.account, p.member_id, p.employer_id, p.period, -p.amount
  FROM undone AS u JOIN smile.posting AS p ON p.transaction_id = u.reverses;
END
$$;

CREATE OR REPLACE FUNCTION smile.unpost_self_employed_month(billing uuid, month date) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM smile.unpost_self_employed_months(ARRAY[billing], ARRAY[month]);
END
$$;

CREATE FUNCTION smile.post_self_employed_months(billings uuid[], months date[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  WITH month AS (
    UPDATE smile.self_employed_month AS m SET posting_id = smile.uuid7(), posted_at = smile.now()
    FROM unnest(billings, months) AS w (billing_id, period)
    WHERE m.billing_id = w.billing_id AND m.period = w.period
    RETURNING m.posting_id, m.member_id, m.period, m.price, m.jht, m.jkk, m.jkm, m.jkk_credit, m.jkm_credit),
  booked AS (
    INSERT INTO smile.ledger_transaction (kind, subject_kind, subject_id)
    SELECT 'own_month_paid', 'self_employed_month', m.posting_id FROM month AS m
    RETURNING id, subject_id)
  INSERT INTO smile.posting (transaction_id, account, member_id, period, amount)
  SELECT k.id, l.account, l.member_id, m.period, l.amount
  FROM booked AS k JOIN month AS m ON m.posting_id = k.subject_id
  CROSS JOIN LATERAL (VALUES
    ('payable.member_credit', m.member_id, m.price), ('fund.jht', m.member_id, -m.jht),
    ('fund.jkk', NULL, m.jkk_credit - m.jkk),
    ('fund.jkm', NULL, m.jkm_credit - m.jkm)) AS l (account, member_id, amount)
  WHERE l.amount <> 0;
END
$$;
DROP FUNCTION smile.post_self_employed_month(uuid, date);

-- Brings members' months to where the payments put them. The caller holds the members' rows.
CREATE FUNCTION smile.settle_members(members uuid[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  opened uuid[];
  opened_months date[];
  paid uuid[];
  paid_months date[];
BEGIN
  SELECT array_agg(m.billing_id ORDER BY m.billing_id, m.period) FILTER (WHERE NOT t.paid),
    array_agg(m.period::date ORDER BY m.billing_id, m.period) FILTER (WHERE NOT t.paid),
    array_agg(m.billing_id ORDER BY m.billing_id, m.period) FILTER (WHERE t.paid),
    array_agg(m.period::date ORDER BY m.billing_id, m.period) FILTER (WHERE t.paid)
  INTO opened, opened_months, paid, paid_months
  FROM smile.self_employed_targets(members, 'infinity') AS t
  JOIN smile.self_employed_month AS m ON m.billing_id = t.billing_id AND m.period = t.period
  WHERE (m.posting_id IS NOT NULL) <> t.paid;
  PERFORM smile.unpost_self_employed_months(opened, opened_months) WHERE opened IS NOT NULL;
  PERFORM smile.post_self_employed_months(paid, paid_months) WHERE paid IS NOT NULL;
  UPDATE smile.self_employed_billing AS b
  SET received_amount = w.received, paid_amount = w.paid, status = w.status
  FROM (
    SELECT t.billing_id, max(t.received) AS received,
      coalesce(sum(m.price) FILTER (WHERE m.posting_id IS NOT NULL), 0) AS paid,
      CASE WHEN x.withdrawn_at IS NOT NULL THEN 'withdrawn'
        WHEN count(m.posting_id) = 0 THEN 'unpaid'
        WHEN count(m.posting_id) = count(m.period) THEN 'paid' ELSE 'partially_paid' END AS status
    FROM smile.self_employed_targets(members, 'infinity') AS t
    JOIN smile.self_employed_billing AS x ON x.id = t.billing_id
    LEFT JOIN smile.self_employed_month AS m ON m.billing_id = t.billing_id AND m.period = t.period
    GROUP BY t.billing_id, x.withdrawn_at) AS w
  WHERE b.id = w.billing_id
    AND (b.received_amount, b.paid_amount, b.status) IS DISTINCT FROM (w.received, w.paid, w.status);
END
$$;

CREATE OR REPLACE FUNCTION smile.settle_member(member uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM smile.settle_members(ARRAY[member]);
END
$$;
DROP FUNCTION smile.self_employed_targets(uuid);

-- As before, all members at once.
CREATE OR REPLACE FUNCTION smile.settle_payers(payments uuid[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  employers uuid[] := ARRAY(
    SELECT DISTINCT p.employer_id FROM smile.payment AS p WHERE p.id = ANY (payments) AND p.employer_id IS NOT NULL);
  members uuid[] := ARRAY(
    SELECT DISTINCT p.member_id FROM smile.payment AS p WHERE p.id = ANY (payments) AND p.member_id IS NOT NULL);
BEGIN
  PERFORM smile.settle(employers) WHERE cardinality(employers) > 0;
  PERFORM smile.settle_members(members) WHERE cardinality(members) > 0;
END
$$;

REVOKE EXECUTE ON FUNCTION smile.unpost_self_employed_months(uuid[], date[]),
  smile.post_self_employed_months(uuid[], date[]), smile.settle_members(uuid[]) FROM smile_api, smile_jobs;
