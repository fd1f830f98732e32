-- Where each rule comes from, so that whoever is told a finding can look it up: the article of a law, a technical
-- standard, or the agency's own policy. A law is cited as far as it was found and with how sure that is; most rules of
-- the form of a file have none. A rule also tells from when to when it holds and which parameters its findings carry.
-- And it stays: a code that was told once means the same for ever.

ALTER TABLE smile.rule
  ADD COLUMN source text NOT NULL DEFAULT 'agency_policy' CHECK (source IN ('law', 'standard', 'agency_policy')),
  -- As in smile.legal_parameter; an article as the law counts it: 16(1).
  ADD COLUMN instrument text,
  ADD COLUMN article text,
  ADD COLUMN grade text NOT NULL DEFAULT 'policy'
    CHECK (grade IN ('law', 'found', 'secondary', 'memory', 'policy')),
  ADD COLUMN verified boolean NOT NULL GENERATED ALWAYS AS (grade NOT IN ('memory', 'policy')) STORED,
  -- What each of its findings carries, and what of that is always the same.
  ADD COLUMN parameters text[] NOT NULL DEFAULT '{}',
  ADD COLUMN params jsonb NOT NULL DEFAULT '{}',
  -- The contract's version that had it first.
  ADD COLUMN since_version text NOT NULL DEFAULT '1.0.0' CHECK (since_version ~ '^\d+\.\d+\.\d+$'),
  -- The last day on which it is told; NULL while it is.
  ADD COLUMN valid_to date,
  ADD CONSTRAINT rule_has_a_fix CHECK (fix_id <> '' AND fix_en <> ''),
  ADD CONSTRAINT rule_cites_what_it_rests_on CHECK ((source = 'agency_policy') = (instrument IS NULL)
    AND (article IS NULL OR instrument IS NOT NULL) AND (grade <> 'policy' OR source = 'agency_policy')) NOT VALID;

UPDATE smile.rule AS r SET source = s.source, instrument = s.instrument, article = s.article, grade = s.grade
FROM (VALUES
  -- Contributions are shares of the month's wage.
  ('wage_missing', 'law', 'PP 46/2015', '16(1)', 'secondary'),
  ('employment_not_reported', 'law', 'PP 46/2015', '16(1)', 'secondary'),
  ('wage_change_not_reported', 'law', 'PP 46/2015', '16(1)', 'secondary'),
  -- An inspection can start from a worker's complaint.
  ('wage_disputed', 'law', 'PP 86/2013', '13(4)', 'law'),
  -- How a NIK is made up, as the civil registry explains it.
  ('nik_malformed', 'standard', 'Dukcapil, NIK', NULL, 'found'),
  ('nik_birth_date_differs', 'standard', 'Dukcapil, NIK', NULL, 'found'),
  ('nik_sex_differs', 'standard', 'Dukcapil, NIK', NULL, 'found'),
  ('birth_date_invalid', 'standard', 'RFC 3339', '5.6', 'found'),
  ('field_count_differs', 'standard', 'RFC 4180', '2', 'found'),
  ('line_malformed', 'standard', 'RFC 4180', '2', 'found'),
  ('encoding_invalid', 'standard', 'RFC 3629', NULL, 'found'),
  -- The length of a KPJ is remembered, not found.
  ('kpj_malformed', 'agency_policy', NULL, NULL, 'memory')) AS s (code, source, instrument, article, grade)
WHERE r.code = s.code;
ALTER TABLE smile.rule VALIDATE CONSTRAINT rule_cites_what_it_rests_on;
-- Rules to come say where they come from.
ALTER TABLE smile.rule ALTER COLUMN source DROP DEFAULT, ALTER COLUMN grade DROP DEFAULT;

UPDATE smile.rule AS r SET parameters = p.parameters, params = p.params::jsonb
FROM (VALUES
  ('kpj_malformed', '{digits}'::text[], '{"digits": 11}'),
  ('nik_malformed', '{digits}', '{"digits": 16}'),
  ('name_malformed', '{maximum}', '{"maximum": 100}'),
  ('line_key_malformed', '{maximum}', '{"maximum": 64}'),
  ('line_too_long', '{maximum}', '{"maximum": 65536}'),
  ('wage_too_large', '{maximum}', '{"maximum": 1000000000000}'),
  ('duplicate_worker', '{first_line}', '{}'),
  ('line_key_repeated', '{first_line}', '{}'),
  ('worker_ended', '{end_date}', '{}'),
  ('worker_already_reported', '{return_id}', '{}'),
  ('content_repeated', '{return_id}', '{}'),
  ('declared_lines_differ', '{declared,found}', '{}'),
  ('declared_wages_differ', '{declared,found}', '{}')) AS p (code, parameters, params)
