-- What happens to an account's security: kinds as data, one function that notes an event and writes to the owner, the
-- owner's own list.

-- {word} in a title stands for that member of the event's details.
CREATE TABLE smile.security_event_kind (
  code text PRIMARY KEY CHECK (code ~ '^[a-z_]{1,40}$'),
  -- Whether the owner is written to at once; the rest is only listed.
  mailed boolean NOT NULL,
  title_id text NOT NULL,
  title_en text NOT NULL
);
INSERT INTO smile.security_event_kind (code, mailed, title_id, title_en) VALUES
  ('account_confirmed', false, 'Akun dikonfirmasi', 'Account confirmed'),
  ('logged_in', false, 'Masuk', 'Logged in'),
  ('new_device', true, 'Masuk dari perangkat baru', 'Log-in from a new device'),
  ('failed_attempts', true, '{tries} percobaan masuk yang gagal', '{tries} failed attempts to log in'),
  ('password_changed', true, 'Kata sandi diubah', 'Password changed'),
  ('password_reset_requested', false, 'Pengaturan ulang kata sandi diminta', 'Password reset asked for'),
  ('password_reset', true, 'Kata sandi diatur ulang', 'Password reset'),
  ('contact_changed', true, 'Alamat surel atau nomor telepon diubah', 'E-mail address or phone number changed'),
  ('factor_added', true, 'Faktor masuk kedua ditambahkan', 'Second factor added'),
  ('factor_removed', true, 'Faktor masuk kedua dihapus', 'Second factor removed'),
  ('recovery_codes_made', true, 'Kode pemulihan baru dibuat', 'New recovery codes made'),
  ('recovery_code_used', true, 'Kode pemulihan dipakai', 'Recovery code used'),
  ('bank_account_changed', true, 'Rekening bank diubah', 'Bank account changed'),
  ('refresh_token_reused', true, 'Token lama dipakai lagi; sesi diakhiri', 'An old token was used again; the session ended'),
  ('session_limit', true, 'Sesi terlama diakhiri karena terlalu banyak sesi',
    'The oldest session ended, for there were too many'),
  ('compromise_reported', true, 'Penyalahgunaan akun dilaporkan; pembayaran dibekukan',
    'Unauthorised use reported; payouts are frozen'),
  ('payouts_released', true, 'Pembekuan pembayaran dicabut', 'Payouts are no longer frozen'),
  ('grant_added', true, 'Akun mendapat peran baru', 'The account has a new role'),
  ('grant_changed', true, 'Peran atau izin akun diubah', 'A role or permission of the account changed');

ALTER TABLE smile.security_event
  ADD COLUMN details json NOT NULL DEFAULT '{}',
  ADD FOREIGN KEY (kind) REFERENCES smile.security_event_kind;

ALTER TABLE smile.security_event_kind ENABLE ROW LEVEL SECURITY;
ALTER TABLE smile.security_event_kind FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_all ON smile.security_event_kind TO smile_owner USING (true);
CREATE POLICY identity_functions ON smile.security_event_kind FOR SELECT TO smile_auth USING (true);
GRANT SELECT ON smile.security_event_kind TO smile_auth;

-- A kind's title in a language, with the details in their places.
CREATE FUNCTION smile.security_event_title(kind text, details json, language text) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
  title text;
  detail record;
BEGIN
  SELECT CASE language WHEN 'en' THEN k.title_en ELSE k.title_id END INTO STRICT title
  FROM smile.security_event_kind AS k WHERE k.code = kind;
  FOR detail IN SELECT d.key, d.value FROM json_each_text(details) AS d LOOP
    title := replace(title, '{' || detail.key || '}', detail.value);
  END LOOP;
  RETURN title;
END
$$;

