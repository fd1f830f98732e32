-- Who may log in: accounts, what each may act as, mailed tokens, and what happened to an account's security.
-- Row policies let only smile_auth (and the owner) see these tables: the server reaches them through the definer
-- functions of the next files and never reads a hash or digest at will.

CREATE TABLE smile.account (
  id uuid PRIMARY KEY DEFAULT smile.uuid7(),
  email text NOT NULL CHECK (email = lower(email) AND email ~ '^[^@\s]+@[^@\s]+$' AND length(email) <= 254),
  username text CHECK (username ~ '^[a-z0-9][a-z0-9._-]{2,39}$'),
  full_name text NOT NULL CHECK (length(full_name) BETWEEN 1 AND 100),
  phone text CHECK (phone ~ '^\+[1-9][0-9]{6,14}$'),
  password_hash text NOT NULL CHECK (length(password_hash) BETWEEN 20 AND 300),
  language text NOT NULL DEFAULT 'id' CHECK (language IN ('id', 'en')),
  status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'active', 'disabled')),
  created_at timestamptz NOT NULL DEFAULT smile.security_now(),
  confirmed_at timestamptz,
  version bigint NOT NULL DEFAULT 1,
  CONSTRAINT confirmed_unless_pending CHECK ((status = 'pending') = (confirmed_at IS NULL))
);
-- An identifier belongs to whoever confirmed it first: a pending account can't keep its true owner out.
CREATE UNIQUE INDEX account_email_once ON smile.account (email) WHERE status <> 'pending';
CREATE UNIQUE INDEX account_username_once ON smile.account (username) WHERE status <> 'pending';
CREATE INDEX account_email ON smile.account (email, created_at);
CREATE INDEX account_pending ON smile.account (created_at) WHERE status = 'pending';
CREATE TRIGGER account_version BEFORE UPDATE ON smile.account FOR EACH ROW EXECUTE FUNCTION smile.bump_version();

-- What an account may act as. A session acts in one grant at a time. An inactive grant waits for its mailed token.
CREATE TABLE smile.account_grant (
  id uuid PRIMARY KEY DEFAULT smile.uuid7(),
  account_id uuid NOT NULL REFERENCES smile.account ON DELETE CASCADE,
  kind text NOT NULL CHECK (kind IN ('member', 'employer', 'officer')),
  member_id uuid REFERENCES smile.member,
  employer_id uuid REFERENCES smile.employer,
  employer_role text CHECK (employer_role IN ('admin', 'payroll', 'viewer')),
  permissions text[] NOT NULL DEFAULT '{}',
  active boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT smile.security_now(),
  CONSTRAINT grant_names_its_subject CHECK (
    (kind = 'member') = (member_id IS NOT NULL)
    AND (kind = 'employer') = (employer_id IS NOT NULL)
    AND (kind = 'employer') = (employer_role IS NOT NULL)
    AND (kind = 'officer' OR permissions = '{}')),
  CONSTRAINT known_permissions CHECK (permissions <@ ARRAY[
    'read_members', 'verify_members', 'manage_employers', 'review_claims', 'approve_claims', 'pay_claims',
    'manage_billing', 'manage_parameters', 'publish', 'manage_officers', 'manage_clients', 'read_audit'])
);
CREATE INDEX account_grant_account ON smile.account_grant (account_id, id);
CREATE INDEX account_grant_employer ON smile.account_grant (employer_id, id) WHERE kind = 'employer';
CREATE UNIQUE INDEX account_grant_member_once ON smile.account_grant (member_id) WHERE kind = 'member' AND active;
CREATE UNIQUE INDEX account_grant_employer_once ON smile.account_grant (account_id, employer_id)
  WHERE kind = 'employer' AND active;
CREATE UNIQUE INDEX account_grant_officer_once ON smile.account_grant (account_id) WHERE kind = 'officer' AND active;

-- What a grant's token satisfies in an endpoint's access list. 'any' stands for every logged-in caller.
CREATE FUNCTION smile.grant_access(kind text, employer_role text, permissions text[]) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE kind
  WHEN 'member' THEN ARRAY['any', 'member']
  WHEN 'employer' THEN CASE employer_role
    WHEN 'admin' THEN ARRAY['any', 'employer', 'employer:payroll', 'employer:admin']
    WHEN 'payroll' THEN ARRAY['any', 'employer', 'employer:payroll']
    ELSE ARRAY['any', 'employer'] END
  WHEN 'officer' THEN ARRAY['any', 'officer']
    || (SELECT coalesce(array_agg('officer:' || p), '{}') FROM unnest(permissions) AS p)
  END;

-- Mailed tokens: 256 bits, stored as SHA-256, used once. One that confirms a grant of an existing account names both.
CREATE TABLE smile.mail_token (
  digest bytea PRIMARY KEY CHECK (octet_length(digest) = 32),
  purpose text NOT NULL CHECK (purpose IN ('registration')),
  account_id uuid NOT NULL REFERENCES smile.account ON DELETE CASCADE,
  grant_id uuid REFERENCES smile.account_grant ON DELETE CASCADE,
  created_at timestamptz NOT NULL DEFAULT smile.security_now(),
  expires_at timestamptz NOT NULL,
  used_at timestamptz
);
CREATE INDEX mail_token_account ON smile.mail_token (account_id, created_at);
CREATE INDEX mail_token_grant ON smile.mail_token (grant_id);

CREATE TABLE smile.security_event (
  id uuid PRIMARY KEY DEFAULT smile.uuid7(),
  account_id uuid NOT NULL REFERENCES smile.account ON DELETE CASCADE,
  at timestamptz NOT NULL DEFAULT smile.security_now(),
  kind text NOT NULL CHECK (kind ~ '^[a-z_]+$'),
  session_id uuid,
  address text
);
CREATE INDEX security_event_account ON smile.security_event (account_id, id);

-- Failed log-ins by account and source and by source: keys are keyed hashes of what was typed, so that unknown
-- accounts behave as known ones and the table names nobody.
CREATE TABLE smile.log_in_throttle (
  key bytea PRIMARY KEY CHECK (octet_length(key) = 32),
  tries integer NOT NULL CHECK (tries >= 0),
  window_ends_at timestamptz NOT NULL
);
CREATE INDEX log_in_throttle_end ON smile.log_in_throttle (window_ends_at);

DO $policies$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['account', 'account_grant', 'mail_token', 'security_event', 'log_in_throttle']
  LOOP
    EXECUTE format('ALTER TABLE smile.%I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE smile.%I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY owner_all ON smile.%I TO smile_owner USING (true)', name);
    EXECUTE format('CREATE POLICY identity_functions ON smile.%I TO smile_auth USING (true)', name);
  END LOOP;
END
$policies$;
GRANT SELECT, INSERT, UPDATE ON smile.account, smile.account_grant TO smile_auth;
GRANT SELECT, INSERT, UPDATE, DELETE ON smile.mail_token, smile.log_in_throttle TO smile_auth;
GRANT DELETE ON smile.account TO smile_auth;
GRANT SELECT, INSERT ON smile.security_event TO smile_auth;
