-- What a new password does to what log-in remembers, and how old the password is, for its owner to see.

-- Whichever way it came: the run of failures that may have closed the account to unknown devices is over. A reset, or a
-- report that somebody else uses the account, makes strangers of the devices that were known, for one may be theirs.
CREATE FUNCTION smile.forget_log_in_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM smile.forget_failures(NEW.id);
  IF smile.session_id() IS NULL OR EXISTS (
    SELECT FROM smile.compromise_report AS r WHERE r.account_id = NEW.id AND r.closed_at IS NULL)
  THEN
    DELETE FROM smile.known_device AS d WHERE d.account_id = NEW.id;
  END IF;
  RETURN NULL;
END
$$;
CREATE TRIGGER account_password_is_new AFTER UPDATE OF password_changed_at ON smile.account
  FOR EACH ROW EXECUTE FUNCTION smile.forget_log_in_history();

-- A tag for what comes from more rows than a version counts: the number that the text hashes to.
CREATE FUNCTION smile.body_etag(body text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN '"v' || ('x' || encode(substr(sha256(convert_to(body, 'UTF8')), 1, 7), 'hex'))::bit(56)::bigint || '"';

SET LOCAL ROLE smile_auth;
-- The account with its grants and second factors. Age alone is no reason to force a change of password (NIST SP
-- 800-63B-4 section 3.1.1.2); after two years it is one to think of it.
CREATE OR REPLACE FUNCTION smile.own_account(OUT body text, OUT etag text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp
BEGIN ATOMIC
  SELECT b.body, smile.body_etag(b.body)
  FROM smile.account AS a
  CROSS JOIN LATERAL (
    SELECT json_strip_nulls(json_build_object(
      'id', a.id, 'email', a.email, 'username', a.username, 'full_name', a.full_name, 'language', a.language,
      'created_at', a.created_at, 'password_changed_at', a.password_changed_at,
      'password_advice', CASE WHEN a.password_changed_at <= smile.security_now() - interval '2 years'
        THEN 'consider_change' END,
      'second_factors', smile.factors_body(a.id),
      'grants', (
        SELECT coalesce(json_agg(smile.grant_body(g.id) ORDER BY g.id), '[]')
        FROM smile.account_grant AS g WHERE g.account_id = a.id AND g.active)))::text AS body) AS b
  WHERE a.id = smile.account_id();
END;
SET LOCAL ROLE smile_owner;
