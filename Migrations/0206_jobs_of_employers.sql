-- Whose a job is. One on behalf of an employer is the employer's: its users, who are told of it when it has the return
-- that they would change, may follow it, and whoever is its user no more may not, although the account is the same.
-- A machine follows its own, and those of returns when it may read returns.

DROP POLICY own_jobs ON smile.job;
CREATE POLICY own_jobs ON smile.job TO smile_api
  USING (CASE WHEN employer_id IS NULL
    THEN account_id = (SELECT smile.account_id()) OR client_id = (SELECT smile.client_id())
    ELSE employer_id = (SELECT smile.employer_id()) AND (client_id = (SELECT smile.client_id())
      OR (SELECT smile.role() = 'employer' OR smile.has_permission('returns:read')
        OR smile.has_permission('returns:write'))) END);
