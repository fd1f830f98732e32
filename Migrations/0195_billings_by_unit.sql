-- Which billings a return gets, what they share, and how they are told of: one for the whole return, or by unit one for
-- each unit whose workers cost something.

-- Keeps each worker's unit with the line; called when a return that is billed by unit is finalised.
CREATE FUNCTION smile.keep_units(r smile.contribution_return) RETURNS void LANGUAGE sql
BEGIN ATOMIC
  INSERT INTO smile.return_line_unit (employer_id, return_id, line, unit_id)
  SELECT l.employer_id, l.return_id, l.line, s.unit_id
  FROM smile.return_line AS l
  CROSS JOIN LATERAL (
    SELECT e.unit_id FROM smile.employment AS e
    WHERE e.member_id = l.member_id AND e.employer_id = l.employer_id
    ORDER BY e.start_date < ((r).period + interval '1 month')::date DESC, e.start_date DESC LIMIT 1) AS s
  WHERE l.employer_id = (r).employer_id AND l.return_id = (r).id AND l.status <> 'rejected' AND s.unit_id IS NOT NULL;
END;

-- As before. A month's reductions wait for all its billings, of which one payment can settle several: posted with the
-- first, they took from months that the next one was to bring. Fines are added up again for billings whose fines
-- changed, and payments become settled (0180).
CREATE OR REPLACE FUNCTION smile.settle(employers uuid[]) RETURNS void
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  b smile.billing;
  opened uuid[];
  closed uuid[];
  fined CONSTANT uuid[] := smile.charge_late_fines(employers);
