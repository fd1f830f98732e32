-- What members who pay for themselves are billed for, a month or several at once, and what becomes of the money. As
-- with employers, what is paid follows from the billings and the payments that stand, and from nothing else: money pays
-- the months of the billing whose code it named, the earliest first and each of them whole; what is left pays the
-- member's other open months, those of the billing issued first first; and what is left then is the member's credit.

ALTER TABLE smile.payment
  ADD COLUMN member_id uuid REFERENCES smile.member,
  ADD COLUMN self_employed_billing_id uuid REFERENCES smile.self_employed_billing,
  DROP CONSTRAINT payment_names_both,
  ADD CONSTRAINT payment_names_both CHECK (
    (billing_id IS NULL) = (employer_id IS NULL) AND (self_employed_billing_id IS NULL) = (member_id IS NULL)
    AND num_nonnulls(billing_id, self_employed_billing_id) < 2);
CREATE INDEX payment_member ON smile.payment (member_id) WHERE member_id IS NOT NULL;

-- The row in force on a day; none where there is none.
CREATE FUNCTION smile.parameter_row(programme text, name text, on_date date) RETURNS SETOF smile.legal_parameter
LANGUAGE sql STABLE ROWS 1
BEGIN ATOMIC
  SELECT p.id, p.programme, p.parameter, p.value, p.valid_from, p.valid_to, p.instrument, p.certainty, p.grade,
    p.verified
  FROM smile.legal_parameter AS p
  WHERE p.programme = parameter_row.programme AND p.parameter = name
    AND p.valid_from <= on_date AND (p.valid_to IS NULL OR p.valid_to >= on_date);
END;

-- What part of the normal contribution is paid, in per cent; none where there is no relief. That of PP 50/2025 is for
-- those whom no public budget pays, that of PP 49/2020 was for all.
CREATE FUNCTION smile.self_employed_relief(programme text, sector text, funding text, on_date date)
RETURNS SETOF smile.legal_parameter LANGUAGE sql STABLE ROWS 1
BEGIN ATOMIC
  SELECT p.id, p.programme, p.parameter, p.value, p.valid_from, p.valid_to, p.instrument, p.certainty, p.grade,
    p.verified
  FROM smile.legal_parameter AS p
  WHERE p.programme = self_employed_relief.programme
    AND (p.parameter = 'relief.covid.factor_pct_of_normal'
      OR p.parameter = format('relief.bpu_%s_pct_of_normal', sector) AND funding = 'own')
    AND p.valid_from <= on_date AND (p.valid_to IS NULL OR p.valid_to >= on_date)
  ORDER BY p.value::numeric LIMIT 1;
END;

-- The months from one to another that a spell of the member covers, at what they cost by the law of each: JKK by band,
-- JKM flat, JHT a percentage of the band's base (PP 44/2015, PP 46/2015). Amounts are NULL where the law of a month
-- isn't known.
CREATE FUNCTION smile.self_employed_charges(member uuid, from_period date, to_period date)
RETURNS TABLE (
  period date, self_employment_id uuid, income_base bigint, income_band_id uuid, jht bigint, jkk bigint, jkm bigint,
  jkk_relief bigint, jkm_relief bigint, parameter_ids uuid[], verified boolean)
