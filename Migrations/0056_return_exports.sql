-- Lines and findings of a return, wherever a page begins: the keyset is a condition on the index, which the planner
-- can't make of `after IS NULL OR line > after`, nor, under row-level security, of a bare coalesce(), which it takes
-- for leaky. A page in the middle of 30,000 lines took 45 ms. And both as CSV (RFC 4180) and NDJSON, made of the same
-- pages: what those hide these hide too.

CREATE OR REPLACE FUNCTION smile.list_return_lines(
  wanted uuid, wanted_status text, after integer, page integer, language text)
RETURNS json LANGUAGE sql STABLE
BEGIN ATOMIC
  WITH found AS (
    SELECT l.*, row_number() OVER (ORDER BY l.line) AS place
    FROM smile.return_line AS l
    WHERE l.employer_id = (SELECT r.employer_id FROM smile.contribution_return AS r WHERE r.id = wanted)
      AND l.return_id = wanted AND l.line > (SELECT coalesce(after, 0))
      AND (wanted_status IS NULL OR l.status = wanted_status)
    ORDER BY l.line LIMIT page + 1)
  SELECT json_strip_nulls(json_build_object(
    'items', coalesce(json_agg(json_build_object(
        'line', l.line, 'line_key', l.line_key, 'status', l.status, 'match', l.match,
        'kpj', CASE WHEN l.match <> 'new_member' OR (
          SELECT r.status = 'finalised' FROM smile.contribution_return AS r WHERE r.id = wanted) THEN l.kpj END,
        'nik_last_four', l.nik_last_four, 'full_name', l.full_name, 'birth_date', l.birth_date, 'wage', l.wage,
        'back_pay', l.back_pay, 'back_pay_period', smile.month_text(l.back_pay_period),
        'amounts', CASE WHEN l.status <> 'rejected' THEN smile.amounts_body(l.jht_employer, l.jht_worker, l.jkk,
          l.jkm, l.jp_employer, l.jp_worker, l.jkp_from_jkk, l.jkp_from_jkm, l.jkp_state) END,
        'back_pay_amounts', (
          SELECT smile.amounts_body(b.jht_employer, b.jht_worker, b.jkk, b.jkm, b.jp_employer, b.jp_worker,
            b.jkp_from_jkk, b.jkp_from_jkm, b.jkp_state)
          FROM smile.return_back_pay AS b
          WHERE b.employer_id = l.employer_id AND b.return_id = l.return_id AND b.line = l.line),
        'findings', (
          SELECT json_agg(smile.finding_body(f, language) ORDER BY f.field, f.code) FROM smile.finding AS f
          WHERE f.employer_id = l.employer_id AND f.return_id = l.return_id AND f.line = l.line))
      ORDER BY l.place) FILTER (WHERE l.place <= page), '[]'),
    'next_after', CASE WHEN count(*) > page THEN (SELECT g.line::text FROM found AS g WHERE g.place = page) END))
  FROM found AS l
  HAVING EXISTS (SELECT FROM smile.contribution_return AS r WHERE r.id = wanted);
END;

CREATE OR REPLACE FUNCTION smile.list_findings(wanted uuid, after text, page integer, language text) RETURNS json
LANGUAGE sql STABLE
BEGIN ATOMIC
  WITH found AS (
    SELECT f AS row, f.line, f.field, f.code, l.line_key,
      row_number() OVER (ORDER BY f.line, f.field, f.code) AS place
    FROM smile.finding AS f
    LEFT JOIN smile.return_line AS l
      ON l.employer_id = f.employer_id AND l.return_id = f.return_id AND l.line = f.line
    WHERE f.return_id = wanted
      AND f.employer_id = (SELECT r.employer_id FROM smile.contribution_return AS r WHERE r.id = wanted)
      AND f.line >= (SELECT coalesce(split_part(after, '.', 1)::integer, 0))
      AND (after IS NULL OR (f.line, f.field, f.code) >
        (split_part(after, '.', 1)::integer, split_part(after, '.', 2), split_part(after, '.', 3)))
    ORDER BY f.line, f.field, f.code LIMIT page + 1)
  SELECT json_strip_nulls(json_build_object(
    'items', coalesce(json_agg(smile.finding_body(f.row, language) ORDER BY f.place)
      FILTER (WHERE f.place <= page), '[]'),
    'next_after', CASE WHEN count(*) > page THEN (
      SELECT g.line || '.' || g.field || '.' || g.code FROM found AS g WHERE g.place = page) END))
  FROM found AS f
  HAVING EXISTS (SELECT FROM smile.contribution_return AS r WHERE r.id = wanted);
END;

