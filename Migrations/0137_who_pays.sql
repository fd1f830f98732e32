-- Who approved a claim doesn't pay it. The payment names the approver, so that a key and a check hold it to that,
-- whatever function writes it.

ALTER TABLE smile.claim_approval ADD UNIQUE (claim_id, decision_number, approved_by);
ALTER TABLE smile.claim_payment ADD COLUMN approved_by uuid;
UPDATE smile.claim_payment AS p SET approved_by = a.approved_by
FROM smile.claim_approval AS a WHERE a.claim_id = p.claim_id AND a.decision_number = p.decision_number;
ALTER TABLE smile.claim_payment
  ALTER COLUMN approved_by SET NOT NULL,
  ADD FOREIGN KEY (claim_id, decision_number, approved_by)
    REFERENCES smile.claim_approval (claim_id, decision_number, approved_by),
  -- Earlier payments stay as they were made.
  ADD CONSTRAINT paid_by_another CHECK (paid_by <> approved_by) NOT VALID;

CREATE OR REPLACE FUNCTION smile.pay_claim(wanted uuid, wanted_reference text) RETURNS smile.answer_row
LANGUAGE plpgsql AS $$
DECLARE
  kept smile.claim := smile.lock_claim(wanted);
  approval record;
  transaction_id uuid;
BEGIN
  IF smile.is_own_claim(kept.member_id) THEN
    PERFORM smile.fail(403, 'own_claim');
  ELSIF kept.state <> 'payment_ordered' THEN
    PERFORM smile.fail(409, 'claim_state_conflict');
  END IF;
  SELECT a.approved_by, d.number, d.gross, d.tax, d.net INTO STRICT approval
  FROM smile.claim_approval AS a
  JOIN smile.claim_decision AS d ON d.claim_id = a.claim_id AND d.number = a.decision_number
  WHERE a.claim_id = wanted ORDER BY d.number DESC LIMIT 1;
  IF approval.approved_by = smile.account_id() THEN
    PERFORM smile.fail(403, 'own_approval');
  ELSIF EXISTS (SELECT FROM smile.claim_payment AS p WHERE p.reference = wanted_reference) THEN
    PERFORM smile.refuse(422, 'payment_reference_used', '/reference');
  END IF;
  transaction_id := smile.book_claim_payment(wanted);
  INSERT INTO smile.claim_payment
    (claim_id, decision_number, ledger_transaction_id, reference, gross, tax, net, approved_by, paid_by)
  VALUES (wanted, approval.number, transaction_id, wanted_reference, approval.gross, approval.tax, approval.net,
    approval.approved_by, smile.account_id());
  PERFORM smile.move_claim(wanted, 'payment_ordered', 'paid');
  PERFORM smile.audit('claim.paid', 'claim', wanted,
    json_build_object('ledger_transaction_id', transaction_id, 'reference', wanted_reference));
  PERFORM smile.notify_member(kept.member_id, 'claim_paid', json_build_object('claim_id', wanted));
  RETURN smile.answer_claim(wanted, 200);
END
$$;
