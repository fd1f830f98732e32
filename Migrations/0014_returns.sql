-- Payroll returns: a month's wages of an employer, line by line, with what each line was found to be and what it
-- costs. Rows lead with employer_id: they grow with employers.

-- Every finding that a return can produce. Codes are never reused for another meaning.
CREATE TABLE smile.rule (
  code text PRIMARY KEY CHECK (code ~ '^[a-z_]{1,60}$'),
  severity text NOT NULL CHECK (severity IN ('error', 'warning', 'information')),
  applies_to text NOT NULL CHECK (applies_to IN ('line', 'return')),
  title_id text NOT NULL,
  title_en text NOT NULL,
  description_id text NOT NULL,
  description_en text NOT NULL,
  fix_id text NOT NULL,
  fix_en text NOT NULL,
  citation text,
  since date NOT NULL DEFAULT '2026-11-01'
);

CREATE TABLE smile.contribution_return (
  id uuid PRIMARY KEY DEFAULT smile.uuid7(),
  employer_id uuid NOT NULL REFERENCES smile.employer,
  period smile.wage_month NOT NULL,
  kind text NOT NULL CHECK (kind IN ('regular', 'supplementary', 'revised', 'no_activity')),
  client_reference text CHECK (length(client_reference) BETWEEN 1 AND 64),
  declared_lines bigint CHECK (declared_lines >= 0),
  declared_wages bigint CHECK (declared_wages >= 0),
  status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'finalised', 'discarded')),
  -- Of the lines that stand now: the body's SHA-256 and what validation made of them.
  content_sha256 bytea CHECK (octet_length(content_sha256) = 32),
  outcome text CHECK (outcome IN ('accepted', 'accepted_with_warnings', 'partially_accepted', 'rejected')),
  lines bigint NOT NULL DEFAULT 0,
  accepted bigint NOT NULL DEFAULT 0,
  warned bigint NOT NULL DEFAULT 0,
  rejected bigint NOT NULL DEFAULT 0,
  totals json,
  opened_at timestamptz NOT NULL DEFAULT smile.now(),
  loaded_at timestamptz,
  finalised_at timestamptz,
  -- The receipt as it was given at finalisation, so that it can be given again byte for byte.
  receipt json,
  version bigint NOT NULL DEFAULT 1,
  CONSTRAINT return_counts_add_up CHECK (lines = accepted + warned + rejected),
  CONSTRAINT finalised_return_has_receipt CHECK ((status = 'finalised') = (receipt IS NOT NULL))
);
CREATE UNIQUE INDEX contribution_return_regular_once ON smile.contribution_return (employer_id, period)
  WHERE kind IN ('regular', 'no_activity') AND status <> 'discarded';
CREATE UNIQUE INDEX contribution_return_reference_once ON smile.contribution_return (employer_id, client_reference)
  WHERE status <> 'discarded';
CREATE INDEX contribution_return_employer ON smile.contribution_return (employer_id, id);
CREATE INDEX contribution_return_content ON smile.contribution_return (employer_id, content_sha256);
CREATE TRIGGER contribution_return_version BEFORE UPDATE ON smile.contribution_return
  FOR EACH ROW EXECUTE FUNCTION smile.bump_version();

-- Where COPY puts what the server tokenised. COPY refuses tables with row-level security, so this one has none: the
-- server may only insert here, and a definer function moves the rows on in the same transaction. Empty between
-- transactions, therefore unlogged.
CREATE UNLOGGED TABLE smile.return_staging (
  upload_id uuid NOT NULL,
  line integer NOT NULL,
  line_key text,
  kpj text,
  nik_index bytea,
  nik_sealed bytea,
  nik_last_four text,
  full_name text,
  birth_date date,
  sex text,
  wage bigint,
  back_pay bigint,
  back_pay_period date,
  -- What didn't parse or looks odd, as 'field:code'.
  problems text[]
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);
CREATE INDEX return_staging_upload ON smile.return_staging (upload_id);
GRANT INSERT ON smile.return_staging TO smile_api;

