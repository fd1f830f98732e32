-- Which kind of member somebody is follows from what runs, an employment or the member's own months; it used to stay
-- what it was when the person became a member. And what the law leaves open of months that nobody paid, as parameters
-- that say how sure they are.

-- S35 says that whoever is inactive resumes by paying, and neither how much nor what becomes of the months between.
INSERT INTO smile.legal_parameter (programme, parameter, value, valid_from, valid_to, instrument, certainty, grade)
VALUES
  ('ALL', 'bpu.resumes_by', 'one_month_paid', '2015-07-01', NULL, 'agency FAQ',
    'announcement of the agency, not law; S35: by paying, and not how much', 'policy'),
  -- The other value is `lapse`.
  ('ALL', 'bpu.months_of_inactivity', 'stay_due', '2015-07-01', NULL, 'PP 50/2025',
    'inferred (S28: older arrears stay due; not said of inactivity)', 'derived');

-- As before, with what the state rests on.
CREATE OR REPLACE FUNCTION smile.self_employment_body(s smile.self_employment) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_strip_nulls(json_build_object(
    'id', (s).id, 'member_id', (s).member_id, 'status', x.status, 'first_period', smile.month_text((s).first_period),
    'last_period', smile.month_text((s).last_period), 'enrolled_at', (s).enrolled_at,
    'terms', (
      SELECT json_agg(json_build_object(
        'from', smile.month_text(t.valid_from), 'income_base', t.income_base, 'with_jht', t.with_jht,
        'sector', t.sector, 'funding', t.funding) ORDER BY t.valid_from)
      FROM smile.self_employment_terms AS t
      -- Those of now and those to come.
      WHERE t.self_employment_id = (s).id AND t.valid_from >= (
        SELECT max(u.valid_from) FROM smile.self_employment_terms AS u
        WHERE u.self_employment_id = (s).id
          AND u.valid_from <= greatest((s).first_period::date, smile.this_month()))),
    'paid_until', smile.month_text(x.paid_until), 'unpaid_months', x.unpaid_months,
    'arrears_months', x.arrears_months, 'inactive_since', x.inactive_since,
    'credit', smile.member_credit((s).member_id),
    'parameters_used', (
      SELECT json_agg(smile.parameter_trace(p) ORDER BY p.parameter) FROM smile.legal_parameter AS p
      WHERE p.programme = 'ALL' AND p.parameter IN ('bpu.inactive_after_unpaid_months', 'bpu.months_of_inactivity',
        'bpu.resumes_by') AND p.valid_from <= smile.today() AND coalesce(p.valid_to >= smile.today(), true))))
  FROM smile.self_employment_state(s) AS x);

-- The segment is what runs today, an employment first; without any, what ran last, or what the person registered as.
-- Written out in the view: a function with queries in it would be planned anew for each read, 1.2 ms every time.
CREATE OR REPLACE VIEW api.member WITH (security_invoker) AS
SELECT m.id, m.full_name, m.birth_date, m.sex, i.last_four AS nik_last_four,
  (SELECT json_agg(n.kpj ORDER BY n.issued_on, n.kpj) FROM smile.member_number AS n WHERE n.member_id = m.id) AS kpjs,
  m.email, m.phone, m.address, coalesce(
    (SELECT 'wage_earner' FROM smile.employment AS e
      WHERE e.member_id = m.id AND daterange(e.start_date, e.end_date, '[]') @> smile.today() LIMIT 1),
    (SELECT 'self_employed' FROM smile.self_employment AS s
      WHERE s.member_id = m.id AND smile.this_month() BETWEEN s.first_period AND coalesce(s.last_period, 'infinity')),
    (SELECT x.segment
      FROM (
        SELECT 'wage_earner' AS segment, e.end_date AS last_day FROM smile.employment AS e
        WHERE e.member_id = m.id AND e.end_date < smile.today()
        UNION ALL
        SELECT 'self_employed', smile.later_month(s.last_period, 1) - 1 FROM smile.self_employment AS s
        WHERE s.member_id = m.id AND s.last_period < smile.this_month()) AS x
      ORDER BY x.last_day DESC, x.segment DESC LIMIT 1),
    m.segment) AS segment, m.version
FROM smile.member AS m
LEFT JOIN smile.national_id AS i ON i.member_id = m.id;

-- Of what is said: a day can change the segment without any change of the row.
CREATE FUNCTION smile.member_etag(wanted uuid) RETURNS text LANGUAGE sql STABLE
RETURN smile.etag(smile.body_version(smile.member_body(wanted)));

-- As before, by that tag.
CREATE OR REPLACE FUNCTION smile.update_own_member(address_given boolean, address text, if_match text)
RETURNS smile.answer_row LANGUAGE plpgsql AS $$
DECLARE
  caller CONSTANT uuid := smile.member_id();
BEGIN
  PERFORM FROM smile.member AS m WHERE m.id = caller FOR UPDATE;
  IF NOT FOUND THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  PERFORM smile.check_match(if_match, smile.body_version(smile.member_body(caller)));
  IF address_given THEN
    UPDATE smile.member AS m SET address = update_own_member.address WHERE m.id = caller;
    PERFORM smile.audit('member.updated', 'member', caller, '{"fields":["address"]}');
  END IF;
  RETURN smile.answer(200, smile.member_body(caller), smile.member_etag(caller));
END
$$;

-- As before, with that tag.
CREATE OR REPLACE FUNCTION smile.open_member(wanted uuid) RETURNS smile.answer_row LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM smile.member AS m WHERE m.id = wanted) THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  PERFORM smile.require_purpose();
  PERFORM smile.audit('member.read', 'member', wanted);
  RETURN smile.answer(200, smile.member_body(wanted), smile.member_etag(wanted));
END
$$;

-- As before, with that tag.
CREATE OR REPLACE FUNCTION smile.create_member(
  nik_index bytea, nik_sealed bytea, nik_last_four text, full_name text, birth_date date, sex text)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  made uuid;
BEGIN
  IF NOT smile.is_officer('verify_members') THEN
    PERFORM smile.fail(403, 'insufficient_scope');
  ELSIF create_member.birth_date > smile.today() THEN
    PERFORM smile.refuse(422, 'birth_date_lies_ahead', '/birth_date');
  END IF;
  BEGIN
    INSERT INTO smile.member (full_name, birth_date, sex, segment)
    VALUES (create_member.full_name, create_member.birth_date, create_member.sex, 'self_employed')
    RETURNING id INTO made;
    INSERT INTO smile.national_id (nik_index, member_id, nik_sealed, last_four)
    VALUES (create_member.nik_index, made, create_member.nik_sealed, create_member.nik_last_four);
  EXCEPTION WHEN unique_violation THEN
    PERFORM smile.fail(409, 'already_member');
  END;
  INSERT INTO smile.member_number (kpj, member_id) VALUES (smile.next_kpj(), made);
  PERFORM smile.audit('member.created', 'member', made);
  RETURN smile.answer(201, smile.member_body(made), smile.member_etag(made), '/v1/members/' || made);
END
$$;
