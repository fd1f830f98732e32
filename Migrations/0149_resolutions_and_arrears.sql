-- Four eyes over money that moves: what one officer wants to assign or send back, another one approves. What moves
-- nothing (leaving a surplus to its employer, dismissing what a bank told) needs one officer and a reason.

ALTER TABLE smile.payment_exception
  DROP CONSTRAINT payment_exception_resolution_check,
  ADD CONSTRAINT payment_exception_resolution_check
    CHECK (resolution IN ('assigned', 'returned', 'kept', 'reversed', 'dismissed')),
  ADD COLUMN dismissal_reason text CHECK (length(dismissal_reason) BETWEEN 1 AND 500),
  ADD COLUMN requested_action text CHECK (requested_action IN ('assign', 'return')),
  ADD COLUMN requested_code text,
  ADD COLUMN requested_by uuid,
  ADD COLUMN requested_at timestamptz,
  ADD CONSTRAINT request_is_whole CHECK (num_nulls(requested_action, requested_by, requested_at) IN (0, 3)),
  ADD CONSTRAINT money_moved_by_two CHECK (resolution IS NULL OR resolution NOT IN ('assigned', 'returned')
    OR resolved_by <> requested_by) NOT VALID,
  ADD CONSTRAINT dismissal_has_reason CHECK ((resolution = 'dismissed') = (dismissal_reason IS NOT NULL));

-- What arrears do to benefits (PP 6/2025 Art. 39; PP 44/2015 for JKK and JKM, whose article wasn't read, hence from
-- memory). JHT and JP have no limit: JHT pays what is in the account, as the minister said of Permenaker 4/2022, and
-- months that aren't paid are missing in JP, which follows from its rule of density and stands nowhere as such.
INSERT INTO smile.legal_parameter (programme, parameter, value, valid_from, valid_to, instrument, certainty, grade)
VALUES
  ('JKK', 'arrears.agency_pays_upto_months', '3', '2015-07-01', NULL, 'PP 44/2015',
   'memory-unconfirmed (same pattern as JKP; article not found)', 'memory'),
  ('JKM', 'arrears.agency_pays_upto_months', '3', '2015-07-01', NULL, 'PP 44/2015',
   'memory-unconfirmed (same pattern as JKP; article not found)', 'memory'),
  ('JHT', 'arrears.effect', 'account_pays', '2022-04-28', NULL, 'Permenaker 4/2022',
   'found:S37 (from-date = announcement)', 'found'),
  ('JP', 'arrears.effect', 'months_missing', '2015-07-01', NULL, 'Permenaker 29/2015 Art 26',
   'derived (from the rule of density, S8)', 'derived');

-- NULL without arrears.
CREATE FUNCTION smile.arrears_effects(months bigint) RETURNS json LANGUAGE sql STABLE
RETURN CASE WHEN months > 0 THEN (
  SELECT json_agg(json_strip_nulls(json_build_object(
      'programme', lower(p.programme),
      'effect', CASE WHEN l.months IS NULL THEN p.value WHEN arrears_effects.months <= l.months THEN 'agency_pays'
        ELSE 'employer_pays_first' END,
      'limit_months', l.months, 'instrument', p.instrument, 'grade', p.grade,
      'verified', p.verified AND p.grade IN ('law', 'found'))) ORDER BY p.programme)
  FROM smile.legal_parameter AS p
  CROSS JOIN LATERAL (
    SELECT CASE p.parameter WHEN 'arrears.agency_pays_upto_months' THEN p.value::bigint END AS months) AS l
  WHERE p.parameter IN ('arrears.agency_pays_upto_months', 'arrears.effect') AND smile.today() >= p.valid_from
    AND (p.valid_to IS NULL OR smile.today() <= p.valid_to)) END;

-- As before, with what the arrears do to benefits.
CREATE OR REPLACE FUNCTION smile.list_obligations(
  employer uuid, from_period date, to_period date, wanted_state text, after date, page integer)
RETURNS json LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp
BEGIN ATOMIC
  WITH month AS MATERIALIZED (
    SELECT o.period, o.due_date, o.state, o.billed, o.paid
    FROM smile.obligation_months(employer) AS o WHERE smile.may_see_returns(employer)),
  found AS (
    SELECT m.*, row_number() OVER (ORDER BY m.period DESC) AS place
    FROM month AS m
    WHERE (from_period IS NULL OR m.period >= from_period) AND (to_period IS NULL OR m.period <= to_period)
      AND (wanted_state IS NULL OR m.state = wanted_state) AND (after IS NULL OR m.period < after)
    ORDER BY m.period DESC LIMIT page + 1)
  SELECT json_strip_nulls(json_build_object(
    'items', coalesce(json_agg(json_build_object(
        'period', smile.month_text(f.period), 'due_date', f.due_date, 'due_at', smile.end_of_day(f.due_date),
        'state', f.state, 'billed', f.billed, 'paid', f.paid, 'outstanding', f.billed - f.paid,
        'returns', (
          SELECT coalesce(json_agg(json_build_object('id', r.id, 'kind', r.kind, 'status', r.status,
            'finalised_at', r.finalised_at) ORDER BY r.id), '[]')
          FROM smile.contribution_return AS r
          WHERE r.employer_id = employer AND r.period = f.period AND r.status <> 'discarded'),
        'billings', (
          SELECT coalesce(json_agg(b.id ORDER BY b.id), '[]') FROM smile.billing AS b
          WHERE b.employer_id = employer AND b.period = f.period))
      ORDER BY f.place) FILTER (WHERE f.place <= page), '[]'),
    'arrears', (
      SELECT json_build_object('months', count(*), 'outstanding', coalesce(sum(a.billed - a.paid), 0),
        'oldest', smile.month_text(min(a.period)))
      FROM month AS a WHERE a.state IN ('overdue', 'missing')),
    'arrears_effects', smile.arrears_effects((
      SELECT count(*) FROM month AS a WHERE a.state IN ('overdue', 'missing'))),
    'next_after', CASE WHEN count(*) > page THEN (
      SELECT smile.month_text(g.period) FROM found AS g WHERE g.place = page) END))
  FROM found AS f
  HAVING smile.may_see_returns(employer);
END;
