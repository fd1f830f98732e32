-- What every write shares: the idempotent answer, the audit row, the outbox, the job queue.

-- One row a key and principal; the answer is stored in the transaction of its effect, so a crash leaves both or none.
-- Not partitioned: (principal, key) must be unique over all time, which a partitioned table can't promise.
CREATE TABLE smile.idempotency_key (
  principal uuid NOT NULL,
  key text NOT NULL CHECK (key ~ '^[A-Za-z0-9_-]{16,64}$'),
  fingerprint bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
  status integer,
  body text,
  etag text,
  location text,
  created_at timestamptz NOT NULL DEFAULT smile.security_now(),
  PRIMARY KEY (principal, key)
);
CREATE INDEX idempotency_key_created_at ON smile.idempotency_key (created_at);
ALTER TABLE smile.idempotency_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE smile.idempotency_key FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_all ON smile.idempotency_key TO smile_owner USING (true);
CREATE POLICY own_keys ON smile.idempotency_key TO smile_api
  USING (principal = (SELECT coalesce(smile.client_id(), smile.account_id())))
  WITH CHECK (principal = (SELECT coalesce(smile.client_id(), smile.account_id())));
CREATE POLICY jobs_expire ON smile.idempotency_key TO smile_jobs USING (true);
GRANT SELECT, INSERT, UPDATE ON smile.idempotency_key TO smile_api;
GRANT SELECT, DELETE ON smile.idempotency_key TO smile_jobs;

CREATE TYPE smile.answer_row AS (status integer, body text, etag text, location text);

-- Claims a key for this transaction. A key that was answered before raises SM208, and the server fetches the stored
-- answer; another fingerprint is refused; a key in flight waits for lock_timeout. An account that acts in another grant
-- asks another question, so what it acts as belongs to the fingerprint.
CREATE FUNCTION smile.claim_key(wanted_key text, wanted_fingerprint bytea) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  caller uuid := coalesce(smile.client_id(), smile.account_id());
  question bytea := sha256(wanted_fingerprint
    || convert_to(concat_ws(' ', smile.role(), smile.member_id(), smile.employer_id()), 'UTF8'));
  stored bytea;
BEGIN
  INSERT INTO smile.idempotency_key (principal, key, fingerprint)
  VALUES (caller, wanted_key, question)
  ON CONFLICT (principal, key) DO NOTHING;
  IF FOUND THEN
    PERFORM set_config('smile.idempotency_key', wanted_key, true);
    RETURN;
  END IF;
  SELECT k.fingerprint INTO stored
  FROM smile.idempotency_key AS k
  WHERE k.principal = caller AND k.key = wanted_key;
  IF stored IS DISTINCT FROM question THEN
    PERFORM smile.fail(422, 'idempotency_key_reused');
  END IF;
  PERFORM smile.fail(208, 'replay');
END
$$;

-- Every write ends here: the answer's row, kept byte for byte when a key was claimed.
CREATE FUNCTION smile.answer(status integer, body json, etag text DEFAULT NULL, location text DEFAULT NULL)
RETURNS smile.answer_row LANGUAGE plpgsql AS $$
DECLARE
  claimed text := nullif(current_setting('smile.idempotency_key', true), '');
BEGIN
  IF claimed IS NOT NULL THEN
    UPDATE smile.idempotency_key AS k
    SET status = answer.status, body = answer.body::text, etag = answer.etag, location = answer.location
    WHERE k.principal = coalesce(smile.client_id(), smile.account_id()) AND k.key = claimed;
  END IF;
  RETURN (status, body::text, etag, location)::smile.answer_row;
END
$$;

CREATE TABLE smile.audit_log (
  id uuid NOT NULL DEFAULT smile.uuid7(),
  at timestamptz NOT NULL DEFAULT smile.security_now(),
  request_id uuid,
  role text NOT NULL,
  account_id uuid,
  client_id uuid,
  address text,
  purpose text,
  action text NOT NULL CHECK (action ~ '^[a-z_]+\.[a-z_]+$'),
  subject_kind text NOT NULL,
  subject_id uuid,
  details json,
  PRIMARY KEY (at, id)
) PARTITION BY RANGE (at);
CREATE TABLE smile.audit_log_default PARTITION OF smile.audit_log DEFAULT;
CREATE INDEX audit_log_subject ON smile.audit_log (subject_id, at);
ALTER TABLE smile.audit_log ENABLE ROW LEVEL SECURITY;
ALTER TABLE smile.audit_log FORCE ROW LEVEL SECURITY;
ALTER TABLE smile.audit_log_default ENABLE ROW LEVEL SECURITY;
ALTER TABLE smile.audit_log_default FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_all ON smile.audit_log TO smile_owner USING (true);
CREATE POLICY owner_all ON smile.audit_log_default TO smile_owner USING (true);
CREATE POLICY append ON smile.audit_log FOR INSERT TO smile_api, smile_auth, smile_jobs WITH CHECK (true);
CREATE POLICY officers_read ON smile.audit_log FOR SELECT TO smile_api
  USING ((SELECT smile.is_officer('read_audit')));
GRANT INSERT, SELECT ON smile.audit_log TO smile_api;
GRANT INSERT ON smile.audit_log TO smile_auth, smile_jobs;

