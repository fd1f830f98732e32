-- A month read back: how many lines stand, what they cost, when something last happened to it; and, where its digest is
-- another than one's own, the rows that it was made of. Months come in pages, because a large employer's cost seconds.

-- A member's row of a month as the digests take it: by number, since that is their order.
CREATE FUNCTION smile.numbered_month(employer uuid, wanted date)
RETURNS TABLE (
  kpj text, wage bigint, jht_employer bigint, jht_worker bigint, jkk bigint, jkm bigint, jp_employer bigint,
  jp_worker bigint)
LANGUAGE sql STABLE ROWS 1000
BEGIN ATOMIC
  SELECT n.kpj, m.wage, m.jht_employer, m.jht_worker, m.jkk, m.jkm, m.jp_employer, m.jp_worker
  FROM smile.reported_month(employer, wanted) AS m
  CROSS JOIN LATERAL (
    SELECT min(x.kpj) COLLATE "C" AS kpj FROM smile.member_number AS x WHERE x.member_id = m.member_id) AS n
  ORDER BY n.kpj;
END;

-- SHA-256, in hexadecimal; of nothing where there is nothing.
CREATE FUNCTION smile.text_digest(value text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN encode(sha256(convert_to(coalesce(value, ''), 'UTF8')), 'hex');

-- What last happened to a month: a return of it, or one with back pay for it, was finalised, or money came or went. The
-- ids of receipts and settlements tell what came after what at the same instant.
CREATE FUNCTION smile.last_event(employer uuid, wanted date) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_strip_nulls(json_build_object('kind', e.kind, 'at', e.at, 'return_id', e.return_id,
    'billing_id', e.billing_id))
  FROM (
    SELECT 'return_finalised' AS kind, r.finalised_at AS at, (r.receipt ->> 'receipt_id')::uuid AS id,
      r.id AS return_id, NULL::uuid AS billing_id
    FROM smile.contribution_return AS r
    WHERE r.employer_id = employer AND r.status = 'finalised' AND (r.period = wanted OR EXISTS (
      SELECT FROM smile.return_back_pay AS b
      WHERE b.employer_id = employer AND b.return_id = r.id AND b.period = wanted))
    UNION ALL
    SELECT CASE WHEN s.amount > 0 THEN 'billing_paid' ELSE 'billing_reopened' END, s.settled_at, s.id, NULL, b.id
    FROM smile.billing AS b JOIN smile.settlement AS s ON s.billing_id = b.id
    WHERE b.employer_id = employer AND b.period = wanted AND s.amount <> 0) AS e
  ORDER BY e.at DESC, e.id DESC LIMIT 1);

CREATE OR REPLACE FUNCTION smile.month_summary(employer uuid, wanted date) RETURNS json LANGUAGE sql STABLE
BEGIN ATOMIC
  WITH money AS (
    SELECT coalesce(sum(b.amount), 0) AS billed, coalesce(sum(b.paid_amount), 0) AS paid
    FROM smile.billing AS b WHERE b.employer_id = employer AND b.period = wanted)
  SELECT json_strip_nulls(json_build_object(
    'period', smile.month_text(wanted),
    'lines', (
      SELECT coalesce(sum(r.accepted + r.warned), 0) FROM smile.contribution_return AS r
      WHERE r.employer_id = employer AND r.period = wanted AND r.status = 'finalised'),
    'members', count(*), 'wages', coalesce(sum(m.wage), 0),
    'amounts', json_build_object(
      'jht_employer', coalesce(sum(m.jht_employer), 0), 'jht_worker', coalesce(sum(m.jht_worker), 0),
      'jkk', coalesce(sum(m.jkk), 0), 'jkm', coalesce(sum(m.jkm), 0),
      'jp_employer', coalesce(sum(m.jp_employer), 0), 'jp_worker', coalesce(sum(m.jp_worker), 0)),
    'due', coalesce(sum(m.jht_employer + m.jht_worker + m.jkk + m.jkm + m.jp_employer + m.jp_worker), 0),
    -- The rows come in the order of their numbers, which is that of the lines' bytes.
    'wages_digest', smile.text_digest(string_agg(m.kpj || ',' || m.wage, E'\n')),
    'content_digest', smile.text_digest(string_agg(concat_ws(',', m.kpj, m.wage, m.jht_employer, m.jht_worker, m.jkk,
      m.jkm, m.jp_employer, m.jp_worker), E'\n')),
    'billed', (SELECT y.billed FROM money AS y), 'paid', (SELECT y.paid FROM money AS y),
    'outstanding', (SELECT y.billed - y.paid FROM money AS y),
    'last_event', smile.last_event(employer, wanted)))
  FROM smile.numbered_month(employer, wanted) AS m;
