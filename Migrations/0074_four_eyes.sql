-- Who decided on a claim doesn't approve it. The approval names the decider, so that a key and a check can hold it to
-- that, whatever function writes it.

ALTER TABLE smile.claim_decision ADD UNIQUE (claim_id, number, decided_by);
ALTER TABLE smile.claim_approval ADD COLUMN decided_by uuid;
UPDATE smile.claim_approval AS a SET decided_by = d.decided_by
FROM smile.claim_decision AS d WHERE d.claim_id = a.claim_id AND d.number = a.decision_number;
ALTER TABLE smile.claim_approval
  ALTER COLUMN decided_by SET NOT NULL,
  ADD FOREIGN KEY (claim_id, decision_number, decided_by)
    REFERENCES smile.claim_decision (claim_id, number, decided_by),
  -- Earlier approvals stay as they were given.
  ADD CONSTRAINT approved_by_another CHECK (approved_by <> decided_by) NOT VALID;

CREATE OR REPLACE FUNCTION smile.approve_claim(wanted uuid) RETURNS smile.answer_row LANGUAGE plpgsql AS $$
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
  IF decision.decided_by = smile.account_id() THEN
    PERFORM smile.fail(403, 'own_decision');
  END IF;
  INSERT INTO smile.claim_approval (claim_id, decision_number, decided_by, approved_by)
  VALUES (wanted, decision.number, decision.decided_by, smile.account_id());
  PERFORM smile.move_claim(wanted, 'approved', 'tax_computed',
    json_build_object('gross', decision.gross, 'tax', decision.tax, 'net', decision.net));
  PERFORM smile.move_claim(wanted, 'tax_computed', 'payment_ordered');
  PERFORM smile.audit('claim.approved', 'claim', wanted, json_build_object('decision', decision.number));
  RETURN smile.answer_claim(wanted, 200);
END
$$;
