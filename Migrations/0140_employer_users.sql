-- The people who act for an employer. Its administrators invite them by e-mail and give or take roles; one
-- administrator always remains. Nobody has an account or a role before the mailed token has come back.

-- A grant waits for its mailed token until it becomes active or is taken away, and never again after that: without
-- this, whoever was sent away could have a new token mailed and come back.
ALTER TABLE smile.account_grant ADD COLUMN waits boolean NOT NULL DEFAULT true;
ALTER TABLE smile.account_grant DISABLE TRIGGER USER;
UPDATE smile.account_grant SET waits = false WHERE active OR kind = 'officer';
ALTER TABLE smile.account_grant ENABLE TRIGGER USER;
ALTER TABLE smile.account_grant ADD CONSTRAINT active_grant_does_not_wait CHECK (NOT (active AND waits));

CREATE FUNCTION smile.end_waiting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.waits := NEW.waits AND NOT NEW.active AND NEW.kind <> 'officer';
  RETURN NEW;
END
$$;
CREATE TRIGGER grant_waits BEFORE INSERT OR UPDATE ON smile.account_grant
  FOR EACH ROW EXECUTE FUNCTION smile.end_waiting();

INSERT INTO smile.security_event_kind (code, mailed, title_id, title_en) VALUES
  ('grant_removed', true, 'Peran akun dicabut', 'A role of the account was taken away');

-- The id becomes that of the grant, so that a user keeps it.
CREATE TABLE smile.employer_invitation (
  id uuid PRIMARY KEY DEFAULT smile.uuid7(),
  employer_id uuid NOT NULL REFERENCES smile.employer,
  email text NOT NULL CHECK (email = lower(email)),
  full_name text NOT NULL CHECK (length(full_name) BETWEEN 1 AND 100),
  language text NOT NULL CHECK (language IN ('id', 'en')),
  role text NOT NULL CHECK (role IN ('admin', 'payroll', 'viewer')),
  digest bytea NOT NULL UNIQUE CHECK (octet_length(digest) = 32),
  invited_by uuid NOT NULL REFERENCES smile.account ON DELETE CASCADE,
  created_at timestamptz NOT NULL DEFAULT smile.security_now(),
  expires_at timestamptz NOT NULL DEFAULT smile.security_now() + interval '7 days',
  accepted_at timestamptz,
  revoked_at timestamptz,
  CONSTRAINT invitation_lives_a_week CHECK (expires_at <= created_at + interval '7 days'),
  CONSTRAINT invitation_ends_once CHECK (num_nonnulls(accepted_at, revoked_at) <= 1)
);
CREATE UNIQUE INDEX employer_invitation_once ON smile.employer_invitation (employer_id, email)
  WHERE accepted_at IS NULL AND revoked_at IS NULL;
CREATE INDEX employer_invitation_employer ON smile.employer_invitation (employer_id, created_at);
CREATE INDEX employer_invitation_inviter ON smile.employer_invitation (invited_by);
ALTER TABLE smile.employer_invitation ENABLE ROW LEVEL SECURITY;
ALTER TABLE smile.employer_invitation FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_all ON smile.employer_invitation TO smile_owner USING (true);
CREATE POLICY identity_functions ON smile.employer_invitation TO smile_auth USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON smile.employer_invitation TO smile_auth;

-- Who acts for an employer, or is asked to.
CREATE FUNCTION smile.employer_users_of(employer uuid)
RETURNS TABLE (
  id uuid, full_name text, email text, role text, status text, created_at timestamptz, expires_at timestamptz)
LANGUAGE sql STABLE ROWS 20
BEGIN ATOMIC
  SELECT g.id, a.full_name, a.email, g.employer_role, CASE WHEN g.active THEN 'active' ELSE 'invited' END,
    g.created_at, NULL::timestamptz
  FROM smile.account_grant AS g JOIN smile.account AS a ON a.id = g.account_id
  WHERE g.employer_id = employer AND g.kind = 'employer' AND (g.active OR g.waits)
  UNION ALL
  SELECT i.id, i.full_name, i.email, i.role,
    CASE WHEN i.expires_at > smile.security_now() THEN 'invited' ELSE 'expired' END, i.created_at, i.expires_at
  FROM smile.employer_invitation AS i
  WHERE i.employer_id = employer AND i.accepted_at IS NULL AND i.revoked_at IS NULL;
