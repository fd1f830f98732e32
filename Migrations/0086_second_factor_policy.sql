-- For smile-admin alone: whether an employer's administrators have to show a second factor. Their sessions that showed
-- none end, so that the policy holds from the next request on. False when no employer has this number.
CREATE FUNCTION smile.set_second_factor_policy(npp text, required boolean) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  employer uuid;
BEGIN
  UPDATE smile.employer AS e SET admins_need_second_factor = required
  WHERE e.npp = set_second_factor_policy.npp RETURNING e.id INTO employer;
  IF employer IS NULL THEN
    RETURN false;
  END IF;
  IF required THEN
    UPDATE smile.session AS s SET ended_at = smile.security_now(), end_reason = 'revoked'
    WHERE s.ended_at IS NULL AND s.second_factor_at IS NULL AND s.grant_id IN (
      SELECT g.id FROM smile.account_grant AS g WHERE g.employer_id = employer AND g.employer_role = 'admin');
  END IF;
  PERFORM smile.audit('employer.second_factor_policy', 'employer', employer, json_build_object('required', required));
  RETURN true;
END
$$;
REVOKE EXECUTE ON FUNCTION smile.set_second_factor_policy(text, boolean) FROM smile_api, smile_jobs, smile_auth;
