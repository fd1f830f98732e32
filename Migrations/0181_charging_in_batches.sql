-- The months of delay that have begun are charged in batches, one transaction each, until none is left: a thousand
-- employers an hour were too few for a day on which half a million are late, and a long transaction would keep their
-- rows from them.

DROP INDEX smile.billing_open;

-- Charges one batch of the months of delay that have begun, those first that began first; how many employers they
-- were, 0 when no more are due. An employer whose row is held is charged by whoever holds it, or the next hour. The
-- batch is measured in billings, so that nobody waits longer for a row where each employer has many.
CREATE OR REPLACE FUNCTION smile.charge_begun_months() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, smile, pg_temp AS $$
DECLARE
  most CONSTANT integer := 50;
  today CONSTANT date := smile.today();
  late uuid[];
BEGIN
  SELECT array_agg(t.id) INTO late FROM (
    SELECT e.id FROM smile.employer AS e
    WHERE e.id = ANY (ARRAY(
      SELECT b.employer_id FROM smile.billing AS b
      WHERE b.status <> 'paid' AND coalesce(b.next_fine_on, b.due_date + 1) <= today
      ORDER BY coalesce(b.next_fine_on, b.due_date + 1) LIMIT most))
    ORDER BY e.id FOR NO KEY UPDATE SKIP LOCKED) AS t;
  PERFORM smile.settle(late) WHERE late IS NOT NULL;
  RETURN coalesce(cardinality(late), 0);
END
$$;
