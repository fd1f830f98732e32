-- Units (divisions, branches) of an employer. A worker belongs to one at a time; a closed unit takes nobody new.

CREATE TABLE smile.employer_unit (
  id uuid PRIMARY KEY DEFAULT smile.uuid7(),
  employer_id uuid NOT NULL REFERENCES smile.employer,
  code text NOT NULL CHECK (code ~ '^[A-Za-z0-9._/-]{1,20}$'),
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 150),
  active boolean NOT NULL DEFAULT true,
  version bigint NOT NULL DEFAULT 1,
  CONSTRAINT employer_unit_code_once UNIQUE (employer_id, code),
  -- So that a worker's unit can only be one of the worker's employer.
  CONSTRAINT employer_unit_of_employer UNIQUE (employer_id, id)
);
CREATE TRIGGER employer_unit_version BEFORE UPDATE ON smile.employer_unit
  FOR EACH ROW EXECUTE FUNCTION smile.bump_version();
ALTER TABLE smile.employer_unit ENABLE ROW LEVEL SECURITY;
ALTER TABLE smile.employer_unit FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_all ON smile.employer_unit TO smile_owner USING (true);
CREATE POLICY own_units ON smile.employer_unit TO smile_api USING (employer_id = (SELECT smile.employer_id()));
CREATE POLICY officers_read ON smile.employer_unit FOR SELECT TO smile_api
  USING ((SELECT smile.is_officer('manage_employers')));
GRANT SELECT ON smile.employer_unit TO smile_api;
GRANT INSERT (employer_id, code, name), UPDATE (code, name, active) ON smile.employer_unit TO smile_api;

ALTER TABLE smile.employment
  ADD COLUMN unit_id uuid,
  -- The employer's own number for the worker.
  ADD COLUMN employee_number text CHECK (length(employee_number) BETWEEN 1 AND 30),
  ADD COLUMN job_title text CHECK (length(job_title) BETWEEN 1 AND 100),
  ADD CONSTRAINT employment_unit_is_own FOREIGN KEY (employer_id, unit_id)
    REFERENCES smile.employer_unit (employer_id, id);
CREATE INDEX employment_unit ON smile.employment (unit_id) WHERE unit_id IS NOT NULL;

CREATE FUNCTION smile.unit_body(wanted uuid) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_build_object('id', u.id, 'employer_id', u.employer_id, 'code', u.code, 'name', u.name, 'active', u.active)
  FROM smile.employer_unit AS u WHERE u.id = wanted);

-- NULL when the employer isn't the caller's to see.
CREATE FUNCTION smile.list_units(employer uuid, after uuid, page integer) RETURNS json LANGUAGE sql STABLE
BEGIN ATOMIC
  WITH found AS (
    SELECT u.id, row_number() OVER (ORDER BY u.id) AS place
    FROM smile.employer_unit AS u
    WHERE u.employer_id = employer AND (after IS NULL OR u.id > after)
    ORDER BY u.id LIMIT page + 1)
  SELECT json_strip_nulls(json_build_object(
    'items', coalesce(json_agg(smile.unit_body(f.id) ORDER BY f.place) FILTER (WHERE f.place <= page), '[]'),
    'next_after', CASE WHEN count(*) > page THEN (SELECT g.id FROM found AS g WHERE g.place = page) END))
  FROM found AS f
  HAVING EXISTS (SELECT FROM smile.employer AS e WHERE e.id = employer);
END;

CREATE FUNCTION smile.create_unit(employer uuid, code text, name text) RETURNS smile.answer_row LANGUAGE plpgsql AS $$
DECLARE
  made uuid;
BEGIN
  IF smile.employer_id() IS DISTINCT FROM employer THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  INSERT INTO smile.employer_unit (employer_id, code, name) VALUES (employer, create_unit.code, create_unit.name)
  RETURNING id INTO made;
  PERFORM smile.audit('unit.created', 'employer_unit', made);
  RETURN smile.answer(201, smile.unit_body(made), smile.etag(1), format('/v1/employers/%s/units/%s', employer, made));
END
$$;

-- NULL leaves a member of the patch as it is.
CREATE FUNCTION smile.update_unit(
  employer uuid, wanted uuid, wanted_code text, wanted_name text, wanted_active boolean, if_match text)
RETURNS smile.answer_row LANGUAGE plpgsql AS $$
DECLARE
  u smile.employer_unit;
BEGIN
  SELECT * INTO u FROM smile.employer_unit AS x
  WHERE x.id = wanted AND x.employer_id = employer AND x.employer_id = smile.employer_id() FOR UPDATE;
  IF NOT FOUND THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  PERFORM smile.check_match(if_match, u.version);
  UPDATE smile.employer_unit AS x
  SET code = coalesce(wanted_code, x.code), name = coalesce(wanted_name, x.name),
    active = coalesce(wanted_active, x.active)
  WHERE x.id = wanted RETURNING x.* INTO u;
  PERFORM smile.audit('unit.changed', 'employer_unit', wanted);
  RETURN smile.answer(200, smile.unit_body(wanted), smile.etag(u.version));
END
$$;
