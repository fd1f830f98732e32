-- Papers with an employer's registration, before anybody has an account, and the officer's no. A token that is mailed
-- to the contact opens one registration for papers: whoever sends them reads that address. An approved employer keeps
-- its papers; those of a rejected one are deleted.

ALTER TABLE smile.employer_registration
  ADD COLUMN papers_digest bytea UNIQUE CHECK (octet_length(papers_digest) = 32),
  ADD COLUMN papers_until timestamptz,
  ADD COLUMN rejection_reason text CHECK (length(rejection_reason) BETWEEN 1 AND 500),
  ADD CONSTRAINT papers_have_a_deadline CHECK ((papers_digest IS NULL) = (papers_until IS NULL)),
  ADD CONSTRAINT only_rejected_has_reason CHECK (rejection_reason IS NULL OR status = 'rejected');
GRANT SELECT (rejection_reason) ON smile.employer_registration TO smile_api;

ALTER TABLE smile.document
  ADD COLUMN registration_id uuid REFERENCES smile.employer_registration,
  ALTER COLUMN uploaded_by DROP NOT NULL,
  DROP CONSTRAINT document_has_one_owner,
  ADD CONSTRAINT document_has_one_owner CHECK (
    num_nonnulls(member_id, employer_id) = 1
    OR num_nonnulls(member_id, employer_id) = 0 AND registration_id IS NOT NULL),
  ADD CONSTRAINT only_papers_come_from_nobody CHECK (uploaded_by IS NOT NULL OR registration_id IS NOT NULL);
CREATE UNIQUE INDEX document_registration_content ON smile.document (registration_id, purpose, sha256)
  WHERE registration_id IS NOT NULL;

-- The registration that this transaction may add papers to; smile.open_registration() says it.
CREATE FUNCTION smile.registration_id() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('smile.registration_id', true), '')::uuid;

CREATE POLICY registration_papers ON smile.document FOR SELECT TO smile_api
  USING (registration_id = (SELECT smile.registration_id()));
CREATE POLICY registration_papers_come ON smile.document FOR INSERT TO smile_api
  WITH CHECK (registration_id = (SELECT smile.registration_id()));
CREATE POLICY officers_read_papers ON smile.document FOR SELECT TO smile_api
  USING (registration_id IS NOT NULL AND (SELECT smile.is_officer('manage_employers')));

-- Lets whoever has the mailed token into a waiting registration, for this transaction. An unknown registration, one
-- that was decided on, and a wrong or old token look alike. An approval waits for an upload that has begun to write.
CREATE FUNCTION smile.open_registration(wanted uuid, token_digest bytea, writing boolean) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
BEGIN
  IF writing THEN
    PERFORM FROM smile.employer_registration AS r WHERE r.id = wanted FOR SHARE;
  END IF;
  IF NOT EXISTS (
    SELECT FROM smile.employer_registration AS r
    WHERE r.id = wanted AND r.status = 'pending' AND r.papers_digest = token_digest
      AND r.papers_until > smile.security_now())
  THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  PERFORM set_config('smile.registration_id', wanted::text, true);
END
$$;

-- As before; a registration has five papers and 20 MiB at the most, for anybody may register.
CREATE OR REPLACE FUNCTION smile.count_document() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  used smile.document_usage;
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO smile.document_usage AS u (owner_id, files, bytes)
    VALUES (coalesce(NEW.member_id, NEW.employer_id, NEW.registration_id), 1, NEW.size)
    ON CONFLICT (owner_id) DO UPDATE SET files = u.files + 1, bytes = u.bytes + excluded.bytes
    RETURNING u.* INTO used;
    IF NEW.registration_id IS NOT NULL AND (used.files > 5 OR used.bytes > 20 * 1048576) THEN
      PERFORM smile.fail(422, 'document_quota_exceeded');
    END IF;
  ELSE
    UPDATE smile.document_usage SET files = files - 1, bytes = bytes - OLD.size
    WHERE owner_id = coalesce(OLD.member_id, OLD.employer_id, OLD.registration_id);
  END IF;
  RETURN NULL;