END;
DROP FUNCTION smile.lines_digest(text[]);

DROP FUNCTION smile.summarise_months(uuid, date, date);
-- Without months the last one that is over. NULL when it isn't the caller's to see.
CREATE FUNCTION smile.summarise_months(employer uuid, from_period date, to_period date, after date, page integer)
RETURNS json LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp
BEGIN ATOMIC
  WITH month AS (
    SELECT g::date AS period, row_number() OVER (ORDER BY g) AS place
    FROM (SELECT date_trunc('month', smile.today()::timestamp) - interval '1 month' AS period) AS last
    CROSS JOIN LATERAL generate_series(coalesce(from_period, last.period), coalesce(to_period, last.period),
      interval '1 month') AS g
    WHERE smile.may_see_returns(employer) AND (after IS NULL OR g > after)
    ORDER BY g LIMIT page + 1)
  SELECT json_strip_nulls(json_build_object(
    'items', coalesce(json_agg(smile.month_summary(employer, m.period) ORDER BY m.place)
      FILTER (WHERE m.place <= page), '[]'),
    'next_after', CASE WHEN count(*) > page THEN (
      SELECT smile.month_text(g.period) FROM month AS g WHERE g.place = page) END))
  FROM month AS m
  HAVING smile.may_see_returns(employer);
END;

-- The rows behind a month's digests, from behind a number on, with the fields asked for: a page as a JSON object, or as
-- text where `form` is a media type of lines. And what tells two states of the employer's returns apart. No row when it
-- isn't the caller's to see.
CREATE FUNCTION smile.month_lines(employer uuid, wanted date, after text, page integer, fields text[], form text)
RETURNS TABLE (body text, next_after text, stamp text)
LANGUAGE sql STABLE ROWS 1 SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp
BEGIN ATOMIC
  WITH found AS MATERIALIZED (
    SELECT m.kpj, to_jsonb(m) AS row, row_number() OVER (ORDER BY m.kpj) AS place
    FROM smile.numbered_month(employer, wanted) AS m
    WHERE smile.may_see_returns(employer) AND (after IS NULL OR m.kpj > after)
    ORDER BY m.kpj LIMIT page + 1),
  row AS (
    SELECT f.place, CASE form
      WHEN 'text/csv' THEN (
        SELECT string_agg(f.row ->> u.field, ',' ORDER BY u.place)
        FROM unnest(fields) WITH ORDINALITY AS u (field, place))
      ELSE (
        SELECT json_object_agg(u.field, f.row -> u.field ORDER BY u.place)::text
        FROM unnest(fields) WITH ORDINALITY AS u (field, place)) END AS line
    FROM found AS f WHERE f.place <= month_lines.page),
  next AS (SELECT f.kpj FROM found AS f WHERE f.place = month_lines.page AND EXISTS (
    SELECT FROM found AS g WHERE g.place > month_lines.page))
  SELECT CASE form
      WHEN 'text/csv' THEN CASE WHEN after IS NULL THEN array_to_string(fields, ',') || E'\r\n' ELSE '' END
        || coalesce(string_agg(r.line || E'\r\n', '' ORDER BY r.place), '')
      WHEN 'application/x-ndjson' THEN coalesce(string_agg(r.line || E'\n', '' ORDER BY r.place), '')
      ELSE json_strip_nulls(json_build_object('period', smile.month_text(wanted),
        'items', coalesce(json_agg(r.line::json ORDER BY r.place) FILTER (WHERE form = 'application/json'), '[]'),
        'next_after', (SELECT n.kpj FROM next AS n)))::text END,
    (SELECT n.kpj FROM next AS n), (
      SELECT concat_ws(' ', count(*), max(x.finalised_at)) FROM smile.contribution_return AS x
      WHERE x.employer_id = employer AND x.status = 'finalised')
  FROM row AS r
  HAVING smile.may_see_returns(employer);
END;

REVOKE EXECUTE ON FUNCTION smile.numbered_month(uuid, date), smile.last_event(uuid, date)
  FROM smile_api, smile_jobs, smile_auth;
