-- One order in which everything about an account locks: the member's record, the account, the grant, the mailed token
-- or challenge, the session, its tokens, the count of tries. A reset by token and another request for one, a report of
-- unauthorised use and a reset, or a change of password in one tab and a refresh in another locked in opposite orders:
-- PostgreSQL ended one of them after a second, and the server sent it again.

SET LOCAL ROLE smile_auth;

-- The mailed token makes account and grant live, once. Unknown, used and expired tokens look alike.
CREATE OR REPLACE FUNCTION smile.confirm_registration(token_digest bytea) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  t smile.mail_token;
  a smile.account;
  happened text := 'grant_added';
BEGIN
  SELECT x.* INTO t FROM smile.mail_token AS x WHERE x.digest = token_digest AND x.purpose = 'registration';
  PERFORM FROM smile.member AS m
  WHERE m.id = (SELECT g.member_id FROM smile.account_grant AS g WHERE g.id = t.grant_id) FOR NO KEY UPDATE;
  SELECT x.* INTO a FROM smile.account AS x WHERE x.id = t.account_id FOR NO KEY UPDATE;
  -- Used up only now: whoever came first held the account.
  UPDATE smile.mail_token AS m SET used_at = smile.security_now()
  WHERE m.digest = t.digest AND m.used_at IS NULL AND m.expires_at > smile.security_now();
  IF NOT FOUND OR a.status = 'disabled' THEN
    PERFORM smile.fail(410, 'confirmation_token_invalid');
  END IF;
  BEGIN
    UPDATE smile.account_grant AS g SET active = true WHERE g.id = t.grant_id AND g.waits;
    IF NOT FOUND THEN
      PERFORM smile.fail(410, 'confirmation_token_invalid');
    END IF;
    IF a.status = 'pending' THEN
      happened := 'account_confirmed';
      -- A name that someone else confirmed meanwhile is theirs; this account goes without.
      UPDATE smile.account AS x
      SET status = 'active', confirmed_at = smile.security_now(),
        username = CASE WHEN NOT EXISTS (
          SELECT FROM smile.account AS y WHERE y.username = a.username AND y.status <> 'pending') THEN a.username END
      WHERE x.id = a.id
      RETURNING x.* INTO a;
    END IF;
  EXCEPTION WHEN unique_violation THEN
    PERFORM smile.fail(409, 'account_exists');
  END;
  UPDATE smile.member AS m SET email = coalesce(m.email, a.email), phone = coalesce(m.phone, a.phone)
  FROM smile.account_grant AS g
  WHERE g.id = t.grant_id AND m.id = g.member_id AND (m.email IS NULL OR (m.phone IS NULL AND a.phone IS NOT NULL));
  PERFORM smile.note_security_event(a.id, happened);
  PERFORM smile.audit('account.confirmed', 'account', a.id);
  RETURN smile.answer(200, json_strip_nulls(json_build_object(
    'status', a.status, 'email', a.email, 'username', a.username)));
END
$$;

-- Uses the token, once. All sessions end, and no new one begins: what else a log-in asks for, it still asks for.
-- email_key and username_key: what tries under the account's names are counted by.
CREATE OR REPLACE FUNCTION smile.reset_password(token_digest bytea, new_hash text, email_key bytea, username_key bytea)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  account uuid;
BEGIN
  SELECT t.account_id INTO account FROM smile.mail_token AS t
  WHERE t.digest = token_digest AND t.purpose = 'password_reset';
  PERFORM FROM smile.account AS a WHERE a.id = account AND a.status = 'active' FOR NO KEY UPDATE;
  IF FOUND THEN
    UPDATE smile.mail_token AS t SET used_at = smile.security_now()
    WHERE t.digest = token_digest AND t.used_at IS NULL AND t.expires_at > smile.security_now();
  END IF;
  IF NOT FOUND THEN
    PERFORM smile.fail(410, 'reset_token_invalid');
  END IF;
  -- Names before the account's own count, which a trigger forgets: the order of a log-in.
  DELETE FROM smile.log_in_throttle AS t
  WHERE t.key IN (smile.throttle_key('name', email_key), smile.throttle_key('name', username_key));
  UPDATE smile.account AS a SET password_hash = new_hash, password_changed_at = smile.security_now()
  WHERE a.id = account;
  PERFORM smile.note_security_event(account, 'password_reset');
  PERFORM smile.audit('account.password_reset', 'account', account);
  RETURN smile.answer(204, NULL);
END
$$;

