-- Log-in in two steps: the password opens a session, or a challenge where a second factor is asked for. The server
-- verifies passwords and codes between the functions; they judge everything else, and again what may have changed
-- meanwhile.

SET LOCAL ROLE smile_auth;
DROP FUNCTION smile.open_session(uuid, bytea, bytea, text, uuid, bytea, bytea);
DROP FUNCTION smile.switch_grant(uuid, bytea, bytea);
SET LOCAL ROLE smile_owner;

-- What the server needs besides an answer's body: whether the device got to be known only now, and by which methods a
-- challenge (status 401) can be met, separated by spaces.
CREATE TYPE smile.log_in_answer AS (status integer, body text, device_is_new boolean, methods text);

CREATE OR REPLACE FUNCTION smile.session_body(wanted uuid, current uuid) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_strip_nulls(json_build_object(
    'id', s.id, 'current', s.id = current, 'device_name', s.device_name, 'client_id', s.client_id,
    'address', s.address, 'created_at', s.created_at, 'refreshed_at', s.refreshed_at, 'expires_at', s.expires_at,
    'stepped_up_at', s.stepped_up_at, 'second_factor_at', s.second_factor_at,
    'grant', smile.grant_body(s.grant_id)))
  FROM smile.session AS s WHERE s.id = wanted);

