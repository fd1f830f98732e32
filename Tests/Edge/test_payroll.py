"""The payroll month as flows: amounts against figures worked out by hand, races, row-level security, the ledger."""
import base64
import concurrent.futures
import hashlib
import itertools
import json
import random
import socket

import psycopg
import pytest

HEADER = "line_key,kpj,nik,full_name,birth_date,sex,wage,back_pay,back_pay_period"
numbers = itertools.count(1)


@pytest.fixture(autouse=True)
def balanced(db):
    """Whatever a test did, the ledger sums up to nothing, as a whole and for each transaction."""
    yield
    assert db.execute("SELECT smile.ledger_sum()").fetchone() == (0,)
    assert db.execute("SELECT count(*) FROM (SELECT FROM smile.posting GROUP BY transaction_id HAVING sum(amount) <> 0)"
                      " AS t").fetchone() == (0,)
    assert db.execute("SELECT count(*) FROM smile.return_staging").fetchone() == (0,)


@pytest.fixture(scope="module")
def bank(server, actors):
    from client import Client
    return Client(server, actors.bank()["token"])


class Payroll:
    """A payroll client of an employer of its own."""

    def __init__(self, api, actor, bank):
        self.actor, self.bank, self.employer_id = actor, bank, actor["employer_id"]
        self.client = api.acting(actor["token"])

    def open(self, period, kind="regular", status=201, **more):
        return self.client.post(f"/v1/employers/{self.employer_id}/returns", {"period": period, "kind": kind} | more,
                                key=True).expect(status).json

    def send(self, return_id, lines, query="", status=200, **options):
        text = "\n".join([HEADER, *lines]) + "\n"
        return self.client.put(f"/v1/returns/{return_id}/lines{query}", body=text.encode(), headers={
            "Content-Type": "text/csv"} | options.pop("headers", {}), **options).expect(status).json

    def lines(self, return_id):
        return self.client.get(f"/v1/returns/{return_id}/lines?limit=200").expect(200).json["items"]

    def finalise(self, return_id, status=200):
        return self.client.post(f"/v1/returns/{return_id}/finalisation", key=True).expect(status).json

    def pay(self, billing_id, reference=None):
        billing = self.client.get(f"/v1/billings/{billing_id}").expect(200).json
        self.bank.post("/v1/payments", {
            "payment_code": billing["payment_code"], "amount": billing["amount"] - billing["paid_amount"],
            "paid_at": "2026-11-05T01:30:00Z", "bank_reference": reference or f"T{next(numbers)}"
        }, key=True).expect(201)
        return billing

    def month(self, period, lines, kind="regular"):
        """From nothing to paid; the lines as they were computed, and the billing."""
        opened = self.open(period, kind)
        self.send(opened["id"], lines)
        computed = self.lines(opened["id"])
        return computed, self.pay(self.finalise(opened["id"])["billing_id"])


@pytest.fixture
def payroll(api, actors, bank):
    return Payroll(api, actors.payroll(), bank)


def nik(born="850115"):
    """A NIK that nobody has; `born` is YYMMDD."""
    number = next(numbers)
    return f"3578{number // 9_999 + 1:02}{born[4:]}{born[2:4]}{born[:2]}{number % 9_999 + 1:04}"


def line(wage, *, key="", kpj="", number=None, name="Adi Nugroho", born="1985-01-15", back_pay=",", sex="male"):
    number = nik(born[2:].replace("-", "")) if number is None else number
    return f"{key},{kpj},{number},{name},{born},{sex},{wage},{back_pay}"


