-- The calendar of holidays, which officers keep: the law sets those that follow the moon by decree, each year. Due days
-- of months that aren't billed yet follow it; what was billed keeps the day that its billing names.

CREATE FUNCTION smile.holiday_body(h smile.holiday) RETURNS json LANGUAGE sql STABLE
RETURN json_build_object('day', (h).day, 'name_id', (h).name_id, 'name_en', (h).name_en, 'verified', (h).verified);

CREATE FUNCTION smile.list_holidays(wanted_year integer, after date, page integer) RETURNS json
LANGUAGE sql STABLE
BEGIN ATOMIC
  WITH found AS (
    SELECT h, h.day, row_number() OVER (ORDER BY h.day) AS place
    FROM smile.holiday AS h
    WHERE (wanted_year IS NULL OR h.day BETWEEN make_date(wanted_year, 1, 1) AND make_date(wanted_year, 12, 31))
      AND (after IS NULL OR h.day > after)
    ORDER BY h.day LIMIT page + 1)
  SELECT json_strip_nulls(json_build_object(
    'items', coalesce(json_agg(smile.holiday_body(f.h) ORDER BY f.place) FILTER (WHERE f.place <= page), '[]'),
    'next_after', CASE WHEN count(*) > page THEN (SELECT g.day FROM found AS g WHERE g.place = page) END))
  FROM found AS f;
END;

-- Adds a holiday or changes what it is called.
CREATE FUNCTION smile.put_holiday(wanted date, new_name_id text, new_name_en text, is_verified boolean)
RETURNS smile.answer_row LANGUAGE plpgsql AS $$
DECLARE
  h smile.holiday;
  is_new boolean;
BEGIN
  IF NOT smile.is_officer('manage_parameters') THEN
    PERFORM smile.fail(403, 'insufficient_scope');
  END IF;
  INSERT INTO smile.holiday AS x (day, name_id, name_en, verified)
  VALUES (wanted, new_name_id, new_name_en, is_verified)
  ON CONFLICT (day) DO UPDATE
  SET name_id = excluded.name_id, name_en = excluded.name_en, verified = excluded.verified
  RETURNING x.*, x.xmax = 0 INTO h.day, h.name_id, h.name_en, h.verified, is_new;
  PERFORM smile.audit(CASE WHEN is_new THEN 'holiday.added' ELSE 'holiday.changed' END, 'holiday', NULL,
    smile.holiday_body(h));
  RETURN smile.answer(CASE WHEN is_new THEN 201 ELSE 200 END, smile.holiday_body(h), NULL,
    CASE WHEN is_new THEN '/v1/holidays/' || h.day END);
END
$$;

CREATE FUNCTION smile.delete_holiday(wanted date) RETURNS smile.answer_row LANGUAGE plpgsql AS $$
BEGIN
  IF NOT smile.is_officer('manage_parameters') THEN
    PERFORM smile.fail(403, 'insufficient_scope');
  END IF;
  DELETE FROM smile.holiday AS h WHERE h.day = wanted;
  IF NOT FOUND THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  PERFORM smile.audit('holiday.removed', 'holiday', NULL, json_build_object('day', wanted));
  RETURN smile.answer(204, NULL);
END
$$;
