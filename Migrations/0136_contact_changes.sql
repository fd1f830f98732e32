-- A member's new e-mail address or phone number: it counts once its owner has shown the code that was sent there. The
-- account's log-in identifier follows the address, so only a fresh proof of identity starts a change, and the old
-- address hears of it.

-- code_digest: keyed hash of six digits, bound to the message that carries them; NULL where nobody can know the code,
-- because the address is another account's: from outside such a change looks like any other.
CREATE TABLE smile.contact_change (
  id uuid PRIMARY KEY DEFAULT smile.uuid7(),
  account_id uuid NOT NULL REFERENCES smile.account ON DELETE CASCADE,
  kind text NOT NULL CHECK (kind IN ('email', 'phone')),
  address text NOT NULL CHECK (CASE kind
    WHEN 'email' THEN address = lower(address) AND address ~ '^[^@\s]+@[^@\s]+$' AND length(address) <= 254
    ELSE address ~ '^\+[1-9][0-9]{6,14}$' END),
  message_id uuid NOT NULL,
  code_digest bytea CHECK (octet_length(code_digest) = 32),
  tries integer NOT NULL DEFAULT 0 CHECK (tries BETWEEN 0 AND 5),
  created_at timestamptz NOT NULL DEFAULT smile.security_now(),
  expires_at timestamptz NOT NULL,
  confirmed_at timestamptz,
  ended_at timestamptz,
  CONSTRAINT confirmed_or_ended CHECK (confirmed_at IS NULL OR ended_at IS NULL)
);
CREATE INDEX contact_change_account ON smile.contact_change (account_id, created_at);
CREATE INDEX contact_change_age ON smile.contact_change (created_at);
CREATE UNIQUE INDEX contact_change_waiting ON smile.contact_change (account_id, kind)
  WHERE confirmed_at IS NULL AND ended_at IS NULL;
ALTER TABLE smile.contact_change ENABLE ROW LEVEL SECURITY;
ALTER TABLE smile.contact_change FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_all ON smile.contact_change TO smile_owner USING (true);
CREATE POLICY identity_functions ON smile.contact_change TO smile_auth USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON smile.contact_change TO smile_auth;

-- Whether a code still opens it: for ten minutes, five tries, and until a newer change takes its place.
CREATE FUNCTION smile.contact_change_waits(c smile.contact_change) RETURNS boolean LANGUAGE sql STABLE
RETURN c.confirmed_at IS NULL AND c.ended_at IS NULL AND c.expires_at > smile.security_now();

CREATE FUNCTION smile.contact_change_body(c smile.contact_change) RETURNS json LANGUAGE sql STABLE
RETURN json_strip_nulls(json_build_object(
  'id', c.id, 'email', CASE c.kind WHEN 'email' THEN c.address END,
  'phone', CASE c.kind WHEN 'phone' THEN c.address END,
  'status', CASE
    WHEN c.confirmed_at IS NOT NULL THEN 'confirmed'
    WHEN smile.contact_change_waits(c) AND c.tries < 5 THEN 'pending'
    ELSE 'ended' END,
  'created_at', c.created_at, 'expires_at', c.expires_at, 'confirmed_at', c.confirmed_at));

-- Where a grant of the account asks for a code by mail or SMS, whoever knows no more than the password must neither
-- redirect that code nor put an authenticator of their own in its place: the session has to have shown the factor.
CREATE FUNCTION smile.require_shown_factor() RETURNS void LANGUAGE plpgsql STABLE AS $$
BEGIN
  IF (SELECT s.second_factor_at FROM smile.session AS s WHERE s.id = smile.session_id()) IS NULL AND EXISTS (
    SELECT FROM smile.account_grant AS g
    WHERE g.account_id = smile.account_id() AND g.active AND smile.second_factor_methods(g.id) <> '{}')
  THEN
    PERFORM smile.fail(403, 'second_factor_required');
  END IF;
END
$$;

