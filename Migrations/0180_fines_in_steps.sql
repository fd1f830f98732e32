-- Fines in steps. What was charged stays as it is until something changes it: a month of delay that begins, or money
-- that came, went or was found for another purpose on a day before months that are charged. Until now each settlement
-- computed all months of all billings of an employer anew, so a finalisation cost 84 to 447 ms once a hundred months
-- were overdue. The amounts are as before: the same allocation, asked of fewer days.

-- The day on which a month of delay begins; the first one on the day after the due date.
CREATE FUNCTION smile.month_of_delay(due_date date, number integer) RETURNS date LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (due_date + 1 + make_interval(months => number - 1))::date;

-- The numbers that a month of delay that begins between two days can have: months have 28 to 31 days.
CREATE FUNCTION smile.months_of_delay(due_date date, since date, until date)
RETURNS TABLE (number integer, starts_on date) LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 5
BEGIN ATOMIC
  SELECT n, smile.month_of_delay(due_date, n)
  FROM generate_series(greatest((since - due_date - 1) / 31, 0) + 1, (until - due_date - 1) / 28 + 1) AS n
  WHERE smile.month_of_delay(due_date, n) BETWEEN since AND until;
END;

CREATE FUNCTION smile.jakarta_day(at timestamptz) RETURNS date LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (at AT TIME ZONE 'Asia/Jakarta')::date;