-- Notes an event; session and address come from the context. The owner is told at every address that we know: the
-- account's, the member record's, and the one that was the account's until now, so that who takes an account over
-- can't keep it from its owner.
CREATE FUNCTION smile.note_security_event(
  account uuid, kind text, details json DEFAULT '{}', former_email text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  origin text := nullif(current_setting('smile.address', true), '');
BEGIN
  INSERT INTO smile.security_event (account_id, kind, session_id, address, details)
  VALUES (account, note_security_event.kind,
    -- The session of an officer who does something to another's account isn't that account's.
    CASE WHEN smile.account_id() = account THEN smile.session_id() END, origin, note_security_event.details);
  INSERT INTO smile.outbox (channel, recipient, template, language, parameters)
  SELECT 'email', r.recipient, 'security_notice', a.language, json_build_object(
    'full_name', a.full_name,
    'event', smile.security_event_title(k.code, note_security_event.details, a.language),
    'at', to_char(smile.security_now() AT TIME ZONE 'Asia/Jakarta', 'YYYY-MM-DD HH24:MI') || ' WIB',
    'address', coalesce(origin, '-'))
  FROM smile.account AS a
  JOIN smile.security_event_kind AS k ON k.code = note_security_event.kind AND k.mailed
  CROSS JOIN LATERAL (
    SELECT a.email AS recipient
    UNION
    SELECT former_email WHERE former_email IS NOT NULL
    UNION
    SELECT m.email FROM smile.account_grant AS g JOIN smile.member AS m ON m.id = g.member_id
    WHERE g.account_id = a.id AND g.kind = 'member' AND g.active AND m.email IS NOT NULL) AS r
  WHERE a.id = account;
END
$$;
-- For definer functions alone: who serves may write to nobody but its caller.
REVOKE EXECUTE ON FUNCTION smile.note_security_event(uuid, text, json, text) FROM smile_api, smile_jobs;
ALTER FUNCTION smile.note_security_event(uuid, text, json, text) OWNER TO smile_auth;
SET LOCAL ROLE smile_auth;
GRANT EXECUTE ON FUNCTION smile.note_security_event(uuid, text, json, text) TO smile_owner;

-- The same for the caller's own account, from functions with the caller's rights. A machine has none.
CREATE OR REPLACE FUNCTION smile.note_security(kind text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
BEGIN
  IF smile.account_id() IS NOT NULL THEN
    PERFORM smile.note_security_event(smile.account_id(), note_security.kind);
  END IF;
END
$$;
SET LOCAL ROLE smile_owner;

-- The caller's own events, newest first.
CREATE FUNCTION smile.list_security_events(after uuid, page integer, language text) RETURNS json
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp
BEGIN ATOMIC
  WITH found AS (
    SELECT e.id, e.at, e.kind, e.session_id, e.address, e.details, row_number() OVER (ORDER BY e.id DESC) AS place
    FROM smile.security_event AS e
    WHERE e.account_id = smile.account_id() AND (after IS NULL OR e.id < after)
    ORDER BY e.id DESC LIMIT page + 1)
  SELECT json_strip_nulls(json_build_object(
    'items', coalesce(json_agg(json_build_object(
      'id', f.id, 'at', f.at, 'kind', f.kind, 'title', smile.security_event_title(f.kind, f.details, language),
      'session_id', f.session_id, 'address', f.address, 'details', f.details)
      ORDER BY f.place) FILTER (WHERE f.place <= page), '[]'),
    'next_after', CASE WHEN count(*) > page THEN (SELECT g.id FROM found AS g WHERE g.place = page) END))
  FROM found AS f;
END;
ALTER FUNCTION smile.list_security_events(uuid, integer, text) OWNER TO smile_auth;

-- The notice comes with the event now.
CREATE OR REPLACE FUNCTION smile.put_bank_account(
  bank_code text, holder_name text, number_sealed bytea, last_four text, if_match text)
RETURNS smile.answer_row LANGUAGE plpgsql AS $$
DECLARE
  caller uuid := smile.member_id();
  found_version bigint;
  outcome integer := 200;
BEGIN
  SELECT b.version INTO found_version FROM smile.member_bank_account AS b WHERE b.member_id = caller FOR UPDATE;
  IF found_version IS NOT NULL THEN
    PERFORM smile.check_match(if_match, found_version);
    UPDATE smile.member_bank_account AS b
    SET bank_code = put_bank_account.bank_code, holder_name = put_bank_account.holder_name,
      number_sealed = put_bank_account.number_sealed, last_four = put_bank_account.last_four,
      changed_at = smile.security_now()
    WHERE b.member_id = caller RETURNING b.version INTO found_version;
  ELSE
    IF if_match IS NOT NULL THEN
      PERFORM smile.fail(412, 'etag_mismatch');
    END IF;
    INSERT INTO smile.member_bank_account AS b (member_id, bank_code, holder_name, number_sealed, last_four)
    VALUES (caller, put_bank_account.bank_code, put_bank_account.holder_name, put_bank_account.number_sealed,
      put_bank_account.last_four)
    RETURNING b.version INTO found_version;
    outcome := 201;
  END IF;
  PERFORM smile.note_security('bank_account_changed');
  PERFORM smile.audit('bank_account.changed', 'member', caller);
  RETURN smile.answer(outcome, (
    SELECT json_strip_nulls(json_build_object('bank_code', b.bank_code, 'holder_name', b.holder_name,
      'number_last_four', b.number_last_four, 'changed_at', b.changed_at))
    FROM api.bank_account AS b WHERE b.member_id = caller), smile.etag(found_version),
    CASE WHEN outcome = 201 THEN '/v1/members/me/bank_account' END);
END
$$;
