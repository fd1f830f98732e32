-- Employers whose payroll systems send a month in time: ten workers each, and a year that is reported and paid. Run as
-- superuser after generate.sql: psql -v employers=1500 -f Benchmarks/payrolls.sql
-- The business clock stands at 5 November 2026, so the month before is due and nothing is late. Employer n's client has
-- the token 'sat_1' and n padded to 42 digits; its worker k the KPJ '9', n padded to 8 digits and k to 2.
\set ON_ERROR_STOP on
SET session_replication_role = replica;
SET synchronous_commit = off;

CREATE FUNCTION pg_temp.id(kind int, n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE
RETURN (lpad(to_hex(kind), 8, '0') || '-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid;

UPDATE smile.clock SET business_at = '2026-11-05T09:00:00+07:00';

CREATE TEMP TABLE firm AS SELECT n, pg_temp.id(16, n) AS id FROM generate_series(1, :employers) AS n;
CREATE TEMP TABLE month AS
SELECT m, (date '2025-10-01' + make_interval(months => m))::date AS period,
  (date '2025-11-15' + make_interval(months => m))::date AS due_date,
  timestamptz '2025-11-05' + make_interval(months => m) AS at
FROM generate_series(0, 11) AS m;

INSERT INTO smile.employer (id, npp, name, npwp, industry, size, address, email, phone, status)
SELECT id, 'P' || lpad(n::text, 7, '0'), 'PT Gaji ' || n, '8' || lpad(n::text, 15, '0'), 'Perdagangan', 'medium',
  'Jalan Gaji ' || n, 'gaji' || n || '@contoh.example', '+62215' || lpad(n::text, 7, '0'), 'active'
FROM firm;
INSERT INTO smile.employer_size (employer_id, valid_from, size) SELECT id, '2015-07-01', 'medium' FROM firm;
INSERT INTO smile.employer_risk_class (employer_id, valid_from, risk_class) SELECT id, '2015-07-01', 3 FROM firm;

INSERT INTO smile.member (id, full_name, birth_date, sex)
SELECT pg_temp.id(17, n * 10 + k), 'Pekerja', '1985-01-15', 'male' FROM firm, generate_series(0, 9) AS k;
INSERT INTO smile.member_number (kpj, member_id, issued_on)
SELECT '9' || lpad(n::text, 8, '0') || lpad(k::text, 2, '0'), pg_temp.id(17, n * 10 + k), date '2025-01-01'
FROM firm, generate_series(0, 9) AS k;
INSERT INTO smile.employment (member_id, employer_id, start_date, wage)
SELECT pg_temp.id(17, n * 10 + k), id, date '2025-01-01', 5000000 FROM firm, generate_series(0, 9) AS k;

INSERT INTO smile.contribution_return
  (id, employer_id, period, kind, status, outcome, lines, accepted, opened_at, loaded_at, finalised_at, receipt)
SELECT pg_temp.id(18, f.n * 12 + m.m), f.id, m.period, 'regular', 'finalised', 'accepted', 10, 10, m.at, m.at, m.at,
  '{}'
FROM firm AS f, month AS m;
INSERT INTO smile.return_line
  (employer_id, return_id, line, match, member_id, kpj, full_name, birth_date, wage, jht_employer, jht_worker, jkk, jkm,
  jp_employer, jp_worker, jkp_from_jkk, jkp_state)
SELECT f.id, pg_temp.id(18, f.n * 12 + m.m), k + 1, 'worker', pg_temp.id(17, f.n * 10 + k),
  '9' || lpad(f.n::text, 8, '0') || lpad(k::text, 2, '0'), 'Pekerja', '1985-01-15', 5000000, 185000, 100000, 44500,
  15000, 100000, 50000, 7000, 11000
FROM firm AS f, month AS m, generate_series(0, 9) AS k;
INSERT INTO smile.billing
  (id, employer_id, return_id, payment_code, period, due_date, jht_employer, jht_worker, jkk, jkm, jp_employer,
  jp_worker, jkp_from_jkk, jkp_from_jkm, jkp_state, received_amount, paid_amount, status, issued_at, paid_at)
SELECT pg_temp.id(19, f.n * 12 + m.m), f.id, pg_temp.id(18, f.n * 12 + m.m), lpad((f.n * 12 + m.m)::text, 12, '0'),
  m.period, m.due_date, 1850000, 1000000, 445000, 150000, 1000000, 500000, 70000, 0, 110000, 4945000, 4945000, 'paid',
  m.at, m.at + interval '4 days'
FROM firm AS f, month AS m;
INSERT INTO smile.payment (bank_reference, client_id, payment_code, billing_id, employer_id, amount, paid_at)
SELECT 'GAJI' || b.payment_code, pg_temp.id(20, 0), b.payment_code, b.id, b.employer_id, b.amount, b.paid_at
FROM smile.billing AS b JOIN firm AS f ON f.id = b.employer_id;
UPDATE smile.payment SET settled_amount = amount WHERE client_id = pg_temp.id(20, 0);
INSERT INTO smile.contribution (member_id, period, employer_id, wage, jht_employer, jht_worker, jkk, jkm, jp_employer,
  jp_worker, jkp_from_jkk, jkp_from_jkm, jkp_state, posted_at)
SELECT l.member_id, r.period, l.employer_id, l.wage, l.jht_employer, l.jht_worker, l.jkk, l.jkm, l.jp_employer,
  l.jp_worker, l.jkp_from_jkk, l.jkp_from_jkm, l.jkp_state, r.finalised_at
FROM smile.return_line AS l JOIN smile.contribution_return AS r ON r.id = l.return_id
JOIN firm AS f ON f.id = l.employer_id;

INSERT INTO smile.client (id, name, kind, employer_id, scopes)
SELECT pg_temp.id(20, n), 'Gaji', 'employer', id, ARRAY['returns:write'] FROM firm;
INSERT INTO smile.access_token (digest, client_id, kind, employer_id, access, permissions, expires_at)
SELECT sha256(convert_to('sat_1' || lpad(n::text, 42, '0'), 'UTF8')), pg_temp.id(20, n), 'client', id,
  ARRAY['any', 'client', 'client:returns:write'], 'returns:write', clock_timestamp() + interval '1 day'
FROM firm;

RESET session_replication_role;
VACUUM (ANALYZE) smile.employer, smile.employer_size, smile.employer_risk_class, smile.member, smile.member_number,
  smile.employment, smile.contribution_return, smile.return_line, smile.billing, smile.payment, smile.contribution,
  smile.client, smile.access_token;
CHECKPOINT;
