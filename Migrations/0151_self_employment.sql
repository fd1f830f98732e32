-- Members who pay for themselves (BPU, PP 44/2015 and PP 46/2015): from which month to which, and on what terms. One
-- spell at a time; it may run beside employments. Whether it protects follows from the months that are paid.

CREATE TABLE smile.self_employment (
  id uuid PRIMARY KEY DEFAULT smile.uuid7(),
  member_id uuid NOT NULL REFERENCES smile.member,
  first_period smile.wage_month NOT NULL,
  -- NULL while no end is known.
  last_period smile.wage_month,
  enrolled_at timestamptz NOT NULL DEFAULT smile.now(),
  CONSTRAINT self_employment_ends_after_start CHECK (last_period >= first_period),
  CONSTRAINT self_employments_do_not_overlap EXCLUDE USING gist
    (member_id WITH =, daterange(first_period, last_period, '[]') WITH &&),
  CONSTRAINT self_employment_of_member UNIQUE (id, member_id)
);

-- The terms of a month are the latest row not after it.
CREATE TABLE smile.self_employment_terms (
  self_employment_id uuid NOT NULL,
  member_id uuid NOT NULL,
  valid_from smile.wage_month NOT NULL,
  -- Names the income band.
  income_base bigint NOT NULL,
  with_jht boolean NOT NULL,
  sector text NOT NULL CHECK (sector IN ('transport', 'other')),
  -- Who pays in the end: the member, the state's budget (APBN) or a region's (APBD).
  funding text NOT NULL CHECK (funding IN ('own', 'state_budget', 'regional_budget')),
  PRIMARY KEY (self_employment_id, valid_from),
  FOREIGN KEY (self_employment_id, member_id) REFERENCES smile.self_employment (id, member_id)
);

-- What a member is to pay under one code, for one month or several.
CREATE TABLE smile.self_employed_billing (
  id uuid PRIMARY KEY DEFAULT smile.uuid7(),
  member_id uuid NOT NULL REFERENCES smile.member,
  payment_code text NOT NULL UNIQUE CHECK (payment_code ~ '^[0-9]{12}$'),
  amount bigint NOT NULL CHECK (amount >= 0),
  -- What came in under its code and stands, and what its paid months cost.
  received_amount bigint NOT NULL DEFAULT 0 CHECK (received_amount >= 0),
  paid_amount bigint NOT NULL DEFAULT 0 CHECK (paid_amount >= 0),
  status text NOT NULL DEFAULT 'unpaid' CHECK (status IN ('unpaid', 'partially_paid', 'paid', 'withdrawn')),
  issued_at timestamptz NOT NULL DEFAULT smile.now(),
  -- When the months that weren't paid were taken off it.
  withdrawn_at timestamptz,
  version bigint NOT NULL DEFAULT 1
);
CREATE INDEX self_employed_billing_member ON smile.self_employed_billing (member_id, id);
CREATE TRIGGER self_employed_billing_version BEFORE UPDATE ON smile.self_employed_billing
  FOR EACH ROW EXECUTE FUNCTION smile.bump_version();

-- A month of a billing, as it was computed when it was billed. A month is paid whole or not at all.
CREATE TABLE smile.self_employed_month (
  billing_id uuid NOT NULL REFERENCES smile.self_employed_billing,
  member_id uuid NOT NULL REFERENCES smile.member,
  period smile.wage_month NOT NULL,
  self_employment_id uuid NOT NULL REFERENCES smile.self_employment,
  due_date date NOT NULL,
  income_base bigint NOT NULL,
  jht bigint NOT NULL CHECK (jht >= 0),
  jkk bigint NOT NULL CHECK (jkk >= 0),
  jkm bigint NOT NULL CHECK (jkm >= 0),
  -- How much less than without relief.
  jkk_relief bigint NOT NULL CHECK (jkk_relief >= 0),
  jkm_relief bigint NOT NULL CHECK (jkm_relief >= 0),
  -- A relief that came when the month was paid already; it is given back as credit.
  jkk_credit bigint NOT NULL DEFAULT 0 CHECK (jkk_credit BETWEEN 0 AND jkk),
  jkm_credit bigint NOT NULL DEFAULT 0 CHECK (jkm_credit BETWEEN 0 AND jkm),
  price bigint NOT NULL GENERATED ALWAYS AS (jht + jkk + jkm - jkk_credit - jkm_credit) STORED CHECK (price >= 0),
  income_band_id uuid NOT NULL REFERENCES smile.income_band,
  parameter_ids uuid[] NOT NULL,
  verified boolean NOT NULL,
  -- Taken off its billing, so that it can be billed again.
  withdrawn_at timestamptz,
  -- The subject of the ledger transaction that posted it, another one each time; NULL while it isn't paid.
  posting_id uuid UNIQUE,
  posted_at timestamptz,
  PRIMARY KEY (billing_id, period),
  CONSTRAINT self_employed_month_posted CHECK ((posting_id IS NULL) = (posted_at IS NULL)),
  CONSTRAINT self_employed_month_paid_or_withdrawn CHECK (num_nonnulls(posting_id, withdrawn_at) < 2)
);
-- A month is billed once, and so paid once.
CREATE UNIQUE INDEX self_employed_month_once ON smile.self_employed_month (member_id, period)
  WHERE withdrawn_at IS NULL;