BEGIN
  PERFORM smile.plan_for(employers);
  WITH item AS MATERIALIZED (
    SELECT a.billing_id, a.number, a.amount, a.received, a.direct, a.credit, a.paid_at
    FROM smile.allocation(employers, '{infinity}', true) AS a),
  fine AS (
    UPDATE smile.late_fine AS f SET paid_amount = t.paid
    FROM (
      SELECT coalesce(i.billing_id, k.billing_id) AS billing_id, coalesce(i.number, k.number) AS number,
        coalesce(i.credit, 0) AS paid
      FROM (SELECT x.billing_id, x.number, x.credit FROM item AS x WHERE x.number > 0 AND x.credit > 0) AS i
      FULL JOIN (
        SELECT x.billing_id, x.number, x.paid_amount FROM smile.late_fine AS x
        WHERE x.employer_id = ANY (employers) AND x.paid_amount > 0) AS k
        ON k.billing_id = i.billing_id AND k.number = i.number
      WHERE i.credit IS DISTINCT FROM k.paid_amount) AS t
    WHERE f.billing_id = t.billing_id AND f.number = t.number),
  target AS (
    SELECT i.billing_id, sum(i.received)::bigint AS received,
      coalesce(sum(i.direct + i.credit) FILTER (WHERE i.number = 0), 0)::bigint AS paid, max(i.paid_at) AS paid_at,
      coalesce(sum(i.credit) FILTER (WHERE i.number > 0), 0)::bigint AS fine_paid,
      CASE WHEN i.billing_id = ANY (fined) THEN (
        SELECT coalesce(sum(f.amount), 0)::bigint FROM smile.late_fine AS f WHERE f.billing_id = i.billing_id)
      END AS fine_amount
    FROM item AS i GROUP BY i.billing_id),
  changed AS (
    UPDATE smile.billing AS x
    SET received_amount = t.received, paid_amount = t.paid, paid_at = t.paid_at,
      fine_amount = coalesce(t.fine_amount, x.fine_amount), fine_paid = t.fine_paid,
      status = CASE WHEN t.paid = 0 THEN 'unpaid' WHEN t.paid < x.amount THEN 'partially_paid' ELSE 'paid' END
    FROM target AS t JOIN smile.billing AS was ON was.id = t.billing_id
    WHERE x.id = t.billing_id AND (x.received_amount, x.paid_amount, x.paid_at, x.fine_amount, x.fine_paid)
      IS DISTINCT FROM (t.received, t.paid, t.paid_at, coalesce(t.fine_amount, x.fine_amount), t.fine_paid)
    RETURNING x.id, x.employer_id, x.period, x.status, was.status AS was_status, t.paid - was.paid_amount AS paid,
      x.fine_amount - was.fine_amount AS fine_amount, t.fine_paid - was.fine_paid AS fine_paid),
  moved AS (
    INSERT INTO smile.settlement (billing_id, employer_id, amount, fine_amount, fine_paid)
    SELECT c.id, c.employer_id, c.paid, c.fine_amount, c.fine_paid FROM changed AS c
    WHERE c.paid <> 0 OR c.fine_amount <> 0 OR c.fine_paid <> 0
    RETURNING id, billing_id),
  booked AS (
    INSERT INTO smile.ledger_transaction (kind, subject_kind, subject_id)
    SELECT 'billing_settled', 'settlement', m.id FROM moved AS m
    RETURNING id, subject_id),
  posted AS (
    INSERT INTO smile.posting (transaction_id, account, employer_id, period, amount)
    SELECT k.id, l.account, c.employer_id, l.period, l.amount
    FROM booked AS k JOIN moved AS m ON m.id = k.subject_id JOIN changed AS c ON c.id = m.billing_id
    CROSS JOIN LATERAL (VALUES
      ('payable.employer_credit', NULL::date, c.paid + c.fine_paid),
      ('receivable.employer', c.period, -c.paid),
      ('receivable.late_fine', c.period, c.fine_amount - c.fine_paid),
      ('income.late_fine', c.period, -c.fine_amount)) AS l (account, period, amount)
    WHERE l.amount <> 0)
  SELECT array_agg(c.id) FILTER (WHERE c.status <> 'paid' AND c.was_status = 'paid'),
    array_agg(c.id) FILTER (WHERE c.status = 'paid' AND c.was_status <> 'paid')
  INTO opened, closed FROM changed AS c;
  UPDATE smile.payment AS p SET settled_amount = p.stands
  WHERE p.employer_id = ANY (employers) AND p.settled_amount <> p.stands;
  FOR b IN SELECT x.* FROM smile.billing AS x WHERE x.id = ANY (opened) ORDER BY x.id LOOP
    PERFORM smile.unpost_contributions(b);
  END LOOP;
  FOR b IN SELECT x.* FROM smile.billing AS x WHERE x.id = ANY (closed) ORDER BY x.id LOOP
    PERFORM smile.post_contributions(b);
  END LOOP;
  PERFORM smile.post_reductions(t.employer_id, t.period)
  FROM (
    SELECT DISTINCT x.employer_id, x.period::date AS period FROM smile.billing AS x WHERE x.id = ANY (closed)
    ORDER BY x.employer_id, period) AS t;
END
$$;

-- As before, once for all billings of a return.
CREATE OR REPLACE FUNCTION smile.settle_new_billing() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  employer uuid;
BEGIN
  FOR employer IN
    SELECT DISTINCT m.employer_id FROM made AS m
    WHERE EXISTS (SELECT FROM smile.delays_to_charge(ARRAY[m.employer_id]))
      OR smile.employer_credit(m.employer_id) > 0
  LOOP
    PERFORM smile.settle(employer);
  END LOOP;
  RETURN NULL;
END
$$;
DROP TRIGGER billing_takes_credit ON smile.billing;
CREATE TRIGGER billing_takes_credit AFTER INSERT ON smile.billing REFERENCING NEW TABLE AS made
  FOR EACH STATEMENT EXECUTE FUNCTION smile.settle_new_billing();

-- Deferred parts stand in no other index of returns; without one, four looks at all billings for each finalisation.
CREATE INDEX billing_of_return ON smile.billing (return_id);

