-- Second factors: TOTP secrets (RFC 6238), recovery codes, and the challenges that stand between a right password and a
-- session. The server opens a sealed secret and compares codes; what is single use is used up here.

-- Sealed to this row and column. last_step: the last time step that was accepted; none up to it is accepted again
-- (RFC 6238 section 5.2). An account has one that counts and at most one that waits for its first code.
CREATE TABLE smile.totp (
  id uuid PRIMARY KEY,
  account_id uuid NOT NULL REFERENCES smile.account ON DELETE CASCADE,
  secret_sealed bytea NOT NULL,
  last_step bigint NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT smile.security_now(),
  confirmed_at timestamptz
);
CREATE UNIQUE INDEX totp_confirmed ON smile.totp (account_id) WHERE confirmed_at IS NOT NULL;
CREATE UNIQUE INDEX totp_waiting ON smile.totp (account_id) WHERE confirmed_at IS NULL;

-- 120 random bits each, so SHA-256 is enough (ASVS 6.5.2).
CREATE TABLE smile.recovery_code (
  digest bytea PRIMARY KEY CHECK (octet_length(digest) = 32),
  account_id uuid NOT NULL REFERENCES smile.account ON DELETE CASCADE,
  used_at timestamptz
);
CREATE INDEX recovery_code_account ON smile.recovery_code (account_id);

-- The password was right, a second factor is missing. Names the session where one wants to act in another grant.
-- code_digest: keyed hash of the code that was sent, the newest only; six digits under a plain hash would be readable.
CREATE TABLE smile.mfa_challenge (
  digest bytea PRIMARY KEY CHECK (octet_length(digest) = 32),
  account_id uuid NOT NULL REFERENCES smile.account ON DELETE CASCADE,
  grant_id uuid NOT NULL REFERENCES smile.account_grant ON DELETE CASCADE,
  session_id uuid REFERENCES smile.session ON DELETE CASCADE,
  client_id uuid REFERENCES smile.client,
  device_name text CHECK (length(device_name) BETWEEN 1 AND 100),
  device_digest bytea,
  code_digest bytea CHECK (octet_length(code_digest) = 32),
  code_sent_at timestamptz,
  codes_sent integer NOT NULL DEFAULT 0,
  tries integer NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT smile.security_now(),
  expires_at timestamptz NOT NULL,
  CONSTRAINT code_was_sent CHECK ((code_digest IS NULL) = (code_sent_at IS NULL))
);
CREATE INDEX mfa_challenge_account ON smile.mfa_challenge (account_id, expires_at);
CREATE INDEX mfa_challenge_grant ON smile.mfa_challenge (grant_id);
CREATE INDEX mfa_challenge_session ON smile.mfa_challenge (session_id) WHERE session_id IS NOT NULL;
CREATE INDEX mfa_challenge_client ON smile.mfa_challenge (client_id) WHERE client_id IS NOT NULL;

-- When the session showed a second factor; none is asked for again to act in another grant.
ALTER TABLE smile.session ADD COLUMN second_factor_at timestamptz;

-- What an employer asks of its administrators.
ALTER TABLE smile.employer ADD COLUMN admins_need_second_factor boolean NOT NULL DEFAULT false;
GRANT SELECT (admins_need_second_factor) ON smile.employer TO smile_auth;

DO $policies$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['totp', 'recovery_code', 'mfa_challenge']
  LOOP
    EXECUTE format('ALTER TABLE smile.%I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE smile.%I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY owner_all ON smile.%I TO smile_owner USING (true)', name);
    EXECUTE format('CREATE POLICY identity_functions ON smile.%I TO smile_auth USING (true)', name);
  END LOOP;
END
$policies$;
GRANT SELECT, INSERT, UPDATE, DELETE ON smile.totp, smile.recovery_code, smile.mfa_challenge TO smile_auth;

