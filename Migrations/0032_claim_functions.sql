-- What may be done to a claim. Each function is one request's whole effect: state, event, audit row, message, answer.

-- Messages to a member go to the address in the record; without one there is nobody to write to.
CREATE FUNCTION smile.notify_member(wanted_member uuid, template text, parameters json) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp
BEGIN ATOMIC
  INSERT INTO smile.outbox (channel, recipient, template, language, parameters)
  SELECT 'email', m.email, notify_member.template,
    coalesce((
      SELECT a.language FROM smile.account_grant AS g JOIN smile.account AS a ON a.id = g.account_id
      WHERE g.member_id = m.id AND g.kind = 'member' AND g.active LIMIT 1), 'id'),
    notify_member.parameters
  FROM smile.member AS m
  WHERE m.id = wanted_member AND m.email IS NOT NULL;
END;

-- Why a benefit can't be paid as asked, one row a reason; no row: nothing stands in the way but papers.
CREATE FUNCTION smile.claim_blockers(wanted_member uuid, wanted_type text, wanted_reason text, as_of date)
RETURNS TABLE (code text, rule text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  reason smile.claim_reason;
  last_end date;
  last_end_reason text;
BEGIN
  IF wanted_member IS DISTINCT FROM smile.member_id() AND NOT smile.is_claim_officer() THEN
    RETURN;
  END IF;
  SELECT * INTO STRICT reason FROM smile.claim_reason AS r
  WHERE r.claim_type = wanted_type AND r.code = wanted_reason;
  IF EXISTS (
    SELECT FROM smile.employment AS e
    WHERE e.member_id = wanted_member AND (e.end_date IS NULL OR e.end_date >= as_of))
  THEN
    code := 'membership_still_active';
    rule := reason.instrument;
    RETURN NEXT;
  END IF;
  IF reason.age_parameter IS NOT NULL AND EXISTS (
    SELECT FROM smile.member AS m
    WHERE m.id = wanted_member AND (m.birth_date + make_interval(
      years => smile.parameter('JHT', reason.age_parameter, as_of)::integer))::date > as_of)
  THEN
    code := 'age_not_reached';
    rule := reason.instrument;
    RETURN NEXT;
  END IF;
  SELECT e.end_date, e.end_reason INTO last_end, last_end_reason FROM smile.employment AS e
  WHERE e.member_id = wanted_member AND e.end_date IS NOT NULL ORDER BY e.end_date DESC, e.id DESC LIMIT 1;
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

-- The row, locked, of a claim that the caller may see.
CREATE FUNCTION smile.lock_claim(wanted uuid) RETURNS smile.claim LANGUAGE plpgsql AS $$
DECLARE
  found_claim smile.claim;
BEGIN
  SELECT * INTO found_claim FROM smile.claim AS c WHERE c.id = wanted FOR UPDATE;
  IF NOT FOUND THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  RETURN found_claim;
END
$$;

CREATE FUNCTION smile.record_claim_event(
  claim_id uuid, kind text, from_state text, to_state text, details json DEFAULT NULL)
RETURNS void LANGUAGE sql
BEGIN ATOMIC
  INSERT INTO smile.claim_event (claim_id, kind, from_state, to_state, actor, actor_account_id, details)
  VALUES (claim_id, kind, from_state, to_state, smile.role(), smile.account_id(), details);
END;

-- The trigger on smile.claim judges whether this caller may move it there.
CREATE FUNCTION smile.move_claim(wanted uuid, from_state text, to_state text, details json DEFAULT NULL)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE smile.claim AS c SET state = to_state WHERE c.id = wanted AND c.state = from_state;
  IF NOT FOUND THEN
    PERFORM smile.fail(409, 'claim_state_conflict');
  END IF;
  PERFORM smile.record_claim_event(wanted, 'state_changed', from_state, to_state, details);
END
$$;

-- The claimant, as far as a claim officer without read_members needs to know. A function and not a policy on
-- smile.member: a policy that looks at claims made every read of a member's own record cost half as much again.
CREATE FUNCTION smile.claimant(wanted uuid) RETURNS json LANGUAGE sql STABLE
SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp
RETURN (
  SELECT json_build_object('id', m.id, 'full_name', m.full_name, 'birth_date', m.birth_date)
  FROM smile.claim AS c JOIN smile.member AS m ON m.id = c.member_id
  WHERE c.id = wanted AND c.submitted_at IS NOT NULL AND smile.is_claim_officer());

CREATE FUNCTION smile.claim_body(wanted uuid) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_strip_nulls(json_build_object(
    'id', c.id, 'type', c.claim_type, 'reason', c.reason, 'note', c.note, 'state', c.state,
    'created_at', c.created_at, 'submitted_at', c.submitted_at, 'due_on', c.due_on,
    'member', CASE WHEN smile.role() = 'officer' THEN smile.claimant(c.id) END,
    'assigned_to', CASE WHEN smile.role() = 'officer' THEN c.assigned_to END,
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

CREATE FUNCTION smile.answer_claim(wanted uuid, status integer) RETURNS smile.answer_row LANGUAGE sql
RETURN smile.answer(status, smile.claim_body(wanted),
  (SELECT smile.etag(c.version) FROM smile.claim AS c WHERE c.id = wanted), '/v1/claims/' || wanted);

CREATE FUNCTION smile.create_claim(wanted_type text, wanted_reason text, wanted_note text)
RETURNS smile.answer_row LANGUAGE plpgsql AS $$
DECLARE
  made uuid;
BEGIN
  IF NOT EXISTS (SELECT FROM smile.claim_type AS t WHERE t.code = wanted_type) THEN
    PERFORM smile.refuse(422, 'unknown_claim_type', '/type');
  ELSIF NOT EXISTS (
    SELECT FROM smile.claim_reason AS r WHERE r.claim_type = wanted_type AND r.code = wanted_reason)
  THEN
    PERFORM smile.refuse(422, 'unknown_claim_reason', '/reason');
  END IF;
  INSERT INTO smile.claim (member_id, claim_type, reason, note)
  VALUES (smile.member_id(), wanted_type, wanted_reason, wanted_note)
  ON CONFLICT (member_id, claim_type)
    WHERE state NOT IN ('rejected', 'paid', 'closed', 'withdrawn', 'expired') DO NOTHING
  RETURNING id INTO made;
  IF made IS NULL THEN
    PERFORM smile.fail(409, 'claim_already_open');
  END IF;
  INSERT INTO smile.claim_requirement (claim_id, document_kind, position)
  SELECT made, p.document_kind, p.position FROM smile.claim_paper AS p
  WHERE p.claim_type = wanted_type AND p.reason = wanted_reason;
  PERFORM smile.record_claim_event(made, 'opened', NULL, 'draft');
  PERFORM smile.audit('claim.opened', 'claim', made,
    json_build_object('type', wanted_type, 'reason', wanted_reason));
  RETURN smile.answer_claim(made, 201);
END
$$;

-- A document satisfies the requirement of its own kind, or the one named.
CREATE FUNCTION smile.attach_document(wanted uuid, wanted_document uuid, wanted_requirement uuid)
RETURNS smile.answer_row LANGUAGE plpgsql AS $$
DECLARE
  kept smile.claim := smile.lock_claim(wanted);
  document_purpose text;
  requirement uuid;
BEGIN
  IF kept.state NOT IN ('draft', 'submitted', 'documents_incomplete', 'verification', 'interview_scheduled') THEN
    PERFORM smile.fail(409, 'claim_state_conflict');
  END IF;
  SELECT d.purpose INTO document_purpose FROM smile.document AS d WHERE d.id = wanted_document;
  IF NOT FOUND THEN
    PERFORM smile.refuse(422, 'unknown_document', '/document_id');
  END IF;
  SELECT r.id INTO requirement FROM smile.claim_requirement AS r
  WHERE r.claim_id = wanted AND CASE WHEN wanted_requirement IS NULL THEN r.document_kind = document_purpose
    ELSE r.id = wanted_requirement END;
  IF wanted_requirement IS NOT NULL AND requirement IS NULL THEN
    PERFORM smile.refuse(422, 'unknown_requirement', '/requirement_id');
  END IF;
  INSERT INTO smile.claim_document (claim_id, document_id, member_id, requirement_id)
  VALUES (wanted, wanted_document, kept.member_id, requirement)
  ON CONFLICT DO NOTHING;
  IF FOUND THEN
    -- The representation changed, so its ETag must.
    UPDATE smile.claim AS c SET version = c.version WHERE c.id = wanted;
    PERFORM smile.record_claim_event(wanted, 'document_added', kept.state, kept.state,
      json_build_object('document_id', wanted_document, 'purpose', document_purpose));
    PERFORM smile.audit('claim.document_added', 'claim', wanted, json_build_object('document_id', wanted_document));
  END IF;
  RETURN smile.answer_claim(wanted, 200);
END
$$;

-- Everything that stands in the way is named at once.
CREATE FUNCTION smile.submit_claim(wanted uuid) RETURNS smile.answer_row LANGUAGE plpgsql AS $$
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
      smile.parameter('JHT', 'sla.pay_working_days', smile.today())::integer)
  WHERE c.id = wanted;
  PERFORM smile.move_claim(wanted, kept.state, 'submitted');
  PERFORM smile.audit('claim.submitted', 'claim', wanted);
  PERFORM smile.notify_member(kept.member_id, 'claim_submitted', json_build_object('claim_id', wanted));
  RETURN smile.answer_claim(wanted, 200);
END
$$;

CREATE FUNCTION smile.withdraw_claim(wanted uuid) RETURNS smile.answer_row LANGUAGE plpgsql AS $$
DECLARE
  kept smile.claim := smile.lock_claim(wanted);
BEGIN
  PERFORM smile.move_claim(wanted, kept.state, 'withdrawn');
  PERFORM smile.audit('claim.withdrawn', 'claim', wanted);
  RETURN smile.answer_claim(wanted, 200);
END
$$;

-- Whether the account also is the claimant's: nobody handles a claim of their own.
CREATE FUNCTION smile.is_own_claim(wanted_member uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp
RETURN EXISTS (
  SELECT FROM smile.account_grant AS g
  WHERE g.account_id = smile.account_id() AND g.kind = 'member' AND g.member_id = wanted_member AND g.active);

CREATE FUNCTION smile.assign_claim(wanted uuid) RETURNS smile.answer_row LANGUAGE plpgsql AS $$
DECLARE
  kept smile.claim := smile.lock_claim(wanted);
BEGIN
  IF smile.is_own_claim(kept.member_id) THEN
    PERFORM smile.fail(403, 'own_claim');
  ELSIF kept.state NOT IN ('submitted', 'verification', 'interview_scheduled') THEN
    PERFORM smile.fail(409, 'claim_state_conflict');
  END IF;
  UPDATE smile.claim AS c SET assigned_to = smile.account_id() WHERE c.id = wanted;
  PERFORM smile.record_claim_event(wanted, 'assigned', kept.state, kept.state);
  IF kept.state = 'submitted' THEN
    PERFORM smile.move_claim(wanted, 'submitted', 'verification');
  END IF;
  PERFORM smile.audit('claim.assigned', 'claim', wanted);
  RETURN smile.answer_claim(wanted, 200);
END
$$;