END;

CREATE FUNCTION smile.employer_user_body(employer uuid, wanted uuid) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_strip_nulls(json_build_object('id', u.id, 'full_name', u.full_name, 'email', u.email, 'role', u.role,
    'status', u.status, 'created_at', u.created_at, 'invitation_expires_at', u.expires_at))
  FROM smile.employer_users_of(employer) AS u WHERE u.id = wanted);

-- The number in smile.body_etag().
CREATE FUNCTION smile.body_version(body text) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ('x' || encode(substr(sha256(convert_to(body, 'UTF8')), 1, 7), 'hex'))::bit(56)::bigint;

-- A user comes from one table or two, and moves between them.
CREATE FUNCTION smile.employer_user_version(employer uuid, wanted uuid) RETURNS bigint LANGUAGE sql STABLE
RETURN smile.body_version(smile.employer_user_body(employer, wanted)::text);

CREATE FUNCTION smile.sees_employer_users(employer uuid) RETURNS boolean LANGUAGE sql STABLE
RETURN EXISTS (SELECT FROM smile.employer AS e WHERE e.id = employer)
  AND (coalesce(smile.employer_id() = employer AND smile.role() = 'employer', false)
    OR smile.is_officer('manage_employers'));

SET LOCAL ROLE smile_auth;
DROP FUNCTION smile.employer_users(uuid);
SET LOCAL ROLE smile_owner;

-- For the employer's own users and for officers. NULL when the employer isn't the caller's to see.
CREATE FUNCTION smile.list_employer_users(employer uuid, after uuid, page integer) RETURNS json
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp
BEGIN ATOMIC
  WITH found AS (
    SELECT u.id, row_number() OVER (ORDER BY u.id) AS place
    FROM smile.employer_users_of(employer) AS u
    WHERE smile.sees_employer_users(employer) AND (after IS NULL OR u.id > after)
    ORDER BY u.id LIMIT page + 1)
  SELECT json_strip_nulls(json_build_object(
    'items', coalesce(json_agg(smile.employer_user_body(employer, f.id) ORDER BY f.place)
      FILTER (WHERE f.place <= page), '[]'),
    'next_after', CASE WHEN count(*) > page THEN (SELECT g.id FROM found AS g WHERE g.place = page) END))
  FROM found AS f
  HAVING smile.sees_employer_users(employer);
END;
ALTER FUNCTION smile.list_employer_users(uuid, uuid, integer) OWNER TO smile_auth;

CREATE FUNCTION smile.get_employer_user(employer uuid, wanted uuid, OUT body text, OUT etag text) RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp
BEGIN ATOMIC
  SELECT b.body::text, smile.body_etag(b.body::text)
  FROM (SELECT smile.employer_user_body(employer, wanted) AS body) AS b
  WHERE b.body IS NOT NULL AND smile.sees_employer_users(employer);
END;
ALTER FUNCTION smile.get_employer_user(uuid, uuid) OWNER TO smile_auth;

