-- Four eyes for what officers may do. An officer with manage_officers who could give permissions alone could make a
-- second self with all that the first one lacks. So what is added to an officer's permissions is requested by one and
-- approved by another; what is taken away is gone at once. smile-admin, which has the database's own access, needs
-- nobody's approval.

-- requested_permissions: all that the officer is to have, while another officer's approval is missing. requested_by and
-- approved_by stay as they were for the last request.
ALTER TABLE smile.account_grant
  ADD COLUMN requested_permissions text[],
  ADD COLUMN requested_by uuid,
  ADD COLUMN approved_by uuid,
  ADD CONSTRAINT permissions_requested_by_somebody CHECK (requested_permissions IS NULL OR requested_by IS NOT NULL),
  ADD CONSTRAINT permissions_approved_by_another CHECK (approved_by <> requested_by);

-- Held here, whatever function writes: an officer adds no permission but by approving what another one has requested,
-- and one who was sent away comes back without any.
CREATE FUNCTION smile.refuse_unapproved_permissions() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  had CONSTANT text[] := CASE WHEN TG_OP = 'UPDATE' AND OLD.active THEN OLD.permissions ELSE '{}' END;
BEGIN
  IF smile.role() = 'officer' AND NEW.kind = 'officer' AND NEW.active AND NOT NEW.permissions <@ had
    AND (TG_OP = 'INSERT' OR NEW.approved_by IS DISTINCT FROM smile.account_id()
      OR NEW.requested_by IS DISTINCT FROM OLD.requested_by
      OR NEW.permissions IS DISTINCT FROM OLD.requested_permissions)
  THEN
    PERFORM smile.fail(403, 'own_request');
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER officer_permissions_approved BEFORE INSERT OR UPDATE ON smile.account_grant
  FOR EACH ROW WHEN (NEW.kind = 'officer') EXECUTE FUNCTION smile.refuse_unapproved_permissions();

-- Requested ones are known and in order as well. (Triggers of one kind run by name: this one before the one above.)
CREATE OR REPLACE FUNCTION smile.check_permissions() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  unknown text;
BEGIN
  SELECT p INTO unknown FROM unnest(NEW.permissions || NEW.requested_permissions) AS p
  WHERE NOT EXISTS (SELECT FROM smile.officer_permission AS k WHERE k.code = p) LIMIT 1;
  IF unknown IS NOT NULL THEN
    PERFORM smile.refuse(422, 'unknown_permission', '/permissions');
  END IF;
  NEW.permissions := ARRAY(SELECT DISTINCT p FROM unnest(NEW.permissions) AS p ORDER BY p);
  IF NEW.requested_permissions IS NOT NULL THEN
    NEW.requested_permissions := ARRAY(SELECT DISTINCT p FROM unnest(NEW.requested_permissions) AS p ORDER BY p);
  END IF;
  RETURN NEW;
END
$$;
DROP TRIGGER grant_permissions_known ON smile.account_grant;
CREATE TRIGGER grant_permissions_known BEFORE INSERT OR UPDATE OF permissions, requested_permissions
  ON smile.account_grant
  FOR EACH ROW WHEN (NEW.permissions <> '{}' OR NEW.requested_permissions IS NOT NULL)
  EXECUTE FUNCTION smile.check_permissions();

-- A request changes nothing yet: the officer's sessions go on.
DROP TRIGGER grant_changes ON smile.account_grant;
CREATE TRIGGER grant_changes AFTER UPDATE ON smile.account_grant
  FOR EACH ROW WHEN ((NEW.kind, NEW.member_id, NEW.employer_id, NEW.employer_role, NEW.permissions, NEW.active)
    IS DISTINCT FROM (OLD.kind, OLD.member_id, OLD.employer_id, OLD.employer_role, OLD.permissions, OLD.active))
  EXECUTE FUNCTION smile.end_grant_sessions();