EXCEPTION WHEN check_violation THEN
  PERFORM smile.fail(422, 'document_quota_exceeded');
  RETURN NULL;
END
$$;

-- As before; papers of a registration are an employer's.
CREATE OR REPLACE FUNCTION smile.begin_document(
  purpose text, file_name text, media_type text, size integer, sha256 bytea)
RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
  made uuid;
BEGIN
  IF NOT EXISTS (
    SELECT FROM smile.document_kind AS k
    WHERE k.code = begin_document.purpose
      AND k.owner IN (CASE WHEN smile.registration_id() IS NULL THEN smile.role() ELSE 'employer' END, 'either'))
  THEN
    PERFORM smile.fail(400, 'invalid_request', json_build_object('errors', json_build_array(
      json_build_object('parameter', 'purpose', 'code', 'unknown_purpose'))));
  END IF;
  INSERT INTO smile.document
    (member_id, employer_id, registration_id, purpose, file_name, media_type, size, sha256, uploaded_by)
  VALUES (
    smile.member_id(), CASE WHEN smile.role() = 'employer' THEN smile.employer_id() END, smile.registration_id(),
    begin_document.purpose, begin_document.file_name, begin_document.media_type, begin_document.size,
    begin_document.sha256, smile.account_id())
  ON CONFLICT DO NOTHING
  RETURNING id INTO made;
  RETURN made;
END
$$;

-- As before; what an officer decided on stays.
CREATE OR REPLACE FUNCTION smile.delete_document(wanted uuid, if_match text) RETURNS smile.answer_row
LANGUAGE plpgsql AS $$
DECLARE
  kept smile.document;
BEGIN
  SELECT * INTO kept FROM smile.document AS d WHERE d.id = wanted;
  IF NOT FOUND THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  PERFORM smile.check_match(if_match, kept.version);
  IF kept.registration_id IS NOT NULL
    OR EXISTS (SELECT FROM smile.claim_document AS p WHERE p.document_id = wanted)
  THEN
    PERFORM smile.fail(409, 'document_in_use');
  END IF;
  DELETE FROM smile.document AS d WHERE d.id = wanted;
  PERFORM smile.audit('document.deleted', 'document', wanted,
    json_build_object('purpose', kept.purpose, 'sha256', encode(kept.sha256, 'hex')));
  RETURN smile.answer(204, NULL);
END
$$;

-- An approved registration's papers are the employer's from then on.
CREATE FUNCTION smile.hand_over_papers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE smile.document AS d SET employer_id = NEW.employer_id WHERE d.registration_id = NEW.id;
  UPDATE smile.document_usage AS u SET owner_id = NEW.employer_id WHERE u.owner_id = NEW.id;
  RETURN NULL;
END
$$;
CREATE TRIGGER registration_approved AFTER UPDATE OF employer_id ON smile.employer_registration
  FOR EACH ROW WHEN (NEW.employer_id IS NOT NULL AND OLD.employer_id IS NULL)
  EXECUTE FUNCTION smile.hand_over_papers();

-- As before, with the papers and the reason of a no.
CREATE OR REPLACE FUNCTION smile.registration_body(wanted uuid) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_strip_nulls(json_build_object(
    'id', r.id, 'name', r.name, 'npwp', r.npwp, 'industry', r.industry, 'size', r.size, 'risk_class', r.risk_class,
    'address', r.address, 'email', r.email, 'phone', r.phone,
    'contact', json_build_object('full_name', r.contact_name, 'email', r.contact_email),
    'status', r.status, 'employer_id', r.employer_id, 'registered_at', r.registered_at, 'decided_at', r.decided_at,
    'rejection_reason', (SELECT x.rejection_reason FROM smile.employer_registration AS x WHERE x.id = r.id),
    'documents', (
      SELECT coalesce(json_agg(smile.document_body(d.id) ORDER BY d.id), '[]') FROM smile.document AS d
      WHERE d.registration_id = r.id)))
  FROM api.employer_registration AS r WHERE r.id = wanted);

