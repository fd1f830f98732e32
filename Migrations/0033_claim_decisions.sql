-- From the queue to the payment: the amount with its trace, the decision, the approval, and the one ledger transaction.

INSERT INTO smile.legal_parameter
  (programme, parameter, value, valid_from, valid_to, instrument, certainty, grade)
VALUES
  ('JHT', 'tax.rounding', 'down', '2009-11-16', NULL, 'practice', 'memory-unconfirmed (rule of rounding not found)',
    'memory');

-- The rows that a computation rests on, as its trace shows them.
CREATE FUNCTION smile.parameters_used(wanted_programme text, names text[], on_date date) RETURNS json
LANGUAGE sql STABLE
RETURN (
  SELECT coalesce(json_agg(json_build_object(
    'programme', p.programme, 'parameter', p.parameter, 'value', p.value, 'valid_from', p.valid_from,
    'instrument', p.instrument, 'grade', p.grade, 'verified', p.verified) ORDER BY p.parameter), '[]')
  FROM smile.legal_parameter AS p
  WHERE p.programme = wanted_programme AND p.parameter = ANY (names)
    AND p.valid_from <= on_date AND (p.valid_to IS NULL OR p.valid_to >= on_date));

-- The whole JHT balance, less the final income tax of PP 68/2009: payments within the window count as one, so the
-- tax of this one is the tax of all less what was withheld before.
CREATE FUNCTION smile.compute_jht_claim(
  wanted_member uuid, as_of date, OUT gross bigint, OUT tax bigint, OUT net bigint, OUT computation json)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  used CONSTANT text[] := ARRAY['tax.final_bracket1_upto_idr', 'tax.final_bracket1_pct', 'tax.final_bracket2_pct',
    'tax.one_payment_window_calendar_years', 'tax.rounding'];
  bracket1_upto numeric := smile.parameter('JHT', 'tax.final_bracket1_upto_idr', as_of);
  bracket1_pct numeric := smile.parameter('JHT', 'tax.final_bracket1_pct', as_of);
  bracket2_pct numeric := smile.parameter('JHT', 'tax.final_bracket2_pct', as_of);
  window_years integer := smile.parameter('JHT', 'tax.one_payment_window_calendar_years', as_of);
  first_year integer := extract(year FROM as_of)::integer - window_years + 1;
  earlier_gross bigint;
  earlier_tax bigint;
  before_window boolean;
  total bigint;
  in_bracket1 bigint;
  in_bracket2 bigint;
BEGIN
  IF NOT smile.is_claim_officer() THEN
    PERFORM smile.fail(403, 'insufficient_scope');
  END IF;
  SELECT coalesce(sum(p.gross) FILTER (WHERE paid.year >= first_year), 0),
    coalesce(sum(p.tax) FILTER (WHERE paid.year >= first_year), 0),
    coalesce(bool_or(paid.year < first_year), false)
  INTO earlier_gross, earlier_tax, before_window
  FROM smile.claim_payment AS p
  JOIN smile.claim AS c ON c.id = p.claim_id AND c.claim_type = 'jht' AND c.member_id = wanted_member
  CROSS JOIN LATERAL (SELECT extract(year FROM p.paid_at AT TIME ZONE 'Asia/Jakarta')::integer AS year) AS paid;
  -- Parts paid from the third year on are taxed progressively, by rates that are no parameters yet.
  IF before_window THEN
    PERFORM smile.fail(422, 'tax_not_computable');
  END IF;
  gross := smile.jht_balance(wanted_member);
  total := earlier_gross + gross;
  in_bracket1 := least(total, bracket1_upto);
  in_bracket2 := total - in_bracket1;
  tax := greatest(0, smile.round_rupiah(
    in_bracket1 * bracket1_pct / 100 + in_bracket2 * bracket2_pct / 100,
    smile.parameter_text('JHT', 'tax.rounding', as_of)) - earlier_tax);
  net := gross - tax;
  computation := json_build_object(
    'as_of', as_of,
    'steps', json_build_array(
      json_build_object('code', 'balance', 'value', gross),
      json_build_object('code', 'paid_in_window', 'value', earlier_gross, 'from_year', first_year),
      json_build_object('code', 'tax_bracket_1', 'base', in_bracket1, 'rate_pct', bracket1_pct::text,
        'value', trunc(in_bracket1 * bracket1_pct / 100)),
      json_build_object('code', 'tax_bracket_2', 'base', in_bracket2, 'rate_pct', bracket2_pct::text,
        'value', trunc(in_bracket2 * bracket2_pct / 100)),
      json_build_object('code', 'tax_withheld_in_window', 'value', earlier_tax),
      json_build_object('code', 'tax', 'value', tax),
      json_build_object('code', 'net', 'value', net)),
    'parameters_used', smile.parameters_used('JHT', used, as_of),
    'verified', (
      SELECT bool_and(p.verified) FROM smile.legal_parameter AS p
      WHERE p.programme = 'JHT' AND p.parameter = ANY (used)
        AND p.valid_from <= as_of AND (p.valid_to IS NULL OR p.valid_to >= as_of)));
