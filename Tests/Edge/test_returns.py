"""Returns: a finding for each thing wrong, uploads in every shape, what a rehearsal leaves, supplements."""
import base64
import concurrent.futures
import hashlib
import json

import pytest

from payroll import balanced, bank, HEADER, line, nik, payroll, Payroll  # noqa: F401


def test_a_finding_for_each_thing_wrong(payroll, actors):
    """One line a rule; the others stand."""
    other = actors.worker()
    ended = actors.worker(payroll.actor["employer_token"], payroll.employer_id)
    payroll.client.acting(payroll.actor["employer_token"]).post(
        f"/v1/employers/{payroll.employer_id}/workers/{ended['employment_id']}/termination",
        {"end_date": "2026-08-31", "reason": "layoff"}, key=True).expect(200)
    same = nik()
    lines = [
        (line(1, kpj="1402233445"), "kpj:kpj_malformed"),
        (line(1, number="327506540892123"), "nik:nik_malformed"),
        (line(1, name=""), "full_name:name_missing"),
        (line(1, born="1990-02-30"), "birth_date:birth_date_invalid"),
        (line(1, born="2026-11-01"), "birth_date:birth_date_invalid"),
        (line("-1"), "wage:wage_negative"),
        (line("1.5"), "wage:wage_not_whole"),
        (line(""), "wage:wage_missing"),
        (line("1" + "0" * 30), "wage:wage_too_large"),
        (line(1, number=""), "nik:worker_unidentified"),
        # A number that nobody has looks like somebody else's.
        (line(1, kpj="99999999999"), "kpj:identity_mismatch"),
        (line(1, kpj=other["kpj"]), "kpj:identity_mismatch"),
        (line(1, number=other["nik"], name="Orang Lain", born=other["birth_date"]), "nik:identity_mismatch"),
        (line(1, kpj=other["kpj"], number=other["nik"], name="Orang Lain", born=other["birth_date"]),
         "kpj:identity_mismatch"),
        (line(1, number=other["nik"], name=other["full_name"], born="1985-02-01"), "nik:identity_mismatch"),
        (line(1, kpj=other["kpj"], number="", name="Orang Lain", born=other["birth_date"]), "kpj:identity_mismatch"),
        (line(1, kpj=ended["kpj"], number=ended["nik"], name=ended["full_name"], born=ended["birth_date"]),
         "kpj:worker_ended"),
        (line(1, number=same), None),
        (line(1, number=same), ":duplicate_worker"),
        (line(1, key="K1"), None),
        (line(1, key="K1"), "line_key:line_key_repeated"),
        (line(1, back_pay="5,2026-10"), "back_pay_period:back_pay_period_invalid"),
        (line(1, back_pay="5,2015-06"), "back_pay_period:back_pay_period_invalid"),
        (line(1, sex="X"), "sex:sex_invalid"),
        ('a,"b', ":line_malformed"),
    ]
    opened = payroll.open("2026-10")
    report = payroll.send(opened["id"], [text for text, _ in lines])
    found = [[f"{f.get('field', '')}:{f['code']}" for f in got.get("findings", []) if f["severity"] == "error"]
             for got in payroll.lines(opened["id"])]
    assert found == [[code] if code else [] for _, code in lines]
    assert report["outcome"] == "partially_accepted"
    assert report["counts"] == {"lines": len(lines), "accepted": 2, "warned": 0, "rejected": len(lines) - 2}


def test_warnings_leave_a_line_standing(payroll, actors):
    other = actors.worker(payroll.actor["employer_token"], payroll.employer_id)
    lines = [line(1, number=nik("850116")), line(1, sex="female"), line(0),
             line(1, kpj=other["kpj"], number=other["nik"], name="Budi Santosa", born=other["birth_date"]),
             line(1, kpj=other["kpj"][:-1])]
    opened = payroll.open("2026-10", declared_totals={"lines": 4, "wages": 4})
    report = payroll.send(opened["id"], lines[:4])
    assert report["outcome"] == "accepted_with_warnings"
    assert [[f["code"] for f in got["findings"]] for got in payroll.lines(opened["id"])] == [
        ["nik_birth_date_differs"], ["nik_sex_differs"], ["wage_zero"], ["name_differs"]]
    whole = payroll.client.get(f"/v1/returns/{opened['id']}/findings").expect(200).json["items"][0]
    assert (whole["code"], whole["params"]) == ("declared_wages_differ", {"declared": 4, "found": 3})
    assert "line" not in whole


