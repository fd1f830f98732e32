-- What an employer owes to report and to pay, month by month, and a summary of each month with digests that a payroll
-- system computes over its own records: one string a month tells whether both say the same.

CREATE FUNCTION smile.may_see_returns(employer uuid) RETURNS boolean LANGUAGE sql STABLE
RETURN EXISTS (SELECT FROM smile.employer AS e WHERE e.id = employer)
  AND (coalesce(smile.employer_id() = employer, false) OR smile.is_officer('manage_billing'));

-- Every month since the approval, and those before it that were reported all the same. A month is
--   paid      reported, and nothing is left to pay (a month without activity too)
--   due       reported, something is left to pay, and the due day isn't over
--   overdue   the same, and the due day is over
--   open      not reported, and the due day isn't over
--   missing   the same, and the due day is over
CREATE FUNCTION smile.obligation_months(employer uuid)
RETURNS TABLE (period date, due_date date, state text, billed bigint, paid bigint) LANGUAGE sql STABLE ROWS 50
BEGIN ATOMIC
  WITH month AS (
    SELECT g::date AS period
    FROM smile.employer AS e
    CROSS JOIN LATERAL generate_series(
      date_trunc('month', e.approved_at AT TIME ZONE 'Asia/Jakarta'),
      date_trunc('month', smile.today()::timestamp), interval '1 month') AS g
    WHERE e.id = employer AND e.approved_at IS NOT NULL
    UNION
    SELECT r.period::date FROM smile.contribution_return AS r
    WHERE r.employer_id = employer AND r.status = 'finalised'),
  money AS (
    SELECT b.period::date AS period, sum(b.amount)::bigint AS billed, sum(b.paid_amount)::bigint AS paid
    FROM smile.billing AS b WHERE b.employer_id = employer GROUP BY 1),
  known AS (
    SELECT m.period, smile.due_date(m.period) AS due_date, coalesce(y.billed, 0) AS billed, coalesce(y.paid, 0) AS paid,
      EXISTS (
        SELECT FROM smile.contribution_return AS r
        WHERE r.employer_id = employer AND r.period = m.period AND r.status = 'finalised'
          AND r.kind IN ('regular', 'no_activity')) AS reported
    FROM month AS m LEFT JOIN money AS y ON y.period = m.period)
  SELECT k.period, k.due_date, CASE
      WHEN k.reported AND k.paid >= k.billed THEN 'paid'
      WHEN k.reported THEN CASE WHEN k.due_date < smile.today() THEN 'overdue' ELSE 'due' END
      ELSE CASE WHEN k.due_date < smile.today() THEN 'missing' ELSE 'open' END END,
    k.billed, k.paid
  FROM known AS k;
END;

-- A page of the calendar, newest month first, with the arrears of all months. NULL when it isn't the caller's to see.
CREATE FUNCTION smile.list_obligations(
  employer uuid, from_period date, to_period date, wanted_state text, after date, page integer)
RETURNS json LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp
BEGIN ATOMIC
  WITH month AS MATERIALIZED (
    SELECT o.period, o.due_date, o.state, o.billed, o.paid
    FROM smile.obligation_months(employer) AS o WHERE smile.may_see_returns(employer)),
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
      SELECT json_build_object('months', count(*), 'outstanding', coalesce(sum(a.billed - a.paid), 0),
        'oldest', smile.month_text(min(a.period)))
      FROM month AS a WHERE a.state IN ('overdue', 'missing')),
    'next_after', CASE WHEN count(*) > page THEN (
      SELECT smile.month_text(g.period) FROM found AS g WHERE g.place = page) END))
  FROM found AS f
  HAVING smile.may_see_returns(employer);
END;

-- What stands for a month, one row a member: lines and back pay of every finalised return that reach into it, without
-- what revisions took back (smile.return_reductions comes with a later file, so this body is bound when it runs).
CREATE FUNCTION smile.reported_month(employer uuid, wanted date)
RETURNS TABLE (
  member_id uuid, wage bigint, jht_employer bigint, jht_worker bigint, jkk bigint, jkm bigint, jp_employer bigint,
  jp_worker bigint)
