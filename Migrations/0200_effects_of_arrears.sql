-- What arrears do to benefits, for those whom it concerns: who pays first when an employer is behind, and whether
-- those who pay for themselves are protected on a day. (PP 6/2025 Art. 39 and 39A; for JKK and JKM from memory.)
-- What counts is what was known to stand on the day of the event, so every function takes the day.

-- The months that employers were behind with on a day, and what they should have paid of them by then: due before that
-- day, and by its end not reported or not paid in full. Of today it is what smile.obligation_months calls overdue and
-- missing.
CREATE FUNCTION smile.arrears_months(employers uuid[], day date)
RETURNS TABLE (employer_id uuid, period date, outstanding bigint) LANGUAGE sql STABLE
BEGIN ATOMIC
  WITH moment AS (SELECT (day + 1)::timestamp AT TIME ZONE 'Asia/Jakarta' AS ends_at),
  month AS MATERIALIZED (
    SELECT e.id AS employer_id, g::date AS period
    FROM smile.employer AS e
    CROSS JOIN LATERAL (
      SELECT min(s.start_date)::timestamp AS day FROM smile.employment AS s WHERE s.employer_id = e.id) AS first
    CROSS JOIN LATERAL generate_series(
      date_trunc('month', greatest(e.approved_at AT TIME ZONE 'Asia/Jakarta', first.day)),
      -- least() passes over a NULL.
      least(arrears_months.day, e.closed_on)::timestamp, interval '1 month') AS g
    WHERE e.id = ANY (employers) AND e.approved_at IS NOT NULL AND first.day IS NOT NULL
    UNION
    SELECT r.employer_id, r.period::date FROM smile.contribution_return AS r CROSS JOIN moment AS m
    WHERE r.employer_id = ANY (employers) AND r.status = 'finalised' AND r.finalised_at < m.ends_at),
  spent AS (
    SELECT b.id, b.paid_amount AS paid FROM smile.billing AS b
    WHERE b.employer_id = ANY (employers) AND arrears_months.day >= smile.today()
    UNION ALL
    SELECT a.billing_id, a.direct + a.credit
    FROM smile.allocation(CASE WHEN arrears_months.day < smile.today() THEN employers ELSE '{}' END,
      ARRAY[arrears_months.day], true) AS a
    WHERE a.number = 0),
  money AS MATERIALIZED (
    SELECT b.employer_id, b.period::date AS period, min(b.due_date) AS due_date,
      min(b.due_date) FILTER (WHERE s.paid < b.amount) AS next_due_date,
      coalesce(sum(b.amount - s.paid) FILTER (WHERE b.due_date < arrears_months.day), 0)::bigint AS outstanding
    FROM smile.billing AS b JOIN spent AS s ON s.id = b.id CROSS JOIN moment AS m
    WHERE b.employer_id = ANY (employers) AND b.issued_at < m.ends_at GROUP BY 1, 2),
  reported AS MATERIALIZED (
    SELECT DISTINCT r.employer_id, r.period::date AS period
    FROM smile.contribution_return AS r CROSS JOIN moment AS m
    WHERE r.employer_id = ANY (employers) AND r.status = 'finalised' AND r.kind IN ('regular', 'no_activity')
      AND r.finalised_at < m.ends_at),
  calendar AS MATERIALIZED (
    SELECT p.period, smile.due_date(p.period) AS due_date FROM (SELECT DISTINCT x.period FROM month AS x) AS p)
  SELECT t.employer_id, t.period, coalesce(y.outstanding, 0)
  FROM month AS t
  JOIN calendar AS c ON c.period = t.period
  LEFT JOIN money AS y ON y.employer_id = t.employer_id AND y.period = t.period
  LEFT JOIN reported AS r ON r.employer_id = t.employer_id AND r.period = t.period
  -- What is reported and paid is due no more.
  WHERE CASE WHEN r.period IS NULL THEN coalesce(y.due_date, c.due_date) ELSE y.next_due_date END
    < arrears_months.day;
END;

