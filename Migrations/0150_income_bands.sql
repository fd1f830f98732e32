-- The income bands of members who pay for themselves (PP 44/2015 Lampiran II): what JKK costs a month in each, and the
-- income that stands for the band, of which JHT is a percentage. Two bands were found; the others are loaded by an
-- officer who manages parameters and count when another one has approved them.

CREATE TABLE smile.income_band (
  id uuid PRIMARY KEY DEFAULT smile.uuid7(),
  -- Names the band, in rupiah a month.
  base bigint NOT NULL CHECK (base BETWEEN 1 AND 1000000000000),
  -- The incomes that belong to it; NULL where the bound isn't known or there is none.
  income_from bigint CHECK (income_from >= 0),
  income_to bigint,
  jkk bigint NOT NULL CHECK (jkk BETWEEN 1 AND base),
  valid_from smile.wage_month NOT NULL,
  -- The last day it holds; NULL while it holds.
  valid_to date,
  instrument text NOT NULL CHECK (length(instrument) BETWEEN 1 AND 100),
  certainty text NOT NULL CHECK (length(certainty) BETWEEN 1 AND 200),
  grade text NOT NULL CHECK (grade IN ('law', 'found', 'secondary', 'derived', 'memory')),
  verified boolean NOT NULL GENERATED ALWAYS AS
    (grade IN ('law', 'found') AND certainty !~* '(memory|infer|announcement)') STORED,
  proposed_by uuid REFERENCES smile.account,
  proposed_at timestamptz NOT NULL DEFAULT smile.now(),
  approved_by uuid REFERENCES smile.account,
  approved_at timestamptz,
  CONSTRAINT income_band_ends_after_start CHECK (valid_to >= valid_from),
  CONSTRAINT income_band_bounds_ascend CHECK (income_to >= income_from),
  CONSTRAINT income_band_approved_by_another CHECK (approved_by <> proposed_by),
  CONSTRAINT income_bands_do_not_overlap EXCLUDE USING gist
    (base WITH =, daterange(valid_from, valid_to, '[]') WITH &&) WHERE (approved_at IS NOT NULL)
);
ALTER TABLE smile.income_band ENABLE ROW LEVEL SECURITY;
ALTER TABLE smile.income_band FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_all ON smile.income_band TO smile_owner USING (true);
CREATE POLICY everyone_reads ON smile.income_band FOR SELECT TO smile_api USING (true);
GRANT SELECT ON smile.income_band TO smile_api;

INSERT INTO smile.income_band
  (base, income_from, income_to, jkk, valid_from, instrument, certainty, grade, approved_at)
VALUES
  -- 16,800 for JKK and JKM less 6,800 for JKM; 1 % of the base is 10,000. Its bounds weren't found.
  (1000000, NULL, NULL, 10000, '2015-07-01', 'PP 44/2015 Lampiran II', 'derived (16800-6800) S30', 'derived',
    smile.now()),
  -- 1 % of the base is 12,000.
  (1200000, 1100000, 1299000, 12000, '2015-07-01', 'PP 44/2015 Lampiran II', 'found:S28', 'found', smile.now());

CREATE FUNCTION smile.income_band_body(b smile.income_band) RETURNS json LANGUAGE sql STABLE
RETURN json_strip_nulls(json_build_object(
  'id', (b).id, 'base', (b).base, 'income_from', (b).income_from, 'income_to', (b).income_to, 'jkk', (b).jkk,
  'valid_from', (b).valid_from, 'valid_to', (b).valid_to, 'instrument', (b).instrument,
  'certainty', (b).certainty, 'grade', (b).grade, 'verified', (b).verified, 'approved_at', (b).approved_at));

-- Those in force on a day, the lowest first.
CREATE FUNCTION smile.list_income_bands(as_of date, after bigint, page integer) RETURNS json LANGUAGE sql STABLE
BEGIN ATOMIC
  WITH found AS (
    SELECT b AS band, b.base, row_number() OVER (ORDER BY b.base) AS place
    FROM smile.income_band AS b
    WHERE b.approved_at IS NOT NULL AND b.valid_from <= coalesce(as_of, smile.today())
      AND (b.valid_to IS NULL OR b.valid_to >= coalesce(as_of, smile.today()))
      AND (after IS NULL OR b.base > after)
    ORDER BY b.base LIMIT page + 1)
  SELECT json_strip_nulls(json_build_object(
    'as_of', coalesce(as_of, smile.today()),
    'items', coalesce(json_agg(smile.income_band_body(f.band) ORDER BY f.place) FILTER (WHERE f.place <= page), '[]'),
    'next_after', CASE WHEN count(*) > page THEN (SELECT g.base::text FROM found AS g WHERE g.place = page) END))
  FROM found AS f;
END;

CREATE FUNCTION smile.propose_income_band(
  base bigint, income_from bigint, income_to bigint, jkk bigint, valid_from date, instrument text, certainty text,
  grade text)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  made smile.income_band;
BEGIN
  IF NOT smile.is_officer('manage_parameters') THEN
    PERFORM smile.fail(403, 'insufficient_scope');
  ELSIF propose_income_band.income_to < propose_income_band.income_from THEN
    PERFORM smile.refuse(422, 'bounds_descend', '/income_to');
  ELSIF propose_income_band.jkk > propose_income_band.base THEN
    PERFORM smile.refuse(422, 'contribution_above_income', '/jkk');
  END IF;
  INSERT INTO smile.income_band
    (base, income_from, income_to, jkk, valid_from, instrument, certainty, grade, proposed_by)
  VALUES (propose_income_band.base, propose_income_band.income_from, propose_income_band.income_to,
    propose_income_band.jkk, propose_income_band.valid_from, propose_income_band.instrument,
    propose_income_band.certainty, propose_income_band.grade, smile.account_id())
  RETURNING * INTO made;
  PERFORM smile.audit('income_band.proposed', 'income_band', made.id);
  RETURN smile.answer(201, smile.income_band_body(made), NULL, '/v1/income_bands/' || made.id);
END
$$;

-- It takes the place of the row of the same base that is in force until then. Months that were billed stay as they are.
CREATE FUNCTION smile.approve_income_band(wanted uuid) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  b smile.income_band;
BEGIN
  IF NOT smile.is_officer('manage_parameters') THEN
    PERFORM smile.fail(403, 'insufficient_scope');
  END IF;
  SELECT * INTO b FROM smile.income_band AS x WHERE x.id = wanted FOR UPDATE;
  IF NOT FOUND THEN
    PERFORM smile.fail(404, 'not_found');
  ELSIF b.approved_at IS NOT NULL THEN
    PERFORM smile.fail(409, 'income_band_already_approved');
  ELSIF b.proposed_by = smile.account_id() THEN
    PERFORM smile.fail(403, 'own_proposal');
  END IF;
  UPDATE smile.income_band AS x SET valid_to = b.valid_from - 1
  WHERE x.base = b.base AND x.approved_at IS NOT NULL AND x.valid_to IS NULL AND x.valid_from < b.valid_from;
  UPDATE smile.income_band AS x SET approved_by = smile.account_id(), approved_at = smile.now()
  WHERE x.id = wanted RETURNING x.* INTO b;
  PERFORM smile.audit('income_band.approved', 'income_band', wanted);
  RETURN smile.answer(200, smile.income_band_body(b));
END
$$;
