-- What an employer's bookkeeping reads back: a year's contributions of each worker for the tax return, and the state of
-- the account on a day.

-- A page of the workers for whom contributions of the year were paid, by member. A month counts in the year that its
-- wage belongs to, back pay in the month that it was earned in; unpaid_months are those that lack contributions still.
-- NULL when the employer isn't the caller's to see.
CREATE FUNCTION smile.list_annual_totals(employer uuid, year integer, after uuid, page integer) RETURNS json
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp
BEGIN ATOMIC
  WITH worker AS (
    SELECT DISTINCT e.member_id FROM smile.employment AS e
    WHERE e.employer_id = employer AND smile.may_see_workers(employer)
      AND (after IS NULL OR e.member_id > after)),
  found AS MATERIALIZED (
    SELECT w.member_id, t.months, t.wages, t.jht_employer, t.jht_worker, t.jkk, t.jkm, t.jp_employer, t.jp_worker,
      t.jkp_from_jkk, t.jkp_from_jkm, t.jkp_state, row_number() OVER (ORDER BY w.member_id) AS place
    FROM worker AS w
    CROSS JOIN LATERAL (
      SELECT count(*) AS months, sum(c.wage)::bigint AS wages, sum(c.jht_employer)::bigint AS jht_employer,
        sum(c.jht_worker)::bigint AS jht_worker, sum(c.jkk)::bigint AS jkk, sum(c.jkm)::bigint AS jkm,
        sum(c.jp_employer)::bigint AS jp_employer, sum(c.jp_worker)::bigint AS jp_worker,
        sum(c.jkp_from_jkk)::bigint AS jkp_from_jkk, sum(c.jkp_from_jkm)::bigint AS jkp_from_jkm,
        sum(c.jkp_state)::bigint AS jkp_state
      FROM smile.contribution AS c
      WHERE c.member_id = w.member_id AND c.employer_id = employer
        AND c.period
          BETWEEN make_date(list_annual_totals.year, 1, 1) AND make_date(list_annual_totals.year, 12, 1)) AS t
    WHERE t.months > 0
    ORDER BY w.member_id LIMIT page + 1)
  SELECT json_strip_nulls(json_build_object(
    'year', list_annual_totals.year,
    'unpaid_months', (
      SELECT coalesce(json_agg(smile.month_text(u.period) ORDER BY u.period), '[]')
      FROM (
        SELECT DISTINCT b.period::date AS period FROM smile.billing AS b
        WHERE b.employer_id = employer AND b.status <> 'paid' AND b.period
          BETWEEN make_date(list_annual_totals.year, 1, 1) AND make_date(list_annual_totals.year, 12, 1)) AS u),
    'items', coalesce(json_agg(json_build_object(
        'member_id', f.member_id,
        'kpj', (SELECT min(n.kpj) FROM smile.member_number AS n WHERE n.member_id = f.member_id),
        'nik_last_four', (SELECT i.last_four FROM smile.national_id AS i WHERE i.member_id = f.member_id),
        'full_name', (SELECT m.full_name FROM smile.member AS m WHERE m.id = f.member_id),
        'months', f.months, 'wages', f.wages,
        'worker_share', f.jht_worker + f.jp_worker,
        'employer_share', f.jht_employer + f.jkk + f.jkm + f.jp_employer,
        'amounts', smile.amounts_body(f.jht_employer, f.jht_worker, f.jkk, f.jkm, f.jp_employer, f.jp_worker,
          f.jkp_from_jkk, f.jkp_from_jkm, f.jkp_state)) ORDER BY f.place) FILTER (WHERE f.place <= page), '[]'),
    'next_after', CASE WHEN count(*) > page THEN (SELECT g.member_id FROM found AS g WHERE g.place = page) END))
  FROM found AS f
  HAVING smile.may_see_workers(employer);
END;

