-- Where an employer is reached: its administrator or an officer who manages employers says so. NULL leaves a member of
-- the patch as it is.
CREATE FUNCTION smile.update_employer(
  wanted uuid, wanted_address text, wanted_email text, wanted_phone text, if_match text)
RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  e smile.employer;
BEGIN
  IF NOT (smile.is_officer('manage_employers')
    OR smile.role() = 'employer' AND smile.has_permission('admin') AND coalesce(smile.employer_id() = wanted, false))
  THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  SELECT * INTO e FROM smile.employer AS x WHERE x.id = wanted FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  PERFORM smile.check_match(if_match, e.version);
  UPDATE smile.employer AS x
  SET address = coalesce(wanted_address, x.address), email = coalesce(wanted_email, x.email),
    phone = coalesce(wanted_phone, x.phone)
  WHERE x.id = wanted RETURNING x.* INTO e;
  PERFORM smile.audit('employer.changed', 'employer', wanted, json_build_object('fields', array_remove(ARRAY[
    CASE WHEN wanted_address IS NOT NULL THEN 'address' END, CASE WHEN wanted_email IS NOT NULL THEN 'email' END,
    CASE WHEN wanted_phone IS NOT NULL THEN 'phone' END], NULL)));
  RETURN smile.answer(200, smile.employer_body(wanted), smile.etag(e.version));
END
$$;
