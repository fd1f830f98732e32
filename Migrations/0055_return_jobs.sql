-- Large returns as jobs: lines of 1,000 or more are checked, and such a return is finalised, by the jobs process. The
-- caller gets the job at once. Until it has ended, the return takes no other change but being discarded.

ALTER TABLE smile.contribution_return ADD COLUMN pending_job uuid REFERENCES smile.job ON DELETE SET NULL;
CREATE INDEX contribution_return_pending ON smile.contribution_return (pending_job) WHERE pending_job IS NOT NULL;

-- Asked whenever the jobs process may have lost track of one.
CREATE INDEX job_running ON smile.job (id) WHERE status = 'running';

-- From how many lines on work on a return is a job.
CREATE FUNCTION smile.is_long_work(lines bigint) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN lines >= 1000;

-- As before, and not while a job has the return.
CREATE OR REPLACE FUNCTION smile.admit_upload(wanted uuid) RETURNS void LANGUAGE plpgsql STABLE AS $$
DECLARE
  r smile.contribution_return;
BEGIN
  SELECT * INTO r FROM smile.contribution_return AS x WHERE x.id = wanted AND x.employer_id = smile.employer_id();
  IF NOT FOUND THEN
    PERFORM smile.fail(404, 'not_found');
  ELSIF r.status <> 'open' THEN
    PERFORM smile.fail(409, 'return_not_open');
  ELSIF r.kind = 'no_activity' THEN
    PERFORM smile.fail(409, 'return_takes_no_lines');
  ELSIF r.pending_job IS NOT NULL THEN
    PERFORM smile.fail(409, 'return_under_way', json_build_object('job_id', r.pending_job, 'retry_after', 1));
  END IF;
END
$$;

-- Hands the caller's return to the jobs process. The row is locked by the caller of this function.
CREATE FUNCTION smile.queue_return_job(wanted uuid, kind text, lines bigint, more jsonb DEFAULT '{}')
RETURNS smile.answer_row LANGUAGE plpgsql AS $$
DECLARE
  made uuid;
BEGIN
  INSERT INTO smile.job (kind, account_id, client_id, employer_id, total, parameters)
  VALUES (queue_return_job.kind, smile.account_id(), smile.client_id(), smile.employer_id(), lines,
    (more || jsonb_build_object('return_id', wanted, 'role', smile.role(), 'request_id', smile.request_id()))::json)
  RETURNING id INTO made;
  UPDATE smile.contribution_return AS r SET pending_job = made WHERE r.id = wanted;
  PERFORM smile.audit('return.' || queue_return_job.kind || '_queued', 'contribution_return', wanted,
    json_build_object('job_id', made));
  RETURN smile.answer(202, smile.job_body(made), NULL, '/v1/jobs/' || made);
END
$$;

-- The last step of an upload: few lines are checked here and now, many by a job; all of them when it must be at once.
CREATE FUNCTION smile.take_lines(wanted uuid, upload uuid, digest bytea, lines bigint, at_once boolean)
RETURNS smile.answer_row LANGUAGE plpgsql AS $$
BEGIN
  IF at_once OR NOT smile.is_long_work(lines) THEN
    RETURN smile.load_lines(wanted, upload, digest);
  END IF;
  RETURN smile.queue_return_job(wanted, 'load_lines', lines,
    jsonb_build_object('upload', upload, 'digest', encode(digest, 'hex')));
END
$$;

-- Closes a small return here and now, a large one by a job. What can't be finalised at all is said at once.
CREATE FUNCTION smile.request_finalisation(wanted uuid, at_once boolean) RETURNS smile.answer_row
LANGUAGE plpgsql AS $$
DECLARE
  r smile.contribution_return;
BEGIN
  SELECT * INTO r FROM smile.contribution_return AS x
  WHERE x.id = wanted AND x.employer_id = smile.employer_id() FOR UPDATE;
  IF r.pending_job IS NOT NULL AND r.status = 'open' THEN
    PERFORM smile.fail(409, 'return_under_way', json_build_object('job_id', r.pending_job, 'retry_after', 1));
  ELSIF NOT at_once AND r.status = 'open' AND r.accepted + r.warned > 0 AND smile.is_long_work(r.lines) THEN
    RETURN smile.queue_return_job(wanted, 'finalise_return', r.lines);
  END IF;
  RETURN smile.finalise_return(wanted);
END
$$;