-- The billings of a return, that of the workers without a unit last. Deferred parts stand last. NULL without any.
CREATE FUNCTION smile.return_billings(wanted uuid) RETURNS json LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN (
    SELECT json_agg(json_strip_nulls(json_build_object('id', b.id, 'unit_id', b.unit_id,
      'payment_code', b.payment_code, 'due_date', b.due_date, 'amount', b.amount)) ORDER BY b.due_date, b.unit_id)
    FROM smile.billing AS b WHERE b.return_id = wanted);
END
$$;

-- As before, with all billings of the return.
CREATE OR REPLACE FUNCTION smile.finalise_return(wanted uuid) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  r smile.contribution_return;
  bill uuid;
  now_version bigint;
BEGIN
  SELECT x.* INTO r FROM smile.contribution_return AS x
  WHERE x.id = wanted AND x.employer_id = smile.employer_id() FOR UPDATE;
  IF NOT FOUND THEN
    PERFORM smile.fail(404, 'not_found');
  ELSIF r.status <> 'open' THEN
    PERFORM smile.fail(409, 'return_not_open');
  ELSIF r.kind <> 'no_activity' AND r.accepted + r.warned = 0 THEN
    PERFORM smile.fail(422, 'return_without_lines');
  END IF;
  PERFORM FROM smile.employer AS e WHERE e.id = r.employer_id FOR NO KEY UPDATE;
  PERFORM smile.refuse_outdated(r);
  PERFORM smile.register_new_workers(r);
  PERFORM smile.bill_return(r);
  bill := (SELECT b.id FROM smile.billing AS b WHERE b.return_id = r.id AND NOT b.by_unit AND b.deferred_of IS NULL);
  UPDATE smile.contribution_return AS x
  SET status = 'finalised', finalised_at = smile.now(),
    receipt = json_strip_nulls(json_build_object(
      'receipt_id', smile.uuid7(), 'return_id', r.id, 'employer_id', r.employer_id,
      'npp', (SELECT e.npp FROM smile.employer AS e WHERE e.id = r.employer_id),
      'period', smile.month_text(r.period), 'kind', r.kind, 'client_reference', r.client_reference,
      'content_sha256', encode(r.content_sha256, 'hex'), 'outcome', r.outcome,
      'counts', json_build_object('lines', r.lines, 'accepted', r.accepted, 'warned', r.warned,
        'rejected', r.rejected),
      'totals', r.totals, 'billing_id', bill, 'billings', smile.return_billings(r.id),
      'finalised_at', smile.now()))
  WHERE x.id = r.id
  RETURNING x.version INTO now_version;
  PERFORM smile.audit('return.finalised', 'contribution_return', r.id, json_build_object(
    'billing_ids', (SELECT json_agg(b.id ORDER BY b.id) FROM smile.billing AS b WHERE b.return_id = r.id)));
  RETURN smile.answer(200, smile.return_body(r.id), smile.etag(now_version), '/v1/billings/' || bill);
END
$$;

-- As before, with the unit that a line was billed to.
CREATE OR REPLACE FUNCTION smile.list_return_lines(
  wanted uuid, wanted_status text, after integer, page integer, language text)