def test_a_nik_alone_buys_nobodys_name_or_number(payroll, actors):
    """A NIK holds the birth date; a stranger who sent it read the member's name and KPJ back as their worker's."""
    victim = actors.worker()
    opened = payroll.open("2026-10")["id"]
    report = payroll.send(opened, [line(1, number=victim["nik"], name="Xx Yy", born=victim["birth_date"]), line(1)])
    assert report["counts"] == {"lines": 2, "accepted": 1, "warned": 0, "rejected": 1}
    payroll.finalise(opened)
    workers = payroll.client.get(f"/v1/employers/{payroll.employer_id}/workers").expect(200)
    assert len(workers.json["items"]) == 1
    shown = json.dumps([workers.json, payroll.lines(opened)])
    assert victim["full_name"] not in shown and victim["kpj"] not in shown


def test_lines_replace_what_was_there(payroll):
    opened = payroll.open("2026-10")
    payroll.send(opened["id"], [line(5), line(6), "x"])
    report = payroll.send(opened["id"], [line(7)])
    assert report["counts"] == {"lines": 1, "accepted": 1, "warned": 0, "rejected": 0}
    assert [got["wage"] for got in payroll.lines(opened["id"])] == [7]
    assert payroll.client.get(f"/v1/returns/{opened['id']}/findings").json["items"] == []


def test_the_findings_of_a_rehearsal_are_told_in_the_language_asked_for(payroll):
    opened = payroll.open("2026-10")["id"]
    for language, fix in (("id", "Tulis misalnya 7500000."), ("en", "Write for example 7500000.")):
        answer = payroll.client.put(f"/v1/returns/{opened}/lines?validate_only=true", {"lines": [
            {"nik": nik(), "full_name": "Adi", "birth_date": "1985-01-15", "wage": "tujuh"}]}, headers={
            "Accept-Language": language}).expect(200)
        assert answer.headers["Content-Language"] == language
        assert [(f["pointer"], f["fix"]) for f in answer.json["findings"]["items"]] == [("/lines/0/wage", fix)]
    clean = payroll.send(opened, [line(1)])
    assert "findings" not in clean


def test_a_content_digest_is_checked(payroll):
    opened = payroll.open("2026-10")
    text = f"{HEADER}\n{line(5)}\n".encode()
    digest = base64.b64encode(hashlib.sha256(text).digest()).decode()
    target = f"/v1/returns/{opened['id']}/lines"
    send = {"Content-Type": "text/csv", "Content-Digest": f"sha-256=:{digest}:"}
    assert payroll.client.put(target, body=text, headers=send).expect(200).json["content_sha256"] == hashlib.sha256(
        text).hexdigest()
    payroll.client.put(target, body=text + b"\n", headers=send).expect(400, "digest_mismatch")
    payroll.client.put(target, body=text, headers=send | {"Content-Digest": "sha-256=x"}).expect(400)


def test_ndjson_and_json_give_what_csv_gives(payroll):
    number, opened = nik(), payroll.open("2026-10")
    csv = payroll.send(opened["id"], [line(12_000_000, number=number)])
    row = {"nik": number, "full_name": "Adi Nugroho", "birth_date": "1985-01-15", "sex": "male", "wage": 12_000_000}
    target = f"/v1/returns/{opened['id']}/lines"
    ndjson = payroll.client.put(target, body=json.dumps(row).encode(), headers={
        "Content-Type": "application/x-ndjson"}).expect(200).json
    as_json = payroll.client.put(target, {"lines": [row]}).expect(200).json
    assert csv["totals"] == ndjson["totals"] == as_json["totals"]
    assert csv["counts"] == ndjson["counts"] == as_json["counts"]


