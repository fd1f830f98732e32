-- The bank's notices and reversals. Money is never turned away: what can't be matched waits in suspense, in a queue for
-- officers who manage billing.

-- The bank took a payment back. Known by the payment's reference, so that it may come before the payment does.
CREATE TABLE smile.payment_reversal (
  id uuid PRIMARY KEY DEFAULT smile.uuid7(),
  client_id uuid NOT NULL,
  bank_reference text NOT NULL CHECK (bank_reference ~ '^[A-Za-z0-9._/-]{1,64}$'),
  amount bigint NOT NULL CHECK (amount > 0),
  reason text NOT NULL CHECK (reason IN ('returned', 'duplicate', 'bank_error', 'fraud')),
  reversed_at timestamptz NOT NULL,
  received_at timestamptz NOT NULL DEFAULT smile.now(),
  CONSTRAINT payment_reversed_once UNIQUE (client_id, bank_reference)
);

CREATE TABLE smile.payment_exception (
  id uuid PRIMARY KEY DEFAULT smile.uuid7(),
  payment_id uuid NOT NULL UNIQUE REFERENCES smile.payment,
  reason text NOT NULL CHECK (reason IN ('payment_code_unknown', 'billing_already_paid')),
  raised_at timestamptz NOT NULL DEFAULT smile.now(),
  resolution text CHECK (resolution IN ('assigned', 'returned', 'kept', 'reversed')),
  resolved_at timestamptz,
  resolved_by uuid,
  CONSTRAINT exception_is_resolved_once CHECK ((resolution IS NULL) = (resolved_at IS NULL))
);
CREATE INDEX payment_exception_open ON smile.payment_exception (id) WHERE resolution IS NULL;

