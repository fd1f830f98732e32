-- The double-entry ledger: every rupiah of contributions, fines, benefits and tax. Debits are positive, credits
-- negative; what a member or a fund is owed is therefore the negative of its account's sum. Nothing is ever changed:
-- a correction is another transaction.

CREATE TABLE smile.ledger_account (
  code text PRIMARY KEY CHECK (code ~ '^[a-z_]+(\.[a-z_]+)*$'),
  kind text NOT NULL CHECK (kind IN ('asset', 'liability', 'income', 'expense')),
  name_id text NOT NULL,
  name_en text NOT NULL,
  -- Whether each posting names the member whose sub-account it moves.
  per_member boolean NOT NULL DEFAULT false
);
INSERT INTO smile.ledger_account (code, kind, name_id, name_en, per_member) VALUES
  ('bank', 'asset', 'Bank', 'Bank', false),
  ('receivable.employer', 'asset', 'Piutang iuran pemberi kerja', 'Contributions due from employers', false),
  ('receivable.state', 'asset', 'Piutang iuran pemerintah', 'Contributions due from the state', false),
  ('billed.jht', 'liability', 'Iuran JHT ditagih', 'JHT contributions billed', false),
  ('billed.jkk', 'liability', 'Iuran JKK ditagih', 'JKK contributions billed', false),
  ('billed.jkm', 'liability', 'Iuran JKM ditagih', 'JKM contributions billed', false),
  ('billed.jp', 'liability', 'Iuran JP ditagih', 'JP contributions billed', false),
  ('billed.jkp', 'liability', 'Iuran JKP ditagih', 'JKP contributions billed', false),
  ('fund.jht', 'liability', 'Dana JHT peserta', 'JHT accounts of members', true),
  ('fund.jkk', 'liability', 'Dana jaminan JKK', 'JKK fund', false),
  ('fund.jkm', 'liability', 'Dana jaminan JKM', 'JKM fund', false),
  ('fund.jp', 'liability', 'Dana jaminan JP', 'JP fund', false),
  ('fund.jkp', 'liability', 'Dana jaminan JKP', 'JKP fund', false),
  ('payable.benefit', 'liability', 'Manfaat terutang', 'Benefits payable', true),
  ('payable.tax', 'liability', 'PPh 21 terutang', 'Income tax withheld', false),
  ('income.late_fine', 'income', 'Denda keterlambatan', 'Late fines', false),
  ('expense.jht_development', 'expense', 'Hasil pengembangan JHT', 'JHT development credited', false);

CREATE TABLE smile.ledger_transaction (
  id uuid PRIMARY KEY DEFAULT smile.uuid7(),
  kind text NOT NULL CHECK (kind ~ '^[a-z_]+$'),
  subject_kind text NOT NULL,
  subject_id uuid NOT NULL,
  -- On the business clock.
  booked_at timestamptz NOT NULL DEFAULT smile.now(),
  reverses uuid UNIQUE REFERENCES smile.ledger_transaction,
  -- The same event is booked once.
  CONSTRAINT ledger_transaction_once UNIQUE (subject_id, kind)
);

CREATE TABLE smile.posting (
  id bigint GENERATED ALWAYS AS IDENTITY,
  transaction_id uuid NOT NULL REFERENCES smile.ledger_transaction,
  account text NOT NULL REFERENCES smile.ledger_account,
  member_id uuid,
  employer_id uuid,
  period smile.wage_month,
  amount bigint NOT NULL CHECK (amount <> 0),
  PRIMARY KEY (id)
);
CREATE INDEX posting_transaction ON smile.posting (transaction_id);
CREATE INDEX posting_member ON smile.posting (member_id, account, id) INCLUDE (amount) WHERE member_id IS NOT NULL;
CREATE INDEX posting_account ON smile.posting (account) WHERE member_id IS NULL;

