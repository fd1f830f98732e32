-- Sessions say where they were used last, and what is dead goes.

SET LOCAL ROLE smile_auth;
-- As before; besides, the session's address is that of its last use, and the owner is written to when a token comes
-- back.
CREATE OR REPLACE FUNCTION smile.refresh_session(token_digest bytea, successor_digest bytea, access_digest bytea)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  t smile.refresh_token;
  s smile.session;
  idle interval;
  refusal text;
  access_expiry timestamptz;
BEGIN
  -- Session first, token second: the order in which everything that ends a session locks.
  SELECT x.* INTO s FROM smile.session AS x
  WHERE x.id = (SELECT r.session_id FROM smile.refresh_token AS r WHERE r.digest = token_digest) FOR UPDATE;
  SELECT r.* INTO t FROM smile.refresh_token AS r WHERE r.digest = token_digest FOR UPDATE;
  IF t.digest IS NULL OR s.ended_at IS NOT NULL THEN
    RETURN (401, NULL, NULL, NULL)::smile.answer_row;
  END IF;
  SELECT (smile.session_limits(g.kind)).idle INTO idle FROM smile.account_grant AS g WHERE g.id = s.grant_id;
  refusal := CASE
    WHEN t.used_at <= smile.security_now() - interval '10 seconds' THEN 'refresh_reuse'
    WHEN s.expires_at <= smile.security_now() OR s.refreshed_at + idle <= smile.security_now() THEN 'expired' END;
  IF refusal IS NOT NULL THEN
    UPDATE smile.session AS x SET ended_at = smile.security_now(), end_reason = refusal WHERE x.id = s.id;
    IF refusal = 'refresh_reuse' THEN
      PERFORM smile.note_security_event(s.account_id, 'refresh_token_reused',
        json_strip_nulls(json_build_object('session_id', s.id, 'device_name', s.device_name)));
    END IF;
    RETURN (401, NULL, NULL, NULL)::smile.answer_row;
  END IF;
  UPDATE smile.refresh_token AS r SET used_at = smile.security_now(), successor = successor_digest
  WHERE r.digest = token_digest AND r.used_at IS NULL;
  INSERT INTO smile.refresh_token (digest, session_id) VALUES (successor_digest, s.id) ON CONFLICT DO NOTHING;
  UPDATE smile.session AS x
  SET refreshed_at = smile.security_now(), address = nullif(current_setting('smile.address', true), '')
  WHERE x.id = s.id;
  DELETE FROM smile.access_token AS a WHERE a.session_id = s.id AND a.expires_at <= smile.security_now();
  access_expiry := smile.mint_access_token(s.id, access_digest);
  RETURN smile.answer(200, smile.tokens_body(s.id, access_expiry));
END
$$;

CREATE OR REPLACE FUNCTION smile.purge_identity() RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp
BEGIN ATOMIC
  DELETE FROM smile.access_token AS t WHERE t.expires_at <= smile.security_now();
  DELETE FROM smile.mail_token AS t WHERE t.expires_at <= smile.security_now() - interval '7 days';
  DELETE FROM smile.log_in_throttle AS t WHERE t.window_ends_at <= smile.security_now();
  DELETE FROM smile.mfa_challenge AS c WHERE c.expires_at <= smile.security_now();
  DELETE FROM smile.known_device AS d WHERE d.expires_at <= smile.security_now();
  DELETE FROM smile.totp AS t
  WHERE t.confirmed_at IS NULL AND t.created_at <= smile.security_now() - interval '1 hour';
  DELETE FROM smile.account AS a
  WHERE a.status = 'pending' AND a.created_at <= smile.security_now() - interval '30 days';
  DELETE FROM smile.session AS s WHERE s.expires_at <= smile.security_now() - interval '90 days';
END;
SET LOCAL ROLE smile_owner;
