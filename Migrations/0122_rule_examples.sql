-- What each rule looks like: a return to open, what stood before it, the lines to send, and the finding they get. They
-- run as tests.
--
--   given       returns to be finalised before, in order; {"ended": day} ends every employment of the employer instead
--   method      how the lines are sent
--   body        what is sent, or body_base64 where it isn't UTF-8; … stands for as many letters x as `fill` says
--   finding     the one that is found; `also` names others that come with it
CREATE TABLE smile.rule_example (
  code text NOT NULL REFERENCES smile.rule,
  number integer NOT NULL CHECK (number > 0),
  example json NOT NULL,
  PRIMARY KEY (code, number)
);
ALTER TABLE smile.rule_example ENABLE ROW LEVEL SECURITY;
ALTER TABLE smile.rule_example FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_all ON smile.rule_example TO smile_owner USING (true);
CREATE POLICY everyone_reads ON smile.rule_example FOR SELECT TO smile_api, smile_jobs USING (true);
GRANT SELECT ON smile.rule_example TO smile_api, smile_jobs;

INSERT INTO smile.rule_example (code, number, example) VALUES
  ('kpj_malformed', 1, '{"method": "PUT", "kind": "regular", "period": "2026-10", "media_type": "text/csv", "body": "kpj,full_name,birth_date,wage\n1402233445,Adi Nugroho,1985-01-15,7500000\n", "finding": {"code": "kpj_malformed", "line": 1, "field": "kpj"}}'),
  ('nik_malformed', 1, '{"method": "PUT", "kind": "regular", "period": "2026-10", "media_type": "text/csv", "body": "nik,full_name,birth_date,wage\n317401150185090,Adi Nugroho,1985-01-15,7500000\n", "finding": {"code": "nik_malformed", "line": 1, "field": "nik"}}'),
  ('nik_birth_date_differs', 1, '{"method": "PUT", "kind": "regular", "period": "2026-10", "media_type": "text/csv", "body": "nik,full_name,birth_date,wage\n3174011601850902,Adi Nugroho,1985-01-15,7500000\n", "finding": {"code": "nik_birth_date_differs", "line": 1, "field": "nik"}}'),
  ('nik_sex_differs', 1, '{"method": "PUT", "kind": "regular", "period": "2026-10", "media_type": "text/csv", "body": "nik,full_name,birth_date,sex,wage\n3174015501850903,Adi Nugroho,1985-01-15,male,7500000\n", "finding": {"code": "nik_sex_differs", "line": 1, "field": "nik"}}'),
  ('name_missing', 1, '{"method": "PUT", "kind": "regular", "period": "2026-10", "media_type": "text/csv", "body": "nik,full_name,birth_date,wage\n3174011501850901,,1985-01-15,7500000\n", "finding": {"code": "name_missing", "line": 1, "field": "full_name"}}'),
  ('name_malformed', 1, '{"method": "PUT", "kind": "regular", "period": "2026-10", "media_type": "text/csv", "fill": 101, "body": "nik,full_name,birth_date,wage\n3174011501850901,…,1985-01-15,7500000\n", "finding": {"code": "name_malformed", "line": 1, "field": "full_name"}}'),
  ('birth_date_missing', 1, '{"method": "PUT", "kind": "regular", "period": "2026-10", "media_type": "text/csv", "body": "nik,full_name,birth_date,wage\n3174011501850901,Adi Nugroho,,7500000\n", "finding": {"code": "birth_date_missing", "line": 1, "field": "birth_date"}}'),
  ('birth_date_invalid', 1, '{"method": "PUT", "kind": "regular", "period": "2026-10", "media_type": "text/csv", "body": "nik,full_name,birth_date,wage\n3174011501850901,Adi Nugroho,1985-02-30,7500000\n", "finding": {"code": "birth_date_invalid", "line": 1, "field": "birth_date"}}'),
  ('sex_invalid', 1, '{"method": "PUT", "kind": "regular", "period": "2026-10", "media_type": "text/csv", "body": "nik,full_name,birth_date,sex,wage\n3174011501850901,Adi Nugroho,1985-01-15,L,7500000\n", "finding": {"code": "sex_invalid", "line": 1, "field": "sex"}}'),
  ('wage_missing', 1, '{"method": "PUT", "kind": "regular", "period": "2026-10", "media_type": "text/csv", "body": "nik,full_name,birth_date,wage\n3174011501850901,Adi Nugroho,1985-01-15,\n", "finding": {"code": "wage_missing", "line": 1, "field": "wage"}}'),
  ('wage_malformed', 1, '{"method": "PUT", "kind": "regular", "period": "2026-10", "media_type": "text/csv", "body": "nik,full_name,birth_date,wage\n3174011501850901,Adi Nugroho,1985-01-15,tujuh juta\n", "finding": {"code": "wage_malformed", "line": 1, "field": "wage"}}'),
  ('wage_malformed', 2, '{"method": "PUT", "kind": "regular", "period": "2026-10", "media_type": "text/csv", "body": "nik,full_name,birth_date,wage\n3174011501850901,Adi Nugroho,1985-01-15,7.500.000\n", "finding": {"code": "wage_malformed", "line": 1, "field": "wage"}}'),
  ('wage_negative', 1, '{"method": "PUT", "kind": "regular", "period": "2026-10", "media_type": "text/csv", "body": "nik,full_name,birth_date,wage\n3174011501850901,Adi Nugroho,1985-01-15,-7500000\n", "finding": {"code": "wage_negative", "line": 1, "field": "wage"}}'),
  ('wage_not_whole', 1, '{"method": "PUT", "kind": "regular", "period": "2026-10", "media_type": "text/csv", "body": "nik,full_name,birth_date,wage\n3174011501850901,Adi Nugroho,1985-01-15,7500000.50\n", "finding": {"code": "wage_not_whole", "line": 1, "field": "wage"}}'),
  ('wage_too_large', 1, '{"method": "PUT", "kind": "regular", "period": "2026-10", "media_type": "text/csv", "body": "nik,full_name,birth_date,wage\n3174011501850901,Adi Nugroho,1985-01-15,1000000000000000000000000000000\n", "finding": {"code": "wage_too_large", "line": 1, "field": "wage"}}'),
  ('wage_zero', 1, '{"method": "PUT", "kind": "regular", "period": "2026-10", "media_type": "text/csv", "body": "nik,full_name,birth_date,wage\n3174011501850901,Adi Nugroho,1985-01-15,0\n", "finding": {"code": "wage_zero", "line": 1, "field": "wage"}}'),
  ('back_pay_malformed', 1, '{"method": "PUT", "kind": "regular", "period": "2026-10", "media_type": "text/csv", "body": "nik,full_name,birth_date,wage,back_pay,back_pay_period\n3174011501850901,Adi Nugroho,1985-01-15,7500000,0,2026-09\n", "finding": {"code": "back_pay_malformed", "line": 1, "field": "back_pay"}}'),
  ('back_pay_period_missing', 1, '{"method": "PUT", "kind": "regular", "period": "2026-10", "media_type": "text/csv", "body": "nik,full_name,birth_date,wage,back_pay,back_pay_period\n3174011501850901,Adi Nugroho,1985-01-15,7500000,250000,\n", "finding": {"code": "back_pay_period_missing", "line": 1, "field": "back_pay_period"}}'),
  ('back_pay_period_invalid', 1, '{"method": "PUT", "kind": "regular", "period": "2026-10", "media_type": "text/csv", "body": "nik,full_name,birth_date,wage,back_pay,back_pay_period\n3174011501850901,Adi Nugroho,1985-01-15,7500000,250000,2026-10\n", "finding": {"code": "back_pay_period_invalid", "line": 1, "field": "back_pay_period"}}'),
  ('back_pay_missing', 1, '{"method": "PUT", "kind": "regular", "period": "2026-10", "media_type": "text/csv", "body": "nik,full_name,birth_date,wage,back_pay,back_pay_period\n3174011501850901,Adi Nugroho,1985-01-15,7500000,,2026-09\n", "finding": {"code": "back_pay_missing", "line": 1, "field": "back_pay"}}'),
  ('line_key_malformed', 1, '{"method": "PUT", "kind": "regular", "period": "2026-10", "media_type": "text/csv", "fill": 65, "body": "line_key,nik,full_name,birth_date,wage\n…,3174011501850901,Adi Nugroho,1985-01-15,7500000\n", "finding": {"code": "line_key_malformed", "line": 1, "field": "line_key"}}'),
  ('line_key_repeated', 1, '{"method": "PUT", "kind": "regular", "period": "2026-10", "media_type": "text/csv", "body": "line_key,nik,full_name,birth_date,wage\nW1,3174011501850901,Adi Nugroho,1985-01-15,7500000\nW1,3174011501850904,Bima,1985-01-15,7500000\n", "finding": {"code": "line_key_repeated", "line": 2, "field": "line_key"}}'),
  ('field_count_differs', 1, '{"method": "PUT", "kind": "regular", "period": "2026-10", "media_type": "text/csv", "body": "nik,full_name,birth_date,wage\n3174011501850901,Nugroho, Adi,1985-01-15,7500000\n", "finding": {"code": "field_count_differs", "line": 1}}'),
  ('line_malformed', 1, '{"method": "PUT", "kind": "regular", "period": "2026-10", "media_type": "text/csv", "body": "nik,full_name,birth_date,wage\n3174011501850901,Adi \"Nug\" roho\",1985-01-15,7500000\n", "finding": {"code": "line_malformed", "line": 1}}'),
  ('line_malformed', 2, '{"method": "PUT", "kind": "regular", "period": "2026-10", "media_type": "application/x-ndjson", "body": "{\"nik\":\"3174011501850901\",\"salary\":7500000}\n", "finding": {"code": "line_malformed", "line": 1}}'),
  ('line_too_long', 1, '{"method": "PUT", "kind": "regular", "period": "2026-10", "media_type": "text/csv", "fill": 65536, "body": "nik,full_name,birth_date,wage\n3174011501850901,…,1985-01-15,7500000\n", "finding": {"code": "line_too_long", "line": 1}}'),
  ('encoding_invalid', 1, '{"method": "PUT", "kind": "regular", "period": "2026-10", "media_type": "text/csv", "body_base64": "bmlrLGZ1bGxfbmFtZSxiaXJ0aF9kYXRlLHdhZ2UKMzE3NDAxMTUwMTg1MDkwMSxBZGkgTnVncvNobywxOTg1LTAxLTE1LDc1MDAwMDAK", "finding": {"code": "encoding_invalid", "line": 1}}'),
  ('worker_unidentified', 1, '{"method": "PUT", "kind": "regular", "period": "2026-10", "media_type": "text/csv", "body": "nik,full_name,birth_date,wage\n,Adi Nugroho,1985-01-15,7500000\n", "finding": {"code": "worker_unidentified", "line": 1, "field": "nik"}}'),
  ('kpj_unknown', 1, '{"method": "PUT", "kind": "regular", "period": "2026-10", "media_type": "text/csv", "body": "kpj,full_name,birth_date,wage\n99999999999,Adi Nugroho,1985-01-15,7500000\n", "finding": {"code": "kpj_unknown", "line": 1, "field": "kpj"}}'),
  ('identity_mismatch', 1, '{"method": "PUT", "kind": "regular", "period": "2026-10", "media_type": "text/csv", "given": [{"kind": "regular", "period": "2026-09", "body": "nik,full_name,birth_date,wage\n3174011501850901,Adi Nugroho,1985-01-15,7500000\n"}], "also": ["nik_birth_date_differs"], "body": "nik,full_name,birth_date,wage\n3174011501850901,Adi Nugroho,1985-01-16,7500000\n", "finding": {"code": "identity_mismatch", "line": 1, "field": "nik"}}'),
  ('name_differs', 1, '{"method": "PUT", "kind": "regular", "period": "2026-10", "media_type": "text/csv", "given": [{"kind": "regular", "period": "2026-09", "body": "nik,full_name,birth_date,wage\n3174011501850901,Adi Nugroho,1985-01-15,7500000\n"}], "body": "nik,full_name,birth_date,wage\n3174011501850901,Adi Nugraha,1985-01-15,7500000\n", "finding": {"code": "name_differs", "line": 1, "field": "full_name"}}'),
  ('duplicate_worker', 1, '{"method": "PUT", "kind": "regular", "period": "2026-10", "media_type": "text/csv", "body": "nik,full_name,birth_date,wage\n3174011501850901,Adi Nugroho,1985-01-15,7500000\n3174011501850901,Adi Nugroho,1985-01-15,7500000\n", "finding": {"code": "duplicate_worker", "line": 2}}'),
  ('worker_ended', 1, '{"method": "PUT", "kind": "regular", "period": "2026-10", "media_type": "text/csv", "given": [{"kind": "regular", "period": "2026-08", "body": "nik,full_name,birth_date,wage\n3174011501850901,Adi Nugroho,1985-01-15,7500000\n"}, {"ended": "2026-08-31"}], "body": "nik,full_name,birth_date,wage\n3174011501850901,Adi Nugroho,1985-01-15,7500000\n", "finding": {"code": "worker_ended", "line": 1, "field": "kpj"}}'),
  ('worker_already_reported', 1, '{"method": "PUT", "kind": "supplementary", "period": "2026-10", "media_type": "text/csv", "given": [{"kind": "regular", "period": "2026-10", "body": "nik,full_name,birth_date,wage\n3174011501850901,Adi Nugroho,1985-01-15,7500000\n"}], "body": "nik,full_name,birth_date,wage\n3174011501850901,Adi Nugroho,1985-01-15,7500000\n", "finding": {"code": "worker_already_reported", "line": 1}}'),
  ('worker_not_reported', 1, '{"method": "PUT", "kind": "revised", "period": "2026-10", "media_type": "text/csv", "given": [{"kind": "regular", "period": "2026-10", "body": "nik,full_name,birth_date,wage\n3174011501850901,Adi Nugroho,1985-01-15,7500000\n"}], "body": "nik,full_name,birth_date,wage\n3174011501850904,Bima,1985-01-15,7500000\n", "finding": {"code": "worker_not_reported", "line": 1}}'),
  ('back_pay_not_revised', 1, '{"method": "PUT", "kind": "revised", "period": "2026-10", "media_type": "text/csv", "given": [{"kind": "regular", "period": "2026-10", "body": "nik,full_name,birth_date,wage\n3174011501850901,Adi Nugroho,1985-01-15,7500000\n"}], "body": "nik,full_name,birth_date,wage,back_pay,back_pay_period\n3174011501850901,Adi Nugroho,1985-01-15,7500000,250000,2026-09\n", "finding": {"code": "back_pay_not_revised", "line": 1, "field": "back_pay"}}'),
  ('declared_lines_differ', 1, '{"method": "PUT", "kind": "regular", "period": "2026-10", "media_type": "text/csv", "declared_totals": {"lines": 2}, "body": "nik,full_name,birth_date,wage\n3174011501850901,Adi Nugroho,1985-01-15,7500000\n", "finding": {"code": "declared_lines_differ"}}'),
  ('declared_wages_differ', 1, '{"method": "PUT", "kind": "regular", "period": "2026-10", "media_type": "text/csv", "declared_totals": {"wages": 7500001}, "body": "nik,full_name,birth_date,wage\n3174011501850901,Adi Nugroho,1985-01-15,7500000\n", "finding": {"code": "declared_wages_differ"}}'),
  ('remove_invalid', 1, '{"method": "PATCH", "kind": "regular", "period": "2026-10", "media_type": "text/csv", "body": "line_key,nik,full_name,birth_date,wage,remove\nW1,3174011501850901,Adi Nugroho,1985-01-15,7500000,ya\n", "finding": {"code": "remove_invalid", "line": 1, "field": "remove"}}');

