-- What an employer's contributions depend on besides the law: its JKK risk class (PP 44/2015 Art. 16(2)), assigned by
-- officers, and its size. Both hold from a wage month on. What was reported stays as it was; back pay and revisions are
-- computed with what held in the month that they are about.

ALTER TABLE smile.employer_risk_class
  ADD COLUMN reason text CHECK (length(reason) BETWEEN 1 AND 500),
  ADD COLUMN decided_at timestamptz,
  ADD COLUMN decided_by uuid;
ALTER TABLE smile.employer_risk_class
  ALTER COLUMN decided_at SET DEFAULT smile.now(),
  ALTER COLUMN decided_by SET DEFAULT smile.account_id();

-- The size of a wage month is the latest row not after it, as with the class.
CREATE TABLE smile.employer_size (
  employer_id uuid NOT NULL REFERENCES smile.employer,
  valid_from smile.wage_month NOT NULL,
  size text NOT NULL CHECK (size IN ('micro', 'small', 'medium', 'large')),
  PRIMARY KEY (employer_id, valid_from)
);
ALTER TABLE smile.employer_size ENABLE ROW LEVEL SECURITY;
ALTER TABLE smile.employer_size FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_all ON smile.employer_size TO smile_owner USING (true);
CREATE POLICY own_size ON smile.employer_size FOR SELECT TO smile_api
  USING (employer_id = (SELECT smile.employer_id()));
CREATE POLICY officers_read ON smile.employer_size FOR SELECT TO smile_api
  USING ((SELECT smile.is_officer('manage_employers') OR smile.is_officer('manage_billing')));
GRANT SELECT ON smile.employer_size TO smile_api;

-- The first wage month that anything can be reported for.
CREATE FUNCTION smile.first_wage_month() RETURNS date LANGUAGE sql STABLE
RETURN (
  SELECT min(p.valid_from) FROM smile.legal_parameter AS p
  WHERE p.programme = 'JKK' AND p.parameter = 'pu.rate.class_I_employer_pct');
CREATE FUNCTION smile.current_month() RETURNS date LANGUAGE sql STABLE
RETURN date_trunc('month', smile.today()::timestamp)::date;

INSERT INTO smile.employer_size (employer_id, valid_from, size)
SELECT e.id, smile.first_wage_month(), e.size FROM smile.employer AS e;

-- smile.employer says the size of today; what it was is kept here, whatever function changes it.
CREATE FUNCTION smile.keep_size() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO smile.employer_size (employer_id, valid_from, size)
  VALUES (NEW.id, CASE TG_OP WHEN 'INSERT' THEN smile.first_wage_month() ELSE smile.current_month() END, NEW.size)
  ON CONFLICT (employer_id, valid_from) DO UPDATE SET size = excluded.size;
  RETURN NULL;
END
$$;
CREATE TRIGGER employer_comes_in_a_size AFTER INSERT ON smile.employer
  FOR EACH ROW EXECUTE FUNCTION smile.keep_size();
CREATE TRIGGER employer_size_changes AFTER UPDATE OF size ON smile.employer
  FOR EACH ROW WHEN (NEW.size <> OLD.size) EXECUTE FUNCTION smile.keep_size();

CREATE FUNCTION smile.firm_size(employer uuid, period date) RETURNS text LANGUAGE sql STABLE
RETURN (
  SELECT s.size FROM smile.employer_size AS s
  WHERE s.employer_id = employer AND s.valid_from <= period
  ORDER BY s.valid_from DESC LIMIT 1);

