-- Log-in codes go by SMS only to a number that its owner has proved (ASVS 6.6.1). What was typed at registration isn't:
-- a wrong digit, and a stranger gets the codes.

-- The last number to which a code went and came back from. It counts while it is the account's number.
ALTER TABLE smile.account ADD COLUMN proved_phone text;
UPDATE smile.account AS a SET proved_phone = a.phone
WHERE EXISTS (
  SELECT FROM smile.contact_change AS c
  WHERE c.account_id = a.id AND c.address = a.phone AND c.confirmed_at IS NOT NULL);

CREATE FUNCTION smile.note_proved_phone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE smile.account AS a SET proved_phone = NEW.address WHERE a.id = NEW.account_id;
  RETURN NULL;
END
$$;
CREATE TRIGGER phone_is_proved AFTER UPDATE OF confirmed_at ON smile.contact_change
  FOR EACH ROW WHEN (NEW.kind = 'phone' AND NEW.confirmed_at IS NOT NULL) EXECUTE FUNCTION smile.note_proved_phone();
REVOKE EXECUTE ON FUNCTION smile.note_proved_phone() FROM smile_api, smile_jobs;

-- As before, but by SMS only to a proved number.
CREATE OR REPLACE FUNCTION smile.second_factor_methods(wanted_grant uuid) RETURNS text[] LANGUAGE sql STABLE
RETURN (
  SELECT CASE
    WHEN EXISTS (SELECT FROM smile.totp AS t WHERE t.account_id = a.id AND t.confirmed_at IS NOT NULL) THEN
      ARRAY['totp'] || CASE WHEN EXISTS (
        SELECT FROM smile.recovery_code AS r WHERE r.account_id = a.id AND r.used_at IS NULL)
        THEN ARRAY['recovery_code'] ELSE '{}' END
    WHEN g.kind = 'officer' OR (g.employer_role = 'admin' AND (
      SELECT e.admins_need_second_factor FROM smile.employer AS e WHERE e.id = g.employer_id)) THEN
      ARRAY['email'] || CASE WHEN a.phone = a.proved_phone THEN ARRAY['sms'] ELSE '{}' END
    ELSE '{}' END
  FROM smile.account_grant AS g JOIN smile.account AS a ON a.id = g.account_id
  WHERE g.id = wanted_grant);

SET LOCAL ROLE smile_auth;
-- As before; besides, the number that one has already is proved in the same way.
CREATE OR REPLACE FUNCTION smile.start_contact_change(
  kind text, address text, recipient_key bytea, code_digest bytea, message_id uuid, sealed_code bytea)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  at CONSTANT timestamptz := smile.security_now();
  a smile.account;
  holder smile.account;
  c smile.contact_change;
  fifth timestamptz;
BEGIN
  -- Two starts at once: the second waits, and then sees the first.
  SELECT x.* INTO STRICT a FROM smile.account AS x WHERE x.id = smile.account_id() FOR NO KEY UPDATE;
  PERFORM smile.refuse_while_reported();
  PERFORM smile.require_shown_factor();
  IF EXISTS (
    SELECT FROM smile.member AS m WHERE m.id = smile.member_id() AND start_contact_change.address = ALL (CASE kind
      WHEN 'email' THEN ARRAY[a.email, coalesce(m.email, '')]
      ELSE ARRAY[coalesce(a.proved_phone, ''), coalesce(a.phone, ''), coalesce(m.phone, '')] END))
  THEN
    PERFORM smile.refuse(422, 'contact_unchanged', '/' || kind);
  END IF;
  SELECT x.created_at INTO fifth FROM smile.contact_change AS x
  WHERE x.account_id = a.id AND x.created_at > at - interval '1 day'
  ORDER BY x.created_at DESC OFFSET 4 LIMIT 1;
  IF fifth IS NOT NULL THEN
    PERFORM smile.fail(429, 'too_many_attempts', json_build_object(
      'retry_after', ceil(extract(epoch FROM fifth + interval '1 day' - at))::integer));
  END IF;
  IF kind = 'email' THEN
    SELECT x.* INTO holder FROM smile.account AS x
    WHERE x.email = start_contact_change.address AND x.status <> 'pending' AND x.id <> a.id;
  END IF;
  UPDATE smile.contact_change AS x SET ended_at = at
  WHERE x.account_id = a.id AND x.kind = start_contact_change.kind AND x.confirmed_at IS NULL AND x.ended_at IS NULL;
  INSERT INTO smile.contact_change AS x (account_id, kind, address, message_id, code_digest, expires_at)
  VALUES (a.id, start_contact_change.kind, start_contact_change.address, start_contact_change.message_id,
    CASE WHEN holder.id IS NULL THEN start_contact_change.code_digest END, at + interval '10 minutes')
  RETURNING x.* INTO c;
  INSERT INTO smile.outbox (id, channel, recipient, template, language, parameters, sealed_parameters)
  SELECT message_id, CASE kind WHEN 'email' THEN 'email' ELSE 'sms' END, start_contact_change.address,
    CASE WHEN holder.id IS NULL THEN 'contact_code' ELSE 'contact_in_use' END, coalesce(holder.language, a.language),
    json_build_object('full_name', coalesce(holder.full_name, a.full_name)),
    CASE WHEN holder.id IS NULL THEN sealed_code END
  WHERE smile.may_mail('contact', recipient_key);
  PERFORM smile.audit('contact_change.started', 'account', a.id, json_build_object('kind', kind));
  RETURN smile.answer(201, smile.contact_change_body(c), NULL, '/v1/members/me/contact_changes/' || c.id);
END
$$;
SET LOCAL ROLE smile_owner;