CREATE OR REPLACE FUNCTION smile.rule_body(wanted text, language text) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_strip_nulls(json_build_object(
    'code', r.code, 'severity', r.severity, 'applies_to', r.applies_to,
    'title', CASE language WHEN 'en' THEN r.title_en ELSE r.title_id END,
    'description', CASE language WHEN 'en' THEN r.description_en ELSE r.description_id END,
    'fix', CASE language WHEN 'en' THEN r.fix_en ELSE r.fix_id END,
    'citation', r.citation, 'since', r.since,
    'examples', (SELECT json_agg(e.example ORDER BY e.number) FROM smile.rule_example AS e WHERE e.code = r.code)))
  FROM api.rule AS r WHERE r.code = wanted);

-- As before, with a pointer (RFC 6901) into the lines as JSON: line 1 is /lines/0.
CREATE OR REPLACE FUNCTION smile.finding_body(f smile.finding, language text) RETURNS json LANGUAGE sql STABLE
RETURN (
  SELECT json_strip_nulls(json_build_object(
    'line', nullif(f.line, 0), 'field', nullif(f.field, ''),
    'pointer', CASE
      WHEN f.line > 0 THEN '/lines/' || (f.line - 1)::text || CASE WHEN f.field <> '' THEN '/' || f.field ELSE '' END
      ELSE '/declared_totals/' || CASE f.code WHEN 'declared_lines_differ' THEN 'lines' ELSE 'wages' END END,
    'code', f.code, 'severity', r.severity,
    'message', CASE language WHEN 'en' THEN r.description_en ELSE r.description_id END,
    'fix', CASE language WHEN 'en' THEN r.fix_en ELSE r.fix_id END,
    'params', f.params, 'rule', '/v1/rules/' || f.code, 'citation', r.citation))
  FROM smile.rule AS r WHERE r.code = f.code);
