-- What every write asks is planned once a connection and not at each call, as in 0163: three times a small return.

-- As before.
CREATE OR REPLACE FUNCTION smile.audit(action text, subject_kind text, subject_id uuid, details json DEFAULT NULL)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO smile.audit_log
    (request_id, role, account_id, client_id, address, purpose, action, subject_kind, subject_id, details)
  VALUES (
    smile.request_id(), smile.role(), smile.account_id(), smile.client_id(),
    nullif(current_setting('smile.address', true), ''), nullif(current_setting('smile.purpose', true), ''),
    audit.action, audit.subject_kind, audit.subject_id, audit.details);
END
$$;
