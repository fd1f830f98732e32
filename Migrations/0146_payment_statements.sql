-- A bank's statement of a day: what notices missed is booked as notices are, what is known changes nothing, what
-- disagrees waits for an officer. Every row has its outcome, and the file works as a whole or not at all.

CREATE TABLE smile.payment_statement (
  id uuid PRIMARY KEY DEFAULT smile.uuid7(),
  client_id uuid NOT NULL REFERENCES smile.client,
  statement_date date NOT NULL,
  content_sha256 bytea NOT NULL CHECK (octet_length(content_sha256) = 32),
  declared_count bigint NOT NULL CHECK (declared_count >= 0),
  -- Payments less reversals.
  declared_amount bigint NOT NULL,
  received_at timestamptz NOT NULL DEFAULT smile.now(),
  processed_at timestamptz,
  job_id uuid REFERENCES smile.job ON DELETE SET NULL,
  CONSTRAINT payment_statement_once UNIQUE (client_id, statement_date)
);
CREATE INDEX payment_statement_job ON smile.payment_statement (job_id) WHERE job_id IS NOT NULL;

CREATE TABLE smile.payment_statement_row (
  statement_id uuid NOT NULL REFERENCES smile.payment_statement ON DELETE CASCADE,
  number integer NOT NULL CHECK (number >= 1),
  -- NULL where it couldn't be read. `problems` says what is wrong, each as `column:code`.
  kind text CHECK (kind IN ('payment', 'reversal')),
  bank_reference text,
  payment_code text,
  amount bigint CHECK (amount > 0),
  at timestamptz,
  reason text,
  problems text[],
  outcome text CHECK (outcome IN ('posted', 'reversed', 'known', 'awaiting_payment', 'exception', 'rejected')),
  payment_id uuid REFERENCES smile.payment,
  -- What was paid of the billing before the file.
  was_paid bigint,
  PRIMARY KEY (statement_id, number)
);

ALTER TABLE smile.payment
  -- What told of it first, when that wasn't a notice.
  ADD COLUMN statement_id uuid REFERENCES smile.payment_statement;

ALTER TABLE smile.payment_exception
  DROP CONSTRAINT payment_exception_payment_id_key,
  DROP CONSTRAINT payment_exception_reason_check,
  ALTER COLUMN payment_id DROP NOT NULL,
  ADD COLUMN statement_id uuid,
  ADD COLUMN statement_row integer,
  ADD CONSTRAINT payment_exception_reason_check CHECK (reason IN ('payment_code_unknown', 'billing_already_paid',
    'statement_differs', 'reversal_differs', 'reversal_without_payment')),
  ADD CONSTRAINT exception_names_row FOREIGN KEY (statement_id, statement_row)
    REFERENCES smile.payment_statement_row,
  ADD CONSTRAINT exception_is_about_something CHECK (num_nonnulls(payment_id, statement_id) > 0),
  ADD CONSTRAINT payment_exception_once UNIQUE (payment_id, reason);
CREATE INDEX payment_exception_row ON smile.payment_exception (statement_id, statement_row);

