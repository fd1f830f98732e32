-- How much mail a stranger can cause. Whoever registers, asks for another confirmation or for a password reset names
-- the recipient, from as many sources as one likes; so what is counted is the recipient: a keyed hash of the address
-- that was typed, or the account that the mail goes to. The answers are the same as ever.

-- How long to wait after so many tries without a success. For log-in and what is like it:
--   account   all names of an account from unknown devices together, behind the answer: 5 at once, then 30 s that
--             double up to an hour. A hundred consecutive failures are the most that NIST SP 800-63B-4 (section 3.2.2)
--             lets one password have: then it opens the account from known devices only, until one of them logs in or
--             the password is reset.
--   name      the same by the name that was typed, in the answer.
--   device    a known device: 10, then one in 15 minutes, 100 at the most.
--   pair      one source at one name: 50 in 12 hours, then none for a day.
--   source    one source at all accounts: 100 in an hour.
--   code      codes of an account's second factor, behind the password: 5, then one in 15 minutes.
--   step_up   one session that shows password or code again, or the password to change it: as account.
-- For mails to one recipient:
--   token     each kind of mail with a token: 5 at once, then one after 15 min, after 30, and one an hour, which is
--             some 30 a day. There always is a next one, whoever keeps asking: a token that a stranger asked for comes
--             to the owner as well and is as good.
--   notice    mails that only say what came of a registration: 3, then none for a day.
CREATE OR REPLACE FUNCTION smile.throttle_wait(kind text, tries integer) RETURNS interval
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE kind
  WHEN 'device' THEN CASE
    WHEN tries < 10 THEN interval '0' WHEN tries < 100 THEN interval '15 minutes' ELSE interval '30 days' END
  WHEN 'pair' THEN CASE WHEN tries < 50 THEN interval '0' ELSE interval '1 day' END
  WHEN 'source' THEN CASE WHEN tries < 100 THEN interval '0' ELSE interval '1 hour' END
  WHEN 'code' THEN CASE WHEN tries < 5 THEN interval '0' ELSE interval '15 minutes' END
  WHEN 'token' THEN CASE
    WHEN tries < 5 THEN interval '0'
    ELSE least(interval '15 minutes' * (2 ^ least(tries - 5, 2)), interval '1 hour') END
  WHEN 'notice' THEN CASE WHEN tries < 3 THEN interval '0' ELSE interval '1 day' END
  ELSE CASE
    WHEN tries < 5 THEN interval '0'
    WHEN tries < 100 THEN least(interval '30 seconds' * (2 ^ least(tries - 5, 7)), interval '1 hour')
    ELSE interval '30 days' END
  END;

-- When a count is forgotten: windows that don't move for what is counted by source and for notices, mails with tokens
-- when none was asked for all day, else a month after the last try.
CREATE OR REPLACE FUNCTION smile.throttle_window(kind text) RETURNS interval LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE kind
  WHEN 'pair' THEN interval '12 hours' WHEN 'source' THEN interval '1 hour'
  WHEN 'token' THEN interval '1 day' WHEN 'notice' THEN interval '1 day' ELSE interval '30 days' END;

-- Whether one more mail of this kind may go to a recipient; it is counted if so. purpose tells kinds of tokens apart,
-- so that asking for one doesn't use up another.
CREATE FUNCTION smile.may_mail(purpose text, recipient bytea) RETURNS boolean LANGUAGE sql VOLATILE
RETURN smile.counted_try(
  smile.throttle_key('mail ' || purpose, recipient), CASE purpose WHEN 'notice' THEN 'notice' ELSE 'token' END)
  IS NOT NULL;
REVOKE EXECUTE ON FUNCTION smile.may_mail(text, bytea) FROM smile_api, smile_jobs;

-- As before, but without a mail where mail_id is NULL: the token is nobody's then, and waits for a resend to take its
-- place.
CREATE OR REPLACE FUNCTION smile.mail_confirmation(
  account uuid, grant_id uuid, recipient text, full_name text, language text,
  token_digest bytea, mail_id uuid, sealed_token bytea)
RETURNS void LANGUAGE sql VOLATILE
BEGIN ATOMIC
  UPDATE smile.mail_token AS t SET expires_at = smile.security_now()
  WHERE t.account_id = account AND t.purpose = 'registration' AND t.used_at IS NULL
    AND t.grant_id IS NOT DISTINCT FROM mail_confirmation.grant_id;
  INSERT INTO smile.mail_token (digest, purpose, account_id, grant_id, expires_at)
  VALUES (token_digest, 'registration', account, mail_confirmation.grant_id,
    smile.security_now() + interval '24 hours');
  INSERT INTO smile.outbox (id, channel, recipient, template, language, parameters, sealed_parameters)
  SELECT mail_id, 'email', recipient,
    CASE a.status WHEN 'pending' THEN 'registration_confirmation' ELSE 'grant_confirmation' END,
    CASE a.status WHEN 'pending' THEN mail_confirmation.language ELSE a.language END,
    json_build_object('full_name',
      CASE a.status WHEN 'pending' THEN mail_confirmation.full_name ELSE a.full_name END), sealed_token
  FROM smile.account AS a WHERE a.id = account AND mail_id IS NOT NULL;
