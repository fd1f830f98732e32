-- What revisions took off a month is taken when all that was billed for it is posted, not only paid: one payment that
-- settled two billings of a month took it after the first one, from wages or JP that weren't there yet, and failed.
-- Since JP can be deferred a month often has two.

-- As before.
CREATE OR REPLACE FUNCTION smile.post_reductions(employer uuid, wanted date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  c smile.return_credit;
  booked uuid;
BEGIN
  IF NOT EXISTS (
    SELECT FROM smile.return_credit AS x
    WHERE x.employer_id = employer AND x.period = wanted AND x.posting_id IS NULL)
    OR EXISTS (
      SELECT FROM smile.billing AS b
      WHERE b.employer_id = employer AND b.period = wanted AND (b.status <> 'paid' OR NOT EXISTS (
        SELECT FROM smile.ledger_transaction AS t
        WHERE t.subject_id = b.id AND t.kind = 'contributions_posted'
          AND NOT EXISTS (SELECT FROM smile.ledger_transaction AS r WHERE r.reverses = t.id))))
  THEN
    RETURN;
  END IF;
  FOR c IN
    UPDATE smile.return_credit AS x SET posting_id = smile.uuid7()
    WHERE x.employer_id = employer AND x.period = wanted AND x.posting_id IS NULL
    RETURNING x.*
  LOOP
    UPDATE smile.contribution AS m
    SET wage = m.wage - d.wage, jht_employer = m.jht_employer - d.jht_employer,
      jht_worker = m.jht_worker - d.jht_worker, jkk = m.jkk - d.jkk, jkm = m.jkm - d.jkm,
      jp_employer = m.jp_employer - d.jp_employer, jp_worker = m.jp_worker - d.jp_worker,
      jkp_from_jkk = m.jkp_from_jkk - d.jkp_from_jkk, jkp_from_jkm = m.jkp_from_jkm - d.jkp_from_jkm,
      jkp_state = m.jkp_state - d.jkp_state
    FROM smile.return_reductions(employer, c.return_id) AS d
    WHERE m.member_id = d.member_id AND m.period = wanted AND m.employer_id = employer;
    INSERT INTO smile.ledger_transaction (kind, subject_kind, subject_id)
    VALUES ('contributions_corrected', 'return_credit', c.posting_id)
    RETURNING id INTO booked;
    INSERT INTO smile.posting (transaction_id, account, member_id, employer_id, period, amount)
    SELECT booked, 'fund.jht', d.member_id, employer, wanted, d.jht_employer + d.jht_worker
    FROM smile.return_reductions(employer, c.return_id) AS d WHERE d.jht_employer + d.jht_worker > 0
    UNION ALL
    SELECT booked, a.account, NULL, employer, wanted, a.amount
    FROM smile.credit_accounts(c, 'billed', -1) AS a
    UNION ALL
    SELECT booked, a.account, NULL, employer, wanted, a.amount
    FROM smile.credit_accounts(c, 'fund', 1) AS a WHERE a.account <> 'fund.jht';
  END LOOP;
END
$$;
