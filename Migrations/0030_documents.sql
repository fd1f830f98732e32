-- Documents: what a member or an employer hands in as proof. A row for the facts, chunks of at most 256 KiB for the
-- bytes. Nothing here is ever changed, so the digest taken at upload holds for as long as the row lives.

-- What a document proves. Claims ask for documents by these codes.
CREATE TABLE smile.document_kind (
  code text PRIMARY KEY CHECK (code ~ '^[a-z_]{1,40}$'),
  title_id text NOT NULL,
  title_en text NOT NULL,
  owner text NOT NULL CHECK (owner IN ('member', 'employer', 'either'))
);
INSERT INTO smile.document_kind (code, title_id, title_en, owner) VALUES
  ('membership_card', 'Kartu peserta', 'Membership card', 'member'),
  ('identity_card', 'Kartu tanda penduduk (KTP)', 'Identity card (KTP)', 'member'),
  ('family_card', 'Kartu keluarga', 'Family card', 'member'),
  ('employment_reference', 'Surat keterangan kerja (paklaring)', 'Employment reference', 'member'),
  ('resignation_statement', 'Surat keterangan mengundurkan diri', 'Resignation statement', 'member'),
  ('layoff_proof', 'Bukti pemutusan hubungan kerja', 'Proof of layoff', 'member'),
  ('bank_book', 'Buku tabungan', 'Bank book', 'member'),
  ('tax_card', 'Kartu NPWP', 'Taxpayer card (NPWP)', 'either'),
  ('employer_registration', 'Berkas pendaftaran perusahaan', 'Employer registration papers', 'employer'),
  ('other', 'Dokumen lain', 'Other document', 'either');

CREATE TABLE smile.document (
  id uuid PRIMARY KEY DEFAULT smile.uuid7(),
  member_id uuid REFERENCES smile.member,
  employer_id uuid REFERENCES smile.employer,
  purpose text NOT NULL REFERENCES smile.document_kind,
  -- Data to show, never a path: nothing is stored or looked up under this name.
  file_name text CHECK (length(file_name) BETWEEN 1 AND 100 AND file_name !~ '[[:cntrl:]]'),
  media_type text NOT NULL CHECK (media_type IN ('application/pdf', 'image/jpeg', 'image/png')),
  size integer NOT NULL CHECK (size BETWEEN 1 AND 10485760),
  sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
  -- 'unscanned' means that no scanner is attached to this installation; the other states are a scanner's.
  scan_state text NOT NULL DEFAULT 'unscanned'
    CHECK (scan_state IN ('unscanned', 'received', 'clean', 'infected', 'unscannable')),
  uploaded_by uuid NOT NULL,
  created_at timestamptz NOT NULL DEFAULT smile.now(),
  version bigint NOT NULL DEFAULT 1,
  CONSTRAINT document_has_one_owner CHECK (num_nonnulls(member_id, employer_id) = 1),
  -- What refers to a member's document names the member too.
  UNIQUE (id, member_id)
);
-- The same bytes for the same purpose are one document, so an upload can be repeated.
CREATE UNIQUE INDEX document_member_content ON smile.document (member_id, purpose, sha256) WHERE member_id IS NOT NULL;
CREATE UNIQUE INDEX document_employer_content ON smile.document (employer_id, purpose, sha256)
  WHERE employer_id IS NOT NULL;
CREATE INDEX document_member ON smile.document (member_id, id) WHERE member_id IS NOT NULL;
CREATE INDEX document_employer ON smile.document (employer_id, id) WHERE employer_id IS NOT NULL;
CREATE TRIGGER document_version BEFORE UPDATE ON smile.document FOR EACH ROW EXECUTE FUNCTION smile.bump_version();

CREATE TABLE smile.document_chunk (
  document_id uuid NOT NULL REFERENCES smile.document ON DELETE CASCADE,
  number integer NOT NULL CHECK (number BETWEEN 0 AND 4095),
  content bytea NOT NULL CHECK (octet_length(content) BETWEEN 1 AND 262144),
  PRIMARY KEY (document_id, number)
);
-- PDF, JPEG and PNG are compressed already.
ALTER TABLE smile.document_chunk ALTER COLUMN content SET STORAGE EXTERNAL;

-- One row an owner, so that parallel uploads can't pass the quota together.
CREATE TABLE smile.document_usage (
  owner_id uuid PRIMARY KEY,
  files integer NOT NULL CONSTRAINT document_quota_files CHECK (files BETWEEN 0 AND 200),
  bytes bigint NOT NULL CONSTRAINT document_quota_bytes CHECK (bytes BETWEEN 0 AND 524288000)
);

CREATE FUNCTION smile.count_document() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  owner uuid;
BEGIN
  IF TG_OP = 'INSERT' THEN
    owner := coalesce(NEW.member_id, NEW.employer_id);
    INSERT INTO smile.document_usage AS u (owner_id, files, bytes) VALUES (owner, 1, NEW.size)
    ON CONFLICT (owner_id) DO UPDATE SET files = u.files + 1, bytes = u.bytes + excluded.bytes;
  ELSE
    UPDATE smile.document_usage SET files = files - 1, bytes = bytes - OLD.size
    WHERE owner_id = coalesce(OLD.member_id, OLD.employer_id);
  END IF;
  RETURN NULL;
EXCEPTION WHEN check_violation THEN
  PERFORM smile.fail(422, 'document_quota_exceeded');
  RETURN NULL;
END
$$;
CREATE TRIGGER document_counted AFTER INSERT OR DELETE ON smile.document
  FOR EACH ROW EXECUTE FUNCTION smile.count_document();