CREATE FUNCTION smile.refuse_while_reported() RETURNS void LANGUAGE plpgsql STABLE AS $$
BEGIN
  IF EXISTS (
    SELECT FROM smile.compromise_report AS r WHERE r.account_id = smile.account_id() AND r.closed_at IS NULL)
  THEN
    PERFORM smile.fail(409, 'account_reported');
  END IF;
END
$$;

-- Sends a code to the caller's address-to-be, five a day at the most, and only while its recipient (recipient_key:
-- keyed hash of the address) hasn't had enough from whomever: nobody is to be written to at will. The newest change of
-- a kind is the only one that waits. An address that another account has confirmed gets no code; its owner is told.
CREATE FUNCTION smile.start_contact_change(
  kind text, address text, recipient_key bytea, code_digest bytea, message_id uuid, sealed_code bytea)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  at CONSTANT timestamptz := smile.security_now();
  a smile.account;
  holder smile.account;
  c smile.contact_change;
  fifth timestamptz;
BEGIN
  -- Two starts at once: the second waits, and then sees the first.
  SELECT x.* INTO STRICT a FROM smile.account AS x WHERE x.id = smile.account_id() FOR NO KEY UPDATE;
  PERFORM smile.refuse_while_reported();
  PERFORM smile.require_shown_factor();
  IF EXISTS (
    SELECT FROM smile.member AS m WHERE m.id = smile.member_id() AND start_contact_change.address = ALL (CASE kind
      WHEN 'email' THEN ARRAY[a.email, coalesce(m.email, '')]
      ELSE ARRAY[coalesce(a.phone, ''), coalesce(m.phone, '')] END))
  THEN
    PERFORM smile.refuse(422, 'contact_unchanged', '/' || kind);
  END IF;
  SELECT x.created_at INTO fifth FROM smile.contact_change AS x
  WHERE x.account_id = a.id AND x.created_at > at - interval '1 day'
  ORDER BY x.created_at DESC OFFSET 4 LIMIT 1;
  IF fifth IS NOT NULL THEN
    PERFORM smile.fail(429, 'too_many_attempts', json_build_object(
      'retry_after', ceil(extract(epoch FROM fifth + interval '1 day' - at))::integer));
  END IF;
  IF kind = 'email' THEN
    SELECT x.* INTO holder FROM smile.account AS x
    WHERE x.email = start_contact_change.address AND x.status <> 'pending' AND x.id <> a.id;
  END IF;
  UPDATE smile.contact_change AS x SET ended_at = at
  WHERE x.account_id = a.id AND x.kind = start_contact_change.kind AND x.confirmed_at IS NULL AND x.ended_at IS NULL;
  INSERT INTO smile.contact_change AS x (account_id, kind, address, message_id, code_digest, expires_at)
  VALUES (a.id, start_contact_change.kind, start_contact_change.address, start_contact_change.message_id,
    CASE WHEN holder.id IS NULL THEN start_contact_change.code_digest END, at + interval '10 minutes')
  RETURNING x.* INTO c;
  INSERT INTO smile.outbox (id, channel, recipient, template, language, parameters, sealed_parameters)
  SELECT message_id, CASE kind WHEN 'email' THEN 'email' ELSE 'sms' END, start_contact_change.address,
    CASE WHEN holder.id IS NULL THEN 'contact_code' ELSE 'contact_in_use' END, coalesce(holder.language, a.language),
    json_build_object('full_name', coalesce(holder.full_name, a.full_name)),
    CASE WHEN holder.id IS NULL THEN sealed_code END
  WHERE smile.may_mail('contact', recipient_key);
  PERFORM smile.audit('contact_change.started', 'account', a.id, json_build_object('kind', kind));
  RETURN smile.answer(201, smile.contact_change_body(c), NULL, '/v1/members/me/contact_changes/' || c.id);
END
$$;
ALTER FUNCTION smile.start_contact_change(text, text, bytea, bytea, uuid, bytea) OWNER TO smile_auth;