-- Whoever settles a few employers uses plans that were made once a connection; a bank's statement names thousands, for
-- whom other plans are right. Holds until the end of the calling function, which sets the mode itself.
CREATE FUNCTION smile.plan_for(employers uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF cardinality(employers) > 20 THEN
    PERFORM set_config('plan_cache_mode', 'auto', true);
  END IF;
END
$$;

ALTER TABLE smile.billing
  -- The first month of delay that isn't charged yet begins on this day; null: the first of all.
  ADD COLUMN next_fine_on date,
  -- Months are looked at once, not every day.
  DROP COLUMN no_fine_on;
ALTER TABLE smile.payment
  -- What of it pays something, and how much of that the last settlement of its employer knew.
  ADD COLUMN stands bigint NOT NULL GENERATED ALWAYS AS
    (CASE WHEN reversed_at IS NULL THEN amount - returned_amount ELSE 0 END) STORED,
  ADD COLUMN settled_amount bigint NOT NULL DEFAULT 0;
UPDATE smile.payment AS p SET settled_amount = p.stands WHERE p.employer_id IS NOT NULL;
UPDATE smile.billing AS b SET next_fine_on = f.day
FROM (SELECT x.billing_id, max(x.ends_on) + 1 AS day FROM smile.late_fine AS x GROUP BY x.billing_id) AS f
WHERE f.billing_id = b.id;

CREATE INDEX billing_next_fine ON smile.billing ((coalesce(next_fine_on, due_date + 1))) WHERE status <> 'paid';
CREATE INDEX late_fine_month ON smile.late_fine (employer_id, starts_on);
CREATE INDEX late_fine_paid ON smile.late_fine (employer_id) WHERE paid_amount > 0;
CREATE INDEX payment_unsettled ON smile.payment (employer_id)
  WHERE settled_amount <> stands AND employer_id IS NOT NULL;

-- The first day on which the money of employers isn't what their last settlement knew; no row where all is known.
CREATE FUNCTION smile.money_moved(employers uuid[]) RETURNS TABLE (employer_id uuid, day date)
LANGUAGE sql STABLE ROWS 1
BEGIN ATOMIC
  SELECT p.employer_id, min(smile.jakarta_day(p.paid_at))
  FROM smile.payment AS p
  WHERE p.employer_id = ANY (employers) AND p.settled_amount <> p.stands
  GROUP BY p.employer_id;
END;

-- The day on which a billing's own money settled it; no row of one that hasn't been.
CREATE FUNCTION smile.settled_by_own_money(employers uuid[]) RETURNS TABLE (billing_id uuid, day date)
LANGUAGE sql STABLE
BEGIN ATOMIC
  SELECT x.billing_id, min(x.day)
  FROM (
    SELECT p.billing_id, b.amount, smile.jakarta_day(p.paid_at) AS day,
      sum(p.stands) OVER (PARTITION BY p.billing_id ORDER BY p.paid_at, p.id) AS so_far
    FROM smile.payment AS p JOIN smile.billing AS b ON b.id = p.billing_id
    WHERE p.employer_id = ANY (employers) AND p.stands > 0) AS x
  WHERE x.so_far >= x.amount
  GROUP BY x.billing_id;
END;

-- What has to be looked at to bring the fines of employers to today: of each billing the days between which a month of
-- delay may have begun that isn't charged, or was charged for other money, and when the next one begins. Billings
-- about which there is nothing new have no row. A sandbox may set its clock back: then the next one begins sooner.
CREATE FUNCTION smile.delays_to_charge(employers uuid[])
RETURNS TABLE (billing_id uuid, since date, until date, next_on date)
LANGUAGE plpgsql STABLE ROWS 10 SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  today CONSTANT date := smile.today();
  payers uuid[];
BEGIN
  PERFORM smile.plan_for(employers);
  payers := ARRAY(SELECT v.employer_id FROM smile.money_moved(employers) AS v);
  RETURN QUERY
  SELECT k.id, k.since, k.until, n.day
  FROM (
    SELECT b.id, b.due_date, b.next_fine_on, least(coalesce(b.next_fine_on, b.due_date + 1), v.day + 1) AS since,
      -- A paid billing was late no longer than until it was paid; where money has moved, that isn't known yet.
      CASE WHEN b.status = 'paid' AND v.day IS NULL THEN least(today, smile.jakarta_day(b.paid_at))
        ELSE least(today, s.day) END AS until
    FROM smile.billing AS b
    LEFT JOIN smile.money_moved(payers) AS v ON v.employer_id = b.employer_id
    LEFT JOIN smile.settled_by_own_money(payers) AS s ON s.billing_id = b.id
    WHERE b.employer_id = ANY (employers)
    OFFSET 0) AS k
  CROSS JOIN LATERAL (
    SELECT CASE WHEN coalesce(k.next_fine_on, k.due_date + 1) <= k.until OR k.next_fine_on > k.until + 28 THEN (
        SELECT min(m.starts_on)
        FROM smile.months_of_delay(k.due_date, k.until + 1, greatest(k.until, k.due_date) + 31) AS m)
      ELSE k.next_fine_on END AS day
    OFFSET 0) AS n
  WHERE k.since <= k.until OR n.day IS DISTINCT FROM k.next_fine_on;
END
$$;

-- The months of delay of billings that begin between two days each. Rates are those of the contribution's month
-- (PP 44/2015, PP 45/2015, PP 46/2015; PP 49/2020 Art. 23(1)); a begun month counts as a whole one. Money that came
-- under a billing's own code is known by itself. Where other money went has to be asked of the allocation: for the days
-- on which it moved, and only from the day on which an employer had more than its codes named.
CREATE FUNCTION smile.late_months(billings uuid[], since date[], until date[])
RETURNS TABLE (
  employer_id uuid, billing_id uuid, number integer, starts_on date, ends_on date, outstanding bigint,
  parameter_id uuid, amount bigint)
LANGUAGE sql STABLE
BEGIN ATOMIC
  WITH month AS MATERIALIZED (
    SELECT b.id, b.employer_id, b.period::date AS period, b.due_date, b.amount,
      smile.jakarta_day(b.issued_at) AS issued_on, m.number, m.starts_on
    FROM unnest(billings, since, until) AS t (id, since, until)
    JOIN smile.billing AS b ON b.id = t.id
    CROSS JOIN LATERAL smile.months_of_delay(b.due_date, t.since, t.until) AS m),
  rate AS MATERIALIZED (
    SELECT t.period, p.id, p.value::numeric * 0.01 AS factor,
      smile.parameter_text('ALL', 'pu.contribution_rounding', t.period) AS rounding
    FROM (SELECT DISTINCT m.period FROM month AS m) AS t
    JOIN smile.legal_parameter AS p ON p.programme = 'JKK+JKM+JHT+JP' AND p.parameter = 'pu.late_fine_pct_per_month'
      AND t.period >= p.valid_from AND (p.valid_to IS NULL OR t.period <= p.valid_to)),
  receipt AS MATERIALIZED (
    SELECT p.employer_id, p.billing_id, b.amount AS billed, smile.jakarta_day(p.paid_at) AS day, p.stands,
      sum(p.stands) OVER (PARTITION BY p.billing_id ORDER BY p.paid_at, p.id) AS so_far
    FROM smile.payment AS p JOIN smile.billing AS b ON b.id = p.billing_id
    WHERE p.employer_id = ANY (ARRAY(SELECT DISTINCT m.employer_id FROM month AS m)) AND p.stands > 0),
  own AS (
    SELECT m.id, m.number, sum(x.stands) AS amount
    FROM month AS m JOIN receipt AS x ON x.billing_id = m.id AND x.day < m.starts_on
    GROUP BY m.id, m.number),
  granted AS MATERIALIZED (
    SELECT c.employer_id, smile.jakarta_day(c.granted_at) AS day
    FROM smile.return_credit AS c WHERE c.employer_id = ANY (ARRAY(SELECT DISTINCT m.employer_id FROM month AS m))),
  spare AS MATERIALIZED (
    SELECT t.employer_id, min(t.day) AS day
    FROM (
      SELECT x.employer_id, x.day FROM receipt AS x WHERE x.so_far > x.billed
      UNION ALL
      SELECT g.employer_id, g.day FROM granted AS g) AS t
    GROUP BY t.employer_id),
  -- Months that money under another code, or a revision's, may have reached.
  reached AS MATERIALIZED (
    SELECT m.id, m.employer_id, m.number, m.starts_on - 1 AS eve
    FROM month AS m JOIN spare AS s ON s.employer_id = m.employer_id AND m.starts_on > greatest(s.day, m.issued_on)),
  moved AS (
    SELECT x.employer_id, x.day FROM receipt AS x
    UNION
    SELECT g.employer_id, g.day FROM granted AS g
    UNION
    SELECT b.employer_id, smile.jakarta_day(b.issued_at)
    FROM smile.billing AS b WHERE b.employer_id = ANY (ARRAY(SELECT DISTINCT r.employer_id FROM reached AS r))),
  -- The last such day before each month of delay; one pass over both in their order.
  looked AS MATERIALIZED (
    SELECT DISTINCT t.employer_id, t.day, max(t.moved_on) OVER (PARTITION BY t.employer_id ORDER BY t.day) AS moved_on
    FROM (
      SELECT r.employer_id, r.eve AS day, NULL::date AS moved_on FROM reached AS r
      UNION ALL
      SELECT v.employer_id, v.day, v.day FROM moved AS v) AS t),
  asked AS MATERIALIZED (
    SELECT r.id, r.employer_id, r.number, l.moved_on
    FROM reached AS r JOIN looked AS l ON l.employer_id = r.employer_id AND l.day = r.eve),
  spent AS MATERIALIZED (
    SELECT k.id, k.number, a.direct + a.credit AS amount
    FROM asked AS k
    JOIN smile.allocation(
      ARRAY(SELECT DISTINCT x.employer_id FROM asked AS x), ARRAY(SELECT DISTINCT x.moved_on FROM asked AS x), false)
      AS a ON a.billing_id = k.id AND a.day = k.moved_on)
  SELECT m.employer_id, m.id, m.number, m.starts_on, smile.month_of_delay(m.due_date, m.number + 1) - 1, u.open, r.id,
    smile.round_rupiah(u.open * r.factor, r.rounding)
  FROM month AS m
  JOIN rate AS r ON r.period = m.period
  LEFT JOIN own AS o ON o.id = m.id AND o.number = m.number
  LEFT JOIN spent AS s ON s.id = m.id AND s.number = m.number
  CROSS JOIN LATERAL (
    SELECT (m.amount - coalesce(s.amount, least(m.amount, coalesce(o.amount, 0))))::bigint AS open) AS u
  WHERE u.open > 0;
END;

-- All months of delay of employers' billings up to a day.
CREATE OR REPLACE FUNCTION smile.late_months(employers uuid[], as_of date)
RETURNS TABLE (
  employer_id uuid, billing_id uuid, number integer, starts_on date, ends_on date, outstanding bigint,
  parameter_id uuid, amount bigint)
LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN QUERY
  SELECT m.employer_id, m.billing_id, m.number, m.starts_on, m.ends_on, m.outstanding, m.parameter_id, m.amount
  FROM (
    SELECT array_agg(b.id) AS billings, array_agg(b.due_date + 1) AS since,
      array_agg(least(as_of, s.day)) AS until
    FROM smile.billing AS b LEFT JOIN smile.settled_by_own_money(employers) AS s ON s.billing_id = b.id
    WHERE b.employer_id = ANY (employers) AND b.due_date < as_of) AS t
  CROSS JOIN LATERAL smile.late_months(t.billings, t.since, t.until) AS m;
END
$$;

-- As before, without a look at each of the thirty or sixty days around the one that is due.
CREATE OR REPLACE FUNCTION smile.due_date(period date) RETURNS date LANGUAGE plpgsql STABLE AS $$
DECLARE
  day date := least(
    (period + interval '1 month')::date + smile.parameter('ALL', 'pu.due_day_of_next_month', period)::integer - 1,
    (period + interval '2 months')::date - 1);
  step integer;
BEGIN
  IF NOT smile.is_working_day(day) THEN
    step := CASE smile.parameter_text('ALL', 'pu.due_holiday_rule', period)
      WHEN 'previous_working_day' THEN -1 ELSE 1 END;
    WHILE NOT smile.is_working_day(day) LOOP
      day := day + step;
    END LOOP;
  END IF;
  RETURN day;
END
$$;

-- Brings the fines of employers to what today says, and gives the billings whose fines changed. The caller holds the
-- employers' rows.
DROP FUNCTION smile.charge_late_fines(uuid[]);
CREATE FUNCTION smile.charge_late_fines(employers uuid[]) RETURNS uuid[]
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  today CONSTANT date := smile.today();
  new record;
  fined uuid[];
BEGIN
  PERFORM smile.plan_for(employers);
  SELECT array_agg(d.billing_id) AS billings, array_agg(d.since) AS since, array_agg(d.until) AS until,
    array_agg(d.next_on) AS next_on
  INTO new FROM smile.delays_to_charge(employers) AS d;
  IF new.billings IS NULL AND NOT EXISTS (SELECT FROM smile.money_moved(employers)) THEN
    RETURN '{}';
  END IF;
  WITH wanted AS MATERIALIZED (
    SELECT m.employer_id, m.billing_id, m.number, m.starts_on, m.ends_on, m.outstanding, m.parameter_id, m.amount
    FROM smile.late_months(new.billings, new.since, new.until) AS m),
  changed AS MATERIALIZED (
    SELECT w.employer_id, w.billing_id, w.number, w.starts_on, w.ends_on, w.outstanding, w.parameter_id, w.amount,
      k.amount AS was
    FROM wanted AS w LEFT JOIN smile.late_fine AS k ON k.billing_id = w.billing_id AND k.number = w.number
    WHERE (k.outstanding, k.parameter_id, k.amount) IS DISTINCT FROM (w.outstanding, w.parameter_id, w.amount)),
  due AS MATERIALIZED (
    SELECT t.month, smile.due_date(t.month::date) AS due_date
    FROM (SELECT DISTINCT date_trunc('month', c.starts_on) AS month FROM changed AS c) AS t),
  stale AS MATERIALIZED (
    SELECT f.billing_id, f.number, f.amount
    FROM unnest(employers) AS e (id)
    LEFT JOIN smile.money_moved(employers) AS v ON v.employer_id = e.id
    JOIN smile.late_fine AS f ON f.employer_id = e.id AND f.starts_on > least(v.day, today)
    WHERE NOT EXISTS (SELECT FROM wanted AS w WHERE w.billing_id = f.billing_id AND w.number = f.number)),
  gone AS (
    DELETE FROM smile.late_fine AS f USING stale AS s WHERE f.billing_id = s.billing_id AND f.number = s.number),
  charged AS (
    INSERT INTO smile.late_fine AS f
      (billing_id, number, employer_id, starts_on, ends_on, due_date, outstanding, parameter_id, amount)
    SELECT w.billing_id, w.number, w.employer_id, w.starts_on, w.ends_on, d.due_date, w.outstanding, w.parameter_id,
      w.amount
    FROM changed AS w JOIN due AS d ON d.month = date_trunc('month', w.starts_on)
    ON CONFLICT (billing_id, number) DO UPDATE
    SET outstanding = excluded.outstanding, parameter_id = excluded.parameter_id, amount = excluded.amount,
      paid_amount = least(f.paid_amount, excluded.amount), charged_at = excluded.charged_at),
  told AS MATERIALIZED (
    SELECT t.billing_id, json_agg(json_strip_nulls(json_build_object(
      'number', t.number, 'was', t.was, 'amount', t.amount)) ORDER BY t.number) AS months
    FROM (
      SELECT c.billing_id, c.number, c.was, c.amount FROM changed AS c
      UNION ALL
      SELECT s.billing_id, s.number, s.amount, 0 FROM stale AS s) AS t
    GROUP BY t.billing_id)
  SELECT array_agg(t.billing_id) INTO fined
  FROM told AS t
  CROSS JOIN LATERAL smile.audit('billing.fined', 'billing', t.billing_id, json_build_object('months', t.months));
  UPDATE smile.billing AS b SET next_fine_on = t.day
  FROM unnest(new.billings, new.next_on) AS t (id, day)
  WHERE b.id = t.id AND b.next_fine_on IS DISTINCT FROM t.day;
  RETURN coalesce(fined, '{}');
END
$$;

-- As before, for employers who have any; most have nothing that could pay a fine.
CREATE OR REPLACE FUNCTION smile.allocation(employers uuid[], days date[], with_fines boolean)
RETURNS TABLE (
  employer_id uuid, day date, billing_id uuid, number integer, amount bigint, received bigint, direct bigint,
  credit bigint, paid_at timestamptz)
LANGUAGE sql STABLE
BEGIN ATOMIC
  WITH asked AS MATERIALIZED (
    SELECT d AS day, (d + 1)::timestamp AT TIME ZONE 'Asia/Jakarta' AS ends_at
    FROM (SELECT DISTINCT unnest(days)) AS t (d)),
  receipt AS MATERIALIZED (
    SELECT p.billing_id, p.paid_at, p.amount - p.returned_amount AS amount,
      sum(p.amount - p.returned_amount) OVER (PARTITION BY p.billing_id ORDER BY p.paid_at, p.id) AS so_far
    FROM smile.payment AS p
    WHERE p.employer_id = ANY (employers) AND p.reversed_at IS NULL),
  had AS MATERIALIZED (
    SELECT a.day, x.billing_id, sum(x.amount)::bigint AS amount, max(x.paid_at) AS last_paid_at,
      min(x.paid_at) FILTER (WHERE x.so_far >= b.amount) AS settled_at
    FROM asked AS a JOIN receipt AS x ON x.paid_at < a.ends_at JOIN smile.billing AS b ON b.id = x.billing_id
    GROUP BY a.day, x.billing_id),
  own AS (
    SELECT b.employer_id, a.day, b.id, b.due_date, b.issued_at, b.amount, coalesce(r.amount, 0) AS received,
      least(b.amount, coalesce(r.amount, 0)) AS direct, r.settled_at, r.last_paid_at,
      -- Credit pays what has been billed; a month that is reported late was late all the same.
      CASE WHEN b.issued_at < a.ends_at THEN b.amount - least(b.amount, coalesce(r.amount, 0)) ELSE 0 END AS rest,
      b.issued_at < a.ends_at AS is_issued
    FROM asked AS a
    JOIN smile.billing AS b ON b.employer_id = ANY (employers)
    LEFT JOIN had AS r ON r.billing_id = b.id AND r.day = a.day),
  granted AS (
    SELECT c.employer_id, a.day, sum(c.amount)::bigint AS amount, max(c.granted_at) AS last_granted_at
    FROM asked AS a JOIN smile.return_credit AS c ON c.employer_id = ANY (employers) AND c.granted_at < a.ends_at
    GROUP BY c.employer_id, a.day),
  surplus AS MATERIALIZED (
    SELECT o.employer_id, o.day, (sum(o.received - o.direct) + coalesce(max(g.amount), 0))::bigint AS amount,
      greatest(max(o.last_paid_at) FILTER (WHERE o.received > o.direct), max(g.last_granted_at)) AS last_paid_at
    FROM own AS o LEFT JOIN granted AS g ON g.employer_id = o.employer_id AND g.day = o.day
    GROUP BY o.employer_id, o.day),
  item AS (
    SELECT o.employer_id, o.day, o.id AS billing_id, 0 AS number, o.due_date, o.amount, o.received, o.direct, o.rest,
      o.issued_at, o.settled_at, o.last_paid_at
    FROM own AS o
    UNION ALL
    -- Nothing pays a fine before its month has begun and its billing is known. Without a surplus nothing does.
    SELECT o.employer_id, o.day, f.billing_id, f.number, f.due_date, f.amount, 0, 0, f.amount, NULL, NULL, NULL
    FROM own AS o
    JOIN surplus AS s ON s.employer_id = o.employer_id AND s.day = o.day AND s.amount > 0
    JOIN smile.late_fine AS f ON f.billing_id = o.id AND f.starts_on <= o.day AND o.is_issued
    WHERE with_fines),
  spread AS (
    SELECT i.*, s.last_paid_at AS surplus_at,
      least(i.rest, greatest(s.amount - (sum(i.rest) OVER (
        PARTITION BY i.employer_id, i.day ORDER BY i.due_date, least(i.number, 1), i.billing_id, i.number
        ROWS UNBOUNDED PRECEDING) - i.rest), 0))::bigint AS credit
    FROM item AS i JOIN surplus AS s ON s.employer_id = i.employer_id AND s.day = i.day)
  SELECT d.employer_id, d.day, d.billing_id, d.number, d.amount, d.received, d.direct, d.credit, CASE
    WHEN d.direct = d.amount THEN d.settled_at
    WHEN d.direct + d.credit = d.amount THEN greatest(d.issued_at, d.surplus_at, d.last_paid_at) END
  FROM spread AS d;
END;

REVOKE EXECUTE ON FUNCTION smile.charge_late_fines(uuid[]) FROM smile_api, smile_jobs;