-- With what a log-in to this grant has to be completed; empty: the password is enough. Who has TOTP is always asked for
-- it and can't fall back on a code by mail. Officers need a second factor, and so do administrators of an employer that
-- says so.
CREATE FUNCTION smile.second_factor_methods(wanted_grant uuid) RETURNS text[] LANGUAGE sql STABLE
RETURN (
  SELECT CASE
    WHEN EXISTS (SELECT FROM smile.totp AS t WHERE t.account_id = a.id AND t.confirmed_at IS NOT NULL) THEN
      ARRAY['totp'] || CASE WHEN EXISTS (
        SELECT FROM smile.recovery_code AS r WHERE r.account_id = a.id AND r.used_at IS NULL)
        THEN ARRAY['recovery_code'] ELSE '{}' END
    WHEN g.kind = 'officer' OR (g.employer_role = 'admin' AND (
      SELECT e.admins_need_second_factor FROM smile.employer AS e WHERE e.id = g.employer_id)) THEN
      ARRAY['email'] || CASE WHEN a.phone IS NOT NULL THEN ARRAY['sms'] ELSE '{}' END
    ELSE '{}' END
  FROM smile.account_grant AS g JOIN smile.account AS a ON a.id = g.account_id
  WHERE g.id = wanted_grant);

-- Puts a one-time code into the outbox, sealed for the one message that carries it.
CREATE FUNCTION smile.send_code(account uuid, wanted_channel text, message_id uuid, sealed_code bytea) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO smile.outbox (id, channel, recipient, template, language, parameters, sealed_parameters)
  SELECT message_id, wanted_channel, CASE wanted_channel WHEN 'sms' THEN a.phone ELSE a.email END, 'log_in_code',
    a.language, json_build_object('full_name', a.full_name), sealed_code
  FROM smile.account AS a WHERE a.id = account;
END
$$;

-- Uses up a time step or a recovery code of the account; false when it was used before, or by somebody at this moment.
CREATE FUNCTION smile.spend_factor(account uuid, totp_id uuid, step bigint, recovery_digest bytea) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
  IF step IS NOT NULL THEN
    UPDATE smile.totp AS t SET last_step = step
    WHERE t.id = totp_id AND t.account_id = account AND t.confirmed_at IS NOT NULL AND t.last_step < step;
    RETURN FOUND;
  END IF;
  UPDATE smile.recovery_code AS r SET used_at = smile.security_now()
  WHERE r.digest = recovery_digest AND r.account_id = account AND r.used_at IS NULL;
  IF FOUND THEN
    PERFORM smile.note_security_event(account, 'recovery_code_used');
    RETURN true;
  END IF;
  RETURN false;
END
$$;