# Worked out by hand from PP 44/2015, 45/2015, 46/2015 and PP 6/2025 at risk class III.
BY_HAND = {
    ("2026-10", 12_000_000): {
        "jht": {"employer": 444_000, "worker": 240_000}, "jkk": {"employer": 106_800, "to_jkp": 7_000},
        "jkm": {"employer": 36_000, "to_jkp": 0}, "jp": {"employer": 221_726, "worker": 110_863},
        "jkp": {"recomposed": 7_000, "state": 11_000}},
    ("2026-02", 12_000_000): {   # ceiling 10,547,400
        "jht": {"employer": 444_000, "worker": 240_000}, "jkk": {"employer": 106_800, "to_jkp": 7_000},
        "jkm": {"employer": 36_000, "to_jkp": 0}, "jp": {"employer": 210_948, "worker": 105_474},
        "jkp": {"recomposed": 7_000, "state": 11_000}},
    ("2026-10", 4_999_950): {    # 184,998.15; 99,999; 44,499.555; 14,999.85; 99,999; 49,999.5; 6,999.93; 10,999.89
        "jht": {"employer": 184_998, "worker": 99_999}, "jkk": {"employer": 44_500, "to_jkp": 7_000},
        "jkm": {"employer": 15_000, "to_jkp": 0}, "jp": {"employer": 99_999, "worker": 50_000},
        "jkp": {"recomposed": 7_000, "state": 11_000}},
    ("2024-12", 12_000_000): {   # before PP 6/2025: JKM gives 0.10 % to JKP as well; ceiling 10,042,300
        "jht": {"employer": 444_000, "worker": 240_000}, "jkk": {"employer": 106_800, "to_jkp": 7_000},
        "jkm": {"employer": 36_000, "to_jkp": 5_000}, "jp": {"employer": 200_846, "worker": 100_423},
        "jkp": {"recomposed": 12_000, "state": 11_000}},
    ("2019-05", 12_000_000): {   # before JKP; ceiling 8,512,400
        "jht": {"employer": 444_000, "worker": 240_000}, "jkk": {"employer": 106_800, "to_jkp": 0},
        "jkm": {"employer": 36_000, "to_jkp": 0}, "jp": {"employer": 170_248, "worker": 85_124},
        "jkp": {"recomposed": 0, "state": 0}},
}


@pytest.mark.parametrize("period,wage", BY_HAND, ids=lambda value: str(value))
def test_amounts_worked_out_by_hand(payroll, period, wage):
    computed, billing = payroll.month(period, [line(wage)])
    assert computed[0]["amounts"] == billing["amounts"] == BY_HAND[period, wage]
    sides = [BY_HAND[period, wage][programme] for programme in ("jht", "jkk", "jkm", "jp")]
    assert billing["amount"] == sum(side["employer"] + side.get("worker", 0) for side in sides)


def test_who_is_too_old_for_jp_and_jkp(payroll):
    """JP ends at 59 in 2026 (PP 45/2015 Art. 15); JKP wants members who join below 54 (PP 6/2025 Art. 4)."""
    born = ["1972-10-02", "1972-10-01", "1967-10-02", "1967-10-01"]   # 53, 54, 58 and 59 on 2026-10-01
    computed, _ = payroll.month("2026-10", [line(10_000_000, born=day) for day in born])
    assert [(c["amounts"]["jp"]["worker"], c["amounts"]["jkp"]["state"]) for c in computed] == [
        (100_000, 11_000), (100_000, 0), (100_000, 0), (0, 0)]


def test_the_size_of_a_firm_decides_on_jp(payroll, db):
    db.execute("UPDATE smile.employer SET size = 'small' WHERE id = %s", [payroll.employer_id])
    computed, _ = payroll.month("2026-10", [line(10_000_000)])
    assert computed[0]["amounts"]["jp"] == {"employer": 0, "worker": 0}
    assert computed[0]["amounts"]["jkp"]["state"] == 11_000