-- As before, on a day.
CREATE FUNCTION smile.arrears_effects(months bigint, day date, is_closed boolean) RETURNS json LANGUAGE sql STABLE
RETURN CASE WHEN months > 0 THEN (
  SELECT json_agg(json_strip_nulls(json_build_object(
      'programme', lower(e.programme),
      'effect', CASE WHEN e.limit_months IS NULL THEN e.value WHEN arrears_effects.months <= e.limit_months
        THEN 'agency_pays' ELSE 'employer_pays_first' END,
      'limit_months', e.limit_months, 'instrument', e.instrument, 'grade', e.grade,
      'verified', e.verified AND e.grade IN ('law', 'found'))) ORDER BY e.programme)
  FROM (
    SELECT DISTINCT ON (p.programme) p.programme, p.value, p.instrument, p.grade, p.verified,
      CASE WHEN p.parameter <> 'arrears.effect' THEN p.value::bigint END AS limit_months
    FROM smile.legal_parameter AS p
    WHERE (p.parameter IN ('arrears.agency_pays_upto_months', 'arrears.effect')
        OR is_closed AND p.parameter = 'arrears.bankrupt_agency_pays_upto_months')
      AND day >= p.valid_from AND (p.valid_to IS NULL OR day <= p.valid_to)
    ORDER BY p.programme, p.parameter = 'arrears.bankrupt_agency_pays_upto_months' DESC) AS e) END;

CREATE OR REPLACE FUNCTION smile.arrears_effects(months bigint, is_closed boolean) RETURNS json LANGUAGE sql STABLE
RETURN smile.arrears_effects(months, smile.today(), is_closed);

-- How many people worked there in those months.
CREATE FUNCTION smile.affected_persons(employer uuid, months date[]) RETURNS bigint LANGUAGE sql STABLE
RETURN (
  SELECT count(DISTINCT s.member_id) FROM smile.employment AS s
  WHERE s.employer_id = employer AND EXISTS (
    SELECT FROM unnest(months) AS m
    WHERE s.start_date < smile.later_month(m, 1) AND (s.end_date IS NULL OR s.end_date >= m)));

-- As before, with how many people the arrears concern.
CREATE OR REPLACE FUNCTION smile.list_obligations(
  employer uuid, from_period date, to_period date, wanted_state text, after date, page integer)
RETURNS json LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp
BEGIN ATOMIC
  WITH month AS MATERIALIZED (
    SELECT o.period, o.due_date, o.state, o.billed, o.paid
    FROM smile.obligation_months(employer) AS o WHERE smile.may_see_returns(employer)),
  late AS MATERIALIZED (
    SELECT count(*) AS months, min(a.period) AS oldest, array_agg(a.period) AS periods
    FROM month AS a WHERE a.state IN ('overdue', 'missing')),
  found AS (
    SELECT m.*, row_number() OVER (ORDER BY m.period DESC) AS place
    FROM month AS m
    WHERE (from_period IS NULL OR m.period >= from_period) AND (to_period IS NULL OR m.period <= to_period)
      AND (wanted_state IS NULL OR m.state = wanted_state) AND (after IS NULL OR m.period < after)
    ORDER BY m.period DESC LIMIT page + 1)
  SELECT json_strip_nulls(json_build_object(
    'items', coalesce(json_agg(json_build_object(
        'period', smile.month_text(f.period), 'due_date', f.due_date, 'due_at', smile.end_of_day(f.due_date),
        'state', f.state, 'billed', f.billed, 'paid', f.paid, 'outstanding', f.billed - f.paid,
        'deferred', (
          SELECT json_build_object('due_date', b.due_date, 'billed', sum(b.amount), 'paid', sum(b.paid_amount),
            'outstanding', sum(b.amount - b.paid_amount))
          FROM smile.billing AS b
          WHERE b.employer_id = employer AND b.period = f.period AND b.deferred_of IS NOT NULL GROUP BY b.due_date),
        'returns', (
          SELECT coalesce(json_agg(json_build_object('id', r.id, 'kind', r.kind, 'status', r.status,
            'finalised_at', r.finalised_at) ORDER BY r.id), '[]')
          FROM smile.contribution_return AS r
          WHERE r.employer_id = employer AND r.period = f.period AND r.status <> 'discarded'),
        'billings', (
          SELECT coalesce(json_agg(b.id ORDER BY b.id), '[]') FROM smile.billing AS b
          WHERE b.employer_id = employer AND b.period = f.period))
      ORDER BY f.place) FILTER (WHERE f.place <= page), '[]'),
    'arrears', (
      SELECT json_build_object('months', l.months, 'outstanding', smile.overdue_amount(employer),
        'oldest', smile.month_text(l.oldest),
        'affected_persons', CASE WHEN l.months > 0 THEN smile.affected_persons(employer, l.periods) END)
      FROM late AS l),
    'arrears_effects', (
      SELECT smile.arrears_effects(l.months, e.closed_on IS NOT NULL)
      FROM late AS l CROSS JOIN smile.employer AS e WHERE e.id = employer),
    'next_after', CASE WHEN count(*) > page THEN (
      SELECT smile.month_text(g.period) FROM found AS g WHERE g.place = page) END))
  FROM found AS f
  HAVING smile.may_see_returns(employer);