WHERE r.code = p.code;

CREATE FUNCTION smile.keep_rule() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' OR NEW.code <> OLD.code OR NEW.applies_to <> OLD.applies_to THEN
    RAISE EXCEPTION 'a rule stays what it is; end it with valid_to';
  END IF;
  RETURN NEW;
END
$$;
REVOKE EXECUTE ON FUNCTION smile.keep_rule() FROM smile_api, smile_jobs, smile_auth;
CREATE TRIGGER rule_stays BEFORE UPDATE OR DELETE ON smile.rule FOR EACH ROW EXECUTE FUNCTION smile.keep_rule();

DROP FUNCTION smile.list_rules(text, integer, text);
DROP FUNCTION smile.rule_body(text, text);
DROP VIEW api.rule;
ALTER TABLE smile.rule RENAME COLUMN since TO valid_from;

CREATE VIEW api.rule WITH (security_invoker) AS
SELECT r.code, r.severity, r.applies_to, r.title_id, r.title_en, r.description_id, r.description_en, r.fix_id,
  r.fix_en, r.source, r.instrument, r.article, r.grade, r.verified, r.parameters, r.params, r.since_version,
  r.valid_from, r.valid_to
FROM smile.rule AS r;
GRANT SELECT ON api.rule TO smile_api;

-- What a rule rests on, in words: 'PP 46/2015 Pasal 16 ayat (1)'.
CREATE FUNCTION smile.citation(source text, instrument text, article text, language text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE source
  WHEN 'agency_policy' THEN CASE language WHEN 'en' THEN 'Agency policy' ELSE 'Kebijakan badan' END
  WHEN 'law' THEN instrument || coalesce(CASE language
    WHEN 'en' THEN ' Art. ' || article ELSE ' Pasal ' || replace(article, '(', ' ayat (') END, '')
  ELSE concat_ws(', ', instrument, article) END;

CREATE FUNCTION smile.rule_body(wanted text, language text) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_strip_nulls(json_build_object(
    'code', r.code, 'severity', r.severity, 'applies_to', r.applies_to,
    'title', CASE language WHEN 'en' THEN r.title_en ELSE r.title_id END,
    'description', CASE language WHEN 'en' THEN r.description_en ELSE r.description_id END,
    'fix', CASE language WHEN 'en' THEN r.fix_en ELSE r.fix_id END,
    'citation', smile.citation(r.source, r.instrument, r.article, language),
    'source', r.source, 'instrument', r.instrument, 'article', r.article, 'grade', r.grade, 'verified', r.verified,
    'parameters', r.parameters, 'since_version', r.since_version, 'valid_from', r.valid_from, 'valid_to', r.valid_to,
    'deprecated', r.valid_to IS NOT NULL,
    'examples', (SELECT json_agg(e.example ORDER BY e.number) FROM smile.rule_example AS e WHERE e.code = r.code)))
  FROM api.rule AS r WHERE r.code = wanted);

CREATE FUNCTION smile.list_rules(subject text, after text, page integer, language text) RETURNS json
LANGUAGE sql STABLE
BEGIN ATOMIC
  WITH found AS (
    SELECT r.code, row_number() OVER (ORDER BY r.code) AS place
    FROM api.rule AS r
    WHERE (after IS NULL OR r.code > after) AND (subject IS NULL OR r.applies_to = subject)
    ORDER BY r.code LIMIT page + 1)
  SELECT json_strip_nulls(json_build_object(
    'items', coalesce(json_agg(smile.rule_body(f.code, language) ORDER BY f.place) FILTER (WHERE f.place <= page),
      '[]'),
    'next_after', CASE WHEN count(*) > page THEN (SELECT g.code FROM found AS g WHERE g.place = page) END))
  FROM found AS f;
END;