-- A transaction is one INSERT of all its postings, so that one look at the new rows is enough.
CREATE FUNCTION smile.check_postings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM added GROUP BY transaction_id HAVING sum(amount) <> 0) THEN
    RAISE EXCEPTION 'the postings of a ledger transaction must sum to 0' USING ERRCODE = 'check_violation';
  END IF;
  IF EXISTS (
    SELECT FROM added JOIN smile.ledger_account AS a ON a.code = added.account
    WHERE a.per_member <> (added.member_id IS NOT NULL))
  THEN
    RAISE EXCEPTION 'a posting names a member exactly where its account has sub-accounts'
      USING ERRCODE = 'check_violation';
  END IF;
  RETURN NULL;
END
$$;
CREATE TRIGGER postings_balance AFTER INSERT ON smile.posting REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION smile.check_postings();

CREATE FUNCTION smile.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON smile.posting
  FOR EACH STATEMENT EXECUTE FUNCTION smile.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON smile.ledger_transaction
  FOR EACH STATEMENT EXECUTE FUNCTION smile.refuse_change();

DO $policies$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['ledger_account', 'ledger_transaction', 'posting'] LOOP
    EXECUTE format('ALTER TABLE smile.%I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE smile.%I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY owner_all ON smile.%I TO smile_owner USING (true)', name);
  END LOOP;
END
$policies$;
CREATE POLICY everyone_reads ON smile.ledger_account FOR SELECT TO smile_api, smile_jobs USING (true);
CREATE POLICY own_postings ON smile.posting FOR SELECT TO smile_api USING (member_id = (SELECT smile.member_id()));
CREATE POLICY officers_read ON smile.posting FOR SELECT TO smile_api USING ((SELECT smile.is_officer('read_members')));
-- Bound by the policies of posting: a transaction is seen by those who see one of its postings.
CREATE POLICY visible_transactions ON smile.ledger_transaction FOR SELECT TO smile_api
  USING (EXISTS (SELECT FROM smile.posting AS p WHERE p.transaction_id = ledger_transaction.id));
GRANT SELECT ON smile.ledger_account TO smile_api, smile_jobs;
GRANT SELECT ON smile.ledger_transaction, smile.posting TO smile_api;

-- One line of a transaction that is about to be booked.
CREATE TYPE smile.posting_line AS (account text, member_id uuid, employer_id uuid, period date, amount bigint);

-- Books a transaction: the way into the ledger for definer functions, which check their caller. The server's own role
-- can't call it. Lines of amount 0 are left out; the sum must be 0.
CREATE FUNCTION smile.book(kind text, subject_kind text, subject_id uuid, lines smile.posting_line[])
RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  booked uuid;
BEGIN
  INSERT INTO smile.ledger_transaction (kind, subject_kind, subject_id)
  VALUES (book.kind, book.subject_kind, book.subject_id)
  RETURNING id INTO booked;
  INSERT INTO smile.posting (transaction_id, account, member_id, employer_id, period, amount)
  SELECT booked, l.account, l.member_id, l.employer_id, l.period, l.amount
  FROM unnest(lines) AS l WHERE l.amount <> 0;
  RETURN booked;
END
$$;
REVOKE EXECUTE ON FUNCTION smile.book(text, text, uuid, smile.posting_line[]) FROM smile_api, smile_jobs;

-- What the fund owes a member: the JHT sub-account, in rupiah.
CREATE FUNCTION smile.jht_balance(wanted_member uuid) RETURNS bigint LANGUAGE sql STABLE
RETURN (
  SELECT coalesce(-sum(p.amount), 0)::bigint FROM smile.posting AS p
  WHERE p.member_id = wanted_member AND p.account = 'fund.jht');

-- 0, always: what tests and the jobs process compare.
CREATE FUNCTION smile.ledger_sum() RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp
RETURN (SELECT coalesce(sum(p.amount), 0)::bigint FROM smile.posting AS p);