CREATE OR REPLACE FUNCTION smile.officer_body(wanted uuid) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_strip_nulls(json_build_object('id', g.id, 'account_id', a.id, 'full_name', a.full_name,
    'email', a.email, 'permissions', g.permissions, 'requested_permissions', g.requested_permissions,
    'requested_by', CASE WHEN g.requested_permissions IS NOT NULL THEN g.requested_by END,
    'active', g.active AND a.status = 'active', 'created_at', g.created_at))
  FROM smile.account_grant AS g JOIN smile.account AS a ON a.id = g.account_id
  WHERE g.id = wanted AND g.kind = 'officer');

SET LOCAL ROLE smile_auth;
-- As before, but the new officer has no permission until another one has approved them.
CREATE OR REPLACE FUNCTION smile.create_officer_by_invitation(
  email text, full_name text, permissions text[], language text, unguessable_hash text, token_digest bytea,
  mail_id uuid, sealed_token bytea)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  wanted CONSTANT text[] := nullif(create_officer_by_invitation.permissions, '{}');
  account uuid;
  made uuid;
BEGIN
  IF NOT smile.is_officer('manage_officers') THEN
    PERFORM smile.fail(403, 'insufficient_scope');
  END IF;
  PERFORM smile.refuse_ungrantable('{}', create_officer_by_invitation.permissions);
  SELECT a.id INTO account FROM smile.account AS a
  WHERE a.email = create_officer_by_invitation.email AND a.status <> 'pending' FOR NO KEY UPDATE;
  IF account = smile.account_id() THEN
    PERFORM smile.fail(403, 'own_permissions');
  ELSIF EXISTS (SELECT FROM smile.account_grant AS g WHERE g.account_id = account AND g.kind = 'officer') THEN
    PERFORM smile.fail(409, 'officer_exists');
  END IF;
  BEGIN
    IF account IS NULL THEN
      INSERT INTO smile.account (email, full_name, password_hash, language, status, confirmed_at)
      VALUES (create_officer_by_invitation.email, create_officer_by_invitation.full_name, unguessable_hash,
        create_officer_by_invitation.language, 'active', smile.security_now())
      RETURNING id INTO account;
      PERFORM smile.mail_password_token(
        account, 'officer_invitation', interval '24 hours', token_digest, mail_id, sealed_token);
    ELSE
      PERFORM smile.note_security_event(account, 'grant_added');
    END IF;
    INSERT INTO smile.account_grant (account_id, kind, active, requested_permissions, requested_by)
    VALUES (account, 'officer', true, wanted, CASE WHEN wanted IS NOT NULL THEN smile.account_id() END)
    RETURNING id INTO made;
  EXCEPTION WHEN unique_violation THEN
    PERFORM smile.fail(409, 'officer_exists');
  END;
  PERFORM smile.audit('officer.created', 'account', account,
    json_build_object('officer_id', made, 'requested_permissions', wanted));
  RETURN smile.answer(201, smile.officer_body(made), smile.etag(smile.officer_version(made)),
    '/v1/officers/' || made);
END
$$;

-- NULL leaves a member of the patch as it is. What is taken away is gone at once; what is added, and all of it for one
-- who comes back, waits for another officer, in place of an older request. Every change of what holds ends the
-- officer's sessions: a trigger sees to it.
CREATE OR REPLACE FUNCTION smile.update_officer(
  wanted uuid, wanted_permissions text[], wanted_active boolean, if_match text)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  g smile.account_grant;
  becomes smile.account_grant;
  goal text[];
