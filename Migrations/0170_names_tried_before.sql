-- Tries under a name that somebody has by now, but had not when they were counted. No success of an account ended that
-- count: whoever tried an address in vain before its owner registered it, or changed to it, kept the owner out of it on
-- every new device for up to a month, and a reset was no help. Nothing shows outside until the owner has shown who they
-- are: by a known device, or by the mailed token.

SET LOCAL ROLE smile_auth;
-- As before; besides, a known device claims for its account what was counted under the name before.
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
    UPDATE smile.log_in_throttle AS t SET lifted_by = guard
    WHERE t.key = smile.throttle_key('name', identifier_key) AND t.lifted_by <> guard;
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

-- As before, with the account's names, of which the server makes the keys that tries are counted under.
DROP FUNCTION smile.begin_password_reset(bytea);
DROP FUNCTION smile.reset_password(bytea, text);
SET LOCAL ROLE smile_owner;

-- The words that the new password must avoid. Unknown, used and expired tokens look alike.
CREATE FUNCTION smile.begin_password_reset(token_digest bytea, OUT words text, OUT email text, OUT username text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
BEGIN
  SELECT smile.personal_words(a.id), a.email, a.username INTO words, email, username
  FROM smile.mail_token AS t JOIN smile.account AS a ON a.id = t.account_id
  WHERE t.digest = token_digest AND t.purpose = 'password_reset' AND t.used_at IS NULL
    AND t.expires_at > smile.security_now();
  IF email IS NULL THEN
    PERFORM smile.fail(410, 'reset_token_invalid');
  END IF;
END
$$;
ALTER FUNCTION smile.begin_password_reset(bytea) OWNER TO smile_auth;

-- Uses the token, once. All sessions end, and no new one begins: what else a log-in asks for, it still asks for.
-- email_key and username_key: what tries under the account's names are counted by.
CREATE FUNCTION smile.reset_password(token_digest bytea, new_hash text, email_key bytea, username_key bytea)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  account uuid;
BEGIN
  UPDATE smile.mail_token AS t SET used_at = smile.security_now()
  WHERE t.digest = token_digest AND t.purpose = 'password_reset' AND t.used_at IS NULL
    AND t.expires_at > smile.security_now()
  RETURNING t.account_id INTO account;
  IF account IS NOT NULL THEN
    -- Account first, names second: the order of a log-in.
    PERFORM FROM smile.account AS a WHERE a.id = account FOR NO KEY UPDATE;
    DELETE FROM smile.log_in_throttle AS t
    WHERE t.key IN (smile.throttle_key('name', email_key), smile.throttle_key('name', username_key));
    UPDATE smile.account AS a SET password_hash = new_hash, password_changed_at = smile.security_now()
    WHERE a.id = account AND a.status = 'active';
  END IF;
  IF account IS NULL OR NOT FOUND THEN
    PERFORM smile.fail(410, 'reset_token_invalid');
  END IF;
  PERFORM smile.note_security_event(account, 'password_reset');
  PERFORM smile.audit('account.password_reset', 'account', account);
  RETURN smile.answer(204, NULL);
END
$$;
ALTER FUNCTION smile.reset_password(bytea, text, bytea, bytea) OWNER TO smile_auth;
