-- The bank's channel takes the payments of members who pay for themselves as it takes those of employers: one notice,
-- one kind of code, one queue of exceptions. Their money lands in the member's credit first.

ALTER TABLE smile.payment_exception
  DROP CONSTRAINT payment_exception_reason_check,
  ADD CONSTRAINT payment_exception_reason_check
    CHECK (reason IN ('payment_code_unknown', 'billing_already_paid', 'billing_withdrawn', 'statement_differs',
    'reversal_differs', 'reversal_without_payment'));

-- Whoever pays: what their money moves is theirs alone until the end of the transaction.
CREATE FUNCTION smile.lock_payer(employer uuid, member uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM smile.employer AS e WHERE e.id = employer FOR NO KEY UPDATE;
  PERFORM FROM smile.member AS m WHERE m.id = member FOR NO KEY UPDATE;
END
$$;

-- The caller holds the payer's row.
CREATE FUNCTION smile.settle_payer(employer uuid, member uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM smile.settle(employer) WHERE employer IS NOT NULL;
  PERFORM smile.settle_member(member) WHERE member IS NOT NULL;
END
$$;

-- What the agency owes for a payment until it pays something.
CREATE FUNCTION smile.credit_line(p smile.payment, amount bigint) RETURNS smile.posting_line
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (CASE WHEN (p).member_id IS NOT NULL THEN 'payable.member_credit'
  WHEN (p).employer_id IS NOT NULL THEN 'payable.employer_credit' ELSE 'payable.suspense' END,
  (p).member_id, (p).employer_id, NULL, amount)::smile.posting_line;

-- What is paid of the billing that a code is of.
CREATE FUNCTION smile.paid_under(code text) RETURNS bigint LANGUAGE sql STABLE
RETURN coalesce(
  (SELECT b.paid_amount FROM smile.billing AS b WHERE b.payment_code = code),
  (SELECT b.paid_amount FROM smile.self_employed_billing AS b WHERE b.payment_code = code));

-- Everybody who has to do with a bank's statement, in one order: those whose codes it names, and those whose payments
-- it takes back.
CREATE FUNCTION smile.lock_payers(s smile.payment_statement) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  codes text[] := ARRAY(
    SELECT r.payment_code FROM smile.payment_statement_row AS r
    WHERE r.statement_id = s.id AND r.kind = 'payment' AND r.outcome IS NULL);
  taken_back uuid[] := ARRAY(
    SELECT p.id FROM smile.payment_statement_row AS r
    JOIN smile.payment AS p ON p.client_id = s.client_id AND p.bank_reference = r.bank_reference
    WHERE r.statement_id = s.id AND r.kind = 'reversal' AND r.outcome IS NULL);
BEGIN
  PERFORM FROM smile.employer AS e
  WHERE e.id IN (
    SELECT b.employer_id FROM smile.billing AS b WHERE b.payment_code = ANY (codes)
    UNION SELECT p.employer_id FROM smile.payment AS p WHERE p.id = ANY (taken_back))
  ORDER BY e.id FOR NO KEY UPDATE;
  PERFORM FROM smile.member AS m
  WHERE m.id IN (
    SELECT b.member_id FROM smile.self_employed_billing AS b WHERE b.payment_code = ANY (codes)
    UNION SELECT p.member_id FROM smile.payment AS p WHERE p.id = ANY (taken_back))
  ORDER BY m.id FOR NO KEY UPDATE;
END
$$;

-- Settles whoever made these payments. The caller holds their rows.
CREATE FUNCTION smile.settle_payers(payments uuid[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  employers uuid[] := ARRAY(
    SELECT DISTINCT p.employer_id FROM smile.payment AS p WHERE p.id = ANY (payments) AND p.employer_id IS NOT NULL);
BEGIN
  PERFORM smile.settle(employers) WHERE cardinality(employers) > 0;
  PERFORM smile.settle_member(t.member_id)
  FROM (
    SELECT DISTINCT p.member_id FROM smile.payment AS p
    WHERE p.id = ANY (payments) AND p.member_id IS NOT NULL ORDER BY p.member_id) AS t;
END
$$;

-- Books payments that weren't known, but doesn't settle what they pay. The caller holds the locks of the payments and
-- of the payers.
DROP FUNCTION smile.add_payment(text, bigint, timestamptz, text);
CREATE FUNCTION smile.add_payments(notices smile.payment_notice[], statement uuid DEFAULT NULL) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO smile.payment
    (id, bank_reference, client_id, payment_code, billing_id, employer_id, self_employed_billing_id, member_id, amount,
    paid_at, reversed_at, statement_id)
  SELECT n.id, n.bank_reference, smile.client_id(), n.payment_code, b.id, b.employer_id, own.id, own.member_id,
    n.amount, n.paid_at, r.reversed_at, statement
  FROM unnest(notices) AS n
  LEFT JOIN smile.billing AS b ON b.payment_code = n.payment_code
  LEFT JOIN smile.self_employed_billing AS own ON own.payment_code = n.payment_code
  LEFT JOIN smile.payment_reversal AS r ON r.client_id = smile.client_id() AND r.bank_reference = n.bank_reference
    AND r.amount = n.amount;
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
  JOIN smile.payment_reversal AS r ON r.client_id = p.client_id AND r.bank_reference = p.bank_reference
    AND r.amount <> p.amount;
  UPDATE smile.payment_exception AS e SET payment_id = p.id, resolution = 'reversed', resolved_at = smile.now()
  FROM unnest(notices) AS n JOIN smile.payment AS p ON p.id = n.id
  JOIN smile.payment_statement AS s ON s.client_id = p.client_id
  JOIN smile.payment_statement_row AS w ON w.statement_id = s.id AND w.kind = 'reversal'
    AND w.bank_reference = p.bank_reference AND w.outcome = 'awaiting_payment'
  WHERE e.statement_id = w.statement_id AND e.statement_row = w.number AND e.resolution IS NULL;
END
$$;

-- `was_paid`: what was paid of its billing before it.
CREATE OR REPLACE FUNCTION smile.payment_body(p smile.payment, was_paid bigint) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_strip_nulls(json_build_object(
    'id', (p).id, 'billing_id', coalesce((p).billing_id, (p).self_employed_billing_id),
    'payment_code', (p).payment_code, 'amount', (p).amount, 'paid_at', (p).paid_at,
    'bank_reference', (p).bank_reference, 'received_at', (p).received_at,
    -- In a statement others of its billing may have been taken back.
    'applied', greatest(coalesce(b.paid_amount - was_paid, o.paid_amount - was_paid, 0), 0),
    'settled', coalesce(b.paid_amount = b.amount AND was_paid < b.amount,
      o.status = 'paid' AND was_paid < o.paid_amount, false),
    'reversed_at', (p).reversed_at,
    'exception', (
      SELECT json_build_object('id', e.id, 'reason', e.reason)
      FROM smile.payment_exception AS e
      WHERE e.payment_id = (p).id
        AND e.reason IN ('payment_code_unknown', 'billing_already_paid', 'billing_withdrawn'))))
  FROM (SELECT) AS one
  LEFT JOIN smile.billing AS b ON b.id = (p).billing_id
  LEFT JOIN smile.self_employed_billing AS o ON o.id = (p).self_employed_billing_id);

-- The bank's notice. Known reference: the same answer again, or 409 when anything in it differs; what a statement told
-- of first may name another moment of the day.
CREATE OR REPLACE FUNCTION smile.record_payment(
  code text, wanted_amount bigint, wanted_paid_at timestamptz, reference text)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  p smile.payment;
  was_paid bigint;
  made CONSTANT uuid := smile.uuid7();
BEGIN
  IF smile.role() IS DISTINCT FROM 'bank' THEN
    PERFORM smile.fail(403, 'wrong_role');
  ELSIF smile.lies_ahead(wanted_paid_at) THEN
    PERFORM smile.refuse(422, 'instant_lies_ahead', '/paid_at');
  END IF;
  PERFORM smile.lock_payment(smile.client_id(), reference);
  SELECT * INTO p FROM smile.payment AS x WHERE x.client_id = smile.client_id() AND x.bank_reference = reference;
  IF FOUND THEN
    IF (p.payment_code, p.amount) <> (code, wanted_amount) OR NOT smile.same_instant(p, wanted_paid_at) THEN
      PERFORM smile.fail(409, 'bank_reference_used');
    END IF;
    RETURN smile.answer(200, p.answer);
  END IF;
  PERFORM smile.lock_payer(
    (SELECT x.employer_id FROM smile.billing AS x WHERE x.payment_code = code),
    (SELECT x.member_id FROM smile.self_employed_billing AS x WHERE x.payment_code = code));
  was_paid := smile.paid_under(code);
  PERFORM smile.add_payments(ARRAY[(made, reference, code, wanted_amount, wanted_paid_at)::smile.payment_notice]);
  SELECT * INTO p FROM smile.payment AS x WHERE x.id = made;
  PERFORM smile.settle_payer(p.employer_id, p.member_id) WHERE p.reversed_at IS NULL;
  UPDATE smile.payment AS x SET answer = smile.payment_body(p, was_paid) WHERE x.id = p.id RETURNING * INTO p;
  RETURN smile.answer(201, p.answer);
END
$$;

-- Takes every booking about reversed payments back, but doesn't settle what they paid. The caller holds the locks of
-- the payments and of the payers.
DROP FUNCTION smile.take_back(uuid, timestamptz);
CREATE FUNCTION smile.take_back(payments uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  WITH undone AS (
    INSERT INTO smile.ledger_transaction (kind, subject_kind, subject_id, reverses)
    SELECT t.kind || '_reversed', t.subject_kind, t.subject_id, t.id
    FROM smile.ledger_transaction AS t WHERE t.subject_id = ANY (payments) AND t.reverses IS NULL
    RETURNING id, reverses)
  INSERT INTO smile.posting (transaction_id, account, member_id, employer_id, period, amount)
  SELECT u.id, p.account, p.member_id, p.employer_id, p.period, -p.amount
  FROM undone AS u JOIN smile.posting AS p ON p.transaction_id = u.reverses;
  UPDATE smile.payment AS p SET reversed_at = r.reversed_at
  FROM smile.payment_reversal AS r
  WHERE p.id = ANY (payments) AND r.client_id = p.client_id AND r.bank_reference = p.bank_reference;
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
  SELECT * INTO p FROM smile.payment AS x
  WHERE x.id = wanted AND x.client_id = smile.client_id() AND smile.role() = 'bank';
  IF NOT FOUND THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  PERFORM smile.lock_payment(p.client_id, p.bank_reference);
  SELECT * INTO p FROM smile.payment AS x WHERE x.id = wanted;
  IF smile.lies_ahead(at) THEN
    PERFORM smile.refuse(422, 'instant_lies_ahead', '/reversed_at');
  ELSIF at < p.paid_at THEN
    PERFORM smile.refuse(422, 'reversed_before_paid', '/reversed_at');
  END IF;
  SELECT * INTO r FROM smile.payment_reversal AS x
  WHERE x.client_id = p.client_id AND x.bank_reference = p.bank_reference;
  IF FOUND THEN
    IF (r.reason, r.reversed_at, r.amount) IS DISTINCT FROM (why, at, p.amount) THEN
      PERFORM smile.fail(409, 'payment_already_reversed');
    END IF;
    RETURN smile.answer(200, smile.reversal_body(r, p.id));
  END IF;
  INSERT INTO smile.payment_reversal (client_id, bank_reference, amount, reason, reversed_at)
  VALUES (p.client_id, p.bank_reference, p.amount, why, at) RETURNING * INTO r;
  PERFORM smile.lock_payer(p.employer_id, p.member_id);
  PERFORM smile.take_back(ARRAY[p.id]);
  PERFORM smile.settle_payer(p.employer_id, p.member_id);
  RETURN smile.answer(201, smile.reversal_body(r, p.id));
END
$$;

CREATE OR REPLACE FUNCTION smile.exception_body(wanted uuid) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_strip_nulls(json_build_object(
    'id', e.id, 'reason', e.reason, 'status', CASE WHEN e.resolution IS NULL THEN 'open' ELSE 'resolved' END,
    'raised_at', e.raised_at, 'resolution', e.resolution, 'resolved_at', e.resolved_at,
    'dismissal_reason', e.dismissal_reason,
    'requested', CASE WHEN e.resolution IS NULL AND e.requested_by IS NOT NULL THEN json_build_object(
      'action', e.requested_action, 'payment_code', e.requested_code, 'by', e.requested_by, 'at', e.requested_at) END,
    'payment', CASE WHEN p.id IS NOT NULL THEN json_build_object(
      'id', p.id, 'client_id', p.client_id, 'bank_reference', p.bank_reference, 'payment_code', p.payment_code,
      'amount', p.amount, 'returned_amount', p.returned_amount, 'paid_at', p.paid_at, 'received_at', p.received_at,
      'billing_id', coalesce(p.billing_id, p.self_employed_billing_id), 'employer_id', p.employer_id,
      'member_id', p.member_id) END,
    'statement', CASE WHEN r.number IS NOT NULL THEN json_build_object(
      'id', r.statement_id, 'row', r.number, 'type', r.kind, 'bank_reference', r.bank_reference,
      'payment_code', r.payment_code, 'amount', r.amount, 'at', r.at) END))
  FROM smile.payment_exception AS e
  LEFT JOIN smile.payment AS p ON p.id = e.payment_id
  LEFT JOIN smile.payment_statement_row AS r ON r.statement_id = e.statement_id AND r.number = e.statement_row
  WHERE e.id = wanted);

-- An open exception, locked, with the lock of its payment taken before as whoever reverses it does.
CREATE FUNCTION smile.hold_exception(wanted uuid) RETURNS smile.payment_exception LANGUAGE plpgsql AS $$
DECLARE
  e smile.payment_exception;
BEGIN
  IF NOT smile.is_officer('manage_billing') THEN
    PERFORM smile.fail(403, 'insufficient_scope');
  END IF;
  PERFORM smile.lock_payment(p.client_id, p.bank_reference)
  FROM smile.payment AS p JOIN smile.payment_exception AS x ON x.payment_id = p.id WHERE x.id = wanted;
  SELECT * INTO e FROM smile.payment_exception AS x WHERE x.id = wanted FOR UPDATE;
  IF NOT FOUND THEN
    PERFORM smile.fail(404, 'not_found');
  ELSIF e.resolution IS NOT NULL THEN
    PERFORM smile.fail(409, 'exception_already_resolved');
  END IF;
  RETURN e;
END
$$;

DROP FUNCTION smile.resolve_payment_exception(uuid, text, text);
CREATE FUNCTION smile.resolve_payment_exception(wanted uuid, action text, code text, why text)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  e smile.payment_exception := smile.hold_exception(wanted);
BEGIN
  IF e.requested_by IS NOT NULL THEN
    PERFORM smile.fail(409, 'resolution_requested');
  ELSIF NOT action = ANY (CASE e.reason WHEN 'payment_code_unknown' THEN '{assign,return}'
    WHEN 'billing_already_paid' THEN '{return,keep}' WHEN 'billing_withdrawn' THEN '{return,keep}'
    ELSE '{dismiss}' END::text[])
  THEN
    PERFORM smile.refuse(422, 'action_not_possible', '/action');
  ELSIF action = 'assign' AND smile.paid_under(code) IS NULL THEN
    PERFORM smile.refuse(422, 'payment_code_unknown', '/payment_code');
  END IF;
  IF action IN ('assign', 'return') THEN
    UPDATE smile.payment_exception AS x
    SET requested_action = action, requested_code = code, requested_by = smile.account_id(),
      requested_at = smile.now()
    WHERE x.id = wanted;
  ELSE
    UPDATE smile.payment_exception AS x
    SET resolution = CASE action WHEN 'keep' THEN 'kept' ELSE 'dismissed' END, dismissal_reason = why,
      resolved_at = smile.now(), resolved_by = smile.account_id()
    WHERE x.id = wanted;
  END IF;
  PERFORM smile.audit(CASE WHEN action IN ('assign', 'return') THEN 'payment_exception.requested'
    ELSE 'payment_exception.resolved' END, 'payment_exception', wanted, json_build_object('action', action));
  RETURN smile.answer(200, smile.exception_body(wanted));
END
$$;

-- Another officer lets the money move, or anyone who may ask takes the request away.
CREATE FUNCTION smile.decide_payment_exception(wanted uuid, is_approved boolean) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  e smile.payment_exception := smile.hold_exception(wanted);
  p smile.payment;
  back bigint;
BEGIN
  IF e.requested_by IS NULL THEN
    PERFORM smile.fail(409, 'resolution_not_requested');
  ELSIF NOT is_approved THEN
    UPDATE smile.payment_exception AS x
    SET requested_action = NULL, requested_code = NULL, requested_by = NULL, requested_at = NULL
    WHERE x.id = wanted;
    PERFORM smile.audit('payment_exception.declined', 'payment_exception', wanted,
      json_build_object('action', e.requested_action, 'requested_by', e.requested_by));
    RETURN smile.answer(200, smile.exception_body(wanted));
  ELSIF e.requested_by = smile.account_id() THEN
    PERFORM smile.fail(403, 'own_request');
  END IF;
  IF e.requested_action = 'assign' THEN
    UPDATE smile.payment AS x
    SET billing_id = b.id, employer_id = b.employer_id, self_employed_billing_id = o.id, member_id = o.member_id
    FROM (SELECT) AS one
    LEFT JOIN smile.billing AS b ON b.payment_code = e.requested_code
    LEFT JOIN smile.self_employed_billing AS o ON o.payment_code = e.requested_code
    WHERE x.id = e.payment_id;
  END IF;
  SELECT * INTO p FROM smile.payment AS x WHERE x.id = e.payment_id;
  PERFORM smile.lock_payer(p.employer_id, p.member_id);
  IF e.requested_action = 'assign' THEN
    PERFORM smile.book('payment_assigned', 'payment', p.id, ARRAY[
      ('payable.suspense', NULL, NULL, NULL, p.amount)::smile.posting_line, smile.credit_line(p, -p.amount)]);
  ELSE
    -- What has paid something else since isn't there to go back.
    back := CASE WHEN p.employer_id IS NOT NULL THEN least(p.amount, smile.employer_credit(p.employer_id))
      WHEN p.member_id IS NOT NULL THEN least(p.amount, smile.member_credit(p.member_id)) ELSE p.amount END;
    IF back = 0 THEN
      PERFORM smile.fail(409, 'credit_already_used');
    END IF;
    UPDATE smile.payment AS x SET returned_amount = back WHERE x.id = p.id;
    PERFORM smile.book('payment_returned', 'payment', p.id, ARRAY[
      smile.credit_line(p, back), ('payable.refund', NULL, p.employer_id, NULL, -back)::smile.posting_line]);
  END IF;
  PERFORM smile.settle_payer(p.employer_id, p.member_id);
  UPDATE smile.payment_exception AS x
  SET resolution = CASE e.requested_action WHEN 'assign' THEN 'assigned' ELSE 'returned' END,
    resolved_at = smile.now(), resolved_by = smile.account_id()
  WHERE x.id = wanted;
  PERFORM smile.audit('payment_exception.resolved', 'payment_exception', wanted, json_strip_nulls(json_build_object(
    'action', e.requested_action, 'requested_by', e.requested_by, 'payment_id', p.id,
    'billing_id', coalesce(p.billing_id, p.self_employed_billing_id))));
  RETURN smile.answer(200, smile.exception_body(wanted));
END
$$;

REVOKE EXECUTE ON FUNCTION smile.lock_payer(uuid, uuid), smile.settle_payer(uuid, uuid),
  smile.credit_line(smile.payment, bigint), smile.lock_payers(smile.payment_statement), smile.settle_payers(uuid[]),
  smile.add_payments(smile.payment_notice[], uuid), smile.payment_body(smile.payment, bigint), smile.take_back(uuid[]),
  smile.hold_exception(uuid) FROM smile_api, smile_jobs;
