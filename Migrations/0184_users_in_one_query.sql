-- A page of an employer's users looks for them once, and not again for each of them.

CREATE FUNCTION smile.employer_user_item(
  id uuid, full_name text, email text, role text, status text, created_at timestamptz, expires_at timestamptz)
RETURNS json LANGUAGE sql STABLE
RETURN json_strip_nulls(json_build_object('id', id, 'full_name', full_name, 'email', email, 'role', role,
  'status', status, 'created_at', created_at, 'invitation_expires_at', expires_at));

-- As before.
CREATE OR REPLACE FUNCTION smile.employer_user_body(employer uuid, wanted uuid) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT smile.employer_user_item(u.id, u.full_name, u.email, u.role, u.status, u.created_at, u.expires_at)
  FROM smile.employer_users_of(employer) AS u WHERE u.id = wanted);

-- As before.
SET LOCAL ROLE smile_auth;
CREATE OR REPLACE FUNCTION smile.list_employer_users(employer uuid, after uuid, page integer) RETURNS json
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp
BEGIN ATOMIC
  WITH found AS (
    SELECT u.id, u.full_name, u.email, u.role, u.status, u.created_at, u.expires_at,
      row_number() OVER (ORDER BY u.id) AS place
    FROM smile.employer_users_of(employer) AS u
    WHERE smile.sees_employer_users(employer) AND (after IS NULL OR u.id > after)
    ORDER BY u.id LIMIT page + 1)
  SELECT json_strip_nulls(json_build_object(
    'items', coalesce(json_agg(
      smile.employer_user_item(f.id, f.full_name, f.email, f.role, f.status, f.created_at, f.expires_at)
      ORDER BY f.place) FILTER (WHERE f.place <= page), '[]'),
    'next_after', CASE WHEN count(*) > page THEN (SELECT g.id FROM found AS g WHERE g.place = page) END))
  FROM found AS f
  HAVING smile.sees_employer_users(employer);
END;
SET LOCAL ROLE smile_owner;
