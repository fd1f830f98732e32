-- One billing for each unit of an employer that asks for it: a unit that pays for itself gets a code and a sum of its
-- own. Contributions are rounded per worker, so the billings of a return sum up to what one billing would have said.
--
-- A worker's unit is the one of the spell that the return's month belongs to, as it stands when the return is
-- finalised; it is kept with the line, since a transfer later must not move what was billed. Workers without a unit
-- share a billing without one.

ALTER TABLE smile.employer ADD COLUMN billing_per_unit boolean NOT NULL DEFAULT false;

ALTER TABLE smile.billing
  ADD COLUMN by_unit boolean NOT NULL DEFAULT false,
  -- NULL: the whole return, or by_unit the workers without a unit.
  ADD COLUMN unit_id uuid,
  ADD CONSTRAINT unit_only_by_unit CHECK (by_unit OR unit_id IS NULL),
  ADD CONSTRAINT billing_unit_is_own FOREIGN KEY (employer_id, unit_id)
    REFERENCES smile.employer_unit (employer_id, id),
  DROP CONSTRAINT billing_return_id_key;
CREATE UNIQUE INDEX billing_return ON smile.billing (return_id, unit_id) NULLS NOT DISTINCT;
CREATE INDEX billing_unit ON smile.billing (unit_id) WHERE unit_id IS NOT NULL;

-- Of a return that was billed by unit, the lines whose worker had one. Only finalisation writes here.
CREATE TABLE smile.return_line_unit (
  employer_id uuid NOT NULL,
  return_id uuid NOT NULL,
  line integer NOT NULL,
  unit_id uuid NOT NULL,
  PRIMARY KEY (employer_id, return_id, line)
);
ALTER TABLE smile.return_line_unit ENABLE ROW LEVEL SECURITY;
ALTER TABLE smile.return_line_unit FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_all ON smile.return_line_unit TO smile_owner USING (true);
CREATE POLICY own_returns ON smile.return_line_unit FOR SELECT TO smile_api
  USING (employer_id = (SELECT smile.employer_id()));
CREATE POLICY officers_read ON smile.return_line_unit FOR SELECT TO smile_api
  USING ((SELECT smile.is_officer('manage_billing')));
GRANT SELECT ON smile.return_line_unit TO smile_api;