END
$$;

CREATE FUNCTION smile.decide_claim(wanted uuid, wanted_outcome text, wanted_reason text)
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
    SELECT * INTO blocker
    FROM smile.claim_blockers(kept.member_id, kept.claim_type, kept.reason, smile.today()) AS b LIMIT 1;
    IF FOUND THEN
      PERFORM smile.fail(422, 'claim_not_ready', (
        SELECT json_build_object('errors', json_agg(json_build_object('pointer', '', 'code', b.code, 'rule', b.rule)))
        FROM smile.claim_blockers(kept.member_id, kept.claim_type, kept.reason, smile.today()) AS b));
    END IF;
    SELECT * INTO amount FROM smile.compute_jht_claim(kept.member_id, smile.today());
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
  PERFORM smile.move_claim(wanted, kept.state, wanted_outcome);
  PERFORM smile.audit('claim.decided', 'claim', wanted, json_build_object('outcome', wanted_outcome));
  PERFORM smile.notify_member(kept.member_id, 'claim_' || wanted_outcome, json_build_object('claim_id', wanted));
  RETURN smile.answer_claim(wanted, 200);
END
$$;

CREATE FUNCTION smile.approve_claim(wanted uuid) RETURNS smile.answer_row LANGUAGE plpgsql AS $$
DECLARE
  kept smile.claim := smile.lock_claim(wanted);
  decision smile.claim_decision;
BEGIN
  IF smile.is_own_claim(kept.member_id) THEN
    PERFORM smile.fail(403, 'own_claim');
  ELSIF kept.state <> 'approved' THEN
    PERFORM smile.fail(409, 'claim_state_conflict');
  END IF;
  SELECT * INTO STRICT decision FROM smile.claim_decision AS d
  WHERE d.claim_id = wanted ORDER BY d.number DESC LIMIT 1;
  INSERT INTO smile.claim_approval (claim_id, decision_number, approved_by)
  VALUES (wanted, decision.number, smile.account_id());
  PERFORM smile.move_claim(wanted, 'approved', 'tax_computed',
    json_build_object('gross', decision.gross, 'tax', decision.tax, 'net', decision.net));
  PERFORM smile.move_claim(wanted, 'tax_computed', 'payment_ordered');
  PERFORM smile.audit('claim.approved', 'claim', wanted, json_build_object('decision', decision.number));
  RETURN smile.answer_claim(wanted, 200);
END
$$;

-- The member's JHT account goes down by the gross amount; the bank by the net, and the tax is owed to the state.
CREATE FUNCTION smile.book_claim_payment(wanted uuid) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  kept smile.claim;
  decision smile.claim_decision;
BEGIN
  IF NOT smile.is_officer('pay_claims') THEN
    PERFORM smile.fail(403, 'insufficient_scope');
  END IF;
  SELECT * INTO STRICT kept FROM smile.claim AS c WHERE c.id = wanted FOR UPDATE;
  SELECT d.* INTO STRICT decision
  FROM smile.claim_approval AS a
  JOIN smile.claim_decision AS d ON d.claim_id = a.claim_id AND d.number = a.decision_number
  WHERE a.claim_id = wanted ORDER BY d.number DESC LIMIT 1;
  -- Two payments of one member can't both see the same balance.
  PERFORM FROM smile.member AS m WHERE m.id = kept.member_id FOR NO KEY UPDATE;
  IF kept.state <> 'payment_ordered' THEN
    PERFORM smile.fail(409, 'claim_state_conflict');
  ELSIF smile.jht_balance(kept.member_id) < decision.gross THEN
    PERFORM smile.fail(409, 'balance_changed');
  END IF;
  RETURN smile.book('claim_payment', 'claim', wanted, ARRAY[
    ('fund.jht', kept.member_id, NULL, NULL, decision.gross)::smile.posting_line,
    ('payable.tax', NULL, NULL, NULL, -decision.tax)::smile.posting_line,
    ('bank', NULL, NULL, NULL, -decision.net)::smile.posting_line]);
