-- What a return waits for without need: plans that are made anew at each call, and a job's long pauses.

-- PostgreSQL plans the body of a SQL function that it can't take into the calling statement anew at each call, and that
-- of a PL/pgSQL function once a connection. What every small return asks several times is therefore PL/pgSQL: more than
-- half of the time of loading and finalising ten lines was planning. The queries are as before.

CREATE OR REPLACE FUNCTION smile.parameter_or_null(programme text, name text, on_date date) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
  RETURN (
    SELECT p.value FROM smile.legal_parameter AS p
    WHERE p.programme = parameter_or_null.programme AND p.parameter = name
      AND p.valid_from <= on_date AND (p.valid_to IS NULL OR p.valid_to >= on_date));
END
$$;

CREATE OR REPLACE FUNCTION smile.risk_class(employer uuid, period date) RETURNS integer LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN (
    SELECT c.risk_class FROM smile.employer_risk_class AS c
    WHERE c.employer_id = employer AND c.valid_from <= period
    ORDER BY c.valid_from DESC LIMIT 1);
END
$$;

CREATE OR REPLACE FUNCTION smile.due_date(period date) RETURNS date LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN (
    SELECT CASE WHEN smile.is_working_day(s.day) THEN s.day
      ELSE CASE smile.parameter_text('ALL', 'pu.due_holiday_rule', period)
        WHEN 'previous_working_day' THEN (
          SELECT max(d::date) FROM generate_series(s.day - 30, s.day, interval '1 day') AS d
          WHERE smile.is_working_day(d::date))
        ELSE smile.add_working_days(s.day, 0) END
      END
    FROM (
      SELECT least(
        (period + interval '1 month')::date + smile.parameter('ALL', 'pu.due_day_of_next_month', period)::integer - 1,
        (period + interval '2 months')::date - 1) AS day) AS s);
END
$$;

CREATE OR REPLACE FUNCTION smile.charge_totals(employer uuid, wanted uuid) RETURNS json LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN (
    SELECT json_strip_nulls(json_build_object(
      'wages', CASE WHEN max(k.kind) = 'revised' THEN (
        SELECT coalesce(sum(l.wage), 0) FROM smile.return_line AS l
        WHERE l.employer_id = employer AND l.return_id = wanted AND l.status <> 'rejected')
        ELSE coalesce(sum(c.wage), 0) END,
      'verified', (
        SELECT bool_and(smile.rates_are_verified(m.period))
        FROM (
          SELECT r.period::date AS period FROM smile.contribution_return AS r
          WHERE r.id = wanted AND r.employer_id = employer
          UNION
          SELECT b.period::date FROM smile.return_back_pay AS b
          WHERE b.employer_id = employer AND b.return_id = wanted) AS m),
      'due', coalesce(sum(c.jht_employer + c.jht_worker + c.jkk + c.jkm + c.jp_employer + c.jp_worker), 0),
      'amounts', smile.amounts_body(
        coalesce(sum(c.jht_employer), 0)::bigint, coalesce(sum(c.jht_worker), 0)::bigint,
        coalesce(sum(c.jkk), 0)::bigint, coalesce(sum(c.jkm), 0)::bigint, coalesce(sum(c.jp_employer), 0)::bigint,
        coalesce(sum(c.jp_worker), 0)::bigint, coalesce(sum(c.jkp_from_jkk), 0)::bigint,
        coalesce(sum(c.jkp_from_jkm), 0)::bigint, coalesce(sum(c.jkp_state), 0)::bigint),
      'credit', CASE WHEN max(k.kind) = 'revised' THEN (
        SELECT coalesce(sum(d.jht_employer + d.jht_worker + d.jkk + d.jkm + d.jp_employer + d.jp_worker), 0)
        FROM smile.return_reductions(employer, wanted) AS d) END,
      'credit_amounts', CASE WHEN max(k.kind) = 'revised' THEN (
        SELECT smile.amounts_body(coalesce(sum(d.jht_employer), 0)::bigint,
          coalesce(sum(d.jht_worker), 0)::bigint, coalesce(sum(d.jkk), 0)::bigint, coalesce(sum(d.jkm), 0)::bigint,
          coalesce(sum(d.jp_employer), 0)::bigint, coalesce(sum(d.jp_worker), 0)::bigint,
          coalesce(sum(d.jkp_from_jkk), 0)::bigint, coalesce(sum(d.jkp_from_jkm), 0)::bigint,
          coalesce(sum(d.jkp_state), 0)::bigint)
        FROM smile.return_reductions(employer, wanted) AS d) END))
    FROM (SELECT r.kind FROM smile.contribution_return AS r WHERE r.id = wanted AND r.employer_id = employer) AS k
    LEFT JOIN smile.return_charges(employer, wanted) AS c ON true);
END
$$;

CREATE OR REPLACE FUNCTION smile.return_body(wanted uuid) RETURNS json LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN (
    SELECT json_strip_nulls(json_build_object(
      'id', r.id, 'employer_id', r.employer_id, 'period', smile.month_text(r.period), 'kind', r.kind,
      'client_reference', r.client_reference, 'reason', r.reason, 'status', r.status, 'pending_job_id', r.pending_job,
      'outcome', r.outcome,
      'declared_totals', CASE WHEN num_nonnulls(r.declared_lines, r.declared_wages) > 0 THEN
        json_build_object('lines', r.declared_lines, 'wages', r.declared_wages) END,
      'counts', json_build_object('lines', r.lines, 'accepted', r.accepted, 'warned', r.warned,
        'rejected', r.rejected),
      'totals', r.totals, 'content_sha256', encode(r.content_sha256, 'hex'), 'opened_at', r.opened_at,
      'loaded_at', r.loaded_at, 'finalised_at', r.finalised_at,
      'billing_id', (SELECT b.id FROM smile.billing AS b WHERE b.return_id = r.id)))
    FROM smile.contribution_return AS r WHERE r.id = wanted);
END
$$;

-- A job that the database or a lock kept from its work waited as long as a mail does whose receiver is away: five
-- minutes after the second try. Whoever sent a large return waits for it, so the first pauses are short.

-- How long a job waits after its n-th failed try; null: it has failed.
CREATE FUNCTION smile.job_pause(tries integer) RETURNS interval LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (ARRAY['1 second', '2 seconds', '5 seconds', '10 seconds', '30 seconds', '1 minute', '5 minutes', '30 minutes',
  '2 hours', '5 hours', '10 hours', '24 hours']::interval[])[tries];

CREATE OR REPLACE FUNCTION smile.fail_job(wanted uuid, code text, may_retry boolean) RETURNS void LANGUAGE sql VOLATILE
BEGIN ATOMIC
  UPDATE smile.job AS j
  SET problem_code = code,
    status = CASE WHEN may_retry AND smile.job_pause(j.attempts) IS NOT NULL THEN 'queued' ELSE 'failed' END,
    run_after = coalesce(smile.security_now() + smile.job_pause(j.attempts), j.run_after),
    finished_at = CASE WHEN may_retry AND smile.job_pause(j.attempts) IS NOT NULL THEN NULL
      ELSE smile.security_now() END
  WHERE j.id = wanted AND j.status = 'running';
END;
