-- JP of August 2020 to January 2021 at medium and large employers that qualified (PP 49/2020 Art. 17): 1 % on time, the
-- rest from 15 May 2021 at the latest and finished by 15 April 2022, with no fine before.
--
-- The deferred part is a billing of its own beside the one that is due on time: with its own payment code, under which
-- it is paid in whatever instalments, JP alone, and due on the last day that the law names. So money is allocated,
-- months of delay are counted, arrears are told and members' months are posted as of any billing. What is due in
-- between isn't known: no instalment is demanded before the last day, and that day isn't moved by holidays. Only what
-- is reported for those months is deferred; back pay is due with the return that reports it. The fine after the last
-- day has the rate of the contribution's month.

-- These rows are found by the month of the contribution, as all reliefs are.
UPDATE smile.legal_parameter
SET valid_from = '2020-08-01', valid_to = '2021-01-31', certainty = 'found-law:S6b (start month memory)'
WHERE programme = 'JP' AND parameter = 'relief.covid.settle_from';
INSERT INTO smile.legal_parameter
  (programme, parameter, value, valid_from, valid_to, instrument, certainty, grade)
VALUES
  ('JP', 'relief.covid.settle_by', '2022-04-15', '2020-08-01', '2021-01-31',
    'PP 49/2020 Art 17(2)b', 'found-law:S6b (start month memory)', 'law'),
  ('JP', 'relief.covid.deferral_sizes', 'medium large', '2020-08-01', '2021-01-31',
    'PP 49/2020 Art 17', 'found:S23 (start month memory)', 'found');

-- Who qualified is for officers to record, as with the other relief.
ALTER TABLE smile.employer_relief
  DROP CONSTRAINT employer_relief_kind_check,
  ADD CONSTRAINT employer_relief_kind_check CHECK (kind IN ('labour_intensive', 'jp_deferral')),
  ALTER COLUMN industry DROP NOT NULL,
  ADD CONSTRAINT relief_of_an_industry_names_it CHECK ((kind = 'labour_intensive') = (industry IS NOT NULL));

ALTER TABLE smile.billing
  -- Of a deferred part: the billing of the same return that is due on time.
  ADD COLUMN deferred_of uuid REFERENCES smile.billing,
  -- Of both parts: the relief, and how much per cent of JP is in the one that is due on time.
  ADD COLUMN relief_id uuid REFERENCES smile.employer_relief,
  ADD COLUMN pay_now_pct numeric CHECK (pay_now_pct BETWEEN 0 AND 100),
  ADD CONSTRAINT billing_deferral_is_whole CHECK (
    (relief_id IS NULL) = (pay_now_pct IS NULL) AND (deferred_of IS NULL OR relief_id IS NOT NULL));
DROP INDEX smile.billing_return;
CREATE UNIQUE INDEX billing_return ON smile.billing (return_id, unit_id) NULLS NOT DISTINCT WHERE deferred_of IS NULL;
CREATE UNIQUE INDEX billing_deferred_of ON smile.billing (deferred_of) WHERE deferred_of IS NOT NULL;
CREATE INDEX billing_deferred ON smile.billing (employer_id) WHERE deferred_of IS NOT NULL;

-- What a billing charges for each member and month: all that its return charges or by unit what the lines of its unit
-- do, and of a return whose JP was deferred the part that is due on time, or the other one.
CREATE FUNCTION smile.billing_charges(b smile.billing)
RETURNS TABLE (
  line integer, member_id uuid, period date, wage bigint, jht_employer bigint, jht_worker bigint, jkk bigint,
  jkm bigint, jp_employer bigint, jp_worker bigint, jkp_from_jkk bigint, jkp_from_jkm bigint, jkp_state bigint)