END
$$;

CREATE FUNCTION smile.pay_claim(wanted uuid, wanted_reference text) RETURNS smile.answer_row LANGUAGE plpgsql AS $$
DECLARE
  kept smile.claim := smile.lock_claim(wanted);
  transaction_id uuid;
BEGIN
  IF smile.is_own_claim(kept.member_id) THEN
    PERFORM smile.fail(403, 'own_claim');
  ELSIF kept.state <> 'payment_ordered' THEN
    PERFORM smile.fail(409, 'claim_state_conflict');
  ELSIF EXISTS (SELECT FROM smile.claim_payment AS p WHERE p.reference = wanted_reference) THEN
    PERFORM smile.refuse(422, 'payment_reference_used', '/reference');
  END IF;
  transaction_id := smile.book_claim_payment(wanted);
  INSERT INTO smile.claim_payment
    (claim_id, decision_number, ledger_transaction_id, reference, gross, tax, net, paid_by)
  SELECT wanted, d.number, transaction_id, wanted_reference, d.gross, d.tax, d.net, smile.account_id()
  FROM smile.claim_approval AS a
  JOIN smile.claim_decision AS d ON d.claim_id = a.claim_id AND d.number = a.decision_number
  WHERE a.claim_id = wanted ORDER BY d.number DESC LIMIT 1;
  PERFORM smile.move_claim(wanted, 'payment_ordered', 'paid');
  PERFORM smile.audit('claim.paid', 'claim', wanted,
    json_build_object('ledger_transaction_id', transaction_id, 'reference', wanted_reference));
  PERFORM smile.notify_member(kept.member_id, 'claim_paid', json_build_object('claim_id', wanted));
  RETURN smile.answer_claim(wanted, 200);
END
$$;

-- One claim as its member or an officer reads it. An officer's look at a person's record leaves a row; should that
-- fail, so does the look.
CREATE FUNCTION smile.read_claim(wanted uuid) RETURNS smile.answer_row LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM smile.claim AS c WHERE c.id = wanted) THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  IF smile.role() = 'officer' THEN
    PERFORM smile.audit('claim.read', 'claim', wanted);
  END IF;
  RETURN smile.answer_claim(wanted, 200);
END
$$;

-- What the head of a download needs; the same rule for officers.
CREATE FUNCTION smile.read_document(wanted uuid, OUT media_type text, OUT size integer, OUT sha256 bytea,
  OUT file_name text, OUT released boolean)
LANGUAGE plpgsql AS $$
BEGIN
  SELECT d.media_type, d.size, d.sha256, coalesce(d.file_name, ''), d.scan_state IN ('unscanned', 'clean')
  INTO media_type, size, sha256, file_name, released
  FROM smile.document AS d WHERE d.id = wanted;
  IF NOT FOUND THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  IF smile.role() = 'officer' THEN
    PERFORM smile.audit('document.read', 'document', wanted);
  END IF;
END
$$;

-- The lists. Open to whom the policies show the rows.
CREATE FUNCTION smile.list_claim_types() RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_build_object('items', json_agg(json_build_object(
    'code', t.code, 'titles', json_build_object('id', t.title_id, 'en', t.title_en),
    'reasons', (
      SELECT json_agg(json_build_object(
        'code', r.code, 'titles', json_build_object('id', r.title_id, 'en', r.title_en),
        'instrument', r.instrument,
        'parameters', (
          SELECT coalesce(json_agg(p), '[]')
          FROM json_array_elements(smile.parameters_used('JHT',
            array_remove(ARRAY[r.age_parameter, r.wait_parameter], NULL), smile.today())) AS p),
        'documents', (
          SELECT json_agg(json_build_object(
            'kind', k.code, 'titles', json_build_object('id', k.title_id, 'en', k.title_en)) ORDER BY p.position)
          FROM smile.claim_paper AS p JOIN smile.document_kind AS k ON k.code = p.document_kind
          WHERE p.claim_type = r.claim_type AND p.reason = r.code)) ORDER BY r.code)
      FROM smile.claim_reason AS r WHERE r.claim_type = t.code)) ORDER BY t.code))
  FROM smile.claim_type AS t);

