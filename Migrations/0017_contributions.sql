-- A member's months: what was paid for whom, by programme and side. Written when a billing is settled; back pay and
-- supplements add to the month they belong to. The ledger holds the same rupiah as postings.

CREATE TABLE smile.contribution (
  member_id uuid NOT NULL REFERENCES smile.member,
  period smile.wage_month NOT NULL,
  employer_id uuid NOT NULL REFERENCES smile.employer,
  wage bigint NOT NULL CHECK (wage >= 0),
  jht_employer bigint NOT NULL CHECK (jht_employer >= 0),
  jht_worker bigint NOT NULL CHECK (jht_worker >= 0),
  jkk bigint NOT NULL CHECK (jkk >= 0),
  jkm bigint NOT NULL CHECK (jkm >= 0),
  jp_employer bigint NOT NULL CHECK (jp_employer >= 0),
  jp_worker bigint NOT NULL CHECK (jp_worker >= 0),
  jkp_from_jkk bigint NOT NULL CHECK (jkp_from_jkk BETWEEN 0 AND jkk),
  jkp_from_jkm bigint NOT NULL CHECK (jkp_from_jkm BETWEEN 0 AND jkm),
  jkp_state bigint NOT NULL CHECK (jkp_state >= 0),
  posted_at timestamptz NOT NULL DEFAULT smile.now(),
  PRIMARY KEY (member_id, period, employer_id)
);
ALTER TABLE smile.contribution ENABLE ROW LEVEL SECURITY;
ALTER TABLE smile.contribution FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_all ON smile.contribution TO smile_owner USING (true);
CREATE POLICY own_contributions ON smile.contribution FOR SELECT TO smile_api
  USING (member_id = (SELECT smile.member_id()));
CREATE POLICY officers_read ON smile.contribution FOR SELECT TO smile_api
  USING ((SELECT smile.is_officer('read_members')));
GRANT SELECT ON smile.contribution TO smile_api;

-- Amounts as every answer shows them. JKK and JKM are whole, with the part that goes on to JKP named beside them.
CREATE FUNCTION smile.amounts_body(
  jht_employer bigint, jht_worker bigint, jkk bigint, jkm bigint, jp_employer bigint, jp_worker bigint,
  jkp_from_jkk bigint, jkp_from_jkm bigint, jkp_state bigint)
RETURNS json LANGUAGE sql STABLE PARALLEL SAFE
RETURN json_build_object(
  'jht', json_build_object('employer', jht_employer, 'worker', jht_worker),
  'jkk', json_build_object('employer', jkk, 'to_jkp', jkp_from_jkk),
  'jkm', json_build_object('employer', jkm, 'to_jkp', jkp_from_jkm),
  'jp', json_build_object('employer', jp_employer, 'worker', jp_worker),
  'jkp', json_build_object('recomposed', jkp_from_jkk + jkp_from_jkm, 'state', jkp_state));

-- A page of the caller's months, newest first. The cursor is 'YYYY-MM.employer'.
CREATE FUNCTION smile.list_contributions(
  from_period date, to_period date, employer uuid, programme text, after text, page integer)
RETURNS json LANGUAGE sql STABLE
BEGIN ATOMIC
  WITH found AS (
    SELECT c.*, row_number() OVER (ORDER BY c.period DESC, c.employer_id DESC) AS place
    FROM smile.contribution AS c
    WHERE c.member_id = (SELECT smile.member_id())
      AND (from_period IS NULL OR c.period >= from_period)
      AND (to_period IS NULL OR c.period <= to_period)
      AND (employer IS NULL OR c.employer_id = employer)
      AND (after IS NULL OR (c.period, c.employer_id) <
        ((split_part(after, '.', 1) || '-01')::date, split_part(after, '.', 2)::uuid))
    ORDER BY c.period DESC, c.employer_id DESC
    LIMIT page + 1)
  SELECT json_strip_nulls(json_build_object(
    'items', coalesce(json_agg(json_build_object(
        'period', smile.month_text(f.period),
        'employer', json_build_object('id', f.employer_id, 'name', smile.employer_name(f.employer_id)),
        'wage', f.wage,
        'amounts', CASE WHEN programme IS NULL THEN a.amounts
          ELSE json_build_object(programme, a.amounts -> programme) END,
        'posted_at', f.posted_at) ORDER BY f.place) FILTER (WHERE f.place <= page), '[]'),
    'next_after', CASE WHEN count(*) > page THEN (
      SELECT smile.month_text(g.period) || '.' || g.employer_id FROM found AS g WHERE g.place = page) END))
  FROM found AS f
  CROSS JOIN LATERAL smile.amounts_body(f.jht_employer, f.jht_worker, f.jkk, f.jkm, f.jp_employer, f.jp_worker,
    f.jkp_from_jkk, f.jkp_from_jkm, f.jkp_state) AS a (amounts);
END;

-- JHT in rupiah from the ledger; JP in paid months, which is what its pension counts.
CREATE FUNCTION smile.balances_body() RETURNS json LANGUAGE sql STABLE
RETURN json_build_object(
  'as_of', smile.now(),
  'jht', json_build_object('balance', smile.jht_balance(smile.member_id())),
  'jp', json_build_object('months', (
    SELECT count(DISTINCT c.period) FROM smile.contribution AS c
    WHERE c.member_id = (SELECT smile.member_id()) AND c.jp_employer > 0)));

-- The caller's JHT sub-account, newest first, each entry with the balance after it.
CREATE FUNCTION smile.list_jht_entries(after bigint, page integer) RETURNS json LANGUAGE sql STABLE
BEGIN ATOMIC
  WITH entry AS (
    SELECT p.id, p.transaction_id, p.employer_id, p.period, -p.amount AS amount,
      (-sum(p.amount) OVER (ORDER BY p.id))::bigint AS balance
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
