-- Tokens of machine clients: got (RFC 6749 section 4.4), looked at (RFC 7662) and given back (RFC 7009). A refusal is
-- answered and not raised, because the try from a foreign network is written down.

-- The client that shows this secret, from where it may and in its time; no row otherwise. A wrong secret and a wrong
-- place look alike from outside: who found a secret shall not learn that it is one. The lock keeps out whoever
-- revokes the client or the secret until the token that is got meanwhile can be seen, and deleted.
CREATE FUNCTION smile.client_by_secret(
  client uuid, secret_digest bytea, OUT c smile.client, OUT secret_id uuid, OUT secret_expiry timestamptz)
LANGUAGE plpgsql AS $$
DECLARE
  address text := nullif(current_setting('smile.address', true), '');
BEGIN
  SELECT x.* INTO c FROM smile.client AS x
  WHERE x.id = client AND x.kind <> 'application' AND x.revoked_at IS NULL
    AND coalesce(x.expires_at > smile.security_now(), true)
  FOR SHARE;
  SELECT s.id, s.expires_at INTO secret_id, secret_expiry FROM smile.client_secret AS s
  WHERE s.client_id = c.id AND s.digest = secret_digest AND s.revoked_at IS NULL
    AND s.expires_at > smile.security_now();
  IF secret_id IS NULL THEN
    RETURN;
  END IF;
  IF c.allowed_networks IS NOT NULL
    AND NOT coalesce(smile.is_in_networks(address, c.allowed_networks::inet[]), false)
  THEN
    PERFORM smile.audit('client.refused', 'client', c.id, '{"reason":"network"}');
    secret_id := NULL;
    RETURN;
  END IF;
  -- To the minute: a busy client would rewrite the row with every token.
  UPDATE smile.client_secret AS s SET last_used_at = smile.security_now()
  WHERE s.id = secret_id
    AND coalesce(s.last_used_at <= smile.security_now() - interval '1 minute', true);
END
$$;

-- wanted_scopes NULL: all that the client has. refusal: an error of RFC 6749 section 5.2.
SET LOCAL ROLE smile_auth;
DROP FUNCTION smile.issue_client_token(uuid, bytea, text[], bytea);
SET LOCAL ROLE smile_owner;
CREATE FUNCTION smile.issue_client_token(
  client uuid, secret_digest bytea, wanted_scopes text[], token_digest bytea,
  OUT refusal text, OUT expires_in integer, OUT scopes text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  shown record;
  c smile.client;
  granted text[];
  expiry timestamptz;
BEGIN
  SELECT s.* INTO shown FROM smile.client_by_secret(client, secret_digest) AS s;
  IF shown.secret_id IS NULL THEN
    refusal := 'invalid_client';
    RETURN;
  END IF;
  c := shown.c;
  granted := ARRAY(SELECT x.s FROM unnest(c.scopes) AS x (s) WHERE x.s = ANY (coalesce(wanted_scopes, c.scopes)));
  IF NOT coalesce(wanted_scopes, c.scopes) <@ c.scopes OR granted = '{}' THEN
    refusal := 'invalid_scope';
    RETURN;
  END IF;
  -- 15 minutes, and never beyond what it was got with.
  expiry := least(smile.security_now() + interval '15 minutes', shown.secret_expiry, c.expires_at);
  expires_in := extract(epoch FROM expiry - smile.security_now())::integer;
  scopes := array_to_string(granted, ' ');
  DELETE FROM smile.access_token AS t WHERE t.client_id = c.id AND t.expires_at <= smile.security_now();
  INSERT INTO smile.access_token
    (digest, client_id, secret_id, kind, employer_id, access, permissions, networks, expires_at)
  SELECT token_digest, c.id, shown.secret_id, k.kind, c.employer_id,
    ARRAY['any', k.kind] || (SELECT array_agg(k.kind || ':' || g) FROM unnest(granted) AS g),
    issue_client_token.scopes, c.allowed_networks::inet[], expiry
  FROM (SELECT CASE c.kind WHEN 'bank' THEN 'bank' ELSE 'client' END AS kind) AS k;
END
$$;
ALTER FUNCTION smile.issue_client_token(uuid, bytea, text[], bytea) OWNER TO smile_auth;

-- A client learns about its own tokens, and of every other text that it isn't an active one (RFC 7662 section 2.2).
CREATE FUNCTION smile.introspect_token(
  client uuid, secret_digest bytea, token_digest bytea, OUT refusal text, OUT body json)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  shown record;
BEGIN
  SELECT s.* INTO shown FROM smile.client_by_secret(client, secret_digest) AS s;
  IF shown.secret_id IS NULL THEN
    refusal := 'invalid_client';
    RETURN;
  END IF;
  SELECT json_build_object('active', true, 'scope', t.permissions, 'client_id', t.client_id, 'token_type', 'Bearer',
    'exp', floor(extract(epoch FROM t.expires_at))::bigint)
  INTO body
  FROM smile.access_token AS t
  WHERE t.digest = token_digest AND t.client_id = client AND t.expires_at > smile.security_now();
  body := coalesce(body, '{"active":false}');
END
$$;
ALTER FUNCTION smile.introspect_token(uuid, bytea, bytea) OWNER TO smile_auth;

-- Gives a token back (RFC 7009): a machine client with its secret an access token of its own; a front end, which has
-- no secret (RFC 6749 section 2.1), either token of a session that was opened through it, and that ends the session.
-- Whoever holds a token may end it; another's token is as unknown as any text.
CREATE FUNCTION smile.revoke_token(client uuid, secret_digest bytea, token_digest bytea, OUT refusal text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  ended uuid;
BEGIN
  IF secret_digest IS NOT NULL THEN
    IF (SELECT s.secret_id FROM smile.client_by_secret(client, secret_digest) AS s) IS NULL THEN
      refusal := 'invalid_client';
      RETURN;
    END IF;
    DELETE FROM smile.access_token AS t WHERE t.digest = token_digest AND t.client_id = client;
    IF FOUND THEN
      PERFORM smile.audit('client.token_revoked', 'client', client);
    END IF;
    RETURN;
  END IF;
  IF NOT EXISTS (
    SELECT FROM smile.client AS c WHERE c.id = client AND c.kind = 'application' AND c.revoked_at IS NULL)
  THEN
    refusal := 'invalid_client';
    RETURN;
  END IF;
  UPDATE smile.session AS s SET ended_at = smile.security_now(), end_reason = 'log_out'
  WHERE s.client_id = client AND s.ended_at IS NULL AND s.id = coalesce(
    (SELECT t.session_id FROM smile.access_token AS t
      WHERE t.digest = token_digest AND t.expires_at > smile.security_now()),
    (SELECT r.session_id FROM smile.refresh_token AS r WHERE r.digest = token_digest))
  RETURNING s.id INTO ended;
  IF ended IS NOT NULL THEN
    PERFORM smile.audit('session.ended', 'session', ended, json_build_object('reason', 'log_out', 'client_id', client));
  END IF;
END
$$;
ALTER FUNCTION smile.revoke_token(uuid, bytea, bytea) OWNER TO smile_auth;

REVOKE EXECUTE ON FUNCTION smile.client_by_secret(uuid, bytea) FROM smile_api, smile_jobs;