CREATE FUNCTION smile.list_claims(wanted_state text, after uuid, page integer) RETURNS json LANGUAGE sql STABLE
BEGIN ATOMIC
  WITH found AS (
    SELECT c.id, row_number() OVER (ORDER BY c.id DESC) AS place
    FROM smile.claim AS c
    WHERE (wanted_state IS NULL OR c.state = wanted_state) AND (after IS NULL OR c.id < after)
    ORDER BY c.id DESC LIMIT page + 1)
  SELECT json_strip_nulls(json_build_object(
    'items', coalesce(json_agg(smile.claim_body(f.id) ORDER BY f.place) FILTER (WHERE f.place <= page), '[]'),
    'next_after', CASE WHEN count(*) > page THEN (SELECT g.id FROM found AS g WHERE g.place = page) END))
  FROM found AS f;
END;

-- Oldest first, so that nobody waits behind later ones.
CREATE FUNCTION smile.list_claim_queue(wanted_state text, mine boolean, after uuid, page integer) RETURNS json
LANGUAGE sql STABLE
BEGIN ATOMIC
  WITH found AS (
    SELECT c.id, row_number() OVER (ORDER BY c.submitted_at, c.id) AS place
    FROM smile.claim AS c
    WHERE c.state IN ('submitted', 'verification', 'interview_scheduled', 'approved', 'tax_computed',
        'payment_ordered', 'payment_returned')
      AND (wanted_state IS NULL OR c.state = wanted_state)
      AND (NOT mine OR c.assigned_to = smile.account_id())
      AND (after IS NULL OR (c.submitted_at, c.id) > (
        SELECT l.submitted_at, l.id FROM smile.claim AS l WHERE l.id = after))
    ORDER BY c.submitted_at, c.id LIMIT page + 1)
  SELECT json_strip_nulls(json_build_object(
    'items', coalesce(json_agg((
      SELECT json_build_object('id', c.id, 'type', c.claim_type, 'reason', c.reason, 'state', c.state,
        'submitted_at', c.submitted_at, 'due_on', c.due_on, 'overdue', c.due_on < smile.today(),
        'assigned_to', c.assigned_to)
      FROM smile.claim AS c WHERE c.id = f.id) ORDER BY f.place) FILTER (WHERE f.place <= page), '[]'),
    'next_after', CASE WHEN count(*) > page THEN (SELECT g.id FROM found AS g WHERE g.place = page) END))
  FROM found AS f;
END;

-- No row where the claim isn't the caller's to see.
CREATE FUNCTION smile.claim_timeline(wanted uuid, language text) RETURNS SETOF json LANGUAGE sql STABLE
BEGIN ATOMIC
  SELECT json_build_object('items', (
    SELECT coalesce(json_agg(json_strip_nulls(json_build_object(
      'id', e.id, 'at', e.at, 'kind', e.kind, 'actor', e.actor, 'from', e.from_state, 'to', e.to_state,
      'title', CASE e.kind
        WHEN 'document_added' THEN CASE language WHEN 'en' THEN 'Document added' ELSE 'Dokumen ditambahkan' END
        WHEN 'assigned' THEN CASE language WHEN 'en' THEN 'Assigned to an officer' ELSE 'Ditugaskan ke petugas' END
        ELSE (SELECT CASE language WHEN 'en' THEN s.title_en ELSE s.title_id END
              FROM smile.claim_state AS s WHERE s.code = e.to_state) END,
      'details', e.details)) ORDER BY e.place), '[]')
    FROM smile.claim_event AS e WHERE e.claim_id = c.id))
  FROM smile.claim AS c WHERE c.id = wanted;
END;
