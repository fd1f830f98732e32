-- The bare work behind a payroll month, for comparison: COPY of rows that were tokenised before, and the statements
-- that make members, lines, contributions and postings of them, without service, validation, billing or audit.
-- psql -v upload=<upload_id of the rows> -v period=2026-10-01 -f bulk.sql < rows for smile.return_staging
\set QUIET on
\set ON_ERROR_STOP on
SET jit = off;
BEGIN;
INSERT INTO smile.employer (npp, name, npwp, industry, size, address, email, phone, status)
VALUES ('BENCH001', 'PT Bangku', '099999999999999', 'Uji', 'medium', 'Jakarta', 'bangku@smile.test', '+62215550000',
  'active')
ON CONFLICT (npp) DO UPDATE SET name = excluded.name
RETURNING id AS employer \gset
INSERT INTO smile.employer_risk_class (employer_id, valid_from, risk_class)
VALUES (:'employer', '2015-07-01', 3) ON CONFLICT DO NOTHING;
INSERT INTO smile.contribution_return (employer_id, period, kind)
VALUES (:'employer', :'period', 'regular') RETURNING id AS return \gset

\copy smile.return_staging FROM pstdin

INSERT INTO smile.return_line
  (employer_id, return_id, line, line_key, match, member_id, kpj, nik_index, nik_sealed, nik_last_four, full_name,
  birth_date, sex, wage, jht_employer, jht_worker, jkk, jkm, jp_employer, jp_worker, jkp_from_jkk, jkp_from_jkm,
  jkp_state)
SELECT :'employer', :'return', s.line, s.line_key, CASE WHEN i.member_id IS NULL THEN 'new_member' ELSE 'worker' END,
  coalesce(i.member_id, smile.uuid7()), CASE WHEN i.member_id IS NULL THEN smile.next_kpj() END, s.nik_index,
  s.nik_sealed, s.nik_last_four, s.full_name, s.birth_date, s.sex, s.wage, c.*
FROM smile.return_staging AS s
CROSS JOIN (SELECT smile.rates_of_month(:'employer', :'period') AS rates OFFSET 0) AS m
LEFT JOIN smile.national_id AS i ON i.nik_index = s.nik_index
CROSS JOIN LATERAL smile.contribution_of(s.wage, 0, smile.is_in_jp(s.birth_date, m.rates),
  smile.is_in_jkp(s.birth_date, :'period', m.rates), m.rates) AS c
WHERE s.upload_id = :'upload';
DELETE FROM smile.return_staging WHERE upload_id = :'upload';

INSERT INTO smile.member (id, full_name, birth_date, sex)
SELECT l.member_id, l.full_name, l.birth_date, l.sex FROM smile.return_line AS l
WHERE l.employer_id = :'employer' AND l.return_id = :'return' AND l.match = 'new_member';
INSERT INTO smile.member_number (kpj, member_id)
SELECT l.kpj, l.member_id FROM smile.return_line AS l
WHERE l.employer_id = :'employer' AND l.return_id = :'return' AND l.match = 'new_member';
INSERT INTO smile.national_id (nik_index, member_id, nik_sealed, last_four)
SELECT l.nik_index, l.member_id, l.nik_sealed, l.nik_last_four FROM smile.return_line AS l
WHERE l.employer_id = :'employer' AND l.return_id = :'return' AND l.match = 'new_member';
INSERT INTO smile.employment (member_id, employer_id, start_date, wage)
SELECT l.member_id, :'employer', :'period', l.wage FROM smile.return_line AS l
WHERE l.employer_id = :'employer' AND l.return_id = :'return' AND l.match = 'new_member';

INSERT INTO smile.contribution
  (member_id, period, employer_id, wage, jht_employer, jht_worker, jkk, jkm, jp_employer, jp_worker, jkp_from_jkk,
  jkp_from_jkm, jkp_state, posted_at)
SELECT l.member_id, :'period', :'employer', l.wage, l.jht_employer, l.jht_worker, l.jkk, l.jkm, l.jp_employer,
  l.jp_worker, l.jkp_from_jkk, l.jkp_from_jkm, l.jkp_state, smile.now()
FROM smile.return_line AS l WHERE l.employer_id = :'employer' AND l.return_id = :'return';
INSERT INTO smile.ledger_transaction (kind, subject_kind, subject_id)
VALUES ('bench', 'contribution_return', :'return') RETURNING id AS booked \gset
INSERT INTO smile.posting (transaction_id, account, member_id, employer_id, period, amount)
SELECT :'booked'::uuid, 'fund.jht', l.member_id, :'employer'::uuid, :'period'::date, -(l.jht_employer + l.jht_worker)
FROM smile.return_line AS l WHERE l.employer_id = :'employer' AND l.return_id = :'return'
UNION ALL
SELECT :'booked', 'bank', NULL, :'employer', :'period', sum(l.jht_employer + l.jht_worker)
FROM smile.return_line AS l WHERE l.employer_id = :'employer' AND l.return_id = :'return';
COMMIT;