RETURNS json LANGUAGE sql STABLE
BEGIN ATOMIC
  WITH kept AS MATERIALIZED (
    SELECT r.employer_id, r.status, coalesce(r.basis, smile.return_basis(r)) AS basis
    FROM smile.contribution_return AS r WHERE r.id = wanted),
  ceiling AS MATERIALIZED (
    SELECT smile.wage_ceiling(k.basis, 'JP') AS jp, smile.wage_ceiling(k.basis, 'JKP') AS jkp FROM kept AS k),
  found AS (
    SELECT l.*, row_number() OVER (ORDER BY l.line) AS place
    FROM smile.return_line AS l
    WHERE l.employer_id = (SELECT k.employer_id FROM kept AS k)
      AND l.return_id = wanted AND l.line > (SELECT coalesce(after, 0))
      AND (wanted_status IS NULL OR l.status = wanted_status)
    ORDER BY l.line LIMIT page + 1)
  SELECT json_strip_nulls(json_build_object(
    'items', coalesce(json_agg(json_build_object(
        'line', l.line, 'line_key', l.line_key, 'status', l.status, 'match', l.match,
        'kpj', CASE WHEN l.match <> 'new_member' OR (SELECT k.status = 'finalised' FROM kept AS k) THEN l.kpj END,
        'nik_last_four', l.nik_last_four, 'full_name', l.full_name, 'birth_date', l.birth_date, 'wage', l.wage,
        'back_pay', l.back_pay, 'back_pay_period', smile.month_text(l.back_pay_period),
        'unit_id', (
          SELECT u.unit_id FROM smile.return_line_unit AS u
          WHERE u.employer_id = l.employer_id AND u.return_id = l.return_id AND u.line = l.line),
        'jp_wage', CASE WHEN l.status <> 'rejected' AND l.jp_employer > 0 THEN
          least(l.wage, (SELECT c.jp FROM ceiling AS c)) END,
        'jkp_wage', CASE WHEN l.status <> 'rejected' AND l.jkp_state > 0 THEN
          least(l.wage, (SELECT c.jkp FROM ceiling AS c)) END,
        'amounts', CASE WHEN l.status <> 'rejected' THEN smile.amounts_body(l.jht_employer, l.jht_worker, l.jkk,
          l.jkm, l.jp_employer, l.jp_worker, l.jkp_from_jkk, l.jkp_from_jkm, l.jkp_state) END,
        'back_pay_amounts', (
          SELECT smile.amounts_body(b.jht_employer, b.jht_worker, b.jkk, b.jkm, b.jp_employer, b.jp_worker,
            b.jkp_from_jkk, b.jkp_from_jkm, b.jkp_state)
          FROM smile.return_back_pay AS b
          WHERE b.employer_id = l.employer_id AND b.return_id = l.return_id AND b.line = l.line),
        'wage_before', d.wage_before, 'debit', d.debit, 'credit', d.credit,
        'findings', (
          SELECT json_agg(smile.finding_body(f, language) ORDER BY f.field, f.code) FROM smile.finding AS f
          WHERE f.employer_id = l.employer_id AND f.return_id = l.return_id AND f.line = l.line))
      ORDER BY l.place) FILTER (WHERE l.place <= page), '[]'),
    'next_after', CASE WHEN count(*) > page THEN (SELECT g.line::text FROM found AS g WHERE g.place = page) END))
  FROM found AS l
  LEFT JOIN LATERAL (
    SELECT l.wage - x.wage AS wage_before,
      smile.amounts_body(greatest(x.jht_employer, 0), greatest(x.jht_worker, 0), greatest(x.jkk, 0),
      greatest(x.jkm, 0), greatest(x.jp_employer, 0), greatest(x.jp_worker, 0), greatest(x.jkp_from_jkk, 0),
      greatest(x.jkp_from_jkm, 0), greatest(x.jkp_state, 0)) AS debit,
      smile.amounts_body(greatest(-x.jht_employer, 0), greatest(-x.jht_worker, 0),
      greatest(-x.jkk, 0), greatest(-x.jkm, 0), greatest(-x.jp_employer, 0), greatest(-x.jp_worker, 0),
      greatest(-x.jkp_from_jkk, 0), greatest(-x.jkp_from_jkm, 0), greatest(-x.jkp_state, 0)) AS credit
    FROM smile.return_difference AS x
    WHERE x.employer_id = l.employer_id AND x.return_id = l.return_id AND x.line = l.line) AS d ON true
  HAVING EXISTS (SELECT FROM kept);
END;

REVOKE EXECUTE ON FUNCTION smile.keep_units(smile.contribution_return) FROM smile_api, smile_jobs, smile_auth;
