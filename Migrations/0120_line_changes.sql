-- Lines of an open return mended one by one: a line replaces those of its key, a key that is new brings a line, and a
-- line that says so takes its key's away. What compares lines with each other is judged again for the whole return, so
-- that the report is that of the same lines sent at once.

-- Only the key of such a row is told.
ALTER TABLE smile.return_staging ADD COLUMN removes boolean NOT NULL DEFAULT false;

INSERT INTO smile.rule
  (code, severity, applies_to, title_id, title_en, description_id, description_en, fix_id, fix_en, citation)
VALUES
  ('remove_invalid', 'error', 'line', 'Isian remove tidak sah', 'Remove invalid',
   'Kolom remove ditulis true atau false, atau dikosongkan.', 'Remove is written true or false, or left empty.',
   'Tulis true untuk menghapus baris dengan kunci ini.', 'Write true to take the line of this key away.', NULL);

CREATE OR REPLACE FUNCTION smile.stage_lines(upload uuid, lines json) RETURNS void LANGUAGE sql
BEGIN ATOMIC
  INSERT INTO smile.return_staging
    (upload_id, line, line_key, kpj, nik_index, nik_sealed, nik_last_four, full_name, birth_date, sex, wage, back_pay,
    back_pay_period, problems, removes)
  SELECT upload, l.line, l.line_key, l.kpj, decode(l.nik_index, 'hex'), decode(l.nik_sealed, 'hex'), l.nik_last_four,
    l.full_name, l.birth_date, l.sex, l.wage, l.back_pay, l.back_pay_period, l.problems, coalesce(l.removes, false)
  FROM json_to_recordset(lines) AS l (
    line integer, line_key text, kpj text, nik_index text, nik_sealed text, nik_last_four text, full_name text,
    birth_date date, sex text, wage bigint, back_pay bigint, back_pay_period date, problems text[], removes boolean);
END;

-- Gives each staged row its place among the return's lines, and takes away what it replaces or removes. A key names
-- one line; a row without one, or a key sent twice, refuses the whole change.
CREATE FUNCTION smile.make_room(r smile.contribution_return, upload uuid) RETURNS void
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
  DELETE FROM smile.return_back_pay AS b WHERE b.employer_id = r.employer_id AND b.return_id = r.id;
  UPDATE smile.return_line AS l SET status = 'accepted'
  WHERE l.employer_id = r.employer_id AND l.return_id = r.id AND l.status <> 'accepted';
END
$$;

