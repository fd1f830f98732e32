-- An employer of which nobody can act any more (accounts closed, or the first one never confirmed) could have nobody
-- invited. An officer who manages employers may then invite an administrator, or make one of a user, and may do neither
-- while an administrator can act. The employer is told at its own address.

-- The caller stands in for the administrators of an employer that has none. Open invitations of administrators give
-- way, such as one to a mistyped address; whoever accepts one at this moment comes first.
CREATE FUNCTION smile.stand_in_for_administrators(employer uuid, role text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM smile.employer AS e WHERE e.id = employer AND e.status = 'active') THEN
    PERFORM smile.fail(404, 'not_found');
  ELSIF EXISTS (
    SELECT FROM smile.account_grant AS g
    WHERE g.account_id = smile.account_id() AND g.employer_id = employer AND (g.active OR g.waits))
  THEN
    PERFORM smile.fail(403, 'own_employer');
  ELSIF role <> 'admin' THEN
    PERFORM smile.refuse(422, 'administrator_wanted', '/role');
  END IF;
  -- Two officers come one after the other.
  PERFORM pg_advisory_xact_lock(hashtextextended(employer::text, 197));
  UPDATE smile.employer_invitation AS i SET revoked_at = smile.security_now()
  WHERE i.employer_id = employer AND i.role = 'admin' AND i.accepted_at IS NULL AND i.revoked_at IS NULL;
  PERFORM FROM smile.account_grant AS g
  WHERE g.employer_id = employer AND g.kind = 'employer' ORDER BY g.id FOR NO KEY UPDATE;
  IF EXISTS (
    SELECT FROM smile.account_grant AS g JOIN smile.account AS a ON a.id = g.account_id AND a.status = 'active'
    WHERE g.employer_id = employer AND g.kind = 'employer' AND g.employer_role = 'admin' AND g.active)
  THEN
    PERFORM smile.fail(409, 'employer_has_administrator');
  END IF;
END
$$;

CREATE FUNCTION smile.lock_employer_users(employer uuid, role text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF smile.is_officer('manage_employers') THEN
    PERFORM smile.stand_in_for_administrators(employer, role);
  ELSE
    PERFORM smile.lock_administrators(employer);
  END IF;
END
$$;

GRANT SELECT (email) ON smile.employer TO smile_auth;
CREATE FUNCTION smile.tell_of_stand_in(employer uuid) RETURNS void LANGUAGE sql VOLATILE
BEGIN ATOMIC
  INSERT INTO smile.outbox (channel, recipient, template, language, parameters)
  SELECT 'email', e.email, 'employer_administrator_appointed', 'id', json_build_object('name', e.name)
  FROM smile.employer AS e WHERE e.id = employer AND smile.role() = 'officer';
END;

SET LOCAL ROLE smile_auth;
-- As before; an officer too, for whom it is an administrator or nobody.
CREATE OR REPLACE FUNCTION smile.invite_employer_user(
  employer uuid, email text, full_name text, role text, language text, token_digest bytea, mail_id uuid,
  sealed_token bytea)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  made uuid;
  sent record;
BEGIN
  PERFORM smile.lock_employer_users(employer, role);
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
  PERFORM smile.tell_of_stand_in(employer);
  RETURN smile.answer(201, smile.employer_user_body(employer, made),
    smile.etag(smile.employer_user_version(employer, made)), format('/v1/employers/%s/users/%s', employer, made));
END
$$;

-- As before; an officer too, for whom it is an administrator or nobody.
CREATE OR REPLACE FUNCTION smile.update_employer_user(employer uuid, wanted uuid, wanted_role text, if_match text)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  g smile.account_grant;
  former text;
BEGIN
  IF smile.is_officer('manage_employers') AND NOT EXISTS (
    SELECT FROM smile.employer_users_of(employer) AS u WHERE u.id = wanted)
  THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  PERFORM smile.lock_employer_users(employer, wanted_role);
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
    PERFORM smile.tell_of_stand_in(employer);
  END IF;
  RETURN smile.answer(200, smile.employer_user_body(employer, wanted),
    smile.etag(smile.employer_user_version(employer, wanted)));
END
$$;
SET LOCAL ROLE smile_owner;

REVOKE EXECUTE ON FUNCTION smile.stand_in_for_administrators(uuid, text), smile.lock_employer_users(uuid, text),
  smile.tell_of_stand_in(uuid) FROM smile_api, smile_jobs;