-- A page of it as CSV (RFC 4180), and where the next one begins.
CREATE FUNCTION smile.export_annual_totals(employer uuid, year integer, after uuid, page integer)
RETURNS TABLE (body text, next_after text) LANGUAGE sql STABLE
BEGIN ATOMIC
  SELECT CASE WHEN after IS NULL THEN
      'kpj,nik_last_four,full_name,months,wages,worker_share,employer_share,jht_employer,jht_worker,jkk_employer,'
      'jkk_to_jkp,jkm_employer,jkm_to_jkp,jp_employer,jp_worker,jkp_recomposed,jkp_state' || E'\r\n' ELSE '' END
    || (
      SELECT coalesce(string_agg(array_to_string(
        ARRAY[x.kpj, x.nik_last_four, smile.csv_cell(x.full_name), x.months::text, x.wages::text,
          x.worker_share::text, x.employer_share::text] || smile.amounts_cells(x.amounts), ',', '') || E'\r\n', ''
        ORDER BY x.member_id), '')
      FROM json_to_recordset(p.list -> 'items') AS x (
        member_id uuid, kpj text, nik_last_four text, full_name text, months integer, wages bigint,
        worker_share bigint, employer_share bigint, amounts jsonb)),
    p.list ->> 'next_after'
  FROM (
    SELECT smile.list_annual_totals(employer, export_annual_totals.year, after, export_annual_totals.page) AS list
    OFFSET 0) AS p
  WHERE p.list IS NOT NULL;
END;

-- The billings of which contributions or fines are open on a day, the months that are due and weren't reported, the
-- payments of the year before, and what the agency holds. NULL when the employer isn't the caller's to see; 400 for a
-- day more than a year ahead, since the fine is computed month by month.
CREATE FUNCTION smile.employer_statement(employer uuid, wanted_day date) RETURNS json
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  day date := coalesce(wanted_day, smile.today());
BEGIN
  IF NOT smile.may_see_returns(employer) THEN
    RETURN NULL;
  ELSIF day > smile.today() + 366 THEN
    PERFORM smile.fail(400, 'invalid_request', json_build_object('errors', json_build_array(
      json_build_object('parameter', 'as_of', 'code', 'date_too_far_ahead'))));
  END IF;
  RETURN (
    WITH spent AS MATERIALIZED (
      SELECT a.billing_id, coalesce(sum(a.direct + a.credit) FILTER (WHERE a.number = 0), 0)::bigint AS paid,
        coalesce(sum(a.credit) FILTER (WHERE a.number > 0), 0)::bigint AS fine_paid
      FROM smile.allocation(ARRAY[employer], ARRAY[day], true) AS a GROUP BY a.billing_id),
    fined AS MATERIALIZED (
      SELECT m.billing_id, sum(m.amount)::bigint AS amount, bool_and(p.verified) AS verified
      FROM smile.late_months(ARRAY[employer], day) AS m JOIN smile.legal_parameter AS p ON p.id = m.parameter_id
      GROUP BY m.billing_id),
    open AS MATERIALIZED (
      SELECT b.id, b.return_id, b.payment_code, b.period::date AS period, b.due_date, b.amount,
        smile.amounts_body(b.jht_employer, b.jht_worker, b.jkk, b.jkm, b.jp_employer, b.jp_worker, b.jkp_from_jkk,
          b.jkp_from_jkm, b.jkp_state) AS amounts,
        s.paid, coalesce(f.amount, 0) - s.fine_paid AS fine, coalesce(f.verified, true) AS verified
      FROM smile.billing AS b JOIN spent AS s ON s.billing_id = b.id LEFT JOIN fined AS f ON f.billing_id = b.id
      WHERE b.employer_id = employer AND (b.issued_at AT TIME ZONE 'Asia/Jakarta')::date <= day
        AND (s.paid < b.amount OR f.amount > s.fine_paid))
    SELECT json_build_object(
      'employer_id', e.id, 'npp', e.npp, 'name', e.name, 'as_of', day,
      'billings', (
        SELECT coalesce(json_agg(json_build_object(
          'billing_id', o.id, 'return_id', o.return_id, 'payment_code', o.payment_code,
          'period', smile.month_text(o.period), 'due_date', o.due_date, 'amounts', o.amounts, 'amount', o.amount,
          'paid', o.paid, 'outstanding', o.amount - o.paid, 'fine', o.fine) ORDER BY o.period, o.id), '[]')
        FROM open AS o),
      'unreported_months', (
        SELECT coalesce(json_agg(smile.month_text(m.period) ORDER BY m.period), '[]')
        FROM smile.obligation_months(employer) AS m WHERE m.state IN ('open', 'missing') AND m.due_date < day),
      'payments', (
        SELECT coalesce(json_agg(json_build_object(
          'payment_id', p.id, 'payment_code', p.payment_code, 'bank_reference', p.bank_reference, 'amount', p.amount,
          'returned', p.returned_amount, 'paid_at', p.paid_at) ORDER BY p.paid_at DESC, p.id DESC), '[]')
        FROM smile.payment AS p
        WHERE p.employer_id = employer AND p.reversed_at IS NULL
          AND (p.paid_at AT TIME ZONE 'Asia/Jakarta')::date BETWEEN (day - interval '1 year')::date AND day),
      'credit', smile.employer_credit(employer),
      'outstanding', (SELECT coalesce(sum(o.amount - o.paid), 0) FROM open AS o),
      'fine', (SELECT coalesce(sum(o.fine), 0) FROM open AS o),
      'verified', (
        SELECT coalesce(bool_and(o.verified AND coalesce((r.totals ->> 'verified')::boolean, true)), true)
        FROM open AS o LEFT JOIN smile.contribution_return AS r ON r.id = o.return_id))
    FROM smile.employer AS e WHERE e.id = employer);