END;

-- Says what came of a registration, by mail to an account or to an address that has none.
CREATE FUNCTION smile.mail_notice(
  mail_id uuid, template text, recipient text, language text, full_name text, recipient_key bytea)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF smile.may_mail('notice', recipient_key) THEN
    INSERT INTO smile.outbox (id, channel, recipient, template, language, parameters)
    VALUES (mail_id, 'email', mail_notice.recipient, mail_notice.template, mail_notice.language,
      json_strip_nulls(json_build_object('full_name', mail_notice.full_name)));
  END IF;
END
$$;
REVOKE EXECUTE ON FUNCTION smile.mail_notice(uuid, text, text, text, text, bytea) FROM smile_api, smile_jobs;

SET LOCAL ROLE smile_auth;

-- As before, but the mail goes out only while its recipient hasn't had enough. email_key: keyed hash of the address
-- that was typed.
DROP FUNCTION smile.register_member(
  text, bytea, text, date, text, text, text, text, text, bytea, uuid, bytea);
SET LOCAL ROLE smile_owner;
CREATE FUNCTION smile.register_member(
  kpj text, nik_index bytea, full_name text, birth_date date, email text, email_key bytea, phone text, username text,
  password_hash text, language text, token_digest bytea, mail_id uuid, sealed_token bytea)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  member uuid;
  holder smile.account;
  account uuid;
BEGIN
  SELECT m.id INTO member
  FROM smile.member_number AS n
  JOIN smile.national_id AS i ON i.member_id = n.member_id
  JOIN smile.member AS m ON m.id = n.member_id
  WHERE n.kpj = register_member.kpj AND i.nik_index = register_member.nik_index
    AND m.birth_date = register_member.birth_date AND smile.same_name(m.full_name, register_member.full_name);
  IF member IS NULL THEN
    PERFORM smile.mail_notice(mail_id, 'registration_mismatch', register_member.email, register_member.language, NULL,
      email_key);
    RETURN smile.registration_accepted();
  END IF;
  SELECT a.* INTO holder
  FROM smile.account_grant AS g JOIN smile.account AS a ON a.id = g.account_id
  WHERE g.member_id = member AND g.kind = 'member' AND g.active;
  IF holder.id IS NOT NULL THEN
    PERFORM smile.mail_notice(mail_id, 'account_exists', holder.email, holder.language, holder.full_name,
      smile.throttle_subject(holder.id));
    RETURN smile.registration_accepted();
  END IF;
  SELECT a.* INTO holder
  FROM smile.account AS a JOIN smile.account_grant AS g ON g.account_id = a.id AND g.kind = 'member' AND g.active
  WHERE a.email = register_member.email AND a.status = 'active';
  IF holder.id IS NOT NULL THEN
    PERFORM smile.mail_notice(mail_id, 'address_in_use', holder.email, holder.language, holder.full_name, email_key);
    RETURN smile.registration_accepted();
  END IF;
  account := smile.create_waiting_account(
    email, phone, username, (SELECT m.full_name FROM smile.member AS m WHERE m.id = member), password_hash, language,
    member, NULL, token_digest, CASE WHEN smile.may_mail('registration', email_key) THEN mail_id END, sealed_token);
  PERFORM smile.audit('account.registered', 'account', account, json_build_object('member_id', member));
  RETURN smile.registration_accepted();
END
$$;
ALTER FUNCTION smile.register_member(
  text, bytea, text, date, text, bytea, text, text, text, text, bytea, uuid, bytea) OWNER TO smile_auth;

SET LOCAL ROLE smile_auth;
-- A token for who has forgotten the password, once a minute and three times in 15 minutes at the most: whoever keeps
-- asking for somebody else's leaves the owner a newest one that lives for a while. The answer tells nothing.
CREATE OR REPLACE FUNCTION smile.request_password_reset(
  identifier text, token_digest bytea, mail_id uuid, sealed_token bytea)
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
    AND smile.may_mail('password_reset', smile.throttle_subject(account))
  THEN
    PERFORM smile.mail_password_token(
      account, 'password_reset', interval '15 minutes', token_digest, mail_id, sealed_token);
    PERFORM smile.note_security_event(account, 'password_reset_requested');
  END IF;
  RETURN smile.registration_accepted();
END
$$;
SET LOCAL ROLE smile_owner;
