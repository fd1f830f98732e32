-- Whom a line may name. A NIK holds the birth date, so a NIK alone had bought the name and the KPJ of anybody: as the
-- worker of whoever sent it, the person was read back by the agency's own record, and with these four data an account
-- could be registered in their place. Who isn't the employer's worker yet has to be named as they are, as when they are
-- hired; of a worker a name that differs stays a warning. And a KPJ that nobody has is told as one that belongs to
-- somebody else: told apart, the two list the members to whoever counts through the numbers.

-- As before; who has no spell with the employer yet has to be named as well.
CREATE OR REPLACE FUNCTION smile.move_lines(r smile.contribution_return, upload uuid) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  rates smile.contribution_rates := smile.rates_of_month(r.employer_id, r.period);
BEGIN
  INSERT INTO smile.return_line
    (employer_id, return_id, line, line_key, match, member_id, kpj, nik_index, nik_sealed, nik_last_four, full_name,
    birth_date, sex, wage, back_pay, back_pay_period, jht_employer, jht_worker, jkk, jkm, jp_employer, jp_worker,
    jkp_from_jkk, jkp_from_jkm, jkp_state)
  SELECT r.employer_id, r.id, s.line, s.line_key, k.match,
    CASE WHEN k.match = 'new_member' THEN smile.uuid7() ELSE m.id END,
    CASE WHEN k.match = 'new_member' THEN smile.next_kpj() ELSE s.kpj END,
    -- The NIK stays only where a member is to be made of it.
    CASE WHEN k.match = 'new_member' THEN s.nik_index END, CASE WHEN k.match = 'new_member' THEN s.nik_sealed END,
    s.nik_last_four, s.full_name, s.birth_date, s.sex, s.wage, s.back_pay, s.back_pay_period,
    coalesce(c.jht_employer, 0), coalesce(c.jht_worker, 0), coalesce(c.jkk, 0), coalesce(c.jkm, 0),
    coalesce(c.jp_employer, 0), coalesce(c.jp_worker, 0), coalesce(c.jkp_from_jkk, 0), coalesce(c.jkp_from_jkm, 0),
    coalesce(c.jkp_state, 0)
  FROM smile.return_staging AS s
  LEFT JOIN smile.member_number AS n ON n.kpj = s.kpj
  LEFT JOIN smile.national_id AS i ON i.nik_index = s.nik_index
  LEFT JOIN smile.member AS m ON m.id = coalesce(n.member_id, i.member_id)
  -- Asked only where a KPJ comes with a NIK that nobody has.
  LEFT JOIN smile.national_id AS known
    ON known.member_id = n.member_id AND s.nik_index IS NOT NULL AND i.member_id IS NULL
  LEFT JOIN LATERAL smile.spell_of_month(m.id, r.employer_id, r.period) AS spell ON true
  CROSS JOIN LATERAL (
    -- Names that are the same as written needn't be reduced to their keys.
    SELECT m.full_name = s.full_name OR m.name_key = smile.name_key(s.full_name) AS name
    OFFSET 0) AS same
  CROSS JOIN LATERAL (
    SELECT CASE
      WHEN s.full_name IS NULL OR s.birth_date IS NULL
        OR s.problems && ARRAY['kpj:kpj_malformed', 'nik:nik_malformed'] THEN 'unreadable'
      WHEN s.kpj IS NOT NULL AND n.member_id IS NULL THEN 'mismatch'
      WHEN s.kpj IS NULL AND s.nik_index IS NULL THEN 'unidentified'
      WHEN m.id IS NULL THEN 'new_member'
      WHEN NOT smile.identity_agrees(n.member_id, i.member_id, s.nik_index IS NOT NULL,
        known.member_id IS NOT NULL, m.birth_date = s.birth_date, same.name) THEN 'mismatch'
      WHEN spell.start_date IS NULL THEN CASE WHEN same.name THEN 'new_employment' ELSE 'mismatch' END
      WHEN spell.end_date < r.period THEN 'ended'
      ELSE 'worker' END AS match
    -- Keeps the planner from repeating the expression wherever it is used.
    OFFSET 0) AS k
  LEFT JOIN LATERAL smile.contribution_of(
    s.wage, 0, smile.is_in_jp(s.birth_date, rates),
    smile.is_in_jkp(s.birth_date, coalesce(spell.start_date, r.period), rates), rates) AS c
    ON k.match IN ('worker', 'new_employment', 'new_member') AND s.wage IS NOT NULL
  WHERE s.upload_id = upload;
