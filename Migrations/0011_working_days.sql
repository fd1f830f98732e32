-- Working days: every day but Saturdays, Sundays and the holidays of an editable calendar.

CREATE TABLE smile.holiday (
  day date PRIMARY KEY,
  name_id text NOT NULL CHECK (length(name_id) BETWEEN 1 AND 100),
  name_en text NOT NULL CHECK (length(name_en) BETWEEN 1 AND 100),
  -- Whether the day was compared with the joint decree of its year.
  verified boolean NOT NULL DEFAULT false
);
ALTER TABLE smile.holiday ENABLE ROW LEVEL SECURITY;
ALTER TABLE smile.holiday FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_all ON smile.holiday TO smile_owner USING (true);
CREATE POLICY everyone_reads ON smile.holiday FOR SELECT TO smile_api, smile_jobs USING (true);
CREATE POLICY officers_manage ON smile.holiday TO smile_api USING ((SELECT smile.is_officer('manage_parameters')));
GRANT SELECT, INSERT, UPDATE, DELETE ON smile.holiday TO smile_api;
GRANT SELECT ON smile.holiday TO smile_jobs;

-- The national holidays of 2026, from memory; those that follow the moon are set by decree each year.
INSERT INTO smile.holiday (day, name_id, name_en) VALUES
  ('2026-01-01', 'Tahun Baru Masehi', 'New Year''s Day'),
  ('2026-01-16', 'Isra Mikraj Nabi Muhammad', 'Ascension of the Prophet'),
  ('2026-02-17', 'Tahun Baru Imlek', 'Chinese New Year'),
  ('2026-03-19', 'Hari Suci Nyepi', 'Day of Silence'),
  ('2026-03-21', 'Idulfitri, hari pertama', 'Eid al-Fitr, first day'),
  ('2026-03-22', 'Idulfitri, hari kedua', 'Eid al-Fitr, second day'),
  ('2026-04-03', 'Wafat Yesus Kristus', 'Good Friday'),
  ('2026-04-05', 'Paskah', 'Easter Sunday'),
  ('2026-05-01', 'Hari Buruh Internasional', 'Labour Day'),
  ('2026-05-14', 'Kenaikan Yesus Kristus', 'Ascension Day'),
  ('2026-05-27', 'Iduladha', 'Eid al-Adha'),
  ('2026-05-31', 'Hari Raya Waisak', 'Vesak Day'),
  ('2026-06-01', 'Hari Lahir Pancasila', 'Pancasila Day'),
  ('2026-06-16', 'Tahun Baru Islam', 'Islamic New Year'),
  ('2026-08-17', 'Proklamasi Kemerdekaan', 'Independence Day'),
  ('2026-08-25', 'Maulid Nabi Muhammad', 'Birthday of the Prophet'),
  ('2026-12-25', 'Hari Raya Natal', 'Christmas Day');

CREATE FUNCTION smile.is_working_day(day date) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
RETURN extract(isodow FROM day) < 6 AND NOT EXISTS (SELECT FROM smile.holiday AS h WHERE h.day = is_working_day.day);

-- That many working days after the day (0: the day itself or, where it isn't one, the next).
CREATE FUNCTION smile.add_working_days(day date, count integer) RETURNS date LANGUAGE sql STABLE PARALLEL SAFE
RETURN (
  SELECT d::date
  FROM generate_series(day + (count > 0)::integer, day + count * 3 + 60, interval '1 day') AS d
  WHERE smile.is_working_day(d::date)
  ORDER BY d OFFSET greatest(count - 1, 0) LIMIT 1);

-- When the contribution of a wage month is due: a day of the following month, moved off holidays as the law of that
-- month says (PP 44/2015; PP 49/2020 Art. 4 for the months it covered).
CREATE FUNCTION smile.due_date(period date) RETURNS date LANGUAGE sql STABLE
RETURN (
  SELECT CASE WHEN smile.is_working_day(s.day) THEN s.day
    ELSE CASE smile.parameter_text('ALL', 'pu.due_holiday_rule', period)
      WHEN 'previous_working_day' THEN (
        SELECT max(d::date) FROM generate_series(s.day - 30, s.day, interval '1 day') AS d
        WHERE smile.is_working_day(d::date))
      ELSE smile.add_working_days(s.day, 0) END
    END
  FROM (
    SELECT least(
      (period + interval '1 month')::date + smile.parameter('ALL', 'pu.due_day_of_next_month', period)::integer - 1,
      (period + interval '2 months')::date - 1) AS day) AS s);

-- The instant at which a due day ends in Jakarta.
CREATE FUNCTION smile.end_of_day(day date) RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
RETURN (day + 1)::timestamp AT TIME ZONE 'Asia/Jakarta' - interval '1 second';
