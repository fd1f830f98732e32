-- Employers come in by a registration that an officer approves; workers by hire or by a payroll return.

CREATE TABLE smile.employer_registration (
  id uuid PRIMARY KEY DEFAULT smile.uuid7(),
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 150),
  npwp text NOT NULL CHECK (npwp ~ '^[0-9]{15,16}$'),
  industry text NOT NULL CHECK (length(industry) BETWEEN 1 AND 100),
  size text NOT NULL CHECK (size IN ('micro', 'small', 'medium', 'large')),
  risk_class integer NOT NULL CHECK (risk_class BETWEEN 1 AND 5),
  address text NOT NULL CHECK (length(address) BETWEEN 1 AND 300),
  email text NOT NULL CHECK (email = lower(email)),
  phone text NOT NULL CHECK (phone ~ '^\+[1-9][0-9]{6,14}$'),
  contact_name text NOT NULL CHECK (length(contact_name) BETWEEN 1 AND 100),
  contact_email text NOT NULL CHECK (contact_email = lower(contact_email)),
  -- Erased when the registration is decided.
  password_hash text,
  status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'approved', 'rejected')),
  employer_id uuid REFERENCES smile.employer,
  registered_at timestamptz NOT NULL DEFAULT smile.now(),
  decided_at timestamptz,
  decided_by uuid,
  version bigint NOT NULL DEFAULT 1,
  CONSTRAINT decided_registration_keeps_no_hash CHECK ((status = 'pending') = (password_hash IS NOT NULL)),
  CONSTRAINT approved_registration_has_employer CHECK ((status = 'approved') = (employer_id IS NOT NULL))
);
CREATE INDEX employer_registration_status ON smile.employer_registration (status, id);
CREATE TRIGGER employer_registration_version BEFORE UPDATE ON smile.employer_registration
  FOR EACH ROW EXECUTE FUNCTION smile.bump_version();
ALTER TABLE smile.employer_registration ENABLE ROW LEVEL SECURITY;
ALTER TABLE smile.employer_registration FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_all ON smile.employer_registration TO smile_owner USING (true);
CREATE POLICY officers_read ON smile.employer_registration FOR SELECT TO smile_api
  USING ((SELECT smile.is_officer('manage_employers')));
-- Everything but the hash.
GRANT SELECT (id, name, npwp, industry, size, risk_class, address, email, phone, contact_name, contact_email, status,
  employer_id, registered_at, decided_at, decided_by, version) ON smile.employer_registration TO smile_api;

CREATE POLICY billing_officers_read ON smile.employer FOR SELECT TO smile_api
  USING ((SELECT smile.is_officer('manage_billing')));
CREATE POLICY billing_officers_read ON smile.employer_risk_class FOR SELECT TO smile_api
  USING ((SELECT smile.is_officer('manage_billing')));

CREATE INDEX employment_member ON smile.employment (member_id, employer_id);
CREATE UNIQUE INDEX employer_npwp_active ON smile.employer (npwp) WHERE status = 'active';

-- The risk class of a wage month: the latest row not after it.
CREATE FUNCTION smile.risk_class(employer uuid, period date) RETURNS integer LANGUAGE sql STABLE
RETURN (
  SELECT c.risk_class FROM smile.employer_risk_class AS c
  WHERE c.employer_id = employer AND c.valid_from <= period
  ORDER BY c.valid_from DESC LIMIT 1);

CREATE VIEW api.employer_registration WITH (security_invoker) AS
SELECT r.id, r.name, r.npwp, r.industry, r.size, r.risk_class, r.address, r.email, r.phone, r.contact_name,
  r.contact_email, r.status, r.employer_id, r.registered_at, r.decided_at, r.version
FROM smile.employer_registration AS r;

CREATE VIEW api.employer WITH (security_invoker) AS
SELECT e.id, e.npp, e.name, e.npwp, e.industry, e.size, smile.risk_class(e.id, smile.today()) AS risk_class,
  e.address, e.email, e.phone, e.status, e.approved_at, e.version
FROM smile.employer AS e;
GRANT SELECT ON api.employer_registration, api.employer TO smile_api;

CREATE FUNCTION smile.registration_body(wanted uuid) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_strip_nulls(json_build_object(
    'id', r.id, 'name', r.name, 'npwp', r.npwp, 'industry', r.industry, 'size', r.size, 'risk_class', r.risk_class,
    'address', r.address, 'email', r.email, 'phone', r.phone,
    'contact', json_build_object('full_name', r.contact_name, 'email', r.contact_email),
    'status', r.status, 'employer_id', r.employer_id, 'registered_at', r.registered_at, 'decided_at', r.decided_at))
  FROM api.employer_registration AS r WHERE r.id = wanted);

