-- Showing password or code again, for what a borrowed or stolen session must not do. The session's access tokens are
-- replaced (ASVS 7.2.4); its refresh token stays, so that another tab of the same browser isn't logged out.

-- What the server needs to judge what is shown: the TOTP secret of an account that has one, else the password's hash.
-- Counts the try by session.
CREATE FUNCTION smile.begin_step_up(
  OUT account_id uuid, OUT password_hash text, OUT totp_id uuid, OUT sealed bytea, OUT last_step bigint,
  OUT epoch bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
BEGIN
  PERFORM smile.count_try(smile.session_throttle_key(), 'step_up');
  epoch := floor(extract(epoch FROM smile.security_now()))::bigint;
  SELECT a.id, a.password_hash, t.id, t.secret_sealed, t.last_step
  INTO account_id, password_hash, totp_id, sealed, last_step
  FROM smile.account AS a
  LEFT JOIN smile.totp AS t ON t.account_id = a.id AND t.confirmed_at IS NOT NULL
  WHERE a.id = smile.account_id();
END
$$;
ALTER FUNCTION smile.begin_step_up() OWNER TO smile_auth;

-- verified_hash: what the password was compared with; it opens nothing once the account has TOTP or another password.
CREATE FUNCTION smile.step_up(
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
  UPDATE smile.session AS s SET stepped_up_at = smile.security_now(),
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
ALTER FUNCTION smile.step_up(text, uuid, bigint, bytea, bytea) OWNER TO smile_auth;