-- Ends an account's oldest sessions over the limit of the grant that one of them has just begun to act in, and tells
-- the owner. The caller has locked the account. What idleness or age has ended by now doesn't count: nobody misses it.
CREATE FUNCTION smile.keep_to_session_limit(account uuid, kept uuid, kind text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  at CONSTANT timestamptz := smile.security_now();
BEGIN
  UPDATE smile.session AS s SET ended_at = at, end_reason = 'limit'
  WHERE s.id IN (
    SELECT o.id FROM smile.session AS o JOIN smile.account_grant AS g ON g.id = o.grant_id
    WHERE o.account_id = account AND o.ended_at IS NULL AND o.expires_at > at
      AND o.refreshed_at + (smile.session_limits(g.kind)).idle > at
    ORDER BY o.id = kept DESC, o.created_at DESC, o.id DESC
    OFFSET (smile.session_limits(keep_to_session_limit.kind)).most);
  IF FOUND THEN
    PERFORM smile.note_security_event(account, 'session_limit');
  END IF;
END
$$;

-- A session for an account whose row the caller has locked. The owner is told of a log-in from a device that isn't
-- known, unless it is the account's first.
CREATE FUNCTION smile.start_session(
  account uuid, g smile.account_grant, with_factor boolean, device_name text, front_end uuid, shown_device bytea,
  new_device bytea, source_key bytea, source_counts boolean, access_digest bytea, refresh_digest bytea)
RETURNS smile.log_in_answer LANGUAGE plpgsql AS $$
DECLARE
  at CONSTANT timestamptz := smile.security_now();
  origin CONSTANT text := nullif(current_setting('smile.address', true), '');
  is_first CONSTANT boolean := NOT EXISTS (SELECT FROM smile.session AS s WHERE s.account_id = account)
    AND NOT EXISTS (SELECT FROM smile.known_device AS d WHERE d.account_id = account);
  made uuid;
  device_is_new boolean;
  access_expiry timestamptz;
BEGIN
  INSERT INTO smile.session
    (account_id, grant_id, client_id, device_name, address, expires_at, second_factor_at, stepped_up_at)
  VALUES (account, g.id, front_end, start_session.device_name, origin,
    at + (smile.session_limits(g.kind)).absolute, CASE WHEN with_factor THEN at END, at)
  RETURNING id INTO made;
  PERFORM smile.keep_to_session_limit(account, made, g.kind);
  PERFORM smile.forget_tries(account, source_key, source_counts, shown_device);
  device_is_new := smile.know_device(account, shown_device, new_device, start_session.device_name);
  IF device_is_new AND NOT is_first THEN
    PERFORM smile.note_security_event(account, 'new_device',
      json_strip_nulls(json_build_object('device_name', start_session.device_name)));
  END IF;
  INSERT INTO smile.security_event (account_id, kind, session_id, address) VALUES (account, 'logged_in', made, origin);
  access_expiry := smile.mint_access_token(made, access_digest);
  INSERT INTO smile.refresh_token (digest, session_id) VALUES (refresh_digest, made);
  RETURN (201, smile.tokens_body(made, access_expiry)::text, device_is_new, NULL)::smile.log_in_answer;
END
$$;

-- A challenge for a grant whose password was shown. Where a code goes out, it goes by mail first.
CREATE FUNCTION smile.challenge(
  account uuid, wanted_grant uuid, session uuid, methods text[], device_name text, front_end uuid, device_digest bytea,
  challenge_digest bytea, code_digest bytea, message_id uuid, sealed_code bytea)
RETURNS smile.log_in_answer LANGUAGE plpgsql AS $$
DECLARE
  at CONSTANT timestamptz := smile.security_now();
  sends CONSTANT boolean := 'email' = ANY (methods);
BEGIN
  DELETE FROM smile.mfa_challenge AS c WHERE c.account_id = account AND c.expires_at <= at;
  INSERT INTO smile.mfa_challenge
    (digest, account_id, grant_id, session_id, client_id, device_name, device_digest, code_digest, code_sent_at,
    codes_sent, expires_at)
  VALUES (challenge_digest, account, wanted_grant, session, front_end, challenge.device_name, challenge.device_digest,
    CASE WHEN sends THEN challenge.code_digest END, CASE WHEN sends THEN at END, sends::integer,
    at + interval '10 minutes');
  IF sends THEN
    PERFORM smile.send_code(account, 'email', message_id, sealed_code);
  END IF;
  RETURN (401, NULL, NULL, array_to_string(methods, ' '))::smile.log_in_answer;
END
$$;

-- After the password was found right: a session in the grant of the last one, or else in the oldest grant, or the
-- challenge that this grant asks for. verified_hash is what the password was compared with: when the account has
-- another one by now, the password was changed meanwhile. fresh_hash: the same password under today's cost and pepper.
CREATE FUNCTION smile.open_session(
  account uuid, verified_hash text, fresh_hash text, device_name text, front_end uuid, shown_device bytea,
  new_device bytea, source_key bytea, source_counts boolean, access_digest bytea, refresh_digest bytea,
  challenge_digest bytea, code_digest bytea, message_id uuid, sealed_code bytea)
RETURNS smile.log_in_answer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  g smile.account_grant;
  methods text[];
BEGIN
  -- Who changes or disables the account, or changes the grant, meanwhile ends this session too; and log-ins of one
  -- account follow each other, so that together they keep to the limit of sessions.
  PERFORM FROM smile.account AS a
  WHERE a.id = account AND a.status = 'active' AND a.password_hash = verified_hash FOR NO KEY UPDATE;
  IF FOUND THEN
    SELECT x.* INTO g FROM smile.account_grant AS x
    WHERE x.account_id = account AND x.active
    ORDER BY (SELECT max(s.created_at) FROM smile.session AS s WHERE s.grant_id = x.id) DESC NULLS LAST, x.id
    LIMIT 1 FOR SHARE;
  END IF;
  IF g.id IS NULL THEN
    PERFORM smile.fail(401, 'invalid_credentials');
  END IF;
  IF front_end IS NOT NULL AND NOT EXISTS (
    SELECT FROM smile.client AS c WHERE c.id = front_end AND c.kind = 'application' AND c.revoked_at IS NULL)
  THEN
    PERFORM smile.refuse(422, 'unknown_client', '/client_id');
  END IF;
  IF fresh_hash IS NOT NULL THEN
    UPDATE smile.account AS a SET password_hash = fresh_hash WHERE a.id = account;
  END IF;
  methods := smile.second_factor_methods(g.id);
  IF methods <> '{}' THEN
    RETURN smile.challenge(account, g.id, NULL, methods, device_name, front_end, shown_device, challenge_digest,
      code_digest, message_id, sealed_code);
  END IF;
  RETURN smile.start_session(account, g, false, device_name, front_end, shown_device, new_device, source_key,
    source_counts, access_digest, refresh_digest);
END
$$;
ALTER FUNCTION smile.open_session(
  uuid, text, text, text, uuid, bytea, bytea, bytea, boolean, bytea, bytea, bytea, bytea, uuid, bytea)
OWNER TO smile_auth;

-- What the server needs to judge a code, after the try was counted: five for a challenge, five in a row for an account.
-- No row for a challenge that is unknown, used up or expired.
CREATE FUNCTION smile.begin_second_factor(
  challenge_digest bytea, OUT totp_id uuid, OUT sealed bytea, OUT last_step bigint, OUT epoch bigint)
RETURNS SETOF record
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  challenged uuid;
BEGIN
  UPDATE smile.mfa_challenge AS c SET tries = c.tries + 1
  WHERE c.digest = challenge_digest AND c.expires_at > smile.security_now() AND c.tries < 5
  RETURNING c.account_id INTO challenged;
  IF challenged IS NULL THEN
    RETURN;
  END IF;
  PERFORM smile.count_try(smile.throttle_key('code', smile.throttle_subject(challenged)), 'code');
  epoch := floor(extract(epoch FROM smile.security_now()))::bigint;
  SELECT t.id, t.secret_sealed, t.last_step INTO totp_id, sealed, last_step
  FROM smile.totp AS t WHERE t.account_id = challenged AND t.confirmed_at IS NOT NULL;
  RETURN NEXT;
END
$$;
ALTER FUNCTION smile.begin_second_factor(bytea) OWNER TO smile_auth;

-- Meets a challenge, once: by a time step that the server found right, by a recovery code, or by the code that was
-- sent.
CREATE FUNCTION smile.finish_log_in(
  challenge_digest bytea, totp_id uuid, step bigint, recovery_digest bytea, code_digest bytea, new_device bytea,
  source_key bytea, source_counts boolean, access_digest bytea, refresh_digest bytea)
RETURNS smile.log_in_answer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  c smile.mfa_challenge;
  g smile.account_grant;
BEGIN
  -- A wrong code raises, and the challenge is back.
  DELETE FROM smile.mfa_challenge AS x
  WHERE x.digest = challenge_digest AND x.expires_at > smile.security_now()
  RETURNING x.* INTO c;
  -- A challenge doesn't outlive the password that it was given for.
  PERFORM FROM smile.account AS a
  WHERE a.id = c.account_id AND a.status = 'active' AND a.password_changed_at <= c.created_at FOR NO KEY UPDATE;
  IF FOUND THEN
    SELECT x.* INTO g FROM smile.account_grant AS x WHERE x.id = c.grant_id AND x.active FOR SHARE;
  END IF;
  IF g.id IS NULL OR NOT (
    coalesce(c.code_digest = finish_log_in.code_digest, false) AND 'email' = ANY (smile.second_factor_methods(g.id))
    OR smile.spend_factor(c.account_id, totp_id, step, recovery_digest))
  THEN
    PERFORM smile.fail(401, 'invalid_code');
  END IF;
  IF c.session_id IS NULL THEN
    RETURN smile.start_session(c.account_id, g, true, c.device_name, c.client_id, c.device_digest, new_device,
      source_key, source_counts, access_digest, refresh_digest);
  END IF;
  PERFORM smile.forget_failures(c.account_id);
  RETURN smile.act_in_grant(c.session_id, g, true, access_digest, refresh_digest);
END
$$;
ALTER FUNCTION smile.finish_log_in(
  bytea, uuid, bigint, bytea, bytea, bytea, bytea, boolean, bytea, bytea) OWNER TO smile_auth;

-- Sends another code for a challenge, once a minute and five times at the most; the one before it is worth nothing any
-- more. Answers alike whether there is such a challenge, and whether codes are a way to meet it.
CREATE FUNCTION smile.resend_code(
  challenge_digest bytea, wanted_channel text, code_digest bytea, message_id uuid, sealed_code bytea)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  at CONSTANT timestamptz := smile.security_now();
  challenged uuid;
BEGIN
  UPDATE smile.mfa_challenge AS c
  SET code_digest = resend_code.code_digest, code_sent_at = at, codes_sent = c.codes_sent + 1
  WHERE c.digest = challenge_digest AND c.expires_at > at AND c.codes_sent BETWEEN 1 AND 4
    AND c.code_sent_at <= at - interval '1 minute'
    AND wanted_channel = ANY (smile.second_factor_methods(c.grant_id))
  RETURNING c.account_id INTO challenged;
  IF challenged IS NOT NULL THEN
    PERFORM smile.send_code(challenged, wanted_channel, message_id, sealed_code);
  END IF;
  RETURN (202, '{"status":"accepted"}', NULL, NULL)::smile.answer_row;
END
$$;
ALTER FUNCTION smile.resend_code(bytea, text, bytea, uuid, bytea) OWNER TO smile_auth;

-- The session acts in this grant from now on, within the limit of sessions that it has; all its tokens are replaced.
-- The caller has locked the account.
CREATE FUNCTION smile.act_in_grant(
  session uuid, g smile.account_grant, with_factor boolean, access_digest bytea, refresh_digest bytea)
RETURNS smile.log_in_answer LANGUAGE plpgsql AS $$
DECLARE
  at CONSTANT timestamptz := smile.security_now();
  access_expiry timestamptz;
BEGIN
  UPDATE smile.session AS s SET grant_id = g.id,
    expires_at = least(s.expires_at, s.created_at + (smile.session_limits(g.kind)).absolute), refreshed_at = at,
    second_factor_at = CASE WHEN with_factor THEN at ELSE s.second_factor_at END,
    stepped_up_at = CASE WHEN with_factor THEN at ELSE s.stepped_up_at END
  WHERE s.id = session AND s.account_id = g.account_id AND s.ended_at IS NULL AND s.expires_at > at;
  IF NOT FOUND THEN
    PERFORM smile.fail(401, 'invalid_token');
  END IF;
  PERFORM smile.keep_to_session_limit(g.account_id, session, g.kind);
  DELETE FROM smile.access_token AS t WHERE t.session_id = session;
  DELETE FROM smile.refresh_token AS t WHERE t.session_id = session;
  access_expiry := smile.mint_access_token(session, access_digest);
  INSERT INTO smile.refresh_token (digest, session_id) VALUES (refresh_digest, session);
  PERFORM smile.audit('session.role_changed', 'session', session, json_build_object('grant_id', g.id));
  RETURN (200, smile.tokens_body(session, access_expiry)::text, false, NULL)::smile.log_in_answer;
END
$$;

-- Another grant of the account, or the challenge that it asks for and that this session hasn't met yet.
CREATE FUNCTION smile.switch_grant(
  wanted uuid, access_digest bytea, refresh_digest bytea, challenge_digest bytea, code_digest bytea, message_id uuid,
  sealed_code bytea)
RETURNS smile.log_in_answer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  current CONSTANT uuid := smile.session_id();
  g smile.account_grant;
  methods text[];
BEGIN
  -- The account first: the order in which a log-in locks.
  PERFORM FROM smile.account AS a WHERE a.id = smile.account_id() FOR NO KEY UPDATE;
  SELECT x.* INTO g FROM smile.account_grant AS x
  WHERE x.id = wanted AND x.account_id = smile.account_id() AND x.active FOR SHARE;
  IF g.id IS NULL THEN
    PERFORM smile.refuse(422, 'unknown_grant', '/grant_id');
  END IF;
  methods := smile.second_factor_methods(g.id);
  IF methods <> '{}' AND (SELECT s.second_factor_at FROM smile.session AS s WHERE s.id = current) IS NULL THEN
    -- A code by mail costs the owner something, and the session may be a thief's.
    PERFORM smile.count_try(smile.session_throttle_key(), 'step_up');
    RETURN smile.challenge(smile.account_id(), g.id, current, methods, NULL, NULL, NULL, challenge_digest,
      code_digest, message_id, sealed_code);
  END IF;
  RETURN smile.act_in_grant(current, g, false, access_digest, refresh_digest);
END
$$;
ALTER FUNCTION smile.switch_grant(uuid, bytea, bytea, bytea, bytea, uuid, bytea) OWNER TO smile_auth;

REVOKE EXECUTE ON FUNCTION
  smile.keep_to_session_limit(uuid, uuid, text),
  smile.start_session(uuid, smile.account_grant, boolean, text, uuid, bytea, bytea, bytea, boolean, bytea, bytea),
  smile.challenge(uuid, uuid, uuid, text[], text, uuid, bytea, bytea, bytea, uuid, bytea),
  smile.act_in_grant(uuid, smile.account_grant, boolean, bytea, bytea)
FROM smile_api, smile_jobs;