-- As before; lines that stand already keep what was found of them.
CREATE OR REPLACE FUNCTION smile.apply_rules(r smile.contribution_return, upload uuid) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  -- What the server saw while it read the fields.
  INSERT INTO smile.finding (employer_id, return_id, line, field, code)
  SELECT r.employer_id, r.id, s.line, split_part(p.problem, ':', 1), split_part(p.problem, ':', 2)
  FROM smile.return_staging AS s CROSS JOIN LATERAL unnest(s.problems) AS p (problem)
  WHERE s.upload_id = upload
  ON CONFLICT DO NOTHING;

  INSERT INTO smile.finding (employer_id, return_id, line, field, code)
  SELECT r.employer_id, r.id, l.line, k.field, k.code
  FROM smile.return_line AS l
  JOIN (VALUES
    ('unidentified', 'nik', 'worker_unidentified'),
    ('kpj_unknown', 'kpj', 'kpj_unknown'),
    ('mismatch', NULL, 'identity_mismatch'),
    ('ended', 'kpj', 'worker_ended')) AS m (match, field, code) ON m.match = l.match
  CROSS JOIN LATERAL (
    SELECT coalesce(m.field, CASE WHEN l.kpj IS NULL THEN 'nik' ELSE 'kpj' END) AS field, m.code) AS k
  WHERE l.employer_id = r.employer_id AND l.return_id = r.id AND l.match <> 'worker'
  ON CONFLICT DO NOTHING;

  INSERT INTO smile.finding (employer_id, return_id, line, field, code)
  SELECT r.employer_id, r.id, l.line, 'full_name', 'name_differs'
  FROM smile.return_line AS l JOIN smile.member AS m ON m.id = l.member_id
  WHERE l.employer_id = r.employer_id AND l.return_id = r.id AND l.match IN ('worker', 'new_employment')
    AND m.full_name <> l.full_name AND m.name_key <> smile.name_key(l.full_name)
  ON CONFLICT DO NOTHING;

  INSERT INTO smile.finding (employer_id, return_id, line, field, code)
  SELECT r.employer_id, r.id, l.line, 'wage', 'wage_zero' FROM smile.return_line AS l
  WHERE l.employer_id = r.employer_id AND l.return_id = r.id AND l.wage = 0
  ON CONFLICT DO NOTHING;

  INSERT INTO smile.finding (employer_id, return_id, line, field, code)
  SELECT r.employer_id, r.id, l.line, 'birth_date', 'birth_date_invalid' FROM smile.return_line AS l
  WHERE l.employer_id = r.employer_id AND l.return_id = r.id AND l.birth_date >= r.period + interval '1 month'
  ON CONFLICT DO NOTHING;

  INSERT INTO smile.finding (employer_id, return_id, line, field, code)
  SELECT r.employer_id, r.id, l.line, 'back_pay_period', 'back_pay_period_invalid' FROM smile.return_line AS l
  WHERE l.employer_id = r.employer_id AND l.return_id = r.id AND (l.back_pay_period >= r.period
    OR smile.parameter_or_null('JHT', 'pu.rate.employer_pct', l.back_pay_period) IS NULL)
    AND l.back_pay_period IS NOT NULL
  ON CONFLICT DO NOTHING;
END
$$;

DROP FUNCTION smile.take_lines(uuid, uuid, bytea, bigint, boolean);
DROP FUNCTION smile.load_lines(uuid, uuid, bytea);

-- The last step of an upload: the staged rows replace the return's lines, or when merging those of their keys; every
-- rule is applied, the totals are taken. Runs as the owner, who alone may read the staging table; it acts on the
-- caller's own return only. Lines that were mended have the SHA-256 of the digest before and the change's own.
CREATE FUNCTION smile.load_lines(wanted uuid, upload uuid, digest bytea, merging boolean)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  r smile.contribution_return;
  counted record;
  now_version bigint;
BEGIN
  SELECT * INTO r FROM smile.contribution_return AS x
  WHERE x.id = wanted AND x.employer_id = smile.employer_id() AND x.status = 'open' FOR UPDATE;
  IF NOT FOUND THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  IF merging THEN
    PERFORM smile.make_room(r, upload);
  ELSIF r.loaded_at IS NOT NULL THEN
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

  UPDATE smile.contribution_return AS x
  SET lines = counted.lines, accepted = counted.accepted, warned = counted.warned, rejected = counted.rejected,
    content_sha256 = CASE WHEN merging AND r.content_sha256 IS NOT NULL THEN sha256(r.content_sha256 || digest)
      ELSE digest END,
    loaded_at = smile.now(), totals = smile.charge_totals(r.employer_id, r.id),
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
REVOKE EXECUTE ON FUNCTION smile.make_room(smile.contribution_return, uuid) FROM smile_api, smile_jobs;

-- Few lines are checked here and now, many by a job; all of them when it must be at once. Lines that are mended are
-- judged together with the others: the return's own number counts as well.
CREATE FUNCTION smile.take_lines(
  wanted uuid, upload uuid, digest bytea, lines bigint, merging boolean, at_once boolean)
RETURNS smile.answer_row LANGUAGE plpgsql AS $$
BEGIN
  IF at_once OR NOT smile.is_long_work(greatest(lines, CASE WHEN merging THEN (
    SELECT r.lines FROM smile.contribution_return AS r WHERE r.id = wanted) END))
  THEN
    RETURN smile.load_lines(wanted, upload, digest, merging);
  END IF;
  RETURN smile.queue_return_job(wanted, 'load_lines', lines,
    jsonb_build_object('upload', upload, 'digest', encode(digest, 'hex'), 'merging', merging));
END
$$;