-- As before, with what the rule rests on, and with what it always says among the parameters.
CREATE OR REPLACE FUNCTION smile.finding_body(f smile.finding, language text) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_strip_nulls(json_build_object(
    'line', nullif(f.line, 0), 'field', nullif(f.field, ''),
    'pointer', CASE
      WHEN f.line > 0 THEN '/lines/' || (f.line - 1)::text || CASE WHEN f.field <> '' THEN '/' || f.field ELSE '' END
      WHEN f.code = 'declared_lines_differ' THEN '/declared_totals/lines'
      WHEN f.code = 'declared_wages_differ' THEN '/declared_totals/wages'
      WHEN f.field <> '' THEN '/declared_totals/' || f.field END,
    'code', f.code, 'severity', r.severity,
    'message', CASE language WHEN 'en' THEN r.description_en ELSE r.description_id END,
    'fix', CASE language WHEN 'en' THEN r.fix_en ELSE r.fix_id END,
    'params', CASE WHEN f.params IS NULL THEN r.params ELSE r.params || f.params::jsonb END,
    'rule', '/v1/rules/' || f.code, 'source', r.source,
    'citation', smile.citation(r.source, r.instrument, r.article, language), 'verified', r.verified))
  FROM smile.rule AS r WHERE r.code = f.code);

ALTER TABLE smile.rule DROP COLUMN citation;

-- As before; new columns come after the known ones.
CREATE OR REPLACE FUNCTION smile.findings_csv(page json, has_header boolean) RETURNS text LANGUAGE sql IMMUTABLE
RETURN (
  SELECT CASE WHEN has_header THEN
      'line,field,code,severity,message,fix,rule,citation,source,verified,pointer,params' || E'\r\n' ELSE '' END
    || coalesce(string_agg(array_to_string(ARRAY[x.line::text, x.field, x.code, x.severity, smile.csv_cell(x.message),
      smile.csv_cell(x.fix), x.rule, smile.csv_cell(x.citation), x.source, x.verified::text, x.pointer,
      smile.csv_cell(x.params::text)], ',', '') || E'\r\n', ''
      ORDER BY x.line NULLS FIRST, x.field NULLS FIRST, x.code), '')
  FROM json_to_recordset(page -> 'items') AS x (
    line integer, field text, code text, severity text, message text, fix text, rule text, citation text, source text,
    verified boolean, pointer text, params json));

-- As before; whose employment has ended is told with its last day.
CREATE OR REPLACE FUNCTION smile.apply_rules(r smile.contribution_return, upload uuid) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  -- What the server saw while it read the fields.
  INSERT INTO smile.finding (employer_id, return_id, line, field, code)
  SELECT r.employer_id, r.id, s.line, split_part(p.problem, ':', 1), split_part(p.problem, ':', 2)
  FROM smile.return_staging AS s CROSS JOIN LATERAL unnest(s.problems) AS p (problem)
  WHERE s.upload_id = upload
  ON CONFLICT DO NOTHING;

  INSERT INTO smile.finding (employer_id, return_id, line, field, code, params)
  SELECT r.employer_id, r.id, l.line, k.field, k.code, CASE l.match WHEN 'ended' THEN (
    SELECT json_build_object('end_date', s.end_date)
    FROM smile.spell_of_month(l.member_id, r.employer_id, r.period) AS s) END
  FROM smile.return_line AS l
  JOIN (VALUES
    ('unidentified', 'nik', 'worker_unidentified'),
    ('mismatch', NULL, 'identity_mismatch'),
    ('ended', 'kpj', 'worker_ended')) AS m (match, field, code) ON m.match = l.match
  CROSS JOIN LATERAL (
    SELECT coalesce(m.field, CASE WHEN l.kpj IS NULL THEN 'nik' ELSE 'kpj' END) AS field, m.code) AS k
  WHERE l.employer_id = r.employer_id AND l.return_id = r.id AND l.match <> 'worker'
  ON CONFLICT DO NOTHING;

  INSERT INTO smile.finding (employer_id, return_id, line, field, code)
  SELECT r.employer_id, r.id, l.line, 'full_name', 'name_differs'
  FROM smile.return_line AS l JOIN smile.member AS m ON m.id = l.member_id
  WHERE l.employer_id = r.employer_id AND l.return_id = r.id AND l.match IN ('worker', 'new_employment')
    AND m.full_name <> l.full_name AND m.name_key <> smile.name_key(l.full_name)
  ON CONFLICT DO NOTHING;

  INSERT INTO smile.finding (employer_id, return_id, line, field, code)
  SELECT r.employer_id, r.id, l.line, 'wage', 'wage_zero' FROM smile.return_line AS l
  WHERE l.employer_id = r.employer_id AND l.return_id = r.id AND l.wage = 0
  ON CONFLICT DO NOTHING;

  INSERT INTO smile.finding (employer_id, return_id, line, field, code)
  SELECT r.employer_id, r.id, l.line, 'birth_date', 'birth_date_invalid' FROM smile.return_line AS l
  WHERE l.employer_id = r.employer_id AND l.return_id = r.id AND l.birth_date >= r.period + interval '1 month'
  ON CONFLICT DO NOTHING;

  INSERT INTO smile.finding (employer_id, return_id, line, field, code)
  SELECT r.employer_id, r.id, l.line, 'back_pay_period', 'back_pay_period_invalid' FROM smile.return_line AS l
  WHERE l.employer_id = r.employer_id AND l.return_id = r.id AND (l.back_pay_period >= r.period
    OR smile.parameter_or_null('JHT', 'pu.rate.employer_pct', l.back_pay_period) IS NULL)
    AND l.back_pay_period IS NOT NULL
  ON CONFLICT DO NOTHING;
