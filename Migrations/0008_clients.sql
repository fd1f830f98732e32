-- Machine clients: OAuth 2.0 client credentials (RFC 6749 section 4.4).

CREATE FUNCTION smile.client_body(wanted uuid) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_strip_nulls(json_build_object(
    'id', c.id, 'name', c.name, 'kind', c.kind, 'employer_id', c.employer_id, 'scopes', c.scopes,
    'created_at', c.created_at,
    'secrets', (
      SELECT coalesce(json_agg(json_strip_nulls(json_build_object(
        'id', s.id, 'created_at', s.created_at, 'expires_at', s.expires_at, 'last_used_at', s.last_used_at))
        ORDER BY s.created_at, s.id), '[]')
      FROM smile.client_secret AS s
      WHERE s.client_id = c.id AND s.revoked_at IS NULL AND s.expires_at > smile.security_now())))
  FROM smile.client AS c WHERE c.id = wanted);
REVOKE EXECUTE ON FUNCTION smile.client_body(uuid) FROM smile_api, smile_jobs;

-- A secret lives a year at the most; two at once let a client change over.
CREATE FUNCTION smile.add_client_secret(client uuid, secret_digest bytea) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
  made uuid;
BEGIN
  PERFORM FROM smile.client AS c WHERE c.id = client FOR UPDATE;
  IF (SELECT count(*) FROM smile.client_secret AS s
    WHERE s.client_id = client AND s.revoked_at IS NULL AND s.expires_at > smile.security_now()) >= 2
  THEN
    PERFORM smile.fail(409, 'too_many_secrets');
  END IF;
  INSERT INTO smile.client_secret (client_id, digest, expires_at)
  VALUES (client, secret_digest, smile.security_now() + interval '365 days')
  RETURNING id INTO made;
  RETURN made;
END
$$;
REVOKE EXECUTE ON FUNCTION smile.add_client_secret(uuid, bytea) FROM smile_api, smile_jobs;

-- A client of the caller's employer. The server adds the secret to the answer; here it is a digest.
CREATE FUNCTION smile.create_client(name text, scopes text[], secret_digest bytea) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  made uuid;
BEGIN
  IF smile.role() <> 'employer' OR NOT smile.has_permission('admin') THEN
    PERFORM smile.fail(403, 'insufficient_scope');
  END IF;
  INSERT INTO smile.client (name, kind, employer_id, scopes, created_by)
  VALUES (create_client.name, 'employer', smile.employer_id(), create_client.scopes, smile.account_id())
  RETURNING id INTO made;
  PERFORM smile.add_client_secret(made, secret_digest);
  PERFORM smile.audit('client.created', 'client', made, json_build_object('scopes', scopes));
  RETURN smile.answer(201, smile.client_body(made), smile.etag(1), '/v1/clients/' || made);
END
$$;
ALTER FUNCTION smile.create_client(text, text[], bytea) OWNER TO smile_auth;

CREATE FUNCTION smile.list_clients(after uuid, page integer) RETURNS json
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp
BEGIN ATOMIC
  WITH found AS (
    SELECT c.id, row_number() OVER (ORDER BY c.id) AS place
    FROM smile.client AS c
    WHERE c.employer_id = smile.employer_id() AND smile.has_permission('admin') AND c.revoked_at IS NULL
      AND (after IS NULL OR c.id > after)
    ORDER BY c.id LIMIT page + 1)
  SELECT json_strip_nulls(json_build_object(
    'items', coalesce(json_agg(smile.client_body(f.id) ORDER BY f.place) FILTER (WHERE f.place <= page), '[]'),
    'next_after', CASE WHEN count(*) > page THEN (SELECT g.id FROM found AS g WHERE g.place = page) END))
  FROM found AS f;
END;
ALTER FUNCTION smile.list_clients(uuid, integer) OWNER TO smile_auth;

