-- The jobs process: messages out of the outbox, queued work, and what grows old.

-- Wakes the jobs process when the transaction commits; several in one transaction are one notification. A statement
-- that inserted nothing wakes nobody: the jobs process itself makes such statements, and would never sleep again.
CREATE FUNCTION smile.wake_jobs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM added) THEN
    PERFORM pg_notify('smile_job', TG_ARGV[0]);
  END IF;
  RETURN NULL;
END
$$;
CREATE TRIGGER message_wakes_jobs AFTER INSERT ON smile.outbox
  REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION smile.wake_jobs('outbox');
CREATE TRIGGER job_wakes_jobs AFTER INSERT ON smile.job
  REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION smile.wake_jobs('job');

-- How long to wait after the n-th failed try; null: give up.
CREATE FUNCTION smile.retry_delay(tries integer) RETURNS interval LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (ARRAY['5 seconds', '5 minutes', '30 minutes', '2 hours', '5 hours', '10 hours', '14 hours', '20 hours',
  '24 hours']::interval[])[tries];

-- Takes messages for a while: should the process die, they are due again when the lease ends.
CREATE FUNCTION smile.take_messages(lease_seconds integer, most integer) RETURNS TABLE (
  id uuid, created_at timestamptz, channel text, recipient text, template text, language text, parameters text,
  sealed_parameters bytea, attempts integer)
LANGUAGE sql VOLATILE
BEGIN ATOMIC
  UPDATE smile.outbox AS o
  SET attempts = o.attempts + 1, next_attempt_at = smile.security_now() + make_interval(secs => lease_seconds)
  FROM (
    SELECT d.created_at, d.id FROM smile.outbox AS d
    WHERE d.next_attempt_at <= smile.security_now() AND d.delivered_at IS NULL AND d.failed_at IS NULL
    ORDER BY d.next_attempt_at LIMIT most FOR UPDATE SKIP LOCKED) AS due
  WHERE o.created_at = due.created_at AND o.id = due.id
  RETURNING o.id, o.created_at, o.channel, o.recipient, o.template, o.language, o.parameters::text,
    o.sealed_parameters, o.attempts;
END;

-- A delivered message keeps no token.
CREATE FUNCTION smile.message_delivered(wanted uuid, made_at timestamptz) RETURNS void LANGUAGE sql VOLATILE
BEGIN ATOMIC
  UPDATE smile.outbox AS o SET delivered_at = smile.security_now(), sealed_parameters = NULL
  WHERE o.created_at = made_at AND o.id = wanted AND o.delivered_at IS NULL;
END;

CREATE FUNCTION smile.message_failed(wanted uuid, made_at timestamptz) RETURNS void LANGUAGE sql VOLATILE
BEGIN ATOMIC
  UPDATE smile.outbox AS o
  SET next_attempt_at = coalesce(smile.security_now() + smile.retry_delay(o.attempts), o.next_attempt_at),
    failed_at = CASE WHEN smile.retry_delay(o.attempts) IS NULL THEN smile.security_now() END,
    sealed_parameters = CASE WHEN smile.retry_delay(o.attempts) IS NULL THEN NULL ELSE o.sealed_parameters END
  WHERE o.created_at = made_at AND o.id = wanted AND o.delivered_at IS NULL;
END;

-- Seconds until the next message or job is due; null: nothing waits.
CREATE FUNCTION smile.next_due_in() RETURNS double precision LANGUAGE sql STABLE
RETURN extract(epoch FROM least(
  (SELECT min(o.next_attempt_at) FROM smile.outbox AS o WHERE o.delivered_at IS NULL AND o.failed_at IS NULL),
  (SELECT min(j.run_after) FROM smile.job AS j WHERE j.status = 'queued')) - smile.security_now());

-- Takes the next job of a kind that this process knows. A job that was running when its process died is queued again
-- by requeue_lost_jobs().
CREATE FUNCTION smile.take_job(known text[]) RETURNS TABLE (id uuid, kind text, parameters text, attempts integer)
LANGUAGE sql VOLATILE
BEGIN ATOMIC
  UPDATE smile.job AS j SET status = 'running', attempts = j.attempts + 1, run_after = smile.security_now()
  FROM (
    SELECT q.id FROM smile.job AS q
    WHERE q.status = 'queued' AND q.run_after <= smile.security_now() AND q.kind = ANY (known)
    ORDER BY q.run_after, q.id LIMIT 1 FOR UPDATE SKIP LOCKED) AS due
  WHERE j.id = due.id
  RETURNING j.id, j.kind, j.parameters::text, j.attempts;
END;

CREATE FUNCTION smile.finish_job(wanted uuid, job_result json) RETURNS void LANGUAGE sql VOLATILE
BEGIN ATOMIC
  UPDATE smile.job AS j
  SET status = 'succeeded', result = job_result, done = coalesce(j.total, j.done), finished_at = smile.security_now()
  WHERE j.id = wanted AND j.status = 'running';
