-- The bank's channel takes the payments of members who pay for themselves as it takes those of employers: one notice,
-- one kind of code, one queue of exceptions. Their money lands in the member's credit first.

ALTER TABLE smile.payment_exception
  DROP CONSTRAINT payment_exception_reason_check,
  ADD CONSTRAINT payment_exception_reason_check
    CHECK (reason IN ('payment_code_unknown', 'billing_already_paid', 'billing_withdrawn'));

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

-- Books a payment that wasn't known, but doesn't settle what it pays. The caller holds the payment's lock.
CREATE OR REPLACE FUNCTION smile.add_payment(
  code text, wanted_amount bigint, wanted_paid_at timestamptz, reference text)
RETURNS smile.payment LANGUAGE plpgsql AS $$
DECLARE
  p smile.payment;
  b smile.billing;
  own smile.self_employed_billing;
BEGIN
  PERFORM smile.lock_payer(
    (SELECT x.employer_id FROM smile.billing AS x WHERE x.payment_code = code),
    (SELECT x.member_id FROM smile.self_employed_billing AS x WHERE x.payment_code = code));
  SELECT * INTO b FROM smile.billing AS x WHERE x.payment_code = code;
  SELECT * INTO own FROM smile.self_employed_billing AS x WHERE x.payment_code = code;
  INSERT INTO smile.payment
    (bank_reference, client_id, payment_code, billing_id, employer_id, self_employed_billing_id, member_id, amount,
    paid_at, reversed_at)
  VALUES (reference, smile.client_id(), code, b.id, b.employer_id, own.id, own.member_id, wanted_amount,
    wanted_paid_at, (
    SELECT r.reversed_at FROM smile.payment_reversal AS r
    WHERE r.client_id = smile.client_id() AND r.bank_reference = reference AND r.amount = wanted_amount))
  RETURNING * INTO p;
  PERFORM smile.audit('payment.received', 'payment', p.id, json_strip_nulls(json_build_object(
    'billing_id', coalesce(b.id, own.id), 'amount', wanted_amount, 'reversed', p.reversed_at IS NOT NULL)));
  IF p.reversed_at IS NOT NULL THEN
    RETURN p;
  END IF;
  PERFORM smile.book('payment_received', 'payment', p.id, ARRAY[
    ('bank', NULL, p.employer_id, NULL, wanted_amount)::smile.posting_line,
    smile.credit_line(p, -wanted_amount)]);
  INSERT INTO smile.payment_exception (payment_id, reason)
  SELECT p.id, x.reason
  FROM (SELECT CASE WHEN b.id IS NULL AND own.id IS NULL THEN 'payment_code_unknown'
    WHEN 'paid' IN (b.status, own.status) THEN 'billing_already_paid'
    WHEN own.status = 'withdrawn' THEN 'billing_withdrawn' END AS reason) AS x
  WHERE x.reason IS NOT NULL;
  RETURN p;
END
$$;

-- `was_paid`: what was paid of its billing before it.
CREATE OR REPLACE FUNCTION smile.payment_body(p smile.payment, was_paid bigint) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_strip_nulls(json_build_object(
    'id', (p).id, 'billing_id', coalesce((p).billing_id, (p).self_employed_billing_id),
    'payment_code', (p).payment_code, 'amount', (p).amount, 'paid_at', (p).paid_at,
    'bank_reference', (p).bank_reference, 'received_at', (p).received_at,
    'applied', coalesce(b.paid_amount - was_paid, o.paid_amount - was_paid, 0),
    'settled', coalesce(b.paid_amount = b.amount AND was_paid < b.amount,
      o.status = 'paid' AND was_paid < o.paid_amount, false),
    'reversed_at', (p).reversed_at,
    'exception', (
      SELECT json_build_object('id', e.id, 'reason', e.reason)
      FROM smile.payment_exception AS e WHERE e.payment_id = (p).id)))
  FROM (SELECT) AS one
  LEFT JOIN smile.billing AS b ON b.id = (p).billing_id
  LEFT JOIN smile.self_employed_billing AS o ON o.id = (p).self_employed_billing_id);

-- The bank's notice. Known reference: the same answer again, or 409 when anything in it differs.
CREATE OR REPLACE FUNCTION smile.record_payment(
  code text, wanted_amount bigint, wanted_paid_at timestamptz, reference text)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  p smile.payment;
  was_paid bigint;
BEGIN
  IF smile.role() <> 'bank' THEN
    PERFORM smile.fail(403, 'wrong_role');
  ELSIF smile.lies_ahead(wanted_paid_at) THEN
    PERFORM smile.refuse(422, 'instant_lies_ahead', '/paid_at');
  END IF;
  PERFORM smile.lock_payment(smile.client_id(), reference);
  SELECT * INTO p FROM smile.payment AS x WHERE x.client_id = smile.client_id() AND x.bank_reference = reference;
  IF FOUND THEN
    IF (p.payment_code, p.amount, p.paid_at) IS DISTINCT FROM (code, wanted_amount, wanted_paid_at) THEN
      PERFORM smile.fail(409, 'bank_reference_used');
    END IF;
    RETURN smile.answer(200, p.answer);
  END IF;
  p := smile.add_payment(code, wanted_amount, wanted_paid_at, reference);
  was_paid := coalesce(
    (SELECT b.paid_amount FROM smile.billing AS b WHERE b.id = p.billing_id),
    (SELECT b.paid_amount FROM smile.self_employed_billing AS b WHERE b.id = p.self_employed_billing_id));
  PERFORM smile.settle_payer(p.employer_id, p.member_id) WHERE p.reversed_at IS NULL;
  UPDATE smile.payment AS x SET answer = smile.payment_body(p, was_paid) WHERE x.id = p.id RETURNING * INTO p;
  RETURN smile.answer(201, p.answer);
