-- Change and reset of passwords. The server hashes and compares; what may follow is decided here.

-- What a password may not be made of: names, addresses and numbers of its owner. The birth date in the two orders in
-- which people write it. One a line.
CREATE FUNCTION smile.personal_words(account uuid) RETURNS text LANGUAGE sql STABLE
RETURN (
  SELECT string_agg(DISTINCT w.word, E'\n')
  FROM smile.account AS a
  LEFT JOIN smile.account_grant AS g ON g.account_id = a.id
  LEFT JOIN smile.member AS m ON m.id = g.member_id
  CROSS JOIN LATERAL (
    SELECT unnest(ARRAY[a.email, a.username, a.full_name, a.phone, m.full_name, m.email, m.phone,
      to_char(m.birth_date, 'DDMMYYYY'), to_char(m.birth_date, 'YYYYMMDD')]
      || ARRAY(SELECT n.kpj FROM smile.member_number AS n WHERE n.member_id = m.id)
      || ARRAY(SELECT e.name FROM smile.employer AS e WHERE e.id = g.employer_id)) AS word) AS w
  WHERE a.id = account AND w.word IS NOT NULL);

-- What the server needs to change the caller's password: the hash to compare with and the words to avoid. Wrong tries
-- count: a stolen session is no way to find the password out.
CREATE FUNCTION smile.begin_password_change() RETURNS TABLE (password_hash text, words text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
BEGIN
  PERFORM smile.count_try(smile.session_throttle_key(), 'step_up');
  RETURN QUERY SELECT a.password_hash, smile.personal_words(a.id)
  FROM smile.account AS a WHERE a.id = smile.account_id();
END
$$;
ALTER FUNCTION smile.begin_password_change() OWNER TO smile_auth;

-- The new password in place of the one that was compared. All other sessions end; this one gets new tokens.
CREATE FUNCTION smile.change_password(
  compared_hash text, new_hash text, access_digest bytea, refresh_digest bytea)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  current uuid := smile.session_id();
  access_expiry timestamptz;
BEGIN
  UPDATE smile.account AS a SET password_hash = new_hash, password_changed_at = smile.security_now()
  WHERE a.id = smile.account_id() AND a.password_hash = compared_hash;
  IF NOT FOUND THEN
    PERFORM smile.fail(409, 'password_changed_meanwhile');
  END IF;
  DELETE FROM smile.access_token AS t WHERE t.session_id = current;
  DELETE FROM smile.refresh_token AS t WHERE t.session_id = current;
  UPDATE smile.mail_token AS t SET expires_at = smile.security_now()
  WHERE t.account_id = smile.account_id() AND t.purpose = 'password_reset' AND t.used_at IS NULL
    AND t.expires_at > smile.security_now();
  DELETE FROM smile.log_in_throttle AS t WHERE t.key = smile.session_throttle_key();
  access_expiry := smile.mint_access_token(current, access_digest);
  INSERT INTO smile.refresh_token (digest, session_id) VALUES (refresh_digest, current);
  PERFORM smile.note_security_event(smile.account_id(), 'password_changed');
  PERFORM smile.audit('account.password_changed', 'account', smile.account_id());
  RETURN smile.answer(200, smile.tokens_body(current, access_expiry));
END
$$;
ALTER FUNCTION smile.change_password(text, text, bytea, bytea) OWNER TO smile_auth;

-- A reset token and its mail. The newest token is the only good one.
CREATE FUNCTION smile.mail_password_token(
  account uuid, template text, life interval, token_digest bytea, mail_id uuid, sealed_token bytea)
RETURNS void LANGUAGE sql VOLATILE
BEGIN ATOMIC
  UPDATE smile.mail_token AS t SET expires_at = smile.security_now()
  WHERE t.account_id = account AND t.purpose = 'password_reset' AND t.used_at IS NULL
    AND t.expires_at > smile.security_now();
  INSERT INTO smile.mail_token (digest, purpose, account_id, expires_at)
  VALUES (token_digest, 'password_reset', account, smile.security_now() + life);
  INSERT INTO smile.outbox (id, channel, recipient, template, language, parameters, sealed_parameters)
  SELECT mail_id, 'email', a.email, mail_password_token.template, a.language,
    json_build_object('full_name', a.full_name), sealed_token
  FROM smile.account AS a WHERE a.id = account;
END;

-- A token for who has forgotten the password, once a minute and three times in 15 minutes at the most: whoever keeps
-- asking for somebody else's leaves the owner a newest one that lives for a while. The answer tells nothing.
CREATE FUNCTION smile.request_password_reset(identifier text, token_digest bytea, mail_id uuid, sealed_token bytea)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  account uuid;
BEGIN
  -- Two requests at once: the second waits, and then sees the first one's token.
  SELECT a.id INTO account FROM smile.account AS a
  WHERE a.status = 'active' AND (a.email = identifier OR a.username = identifier)
  FOR NO KEY UPDATE;
  IF account IS NOT NULL AND NOT EXISTS (
    SELECT FROM smile.mail_token AS t
    WHERE t.account_id = account AND t.purpose = 'password_reset' AND t.used_at IS NULL
      AND t.created_at > smile.security_now() - interval '1 minute')
    AND (
      SELECT count(*) FROM smile.mail_token AS t
      WHERE t.account_id = account AND t.purpose = 'password_reset'
        AND t.created_at > smile.security_now() - interval '15 minutes') < 3
  THEN
    PERFORM smile.mail_password_token(
      account, 'password_reset', interval '15 minutes', token_digest, mail_id, sealed_token);
    PERFORM smile.note_security_event(account, 'password_reset_requested');
  END IF;
  RETURN smile.registration_accepted();
END
$$;
ALTER FUNCTION smile.request_password_reset(text, bytea, uuid, bytea) OWNER TO smile_auth;

-- The words that the new password must avoid. Unknown, used and expired tokens look alike.
CREATE FUNCTION smile.begin_password_reset(token_digest bytea) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  account uuid;
BEGIN
  SELECT t.account_id INTO account FROM smile.mail_token AS t
  WHERE t.digest = token_digest AND t.purpose = 'password_reset' AND t.used_at IS NULL
    AND t.expires_at > smile.security_now();
  IF account IS NULL THEN
    PERFORM smile.fail(410, 'reset_token_invalid');
  END IF;
  RETURN smile.personal_words(account);
END
$$;
ALTER FUNCTION smile.begin_password_reset(bytea) OWNER TO smile_auth;

-- Uses the token, once. All sessions end, and no new one begins: what else a log-in asks for, it still asks for.
CREATE FUNCTION smile.reset_password(token_digest bytea, new_hash text) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  account uuid;
BEGIN
  UPDATE smile.mail_token AS t SET used_at = smile.security_now()
  WHERE t.digest = token_digest AND t.purpose = 'password_reset' AND t.used_at IS NULL
    AND t.expires_at > smile.security_now()
  RETURNING t.account_id INTO account;
  IF account IS NOT NULL THEN
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
ALTER FUNCTION smile.reset_password(bytea, text) OWNER TO smile_auth;

REVOKE EXECUTE ON FUNCTION
  smile.personal_words(uuid),
  smile.mail_password_token(uuid, text, interval, bytea, uuid, bytea)
FROM smile_api, smile_jobs;
