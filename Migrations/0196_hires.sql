-- A hire holds the employer's row in share mode as every other change of a worker does: a return that is finalised at
-- the same moment judges its lines by all spells or waits. And it tells what looks odd about a NIK, which never is a
-- reason to refuse: a NIK stays the same when a birth date or a sex is corrected.

-- What a hire has to be looked at for, as a return tells it of a line. problems: 'field:code'. NULL without any.
CREATE FUNCTION smile.hire_findings(problems text[], place text, language text) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_agg(json_strip_nulls(json_build_object(
    'field', p.field, 'pointer', place || '/' || p.field, 'code', r.code, 'severity', r.severity,
    'message', CASE language WHEN 'en' THEN r.description_en ELSE r.description_id END,
    'fix', CASE language WHEN 'en' THEN r.fix_en ELSE r.fix_id END,
    'params', r.params, 'rule', '/v1/rules/' || r.code, 'source', r.source,
    'citation', smile.citation(r.source, r.instrument, r.article, language), 'verified', r.verified)) ORDER BY r.code)
  FROM (SELECT split_part(u, ':', 1) AS field, split_part(u, ':', 2) AS code FROM unnest(problems) AS u) AS p
  JOIN smile.rule AS r ON r.code = p.code);

-- As before, with the employer held and the findings.
DROP FUNCTION smile.hire_worker(uuid, text, bytea, bytea, text, text, date, text, bigint, date);
CREATE FUNCTION smile.hire_worker(
  employer uuid, wanted_kpj text, nik_index bytea, nik_sealed bytea, nik_last_four text, full_name text,
  birth_date date, sex text, wage bigint, start_date date, problems text[], language text)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  spell uuid;
  findings CONSTANT json := smile.hire_findings(problems, '', language);
BEGIN
  IF smile.employer_id() IS DISTINCT FROM employer THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  PERFORM FROM smile.employer AS x WHERE x.id = employer FOR SHARE;
  spell := smile.begin_employment(employer, wanted_kpj, hire_worker.nik_index, hire_worker.nik_sealed,
    hire_worker.nik_last_four, hire_worker.full_name, hire_worker.birth_date, hire_worker.sex, hire_worker.wage,
    hire_worker.start_date);
  RETURN smile.answer(201, CASE WHEN findings IS NULL THEN smile.worker_body(spell)
    ELSE (smile.worker_body(spell)::jsonb || jsonb_build_object('findings', findings))::json END, smile.etag(1),
    format('/v1/employers/%s/workers/%s', employer, spell));
END
$$;

DROP FUNCTION smile.change_workers(uuid, json);
-- As before, with the findings of hires.
CREATE FUNCTION smile.change_workers(employer uuid, changes json, language text) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  c record;
  spell uuid;
  refusal text;
  problem text;
  detail text;
  outcome json;
  outcomes json[] := '{}';
  refused integer := 0;
BEGIN
  IF smile.employer_id() IS DISTINCT FROM employer THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  PERFORM FROM smile.employer AS x WHERE x.id = employer FOR NO KEY UPDATE;
  FOR c IN
    SELECT x.line, x.line_key, x.action, x.employment_id, x.change, x.kpj, x.nik_index, x.nik_sealed,
      x.nik_last_four, x.full_name, x.birth_date, x.sex, x.wage, x.start_date, x.end_date, x.reason,
      smile.hire_findings(x.problems, format('/changes/%s', x.line - 1), language) AS findings
    FROM json_to_recordset(changes) AS x (
      line integer, line_key text, action text, employment_id uuid, change jsonb, kpj text, nik_index text,
      nik_sealed text, nik_last_four text, full_name text, birth_date date, sex text, wage bigint, start_date date,
      end_date date, reason text, problems text[])
    ORDER BY x.line
  LOOP
    BEGIN
      spell := c.employment_id;
      IF c.action = 'hire' THEN
        spell := smile.begin_employment(employer, c.kpj, decode(c.nik_index, 'hex'), decode(c.nik_sealed, 'hex'),
          c.nik_last_four, c.full_name, c.birth_date, c.sex, c.wage, c.start_date);
      ELSIF c.action = 'termination' THEN
        PERFORM smile.terminate(employer, spell, c.end_date, c.reason);
      ELSE
        PERFORM smile.apply_worker_change(smile.lock_employment(employer, spell), c.change);
      END IF;
      outcome := json_build_object('line', c.line, 'line_key', c.line_key, 'outcome', 'done',
        'worker', smile.worker_body(spell), 'findings', c.findings);
    EXCEPTION WHEN OTHERS THEN
      GET STACKED DIAGNOSTICS refusal = RETURNED_SQLSTATE, problem = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
      IF refusal !~ '^SM4' THEN
        RAISE;
      END IF;
      refused := refused + 1;
      outcome := json_build_object('line', c.line, 'line_key', c.line_key, 'outcome', 'refused',
        'employment_id', c.employment_id, 'code', problem, 'problem', '/problems/' || problem,
        'pointer', nullif(detail, '')::json #>> '{errors,0,pointer}', 'period', nullif(detail, '')::json ->> 'period',
        'findings', c.findings);
    END;
    outcomes := outcomes || outcome;
  END LOOP;
  RETURN smile.answer(200, json_strip_nulls(json_build_object('items', to_json(outcomes), 'counts', json_build_object(
    'lines', cardinality(outcomes), 'done', cardinality(outcomes) - refused, 'refused', refused))));
END
$$;