LANGUAGE sql STABLE
BEGIN ATOMIC
  SELECT f.period, f.self_employment_id, f.income_base, b.id, w.jht, w.jkk, w.jkm, b.jkk - w.jkk,
    smile.round_rupiah(jkm.value::numeric, rule.value) - w.jkm, u.ids, b.verified AND (
      SELECT bool_and(p.verified AND p.grade IN ('law', 'found')) FROM smile.legal_parameter AS p
      WHERE p.id = ANY (u.ids))
  FROM (
    SELECT m.period::date, s.id AS self_employment_id, t.income_base, t.with_jht, t.sector, t.funding
    FROM generate_series(from_period::timestamp, to_period::timestamp, interval '1 month') AS m (period)
    JOIN smile.self_employment AS s ON s.member_id = member AND s.first_period <= m.period
      AND (s.last_period IS NULL OR s.last_period >= m.period)
    CROSS JOIN LATERAL (
      SELECT x.income_base, x.with_jht, x.sector, x.funding FROM smile.self_employment_terms AS x
      WHERE x.self_employment_id = s.id AND x.valid_from <= m.period ORDER BY x.valid_from DESC LIMIT 1) AS t) AS f
  LEFT JOIN smile.income_band AS b ON b.base = f.income_base AND b.approved_at IS NOT NULL
    AND b.valid_from <= f.period AND (b.valid_to IS NULL OR b.valid_to >= f.period)
  LEFT JOIN LATERAL smile.parameter_row('JKM', 'bpu.contribution_idr', f.period) AS jkm ON true
  LEFT JOIN LATERAL smile.parameter_row('JHT', 'bpu.rate_of_band_pct', f.period) AS jht ON f.with_jht
  LEFT JOIN LATERAL smile.self_employed_relief('JKK', f.sector, f.funding, f.period) AS jkk_part ON true
  LEFT JOIN LATERAL smile.self_employed_relief('JKM', f.sector, f.funding, f.period) AS jkm_part ON true
  LEFT JOIN LATERAL smile.parameter_row('ALL', 'pu.contribution_rounding', f.period) AS rule ON true
  CROSS JOIN LATERAL (
    SELECT CASE WHEN f.with_jht THEN b.base * jht.value::numeric * 0.01 ELSE 0 END AS jht,
      b.jkk * coalesce(jkk_part.value::numeric, 100) * 0.01 AS jkk,
      jkm.value::numeric * coalesce(jkm_part.value::numeric, 100) * 0.01 AS jkm) AS exact
  CROSS JOIN LATERAL (
    SELECT smile.round_rupiah(exact.jht, rule.value) AS jht, smile.round_rupiah(exact.jkk, rule.value) AS jkk,
      smile.round_rupiah(exact.jkm, rule.value) AS jkm) AS w
  CROSS JOIN LATERAL (
    -- The rule of rounding is used where there is something to round.
    SELECT array_remove(ARRAY[jkm.id, jht.id, jkk_part.id, jkm_part.id,
      CASE WHEN (exact.jht, exact.jkk, exact.jkm) <> (w.jht, w.jkk, w.jkm) THEN rule.id END], NULL) AS ids) AS u
  ORDER BY f.period;
END;

-- Which months the payments that stand pay.
CREATE FUNCTION smile.self_employed_targets(member uuid)
RETURNS TABLE (billing_id uuid, period date, received bigint, paid boolean) LANGUAGE sql STABLE
BEGIN ATOMIC
  WITH receipt AS (
    SELECT p.self_employed_billing_id AS id, sum(p.amount - p.returned_amount)::bigint AS amount
    FROM smile.payment AS p
    WHERE p.member_id = member AND p.self_employed_billing_id IS NOT NULL AND p.reversed_at IS NULL
    GROUP BY p.self_employed_billing_id),
  month AS (
    SELECT b.id, m.period, coalesce(r.amount, 0) AS received, m.price,
      coalesce(sum(m.price) OVER (PARTITION BY b.id ORDER BY m.period) <= coalesce(r.amount, 0), false) AS direct
    FROM smile.self_employed_billing AS b
    LEFT JOIN receipt AS r ON r.id = b.id
    LEFT JOIN smile.self_employed_month AS m ON m.billing_id = b.id AND m.withdrawn_at IS NULL
    WHERE b.member_id = member),
  surplus AS (
    SELECT (SELECT coalesce(sum(r.amount), 0) FROM receipt AS r)
      - coalesce(sum(m.price) FILTER (WHERE m.direct), 0) AS amount
    FROM month AS m)
  SELECT m.id, m.period, m.received, m.direct
    OR sum(m.price) FILTER (WHERE NOT m.direct) OVER (ORDER BY m.id, m.period) <= s.amount
  FROM month AS m CROSS JOIN surplus AS s;
END;