CREATE FUNCTION smile.get_client(wanted uuid, OUT body text, OUT etag text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp
BEGIN ATOMIC
  SELECT smile.client_body(c.id)::text, smile.etag(c.version)
  FROM smile.client AS c
  WHERE c.id = wanted AND c.employer_id = smile.employer_id() AND smile.has_permission('admin')
    AND c.revoked_at IS NULL;
END;
ALTER FUNCTION smile.get_client(uuid) OWNER TO smile_auth;

CREATE FUNCTION smile.revoke_client(wanted uuid, if_match text) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  c smile.client;
BEGIN
  SELECT x.* INTO c FROM smile.client AS x
  WHERE x.id = wanted AND x.employer_id = smile.employer_id() AND smile.has_permission('admin')
    AND x.revoked_at IS NULL
  FOR UPDATE;
  IF c.id IS NULL THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  PERFORM smile.check_match(if_match, c.version);
  UPDATE smile.client_secret AS s SET revoked_at = smile.security_now()
  WHERE s.client_id = c.id AND s.revoked_at IS NULL;
  UPDATE smile.client AS x SET revoked_at = smile.security_now() WHERE x.id = c.id;
  PERFORM smile.audit('client.revoked', 'client', c.id);
  RETURN smile.answer(204, NULL);
END
$$;
ALTER FUNCTION smile.revoke_client(uuid, text) OWNER TO smile_auth;

-- A token for a client that shows its secret. wanted_scopes NULL: all that the client has. The errors are those of
-- RFC 6749 section 5.2.
CREATE FUNCTION smile.issue_client_token(
  client uuid, secret_digest bytea, wanted_scopes text[], token_digest bytea, OUT expires_in integer, OUT scopes text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  c smile.client;
  granted text[];
BEGIN
  SELECT x.* INTO c
  FROM smile.client AS x JOIN smile.client_secret AS s ON s.client_id = x.id
  WHERE x.id = client AND s.digest = secret_digest AND x.revoked_at IS NULL AND x.kind <> 'application'
    AND s.revoked_at IS NULL AND s.expires_at > smile.security_now()
  FOR SHARE OF x;
  IF c.id IS NULL THEN
    PERFORM smile.fail(401, 'invalid_client');
  END IF;
  granted := coalesce(wanted_scopes, c.scopes);
  IF NOT granted <@ c.scopes OR granted = '{}' THEN
    PERFORM smile.fail(400, 'invalid_scope');
  END IF;
  expires_in := 900;
  scopes := array_to_string(granted, ' ');
  UPDATE smile.client_secret AS s SET last_used_at = smile.security_now() WHERE s.digest = secret_digest;
  DELETE FROM smile.access_token AS t WHERE t.client_id = c.id AND t.expires_at <= smile.security_now();
  INSERT INTO smile.access_token (digest, client_id, kind, employer_id, access, permissions, expires_at)
  SELECT token_digest, c.id, k.kind, c.employer_id,
    ARRAY['any', k.kind] || (SELECT array_agg(k.kind || ':' || g) FROM unnest(granted) AS g),
    issue_client_token.scopes, smile.security_now() + make_interval(secs => expires_in)
  FROM (SELECT CASE c.kind WHEN 'bank' THEN 'bank' ELSE 'client' END AS kind) AS k;
END
$$;
ALTER FUNCTION smile.issue_client_token(uuid, bytea, text[], bytea) OWNER TO smile_auth;

-- For smile-admin alone, which connects as the owner: officers, banks.
CREATE FUNCTION smile.create_officer(email text, full_name text, permissions text[], password_hash text)
RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
  account uuid;
BEGIN
  SELECT a.id INTO account FROM smile.account AS a
  WHERE a.email = lower(create_officer.email) AND a.status <> 'pending';
  IF account IS NULL THEN
    INSERT INTO smile.account (email, full_name, password_hash, status, confirmed_at)
    VALUES (lower(create_officer.email), create_officer.full_name, create_officer.password_hash, 'active',
      smile.security_now())
    RETURNING id INTO account;
  END IF;
  INSERT INTO smile.account_grant AS g (account_id, kind, permissions, active)
  VALUES (account, 'officer', create_officer.permissions, true)
  ON CONFLICT (account_id) WHERE kind = 'officer' AND active DO UPDATE SET permissions = EXCLUDED.permissions;
  PERFORM smile.audit('officer.created', 'account', account,
    json_build_object('permissions', create_officer.permissions));
  RETURN account;
END
$$;

CREATE FUNCTION smile.create_bank_client(name text, secret_digest bytea) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
  made uuid;
BEGIN
  INSERT INTO smile.client (name, kind, scopes)
  VALUES (create_bank_client.name, 'bank', '{payments:notify}') RETURNING id INTO made;
  PERFORM smile.add_client_secret(made, secret_digest);
  PERFORM smile.audit('client.created', 'client', made, json_build_object('kind', 'bank'));
  RETURN made;
END
$$;
REVOKE EXECUTE ON FUNCTION
  smile.create_officer(text, text, text[], text), smile.create_bank_client(text, bytea)
FROM smile_api, smile_jobs, smile_auth;