-- The caller is an administrator of this employer, and still is when those who are have been locked, in the order of
-- their ids: two administrators who remove each other come one after the other.
CREATE FUNCTION smile.lock_administrators(employer uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF NOT (smile.role() = 'employer' AND smile.has_permission('admin')
    AND coalesce(smile.employer_id() = employer, false))
  THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  PERFORM FROM smile.account_grant AS g
  WHERE g.employer_id = employer AND g.kind = 'employer' AND g.employer_role = 'admin' AND g.active
  ORDER BY g.id FOR NO KEY UPDATE;
  IF NOT EXISTS (
    SELECT FROM smile.session AS s JOIN smile.account_grant AS g ON g.id = s.grant_id
    WHERE s.id = smile.session_id() AND s.ended_at IS NULL AND g.active AND g.employer_id = employer
      AND g.employer_role = 'admin')
  THEN
    PERFORM smile.fail(401, 'invalid_token');
  END IF;
END
$$;

-- The administrators are locked. One whose account is disabled can't act, and doesn't count.
CREATE FUNCTION smile.refuse_without_administrator(g smile.account_grant) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF g.active AND g.employer_role = 'admin' AND NOT EXISTS (
    SELECT FROM smile.account_grant AS o JOIN smile.account AS a ON a.id = o.account_id AND a.status = 'active'
    WHERE o.employer_id = g.employer_id AND o.kind = 'employer' AND o.employer_role = 'admin' AND o.active
      AND o.id <> g.id)
  THEN
    PERFORM smile.fail(409, 'last_administrator');
  END IF;
END
$$;

-- Who is no administrator any more brings nobody in either.
CREATE FUNCTION smile.revoke_invitations_of(account uuid, employer uuid) RETURNS void LANGUAGE sql VOLATILE
BEGIN ATOMIC
  UPDATE smile.employer_invitation AS i SET revoked_at = smile.security_now()
  WHERE i.invited_by = account AND i.employer_id = employer AND i.accepted_at IS NULL AND i.revoked_at IS NULL;
END;

-- An invitation goes to whoever reads that address: the answer doesn't tell whether it has an account. 100 a day, and
-- three to one address, are enough for an employer, and little for whoever wants to annoy somebody.
CREATE FUNCTION smile.invite_employer_user(
  employer uuid, email text, full_name text, role text, language text, token_digest bytea, mail_id uuid,
  sealed_token bytea)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  made uuid;
  sent record;
BEGIN
  PERFORM smile.lock_administrators(employer);
  IF EXISTS (
    SELECT FROM smile.employer_users_of(employer) AS u
    WHERE u.email = invite_employer_user.email AND u.status <> 'expired')
  THEN
    PERFORM smile.fail(409, 'employer_user_exists');
  END IF;
  SELECT count(*) AS today, count(*) FILTER (WHERE i.email = invite_employer_user.email) AS to_one INTO sent
  FROM smile.employer_invitation AS i
  WHERE i.employer_id = employer AND i.created_at > smile.security_now() - interval '1 day';
  IF sent.today >= 100 OR sent.to_one >= 3 THEN
    PERFORM smile.fail(429, 'invitation_quota_used', json_build_object('retry_after', 3600));
  END IF;
  UPDATE smile.employer_invitation AS i SET revoked_at = smile.security_now()
  WHERE i.employer_id = employer AND i.email = invite_employer_user.email AND i.accepted_at IS NULL
    AND i.revoked_at IS NULL;
  INSERT INTO smile.employer_invitation (employer_id, email, full_name, language, role, digest, invited_by)
  VALUES (employer, invite_employer_user.email, invite_employer_user.full_name, invite_employer_user.language,
    invite_employer_user.role, token_digest, smile.account_id())
  RETURNING id INTO made;
  INSERT INTO smile.outbox (id, channel, recipient, template, language, parameters, sealed_parameters)
  SELECT mail_id, 'email', invite_employer_user.email, 'employer_invitation', invite_employer_user.language,
    json_build_object('full_name', invite_employer_user.full_name, 'employer_name', e.name), sealed_token
  FROM smile.employer AS e WHERE e.id = employer;
  PERFORM smile.audit('employer_user.invited', 'employer_user', made, json_build_object(
    'employer_id', employer, 'role', invite_employer_user.role));
  RETURN smile.answer(201, smile.employer_user_body(employer, made),
    smile.etag(smile.employer_user_version(employer, made)), format('/v1/employers/%s/users/%s', employer, made));
END
$$;
ALTER FUNCTION smile.invite_employer_user(uuid, text, text, text, text, bytea, uuid, bytea) OWNER TO smile_auth;

-- The user's sessions in the role end, by a trigger; the next log-in asks for what the new role asks for.
CREATE FUNCTION smile.update_employer_user(employer uuid, wanted uuid, wanted_role text, if_match text)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  g smile.account_grant;
  former text;
BEGIN
  PERFORM smile.lock_administrators(employer);
  SELECT x.* INTO g FROM smile.account_grant AS x
  WHERE x.id = wanted AND x.employer_id = employer AND x.kind = 'employer' AND (x.active OR x.waits)
  FOR NO KEY UPDATE;
  IF g.id IS NULL THEN
    SELECT i.role INTO former FROM smile.employer_invitation AS i
    WHERE i.id = wanted AND i.employer_id = employer AND i.accepted_at IS NULL AND i.revoked_at IS NULL FOR UPDATE;
    IF NOT FOUND THEN
      PERFORM smile.fail(404, 'not_found');
    END IF;
  ELSE
    former := g.employer_role;
  END IF;
  PERFORM smile.check_match(if_match, smile.employer_user_version(employer, wanted));
  IF wanted_role <> former THEN
    IF g.id IS NULL THEN
      UPDATE smile.employer_invitation AS i SET role = wanted_role WHERE i.id = wanted;
    ELSE
      PERFORM smile.refuse_without_administrator(g);
      UPDATE smile.account_grant AS x SET employer_role = wanted_role WHERE x.id = wanted;
      PERFORM smile.revoke_invitations_of(g.account_id, employer);
      PERFORM smile.note_security_event(g.account_id, 'grant_changed');
    END IF;
    PERFORM smile.audit('employer_user.changed', 'employer_user', wanted, json_build_object(
      'employer_id', employer, 'role_before', former, 'role', wanted_role));
  END IF;
  RETURN smile.answer(200, smile.employer_user_body(employer, wanted),
    smile.etag(smile.employer_user_version(employer, wanted)));
END
$$;
ALTER FUNCTION smile.update_employer_user(uuid, uuid, text, text) OWNER TO smile_auth;

CREATE FUNCTION smile.remove_employer_user(employer uuid, wanted uuid, if_match text) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  g smile.account_grant;
BEGIN
  PERFORM smile.lock_administrators(employer);
  SELECT x.* INTO g FROM smile.account_grant AS x
  WHERE x.id = wanted AND x.employer_id = employer AND x.kind = 'employer' AND (x.active OR x.waits)
  FOR NO KEY UPDATE;
  IF g.id IS NULL THEN
    PERFORM FROM smile.employer_invitation AS i
    WHERE i.id = wanted AND i.employer_id = employer AND i.accepted_at IS NULL AND i.revoked_at IS NULL FOR UPDATE;
    IF NOT FOUND THEN
      PERFORM smile.fail(404, 'not_found');
    END IF;
  END IF;
  PERFORM smile.check_match(if_match, smile.employer_user_version(employer, wanted));
  IF g.id IS NULL THEN
    UPDATE smile.employer_invitation AS i SET revoked_at = smile.security_now() WHERE i.id = wanted;
  ELSE
    PERFORM smile.refuse_without_administrator(g);
    UPDATE smile.account_grant AS x SET active = false, waits = false WHERE x.id = wanted;
    PERFORM smile.revoke_invitations_of(g.account_id, employer);
    PERFORM smile.note_security_event(g.account_id, 'grant_removed');
  END IF;
  PERFORM smile.audit('employer_user.removed', 'employer_user', wanted, json_build_object('employer_id', employer));
  RETURN smile.answer(204, NULL);
END
$$;
ALTER FUNCTION smile.remove_employer_user(uuid, uuid, text) OWNER TO smile_auth;

-- The invitation of a token that is good. Unknown, used, revoked and expired ones look alike.
CREATE FUNCTION smile.good_invitation(token_digest bytea) RETURNS smile.employer_invitation
LANGUAGE plpgsql STABLE AS $$
DECLARE
  i smile.employer_invitation;
BEGIN
  SELECT x.* INTO i
  FROM smile.employer_invitation AS x JOIN smile.employer AS e ON e.id = x.employer_id AND e.status = 'active'
  WHERE x.digest = token_digest AND x.accepted_at IS NULL AND x.revoked_at IS NULL
    AND x.expires_at > smile.security_now();
  IF i.id IS NULL OR EXISTS (
    SELECT FROM smile.account AS a WHERE a.email = i.email AND a.status = 'disabled')
  THEN
    PERFORM smile.fail(410, 'invitation_invalid');
  END IF;
  RETURN i;
END
$$;

-- What the server needs to know of whoever brings the token: whether a password is to be chosen, and what it may not
-- be made of.
CREATE FUNCTION smile.begin_invitation(token_digest bytea) RETURNS TABLE (password_wanted boolean, words text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  i CONSTANT smile.employer_invitation := smile.good_invitation(token_digest);
BEGIN
  RETURN QUERY SELECT
    NOT EXISTS (SELECT FROM smile.account AS a WHERE a.email = i.email AND a.status = 'active'),
    concat_ws(E'\n', i.email, i.full_name, (SELECT e.name FROM smile.employer AS e WHERE e.id = i.employer_id));
END
$$;
ALTER FUNCTION smile.begin_invitation(bytea) OWNER TO smile_auth;

-- Uses the token, once: the role joins the account of this address, or a new account with the password chosen.
CREATE FUNCTION smile.accept_invitation(token_digest bytea, chosen_hash text) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  i smile.employer_invitation;
  account uuid;
BEGIN
  PERFORM FROM smile.employer_invitation AS x WHERE x.digest = token_digest FOR UPDATE;
  i := smile.good_invitation(token_digest);
  SELECT a.id INTO account FROM smile.account AS a
  WHERE a.email = i.email AND a.status = 'active' FOR NO KEY UPDATE;
  IF (account IS NULL) <> (chosen_hash IS NOT NULL) THEN
    -- The address got its account, or lost it, since the server asked.
    PERFORM smile.fail(409, 'account_exists');
  END IF;
  BEGIN
    IF account IS NULL THEN
      INSERT INTO smile.account (email, full_name, password_hash, language, status, confirmed_at)
      VALUES (i.email, i.full_name, chosen_hash, i.language, 'active', smile.security_now())
      RETURNING id INTO account;
      PERFORM smile.note_security_event(account, 'account_confirmed');
    ELSE
      PERFORM smile.note_security_event(account, 'grant_added');
    END IF;
    INSERT INTO smile.account_grant (id, account_id, kind, employer_id, employer_role, active)
    VALUES (i.id, account, 'employer', i.employer_id, i.role, true);
  EXCEPTION WHEN unique_violation THEN
    PERFORM smile.fail(409, 'account_exists');
  END;
  UPDATE smile.employer_invitation AS x SET accepted_at = smile.security_now() WHERE x.id = i.id;
  PERFORM smile.audit('employer_user.joined', 'employer_user', i.id, json_build_object(
    'employer_id', i.employer_id, 'account_id', account, 'role', i.role));
  RETURN smile.answer(200, json_build_object('email', i.email, 'employer_id', i.employer_id,
    'employer_name', (SELECT e.name FROM smile.employer AS e WHERE e.id = i.employer_id), 'role', i.role));
END
$$;
ALTER FUNCTION smile.accept_invitation(bytea, text) OWNER TO smile_auth;

SET LOCAL ROLE smile_auth;
-- As before; only a grant that waits.
CREATE OR REPLACE FUNCTION smile.confirm_registration(token_digest bytea) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  t smile.mail_token;
  a smile.account;
  happened text := 'grant_added';
BEGIN
  UPDATE smile.mail_token AS m SET used_at = smile.security_now()
  WHERE m.digest = token_digest AND m.purpose = 'registration' AND m.used_at IS NULL
    AND m.expires_at > smile.security_now()
  RETURNING m.* INTO t;
  IF t.digest IS NULL THEN
    PERFORM smile.fail(410, 'confirmation_token_invalid');
  END IF;
  SELECT * INTO a FROM smile.account AS x WHERE x.id = t.account_id FOR UPDATE;
  IF a.status = 'disabled' THEN
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

DROP FUNCTION smile.resend_confirmation(text, bytea, uuid, bytea);
SET LOCAL ROLE smile_owner;
-- As before; only for a grant that waits, and while the recipient hasn't had enough. email_key: keyed hash of the
-- address that was typed.
CREATE FUNCTION smile.resend_confirmation(
  email text, email_key bytea, token_digest bytea, mail_id uuid, sealed_token bytea)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  waiting record;
BEGIN
  SELECT a.id AS account_id, a.full_name, a.language, g.id AS grant_id, mailed.newest, mailed.today INTO waiting
  FROM smile.account AS a
  JOIN smile.account_grant AS g ON g.account_id = a.id AND g.waits
  CROSS JOIN LATERAL (
    SELECT max(t.created_at) AS newest,
      count(*) FILTER (WHERE t.created_at > smile.security_now() - interval '24 hours') AS today
    FROM smile.mail_token AS t WHERE t.account_id = a.id) AS mailed
  WHERE a.email = resend_confirmation.email AND a.status <> 'disabled'
  ORDER BY g.created_at DESC, g.id DESC
  LIMIT 1;
  IF waiting.account_id IS NOT NULL AND waiting.today < 5
    AND waiting.newest < smile.security_now() - interval '1 minute'
    AND smile.may_mail('registration', email_key)
  THEN
    PERFORM smile.mail_confirmation(
      waiting.account_id, waiting.grant_id, email, waiting.full_name, waiting.language, token_digest, mail_id,
      sealed_token);
  END IF;
  RETURN smile.registration_accepted();
END
$$;
ALTER FUNCTION smile.resend_confirmation(text, bytea, bytea, uuid, bytea) OWNER TO smile_auth;

SET LOCAL ROLE smile_auth;
-- As before, with invitations that came to nothing: the invited never became ours to know.
CREATE OR REPLACE FUNCTION smile.purge_identity() RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp
BEGIN ATOMIC
  DELETE FROM smile.access_token AS t WHERE t.expires_at <= smile.security_now();
  DELETE FROM smile.mail_token AS t WHERE t.expires_at <= smile.security_now() - interval '7 days';
  DELETE FROM smile.log_in_throttle AS t WHERE t.window_ends_at <= smile.security_now();
  DELETE FROM smile.mfa_challenge AS c WHERE c.expires_at <= smile.security_now();
  DELETE FROM smile.known_device AS d WHERE d.expires_at <= smile.security_now();
  DELETE FROM smile.totp AS t
  WHERE t.confirmed_at IS NULL AND t.created_at <= smile.security_now() - interval '1 hour';
  DELETE FROM smile.employer_invitation AS i WHERE i.expires_at <= smile.security_now() - interval '30 days';
  DELETE FROM smile.account AS a
  WHERE a.status = 'pending' AND a.created_at <= smile.security_now() - interval '30 days';
  DELETE FROM smile.session AS s WHERE s.expires_at <= smile.security_now() - interval '90 days';
  -- They hold addresses.
  DELETE FROM smile.contact_change AS c WHERE c.created_at <= smile.security_now() - interval '90 days';
END;
SET LOCAL ROLE smile_owner;

REVOKE EXECUTE ON FUNCTION
  smile.end_waiting(), smile.employer_users_of(uuid), smile.employer_user_body(uuid, uuid),
  smile.employer_user_version(uuid, uuid), smile.sees_employer_users(uuid), smile.lock_administrators(uuid),
  smile.refuse_without_administrator(smile.account_grant), smile.revoke_invitations_of(uuid, uuid),
  smile.good_invitation(bytea), smile.body_version(text)
FROM smile_api, smile_jobs;
