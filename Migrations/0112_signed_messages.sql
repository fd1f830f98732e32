-- Signed bodies of the bank channel (Standard Webhooks 1.0): whoever steals a bank's token can't report a payment
-- without its signing key as well. A client that has a key signs every body; two keys at once let it change over. The
-- server verifies, since keys are sealed with its own.

CREATE TABLE smile.client_signing_key (
  -- Chosen by the server, for the seal is bound to it.
  id uuid PRIMARY KEY,
  client_id uuid NOT NULL REFERENCES smile.client,
  key_sealed bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT smile.security_now(),
  revoked_at timestamptz
);
CREATE INDEX client_signing_key_client ON smile.client_signing_key (client_id) WHERE revoked_at IS NULL;

-- What was signed and taken: an id stands for one message.
CREATE TABLE smile.signed_message (
  client_id uuid NOT NULL REFERENCES smile.client,
  message_id text NOT NULL CHECK (message_id ~ '^[A-Za-z0-9._-]{1,64}$'),
  digest bytea NOT NULL CHECK (octet_length(digest) = 32),
  received_at timestamptz NOT NULL DEFAULT smile.security_now(),
  PRIMARY KEY (client_id, message_id)
);
CREATE INDEX signed_message_age ON smile.signed_message (client_id, received_at);

DO $policies$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['client_signing_key', 'signed_message'] LOOP
    EXECUTE format('ALTER TABLE smile.%I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE smile.%I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY owner_all ON smile.%I TO smile_owner USING (true)', name);
  END LOOP;
END
$policies$;

-- The keys of the bank that calls, sealed, and the time by which a timestamp is judged. One row without a key where
-- there is none.
CREATE FUNCTION smile.own_signing_keys(OUT now_epoch bigint, OUT id uuid, OUT key_sealed bytea)
RETURNS SETOF record LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp
BEGIN ATOMIC
  SELECT extract(epoch FROM smile.security_now())::bigint, k.id, k.key_sealed
  FROM (SELECT) AS one
  LEFT JOIN smile.client_signing_key AS k ON k.client_id = smile.client_id() AND k.revoked_at IS NULL
  ORDER BY k.created_at DESC, k.id DESC;
END;

-- The same message again is let through, and what it says gets the same answer; an id for two messages is an error or
-- an attack. Messages older than the timestamp's tolerance are refused before, so a day's ids are more than enough.
CREATE FUNCTION smile.claim_message(wanted text, message_digest bytea) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
BEGIN
  DELETE FROM smile.signed_message AS m
  WHERE m.client_id = smile.client_id() AND m.received_at < smile.security_now() - interval '1 day';
  INSERT INTO smile.signed_message (client_id, message_id, digest)
  VALUES (smile.client_id(), wanted, message_digest)
  ON CONFLICT (client_id, message_id) DO NOTHING;
  IF NOT FOUND AND NOT EXISTS (
    SELECT FROM smile.signed_message AS m
    WHERE m.client_id = smile.client_id() AND m.message_id = wanted AND m.digest = message_digest)
  THEN
    PERFORM smile.fail(409, 'message_id_used');
  END IF;
END
$$;

-- For an officer who manages clients. The server adds the key to the answer; here it is sealed.
CREATE FUNCTION smile.create_signing_key(client uuid, new_id uuid, sealed bytea) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  c smile.client;
  made smile.client_signing_key;
BEGIN
  -- The row is locked from here on: two at once can't both be the second. The representation changes, so its tag does.
  UPDATE smile.client AS x SET version = x.version
  WHERE x.id = client AND x.revoked_at IS NULL AND smile.is_officer('manage_clients') RETURNING * INTO c;
  IF NOT FOUND THEN
    PERFORM smile.fail(404, 'not_found');
  ELSIF c.kind <> 'bank' THEN
    PERFORM smile.fail(409, 'client_without_signatures');
  ELSIF (SELECT count(*) FROM smile.client_signing_key AS k WHERE k.client_id = c.id AND k.revoked_at IS NULL) >= 2 THEN
    PERFORM smile.fail(409, 'too_many_signing_keys');
  END IF;
  INSERT INTO smile.client_signing_key (id, client_id, key_sealed) VALUES (new_id, c.id, sealed) RETURNING * INTO made;
  PERFORM smile.audit('client.signing_key_added', 'client', c.id, json_build_object('key_id', made.id));
  RETURN smile.answer(201, json_build_object('id', made.id, 'created_at', made.created_at), NULL,
    '/v1/clients/' || c.id);
END
$$;

CREATE FUNCTION smile.revoke_signing_key(client uuid, key uuid) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
BEGIN
  UPDATE smile.client AS c SET version = c.version
  WHERE c.id = client AND smile.is_officer('manage_clients') AND EXISTS (
    SELECT FROM smile.client_signing_key AS k WHERE k.id = key AND k.client_id = c.id AND k.revoked_at IS NULL);
  IF FOUND THEN
    UPDATE smile.client_signing_key AS k SET revoked_at = smile.security_now()
    WHERE k.id = key AND k.client_id = client AND k.revoked_at IS NULL;
  END IF;
  IF NOT FOUND THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  PERFORM smile.audit('client.signing_key_revoked', 'client', client, json_build_object('key_id', key));
  RETURN smile.answer(204, NULL);
END
$$;

-- Which keys a client has; client_body() shows them.
CREATE FUNCTION smile.signing_keys_body(client uuid) RETURNS json
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp
RETURN (
  SELECT json_agg(json_build_object('id', k.id, 'created_at', k.created_at) ORDER BY k.created_at, k.id)
  FROM smile.client_signing_key AS k WHERE k.client_id = client AND k.revoked_at IS NULL);
REVOKE EXECUTE ON FUNCTION smile.signing_keys_body(uuid) FROM smile_api, smile_jobs;

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
      WHERE s.client_id = c.id AND s.revoked_at IS NULL AND s.expires_at > smile.security_now()),
    'signing_keys', smile.signing_keys_body(c.id)))
  FROM smile.client AS c WHERE c.id = wanted);
