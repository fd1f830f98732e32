-- A reversal takes back the payment that it fits: of its amount, and made before it. Before, whoever took back another
-- amount first, in an earlier file or further up in the same one, had taken the place of the reversal that fits: the
-- payment could never be taken back any more, and the balances of a day hung on how the bank cut its files. And one
-- that came before its payment was told took back even what was paid after it.

ALTER TABLE smile.payment_reversal
  DROP CONSTRAINT payment_reversed_once,
  ADD CONSTRAINT payment_reversed_once UNIQUE (client_id, bank_reference, amount, reversed_at);

-- When the bank took a payment of this amount, made then, back; NULL when it didn't.
CREATE FUNCTION smile.taken_back_at(client uuid, reference text, paid bigint, paid_at timestamptz)
RETURNS timestamptz LANGUAGE sql STABLE
RETURN (
  SELECT min(r.reversed_at) FROM smile.payment_reversal AS r
  WHERE r.client_id = client AND r.bank_reference = reference AND r.amount = paid
    AND r.reversed_at >= taken_back_at.paid_at);

-- As before, by what fits.
CREATE OR REPLACE FUNCTION smile.take_back(payments uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  WITH undone AS (
    INSERT INTO smile.ledger_transaction (kind, subject_kind, subject_id, reverses)
    SELECT t.kind || '_reversed', t.subject_kind, t.subject_id, t.id
    FROM smile.ledger_transaction AS t WHERE t.subject_id = ANY (payments) AND t.reverses IS NULL
    RETURNING id, reverses)
  INSERT INTO smile.posting (transaction_id, account, member_id, employer_id, period, amount)
  SELECT u.id, p.account, p.member_id, p.employer_id, p.period, -p.amount
  FROM undone AS u JOIN smile.posting AS p ON p.transaction_id = u.reverses;
  UPDATE smile.payment AS p
  SET reversed_at = smile.taken_back_at(p.client_id, p.bank_reference, p.amount, p.paid_at)
  WHERE p.id = ANY (payments);
  UPDATE smile.payment_exception AS e SET resolution = 'reversed', resolved_at = smile.now()
  WHERE e.payment_id = ANY (payments) AND e.resolution IS NULL;
  PERFORM smile.audit('payment.reversed', 'payment', x) FROM unnest(payments) AS x;
END
$$;

CREATE OR REPLACE FUNCTION smile.reverse_payment(wanted uuid, why text, at timestamptz) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  p smile.payment;
  r smile.payment_reversal;
BEGIN
  SELECT x.* INTO p FROM smile.payment AS x
  WHERE x.id = wanted AND x.client_id = smile.client_id() AND smile.role() = 'bank';
  IF NOT FOUND THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  PERFORM smile.lock_payment(p.client_id, p.bank_reference);
  SELECT x.* INTO p FROM smile.payment AS x WHERE x.id = wanted;
  IF smile.lies_ahead(at) THEN
    PERFORM smile.refuse(422, 'instant_lies_ahead', '/reversed_at');
  ELSIF at < p.paid_at THEN
    PERFORM smile.refuse(422, 'reversed_before_paid', '/reversed_at');
  END IF;
  SELECT x.* INTO r FROM smile.payment_reversal AS x
  WHERE x.client_id = p.client_id AND x.bank_reference = p.bank_reference AND x.amount = p.amount
    AND x.reversed_at = p.reversed_at;
  IF FOUND THEN
    IF (r.reason, r.reversed_at) IS DISTINCT FROM (why, at) THEN
      PERFORM smile.fail(409, 'payment_already_reversed');
    END IF;
    RETURN smile.answer(200, smile.reversal_body(r, p.id));
  END IF;
  INSERT INTO smile.payment_reversal (client_id, bank_reference, amount, reason, reversed_at)
  VALUES (p.client_id, p.bank_reference, p.amount, why, at) RETURNING payment_reversal.* INTO r;
  PERFORM smile.lock_payer(p.employer_id, p.member_id);
  PERFORM smile.take_back(ARRAY[p.id]);
  PERFORM smile.settle_payer(p.employer_id, p.member_id);
  RETURN smile.answer(201, smile.reversal_body(r, p.id));
END
$$;

-- As before; what doesn't fit says so once.
CREATE OR REPLACE FUNCTION smile.add_payments(notices smile.payment_notice[], statement uuid DEFAULT NULL) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO smile.payment
    (id, bank_reference, client_id, payment_code, billing_id, employer_id, self_employed_billing_id, member_id, amount,
    paid_at, reversed_at, statement_id)
  SELECT n.id, n.bank_reference, smile.client_id(), n.payment_code, b.id, b.employer_id, own.id, own.member_id,
    n.amount, n.paid_at, smile.taken_back_at(smile.client_id(), n.bank_reference, n.amount, n.paid_at), statement
  FROM unnest(notices) AS n
  LEFT JOIN smile.billing AS b ON b.payment_code = n.payment_code
  LEFT JOIN smile.self_employed_billing AS own ON own.payment_code = n.payment_code;
  PERFORM smile.audit('payment.received', 'payment', p.id, json_strip_nulls(json_build_object(
    'billing_id', coalesce(p.billing_id, p.self_employed_billing_id), 'amount', p.amount, 'statement_id', statement,
    'reversed', p.reversed_at IS NOT NULL)))
  FROM unnest(notices) AS n JOIN smile.payment AS p ON p.id = n.id;

  WITH booked AS (
    INSERT INTO smile.ledger_transaction (kind, subject_kind, subject_id)
    SELECT 'payment_received', 'payment', p.id
    FROM unnest(notices) AS n JOIN smile.payment AS p ON p.id = n.id WHERE p.reversed_at IS NULL
    RETURNING id, subject_id)
  INSERT INTO smile.posting (transaction_id, account, member_id, employer_id, amount)
  SELECT k.id, l.account, l.member_id, l.employer_id, l.amount
  FROM booked AS k JOIN smile.payment AS p ON p.id = k.subject_id
  CROSS JOIN LATERAL unnest(ARRAY[
    ('bank', NULL, p.employer_id, NULL, p.amount)::smile.posting_line, smile.credit_line(p, -p.amount)]) AS l;

  -- A second payment is none while it may be for the fines.
  INSERT INTO smile.payment_exception (payment_id, reason)
  SELECT x.id, x.reason
  FROM (
    SELECT p.id, CASE WHEN b.id IS NULL AND own.id IS NULL THEN 'payment_code_unknown'
      WHEN b.status = 'paid' AND smile.fines_due_by(b.employer_id, 'infinity') = 0 OR own.status = 'paid'
        THEN 'billing_already_paid'
      WHEN own.status = 'withdrawn' THEN 'billing_withdrawn' END AS reason
    FROM unnest(notices) AS n JOIN smile.payment AS p ON p.id = n.id
    LEFT JOIN smile.billing AS b ON b.id = p.billing_id
    LEFT JOIN smile.self_employed_billing AS own ON own.id = p.self_employed_billing_id
    WHERE p.reversed_at IS NULL) AS x
  WHERE x.reason IS NOT NULL;
  -- What the bank took back before it told of it.
  INSERT INTO smile.payment_exception (payment_id, reason)
  SELECT p.id, 'reversal_differs'
  FROM unnest(notices) AS n JOIN smile.payment AS p ON p.id = n.id
  WHERE EXISTS (
    SELECT FROM smile.payment_reversal AS r
    WHERE r.client_id = p.client_id AND r.bank_reference = p.bank_reference
      AND (r.amount <> p.amount OR r.reversed_at < p.paid_at));
  UPDATE smile.payment_exception AS e
  SET payment_id = CASE x.place WHEN 1 THEN x.payment_id END, resolution = 'reversed', resolved_at = smile.now()
  FROM (
    SELECT o.id, p.id AS payment_id, row_number() OVER (PARTITION BY p.id ORDER BY o.id) AS place
    FROM unnest(notices) AS n JOIN smile.payment AS p ON p.id = n.id
    JOIN smile.payment_statement AS s ON s.client_id = p.client_id
    JOIN smile.payment_statement_row AS w ON w.statement_id = s.id AND w.kind = 'reversal'
      AND w.bank_reference = p.bank_reference AND w.outcome = 'awaiting_payment'
    JOIN smile.payment_exception AS o ON o.statement_id = w.statement_id AND o.statement_row = w.number
      AND o.resolution IS NULL) AS x
  WHERE e.id = x.id;
END
$$;

-- As before, by what fits.
CREATE OR REPLACE FUNCTION smile.apply_statement(wanted uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  s smile.payment_statement;
BEGIN
  SELECT x.* INTO s FROM smile.payment_statement AS x WHERE x.id = wanted;
  PERFORM pg_advisory_xact_lock(hashtextextended(s.client_id::text, 110));
  PERFORM smile.lock_payers(s);

  UPDATE smile.payment_statement_row AS r SET outcome = 'rejected', problems = '{at:instant_lies_ahead}'
  WHERE r.statement_id = s.id AND r.outcome IS NULL AND smile.lies_ahead(r.at);

  -- Of several rows with one new reference the first is the payment.
  UPDATE smile.payment_statement_row AS r
  SET outcome = 'posted', payment_id = n.id, was_paid = smile.paid_under(r.payment_code)
  FROM smile.new_statement_payments(s) AS n
  WHERE r.statement_id = s.id AND r.number = n.number;
  UPDATE smile.payment_statement_row AS r
  SET payment_id = p.id, outcome = CASE
    WHEN (p.payment_code, p.amount) = (r.payment_code, r.amount) AND smile.same_day(p.paid_at, r.at) THEN 'known'
    ELSE 'exception' END
  FROM smile.payment AS p
  WHERE r.statement_id = s.id AND r.kind = 'payment' AND r.outcome IS NULL
    AND p.client_id = s.client_id AND p.bank_reference = r.bank_reference;

  -- What is known; what fits no payment; and of the rest the first row that takes a payment back does. The payment may
  -- come later.
  UPDATE smile.payment_statement_row AS r
  SET payment_id = p.id, outcome = CASE WHEN p.amount <> r.amount THEN 'exception'
      WHEN p.reversed_at IS NOT NULL OR x.is_told THEN 'known' WHEN r.at < p.paid_at THEN 'rejected' END,
    problems = CASE WHEN p.amount = r.amount AND p.reversed_at IS NULL AND NOT x.is_told AND r.at < p.paid_at
      THEN '{at:reversed_before_paid}'::text[] END
  FROM (
    SELECT y.number, y.bank_reference, EXISTS (
      SELECT FROM smile.payment_reversal AS k
      WHERE k.client_id = s.client_id AND k.bank_reference = y.bank_reference AND k.amount = y.amount
        AND k.reversed_at = y.at) AS is_told
    FROM smile.payment_statement_row AS y
    WHERE y.statement_id = s.id AND y.kind = 'reversal' AND y.outcome IS NULL) AS x
  LEFT JOIN smile.payment AS p ON p.client_id = s.client_id AND p.bank_reference = x.bank_reference
  WHERE r.statement_id = s.id AND r.number = x.number;
  UPDATE smile.payment_statement_row AS r
  SET outcome = CASE WHEN f.place > 1 THEN 'known' WHEN r.payment_id IS NULL THEN 'awaiting_payment'
    ELSE 'reversed' END
  FROM (
    SELECT x.number, row_number() OVER (
      PARTITION BY x.bank_reference, x.amount, CASE WHEN x.payment_id IS NULL THEN x.at END ORDER BY x.number) AS place
    FROM smile.payment_statement_row AS x
    WHERE x.statement_id = s.id AND x.kind = 'reversal' AND x.outcome IS NULL) AS f
  WHERE r.statement_id = s.id AND r.number = f.number;
  INSERT INTO smile.payment_reversal (client_id, bank_reference, amount, reason, reversed_at)
  SELECT s.client_id, r.bank_reference, r.amount, r.reason, r.at FROM smile.payment_statement_row AS r
  WHERE r.statement_id = s.id AND r.outcome IN ('reversed', 'awaiting_payment');
  PERFORM smile.take_back(array_agg(r.payment_id))
  FROM smile.payment_statement_row AS r
  WHERE r.statement_id = s.id AND r.outcome = 'reversed' HAVING count(*) > 0;

  INSERT INTO smile.payment_exception (payment_id, reason, statement_id, statement_row)
  SELECT r.payment_id, CASE WHEN r.outcome = 'awaiting_payment' THEN 'reversal_without_payment'
    WHEN r.kind = 'payment' THEN 'statement_differs' ELSE 'reversal_differs' END, s.id, r.number
  FROM smile.payment_statement_row AS r
  WHERE r.statement_id = s.id AND r.outcome IN ('exception', 'awaiting_payment')
  ORDER BY r.number
  ON CONFLICT (payment_id, reason) DO NOTHING;
  UPDATE smile.payment_statement_row AS r SET outcome = 'exception', problems = ARRAY['payment_code:' || e.reason]
  FROM smile.payment_exception AS e
  WHERE r.statement_id = s.id AND r.outcome = 'posted' AND e.payment_id = r.payment_id
    AND e.reason IN ('payment_code_unknown', 'billing_already_paid', 'billing_withdrawn');
  UPDATE smile.payment_statement_row AS r
  SET problems = ARRAY['bank_reference:' || CASE r.kind WHEN 'payment' THEN 'statement_differs'
    ELSE 'reversal_differs' END]
  WHERE r.statement_id = s.id AND r.outcome = 'exception' AND r.problems IS NULL;

  PERFORM smile.settle_payers(ARRAY(
    SELECT p.id FROM smile.payment_statement_row AS r JOIN smile.payment AS p ON p.id = r.payment_id
    WHERE r.statement_id = s.id AND (r.outcome = 'reversed' OR p.statement_id = s.id)));
  UPDATE smile.payment AS p SET answer = smile.payment_body(p, r.was_paid)
  FROM smile.payment_statement_row AS r
  WHERE r.statement_id = s.id AND p.id = r.payment_id AND p.statement_id = s.id AND p.answer IS NULL
    AND r.kind = 'payment';
  UPDATE smile.payment_statement AS x SET processed_at = smile.now() WHERE x.id = s.id;
  PERFORM smile.audit('payment_statement.processed', 'payment_statement', s.id,
    smile.statement_outcomes(s.id));
END
$$;

REVOKE EXECUTE ON FUNCTION smile.taken_back_at(uuid, text, bigint, timestamptz) FROM smile_api, smile_jobs;
