-- Every notice and statement of a bank is signed: a token alone, which is a thing that can be stolen, reports nothing.
-- So a bank's client has its first signing key from the beginning.

DROP FUNCTION smile.create_bank_client(text, bytea);
CREATE FUNCTION smile.create_bank_client(name text, secret_digest bytea, key_id uuid, key_sealed bytea) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
  made uuid;
BEGIN
  INSERT INTO smile.client (name, kind, scopes)
  VALUES (create_bank_client.name, 'bank', '{payments:notify}') RETURNING id INTO made;
  PERFORM smile.add_client_secret(made, secret_digest);
  INSERT INTO smile.client_signing_key (id, client_id, key_sealed)
  VALUES (key_id, made, create_bank_client.key_sealed);
  PERFORM smile.audit('client.created', 'client', made, json_build_object(
    'kind', 'bank', 'scopes', ARRAY['payments:notify'], 'signing_key_id', key_id));
  RETURN made;
END
$$;
REVOKE EXECUTE ON FUNCTION smile.create_bank_client(text, bytea, uuid, bytea) FROM smile_api, smile_jobs, smile_auth;
