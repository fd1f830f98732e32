-- For smile-admin alone: nobody gets into an account any more, until it is enabled again. Its sessions end, by a
-- trigger, and none begins (ASVS 7.4.2). False when there is no account in the other state.
CREATE FUNCTION smile.set_account_disabled(email text, disabled boolean) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  states CONSTANT text[] := CASE WHEN disabled THEN '{active,disabled}' ELSE '{disabled,active}' END;
  account uuid;
BEGIN
  UPDATE smile.account AS a SET status = states[2]
  WHERE a.email = lower(set_account_disabled.email) AND a.status = states[1]
  RETURNING a.id INTO account;
  IF account IS NULL THEN
    RETURN false;
  END IF;
  PERFORM smile.audit(CASE WHEN disabled THEN 'account.disabled' ELSE 'account.enabled' END, 'account', account);
  RETURN true;
END
$$;
REVOKE EXECUTE ON FUNCTION smile.set_account_disabled(text, boolean) FROM smile_api, smile_jobs, smile_auth;
