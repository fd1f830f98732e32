-- What a log-in is answered by is the name that was typed and nothing else, so that two names of one account behave
-- like two names that nobody has. Until now the tries of all names were counted together where there is an account:
-- five wrong ones under an address and one under a username told a stranger that both exist and belong together.
--
-- The count that all names of an account share stays, as a guard behind the answer. Beyond its limit the password isn't
-- tried at all: the answer is that of a wrong one, after the same work. Whoever keeps to one name meets the limit of
-- that name first, which is the same, and is told to wait.
--
--   name   unknown devices together, under one typed name: as account.

-- lifted_by: with what a success ends this count. For a name, the guard's key; for one source at a name, the key of
-- that source at the account. It is filled in for names that nobody has as well, and refers to no account: a foreign
-- key would take time that tells.
ALTER TABLE smile.log_in_throttle ADD COLUMN lifted_by bytea CHECK (octet_length(lifted_by) = 32);
CREATE INDEX log_in_throttle_lifted ON smile.log_in_throttle (lifted_by) WHERE lifted_by IS NOT NULL;

-- Counts a try and returns how many there were; NULL and no count while one has to wait.
CREATE FUNCTION smile.counted_try(wanted bytea, kind text, lifted_by bytea DEFAULT NULL) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
  at CONSTANT timestamptz := smile.security_now();
  span CONSTANT interval := smile.throttle_window(kind);
  slides CONSTANT boolean := kind NOT IN ('pair', 'source');
  counted integer;
BEGIN
  -- No waiting time is no time at all: of two tries at once, the second was asked before the first was counted.
  INSERT INTO smile.log_in_throttle AS t (key, tries, next_at, window_ends_at, lifted_by)
  VALUES (wanted, 1, coalesce(at + nullif(smile.throttle_wait(kind, 1), interval '0'), '-infinity'), at + span,
    counted_try.lifted_by)
  ON CONFLICT (key) DO UPDATE SET
    tries = CASE WHEN t.window_ends_at <= at THEN 1 ELSE t.tries + 1 END,
    next_at = coalesce(at + nullif(smile.throttle_wait(
      kind, CASE WHEN t.window_ends_at <= at THEN 1 ELSE t.tries + 1 END), interval '0'), '-infinity'),
    window_ends_at = greatest(
      CASE WHEN slides OR t.window_ends_at <= at THEN at + span ELSE t.window_ends_at END,
      at + smile.throttle_wait(kind, CASE WHEN t.window_ends_at <= at THEN 1 ELSE t.tries + 1 END)),
    lifted_by = excluded.lifted_by
  WHERE t.next_at <= at
  RETURNING t.tries INTO counted;
  RETURN counted;
END
$$;

-- Counts a try, or refuses it with 429; returns how many there were. A refusal undoes the transaction, so it counts
-- nowhere.
DROP FUNCTION smile.count_try(bytea, text);
CREATE FUNCTION smile.count_try(wanted bytea, kind text, lifted_by bytea DEFAULT NULL) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
  counted CONSTANT integer := smile.counted_try(wanted, kind, lifted_by);
BEGIN
  IF counted IS NULL THEN
    PERFORM smile.fail(429, 'too_many_attempts', json_build_object('retry_after', greatest(1, (
      SELECT ceil(extract(epoch FROM t.next_at - smile.security_now()))::integer
      FROM smile.log_in_throttle AS t WHERE t.key = wanted))));
  END IF;
  RETURN counted;
END
$$;

SET LOCAL ROLE smile_auth;
-- The hash to verify for an identifier; none when nobody confirmed it, and none beyond the limit that all names of the
-- account share. identifier_key and source_key are keyed hashes of what was typed and of where it came from;
-- source_counts is false for the machine itself and its proxy, from which everyone seems to come. The owner is told of
-- the 10th and of the 50th failure.
CREATE OR REPLACE FUNCTION smile.begin_log_in(
  identifier text, identifier_key bytea, source_key bytea, source_counts boolean, device_digest bytea)
RETURNS TABLE (account_id uuid, password_hash text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  a smile.account;
  subject bytea;
  guard bytea;
  tries integer;
BEGIN
  SELECT x.* INTO a FROM smile.account AS x
  WHERE x.status = 'active' AND (x.email = identifier OR x.username = identifier)
  LIMIT 1;
  subject := coalesce(smile.throttle_subject(a.id), identifier_key);
  guard := smile.throttle_key('account', subject);
  IF device_digest IS NOT NULL AND EXISTS (
    SELECT FROM smile.known_device AS d
    WHERE d.digest = device_digest AND d.account_id = a.id AND d.expires_at > smile.security_now())
  THEN
    tries := smile.count_try(smile.throttle_key('device', device_digest), 'device');
  ELSE
    PERFORM smile.count_try(smile.throttle_key('name', identifier_key), 'name', guard);
    tries := smile.counted_try(guard, 'account');
    PERFORM smile.count_try(smile.throttle_key('pair', identifier_key, source_key), 'pair',
      smile.throttle_key('pair', subject, source_key));
    IF source_counts THEN
      PERFORM smile.count_try(smile.throttle_key('source', source_key), 'source');
    END IF;
  END IF;
  IF a.id IS NOT NULL AND tries IN (10, 50) THEN
    PERFORM smile.note_security_event(a.id, 'failed_attempts', json_build_object('tries', tries));
  END IF;
  RETURN QUERY SELECT a.id, a.password_hash WHERE a.id IS NOT NULL AND tries IS NOT NULL;
END
$$;
SET LOCAL ROLE smile_owner;

-- A success, or another password, ends the run of failures: under all names of the account, of this source there, of
-- this device. In the order in which tries are counted, so that two transactions never wait for each other.
CREATE OR REPLACE FUNCTION smile.forget_failures(account uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  guard CONSTANT bytea := smile.throttle_key('account', smile.throttle_subject(account));
BEGIN
  DELETE FROM smile.log_in_throttle AS t WHERE t.lifted_by = guard;
  DELETE FROM smile.log_in_throttle AS t WHERE t.key = guard;
  DELETE FROM smile.log_in_throttle AS t WHERE t.key = smile.throttle_key('code', smile.throttle_subject(account));
END
$$;

CREATE OR REPLACE FUNCTION smile.forget_tries(
  account uuid, source_key bytea, source_counts boolean, device_digest bytea)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM smile.log_in_throttle AS t WHERE t.key = smile.throttle_key('device', device_digest);
  PERFORM smile.forget_failures(account);
  DELETE FROM smile.log_in_throttle AS t
  WHERE t.lifted_by = smile.throttle_key('pair', smile.throttle_subject(account), source_key);
  IF source_counts THEN
    UPDATE smile.log_in_throttle AS t SET tries = greatest(t.tries - 1, 0)
    WHERE t.key = smile.throttle_key('source', source_key);
  END IF;
END
$$;

REVOKE EXECUTE ON FUNCTION smile.counted_try(bytea, text, bytea), smile.count_try(bytea, text, bytea)
FROM smile_api, smile_jobs;