def test_a_file_of_many_pieces_is_read_as_one(payroll):
    """Over 64 KiB lines go through COPY, in pieces that are cut anywhere; each line is still its own."""
    lines = [line(5_000_000 + number, key=f"K{number}") for number in range(3_000)]
    lines[7] = line(1, name="Adi \\N\\t \\x41 {Nugroho}")
    lines[1_234] = line("", key="K1234")
    lines[2_345] = '"never closed'
    opened = payroll.open("2026-10")
    rehearsed = payroll.send(opened["id"], lines[:2_345] + lines[2_346:], "?validate_only=true")
    assert rehearsed["counts"] == {"lines": 2_999, "accepted": 2_998, "warned": 0, "rejected": 1}
    report = payroll.send(opened["id"], lines)
    rejected = payroll.client.get(f"/v1/returns/{opened['id']}/lines?status=rejected").expect(200).json["items"]
    assert [(got["line"], got["findings"][0]["code"]) for got in rejected][0] == (1_235, "wage_missing")
    assert rejected[1]["line"] == 2_346 and rejected[1]["findings"][0]["code"] in ("line_malformed", "line_too_long")
    assert report["counts"]["rejected"] == 2   # what the open quote swallowed is one line
    assert payroll.lines(opened["id"])[199]["line_key"] == "K199"
    assert payroll.lines(opened["id"])[7]["full_name"] == "Adi \\N\\t \\x41 {Nugroho}"


def test_the_same_file_twice_at_once_stands_once(payroll):
    """Whoever comes while a job has the return is told so, and when to come again."""
    opened = payroll.open("2026-10")
    body = "\n".join([HEADER, *(line(5_000_000) for _ in range(1_500))]).encode()

    def send(_):
        client = payroll.client.acting(payroll.client.token)
        return client.put(f"/v1/returns/{opened['id']}/lines", body=body, headers={
            "Content-Type": "text/csv", "Prefer": "wait=10"})

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(send, range(2)))
    stood = [answer for answer in answers if answer.status == 200]
    assert stood and all(answer.json["counts"]["accepted"] == 1_500 for answer in stood)
    for answer in answers:
        if answer not in stood:
            assert answer.expect(409, "return_under_way").headers["Retry-After"] == "1"
    assert payroll.client.get(f"/v1/returns/{opened['id']}").json["counts"]["lines"] == 1_500


def test_officers_read_what_their_permission_says(payroll, api, actors):
    _, billing = payroll.month("2026-10", [line(5_000_000)])
    money = api.acting(actors.officer("manage_billing")["token"])
    for target in (f"/v1/returns/{billing['return_id']}", f"/v1/returns/{billing['return_id']}/lines",
                   f"/v1/returns/{billing['return_id']}/receipt", f"/v1/billings/{billing['id']}",
                   f"/v1/employers/{payroll.employer_id}/returns", f"/v1/employers/{payroll.employer_id}/billings",
                   f"/v1/employers/{payroll.employer_id}"):
        money.get(target).expect(200)
    firms = api.acting(actors.officer("manage_employers")["token"])
    firms.get(f"/v1/employers/{payroll.employer_id}").expect(200)
    firms.get(f"/v1/returns/{billing['return_id']}").expect(403)


def test_quotes_marks_and_formulas_are_just_text(payroll):
    opened = payroll.open("2026-10")
    text = ("\ufeff" + HEADER + "\r\n" + line(1, name='"=cmd() ""Adi"", S.H."') + "\r\n"
            + line(1, name="Nuƴa Ünal").replace("ƴ", "y") + "\r\n")
    payroll.client.put(f"/v1/returns/{opened['id']}/lines", body=text.encode(), headers={
        "Content-Type": "text/csv; charset=utf-8"}).expect(200)
    assert [got["full_name"] for got in payroll.lines(opened["id"])] == ['=cmd() "Adi", S.H.', "Nuya Ünal"]


