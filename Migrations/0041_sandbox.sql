-- What only a development or sandbox installation may do. The installation says what it is in a row that the server's
-- roles can't write, so a server started with the wrong ENVIRONMENT can't open a production database's outbox.

CREATE TABLE smile.deployment (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  environment text NOT NULL DEFAULT 'production' CHECK (environment IN ('production', 'sandbox', 'dev'))
);
INSERT INTO smile.deployment (singleton) VALUES (true);
ALTER TABLE smile.deployment ENABLE ROW LEVEL SECURITY;
ALTER TABLE smile.deployment FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_all ON smile.deployment TO smile_owner USING (true);
CREATE POLICY everyone_reads ON smile.deployment FOR SELECT TO smile_api, smile_jobs USING (true);
GRANT SELECT ON smile.deployment TO smile_api, smile_jobs;

CREATE FUNCTION smile.environment() RETURNS text LANGUAGE sql STABLE
RETURN (SELECT d.environment FROM smile.deployment AS d);

-- The last messages, newest first, with their sealed parts for the server to open. In a sandbox a client sees those
-- of its own tenant.
CREATE FUNCTION smile.sandbox_outbox(wanted_recipient text, most integer) RETURNS TABLE (
  id uuid, created_at timestamptz, channel text, recipient text, template text, language text, parameters text,
  sealed_parameters bytea, delivered_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
BEGIN
  IF smile.environment() = 'production' THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  RETURN QUERY
  SELECT o.id, o.created_at, o.channel, o.recipient, o.template, o.language, o.parameters::text,
    o.sealed_parameters, o.delivered_at
  FROM smile.outbox AS o
  WHERE (wanted_recipient IS NULL OR o.recipient = wanted_recipient)
    AND (smile.environment() = 'dev' OR o.client_id = smile.client_id())
  ORDER BY o.created_at DESC, o.id DESC LIMIT most;
END
$$;

-- Sets the business clock; null lets it run with the wall clock again.
CREATE FUNCTION smile.set_clock(wanted timestamptz) RETURNS smile.answer_row
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
BEGIN
  IF smile.environment() = 'production' THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  UPDATE smile.clock SET business_at = wanted WHERE singleton;
  PERFORM smile.audit('sandbox.clock_set', 'clock', NULL, json_build_object('now', wanted));
  RETURN smile.answer(200, json_build_object('now', coalesce(wanted, clock_timestamp()), 'fixed', wanted IS NOT NULL));
END
$$;
