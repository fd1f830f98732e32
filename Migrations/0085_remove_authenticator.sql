-- For smile-admin alone: somebody lost the authenticator and the recovery codes, and proved to a person who they are.
-- The account's sessions end, and the owner is told. False when there is no such account, or nothing to remove.
CREATE FUNCTION smile.remove_authenticator(email text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  account uuid;
BEGIN
  SELECT a.id INTO account FROM smile.account AS a
  WHERE a.email = lower(remove_authenticator.email) AND a.status <> 'pending';
  IF account IS NULL OR NOT smile.forget_totp(account) THEN
    RETURN false;
  END IF;
  PERFORM smile.end_sessions(remove_authenticator.email);
  RETURN true;
END
$$;
REVOKE EXECUTE ON FUNCTION smile.remove_authenticator(text) FROM smile_api, smile_jobs, smile_auth;