CREATE FUNCTION smile.employer_body(wanted uuid) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_strip_nulls(json_build_object(
    'id', e.id, 'npp', e.npp, 'name', e.name, 'npwp', e.npwp, 'industry', e.industry, 'size', e.size,
    'risk_class', e.risk_class, 'address', e.address, 'email', e.email, 'phone', e.phone, 'status', e.status,
    'approved_at', e.approved_at))
  FROM api.employer AS e WHERE e.id = wanted);

CREATE FUNCTION smile.list_registrations(wanted_status text, after uuid, page integer) RETURNS json
LANGUAGE sql STABLE
BEGIN ATOMIC
  WITH found AS (
    SELECT r.id, row_number() OVER (ORDER BY r.id) AS place
    FROM api.employer_registration AS r
    WHERE (wanted_status IS NULL OR r.status = wanted_status) AND (after IS NULL OR r.id > after)
    ORDER BY r.id LIMIT page + 1)
  SELECT json_strip_nulls(json_build_object(
    'items', coalesce(json_agg(smile.registration_body(f.id) ORDER BY f.place) FILTER (WHERE f.place <= page), '[]'),
    'next_after', CASE WHEN count(*) > page THEN (SELECT g.id FROM found AS g WHERE g.place = page) END))
  FROM found AS f;
END;

-- The employers that the caller may see: an employer's user and client their own, officers all.
CREATE FUNCTION smile.list_employers(after uuid, page integer) RETURNS json LANGUAGE sql STABLE
BEGIN ATOMIC
  WITH found AS (
    SELECT e.id, row_number() OVER (ORDER BY e.id) AS place
    FROM smile.employer AS e WHERE after IS NULL OR e.id > after
    ORDER BY e.id LIMIT page + 1)
  SELECT json_strip_nulls(json_build_object(
    'items', coalesce(json_agg(smile.employer_body(f.id) ORDER BY f.place) FILTER (WHERE f.place <= page), '[]'),
    'next_after', CASE WHEN count(*) > page THEN (SELECT g.id FROM found AS g WHERE g.place = page) END))
  FROM found AS f;
END;

-- Anyone may register. The answer tells nothing about who is registered already: that is the officer's to see.
CREATE FUNCTION smile.register_employer(
  name text, npwp text, industry text, size text, risk_class integer, address text, email text, phone text,
  contact_name text, contact_email text, password_hash text)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  made uuid;
BEGIN
  INSERT INTO smile.employer_registration
    (name, npwp, industry, size, risk_class, address, email, phone, contact_name, contact_email, password_hash)
  VALUES (
    register_employer.name, register_employer.npwp, register_employer.industry, register_employer.size,
    register_employer.risk_class, register_employer.address, register_employer.email, register_employer.phone,
    register_employer.contact_name, register_employer.contact_email, register_employer.password_hash)
  RETURNING id INTO made;
  PERFORM smile.audit('employer_registration.submitted', 'employer_registration', made);
  RETURN (201, smile.registration_body(made)::text, NULL, NULL)::smile.answer_row;
END
$$;

-- Makes the employer, its number, its risk class from the first wage month that it can report, and its first user.
-- The contact confirms the account with the token that is mailed sealed.
CREATE FUNCTION smile.approve_employer_registration(
  wanted uuid, assigned_class integer, confirmation_digest bytea, mail_id uuid, sealed_token bytea)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  r smile.employer_registration;
  made uuid;
