-- Claims and arrears. JHT pays what is in the account, whoever is behind (the minister on Permenaker 4/2022): nothing
-- is blocked, but the claim says for which months nothing has come yet. What stood on the day of the submission, and
-- again on that of the decision, stays with the claim.

ALTER TABLE smile.claim ADD COLUMN arrears json;

-- The employers of a member that were behind on a day, as far as a type of claim goes. NULL: none was.
CREATE FUNCTION smile.claim_arrears(wanted_member uuid, wanted_type text, day date) RETURNS json
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp
RETURN (
  SELECT json_build_object('as_of', day, 'employers', json_agg(json_build_object(
    'employer', json_build_object('id', a.employer_id, 'name', smile.employer_name(a.employer_id)),
    'months', a.months,
    'unpaid_months', (SELECT coalesce(json_agg(smile.month_text(u) ORDER BY u), '[]') FROM unnest(a.unpaid) AS u),
    'effect', x.effect) ORDER BY a.employer_id))
  FROM smile.member_arrears(wanted_member, day) AS a
  CROSS JOIN LATERAL json_array_elements(a.effects) AS x (effect)
  WHERE (wanted_member = smile.member_id() OR smile.is_claim_officer()) AND x.effect ->> 'programme' = wanted_type
  HAVING count(*) > 0);

-- What must have ended before a benefit is paid for this reason.
ALTER TABLE smile.claim_reason
  ADD COLUMN ends text NOT NULL DEFAULT 'employment' CHECK (ends IN ('employment', 'self_employment'));

-- Who pays for themselves and saves for old age is as active as a worker is. Neither the rule nor the wait was read in
-- the law, so both are from memory.
INSERT INTO smile.legal_parameter (programme, parameter, value, valid_from, valid_to, instrument, certainty, grade)
VALUES
  ('JHT', 'claim.while_self_employed', 'refused', '2022-04-28', NULL, 'Permenaker 4/2022',
    'memory-unconfirmed (a member who pays for themselves with JHT counts as active)', 'memory'),
  ('JHT', 'wait.self_employment_end_months', '1', '2022-04-28', NULL, 'Permenaker 4/2022',
    'memory-unconfirmed (wait of one month after the end of self-employment)', 'memory');
INSERT INTO smile.claim_reason (claim_type, code, title_id, title_en, instrument, wait_parameter, ends)
VALUES ('jht', 'self_employment_ended', 'Berhenti bekerja mandiri (BPU)', 'Stopped working for oneself (BPU)',
  'Permenaker 4/2022', 'wait.self_employment_end_months', 'self_employment');
INSERT INTO smile.claim_paper (claim_type, reason, document_kind, position) VALUES
  ('jht', 'self_employment_ended', 'membership_card', 1),
  ('jht', 'self_employment_ended', 'identity_card', 2);

-- As before, with those who pay for themselves.
CREATE OR REPLACE FUNCTION smile.claim_blockers(
  wanted_member uuid, wanted_type text, wanted_reason text, as_of date)
