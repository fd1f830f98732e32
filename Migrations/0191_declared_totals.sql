-- What a payroll system computed itself is compared programme by programme, and the difference told; whoever opens a
-- return that there is already is told where it is, with its receipt, also when both came at once; of two uploads of
-- the same content at once the later one sees the first; and a file is found by its digest after lines were mended.

ALTER TABLE smile.contribution_return
  ADD COLUMN declared_jht bigint CHECK (declared_jht >= 0),
  ADD COLUMN declared_jkk bigint CHECK (declared_jkk >= 0),
  ADD COLUMN declared_jkm bigint CHECK (declared_jkm >= 0),
  ADD COLUMN declared_jp bigint CHECK (declared_jp >= 0),
  -- What was found less what was declared, of what was declared.
  ADD COLUMN declared_difference json,
  -- Of the last whole file; content_sha256 goes on with each change of single lines.
  ADD COLUMN file_sha256 bytea CHECK (octet_length(file_sha256) = 32);
CREATE INDEX contribution_return_file ON smile.contribution_return (employer_id, file_sha256);

INSERT INTO smile.rule
  (code, severity, applies_to, title_id, title_en, description_id, description_en, fix_id, fix_en, source, grade,
  parameters)
VALUES
  ('declared_due_differs', 'warning', 'return', 'Jumlah iuran berbeda', 'Contributions of a programme differ',
   'Jumlah iuran program ini tidak sama dengan declared_totals.',
   'The sum of this programme''s contributions isn''t that of declared_totals.',
   'Bandingkan iuran setiap baris dan parameternya dengan perhitungan Anda.',
   'Compare each line''s amounts, and the parameters behind them, with your own.',
   'agency_policy', 'policy', '{declared,found}');
INSERT INTO smile.rule_example (code, number, example) VALUES
  ('declared_due_differs', 1, '{"method": "PUT", "kind": "regular", "period": "2026-10", "media_type": "text/csv", "declared_totals": {"lines": 1, "wages": 7500000, "jht": 427501}, "body": "nik,full_name,birth_date,wage\n3174011501850901,Adi Nugroho,1985-01-15,7500000\n", "finding": {"code": "declared_due_differs", "field": "jht"}}');