def test_back_pay_belongs_to_the_month_it_was_earned_in(payroll):
    """February's ceiling of 10,547,400 leaves 547,400 of 1,000,000 on top of 10,000,000; JKP is over its ceiling."""
    number = nik()
    payroll.month("2026-02", [line(10_000_000, number=number)])
    computed, billing = payroll.month("2026-10", [line(5_000_000, number=number, back_pay="1000000,2026-02")])
    assert computed[0]["back_pay_amounts"] == {
        "jht": {"employer": 37_000, "worker": 20_000}, "jkk": {"employer": 8_900, "to_jkp": 0},
        "jkm": {"employer": 3_000, "to_jkp": 0}, "jp": {"employer": 10_948, "worker": 5_474},
        "jkp": {"recomposed": 0, "state": 0}}
    assert billing["amounts"]["jht"]["employer"] == 185_000 + 37_000


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
        (line(1, kpj="99999999999"), "kpj:kpj_unknown"),
        (line(1, kpj=other["kpj"]), "kpj:identity_mismatch"),
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
    other = actors.worker()
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


def test_lines_replace_what_was_there(payroll):
    opened = payroll.open("2026-10")
    payroll.send(opened["id"], [line(5), line(6), "x"])
    report = payroll.send(opened["id"], [line(7)])
    assert report["counts"] == {"lines": 1, "accepted": 1, "warned": 0, "rejected": 0}
    assert [got["wage"] for got in payroll.lines(opened["id"])] == [7]
    assert payroll.client.get(f"/v1/returns/{opened['id']}/findings").json["items"] == []


def test_a_rehearsal_says_the_same_and_leaves_no_trace(payroll, db):
    """F2: the report of a dry run is that of the real thing; no table of the database changes."""
    tables = [row[0] for row in db.execute("SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'p')"
                                           " AND relnamespace = 'smile'::regnamespace")]

    def checksum():
        return {t: db.execute(f"SELECT count(*), sum(hashtextextended(x::text, 0)) FROM {t} AS x").fetchone()
                for t in tables}

    opened = payroll.open("2026-10")
    seed = random.randrange(10**9)
    print("seed", seed)
    chance = random.Random(seed)
    lines = [line(chance.choice([1_000_000, 0, "-5", "", 12_345_678, "1e9"]),
                  born=chance.choice(["1985-01-15", "1960-05-05", "1990-02-31"]),
                  key=chance.choice(["", "A", "B"])) for _ in range(60)]
    before = checksum()
    rehearsed = payroll.send(opened["id"], lines, "?validate_only=true")
    assert checksum() == before
    real = payroll.send(opened["id"], lines)
    same = ("outcome", "counts", "totals", "content_sha256")
    assert {k: rehearsed.get(k) for k in same} == {k: real.get(k) for k in same}


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