DO $policies$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['payment_statement', 'payment_statement_row'] LOOP
    EXECUTE format('ALTER TABLE smile.%I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE smile.%I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY owner_all ON smile.%I TO smile_owner USING (true)', name);
    EXECUTE format('CREATE POLICY officers_read ON smile.%I FOR SELECT TO smile_api
      USING ((SELECT smile.is_officer(''manage_billing'')))', name);
  END LOOP;
END
$policies$;
CREATE POLICY own_statements ON smile.payment_statement FOR SELECT TO smile_api
  USING (client_id = (SELECT smile.client_id()));
-- Bound by the policies of payment_statement.
CREATE POLICY own_rows ON smile.payment_statement_row FOR SELECT TO smile_api
  USING (EXISTS (SELECT FROM smile.payment_statement AS s WHERE s.id = statement_id));
GRANT SELECT ON smile.payment_statement, smile.payment_statement_row TO smile_api;

-- A payment that a bank tells of, with the id that it gets.
CREATE TYPE smile.payment_notice AS (
  id uuid, bank_reference text, payment_code text, amount bigint, paid_at timestamptz);

CREATE INDEX payment_statement_row_awaiting ON smile.payment_statement_row (bank_reference)
  WHERE outcome = 'awaiting_payment';

CREATE FUNCTION smile.same_day(one timestamptz, other timestamptz) RETURNS boolean LANGUAGE sql STABLE
RETURN (one AT TIME ZONE 'Asia/Jakarta')::date = (other AT TIME ZONE 'Asia/Jakarta')::date;

CREATE FUNCTION smile.same_instant(p smile.payment, told timestamptz) RETURNS boolean LANGUAGE sql STABLE
RETURN CASE WHEN (p).statement_id IS NULL THEN (p).paid_at = told
  ELSE smile.same_day((p).paid_at, told) END;

-- Gives every row of a statement its outcome, and does what it says. Notices of the bank wait meanwhile.
CREATE FUNCTION smile.apply_statement(wanted uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  s smile.payment_statement;
BEGIN
  SELECT * INTO s FROM smile.payment_statement AS x WHERE x.id = wanted;
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

  -- Of several rows that take one reference back the first does; the payment may come later.
  UPDATE smile.payment_statement_row AS r
  SET payment_id = p.id, outcome = CASE WHEN p.id IS NULL THEN 'awaiting_payment'
      WHEN p.amount <> r.amount THEN 'exception' WHEN r.at < p.paid_at THEN 'rejected' ELSE 'reversed' END,
    problems = CASE WHEN p.amount = r.amount AND r.at < p.paid_at THEN '{at:reversed_before_paid}'::text[] END
  FROM (
    SELECT DISTINCT ON (x.bank_reference) x.number, x.bank_reference
    FROM smile.payment_statement_row AS x
    WHERE x.statement_id = s.id AND x.kind = 'reversal' AND x.outcome IS NULL AND NOT EXISTS (
      SELECT FROM smile.payment_reversal AS k
      WHERE k.client_id = s.client_id AND k.bank_reference = x.bank_reference)
    ORDER BY x.bank_reference, x.number) AS f
  LEFT JOIN smile.payment AS p ON p.client_id = s.client_id AND p.bank_reference = f.bank_reference
  WHERE r.statement_id = s.id AND r.number = f.number;
  INSERT INTO smile.payment_reversal (client_id, bank_reference, amount, reason, reversed_at)
  SELECT s.client_id, r.bank_reference, r.amount, r.reason, r.at FROM smile.payment_statement_row AS r
  WHERE r.statement_id = s.id AND r.outcome IN ('reversed', 'awaiting_payment');
  PERFORM smile.take_back(array_agg(r.payment_id))
  FROM smile.payment_statement_row AS r
  WHERE r.statement_id = s.id AND r.outcome = 'reversed' HAVING count(*) > 0;
  UPDATE smile.payment_statement_row AS r
  SET payment_id = p.id, outcome = CASE WHEN k.amount = r.amount THEN 'known' ELSE 'exception' END
  FROM smile.payment_reversal AS k
  LEFT JOIN smile.payment AS p ON p.client_id = k.client_id AND p.bank_reference = k.bank_reference
  WHERE r.statement_id = s.id AND r.kind = 'reversal' AND r.outcome IS NULL
    AND k.client_id = s.client_id AND k.bank_reference = r.bank_reference;
  -- A second row of a reference whose first was no good.
  UPDATE smile.payment_statement_row AS r SET outcome = 'exception', payment_id = (
    SELECT p.id FROM smile.payment AS p WHERE p.client_id = s.client_id AND p.bank_reference = r.bank_reference)
  WHERE r.statement_id = s.id AND r.outcome IS NULL;

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

-- Books what a statement tells of and nobody knew; the rows that did, with the payments that they became.
CREATE FUNCTION smile.new_statement_payments(s smile.payment_statement)
RETURNS TABLE (number integer, id uuid) LANGUAGE plpgsql AS $$
DECLARE
  fresh smile.payment_notice[];
  rows integer[];
BEGIN
  SELECT array_agg((smile.uuid7(), f.bank_reference, f.payment_code, f.amount, f.at)::smile.payment_notice
    ORDER BY f.number), array_agg(f.number ORDER BY f.number)
  INTO fresh, rows
  FROM (
    SELECT DISTINCT ON (r.bank_reference) r.number, r.bank_reference, r.payment_code, r.amount, r.at
    FROM smile.payment_statement_row AS r
    WHERE r.statement_id = s.id AND r.kind = 'payment' AND r.outcome IS NULL AND NOT EXISTS (
      SELECT FROM smile.payment AS p WHERE p.client_id = s.client_id AND p.bank_reference = r.bank_reference)
    ORDER BY r.bank_reference, r.number) AS f;
  IF fresh IS NOT NULL THEN
    PERFORM smile.add_payments(fresh, s.id);
  END IF;
  RETURN QUERY SELECT t.number, t.id
  FROM unnest(rows, ARRAY(SELECT f.id FROM unnest(fresh) WITH ORDINALITY AS f ORDER BY f.ordinality)) AS t (number, id);
END
$$;

CREATE FUNCTION smile.statement_outcomes(wanted uuid) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_build_object(
    'posted', count(*) FILTER (WHERE r.outcome = 'posted'), 'reversed', count(*) FILTER (WHERE r.outcome = 'reversed'),
    'known', count(*) FILTER (WHERE r.outcome = 'known'),
    'awaiting_payment', count(*) FILTER (WHERE r.outcome = 'awaiting_payment'),
    'exception', count(*) FILTER (WHERE r.outcome = 'exception'),
    'rejected', count(*) FILTER (WHERE r.outcome = 'rejected'))
  FROM smile.payment_statement_row AS r WHERE r.statement_id = wanted);

-- The sum of what can be read is told only where that is every row.
CREATE FUNCTION smile.statement_totals(wanted uuid, OUT count bigint, OUT amount bigint) LANGUAGE sql STABLE
BEGIN ATOMIC
  SELECT count(*), CASE WHEN count(*) = count(r.kind) AND count(*) = count(r.amount) THEN
    coalesce(sum(CASE r.kind WHEN 'payment' THEN r.amount ELSE -r.amount END), 0)::bigint END
  FROM smile.payment_statement_row AS r WHERE r.statement_id = wanted;
END;

-- A page of a statement's rows, in the order sent, with the statement around it.
CREATE FUNCTION smile.payment_statement_body(wanted uuid, after integer, page integer) RETURNS json
LANGUAGE sql STABLE
BEGIN ATOMIC
  WITH found AS (
    SELECT r.number, r.kind, r.outcome, r.bank_reference, r.payment_code, r.amount, r.at, r.reason, r.problems,
      r.payment_id, row_number() OVER (ORDER BY r.number) AS place
    FROM smile.payment_statement_row AS r
    WHERE r.statement_id = wanted AND r.number > coalesce(after, 0)
    ORDER BY r.number LIMIT page + 1)
  SELECT json_strip_nulls(json_build_object(
    'id', s.id, 'statement_date', s.statement_date, 'content_sha256', encode(s.content_sha256, 'hex'),
    'status', CASE WHEN s.processed_at IS NULL THEN 'processing' ELSE 'processed' END, 'job_id', s.job_id,
    'received_at', s.received_at, 'processed_at', s.processed_at,
    'declared', json_build_object('count', s.declared_count, 'amount', s.declared_amount),
    'counted', (SELECT json_build_object('count', t.count, 'amount', t.amount) FROM smile.statement_totals(s.id) AS t),
    'outcomes', CASE WHEN s.processed_at IS NOT NULL THEN smile.statement_outcomes(s.id) END,
    'items', (
      SELECT coalesce(json_agg(json_build_object(
        'row', f.number, 'type', f.kind, 'outcome', f.outcome, 'bank_reference', f.bank_reference,
        'payment_code', f.payment_code, 'amount', f.amount, 'at', f.at, 'reason', f.reason,
        'payment_id', f.payment_id,
        'errors', (
          SELECT json_agg(json_build_object('column', split_part(x, ':', 1), 'code', split_part(x, ':', 2)))
          FROM unnest(f.problems) AS x)) ORDER BY f.place) FILTER (WHERE f.place <= page), '[]')
      FROM found AS f),
    'next_after', (SELECT g.number::text FROM found AS g WHERE g.place = page AND EXISTS (
      SELECT FROM found AS h WHERE h.place > page))))
  FROM smile.payment_statement AS s WHERE s.id = wanted;
END;

-- The bank's file, tokenised. The same file of the same day again: the same answer; another file of that day: 409.
-- Control totals that don't fit refuse it as a whole, for something is missing.
CREATE FUNCTION smile.take_statement(
  day date, digest bytea, wanted_count bigint, wanted_amount bigint, content json, at_once boolean)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  s smile.payment_statement;
  made uuid;
  found_count bigint;
  found_amount bigint;
BEGIN
  IF smile.role() IS DISTINCT FROM 'bank' THEN
    PERFORM smile.fail(403, 'wrong_role');
  ELSIF day > smile.today() THEN
    PERFORM smile.fail(422, 'day_lies_ahead', json_build_object('errors', json_build_array(
      json_build_object('parameter', 'statement_date', 'code', 'day_lies_ahead'))));
  END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended(smile.client_id() || ' ' || day, 112));
  SELECT * INTO s FROM smile.payment_statement AS x
  WHERE x.client_id = smile.client_id() AND x.statement_date = day;
  IF FOUND THEN
    IF (s.content_sha256, s.declared_count, s.declared_amount) <> (digest, wanted_count, wanted_amount) THEN
      PERFORM smile.fail(409, 'statement_exists', json_build_object('statement_id', s.id));
    END IF;
    RETURN smile.answer(200, smile.payment_statement_body(s.id, 0, 1000), NULL, '/v1/payment_statements/' || s.id);
  END IF;
  INSERT INTO smile.payment_statement (client_id, statement_date, content_sha256, declared_count, declared_amount)
  VALUES (smile.client_id(), day, digest, wanted_count, wanted_amount) RETURNING * INTO s;
  INSERT INTO smile.payment_statement_row
    (statement_id, number, kind, bank_reference, payment_code, amount, at, reason, problems, outcome)
  SELECT s.id, r.number, r.kind, r.bank_reference, r.payment_code, r.amount, r.at, r.reason, r.problems,
    CASE WHEN r.problems IS NOT NULL THEN 'rejected' END
  FROM json_to_recordset(content) AS r (
    number integer, kind text, bank_reference text, payment_code text, amount bigint, at timestamptz, reason text,
    problems text[]);
  SELECT t.count, t.amount INTO found_count, found_amount FROM smile.statement_totals(s.id) AS t;
  IF found_count <> wanted_count OR found_amount <> wanted_amount THEN
    PERFORM smile.fail(422, 'control_totals_differ', json_build_object('errors', (
      SELECT json_agg(json_build_object('parameter', t.name, 'code', 'control_totals_differ', 'found', t.found))
      FROM (VALUES ('count', wanted_count, found_count), ('amount', wanted_amount, found_amount))
        AS t (name, declared, found)
      WHERE t.found <> t.declared)));
  END IF;
  IF smile.is_long_work(found_count) AND NOT at_once THEN
    INSERT INTO smile.job (kind, client_id, total, parameters)
    VALUES ('reconcile_statement', s.client_id, found_count,
      json_build_object('statement_id', s.id, 'request_id', smile.request_id()))
    RETURNING id INTO made;
    UPDATE smile.payment_statement AS x SET job_id = made WHERE x.id = s.id;
    RETURN smile.answer(202, smile.job_body(made), NULL, '/v1/jobs/' || made);
  END IF;
  PERFORM smile.apply_statement(s.id);
  RETURN smile.answer(201, smile.payment_statement_body(s.id, 0, 1000), NULL, '/v1/payment_statements/' || s.id);
