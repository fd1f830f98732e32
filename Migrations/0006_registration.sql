-- Registration: who may have an account, told apart from outside by nothing. Every definer function here is
-- smile_auth's; what it reads of members is granted column by column.

CREATE POLICY identity_functions ON smile.member FOR SELECT TO smile_auth USING (true);
CREATE POLICY identity_functions_contact ON smile.member FOR UPDATE TO smile_auth USING (true);
CREATE POLICY identity_functions ON smile.member_number FOR SELECT TO smile_auth USING (true);
CREATE POLICY identity_functions ON smile.national_id FOR SELECT TO smile_auth USING (true);
GRANT SELECT (id, full_name, name_key, birth_date, email, phone), UPDATE (email, phone) ON smile.member TO smile_auth;
GRANT SELECT (kpj, member_id) ON smile.member_number TO smile_auth;
GRANT SELECT (nik_index, member_id, last_four) ON smile.national_id TO smile_auth;

-- Context of an open endpoint: no caller, but a clock, an address and a request id.
CREATE FUNCTION smile.open_call(address text, request_id uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  ignored text;
BEGIN
  ignored := concat(
    set_config('smile.role', 'anyone', true),
    set_config('smile.account_id', NULL, true),
    set_config('smile.session_id', NULL, true),
    set_config('smile.client_id', NULL, true),
    set_config('smile.member_id', NULL, true),
    set_config('smile.employer_id', NULL, true),
    set_config('smile.permissions', NULL, true),
    set_config('smile.purpose', NULL, true),
    set_config('smile.request_id', request_id::text, true),
    set_config('smile.address', address, true));
END
$$;

-- A mailed token's row and its mail, in the transaction of their cause. Older tokens of the same purpose die.
CREATE FUNCTION smile.mail_confirmation(
  account uuid, grant_id uuid, recipient text, full_name text, language text,
  token_digest bytea, mail_id uuid, sealed_token bytea)
RETURNS void LANGUAGE sql VOLATILE
BEGIN ATOMIC
  UPDATE smile.mail_token AS t SET expires_at = smile.security_now()
  WHERE t.account_id = account AND t.purpose = 'registration' AND t.used_at IS NULL
    AND t.grant_id IS NOT DISTINCT FROM mail_confirmation.grant_id;
  INSERT INTO smile.mail_token (digest, purpose, account_id, grant_id, expires_at)
  VALUES (token_digest, 'registration', account, mail_confirmation.grant_id,
    smile.security_now() + interval '24 hours');
  INSERT INTO smile.outbox (id, channel, recipient, template, language, parameters, sealed_parameters)
  VALUES (mail_id, 'email', recipient, 'registration_confirmation', mail_confirmation.language,
    json_build_object('full_name', mail_confirmation.full_name), sealed_token);
END;

-- An account with one grant, both waiting for the mailed token. Where a confirmed account has this e-mail address
-- already, the grant waits on that account, and the password given now is dropped.
CREATE FUNCTION smile.create_waiting_account(
  email text, phone text, username text, full_name text, password_hash text, language text, member uuid,
  employer uuid, token_digest bytea, mail_id uuid, sealed_token bytea)
RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
  account uuid;
  granted uuid;
BEGIN
  SELECT a.id INTO account FROM smile.account AS a
  WHERE a.email = create_waiting_account.email AND a.status = 'active';
  IF account IS NULL THEN
    INSERT INTO smile.account (email, phone, username, full_name, password_hash, language)
    VALUES (create_waiting_account.email, create_waiting_account.phone, create_waiting_account.username,
      create_waiting_account.full_name, create_waiting_account.password_hash, create_waiting_account.language)
    RETURNING id INTO account;
  END IF;
  INSERT INTO smile.account_grant (account_id, kind, member_id, employer_id, employer_role)
  VALUES (account, CASE WHEN member IS NULL THEN 'employer' ELSE 'member' END, member, employer,
    CASE WHEN member IS NULL THEN 'admin' END)
  RETURNING id INTO granted;
  PERFORM smile.mail_confirmation(account, granted, email, full_name, language, token_digest, mail_id, sealed_token);
  RETURN account;
END
$$;

-- The first user of an approved employer: its administrator. Called by the approval, in its transaction.
CREATE FUNCTION smile.create_employer_account(
  employer_id uuid, email text, full_name text, password_hash text,
  confirmation_digest bytea, mail_id uuid, sealed_token bytea, language text DEFAULT 'id')
RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  account uuid;
BEGIN
  IF NOT smile.is_officer('manage_employers') THEN
    PERFORM smile.fail(403, 'insufficient_scope');
  END IF;
  account := smile.create_waiting_account(
    lower(email), NULL, NULL, full_name, password_hash, language, NULL, employer_id, confirmation_digest, mail_id,
    sealed_token);
  PERFORM smile.audit('account.created', 'account', account, json_build_object('employer_id', employer_id));
  RETURN account;
END
$$;
ALTER FUNCTION smile.create_employer_account(uuid, text, text, text, bytea, uuid, bytea, text) OWNER TO smile_auth;
SET LOCAL ROLE smile_auth;
GRANT EXECUTE ON FUNCTION smile.create_employer_account(uuid, text, text, text, bytea, uuid, bytea, text)
TO smile_owner;  -- the approval is a definer function of that role
SET LOCAL ROLE smile_owner;

-- What a registration is answered, whatever it found.
CREATE FUNCTION smile.registration_accepted() RETURNS smile.answer_row LANGUAGE sql IMMUTABLE
RETURN (202, '{"status":"accepted"}', NULL, NULL)::smile.answer_row;

-- A member asks for an account. KPJ, NIK, birth date and name must belong to one record; only the mail tells whether
-- they did.
CREATE FUNCTION smile.register_member(
  kpj text, nik_index bytea, full_name text, birth_date date, email text, phone text, username text,
  password_hash text, language text, token_digest bytea, mail_id uuid, sealed_token bytea)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  member uuid;
  holder smile.account;
  account uuid;
BEGIN
  SELECT m.id INTO member
  FROM smile.member_number AS n
  JOIN smile.national_id AS i ON i.member_id = n.member_id
  JOIN smile.member AS m ON m.id = n.member_id
  WHERE n.kpj = register_member.kpj AND i.nik_index = register_member.nik_index
    AND m.birth_date = register_member.birth_date AND m.name_key = smile.name_key(register_member.full_name);
  IF member IS NULL THEN
    INSERT INTO smile.outbox (id, channel, recipient, template, language)
    VALUES (mail_id, 'email', register_member.email, 'registration_mismatch', register_member.language);
    RETURN smile.registration_accepted();
  END IF;
  SELECT a.* INTO holder
  FROM smile.account_grant AS g JOIN smile.account AS a ON a.id = g.account_id
  WHERE g.member_id = member AND g.kind = 'member' AND g.active;
  IF holder.id IS NOT NULL THEN
    INSERT INTO smile.outbox (id, channel, recipient, template, language, parameters)
    VALUES (mail_id, 'email', holder.email, 'account_exists', holder.language,
      json_build_object('full_name', holder.full_name));
    RETURN smile.registration_accepted();
  END IF;
  account := smile.create_waiting_account(
    email, phone, username, (SELECT m.full_name FROM smile.member AS m WHERE m.id = member), password_hash, language,
    member, NULL, token_digest, mail_id, sealed_token);
  PERFORM smile.audit('account.registered', 'account', account, json_build_object('member_id', member));
  RETURN smile.registration_accepted();
END
$$;
ALTER FUNCTION smile.register_member(
  text, bytea, text, date, text, text, text, text, text, bytea, uuid, bytea) OWNER TO smile_auth;

-- The mailed token makes account and grant live, once. Unknown, used and expired tokens look alike.
CREATE FUNCTION smile.confirm_registration(token_digest bytea) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  t smile.mail_token;
  a smile.account;
BEGIN
  UPDATE smile.mail_token AS m SET used_at = smile.security_now()
  WHERE m.digest = token_digest AND m.purpose = 'registration' AND m.used_at IS NULL
    AND m.expires_at > smile.security_now()
  RETURNING m.* INTO t;
  IF t.digest IS NULL THEN
    PERFORM smile.fail(410, 'confirmation_token_invalid');
  END IF;
  SELECT * INTO a FROM smile.account AS x WHERE x.id = t.account_id FOR UPDATE;
  IF a.status = 'disabled' THEN
    PERFORM smile.fail(410, 'confirmation_token_invalid');
  END IF;
  BEGIN
    IF a.status = 'pending' THEN
      -- A name that someone else confirmed meanwhile is theirs; this account goes without.
      UPDATE smile.account AS x
      SET status = 'active', confirmed_at = smile.security_now(),
        username = CASE WHEN NOT EXISTS (
          SELECT FROM smile.account AS y WHERE y.username = a.username AND y.status <> 'pending') THEN a.username END
      WHERE x.id = a.id
      RETURNING x.* INTO a;
    END IF;
    UPDATE smile.account_grant AS g SET active = true WHERE g.id = t.grant_id;
  EXCEPTION WHEN unique_violation THEN
    PERFORM smile.fail(409, 'account_exists');
  END;
  UPDATE smile.member AS m SET email = coalesce(m.email, a.email), phone = coalesce(m.phone, a.phone)
  FROM smile.account_grant AS g
  WHERE g.id = t.grant_id AND m.id = g.member_id AND (m.email IS NULL OR (m.phone IS NULL AND a.phone IS NOT NULL));
  INSERT INTO smile.security_event (account_id, kind, address)
  VALUES (a.id, 'account_confirmed', nullif(current_setting('smile.address', true), ''));
  PERFORM smile.audit('account.confirmed', 'account', a.id);
  RETURN smile.answer(200, json_strip_nulls(json_build_object(
    'status', a.status, 'email', a.email, 'username', a.username)));
END
$$;
ALTER FUNCTION smile.confirm_registration(bytea) OWNER TO smile_auth;

-- A new token for what waits under this address, once a minute at the most. The answer is the same when nothing does.
CREATE FUNCTION smile.resend_confirmation(email text, token_digest bytea, mail_id uuid, sealed_token bytea)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  waiting record;
BEGIN
  SELECT a.id AS account_id, a.full_name, a.language, g.id AS grant_id,
    (SELECT max(t.created_at) FROM smile.mail_token AS t WHERE t.account_id = a.id) AS last_mailed
  INTO waiting
  FROM smile.account AS a JOIN smile.account_grant AS g ON g.account_id = a.id AND NOT g.active
  WHERE a.email = resend_confirmation.email AND a.status <> 'disabled'
  ORDER BY g.created_at DESC, g.id DESC
  LIMIT 1;
  IF waiting.account_id IS NOT NULL AND waiting.last_mailed < smile.security_now() - interval '1 minute' THEN
    PERFORM smile.mail_confirmation(
      waiting.account_id, waiting.grant_id, email, waiting.full_name, waiting.language, token_digest, mail_id,
      sealed_token);
  END IF;
  RETURN smile.registration_accepted();
END
$$;
ALTER FUNCTION smile.resend_confirmation(text, bytea, uuid, bytea) OWNER TO smile_auth;

REVOKE EXECUTE ON FUNCTION
  smile.mail_confirmation(uuid, uuid, text, text, text, bytea, uuid, bytea),
  smile.create_waiting_account(text, text, text, text, text, text, uuid, uuid, bytea, uuid, bytea)
FROM smile_api, smile_jobs;
