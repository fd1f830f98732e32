-- A month may be taken back after its JHT was paid out: the bank reverses the employer's payment, or a revision lowers
-- the wage. What the account has left is taken; for the rest the agency has paid out what isn't contributed, an advance
-- that stands as a receivable until contributions come for the member again. So no account is ever below zero, the
-- member is asked for nothing, and the employer's billing, which is open again, is what collects it.

INSERT INTO smile.ledger_account (code, kind, name_id, name_en, per_member) VALUES
  ('receivable.jht_advance', 'asset', 'JHT dibayarkan mendahului iuran', 'JHT paid out ahead of contributions', true);

CREATE TABLE smile.jht_advance (
  member_id uuid PRIMARY KEY REFERENCES smile.member,
  amount bigint NOT NULL CHECK (amount >= 0),
  -- Whose month was taken back, or came again, last.
  employer_id uuid REFERENCES smile.employer,
  changed_at timestamptz NOT NULL DEFAULT smile.now()
);
CREATE INDEX jht_advance_open ON smile.jht_advance (member_id) WHERE amount > 0;
ALTER TABLE smile.jht_advance ENABLE ROW LEVEL SECURITY;
ALTER TABLE smile.jht_advance FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_all ON smile.jht_advance TO smile_owner USING (true);
CREATE POLICY officers_read ON smile.jht_advance FOR SELECT TO smile_api
  USING ((SELECT smile.is_officer('manage_billing')));
GRANT SELECT ON smile.jht_advance TO smile_api;

-- The advance of a member is what the account lacks, and nothing else: it follows from the postings in whichever order
-- they came. A trigger, so that no way of posting can miss it. Its own postings call it again, and change nothing.
--
-- Who debits, or sees an advance, holds the member. An ordinary credit doesn't: it holds its members' slots, which all
-- credits share and whoever begins an advance has alone. So the credit has either ended, and is in the balance that the
-- advance comes from, or begins after that advance has ended, and sees it. Slots rather than members, because a
-- payment may credit more members than a transaction can lock.
CREATE FUNCTION smile.jht_slots(members uuid[]) RETURNS SETOF bigint LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
  SELECT DISTINCT hashtextextended('jht ' || (hashtext(m::text) & 63), 148) AS slot
  FROM unnest(members) AS m ORDER BY slot;
END;

CREATE FUNCTION smile.cover_overdrawn() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  members uuid[];
  starting uuid[];
  booked uuid;
BEGIN
  PERFORM pg_advisory_xact_lock_shared(s) FROM smile.jht_slots((
    SELECT array_agg(a.member_id) FROM added AS a WHERE a.account = 'fund.jht' AND a.amount < 0)) AS s;
  SELECT array_agg(DISTINCT a.member_id) INTO members
  FROM added AS a
  WHERE a.account = 'fund.jht' AND (a.amount > 0 OR a.member_id IN (
    SELECT d.member_id FROM smile.jht_advance AS d WHERE d.amount > 0));
  IF members IS NULL THEN
    RETURN NULL;
  END IF;
  PERFORM FROM smile.member AS m WHERE m.id = ANY (members) ORDER BY m.id FOR NO KEY UPDATE;
  SELECT array_agg(m) INTO starting
  FROM unnest(members) AS m
  WHERE smile.jht_balance(m) < 0 AND NOT EXISTS (
    SELECT FROM smile.jht_advance AS d WHERE d.member_id = m AND d.amount > 0);
  PERFORM pg_advisory_xact_lock(s) FROM smile.jht_slots(starting) AS s;
  -- With what was credited while this one waited.
  IF NOT EXISTS (
    SELECT FROM unnest(members) AS m LEFT JOIN smile.jht_advance AS d ON d.member_id = m
    WHERE greatest(coalesce(d.amount, 0) - smile.jht_balance(m), 0) <> coalesce(d.amount, 0))
  THEN
    RETURN NULL;
  END IF;
  INSERT INTO smile.ledger_transaction (kind, subject_kind, subject_id)
  VALUES ('jht_advanced', 'jht_advance', smile.uuid7()) RETURNING id INTO booked;
  WITH state AS MATERIALIZED (
    SELECT m, coalesce(d.amount, 0) AS had, greatest(coalesce(d.amount, 0) - smile.jht_balance(m), 0) AS wanted, (
      SELECT a.employer_id FROM added AS a WHERE a.member_id = m AND a.account = 'fund.jht' LIMIT 1) AS employer_id
    FROM unnest(members) AS m LEFT JOIN smile.jht_advance AS d ON d.member_id = m),
  kept AS (
    INSERT INTO smile.jht_advance (member_id, amount, employer_id)
    SELECT s.m, s.wanted, s.employer_id FROM state AS s WHERE s.wanted <> s.had
    ON CONFLICT (member_id) DO UPDATE
    SET amount = excluded.amount, employer_id = excluded.employer_id, changed_at = excluded.changed_at)
  INSERT INTO smile.posting (transaction_id, account, member_id, employer_id, amount)
  SELECT booked, l.account, s.m, s.employer_id, l.amount
  FROM state AS s
  CROSS JOIN LATERAL (VALUES
    ('receivable.jht_advance', s.wanted - s.had), ('fund.jht', s.had - s.wanted)) AS l (account, amount)
  WHERE s.wanted <> s.had;
  RETURN NULL;
