-- The report of an upload as rows beside those that were sent, in their order: CSV or NDJSON. What a rehearsal found
-- can't be asked for afterwards. And each row says in words what was found of it.

-- As before; new columns come after the known ones.
CREATE OR REPLACE FUNCTION smile.return_lines_csv(page json, has_header boolean) RETURNS text LANGUAGE sql IMMUTABLE
RETURN (
  SELECT CASE WHEN has_header THEN
      'line,line_key,status,match,kpj,nik_last_four,full_name,birth_date,wage,back_pay,back_pay_period,'
      'jht_employer,jht_worker,jkk_employer,jkk_to_jkp,jkm_employer,jkm_to_jkp,jp_employer,jp_worker,'
      'jkp_recomposed,jkp_state,back_pay_jht_employer,back_pay_jht_worker,back_pay_jkk_employer,back_pay_jkk_to_jkp,'
      'back_pay_jkm_employer,back_pay_jkm_to_jkp,back_pay_jp_employer,back_pay_jp_worker,back_pay_jkp_recomposed,'
      'back_pay_jkp_state,findings,jp_wage,jkp_wage,wage_before,'
      'debit_jht_employer,debit_jht_worker,debit_jkk_employer,debit_jkk_to_jkp,debit_jkm_employer,debit_jkm_to_jkp,'
      'debit_jp_employer,debit_jp_worker,debit_jkp_recomposed,debit_jkp_state,'
      'credit_jht_employer,credit_jht_worker,credit_jkk_employer,credit_jkk_to_jkp,credit_jkm_employer,'
      'credit_jkm_to_jkp,credit_jp_employer,credit_jp_worker,credit_jkp_recomposed,credit_jkp_state,messages'
      || E'\r\n' ELSE '' END
    || coalesce(string_agg(array_to_string(
      ARRAY[x.line::text, smile.csv_cell(x.line_key), x.status, x.match, x.kpj, x.nik_last_four,
        smile.csv_cell(x.full_name), x.birth_date, x.wage::text, x.back_pay::text, x.back_pay_period]
      || smile.amounts_cells(x.amounts) || smile.amounts_cells(x.back_pay_amounts)
      || ARRAY[(SELECT string_agg(concat_ws(':', f.item ->> 'field', f.item ->> 'code'), ' ')
        FROM jsonb_array_elements(x.findings) AS f (item)), x.jp_wage::text, x.jkp_wage::text, x.wage_before::text]
      || smile.amounts_cells(x.debit) || smile.amounts_cells(x.credit)
      || ARRAY[smile.csv_cell((SELECT string_agg(f.item ->> 'message', ' ')
        FROM jsonb_array_elements(x.findings) AS f (item)))], ',', '') || E'\r\n', '' ORDER BY x.line), '')
  FROM json_to_recordset(page -> 'items') AS x (
    line integer, line_key text, status text, match text, kpj text, nik_last_four text, full_name text,
    birth_date text, wage bigint, back_pay bigint, back_pay_period text, jp_wage bigint, jkp_wage bigint,
    wage_before bigint, amounts jsonb, back_pay_amounts jsonb, debit jsonb, credit jsonb, findings jsonb));

-- The lines of a return that was just loaded, as one text, which is why there is a limit. Volatile, to see what the
-- statement that calls it has just done.
CREATE FUNCTION smile.report_text(wanted uuid, language text, form text) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  most CONSTANT integer := 10000;
BEGIN
  IF (SELECT r.lines FROM smile.contribution_return AS r WHERE r.id = wanted) > most THEN
    PERFORM smile.fail(422, 'report_too_long', json_build_object('maximum', most));
  END IF;
  RETURN (SELECT e.body FROM smile.export_return(wanted, 'lines', NULL, NULL, most, language, form) AS e);
END
$$;