END;

-- Again after a pause, or failed for good.
CREATE FUNCTION smile.fail_job(wanted uuid, code text, may_retry boolean) RETURNS void LANGUAGE sql VOLATILE
BEGIN ATOMIC
  UPDATE smile.job AS j
  SET problem_code = code,
    status = CASE WHEN may_retry AND smile.retry_delay(j.attempts) IS NOT NULL THEN 'queued' ELSE 'failed' END,
    run_after = coalesce(smile.security_now() + smile.retry_delay(j.attempts), j.run_after),
    finished_at = CASE WHEN may_retry AND smile.retry_delay(j.attempts) IS NOT NULL THEN NULL
      ELSE smile.security_now() END
  WHERE j.id = wanted AND j.status = 'running';
END;

-- There is one jobs process, so whatever runs when it starts belongs to a dead one.
CREATE FUNCTION smile.requeue_lost_jobs() RETURNS void LANGUAGE sql VOLATILE
BEGIN ATOMIC
  UPDATE smile.job AS j SET status = 'queued' WHERE j.status = 'running';
END;

CREATE FUNCTION smile.job_body(wanted uuid) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_strip_nulls(json_build_object(
    'id', j.id, 'kind', j.kind, 'status', j.status,
    'progress', json_build_object('done', j.done, 'total', j.total),
    'result', j.result, 'problem_code', CASE WHEN j.status = 'failed' THEN j.problem_code END,
    'created_at', j.created_at, 'finished_at', j.finished_at))
  FROM smile.job AS j WHERE j.id = wanted);

-- Deletes what has served its time, at most 10,000 rows of a kind at once; returns how many of each went.
CREATE FUNCTION smile.expire_old_rows() RETURNS json
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  most CONSTANT integer := 10000;
  at CONSTANT timestamptz := smile.security_now();
  keys bigint;
  messages bigint;
  jobs bigint;
BEGIN
  DELETE FROM smile.idempotency_key AS k WHERE (k.principal, k.key) IN (
    SELECT o.principal, o.key FROM smile.idempotency_key AS o WHERE o.created_at < at - interval '30 days' LIMIT most);
  GET DIAGNOSTICS keys = ROW_COUNT;
  -- A token that could not be mailed within its life is worth nothing to its owner.
  UPDATE smile.outbox AS o SET sealed_parameters = NULL, failed_at = coalesce(o.failed_at, at)
  WHERE o.sealed_parameters IS NOT NULL AND o.created_at < at - interval '2 days';
  DELETE FROM smile.outbox AS m WHERE (m.created_at, m.id) IN (
    SELECT o.created_at, o.id FROM smile.outbox AS o WHERE o.created_at < at - interval '90 days' LIMIT most);
  GET DIAGNOSTICS messages = ROW_COUNT;
  DELETE FROM smile.job AS j WHERE j.id IN (
    SELECT o.id FROM smile.job AS o WHERE o.finished_at < at - interval '30 days' LIMIT most);
  GET DIAGNOSTICS jobs = ROW_COUNT;
  RETURN json_build_object('idempotency_keys', keys, 'messages', messages, 'jobs', jobs);
END
$$;

-- What the jobs process orders from itself, once an hour.
GRANT INSERT ON smile.job TO smile_jobs;
CREATE FUNCTION smile.queue_housekeeping() RETURNS void LANGUAGE sql VOLATILE
BEGIN ATOMIC
  INSERT INTO smile.job (kind)
  SELECT 'housekeeping'
  WHERE NOT EXISTS (
    SELECT FROM smile.job AS j
    WHERE j.kind = 'housekeeping'
      AND (j.status IN ('queued', 'running') OR j.finished_at > smile.security_now() - interval '1 hour'));
END;

-- Partitions for the months to come, old rows away, and the ledger's sum, which is 0 or something is badly wrong.
CREATE FUNCTION smile.keep_house() RETURNS json LANGUAGE plpgsql AS $$
BEGIN
  PERFORM smile.make_partitions();
  PERFORM smile.purge_identity();
  RETURN json_build_object('expired', smile.expire_old_rows(), 'ledger_sum', smile.ledger_sum());
END
$$;

-- Only the jobs process does these.
REVOKE EXECUTE ON FUNCTION smile.take_messages(integer, integer), smile.message_delivered(uuid, timestamptz),
  smile.message_failed(uuid, timestamptz), smile.next_due_in(), smile.take_job(text[]), smile.finish_job(uuid, json),
  smile.fail_job(uuid, text, boolean), smile.requeue_lost_jobs(), smile.expire_old_rows(),
  smile.queue_housekeeping(), smile.keep_house(),
  smile.make_partitions(integer) FROM smile_api, smile_auth;