-- One row an effect, in the effect's transaction: if it can't be written, nothing happens. No personal data in details.
CREATE FUNCTION smile.audit(action text, subject_kind text, subject_id uuid, details json DEFAULT NULL) RETURNS void
LANGUAGE sql VOLATILE
BEGIN ATOMIC
  INSERT INTO smile.audit_log
    (request_id, role, account_id, client_id, address, purpose, action, subject_kind, subject_id, details)
  VALUES (
    smile.request_id(), smile.role(), smile.account_id(), smile.client_id(),
    nullif(current_setting('smile.address', true), ''), nullif(current_setting('smile.purpose', true), ''),
    action, subject_kind, subject_id, details);
END;

-- Messages to persons, written in the transaction of their cause and delivered by the jobs process. A message that
-- carries a token is sealed by the server and its body erased after delivery.
CREATE TABLE smile.outbox (
  id uuid NOT NULL DEFAULT smile.uuid7(),
  created_at timestamptz NOT NULL DEFAULT smile.security_now(),
  channel text NOT NULL CHECK (channel IN ('email', 'sms', 'push')),
  recipient text NOT NULL,
  template text NOT NULL CHECK (template ~ '^[a-z_]+$'),
  language text NOT NULL DEFAULT 'id' CHECK (language IN ('id', 'en')),
  parameters json NOT NULL DEFAULT '{}',
  sealed_parameters bytea,
  client_id uuid,
  attempts integer NOT NULL DEFAULT 0,
  next_attempt_at timestamptz NOT NULL DEFAULT smile.security_now(),
  delivered_at timestamptz,
  failed_at timestamptz,
  PRIMARY KEY (created_at, id)
) PARTITION BY RANGE (created_at);
CREATE TABLE smile.outbox_default PARTITION OF smile.outbox DEFAULT;
CREATE INDEX outbox_due ON smile.outbox (next_attempt_at) WHERE delivered_at IS NULL AND failed_at IS NULL;
ALTER TABLE smile.outbox ENABLE ROW LEVEL SECURITY;
ALTER TABLE smile.outbox FORCE ROW LEVEL SECURITY;
ALTER TABLE smile.outbox_default ENABLE ROW LEVEL SECURITY;
ALTER TABLE smile.outbox_default FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_all ON smile.outbox TO smile_owner USING (true);
CREATE POLICY owner_all ON smile.outbox_default TO smile_owner USING (true);
CREATE POLICY append ON smile.outbox FOR INSERT TO smile_api, smile_auth, smile_jobs WITH CHECK (true);
CREATE POLICY jobs_deliver ON smile.outbox TO smile_jobs USING (true);
GRANT INSERT ON smile.outbox TO smile_api, smile_auth;
GRANT SELECT, INSERT, UPDATE, DELETE ON smile.outbox TO smile_jobs;

-- Work that outlives a request. Claimed with FOR UPDATE SKIP LOCKED; a NOTIFY on channel smile_job wakes the jobs
-- process.
CREATE TABLE smile.job (
  id uuid PRIMARY KEY DEFAULT smile.uuid7(),
  kind text NOT NULL CHECK (kind ~ '^[a-z_]+$'),
  account_id uuid,
  client_id uuid,
  employer_id uuid,
  parameters json NOT NULL DEFAULT '{}',
  status text NOT NULL DEFAULT 'queued' CHECK (status IN ('queued', 'running', 'succeeded', 'failed')),
  done bigint NOT NULL DEFAULT 0 CHECK (done >= 0),
  total bigint CHECK (total >= 0),
  result json,
  problem_code text,
  attempts integer NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT smile.security_now(),
  run_after timestamptz NOT NULL DEFAULT smile.security_now(),
  finished_at timestamptz
);
CREATE INDEX job_queue ON smile.job (run_after) WHERE status = 'queued';
ALTER TABLE smile.job ENABLE ROW LEVEL SECURITY;
ALTER TABLE smile.job FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_all ON smile.job TO smile_owner USING (true);
CREATE POLICY own_jobs ON smile.job TO smile_api
  USING (account_id = (SELECT smile.account_id()) OR client_id = (SELECT smile.client_id()));
CREATE POLICY jobs_run ON smile.job TO smile_jobs USING (true);
GRANT SELECT, INSERT ON smile.job TO smile_api;
GRANT SELECT, UPDATE, DELETE ON smile.job TO smile_jobs;

-- Monthly partitions from this month on; called again each day by the jobs process.
CREATE FUNCTION smile.make_partitions(months_ahead integer DEFAULT 3) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  parent text;
  first_day date;
  partition_name text;
BEGIN
  FOREACH parent IN ARRAY ARRAY['audit_log', 'outbox'] LOOP
    FOR step IN 0 .. months_ahead LOOP
      first_day := date_trunc('month', clock_timestamp() AT TIME ZONE 'UTC')::date + make_interval(months => step);
      partition_name := parent || to_char(first_day, '_YYYY_MM');
      IF to_regclass('smile.' || partition_name) IS NULL THEN
        EXECUTE format('CREATE TABLE smile.%I PARTITION OF smile.%I FOR VALUES FROM (%L) TO (%L)',
          partition_name, parent, first_day::text || ' 00:00+00',
          (first_day + interval '1 month')::date::text || ' 00:00+00');
        EXECUTE format('ALTER TABLE smile.%I ENABLE ROW LEVEL SECURITY', partition_name);
        EXECUTE format('ALTER TABLE smile.%I FORCE ROW LEVEL SECURITY', partition_name);
        EXECUTE format('CREATE POLICY owner_all ON smile.%I TO smile_owner USING (true)', partition_name);
      END IF;
    END LOOP;
  END LOOP;
END
$$;
SELECT smile.make_partitions();
