-- The report of an upload holds its first findings: a dry run leaves nothing that could be asked for them afterwards.

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