END;

-- For officers: employers that are behind, by so many months at least, in the order in which they registered. One call
-- looks at so many employers at the most: a page may hold less than it could, or nothing, and yet name the next one.
CREATE FUNCTION smile.list_employer_arrears(min_months integer, after uuid, page integer) RETURNS json
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp
BEGIN ATOMIC
  WITH bound AS (SELECT 1000 AS employers),
  candidate AS MATERIALIZED (
    SELECT e.id, row_number() OVER (ORDER BY e.id) AS place
    FROM smile.employer AS e
    WHERE e.approved_at IS NOT NULL AND (after IS NULL OR e.id > after) AND smile.is_officer('manage_billing')
    ORDER BY e.id LIMIT (SELECT b.employers FROM bound AS b)),
  late AS (
    SELECT m.employer_id, count(*) AS months, sum(m.outstanding)::bigint AS outstanding, min(m.period) AS oldest,
      array_agg(m.period) AS periods
    FROM smile.arrears_months(ARRAY(SELECT c.id FROM candidate AS c), smile.today()) AS m
    GROUP BY m.employer_id HAVING count(*) >= min_months),
  found AS MATERIALIZED (
    SELECT l.*, row_number() OVER (ORDER BY l.employer_id) AS place
    FROM late AS l ORDER BY l.employer_id LIMIT page + 1)
  SELECT json_strip_nulls(json_build_object(
    'items', coalesce(json_agg(json_build_object(
        'employer', json_build_object('id', e.id, 'npp', e.npp, 'name', e.name, 'status', e.status),
        'months', f.months, 'outstanding', f.outstanding, 'oldest', smile.month_text(f.oldest),
        'fines', (
          SELECT coalesce(sum(b.fine_amount - b.fine_paid), 0) FROM smile.billing AS b WHERE b.employer_id = e.id),
        'affected_persons', smile.affected_persons(e.id, f.periods),
        'effects', smile.arrears_effects(f.months, smile.today(), e.closed_on IS NOT NULL))
      ORDER BY f.place) FILTER (WHERE f.place <= page), '[]'),
    'next_after', CASE
      WHEN count(*) > page THEN (SELECT g.employer_id FROM found AS g WHERE g.place = page)
      ELSE (SELECT c.id FROM candidate AS c CROSS JOIN bound AS b WHERE c.place = b.employers) END))
  FROM found AS f JOIN smile.employer AS e ON e.id = f.employer_id;
END;

-- The employers that a member works for on a day, and those of before whose arrears leave months of the member without
-- contributions, with what the arrears do. An accident or a death after the employment is none of a former employer's.
CREATE FUNCTION smile.member_arrears(member uuid, day date)
RETURNS TABLE (employer_id uuid, employed boolean, months bigint, unpaid date[], effects json) LANGUAGE sql STABLE
BEGIN ATOMIC
  WITH spell AS MATERIALIZED (
    SELECT s.employer_id, bool_or(s.end_date IS NULL OR s.end_date >= day) AS employed
    FROM smile.employment AS s WHERE s.member_id = member AND s.start_date <= day GROUP BY s.employer_id),
  late AS MATERIALIZED (
    SELECT m.employer_id, m.period
    FROM smile.arrears_months(ARRAY(SELECT s.employer_id FROM spell AS s), day) AS m),
  own AS MATERIALIZED (
    SELECT l.employer_id, array_agg(l.period ORDER BY l.period) AS unpaid
    FROM late AS l
    WHERE EXISTS (
      SELECT FROM smile.employment AS s
      WHERE s.member_id = member AND s.employer_id = l.employer_id
        AND s.start_date < smile.later_month(l.period, 1) AND (s.end_date IS NULL OR s.end_date >= l.period))
      AND NOT EXISTS (
        SELECT FROM smile.contribution AS c
        WHERE c.member_id = member AND c.period = l.period AND c.employer_id = l.employer_id)
    GROUP BY l.employer_id)
  SELECT s.employer_id, s.employed, t.months, o.unpaid, (
    SELECT json_agg(x.effect) FROM json_array_elements(
      smile.arrears_effects(t.months, day, e.closed_on IS NOT NULL)) AS x (effect)
    WHERE s.employed OR NOT x.effect ->> 'programme' = ANY ('{jkk,jkm}'))
  FROM spell AS s
  JOIN smile.employer AS e ON e.id = s.employer_id
  CROSS JOIN LATERAL (SELECT count(*) AS months FROM late AS l WHERE l.employer_id = s.employer_id) AS t
  LEFT JOIN own AS o ON o.employer_id = s.employer_id
  WHERE s.employed OR o.unpaid IS NOT NULL;
