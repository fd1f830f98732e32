-- What the fines for paying late cost, charged as they arise, and where money goes: to the billing whose code it named;
-- what is more than that to what else is open, the one due first first, contributions before fines that are due on the
-- same day; what is left then is the employer's credit. All of it follows from the billings, the payments that stand
-- and the day, and from nothing else.
--
-- A fine is due with the contribution of the month in which its month of delay begins: the next one that the employer
-- pays. How late a contribution was is judged as if fines had taken nothing, so that no fine makes another.

INSERT INTO smile.ledger_account (code, kind, name_id, name_en, per_member) VALUES
  ('receivable.late_fine', 'asset', 'Piutang denda keterlambatan', 'Late fines due from employers', false);

-- The fine of each month of delay: so much per cent of what was open when it began.
CREATE TABLE smile.late_fine (
  billing_id uuid NOT NULL REFERENCES smile.billing,
  number integer NOT NULL CHECK (number >= 1),
  employer_id uuid NOT NULL REFERENCES smile.employer,
  starts_on date NOT NULL,
  ends_on date NOT NULL,
  due_date date NOT NULL,
  outstanding bigint NOT NULL CHECK (outstanding > 0),
  parameter_id uuid NOT NULL REFERENCES smile.legal_parameter,
  amount bigint NOT NULL CHECK (amount >= 0),
  paid_amount bigint NOT NULL DEFAULT 0 CHECK (paid_amount BETWEEN 0 AND amount),
  charged_at timestamptz NOT NULL DEFAULT smile.now(),
  PRIMARY KEY (billing_id, number)
);
CREATE INDEX late_fine_employer ON smile.late_fine (employer_id, due_date);
ALTER TABLE smile.late_fine ENABLE ROW LEVEL SECURITY;
ALTER TABLE smile.late_fine FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_all ON smile.late_fine TO smile_owner USING (true);
CREATE POLICY own_money ON smile.late_fine FOR SELECT TO smile_api USING (employer_id = (SELECT smile.employer_id()));
CREATE POLICY officers_read ON smile.late_fine FOR SELECT TO smile_api
  USING ((SELECT smile.is_officer('manage_billing')));
GRANT SELECT ON smile.late_fine TO smile_api;

ALTER TABLE smile.billing
  ADD COLUMN fine_amount bigint NOT NULL DEFAULT 0,
  ADD COLUMN fine_paid bigint NOT NULL DEFAULT 0,
  -- The last day on which it was open and late, and yet no month of delay had begun: fines had taken its money.
  ADD COLUMN no_fine_on date,
  ADD CONSTRAINT fine_is_paid_in_part CHECK (fine_paid BETWEEN 0 AND fine_amount);
CREATE INDEX billing_open ON smile.billing (due_date) WHERE status <> 'paid';

ALTER TABLE smile.settlement
  DROP CONSTRAINT settlement_amount_check,
  ADD COLUMN fine_amount bigint NOT NULL DEFAULT 0,
  ADD COLUMN fine_paid bigint NOT NULL DEFAULT 0,
  ADD CONSTRAINT settlement_moves_something CHECK (amount <> 0 OR fine_amount <> 0 OR fine_paid <> 0);

