-- The fine for paying late: so much per cent of what was open at the beginning of each month of delay, a begun month
-- counting as a whole one and nothing on top of fines (PP 44/2015, PP 45/2015, PP 46/2015; PP 49/2020 Art. 23(1) for
-- the months it covered). Rates are rows of legal_parameter.

-- What was paid of a billing by the end of that day in Jakarta, by the payments that stand.
CREATE FUNCTION smile.paid_by(b smile.billing, day date) RETURNS bigint LANGUAGE sql STABLE
RETURN least((b).amount, (
    SELECT coalesce(sum(p.amount - p.returned_amount), 0)::bigint FROM smile.payment AS p
    WHERE p.billing_id = (b).id AND p.reversed_at IS NULL AND (p.paid_at AT TIME ZONE 'Asia/Jakarta')::date <= day)
  -- Credit counts from the day it settled the billing, or while that is open from the billing's own.
  + CASE WHEN (coalesce((b).paid_at, (b).issued_at) AT TIME ZONE 'Asia/Jakarta')::date <= day
    THEN greatest((b).paid_amount - (b).received_amount, 0) ELSE 0 END);

CREATE FUNCTION smile.late_months(b smile.billing, as_of date)
RETURNS TABLE (number integer, starts_on date, ends_on date, outstanding bigint, parameter_id uuid, rate_pct numeric,
  fine bigint)
LANGUAGE sql STABLE
BEGIN ATOMIC
  SELECT m.number, m.starts_on, m.ends_on, m.outstanding, p.id, p.value::numeric,
    smile.round_rupiah(m.outstanding * p.value::numeric * 0.01,
      smile.parameter_text('ALL', 'pu.contribution_rounding', m.starts_on))
  FROM (
    SELECT n AS number, s.starts_on, ((b).due_date + 1 + make_interval(months => n))::date - 1 AS ends_on,
      (b).amount - smile.paid_by(b, s.starts_on - 1) AS outstanding
    FROM generate_series(1, greatest(0, (as_of - (b).due_date) / 28 + 1)) AS n
    CROSS JOIN LATERAL (
      SELECT ((b).due_date + 1 + make_interval(months => n - 1))::date AS starts_on) AS s
    WHERE s.starts_on <= as_of) AS m
  JOIN smile.legal_parameter AS p ON p.programme = 'JKK+JKM+JHT+JP' AND p.parameter = 'pu.late_fine_pct_per_month'
    AND m.starts_on >= p.valid_from AND (p.valid_to IS NULL OR m.starts_on <= p.valid_to)
  WHERE m.outstanding > 0;
END;

-- The fine with its trace: each month, and the parameters behind it with how sure we are of them.
CREATE FUNCTION smile.late_fine_body(b smile.billing, as_of date) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_build_object(
    'as_of', as_of,
    'amount', coalesce(sum(m.fine), 0),
    'verified', coalesce(bool_and(p.verified), true),
    'months', coalesce(json_agg(json_build_object(
      'number', m.number, 'starts_on', m.starts_on, 'ends_on', m.ends_on, 'outstanding', m.outstanding,
      'rate_pct', m.rate_pct::text, 'fine', m.fine) ORDER BY m.number), '[]'),
    'parameters_used', (
      SELECT coalesce(json_agg(json_build_object(
        'programme', u.programme, 'parameter', u.parameter, 'value', u.value, 'valid_from', u.valid_from,
        'instrument', u.instrument, 'grade', u.grade, 'verified', u.verified) ORDER BY u.valid_from), '[]')
      FROM smile.legal_parameter AS u
      WHERE u.id IN (SELECT x.parameter_id FROM smile.late_months(b, as_of) AS x)))
  FROM smile.late_months(b, as_of) AS m JOIN smile.legal_parameter AS p ON p.id = m.parameter_id);

CREATE FUNCTION smile.get_billing(wanted uuid, as_of date, OUT body text, OUT etag text) LANGUAGE sql STABLE
BEGIN ATOMIC
  SELECT CASE WHEN as_of IS NULL THEN x.body::text
    ELSE (x.body::jsonb || jsonb_build_object('late_fine', smile.late_fine_body(b, as_of)))::text END,
    smile.etag(b.version)
  FROM smile.billing AS b CROSS JOIN LATERAL smile.billing_body(b.id) AS x (body)
  WHERE b.id = wanted;
END;