-- One run of such a job, as whoever ordered it: the effect and the job's end are one transaction, so that a run that is
-- repeated after a crash finds either nothing done or nothing to do. What the business refuses ends the job with its
-- code; anything else is raised, and the job is tried again. Nothing to do: no row.
CREATE FUNCTION smile.run_return_job(wanted uuid) RETURNS TABLE (problem_code text, result text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  j smile.job;
  r smile.contribution_return;
  upload uuid;
  done smile.answer_row;
BEGIN
  SELECT * INTO j FROM smile.job AS x
  WHERE x.id = wanted AND x.status = 'running' AND x.kind IN ('load_lines', 'finalise_return') FOR UPDATE;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  PERFORM set_config('smile.role', j.parameters ->> 'role', true),
    set_config('smile.account_id', j.account_id::text, true),
    set_config('smile.client_id', j.client_id::text, true),
    set_config('smile.employer_id', j.employer_id::text, true),
    set_config('smile.request_id', j.parameters ->> 'request_id', true),
    set_config('smile.now', smile.now()::text, true);
  upload := (j.parameters ->> 'upload')::uuid;
  UPDATE smile.contribution_return AS x SET pending_job = NULL
  WHERE x.id = (j.parameters ->> 'return_id')::uuid AND x.employer_id = j.employer_id AND x.pending_job = j.id
  RETURNING x.* INTO r;
  BEGIN
    IF r.status IS DISTINCT FROM 'open' THEN
      PERFORM smile.fail(409, 'return_not_open');
    ELSIF j.kind = 'finalise_return' THEN
      done := smile.finalise_return(r.id);
    ELSIF j.total <> (SELECT count(*) FROM smile.return_staging AS s WHERE s.upload_id = upload) THEN
      -- The staging table is unlogged: PostgreSQL empties it when it recovers from a crash.
      PERFORM smile.fail(409, 'upload_lost');
    ELSE
      done := smile.load_lines(r.id, upload, decode(j.parameters ->> 'digest', 'hex'),
        coalesce((j.parameters ->> 'merging')::boolean, false));
    END IF;
    result := done.body;
  EXCEPTION WHEN OTHERS THEN
    IF SQLSTATE NOT LIKE 'SM4%' THEN
      RAISE;
    END IF;
    problem_code := SQLERRM;
  END;
  UPDATE smile.job AS x
  SET status = CASE WHEN run_return_job.problem_code IS NULL THEN 'succeeded' ELSE 'failed' END,
    result = run_return_job.result::json, problem_code = run_return_job.problem_code,
    done = CASE WHEN run_return_job.problem_code IS NULL THEN x.total ELSE 0 END, finished_at = smile.security_now()
  WHERE x.id = j.id;
  RETURN NEXT;
END
$$;
REVOKE EXECUTE ON FUNCTION smile.run_return_job(uuid) FROM smile_api, smile_auth;

-- A job that failed for good lets go of its return, whose lines stand as they stood before.
CREATE FUNCTION smile.release_return() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
BEGIN
  UPDATE smile.contribution_return AS r SET pending_job = NULL WHERE r.pending_job = NEW.id;
  DELETE FROM smile.return_staging AS s WHERE s.upload_id = (NEW.parameters ->> 'upload')::uuid;
  RETURN NULL;
END
$$;
REVOKE EXECUTE ON FUNCTION smile.release_return() FROM smile_api, smile_jobs, smile_auth;
CREATE TRIGGER failed_job_releases_return AFTER UPDATE OF status ON smile.job
  FOR EACH ROW WHEN (NEW.status = 'failed' AND NEW.kind IN ('load_lines', 'finalise_return'))
  EXECUTE FUNCTION smile.release_return();

-- The same with the job that has the return.
CREATE OR REPLACE FUNCTION smile.return_body(wanted uuid) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_strip_nulls(json_build_object(
    'id', r.id, 'employer_id', r.employer_id, 'period', smile.month_text(r.period), 'kind', r.kind,
    'client_reference', r.client_reference, 'status', r.status, 'pending_job_id', r.pending_job,
    'outcome', r.outcome,
    'declared_totals', CASE WHEN num_nonnulls(r.declared_lines, r.declared_wages) > 0 THEN
      json_build_object('lines', r.declared_lines, 'wages', r.declared_wages) END,
    'counts', json_build_object('lines', r.lines, 'accepted', r.accepted, 'warned', r.warned,
      'rejected', r.rejected),
    'totals', r.totals, 'content_sha256', encode(r.content_sha256, 'hex'), 'opened_at', r.opened_at,
    'loaded_at', r.loaded_at, 'finalised_at', r.finalised_at,
    'billing_id', (SELECT b.id FROM smile.billing AS b WHERE b.return_id = r.id)))
  FROM smile.contribution_return AS r WHERE r.id = wanted);

-- For a caller who waited until the job had done its work: the return as it is now, as if it had been done at once.
CREATE FUNCTION smile.return_job_answer(wanted uuid) RETURNS smile.answer_row LANGUAGE sql STABLE
RETURN (
  SELECT (200, smile.return_body(r.id)::text, smile.etag(r.version),
    CASE j.kind WHEN 'finalise_return' THEN '/v1/billings/' || (j.result ->> 'billing_id') END)::smile.answer_row
  FROM smile.job AS j
  JOIN smile.contribution_return AS r ON r.id = (j.parameters ->> 'return_id')::uuid
  WHERE j.id = wanted AND j.status = 'succeeded');
