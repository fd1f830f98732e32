-- Four eyes for machine credentials that officers make. Whoever makes a secret sees it, so an officer with
-- manage_clients could report payments as a bank or file returns as an employer. A secret that an officer made opens
-- nothing until another one has approved it; an employer's own administrators and smile-admin need nobody.

-- requested_by: the officer's account; NULL where no approval is needed.
ALTER TABLE smile.client_secret
  ADD COLUMN requested_by uuid,
  ADD COLUMN approved_by uuid,
  ADD CONSTRAINT secret_approved_by_another CHECK (approved_by <> requested_by);

-- Set here, whatever function makes a secret.
CREATE FUNCTION smile.note_secret_maker() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.requested_by := CASE WHEN smile.role() = 'officer' THEN smile.account_id() END;
  NEW.approved_by := NULL;
  RETURN NEW;
END
$$;
CREATE TRIGGER secret_has_a_maker BEFORE INSERT ON smile.client_secret
  FOR EACH ROW EXECUTE FUNCTION smile.note_secret_maker();

-- What was approved was approved for these scopes and networks: an officer who widens them asks for another's approval
-- of all secrets that officers have made.
CREATE FUNCTION smile.ask_for_approval_again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE smile.client_secret AS s SET requested_by = smile.account_id(), approved_by = NULL
  WHERE s.client_id = NEW.id AND s.requested_by IS NOT NULL AND s.revoked_at IS NULL;
  RETURN NULL;
END
$$;
CREATE TRIGGER client_widened AFTER UPDATE OF scopes, allowed_networks ON smile.client
  FOR EACH ROW WHEN (smile.role() = 'officer' AND (NOT NEW.scopes <@ OLD.scopes
    OR NEW.allowed_networks IS DISTINCT FROM OLD.allowed_networks))
  EXECUTE FUNCTION smile.ask_for_approval_again();

CREATE FUNCTION smile.awaits_approval(s smile.client_secret) RETURNS boolean LANGUAGE sql IMMUTABLE
RETURN s.requested_by IS NOT NULL AND s.approved_by IS NULL;

-- As before, with what awaits an approval.
CREATE OR REPLACE FUNCTION smile.client_body(wanted uuid) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_strip_nulls(json_build_object(
    'id', c.id, 'name', c.name, 'kind', c.kind, 'employer_id', c.employer_id, 'scopes', c.scopes,
    'allowed_networks', c.allowed_networks,
    'allowed_origins', CASE WHEN c.kind = 'application' THEN c.allowed_origins END,
    'requests_per_minute', c.requests_per_minute, 'created_at', c.created_at, 'expires_at', c.expires_at,
    'secrets', (
      SELECT coalesce(json_agg(json_strip_nulls(json_build_object(
        'id', s.id, 'created_at', s.created_at, 'expires_at', s.expires_at, 'last_used_at', s.last_used_at,
        'awaits_approval', nullif(smile.awaits_approval(s), false),
        'requested_by', CASE WHEN smile.awaits_approval(s) THEN s.requested_by END))
        ORDER BY s.created_at, s.id), '[]')
      FROM smile.client_secret AS s
      WHERE s.client_id = c.id AND s.revoked_at IS NULL AND s.expires_at > smile.security_now()),
    'signing_keys', smile.signing_keys_body(c.id)))
  FROM smile.client AS c WHERE c.id = wanted);

-- As before; a secret that awaits its approval is as good as none.
CREATE OR REPLACE FUNCTION smile.client_by_secret(
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
    AND s.expires_at > smile.security_now() AND NOT smile.awaits_approval(s);
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

-- Another officer's yes to a secret, for the client as it stands under this tag.
CREATE FUNCTION smile.approve_client_secret(wanted uuid, secret uuid, if_match text) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  c smile.client;
  s smile.client_secret;
BEGIN
  IF NOT smile.is_officer('manage_clients') THEN
    PERFORM smile.fail(403, 'insufficient_scope');
  END IF;
  SELECT x.* INTO c FROM smile.client AS x WHERE x.id = wanted AND x.revoked_at IS NULL FOR UPDATE;
  SELECT x.* INTO s FROM smile.client_secret AS x
  WHERE x.id = secret AND x.client_id = c.id AND x.revoked_at IS NULL AND x.expires_at > smile.security_now();
  IF s.id IS NULL THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  PERFORM smile.check_match(if_match, c.version);
  IF NOT smile.awaits_approval(s) THEN
    PERFORM smile.fail(409, 'nothing_requested');
  ELSIF s.requested_by = smile.account_id() THEN
    PERFORM smile.fail(403, 'own_request');
  END IF;
  UPDATE smile.client_secret AS x SET approved_by = smile.account_id() WHERE x.id = s.id;
  -- The representation changes, so its tag does.
  UPDATE smile.client AS x SET version = x.version WHERE x.id = c.id RETURNING x.* INTO c;
  PERFORM smile.audit('client.secret_approved', 'client', c.id,
    json_build_object('secret_id', s.id, 'requested_by', s.requested_by, 'scopes', c.scopes));
  RETURN smile.answer(200, smile.client_body(c.id), smile.etag(c.version));
END
$$;
ALTER FUNCTION smile.approve_client_secret(uuid, uuid, text) OWNER TO smile_auth;

REVOKE EXECUTE ON FUNCTION
  smile.note_secret_maker(), smile.ask_for_approval_again(), smile.awaits_approval(smile.client_secret)
FROM smile_api, smile_jobs;
