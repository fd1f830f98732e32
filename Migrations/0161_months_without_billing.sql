-- Wages too small to cost a rupiah: a return of nothing else has no billing with whose payment its wages would reach
-- the members' months, so they get there at once. Without them a later revision, which is compared with what was
-- reported, took more from a month than it held.

-- Adds what a return charges to the members' months.
CREATE FUNCTION smile.add_months(employer uuid, wanted uuid) RETURNS void LANGUAGE sql
BEGIN ATOMIC
  INSERT INTO smile.contribution AS c
    (member_id, period, employer_id, wage, jht_employer, jht_worker, jkk, jkm, jp_employer, jp_worker, jkp_from_jkk,
    jkp_from_jkm, jkp_state, posted_at)
  SELECT x.member_id, x.period, employer, x.wage, x.jht_employer, x.jht_worker, x.jkk, x.jkm, x.jp_employer,
    x.jp_worker, x.jkp_from_jkk, x.jkp_from_jkm, x.jkp_state, smile.now()
  FROM smile.return_charges(employer, wanted) AS x
  ON CONFLICT (member_id, period, employer_id) DO UPDATE
  SET wage = c.wage + excluded.wage, jht_employer = c.jht_employer + excluded.jht_employer,
    jht_worker = c.jht_worker + excluded.jht_worker, jkk = c.jkk + excluded.jkk, jkm = c.jkm + excluded.jkm,
    jp_employer = c.jp_employer + excluded.jp_employer, jp_worker = c.jp_worker + excluded.jp_worker,
    jkp_from_jkk = c.jkp_from_jkk + excluded.jkp_from_jkk, jkp_from_jkm = c.jkp_from_jkm + excluded.jkp_from_jkm,
    jkp_state = c.jkp_state + excluded.jkp_state, posted_at = excluded.posted_at;
END;

-- A return without a billing. Rounding can make a difference cost the state a rupiah and the employer none.
CREATE FUNCTION smile.post_unbilled(r smile.contribution_return) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  state bigint := (SELECT sum(c.jkp_state) FROM smile.return_charges(r.employer_id, r.id) AS c);
BEGIN
  PERFORM smile.add_months(r.employer_id, r.id);
  IF state > 0 THEN
    PERFORM smile.book('contributions_posted', 'contribution_return', r.id, ARRAY[
      ('receivable.state', NULL, r.employer_id, r.period, state),
      ('fund.jkp', NULL, r.employer_id, r.period, -state)]::smile.posting_line[]);
  END IF;
END
$$;
REVOKE EXECUTE ON FUNCTION smile.add_months(uuid, uuid), smile.post_unbilled(smile.contribution_return)
  FROM smile_api, smile_jobs, smile_auth;

-- As before.
CREATE OR REPLACE FUNCTION smile.post_contributions(b smile.billing) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  booked uuid;
BEGIN
  PERFORM smile.add_months(b.employer_id, b.return_id);

  INSERT INTO smile.ledger_transaction (kind, subject_kind, subject_id)
  VALUES ('contributions_posted', 'billing', b.id)
  RETURNING id INTO booked;
  INSERT INTO smile.posting (transaction_id, account, member_id, employer_id, period, amount)
  SELECT booked, 'fund.jht', x.member_id, b.employer_id, x.period, -(x.jht_employer + x.jht_worker)
  FROM smile.return_charges(b.employer_id, b.return_id) AS x
  WHERE x.jht_employer + x.jht_worker > 0
  UNION ALL
  SELECT booked, a.account, NULL, b.employer_id, b.period, a.amount
  FROM smile.billing_accounts(b, 'billed', 1) AS a
  UNION ALL
  SELECT booked, a.account, NULL, b.employer_id, b.period, a.amount
  FROM smile.billing_accounts(b, 'fund', -1) AS a WHERE a.account <> 'fund.jht';
  PERFORM smile.post_reductions(b.employer_id, b.period);
END
$$;

-- As before, and wages without a billing.
CREATE OR REPLACE FUNCTION smile.finalise_return(wanted uuid) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  r smile.contribution_return;
  bill uuid;
  now_version bigint;
BEGIN
  SELECT * INTO r FROM smile.contribution_return AS x
  WHERE x.id = wanted AND x.employer_id = smile.employer_id() FOR UPDATE;
  IF NOT FOUND THEN
    PERFORM smile.fail(404, 'not_found');
  ELSIF r.status <> 'open' THEN
    PERFORM smile.fail(409, 'return_not_open');
  ELSIF r.kind <> 'no_activity' AND r.accepted + r.warned = 0 THEN
    PERFORM smile.fail(422, 'return_without_lines');
  END IF;
  PERFORM FROM smile.employer AS e WHERE e.id = r.employer_id FOR NO KEY UPDATE;
  PERFORM smile.refuse_outdated(r);
  PERFORM smile.register_new_workers(r);
  bill := smile.bill_return(r);
  IF bill IS NULL THEN
    PERFORM smile.post_unbilled(r);
  END IF;
  UPDATE smile.contribution_return AS x
  SET status = 'finalised', finalised_at = smile.now(),
    receipt = json_strip_nulls(json_build_object(
      'receipt_id', smile.uuid7(), 'return_id', r.id, 'employer_id', r.employer_id,
      'npp', (SELECT e.npp FROM smile.employer AS e WHERE e.id = r.employer_id),
      'period', smile.month_text(r.period), 'kind', r.kind, 'client_reference', r.client_reference,
      'content_sha256', encode(r.content_sha256, 'hex'), 'outcome', r.outcome,
      'counts', json_build_object('lines', r.lines, 'accepted', r.accepted, 'warned', r.warned,
        'rejected', r.rejected),
      'totals', r.totals, 'billing_id', bill, 'finalised_at', smile.now()))
  WHERE x.id = r.id
  RETURNING x.version INTO now_version;
  PERFORM smile.audit('return.finalised', 'contribution_return', r.id, json_build_object('billing_id', bill));
  RETURN smile.answer(200, smile.return_body(r.id), smile.etag(now_version), '/v1/billings/' || bill);
END
$$;
