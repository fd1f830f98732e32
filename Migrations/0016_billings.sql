-- What an employer owes for a finalised return, and what the bank says was paid.

CREATE SEQUENCE smile.payment_code_sequence START 10000000001 MAXVALUE 99999999999;

-- Luhn's check digit (ISO/IEC 7812-1 annex B), so that a mistyped code isn't another's.
CREATE FUNCTION smile.check_digit(digits text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (
  SELECT ((10 - sum(d / 10 + d % 10) % 10) % 10)::text
  FROM (
    SELECT substr(reverse(digits), i, 1)::integer * (1 + i % 2) AS d
    FROM generate_series(1, length(digits)) AS i) AS doubled);

CREATE FUNCTION smile.next_payment_code() RETURNS text LANGUAGE sql VOLATILE
RETURN (
  SELECT c.digits || smile.check_digit(c.digits)
  FROM (SELECT to_char(nextval('smile.payment_code_sequence'), 'FM00000000000') AS digits) AS c);
REVOKE EXECUTE ON FUNCTION smile.next_payment_code() FROM smile_api, smile_jobs;

CREATE TABLE smile.billing (
  id uuid PRIMARY KEY DEFAULT smile.uuid7(),
  employer_id uuid NOT NULL REFERENCES smile.employer,
  return_id uuid NOT NULL UNIQUE REFERENCES smile.contribution_return,
  payment_code text NOT NULL UNIQUE CHECK (payment_code ~ '^[0-9]{12}$'),
  period smile.wage_month NOT NULL,
  due_date date NOT NULL,
  jht_employer bigint NOT NULL CHECK (jht_employer >= 0),
  jht_worker bigint NOT NULL CHECK (jht_worker >= 0),
  jkk bigint NOT NULL CHECK (jkk >= 0),
  jkm bigint NOT NULL CHECK (jkm >= 0),
  jp_employer bigint NOT NULL CHECK (jp_employer >= 0),
  jp_worker bigint NOT NULL CHECK (jp_worker >= 0),
  jkp_from_jkk bigint NOT NULL CHECK (jkp_from_jkk BETWEEN 0 AND jkk),
  jkp_from_jkm bigint NOT NULL CHECK (jkp_from_jkm BETWEEN 0 AND jkm),
  jkp_state bigint NOT NULL CHECK (jkp_state >= 0),
  -- What the employer pays; the state's part is not its debt.
  amount bigint NOT NULL GENERATED ALWAYS AS
    (jht_employer + jht_worker + jkk + jkm + jp_employer + jp_worker) STORED CHECK (amount > 0),
  paid_amount bigint NOT NULL DEFAULT 0 CHECK (paid_amount >= 0),
  status text NOT NULL DEFAULT 'unpaid' CHECK (status IN ('unpaid', 'partially_paid', 'paid')),
  issued_at timestamptz NOT NULL DEFAULT smile.now(),
  paid_at timestamptz,
  version bigint NOT NULL DEFAULT 1,
  CONSTRAINT billing_status_follows_payments CHECK (status = CASE
    WHEN paid_amount = 0 THEN 'unpaid' WHEN paid_amount < amount THEN 'partially_paid' ELSE 'paid' END)
);
CREATE INDEX billing_employer ON smile.billing (employer_id, id);
CREATE TRIGGER billing_version BEFORE UPDATE ON smile.billing FOR EACH ROW EXECUTE FUNCTION smile.bump_version();

-- A bank's notice. The bank's reference makes it unique: the same notice again changes nothing.
CREATE TABLE smile.payment (
  id uuid PRIMARY KEY DEFAULT smile.uuid7(),
  bank_reference text NOT NULL CHECK (bank_reference ~ '^[A-Za-z0-9._/-]{1,64}$'),
  client_id uuid NOT NULL,
  payment_code text NOT NULL,
  billing_id uuid NOT NULL REFERENCES smile.billing,
  employer_id uuid NOT NULL REFERENCES smile.employer,
  amount bigint NOT NULL CHECK (amount > 0),
  paid_at timestamptz NOT NULL,
  received_at timestamptz NOT NULL DEFAULT smile.now(),
  -- Whether this payment settled its billing.
  settled boolean NOT NULL DEFAULT false,
  CONSTRAINT payment_reference_once UNIQUE (bank_reference)
);
CREATE INDEX payment_billing ON smile.payment (billing_id);
CREATE INDEX payment_employer ON smile.payment (employer_id, id);

-- Which payment paid how much of which billing: one row a payment while a notice names one billing.
CREATE TABLE smile.payment_allocation (
  payment_id uuid NOT NULL REFERENCES smile.payment,
  billing_id uuid NOT NULL REFERENCES smile.billing,
  employer_id uuid NOT NULL,
  amount bigint NOT NULL CHECK (amount > 0),
  PRIMARY KEY (payment_id, billing_id)
);
CREATE INDEX payment_allocation_billing ON smile.payment_allocation (billing_id);

DO $policies$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['billing', 'payment', 'payment_allocation'] LOOP
    EXECUTE format('ALTER TABLE smile.%I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE smile.%I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY owner_all ON smile.%I TO smile_owner USING (true)', name);
    EXECUTE format('CREATE POLICY own_money ON smile.%I FOR SELECT TO smile_api
      USING (employer_id = (SELECT smile.employer_id()))', name);
    EXECUTE format('CREATE POLICY officers_read ON smile.%I FOR SELECT TO smile_api
      USING ((SELECT smile.is_officer(''manage_billing'')))', name);
  END LOOP;
END
$policies$;
GRANT SELECT ON smile.billing, smile.payment, smile.payment_allocation TO smile_api;
