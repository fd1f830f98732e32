-- smile-admin makes an officer without choosing a password: it prints a token with which the officer chooses one, for a
-- day and once (ASVS 6.4.1: what the system made doesn't become the password that stays).

DROP FUNCTION smile.create_officer(text, text, text[], text);

-- For smile-admin alone, which connects as the owner: every permission, and an officer who was sent away comes back.
-- Who has an account keeps its password; token_digest: of the token for who has none yet.
CREATE FUNCTION smile.create_officer(
  email text, full_name text, permissions text[], password_hash text, token_digest bytea,
  OUT account uuid, OUT is_new boolean)
LANGUAGE plpgsql AS $$
BEGIN
  SELECT a.id INTO account FROM smile.account AS a
  WHERE a.email = lower(create_officer.email) AND a.status <> 'pending';
  is_new := account IS NULL;
  IF is_new THEN
    INSERT INTO smile.account (email, full_name, password_hash, status, confirmed_at)
    VALUES (lower(create_officer.email), create_officer.full_name, create_officer.password_hash, 'active',
      smile.security_now())
    RETURNING id INTO account;
    INSERT INTO smile.mail_token (digest, purpose, account_id, expires_at)
    SELECT token_digest, 'password_reset', account, smile.security_now() + interval '24 hours'
    WHERE token_digest IS NOT NULL;
  END IF;
  UPDATE smile.account_grant AS g SET permissions = create_officer.permissions, active = true
  WHERE g.account_id = account AND g.kind = 'officer';
  IF NOT FOUND THEN
    INSERT INTO smile.account_grant (account_id, kind, permissions, active)
    VALUES (account, 'officer', create_officer.permissions, true);
  END IF;
  PERFORM smile.audit('officer.created', 'account', account,
    json_build_object('permissions', create_officer.permissions));
END
$$;
REVOKE EXECUTE ON FUNCTION smile.create_officer(text, text, text[], text, bytea)
FROM smile_api, smile_jobs, smile_auth;
