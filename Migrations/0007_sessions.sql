-- Log-in, refresh, roles and log-out. The server verifies the password between smile.begin_log_in() and
-- smile.open_session(); everything else is decided here.

CREATE POLICY identity_functions ON smile.employer FOR SELECT TO smile_auth USING (true);
GRANT SELECT (id, name, status) ON smile.employer TO smile_auth;

-- How long a session lasts without a refresh and in all, and how many an account may have at once.
CREATE FUNCTION smile.session_limits(kind text, OUT idle interval, OUT absolute interval, OUT most integer)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN kind = 'officer' THEN ROW(interval '15 minutes', interval '8 hours', 3)
  ELSE ROW(interval '30 minutes', interval '12 hours', 10) END;

CREATE FUNCTION smile.grant_body(wanted uuid) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_strip_nulls(json_build_object(
    'id', g.id, 'kind', g.kind, 'member_id', g.member_id, 'employer_id', g.employer_id,
    'employer_name', (SELECT e.name FROM smile.employer AS e WHERE e.id = g.employer_id),
    'employer_role', g.employer_role,
    'permissions', CASE WHEN g.kind = 'officer' THEN g.permissions END))
  FROM smile.account_grant AS g WHERE g.id = wanted);

CREATE FUNCTION smile.session_body(wanted uuid, current uuid) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_strip_nulls(json_build_object(
    'id', s.id, 'current', s.id = current, 'device_name', s.device_name, 'client_id', s.client_id,
    'address', s.address, 'created_at', s.created_at, 'refreshed_at', s.refreshed_at, 'expires_at', s.expires_at,
    'grant', smile.grant_body(s.grant_id)))
  FROM smile.session AS s WHERE s.id = wanted);

-- An access token for what the session's grant allows now: 15 minutes, never beyond the session's end.
CREATE FUNCTION smile.mint_access_token(wanted uuid, token_digest bytea) RETURNS timestamptz LANGUAGE sql VOLATILE
BEGIN ATOMIC
  INSERT INTO smile.access_token
    (digest, session_id, account_id, kind, member_id, employer_id, access, permissions, expires_at)
  SELECT token_digest, s.id, s.account_id, g.kind, g.member_id, g.employer_id,
    smile.grant_access(g.kind, g.employer_role, g.permissions),
    coalesce(g.employer_role, array_to_string(g.permissions, ' ')),
    least(smile.security_now() + interval '15 minutes', s.expires_at)
  FROM smile.session AS s JOIN smile.account_grant AS g ON g.id = s.grant_id
  WHERE s.id = wanted AND s.ended_at IS NULL
  RETURNING expires_at;
END;

CREATE FUNCTION smile.tokens_body(wanted uuid, access_expiry timestamptz) RETURNS json LANGUAGE sql STABLE
RETURN json_strip_nulls(json_build_object(
  'expires_at', access_expiry, 'session', smile.session_body(wanted, wanted)));

-- Counts a try before the password is hashed, so that a hundred tries at once can't pass the limit. A refused try
-- raises 429 and, the transaction being undone, doesn't count.
CREATE FUNCTION smile.count_try(wanted bytea, most integer, span interval) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  counted smile.log_in_throttle;
BEGIN
  INSERT INTO smile.log_in_throttle AS t (key, tries, window_ends_at)
  VALUES (wanted, 1, smile.security_now() + span)
  ON CONFLICT (key) DO UPDATE SET
    tries = CASE WHEN t.window_ends_at <= smile.security_now() THEN 1 ELSE t.tries + 1 END,
    window_ends_at =
      CASE WHEN t.window_ends_at <= smile.security_now() THEN smile.security_now() + span ELSE t.window_ends_at END
  RETURNING t.* INTO counted;
  IF counted.tries > most THEN
    PERFORM smile.fail(429, 'too_many_attempts', json_build_object('retry_after',
      ceil(extract(epoch FROM counted.window_ends_at - smile.security_now()))::integer));
  END IF;
END
$$;