BEGIN
  IF NOT smile.is_officer('manage_employers') THEN
    PERFORM smile.fail(403, 'insufficient_scope');
  END IF;
  SELECT * INTO r FROM smile.employer_registration AS x WHERE x.id = wanted FOR UPDATE;
  IF NOT FOUND THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  IF r.status <> 'pending' THEN
    PERFORM smile.fail(409, 'registration_already_decided');
  END IF;
  IF EXISTS (SELECT FROM smile.employer AS e WHERE e.npwp = r.npwp AND e.status = 'active') THEN
    PERFORM smile.fail(409, 'npwp_already_registered');
  END IF;
  INSERT INTO smile.employer
    (npp, name, npwp, industry, size, address, email, phone, status, registered_at, approved_at)
  VALUES (
    to_char(nextval('smile.npp_sequence'), 'FM00000000'), r.name, r.npwp, r.industry, r.size, r.address, r.email,
    r.phone, 'active', r.registered_at, smile.now())
  RETURNING id INTO made;
  -- Back pay and forgotten months may lie before the registration: the class counts from the programme's start.
  INSERT INTO smile.employer_risk_class (employer_id, valid_from, risk_class)
  SELECT made, min(p.valid_from), coalesce(assigned_class, r.risk_class)
  FROM smile.legal_parameter AS p
  WHERE p.programme = 'JKK' AND p.parameter = 'pu.rate.class_I_employer_pct';
  PERFORM smile.create_employer_account(
    made, r.contact_email, r.contact_name, r.password_hash, confirmation_digest, mail_id, sealed_token);
  UPDATE smile.employer_registration AS x
  SET status = 'approved', employer_id = made, password_hash = NULL, decided_at = smile.now(),
    decided_by = smile.account_id()
  WHERE x.id = wanted;
  PERFORM smile.audit('employer.approved', 'employer', made, json_build_object('registration_id', wanted));
  RETURN smile.answer(200, smile.registration_body(wanted), NULL, '/v1/employers/' || made);
END
$$;

-- A membership number for a new member.
CREATE FUNCTION smile.next_kpj() RETURNS text LANGUAGE sql VOLATILE
RETURN to_char(nextval('smile.kpj_sequence'), 'FM00000000000');
REVOKE EXECUTE ON FUNCTION smile.next_kpj() FROM smile_api, smile_jobs;

-- An employer's name, for members who see their own months at it.
CREATE FUNCTION smile.employer_name(wanted uuid) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp
RETURN (SELECT e.name FROM smile.employer AS e WHERE e.id = wanted);

-- Whether the caller may see an employer's workers: its own users and clients. Definer functions ask it before they
-- read member records on an employer's behalf. Officers open persons one by one, each with a purpose and a trace.
CREATE FUNCTION smile.may_see_workers(employer uuid) RETURNS boolean LANGUAGE sql STABLE
RETURN coalesce(smile.employer_id() = employer, false);

CREATE FUNCTION smile.worker_body(wanted uuid) RETURNS json
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp
RETURN (
  SELECT json_strip_nulls(json_build_object(
    'id', e.id, 'employer_id', e.employer_id, 'member_id', e.member_id,
    'kpj', (SELECT min(n.kpj) FROM smile.member_number AS n WHERE n.member_id = e.member_id),
    'nik_last_four', (SELECT i.last_four FROM smile.national_id AS i WHERE i.member_id = e.member_id),
    'full_name', m.full_name, 'birth_date', m.birth_date, 'sex', m.sex, 'wage', e.wage,
    'start_date', e.start_date, 'end_date', e.end_date, 'end_reason', e.end_reason))
  FROM smile.employment AS e JOIN smile.member AS m ON m.id = e.member_id
  WHERE e.id = wanted AND smile.may_see_workers(e.employer_id));

-- NULL when the employer isn't the caller's to see.
CREATE FUNCTION smile.list_workers(employer uuid, after uuid, page integer) RETURNS json LANGUAGE sql STABLE
BEGIN ATOMIC
  WITH found AS (
    SELECT e.id, row_number() OVER (ORDER BY e.id) AS place
    FROM smile.employment AS e
    WHERE e.employer_id = employer AND (after IS NULL OR e.id > after)
    ORDER BY e.id LIMIT page + 1)
  SELECT json_strip_nulls(json_build_object(
    'items', coalesce(json_agg(smile.worker_body(f.id) ORDER BY f.place) FILTER (WHERE f.place <= page), '[]'),
    'next_after', CASE WHEN count(*) > page THEN (SELECT g.id FROM found AS g WHERE g.place = page) END))
  FROM found AS f
  HAVING smile.may_see_workers(employer);
END;

-- The member that a KPJ, a NIK, a birth date and a name belong to together; NULL when they belong to nobody.
-- Raises 422 identity_mismatch, which doesn't tell which one is wrong.
CREATE FUNCTION smile.identify_member(
  wanted_kpj text, wanted_nik_index bytea, wanted_name text, wanted_birth_date date)
RETURNS uuid LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  by_number uuid;
  by_nik uuid;
  m smile.member;
