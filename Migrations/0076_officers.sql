-- Officers: their permissions as data, and who may give them. smile-admin makes the first; after that officers with
-- manage_officers do, never for themselves, and never this permission: it comes and goes through smile-admin alone, so
-- that nobody in the system can make another one who rules over it.

CREATE TABLE smile.officer_permission (
  code text PRIMARY KEY CHECK (code ~ '^[a-z_]{1,40}$'),
  -- Whether officers may give it to others.
  grantable boolean NOT NULL DEFAULT true,
  title_id text NOT NULL,
  title_en text NOT NULL
);
INSERT INTO smile.officer_permission (code, grantable, title_id, title_en) VALUES
  ('read_members', true, 'Membaca data peserta', 'Read members'' records'),
  ('verify_members', true, 'Memverifikasi peserta', 'Verify members'),
  ('manage_employers', true, 'Mengelola perusahaan', 'Manage employers'),
  ('review_claims', true, 'Memeriksa klaim', 'Review claims'),
  ('approve_claims', true, 'Menyetujui klaim', 'Approve claims'),
  ('pay_claims', true, 'Membayar klaim', 'Pay claims'),
  ('manage_billing', true, 'Mengelola tagihan', 'Manage billing'),
  ('manage_parameters', true, 'Mengelola parameter', 'Manage parameters'),
  ('publish', true, 'Menerbitkan informasi', 'Publish'),
  ('manage_officers', false, 'Mengelola petugas', 'Manage officers'),
  ('manage_clients', true, 'Mengelola klien mesin', 'Manage machine clients'),
  ('read_audit', true, 'Membaca jejak audit', 'Read the audit trail');
ALTER TABLE smile.officer_permission ENABLE ROW LEVEL SECURITY;
ALTER TABLE smile.officer_permission FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_all ON smile.officer_permission TO smile_owner USING (true);
CREATE POLICY everyone_reads ON smile.officer_permission FOR SELECT TO smile_api, smile_auth USING (true);
GRANT SELECT ON smile.officer_permission TO smile_api, smile_auth;

-- The list above takes the place of the one in the table's check.
ALTER TABLE smile.account_grant DROP CONSTRAINT known_permissions;
CREATE FUNCTION smile.check_permissions() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  unknown text;
BEGIN
  SELECT p INTO unknown FROM unnest(NEW.permissions) AS p
  WHERE NOT EXISTS (SELECT FROM smile.officer_permission AS k WHERE k.code = p) LIMIT 1;
  IF unknown IS NOT NULL THEN
    PERFORM smile.refuse(422, 'unknown_permission', '/permissions');
  END IF;
  NEW.permissions := ARRAY(SELECT DISTINCT p FROM unnest(NEW.permissions) AS p ORDER BY p);
  RETURN NEW;
END
$$;
CREATE TRIGGER grant_permissions_known BEFORE INSERT OR UPDATE OF permissions ON smile.account_grant
  FOR EACH ROW WHEN (NEW.permissions <> '{}') EXECUTE FUNCTION smile.check_permissions();

-- One row an officer, active or not: who comes back is the same officer.
CREATE UNIQUE INDEX account_grant_one_officer ON smile.account_grant (account_id) WHERE kind = 'officer';
DROP INDEX smile.account_grant_officer_once;

ALTER TABLE smile.account_grant ADD COLUMN version bigint NOT NULL DEFAULT 1;
CREATE TRIGGER grant_version BEFORE UPDATE ON smile.account_grant FOR EACH ROW EXECUTE FUNCTION smile.bump_version();

CREATE FUNCTION smile.officer_body(wanted uuid) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_build_object('id', g.id, 'account_id', a.id, 'full_name', a.full_name, 'email', a.email,
    'permissions', g.permissions, 'active', g.active AND a.status = 'active', 'created_at', g.created_at)
  FROM smile.account_grant AS g JOIN smile.account AS a ON a.id = g.account_id
  WHERE g.id = wanted AND g.kind = 'officer');

-- The representation comes from two rows; the sum of their versions changes with either.
CREATE FUNCTION smile.officer_version(wanted uuid) RETURNS bigint LANGUAGE sql STABLE
RETURN (
  SELECT g.version + a.version
  FROM smile.account_grant AS g JOIN smile.account AS a ON a.id = g.account_id WHERE g.id = wanted);

CREATE FUNCTION smile.list_officers(after uuid, page integer) RETURNS json
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp
BEGIN ATOMIC
  WITH found AS (
    SELECT g.id, row_number() OVER (ORDER BY g.id) AS place
    FROM smile.account_grant AS g
    WHERE g.kind = 'officer' AND smile.is_officer('manage_officers') AND (after IS NULL OR g.id > after)
    ORDER BY g.id LIMIT page + 1)
  SELECT json_strip_nulls(json_build_object(
    'items', coalesce(json_agg(smile.officer_body(f.id) ORDER BY f.place) FILTER (WHERE f.place <= page), '[]'),
    'next_after', CASE WHEN count(*) > page THEN (SELECT g.id FROM found AS g WHERE g.place = page) END))
  FROM found AS f;