END;

-- Which months of members' own are paid by what was paid before an instant ('infinity': by all of it).
CREATE FUNCTION smile.self_employed_targets(members uuid[], until timestamptz)
RETURNS TABLE (member_id uuid, billing_id uuid, period date, received bigint, paid boolean) LANGUAGE sql STABLE
BEGIN ATOMIC
  WITH receipt AS (
    SELECT p.member_id, p.self_employed_billing_id AS id, sum(p.amount - p.returned_amount)::bigint AS amount
    FROM smile.payment AS p
    WHERE p.member_id = ANY (members) AND p.self_employed_billing_id IS NOT NULL AND p.reversed_at IS NULL
      AND p.paid_at < until
    GROUP BY p.member_id, p.self_employed_billing_id),
  month AS (
    SELECT b.member_id, b.id, m.period, coalesce(r.amount, 0) AS received, m.price,
      coalesce(sum(m.price) OVER (PARTITION BY b.id ORDER BY m.period) <= coalesce(r.amount, 0), false) AS direct
    FROM smile.self_employed_billing AS b
    LEFT JOIN receipt AS r ON r.id = b.id
    LEFT JOIN smile.self_employed_month AS m ON m.billing_id = b.id AND m.withdrawn_at IS NULL
    WHERE b.member_id = ANY (members)),
  spent AS (
    SELECT m.member_id, sum(m.price) FILTER (WHERE m.direct) AS amount FROM month AS m GROUP BY m.member_id),
  surplus AS (
    SELECT s.member_id, coalesce((SELECT sum(r.amount) FROM receipt AS r WHERE r.member_id = s.member_id), 0)
      - coalesce(s.amount, 0) AS amount
    FROM spent AS s)
  SELECT m.member_id, m.id, m.period, m.received, m.direct OR sum(m.price) FILTER (WHERE NOT m.direct) OVER (
    PARTITION BY m.member_id ORDER BY m.id, m.period) <= s.amount
  FROM month AS m JOIN surplus AS s ON s.member_id = m.member_id;
END;

-- As before, on a day: a payment made after it, for whichever month, protects nobody on it.
CREATE FUNCTION smile.self_employment_state(
  s smile.self_employment, day date, OUT status text, OUT paid_until date, OUT unpaid_months integer,
  OUT arrears_months integer, OUT inactive_since date)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  this_month date := date_trunc('month', day::timestamp)::date;
  last_due date := CASE WHEN smile.self_employed_due_date(this_month) < day THEN this_month
    ELSE smile.later_month(this_month, -1) END;
  too_many integer := smile.parameter('ALL', 'bpu.inactive_after_unpaid_months', day)::integer;
  due_count integer;
  paid_count integer;
BEGIN
  IF s.member_id IS DISTINCT FROM smile.member_id() AND smile.role() IS DISTINCT FROM 'officer' THEN
    RETURN;
  END IF;
  last_due := least(last_due, s.last_period);
  IF day >= smile.today() THEN
    SELECT max(m.period), count(*) FILTER (WHERE m.period <= last_due) INTO paid_until, paid_count
    FROM smile.self_employed_month AS m
    WHERE m.self_employment_id = s.id AND m.posting_id IS NOT NULL;
  ELSE
    SELECT max(m.period), count(*) FILTER (WHERE m.period <= last_due) INTO paid_until, paid_count
    FROM smile.self_employed_month AS m
    JOIN smile.self_employed_targets(ARRAY[s.member_id], (day + 1)::timestamp AT TIME ZONE 'Asia/Jakarta') AS t
      ON t.billing_id = m.billing_id AND t.period = m.period
    WHERE m.self_employment_id = s.id AND t.paid;
  END IF;
  due_count := greatest(0, smile.months_between(s.first_period, last_due) + 1);
  unpaid_months := greatest(0, smile.months_between(
    coalesce(paid_until, smile.later_month(s.first_period, -1)), last_due));
  arrears_months := CASE smile.parameter_text('ALL', 'bpu.months_of_inactivity', day)
    WHEN 'stay_due' THEN due_count - paid_count ELSE unpaid_months END;
  IF unpaid_months >= too_many THEN
    inactive_since := smile.self_employed_due_date(
      smile.later_month(last_due, too_many - unpaid_months)) + 1;
  END IF;
  status := CASE WHEN s.last_period < this_month THEN 'ended' WHEN unpaid_months >= too_many THEN 'inactive'
    WHEN paid_until IS NULL THEN 'waiting' ELSE 'active' END;
