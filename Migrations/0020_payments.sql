-- The bank's notice, and what a settled billing sets off: the members' months and the ledger's funds.

CREATE FUNCTION smile.billing_body(wanted uuid) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_strip_nulls(json_build_object(
    'id', b.id, 'employer_id', b.employer_id, 'return_id', b.return_id, 'payment_code', b.payment_code,
    'period', smile.month_text(b.period), 'due_date', b.due_date, 'due_at', smile.end_of_day(b.due_date),
    'amount', b.amount,
    'amounts', smile.amounts_body(b.jht_employer, b.jht_worker, b.jkk, b.jkm, b.jp_employer, b.jp_worker,
      b.jkp_from_jkk, b.jkp_from_jkm, b.jkp_state),
    'verified', (SELECT r.totals -> 'verified' FROM smile.contribution_return AS r WHERE r.id = b.return_id),
    'paid_amount', b.paid_amount, 'status', b.status, 'issued_at', b.issued_at, 'paid_at', b.paid_at))
  FROM smile.billing AS b WHERE b.id = wanted);

CREATE FUNCTION smile.list_billings(employer uuid, wanted_status text, after uuid, page integer) RETURNS json
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
    'next_after', CASE WHEN count(*) > page THEN (SELECT g.id FROM found AS g WHERE g.place = page) END))
  FROM found AS f
  HAVING EXISTS (SELECT FROM smile.employer AS e WHERE e.id = employer);
END;

-- Everything in it stays as it was at the notice, so that the same notice gets the same answer.
CREATE FUNCTION smile.payment_body(p smile.payment) RETURNS json LANGUAGE sql STABLE
RETURN json_build_object(
  'id', (p).id, 'billing_id', (p).billing_id, 'payment_code', (p).payment_code, 'amount', (p).amount,
  'paid_at', (p).paid_at, 'bank_reference', (p).bank_reference, 'received_at', (p).received_at,
  'settled', (p).settled);

-- A settled billing becomes the members' months and moves from what was billed to the funds; JHT to each member's own
-- sub-account.
CREATE FUNCTION smile.post_contributions(b smile.billing) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  booked uuid;
BEGIN
  INSERT INTO smile.contribution AS c
    (member_id, period, employer_id, wage, jht_employer, jht_worker, jkk, jkm, jp_employer, jp_worker, jkp_from_jkk,
    jkp_from_jkm, jkp_state, posted_at)
  SELECT x.member_id, x.period, b.employer_id, x.wage, x.jht_employer, x.jht_worker, x.jkk, x.jkm, x.jp_employer,
    x.jp_worker, x.jkp_from_jkk, x.jkp_from_jkm, x.jkp_state, smile.now()
  FROM smile.return_charges(b.employer_id, b.return_id) AS x
  ON CONFLICT (member_id, period, employer_id) DO UPDATE
  SET wage = c.wage + excluded.wage, jht_employer = c.jht_employer + excluded.jht_employer,
    jht_worker = c.jht_worker + excluded.jht_worker, jkk = c.jkk + excluded.jkk, jkm = c.jkm + excluded.jkm,
    jp_employer = c.jp_employer + excluded.jp_employer, jp_worker = c.jp_worker + excluded.jp_worker,
    jkp_from_jkk = c.jkp_from_jkk + excluded.jkp_from_jkk, jkp_from_jkm = c.jkp_from_jkm + excluded.jkp_from_jkm,
    jkp_state = c.jkp_state + excluded.jkp_state, posted_at = excluded.posted_at;

  INSERT INTO smile.ledger_transaction (kind, subject_kind, subject_id)
  VALUES ('contributions_posted', 'billing', b.id)
  RETURNING id INTO booked;
  INSERT INTO smile.posting (transaction_id, account, member_id, employer_id, period, amount)
  SELECT booked, 'fund.jht', x.member_id, b.employer_id, x.period, -(x.jht_employer + x.jht_worker)
  FROM smile.return_charges(b.employer_id, b.return_id) AS x
  WHERE x.jht_employer + x.jht_worker > 0
  UNION ALL
  SELECT booked, a.account, NULL, b.employer_id, b.period, a.amount
  FROM smile.billing_accounts(b, 'billed', 1) AS a
  UNION ALL
  SELECT booked, a.account, NULL, b.employer_id, b.period, a.amount
  FROM smile.billing_accounts(b, 'fund', -1) AS a WHERE a.account <> 'fund.jht';
END
$$;

-- The bank's notice. Known reference: the same answer again, or 409 when anything in it differs.
CREATE FUNCTION smile.record_payment(code text, wanted_amount bigint, wanted_paid_at timestamptz, reference text)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  p smile.payment;
  b smile.billing;
BEGIN
  IF smile.role() <> 'bank' THEN
    PERFORM smile.fail(403, 'wrong_role');
  END IF;
  SELECT * INTO b FROM smile.billing AS x WHERE x.payment_code = code FOR UPDATE;
  SELECT * INTO p FROM smile.payment AS x WHERE x.bank_reference = reference;
  IF FOUND THEN
    IF (p.client_id, p.payment_code, p.amount, p.paid_at)
      IS DISTINCT FROM (smile.client_id(), code, wanted_amount, wanted_paid_at)
    THEN
      PERFORM smile.fail(409, 'bank_reference_used');
    END IF;
    RETURN smile.answer(200, smile.payment_body(p));
  END IF;
  IF b.id IS NULL THEN
    PERFORM smile.refuse(422, 'payment_code_unknown', '/payment_code');
  ELSIF b.status = 'paid' THEN
    PERFORM smile.fail(409, 'billing_already_paid');
  ELSIF wanted_amount > b.amount - b.paid_amount THEN
    PERFORM smile.fail(422, 'amount_exceeds_billing', json_build_object('errors', json_build_array(
      json_build_object('pointer', '/amount', 'code', 'amount_exceeds_billing',
        'outstanding', b.amount - b.paid_amount))));
  END IF;
  INSERT INTO smile.payment
    (bank_reference, client_id, payment_code, billing_id, employer_id, amount, paid_at, settled)
  VALUES (reference, smile.client_id(), code, b.id, b.employer_id, wanted_amount, wanted_paid_at,
    wanted_amount = b.amount - b.paid_amount)
  RETURNING * INTO p;
  INSERT INTO smile.payment_allocation (payment_id, billing_id, employer_id, amount)
  VALUES (p.id, b.id, b.employer_id, wanted_amount);
  UPDATE smile.billing AS x
  SET paid_amount = x.paid_amount + wanted_amount, paid_at = CASE WHEN p.settled THEN wanted_paid_at END,
    status = CASE WHEN p.settled THEN 'paid' ELSE 'partially_paid' END
  WHERE x.id = b.id
  RETURNING * INTO b;
  PERFORM smile.book('payment_received', 'payment', p.id, ARRAY[
    ('bank', NULL, b.employer_id, b.period, wanted_amount),
    ('receivable.employer', NULL, b.employer_id, b.period, -wanted_amount)]::smile.posting_line[]);
  IF p.settled THEN
    PERFORM smile.post_contributions(b);
  END IF;
  PERFORM smile.audit('payment.received', 'payment', p.id, json_build_object(
    'billing_id', b.id, 'amount', wanted_amount, 'settled', p.settled));
  RETURN smile.answer(201, smile.payment_body(p));
END
$$;
REVOKE EXECUTE ON FUNCTION smile.post_contributions(smile.billing) FROM smile_api, smile_jobs;
