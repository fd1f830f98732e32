-- More of what every small return asks is planned once a connection and not at each call, as in 0163.

-- As before.
CREATE OR REPLACE FUNCTION smile.audit(action text, subject_kind text, subject_id uuid, details json DEFAULT NULL)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO smile.audit_log
    (request_id, role, account_id, client_id, address, purpose, action, subject_kind, subject_id, details)
  VALUES (
    smile.request_id(), smile.role(), smile.account_id(), smile.client_id(),
    nullif(current_setting('smile.address', true), ''), nullif(current_setting('smile.purpose', true), ''),
    audit.action, audit.subject_kind, audit.subject_id, audit.details);
END
$$;

-- As before.
CREATE OR REPLACE FUNCTION smile.month_basis(employer uuid, period date) RETURNS json LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN (
    SELECT json_build_object(
      'period', smile.month_text(month_basis.period),
      'risk_class', smile.risk_class(employer, month_basis.period),
      -- relief.covid.… is the relief `covid`.
      'reliefs', coalesce(
        json_agg(DISTINCT split_part(p.parameter, '.', 2)) FILTER (WHERE p.parameter LIKE 'relief.%'), '[]'),
      'verified', bool_and(p.verified),
      'parameters_used', json_agg(json_build_object(
        'programme', p.programme, 'parameter', p.parameter, 'value', p.value, 'valid_from', p.valid_from,
        'instrument', p.instrument, 'grade', p.grade, 'verified', p.verified) ORDER BY p.programme, p.parameter))
    FROM smile.rate_parameters(
      smile.jkk_rate_parameter(employer, month_basis.period), month_basis.period) AS p);
END
$$;