-- The new password in place of the one that was compared. All other sessions end; this one gets new tokens, unless it
-- has ended meanwhile: then nothing is changed.
CREATE OR REPLACE FUNCTION smile.change_password(
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
  UPDATE smile.mail_token AS t SET expires_at = smile.security_now()
  WHERE t.account_id = smile.account_id() AND t.purpose = 'password_reset' AND t.used_at IS NULL
    AND t.expires_at > smile.security_now();
  UPDATE smile.session AS s SET refreshed_at = smile.security_now() WHERE s.id = current AND s.ended_at IS NULL;
  IF NOT FOUND THEN
    PERFORM smile.fail(401, 'invalid_token');
  END IF;
  DELETE FROM smile.access_token AS t WHERE t.session_id = current;
  DELETE FROM smile.refresh_token AS t WHERE t.session_id = current;
  DELETE FROM smile.log_in_throttle AS t WHERE t.key = smile.session_throttle_key();
  access_expiry := smile.mint_access_token(current, access_digest);
  INSERT INTO smile.refresh_token (digest, session_id) VALUES (refresh_digest, current);
  PERFORM smile.note_security_event(smile.account_id(), 'password_changed');
  PERFORM smile.audit('account.password_changed', 'account', smile.account_id());
  RETURN smile.answer(200, smile.tokens_body(current, access_expiry));
END
$$;

-- The caller's own account. unguessable_hash: of a password that nobody knows. A second report joins the open one.
CREATE OR REPLACE FUNCTION smile.report_compromise(note text, unguessable_hash text) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  caller CONSTANT uuid := smile.account_id();
  payee uuid;
  report smile.compromise_report;
BEGIN
  SELECT m.id INTO payee FROM smile.member AS m
  WHERE m.id = (
    SELECT g.member_id FROM smile.account_grant AS g
    WHERE g.account_id = caller AND g.kind = 'member' AND g.active)
  FOR NO KEY UPDATE;
  PERFORM FROM smile.account AS a WHERE a.id = caller FOR NO KEY UPDATE;
  INSERT INTO smile.compromise_report (account_id, member_id, note, address)
  VALUES (caller, payee, report_compromise.note, nullif(current_setting('smile.address', true), ''))
  ON CONFLICT (account_id) WHERE closed_at IS NULL DO NOTHING;
  SELECT r.* INTO STRICT report FROM smile.compromise_report AS r WHERE r.account_id = caller AND r.closed_at IS NULL;
  PERFORM smile.note_security_event(caller, 'compromise_reported');
  PERFORM smile.audit('account.compromise_reported', 'compromise_report', report.id);
  INSERT INTO smile.outbox (channel, recipient, template, language, parameters)
  SELECT 'email', a.email, 'compromise_to_review', a.language, json_build_object('report_id', report.id)
  FROM smile.account_grant AS g JOIN smile.account AS a ON a.id = g.account_id AND a.status = 'active'
  WHERE g.kind = 'officer' AND g.active AND 'verify_members' = ANY (g.permissions) AND a.id <> caller;
  UPDATE smile.mail_token AS t SET expires_at = smile.security_now()
  WHERE t.account_id = caller AND t.purpose = 'password_reset' AND t.used_at IS NULL
    AND t.expires_at > smile.security_now();
  UPDATE smile.contact_change AS c SET ended_at = smile.security_now()
  WHERE c.account_id = caller AND c.confirmed_at IS NULL AND c.ended_at IS NULL;
  -- The trigger on the account spares the session in which a password is changed; here it ends as well.
  UPDATE smile.account AS a SET password_hash = unguessable_hash, password_changed_at = smile.security_now()
  WHERE a.id = caller;
  UPDATE smile.session AS s SET ended_at = smile.security_now(), end_reason = 'account'
  WHERE s.account_id = caller AND s.ended_at IS NULL;
  RETURN smile.answer(201, json_build_object(
    'id', report.id, 'reported_at', report.reported_at, 'payouts_frozen', report.member_id IS NOT NULL),
    NULL, '/v1/account/compromise_reports/' || report.id);
END
$$;

-- The code was shown: account and record have the new address. What was sent to the old one opens nothing any more;
-- both hear of the change. ends_others: whether the account's other sessions end (ASVS 7.4.3).
CREATE OR REPLACE FUNCTION smile.confirm_contact_change(wanted uuid, code_digest bytea, ends_others boolean)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  at CONSTANT timestamptz := smile.security_now();
  a smile.account;
  c smile.contact_change;
BEGIN
  PERFORM FROM smile.member AS m WHERE m.id = smile.member_id() FOR NO KEY UPDATE;
  SELECT x.* INTO STRICT a FROM smile.account AS x WHERE x.id = smile.account_id() FOR NO KEY UPDATE;
  PERFORM smile.refuse_while_reported();
  SELECT x.* INTO c FROM smile.contact_change AS x WHERE x.id = wanted AND x.account_id = a.id FOR UPDATE;
  IF c.id IS NULL OR NOT smile.contact_change_waits(c) THEN
    PERFORM smile.fail(410, 'contact_change_ended');
  ELSIF c.code_digest IS DISTINCT FROM confirm_contact_change.code_digest
    OR confirm_contact_change.code_digest IS NULL
  THEN
    PERFORM smile.refuse(422, 'contact_code_wrong', '/code');
  END IF;
  UPDATE smile.contact_change AS x SET confirmed_at = at WHERE x.id = c.id RETURNING x.* INTO c;
  IF c.kind = 'email' THEN
    BEGIN
      UPDATE smile.account AS x SET email = c.address WHERE x.id = a.id;
    EXCEPTION WHEN unique_violation THEN
      PERFORM smile.fail(409, 'account_exists');
    END;
  ELSE
    UPDATE smile.account AS x SET phone = c.address WHERE x.id = a.id;
  END IF;
  -- Before the record follows, so that an address that only the record had is told as well.
  PERFORM smile.note_security_event(a.id, 'contact_changed', json_build_object('contact', c.kind), a.email);
  INSERT INTO smile.outbox (channel, recipient, template, language, parameters)
  SELECT DISTINCT 'sms', r.phone, 'contact_notice', a.language, '{}'::jsonb
  FROM smile.member AS m CROSS JOIN LATERAL (VALUES (a.phone), (m.phone), (c.address)) AS r (phone)
  WHERE c.kind = 'phone' AND m.id = smile.member_id() AND r.phone IS NOT NULL;
  UPDATE smile.member AS m SET email = CASE c.kind WHEN 'email' THEN c.address ELSE m.email END,
    phone = CASE c.kind WHEN 'phone' THEN c.address ELSE m.phone END
  WHERE m.id = smile.member_id();
  UPDATE smile.mail_token AS t SET expires_at = at
  WHERE t.account_id = a.id AND t.purpose = 'password_reset' AND t.used_at IS NULL AND t.expires_at > at;
  DELETE FROM smile.mfa_challenge AS x WHERE x.account_id = a.id;
  IF ends_others THEN
    UPDATE smile.session AS s SET ended_at = at, end_reason = 'revoked'
    WHERE s.account_id = a.id AND s.id <> smile.session_id() AND s.ended_at IS NULL;
  END IF;
  PERFORM smile.audit('contact_change.confirmed', 'member', smile.member_id(), json_build_object('kind', c.kind));
  RETURN smile.answer(200, smile.contact_change_body(c));
END
$$;

-- Meets a challenge, once: by a time step that the server found right, by a recovery code, or by the code that was
-- sent.
CREATE OR REPLACE FUNCTION smile.finish_log_in(
  challenge_digest bytea, totp_id uuid, step bigint, recovery_digest bytea, code_digest bytea, new_device bytea,
  source_key bytea, source_counts boolean, access_digest bytea, refresh_digest bytea)
RETURNS smile.log_in_answer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  c smile.mfa_challenge;
  g smile.account_grant;
BEGIN
  PERFORM FROM smile.account AS a
  WHERE a.id = (SELECT x.account_id FROM smile.mfa_challenge AS x WHERE x.digest = challenge_digest) FOR NO KEY UPDATE;
  -- A wrong code raises, and the challenge is back.
  DELETE FROM smile.mfa_challenge AS x
  WHERE x.digest = challenge_digest AND x.expires_at > smile.security_now()
  RETURNING x.* INTO c;
  -- A challenge doesn't outlive the password that it was given for.
  PERFORM FROM smile.account AS a
  WHERE a.id = c.account_id AND a.status = 'active' AND a.password_changed_at <= c.created_at;
  IF FOUND THEN
    SELECT x.* INTO g FROM smile.account_grant AS x WHERE x.id = c.grant_id AND x.active FOR SHARE;
  END IF;
  IF g.id IS NULL OR NOT (
    coalesce(c.code_digest = finish_log_in.code_digest, false) AND 'email' = ANY (smile.second_factor_methods(g.id))
    OR smile.spend_factor(c.account_id, totp_id, step, recovery_digest))
  THEN
    PERFORM smile.fail(401, 'invalid_code');
  END IF;
  IF c.session_id IS NULL THEN
    RETURN smile.start_session(c.account_id, g, true, c.device_name, c.client_id, c.device_digest, new_device,
      source_key, source_counts, access_digest, refresh_digest);
  END IF;
  PERFORM smile.forget_failures(c.account_id);
  RETURN smile.act_in_grant(c.session_id, g, true, access_digest, refresh_digest);
END
$$;

SET LOCAL ROLE smile_owner;
