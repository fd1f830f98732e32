-- What identifies an employer is officers' to change; the employer itself says where it is reached.

-- A firm's 16-digit NPWP is its 15-digit one behind a zero (PMK 112/PMK.03/2022): one firm, whichever it gives.
CREATE FUNCTION smile.npwp_key(npwp text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN length(npwp) = 16 AND left(npwp, 1) = '0' THEN substr(npwp, 2) ELSE npwp END;
DROP INDEX smile.employer_npwp_active;
CREATE UNIQUE INDEX employer_npwp_active ON smile.employer (smile.npwp_key(npwp)) WHERE status = 'active';

-- The body tells today's risk class, which a new month may bring without any change of the row.
CREATE FUNCTION smile.employer_version(e smile.employer) RETURNS bigint LANGUAGE sql STABLE
RETURN (e).version + (
  SELECT count(*) FROM smile.employer_risk_class AS c
  WHERE c.employer_id = (e).id AND c.valid_from <= smile.today());

-- A merge patch. The size holds from this month on, unless wages were reported for it already; the employer is told of
-- what officers change.
DROP FUNCTION smile.update_employer(uuid, text, text, text, text);
CREATE FUNCTION smile.update_employer(wanted uuid, patch json, if_match text) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  reserved text;
  before smile.employer;
  e smile.employer;
BEGIN
  IF NOT (smile.is_officer('manage_employers')
    OR smile.role() = 'employer' AND smile.has_permission('admin') AND coalesce(smile.employer_id() = wanted, false))
  THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  SELECT * INTO before FROM smile.employer AS x WHERE x.id = wanted FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  PERFORM smile.check_match(if_match, smile.employer_version(before));
  SELECT k INTO reserved FROM json_object_keys(patch) AS k
  WHERE k IN ('name', 'npwp', 'industry', 'size') ORDER BY k LIMIT 1;
  IF reserved IS NOT NULL AND NOT smile.is_officer('manage_employers') THEN
    PERFORM smile.refuse(403, 'field_not_yours', '/' || reserved);
  END IF;
  IF patch ->> 'size' <> before.size THEN
    PERFORM smile.refuse_reported_month(wanted, smile.current_month());
  END IF;
  UPDATE smile.employer AS x
  SET name = coalesce(patch ->> 'name', x.name), npwp = coalesce(patch ->> 'npwp', x.npwp),
    industry = coalesce(patch ->> 'industry', x.industry), size = coalesce(patch ->> 'size', x.size),
    address = coalesce(patch ->> 'address', x.address), email = coalesce(patch ->> 'email', x.email),
    phone = coalesce(patch ->> 'phone', x.phone)
  WHERE x.id = wanted RETURNING x.* INTO e;
  IF reserved IS NOT NULL THEN
    INSERT INTO smile.outbox (channel, recipient, template, language, parameters)
    VALUES ('email', before.email, 'employer_changed', 'id', json_build_object('name', before.name));
  END IF;
  -- Of the NPWP, which may be a person's, the last four digits.
  PERFORM smile.audit('employer.changed', 'employer', wanted, json_strip_nulls(json_build_object(
    'fields', (SELECT json_agg(k ORDER BY k) FROM json_object_keys(patch) AS k),
    'name_before', CASE WHEN e.name <> before.name THEN before.name END,
    'npwp_last_four_before', CASE WHEN e.npwp <> before.npwp THEN right(before.npwp, 4) END,
    'industry_before', CASE WHEN e.industry <> before.industry THEN before.industry END,
    'size_before', CASE WHEN e.size <> before.size THEN before.size END)));
  RETURN smile.answer(200, smile.employer_body(wanted), smile.etag(smile.employer_version(e)));
END
$$;
