-- What workers remember of clients, so that a request needs no look-up: the web origins of front ends, and quotas that
-- differ from the usual one. A NOTIFY on smile_client says that they have changed.

CREATE FUNCTION smile.client_origins() RETURNS TABLE (origin text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp
BEGIN ATOMIC
  SELECT DISTINCT o.origin FROM smile.client AS c, unnest(c.allowed_origins) AS o (origin)
  WHERE c.revoked_at IS NULL;
END;
ALTER FUNCTION smile.client_origins() OWNER TO smile_auth;

CREATE FUNCTION smile.client_quotas() RETURNS TABLE (client uuid, requests_per_minute integer, is_front_end boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp
BEGIN ATOMIC
  SELECT c.id, c.requests_per_minute, c.kind = 'application' FROM smile.client AS c
  WHERE c.requests_per_minute IS NOT NULL AND c.revoked_at IS NULL;
END;
ALTER FUNCTION smile.client_quotas() OWNER TO smile_auth;

-- The front end that a person's token was got through. Asked once a token and worker, after its request was answered,
-- and only while a front end has a quota.
CREATE FUNCTION smile.front_end_of(token_digest bytea) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp
RETURN (
  SELECT s.client_id FROM smile.access_token AS t JOIN smile.session AS s ON s.id = t.session_id
  WHERE t.digest = token_digest);
ALTER FUNCTION smile.front_end_of(bytea) OWNER TO smile_auth;

CREATE FUNCTION smile.notify_clients() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('smile_client', '');
  RETURN NULL;
END
$$;
CREATE TRIGGER client_directory_changes AFTER INSERT OR UPDATE ON smile.client
  FOR EACH STATEMENT EXECUTE FUNCTION smile.notify_clients();
REVOKE EXECUTE ON FUNCTION smile.notify_clients() FROM smile_api, smile_jobs;
