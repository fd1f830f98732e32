-- A session is opened through a front end that is registered at that moment: whoever revokes one at the same time waits
-- for the session and ends it, or is waited for and keeps it from being opened.
CREATE FUNCTION smile.check_front_end() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM smile.client AS c
  WHERE c.id = NEW.client_id AND c.kind = 'application' AND c.revoked_at IS NULL FOR SHARE;
  IF NOT FOUND THEN
    PERFORM smile.refuse(422, 'unknown_client', '/client_id');
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER session_front_end BEFORE INSERT ON smile.session
  FOR EACH ROW WHEN (NEW.client_id IS NOT NULL) EXECUTE FUNCTION smile.check_front_end();
REVOKE EXECUTE ON FUNCTION smile.check_front_end() FROM smile_api, smile_jobs;
