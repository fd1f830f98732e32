-- One million members with twelve months each, set-based. Run as superuser on a migrated, empty database:
--   psql -v members=1000000 -v months=12 -v tokens=100 -f Benchmarks/generate.sql
-- Triggers and foreign keys are off while it loads: the rows are right by construction, and the bench measures reads.
\set ON_ERROR_STOP on
SET session_replication_role = replica;
SET synchronous_commit = off;
SET work_mem = '256MB';
\timing on

CREATE FUNCTION pg_temp.id(kind int, n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE
RETURN (lpad(to_hex(kind), 8, '0') || '-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid;

INSERT INTO smile.employer (id, npp, name, npwp, industry, size, address, email, phone, status)
SELECT pg_temp.id(2, n), 'B' || lpad(n::text, 7, '0'), 'PT Contoh ' || n, '9' || lpad(n::text, 15, '0'), 'Perdagangan',
  'medium', 'Jalan Contoh ' || n, 'hrd' || n || '@contoh.example', '+62211' || lpad(n::text, 7, '0'), 'active'
FROM generate_series(1, 1000) AS n;

INSERT INTO smile.member (id, full_name, birth_date, sex, email, phone, address)
SELECT pg_temp.id(1, n), 'Anggota Contoh ' || n, date '1965-01-01' + (n % 14000)::int,
  CASE n % 2 WHEN 0 THEN 'female' ELSE 'male' END, 'anggota' || n || '@contoh.example',
  '+62812' || lpad(n::text, 8, '0'), 'Jalan Contoh ' || n || ', Jakarta'
FROM generate_series(1, :members) AS n;

INSERT INTO smile.member_number (kpj, member_id, issued_on)
SELECT lpad(n::text, 11, '0'), pg_temp.id(1, n), date '2025-01-01' FROM generate_series(1, :members) AS n;

INSERT INTO smile.national_id (nik_index, member_id, nik_sealed, last_four)
SELECT uuid_send(md5('nik' || n)::uuid), pg_temp.id(1, n), uuid_send(md5('sealed' || n)::uuid),
  lpad((n % 10000)::text, 4, '0')
FROM generate_series(1, :members) AS n;

INSERT INTO smile.contribution (member_id, period, employer_id, wage, jht_employer, jht_worker, jkk, jkm, jp_employer,
  jp_worker, jkp_from_jkk, jkp_from_jkm, jkp_state, posted_at)
SELECT pg_temp.id(1, n), (date '2025-11-01' + make_interval(months => m))::date, pg_temp.id(2, 1 + n % 1000),
  5000000, 185000, 100000, 44500, 15000, 100000, 50000, 7000, 0, 11000, timestamptz '2026-11-01'
FROM generate_series(1, :members) AS n, generate_series(0, :months - 1) AS m;

-- Log-ins of some members, spread over the table. Token n is 'sat_' and n padded to 43 digits.
INSERT INTO smile.account (id, email, full_name, password_hash, status, confirmed_at)
SELECT pg_temp.id(3, n), 'bench' || n || '@contoh.example', 'Anggota Contoh', 'k1:no-password-can-match-this', 'active',
  clock_timestamp()
FROM generate_series(1, :tokens) AS n;
INSERT INTO smile.account_grant (id, account_id, kind, member_id, active, waits)
SELECT pg_temp.id(4, n), pg_temp.id(3, n), 'member', pg_temp.id(1, n * (:members / :tokens)), true, false
FROM generate_series(1, :tokens) AS n;
INSERT INTO smile.session (id, account_id, grant_id, expires_at)
SELECT pg_temp.id(5, n), pg_temp.id(3, n), pg_temp.id(4, n), clock_timestamp() + interval '1 day'
FROM generate_series(1, :tokens) AS n;
INSERT INTO smile.access_token (digest, session_id, account_id, kind, member_id, access, permissions, expires_at)
SELECT sha256(convert_to('sat_' || lpad(n::text, 43, '0'), 'UTF8')), pg_temp.id(5, n), pg_temp.id(3, n), 'member',
  pg_temp.id(1, n * (:members / :tokens)), ARRAY['any', 'member'], '', clock_timestamp() + interval '1 day'
FROM generate_series(1, :tokens) AS n;

RESET session_replication_role;
VACUUM (ANALYZE) smile.employer, smile.member, smile.member_number, smile.national_id, smile.contribution,
  smile.account,
  smile.account_grant, smile.session, smile.access_token;
CHECKPOINT;