DO $policies$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['payment_reversal', 'payment_exception'] LOOP
    EXECUTE format('ALTER TABLE smile.%I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE smile.%I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY owner_all ON smile.%I TO smile_owner USING (true)', name);
    EXECUTE format('CREATE POLICY officers_read ON smile.%I FOR SELECT TO smile_api
      USING ((SELECT smile.is_officer(''manage_billing'')))', name);
  END LOOP;
END
$policies$;
GRANT SELECT ON smile.payment_reversal, smile.payment_exception TO smile_api;

-- One at a time for each payment: notices, reversals and officers. A statement, which names many, takes the bank.
CREATE FUNCTION smile.lock_payment(client uuid, reference text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(hashtextextended(client::text, 110));
  PERFORM pg_advisory_xact_lock(hashtextextended(client || ' ' || reference, 111));
END
$$;

-- An event that the bank tells of can't lie ahead; its clock may run five minutes fast.
CREATE FUNCTION smile.lies_ahead(told timestamptz) RETURNS boolean LANGUAGE sql STABLE
RETURN told > smile.now() + interval '5 minutes';

-- Books a payment that wasn't known, but doesn't settle what it pays. The caller holds the payment's lock.
CREATE FUNCTION smile.add_payment(code text, wanted_amount bigint, wanted_paid_at timestamptz, reference text)
RETURNS smile.payment LANGUAGE plpgsql AS $$
DECLARE
  p smile.payment;
  b smile.billing;
BEGIN
  PERFORM FROM smile.employer AS e
  WHERE e.id = (SELECT x.employer_id FROM smile.billing AS x WHERE x.payment_code = code) FOR NO KEY UPDATE;
  SELECT * INTO b FROM smile.billing AS x WHERE x.payment_code = code;
  INSERT INTO smile.payment
    (bank_reference, client_id, payment_code, billing_id, employer_id, amount, paid_at, reversed_at)
  VALUES (reference, smile.client_id(), code, b.id, b.employer_id, wanted_amount, wanted_paid_at, (
    SELECT r.reversed_at FROM smile.payment_reversal AS r
    WHERE r.client_id = smile.client_id() AND r.bank_reference = reference AND r.amount = wanted_amount))
  RETURNING * INTO p;
  PERFORM smile.audit('payment.received', 'payment', p.id, json_strip_nulls(json_build_object(
    'billing_id', b.id, 'amount', wanted_amount, 'reversed', p.reversed_at IS NOT NULL)));
  IF p.reversed_at IS NOT NULL THEN
    RETURN p;
  END IF;
  PERFORM smile.book('payment_received', 'payment', p.id, ARRAY[
    ('bank', NULL, b.employer_id, NULL, wanted_amount),
    (CASE WHEN b.id IS NULL THEN 'payable.suspense' ELSE 'payable.employer_credit' END, NULL, b.employer_id, NULL,
      -wanted_amount)]::smile.posting_line[]);
  IF b.id IS NULL OR b.status = 'paid' THEN
    INSERT INTO smile.payment_exception (payment_id, reason)
    VALUES (p.id, CASE WHEN b.id IS NULL THEN 'payment_code_unknown' ELSE 'billing_already_paid' END);
  END IF;
  RETURN p;
END
$$;

-- `was_paid`: what was paid of its billing before it.
CREATE FUNCTION smile.payment_body(p smile.payment, was_paid bigint) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_strip_nulls(json_build_object(
    'id', (p).id, 'billing_id', (p).billing_id, 'payment_code', (p).payment_code, 'amount', (p).amount,
    'paid_at', (p).paid_at, 'bank_reference', (p).bank_reference, 'received_at', (p).received_at,
    'applied', coalesce(b.paid_amount - was_paid, 0),
    'settled', coalesce(b.paid_amount = b.amount AND was_paid < b.amount, false),
    'reversed_at', (p).reversed_at,
    'exception', (
      SELECT json_build_object('id', e.id, 'reason', e.reason)
      FROM smile.payment_exception AS e WHERE e.payment_id = (p).id)))
  FROM (SELECT) AS one LEFT JOIN smile.billing AS b ON b.id = (p).billing_id);

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
  SELECT b.paid_amount INTO was_paid FROM smile.billing AS b WHERE b.id = p.billing_id;
  PERFORM smile.settle(p.employer_id) WHERE p.employer_id IS NOT NULL AND p.reversed_at IS NULL;
  UPDATE smile.payment AS x SET answer = smile.payment_body(p, was_paid) WHERE x.id = p.id RETURNING * INTO p;
  RETURN smile.answer(201, p.answer);
END
$$;

-- Takes every booking about a payment back, but doesn't settle what it paid. The caller holds the payment's lock.
CREATE FUNCTION smile.take_back(wanted uuid, at timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM smile.employer AS e
  WHERE e.id = (SELECT p.employer_id FROM smile.payment AS p WHERE p.id = wanted) FOR NO KEY UPDATE;
  PERFORM smile.reverse_transaction(t.id, t.kind || '_reversed')
  FROM smile.ledger_transaction AS t
  WHERE t.subject_id = wanted AND t.reverses IS NULL;
  UPDATE smile.payment AS p SET reversed_at = at WHERE p.id = wanted;
  UPDATE smile.payment_exception AS e SET resolution = 'reversed', resolved_at = smile.now()
  WHERE e.payment_id = wanted AND e.resolution IS NULL;
  PERFORM smile.audit('payment.reversed', 'payment', wanted);
END
$$;

CREATE FUNCTION smile.reverse_payment(wanted uuid, why text, at timestamptz) RETURNS smile.answer_row
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
  PERFORM smile.settle(p.employer_id) WHERE p.employer_id IS NOT NULL;
  RETURN smile.answer(201, smile.reversal_body(r, p.id));
END
$$;

CREATE FUNCTION smile.reversal_body(r smile.payment_reversal, payment uuid) RETURNS json LANGUAGE sql STABLE
RETURN json_build_object(
  'id', (r).id, 'payment_id', payment, 'bank_reference', (r).bank_reference, 'amount', (r).amount,
  'reason', (r).reason, 'reversed_at', (r).reversed_at, 'received_at', (r).received_at);

CREATE FUNCTION smile.exception_body(wanted uuid) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_strip_nulls(json_build_object(
    'id', e.id, 'reason', e.reason, 'status', CASE WHEN e.resolution IS NULL THEN 'open' ELSE 'resolved' END,
    'raised_at', e.raised_at, 'resolution', e.resolution, 'resolved_at', e.resolved_at,
    'payment', json_build_object(
      'id', p.id, 'client_id', p.client_id, 'bank_reference', p.bank_reference, 'payment_code', p.payment_code,
      'amount', p.amount, 'returned_amount', p.returned_amount, 'paid_at', p.paid_at, 'received_at', p.received_at,
      'billing_id', p.billing_id, 'employer_id', p.employer_id)))
  FROM smile.payment_exception AS e JOIN smile.payment AS p ON p.id = e.payment_id
  WHERE e.id = wanted);

-- Oldest first: a queue.
CREATE FUNCTION smile.list_payment_exceptions(is_open boolean, after uuid, page integer) RETURNS json
LANGUAGE sql STABLE
BEGIN ATOMIC
  WITH found AS (
    SELECT e.id, row_number() OVER (ORDER BY e.id) AS place
    FROM smile.payment_exception AS e
    WHERE (is_open IS NULL OR (e.resolution IS NULL) = is_open) AND (after IS NULL OR e.id > after)
    ORDER BY e.id LIMIT page + 1)
  SELECT json_strip_nulls(json_build_object(
    'items', coalesce(json_agg(smile.exception_body(f.id) ORDER BY f.place) FILTER (WHERE f.place <= page), '[]'),
    'next_after', CASE WHEN count(*) > page THEN (SELECT g.id FROM found AS g WHERE g.place = page) END))
  FROM found AS f;
END;

-- An officer says what a payment was for, sends back what isn't ours, or leaves it to the employer as a credit.
CREATE FUNCTION smile.resolve_payment_exception(wanted uuid, action text, code text) RETURNS smile.answer_row
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
  ELSIF (action, e.reason) IN (('assign', 'billing_already_paid'), ('keep', 'payment_code_unknown')) THEN
    PERFORM smile.refuse(422, 'action_not_possible', '/action');
  END IF;
  IF action = 'assign' THEN
    UPDATE smile.payment AS x SET billing_id = b.id, employer_id = b.employer_id
    FROM smile.billing AS b WHERE b.payment_code = code AND x.id = p.id;
    IF NOT FOUND THEN
      PERFORM smile.refuse(422, 'payment_code_unknown', '/payment_code');
    END IF;
  END IF;
  SELECT * INTO p FROM smile.payment AS x WHERE x.id = p.id;
  PERFORM FROM smile.employer AS m WHERE m.id = p.employer_id FOR NO KEY UPDATE;
  IF action = 'assign' THEN
    PERFORM smile.book('payment_assigned', 'payment', p.id, ARRAY[
      ('payable.suspense', NULL, NULL, NULL, p.amount),
      ('payable.employer_credit', NULL, p.employer_id, NULL, -p.amount)]::smile.posting_line[]);
  ELSIF action = 'return' THEN
    -- What has paid another billing since isn't there to go back.
    back := CASE WHEN p.employer_id IS NULL THEN p.amount
      ELSE least(p.amount, smile.employer_credit(p.employer_id)) END;
    IF back = 0 THEN
      PERFORM smile.fail(409, 'credit_already_used');
    END IF;
    UPDATE smile.payment AS x SET returned_amount = back WHERE x.id = p.id;
    PERFORM smile.book('payment_returned', 'payment', p.id, ARRAY[
      (CASE WHEN p.employer_id IS NULL THEN 'payable.suspense' ELSE 'payable.employer_credit' END, NULL, p.employer_id,
        NULL, back),
      ('payable.refund', NULL, p.employer_id, NULL, -back)]::smile.posting_line[]);
  END IF;
  PERFORM smile.settle(p.employer_id) WHERE p.employer_id IS NOT NULL;
  UPDATE smile.payment_exception AS x
  SET resolution = CASE action WHEN 'assign' THEN 'assigned' WHEN 'return' THEN 'returned' ELSE 'kept' END,
    resolved_at = smile.now(), resolved_by = smile.account_id()
  WHERE x.id = wanted;
  PERFORM smile.audit('payment_exception.resolved', 'payment_exception', wanted, json_strip_nulls(json_build_object(
    'action', action, 'payment_id', p.id, 'billing_id', p.billing_id)));
  RETURN smile.answer(200, smile.exception_body(wanted));
END
$$;

REVOKE EXECUTE ON FUNCTION smile.lock_payment(uuid, text), smile.add_payment(text, bigint, timestamptz, text),
  smile.take_back(uuid, timestamptz), smile.reversal_body(smile.payment_reversal, uuid),
  smile.payment_body(smile.payment, bigint) FROM smile_api, smile_jobs;