-- No foreign key to the return: only a function that holds the return's row writes here, and a look per line cost a
-- quarter of an upload.
CREATE TABLE smile.return_line (
  employer_id uuid NOT NULL,
  return_id uuid NOT NULL,
  -- Counted from 1 in the order sent, the header of a CSV file apart.
  line integer NOT NULL CHECK (line > 0),
  line_key text CHECK (length(line_key) BETWEEN 1 AND 64),
  status text NOT NULL DEFAULT 'accepted' CHECK (status IN ('accepted', 'warned', 'rejected')),
  -- How the worker was recognised.
  match text NOT NULL CHECK (match IN ('worker', 'new_employment', 'new_member', 'ended', 'kpj_unknown', 'mismatch',
    'unidentified', 'unreadable')),
  -- The member, or the one that finalisation makes of a new_member line.
  member_id uuid,
  -- As sent; on a new_member line the number that finalisation gives out.
  kpj text,
  nik_index bytea,
  nik_sealed bytea,
  nik_last_four text,
  full_name text,
  birth_date date,
  sex text,
  wage bigint CHECK (wage >= 0),
  back_pay bigint CHECK (back_pay > 0),
  back_pay_period smile.wage_month,
  -- The agency's computation for the wage of the return's month.
  jht_employer bigint NOT NULL DEFAULT 0 CHECK (jht_employer >= 0),
  jht_worker bigint NOT NULL DEFAULT 0 CHECK (jht_worker >= 0),
  jkk bigint NOT NULL DEFAULT 0 CHECK (jkk >= 0),
  jkm bigint NOT NULL DEFAULT 0 CHECK (jkm >= 0),
  jp_employer bigint NOT NULL DEFAULT 0 CHECK (jp_employer >= 0),
  jp_worker bigint NOT NULL DEFAULT 0 CHECK (jp_worker >= 0),
  -- Parts of jkk and jkm that go on to JKP, and what the state adds (PP 6/2025 Art. 11).
  jkp_from_jkk bigint NOT NULL DEFAULT 0 CHECK (jkp_from_jkk BETWEEN 0 AND jkk),
  jkp_from_jkm bigint NOT NULL DEFAULT 0 CHECK (jkp_from_jkm BETWEEN 0 AND jkm),
  jkp_state bigint NOT NULL DEFAULT 0 CHECK (jkp_state >= 0),
  PRIMARY KEY (employer_id, return_id, line)
);

-- Back pay belongs to the month it was earned in: that month's ceiling and rates, on top of what was reported then.
CREATE TABLE smile.return_back_pay (
  employer_id uuid NOT NULL,
  return_id uuid NOT NULL,
  line integer NOT NULL,
  member_id uuid NOT NULL,
  period smile.wage_month NOT NULL,
  wage bigint NOT NULL CHECK (wage > 0),
  jht_employer bigint NOT NULL,
  jht_worker bigint NOT NULL,
  jkk bigint NOT NULL,
  jkm bigint NOT NULL,
  jp_employer bigint NOT NULL,
  jp_worker bigint NOT NULL,
  jkp_from_jkk bigint NOT NULL,
  jkp_from_jkm bigint NOT NULL,
  jkp_state bigint NOT NULL,
  PRIMARY KEY (employer_id, return_id, line),
  FOREIGN KEY (employer_id, return_id, line) REFERENCES smile.return_line ON DELETE CASCADE
);

CREATE TABLE smile.finding (
  employer_id uuid NOT NULL,
  return_id uuid NOT NULL,
  -- 0 speaks of the whole return.
  line integer NOT NULL,
  field text NOT NULL DEFAULT '',
  code text NOT NULL REFERENCES smile.rule,
  params json,
  PRIMARY KEY (employer_id, return_id, line, field, code)
);

DO $policies$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['rule', 'contribution_return', 'return_line', 'return_back_pay', 'finding'] LOOP
    EXECUTE format('ALTER TABLE smile.%I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE smile.%I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY owner_all ON smile.%I TO smile_owner USING (true)', name);
  END LOOP;
  FOREACH name IN ARRAY ARRAY['contribution_return', 'return_line', 'return_back_pay', 'finding'] LOOP
    EXECUTE format('CREATE POLICY own_returns ON smile.%I TO smile_api
      USING (employer_id = (SELECT smile.employer_id()))', name);
    EXECUTE format('CREATE POLICY officers_read ON smile.%I FOR SELECT TO smile_api
      USING ((SELECT smile.is_officer(''manage_billing'')))', name);
  END LOOP;
END
$policies$;
CREATE POLICY everyone_reads ON smile.rule FOR SELECT TO smile_api, smile_jobs USING (true);
GRANT SELECT ON smile.rule TO smile_api, smile_jobs;
GRANT SELECT, INSERT, UPDATE ON smile.contribution_return TO smile_api;
GRANT SELECT ON smile.return_line, smile.return_back_pay, smile.finding TO smile_api;