-- Nothing that amounts depend on changes from a month on for which wages were reported. The caller holds the
-- employer's row, for which a finalisation waits.
CREATE FUNCTION smile.refuse_reported_month(employer uuid, from_month date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  reported date;
BEGIN
  SELECT max(r.period) INTO reported FROM smile.contribution_return AS r
  WHERE r.employer_id = employer AND r.period >= from_month AND r.status = 'finalised' AND r.kind <> 'no_activity';
  IF reported IS NOT NULL THEN
    PERFORM smile.fail(409, 'month_already_reported', json_build_object('period', smile.month_text(reported)));
  END IF;
END
$$;

CREATE FUNCTION smile.risk_class_body(employer uuid, wanted date) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_strip_nulls(json_build_object(
    'valid_from', smile.month_text(c.valid_from),
    'valid_to', (
      SELECT smile.month_text((min(n.valid_from) - interval '1 month')::date) FROM smile.employer_risk_class AS n
      WHERE n.employer_id = c.employer_id AND n.valid_from > c.valid_from),
    'risk_class', c.risk_class, 'reason', c.reason, 'decided_at', c.decided_at))
  FROM smile.employer_risk_class AS c WHERE c.employer_id = employer AND c.valid_from = wanted);

-- Newest first. NULL when the employer isn't the caller's to see.
CREATE FUNCTION smile.list_risk_classes(employer uuid, after date, page integer) RETURNS json LANGUAGE sql STABLE
BEGIN ATOMIC
  WITH found AS (
    SELECT c.valid_from, row_number() OVER (ORDER BY c.valid_from DESC) AS place
    FROM smile.employer_risk_class AS c
    WHERE c.employer_id = employer AND (after IS NULL OR c.valid_from < after)
    ORDER BY c.valid_from DESC LIMIT page + 1)
  SELECT json_strip_nulls(json_build_object(
    'items', coalesce(json_agg(smile.risk_class_body(employer, f.valid_from) ORDER BY f.place)
      FILTER (WHERE f.place <= page), '[]'),
    'next_after', CASE WHEN count(*) > page THEN (
      SELECT smile.month_text(g.valid_from) FROM found AS g WHERE g.place = page) END))
  FROM found AS f
  HAVING EXISTS (SELECT FROM smile.employer AS e WHERE e.id = employer);
END;

-- From this month or a later one that nobody has reported yet. A decision for the same month takes the place of the
-- one before; the employer is told.
CREATE FUNCTION smile.set_risk_class(employer uuid, from_month date, class integer, reason text)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  e smile.employer;
  former integer;
BEGIN
  IF NOT smile.is_officer('manage_employers') THEN
    PERFORM smile.fail(403, 'insufficient_scope');
  END IF;
  -- Every change of the employer makes a new version: a reader's tag must not outlive its risk class.
  UPDATE smile.employer AS x SET status = x.status WHERE x.id = employer RETURNING x.* INTO e;
  IF NOT FOUND THEN
    PERFORM smile.fail(404, 'not_found');
  ELSIF from_month < smile.current_month() THEN
    PERFORM smile.refuse(422, 'month_is_past', '/valid_from');
  END IF;
  PERFORM smile.refuse_reported_month(employer, from_month);
  former := smile.risk_class(employer, from_month);
  INSERT INTO smile.employer_risk_class AS c (employer_id, valid_from, risk_class, reason)
  VALUES (employer, from_month, class, set_risk_class.reason)
  ON CONFLICT (employer_id, valid_from) DO UPDATE
  SET risk_class = excluded.risk_class, reason = excluded.reason, decided_at = excluded.decided_at,
    decided_by = excluded.decided_by;
  INSERT INTO smile.outbox (channel, recipient, template, language, parameters)
  VALUES ('email', e.email, 'risk_class_changed', 'id', json_build_object(
    'name', e.name, 'risk_class', to_char(class, 'FMRN'), 'period', smile.month_text(from_month)));
  PERFORM smile.audit('employer.risk_class_changed', 'employer', employer, json_build_object(
    'valid_from', smile.month_text(from_month), 'risk_class_before', former, 'risk_class', class));
  RETURN smile.answer(201, smile.risk_class_body(employer, from_month), NULL,
    format('/v1/employers/%s/risk_classes', employer));
END
$$;

REVOKE EXECUTE ON FUNCTION smile.keep_size(), smile.refuse_reported_month(uuid, date) FROM smile_api, smile_jobs;