CREATE FUNCTION smile.post_self_employed_month(billing uuid, month date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  m smile.self_employed_month;
BEGIN
  UPDATE smile.self_employed_month AS x SET posting_id = smile.uuid7(), posted_at = smile.now()
  WHERE x.billing_id = billing AND x.period = month RETURNING x.* INTO m;
  PERFORM smile.book('own_month_paid', 'self_employed_month', m.posting_id, ARRAY[
    ('payable.member_credit', m.member_id, NULL, month, m.price),
    ('fund.jht', m.member_id, NULL, month, -m.jht),
    ('fund.jkk', NULL, NULL, month, m.jkk_credit - m.jkk),
    ('fund.jkm', NULL, NULL, month, m.jkm_credit - m.jkm)]::smile.posting_line[]);
END
$$;

CREATE FUNCTION smile.unpost_self_employed_month(billing uuid, month date) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM smile.reverse_transaction(t.id, 'own_month_reversed')
  FROM smile.self_employed_month AS m JOIN smile.ledger_transaction AS t ON t.subject_id = m.posting_id
  WHERE m.billing_id = billing AND m.period = month AND t.reverses IS NULL;
  UPDATE smile.self_employed_month AS m SET posting_id = NULL, posted_at = NULL
  WHERE m.billing_id = billing AND m.period = month;
END
$$;

-- Brings a member's months to where the payments put them. The caller holds the member's row.
CREATE FUNCTION smile.settle_member(member uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM smile.unpost_self_employed_month(m.billing_id, m.period)
  FROM smile.self_employed_month AS m
  JOIN smile.self_employed_targets(settle_member.member) AS t ON t.billing_id = m.billing_id AND t.period = m.period
  WHERE m.posting_id IS NOT NULL AND NOT t.paid;
  PERFORM smile.post_self_employed_month(m.billing_id, m.period)
  FROM smile.self_employed_month AS m
  JOIN smile.self_employed_targets(settle_member.member) AS t ON t.billing_id = m.billing_id AND t.period = m.period
  WHERE m.posting_id IS NULL AND t.paid;
  UPDATE smile.self_employed_billing AS b
  SET received_amount = w.received, paid_amount = w.paid, status = w.status
  FROM (
    SELECT t.billing_id, max(t.received) AS received,
      coalesce(sum(m.price) FILTER (WHERE m.posting_id IS NOT NULL), 0) AS paid,
      CASE WHEN x.withdrawn_at IS NOT NULL THEN 'withdrawn'
        WHEN count(m.posting_id) = 0 THEN 'unpaid'
        WHEN count(m.posting_id) = count(m.period) THEN 'paid' ELSE 'partially_paid' END AS status
    FROM smile.self_employed_targets(settle_member.member) AS t
    JOIN smile.self_employed_billing AS x ON x.id = t.billing_id
    LEFT JOIN smile.self_employed_month AS m ON m.billing_id = t.billing_id AND m.period = t.period
    GROUP BY t.billing_id, x.withdrawn_at) AS w
  WHERE b.id = w.billing_id
    AND (b.received_amount, b.paid_amount, b.status) IS DISTINCT FROM (w.received, w.paid, w.status);
END
$$;

-- A relief that came when months were paid already: what they cost less is credit for the next ones, and the billings
-- stay as they are (PP 50/2025).
CREATE FUNCTION smile.credit_reliefs(member uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  m record;
BEGIN
  FOR m IN
    SELECT x.billing_id, x.period, c.jkk_relief, c.jkm_relief
    FROM (
      SELECT min(y.period) AS first_period, max(y.period) AS last_period FROM smile.self_employed_month AS y
      WHERE y.member_id = member AND y.posting_id IS NOT NULL) AS span
    CROSS JOIN LATERAL smile.self_employed_charges(member, span.first_period, span.last_period) AS c
    JOIN smile.self_employed_month AS x ON x.member_id = member AND x.period = c.period
      AND x.income_band_id = c.income_band_id AND x.posting_id IS NOT NULL
    WHERE x.jkk_relief + x.jkm_relief + x.jkk_credit + x.jkm_credit = 0 AND c.jkk_relief + c.jkm_relief > 0
  LOOP
    PERFORM smile.unpost_self_employed_month(m.billing_id, m.period);
    UPDATE smile.self_employed_month AS x SET jkk_credit = m.jkk_relief, jkm_credit = m.jkm_relief
    WHERE x.billing_id = m.billing_id AND x.period = m.period;
    PERFORM smile.audit('relief.credited', 'self_employed_billing', m.billing_id, json_build_object(
      'period', smile.month_text(m.period), 'amount', m.jkk_relief + m.jkm_relief));
  END LOOP;
END
$$;

-- Whoever pays for themselves bears every side.
CREATE FUNCTION smile.own_amounts_body(jht bigint, jkk bigint, jkm bigint) RETURNS json
LANGUAGE sql STABLE PARALLEL SAFE
RETURN json_build_object(
  'jht', json_build_object('employer', 0, 'worker', jht),
  'jkk', json_build_object('employer', 0, 'worker', jkk, 'to_jkp', 0),
  'jkm', json_build_object('employer', 0, 'worker', jkm, 'to_jkp', 0));

CREATE FUNCTION smile.self_employed_billing_body(wanted uuid) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_strip_nulls(json_build_object(
    'id', b.id, 'payment_code', b.payment_code, 'first_period', smile.month_text(min(m.period)),
    'last_period', smile.month_text(max(m.period)),
    -- Of the earliest month that is open.
    'due_date', min(m.due_date) FILTER (WHERE m.posting_id IS NULL AND m.withdrawn_at IS NULL),
    'due_at', smile.end_of_day(min(m.due_date) FILTER (WHERE m.posting_id IS NULL AND m.withdrawn_at IS NULL)),
    'amount', b.amount,
    'amounts', smile.own_amounts_body(sum(m.jht)::bigint, sum(m.jkk)::bigint, sum(m.jkm)::bigint),
    'verified', bool_and(m.verified), 'received_amount', b.received_amount, 'paid_amount', b.paid_amount,
    'status', b.status, 'issued_at', b.issued_at, 'withdrawn_at', b.withdrawn_at,
    'months', json_agg(json_build_object(
      'period', smile.month_text(m.period), 'due_date', m.due_date, 'income_base', m.income_base,
      'amount', m.jht + m.jkk + m.jkm, 'amounts', smile.own_amounts_body(m.jht, m.jkk, m.jkm),
      'relief', CASE WHEN m.jkk_relief + m.jkm_relief > 0 THEN
        json_build_object('jkk', m.jkk_relief, 'jkm', m.jkm_relief) END,
      'credit', nullif(m.jkk_credit + m.jkm_credit, 0),
      'verified', m.verified,
      'status', CASE WHEN m.withdrawn_at IS NOT NULL THEN 'withdrawn' WHEN m.posting_id IS NULL THEN 'unpaid'
        ELSE 'paid' END,
      'posted_at', m.posted_at) ORDER BY m.period),
    'income_bands', (
      SELECT json_agg(smile.income_band_body(i) ORDER BY i.base, i.valid_from) FROM smile.income_band AS i
      WHERE i.id IN (SELECT x.income_band_id FROM smile.self_employed_month AS x WHERE x.billing_id = b.id)),
    'parameters_used', (
      SELECT json_agg(json_build_object(
        'programme', p.programme, 'parameter', p.parameter, 'value', p.value, 'valid_from', p.valid_from,
        'instrument', p.instrument, 'grade', p.grade, 'verified', p.verified)
        ORDER BY p.programme, p.parameter, p.valid_from)
      FROM smile.legal_parameter AS p
      WHERE p.id IN (
        SELECT unnest(x.parameter_ids) FROM smile.self_employed_month AS x WHERE x.billing_id = b.id))))
  FROM smile.self_employed_billing AS b JOIN smile.self_employed_month AS m ON m.billing_id = b.id
  WHERE b.id = wanted GROUP BY b.id);

CREATE FUNCTION smile.list_self_employed_billings(wanted_status text, after uuid, page integer) RETURNS json
LANGUAGE sql STABLE
BEGIN ATOMIC
  WITH found AS (
    SELECT b.id, row_number() OVER (ORDER BY b.id DESC) AS place
    FROM smile.self_employed_billing AS b
    WHERE b.member_id = (SELECT smile.member_id()) AND (wanted_status IS NULL OR b.status = wanted_status)
      AND (after IS NULL OR b.id < after)
    ORDER BY b.id DESC LIMIT page + 1)
  SELECT json_strip_nulls(json_build_object(
    'items', coalesce(json_agg(smile.self_employed_billing_body(f.id) ORDER BY f.place)
      FILTER (WHERE f.place <= page), '[]'),
    'credit', smile.member_credit(smile.member_id()),
    'next_after', CASE WHEN count(*) > page THEN (SELECT g.id FROM found AS g WHERE g.place = page) END))
  FROM found AS f;
END;

-- The earliest month of the caller's that is covered and isn't billed.
CREATE FUNCTION smile.first_unbilled_month(member uuid) RETURNS date LANGUAGE sql STABLE
RETURN (
  SELECT min(d)::date
  FROM smile.self_employment AS s
  CROSS JOIN LATERAL generate_series(s.first_period::timestamp, coalesce(s.last_period, greatest(
    s.first_period::date, smile.later_month(smile.this_month(), 13)))::timestamp, interval '1 month') AS d
  WHERE s.member_id = member AND NOT EXISTS (
    SELECT FROM smile.self_employed_month AS m
    WHERE m.member_id = member AND m.period = d::date AND m.withdrawn_at IS NULL));

-- Bills so many months in a row, without `from_period` from the earliest that isn't billed, up to twelve months ahead.
CREATE FUNCTION smile.bill_self_employed(from_period date, months integer) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  caller uuid := smile.lock_own_member();
  begins date := coalesce(from_period, smile.first_unbilled_month(caller));
  ends date := smile.later_month(begins, months - 1);
  found_count integer;
  unknown date;
  price bigint;
  b smile.self_employed_billing;
BEGIN
  IF NOT EXISTS (SELECT FROM smile.self_employment AS s WHERE s.member_id = caller) THEN
    PERFORM smile.fail(404, 'not_found');
  ELSIF begins IS NULL THEN
    PERFORM smile.fail(409, 'month_already_billed');
  ELSIF ends > smile.later_month(smile.this_month(), 12) THEN
    PERFORM smile.refuse(422, 'period_too_far_ahead', '/months');
  ELSIF EXISTS (
    SELECT FROM smile.self_employed_month AS m
    WHERE m.member_id = caller AND m.period BETWEEN begins AND ends AND m.withdrawn_at IS NULL)
  THEN
    PERFORM smile.refuse(409, 'month_already_billed', CASE WHEN from_period IS NULL THEN '/months' ELSE '/from' END);
  END IF;
  SELECT count(*), min(c.period) FILTER (WHERE c.jht + c.jkk + c.jkm IS NULL), sum(c.jht + c.jkk + c.jkm)
  INTO found_count, unknown, price
  FROM smile.self_employed_charges(caller, begins, ends) AS c;
  IF found_count < months THEN
    PERFORM smile.refuse(422, 'period_outside_self_employment',
      CASE WHEN from_period IS NULL THEN '/months' ELSE '/from' END);
  ELSIF unknown IS NOT NULL THEN
    PERFORM smile.fail(422, 'income_band_not_in_force', json_build_object('period', smile.month_text(unknown)));
  END IF;
  PERFORM smile.credit_reliefs(caller);
  INSERT INTO smile.self_employed_billing (member_id, payment_code, amount)
  VALUES (caller, smile.next_payment_code(), price) RETURNING * INTO b;
  INSERT INTO smile.self_employed_month
    (billing_id, member_id, period, self_employment_id, due_date, income_base, jht, jkk, jkm, jkk_relief, jkm_relief,
    income_band_id, parameter_ids, verified)
  SELECT b.id, caller, c.period, c.self_employment_id, smile.self_employed_due_date(c.period), c.income_base, c.jht,
    c.jkk, c.jkm, c.jkk_relief, c.jkm_relief, c.income_band_id, c.parameter_ids, c.verified
  FROM smile.self_employed_charges(caller, begins, ends) AS c;
  PERFORM smile.settle_member(caller);
  PERFORM smile.audit('self_employed_billing.issued', 'self_employed_billing', b.id, json_build_object(
    'months', months, 'amount', price));
  RETURN smile.answer_own_billing(b.id, 201);
END
$$;

CREATE FUNCTION smile.answer_own_billing(wanted uuid, status integer) RETURNS smile.answer_row
LANGUAGE plpgsql AS $$
BEGIN
  RETURN smile.answer(status, smile.self_employed_billing_body(wanted), (
    SELECT smile.etag(b.version) FROM smile.self_employed_billing AS b WHERE b.id = wanted),
    CASE status WHEN 201 THEN '/v1/members/me/self_employment/billings/' || wanted END);
END
$$;

-- The months of a billing that aren't paid come off it and can be billed again, on other terms. Money that comes under
-- its code nevertheless is the member's credit.
CREATE FUNCTION smile.withdraw_self_employed_billing(wanted uuid) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  caller uuid := smile.lock_own_member();
BEGIN
  IF NOT EXISTS (
    SELECT FROM smile.self_employed_billing AS b WHERE b.id = wanted AND b.member_id = caller)
  THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  UPDATE smile.self_employed_month AS m SET withdrawn_at = smile.now()
  WHERE m.billing_id = wanted AND m.posting_id IS NULL AND m.withdrawn_at IS NULL;
  IF NOT FOUND THEN
    PERFORM smile.fail(409, 'nothing_to_withdraw');
  END IF;
  UPDATE smile.self_employed_billing AS b SET withdrawn_at = smile.now(), status = 'withdrawn' WHERE b.id = wanted;
  PERFORM smile.settle_member(caller);
  PERFORM smile.audit('self_employed_billing.withdrawn', 'self_employed_billing', wanted);
  RETURN smile.answer_own_billing(wanted, 200);
END
$$;

-- The page of a member's months is a statement of the server's now: a function's query is planned at each call.
DROP FUNCTION smile.list_contributions(date, date, uuid, text, text, integer);

REVOKE EXECUTE ON FUNCTION smile.self_employed_targets(uuid), smile.post_self_employed_month(uuid, date),
  smile.unpost_self_employed_month(uuid, date), smile.settle_member(uuid), smile.credit_reliefs(uuid),
  smile.first_unbilled_month(uuid), smile.answer_own_billing(uuid, integer) FROM smile_api, smile_jobs;