def test_a_supplement_brings_forgotten_workers_and_nobody_twice(payroll):
    number = nik()
    payroll.month("2026-09", [line(5_000_000, number=number)])
    opened = payroll.open("2026-09", "supplementary")
    payroll.send(opened["id"], [line(5_000_000, number=number), line(6_000_000)])
    assert [got["status"] for got in payroll.lines(opened["id"])] == ["rejected", "accepted"]
    finalised = payroll.finalise(opened["id"])
    assert finalised["totals"]["wages"] == 6_000_000


def test_a_worker_is_billed_for_a_month_once_whichever_return_comes_first(payroll):
    """Three returns of one month hold the same worker, all checked before any was finalised."""
    number = nik()
    payroll.month("2026-08", [line(5_000_000, number=number)])
    kinds = ["supplementary", "supplementary", "regular"]
    returns = [payroll.open("2026-09", kind)["id"] for kind in kinds]
    for return_id in returns:
        payroll.send(return_id, [line(5_000_000, number=number)])

    def finalise(return_id):
        with payroll.client.acting(payroll.client.token) as client:
            answer = client.post(f"/v1/returns/{return_id}/finalisation", key=True)
            return answer.status, answer.json.get("code")

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(finalise, returns))
    assert sorted(answers, key=str) == [(200, None), (409, "return_outdated"), (409, "return_outdated")]
    late = next(each for each, answer in zip(returns, answers) if answer[0] == 409)
    payroll.send(late, [line(5_000_000, number=number), line(6_000_000)])
    assert [got["status"] for got in payroll.lines(late)] == ["rejected", "accepted"]
    billings = payroll.client.get(f"/v1/employers/{payroll.employer_id}/billings").json["items"]
    assert [each["period"] for each in billings].count("2026-09") == 1


def test_back_pay_heeds_what_was_reported_but_not_yet_paid(payroll):
    """October's wage is over both ceilings already, so back pay for October adds nothing to JP and JKP."""
    number = nik()
    reported = payroll.open("2026-09")["id"]
    payroll.send(reported, [line(12_000_000, number=number)])
    payroll.finalise(reported)
    later = payroll.open("2026-10")["id"]
    payroll.send(later, [line(5_000_000, number=number, back_pay="1000000,2026-09")])
    amounts = payroll.lines(later)[0]["back_pay_amounts"]
    assert amounts["jp"] == {"employer": 0, "worker": 0} and amounts["jkp"] == {"recomposed": 0, "state": 0}
    assert amounts["jht"] == {"employer": 37_000, "worker": 20_000}


def test_a_wrong_line_takes_no_other_line_of_its_worker_with_it(payroll):
    number, opened = nik(), payroll.open("2026-10")["id"]
    payroll.send(opened, [line("", number=number), line(5_000_000, number=number), line(6_000_000, number=number)])
    assert [got["status"] for got in payroll.lines(opened)] == ["rejected", "accepted", "rejected"]


def test_amounts_say_that_they_rest_on_unverified_law(payroll):
    computed = payroll.open("2026-10")["id"]
    loaded = payroll.send(computed, [line(5_000_000)])
    billing = payroll.client.get(f"/v1/billings/{payroll.finalise(computed)['billing_id']}").json
    assert loaded["totals"]["verified"] is False and billing["verified"] is False


def test_an_officer_s_look_at_a_return_leaves_a_row(payroll, api, actors, db):
    opened = payroll.open("2026-10")["id"]
    payroll.send(opened, [line(5_000_000)])
    officer = api.acting(actors.officer("manage_billing")["token"])
    rows = "SELECT count(*) FROM smile.audit_log WHERE action = 'return.read' AND subject_id = %s"
    payroll.lines(opened)
    assert db.execute(rows, [opened]).fetchone() == (0,)
    assert len(officer.get(f"/v1/returns/{opened}/lines").expect(200).json["items"]) == 1
    assert db.execute(rows, [opened]).fetchone() == (1,)