END
$$;

-- As before; who was reported already is told with the return that says so.
CREATE OR REPLACE FUNCTION smile.apply_rules_across_lines(r smile.contribution_return) RETURNS void
LANGUAGE plpgsql SET enable_nestloop = off AS $$
DECLARE
  others uuid[] := smile.finalised_for_month(r);
BEGIN
  INSERT INTO smile.finding (employer_id, return_id, line, field, code, params)
  WITH worker AS (
    SELECT l.line, CASE WHEN l.match = 'new_member' THEN l.nik_index ELSE uuid_send(l.member_id) END AS key
    FROM smile.return_line AS l
    WHERE l.employer_id = r.employer_id AND l.return_id = r.id
      AND l.match IN ('worker', 'new_employment', 'new_member')
      -- A line that falls for another reason takes no other with it.
      AND NOT EXISTS (
        SELECT FROM smile.finding AS f JOIN smile.rule AS c ON c.code = f.code AND c.severity = 'error'
        WHERE f.employer_id = r.employer_id AND f.return_id = r.id AND f.line = l.line)),
  repeated AS (SELECT w.key, min(w.line) AS first FROM worker AS w GROUP BY w.key HAVING count(*) > 1)
  SELECT r.employer_id, r.id, w.line, '', 'duplicate_worker', json_build_object('first_line', f.first)
  FROM repeated AS f JOIN worker AS w ON w.key = f.key AND w.line > f.first;

  INSERT INTO smile.finding (employer_id, return_id, line, field, code, params)
  WITH repeated AS (
    SELECT l.line_key, min(l.line) AS first FROM smile.return_line AS l
    WHERE l.employer_id = r.employer_id AND l.return_id = r.id AND l.line_key IS NOT NULL
    GROUP BY l.line_key HAVING count(*) > 1)
  SELECT r.employer_id, r.id, l.line, 'line_key', 'line_key_repeated', json_build_object('first_line', f.first)
  FROM repeated AS f
  JOIN smile.return_line AS l ON l.employer_id = r.employer_id AND l.return_id = r.id AND l.line_key = f.line_key
    AND l.line > f.first;

  IF r.kind = 'revised' THEN
    INSERT INTO smile.finding (employer_id, return_id, line, field, code)
    SELECT r.employer_id, r.id, l.line, '', 'worker_not_reported'
    FROM smile.return_line AS l
    LEFT JOIN (
      SELECT DISTINCT x.member_id FROM smile.return_line AS x
      WHERE x.employer_id = r.employer_id AND x.return_id = ANY (others) AND x.status <> 'rejected') AS told
      ON told.member_id = l.member_id
    WHERE l.employer_id = r.employer_id AND l.return_id = r.id AND l.match IN ('worker', 'new_employment', 'new_member')
      AND told.member_id IS NULL;
    INSERT INTO smile.finding (employer_id, return_id, line, field, code)
    SELECT r.employer_id, r.id, l.line, 'back_pay', 'back_pay_not_revised' FROM smile.return_line AS l
    WHERE l.employer_id = r.employer_id AND l.return_id = r.id AND l.back_pay IS NOT NULL;
  ELSIF others <> '{}' THEN
    INSERT INTO smile.finding (employer_id, return_id, line, field, code, params)
    SELECT r.employer_id, r.id, l.line, '', 'worker_already_reported', json_build_object('return_id', told.return_id)
    FROM smile.return_line AS l
    JOIN (
      SELECT DISTINCT ON (x.member_id) x.member_id, x.return_id FROM smile.return_line AS x
      WHERE x.employer_id = r.employer_id AND x.return_id = ANY (others) AND x.status <> 'rejected'
      ORDER BY x.member_id, x.return_id) AS told
      ON told.member_id = l.member_id
    WHERE l.employer_id = r.employer_id AND l.return_id = r.id AND l.match IN ('worker', 'new_employment');
  END IF;

  UPDATE smile.return_line AS l
  SET status = CASE WHEN f.bad THEN 'rejected' ELSE 'warned' END
  FROM (
    SELECT x.line, bool_or(c.severity = 'error') AS bad
    FROM smile.finding AS x JOIN smile.rule AS c ON c.code = x.code AND c.severity <> 'information'
    WHERE x.employer_id = r.employer_id AND x.return_id = r.id
    GROUP BY x.line) AS f
  WHERE l.employer_id = r.employer_id AND l.return_id = r.id AND l.line = f.line;