END
$$;

CREATE OR REPLACE FUNCTION smile.self_employment_state(
  s smile.self_employment, OUT status text, OUT paid_until date, OUT unpaid_months integer, OUT arrears_months integer,
  OUT inactive_since date)
LANGUAGE plpgsql STABLE AS $$
BEGIN
  SELECT x.status, x.paid_until, x.unpaid_months, x.arrears_months, x.inactive_since
  INTO status, paid_until, unpaid_months, arrears_months, inactive_since
  FROM smile.self_employment_state(s, smile.today()) AS x;
END
$$;

-- Whether JHT belongs to the terms of a month.
CREATE FUNCTION smile.saves_jht(s smile.self_employment, month date) RETURNS boolean LANGUAGE sql STABLE
RETURN coalesce((
  SELECT t.with_jht FROM smile.self_employment_terms AS t
  WHERE t.self_employment_id = (s).id AND t.valid_from <= month ORDER BY t.valid_from DESC LIMIT 1), false);

-- What protects a member on a day, and who would pay first.
CREATE FUNCTION smile.protection_body(member uuid, day date) RETURNS json
LANGUAGE sql STABLE
RETURN json_strip_nulls(json_build_object(
  'as_of', day,
  'employments', (
    SELECT coalesce(json_agg(json_build_object(
      'employer', json_build_object('id', a.employer_id, 'name', smile.employer_name(a.employer_id)),
      'employed', a.employed, 'arrears_months', a.months,
      'unpaid_months', (SELECT coalesce(json_agg(smile.month_text(u) ORDER BY u), '[]') FROM unnest(a.unpaid) AS u),
      'effects', coalesce(a.effects, '[]')) ORDER BY a.employed DESC, a.employer_id), '[]')
    FROM smile.member_arrears(member, day) AS a),
  'self_employment', (
    SELECT json_build_object(
      'id', s.id, 'status', x.status, 'protected', x.status = 'active',
      'programmes', CASE WHEN smile.saves_jht(s, o.month) THEN '["jht", "jkk", "jkm"]' ELSE '["jkk", "jkm"]' END::json,
      'paid_until', smile.month_text(x.paid_until), 'unpaid_months', x.unpaid_months,
      'inactive_since', x.inactive_since, 'limit_months', p.value::integer, 'instrument', p.instrument,
      'grade', p.grade, 'verified', p.verified AND p.grade IN ('law', 'found'))
    FROM (SELECT date_trunc('month', day::timestamp)::date AS month) AS o
    JOIN smile.self_employment AS s ON s.member_id = member AND s.first_period <= o.month
      AND (s.last_period IS NULL OR s.last_period >= o.month)
    CROSS JOIN LATERAL smile.self_employment_state(s, day) AS x
    JOIN smile.legal_parameter AS p ON p.programme = 'ALL' AND p.parameter = 'bpu.inactive_after_unpaid_months'
      AND p.valid_from <= day AND (p.valid_to IS NULL OR p.valid_to >= day))));

CREATE FUNCTION smile.check_protection_day(day date) RETURNS void LANGUAGE plpgsql STABLE AS $$
BEGIN
  IF day > smile.today() THEN
    PERFORM smile.fail(422, 'day_lies_ahead', json_build_object('errors', json_build_array(
      json_build_object('parameter', 'as_of', 'code', 'day_lies_ahead'))));
  END IF;
END
$$;

CREATE FUNCTION smile.own_protection(day date) RETURNS json
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
BEGIN
  PERFORM smile.check_protection_day(day);
  RETURN smile.protection_body(smile.member_id(), coalesce(day, smile.today()));
END
$$;

-- An officer opens it as the person's record: with a stated purpose, and a trace.
CREATE FUNCTION smile.open_protection(member uuid, day date) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
BEGIN
  IF NOT smile.is_officer('read_members') THEN
    PERFORM smile.fail(403, 'insufficient_scope');
  ELSIF NOT EXISTS (SELECT FROM smile.member AS m WHERE m.id = member) THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  PERFORM smile.require_purpose();
  PERFORM smile.check_protection_day(day);
  PERFORM smile.audit('protection.read', 'member', member);
  RETURN smile.answer(200, smile.protection_body(member, coalesce(day, smile.today())));
END
$$;

REVOKE EXECUTE ON FUNCTION smile.arrears_months(uuid[], date), smile.affected_persons(uuid, date[]),
  smile.member_arrears(uuid, date), smile.self_employed_targets(uuid[], timestamptz),
  smile.protection_body(uuid, date), smile.check_protection_day(date) FROM smile_api, smile_jobs;