@pytest.mark.parametrize("cut", range(5, 100, 19))
def test_an_upload_that_breaks_off_leaves_nothing(payroll, server, cut):
    opened = payroll.open("2026-10")
    payroll.send(opened["id"], [line(7)])
    text = "\n".join([HEADER, *(line(5_000_000) for _ in range(2_000))]).encode()
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(
            f"PUT /v1/returns/{opened['id']}/lines HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nContent-Type: text/csv"
            f"\r\nAuthorization: Bearer {payroll.client.token}\r\nContent-Length: {len(text)}\r\n\r\n".encode())
        connection.sendall(text[:len(text) * cut // 100])
    assert payroll.client.get(f"/v1/returns/{opened['id']}").json["counts"]["lines"] == 1
    assert [got["wage"] for got in payroll.lines(opened["id"])] == [7]


def test_the_same_file_twice_at_once_stands_once(payroll):
    opened = payroll.open("2026-10")
    lines = [line(5_000_000) for _ in range(1_500)]

    def send(_):
        return Payroll(payroll.client, payroll.actor, payroll.bank).send(opened["id"], lines)

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        reports = list(pool.map(send, range(2)))
    assert [report["counts"]["accepted"] for report in reports] == [1_500, 1_500]
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


def test_a_nik_does_not_buy_a_name(payroll, actors, api):
    """Who hires by NIK knows the worker's name; otherwise the answer would tell it, rehearsed without a trace."""
    number = nik()
    payroll.month("2026-09", [line(5_000_000, number=number)])
    other = actors.payroll("workers:write")
    hired = {"nik": number, "full_name": "Siapa Saja", "birth_date": "1985-01-15", "wage": 1,
             "start_date": "2026-11-01"}
    answer = api.acting(other["token"]).post(
        f"/v1/employers/{other['employer_id']}/workers?validate_only=true", hired).expect(422)
    assert answer.json["code"] == "identity_mismatch" and "Adi" not in answer.text


def test_two_finalise_at_once_and_one_does(payroll):
    opened = payroll.open("2026-10")
    payroll.send(opened["id"], [line(5_000_000) for _ in range(20)])

    def finalise(_):
        with payroll.client.acting(payroll.client.token) as client:
            return client.post(f"/v1/returns/{opened['id']}/finalisation", key=True).status

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(finalise, range(4))) == [200, 409, 409, 409]
    billings = payroll.client.get(f"/v1/employers/{payroll.employer_id}/billings").json["items"]
    assert len(billings) == 1


def test_the_same_notice_many_times_at_once_pays_once(payroll, bank, db):
    opened = payroll.open("2026-10")
    payroll.send(opened["id"], [line(5_000_000)])
    billing = payroll.client.get(f"/v1/billings/{payroll.finalise(opened['id'])['billing_id']}").json
    notice = {"payment_code": billing["payment_code"], "amount": billing["amount"], "paid_at": "2026-11-05T01:00:00Z",
              "bank_reference": f"RACE{next(numbers)}"}

    def notify(_):
        with bank.acting(bank.token) as client:
            answer = client.post("/v1/payments", notice, key=True)
            return answer.status, answer.json["id"]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(notify, range(8)))
    assert sorted(status for status, _ in answers) == [200] * 7 + [201]
    assert len({payment for _, payment in answers}) == 1
    assert db.execute("SELECT count(*) FROM smile.contribution WHERE employer_id = %s", [payroll.employer_id]
                      ).fetchone() == (1,)


def test_two_employers_with_the_same_new_worker_make_one_member(api, actors, bank, db):
    one, two = (Payroll(api, actors.payroll(), bank) for _ in range(2))
    number = nik()
    returns = [p.open("2026-10")["id"] for p in (one, two)]
    for p, r in zip((one, two), returns):
        p.send(r, [line(5_000_000, number=number)])
    one.finalise(returns[0])
    two.finalise(returns[1], 409)
    two.send(returns[1], [line(5_000_000, number=number)])
    assert two.lines(returns[1])[0]["match"] == "new_employment"
    two.finalise(returns[1])
    kpj = [p.lines(r)[0].get("kpj") for p, r in zip((one, two), returns)][0]
    assert db.execute("SELECT count(*) FROM smile.employment AS e JOIN smile.member_number AS n USING (member_id)"
                      " WHERE n.kpj = %s", [kpj]).fetchone() == (2,)


def test_hiring_one_person_many_times_at_once_makes_one_member(api, actors, db):
    """Employers who hire the same unknown person at the same moment."""
    number = nik()
    form = {"nik": number, "full_name": "Adi Nugroho", "birth_date": "1985-01-15", "wage": 1,
            "start_date": "2026-10-01"}
    employers = [actors.employer() for _ in range(4)]

    def hire(employer):
        with api.acting(employer["token"]) as client:
            return client.post(f"/v1/employers/{employer['id']}/workers", form, key=True).expect(201).json["member_id"]

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(hire, employers))) == 1


def test_returns_with_the_same_new_people_finalised_at_once_make_each_a_member_once(api, actors, bank, db):
    numbers_of_all = [nik() for _ in range(30)]
    both = [Payroll(api, actors.payroll(), bank) for _ in range(2)]
    returns = [p.open("2026-10")["id"] for p in both]
    for p, r, order in zip(both, returns, (1, -1)):
        p.send(r, [line(5_000_000, number=number) for number in numbers_of_all[::order]])
    before = db.execute("SELECT count(*) FROM smile.member").fetchone()[0]

    def finalise(pair):
        return pair[0].client.post(f"/v1/returns/{pair[1]}/finalisation", key=True).status

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(finalise, zip(both, returns))) == [200, 409]
    assert db.execute("SELECT count(*) FROM smile.member").fetchone()[0] == before + 30


