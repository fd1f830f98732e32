-- How often somebody may guess. Guesses are counted before anything is verified, so that a hundred at once can't pass
-- a limit of five; refused ones cost no hash and don't count. An account slows everyone down but the devices that it
-- knows: each of these has a count of its own, so that a stranger can't keep an owner out (the device cookies of OWASP,
-- "Slow Down Online Guessing Attacks with Device Cookies"). An identifier that nobody has is counted like one that
-- somebody has.

-- tries: counted ones since the last success or since the row was forgotten. next_at: until then all are refused.
ALTER TABLE smile.log_in_throttle ADD COLUMN next_at timestamptz NOT NULL DEFAULT '-infinity';

-- A device that its owner has logged in with. The token lies on the device; here is its SHA-256.
CREATE TABLE smile.known_device (
  digest bytea PRIMARY KEY CHECK (octet_length(digest) = 32),
  account_id uuid NOT NULL REFERENCES smile.account ON DELETE CASCADE,
  name text CHECK (length(name) BETWEEN 1 AND 100),
  created_at timestamptz NOT NULL DEFAULT smile.security_now(),
  used_at timestamptz NOT NULL DEFAULT smile.security_now(),
  expires_at timestamptz NOT NULL
);
CREATE INDEX known_device_account ON smile.known_device (account_id, used_at);
ALTER TABLE smile.known_device ENABLE ROW LEVEL SECURITY;
ALTER TABLE smile.known_device FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_all ON smile.known_device TO smile_owner USING (true);
CREATE POLICY identity_functions ON smile.known_device TO smile_auth USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON smile.known_device TO smile_auth;

-- How long to wait after so many tries without a success.
--   account   unknown devices together: 5 at once, then 30 s that double up to an hour. A hundred consecutive failures
--             are the most that NIST SP 800-63B-4 (section 3.2.2) lets one password have: then it opens the account
--             from known devices only, until one of them logs in or the password is reset.
--   device    a known device: 10, then one in 15 minutes, 100 at the most.
--   pair      one source at one account: 50 in 12 hours, then none for a day.
--   source    one source at all accounts: 100 in an hour.
--   code      codes of an account's second factor, behind the password: 5, then one in 15 minutes.
--   step_up   one session that shows password or code again, or the password to change it: as account.
CREATE FUNCTION smile.throttle_wait(kind text, tries integer) RETURNS interval LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE kind
  WHEN 'device' THEN CASE
    WHEN tries < 10 THEN interval '0' WHEN tries < 100 THEN interval '15 minutes' ELSE interval '30 days' END
  WHEN 'pair' THEN CASE WHEN tries < 50 THEN interval '0' ELSE interval '1 day' END
  WHEN 'source' THEN CASE WHEN tries < 100 THEN interval '0' ELSE interval '1 hour' END
  WHEN 'code' THEN CASE WHEN tries < 5 THEN interval '0' ELSE interval '15 minutes' END
  ELSE CASE
    WHEN tries < 5 THEN interval '0'
    WHEN tries < 100 THEN least(interval '30 seconds' * (2 ^ least(tries - 5, 7)), interval '1 hour')
    ELSE interval '30 days' END
  END;

-- When a count is forgotten: windows that don't move for what is counted by source, else a month after the last try.
CREATE FUNCTION smile.throttle_window(kind text) RETURNS interval LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE kind WHEN 'pair' THEN interval '12 hours' WHEN 'source' THEN interval '1 hour' ELSE interval '30 days' END;

CREATE FUNCTION smile.throttle_key(kind text, subject bytea, source bytea DEFAULT '') RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN sha256(kind::bytea || subject || source);

-- What is counted for an account, whatever name was typed.
CREATE FUNCTION smile.throttle_subject(account uuid) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN sha256(uuid_send(account));

-- What is counted for the caller's session: who holds one can't close another's way.
CREATE FUNCTION smile.session_throttle_key() RETURNS bytea LANGUAGE sql STABLE
RETURN smile.throttle_key('step_up', sha256(uuid_send(smile.session_id())));

-- Counts a try, or refuses it with 429; returns how many there were. A refusal undoes the transaction, so it counts
-- nowhere.
CREATE FUNCTION smile.count_try(wanted bytea, kind text) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  at CONSTANT timestamptz := smile.security_now();
  span CONSTANT interval := smile.throttle_window(kind);
  slides CONSTANT boolean := kind NOT IN ('pair', 'source');
  counted integer;
BEGIN
  -- No waiting time is no time at all: of two tries at once, the second was asked before the first was counted.
  INSERT INTO smile.log_in_throttle AS t (key, tries, next_at, window_ends_at)
  VALUES (wanted, 1, coalesce(at + nullif(smile.throttle_wait(kind, 1), interval '0'), '-infinity'), at + span)
  ON CONFLICT (key) DO UPDATE SET
    tries = CASE WHEN t.window_ends_at <= at THEN 1 ELSE t.tries + 1 END,
    next_at = coalesce(at + nullif(smile.throttle_wait(
      kind, CASE WHEN t.window_ends_at <= at THEN 1 ELSE t.tries + 1 END), interval '0'), '-infinity'),
    window_ends_at = greatest(
      CASE WHEN slides OR t.window_ends_at <= at THEN at + span ELSE t.window_ends_at END,
      at + smile.throttle_wait(kind, CASE WHEN t.window_ends_at <= at THEN 1 ELSE t.tries + 1 END))
  WHERE t.next_at <= at
  RETURNING t.tries INTO counted;
  IF counted IS NULL THEN
    PERFORM smile.fail(429, 'too_many_attempts', json_build_object('retry_after', (
      SELECT ceil(extract(epoch FROM t.next_at - at))::integer FROM smile.log_in_throttle AS t WHERE t.key = wanted)));
  END IF;
  RETURN counted;