DO $policies$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY
    ARRAY['self_employment', 'self_employment_terms', 'self_employed_billing', 'self_employed_month']
  LOOP
    EXECUTE format('ALTER TABLE smile.%I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE smile.%I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY owner_all ON smile.%I TO smile_owner USING (true)', name);
    EXECUTE format('CREATE POLICY own_rows ON smile.%I FOR SELECT TO smile_api
      USING (member_id = (SELECT smile.member_id()))', name);
    EXECUTE format('CREATE POLICY officers_read ON smile.%I FOR SELECT TO smile_api
      USING ((SELECT smile.is_officer(''read_members'')))', name);
    EXECUTE format('GRANT SELECT ON smile.%I TO smile_api', name);
  END LOOP;
END
$policies$;

INSERT INTO smile.ledger_account (code, kind, name_id, name_en, per_member) VALUES
  ('payable.member_credit', 'liability', 'Kelebihan bayar peserta', 'Credit of members', true);

-- PP 44/2015: on a day of the contribution month itself; when that is a holiday, on the next working day.
CREATE FUNCTION smile.self_employed_due_date(period date) RETURNS date LANGUAGE sql STABLE
RETURN smile.add_working_days(
  period + smile.parameter('ALL', 'bpu.due_day_of_same_month', period)::integer - 1, 0);

CREATE FUNCTION smile.this_month() RETURNS date LANGUAGE sql STABLE
RETURN date_trunc('month', smile.today()::timestamp)::date;

CREATE FUNCTION smile.later_month(period date, count integer) RETURNS date LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (period::timestamp + make_interval(months => count))::date;

CREATE FUNCTION smile.months_between(earlier date, later date) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (extract(year FROM later) - extract(year FROM earlier)) * 12
  + extract(month FROM later) - extract(month FROM earlier);

-- Inactive after so many months in a row that fell due and weren't paid, up to now; a payment of a later month makes it
-- active again. Every month before this one has fallen due, for a due date lies in its own month.
CREATE FUNCTION smile.self_employment_state(
  s smile.self_employment, OUT status text, OUT paid_until date, OUT unpaid_months integer, OUT arrears_months integer,
  OUT inactive_since date)
LANGUAGE plpgsql STABLE AS $$
DECLARE
  now_month date := smile.this_month();
  last_due date := CASE WHEN smile.self_employed_due_date(now_month) < smile.today() THEN now_month
    ELSE smile.later_month(now_month, -1) END;
  too_many integer := smile.parameter('ALL', 'bpu.inactive_after_unpaid_months', smile.today())::integer;
  due_count integer;
  paid_count integer;
BEGIN
  last_due := least(last_due, s.last_period);
  SELECT max(m.period), count(*) FILTER (WHERE m.period <= last_due) INTO paid_until, paid_count
  FROM smile.self_employed_month AS m
  WHERE m.self_employment_id = s.id AND m.posting_id IS NOT NULL;
  due_count := greatest(0, smile.months_between(s.first_period, last_due) + 1);
  arrears_months := due_count - paid_count;
  unpaid_months := greatest(0, smile.months_between(
    coalesce(paid_until, smile.later_month(s.first_period, -1)), last_due));
  IF unpaid_months >= too_many THEN
    inactive_since := smile.self_employed_due_date(
      smile.later_month(last_due, too_many - unpaid_months)) + 1;
  END IF;
  status := CASE WHEN s.last_period < now_month THEN 'ended' WHEN unpaid_months >= too_many THEN 'inactive'
    WHEN paid_until IS NULL THEN 'waiting' ELSE 'active' END;
END
$$;

-- What the agency holds for a member until the next billing.
CREATE FUNCTION smile.member_credit(member uuid) RETURNS bigint LANGUAGE sql STABLE
RETURN (
  SELECT coalesce(-sum(p.amount), 0)::bigint FROM smile.posting AS p
  WHERE p.member_id = member AND p.account = 'payable.member_credit');

-- The spell that is running, or the last one. Its tag follows from all of it, for months fall due by themselves.
CREATE FUNCTION smile.self_employment_body(s smile.self_employment) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_strip_nulls(json_build_object(
    'id', (s).id, 'member_id', (s).member_id, 'status', x.status, 'first_period', smile.month_text((s).first_period),
    'last_period', smile.month_text((s).last_period), 'enrolled_at', (s).enrolled_at,
    'terms', (
      SELECT json_agg(json_build_object(
        'from', smile.month_text(t.valid_from), 'income_base', t.income_base, 'with_jht', t.with_jht,
        'sector', t.sector, 'funding', t.funding) ORDER BY t.valid_from)
      FROM smile.self_employment_terms AS t
      -- Those of now and those to come.
      WHERE t.self_employment_id = (s).id AND t.valid_from >= (
        SELECT max(u.valid_from) FROM smile.self_employment_terms AS u
        WHERE u.self_employment_id = (s).id
          AND u.valid_from <= greatest((s).first_period::date, smile.this_month()))),
    'paid_until', smile.month_text(x.paid_until), 'unpaid_months', x.unpaid_months,
    'arrears_months', x.arrears_months, 'inactive_since', x.inactive_since,
    'credit', smile.member_credit((s).member_id)))
  FROM smile.self_employment_state(s) AS x);

CREATE FUNCTION smile.body_version(body json) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN hashtextextended(body::text, 151) & 9223372036854775807;

CREATE FUNCTION smile.latest_self_employment(member uuid) RETURNS smile.self_employment LANGUAGE sql STABLE
RETURN (
  SELECT s FROM smile.self_employment AS s WHERE s.member_id = member ORDER BY s.first_period DESC LIMIT 1);

-- No row where the caller was never enrolled.
CREATE FUNCTION smile.own_self_employment(OUT body text, OUT etag text) RETURNS SETOF record LANGUAGE sql STABLE
BEGIN ATOMIC
  SELECT b.body::text, smile.etag(smile.body_version(b.body))
  FROM smile.latest_self_employment(smile.member_id()) AS s
  CROSS JOIN LATERAL smile.self_employment_body(s) AS b (body)
  WHERE s.id IS NOT NULL;
END;

-- An officer opens it as the person's record: with a stated purpose, and a trace.
CREATE FUNCTION smile.open_self_employment(member uuid) RETURNS smile.answer_row LANGUAGE plpgsql AS $$
DECLARE
  s smile.self_employment := smile.latest_self_employment(member);
  body json;
BEGIN
  IF s.id IS NULL THEN
    PERFORM smile.fail(404, 'not_found');
  ELSIF coalesce(current_setting('smile.purpose', true), '') !~ '^[a-z_]+:[A-Za-z0-9_-]{1,64}$' THEN
    PERFORM smile.fail(400, 'access_purpose_required');
  END IF;
  body := smile.self_employment_body(s);
  PERFORM smile.audit('self_employment.read', 'member', member);
  RETURN smile.answer(200, body, smile.etag(smile.body_version(body)));
END
$$;

-- Whatever moves a member's own months holds the member's row.
CREATE FUNCTION smile.lock_own_member() RETURNS uuid LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM smile.member AS m WHERE m.id = smile.member_id() FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  RETURN smile.member_id();
END
$$;

CREATE FUNCTION smile.check_income_base(base bigint, period date) RETURNS void LANGUAGE plpgsql STABLE AS $$
BEGIN
  IF NOT EXISTS (
    SELECT FROM smile.income_band AS b
    WHERE b.base = check_income_base.base AND b.approved_at IS NOT NULL
      AND check_income_base.period BETWEEN b.valid_from AND coalesce(b.valid_to, 'infinity'))
  THEN
    PERFORM smile.refuse(422, 'income_band_not_in_force', '/income_base');
  END IF;
END
$$;

-- From this month on, or from one of the next twelve.
CREATE FUNCTION smile.enrol_self_employed(
  first_period date, income_base bigint, with_jht boolean, sector text, funding text)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  caller uuid := smile.lock_own_member();
  begins date := coalesce(enrol_self_employed.first_period, smile.this_month());
  s smile.self_employment;
  body json;
BEGIN
  IF begins < smile.this_month() THEN
    PERFORM smile.refuse(422, 'month_has_passed', '/first_period');
  ELSIF begins > smile.later_month(smile.this_month(), 12) THEN
    PERFORM smile.refuse(422, 'period_too_far_ahead', '/first_period');
  END IF;
  PERFORM smile.check_income_base(enrol_self_employed.income_base, begins);
  BEGIN
    INSERT INTO smile.self_employment (member_id, first_period) VALUES (caller, begins) RETURNING * INTO s;
  EXCEPTION WHEN exclusion_violation THEN
    PERFORM smile.fail(409, 'already_self_employed');
  END;
  INSERT INTO smile.self_employment_terms
    (self_employment_id, member_id, valid_from, income_base, with_jht, sector, funding)
  VALUES (s.id, caller, begins, enrol_self_employed.income_base, enrol_self_employed.with_jht,
    enrol_self_employed.sector, enrol_self_employed.funding);
  PERFORM smile.audit('self_employment.began', 'self_employment', s.id);
  body := smile.self_employment_body(s);
  RETURN smile.answer(201, body, smile.etag(smile.body_version(body)), '/v1/members/me/self_employment');
END
$$;

-- Other terms from a coming month on, NULL leaving a term as it is; or an end. Months that are billed stay as they are,
-- so that what changes must lie after them.
CREATE FUNCTION smile.change_self_employment(
  from_period date, income_base bigint, with_jht boolean, sector text, funding text,
  end_given boolean, last_period date, if_match text)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  caller uuid := smile.lock_own_member();
  s smile.self_employment := smile.latest_self_employment(caller);
  last_billed date;
  body json;
BEGIN
  IF s.id IS NULL THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  PERFORM smile.check_match(if_match, smile.body_version(smile.self_employment_body(s)));
  IF s.last_period < smile.this_month() THEN
    PERFORM smile.fail(409, 'self_employment_ended');
  END IF;
  SELECT max(m.period) INTO last_billed FROM smile.self_employed_month AS m
  WHERE m.self_employment_id = s.id AND m.withdrawn_at IS NULL;
  IF end_given THEN
    IF change_self_employment.last_period <
      greatest(s.first_period::date, smile.later_month(smile.this_month(), -1))
    THEN
      PERFORM smile.refuse(422, 'month_has_passed', '/last_period');
    ELSIF change_self_employment.last_period < last_billed THEN
      PERFORM smile.refuse(409, 'month_already_billed', '/last_period');
    END IF;
    UPDATE smile.self_employment AS x SET last_period = change_self_employment.last_period
    WHERE x.id = s.id RETURNING x.* INTO s;
  END IF;
  IF from_period IS NOT NULL THEN
    IF from_period <= smile.this_month() THEN
      PERFORM smile.refuse(422, 'month_has_passed', '/from');
    ELSIF from_period > smile.later_month(smile.this_month(), 12) THEN
      PERFORM smile.refuse(422, 'period_too_far_ahead', '/from');
    ELSIF from_period < s.first_period OR from_period > s.last_period THEN
      PERFORM smile.refuse(422, 'period_outside_self_employment', '/from');
    ELSIF from_period <= last_billed THEN
      PERFORM smile.refuse(409, 'month_already_billed', '/from');
    END IF;
    INSERT INTO smile.self_employment_terms AS t
      (self_employment_id, member_id, valid_from, income_base, with_jht, sector, funding)
    SELECT s.id, caller, from_period, coalesce(change_self_employment.income_base, u.income_base),
      coalesce(change_self_employment.with_jht, u.with_jht), coalesce(change_self_employment.sector, u.sector),
      coalesce(change_self_employment.funding, u.funding)
    FROM smile.self_employment_terms AS u
    WHERE u.self_employment_id = s.id AND u.valid_from <= from_period
    ORDER BY u.valid_from DESC LIMIT 1
    ON CONFLICT (self_employment_id, valid_from) DO UPDATE
    SET income_base = excluded.income_base, with_jht = excluded.with_jht, sector = excluded.sector,
      funding = excluded.funding;
    -- What was planned for later would undo this.
    DELETE FROM smile.self_employment_terms AS t WHERE t.self_employment_id = s.id AND t.valid_from > from_period;
    PERFORM smile.check_income_base(t.income_base, from_period)
    FROM smile.self_employment_terms AS t WHERE t.self_employment_id = s.id AND t.valid_from = from_period;
  END IF;
  PERFORM smile.audit('self_employment.changed', 'self_employment', s.id);
  body := smile.self_employment_body(s);
  RETURN smile.answer(200, body, smile.etag(smile.body_version(body)));
END
$$;

REVOKE EXECUTE ON FUNCTION smile.lock_own_member(), smile.check_income_base(bigint, date) FROM smile_api, smile_jobs;