LANGUAGE plpgsql STABLE ROWS 1000 AS $$
BEGIN
  RETURN QUERY
  SELECT c.member_id, sum(c.wage)::bigint, sum(c.jht_employer)::bigint, sum(c.jht_worker)::bigint,
    sum(c.jkk)::bigint, sum(c.jkm)::bigint, sum(c.jp_employer)::bigint, sum(c.jp_worker)::bigint
  FROM (
    SELECT x.member_id, x.wage, x.jht_employer, x.jht_worker, x.jkk, x.jkm, x.jp_employer, x.jp_worker
    FROM smile.contribution_return AS r
    CROSS JOIN LATERAL smile.return_charges(employer, r.id) AS x
    WHERE r.employer_id = employer AND r.status = 'finalised' AND x.period = wanted
      AND (r.period = wanted OR EXISTS (
        SELECT FROM smile.return_back_pay AS b
        WHERE b.employer_id = employer AND b.return_id = r.id AND b.period = wanted))
    UNION ALL
    SELECT y.member_id, -y.wage, -y.jht_employer, -y.jht_worker, -y.jkk, -y.jkm, -y.jp_employer, -y.jp_worker
    FROM smile.contribution_return AS r
    CROSS JOIN LATERAL smile.return_reductions(employer, r.id) AS y
    WHERE r.employer_id = employer AND r.status = 'finalised' AND r.kind = 'revised' AND r.period = wanted) AS c
  GROUP BY c.member_id;
END
$$;

-- SHA-256, in hexadecimal, of lines of ASCII text in the order of their bytes, with a line feed between two lines:
-- the order in which anybody keeps the workers makes no difference.
CREATE FUNCTION smile.lines_digest(lines text[]) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN encode(sha256(convert_to(
  (SELECT coalesce(string_agg(l, E'\n' ORDER BY l COLLATE "C"), '') FROM unnest(lines) AS l), 'UTF8')), 'hex');

CREATE FUNCTION smile.month_summary(employer uuid, wanted date) RETURNS json LANGUAGE sql STABLE
BEGIN ATOMIC
  WITH reported AS (
    SELECT m.*, (SELECT min(n.kpj) FROM smile.member_number AS n WHERE n.member_id = m.member_id) AS kpj
    FROM smile.reported_month(employer, wanted) AS m),
  money AS (
    SELECT coalesce(sum(b.amount), 0) AS billed, coalesce(sum(b.paid_amount), 0) AS paid
    FROM smile.billing AS b WHERE b.employer_id = employer AND b.period = wanted)
  SELECT json_build_object(
    'period', smile.month_text(wanted), 'members', count(*), 'wages', coalesce(sum(r.wage), 0),
    'amounts', json_build_object(
      'jht_employer', coalesce(sum(r.jht_employer), 0), 'jht_worker', coalesce(sum(r.jht_worker), 0),
      'jkk', coalesce(sum(r.jkk), 0), 'jkm', coalesce(sum(r.jkm), 0),
      'jp_employer', coalesce(sum(r.jp_employer), 0), 'jp_worker', coalesce(sum(r.jp_worker), 0)),
    'wages_sha256', smile.lines_digest(coalesce(array_agg(concat_ws(',', r.kpj, r.wage)), '{}')),
    'content_sha256', smile.lines_digest(coalesce(array_agg(concat_ws(',', r.kpj, r.wage, r.jht_employer,
      r.jht_worker, r.jkk, r.jkm, r.jp_employer, r.jp_worker)), '{}')),
    'billed', (SELECT y.billed FROM money AS y), 'paid', (SELECT y.paid FROM money AS y),
    'outstanding', (SELECT y.billed - y.paid FROM money AS y))
  FROM reported AS r;
END;

-- Without months the last one that is over. NULL when it isn't the caller's to see.
CREATE FUNCTION smile.summarise_months(employer uuid, from_period date, to_period date) RETURNS json
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp
BEGIN ATOMIC
  SELECT json_build_object('items', json_agg(smile.month_summary(employer, g::date) ORDER BY g))
  FROM (SELECT date_trunc('month', smile.today()::timestamp) - interval '1 month' AS period) AS last
  CROSS JOIN LATERAL generate_series(coalesce(from_period, last.period), coalesce(to_period, last.period),
    interval '1 month') AS g
  WHERE smile.may_see_returns(employer)
  HAVING smile.may_see_returns(employer);
END;

REVOKE EXECUTE ON FUNCTION smile.obligation_months(uuid), smile.reported_month(uuid, date),
  smile.month_summary(uuid, date) FROM smile_api, smile_jobs;