END
$$;

SET LOCAL ROLE smile_auth;
DROP FUNCTION smile.begin_log_in(text, bytea, bytea);
SET LOCAL ROLE smile_owner;
DROP FUNCTION smile.count_try(bytea, integer, interval);

-- The hash to verify for an identifier; none when nobody confirmed it. identifier_key and source_key are keyed hashes
-- of what was typed and of where it came from; source_counts is false for the machine itself and its proxy, from which
-- everyone seems to come. The owner is told of the 10th and of the 50th failure.
CREATE FUNCTION smile.begin_log_in(
  identifier text, identifier_key bytea, source_key bytea, source_counts boolean, device_digest bytea)
RETURNS TABLE (account_id uuid, password_hash text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  a smile.account;
  subject bytea;
  tries integer;
BEGIN
  SELECT x.* INTO a FROM smile.account AS x
  WHERE x.status = 'active' AND (x.email = identifier OR x.username = identifier)
  LIMIT 1;
  subject := coalesce(smile.throttle_subject(a.id), identifier_key);
  IF device_digest IS NOT NULL AND EXISTS (
    SELECT FROM smile.known_device AS d
    WHERE d.digest = device_digest AND d.account_id = a.id AND d.expires_at > smile.security_now())
  THEN
    tries := smile.count_try(smile.throttle_key('device', device_digest), 'device');
  ELSE
    tries := smile.count_try(smile.throttle_key('account', subject), 'account');
    PERFORM smile.count_try(smile.throttle_key('pair', subject, source_key), 'pair');
    IF source_counts THEN
      PERFORM smile.count_try(smile.throttle_key('source', source_key), 'source');
    END IF;
  END IF;
  IF a.id IS NOT NULL AND tries IN (10, 50) THEN
    PERFORM smile.note_security_event(a.id, 'failed_attempts', json_build_object('tries', tries));
  END IF;
  RETURN QUERY SELECT a.id, a.password_hash WHERE a.id IS NOT NULL;
END
$$;
ALTER FUNCTION smile.begin_log_in(text, bytea, bytea, boolean, bytea) OWNER TO smile_auth;

-- A success ends the run of failures: of the account, of this source there, of this device. In the order in which tries
-- are counted, so that two transactions never wait for each other.
CREATE FUNCTION smile.forget_failures(account uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM smile.log_in_throttle AS t
  WHERE t.key = smile.throttle_key('account', smile.throttle_subject(account));
  DELETE FROM smile.log_in_throttle AS t WHERE t.key = smile.throttle_key('code', smile.throttle_subject(account));
END
$$;

-- Another password is another authenticator, and whoever set it has shown more than a guess. (A rehash comes with a
-- log-in.)
CREATE FUNCTION smile.forget_failures_of_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM smile.forget_failures(NEW.id);
  RETURN NULL;
END
$$;
CREATE TRIGGER password_changes AFTER UPDATE OF password_hash ON smile.account
  FOR EACH ROW WHEN (NEW.password_hash <> OLD.password_hash) EXECUTE FUNCTION smile.forget_failures_of_changed();

CREATE FUNCTION smile.forget_tries(account uuid, source_key bytea, source_counts boolean, device_digest bytea)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM smile.log_in_throttle AS t WHERE t.key = smile.throttle_key('device', device_digest);
  PERFORM smile.forget_failures(account);
  DELETE FROM smile.log_in_throttle AS t
  WHERE t.key = smile.throttle_key('pair', smile.throttle_subject(account), source_key);
  IF source_counts THEN
    UPDATE smile.log_in_throttle AS t SET tries = greatest(t.tries - 1, 0)
    WHERE t.key = smile.throttle_key('source', source_key);
  END IF;
END
$$;

-- The device that a log-in showed is known for half a year from now on; one that showed none becomes known under its
-- new token. An account knows its last 20 devices. Returns whether it is new.
CREATE FUNCTION smile.know_device(account uuid, shown bytea, fresh bytea, device_name text) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  at CONSTANT timestamptz := smile.security_now();
BEGIN
  UPDATE smile.known_device AS d
  SET used_at = at, expires_at = at + interval '180 days', name = coalesce(device_name, d.name)
  WHERE d.digest = shown AND d.account_id = account AND d.expires_at > at;
  IF FOUND THEN
    RETURN false;
  END IF;
  INSERT INTO smile.known_device (digest, account_id, name, expires_at)
  VALUES (fresh, account, device_name, at + interval '180 days');
  DELETE FROM smile.known_device AS d
  WHERE d.digest IN (
    SELECT o.digest FROM smile.known_device AS o WHERE o.account_id = account
    ORDER BY o.used_at DESC, o.digest OFFSET 20);
  RETURN true;
END
$$;

REVOKE EXECUTE ON FUNCTION
  smile.throttle_wait(text, integer), smile.throttle_window(text), smile.throttle_key(text, bytea, bytea),
  smile.throttle_subject(uuid), smile.session_throttle_key(), smile.count_try(bytea, text), smile.forget_failures(uuid),
  smile.forget_failures_of_changed(),
  smile.forget_tries(uuid, bytea, boolean, bytea), smile.know_device(uuid, bytea, bytea, text)
FROM smile_api, smile_jobs;
