-- What a client is held to beyond its scopes: where it may call from, until when, how often, and, for a front end,
-- which web origins are its own. Employers' administrators manage their own clients, officers with manage_clients all.

ALTER TABLE smile.client
  -- NULL: from anywhere. A front end's calls come from its users' machines, so it has no list and no end.
  ADD COLUMN allowed_networks cidr[],
  ADD COLUMN expires_at timestamptz,
  -- NULL: what every client may, see Sources/SocialSecurity/Web/RateLimiter.swift.
  ADD COLUMN requests_per_minute integer,
  ADD COLUMN allowed_origins text[] NOT NULL DEFAULT '{}',
  ADD CONSTRAINT client_has_scopes CHECK ((scopes = '{}') = (kind = 'application')),
  ADD CONSTRAINT client_networks_count CHECK (cardinality(allowed_networks) BETWEEN 1 AND 20),
  ADD CONSTRAINT client_networks_fit_its_kind CHECK (allowed_networks IS NULL OR kind <> 'application'),
  ADD CONSTRAINT client_expiry_fits_its_kind CHECK (expires_at IS NULL OR kind <> 'application'),
  ADD CONSTRAINT client_origins_count CHECK (cardinality(allowed_origins) <= 20),
  ADD CONSTRAINT client_origins_fit_its_kind CHECK (allowed_origins = '{}' OR kind = 'application'),
  ADD CONSTRAINT client_quota CHECK (requests_per_minute BETWEEN 1 AND 100000);

-- A token says under which secret it was got, so that it ends with it.
ALTER TABLE smile.access_token ADD COLUMN secret_id uuid REFERENCES smile.client_secret;

-- What a token was derived from has changed: it ends. A new name or quota ends nothing.
DROP TRIGGER client_changes ON smile.client;
CREATE TRIGGER client_changes AFTER UPDATE ON smile.client
  FOR EACH ROW WHEN ((NEW.scopes, NEW.allowed_networks, NEW.expires_at, NEW.revoked_at)
    IS DISTINCT FROM (OLD.scopes, OLD.allowed_networks, OLD.expires_at, OLD.revoked_at))
  EXECUTE FUNCTION smile.end_client_tokens();

CREATE FUNCTION smile.end_secret_tokens() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM smile.access_token AS t WHERE t.client_id = NEW.client_id AND t.secret_id = NEW.id;
  RETURN NULL;
END
$$;
CREATE TRIGGER secret_ends AFTER UPDATE OF revoked_at ON smile.client_secret
  FOR EACH ROW WHEN (NEW.revoked_at IS NOT NULL) EXECUTE FUNCTION smile.end_secret_tokens();

-- Whether the caller manages this client.
CREATE FUNCTION smile.manages_client(c smile.client) RETURNS boolean LANGUAGE sql STABLE
RETURN c.revoked_at IS NULL AND coalesce(
  smile.is_officer('manage_clients')
    OR smile.role() = 'employer' AND smile.has_permission('admin') AND c.employer_id = smile.employer_id(), false);

CREATE OR REPLACE FUNCTION smile.client_body(wanted uuid) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_strip_nulls(json_build_object(
    'id', c.id, 'name', c.name, 'kind', c.kind, 'employer_id', c.employer_id, 'scopes', c.scopes,
    'allowed_networks', c.allowed_networks,
    'allowed_origins', CASE WHEN c.kind = 'application' THEN c.allowed_origins END,
    'requests_per_minute', c.requests_per_minute, 'created_at', c.created_at, 'expires_at', c.expires_at,
    'secrets', (
      SELECT coalesce(json_agg(json_strip_nulls(json_build_object(
        'id', s.id, 'created_at', s.created_at, 'expires_at', s.expires_at, 'last_used_at', s.last_used_at))
        ORDER BY s.created_at, s.id), '[]')
      FROM smile.client_secret AS s
      WHERE s.client_id = c.id AND s.revoked_at IS NULL AND s.expires_at > smile.security_now())))
  FROM smile.client AS c WHERE c.id = wanted);

-- An end lies ahead.
CREATE FUNCTION smile.check_expiry(expires_at timestamptz, most interval DEFAULT NULL) RETURNS void
LANGUAGE plpgsql STABLE AS $$
BEGIN
  IF expires_at <= smile.security_now() OR expires_at > smile.security_now() + most THEN
    PERFORM smile.refuse(422, 'expiry_out_of_range', '/expires_at');
  END IF;
END
$$;

-- What only officers set: a quota that its owner could raise would be none, and an origin or another employer's client
-- isn't an employer's to give.
CREATE FUNCTION smile.check_client_fields(settings jsonb) RETURNS void LANGUAGE plpgsql STABLE AS $$
DECLARE
  reserved text;
BEGIN
  SELECT k INTO reserved
  FROM jsonb_object_keys(settings) AS k
  WHERE k IN ('kind', 'employer_id', 'requests_per_minute', 'allowed_origins') ORDER BY k LIMIT 1;
  IF reserved IS NOT NULL AND NOT smile.is_officer('manage_clients') THEN
    PERFORM smile.refuse(403, 'field_not_yours', '/' || reserved);
  END IF;
