-- Members, their numbers, employers and employment spells: the records that everything else hangs on.

-- A name as it is compared: lower case, single spaces, no diacritics, no academic or religious titles.
CREATE FUNCTION smile.name_key(name text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN btrim(regexp_replace(
  regexp_replace(
    regexp_replace(lower(regexp_replace(normalize(name, NFKD), '[\u0300-\u036f]', '', 'g')), '[.,''`’-]+', ' ', 'g'),
    '\m(h|hj|dr|drs|dra|ir|prof|s ?h|s ?e|s ?t|s ?kom|s ?pd|s ?sos|m ?m|m ?si|m ?t|st|se|sh)\M', ' ', 'g'),
  '\s+', ' ', 'g'));

CREATE TABLE smile.member (
  id uuid PRIMARY KEY DEFAULT smile.uuid7(),
  full_name text NOT NULL CHECK (length(full_name) BETWEEN 1 AND 100),
  name_key text NOT NULL GENERATED ALWAYS AS (smile.name_key(full_name)) STORED,
  birth_date date NOT NULL CHECK (birth_date >= '1900-01-01'),
  sex text CHECK (sex IN ('female', 'male')),
  email text CHECK (email = lower(email)),
  phone text CHECK (phone ~ '^\+[1-9][0-9]{6,14}$'),
  address text CHECK (length(address) <= 300),
  mother_name_sealed bytea,
  segment text NOT NULL DEFAULT 'wage_earner' CHECK (segment IN ('wage_earner', 'self_employed')),
  created_at timestamptz NOT NULL DEFAULT smile.now(),
  version bigint NOT NULL DEFAULT 1
);
CREATE TRIGGER member_version BEFORE UPDATE ON smile.member FOR EACH ROW EXECUTE FUNCTION smile.bump_version();

-- Membership numbers (KPJ, 11 digits); a person may hold several. A key table of its own so that uniqueness survives
-- distribution by member.
CREATE TABLE smile.member_number (
  kpj text PRIMARY KEY CHECK (kpj ~ '^[0-9]{11}$'),
  member_id uuid NOT NULL REFERENCES smile.member,
  issued_on date NOT NULL DEFAULT smile.today()
);
CREATE INDEX member_number_member ON smile.member_number (member_id);
CREATE SEQUENCE smile.kpj_sequence START 26000000001 MAXVALUE 99999999999;

-- NIK: equality through a 16-byte HMAC, the number itself sealed. Neither appears in a constraint message as plain
-- text.
CREATE TABLE smile.national_id (
  nik_index bytea PRIMARY KEY CHECK (octet_length(nik_index) = 16),
  member_id uuid NOT NULL UNIQUE REFERENCES smile.member,
  nik_sealed bytea NOT NULL,
  last_four text NOT NULL CHECK (last_four ~ '^[0-9]{4}$')
);

CREATE TABLE smile.member_bank_account (
  member_id uuid PRIMARY KEY REFERENCES smile.member,
  bank_code text NOT NULL CHECK (bank_code ~ '^[0-9]{3}$'),
  holder_name text NOT NULL CHECK (length(holder_name) BETWEEN 1 AND 100),
  number_sealed bytea NOT NULL,
  last_four text NOT NULL CHECK (last_four ~ '^[0-9]{4}$'),
  changed_at timestamptz NOT NULL DEFAULT smile.security_now(),
  version bigint NOT NULL DEFAULT 1
);
CREATE TRIGGER member_bank_account_version BEFORE UPDATE ON smile.member_bank_account
  FOR EACH ROW EXECUTE FUNCTION smile.bump_version();

CREATE TABLE smile.employer (
  id uuid PRIMARY KEY DEFAULT smile.uuid7(),
  npp text UNIQUE CHECK (npp ~ '^[A-Z0-9]{8}$'),
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 150),
  npwp text NOT NULL CHECK (npwp ~ '^[0-9]{15,16}$'),
  industry text NOT NULL CHECK (length(industry) BETWEEN 1 AND 100),
  size text NOT NULL DEFAULT 'medium' CHECK (size IN ('micro', 'small', 'medium', 'large')),
  address text NOT NULL CHECK (length(address) BETWEEN 1 AND 300),
  email text NOT NULL CHECK (email = lower(email)),
  phone text NOT NULL CHECK (phone ~ '^\+[1-9][0-9]{6,14}$'),
  status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'active', 'rejected', 'closed')),
  registered_at timestamptz NOT NULL DEFAULT smile.now(),
  approved_at timestamptz,
  version bigint NOT NULL DEFAULT 1,
  CONSTRAINT active_employer_has_npp CHECK (status <> 'active' OR npp IS NOT NULL)
);
CREATE TRIGGER employer_version BEFORE UPDATE ON smile.employer FOR EACH ROW EXECUTE FUNCTION smile.bump_version();
CREATE SEQUENCE smile.npp_sequence START 10000001 MAXVALUE 99999999;