END
$$;

-- One run of the job that reconciles a large statement, as the bank that sent it: effect and end are one transaction.
-- Nothing to do: no row.
CREATE FUNCTION smile.run_statement_job(wanted uuid) RETURNS TABLE (problem_code text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  j smile.job;
  statement uuid;
BEGIN
  SELECT * INTO j FROM smile.job AS x
  WHERE x.id = wanted AND x.status = 'running' AND x.kind = 'reconcile_statement' FOR UPDATE;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  PERFORM set_config('smile.role', 'bank', true), set_config('smile.client_id', j.client_id::text, true),
    set_config('smile.request_id', j.parameters ->> 'request_id', true),
    set_config('smile.now', smile.now()::text, true);
  statement := (j.parameters ->> 'statement_id')::uuid;
  PERFORM smile.apply_statement(statement);
  UPDATE smile.job AS x
  SET status = 'succeeded', done = x.total, finished_at = smile.security_now(),
    result = json_build_object('statement_id', statement, 'outcomes', smile.statement_outcomes(statement))
  WHERE x.id = j.id;
  RETURN NEXT;
END
$$;
REVOKE EXECUTE ON FUNCTION smile.run_statement_job(uuid) FROM smile_api, smile_auth;

-- A job that failed for good leaves nothing of its statement, so that the bank may send it again.
CREATE FUNCTION smile.drop_statement() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
BEGIN
  DELETE FROM smile.payment_statement AS s WHERE s.job_id = NEW.id AND s.processed_at IS NULL;
  RETURN NULL;
END
$$;
CREATE TRIGGER failed_job_drops_statement AFTER UPDATE OF status ON smile.job
  FOR EACH ROW WHEN (NEW.status = 'failed' AND NEW.kind = 'reconcile_statement')
  EXECUTE FUNCTION smile.drop_statement();

-- For a caller who waited until the job had done its work.
CREATE FUNCTION smile.statement_job_answer(wanted uuid) RETURNS smile.answer_row LANGUAGE sql STABLE
RETURN (
  SELECT (201, smile.payment_statement_body(s.id, 0, 1000)::text, NULL,
    '/v1/payment_statements/' || s.id)::smile.answer_row
  FROM smile.payment_statement AS s WHERE s.job_id = wanted AND s.processed_at IS NOT NULL);

REVOKE EXECUTE ON FUNCTION smile.apply_statement(uuid),
  smile.new_statement_payments(smile.payment_statement), smile.drop_statement() FROM smile_api, smile_jobs;
