-- What many lines cost. Back pay and differences hung on their lines by foreign keys, which PostgreSQL follows with two
-- statements for each line that is replaced: 200,000 when 100,000 lines are sent again. As with the lines themselves,
-- only functions that hold the return's row write them, so they are taken away by one statement each. And an upload of
-- little but repetitions is refused as a whole, before each of them becomes a finding.

ALTER TABLE smile.return_back_pay DROP CONSTRAINT return_back_pay_employer_id_return_id_line_fkey;
ALTER TABLE smile.return_difference DROP CONSTRAINT return_difference_employer_id_return_id_line_fkey;

-- What was computed on top of the lines' own amounts.
CREATE FUNCTION smile.forget_amounts(r smile.contribution_return) RETURNS void LANGUAGE sql
BEGIN ATOMIC
  DELETE FROM smile.return_back_pay AS b WHERE b.employer_id = (r).employer_id AND b.return_id = (r).id;
  DELETE FROM smile.return_difference AS d WHERE d.employer_id = (r).employer_id AND d.return_id = (r).id;
END;

-- Over 10,000 lines that name somebody whom an earlier line names, or that can't be read for the same reason, and more
-- of them than of others: no payroll, but a mistake of the program that sent it.
CREATE FUNCTION smile.refuse_repetition(upload uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  counted record;
BEGIN
  SELECT sum(s.times) AS lines, count(*) AS different INTO counted
  FROM (
    SELECT count(*) AS times FROM smile.return_staging AS x
    WHERE x.upload_id = upload GROUP BY x.kpj, x.nik_index, x.problems) AS s;
  IF counted.lines - counted.different > greatest(10000, counted.different) THEN
    PERFORM smile.fail(422, 'lines_repeated', json_build_object(
      'lines', counted.lines::text, 'different', counted.different::text));
  END IF;
END
$$;
REVOKE EXECUTE ON FUNCTION smile.forget_amounts(smile.contribution_return), smile.refuse_repetition(uuid)
  FROM smile_api, smile_jobs, smile_auth;

-- As before.
CREATE OR REPLACE FUNCTION smile.make_room(r smile.contribution_return, upload uuid) RETURNS void
LANGUAGE plpgsql SET enable_nestloop = off AS $$
DECLARE
  bad integer;
  gone integer[];
BEGIN
  SELECT min(s.line) INTO bad FROM smile.return_staging AS s WHERE s.upload_id = upload AND s.line_key IS NULL;
  IF bad IS NOT NULL THEN
    PERFORM smile.refuse(422, 'line_key_required', format('/lines/%s/line_key', bad - 1));
  END IF;
  SELECT min(s.line) INTO bad FROM (
    SELECT x.line, row_number() OVER (PARTITION BY x.line_key ORDER BY x.line) AS time
    FROM smile.return_staging AS x WHERE x.upload_id = upload) AS s WHERE s.time > 1;
  IF bad IS NOT NULL THEN
    PERFORM smile.refuse(422, 'line_key_twice', format('/lines/%s/line_key', bad - 1));
  END IF;
  gone := ARRAY(
    SELECT l.line FROM smile.return_line AS l
    JOIN smile.return_staging AS s ON s.line_key = l.line_key
    WHERE l.employer_id = r.employer_id AND l.return_id = r.id AND s.upload_id = upload);
  -- New keys go to the end, in the order sent.
  UPDATE smile.return_staging AS s SET line = t.place
  FROM (
    SELECT x.line, coalesce(old.line, last.line + row_number() OVER (PARTITION BY old.line IS NULL ORDER BY x.line))
      AS place
    FROM smile.return_staging AS x
    CROSS JOIN (
      SELECT coalesce(max(l.line), 0) AS line FROM smile.return_line AS l
      WHERE l.employer_id = r.employer_id AND l.return_id = r.id) AS last
    LEFT JOIN (
      SELECT l.line_key, min(l.line) AS line FROM smile.return_line AS l
      WHERE l.employer_id = r.employer_id AND l.return_id = r.id AND l.line_key IS NOT NULL
      GROUP BY l.line_key) AS old ON old.line_key = x.line_key
    WHERE x.upload_id = upload AND NOT x.removes) AS t
  WHERE s.upload_id = upload AND NOT s.removes AND s.line = t.line;
  DELETE FROM smile.return_staging AS s WHERE s.upload_id = upload AND s.removes;
  DELETE FROM smile.return_line AS l USING unnest(gone) AS g (line)
  WHERE l.employer_id = r.employer_id AND l.return_id = r.id AND l.line = g.line;
  DELETE FROM smile.finding AS f USING unnest(gone) AS g (line)
  WHERE f.employer_id = r.employer_id AND f.return_id = r.id AND f.line = g.line;
  -- To be judged again.
  DELETE FROM smile.finding AS f
  WHERE f.employer_id = r.employer_id AND f.return_id = r.id AND (f.line = 0
    OR f.code IN ('duplicate_worker', 'line_key_repeated', 'worker_already_reported',
      'worker_not_reported', 'back_pay_not_revised'));
  PERFORM smile.forget_amounts(r);
  UPDATE smile.return_line AS l SET status = 'accepted'
  WHERE l.employer_id = r.employer_id AND l.return_id = r.id AND l.status <> 'accepted';
END
$$;

-- As before.
CREATE OR REPLACE FUNCTION smile.load_lines(wanted uuid, upload uuid, digest bytea, merging boolean)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  r smile.contribution_return;
  counted record;
  content bytea := digest;
  now_version bigint;
BEGIN
  SELECT * INTO r FROM smile.contribution_return AS x
  WHERE x.id = wanted AND x.employer_id = smile.employer_id() AND x.status = 'open' FOR UPDATE;
  IF NOT FOUND THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  IF merging AND r.content_sha256 IS NOT NULL THEN
    content := sha256(r.content_sha256 || digest);
  END IF;
  IF merging THEN
    PERFORM smile.make_room(r, upload);
  ELSE
    PERFORM smile.refuse_repetition(upload);
  END IF;
  IF NOT merging AND r.loaded_at IS NOT NULL THEN
    PERFORM smile.forget_amounts(r);
    DELETE FROM smile.finding AS f WHERE f.employer_id = r.employer_id AND f.return_id = r.id;
    DELETE FROM smile.return_line AS l WHERE l.employer_id = r.employer_id AND l.return_id = r.id;
  END IF;
  PERFORM smile.move_lines(r, upload);
  PERFORM smile.apply_rules(r, upload);
  PERFORM smile.apply_rules_across_lines(r);
  IF EXISTS (
    SELECT FROM smile.return_line AS l
    WHERE l.employer_id = r.employer_id AND l.return_id = r.id AND l.back_pay IS NOT NULL)
  THEN
    PERFORM smile.compute_back_pay(r);
  END IF;
  IF r.kind = 'revised' THEN
    PERFORM smile.compute_differences(r);
  END IF;
  DELETE FROM smile.return_staging AS s WHERE s.upload_id = upload;

  SELECT count(*) AS lines, count(*) FILTER (WHERE l.status = 'accepted') AS accepted,
    count(*) FILTER (WHERE l.status = 'warned') AS warned, count(*) FILTER (WHERE l.status = 'rejected') AS rejected,
    coalesce(sum(l.wage), 0) AS wages
  INTO counted
  FROM smile.return_line AS l WHERE l.employer_id = r.employer_id AND l.return_id = r.id;
  INSERT INTO smile.finding (employer_id, return_id, line, code, params)
  SELECT r.employer_id, r.id, 0, d.code, json_build_object('declared', d.declared, 'found', d.found)
  FROM (VALUES
    ('declared_lines_differ', r.declared_lines, counted.lines::bigint),
    ('declared_wages_differ', r.declared_wages, counted.wages::bigint)) AS d (code, declared, found)
  WHERE d.declared <> d.found;
  INSERT INTO smile.finding (employer_id, return_id, line, code, params)
  SELECT r.employer_id, r.id, 0, 'content_repeated', json_build_object('return_id', x.id)
  FROM smile.contribution_return AS x
  WHERE x.employer_id = r.employer_id AND x.content_sha256 = content AND x.period = r.period AND x.id <> r.id
    AND x.status <> 'discarded'
  ORDER BY x.id LIMIT 1;

  UPDATE smile.contribution_return AS x
  SET lines = counted.lines, accepted = counted.accepted, warned = counted.warned, rejected = counted.rejected,
    content_sha256 = content, loaded_at = smile.now(), totals = smile.charge_totals(r.employer_id, r.id),
    outcome = CASE
      WHEN counted.rejected = counted.lines THEN 'rejected'
      WHEN counted.rejected > 0 THEN 'partially_accepted'
      WHEN counted.warned > 0 OR EXISTS (SELECT FROM smile.finding AS f
        WHERE f.employer_id = r.employer_id AND f.return_id = r.id AND f.line = 0) THEN 'accepted_with_warnings'
      ELSE 'accepted' END
  WHERE x.id = r.id
  RETURNING x.version INTO now_version;
  PERFORM smile.audit(CASE WHEN merging THEN 'return.mended' ELSE 'return.loaded' END, 'contribution_return', r.id,
    json_build_object('lines', counted.lines));
  RETURN smile.answer(200, smile.return_body(r.id), smile.etag(now_version));
END
$$;

-- As before.
CREATE OR REPLACE FUNCTION smile.discard_return(wanted uuid, if_match text) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  r smile.contribution_return;
BEGIN
  SELECT * INTO r FROM smile.contribution_return AS x
  WHERE x.id = wanted AND x.employer_id = smile.employer_id() FOR UPDATE;
  IF NOT FOUND THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  PERFORM smile.check_match(if_match, r.version);
  IF r.status <> 'open' THEN
    PERFORM smile.fail(409, 'return_not_open');
  END IF;
  PERFORM smile.forget_amounts(r);
  DELETE FROM smile.finding AS f WHERE f.employer_id = r.employer_id AND f.return_id = r.id;
  DELETE FROM smile.return_line AS l WHERE l.employer_id = r.employer_id AND l.return_id = r.id;
  UPDATE smile.contribution_return AS x
  SET status = 'discarded', lines = 0, accepted = 0, warned = 0, rejected = 0, outcome = NULL, totals = NULL
  WHERE x.id = r.id;
  PERFORM smile.audit('return.discarded', 'contribution_return', r.id);
  RETURN smile.answer(204, NULL);
END
$$;