BEGIN
  IF NOT smile.is_officer('manage_officers') THEN
    PERFORM smile.fail(403, 'insufficient_scope');
  END IF;
  SELECT x.* INTO g FROM smile.account_grant AS x WHERE x.id = wanted AND x.kind = 'officer' FOR UPDATE;
  IF g.id IS NULL THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  PERFORM smile.check_match(if_match, smile.officer_version(wanted));
  IF g.account_id = smile.account_id() THEN
    PERFORM smile.fail(403, 'own_permissions');
  END IF;
  PERFORM smile.refuse_ungrantable(g.permissions, coalesce(wanted_permissions, g.permissions));
  IF wanted_permissions IS NOT NULL OR wanted_active IS NOT NULL THEN
    becomes := g;
    becomes.active := coalesce(wanted_active, g.active);
    goal := coalesce(wanted_permissions, g.permissions);
    becomes.permissions := CASE WHEN becomes.active AND NOT g.active THEN '{}'
      ELSE ARRAY(SELECT p FROM unnest(g.permissions) AS p WHERE p = ANY (goal) ORDER BY p) END;
    IF wanted_permissions IS NOT NULL OR becomes.active <> g.active THEN
      becomes.requested_permissions := CASE
        WHEN NOT goal <@ becomes.permissions AND (becomes.active OR wanted_permissions IS NOT NULL) THEN goal END;
    END IF;
    IF becomes.requested_permissions IS DISTINCT FROM g.requested_permissions THEN
      becomes.requested_by := smile.account_id();
      becomes.approved_by := NULL;
    END IF;
    UPDATE smile.account_grant AS x
    SET permissions = becomes.permissions, active = becomes.active,
      requested_permissions = becomes.requested_permissions, requested_by = becomes.requested_by,
      approved_by = becomes.approved_by
    WHERE x.id = wanted;
    IF (becomes.permissions, becomes.active) IS DISTINCT FROM (g.permissions, g.active) THEN
      PERFORM smile.note_security_event(g.account_id, 'grant_changed');
    END IF;
    PERFORM smile.audit('officer.changed', 'account', g.account_id, json_build_object(
      'officer_id', wanted, 'permissions_before', g.permissions, 'permissions', becomes.permissions,
      'requested_permissions', becomes.requested_permissions, 'active', becomes.active));
  END IF;
  RETURN smile.answer(200, smile.officer_body(wanted), smile.etag(smile.officer_version(wanted)));
END
$$;

SET LOCAL ROLE smile_owner;
-- Another officer's yes to what was requested, as it stands under this tag.
CREATE FUNCTION smile.approve_officer(wanted uuid, if_match text) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  g smile.account_grant;
BEGIN
  IF NOT smile.is_officer('manage_officers') THEN
    PERFORM smile.fail(403, 'insufficient_scope');
  END IF;
  SELECT x.* INTO g FROM smile.account_grant AS x WHERE x.id = wanted AND x.kind = 'officer' FOR UPDATE;
  IF g.id IS NULL THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  PERFORM smile.check_match(if_match, smile.officer_version(wanted));
  IF g.account_id = smile.account_id() THEN
    PERFORM smile.fail(403, 'own_permissions');
  ELSIF g.requested_permissions IS NULL THEN
    PERFORM smile.fail(409, 'nothing_requested');
  ELSIF g.requested_by = smile.account_id() THEN
    PERFORM smile.fail(403, 'own_request');
  END IF;
  UPDATE smile.account_grant AS x
  SET permissions = g.requested_permissions, requested_permissions = NULL, approved_by = smile.account_id()
  WHERE x.id = wanted;
  PERFORM smile.note_security_event(g.account_id, 'grant_changed');
  PERFORM smile.audit('officer.approved', 'account', g.account_id, json_build_object(
    'officer_id', wanted, 'permissions_before', g.permissions, 'permissions', g.requested_permissions,
    'requested_by', g.requested_by));
  RETURN smile.answer(200, smile.officer_body(wanted), smile.etag(smile.officer_version(wanted)));
END
$$;
ALTER FUNCTION smile.approve_officer(uuid, text) OWNER TO smile_auth;

REVOKE EXECUTE ON FUNCTION smile.refuse_unapproved_permissions() FROM smile_api, smile_jobs;