RETURNS TABLE (code text, rule text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  reason smile.claim_reason;
  this_month date := date_trunc('month', as_of::timestamp)::date;
  last_end date;
  last_end_reason text;
BEGIN
  IF wanted_member IS DISTINCT FROM smile.member_id() AND NOT smile.is_claim_officer() THEN
    RETURN;
  END IF;
  SELECT r.* INTO STRICT reason FROM smile.claim_reason AS r
  WHERE r.claim_type = wanted_type AND r.code = wanted_reason;
  IF EXISTS (
    SELECT FROM smile.employment AS e
    WHERE e.member_id = wanted_member AND (e.end_date IS NULL OR e.end_date >= as_of))
  THEN
    code := 'membership_still_active';
    rule := reason.instrument;
    RETURN NEXT;
  END IF;
  -- Three unpaid months end the activity, and before the first paid one there was none.
  RETURN QUERY
  SELECT 'self_employment_still_active', p.instrument
  FROM smile.self_employment AS s
  CROSS JOIN LATERAL smile.self_employment_state(s, as_of) AS x
  JOIN smile.legal_parameter AS p ON p.programme = 'JHT' AND p.parameter = 'claim.while_self_employed'
    AND p.value = 'refused' AND p.valid_from <= as_of AND (p.valid_to IS NULL OR p.valid_to >= as_of)
  WHERE s.member_id = wanted_member AND s.first_period <= this_month
    AND (s.last_period IS NULL OR s.last_period >= this_month) AND x.status = 'active'
    AND smile.saves_jht(s, this_month);
  IF reason.age_parameter IS NOT NULL AND EXISTS (
    SELECT FROM smile.member AS m
    WHERE m.id = wanted_member AND (m.birth_date + make_interval(
      years => smile.parameter('JHT', reason.age_parameter, as_of)::integer))::date > as_of)
  THEN
    code := 'age_not_reached';
    rule := reason.instrument;
    RETURN NEXT;
  END IF;
  IF reason.ends = 'self_employment' THEN
    SELECT smile.later_month(s.last_period, 1) - 1 INTO last_end FROM smile.self_employment AS s
    WHERE s.member_id = wanted_member AND s.last_period < this_month AND smile.saves_jht(s, s.last_period)
    ORDER BY s.last_period DESC LIMIT 1;
    IF last_end IS NULL THEN
      code := 'no_self_employment_ended';
      rule := reason.instrument;
      RETURN NEXT;
    END IF;
  ELSE
    SELECT e.end_date, e.end_reason INTO last_end, last_end_reason FROM smile.employment AS e
    WHERE e.member_id = wanted_member AND e.end_date IS NOT NULL ORDER BY e.end_date DESC, e.id DESC LIMIT 1;
  END IF;
  IF reason.employment_end_reason IS NOT NULL AND last_end_reason IS DISTINCT FROM reason.employment_end_reason THEN
    code := 'employment_end_reason_differs';
    rule := reason.instrument;
    RETURN NEXT;
  END IF;
  IF reason.wait_parameter IS NOT NULL AND last_end IS NOT NULL AND (last_end + make_interval(
    months => smile.parameter('JHT', reason.wait_parameter, as_of)::integer))::date > as_of
  THEN
    code := 'waiting_time_not_over';
    rule := reason.instrument;
    RETURN NEXT;
  END IF;
  IF smile.jht_balance(wanted_member) <= 0 THEN
    code := 'no_balance';
    rule := 'PP 46/2015 Art 22(2)';
    RETURN NEXT;
  END IF;
END
$$;

-- As before, with the arrears.
CREATE OR REPLACE FUNCTION smile.claim_body(wanted uuid) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_strip_nulls(json_build_object(
    'id', c.id, 'type', c.claim_type, 'reason', c.reason, 'note', c.note, 'state', c.state,
    'created_at', c.created_at, 'submitted_at', c.submitted_at, 'due_on', c.due_on,
    'member', CASE WHEN smile.role() = 'officer' THEN smile.claimant(c.id) END,
    'assigned_to', CASE WHEN smile.role() = 'officer' THEN c.assigned_to END,
    'arrears', c.arrears,
    'requirements', (
      SELECT coalesce(json_agg(json_build_object(
        'id', r.id, 'document_kind', r.document_kind,
        'status', CASE WHEN p.document_id IS NULL THEN 'missing' ELSE 'satisfied' END,
        'document_id', p.document_id) ORDER BY r.position, r.id), '[]')
      FROM smile.claim_requirement AS r
      LEFT JOIN LATERAL (
        SELECT d.document_id FROM smile.claim_document AS d
        WHERE d.requirement_id = r.id ORDER BY d.attached_at DESC, d.document_id DESC LIMIT 1) AS p ON true
      WHERE r.claim_id = c.id),
    'documents', (
      SELECT coalesce(json_agg(json_build_object(
        'id', p.document_id, 'purpose', d.purpose, 'media_type', d.media_type, 'attached_at', p.attached_at)
        ORDER BY p.attached_at, p.document_id), '[]')
      FROM smile.claim_document AS p JOIN smile.document AS d ON d.id = p.document_id WHERE p.claim_id = c.id),
    'decision', (
      SELECT json_build_object(
        'number', d.number, 'outcome', d.outcome, 'reason', d.reason, 'decided_at', d.decided_at,
        'gross', d.gross, 'tax', d.tax, 'net', d.net, 'computation', d.computation,
        'approved_at', (
          SELECT a.approved_at FROM smile.claim_approval AS a
          WHERE a.claim_id = d.claim_id AND a.decision_number = d.number))
      FROM smile.claim_decision AS d WHERE d.claim_id = c.id ORDER BY d.number DESC LIMIT 1),
    'payment', (
      SELECT json_build_object(
        'gross', p.gross, 'tax', p.tax, 'net', p.net, 'reference', p.reference, 'paid_at', p.paid_at,
        'ledger_transaction_id', p.ledger_transaction_id)
      FROM smile.claim_payment AS p WHERE p.claim_id = c.id)))
  FROM smile.claim AS c WHERE c.id = wanted);

CREATE OR REPLACE FUNCTION smile.submit_claim(wanted uuid) RETURNS smile.answer_row LANGUAGE plpgsql AS $$
DECLARE
  kept smile.claim := smile.lock_claim(wanted);
  problems json;
