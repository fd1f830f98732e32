-- Whether KPJ, NIK, name and birth date belong to one person, asked before the first payroll (peers: Australia's Member
-- Verification Request). One answer for every way of not belonging together, and a quota, so that nobody finds out a
-- number by trying: a NIK's serial has four digits.

-- What an employer has asked since its window began. One row each.
CREATE TABLE smile.verification_quota (
  employer_id uuid PRIMARY KEY REFERENCES smile.employer,
  persons integer NOT NULL CHECK (persons >= 0),
  mismatches integer NOT NULL CHECK (mismatches >= 0),
  window_ends_at timestamptz NOT NULL
);
ALTER TABLE smile.verification_quota ENABLE ROW LEVEL SECURITY;
ALTER TABLE smile.verification_quota FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_all ON smile.verification_quota TO smile_owner USING (true);

-- A day: 20,000 persons, and no more once 500 didn't match. A refusal undoes its own transaction, so it doesn't count.
CREATE FUNCTION smile.admit_verification(employer uuid, count integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  at CONSTANT timestamptz := smile.security_now();
  q smile.verification_quota;
BEGIN
  INSERT INTO smile.verification_quota AS v (employer_id, persons, mismatches, window_ends_at)
  VALUES (employer, count, 0, at + interval '1 day')
  ON CONFLICT (employer_id) DO UPDATE SET
    persons = CASE WHEN v.window_ends_at <= at THEN count ELSE v.persons + count END,
    mismatches = CASE WHEN v.window_ends_at <= at THEN 0 ELSE v.mismatches END,
    window_ends_at = CASE WHEN v.window_ends_at <= at THEN at + interval '1 day' ELSE v.window_ends_at END
  RETURNING v.* INTO q;
  IF q.persons > 20000 OR q.mismatches >= 500 THEN
    PERFORM smile.fail(429, 'verification_quota_used', json_build_object('retry_after',
      ceil(extract(epoch FROM q.window_ends_at - at))::integer));
  END IF;
END
$$;

-- persons: a JSON array of {line, line_key, kpj, nik_index (hexadecimal), full_name, birth_date, warnings}; the
-- warnings come from what was sent alone. The same person matches here who would be recognised by a hire.
CREATE FUNCTION smile.verify_members(persons json) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  employer CONSTANT uuid := smile.employer_id();
  asked CONSTANT integer := json_array_length(persons);
  matched integer;
  items json;
BEGIN
  IF employer IS NULL THEN
    PERFORM smile.fail(403, 'wrong_role');
  END IF;
  PERFORM smile.admit_verification(employer, asked);
  SELECT count(*) FILTER (WHERE r.matches),
    json_agg(json_strip_nulls(json_build_object('line', r.line, 'line_key', r.line_key,
      'result', CASE WHEN r.matches THEN 'match' ELSE 'no_match' END, 'warnings', r.warnings)) ORDER BY r.line)
  INTO matched, items
  FROM (
    SELECT p.line, p.line_key, p.warnings,
      coalesce(m.birth_date = p.birth_date AND m.name_key = smile.name_key(p.full_name)
        AND smile.identity_agrees(n.member_id, i.member_id, true,
          EXISTS (SELECT FROM smile.national_id AS k WHERE k.member_id = m.id), true, true), false) AS matches
    FROM json_to_recordset(persons) AS p (
      line integer, line_key text, kpj text, nik_index text, full_name text, birth_date date, warnings json)
    LEFT JOIN smile.member_number AS n ON n.kpj = p.kpj
    LEFT JOIN smile.national_id AS i ON i.nik_index = decode(p.nik_index, 'hex')
    LEFT JOIN smile.member AS m ON m.id = n.member_id) AS r;
  UPDATE smile.verification_quota AS v SET mismatches = v.mismatches + asked - matched WHERE v.employer_id = employer;
  PERFORM smile.audit('members.verified', 'employer', employer,
    json_build_object('persons', asked, 'matched', matched));
  RETURN smile.answer(200, json_build_object('items', items, 'counts',
    json_build_object('persons', asked, 'matched', matched, 'not_matched', asked - matched)));
END
$$;
REVOKE EXECUTE ON FUNCTION smile.admit_verification(uuid, integer) FROM smile_api, smile_jobs;
