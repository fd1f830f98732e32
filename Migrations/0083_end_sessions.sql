-- For smile-admin alone: the operator ends the sessions of one account, or of all (ASVS 7.4.5). What was derived from
-- them dies with them, on the next request of every worker; machine clients go on.
CREATE FUNCTION smile.end_sessions(email text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  account uuid;
  ended bigint;
BEGIN
  SELECT a.id INTO account FROM smile.account AS a WHERE a.email = lower(end_sessions.email) AND a.status <> 'pending';
  UPDATE smile.session AS s SET ended_at = smile.security_now(), end_reason = 'revoked'
  WHERE s.ended_at IS NULL AND (end_sessions.email IS NULL OR s.account_id = account);
  GET DIAGNOSTICS ended = ROW_COUNT;
  PERFORM smile.audit('session.all_ended', 'account', account, json_build_object('sessions', ended));
  RETURN ended;
END
$$;
REVOKE EXECUTE ON FUNCTION smile.end_sessions(text) FROM smile_api, smile_jobs, smile_auth;