END
$$;

-- A secret lives a year at the most; two at once let a client change over. Whoever adds the third waits for the row of
-- the client, so two at once can't both be the second.
DROP FUNCTION smile.add_client_secret(uuid, bytea);
CREATE FUNCTION smile.add_client_secret(client uuid, secret_digest bytea, expires_at timestamptz DEFAULT NULL)
RETURNS smile.client_secret LANGUAGE plpgsql AS $$
DECLARE
  made smile.client_secret;
BEGIN
  PERFORM smile.check_expiry(add_client_secret.expires_at, interval '365 days');
  -- The representation changes, so its tag does; the row is locked from here on.
  UPDATE smile.client AS c SET version = c.version WHERE c.id = client;
  IF (SELECT count(*) FROM smile.client_secret AS s
    WHERE s.client_id = client AND s.revoked_at IS NULL AND s.expires_at > smile.security_now()) >= 2
  THEN
    PERFORM smile.fail(409, 'too_many_secrets');
  END IF;
  INSERT INTO smile.client_secret (client_id, digest, expires_at)
  VALUES (client, secret_digest, coalesce(add_client_secret.expires_at, smile.security_now() + interval '365 days'))
  RETURNING * INTO made;
  RETURN made;
END
$$;

-- settings: the fields of the body, as the server has checked them. Constraints judge what fits which kind; the server
-- adds the secret to the answer, here it is a digest. A front end has none: whoever has its program has its secret.
SET LOCAL ROLE smile_auth;
DROP FUNCTION smile.create_client(text, text[], bytea);
SET LOCAL ROLE smile_owner;
CREATE FUNCTION smile.create_client(settings json, secret_digest bytea) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  wanted smile.client;
BEGIN
  PERFORM smile.check_client_fields(settings::jsonb);
  wanted := jsonb_populate_record(NULL::smile.client, settings::jsonb);
  IF smile.role() = 'employer' AND smile.has_permission('admin') THEN
    wanted.kind := 'employer';
    wanted.employer_id := smile.employer_id();
  ELSIF NOT smile.is_officer('manage_clients') THEN
    PERFORM smile.fail(403, 'insufficient_scope');
  ELSIF wanted.kind IS NULL THEN
    PERFORM smile.refuse(400, 'invalid_request', '/kind', 'required');
  END IF;
  PERFORM smile.check_expiry(wanted.expires_at);
  INSERT INTO smile.client (name, kind, employer_id, scopes, allowed_networks, allowed_origins, requests_per_minute,
    expires_at, created_by)
  VALUES (wanted.name, wanted.kind, wanted.employer_id, coalesce(wanted.scopes, '{}'), wanted.allowed_networks,
    coalesce(wanted.allowed_origins, '{}'), wanted.requests_per_minute, wanted.expires_at, smile.account_id())
  RETURNING * INTO wanted;
  IF wanted.kind <> 'application' THEN
    PERFORM smile.add_client_secret(wanted.id, secret_digest);
  END IF;
  PERFORM smile.audit('client.created', 'client', wanted.id,
    json_build_object('kind', wanted.kind, 'scopes', wanted.scopes));
  RETURN smile.answer(201, smile.client_body(wanted.id),
    (SELECT smile.etag(c.version) FROM smile.client AS c WHERE c.id = wanted.id), '/v1/clients/' || wanted.id);
END
$$;
ALTER FUNCTION smile.create_client(json, bytea) OWNER TO smile_auth;

-- A merge patch (RFC 7396) of what the server let through; what is null there returns to its default.
CREATE FUNCTION smile.update_client(wanted uuid, change json, if_match text) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  before smile.client;
  after smile.client;
BEGIN
  SELECT x.* INTO before FROM smile.client AS x WHERE x.id = wanted AND smile.manages_client(x) FOR UPDATE;
  IF before.id IS NULL THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  PERFORM smile.check_match(if_match, before.version);
  PERFORM smile.check_client_fields(change::jsonb);
  after := jsonb_populate_record(before, change::jsonb);
  IF after IS DISTINCT FROM before THEN
    IF after.expires_at IS DISTINCT FROM before.expires_at THEN
      PERFORM smile.check_expiry(after.expires_at);
    END IF;
    UPDATE smile.client AS x SET name = after.name, scopes = after.scopes, allowed_networks = after.allowed_networks,
      allowed_origins = coalesce(after.allowed_origins, '{}'), requests_per_minute = after.requests_per_minute,
      expires_at = after.expires_at
    WHERE x.id = before.id RETURNING x.* INTO after;
    PERFORM smile.audit('client.updated', 'client', before.id, json_build_object(
      'fields', (SELECT json_agg(k ORDER BY k) FROM json_object_keys(change) AS k), 'scopes', after.scopes));
  END IF;
  RETURN smile.answer(200, smile.client_body(before.id), smile.etag(after.version));
END
$$;
ALTER FUNCTION smile.update_client(uuid, json, text) OWNER TO smile_auth;