-- Where the money of employers went by the end of each of those days in Jakarta ('infinity': all of it): a row a
-- billing, number 0, and when asked for one a fine. `direct` came under the billing's own code, `credit` did not.
CREATE FUNCTION smile.allocation(employers uuid[], days date[], with_fines boolean)
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
  surplus AS (
    SELECT o.employer_id, o.day, (sum(o.received - o.direct) + coalesce(max(g.amount), 0))::bigint AS amount,
      greatest(max(o.last_paid_at) FILTER (WHERE o.received > o.direct), max(g.last_granted_at)) AS last_paid_at
    FROM own AS o LEFT JOIN granted AS g ON g.employer_id = o.employer_id AND g.day = o.day
    GROUP BY o.employer_id, o.day),
  item AS (
    SELECT o.employer_id, o.day, o.id AS billing_id, 0 AS number, o.due_date, o.amount, o.received, o.direct, o.rest,
      o.issued_at, o.settled_at, o.last_paid_at
    FROM own AS o
    UNION ALL
    -- Nothing pays a fine before its month has begun and its billing is known.
    SELECT o.employer_id, o.day, f.billing_id, f.number, f.due_date, f.amount, 0, 0, f.amount, NULL, NULL, NULL
    FROM own AS o JOIN smile.late_fine AS f ON f.billing_id = o.id AND f.starts_on <= o.day AND o.is_issued
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

-- The months of delay of employers' billings up to a day. Rates are those of the contribution's month (PP 44/2015,
-- PP 45/2015, PP 46/2015; PP 49/2020 Art. 23(1)); a begun month counts as a whole one. Money moves on the days on which
-- an employer pays, is granted credit or is billed, so those are the days on which one has to look where it went.
CREATE FUNCTION smile.late_months(employers uuid[], as_of date)
RETURNS TABLE (
  employer_id uuid, billing_id uuid, number integer, starts_on date, ends_on date, outstanding bigint,
  parameter_id uuid, amount bigint)
LANGUAGE sql STABLE
BEGIN ATOMIC
  WITH owed AS MATERIALIZED (
    -- Where a billing's own money settled it, nothing was open after that day; credit may have gone elsewhere since.
    SELECT b.id, b.employer_id, b.period::date AS period, b.due_date, b.amount, CASE
      WHEN a.direct = a.amount THEN least(as_of, (a.paid_at AT TIME ZONE 'Asia/Jakarta')::date) ELSE as_of END AS until
    FROM smile.billing AS b
    JOIN smile.allocation(employers, '{infinity}', false) AS a ON a.billing_id = b.id
    WHERE b.employer_id = ANY (employers) AND b.due_date < as_of),
  rate AS MATERIALIZED (
    SELECT t.period, p.id, p.value::numeric AS pct,
      smile.parameter_text('ALL', 'pu.contribution_rounding', t.period) AS rounding
    FROM (SELECT DISTINCT o.period FROM owed AS o WHERE o.until > o.due_date) AS t
    JOIN smile.legal_parameter AS p ON p.programme = 'JKK+JKM+JHT+JP' AND p.parameter = 'pu.late_fine_pct_per_month'
      AND t.period >= p.valid_from AND (p.valid_to IS NULL OR t.period <= p.valid_to)),
  paid_on AS MATERIALIZED (
    SELECT p.employer_id, (p.paid_at AT TIME ZONE 'Asia/Jakarta')::date AS day
    FROM smile.payment AS p WHERE p.employer_id = ANY (employers) AND p.reversed_at IS NULL
    UNION
    SELECT c.employer_id, (c.granted_at AT TIME ZONE 'Asia/Jakarta')::date
    FROM smile.return_credit AS c WHERE c.employer_id = ANY (employers)),
  moved AS MATERIALIZED (
    SELECT x.employer_id, x.day FROM paid_on AS x
    UNION
    -- What is billed before anything is paid takes nothing.
    SELECT b.employer_id, (b.issued_at AT TIME ZONE 'Asia/Jakarta')::date
    FROM smile.billing AS b JOIN (
      SELECT x.employer_id, min(x.day) AS day FROM paid_on AS x GROUP BY x.employer_id
    ) AS f ON f.employer_id = b.employer_id AND f.day < (b.issued_at AT TIME ZONE 'Asia/Jakarta')::date),
  month AS MATERIALIZED (
    SELECT o.id, o.employer_id, o.amount, n AS number, s.starts_on,
      (o.due_date + 1 + make_interval(months => n))::date - 1 AS ends_on, r.id AS parameter_id, r.pct, r.rounding
    FROM owed AS o
    JOIN rate AS r ON r.period = o.period
    CROSS JOIN LATERAL generate_series(1, (o.until - o.due_date) / 28 + 1) AS n
    CROSS JOIN LATERAL (SELECT (o.due_date + 1 + make_interval(months => n - 1))::date AS starts_on) AS s
    WHERE s.starts_on <= o.until),
  looked AS MATERIALIZED (
    -- The last such day by the evening before each month of delay; one pass over both in their order.
    SELECT DISTINCT t.employer_id, t.day, max(t.moved_on) OVER (PARTITION BY t.employer_id ORDER BY t.day) AS moved_on
    FROM (
      SELECT m.employer_id, m.starts_on - 1 AS day, NULL::date AS moved_on FROM month AS m
      UNION ALL
      SELECT v.employer_id, v.day, v.day FROM moved AS v) AS t),
  begun AS MATERIALIZED (
    SELECT m.id, m.employer_id, m.amount, m.number, m.starts_on, m.ends_on, m.parameter_id, m.pct, m.rounding,
      l.moved_on
    FROM month AS m JOIN looked AS l ON l.employer_id = m.employer_id AND l.day = m.starts_on - 1),
  spent AS MATERIALIZED (
    SELECT a.billing_id, a.day, a.direct + a.credit AS amount
    FROM smile.allocation(employers, ARRAY(SELECT DISTINCT x.moved_on FROM begun AS x WHERE x.moved_on IS NOT NULL),
      false) AS a)
  SELECT m.employer_id, m.id, m.number, m.starts_on, m.ends_on, u.open, m.parameter_id,
    smile.round_rupiah(u.open * m.pct * 0.01, m.rounding)
  FROM begun AS m
  LEFT JOIN spent AS s ON s.billing_id = m.id AND s.day = m.moved_on
  CROSS JOIN LATERAL (SELECT m.amount - coalesce(s.amount, 0) AS open) AS u
  WHERE u.open > 0;
END;

-- What was paid of a billing by the end of that day in Jakarta, by the payments that stand.
CREATE OR REPLACE FUNCTION smile.paid_by(b smile.billing, day date) RETURNS bigint LANGUAGE sql STABLE
RETURN coalesce((
  SELECT a.direct + a.credit FROM smile.allocation(ARRAY[(b).employer_id], ARRAY[day], false) AS a
  WHERE a.billing_id = (b).id), 0);

-- The same months of one billing, or of one that only might be: nothing is paid of that.
CREATE OR REPLACE FUNCTION smile.late_months(b smile.billing, as_of date)
RETURNS TABLE (number integer, starts_on date, ends_on date, outstanding bigint, parameter_id uuid, rate_pct numeric,
  fine bigint)
LANGUAGE sql STABLE
BEGIN ATOMIC
  SELECT m.number, m.starts_on, m.ends_on, m.outstanding, m.parameter_id, p.value::numeric, m.amount
  FROM smile.late_months(ARRAY[(b).employer_id], as_of) AS m JOIN smile.legal_parameter AS p ON p.id = m.parameter_id
  WHERE m.billing_id = (b).id
  UNION ALL
  SELECT n, s.starts_on, ((b).due_date + 1 + make_interval(months => n))::date - 1, (b).amount, p.id,
    p.value::numeric, smile.round_rupiah((b).amount * p.value::numeric * 0.01,
      smile.parameter_text('ALL', 'pu.contribution_rounding', (b).period))
  FROM generate_series(1, greatest(0, (as_of - (b).due_date) / 28 + 1)) AS n
  CROSS JOIN LATERAL (SELECT ((b).due_date + 1 + make_interval(months => n - 1))::date AS starts_on) AS s
  JOIN smile.legal_parameter AS p ON p.programme = 'JKK+JKM+JHT+JP' AND p.parameter = 'pu.late_fine_pct_per_month'
    AND (b).period >= p.valid_from AND (p.valid_to IS NULL OR (b).period <= p.valid_to)
  WHERE (b).id IS NULL AND s.starts_on <= as_of;
END;

-- Brings the fines of employers to what today says. The caller holds the employers' rows.
CREATE FUNCTION smile.charge_late_fines(employers uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  WITH wanted AS MATERIALIZED (
    SELECT m.employer_id, m.billing_id, m.number, m.starts_on, m.ends_on, m.outstanding, m.parameter_id, m.amount
    FROM smile.late_months(employers, smile.today()) AS m),
  changed AS MATERIALIZED (
    SELECT w.employer_id, w.billing_id, w.number, w.starts_on, w.ends_on, w.outstanding, w.parameter_id, w.amount
    FROM wanted AS w
    WHERE NOT EXISTS (
      SELECT FROM smile.late_fine AS k
      WHERE k.employer_id = ANY (employers) AND k.billing_id = w.billing_id AND k.number = w.number
        AND (k.outstanding, k.parameter_id, k.amount) = (w.outstanding, w.parameter_id, w.amount))),
  due AS MATERIALIZED (
    SELECT t.month, smile.due_date(t.month::date) AS due_date
    FROM (SELECT DISTINCT date_trunc('month', c.starts_on) AS month FROM changed AS c) AS t),
  gone AS (
    DELETE FROM smile.late_fine AS f
    WHERE f.employer_id = ANY (employers) AND NOT EXISTS (
      SELECT FROM wanted AS w WHERE w.billing_id = f.billing_id AND w.number = f.number))
  INSERT INTO smile.late_fine AS f
    (billing_id, number, employer_id, starts_on, ends_on, due_date, outstanding, parameter_id, amount)
  SELECT w.billing_id, w.number, w.employer_id, w.starts_on, w.ends_on, d.due_date, w.outstanding, w.parameter_id,
    w.amount
  FROM changed AS w JOIN due AS d ON d.month = date_trunc('month', w.starts_on)
  ON CONFLICT (billing_id, number) DO UPDATE
  SET outstanding = excluded.outstanding, parameter_id = excluded.parameter_id, amount = excluded.amount,
    paid_amount = least(f.paid_amount, excluded.amount), charged_at = excluded.charged_at;
END
$$;

-- Brings the billings of employers, and their fines, to where their payments put them. The caller holds the employers'
-- rows.
CREATE FUNCTION smile.settle(employers uuid[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  b smile.billing;
  opened uuid[];
  closed uuid[];
BEGIN
  PERFORM smile.charge_late_fines(employers);
  WITH item AS MATERIALIZED (
    SELECT a.billing_id, a.number, a.amount, a.received, a.direct, a.credit, a.paid_at
    FROM smile.allocation(employers, '{infinity}', true) AS a),
  fine AS (
    UPDATE smile.late_fine AS f SET paid_amount = i.credit
    FROM item AS i
    WHERE i.number > 0 AND f.billing_id = i.billing_id AND f.number = i.number AND f.paid_amount <> i.credit),
  target AS (
    SELECT i.billing_id, sum(i.received)::bigint AS received,
      coalesce(sum(i.direct + i.credit) FILTER (WHERE i.number = 0), 0)::bigint AS paid, max(i.paid_at) AS paid_at,
      coalesce(sum(i.amount) FILTER (WHERE i.number > 0), 0)::bigint AS fine_amount,
      coalesce(sum(i.credit) FILTER (WHERE i.number > 0), 0)::bigint AS fine_paid
    FROM item AS i GROUP BY i.billing_id),
  changed AS (
    UPDATE smile.billing AS x
    SET received_amount = t.received, paid_amount = t.paid, paid_at = t.paid_at, fine_amount = t.fine_amount,
      fine_paid = t.fine_paid,
      status = CASE WHEN t.paid = 0 THEN 'unpaid' WHEN t.paid < x.amount THEN 'partially_paid' ELSE 'paid' END
    FROM target AS t JOIN smile.billing AS was ON was.id = t.billing_id
    WHERE x.id = t.billing_id AND (x.received_amount, x.paid_amount, x.paid_at, x.fine_amount, x.fine_paid)
      IS DISTINCT FROM (t.received, t.paid, t.paid_at, t.fine_amount, t.fine_paid)
    RETURNING x.id, x.employer_id, x.period, x.status, was.status AS was_status, t.paid - was.paid_amount AS paid,
      t.fine_amount - was.fine_amount AS fine_amount, t.fine_paid - was.fine_paid AS fine_paid),
  moved AS (
    INSERT INTO smile.settlement (billing_id, employer_id, amount, fine_amount, fine_paid)
    SELECT c.id, c.employer_id, c.paid, c.fine_amount, c.fine_paid FROM changed AS c
    WHERE c.paid <> 0 OR c.fine_amount <> 0 OR c.fine_paid <> 0
    RETURNING id, billing_id),
  booked AS (
    INSERT INTO smile.ledger_transaction (kind, subject_kind, subject_id)
    SELECT 'billing_settled', 'settlement', m.id FROM moved AS m
    RETURNING id, subject_id),
  posted AS (
    INSERT INTO smile.posting (transaction_id, account, employer_id, period, amount)
    SELECT k.id, l.account, c.employer_id, l.period, l.amount
    FROM booked AS k JOIN moved AS m ON m.id = k.subject_id JOIN changed AS c ON c.id = m.billing_id
    CROSS JOIN LATERAL (VALUES
      ('payable.employer_credit', NULL::date, c.paid + c.fine_paid),
      ('receivable.employer', c.period, -c.paid),
      ('receivable.late_fine', c.period, c.fine_amount - c.fine_paid),
      ('income.late_fine', c.period, -c.fine_amount)) AS l (account, period, amount)
    WHERE l.amount <> 0)
  SELECT array_agg(c.id) FILTER (WHERE c.status <> 'paid' AND c.was_status = 'paid'),
    array_agg(c.id) FILTER (WHERE c.status = 'paid' AND c.was_status <> 'paid')
  INTO opened, closed FROM changed AS c;
  FOR b IN SELECT x.* FROM smile.billing AS x WHERE x.id = ANY (opened) ORDER BY x.id LOOP
    PERFORM smile.unpost_contributions(b);
  END LOOP;
  FOR b IN SELECT x.* FROM smile.billing AS x WHERE x.id = ANY (closed) ORDER BY x.id LOOP
    PERFORM smile.post_contributions(b);
  END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION smile.settle(employer uuid) RETURNS void LANGUAGE sql
BEGIN ATOMIC
  SELECT smile.settle(ARRAY[employer]);
END;
DROP FUNCTION smile.settlement_targets(uuid);

-- What the agency holds for an employer until its next billing.
CREATE OR REPLACE FUNCTION smile.employer_credit(employer uuid) RETURNS bigint LANGUAGE sql STABLE
RETURN (
  SELECT (coalesce(sum(b.received_amount - b.paid_amount - b.fine_paid), 0) + (
    SELECT coalesce(sum(c.amount), 0) FROM smile.return_credit AS c WHERE c.employer_id = employer))::bigint
  FROM smile.billing AS b WHERE b.employer_id = employer);

-- A new billing takes the credit at once, and one that is issued after its due date bears its fine.
CREATE OR REPLACE FUNCTION smile.settle_new_billing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.due_date < smile.today() OR smile.employer_credit(NEW.employer_id) > 0 THEN
    PERFORM smile.settle(NEW.employer_id);
  END IF;
  RETURN NULL;
END
$$;

-- Charges the months of delay that have begun since; some each hour, each employer once a day at most. An employer
-- whose row is held is charged by whoever holds it, or the next time.
CREATE FUNCTION smile.charge_begun_months() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  most CONSTANT integer := 1000;
  late uuid[];
BEGIN
  SELECT array_agg(t.id) INTO late FROM (
    SELECT e.id FROM smile.employer AS e
    WHERE e.id IN (
      SELECT b.employer_id FROM smile.billing AS b
      WHERE b.status <> 'paid' AND b.due_date < smile.today() AND b.no_fine_on IS DISTINCT FROM smile.today()
        AND NOT EXISTS (
          SELECT FROM smile.late_fine AS f WHERE f.billing_id = b.id AND f.ends_on >= smile.today()))
    ORDER BY e.id LIMIT most FOR NO KEY UPDATE SKIP LOCKED) AS t;
  PERFORM smile.settle(late) WHERE late IS NOT NULL;
  UPDATE smile.billing AS b SET no_fine_on = smile.today()
  WHERE b.employer_id = ANY (late) AND b.status <> 'paid' AND b.due_date < smile.today() AND NOT EXISTS (
    SELECT FROM smile.late_fine AS f WHERE f.billing_id = b.id AND f.ends_on >= smile.today());
  RETURN coalesce(cardinality(late), 0);
END
$$;
REVOKE EXECUTE ON FUNCTION smile.charge_begun_months() FROM smile_api, smile_auth;

CREATE OR REPLACE FUNCTION smile.keep_house() RETURNS json LANGUAGE plpgsql AS $$
BEGIN
  PERFORM smile.make_partitions();
  PERFORM smile.purge_identity();
  RETURN json_build_object('expired', smile.expire_old_rows(), 'fined_employers', smile.charge_begun_months(),
    'ledger_sum', smile.ledger_sum());
END
$$;

CREATE FUNCTION smile.parameter_trace(u smile.legal_parameter) RETURNS json LANGUAGE sql STABLE
RETURN json_build_object(
  'programme', (u).programme, 'parameter', (u).parameter, 'value', (u).value, 'valid_from', (u).valid_from,
  'instrument', (u).instrument, 'grade', (u).grade, 'verified', (u).verified);

-- A fine with its trace as it was charged, with what is paid of it. NULL while nothing is.
CREATE FUNCTION smile.charged_fines_body(wanted uuid) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_build_object(
    'amount', sum(f.amount), 'paid_amount', sum(f.paid_amount), 'verified', bool_and(p.verified),
    'months', json_agg(json_build_object(
      'number', f.number, 'starts_on', f.starts_on, 'ends_on', f.ends_on, 'outstanding', f.outstanding,
      'rate_pct', p.value, 'fine', f.amount, 'due_date', f.due_date, 'paid_amount', f.paid_amount,
      'charged_at', f.charged_at) ORDER BY f.number),
    'parameters_used', (
      SELECT json_agg(smile.parameter_trace(u) ORDER BY u.valid_from)
      FROM smile.legal_parameter AS u
      WHERE u.id IN (SELECT x.parameter_id FROM smile.late_fine AS x WHERE x.billing_id = wanted)))
  FROM smile.late_fine AS f JOIN smile.legal_parameter AS p ON p.id = f.parameter_id
  WHERE f.billing_id = wanted
  HAVING count(*) > 0);

-- Open fines that are due by a day: what is paid together with the contribution that is due then.
CREATE FUNCTION smile.fines_due_by(employer uuid, day date) RETURNS bigint LANGUAGE sql STABLE
RETURN (
  SELECT coalesce(sum(f.amount - f.paid_amount), 0)::bigint FROM smile.late_fine AS f
  WHERE f.employer_id = employer AND f.due_date <= day);

CREATE OR REPLACE FUNCTION smile.billing_body(wanted uuid) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_strip_nulls(json_build_object(
    'id', b.id, 'employer_id', b.employer_id, 'return_id', b.return_id, 'payment_code', b.payment_code,
    'period', smile.month_text(b.period), 'due_date', b.due_date, 'due_at', smile.end_of_day(b.due_date),
    'amount', b.amount,
    'amounts', smile.amounts_body(b.jht_employer, b.jht_worker, b.jkk, b.jkm, b.jp_employer, b.jp_worker,
      b.jkp_from_jkk, b.jkp_from_jkm, b.jkp_state),
    'verified', (SELECT r.totals -> 'verified' FROM smile.contribution_return AS r WHERE r.id = b.return_id),
    'received_amount', b.received_amount, 'paid_amount', b.paid_amount,
    'paid_by_credit', greatest(b.paid_amount - b.received_amount, 0),
    'surplus', greatest(b.received_amount - b.amount, 0),
    'fine_amount', b.fine_amount, 'fine_paid_amount', b.fine_paid,
    'fines_due_with_it', smile.fines_due_by(b.employer_id, b.due_date),
    'status', b.status, 'issued_at', b.issued_at, 'paid_at', b.paid_at))
  FROM smile.billing AS b WHERE b.id = wanted);

-- The tag is of what is said: fines that are due with a billing change without it.
CREATE OR REPLACE FUNCTION smile.get_billing(wanted uuid, as_of date, OUT body text, OUT etag text) LANGUAGE sql STABLE
BEGIN ATOMIC
  SELECT t.body, smile.etag(hashtextextended(t.body, 0) & 9223372036854775807)
  FROM (
    SELECT (smile.billing_body(b.id)::jsonb
      || CASE WHEN b.fine_amount = 0 THEN '{}'
        ELSE jsonb_build_object('charged_fines', smile.charged_fines_body(b.id)) END
      || CASE WHEN as_of IS NULL THEN '{}'
        ELSE jsonb_build_object('late_fine', smile.late_fine_body(b, as_of)) END)::text AS body
    FROM smile.billing AS b WHERE b.id = wanted) AS t;
END;

REVOKE EXECUTE ON FUNCTION smile.charge_late_fines(uuid[]), smile.settle(uuid[])
  FROM smile_api, smile_jobs;