-- As before; the contact is mailed what opens the registration for papers, for two weeks. email_key: keyed hash of the
-- contact's address.
DROP FUNCTION smile.register_employer(text, text, text, text, integer, text, text, text, text, text, text);
CREATE FUNCTION smile.register_employer(
  name text, npwp text, industry text, size text, risk_class integer, address text, email text, phone text,
  contact_name text, contact_email text, password_hash text, email_key bytea DEFAULT NULL,
  papers_digest bytea DEFAULT NULL, mail_id uuid DEFAULT NULL, sealed_token bytea DEFAULT NULL,
  language text DEFAULT 'id')
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  made uuid;
BEGIN
  INSERT INTO smile.employer_registration
    (name, npwp, industry, size, risk_class, address, email, phone, contact_name, contact_email, password_hash,
    papers_digest, papers_until)
  VALUES (
    register_employer.name, register_employer.npwp, register_employer.industry, register_employer.size,
    register_employer.risk_class, register_employer.address, register_employer.email, register_employer.phone,
    register_employer.contact_name, register_employer.contact_email, register_employer.password_hash,
    register_employer.papers_digest,
    CASE WHEN register_employer.papers_digest IS NOT NULL THEN smile.security_now() + interval '14 days' END)
  RETURNING id INTO made;
  IF mail_id IS NOT NULL AND smile.may_mail('employer_registration', email_key) THEN
    INSERT INTO smile.outbox (id, channel, recipient, template, language, parameters, sealed_parameters)
    VALUES (mail_id, 'email', register_employer.contact_email, 'employer_registration_received',
      register_employer.language, json_build_object('full_name', register_employer.contact_name,
        'name', register_employer.name, 'registration_id', made), sealed_token);
  END IF;
  PERFORM smile.audit('employer_registration.submitted', 'employer_registration', made);
  RETURN (201, smile.registration_body(made)::text, NULL, NULL)::smile.answer_row;
END
$$;

-- The papers go, the reason stays and is mailed to the contact. Whom the registration names as its contact doesn't
-- decide on it: a trigger sees to it.
CREATE FUNCTION smile.reject_employer_registration(wanted uuid, reason text) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  r smile.employer_registration;
BEGIN
  IF NOT smile.is_officer('manage_employers') THEN
    PERFORM smile.fail(403, 'insufficient_scope');
  END IF;
  SELECT * INTO r FROM smile.employer_registration AS x WHERE x.id = wanted FOR UPDATE;
  IF NOT FOUND THEN
    PERFORM smile.fail(404, 'not_found');
  ELSIF r.status <> 'pending' THEN
    PERFORM smile.fail(409, 'registration_already_decided');
  END IF;
  UPDATE smile.employer_registration AS x
  SET status = 'rejected', rejection_reason = reason, password_hash = NULL, papers_digest = NULL,
    papers_until = NULL, decided_at = smile.now(), decided_by = smile.account_id()
  WHERE x.id = wanted;
  DELETE FROM smile.document AS d WHERE d.registration_id = wanted;
  INSERT INTO smile.outbox (channel, recipient, template, language, parameters)
  VALUES ('email', r.contact_email, 'employer_registration_rejected', 'id', json_build_object(
    'full_name', r.contact_name, 'name', r.name, 'reason', reason));
  PERFORM smile.audit('employer_registration.rejected', 'employer_registration', wanted);
  RETURN smile.answer(200, smile.registration_body(wanted));
END
$$;
REVOKE EXECUTE ON FUNCTION smile.hand_over_papers() FROM smile_api, smile_jobs;