-- What smile_auth owns, it replaces itself: membership without inheritance is no ownership.
SET LOCAL ROLE smile_auth;
-- Two branches, each with an index; the one that isn't the caller's costs nothing.
CREATE OR REPLACE FUNCTION smile.list_clients(after uuid, page integer) RETURNS json
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp
BEGIN ATOMIC
  WITH own AS (
    SELECT c.id FROM smile.client AS c
    WHERE c.employer_id = smile.employer_id() AND c.revoked_at IS NULL AND (after IS NULL OR c.id > after)
      AND (SELECT smile.role() = 'employer' AND smile.has_permission('admin'))
    ORDER BY c.id LIMIT page + 1),
  every AS (
    SELECT c.id FROM smile.client AS c
    WHERE c.revoked_at IS NULL AND (after IS NULL OR c.id > after) AND (SELECT smile.is_officer('manage_clients'))
    ORDER BY c.id LIMIT page + 1),
  found AS (
    SELECT b.id, row_number() OVER (ORDER BY b.id) AS place
    FROM (SELECT o.id FROM own AS o UNION ALL SELECT e.id FROM every AS e) AS b)
  SELECT json_strip_nulls(json_build_object(
    'items', coalesce(json_agg(smile.client_body(f.id) ORDER BY f.place) FILTER (WHERE f.place <= page), '[]'),
    'next_after', CASE WHEN count(*) > page THEN (SELECT g.id FROM found AS g WHERE g.place = page) END))
  FROM found AS f;
END;

CREATE OR REPLACE FUNCTION smile.get_client(wanted uuid, OUT body text, OUT etag text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp
BEGIN ATOMIC
  SELECT smile.client_body(c.id)::text, smile.etag(c.version)
  FROM smile.client AS c
  WHERE c.id = wanted AND smile.manages_client(c);
END;

CREATE OR REPLACE FUNCTION smile.revoke_client(wanted uuid, if_match text) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  c smile.client;
BEGIN
  SELECT x.* INTO c FROM smile.client AS x WHERE x.id = wanted AND smile.manages_client(x) FOR UPDATE;
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

SET LOCAL ROLE smile_owner;

-- The second secret of a change-over; the server adds it to the answer.
CREATE FUNCTION smile.create_client_secret(wanted uuid, secret_digest bytea, expires_at timestamptz)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  c smile.client;
  made smile.client_secret;
BEGIN
  SELECT x.* INTO c FROM smile.client AS x WHERE x.id = wanted AND smile.manages_client(x) FOR UPDATE;
  IF c.id IS NULL THEN
    PERFORM smile.fail(404, 'not_found');
  ELSIF c.kind = 'application' THEN
    PERFORM smile.fail(409, 'client_without_secrets');
  END IF;
  made := smile.add_client_secret(c.id, secret_digest, create_client_secret.expires_at);
  PERFORM smile.audit('client.secret_added', 'client', c.id, json_build_object('secret_id', made.id));
  RETURN smile.answer(201, json_build_object(
    'id', made.id, 'created_at', made.created_at, 'expires_at', made.expires_at), NULL, '/v1/clients/' || c.id);
END
$$;
ALTER FUNCTION smile.create_client_secret(uuid, bytea, timestamptz) OWNER TO smile_auth;

-- The secret and the tokens got with it are dead at the next request. The last one may go too: that stops the client.
CREATE FUNCTION smile.revoke_client_secret(wanted uuid, secret uuid) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
BEGIN
  -- The client first: the order in which everything that changes a client locks.
  UPDATE smile.client AS c SET version = c.version
  WHERE c.id = wanted AND smile.manages_client(c) AND EXISTS (
    SELECT FROM smile.client_secret AS s
    WHERE s.id = secret AND s.client_id = c.id AND s.revoked_at IS NULL AND s.expires_at > smile.security_now());
  IF FOUND THEN
    UPDATE smile.client_secret AS s SET revoked_at = smile.security_now()
    WHERE s.id = secret AND s.client_id = wanted AND s.revoked_at IS NULL;
  END IF;
  IF NOT FOUND THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  PERFORM smile.audit('client.secret_revoked', 'client', wanted, json_build_object('secret_id', secret));
  RETURN smile.answer(204, NULL);
END
$$;
ALTER FUNCTION smile.revoke_client_secret(uuid, uuid) OWNER TO smile_auth;

-- For smile-admin alone.
CREATE OR REPLACE FUNCTION smile.create_bank_client(name text, secret_digest bytea) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
  made uuid;
BEGIN
  INSERT INTO smile.client (name, kind, scopes)
  VALUES (create_bank_client.name, 'bank', '{payments:notify}') RETURNING id INTO made;
  PERFORM smile.add_client_secret(made, secret_digest);
  PERFORM smile.audit('client.created', 'client', made, '{"kind":"bank","scopes":["payments:notify"]}');
  RETURN made;
END
$$;

REVOKE EXECUTE ON FUNCTION
  smile.end_secret_tokens(), smile.manages_client(smile.client), smile.check_expiry(timestamptz, interval),
  smile.check_client_fields(jsonb), smile.add_client_secret(uuid, bytea, timestamptz)
FROM smile_api, smile_jobs;