BEGIN
  SELECT n.member_id INTO by_number FROM smile.member_number AS n WHERE n.kpj = wanted_kpj;
  SELECT i.member_id INTO by_nik FROM smile.national_id AS i WHERE i.nik_index = wanted_nik_index;
  IF wanted_kpj IS NOT NULL AND by_number IS NULL THEN
    PERFORM smile.refuse(422, 'identity_mismatch', '/kpj');
  END IF;
  SELECT * INTO m FROM smile.member AS x WHERE x.id = coalesce(by_number, by_nik);
  IF m.id IS NULL THEN
    RETURN NULL;
  END IF;
  -- Without the name, a NIK, which holds the birth date, would buy the name and the KPJ of anybody.
  IF m.name_key <> smile.name_key(wanted_name) OR NOT smile.identity_agrees(by_number, by_nik,
    wanted_nik_index IS NOT NULL, EXISTS (SELECT FROM smile.national_id AS i WHERE i.member_id = m.id),
    m.birth_date = wanted_birth_date, true)
  THEN
    PERFORM smile.refuse(422, 'identity_mismatch', CASE WHEN by_number IS NULL THEN '/nik' ELSE '/kpj' END);
  END IF;
  RETURN m.id;
END
$$;
REVOKE EXECUTE ON FUNCTION smile.identify_member(text, bytea, text, date) FROM smile_api, smile_jobs;

-- The rule of identity: the birth date must agree; KPJ and NIK must not name different people; and where no NIK
-- confirms a KPJ, the name must.
CREATE FUNCTION smile.identity_agrees(
  by_number uuid, by_nik uuid, nik_given boolean, nik_known boolean, same_birth_date boolean, same_name boolean)
RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN same_birth_date AND CASE
  WHEN by_number IS NOT NULL AND by_nik IS NOT NULL THEN by_number = by_nik
  WHEN by_nik IS NOT NULL THEN true
  WHEN nik_given AND nik_known THEN false
  ELSE same_name
END;

-- Hire: the member is found or made, and a spell begins.
CREATE FUNCTION smile.hire_worker(
  employer uuid, wanted_kpj text, nik_index bytea, nik_sealed bytea, nik_last_four text, full_name text,
  birth_date date, sex text, wage bigint, start_date date)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  worker uuid;
  spell uuid;
BEGIN
  IF smile.employer_id() IS DISTINCT FROM employer THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  worker := smile.identify_member(wanted_kpj, nik_index, full_name, birth_date);
  IF worker IS NULL THEN
    BEGIN
      INSERT INTO smile.member (full_name, birth_date, sex)
      VALUES (hire_worker.full_name, hire_worker.birth_date, hire_worker.sex)
      RETURNING id INTO worker;
      INSERT INTO smile.national_id (nik_index, member_id, nik_sealed, last_four)
      VALUES (hire_worker.nik_index, worker, hire_worker.nik_sealed, nik_last_four);
      INSERT INTO smile.member_number (kpj, member_id) VALUES (smile.next_kpj(), worker);
    EXCEPTION WHEN unique_violation THEN
      -- Somebody else made this person a member a moment ago.
      worker := smile.identify_member(wanted_kpj, nik_index, full_name, birth_date);
    END;
  END IF;
  IF EXISTS (
    SELECT FROM smile.employment AS e
    WHERE e.member_id = worker AND e.employer_id = employer
      AND daterange(e.start_date, e.end_date, '[]') && daterange(hire_worker.start_date, NULL, '[]'))
  THEN
    PERFORM smile.fail(409, 'employment_overlaps');
  END IF;
  INSERT INTO smile.employment (member_id, employer_id, start_date, wage)
  VALUES (worker, employer, hire_worker.start_date, hire_worker.wage)
  RETURNING id INTO spell;
  PERFORM smile.audit('worker.hired', 'employment', spell, json_build_object('member_id', worker));
  RETURN smile.answer(201, smile.worker_body(spell));
END
$$;

CREATE FUNCTION smile.end_employment(employer uuid, spell uuid, last_day date, reason text)
RETURNS smile.answer_row LANGUAGE plpgsql AS $$
DECLARE
  e smile.employment;
BEGIN
  SELECT * INTO e FROM smile.employment AS x WHERE x.id = spell AND x.employer_id = employer FOR UPDATE;
  IF NOT FOUND THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  IF e.end_date IS NOT NULL THEN
    PERFORM smile.fail(409, 'employment_already_ended');
  END IF;
  IF last_day < e.start_date THEN
    PERFORM smile.refuse(422, 'end_before_start', '/end_date');
  END IF;
  UPDATE smile.employment AS x SET end_date = last_day, end_reason = reason WHERE x.id = spell;
  PERFORM smile.audit('worker.ended', 'employment', spell, json_build_object('reason', reason));
  RETURN smile.answer(200, smile.worker_body(spell));
END
$$;
