-- Registration where something is known already: names as people write them, addresses that have an account, and what a
-- person's further roles do to it.

-- A name as it is compared: lower case, single spaces, no diacritics, no academic or religious titles. A name that
-- consists of nothing but titles stays as it is.
CREATE OR REPLACE FUNCTION smile.name_key(name text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (
  SELECT coalesce(nullif(btrim(regexp_replace(regexp_replace(f.plain,
    '\m(k ?h|h|hj|haji|hajj?ah|dr|dra|drs|drg|drh|ir|prof|apt|ners|ns|lc|mba|[bm] ?sc|ph ?d|a ?md( ?ke[bp])?'
      '|[sm] ?(ag|ak|ars|e|farm|gz|h|hum|hut|i ?kom|i ?p|keb|ked|kep|kes|kom|m|or|p|pd( ?i)?|psi|pt|si|sn|sos|stat'
      '|t|th|tr))\M', ' ', 'g'), '\s+', ' ', 'g')), ''), f.plain)
  FROM (SELECT btrim(regexp_replace(regexp_replace(
    translate(lower(regexp_replace(normalize(name, NFKD), '[\u0300-\u036f]', '', 'g')), 'đłøı', 'dloi'),
    '[.,''`’ʼ-]+', ' ', 'g'), '\s+', ' ', 'g')) AS plain) AS f);

-- The stored keys follow the function; the records themselves haven't changed.
ALTER TABLE smile.member DISABLE TRIGGER member_version;
UPDATE smile.member SET full_name = full_name;
ALTER TABLE smile.member ENABLE TRIGGER member_version;

-- Whether two spellings are one name: titles, case, diacritics and where words are parted don't count.
CREATE FUNCTION smile.same_name(one text, other text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN replace(smile.name_key(one), ' ', '') = replace(smile.name_key(other), ' ', '');

-- One account is one person, who is one member.
CREATE UNIQUE INDEX account_grant_one_membership ON smile.account_grant (account_id) WHERE kind = 'member' AND active;

ALTER TABLE smile.mail_token DROP CONSTRAINT mail_token_purpose_check;
ALTER TABLE smile.mail_token
  ADD CONSTRAINT mail_token_purpose_check CHECK (purpose IN ('registration', 'password_reset'));

-- As before, but in other words where the address has an account: its password, username and language stay.
CREATE OR REPLACE FUNCTION smile.mail_confirmation(
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
  SELECT mail_id, 'email', recipient,
    CASE a.status WHEN 'pending' THEN 'registration_confirmation' ELSE 'grant_confirmation' END,
    CASE a.status WHEN 'pending' THEN mail_confirmation.language ELSE a.language END,
    json_build_object('full_name',
      CASE a.status WHEN 'pending' THEN mail_confirmation.full_name ELSE a.full_name END), sealed_token
  FROM smile.account AS a WHERE a.id = account;
END;

SET LOCAL ROLE smile_auth;

-- A member asks for an account. KPJ, NIK, birth date and name must belong to one record; only the mail tells whether
-- they did. Where the address has an account already (an employer's user, an officer), the membership waits on it; an
-- account that has a membership takes no second one.
CREATE OR REPLACE FUNCTION smile.register_member(
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
    AND m.birth_date = register_member.birth_date AND smile.same_name(m.full_name, register_member.full_name);
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
  SELECT a.* INTO holder
  FROM smile.account AS a JOIN smile.account_grant AS g ON g.account_id = a.id AND g.kind = 'member' AND g.active
  WHERE a.email = register_member.email AND a.status = 'active';
  IF holder.id IS NOT NULL THEN
    INSERT INTO smile.outbox (id, channel, recipient, template, language, parameters)
    VALUES (mail_id, 'email', holder.email, 'address_in_use', holder.language,
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

-- The mailed token makes account and grant live, once. Unknown, used and expired tokens look alike. Who has an account
-- keeps it as it is, and is told of the role that it has gained.
CREATE OR REPLACE FUNCTION smile.confirm_registration(token_digest bytea) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  t smile.mail_token;
  a smile.account;
  happened text := 'grant_added';
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
      happened := 'account_confirmed';
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
  PERFORM smile.note_security_event(a.id, happened);
  PERFORM smile.audit('account.confirmed', 'account', a.id);
  RETURN smile.answer(200, json_strip_nulls(json_build_object(
    'status', a.status, 'email', a.email, 'username', a.username)));
END
$$;
-- As before, but five times a day at the most: whoever keeps asking for somebody else's address leaves its owner a
-- newest token that lives for a while.
CREATE OR REPLACE FUNCTION smile.resend_confirmation(email text, token_digest bytea, mail_id uuid, sealed_token bytea)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  waiting record;
BEGIN
  SELECT a.id AS account_id, a.full_name, a.language, g.id AS grant_id, mailed.newest, mailed.today INTO waiting
  FROM smile.account AS a
  JOIN smile.account_grant AS g ON g.account_id = a.id AND NOT g.active
  CROSS JOIN LATERAL (
    SELECT max(t.created_at) AS newest,
      count(*) FILTER (WHERE t.created_at > smile.security_now() - interval '24 hours') AS today
    FROM smile.mail_token AS t WHERE t.account_id = a.id) AS mailed
  WHERE a.email = resend_confirmation.email AND a.status <> 'disabled'
  ORDER BY g.created_at DESC, g.id DESC
  LIMIT 1;
  IF waiting.account_id IS NOT NULL AND waiting.today < 5
    AND waiting.newest < smile.security_now() - interval '1 minute'
  THEN
    PERFORM smile.mail_confirmation(
      waiting.account_id, waiting.grant_id, email, waiting.full_name, waiting.language, token_digest, mail_id,
      sealed_token);
  END IF;
  RETURN smile.registration_accepted();
END
$$;
SET LOCAL ROLE smile_owner;