END
$$;

-- Takes every booking about a payment back, but doesn't settle what it paid. The caller holds the payment's lock.
CREATE OR REPLACE FUNCTION smile.take_back(wanted uuid, at timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM smile.lock_payer(p.employer_id, p.member_id) FROM smile.payment AS p WHERE p.id = wanted;
  PERFORM smile.reverse_transaction(t.id, t.kind || '_reversed')
  FROM smile.ledger_transaction AS t
  WHERE t.subject_id = wanted AND t.reverses IS NULL;
  UPDATE smile.payment AS p SET reversed_at = at WHERE p.id = wanted;
  UPDATE smile.payment_exception AS e SET resolution = 'reversed', resolved_at = smile.now()
  WHERE e.payment_id = wanted AND e.resolution IS NULL;
  PERFORM smile.audit('payment.reversed', 'payment', wanted);
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
  PERFORM smile.take_back(p.id, at);
  PERFORM smile.settle_payer(p.employer_id, p.member_id);
  RETURN smile.answer(201, smile.reversal_body(r, p.id));
END
$$;

CREATE OR REPLACE FUNCTION smile.exception_body(wanted uuid) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_strip_nulls(json_build_object(
    'id', e.id, 'reason', e.reason, 'status', CASE WHEN e.resolution IS NULL THEN 'open' ELSE 'resolved' END,
    'raised_at', e.raised_at, 'resolution', e.resolution, 'resolved_at', e.resolved_at,
    'payment', json_build_object(
      'id', p.id, 'client_id', p.client_id, 'bank_reference', p.bank_reference, 'payment_code', p.payment_code,
      'amount', p.amount, 'returned_amount', p.returned_amount, 'paid_at', p.paid_at, 'received_at', p.received_at,
      'billing_id', coalesce(p.billing_id, p.self_employed_billing_id), 'employer_id', p.employer_id,
      'member_id', p.member_id)))
  FROM smile.payment_exception AS e JOIN smile.payment AS p ON p.id = e.payment_id
  WHERE e.id = wanted);


-- An officer says what a payment was for, sends back what isn't ours, or leaves it to the payer as a credit.
CREATE OR REPLACE FUNCTION smile.resolve_payment_exception(wanted uuid, action text, code text)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  e smile.payment_exception;
  p smile.payment;
  back bigint;
BEGIN
  IF NOT smile.is_officer('manage_billing') THEN
    PERFORM smile.fail(403, 'insufficient_scope');
  END IF;
  SELECT x.* INTO p FROM smile.payment AS x
  JOIN smile.payment_exception AS y ON y.payment_id = x.id WHERE y.id = wanted;
  IF NOT FOUND THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  PERFORM smile.lock_payment(p.client_id, p.bank_reference);
  SELECT * INTO e FROM smile.payment_exception AS x WHERE x.id = wanted;
  IF e.resolution IS NOT NULL THEN
    PERFORM smile.fail(409, 'exception_already_resolved');
  ELSIF (action, e.reason) IN (('assign', 'billing_already_paid'), ('assign', 'billing_withdrawn'),
    ('keep', 'payment_code_unknown'))
  THEN
    PERFORM smile.refuse(422, 'action_not_possible', '/action');
  END IF;
  IF action = 'assign' THEN
    UPDATE smile.payment AS x
    SET billing_id = b.id, employer_id = b.employer_id, self_employed_billing_id = o.id, member_id = o.member_id
    FROM (SELECT) AS one
    LEFT JOIN smile.billing AS b ON b.payment_code = code
    LEFT JOIN smile.self_employed_billing AS o ON o.payment_code = code
    WHERE x.id = p.id AND coalesce(b.id, o.id) IS NOT NULL;
    IF NOT FOUND THEN
      PERFORM smile.refuse(422, 'payment_code_unknown', '/payment_code');
    END IF;
  END IF;
  SELECT * INTO p FROM smile.payment AS x WHERE x.id = p.id;
  PERFORM smile.lock_payer(p.employer_id, p.member_id);
  IF action = 'assign' THEN
    PERFORM smile.book('payment_assigned', 'payment', p.id, ARRAY[
      ('payable.suspense', NULL, NULL, NULL, p.amount)::smile.posting_line, smile.credit_line(p, -p.amount)]);
  ELSIF action = 'return' THEN
    -- What has paid another billing since isn't there to go back.
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
  SET resolution = CASE action WHEN 'assign' THEN 'assigned' WHEN 'return' THEN 'returned' ELSE 'kept' END,
    resolved_at = smile.now(), resolved_by = smile.account_id()
  WHERE x.id = wanted;
  PERFORM smile.audit('payment_exception.resolved', 'payment_exception', wanted, json_strip_nulls(json_build_object(
    'action', action, 'payment_id', p.id, 'billing_id', coalesce(p.billing_id, p.self_employed_billing_id))));
  RETURN smile.answer(200, smile.exception_body(wanted));
END
$$;

REVOKE EXECUTE ON FUNCTION smile.lock_payer(uuid, uuid), smile.settle_payer(uuid, uuid),
  smile.credit_line(smile.payment, bigint) FROM smile_api, smile_jobs;