BEGIN
  IF kept.state NOT IN ('draft', 'documents_incomplete') THEN
    PERFORM smile.fail(409, 'claim_state_conflict');
  END IF;
  SELECT json_agg(json_strip_nulls(json_build_object(
    'pointer', '', 'code', p.code, 'rule', p.rule, 'document_kind', p.document_kind)))
  INTO problems
  FROM (
    SELECT b.code, b.rule, NULL::text AS document_kind
    FROM smile.claim_blockers(kept.member_id, kept.claim_type, kept.reason, smile.today()) AS b
    UNION ALL
    SELECT 'document_missing', NULL, r.document_kind
    FROM smile.claim_requirement AS r
    WHERE r.claim_id = wanted
      AND NOT EXISTS (SELECT FROM smile.claim_document AS d WHERE d.requirement_id = r.id)) AS p;
  IF problems IS NOT NULL THEN
    PERFORM smile.fail(422, 'claim_not_ready', json_build_object('errors', problems));
  END IF;
  UPDATE smile.claim AS c
  SET submitted_at = coalesce(c.submitted_at, smile.now()),
    due_on = smile.add_working_days(smile.today(),
      smile.parameter('JHT', 'sla.pay_working_days', smile.today())::integer),
    arrears = smile.claim_arrears(kept.member_id, kept.claim_type, smile.today())
  WHERE c.id = wanted;
  PERFORM smile.move_claim(wanted, kept.state, 'submitted');
  PERFORM smile.audit('claim.submitted', 'claim', wanted);
  PERFORM smile.notify_member(kept.member_id, 'claim_submitted', json_build_object('claim_id', wanted));
  RETURN smile.answer_claim(wanted, 200);
END
$$;

CREATE OR REPLACE FUNCTION smile.decide_claim(wanted uuid, wanted_outcome text, wanted_reason text)
RETURNS smile.answer_row LANGUAGE plpgsql AS $$
DECLARE
  kept smile.claim := smile.lock_claim(wanted);
  amount record;
  blocker record;
BEGIN
  IF smile.is_own_claim(kept.member_id) THEN
    PERFORM smile.fail(403, 'own_claim');
  ELSIF kept.state NOT IN ('verification', 'interview_scheduled') THEN
    PERFORM smile.fail(409, 'claim_state_conflict');
  ELSIF kept.assigned_to IS DISTINCT FROM smile.account_id() THEN
    PERFORM smile.fail(409, 'claim_not_assigned_to_you');
  END IF;
  IF wanted_outcome = 'approved' THEN
    -- What held at submission may have changed since.
    SELECT b.code, b.rule INTO blocker
    FROM smile.claim_blockers(kept.member_id, kept.claim_type, kept.reason, smile.today()) AS b LIMIT 1;
    IF FOUND THEN
      PERFORM smile.fail(422, 'claim_not_ready', (
        SELECT json_build_object('errors', json_agg(json_build_object('pointer', '', 'code', b.code, 'rule', b.rule)))
        FROM smile.claim_blockers(kept.member_id, kept.claim_type, kept.reason, smile.today()) AS b));
    END IF;
    SELECT j.gross, j.tax, j.net, j.computation INTO amount
    FROM smile.compute_jht_claim(kept.member_id, smile.today()) AS j;
    INSERT INTO smile.claim_decision
      (claim_id, number, outcome, reason, decided_by, gross, tax, net, computation)
    SELECT wanted, coalesce(max(d.number), 0) + 1, wanted_outcome, wanted_reason, smile.account_id(),
      amount.gross, amount.tax, amount.net, amount.computation
    FROM smile.claim_decision AS d WHERE d.claim_id = wanted;
  ELSE
    INSERT INTO smile.claim_decision (claim_id, number, outcome, reason, decided_by)
    SELECT wanted, coalesce(max(d.number), 0) + 1, wanted_outcome, wanted_reason, smile.account_id()
    FROM smile.claim_decision AS d WHERE d.claim_id = wanted;
  END IF;
  UPDATE smile.claim AS c SET arrears = smile.claim_arrears(c.member_id, c.claim_type, smile.today())
  WHERE c.id = wanted;
  PERFORM smile.move_claim(wanted, kept.state, wanted_outcome);
  PERFORM smile.audit('claim.decided', 'claim', wanted, json_build_object('outcome', wanted_outcome));
  PERFORM smile.notify_member(kept.member_id, 'claim_' || wanted_outcome, json_build_object('claim_id', wanted));
  RETURN smile.answer_claim(wanted, 200);
END
$$;