def test_a_month_that_is_closed_or_has_not_begun_takes_no_return(payroll, db):
    """Closed months are corrected by revisions and supplements; nothing that was refused leaves a row."""
    payroll.month("2026-09", [line(5_000_000)])
    closed = payroll.client.get(f"/v1/employers/{payroll.employer_id}/returns").json["items"][0]["id"]
    count = "SELECT count(*) FROM smile.contribution_return WHERE employer_id = %s"
    before = db.execute(count, [payroll.employer_id]).fetchone()
    for period, kind, status, code in (
            ("2026-09", "regular", 409, "return_exists"), ("2026-09", "no_activity", 409, "return_exists"),
            ("2026-12", "regular", 422, "period_in_future"), ("2026-12", "supplementary", 422, "period_in_future"),
            ("2015-06", "regular", 422, "period_too_early")):
        assert payroll.open(period, kind, status)["code"] == code
    lines = payroll.client.get(f"/v1/returns/{closed}/lines").body
    assert payroll.send(closed, [line(1)], status=409)["code"] == "return_not_open"
    payroll.client.request("DELETE", f"/v1/returns/{closed}", headers={"If-Match": "*"}).expect(409, "return_not_open")
    assert payroll.client.get(f"/v1/returns/{closed}/lines").body == lines
    assert db.execute(count, [payroll.employer_id]).fetchone() == before


OWN_NAMES = "columns=nik:No. KTP,full_name:Nama Karyawan,birth_date:Tgl Lahir,wage:Gaji Pokok"


def mapped(payroll, return_id, text, columns=OWN_NAMES, method="PUT", form="text/csv"):
    return payroll.client.request(method, f"/v1/returns/{return_id}/lines?{columns.replace(' ', '%20')}",
                                  body=text.encode(), headers={"Content-Type": form})


def test_a_file_with_names_of_its_own_is_read_as_it_is(payroll):
    """Its other columns are passed over; our names stay where nothing else has them."""
    opened, number = payroll.open("2026-10")["id"], nik()
    report = mapped(payroll, opened, "Departemen;Kota,No. KTP,line_key,Nama Karyawan,Tgl Lahir,Gaji Pokok,Bank,wage\n"
                    f"HRD,{number},K1,Adi Nugroho,1985-01-15,7000000,BCA,1\n").expect(200).json
    assert report["totals"]["wages"] == 7_000_000 and report["outcome"] == "accepted"
    assert payroll.lines(opened)[0]["line_key"] == "K1"
    mapped(payroll, opened, "ID,x\nK1,true\n", "columns=line_key:ID,remove:x", "PATCH").expect(200)
    assert payroll.lines(opened) == []


@pytest.mark.parametrize("columns", [
    "columns=", "columns=nik", "columns=nik:", "columns=salary:Gaji", "columns=nik:A,wage:A", "columns=nik:A,nik:B",
    "columns=nik:A,", "columns=nik:" + "x" * 2_000])
def test_a_mapping_that_is_none(payroll, columns):
    opened = payroll.open("2026-10")["id"]
    answer = mapped(payroll, opened, f"{HEADER}\n{line(1)}\n", columns).expect(400, "invalid_request").json
    assert [error["parameter"] for error in answer["errors"]] == ["columns"]


def test_what_a_mapping_names_must_be_there(payroll):
    opened = payroll.open("2026-10")["id"]
    answer = mapped(payroll, opened, f"No. KTP,Tgl Lahir,Gaji Pokok,full_name\n{nik()},1985-01-15,1,Adi\n").expect(400)
    assert [(e["parameter"], e["code"]) for e in answer.json["errors"]] == [("header", "missing_column")] * 2
    assert "Nama Karyawan" in answer.json["errors"][0]["message"]
    # Unless a mapping takes it, a column that is unknown is a slip that would cost a wage.
    mapped(payroll, opened, "nik,full_name,birth_date,wage,backpay\n", "validate_only=true").expect(400)
    mapped(payroll, opened, '{"lines": []}', form="application/json").expect(400)