-- The hash to verify for an identifier; no row when nobody confirmed it. pair_key: keyed hash of identifier and source,
-- 10 tries in 15 minutes; source_key: of the source alone, 100 in an hour, NULL for a source that isn't counted.
CREATE FUNCTION smile.begin_log_in(identifier text, pair_key bytea, source_key bytea)
RETURNS TABLE (account_id uuid, password_hash text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
BEGIN
  PERFORM smile.count_try(pair_key, 10, interval '15 minutes');
  IF source_key IS NOT NULL THEN
    PERFORM smile.count_try(source_key, 100, interval '1 hour');
  END IF;
  RETURN QUERY SELECT a.id, a.password_hash FROM smile.account AS a
  WHERE a.status = 'active' AND (a.email = identifier OR a.username = identifier)
  LIMIT 1;
END
$$;
ALTER FUNCTION smile.begin_log_in(text, bytea, bytea) OWNER TO smile_auth;

-- After the password was found right: a session in the grant of the last one, or else in the oldest grant. Over the
-- limit the oldest session ends.
CREATE FUNCTION smile.open_session(
  account uuid, access_digest bytea, refresh_digest bytea, device_name text, front_end uuid,
  pair_key bytea, source_key bytea)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  g smile.account_grant;
  made uuid;
  access_expiry timestamptz;
BEGIN
  SELECT x.* INTO g
  FROM smile.account_grant AS x JOIN smile.account AS a ON a.id = x.account_id AND a.status = 'active'
  WHERE x.account_id = account AND x.active
  ORDER BY (SELECT max(s.created_at) FROM smile.session AS s WHERE s.grant_id = x.id) DESC NULLS LAST, x.id
  LIMIT 1
  -- Who disables the account or changes the grant meanwhile ends this session too.
  FOR SHARE OF x, a;
  IF g.id IS NULL THEN
    PERFORM smile.fail(401, 'invalid_credentials');
  END IF;
  IF front_end IS NOT NULL AND NOT EXISTS (
    SELECT FROM smile.client AS c WHERE c.id = front_end AND c.kind = 'application' AND c.revoked_at IS NULL)
  THEN
    PERFORM smile.refuse(422, 'unknown_client', '/client_id');
  END IF;
  INSERT INTO smile.session (account_id, grant_id, client_id, device_name, address, expires_at)
  VALUES (account, g.id, front_end, open_session.device_name, nullif(current_setting('smile.address', true), ''),
    smile.security_now() + (smile.session_limits(g.kind)).absolute)
  RETURNING id INTO made;
  UPDATE smile.session AS s SET ended_at = smile.security_now(), end_reason = 'limit'
  WHERE s.id IN (
    SELECT o.id FROM smile.session AS o WHERE o.account_id = account AND o.ended_at IS NULL
    ORDER BY o.created_at DESC, o.id DESC OFFSET (smile.session_limits(g.kind)).most);
  access_expiry := smile.mint_access_token(made, access_digest);
  INSERT INTO smile.refresh_token (digest, session_id) VALUES (refresh_digest, made);
  DELETE FROM smile.log_in_throttle AS t WHERE t.key = pair_key;
  UPDATE smile.log_in_throttle AS t SET tries = greatest(t.tries - 1, 0) WHERE t.key = source_key;
  INSERT INTO smile.security_event (account_id, kind, session_id, address)
  VALUES (account, 'logged_in', made, nullif(current_setting('smile.address', true), ''));
  RETURN smile.answer(201, smile.tokens_body(made, access_expiry));
END
$$;
ALTER FUNCTION smile.open_session(uuid, bytea, bytea, text, uuid, bytea, bytea) OWNER TO smile_auth;

-- Rotation. The successor is derived from the token by the server, so a repeat within 10 seconds (two tabs, a lost
-- answer) gets the same successor and a fresh access token; a later reuse ends the session. A refusal is answered,
-- not raised: ending the session has to be committed.
CREATE FUNCTION smile.refresh_session(token_digest bytea, successor_digest bytea, access_digest bytea)
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
      INSERT INTO smile.security_event (account_id, kind, session_id, address)
      VALUES (s.account_id, 'refresh_token_reused', s.id, nullif(current_setting('smile.address', true), ''));
    END IF;
    RETURN (401, NULL, NULL, NULL)::smile.answer_row;
  END IF;
  UPDATE smile.refresh_token AS r SET used_at = smile.security_now(), successor = successor_digest
  WHERE r.digest = token_digest AND r.used_at IS NULL;
  INSERT INTO smile.refresh_token (digest, session_id) VALUES (successor_digest, s.id) ON CONFLICT DO NOTHING;
  UPDATE smile.session AS x SET refreshed_at = smile.security_now() WHERE x.id = s.id;
  DELETE FROM smile.access_token AS a WHERE a.session_id = s.id AND a.expires_at <= smile.security_now();
  access_expiry := smile.mint_access_token(s.id, access_digest);
  RETURN smile.answer(200, smile.tokens_body(s.id, access_expiry));
END
$$;
ALTER FUNCTION smile.refresh_session(bytea, bytea, bytea) OWNER TO smile_auth;

-- The session acts in another grant of its account from now on; all its tokens are replaced.
CREATE FUNCTION smile.switch_grant(wanted uuid, access_digest bytea, refresh_digest bytea)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  current uuid := smile.session_id();
  g smile.account_grant;
  access_expiry timestamptz;
BEGIN
  SELECT x.* INTO g FROM smile.account_grant AS x
  WHERE x.id = wanted AND x.account_id = smile.account_id() AND x.active;
  IF g.id IS NULL THEN
    PERFORM smile.refuse(422, 'unknown_grant', '/grant_id');
  END IF;
  UPDATE smile.session AS s SET grant_id = g.id,
    expires_at = least(s.expires_at, s.created_at + (smile.session_limits(g.kind)).absolute),
    refreshed_at = smile.security_now()
  WHERE s.id = current AND s.ended_at IS NULL;
  IF NOT FOUND THEN
    PERFORM smile.fail(401, 'invalid_token');
  END IF;
  DELETE FROM smile.access_token AS t WHERE t.session_id = current;
  DELETE FROM smile.refresh_token AS t WHERE t.session_id = current;
  access_expiry := smile.mint_access_token(current, access_digest);
  INSERT INTO smile.refresh_token (digest, session_id) VALUES (refresh_digest, current);
  PERFORM smile.audit('session.role_changed', 'session', current, json_build_object('grant_id', g.id));
  RETURN smile.answer(200, smile.tokens_body(current, access_expiry));
END
$$;
ALTER FUNCTION smile.switch_grant(uuid, bytea, bytea) OWNER TO smile_auth;

CREATE FUNCTION smile.list_sessions() RETURNS json
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp
RETURN (
  SELECT json_strip_nulls(json_build_object('items', coalesce(json_agg(
    smile.session_body(s.id, smile.session_id()) ORDER BY s.refreshed_at DESC, s.id), '[]')))
  FROM smile.session AS s JOIN smile.account_grant AS g ON g.id = s.grant_id
  WHERE s.account_id = smile.account_id() AND s.ended_at IS NULL AND s.expires_at > smile.security_now()
    AND s.refreshed_at + (smile.session_limits(g.kind)).idle > smile.security_now());
ALTER FUNCTION smile.list_sessions() OWNER TO smile_auth;

-- Ends one session of the caller's account; its tokens are dead at the next request.
CREATE FUNCTION smile.end_session(wanted uuid, reason text) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
BEGIN
  UPDATE smile.session AS s SET ended_at = smile.security_now(), end_reason = reason
  WHERE s.id = wanted AND s.account_id = smile.account_id() AND s.ended_at IS NULL;
  IF NOT FOUND THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  PERFORM smile.audit('session.ended', 'session', wanted, json_build_object('reason', reason));
  RETURN smile.answer(204, NULL);
END
$$;
ALTER FUNCTION smile.end_session(uuid, text) OWNER TO smile_auth;

CREATE FUNCTION smile.log_out() RETURNS smile.answer_row LANGUAGE sql VOLATILE
RETURN smile.end_session(smile.session_id(), 'log_out');

CREATE FUNCTION smile.end_other_sessions() RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
BEGIN
  UPDATE smile.session AS s SET ended_at = smile.security_now(), end_reason = 'revoked'
  WHERE s.account_id = smile.account_id() AND s.id <> smile.session_id() AND s.ended_at IS NULL;
  PERFORM smile.audit('session.others_ended', 'account', smile.account_id());
  RETURN smile.answer(204, NULL);
END
$$;
ALTER FUNCTION smile.end_other_sessions() OWNER TO smile_auth;

CREATE FUNCTION smile.own_account(OUT body text, OUT etag text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp
BEGIN ATOMIC
  SELECT json_strip_nulls(json_build_object(
      'id', a.id, 'email', a.email, 'username', a.username, 'full_name', a.full_name, 'language', a.language,
      'created_at', a.created_at,
      'grants', (
        SELECT coalesce(json_agg(smile.grant_body(g.id) ORDER BY g.id), '[]')
        FROM smile.account_grant AS g WHERE g.account_id = a.id AND g.active)))::text,
    smile.etag(a.version)
  FROM smile.account AS a
  WHERE a.id = smile.account_id();
END;
ALTER FUNCTION smile.own_account() OWNER TO smile_auth;

-- An employer's users, for that employer and for officers. NULL when the employer isn't the caller's to see.
CREATE FUNCTION smile.employer_users(employer uuid) RETURNS json
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp
RETURN (
  SELECT json_strip_nulls(json_build_object('items', coalesce(json_agg(json_build_object(
    'id', g.id, 'full_name', a.full_name, 'email', a.email, 'role', g.employer_role, 'active', g.active,
    'created_at', g.created_at) ORDER BY g.id), '[]')))
  FROM smile.account_grant AS g JOIN smile.account AS a ON a.id = g.account_id
  WHERE g.employer_id = employer
  HAVING coalesce(smile.employer_id() = employer, false) OR smile.is_officer('manage_employers'));
ALTER FUNCTION smile.employer_users(uuid) OWNER TO smile_auth;

-- What time has made useless; the jobs process calls it. Dead tokens are refused long before they are deleted.
CREATE FUNCTION smile.purge_identity() RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp
BEGIN ATOMIC
  DELETE FROM smile.access_token AS t WHERE t.expires_at <= smile.security_now();
  DELETE FROM smile.mail_token AS t WHERE t.expires_at <= smile.security_now() - interval '7 days';
  DELETE FROM smile.log_in_throttle AS t WHERE t.window_ends_at <= smile.security_now();
  DELETE FROM smile.account AS a
  WHERE a.status = 'pending' AND a.created_at <= smile.security_now() - interval '30 days';
  DELETE FROM smile.session AS s WHERE s.expires_at <= smile.security_now() - interval '90 days';
END;
REVOKE EXECUTE ON FUNCTION smile.purge_identity() FROM smile_api;
ALTER FUNCTION smile.purge_identity() OWNER TO smile_auth;

REVOKE EXECUTE ON FUNCTION
  smile.grant_body(uuid), smile.session_body(uuid, uuid), smile.mint_access_token(uuid, bytea),
  smile.tokens_body(uuid, timestamptz), smile.count_try(bytea, integer, interval)
FROM smile_api, smile_jobs;