-- A text as a cell. What a spreadsheet would run as a formula is marked as text by an apostrophe (OWASP, CSV
-- Injection); full-width signs count, some programs take them for the plain ones.
CREATE FUNCTION smile.csv_cell(value text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
  WHEN value ~ '^[=+@\t\r＝＋－＠-]' THEN '"''' || replace(value, '"', '""') || '"'
  WHEN value ~ '[",\r\n]' THEN '"' || replace(value, '"', '""') || '"'
  ELSE value END;

CREATE FUNCTION smile.amounts_cells(amounts jsonb) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ARRAY[
  amounts #>> '{jht,employer}', amounts #>> '{jht,worker}', amounts #>> '{jkk,employer}', amounts #>> '{jkk,to_jkp}',
  amounts #>> '{jkm,employer}', amounts #>> '{jkm,to_jkp}', amounts #>> '{jp,employer}', amounts #>> '{jp,worker}',
  amounts #>> '{jkp,recomposed}', amounts #>> '{jkp,state}'];

CREATE FUNCTION smile.return_lines_csv(page json, has_header boolean) RETURNS text LANGUAGE sql IMMUTABLE
RETURN (
  SELECT CASE WHEN has_header THEN
      'line,line_key,status,match,kpj,nik_last_four,full_name,birth_date,wage,back_pay,back_pay_period,'
      'jht_employer,jht_worker,jkk_employer,jkk_to_jkp,jkm_employer,jkm_to_jkp,jp_employer,jp_worker,'
      'jkp_recomposed,jkp_state,back_pay_jht_employer,back_pay_jht_worker,back_pay_jkk_employer,back_pay_jkk_to_jkp,'
      'back_pay_jkm_employer,back_pay_jkm_to_jkp,back_pay_jp_employer,back_pay_jp_worker,back_pay_jkp_recomposed,'
      'back_pay_jkp_state,findings' || E'\r\n' ELSE '' END
    || coalesce(string_agg(array_to_string(
      ARRAY[x.line::text, smile.csv_cell(x.line_key), x.status, x.match, x.kpj, x.nik_last_four,
        smile.csv_cell(x.full_name), x.birth_date, x.wage::text, x.back_pay::text, x.back_pay_period]
      || smile.amounts_cells(x.amounts) || smile.amounts_cells(x.back_pay_amounts)
      || (SELECT string_agg(concat_ws(':', f.item ->> 'field', f.item ->> 'code'), ' ')
        FROM jsonb_array_elements(x.findings) AS f (item)), ',', '') || E'\r\n', '' ORDER BY x.line), '')
  FROM json_to_recordset(page -> 'items') AS x (
    line integer, line_key text, status text, match text, kpj text, nik_last_four text, full_name text,
    birth_date text, wage bigint, back_pay bigint, back_pay_period text, amounts jsonb, back_pay_amounts jsonb,
    findings jsonb));

CREATE FUNCTION smile.findings_csv(page json, has_header boolean) RETURNS text LANGUAGE sql IMMUTABLE
RETURN (
  SELECT CASE WHEN has_header THEN 'line,field,code,severity,message,fix,rule,citation' || E'\r\n' ELSE '' END
    || coalesce(string_agg(array_to_string(ARRAY[x.line::text, x.field, x.code, x.severity, smile.csv_cell(x.message),
      smile.csv_cell(x.fix), x.rule, smile.csv_cell(x.citation)], ',', '') || E'\r\n', ''
      ORDER BY x.line NULLS FIRST, x.field NULLS FIRST, x.code), '')
  FROM json_to_recordset(page -> 'items') AS x (
    line integer, field text, code text, severity text, message text, fix text, rule text, citation text));

CREATE FUNCTION smile.ndjson(page json) RETURNS text LANGUAGE sql IMMUTABLE
RETURN (
  SELECT coalesce(string_agg(e.item::text || E'\n', '' ORDER BY e.place), '')
  FROM json_array_elements(page -> 'items') WITH ORDINALITY AS e (item, place));

-- One page of `lines` or `findings` as text, where the next one begins, and the version of the return that it is of: a
-- reader who finds another one has read two things.
CREATE FUNCTION smile.export_return(
  wanted uuid, list text, wanted_status text, after text, page integer, language text, form text)
RETURNS TABLE (body text, next_after text, version bigint) LANGUAGE sql STABLE
BEGIN ATOMIC
  SELECT CASE
      WHEN form = 'application/x-ndjson' THEN smile.ndjson(p.page)
      WHEN list = 'lines' THEN smile.return_lines_csv(p.page, after IS NULL)
      ELSE smile.findings_csv(p.page, after IS NULL) END,
    p.page ->> 'next_after', r.version
  FROM smile.contribution_return AS r
  CROSS JOIN LATERAL (
    SELECT CASE list
      WHEN 'lines' THEN smile.list_return_lines(r.id, wanted_status, after::integer, export_return.page, language)
      ELSE smile.list_findings(r.id, after, export_return.page, language) END AS page
    -- Once, however often it is used above.
    OFFSET 0) AS p
  WHERE r.id = wanted;
END;
