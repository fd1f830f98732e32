-- What members see and change of their own record, and what officers may look up.

-- What needs no proof; name, NIK, birth date, e-mail and phone have procedures of their own.
REVOKE UPDATE ON smile.member FROM smile_api;
GRANT UPDATE (address) ON smile.member TO smile_api;

-- Officers look for names by their beginning. LIKE can't use an index through row-level security, hence the definer
-- function below.
CREATE INDEX member_name_prefix ON smile.member (name_key text_pattern_ops, id);

CREATE VIEW api.member WITH (security_invoker) AS
SELECT m.id, m.full_name, m.birth_date, m.sex, i.last_four AS nik_last_four,
  (SELECT json_agg(n.kpj ORDER BY n.issued_on, n.kpj) FROM smile.member_number AS n WHERE n.member_id = m.id) AS kpjs,
  m.email, m.phone, m.address, m.segment, m.version
FROM smile.member AS m
LEFT JOIN smile.national_id AS i ON i.member_id = m.id;
GRANT SELECT ON api.member TO smile_api;

CREATE FUNCTION smile.member_body(wanted uuid) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_strip_nulls(json_build_object(
    'id', m.id, 'full_name', m.full_name, 'birth_date', m.birth_date, 'sex', m.sex, 'nik_last_four', m.nik_last_four,
    'kpjs', m.kpjs, 'email', m.email, 'phone', m.phone, 'address', m.address, 'segment', m.segment))
  FROM api.member AS m WHERE m.id = wanted);

-- address_given false: leave it; true with NULL: remove it (RFC 7396).
CREATE FUNCTION smile.update_own_member(address_given boolean, address text, if_match text)
RETURNS smile.answer_row LANGUAGE plpgsql AS $$
DECLARE
  found_version bigint;
BEGIN
  SELECT m.version INTO found_version FROM smile.member AS m WHERE m.id = smile.member_id() FOR UPDATE;
  IF found_version IS NULL THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  PERFORM smile.check_match(if_match, found_version);
  IF address_given THEN
    UPDATE smile.member AS m SET address = update_own_member.address
    WHERE m.id = smile.member_id() RETURNING m.version INTO found_version;
    PERFORM smile.audit('member.updated', 'member', smile.member_id(), '{"fields":["address"]}');
  END IF;
  RETURN smile.answer(200, smile.member_body(smile.member_id()), smile.etag(found_version));
END
$$;

-- Something happened to the security of the caller's own account.
CREATE FUNCTION smile.note_security(kind text) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp
BEGIN ATOMIC
  INSERT INTO smile.security_event (account_id, kind, session_id, address)
  SELECT smile.account_id(), note_security.kind, smile.session_id(), nullif(current_setting('smile.address', true), '')
  WHERE smile.account_id() IS NOT NULL;
END;
ALTER FUNCTION smile.note_security(text) OWNER TO smile_auth;
SET LOCAL ROLE smile_auth;
GRANT EXECUTE ON FUNCTION smile.note_security(text) TO smile_owner;
SET LOCAL ROLE smile_owner;

CREATE VIEW api.bank_account WITH (security_invoker) AS
SELECT b.member_id, b.bank_code, b.holder_name, b.last_four AS number_last_four, b.changed_at, b.version
FROM smile.member_bank_account AS b;
GRANT SELECT ON api.bank_account TO smile_api;

CREATE FUNCTION smile.put_bank_account(
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
  INSERT INTO smile.outbox (channel, recipient, template, parameters)
  SELECT 'email', m.email, 'bank_account_changed', json_build_object('full_name', m.full_name)
  FROM smile.member AS m WHERE m.id = caller AND m.email IS NOT NULL;
  PERFORM smile.note_security('bank_account_changed');
  PERFORM smile.audit('bank_account.changed', 'member', caller);
  RETURN smile.answer(outcome, (
    SELECT json_strip_nulls(json_build_object('bank_code', b.bank_code, 'holder_name', b.holder_name,
      'number_last_four', b.number_last_four, 'changed_at', b.changed_at))
    FROM api.bank_account AS b WHERE b.member_id = caller), smile.etag(found_version),
    CASE WHEN outcome = 201 THEN '/v1/members/me/bank_account' END);
END
$$;

-- An officer opens a person's record: only with a stated purpose, and never without a trace.
CREATE FUNCTION smile.open_member(wanted uuid) RETURNS smile.answer_row LANGUAGE plpgsql AS $$
DECLARE
  found_version bigint;
BEGIN
  SELECT m.version INTO found_version FROM smile.member AS m WHERE m.id = wanted;
  IF found_version IS NULL THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  IF coalesce(current_setting('smile.purpose', true), '') !~ '^[a-z_]+:[A-Za-z0-9_-]{1,64}$' THEN
    PERFORM smile.fail(400, 'access_purpose_required');
  END IF;
  PERFORM smile.audit('member.read', 'member', wanted);
  RETURN smile.answer(200, smile.member_body(wanted), smile.etag(found_version));
END
$$;

-- By KPJ, by NIK (its index), or by the beginning of a name with an optional birth date. Each search leaves a trace.
CREATE FUNCTION smile.search_members(
  kpj text, nik_index bytea, name text, birth_date date, after uuid, page integer)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  prefix text := replace(replace(replace(smile.name_key(name), '\', '\\'), '%', '\%'), '_', '\_') || '%';
  answer json;
BEGIN
  IF NOT smile.is_officer('read_members') THEN
    PERFORM smile.fail(403, 'insufficient_scope');
  END IF;
  WITH found AS (
    SELECT m.id, m.full_name, m.birth_date, i.last_four,
      (SELECT json_agg(n.kpj ORDER BY n.kpj) FROM smile.member_number AS n WHERE n.member_id = m.id) AS kpjs,
      row_number() OVER (ORDER BY m.id) AS place
    FROM smile.member AS m LEFT JOIN smile.national_id AS i ON i.member_id = m.id
    WHERE (search_members.kpj IS NULL OR m.id IN (
        SELECT n.member_id FROM smile.member_number AS n WHERE n.kpj = search_members.kpj))
      AND (search_members.nik_index IS NULL OR m.id IN (
        SELECT x.member_id FROM smile.national_id AS x WHERE x.nik_index = search_members.nik_index))
      AND (search_members.name IS NULL OR m.name_key LIKE prefix)
      AND (search_members.birth_date IS NULL OR m.birth_date = search_members.birth_date)
      AND (after IS NULL OR m.id > after)
    ORDER BY m.id LIMIT page + 1)
  SELECT json_strip_nulls(json_build_object(
    'items', coalesce(json_agg(json_build_object(
      'id', f.id, 'full_name', f.full_name, 'birth_date', f.birth_date, 'nik_last_four', f.last_four,
      'kpjs', f.kpjs) ORDER BY f.place) FILTER (WHERE f.place <= page), '[]'),
    'next_after', CASE WHEN count(*) > page THEN (SELECT g.id FROM found AS g WHERE g.place = page) END))
  INTO answer FROM found AS f;
  PERFORM smile.audit('member.searched', 'member', NULL, json_build_object(
    'by', concat_ws(',', CASE WHEN kpj IS NOT NULL THEN 'kpj' END, CASE WHEN nik_index IS NOT NULL THEN 'nik' END,
      CASE WHEN name IS NOT NULL THEN 'name' END, CASE WHEN birth_date IS NOT NULL THEN 'birth_date' END),
    'found', json_array_length(answer -> 'items')));
  RETURN smile.answer(200, answer);
END
$$;
ALTER FUNCTION smile.search_members(text, bytea, text, date, uuid, integer) OWNER TO smile_auth;
