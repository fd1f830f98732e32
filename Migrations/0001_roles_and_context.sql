-- role: superuser
-- The roles, the two schemas, and the context that row-level security reads.
-- Roles belong to the cluster, so several databases of one cluster share them.

DO $roles$
DECLARE
  wanted record;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('smile.roles'));
  FOR wanted IN
    SELECT * FROM (VALUES
      ('smile_owner', 'NOLOGIN'),
      ('smile_auth', 'NOLOGIN'),
      ('smile_api', 'LOGIN'),
      ('smile_jobs', 'LOGIN'),
      ('smile_backup', 'LOGIN BYPASSRLS')
    ) AS r (name, attributes)
  LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted.name) THEN
      EXECUTE format('CREATE ROLE %I %s NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT', wanted.name, wanted.attributes);
    END IF;
  END LOOP;
END
$roles$;

-- A slow or stuck statement ends before the client gives up; a bad token must not write a log line.
ALTER ROLE smile_api SET jit = off;
ALTER ROLE smile_api SET lock_timeout = '2s';
ALTER ROLE smile_api SET statement_timeout = '10s';
ALTER ROLE smile_api SET idle_in_transaction_session_timeout = '15s';
ALTER ROLE smile_api SET log_min_messages = panic;
ALTER ROLE smile_api SET log_min_error_statement = panic;
ALTER ROLE smile_api SET search_path = smile, api, pg_catalog;
ALTER ROLE smile_jobs SET jit = off;
ALTER ROLE smile_jobs SET lock_timeout = '5s';
ALTER ROLE smile_jobs SET idle_in_transaction_session_timeout = '60s';
ALTER ROLE smile_jobs SET search_path = smile, api, pg_catalog;
ALTER ROLE smile_owner SET search_path = smile, api, pg_catalog;

CREATE EXTENSION IF NOT EXISTS btree_gist;
CREATE EXTENSION IF NOT EXISTS pg_trgm;

CREATE SCHEMA smile AUTHORIZATION smile_owner;
CREATE SCHEMA api AUTHORIZATION smile_owner;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO smile_owner, smile_auth, smile_api, smile_jobs, smile_backup;
GRANT USAGE ON SCHEMA smile, api TO smile_auth, smile_api, smile_jobs, smile_backup;
-- smile_owner hands definer functions over to smile_auth.
GRANT smile_auth TO smile_owner;
GRANT CREATE ON SCHEMA smile TO smile_auth;

ALTER DEFAULT PRIVILEGES FOR ROLE smile_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE smile_auth REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE smile_owner IN SCHEMA smile
  GRANT EXECUTE ON FUNCTIONS TO smile_api, smile_jobs, smile_auth;
ALTER DEFAULT PRIVILEGES FOR ROLE smile_owner IN SCHEMA smile GRANT SELECT ON TABLES TO smile_backup;
ALTER DEFAULT PRIVILEGES FOR ROLE smile_owner IN SCHEMA api GRANT SELECT ON TABLES TO smile_backup;
-- pg_dump locks and reads everything there is, the list of applied migrations too.
ALTER DEFAULT PRIVILEGES FOR ROLE smile_owner IN SCHEMA smile GRANT SELECT ON SEQUENCES TO smile_backup;
DO $backup$
BEGIN
  IF to_regnamespace('smile_migration') IS NOT NULL THEN
    GRANT USAGE ON SCHEMA smile_migration TO smile_backup;
    GRANT SELECT ON ALL TABLES IN SCHEMA smile_migration TO smile_backup;
  END IF;
END
$backup$;

SET ROLE smile_owner;

-- The caller, as smile.authenticate() found it. Each setting lives for one transaction; an unset one reads ''.
CREATE FUNCTION smile.role() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN coalesce(nullif(current_setting('smile.role', true), ''), 'none');

CREATE FUNCTION smile.account_id() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('smile.account_id', true), '')::uuid;

CREATE FUNCTION smile.session_id() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('smile.session_id', true), '')::uuid;

CREATE FUNCTION smile.client_id() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('smile.client_id', true), '')::uuid;

CREATE FUNCTION smile.member_id() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('smile.member_id', true), '')::uuid;

CREATE FUNCTION smile.employer_id() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('smile.employer_id', true), '')::uuid;

CREATE FUNCTION smile.request_id() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('smile.request_id', true), '')::uuid;

