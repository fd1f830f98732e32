-- Step-up and allow-lists, both judged where the token is: in smile.authenticate(), without a second look-up.

-- When the person last proved who they are: at log-in, or by stepping up since (RFC 9470). The token repeats it.
ALTER TABLE smile.session ADD COLUMN stepped_up_at timestamptz NOT NULL DEFAULT smile.security_now();
ALTER TABLE smile.access_token
  ADD COLUMN stepped_up_at timestamptz,
  -- From where a machine's token may be used; NULL: from anywhere.
  ADD COLUMN networks inet[] CHECK (networks IS NULL OR (client_id IS NOT NULL AND cardinality(networks) > 0)),
  ADD CONSTRAINT only_persons_step_up CHECK (session_id IS NOT NULL OR stepped_up_at IS NULL);
UPDATE smile.access_token AS t SET stepped_up_at = s.stepped_up_at
FROM smile.session AS s WHERE s.id = t.session_id;

-- An access token for what the session's grant allows now: 15 minutes, never beyond the session's end.
CREATE OR REPLACE FUNCTION smile.mint_access_token(wanted uuid, token_digest bytea) RETURNS timestamptz
LANGUAGE sql VOLATILE
BEGIN ATOMIC
  INSERT INTO smile.access_token
    (digest, session_id, account_id, kind, member_id, employer_id, access, permissions, expires_at, stepped_up_at)
  SELECT token_digest, s.id, s.account_id, g.kind, g.member_id, g.employer_id,
    smile.grant_access(g.kind, g.employer_role, g.permissions),
    coalesce(g.employer_role, array_to_string(g.permissions, ' ')),
    least(smile.security_now() + interval '15 minutes', s.expires_at), s.stepped_up_at
  FROM smile.session AS s JOIN smile.account_grant AS g ON g.id = s.grant_id
  WHERE s.id = wanted AND s.ended_at IS NULL
  RETURNING expires_at;
END;

-- A Unix socket's peer has no address and is in no network.
CREATE FUNCTION smile.is_in_networks(address text, networks inet[]) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN address ~ '^[0-9a-fA-F.:]+$' THEN address::inet <<= ANY (networks) ELSE false END;

DROP FUNCTION smile.authenticate(bytea, text[], text, uuid, text);

-- The first statement of every authenticated request: finds the token, compares what it allows with what the endpoint
-- wants, and sets the context that row-level security reads, for this transaction. Raises SM401 invalid_token, SM403
-- wrong_role (another kind of caller), SM403 insufficient_scope (the kind is right, the permission is missing), SM403
-- address_not_allowed (a machine outside its networks), or SM401 step_up_required (fresh is wanted, and the person
-- proved who they are more than five minutes ago). Writes nothing. Only this function sets the context; where
-- set_config doesn't reach (Citus workers), EXECUTE format('SET LOCAL …') here is the whole change.
CREATE FUNCTION smile.authenticate(
  token_digest bytea, wanted text[], fresh boolean, address text, request_id uuid, purpose text,
  OUT kind text, OUT principal uuid, OUT member_id uuid, OUT employer_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  found record;
  ignored text;
BEGIN
  SELECT t.session_id, t.account_id, t.client_id, t.kind, t.member_id, t.employer_id, t.access, t.permissions,
    t.expires_at, t.stepped_up_at, t.networks, coalesce(c.business_at, clock_timestamp()) AS business_now,
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
  IF found.networks IS NOT NULL AND NOT smile.is_in_networks(address, found.networks) THEN
    PERFORM smile.fail(403, 'address_not_allowed');
  END IF;
  IF fresh AND found.stepped_up_at <= found.security_now - interval '5 minutes' THEN
    PERFORM smile.fail(401, 'step_up_required');
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
ALTER FUNCTION smile.authenticate(bytea, text[], boolean, text, uuid, text) OWNER TO smile_auth;