LANGUAGE sql STABLE ROWS 1000
BEGIN ATOMIC
  SELECT c.line, c.member_id, c.period, c.wage * n.on_time, c.jht_employer * n.on_time, c.jht_worker * n.on_time,
    c.jkk * n.on_time, c.jkm * n.on_time,
    CASE n.on_time WHEN 1 THEN c.jp_employer - d.employer ELSE d.employer END,
    CASE n.on_time WHEN 1 THEN c.jp_worker - d.worker ELSE d.worker END,
    c.jkp_from_jkk * n.on_time, c.jkp_from_jkm * n.on_time, c.jkp_state * n.on_time
  FROM (
    SELECT CASE WHEN (b).deferred_of IS NULL THEN 1 ELSE 0 END AS on_time,
      CASE WHEN (b).relief_id IS NOT NULL THEN
        smile.parameter_text('ALL', 'pu.contribution_rounding', (b).period) END AS rounding
    OFFSET 0) AS n
  CROSS JOIN smile.return_charges((b).employer_id, (b).return_id) AS c
  CROSS JOIN LATERAL (
    SELECT CASE WHEN s.is_split THEN
        c.jp_employer - smile.round_rupiah(c.jp_employer * (b).pay_now_pct * 0.01, n.rounding) ELSE 0 END AS employer,
      CASE WHEN s.is_split THEN
        c.jp_worker - smile.round_rupiah(c.jp_worker * (b).pay_now_pct * 0.01, n.rounding) ELSE 0 END AS worker
    FROM (SELECT n.rounding IS NOT NULL AND c.period = (b).period AS is_split) AS s) AS d
  WHERE (n.on_time = 1 OR d.employer + d.worker > 0) AND CASE
    WHEN NOT (b).by_unit THEN true
    WHEN (b).unit_id IS NULL THEN c.line NOT IN (
      SELECT u.line FROM smile.return_line_unit AS u
      WHERE u.employer_id = (b).employer_id AND u.return_id = (b).return_id)
    ELSE c.line IN (
      SELECT u.line FROM smile.return_line_unit AS u
      WHERE u.employer_id = (b).employer_id AND u.return_id = (b).return_id AND u.unit_id = (b).unit_id) END;
END;