-- JKK risk class by wage month (PP 44/2015 Art. 16); the class of a month is the latest row not after it.
CREATE TABLE smile.employer_risk_class (
  employer_id uuid NOT NULL REFERENCES smile.employer,
  valid_from smile.wage_month NOT NULL,
  risk_class integer NOT NULL CHECK (risk_class BETWEEN 1 AND 5),
  PRIMARY KEY (employer_id, valid_from)
);

CREATE TABLE smile.employment (
  id uuid PRIMARY KEY DEFAULT smile.uuid7(),
  member_id uuid NOT NULL REFERENCES smile.member,
  employer_id uuid NOT NULL REFERENCES smile.employer,
  start_date date NOT NULL,
  end_date date,
  end_reason text CHECK (end_reason IN
    ('resignation', 'layoff', 'contract_end', 'retirement', 'death', 'disability', 'other')),
  wage bigint NOT NULL CHECK (wage >= 0),
  version bigint NOT NULL DEFAULT 1,
  CONSTRAINT employment_ends_after_start CHECK (end_date >= start_date),
  CONSTRAINT employment_end_has_reason CHECK ((end_date IS NULL) = (end_reason IS NULL)),
  CONSTRAINT employment_spells_do_not_overlap EXCLUDE USING gist
    (member_id WITH =, employer_id WITH =, daterange(start_date, end_date, '[]') WITH &&)
);
CREATE INDEX employment_employer ON smile.employment (employer_id, id);
CREATE TRIGGER employment_version BEFORE UPDATE ON smile.employment
  FOR EACH ROW EXECUTE FUNCTION smile.bump_version();

DO $policies$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['member', 'member_number', 'national_id', 'member_bank_account', 'employer',
    'employer_risk_class', 'employment']
  LOOP
    EXECUTE format('ALTER TABLE smile.%I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE smile.%I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY owner_all ON smile.%I TO smile_owner USING (true)', name);
  END LOOP;
END
$policies$;

CREATE POLICY own_record ON smile.member TO smile_api USING (id = (SELECT smile.member_id()));
CREATE POLICY officers_read ON smile.member FOR SELECT TO smile_api USING ((SELECT smile.is_officer('read_members')));
CREATE POLICY own_numbers ON smile.member_number FOR SELECT TO smile_api USING (member_id = (SELECT smile.member_id()));
CREATE POLICY officers_read ON smile.member_number FOR SELECT TO smile_api
  USING ((SELECT smile.is_officer('read_members')));
CREATE POLICY own_national_id ON smile.national_id FOR SELECT TO smile_api
  USING (member_id = (SELECT smile.member_id()));
CREATE POLICY officers_read ON smile.national_id FOR SELECT TO smile_api
  USING ((SELECT smile.is_officer('read_members')));
CREATE POLICY own_bank_account ON smile.member_bank_account TO smile_api
  USING (member_id = (SELECT smile.member_id()));
CREATE POLICY officers_read ON smile.member_bank_account FOR SELECT TO smile_api
  USING ((SELECT smile.is_officer('approve_claims')));
CREATE POLICY own_employer ON smile.employer FOR SELECT TO smile_api USING (id = (SELECT smile.employer_id()));
CREATE POLICY officers_manage ON smile.employer TO smile_api USING ((SELECT smile.is_officer('manage_employers')));
CREATE POLICY own_risk_class ON smile.employer_risk_class FOR SELECT TO smile_api
  USING (employer_id = (SELECT smile.employer_id()));
CREATE POLICY officers_manage ON smile.employer_risk_class TO smile_api
  USING ((SELECT smile.is_officer('manage_employers')));
CREATE POLICY own_workers ON smile.employment TO smile_api USING (employer_id = (SELECT smile.employer_id()));
CREATE POLICY own_spells ON smile.employment FOR SELECT TO smile_api USING (member_id = (SELECT smile.member_id()));
CREATE POLICY officers_read ON smile.employment FOR SELECT TO smile_api
  USING ((SELECT smile.is_officer('read_members')));

GRANT SELECT, UPDATE ON smile.member TO smile_api;
GRANT SELECT ON smile.member_number, smile.national_id TO smile_api;
GRANT SELECT, INSERT, UPDATE ON smile.member_bank_account TO smile_api;
-- Firms and spells are made by definer functions; a spell's end is all that the server itself may write.
GRANT SELECT ON smile.employer, smile.employer_risk_class, smile.employment TO smile_api;
GRANT UPDATE (end_date, end_reason) ON smile.employment TO smile_api;