-- Officer permissions, client scopes, or the role of an employer's user: one list, separated by spaces.
CREATE FUNCTION smile.has_permission(wanted text) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
RETURN wanted = ANY (string_to_array(coalesce(current_setting('smile.permissions', true), ''), ' '));

CREATE FUNCTION smile.is_officer(permission text) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
RETURN smile.role() = 'officer' AND smile.has_permission(permission);

-- Two clocks. Due dates, ages and fines follow the business clock, which a sandbox may set; tokens, throttles and
-- idempotency follow the security clock, which only tests move.
CREATE TABLE smile.clock (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  business_at timestamptz,
  security_offset interval NOT NULL DEFAULT '0'
);
INSERT INTO smile.clock (singleton) VALUES (true);
ALTER TABLE smile.clock ENABLE ROW LEVEL SECURITY;
ALTER TABLE smile.clock FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_all ON smile.clock TO smile_owner USING (true);
CREATE POLICY everyone_reads ON smile.clock FOR SELECT TO smile_api, smile_jobs, smile_auth USING (true);
GRANT SELECT ON smile.clock TO smile_api, smile_jobs, smile_auth;

CREATE FUNCTION smile.now() RETURNS timestamptz LANGUAGE sql STABLE
RETURN coalesce(
  nullif(current_setting('smile.now', true), '')::timestamptz,
  (SELECT c.business_at FROM smile.clock AS c),
  clock_timestamp());

CREATE FUNCTION smile.today() RETURNS date LANGUAGE sql STABLE
RETURN (smile.now() AT TIME ZONE 'Asia/Jakarta')::date;

CREATE FUNCTION smile.security_now() RETURNS timestamptz LANGUAGE sql STABLE
RETURN coalesce(
  nullif(current_setting('smile.security_now', true), '')::timestamptz,
  clock_timestamp() + (SELECT c.security_offset FROM smile.clock AS c));

-- RFC 9562 section 5.7: 48 bits of Unix milliseconds, then random bits.
CREATE FUNCTION smile.uuid7() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE
RETURN encode(
  set_bit(set_bit(
    overlay(uuid_send(gen_random_uuid())
      PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
      FROM 1 FOR 6),
    52, 1), 53, 1), 'hex')::uuid;

-- Ends the transaction with a failure that the server turns into a problem document: SQLSTATE SM + status, the stable
-- code as message, JSON such as {"errors":[{"pointer":"/period","code":"period_closed"}]} as detail.
CREATE FUNCTION smile.fail(status integer, code text, detail json DEFAULT NULL) RETURNS void
LANGUAGE plpgsql STABLE AS $$
BEGIN
  IF detail IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'SM' || status, MESSAGE = code;
  END IF;
  RAISE EXCEPTION USING ERRCODE = 'SM' || status, MESSAGE = code, DETAIL = detail::text;
END
$$;

-- The same for one field of the body.
CREATE FUNCTION smile.refuse(status integer, code text, pointer text, field_code text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql STABLE AS $$
BEGIN
  PERFORM smile.fail(status, code, json_build_object('errors', json_build_array(
    json_build_object('pointer', pointer, 'code', coalesce(field_code, code)))));
END
$$;

CREATE FUNCTION smile.bump_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.version := OLD.version + 1;
  RETURN NEW;
END
$$;

-- The cast matters: text || bigint is only STABLE, and PostgreSQL inlines no function that claims more than its body
-- (60 µs a call were seen for it, against nothing when inlined).
CREATE FUNCTION smile.etag(version bigint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN '"v' || version::text || '"';

-- RFC 9110 section 13.1.1 with strong comparison; RFC 6585 section 3 when the header is missing.
CREATE FUNCTION smile.check_match(if_match text, version bigint) RETURNS void LANGUAGE plpgsql STABLE AS $$
BEGIN
  IF if_match IS NULL THEN
    PERFORM smile.fail(428, 'if_match_required', json_build_object('current_etag', smile.etag(version)));
  ELSIF if_match <> '*' AND NOT smile.etag(version) = ANY (regexp_split_to_array(if_match, '\s*,\s*')) THEN
    PERFORM smile.fail(412, 'etag_mismatch', json_build_object('current_etag', smile.etag(version)));
  END IF;
END
$$;

CREATE DOMAIN smile.wage_month AS date CHECK (extract(day FROM VALUE) = 1);
CREATE FUNCTION smile.month_text(period date) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN to_char(period, 'YYYY-MM');

RESET ROLE;
