-- Resends are limited by what was sent of their own kind. Password resets counted as well, so who asked for some of
-- those in the name of somebody kept the owner from another confirmation for a day.

SET LOCAL ROLE smile_auth;
CREATE OR REPLACE FUNCTION smile.resend_confirmation(
  email text, email_key bytea, token_digest bytea, mail_id uuid, sealed_token bytea)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  waiting record;
BEGIN
  SELECT a.id AS account_id, a.full_name, a.language, g.id AS grant_id, mailed.newest, mailed.today INTO waiting
  FROM smile.account AS a
  JOIN smile.account_grant AS g ON g.account_id = a.id AND g.waits
  CROSS JOIN LATERAL (
    SELECT max(t.created_at) AS newest,
      count(*) FILTER (WHERE t.created_at > smile.security_now() - interval '24 hours') AS today
    FROM smile.mail_token AS t WHERE t.account_id = a.id AND t.purpose = 'registration') AS mailed
  WHERE a.email = resend_confirmation.email AND a.status <> 'disabled'
  ORDER BY g.created_at DESC, g.id DESC
  LIMIT 1;
  IF waiting.account_id IS NOT NULL AND waiting.today < 5
    AND waiting.newest < smile.security_now() - interval '1 minute'
    AND smile.may_mail('registration', email_key)
  THEN
    PERFORM smile.mail_confirmation(
      waiting.account_id, waiting.grant_id, email, waiting.full_name, waiting.language, token_digest, mail_id,
      sealed_token);
  END IF;
  RETURN smile.registration_accepted();
END
$$;