-- Issues the billings of a return, of which only employer, return, month, due day and deferral are known: one, or one
-- for each unit. A unit gets none when it has one or costs nothing, and a deferred one only beside that which it is
-- split from. All in one statement, so that what they take of the employer's credit is found once.
CREATE FUNCTION smile.issue_billings(draft smile.billing, per_unit boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  is_deferred CONSTANT boolean := draft.deferred_of IS NOT NULL;
  b smile.billing;
BEGIN
  FOR b IN
    INSERT INTO smile.billing AS x
      (employer_id, return_id, by_unit, unit_id, payment_code, period, due_date, jht_employer, jht_worker, jkk, jkm,
      jp_employer, jp_worker, jkp_from_jkk, jkp_from_jkm, jkp_state, deferred_of, relief_id, pay_now_pct)
    SELECT draft.employer_id, draft.return_id, per_unit, s.unit_id, smile.next_payment_code(), draft.period,
      draft.due_date, s.jht_employer, s.jht_worker, s.jkk, s.jkm, s.jp_employer, s.jp_worker, s.jkp_from_jkk,
      s.jkp_from_jkm, s.jkp_state, CASE WHEN is_deferred THEN o.id END, draft.relief_id, draft.pay_now_pct
    FROM (
      SELECT u.unit_id, sum(c.jht_employer) AS jht_employer, sum(c.jht_worker) AS jht_worker, sum(c.jkk) AS jkk,
        sum(c.jkm) AS jkm, sum(c.jp_employer) AS jp_employer, sum(c.jp_worker) AS jp_worker,
        sum(c.jkp_from_jkk) AS jkp_from_jkk, sum(c.jkp_from_jkm) AS jkp_from_jkm, sum(c.jkp_state) AS jkp_state
      FROM smile.billing_charges(draft) AS c
      LEFT JOIN smile.return_line_unit AS u
        ON u.employer_id = draft.employer_id AND u.return_id = draft.return_id AND u.line = c.line
      GROUP BY u.unit_id) AS s
    LEFT JOIN smile.billing AS o
      ON o.return_id = draft.return_id AND o.unit_id IS NOT DISTINCT FROM s.unit_id AND o.deferred_of IS NULL
    WHERE s.jht_employer + s.jht_worker + s.jkk + s.jkm + s.jp_employer + s.jp_worker > 0
      AND CASE WHEN is_deferred THEN o.relief_id IS NOT NULL ELSE o.id IS NULL END
    RETURNING x.*
  LOOP
    PERFORM smile.book('contributions_billed', 'billing', b.id, (
      SELECT array_agg((l.account, NULL, b.employer_id, b.period, l.amount)::smile.posting_line)
      FROM smile.billing_accounts(b, 'billed', -1) AS l)
      || (('receivable.employer', NULL, b.employer_id, b.period, b.amount)::smile.posting_line)
      || (('receivable.state', NULL, b.employer_id, b.period, b.jkp_state)::smile.posting_line));
  END LOOP;
END
$$;

-- As before, with what is deferred in billings of its own, and by unit where the employer asks for it. The caller holds
-- the employer's row, for which the grant of a relief waits.
DROP FUNCTION smile.bill_return(smile.contribution_return);
CREATE FUNCTION smile.bill_return(r smile.contribution_return) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  per_unit boolean := (SELECT e.billing_per_unit FROM smile.employer AS e WHERE e.id = r.employer_id);
  relief uuid;
  draft smile.billing;
BEGIN
  IF r.kind = 'revised' THEN
    PERFORM smile.credit_return(r);
  END IF;
  IF per_unit THEN
    PERFORM smile.keep_units(r);
  END IF;
  draft.employer_id := r.employer_id;
  draft.return_id := r.id;
  draft.period := r.period;
  draft.due_date := smile.due_date(r.period);
  draft.by_unit := false;
  SELECT f.id, smile.parameter('JP', 'relief.covid.pay_now_pct', r.period) INTO draft.relief_id, draft.pay_now_pct
  FROM smile.employer_relief AS f
  WHERE f.employer_id = r.employer_id AND f.kind = 'jp_deferral' AND f.withdrawn_at IS NULL
    AND r.period BETWEEN f.valid_from AND f.valid_to;
  relief := draft.relief_id;
  PERFORM smile.issue_billings(draft, per_unit);
  IF relief IS NOT NULL THEN
    draft.deferred_of := relief;   -- Any id: each part finds its own other part.
    draft.due_date := smile.parameter_text('JP', 'relief.covid.settle_by', r.period);
    PERFORM smile.issue_billings(draft, per_unit);
    -- A revision may change JP alone, by so little that none of it is due on time.
    draft.deferred_of := NULL;
    draft.relief_id := NULL;
    draft.pay_now_pct := NULL;
    draft.due_date := smile.due_date(r.period);
    PERFORM smile.issue_billings(draft, per_unit);
  END IF;
  PERFORM smile.post_unbilled(r, per_unit);
  -- What is due first is paid first: credit that a deferred part took goes to the new billing.
  IF EXISTS (
    SELECT FROM smile.billing AS b
    WHERE b.employer_id = r.employer_id AND b.deferred_of IS NOT NULL AND b.paid_amount > b.received_amount)
  THEN
    PERFORM smile.settle(r.employer_id);
  END IF;
END
$$;

-- Adds what a billing charges, or a return that is billed nothing, to the members' months.
DROP FUNCTION smile.add_months(uuid, uuid);
CREATE FUNCTION smile.add_months(b smile.billing) RETURNS void LANGUAGE sql
BEGIN ATOMIC
  INSERT INTO smile.contribution AS c
    (member_id, period, employer_id, wage, jht_employer, jht_worker, jkk, jkm, jp_employer, jp_worker, jkp_from_jkk,
    jkp_from_jkm, jkp_state, posted_at)
  SELECT x.member_id, x.period, (b).employer_id, x.wage, x.jht_employer, x.jht_worker, x.jkk, x.jkm, x.jp_employer,
    x.jp_worker, x.jkp_from_jkk, x.jkp_from_jkm, x.jkp_state, smile.now()
  FROM smile.billing_charges(b) AS x
  ON CONFLICT (member_id, period, employer_id) DO UPDATE
  SET wage = c.wage + excluded.wage, jht_employer = c.jht_employer + excluded.jht_employer,
    jht_worker = c.jht_worker + excluded.jht_worker, jkk = c.jkk + excluded.jkk, jkm = c.jkm + excluded.jkm,
    jp_employer = c.jp_employer + excluded.jp_employer, jp_worker = c.jp_worker + excluded.jp_worker,
    jkp_from_jkk = c.jkp_from_jkk + excluded.jkp_from_jkk, jkp_from_jkm = c.jkp_from_jkm + excluded.jkp_from_jkm,
    jkp_state = c.jkp_state + excluded.jkp_state, posted_at = excluded.posted_at;
END;

-- As before, of a unit that got no billing, or of a return that got none: what there costs the employer nothing.
DROP FUNCTION smile.post_unbilled(smile.contribution_return);
CREATE FUNCTION smile.post_unbilled(r smile.contribution_return, per_unit boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  b smile.billing;
  state bigint;
BEGIN
  b.employer_id := r.employer_id;
  b.return_id := r.id;
  b.period := r.period;
  b.by_unit := per_unit;
  FOR b.unit_id, state IN
    SELECT u.unit_id, sum(c.jkp_state)
    FROM smile.return_charges(r.employer_id, r.id) AS c
    LEFT JOIN smile.return_line_unit AS u
      ON u.employer_id = r.employer_id AND u.return_id = r.id AND u.line = c.line
    WHERE per_unit OR NOT EXISTS (SELECT FROM smile.billing AS x WHERE x.return_id = r.id)
    GROUP BY u.unit_id
    HAVING NOT EXISTS (
      SELECT FROM smile.billing AS x WHERE x.return_id = r.id AND x.unit_id IS NOT DISTINCT FROM u.unit_id)
  LOOP
    PERFORM smile.add_months(b);
    IF state > 0 THEN
      PERFORM smile.book('contributions_posted', 'contribution_return', r.id, ARRAY[
        ('receivable.state', NULL, r.employer_id, r.period, state),
        ('fund.jkp', NULL, r.employer_id, r.period, -state)]::smile.posting_line[]);
    END IF;
  END LOOP;
END
$$;

-- As before, with what the billing itself charges. What revisions took is posted when all billings have been.
CREATE OR REPLACE FUNCTION smile.post_contributions(b smile.billing) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  booked uuid;
BEGIN
  PERFORM smile.add_months(b);

  INSERT INTO smile.ledger_transaction (kind, subject_kind, subject_id)
  VALUES ('contributions_posted', 'billing', b.id)
  RETURNING id INTO booked;
  INSERT INTO smile.posting (transaction_id, account, member_id, employer_id, period, amount)
  SELECT booked, 'fund.jht', x.member_id, b.employer_id, x.period, -(x.jht_employer + x.jht_worker)
  FROM smile.billing_charges(b) AS x
  WHERE x.jht_employer + x.jht_worker > 0
  UNION ALL
  SELECT booked, a.account, NULL, b.employer_id, b.period, a.amount
  FROM smile.billing_accounts(b, 'billed', 1) AS a
  UNION ALL
  SELECT booked, a.account, NULL, b.employer_id, b.period, a.amount
  FROM smile.billing_accounts(b, 'fund', -1) AS a WHERE a.account <> 'fund.jht';
END
$$;

-- As before, with what the billing itself charged.
CREATE OR REPLACE FUNCTION smile.unpost_contributions(b smile.billing) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE smile.contribution AS c
  SET wage = c.wage - x.wage, jht_employer = c.jht_employer - x.jht_employer, jht_worker = c.jht_worker - x.jht_worker,
    jkk = c.jkk - x.jkk, jkm = c.jkm - x.jkm, jp_employer = c.jp_employer - x.jp_employer,
    jp_worker = c.jp_worker - x.jp_worker, jkp_from_jkk = c.jkp_from_jkk - x.jkp_from_jkk,
    jkp_from_jkm = c.jkp_from_jkm - x.jkp_from_jkm, jkp_state = c.jkp_state - x.jkp_state
  FROM smile.billing_charges(b) AS x
  WHERE c.member_id = x.member_id AND c.period = x.period AND c.employer_id = b.employer_id;
  DELETE FROM smile.contribution AS c
  USING smile.billing_charges(b) AS x
  WHERE c.member_id = x.member_id AND c.period = x.period AND c.employer_id = b.employer_id AND c.wage = 0
    AND c.jht_employer + c.jht_worker + c.jkk + c.jkm + c.jp_employer + c.jp_worker + c.jkp_state = 0;
  PERFORM smile.reverse_transaction(t.id, 'contributions_reversed')
  FROM smile.ledger_transaction AS t
  WHERE t.subject_id = b.id AND t.kind = 'contributions_posted'
    AND NOT EXISTS (SELECT FROM smile.ledger_transaction AS r WHERE r.reverses = t.id);
END
$$;

-- How JP of a billing was split, and what the other part is. NULL where none of it was deferred.
CREATE FUNCTION smile.deferral_body(b smile.billing) RETURNS json LANGUAGE sql STABLE
RETURN CASE WHEN (b).relief_id IS NOT NULL THEN (
  SELECT json_build_object(
    'part', CASE WHEN (b).deferred_of IS NULL THEN 'on_time' ELSE 'deferred' END,
    'other_billing_id', o.id, 'other_due_date', o.due_date,
    'other_jp', json_build_object('employer', o.jp_employer, 'worker', o.jp_worker),
    'on_time_pct', (b).pay_now_pct::text,
    'settle_from', smile.parameter_text('JP', 'relief.covid.settle_from', (b).period),
    'settle_by', smile.parameter_text('JP', 'relief.covid.settle_by', (b).period),
    'verified', u.verified, 'parameters_used', u.used)
  FROM smile.billing AS o
  CROSS JOIN (
    SELECT bool_and(p.verified) AS verified, json_agg(smile.parameter_trace(p) ORDER BY p.parameter) AS used
    FROM smile.legal_parameter AS p
    WHERE p.programme = 'JP' AND p.parameter LIKE 'relief.covid.%' AND (b).period >= p.valid_from
      AND (p.valid_to IS NULL OR (b).period <= p.valid_to)) AS u
  WHERE o.return_id = (b).return_id AND o.unit_id IS NOT DISTINCT FROM (b).unit_id AND o.id <> (b).id) END;

-- As before, with the unit and the deferral.
CREATE OR REPLACE FUNCTION smile.billing_body(wanted uuid) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_strip_nulls(json_build_object(
    'id', b.id, 'employer_id', b.employer_id, 'return_id', b.return_id, 'unit_id', b.unit_id,
    'payment_code', b.payment_code, 'period', smile.month_text(b.period), 'due_date', b.due_date,
    'due_at', smile.end_of_day(b.due_date), 'amount', b.amount,
    'amounts', smile.amounts_body(b.jht_employer, b.jht_worker, b.jkk, b.jkm, b.jp_employer, b.jp_worker,
      b.jkp_from_jkk, b.jkp_from_jkm, b.jkp_state),
    'verified', (SELECT r.totals -> 'verified' FROM smile.contribution_return AS r WHERE r.id = b.return_id),
    'deferral', smile.deferral_body(b),
    'received_amount', b.received_amount, 'paid_amount', b.paid_amount,
    'paid_by_credit', greatest(b.paid_amount - b.received_amount, 0),
    'surplus', greatest(b.received_amount - b.amount, 0),
    'fine_amount', b.fine_amount, 'fine_paid_amount', b.fine_paid,
    'fines_due_with_it', smile.fines_due_by(b.employer_id, b.due_date),
    'status', b.status, 'issued_at', b.issued_at, 'paid_at', b.paid_at))
  FROM smile.billing AS b WHERE b.id = wanted);

-- The conditions of the deferral that the agency's own records show. A month that is billed already was billed whole,
-- and no revision would change that, so it comes too late.
CREATE FUNCTION smile.refuse_deferral(employer uuid, from_month date, to_month date) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  wanted text;
  other date;
BEGIN
  IF smile.parameter_or_null('JP', 'relief.covid.pay_now_pct', from_month) IS NULL THEN
    PERFORM smile.refuse(422, 'relief_not_in_force', '/valid_from');
  ELSIF smile.parameter_or_null('JP', 'relief.covid.pay_now_pct', to_month) IS NULL THEN
    PERFORM smile.refuse(422, 'relief_not_in_force', '/valid_to');
  END IF;
  wanted := smile.parameter_text('JP', 'relief.covid.deferral_sizes', from_month);
  SELECT min(m)::date INTO other FROM generate_series(from_month, to_month, interval '1 month') AS m
  WHERE smile.firm_size(employer, m::date) <> ALL (string_to_array(wanted, ' '));
  IF other IS NOT NULL THEN
    PERFORM smile.fail(422, 'size_without_relief', json_build_object(
      'size', smile.firm_size(employer, other), 'period', smile.month_text(other), 'wanted', wanted));
  END IF;
  SELECT min(r.period) INTO other FROM smile.contribution_return AS r
  WHERE r.employer_id = employer AND r.period BETWEEN from_month AND to_month AND r.status = 'finalised'
    AND r.kind <> 'no_activity';
  IF other IS NOT NULL THEN
    PERFORM smile.fail(409, 'month_already_reported', json_build_object('period', smile.month_text(other)));
  END IF;
END
$$;

-- As before, with the conditions of each kind.
CREATE OR REPLACE FUNCTION smile.grant_relief(
  employer uuid, kind text, industry text, from_month date, to_month date)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  made uuid;
BEGIN
  IF NOT smile.is_officer('manage_employers') THEN
    PERFORM smile.fail(403, 'insufficient_scope');
  END IF;
  -- A finalisation waits for this row, and sees the relief then.
  PERFORM FROM smile.employer AS e WHERE e.id = employer FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    PERFORM smile.fail(404, 'not_found');
  ELSIF to_month < from_month THEN
    PERFORM smile.refuse(422, 'end_before_start', '/valid_to');
  END IF;
  CASE kind
    WHEN 'labour_intensive' THEN
      PERFORM smile.refuse_unqualified(employer, grant_relief.industry, from_month, to_month);
    WHEN 'jp_deferral' THEN
      PERFORM smile.refuse_deferral(employer, from_month, to_month);
  END CASE;
  INSERT INTO smile.employer_relief (employer_id, kind, industry, valid_from, valid_to)
  VALUES (employer, grant_relief.kind, grant_relief.industry, from_month, to_month)
  RETURNING id INTO made;
  PERFORM smile.audit('employer.relief_granted', 'employer', employer, json_build_object(
    'relief_id', made, 'kind', grant_relief.kind, 'valid_from', smile.month_text(from_month),
    'valid_to', smile.month_text(to_month)));
  RETURN smile.answer(201, smile.relief_body(made), NULL, format('/v1/employers/%s/reliefs', employer));
END
$$;

-- As before; of JP that PP 49/2020 defers, from the last day on which it may be paid.
DROP FUNCTION smile.calculate_late_charge(date, bigint, date);
CREATE FUNCTION smile.calculate_late_charge(period date, amount bigint, as_of date, is_deferred boolean) RETURNS json
LANGUAGE plpgsql STABLE AS $$
DECLARE
  unpaid smile.billing;
BEGIN
  IF smile.parameter_or_null('JHT', 'pu.rate.employer_pct', period) IS NULL THEN
    PERFORM smile.refuse(422, 'period_too_early', '/period');
  ELSIF period > smile.today() THEN
    PERFORM smile.refuse(422, 'period_in_future', '/period');
  ELSIF as_of > smile.today() + 366 THEN
    PERFORM smile.refuse(422, 'date_too_far_ahead', '/as_of');
  ELSIF is_deferred AND smile.parameter_or_null('JP', 'relief.covid.settle_by', period) IS NULL THEN
    PERFORM smile.refuse(422, 'parameter_not_in_force', '/jp_deferred');
  END IF;
  unpaid.amount := calculate_late_charge.amount;
  unpaid.due_date := CASE WHEN is_deferred THEN smile.parameter_text('JP', 'relief.covid.settle_by', period)::date
    ELSE smile.due_date(period) END;
  unpaid.period := calculate_late_charge.period;
  RETURN json_build_object(
    'period', smile.month_text(period), 'due_date', unpaid.due_date, 'amount', amount,
    'late_fine', smile.late_fine_body(unpaid, coalesce(as_of, smile.today())));
END
$$;

REVOKE EXECUTE ON FUNCTION smile.add_months(smile.billing), smile.issue_billings(smile.billing, boolean),
  smile.bill_return(smile.contribution_return), smile.post_unbilled(smile.contribution_return, boolean),
  smile.refuse_deferral(uuid, date, date) FROM smile_api, smile_jobs, smile_auth;