-- The caller's own; no row for another's.
CREATE FUNCTION smile.own_contact_change(wanted uuid) RETURNS TABLE (body json)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp
BEGIN ATOMIC
  SELECT smile.contact_change_body(c) FROM smile.contact_change AS c
  WHERE c.id = wanted AND c.account_id = smile.account_id();
END;
ALTER FUNCTION smile.own_contact_change(uuid) OWNER TO smile_auth;

-- Counts the try before anything is compared, so that a hundred at once can't pass the limit of five; gives what the
-- code is bound to.
CREATE FUNCTION smile.begin_contact_confirmation(wanted uuid) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  message uuid;
BEGIN
  UPDATE smile.contact_change AS c SET tries = c.tries + 1
  WHERE c.id = wanted AND c.account_id = smile.account_id() AND smile.contact_change_waits(c) AND c.tries < 5
  RETURNING c.message_id INTO message;
  IF message IS NULL THEN
    IF EXISTS (SELECT FROM smile.contact_change AS c WHERE c.id = wanted AND c.account_id = smile.account_id()) THEN
      PERFORM smile.fail(410, 'contact_change_ended');
    END IF;
    PERFORM smile.fail(404, 'not_found');
  END IF;
  RETURN message;
END
$$;
ALTER FUNCTION smile.begin_contact_confirmation(uuid) OWNER TO smile_auth;

-- The code was shown: account and record have the new address. What was sent to the old one opens nothing any more;
-- both hear of the change. ends_others: whether the account's other sessions end (ASVS 7.4.3).
CREATE FUNCTION smile.confirm_contact_change(wanted uuid, code_digest bytea, ends_others boolean)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  at CONSTANT timestamptz := smile.security_now();
  a smile.account;
  c smile.contact_change;
BEGIN
  -- Member first, account second: the order in which a report of unauthorised use locks.
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
  -- One that is being used at this moment was used before the change: who uses it locks it first, the account second.
  UPDATE smile.mail_token AS t SET expires_at = at
  WHERE t.digest IN (
    SELECT o.digest FROM smile.mail_token AS o
    WHERE o.account_id = a.id AND o.purpose = 'password_reset' AND o.used_at IS NULL AND o.expires_at > at
    FOR UPDATE SKIP LOCKED);
  DELETE FROM smile.mfa_challenge AS x
  WHERE x.digest IN (SELECT o.digest FROM smile.mfa_challenge AS o WHERE o.account_id = a.id FOR UPDATE SKIP LOCKED);
  IF ends_others THEN
    UPDATE smile.session AS s SET ended_at = at, end_reason = 'revoked'
    WHERE s.account_id = a.id AND s.id <> smile.session_id() AND s.ended_at IS NULL;
  END IF;
  PERFORM smile.audit('contact_change.confirmed', 'member', smile.member_id(), json_build_object('kind', c.kind));
  RETURN smile.answer(200, smile.contact_change_body(c));
END
$$;
ALTER FUNCTION smile.confirm_contact_change(uuid, bytea, boolean) OWNER TO smile_auth;

REVOKE EXECUTE ON FUNCTION smile.contact_change_waits(smile.contact_change),
  smile.contact_change_body(smile.contact_change), smile.require_shown_factor(), smile.refuse_while_reported()
FROM smile_api, smile_jobs;

SET LOCAL ROLE smile_auth;
-- As before, once the session has shown the factor that the account has by now.
CREATE OR REPLACE FUNCTION smile.start_totp(totp_id uuid, sealed bytea, OUT email text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
BEGIN
  SELECT a.email INTO email FROM smile.account AS a WHERE a.id = smile.account_id() FOR NO KEY UPDATE;
  PERFORM smile.require_shown_factor();
  DELETE FROM smile.totp AS t WHERE t.account_id = smile.account_id() AND t.confirmed_at IS NULL;
  INSERT INTO smile.totp (id, account_id, secret_sealed) VALUES (totp_id, smile.account_id(), sealed);
  PERFORM smile.audit('totp.started', 'account', smile.account_id());
END
$$;
SET LOCAL ROLE smile_owner;
