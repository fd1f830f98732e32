-- What is paid of each billing follows from the billings and the payments that stand, and from nothing else: whatever
-- the order in which notices, statements and reversals came, the balances are the same.
--
-- The order of allocation: money pays the billing whose code it named; what is more than that pays the employer's other
-- open billings, the one due first first, and what is left then is the employer's credit, which the next billing takes
-- as soon as it is issued.

INSERT INTO smile.ledger_account (code, kind, name_id, name_en, per_member) VALUES
  ('payable.employer_credit', 'liability', 'Kelebihan bayar pemberi kerja', 'Credit of employers', false),
  ('payable.suspense', 'liability', 'Penerimaan belum teridentifikasi', 'Receipts not yet identified', false),
  ('payable.refund', 'liability', 'Pengembalian ke bank terutang', 'Refunds due to banks', false);

-- Months can be posted again after a reversal, and a reversal is booked once because `reverses` is unique.
ALTER TABLE smile.ledger_transaction DROP CONSTRAINT ledger_transaction_once;
CREATE UNIQUE INDEX ledger_transaction_once ON smile.ledger_transaction (subject_id, kind)
  WHERE kind <> 'contributions_posted' AND reverses IS NULL;
CREATE INDEX ledger_transaction_subject ON smile.ledger_transaction (subject_id);

ALTER TABLE smile.billing
  -- What came in under its code and stands.
  ADD COLUMN received_amount bigint NOT NULL DEFAULT 0 CHECK (received_amount >= 0);
UPDATE smile.billing SET received_amount = paid_amount;

ALTER TABLE smile.payment
  -- A reference is unique within its bank: one bank can't take another's.
  DROP CONSTRAINT payment_reference_once,
  ADD CONSTRAINT payment_reference_once UNIQUE (client_id, bank_reference),
  -- NULL while nobody knows what it was for.
  ALTER COLUMN billing_id DROP NOT NULL,
  ALTER COLUMN employer_id DROP NOT NULL,
  ADD COLUMN reversed_at timestamptz,
  -- What goes back to the bank of it.
  ADD COLUMN returned_amount bigint NOT NULL DEFAULT 0,
  -- The answer to the notice, which the same notice gets again.
  ADD COLUMN answer json,
  ADD CONSTRAINT payment_returned_in_part CHECK (returned_amount BETWEEN 0 AND amount),
  ADD CONSTRAINT payment_names_both CHECK ((billing_id IS NULL) = (employer_id IS NULL));
DROP FUNCTION smile.payment_body(smile.payment);
ALTER TABLE smile.payment DROP COLUMN settled;

-- Each time what is paid of a billing changed, and by how much.
CREATE TABLE smile.settlement (
  id uuid PRIMARY KEY DEFAULT smile.uuid7(),
  billing_id uuid NOT NULL REFERENCES smile.billing,
  employer_id uuid NOT NULL,
  amount bigint NOT NULL CHECK (amount <> 0),
  settled_at timestamptz NOT NULL DEFAULT smile.now()
);
CREATE INDEX settlement_billing ON smile.settlement (billing_id);
ALTER TABLE smile.settlement ENABLE ROW LEVEL SECURITY;
ALTER TABLE smile.settlement FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_all ON smile.settlement TO smile_owner USING (true);
CREATE POLICY own_money ON smile.settlement FOR SELECT TO smile_api
  USING (employer_id = (SELECT smile.employer_id()));
CREATE POLICY officers_read ON smile.settlement FOR SELECT TO smile_api
  USING ((SELECT smile.is_officer('manage_billing')));
GRANT SELECT ON smile.settlement TO smile_api;

-- Payments of before went straight from the bank to the debt; from now on they pass through the employer's credit, so
-- that a reversal finds them as it finds all others.
DO $rebooked$
DECLARE
  p smile.payment;
BEGIN
  FOR p IN SELECT x.* FROM smile.payment AS x LOOP
    PERFORM smile.book('payment_rebooked', 'payment', p.id, ARRAY[
      ('receivable.employer', NULL, p.employer_id, (
        SELECT b.period FROM smile.billing AS b WHERE b.id = p.billing_id), p.amount),
      ('payable.employer_credit', NULL, p.employer_id, NULL, -p.amount)]::smile.posting_line[]);
  END LOOP;
END
$rebooked$;
WITH moved AS (
  INSERT INTO smile.settlement (billing_id, employer_id, amount)
  SELECT b.id, b.employer_id, b.paid_amount FROM smile.billing AS b WHERE b.paid_amount > 0
  RETURNING id, billing_id, employer_id, amount)
