-- A person without an employer becomes a member at an office: an officer who verifies members has seen the identity
-- card. With the KPJ the person then opens an account and enrols, as every member does.

CREATE FUNCTION smile.create_member(
  nik_index bytea, nik_sealed bytea, nik_last_four text, full_name text, birth_date date, sex text)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  made uuid;
BEGIN
  IF NOT smile.is_officer('verify_members') THEN
    PERFORM smile.fail(403, 'insufficient_scope');
  ELSIF create_member.birth_date > smile.today() THEN
    PERFORM smile.refuse(422, 'birth_date_lies_ahead', '/birth_date');
  END IF;
  BEGIN
    INSERT INTO smile.member (full_name, birth_date, sex, segment)
    VALUES (create_member.full_name, create_member.birth_date, create_member.sex, 'self_employed')
    RETURNING id INTO made;
    INSERT INTO smile.national_id (nik_index, member_id, nik_sealed, last_four)
    VALUES (create_member.nik_index, made, create_member.nik_sealed, create_member.nik_last_four);
  EXCEPTION WHEN unique_violation THEN
    PERFORM smile.fail(409, 'already_member');
  END;
  INSERT INTO smile.member_number (kpj, member_id) VALUES (smile.next_kpj(), made);
  PERFORM smile.audit('member.created', 'member', made);
  RETURN smile.answer(201, smile.member_body(made), smile.etag(1), '/v1/members/' || made);
END
$$;