def test_what_is_another_employers_is_not_there(payroll, api, actors):
    opened = payroll.open("2026-10")
    payroll.send(opened["id"], [line(5_000_000)])
    billing = payroll.finalise(opened["id"])["billing_id"]
    stranger = api.acting(actors.payroll()["token"])
    for target in (f"/v1/returns/{opened['id']}", f"/v1/returns/{opened['id']}/lines", f"/v1/billings/{billing}",
                   f"/v1/returns/{opened['id']}/findings", f"/v1/returns/{opened['id']}/receipt",
                   f"/v1/employers/{payroll.employer_id}", f"/v1/employers/{payroll.employer_id}/returns",
                   f"/v1/employers/{payroll.employer_id}/billings", f"/v1/employers/{payroll.employer_id}/workers"):
        stranger.get(target).expect(404)
    stranger.put(f"/v1/returns/{opened['id']}/lines", body=b"x", headers={"Content-Type": "text/csv"}).expect(404)
    stranger.post(f"/v1/returns/{opened['id']}/finalisation", key=True).expect(404)


def test_without_a_context_nothing_is_seen(payroll, server, cluster):
    """The server's role by itself reads no payroll and can neither read the staging table nor book."""
    payroll.month("2026-10", [line(5_000_000)])
    with psycopg.connect(cluster.url(server.database, "smile_api"), autocommit=True) as bare:
        for table in ("contribution_return", "return_line", "finding", "billing", "payment", "contribution", "posting",
                      "employer", "employment", "employer_registration"):
            assert bare.execute(f"SELECT count(*) FROM (SELECT id_or_row.ctid FROM smile.{table} AS id_or_row) AS x"
                                if table != "employer_registration" else f"SELECT count(id) FROM smile.{table}"
                                ).fetchone() == (0,), table
        for refused in ("SELECT FROM smile.return_staging", "DELETE FROM smile.posting", "TRUNCATE smile.posting",
                        "SELECT smile.book('x', 'x', smile.uuid7(), '{}')", "SELECT smile.next_kpj()",
                        "SELECT password_hash FROM smile.employer_registration",
                        "INSERT INTO smile.contribution (member_id) VALUES (smile.uuid7())"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                bare.execute(refused)


def test_the_ledger_takes_only_what_balances_and_keeps_it(db):
    with pytest.raises(psycopg.errors.CheckViolation), db.transaction():
        db.execute("SELECT smile.book('test', 'test', smile.uuid7(), ARRAY[('bank', NULL, NULL, NULL, 5)]"
                   "::smile.posting_line[])")
    with pytest.raises(psycopg.errors.CheckViolation), db.transaction():
        db.execute("SELECT smile.book('test', 'test', smile.uuid7(), ARRAY[('bank', NULL, NULL, NULL, 5),"
                   " ('fund.jht', NULL, NULL, NULL, -5)]::smile.posting_line[])")
    for change in ("UPDATE smile.posting SET amount = 1", "DELETE FROM smile.posting", "TRUNCATE smile.posting",
                   "DELETE FROM smile.ledger_transaction"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), db.transaction():
            db.execute(change)


def test_the_members_money_is_in_the_ledger(payroll, api, actors):
    """A member sees the month when it is paid, and not before."""
    member = actors.member(payroll.actor["employer_token"], payroll.employer_id)
    mine = api.acting(member["token"])
    opened = payroll.open("2026-10")
    payroll.send(opened["id"], [line(12_000_000, kpj=member["kpj"], number=member["nik"], name=member["full_name"],
                                     born=member["birth_date"])])
    billing = payroll.finalise(opened["id"])["billing_id"]
    assert mine.get("/v1/members/me/contributions").expect(200).json["items"] == []
    payroll.pay(billing)
    item = mine.get("/v1/members/me/contributions").expect(200).json["items"][0]
    assert (item["period"], item["wage"], item["employer"]["id"]) == ("2026-10", 12_000_000, payroll.employer_id)
    assert item["amounts"] == BY_HAND["2026-10", 12_000_000]
    only = mine.get("/v1/members/me/contributions?programme=jp").expect(200).json["items"][0]["amounts"]
    assert only == {"jp": {"employer": 221_726, "worker": 110_863}}
    balances = mine.get("/v1/members/me/balances").expect(200).json
    assert (balances["jht"]["balance"], balances["jp"]["months"]) == (684_000, 1)
    entries = mine.get("/v1/members/me/balances/jht/entries").expect(200).json["items"]
    assert [(e["kind"], e["period"], e["amount"], e["balance"]) for e in entries] == [
        ("contributions_posted", "2026-10", 684_000, 684_000)]


def test_pages_of_months_go_on_without_gap_or_repeat(payroll, api, actors):
    member = actors.member(payroll.actor["employer_token"], payroll.employer_id)
    mine = api.acting(member["token"])
    periods = [f"2026-{month:02}" for month in range(1, 6)]
    for period in periods:
        payroll.month(period, [line(5_000_000, kpj=member["kpj"], number=member["nik"], name=member["full_name"],
                                    born=member["birth_date"])])
    for path, field in (("contributions", "period"), ("balances/jht/entries", "period")):
        seen, after = [], ""
        while True:
            page = mine.get(f"/v1/members/me/{path}?limit=2{after}").expect(200).json
            seen += [item[field] for item in page["items"]]
            if "next_after" not in page:
                break
            after = f"&after={page['next_after']}"
        assert seen == periods[::-1], path
    inside = mine.get("/v1/members/me/contributions?from=2026-02&to=2026-03").expect(200).json["items"]
    assert [item["period"] for item in inside] == ["2026-03", "2026-02"]


def test_a_legal_parameter_holds_from_its_day_on(api):
    def ceiling(day):
        rows = api.get(f"/v1/parameters?as_of={day}&programme=jp&limit=200").expect(200).json["items"]
        assert all(row["programme"] in ("JP", "ALL") or "JP" in row["programme"].split("+") for row in rows)
        return next(row["value"] for row in rows if row["parameter"] == "wage_ceiling_idr")

    assert [ceiling(day) for day in ("2026-02-28", "2026-03-01", "2021-03-01")] == ["10547400", "11086300", "8754600"]


def test_memory_and_announcements_are_not_verified(api):
    items, after = [], ""
    while True:
        page = api.get(f"/v1/parameters?limit=50{after}").expect(200).json
        items += page["items"]
        if "next_after" not in page:
            break
        after = f"&after={page['next_after']}"
    assert len(items) > 100
    for row in items:
        unsure = any(word in row["certainty"].lower() for word in ("memory", "infer", "announcement"))
        assert row["verified"] == (not unsure), row


def test_every_code_of_the_server_is_a_rule(db):
    """The line reader's codes live in Swift; each must be in the catalogue, or an upload would fail."""
    import pathlib
    import re
    from cluster import ROOT
    source = (pathlib.Path(ROOT) / "Sources/SocialSecurity/Returns")
    text = "".join(path.read_text() for path in (source / "PayrollLine.swift", source / "PayrollReader.swift"))
    codes = set(re.findall(r'unreadable: "(\w+)"|note\(\.\w+, "(\w+)"\)|or: "(\w+)"', text))
    codes = {code for group in codes for code in group if code}
    codes |= {f"wage_{fault}" for fault in ("malformed", "negative", "not_whole", "too_large")}
    codes |= {"wage_missing", "birth_date_missing", "birth_date_invalid"}
    assert len(codes) > 20
    known = {row[0] for row in db.execute("SELECT code FROM smile.rule")}
    assert codes - known == set()
