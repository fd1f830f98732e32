-- A person reports that somebody else uses the account: everything stops until an officer has looked. The password
-- opens nothing any more, so the way back is the reset; the member's payouts wait until an officer lets them go.

-- An identity function that answers under an Idempotency-Key stores its answer as the server's own functions do.
ALTER POLICY own_keys ON smile.idempotency_key TO smile_api, smile_auth;
GRANT SELECT, UPDATE ON smile.idempotency_key TO smile_auth;

CREATE TABLE smile.compromise_report (
  id uuid PRIMARY KEY DEFAULT smile.uuid7(),
  account_id uuid NOT NULL REFERENCES smile.account,
  -- Whose payouts are frozen while the report is open; NULL where the account is nobody's membership.
  member_id uuid REFERENCES smile.member,
  note text CHECK (length(note) BETWEEN 1 AND 500),
  address text,
  reported_at timestamptz NOT NULL DEFAULT smile.security_now(),
  closed_at timestamptz,
  closed_by uuid REFERENCES smile.account,
  resolution text CHECK (length(resolution) BETWEEN 1 AND 500),
  CONSTRAINT closed_by_somebody_for_a_reason CHECK (
    (closed_at IS NULL) = (closed_by IS NULL) AND (closed_at IS NULL) = (resolution IS NULL)),
  CONSTRAINT closed_by_another CHECK (closed_by <> account_id)
);
CREATE UNIQUE INDEX compromise_report_open ON smile.compromise_report (account_id) WHERE closed_at IS NULL;
CREATE INDEX compromise_report_frozen ON smile.compromise_report (member_id) WHERE closed_at IS NULL;
ALTER TABLE smile.compromise_report ENABLE ROW LEVEL SECURITY;
ALTER TABLE smile.compromise_report FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_all ON smile.compromise_report TO smile_owner USING (true);
CREATE POLICY identity_functions ON smile.compromise_report TO smile_auth USING (true);
GRANT SELECT, INSERT, UPDATE (closed_at, closed_by, resolution) ON smile.compromise_report TO smile_auth;

-- No payment to a member whose account is reported, whichever way it comes. The member's row is locked by both sides,
-- so a report and a payment at the same moment have an order.
CREATE FUNCTION smile.refuse_frozen_payout() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  payee uuid;
BEGIN
  SELECT m.id INTO payee FROM smile.member AS m
  WHERE m.id = (SELECT c.member_id FROM smile.claim AS c WHERE c.id = NEW.claim_id)
  FOR NO KEY UPDATE;
  IF EXISTS (SELECT FROM smile.compromise_report AS r WHERE r.member_id = payee AND r.closed_at IS NULL) THEN
    PERFORM smile.fail(409, 'payouts_frozen');
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER claim_payment_not_frozen BEFORE INSERT ON smile.claim_payment
  FOR EACH ROW EXECUTE FUNCTION smile.refuse_frozen_payout();

-- The caller's own account. unguessable_hash: of a password that nobody knows. A second report joins the open one.
CREATE FUNCTION smile.report_compromise(note text, unguessable_hash text) RETURNS smile.answer_row
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
  SELECT * INTO STRICT report FROM smile.compromise_report AS r WHERE r.account_id = caller AND r.closed_at IS NULL;
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
  RETURN smile.answer(201, json_build_object(
    'id', report.id, 'reported_at', report.reported_at, 'payouts_frozen', report.member_id IS NOT NULL),
    NULL, '/v1/compromise_reports/' || report.id);
END
$$;
ALTER FUNCTION smile.report_compromise(text, text) OWNER TO smile_auth;

CREATE FUNCTION smile.compromise_report_body(r smile.compromise_report) RETURNS json LANGUAGE sql STABLE
RETURN json_build_object(
  'id', r.id, 'status', CASE WHEN r.closed_at IS NULL THEN 'open' ELSE 'closed' END, 'member_id', r.member_id,
  'payouts_frozen', r.member_id IS NOT NULL AND r.closed_at IS NULL, 'reported_at', r.reported_at,
  'closed_at', r.closed_at, 'closed_by', r.closed_by);

-- Oldest first, so that nobody waits behind later ones. Ids only: who a report is about is opened one by one.
CREATE FUNCTION smile.list_compromise_reports(wanted_status text, after uuid, page integer) RETURNS json
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp
BEGIN ATOMIC
  WITH found AS (
    SELECT r.id, row_number() OVER (ORDER BY r.id) AS place
    FROM smile.compromise_report AS r
    WHERE smile.is_officer('verify_members') AND (after IS NULL OR r.id > after)
      AND (wanted_status IS NULL OR (r.closed_at IS NULL) = (wanted_status = 'open'))
    ORDER BY r.id LIMIT page + 1)
  SELECT json_strip_nulls(json_build_object(
    'items', coalesce(json_agg((
      SELECT smile.compromise_report_body(r) FROM smile.compromise_report AS r WHERE r.id = f.id)
      ORDER BY f.place) FILTER (WHERE f.place <= page), '[]'),
    'next_after', CASE WHEN count(*) > page THEN (SELECT g.id FROM found AS g WHERE g.place = page) END))
  FROM found AS f;
END;
ALTER FUNCTION smile.list_compromise_reports(text, uuid, integer) OWNER TO smile_auth;

-- One report with what an officer needs to reach the person; the look leaves a row.
CREATE FUNCTION smile.open_compromise_report(wanted uuid) RETURNS smile.answer_row
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
  PERFORM smile.audit('compromise_report.read', 'compromise_report', wanted);
  RETURN smile.answer(200, body);
END
$$;
ALTER FUNCTION smile.open_compromise_report(uuid) OWNER TO smile_auth;

-- An officer has made sure who the person is: payouts flow again. Nobody closes a report of their own.
CREATE FUNCTION smile.close_compromise_report(wanted uuid, resolution text) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  r smile.compromise_report;
BEGIN
  IF NOT smile.is_officer('verify_members') THEN
    PERFORM smile.fail(403, 'insufficient_scope');
  END IF;
  SELECT x.* INTO r FROM smile.compromise_report AS x WHERE x.id = wanted FOR UPDATE;
  IF r.id IS NULL THEN
    PERFORM smile.fail(404, 'not_found');
  ELSIF r.account_id = smile.account_id() THEN
    PERFORM smile.fail(403, 'own_report');
  ELSIF r.closed_at IS NOT NULL THEN
    PERFORM smile.fail(409, 'report_already_closed');
  END IF;
  UPDATE smile.compromise_report AS x
  SET closed_at = smile.security_now(), closed_by = smile.account_id(), resolution = close_compromise_report.resolution
  WHERE x.id = wanted
  RETURNING x.* INTO r;
  IF r.member_id IS NOT NULL THEN
    PERFORM smile.note_security_event(r.account_id, 'payouts_released');
  END IF;
  PERFORM smile.audit('compromise_report.closed', 'compromise_report', wanted);
  RETURN smile.answer(200, json_strip_nulls(smile.compromise_report_body(r)));
END
$$;
ALTER FUNCTION smile.close_compromise_report(uuid, text) OWNER TO smile_auth;

REVOKE EXECUTE ON FUNCTION smile.compromise_report_body(smile.compromise_report) FROM smile_api, smile_jobs;
