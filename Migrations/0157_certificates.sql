-- Certificates: what the agency says of an employer on a day, in words that stay the same, with a code by which
-- whoever is shown one can ask whether the agency issued it.

CREATE TABLE smile.certificate (
  id uuid PRIMARY KEY DEFAULT smile.uuid7(),
  kind text NOT NULL CHECK (kind IN ('employer_membership')),
  employer_id uuid NOT NULL REFERENCES smile.employer,
  -- 80 random bits: not to be guessed, short enough to be typed.
  code text NOT NULL UNIQUE CHECK (code ~ '^[0-9A-F]{4}(-[0-9A-F]{4}){4}$'),
  -- As it was given, byte for byte: its digest is what the verification tells.
  body json NOT NULL,
  issued_at timestamptz NOT NULL DEFAULT smile.now()
);
CREATE INDEX certificate_employer ON smile.certificate (employer_id, id);
ALTER TABLE smile.certificate ENABLE ROW LEVEL SECURITY;
ALTER TABLE smile.certificate FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_all ON smile.certificate TO smile_owner USING (true);
CREATE POLICY own_certificates ON smile.certificate FOR SELECT TO smile_api
  USING (employer_id = (SELECT smile.employer_id()));
CREATE POLICY officers_read ON smile.certificate FOR SELECT TO smile_api
  USING ((SELECT smile.is_officer('manage_employers')));
GRANT SELECT ON smile.certificate TO smile_api;

-- Not of the fixed bits of a random UUID (RFC 9562 section 5.4).
CREATE FUNCTION smile.certificate_code() RETURNS text LANGUAGE sql VOLATILE
RETURN (
  SELECT regexp_replace(substr(upper(h.digits), 1, 12) || substr(upper(h.digits), 21, 8), '(.{4})(?=.)', '\1-', 'g')
  FROM (SELECT replace(gen_random_uuid()::text, '-', '') AS digits) AS h);

-- The caller's own employer, of which it says: since when it is a member, how many work there, and whether it has
-- reported and paid what was due, the fines it was charged among that.
CREATE FUNCTION smile.issue_certificate(employer uuid, wanted_kind text) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  made uuid := smile.uuid7();
  new_code text := smile.certificate_code();
  words json;
BEGIN
  IF smile.employer_id() IS DISTINCT FROM employer THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  SELECT json_build_object(
    'id', made, 'kind', wanted_kind, 'employer_id', e.id, 'npp', e.npp, 'name', e.name, 'status', e.status,
    'member_since', (e.approved_at AT TIME ZONE 'Asia/Jakarta')::date,
    'active_workers', (
      SELECT count(DISTINCT w.member_id) FROM smile.employment AS w
      WHERE w.employer_id = e.id AND daterange(w.start_date, w.end_date, '[]') @> smile.today()),
    'arrears', (
      SELECT json_build_object('months', count(*), 'outstanding', coalesce(sum(m.billed - m.paid), 0),
        'fines', (
          SELECT coalesce(sum(b.fine_amount - b.fine_paid), 0) FROM smile.billing AS b WHERE b.employer_id = e.id))
      FROM smile.obligation_months(e.id) AS m WHERE m.state IN ('overdue', 'missing')),
    'issued_at', smile.now(), 'verification_code', new_code, 'verification', '/v1/verifications/' || new_code)
  INTO words
  FROM smile.employer AS e WHERE e.id = employer;
  INSERT INTO smile.certificate (id, kind, employer_id, code, body)
  VALUES (made, wanted_kind, employer, new_code, words);
  PERFORM smile.audit('certificate.issued', 'certificate', made);
  RETURN smile.answer(201, words, NULL, format('/v1/employers/%s/certificates/%s', employer, made));
END
$$;

CREATE FUNCTION smile.list_certificates(employer uuid, after uuid, page integer) RETURNS json LANGUAGE sql STABLE
BEGIN ATOMIC
  WITH found AS (
    SELECT c.id, c.body, row_number() OVER (ORDER BY c.id DESC) AS place
    FROM smile.certificate AS c
    WHERE c.employer_id = employer AND (after IS NULL OR c.id < after)
    ORDER BY c.id DESC LIMIT page + 1)
  SELECT json_strip_nulls(json_build_object(
    'items', coalesce(json_agg(f.body ORDER BY f.place) FILTER (WHERE f.place <= page), '[]'),
    'next_after', CASE WHEN count(*) > page THEN (SELECT g.id FROM found AS g WHERE g.place = page) END))
  FROM found AS f
  HAVING EXISTS (SELECT FROM smile.employer AS e WHERE e.id = employer);
END;

-- A name and a value a row, for people.
CREATE FUNCTION smile.certificate_csv(employer uuid, wanted uuid) RETURNS text LANGUAGE sql STABLE
RETURN (
  SELECT 'field,value' || E'\r\n' || (
    SELECT string_agg(f.name || ',' || coalesce(smile.csv_cell(f.value), '') || E'\r\n', '' ORDER BY f.place)
    FROM (
      SELECT j.key AS name, j.value #>> '{}' AS value, j.place * 10 AS place
      FROM json_each(c.body) WITH ORDINALITY AS j (key, value, place) WHERE j.key <> 'arrears'
      UNION ALL
      SELECT 'arrears_' || a.key, a.value #>> '{}', 1000 + a.place
      FROM json_each(c.body -> 'arrears') WITH ORDINALITY AS a (key, value, place)) AS f)
  FROM smile.certificate AS c WHERE c.employer_id = employer AND c.id = wanted);

-- What anybody who was shown a certificate learns with its code: that the agency issued it, to whom, and the SHA-256 of
-- its bytes, to compare with those one was given. Nothing that the certificate itself doesn't say.
CREATE FUNCTION smile.verify_certificate(wanted text) RETURNS json
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp
RETURN (
  SELECT json_build_object('verification_code', c.code, 'kind', c.kind, 'issued_at', c.issued_at,
    'holder', json_build_object('npp', c.body ->> 'npp', 'name', c.body ->> 'name'),
    'content_sha256', encode(sha256(convert_to(c.body::text, 'UTF8')), 'hex'))
  FROM smile.certificate AS c WHERE c.code = upper(wanted));

REVOKE EXECUTE ON FUNCTION smile.certificate_code() FROM smile_api, smile_jobs;