SELECT smile.book('billing_settled', 'settlement', m.id, ARRAY[
  ('payable.employer_credit', NULL, m.employer_id, NULL, m.amount),
  ('receivable.employer', NULL, m.employer_id, b.period, -m.amount)]::smile.posting_line[])
FROM moved AS m JOIN smile.billing AS b ON b.id = m.billing_id;
DROP TABLE smile.payment_allocation;

-- Takes a transaction back by the opposite of each of its postings. Nothing is ever removed.
CREATE FUNCTION smile.reverse_transaction(wanted uuid, kind text) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
  booked uuid;
BEGIN
  INSERT INTO smile.ledger_transaction (kind, subject_kind, subject_id, reverses)
  SELECT reverse_transaction.kind, t.subject_kind, t.subject_id, t.id
  FROM smile.ledger_transaction AS t WHERE t.id = wanted
  RETURNING id INTO booked;
  INSERT INTO smile.posting (transaction_id, account, member_id, employer_id, period, amount)
  SELECT booked, p.account, p.member_id, p.employer_id, p.period, -p.amount
  FROM smile.posting AS p WHERE p.transaction_id = wanted;
  RETURN booked;
END
$$;

-- A billing that is no longer paid in full: its months are taken from the members again, and its money from the funds.
CREATE FUNCTION smile.unpost_contributions(b smile.billing) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE smile.contribution AS c
  SET wage = c.wage - x.wage, jht_employer = c.jht_employer - x.jht_employer, jht_worker = c.jht_worker - x.jht_worker,
    jkk = c.jkk - x.jkk, jkm = c.jkm - x.jkm, jp_employer = c.jp_employer - x.jp_employer,
    jp_worker = c.jp_worker - x.jp_worker, jkp_from_jkk = c.jkp_from_jkk - x.jkp_from_jkk,
    jkp_from_jkm = c.jkp_from_jkm - x.jkp_from_jkm, jkp_state = c.jkp_state - x.jkp_state
  FROM smile.return_charges(b.employer_id, b.return_id) AS x
  WHERE c.member_id = x.member_id AND c.period = x.period AND c.employer_id = b.employer_id;
  DELETE FROM smile.contribution AS c
  USING smile.return_charges(b.employer_id, b.return_id) AS x
  WHERE c.member_id = x.member_id AND c.period = x.period AND c.employer_id = b.employer_id AND c.wage = 0
    AND c.jht_employer + c.jht_worker + c.jkk + c.jkm + c.jp_employer + c.jp_worker + c.jkp_state = 0;
  PERFORM smile.reverse_transaction(t.id, 'contributions_reversed')
  FROM smile.ledger_transaction AS t
  WHERE t.subject_id = b.id AND t.kind = 'contributions_posted'
    AND NOT EXISTS (SELECT FROM smile.ledger_transaction AS r WHERE r.reverses = t.id);
END
$$;

-- What is to be paid of each of an employer's billings, by the order of allocation above.
CREATE FUNCTION smile.settlement_targets(employer uuid)
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
    SELECT sum(o.received - o.direct)::bigint AS amount,
      max(o.last_paid_at) FILTER (WHERE o.received > o.direct) AS last_paid_at
    FROM own AS o),
  spread AS (
    SELECT o.*, greatest(o.issued_at, s.last_paid_at, o.last_paid_at) AS credited_at,
      least(o.amount - o.direct, greatest(s.amount - (sum(o.amount - o.direct) OVER (
        ORDER BY o.due_date, o.id) - (o.amount - o.direct)), 0))::bigint AS credit
    FROM own AS o CROSS JOIN surplus AS s)
  SELECT d.id, d.received, d.direct + d.credit, CASE
    WHEN d.direct + d.credit < d.amount THEN NULL WHEN d.credit > 0 THEN d.credited_at ELSE d.last_paid_at END
  FROM spread AS d;
END;

