-- Messages leave by the channels that the installation has: mail through a program, SMS through the operator's gateway.
-- One of a channel that isn't there is neither taken nor waited for, and keeps its tries.

DROP FUNCTION smile.take_messages(integer, integer);
DROP FUNCTION smile.next_due_in();

-- Takes messages for a while: should the process die, they are due again when the lease ends.
CREATE FUNCTION smile.take_messages(lease_seconds integer, most integer, channels text[]) RETURNS TABLE (
  id uuid, created_at timestamptz, channel text, recipient text, template text, language text, parameters text,
  sealed_parameters bytea, attempts integer)
LANGUAGE sql VOLATILE
BEGIN ATOMIC
  UPDATE smile.outbox AS o
  SET attempts = o.attempts + 1, next_attempt_at = smile.security_now() + make_interval(secs => lease_seconds)
  FROM (
    SELECT d.created_at, d.id FROM smile.outbox AS d
    WHERE d.next_attempt_at <= smile.security_now() AND d.delivered_at IS NULL AND d.failed_at IS NULL
      AND d.channel = ANY (channels)
    ORDER BY d.next_attempt_at LIMIT most FOR UPDATE SKIP LOCKED) AS due
  WHERE o.created_at = due.created_at AND o.id = due.id
  RETURNING o.id, o.created_at, o.channel, o.recipient, o.template, o.language, o.parameters::text,
    o.sealed_parameters, o.attempts;
END;

-- Seconds until the next message of these channels or the next job is due; null: nothing waits.
CREATE FUNCTION smile.next_due_in(channels text[]) RETURNS double precision LANGUAGE sql STABLE
RETURN extract(epoch FROM least(
  (SELECT min(o.next_attempt_at) FROM smile.outbox AS o
    WHERE o.delivered_at IS NULL AND o.failed_at IS NULL AND o.channel = ANY (channels)),
  (SELECT min(j.run_after) FROM smile.job AS j WHERE j.status = 'queued')) - smile.security_now());

REVOKE EXECUTE ON FUNCTION smile.take_messages(integer, integer, text[]), smile.next_due_in(text[])
FROM smile_api, smile_auth;

-- As before, but a code isn't tried again when it would come too late to be of use: it lives ten minutes.
CREATE OR REPLACE FUNCTION smile.message_failed(wanted uuid, made_at timestamptz) RETURNS void LANGUAGE sql VOLATILE
BEGIN ATOMIC
  UPDATE smile.outbox AS o
  SET next_attempt_at = coalesce(next_try.at, o.next_attempt_at),
    failed_at = CASE WHEN next_try.at IS NULL THEN smile.security_now() END,
    sealed_parameters = CASE WHEN next_try.at IS NULL THEN NULL ELSE o.sealed_parameters END
  FROM (
    SELECT f.created_at, f.id, CASE
      WHEN f.template NOT IN ('log_in_code', 'contact_code')
        OR smile.security_now() + smile.retry_delay(f.attempts) < f.created_at + interval '10 minutes'
      THEN smile.security_now() + smile.retry_delay(f.attempts) END AS at
    FROM smile.outbox AS f WHERE f.created_at = made_at AND f.id = wanted) AS next_try
  WHERE o.created_at = next_try.created_at AND o.id = next_try.id AND o.delivered_at IS NULL;
END;
