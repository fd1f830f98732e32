-- A rehearsal gives a token that stands for what it showed: the content, the parameters and the amounts. Whoever
-- finalises with it gets these numbers or is told what has changed. Nothing is stored for it, since a rehearsal leaves
-- nothing: the token is made of digests and is no secret, as an entity tag is none.

-- prv1.<content>.<parameters>.<amounts>, hexadecimal. Of the parameters only what amounts are made of: that one has
-- been verified since changes nothing.
CREATE FUNCTION smile.preview_token(wanted uuid) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN (
    SELECT format('prv1.%s.%s.%s', encode(coalesce(r.content_sha256, ''), 'hex'),
      encode(sha256(convert_to((
        SELECT string_agg(concat_ws('|', m.item ->> 'period', m.item ->> 'risk_class', m.item ->> 'size',
          m.item ->> 'jp_chosen', m.item ->> 'reliefs', p.item ->> 'programme', p.item ->> 'parameter',
          p.item ->> 'value', p.item ->> 'valid_from'), E'\n' ORDER BY m.place, p.place)
        FROM json_array_elements(coalesce(r.basis, smile.return_basis(r)) -> 'months')
          WITH ORDINALITY AS m (item, place)
        CROSS JOIN LATERAL json_array_elements(m.item -> 'parameters_used') WITH ORDINALITY AS p (item, place)
      ), 'UTF8')), 'hex'),
      encode(sha256(convert_to((coalesce(r.totals, '{}')::jsonb - 'verified')::text, 'UTF8')), 'hex'))
    FROM smile.contribution_return AS r WHERE r.id = wanted);
END
$$;

-- A return's body, a JSON object, with the token of how it stands. Volatile, to see what the statement that calls it
-- has just done.
CREATE FUNCTION smile.with_preview(body text, wanted uuid) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  RETURN regexp_replace(body, '\}$', ',"preview_token":') || to_json(smile.preview_token(wanted)) || '}';
END
$$;

-- 409 when the return isn't any more what the token stands for. NULL stands for nothing.
CREATE FUNCTION smile.check_preview(wanted uuid, token text) RETURNS void LANGUAGE plpgsql STABLE AS $$
DECLARE
  shown text[] := string_to_array(token, '.');
  stands text[] := CASE WHEN token IS NOT NULL THEN string_to_array(smile.preview_token(wanted), '.') END;
BEGIN
  IF token <> array_to_string(stands, '.') THEN
    PERFORM smile.fail(409, 'preview_outdated', json_build_object('changed', array_remove(ARRAY[
      CASE WHEN shown[2] <> stands[2] THEN 'content' END, CASE WHEN shown[3] <> stands[3] THEN 'parameters' END,
      CASE WHEN shown[4] <> stands[4] THEN 'amounts' END], NULL)));
  END IF;
END
$$;

-- As before; what the amounts rest on is named.
CREATE OR REPLACE FUNCTION smile.refuse_outdated(r smile.contribution_return) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  others uuid[] := smile.finalised_for_month(r);
  today record;
BEGIN
  IF r.kind = 'no_activity' THEN
    RETURN;
  END IF;
  SELECT x.errors, x.differs INTO today FROM smile.recheck_lines(r) AS x;
  IF today.errors IS NOT NULL THEN
    PERFORM smile.fail(422, 'lines_no_longer_stand', json_build_object('errors', today.errors));
  ELSIF today.differs THEN
    -- Of a line: the worker's data, the rates, the class.
    PERFORM smile.fail(409, 'return_outdated', '{"changed": ["line_amounts"]}');
  END IF;
  IF r.kind = 'revised' THEN
    PERFORM smile.compute_differences(r);
    IF smile.charge_totals(r.employer_id, r.id)::text IS DISTINCT FROM r.totals::text THEN
      PERFORM smile.fail(409, 'return_outdated', '{"changed": ["other_returns"]}');
    END IF;
    RETURN;
  ELSIF others <> '{}' AND EXISTS (
    SELECT FROM smile.return_line AS l
    WHERE l.employer_id = r.employer_id AND l.return_id = ANY (others || r.id) AND l.status <> 'rejected'
    GROUP BY l.member_id HAVING bool_or(l.return_id = r.id) AND bool_or(l.return_id <> r.id))
  THEN
    PERFORM smile.fail(409, 'return_outdated', '{"changed": ["other_returns"]}');
  END IF;
  IF EXISTS (
    SELECT FROM smile.return_back_pay AS b WHERE b.employer_id = r.employer_id AND b.return_id = r.id)
  THEN
    DELETE FROM smile.return_back_pay AS b WHERE b.employer_id = r.employer_id AND b.return_id = r.id;
    PERFORM smile.compute_back_pay(r);
    IF smile.charge_totals(r.employer_id, r.id)::text IS DISTINCT FROM r.totals::text THEN
      PERFORM smile.fail(409, 'return_outdated', '{"changed": ["back_pay"]}');
    END IF;
  END IF;
END
$$;

DROP FUNCTION smile.request_finalisation(uuid, boolean);
-- Closes a small return here and now, a large one by a job, where a preview was shown only as it was shown. What can't
-- be finalised at all is said at once.
CREATE FUNCTION smile.request_finalisation(wanted uuid, at_once boolean, preview text) RETURNS smile.answer_row
LANGUAGE plpgsql AS $$
DECLARE
  r smile.contribution_return;
BEGIN
  SELECT x.* INTO r FROM smile.contribution_return AS x
  WHERE x.id = wanted AND x.employer_id = smile.employer_id() FOR UPDATE;
  IF NOT FOUND THEN
    PERFORM smile.fail(404, 'not_found');
  ELSIF r.status <> 'open' THEN
    PERFORM smile.fail(409, 'return_not_open', smile.original_of(r));
  ELSIF r.pending_job IS NOT NULL THEN
    PERFORM smile.fail(409, 'return_under_way', json_build_object('job_id', r.pending_job, 'retry_after', 1));
  END IF;
  PERFORM smile.check_preview(wanted, preview);
  IF NOT at_once AND r.accepted + r.warned > 0 AND smile.is_long_work(r.lines) THEN
    RETURN smile.queue_return_job(wanted, 'finalise_return', r.lines,
      jsonb_strip_nulls(jsonb_build_object('preview', preview)));
  END IF;
  RETURN smile.finalise_return(wanted);
END
$$;

-- As before, with the preview.
CREATE OR REPLACE FUNCTION smile.run_return_job(wanted uuid) RETURNS TABLE (problem_code text, result text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  j smile.job;
  r smile.contribution_return;
  upload uuid;
  done smile.answer_row;
BEGIN
  SELECT x.* INTO j FROM smile.job AS x
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
      PERFORM smile.check_preview(r.id, j.parameters ->> 'preview');
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
    GET STACKED DIAGNOSTICS problem_code = MESSAGE_TEXT, result = PG_EXCEPTION_DETAIL;
    result := nullif(result, '');
  END;
  UPDATE smile.job AS x
  SET status = CASE WHEN run_return_job.problem_code IS NULL THEN 'succeeded' ELSE 'failed' END,
    result = run_return_job.result::json, problem_code = run_return_job.problem_code,
    done = CASE WHEN run_return_job.problem_code IS NULL THEN x.total ELSE 0 END, finished_at = smile.security_now()
  WHERE x.id = j.id;
  RETURN NEXT;
END
$$;
