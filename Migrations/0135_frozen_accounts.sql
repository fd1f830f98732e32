-- What an open report of unauthorised use stops besides payouts: where they would go, and how the person is reached.
-- The reporter can see how it stands; an officer who opens it says what for.

-- What an officer's look into a person's record is for, as kind and id, goes into the audit row.
CREATE FUNCTION smile.require_purpose() RETURNS void LANGUAGE plpgsql STABLE AS $$
BEGIN
  IF coalesce(current_setting('smile.purpose', true), '') !~ '^[a-z_]+:[A-Za-z0-9_-]{1,64}$' THEN
    PERFORM smile.fail(400, 'access_purpose_required');
  END IF;
END
$$;

CREATE OR REPLACE FUNCTION smile.open_member(wanted uuid) RETURNS smile.answer_row LANGUAGE plpgsql AS $$
DECLARE
  found_version bigint;
BEGIN
  SELECT m.version INTO found_version FROM smile.member AS m WHERE m.id = wanted;
  IF found_version IS NULL THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  PERFORM smile.require_purpose();
  PERFORM smile.audit('member.read', 'member', wanted);
  RETURN smile.answer(200, smile.member_body(wanted), smile.etag(found_version));
END
$$;

-- Who has taken an account over would have the payouts flow to another bank account once they flow again. The member's
-- row is locked by both sides, so a report and a change at the same moment have an order.
CREATE FUNCTION smile.refuse_frozen_bank_account() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
BEGIN
  PERFORM FROM smile.member AS m WHERE m.id = NEW.member_id FOR NO KEY UPDATE;
  IF EXISTS (SELECT FROM smile.compromise_report AS r WHERE r.member_id = NEW.member_id AND r.closed_at IS NULL) THEN
    PERFORM smile.fail(409, 'account_reported');
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER bank_account_not_frozen BEFORE INSERT OR UPDATE ON smile.member_bank_account
  FOR EACH ROW EXECUTE FUNCTION smile.refuse_frozen_bank_account();
REVOKE EXECUTE ON FUNCTION smile.refuse_frozen_bank_account() FROM smile_api, smile_jobs, smile_auth;

SET LOCAL ROLE smile_auth;

-- As before; besides, changes of contact that wait for their code end, and the answer names what the reporter can read.
CREATE OR REPLACE FUNCTION smile.report_compromise(note text, unguessable_hash text) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  caller CONSTANT uuid := smile.account_id();
  payee uuid;
  report smile.compromise_report;
BEGIN
  SELECT m.id INTO payee FROM smile.member AS m
  WHERE m.id = (
    SELECT g.member_id FROM smile.account_grant AS g
    WHERE g.account_id = caller AND g.kind = 'member' AND g.active)
  FOR NO KEY UPDATE;
  INSERT INTO smile.compromise_report (account_id, member_id, note, address)
  VALUES (caller, payee, report_compromise.note, nullif(current_setting('smile.address', true), ''))
  ON CONFLICT (account_id) WHERE closed_at IS NULL DO NOTHING;
  SELECT r.* INTO STRICT report FROM smile.compromise_report AS r WHERE r.account_id = caller AND r.closed_at IS NULL;
  PERFORM smile.note_security_event(caller, 'compromise_reported');
  PERFORM smile.audit('account.compromise_reported', 'compromise_report', report.id);
  INSERT INTO smile.outbox (channel, recipient, template, language, parameters)
  SELECT 'email', a.email, 'compromise_to_review', a.language, json_build_object('report_id', report.id)
  FROM smile.account_grant AS g JOIN smile.account AS a ON a.id = g.account_id AND a.status = 'active'
  WHERE g.kind = 'officer' AND g.active AND 'verify_members' = ANY (g.permissions) AND a.id <> caller;
  -- The trigger on the account spares the session in which a password is changed; here it ends as well.
  UPDATE smile.account AS a SET password_hash = unguessable_hash, password_changed_at = smile.security_now()
  WHERE a.id = caller;
  UPDATE smile.session AS s SET ended_at = smile.security_now(), end_reason = 'account'
  WHERE s.account_id = caller AND s.ended_at IS NULL;
  UPDATE smile.mail_token AS t SET expires_at = smile.security_now()
  WHERE t.account_id = caller AND t.purpose = 'password_reset' AND t.used_at IS NULL
    AND t.expires_at > smile.security_now();
  UPDATE smile.contact_change AS c SET ended_at = smile.security_now()
  WHERE c.account_id = caller AND c.confirmed_at IS NULL AND c.ended_at IS NULL;
  RETURN smile.answer(201, json_build_object(
    'id', report.id, 'reported_at', report.reported_at, 'payouts_frozen', report.member_id IS NOT NULL),
    NULL, '/v1/account/compromise_reports/' || report.id);
END
$$;

-- How a report of the caller's stands; no row for another's. Neither who closed it nor what they wrote.
CREATE FUNCTION smile.own_compromise_report(wanted uuid) RETURNS TABLE (body json)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp
BEGIN ATOMIC
  SELECT json_strip_nulls(json_build_object(
    'id', r.id, 'status', CASE WHEN r.closed_at IS NULL THEN 'open' ELSE 'closed' END,
    'payouts_frozen', r.member_id IS NOT NULL AND r.closed_at IS NULL, 'note', r.note,
    'reported_at', r.reported_at, 'closed_at', r.closed_at))
  FROM smile.compromise_report AS r WHERE r.id = wanted AND r.account_id = smile.account_id();
END;
GRANT EXECUTE ON FUNCTION smile.own_compromise_report(uuid) TO smile_api;

-- As before, with a stated purpose.
CREATE OR REPLACE FUNCTION smile.open_compromise_report(wanted uuid) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  body json;
BEGIN
  IF NOT smile.is_officer('verify_members') THEN
    PERFORM smile.fail(403, 'insufficient_scope');
  END IF;
  SELECT json_strip_nulls((smile.compromise_report_body(r)::jsonb || jsonb_build_object(
    'note', r.note, 'address', r.address, 'resolution', r.resolution,
    'account', jsonb_build_object('id', a.id, 'full_name', a.full_name, 'email', a.email, 'phone', a.phone)))::json)
  INTO body
  FROM smile.compromise_report AS r JOIN smile.account AS a ON a.id = r.account_id WHERE r.id = wanted;
  IF body IS NULL THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  PERFORM smile.require_purpose();
  PERFORM smile.audit('compromise_report.read', 'compromise_report', wanted);
  RETURN smile.answer(200, body);
END
$$;
SET LOCAL ROLE smile_owner;