END
$$;

-- As before, with what the rule rests on.
CREATE OR REPLACE FUNCTION smile.list_discrepancies(
  employer uuid, wanted date, wanted_code text, after text, page integer, language text)
RETURNS json LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  month date := coalesce(wanted, (date_trunc('month', smile.today()::timestamp) - interval '1 month')::date);
  after_member uuid := split_part(after, '.', 1)::uuid;
  after_code text := split_part(after, '.', 2);
BEGIN
  IF smile.is_officer('manage_employers') AND EXISTS (SELECT FROM smile.employer AS e WHERE e.id = employer) THEN
    PERFORM smile.audit('discrepancies.read', 'employer', employer);
  ELSIF smile.employer_id() IS DISTINCT FROM employer THEN
    RETURN NULL;
  END IF;
  RETURN (
    WITH found AS (
      SELECT d.code, d.member_id, d.employment_id, d.reported_wage, d.expected_wage, d.report_id,
        row_number() OVER (ORDER BY d.member_id, d.code) AS place
      FROM smile.month_discrepancies(employer, month) AS d
      WHERE (wanted_code IS NULL OR d.code = wanted_code)
        AND (after IS NULL OR (d.member_id, d.code) > (after_member, after_code))
      ORDER BY d.member_id, d.code LIMIT page + 1),
    shown AS (
      SELECT f.place, f.code, f.employment_id, f.reported_wage, f.expected_wage, f.report_id, f.member_id, w.full_name,
        w.birth_date, r.severity,
        (SELECT min(n.kpj) FROM smile.member_number AS n WHERE n.member_id = f.member_id) AS kpj,
        CASE language WHEN 'en' THEN r.description_en ELSE r.description_id END AS message,
        CASE language WHEN 'en' THEN r.fix_en ELSE r.fix_id END AS fix,
        r.source, smile.citation(r.source, r.instrument, r.article, language) AS citation, r.verified
      FROM found AS f JOIN smile.member AS w ON w.id = f.member_id JOIN smile.rule AS r ON r.code = f.code
      WHERE f.place <= page)
    SELECT json_strip_nulls(json_build_object(
      'period', smile.month_text(month),
      'items', (
        SELECT coalesce(json_agg(json_build_object(
          'code', s.code, 'severity', s.severity, 'rule', '/v1/rules/' || s.code, 'message', s.message, 'fix', s.fix,
          'source', s.source, 'citation', s.citation, 'verified', s.verified,
          'worker', json_build_object('employment_id', s.employment_id, 'kpj', s.kpj, 'full_name', s.full_name),
          'reported_wage', s.reported_wage, 'expected_wage', s.expected_wage, 'report_id', s.report_id,
          'suggestion', CASE
            WHEN s.code IN ('employment_not_reported', 'wage_change_not_reported', 'wage_disputed') THEN
              json_build_object(
                'kind', CASE WHEN s.reported_wage IS NULL THEN 'supplementary' ELSE 'revised' END,
                'line', json_build_object('kpj', s.kpj, 'full_name', s.full_name, 'birth_date', s.birth_date,
                  'wage', s.expected_wage)) END) ORDER BY s.place), '[]')
        FROM shown AS s),
      'next_after', (
        SELECT g.member_id || '.' || g.code FROM found AS g
        WHERE g.place = page AND EXISTS (SELECT FROM found AS o WHERE o.place > page)))));
END
$$;
