-- When a password was last chosen. Its hash may be made anew at a log-in, when cost or pepper have changed, without the
-- password being another one; so what ends sessions is this column and no longer the hash.

ALTER TABLE smile.account ADD COLUMN password_changed_at timestamptz;
UPDATE smile.account SET password_changed_at = coalesce(confirmed_at, created_at);
ALTER TABLE smile.account
  ALTER COLUMN password_changed_at SET NOT NULL,
  ALTER COLUMN password_changed_at SET DEFAULT smile.security_now();

-- Who changes the own password keeps the session in which it is done, and that alone.
CREATE OR REPLACE FUNCTION smile.end_account_sessions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE smile.session AS s SET ended_at = smile.security_now(), end_reason = 'account'
  WHERE s.account_id = NEW.id AND s.ended_at IS NULL
    AND (NEW.status <> 'active' OR s.id IS DISTINCT FROM smile.session_id());
  RETURN NULL;
END
$$;
DROP TRIGGER account_stops ON smile.account;
CREATE TRIGGER account_stops AFTER UPDATE OF status, password_changed_at ON smile.account
  FOR EACH ROW WHEN (NEW.status <> 'active' OR NEW.password_changed_at <> OLD.password_changed_at)
  EXECUTE FUNCTION smile.end_account_sessions();