END
$$;
CREATE TRIGGER posting_overdraws_nothing AFTER INSERT ON smile.posting REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION smile.cover_overdrawn();

-- For officers: what is paid out ahead, and whose month it was.
CREATE FUNCTION smile.list_jht_advances(after uuid, page integer) RETURNS json LANGUAGE sql STABLE
BEGIN ATOMIC
  WITH found AS (
    SELECT d.member_id, d.employer_id, d.amount, d.changed_at, row_number() OVER (ORDER BY d.member_id) AS place
    FROM smile.jht_advance AS d
    WHERE d.amount > 0 AND (after IS NULL OR d.member_id > after)
    ORDER BY d.member_id LIMIT page + 1)
  SELECT json_strip_nulls(json_build_object(
    'items', coalesce(json_agg(json_build_object('member_id', f.member_id, 'employer_id', f.employer_id,
      'amount', f.amount, 'changed_at', f.changed_at) ORDER BY f.place) FILTER (WHERE f.place <= page), '[]'),
    'next_after', CASE WHEN count(*) > page THEN (SELECT g.member_id FROM found AS g WHERE g.place = page) END))
  FROM found AS f;
END;

-- As before; what an account lacks is covered in the moment that it does, so that no balance is below zero.
CREATE OR REPLACE FUNCTION smile.list_jht_entries(after bigint, page integer) RETURNS json LANGUAGE sql STABLE
BEGIN ATOMIC
  WITH entry AS (
    SELECT p.id, p.transaction_id, p.employer_id, p.period, -p.amount AS amount,
      greatest(-sum(p.amount) OVER (ORDER BY p.id), 0)::bigint AS balance
    FROM smile.posting AS p
    WHERE p.member_id = (SELECT smile.member_id()) AND p.account = 'fund.jht'),
  found AS (
    SELECT e.*, row_number() OVER (ORDER BY e.id DESC) AS place
    FROM entry AS e WHERE after IS NULL OR e.id < after
    ORDER BY e.id DESC LIMIT page + 1)
  SELECT json_strip_nulls(json_build_object(
    'items', coalesce(json_agg(json_build_object(
        'transaction_id', f.transaction_id, 'kind', t.kind, 'booked_at', t.booked_at,
        'employer', CASE WHEN f.employer_id IS NOT NULL THEN
          json_build_object('id', f.employer_id, 'name', smile.employer_name(f.employer_id)) END,
        'period', smile.month_text(f.period), 'amount', f.amount, 'balance', f.balance)
      ORDER BY f.place) FILTER (WHERE f.place <= page), '[]'),
    'next_after', CASE WHEN count(*) > page THEN (SELECT g.id::text FROM found AS g WHERE g.place = page) END))
  FROM found AS f JOIN smile.ledger_transaction AS t ON t.id = f.transaction_id;
END;

REVOKE EXECUTE ON FUNCTION smile.cover_overdrawn(), smile.jht_slots(uuid[]) FROM smile_api, smile_jobs, smile_auth;