END
$$;

-- A row for each billing, unreported month and payment, then the credit and the sums.
CREATE FUNCTION smile.employer_statement_csv(employer uuid, wanted_day date) RETURNS text LANGUAGE sql STABLE
RETURN (
  SELECT 'entry,period,date,reference,jht_employer,jht_worker,jkk_employer,jkm_employer,jp_employer,jp_worker,'
      'amount,paid,outstanding,fine' || E'\r\n' || (
      SELECT string_agg(array_to_string(ARRAY[x.entry, x.period, x.date, x.reference, x.amounts #>> '{jht,employer}',
        x.amounts #>> '{jht,worker}', x.amounts #>> '{jkk,employer}', x.amounts #>> '{jkm,employer}',
        x.amounts #>> '{jp,employer}', x.amounts #>> '{jp,worker}', x.amount, x.paid, x.outstanding, x.fine], ',', '')
        || E'\r\n', '' ORDER BY x.part, x.place)
      FROM (
        SELECT 1 AS part, b.place, 'billing' AS entry, b.item ->> 'period' AS period, b.item ->> 'due_date' AS date,
          b.item ->> 'payment_code' AS reference, b.item -> 'amounts' AS amounts, b.item ->> 'amount' AS amount,
          b.item ->> 'paid' AS paid, b.item ->> 'outstanding' AS outstanding, b.item ->> 'fine' AS fine
        FROM json_array_elements(s.statement -> 'billings') WITH ORDINALITY AS b (item, place)
        UNION ALL
        SELECT 2, m.place, 'unreported', m.period, NULL, NULL, NULL, NULL, NULL, NULL, NULL
        FROM json_array_elements_text(s.statement -> 'unreported_months') WITH ORDINALITY AS m (period, place)
        UNION ALL
        SELECT 3, p.place, 'payment', NULL, to_char((p.item ->> 'paid_at')::timestamptz AT TIME ZONE 'Asia/Jakarta',
          'YYYY-MM-DD'), smile.csv_cell(p.item ->> 'bank_reference'), NULL, p.item ->> 'amount', NULL, NULL, NULL
        FROM json_array_elements(s.statement -> 'payments') WITH ORDINALITY AS p (item, place)
        UNION ALL
        SELECT 4, 1, 'credit', NULL, s.statement ->> 'as_of', NULL, NULL, s.statement ->> 'credit', NULL, NULL, NULL
        UNION ALL
        SELECT 5, 1, 'total', NULL, s.statement ->> 'as_of', NULL, NULL, NULL, NULL, s.statement ->> 'outstanding',
          s.statement ->> 'fine') AS x)
  FROM (SELECT smile.employer_statement(employer, wanted_day) AS statement OFFSET 0) AS s
  WHERE s.statement IS NOT NULL);
