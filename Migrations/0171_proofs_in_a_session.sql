-- What showing password or code does to a session, and to the others of its account.

SET LOCAL ROLE smile_auth;
-- As before; besides, it is use of the session. The new access token lives 15 minutes, so an officer whose front end
-- refreshes when it ends was found idle and logged out in the midst of work.
CREATE OR REPLACE FUNCTION smile.step_up(
  verified_hash text, totp_id uuid, step bigint, recovery_digest bytea, access_digest bytea)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  current CONSTANT uuid := smile.session_id();
  access_expiry timestamptz;
BEGIN
  IF verified_hash IS NOT NULL THEN
    PERFORM FROM smile.account AS a
    WHERE a.id = smile.account_id() AND a.password_hash = verified_hash
      AND NOT EXISTS (SELECT FROM smile.totp AS t WHERE t.account_id = a.id AND t.confirmed_at IS NOT NULL)
    FOR SHARE;
    IF NOT FOUND THEN
      PERFORM smile.fail(401, 'invalid_credentials');
    END IF;
  ELSIF NOT smile.spend_factor(smile.account_id(), totp_id, step, recovery_digest) THEN
    PERFORM smile.fail(401, 'invalid_code');
  END IF;
  UPDATE smile.session AS s SET stepped_up_at = smile.security_now(), refreshed_at = smile.security_now(),
    second_factor_at = CASE WHEN verified_hash IS NULL THEN smile.security_now() ELSE s.second_factor_at END
  WHERE s.id = current AND s.ended_at IS NULL;
  IF NOT FOUND THEN
    PERFORM smile.fail(401, 'invalid_token');
  END IF;
  DELETE FROM smile.access_token AS t WHERE t.session_id = current;
  access_expiry := smile.mint_access_token(current, access_digest);
  DELETE FROM smile.log_in_throttle AS t WHERE t.key = smile.session_throttle_key();
  PERFORM smile.audit('session.stepped_up', 'session', current);
  RETURN (200, smile.tokens_body(current, access_expiry)::text, NULL, NULL)::smile.answer_row;
END
$$;

-- The same.
CREATE OR REPLACE FUNCTION smile.change_password(
  compared_hash text, new_hash text, access_digest bytea, refresh_digest bytea)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  current uuid := smile.session_id();
  access_expiry timestamptz;
BEGIN
  UPDATE smile.account AS a SET password_hash = new_hash, password_changed_at = smile.security_now()
  WHERE a.id = smile.account_id() AND a.password_hash = compared_hash;
  IF NOT FOUND THEN
    PERFORM smile.fail(409, 'password_changed_meanwhile');
  END IF;
  DELETE FROM smile.access_token AS t WHERE t.session_id = current;
  DELETE FROM smile.refresh_token AS t WHERE t.session_id = current;
  UPDATE smile.mail_token AS t SET expires_at = smile.security_now()
  WHERE t.account_id = smile.account_id() AND t.purpose = 'password_reset' AND t.used_at IS NULL
    AND t.expires_at > smile.security_now();
  DELETE FROM smile.log_in_throttle AS t WHERE t.key = smile.session_throttle_key();
  UPDATE smile.session AS s SET refreshed_at = smile.security_now() WHERE s.id = current AND s.ended_at IS NULL;
  access_expiry := smile.mint_access_token(current, access_digest);
  INSERT INTO smile.refresh_token (digest, session_id) VALUES (refresh_digest, current);
  PERFORM smile.note_security_event(smile.account_id(), 'password_changed');
  PERFORM smile.audit('account.password_changed', 'account', smile.account_id());
  RETURN smile.answer(200, smile.tokens_body(current, access_expiry));
END
$$;

-- As before; besides, a proof by password alone doesn't count any more in the other sessions: who knows the password
-- and has just logged in could take the owner's new authenticator off again.
CREATE OR REPLACE FUNCTION smile.confirm_totp(totp_id uuid, step bigint, digests text[]) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  caller CONSTANT uuid := smile.account_id();
  -- Old enough for smile.authenticate() to ask again.
  stale CONSTANT timestamptz := smile.security_now() - interval '5 minutes';
BEGIN
  PERFORM FROM smile.account AS a WHERE a.id = caller FOR NO KEY UPDATE;
  DELETE FROM smile.totp AS t
  WHERE t.account_id = caller AND t.confirmed_at IS NOT NULL
    AND EXISTS (SELECT FROM smile.totp AS w WHERE w.id = totp_id AND w.account_id = caller AND w.confirmed_at IS NULL);
  UPDATE smile.totp AS t SET confirmed_at = smile.security_now(), last_step = step
  WHERE t.id = totp_id AND t.account_id = caller AND t.confirmed_at IS NULL;
  IF NOT FOUND THEN
    PERFORM smile.fail(409, 'totp_not_started');
  END IF;
  PERFORM smile.put_recovery_codes(caller, digests);
  UPDATE smile.session AS s SET second_factor_at = smile.security_now() WHERE s.id = smile.session_id();
  UPDATE smile.session AS s SET stepped_up_at = least(s.stepped_up_at, stale)
  WHERE s.account_id = caller AND s.id <> smile.session_id() AND s.ended_at IS NULL;
  UPDATE smile.access_token AS t SET stepped_up_at = least(t.stepped_up_at, stale)
  WHERE t.account_id = caller AND t.session_id <> smile.session_id();
  DELETE FROM smile.log_in_throttle AS t WHERE t.key = smile.session_throttle_key();
  PERFORM smile.note_security_event(caller, 'factor_added', '{"factor":"totp"}');
  PERFORM smile.audit('totp.confirmed', 'account', caller);
  RETURN (200, NULL, NULL, NULL)::smile.answer_row;
END
$$;

SET LOCAL ROLE smile_owner;
-- As before, but a log-in at the same moment doesn't get past the new policy.
CREATE OR REPLACE FUNCTION smile.set_second_factor_policy(npp text, required boolean) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  employer uuid;
BEGIN
  UPDATE smile.employer AS e SET admins_need_second_factor = required
  WHERE e.npp = set_second_factor_policy.npp RETURNING e.id INTO employer;
  IF employer IS NULL THEN
    RETURN false;
  END IF;
  IF required THEN
    -- A log-in holds the grant that it opens: one that came first is waited for, and its session seen below.
    PERFORM FROM smile.account_grant AS g
    WHERE g.employer_id = employer AND g.employer_role = 'admin' ORDER BY g.id FOR NO KEY UPDATE;
    UPDATE smile.session AS s SET ended_at = smile.security_now(), end_reason = 'revoked'
    WHERE s.ended_at IS NULL AND s.second_factor_at IS NULL AND s.grant_id IN (
      SELECT g.id FROM smile.account_grant AS g WHERE g.employer_id = employer AND g.employer_role = 'admin');
  END IF;
  PERFORM smile.audit('employer.second_factor_policy', 'employer', employer, json_build_object('required', required));
  RETURN true;
END
$$;
