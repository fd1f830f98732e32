-- Sessions, machine clients and their tokens, and smile.authenticate(), the first statement of every request.
-- Only SHA-256 digests are stored. An access token's row repeats what its session's grant allows, so that a request
-- costs one look-up; the triggers below delete the row with whatever it was derived from, so that log-out,
-- revocation and a changed permission act on the next request of every worker.

-- Machines. An employer's client acts for that employer, a bank's reports payments, an application is a front end.
CREATE TABLE smile.client (
  id uuid PRIMARY KEY DEFAULT smile.uuid7(),
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
  kind text NOT NULL CHECK (kind IN ('employer', 'bank', 'application')),
  employer_id uuid REFERENCES smile.employer,
  scopes text[] NOT NULL,
  created_by uuid REFERENCES smile.account,
  created_at timestamptz NOT NULL DEFAULT smile.security_now(),
  revoked_at timestamptz,
  version bigint NOT NULL DEFAULT 1,
  CONSTRAINT client_names_its_employer CHECK ((kind = 'employer') = (employer_id IS NOT NULL)),
  CONSTRAINT client_scopes_fit_its_kind CHECK (scopes <@ CASE kind
    WHEN 'employer' THEN ARRAY['returns:write', 'returns:read', 'billings:read', 'workers:write', 'workers:read']
    WHEN 'bank' THEN ARRAY['payments:notify']
    ELSE '{}'::text[] END)
);
CREATE INDEX client_employer ON smile.client (employer_id, id) WHERE revoked_at IS NULL;
CREATE TRIGGER client_version BEFORE UPDATE ON smile.client FOR EACH ROW EXECUTE FUNCTION smile.bump_version();

CREATE TABLE smile.client_secret (
  id uuid PRIMARY KEY DEFAULT smile.uuid7(),
  client_id uuid NOT NULL REFERENCES smile.client,
  digest bytea NOT NULL UNIQUE CHECK (octet_length(digest) = 32),
  created_at timestamptz NOT NULL DEFAULT smile.security_now(),
  expires_at timestamptz NOT NULL,
  revoked_at timestamptz,
  last_used_at timestamptz
);
CREATE INDEX client_secret_client ON smile.client_secret (client_id, created_at) WHERE revoked_at IS NULL;

CREATE TABLE smile.session (
  id uuid PRIMARY KEY DEFAULT smile.uuid7(),
  account_id uuid NOT NULL REFERENCES smile.account ON DELETE CASCADE,
  grant_id uuid NOT NULL REFERENCES smile.account_grant ON DELETE CASCADE,
  client_id uuid REFERENCES smile.client,
  device_name text CHECK (length(device_name) BETWEEN 1 AND 100),
  address text,
  created_at timestamptz NOT NULL DEFAULT smile.security_now(),
  refreshed_at timestamptz NOT NULL DEFAULT smile.security_now(),
  expires_at timestamptz NOT NULL,
  ended_at timestamptz,
  end_reason text CHECK (end_reason IN
    ('log_out', 'revoked', 'limit', 'expired', 'refresh_reuse', 'account', 'grant', 'client')),
  CONSTRAINT end_has_reason CHECK ((ended_at IS NULL) = (end_reason IS NULL))
);
-- Ended ones too: log-in looks for the last one of a grant, and what is deleted takes its sessions with it.
CREATE INDEX session_account ON smile.session (account_id, id);
CREATE INDEX session_grant ON smile.session (grant_id, created_at);
CREATE INDEX session_client ON smile.session (client_id) WHERE client_id IS NOT NULL;

CREATE TABLE smile.access_token (
  digest bytea PRIMARY KEY CHECK (octet_length(digest) = 32),
  session_id uuid REFERENCES smile.session ON DELETE CASCADE,
  account_id uuid,
  client_id uuid REFERENCES smile.client,
  kind text NOT NULL CHECK (kind IN ('member', 'employer', 'officer', 'client', 'bank')),
  member_id uuid,
  employer_id uuid,
  access text[] NOT NULL,
  permissions text NOT NULL,
  expires_at timestamptz NOT NULL,
  -- A front end's client_id stands in its users' sessions, never here: the caller is the user.
  CONSTRAINT token_of_a_session_or_client CHECK (
    (session_id IS NOT NULL) = (kind IN ('member', 'employer', 'officer'))
    AND (session_id IS NOT NULL) = (account_id IS NOT NULL)
    AND (session_id IS NULL) = (client_id IS NOT NULL))
);
CREATE INDEX access_token_session ON smile.access_token (session_id) WHERE session_id IS NOT NULL;
CREATE INDEX access_token_client ON smile.access_token (client_id) WHERE client_id IS NOT NULL;
CREATE INDEX access_token_expiry ON smile.access_token (expires_at);

-- A session's refresh tokens are one family. A used one stays until its session ends, so that its reuse is noticed.
CREATE TABLE smile.refresh_token (
  digest bytea PRIMARY KEY CHECK (octet_length(digest) = 32),
  session_id uuid NOT NULL REFERENCES smile.session ON DELETE CASCADE,
  created_at timestamptz NOT NULL DEFAULT smile.security_now(),
  used_at timestamptz,
  successor bytea,
  CONSTRAINT used_has_successor CHECK ((used_at IS NULL) = (successor IS NULL))
);
CREATE INDEX refresh_token_session ON smile.refresh_token (session_id);