-- The members of declared_totals, each beside what came.
CREATE FUNCTION smile.declared_totals(r smile.contribution_return, lines bigint, wages bigint, totals json)
RETURNS TABLE (name text, code text, declared bigint, found bigint) LANGUAGE sql IMMUTABLE ROWS 6
BEGIN ATOMIC
  SELECT d.name, d.code, d.declared, d.found
  FROM (VALUES
    ('lines', 'declared_lines_differ', (r).declared_lines, lines),
    ('wages', 'declared_wages_differ', (r).declared_wages, wages),
    ('jht', 'declared_due_differs', (r).declared_jht,
      (totals #>> '{amounts,jht,employer}')::bigint + (totals #>> '{amounts,jht,worker}')::bigint),
    ('jkk', 'declared_due_differs', (r).declared_jkk, (totals #>> '{amounts,jkk,employer}')::bigint),
    ('jkm', 'declared_due_differs', (r).declared_jkm, (totals #>> '{amounts,jkm,employer}')::bigint),
    ('jp', 'declared_due_differs', (r).declared_jp,
      (totals #>> '{amounts,jp,employer}')::bigint + (totals #>> '{amounts,jp,worker}')::bigint))
    AS d (name, code, declared, found)
  WHERE d.declared IS NOT NULL;
END;

-- As before, with the declared programmes and the differences.
CREATE OR REPLACE FUNCTION smile.return_body(wanted uuid) RETURNS json LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN (
    SELECT json_strip_nulls(json_build_object(
      'id', r.id, 'employer_id', r.employer_id, 'period', smile.month_text(r.period), 'kind', r.kind,
      'client_reference', r.client_reference, 'reason', r.reason, 'status', r.status, 'pending_job_id', r.pending_job,
      'outcome', r.outcome,
      'declared_totals', CASE WHEN num_nonnulls(r.declared_lines, r.declared_wages, r.declared_jht, r.declared_jkk,
          r.declared_jkm, r.declared_jp) > 0 THEN
        json_build_object('lines', r.declared_lines, 'wages', r.declared_wages, 'jht', r.declared_jht,
          'jkk', r.declared_jkk, 'jkm', r.declared_jkm, 'jp', r.declared_jp) END,
      'declared_difference', CASE WHEN r.outcome IS NOT NULL THEN r.declared_difference END,
      'counts', json_build_object('lines', r.lines, 'accepted', r.accepted, 'warned', r.warned,
        'rejected', r.rejected),
      'totals', r.totals, 'content_sha256', encode(r.content_sha256, 'hex'), 'opened_at', r.opened_at,
      'loaded_at', r.loaded_at, 'finalised_at', r.finalised_at,
      'billing_id', (
        SELECT b.id FROM smile.billing AS b WHERE b.return_id = r.id AND NOT b.by_unit AND b.deferred_of IS NULL),
      'billings', smile.return_billings(r.id)))
    FROM smile.contribution_return AS r WHERE r.id = wanted);
END
$$;

-- As before; lines that were mended are found by the file that they came with too.
CREATE OR REPLACE FUNCTION smile.list_returns(
  employer uuid, wanted_period date, reference text, content bytea, after uuid, page integer)
RETURNS json LANGUAGE sql STABLE
BEGIN ATOMIC
  WITH found AS (
    SELECT r.id, row_number() OVER (ORDER BY r.id DESC) AS place
    FROM smile.contribution_return AS r
    WHERE r.employer_id = employer AND (after IS NULL OR r.id < after)
      AND (wanted_period IS NULL OR r.period = wanted_period)
      AND (reference IS NULL OR r.client_reference = reference)
      AND (content IS NULL OR r.content_sha256 = content OR r.file_sha256 = content)
    ORDER BY r.id DESC LIMIT page + 1)
  SELECT json_strip_nulls(json_build_object(
    'items', coalesce(json_agg(smile.return_body(f.id) ORDER BY f.place) FILTER (WHERE f.place <= page), '[]'),
    'next_after', CASE WHEN count(*) > page THEN (SELECT g.id FROM found AS g WHERE g.place = page) END))
  FROM found AS f
  HAVING EXISTS (SELECT FROM smile.employer AS e WHERE e.id = employer);
END;

-- What a sender needs to know of the return that is there already.
CREATE FUNCTION smile.original_of(r smile.contribution_return) RETURNS json LANGUAGE sql IMMUTABLE
RETURN json_strip_nulls(json_build_object(
  'return_id', (r).id, 'return_status', (r).status, 'received_at', coalesce((r).loaded_at, (r).opened_at),
  'receipt_id', (r).receipt ->> 'receipt_id',
  'receipt', CASE WHEN (r).receipt IS NOT NULL THEN '/v1/returns/' || (r).id || '/receipt' END));

DROP FUNCTION smile.open_return(uuid, date, text, text, bigint, bigint, text);
CREATE FUNCTION smile.open_return(
  employer uuid, wanted_period date, wanted_kind text, reference text, declared json, reason text)
RETURNS smile.answer_row LANGUAGE plpgsql AS $$
DECLARE
  original smile.contribution_return;
  made uuid;
BEGIN
  IF NOT EXISTS (SELECT FROM smile.employer AS e WHERE e.id = employer AND e.id = smile.employer_id()) THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  IF wanted_period > smile.today() THEN
    PERFORM smile.refuse(422, 'period_in_future', '/period');
  END IF;
  IF smile.parameter_or_null('JHT', 'pu.rate.employer_pct', wanted_period) IS NULL THEN
    PERFORM smile.refuse(422, 'period_too_early', '/period');
  END IF;
  IF wanted_kind = 'no_activity' AND wanted_period + interval '1 month' > smile.today() THEN
    PERFORM smile.refuse(422, 'period_not_over', '/period');
  ELSIF wanted_kind = 'revised' AND reason IS NULL THEN
    PERFORM smile.refuse(422, 'reason_required', '/reason');
  ELSIF wanted_kind <> 'revised' AND reason IS NOT NULL THEN
    PERFORM smile.refuse(422, 'reason_not_taken', '/reason');
  ELSIF wanted_kind = 'revised' AND NOT EXISTS (
    SELECT FROM smile.contribution_return AS r
    WHERE r.employer_id = employer AND r.period = wanted_period AND r.status = 'finalised' AND r.kind <> 'no_activity')
  THEN
    PERFORM smile.fail(409, 'nothing_to_revise');
  END IF;
  LOOP
    -- Waits for whoever opens the same at this moment.
    INSERT INTO smile.contribution_return
      (employer_id, period, kind, client_reference, declared_lines, declared_wages, declared_jht, declared_jkk,
      declared_jkm, declared_jp, reason)
    SELECT employer, wanted_period, wanted_kind, reference, d.lines, d.wages, d.jht, d.jkk, d.jkm, d.jp,
      open_return.reason
    FROM json_to_record(coalesce(declared, '{}')) AS d (
      lines bigint, wages bigint, jht bigint, jkk bigint, jkm bigint, jp bigint)
    ON CONFLICT DO NOTHING RETURNING id INTO made;
    EXIT WHEN made IS NOT NULL;
    SELECT r.* INTO original FROM smile.contribution_return AS r
    WHERE r.employer_id = employer AND r.client_reference = reference AND r.status <> 'discarded';
    IF FOUND THEN
      PERFORM smile.fail(409, 'client_reference_used', smile.original_of(original));
    END IF;
    SELECT r.* INTO original FROM smile.contribution_return AS r
    WHERE r.employer_id = employer AND r.period = wanted_period AND r.kind IN ('regular', 'no_activity')
      AND r.status <> 'discarded' AND wanted_kind IN ('regular', 'no_activity');
    IF FOUND THEN
      PERFORM smile.fail(409, 'return_exists', smile.original_of(original));
    END IF;
  END LOOP;
  PERFORM smile.audit('return.opened', 'contribution_return', made);
  RETURN smile.answer(201, smile.return_body(made), smile.etag(1), '/v1/returns/' || made);
END
$$;

-- As before, with what was declared by programme.
CREATE OR REPLACE FUNCTION smile.load_lines(wanted uuid, upload uuid, digest bytea, merging boolean)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  r smile.contribution_return;
  counted record;
  content bytea := digest;
  sums json;
  now_version bigint;
BEGIN
  SELECT x.* INTO r FROM smile.contribution_return AS x
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
  sums := smile.charge_totals(r.employer_id, r.id);
  INSERT INTO smile.finding (employer_id, return_id, line, field, code, params)
  SELECT r.employer_id, r.id, 0, CASE d.code WHEN 'declared_due_differs' THEN d.name ELSE '' END, d.code,
    json_build_object('declared', d.declared, 'found', d.found)
  FROM smile.declared_totals(r, counted.lines, counted.wages::bigint, sums) AS d WHERE d.declared <> d.found;
  -- Two uploads of the same content for two returns take turns from here on: the later one finds the first.
  PERFORM pg_advisory_xact_lock(hashtextextended(r.employer_id::text || encode(content, 'hex'), 191));
  INSERT INTO smile.finding (employer_id, return_id, line, code, params)
  SELECT r.employer_id, r.id, 0, 'content_repeated', json_build_object('return_id', x.id)
  FROM smile.contribution_return AS x
  WHERE x.employer_id = r.employer_id AND (x.content_sha256 = content OR x.file_sha256 = content)
    AND x.period = r.period AND x.id <> r.id AND x.status <> 'discarded'
  ORDER BY x.id LIMIT 1;

  UPDATE smile.contribution_return AS x
  SET lines = counted.lines, accepted = counted.accepted, warned = counted.warned, rejected = counted.rejected,
    content_sha256 = content, file_sha256 = CASE WHEN merging THEN x.file_sha256 ELSE digest END,
    loaded_at = smile.now(), totals = sums,
    declared_difference = (
      SELECT json_object_agg(d.name, d.found - d.declared)
      FROM smile.declared_totals(r, counted.lines, counted.wages::bigint, sums) AS d),
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
