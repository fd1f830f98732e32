-- A wage that was told ahead is the member's on its day, not only when something else of the spell changes.

CREATE POLICY own_spells ON smile.employment_wage FOR SELECT TO smile_api
  USING (EXISTS (
    SELECT FROM smile.employment AS e
    WHERE e.id = employment_id AND e.member_id = (SELECT smile.member_id())));

-- The wage of a spell on a day; `hired_at` where it never changed.
CREATE FUNCTION smile.wage_on(spell uuid, day date, hired_at bigint) RETURNS bigint LANGUAGE sql STABLE
RETURN coalesce((
  SELECT w.wage FROM smile.employment_wage AS w
  WHERE w.employment_id = spell AND w.valid_from <= day
  ORDER BY w.valid_from DESC LIMIT 1), hired_at);