DO $policies$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['client', 'client_secret', 'session', 'access_token', 'refresh_token']
  LOOP
    EXECUTE format('ALTER TABLE smile.%I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE smile.%I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY owner_all ON smile.%I TO smile_owner USING (true)', name);
    EXECUTE format('CREATE POLICY identity_functions ON smile.%I TO smile_auth USING (true)', name);
  END LOOP;
END
$policies$;
GRANT SELECT, INSERT, UPDATE ON smile.client, smile.client_secret TO smile_auth;
GRANT SELECT, INSERT, UPDATE, DELETE ON smile.session, smile.access_token, smile.refresh_token TO smile_auth;

CREATE FUNCTION smile.end_session_tokens() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM smile.access_token AS t WHERE t.session_id = NEW.id;
  DELETE FROM smile.refresh_token AS t WHERE t.session_id = NEW.id;
  RETURN NULL;
END
$$;
CREATE TRIGGER session_ends AFTER UPDATE OF ended_at ON smile.session
  FOR EACH ROW WHEN (NEW.ended_at IS NOT NULL) EXECUTE FUNCTION smile.end_session_tokens();

CREATE FUNCTION smile.end_account_sessions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE smile.session AS s SET ended_at = smile.security_now(), end_reason = 'account'
  WHERE s.account_id = NEW.id AND s.ended_at IS NULL;
  RETURN NULL;
END
$$;
CREATE TRIGGER account_stops AFTER UPDATE OF status, password_hash ON smile.account
  FOR EACH ROW WHEN (NEW.status <> 'active' OR NEW.password_hash <> OLD.password_hash)
  EXECUTE FUNCTION smile.end_account_sessions();

CREATE FUNCTION smile.end_grant_sessions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE smile.session AS s SET ended_at = smile.security_now(), end_reason = 'grant'
  WHERE s.grant_id = OLD.id AND s.ended_at IS NULL;
  RETURN NULL;
END
$$;
CREATE TRIGGER grant_changes AFTER UPDATE ON smile.account_grant
  FOR EACH ROW EXECUTE FUNCTION smile.end_grant_sessions();

CREATE FUNCTION smile.end_client_tokens() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM smile.access_token AS t WHERE t.client_id = NEW.id;
  UPDATE smile.session AS s SET ended_at = smile.security_now(), end_reason = 'client'
  WHERE s.client_id = NEW.id AND s.ended_at IS NULL;
  RETURN NULL;
END
$$;
CREATE TRIGGER client_changes AFTER UPDATE OF scopes, revoked_at ON smile.client
  FOR EACH ROW EXECUTE FUNCTION smile.end_client_tokens();

-- The first statement of every authenticated request: finds the token, compares what it allows with what the endpoint
-- wants, and sets the context that row-level security reads, for this transaction. Raises SM401 invalid_token, SM403
-- wrong_role (another kind of caller) or SM403 insufficient_scope (the kind is right, the permission is missing).
-- Writes nothing. Only this function sets the context; where set_config doesn't reach (Citus workers), EXECUTE format
-- ('SET LOCAL …') here is the whole change.
CREATE FUNCTION smile.authenticate(
  token_digest bytea, wanted text[], address text, request_id uuid, purpose text,
  OUT kind text, OUT principal uuid, OUT member_id uuid, OUT employer_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  found record;
  ignored text;
BEGIN
  SELECT t.*, coalesce(c.business_at, clock_timestamp()) AS business_now,
    clock_timestamp() + c.security_offset AS security_now
  INTO found
  FROM smile.access_token AS t, smile.clock AS c
  WHERE t.digest = token_digest;
  IF found.expires_at IS NULL OR found.expires_at <= found.security_now THEN
    PERFORM smile.fail(401, 'invalid_token');
  END IF;
  IF NOT found.access && wanted THEN
    IF EXISTS (SELECT FROM unnest(wanted) AS w WHERE split_part(w, ':', 1) = found.kind) THEN
      PERFORM smile.fail(403, 'insufficient_scope');
    END IF;
    PERFORM smile.fail(403, 'wrong_role');
  END IF;
  -- One expression, so that PL/pgSQL evaluates it without planning a query.
  ignored := concat(
    set_config('smile.role', found.kind, true),
    set_config('smile.account_id', found.account_id::text, true),
    set_config('smile.session_id', found.session_id::text, true),
    set_config('smile.client_id', found.client_id::text, true),
    set_config('smile.member_id', found.member_id::text, true),
    set_config('smile.employer_id', found.employer_id::text, true),
    set_config('smile.permissions', found.permissions, true),
    set_config('smile.request_id', request_id::text, true),
    set_config('smile.address', address, true),
    set_config('smile.purpose', purpose, true),
    set_config('smile.now', found.business_now::text, true),
    set_config('smile.security_now', found.security_now::text, true));
  kind := found.kind;
  principal := coalesce(found.account_id, found.client_id);
  member_id := found.member_id;
  employer_id := found.employer_id;
END
$$;
ALTER FUNCTION smile.authenticate(bytea, text[], text, uuid, text) OWNER TO smile_auth;