END
$$;

-- As before, by the same rule.
CREATE OR REPLACE FUNCTION smile.recheck_lines(r smile.contribution_return, OUT errors json, OUT differs boolean)
LANGUAGE plpgsql STABLE AS $$
DECLARE
  rates smile.contribution_rates := smile.rates_of_month(r.employer_id, r.period);
BEGIN
  WITH today AS MATERIALIZED (
    SELECT l.line, k.code, CASE WHEN l.kpj IS NULL THEN 'nik' ELSE 'kpj' END AS field,
      (l.jht_employer, l.jht_worker, l.jkk, l.jkm, l.jp_employer, l.jp_worker, l.jkp_from_jkk, l.jkp_from_jkm,
        l.jkp_state)
      IS DISTINCT FROM (c.jht_employer, c.jht_worker, c.jkk, c.jkm, c.jp_employer, c.jp_worker, c.jkp_from_jkk,
        c.jkp_from_jkm, c.jkp_state) AS differs
    FROM smile.return_line AS l
    LEFT JOIN smile.member AS m ON m.id = l.member_id
    LEFT JOIN smile.member_number AS n ON n.kpj = l.kpj
    LEFT JOIN smile.national_id AS i ON i.member_id = l.member_id
    LEFT JOIN LATERAL smile.spell_of_month(l.member_id, r.employer_id, r.period) AS spell ON true
    CROSS JOIN LATERAL (
      SELECT m.full_name = l.full_name OR m.name_key = smile.name_key(l.full_name) AS name
      OFFSET 0) AS same
    CROSS JOIN LATERAL (
      SELECT CASE
        WHEN l.match = 'new_member' THEN NULL
        WHEN l.kpj IS NOT NULL AND n.member_id IS DISTINCT FROM m.id THEN 'identity_mismatch'
        -- Of a NIK that was recognised the line keeps the last four digits.
        WHEN NOT smile.identity_agrees(
          n.member_id, CASE WHEN i.last_four = l.nik_last_four THEN m.id END, l.nik_last_four IS NOT NULL,
          i.member_id IS NOT NULL, m.birth_date = l.birth_date, same.name)
          OR l.match = 'new_employment' AND NOT same.name THEN 'identity_mismatch'
        WHEN spell.end_date < r.period THEN 'worker_ended' END AS code
      OFFSET 0) AS k
    CROSS JOIN LATERAL smile.contribution_of(
      l.wage, 0, smile.is_in_jp(l.birth_date, rates),
      smile.is_in_jkp(l.birth_date, coalesce(spell.start_date, r.period), rates), rates) AS c
    WHERE l.employer_id = r.employer_id AND l.return_id = r.id AND l.status <> 'rejected')
  SELECT (
      SELECT json_agg(json_build_object(
        'pointer', format('/lines/%s/%s', f.line - 1, f.field), 'code', f.code, 'rule', '/v1/rules/' || f.code,
        'message_id', c.description_id, 'message_en', c.description_en) ORDER BY f.line)
      FROM (SELECT t.line, t.field, t.code FROM today AS t WHERE t.code IS NOT NULL ORDER BY t.line LIMIT 200) AS f
      JOIN smile.rule AS c ON c.code = f.code),
    coalesce(bool_or(t.differs), false)
  INTO errors, differs
  FROM today AS t;
END
$$;

UPDATE smile.rule SET valid_to = '2026-11-22' WHERE code = 'kpj_unknown';
UPDATE smile.rule
SET description_id = 'KPJ, NIK, nama, dan tanggal lahir ini bukan milik satu orang yang terdaftar.',
  description_en = 'This KPJ, NIK, name and birth date don''t belong to one person that is known.'
WHERE code = 'identity_mismatch';
INSERT INTO smile.rule_example (code, number, example) VALUES
  ('identity_mismatch', 2, '{"method": "PUT", "kind": "regular", "period": "2026-10", "media_type": "text/csv", "body": "kpj,full_name,birth_date,wage\n99999999999,Adi Nugroho,1985-01-15,7500000\n", "finding": {"code": "identity_mismatch", "line": 1, "field": "kpj"}}');