DO $policies$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['document_kind', 'document', 'document_chunk', 'document_usage']
  LOOP
    EXECUTE format('ALTER TABLE smile.%I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE smile.%I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY owner_all ON smile.%I TO smile_owner USING (true)', name);
  END LOOP;
END
$policies$;

CREATE POLICY everyone_reads ON smile.document_kind FOR SELECT TO smile_api USING (true);
CREATE POLICY own_documents ON smile.document TO smile_api USING (member_id = (SELECT smile.member_id()));
CREATE POLICY employer_documents ON smile.document TO smile_api
  USING (employer_id = (SELECT smile.employer_id()) AND (SELECT smile.role()) = 'employer');
-- Whoever may see the document's row may see its bytes: the sub-query is bound by the policies above.
CREATE POLICY visible_documents ON smile.document_chunk TO smile_api
  USING (EXISTS (SELECT FROM smile.document AS d WHERE d.id = document_id));

GRANT SELECT ON smile.document_kind TO smile_api;
GRANT SELECT, INSERT, DELETE ON smile.document TO smile_api;
GRANT SELECT, INSERT ON smile.document_chunk TO smile_api;

CREATE VIEW api.document WITH (security_invoker) AS
SELECT d.id, d.purpose, d.file_name, d.media_type, d.size, encode(d.sha256, 'hex') AS sha256, d.scan_state,
  d.created_at, d.version, d.member_id, d.employer_id
FROM smile.document AS d;
GRANT SELECT ON api.document TO smile_api;

CREATE FUNCTION smile.document_body(wanted uuid) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_strip_nulls(json_build_object(
    'id', d.id, 'purpose', d.purpose, 'file_name', d.file_name, 'media_type', d.media_type, 'size', d.size,
    'sha256', d.sha256, 'scan_state', d.scan_state, 'created_at', d.created_at))
  FROM api.document AS d WHERE d.id = wanted);

-- First of the three steps of an upload, all in one transaction: the row, its chunks, and the check at the end.
-- Returns nothing when these bytes are there already for this purpose.
CREATE FUNCTION smile.begin_document(
  purpose text, file_name text, media_type text, size integer, sha256 bytea)
RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
  made uuid;
BEGIN
  IF NOT EXISTS (
    SELECT FROM smile.document_kind AS k
    WHERE k.code = begin_document.purpose AND k.owner IN (smile.role(), 'either'))
  THEN
    PERFORM smile.fail(400, 'invalid_request', json_build_object('errors', json_build_array(
      json_build_object('parameter', 'purpose', 'code', 'unknown_purpose'))));
  END IF;
  INSERT INTO smile.document (member_id, employer_id, purpose, file_name, media_type, size, sha256, uploaded_by)
  VALUES (
    smile.member_id(), CASE WHEN smile.role() = 'employer' THEN smile.employer_id() END,
    begin_document.purpose, begin_document.file_name, begin_document.media_type, begin_document.size,
    begin_document.sha256, smile.account_id())
  ON CONFLICT DO NOTHING
  RETURNING id INTO made;
  RETURN made;
END
$$;

-- The database counts and hashes what it stored; a difference undoes the upload.
CREATE FUNCTION smile.finish_document(made uuid, wanted_purpose text, wanted_sha256 bytea)
RETURNS smile.answer_row LANGUAGE plpgsql AS $$
DECLARE
  kept smile.document;
BEGIN
  IF made IS NULL THEN
    SELECT * INTO STRICT kept FROM smile.document AS d
    WHERE d.purpose = wanted_purpose AND d.sha256 = wanted_sha256;
    RETURN smile.answer(200, smile.document_body(kept.id), smile.etag(kept.version), '/v1/documents/' || kept.id);
  END IF;
  SELECT * INTO STRICT kept FROM smile.document AS d WHERE d.id = made;
  IF kept.sha256 IS DISTINCT FROM (
    SELECT sha256(string_agg(c.content, ''::bytea ORDER BY c.number))
    FROM smile.document_chunk AS c WHERE c.document_id = made)
  OR kept.size IS DISTINCT FROM (
    SELECT sum(octet_length(c.content)) FROM smile.document_chunk AS c WHERE c.document_id = made)
  THEN
    RAISE EXCEPTION 'the stored bytes differ from the uploaded ones' USING ERRCODE = 'data_corrupted';
  END IF;
  PERFORM smile.audit('document.uploaded', 'document', made,
    json_build_object('purpose', kept.purpose, 'media_type', kept.media_type, 'size', kept.size));
  RETURN smile.answer(201, smile.document_body(made), smile.etag(kept.version), '/v1/documents/' || made);
END
$$;

CREATE FUNCTION smile.list_documents(wanted_purpose text, after uuid, page integer) RETURNS json
LANGUAGE plpgsql STABLE AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM smile.document_kind AS k WHERE k.code = coalesce(wanted_purpose, k.code)) THEN
    PERFORM smile.fail(400, 'invalid_request', json_build_object('errors', json_build_array(
      json_build_object('parameter', 'purpose', 'code', 'unknown_purpose'))));
  END IF;
  RETURN (
    WITH found AS (
      SELECT d.id, row_number() OVER (ORDER BY d.id DESC) AS place
      FROM smile.document AS d
      WHERE (wanted_purpose IS NULL OR d.purpose = wanted_purpose) AND (after IS NULL OR d.id < after)
      ORDER BY d.id DESC LIMIT page + 1)
    SELECT json_strip_nulls(json_build_object(
      'items', coalesce(json_agg(smile.document_body(f.id) ORDER BY f.place) FILTER (WHERE f.place <= page), '[]'),
      'next_after', CASE WHEN count(*) > page THEN (SELECT g.id FROM found AS g WHERE g.place = page) END))
    FROM found AS f);
END
$$;