END;
ALTER FUNCTION smile.list_officers(uuid, integer) OWNER TO smile_auth;

CREATE FUNCTION smile.get_officer(wanted uuid, OUT body text, OUT etag text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp
BEGIN ATOMIC
  SELECT smile.officer_body(g.id)::text, smile.etag(smile.officer_version(g.id))
  FROM smile.account_grant AS g
  WHERE g.id = wanted AND g.kind = 'officer' AND smile.is_officer('manage_officers');
END;
ALTER FUNCTION smile.get_officer(uuid) OWNER TO smile_auth;

-- What of a list of permissions an officer may neither give nor take.
CREATE FUNCTION smile.refuse_ungrantable(before text[], after text[]) RETURNS void LANGUAGE plpgsql STABLE AS $$
BEGIN
  IF EXISTS (
    SELECT FROM smile.officer_permission AS k
    WHERE NOT k.grantable AND (k.code = ANY (before)) <> (k.code = ANY (after)))
  THEN
    PERFORM smile.fail(403, 'permission_not_grantable');
  END IF;
END
$$;

-- A new officer sets the first password with the mailed token; who has an account already keeps it and is told.
-- unguessable_hash: of a password that nobody knows.
CREATE FUNCTION smile.create_officer_by_invitation(
  email text, full_name text, permissions text[], language text, unguessable_hash text, token_digest bytea,
  mail_id uuid, sealed_token bytea)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
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
    INSERT INTO smile.account_grant (account_id, kind, permissions, active)
    VALUES (account, 'officer', create_officer_by_invitation.permissions, true)
    RETURNING id INTO made;
  EXCEPTION WHEN unique_violation THEN
    PERFORM smile.fail(409, 'officer_exists');
  END;
  PERFORM smile.audit('officer.created', 'account', account,
    json_build_object('officer_id', made, 'permissions', create_officer_by_invitation.permissions));
  RETURN smile.answer(201, smile.officer_body(made), smile.etag(smile.officer_version(made)),
    '/v1/officers/' || made);
END
$$;
ALTER FUNCTION smile.create_officer_by_invitation(text, text, text[], text, text, bytea, uuid, bytea)
OWNER TO smile_auth;

-- NULL leaves a member of the patch as it is. Every change ends the officer's sessions: a trigger sees to it.
CREATE FUNCTION smile.update_officer(wanted uuid, wanted_permissions text[], wanted_active boolean, if_match text)
RETURNS smile.answer_row
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
  END IF;
  PERFORM smile.refuse_ungrantable(g.permissions, coalesce(wanted_permissions, g.permissions));
  IF wanted_permissions IS NOT NULL OR wanted_active IS NOT NULL THEN
    UPDATE smile.account_grant AS x
    SET permissions = coalesce(wanted_permissions, x.permissions), active = coalesce(wanted_active, x.active)
    WHERE x.id = wanted;
    PERFORM smile.note_security_event(g.account_id, 'grant_changed');
    PERFORM smile.audit('officer.changed', 'account', g.account_id, json_build_object(
      'officer_id', wanted, 'permissions_before', g.permissions, 'permissions', wanted_permissions,
      'active', wanted_active));
  END IF;
  RETURN smile.answer(200, smile.officer_body(wanted), smile.etag(smile.officer_version(wanted)));
END
$$;
ALTER FUNCTION smile.update_officer(uuid, text[], boolean, text) OWNER TO smile_auth;

REVOKE EXECUTE ON FUNCTION
  smile.officer_body(uuid), smile.officer_version(uuid), smile.refuse_ungrantable(text[], text[])
FROM smile_api, smile_jobs;

-- For smile-admin alone, which connects as the owner: every permission, and an officer who was sent away comes back.
CREATE OR REPLACE FUNCTION smile.create_officer(email text, full_name text, permissions text[], password_hash text)
RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
  account uuid;
BEGIN
  SELECT a.id INTO account FROM smile.account AS a
  WHERE a.email = lower(create_officer.email) AND a.status <> 'pending';
  IF account IS NULL THEN
    INSERT INTO smile.account (email, full_name, password_hash, status, confirmed_at)
    VALUES (lower(create_officer.email), create_officer.full_name, create_officer.password_hash, 'active',
      smile.security_now())
    RETURNING id INTO account;
  END IF;
  UPDATE smile.account_grant AS g SET permissions = create_officer.permissions, active = true
  WHERE g.account_id = account AND g.kind = 'officer';
  IF NOT FOUND THEN
    INSERT INTO smile.account_grant (account_id, kind, permissions, active)
    VALUES (account, 'officer', create_officer.permissions, true);
  END IF;
  PERFORM smile.audit('officer.created', 'account', account,
    json_build_object('permissions', create_officer.permissions));
  RETURN account;
END
$$;
