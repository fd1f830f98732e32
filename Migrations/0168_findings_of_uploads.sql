-- The report of an upload holds its first findings: a dry run leaves nothing that could be asked for them afterwards;
-- and tells where the same content was sent for another return of the month.

-- A return's body, a JSON object, with the first page of what GET …/findings would tell now; without where there are
-- none. Volatile, to see what the statement that calls it has just done.
CREATE FUNCTION smile.with_findings(body text, wanted uuid, language text) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  IF NOT EXISTS (
    SELECT FROM smile.finding AS f
    WHERE f.employer_id = (SELECT smile.employer_id()) AND f.return_id = wanted)
  THEN
    RETURN body;
  END IF;
  RETURN regexp_replace(body, '\}$', ',"findings":') || smile.list_findings(wanted, NULL, 200, language) || '}';
END
$$;

-- The same content again for another return of the month: sent twice, or the wrong file.
INSERT INTO smile.rule
  (code, severity, applies_to, title_id, title_en, description_id, description_en, fix_id, fix_en, citation)
VALUES
  ('content_repeated', 'warning', 'return', 'Isi sama dengan laporan lain', 'Same content as another return',
   'Laporan lain untuk bulan yang sama berisi kiriman yang persis sama.',
   'Another return of the same month holds exactly the same content.',
   'Periksa apakah berkas ini sudah pernah dikirim; bila ya, hapus salah satu laporan yang masih terbuka.',
   'Check whether the file was sent before; if so, discard the return that is still open.', NULL);

INSERT INTO smile.rule_example (code, number, example) VALUES
  ('content_repeated', 1, '{"method": "PUT", "kind": "revised", "period": "2026-10", "media_type": "text/csv", "given": [{"kind": "regular", "period": "2026-10", "body": "nik,full_name,birth_date,wage\n3174011501850901,Adi Nugroho,1985-01-15,7500000\n"}], "body": "nik,full_name,birth_date,wage\n3174011501850901,Adi Nugroho,1985-01-15,7500000\n", "finding": {"code": "content_repeated"}}');

-- An example that sends its file a second time meets this one too.
UPDATE smile.rule_example AS e
SET example = (e.example::jsonb || jsonb_build_object('also',
  coalesce(e.example::jsonb -> 'also', '[]') || '["content_repeated"]'))::json
WHERE e.code <> 'content_repeated' AND e.example ->> 'method' = 'PUT' AND EXISTS (
  SELECT FROM json_array_elements(e.example -> 'given') AS g (step)
  WHERE g.step ->> 'body' = e.example ->> 'body' AND g.step ->> 'period' = e.example ->> 'period');

-- As before; what speaks of the content as a whole points nowhere.
CREATE OR REPLACE FUNCTION smile.finding_body(f smile.finding, language text) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_strip_nulls(json_build_object(
    'line', nullif(f.line, 0), 'field', nullif(f.field, ''),
    'pointer', CASE
      WHEN f.line > 0 THEN '/lines/' || (f.line - 1)::text || CASE WHEN f.field <> '' THEN '/' || f.field ELSE '' END
      WHEN f.code = 'declared_lines_differ' THEN '/declared_totals/lines'
      WHEN f.code = 'declared_wages_differ' THEN '/declared_totals/wages' END,
    'code', f.code, 'severity', r.severity,
    'message', CASE language WHEN 'en' THEN r.description_en ELSE r.description_id END,
    'fix', CASE language WHEN 'en' THEN r.fix_en ELSE r.fix_id END,
    'params', f.params, 'rule', '/v1/rules/' || f.code, 'citation', r.citation))
  FROM smile.rule AS r WHERE r.code = f.code);
