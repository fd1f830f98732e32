-- Nobody approves the registration that gives them a role: the officer would be the administrator of the employer that
-- they have let in. Held by a trigger, whatever function decides.
CREATE FUNCTION smile.refuse_own_registration() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (
    SELECT FROM smile.account AS a WHERE a.id = NEW.decided_by AND a.email = NEW.contact_email)
  THEN
    PERFORM smile.fail(403, 'own_registration');
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER registration_decided_by_another BEFORE UPDATE OF decided_by ON smile.employer_registration
  FOR EACH ROW WHEN (NEW.decided_by IS NOT NULL) EXECUTE FUNCTION smile.refuse_own_registration();
REVOKE EXECUTE ON FUNCTION smile.refuse_own_registration() FROM smile_api, smile_jobs;