-- A new set of recovery codes, as SHA-256 in hexadecimal; the old ones are worth nothing any more.
CREATE FUNCTION smile.put_recovery_codes(account uuid, digests text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM smile.recovery_code AS r WHERE r.account_id = account;
  INSERT INTO smile.recovery_code (digest, account_id) SELECT decode(d, 'hex'), account FROM unnest(digests) AS d;
END
$$;

-- The caller's secret-to-be, sealed by the server. It counts once its first code has been shown; until then an older
-- one does.
CREATE FUNCTION smile.start_totp(totp_id uuid, sealed bytea, OUT email text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
BEGIN
  SELECT a.email INTO email FROM smile.account AS a WHERE a.id = smile.account_id() FOR NO KEY UPDATE;
  DELETE FROM smile.totp AS t WHERE t.account_id = smile.account_id() AND t.confirmed_at IS NULL;
  INSERT INTO smile.totp (id, account_id, secret_sealed) VALUES (totp_id, smile.account_id(), sealed);
  PERFORM smile.audit('totp.started', 'account', smile.account_id());
END
$$;
ALTER FUNCTION smile.start_totp(uuid, bytea) OWNER TO smile_auth;

-- The secret that waits for its first code, for an hour, and the time on the security clock. Counts the try.
CREATE FUNCTION smile.waiting_totp(OUT totp_id uuid, OUT sealed bytea, OUT epoch bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
BEGIN
  PERFORM smile.count_try(smile.session_throttle_key(), 'step_up');
  SELECT t.id, t.secret_sealed, floor(extract(epoch FROM smile.security_now()))::bigint
  INTO totp_id, sealed, epoch
  FROM smile.totp AS t WHERE t.account_id = smile.account_id() AND t.confirmed_at IS NULL
    AND t.created_at > smile.security_now() - interval '1 hour';
  IF totp_id IS NULL THEN
    PERFORM smile.fail(409, 'totp_not_started');
  END IF;
END
$$;
ALTER FUNCTION smile.waiting_totp() OWNER TO smile_auth;

-- Its first code was right: it counts from now on, with a set of recovery codes.
CREATE FUNCTION smile.confirm_totp(totp_id uuid, step bigint, digests text[]) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  caller CONSTANT uuid := smile.account_id();
BEGIN
  PERFORM FROM smile.account AS a WHERE a.id = caller FOR NO KEY UPDATE;
  DELETE FROM smile.totp AS t
  WHERE t.account_id = caller AND t.confirmed_at IS NOT NULL
    AND EXISTS (SELECT FROM smile.totp AS w WHERE w.id = totp_id AND w.account_id = caller AND w.confirmed_at IS NULL);
  UPDATE smile.totp AS t SET confirmed_at = smile.security_now(), last_step = step
  WHERE t.id = totp_id AND t.account_id = caller AND t.confirmed_at IS NULL;
  IF NOT FOUND THEN
    PERFORM smile.fail(409, 'totp_not_started');
  END IF;
  PERFORM smile.put_recovery_codes(caller, digests);
  UPDATE smile.session AS s SET second_factor_at = smile.security_now() WHERE s.id = smile.session_id();
  DELETE FROM smile.log_in_throttle AS t WHERE t.key = smile.session_throttle_key();
  PERFORM smile.note_security_event(caller, 'factor_added', '{"factor":"totp"}');
  PERFORM smile.audit('totp.confirmed', 'account', caller);
  RETURN (200, NULL, NULL, NULL)::smile.answer_row;
END
$$;
ALTER FUNCTION smile.confirm_totp(uuid, bigint, text[]) OWNER TO smile_auth;

-- An account's TOTP and recovery codes go; false when it has none. An officer is asked for a mailed code again.
CREATE FUNCTION smile.forget_totp(account uuid) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM smile.account AS a WHERE a.id = account FOR NO KEY UPDATE;
  DELETE FROM smile.totp AS t WHERE t.account_id = account AND t.confirmed_at IS NOT NULL;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  DELETE FROM smile.totp AS t WHERE t.account_id = account;
  DELETE FROM smile.recovery_code AS r WHERE r.account_id = account;
  PERFORM smile.note_security_event(account, 'factor_removed', '{"factor":"totp"}');
  PERFORM smile.audit('totp.removed', 'account', account);
  RETURN true;
END
$$;
REVOKE EXECUTE ON FUNCTION smile.forget_totp(uuid) FROM smile_api, smile_jobs;

-- The caller's own.
CREATE FUNCTION smile.remove_totp() RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
BEGIN
  IF NOT smile.forget_totp(smile.account_id()) THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  RETURN (204, NULL, NULL, NULL)::smile.answer_row;
END
$$;
ALTER FUNCTION smile.remove_totp() OWNER TO smile_auth;

-- Another set of recovery codes for the caller's TOTP.
CREATE FUNCTION smile.replace_recovery_codes(digests text[]) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  caller CONSTANT uuid := smile.account_id();
BEGIN
  PERFORM FROM smile.account AS a WHERE a.id = caller FOR NO KEY UPDATE;
  IF NOT EXISTS (SELECT FROM smile.totp AS t WHERE t.account_id = caller AND t.confirmed_at IS NOT NULL) THEN
    PERFORM smile.fail(409, 'totp_inactive');
  END IF;
  PERFORM smile.put_recovery_codes(caller, digests);
  PERFORM smile.note_security_event(caller, 'recovery_codes_made');
  PERFORM smile.audit('recovery_codes.made', 'account', caller);
  RETURN (200, NULL, NULL, NULL)::smile.answer_row;
END
$$;
ALTER FUNCTION smile.replace_recovery_codes(text[]) OWNER TO smile_auth;

-- What a front end shows of an account's second factors.
CREATE FUNCTION smile.factors_body(account uuid) RETURNS json LANGUAGE sql STABLE
RETURN json_build_object(
  'totp', EXISTS (SELECT FROM smile.totp AS t WHERE t.account_id = account AND t.confirmed_at IS NOT NULL),
  'recovery_codes_left', (
    SELECT count(*) FROM smile.recovery_code AS r WHERE r.account_id = account AND r.used_at IS NULL));

REVOKE EXECUTE ON FUNCTION
  smile.second_factor_methods(uuid), smile.send_code(uuid, text, uuid, bytea),
  smile.spend_factor(uuid, uuid, bigint, bytea), smile.put_recovery_codes(uuid, text[]), smile.factors_body(uuid)
FROM smile_api, smile_jobs;