-- Brings an employer's billings to where its payments put them. The caller holds the employer's row.
CREATE FUNCTION smile.settle(employer uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  wanted record;
  b smile.billing;
  moved uuid;
BEGIN
  FOR wanted IN
    SELECT t.*, x.paid_amount AS was, x.status AS was_status
    FROM smile.settlement_targets(employer) AS t JOIN smile.billing AS x ON x.id = t.billing_id
    WHERE (x.received_amount, x.paid_amount, x.paid_at) IS DISTINCT FROM (t.received, t.paid, t.paid_at)
    ORDER BY t.paid - x.paid_amount, t.billing_id
  LOOP
    UPDATE smile.billing AS x
    SET received_amount = wanted.received, paid_amount = wanted.paid, paid_at = wanted.paid_at,
      status = CASE WHEN wanted.paid = 0 THEN 'unpaid' WHEN wanted.paid < x.amount THEN 'partially_paid' ELSE 'paid' END
    WHERE x.id = wanted.billing_id
    RETURNING * INTO b;
    IF wanted.paid <> wanted.was THEN
      INSERT INTO smile.settlement (billing_id, employer_id, amount)
      VALUES (b.id, employer, wanted.paid - wanted.was) RETURNING id INTO moved;
      PERFORM smile.book('billing_settled', 'settlement', moved, ARRAY[
        ('payable.employer_credit', NULL, employer, NULL, wanted.paid - wanted.was),
        ('receivable.employer', NULL, employer, b.period, wanted.was - wanted.paid)]::smile.posting_line[]);
    END IF;
    IF b.status = 'paid' AND wanted.was_status <> 'paid' THEN
      PERFORM smile.post_contributions(b);
    ELSIF b.status <> 'paid' AND wanted.was_status = 'paid' THEN
      PERFORM smile.unpost_contributions(b);
    END IF;
  END LOOP;
END
$$;

-- What the agency holds for an employer until its next billing.
CREATE FUNCTION smile.employer_credit(employer uuid) RETURNS bigint LANGUAGE sql STABLE
RETURN (
  SELECT coalesce(sum(b.received_amount - b.paid_amount), 0)::bigint
  FROM smile.billing AS b WHERE b.employer_id = employer);

-- A new billing takes the credit at once. Whoever issues one holds the employer's row.
CREATE FUNCTION smile.settle_new_billing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF smile.employer_credit(NEW.employer_id) > 0 THEN
    PERFORM smile.settle(NEW.employer_id);
  END IF;
  RETURN NULL;
END
$$;
CREATE TRIGGER billing_takes_credit AFTER INSERT ON smile.billing
  FOR EACH ROW EXECUTE FUNCTION smile.settle_new_billing();

CREATE OR REPLACE FUNCTION smile.billing_body(wanted uuid) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_strip_nulls(json_build_object(
    'id', b.id, 'employer_id', b.employer_id, 'return_id', b.return_id, 'payment_code', b.payment_code,
    'period', smile.month_text(b.period), 'due_date', b.due_date, 'due_at', smile.end_of_day(b.due_date),
    'amount', b.amount,
    'amounts', smile.amounts_body(b.jht_employer, b.jht_worker, b.jkk, b.jkm, b.jp_employer, b.jp_worker,
      b.jkp_from_jkk, b.jkp_from_jkm, b.jkp_state),
    'verified', (SELECT r.totals -> 'verified' FROM smile.contribution_return AS r WHERE r.id = b.return_id),
    'received_amount', b.received_amount, 'paid_amount', b.paid_amount,
    'paid_by_credit', greatest(b.paid_amount - b.received_amount, 0),
    'surplus', greatest(b.received_amount - b.amount, 0),
    'status', b.status, 'issued_at', b.issued_at, 'paid_at', b.paid_at))
  FROM smile.billing AS b WHERE b.id = wanted);

CREATE OR REPLACE FUNCTION smile.list_billings(employer uuid, wanted_status text, after uuid, page integer) RETURNS json
LANGUAGE sql STABLE
BEGIN ATOMIC
  WITH found AS (
    SELECT b.id, row_number() OVER (ORDER BY b.id DESC) AS place
    FROM smile.billing AS b
    WHERE b.employer_id = employer AND (wanted_status IS NULL OR b.status = wanted_status)
      AND (after IS NULL OR b.id < after)
    ORDER BY b.id DESC LIMIT page + 1)
  SELECT json_strip_nulls(json_build_object(
    'items', coalesce(json_agg(smile.billing_body(f.id) ORDER BY f.place) FILTER (WHERE f.place <= page), '[]'),
    'credit', smile.employer_credit(employer),
    'next_after', CASE WHEN count(*) > page THEN (SELECT g.id FROM found AS g WHERE g.place = page) END))
  FROM found AS f
  HAVING EXISTS (SELECT FROM smile.employer AS e WHERE e.id = employer);
END;

REVOKE EXECUTE ON FUNCTION smile.reverse_transaction(uuid, text), smile.unpost_contributions(smile.billing),
  smile.settlement_targets(uuid), smile.settle(uuid), smile.settle_new_billing() FROM smile_api, smile_jobs;
