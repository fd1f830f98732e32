"""What bookkeeping reads back: a year's contributions of each worker, the account on a day, certificates."""
import csv
import hashlib
import io

import pytest

from payroll import balanced, bank, line, payroll  # noqa: F401
from test_payments import billed, notify, reverse

CSV = {"Accept": "text/csv"}
PARTS = [("jht", "employer"), ("jht", "worker"), ("jkk", "employer"), ("jkk", "to_jkp"), ("jkm", "employer"),
         ("jkm", "to_jkp"), ("jp", "employer"), ("jp", "worker"), ("jkp", "recomposed"), ("jkp", "state")]


def table(answer):
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(answer.expect(200).text, newline="")))


def totals(payroll, year=2026, limit=200):
    items, after = [], ""
    while after is not None:
        page = payroll.client.get(f"/v1/employers/{payroll.employer_id}/annual_totals?year={year}&limit={limit}{after}")
        items += page.expect(200).json["items"]
        assert page.json["year"] == year and len(page.json["items"]) <= limit
        after = f"&after={page.json['next_after']}" if "next_after" in page.json else None
    return items


def statement(payroll, query=""):
    return payroll.client.get(f"/v1/employers/{payroll.employer_id}/statement{query}").expect(200).json


def test_the_year_of_each_worker_is_the_sum_of_the_paid_months(payroll):
    computed, _ = payroll.month("2026-08", [line(4_000_000 + n) for n in range(7)])
    kept = payroll.lines(payroll.client.get(
        f"/v1/employers/{payroll.employer_id}/returns").json["items"][0]["id"])
    kpjs = [row["kpj"] for row in kept]
    again, _ = payroll.month("2026-09", [line(6_000_000, kpj=kpjs[0], number=""),
                                         line(6_000_000, kpj=kpjs[1], number="", back_pay="250000,2026-08")])
    payroll.month("2025-12", [line(9_000_000, kpj=kpjs[0], number="")])
    unpaid = payroll.open("2026-10")
    payroll.send(unpaid["id"], [line(6_000_000, kpj=kpjs[0], number="")])
    payroll.finalise(unpaid["id"])
    found = totals(payroll, limit=3)
    assert sorted(item["kpj"] for item in found) == sorted(kpjs)
    by_kpj = {item["kpj"]: item for item in found}
    for kpj, first in zip(kpjs, kept):
        lines = [first["amounts"]] + [row[name] for row in again if row["kpj"] == kpj
                                      for name in ("amounts", "back_pay_amounts") if name in row]
        amounts = {programme: {side: sum(each[programme][side] for each in lines)
                               for p, side in PARTS if p == programme} for programme, _ in PARTS}
        assert by_kpj[kpj]["amounts"] == amounts
        assert by_kpj[kpj]["worker_share"] == amounts["jht"]["worker"] + amounts["jp"]["worker"]
        assert by_kpj[kpj]["employer_share"] == sum(amounts[p]["employer"] for p in ("jht", "jkk", "jkm", "jp"))
    assert [by_kpj[kpj]["months"] for kpj in kpjs] == [2, 2] + [1] * 5   # back pay is no month of its own
    assert by_kpj[kpjs[1]]["wages"] == 4_000_001 + 6_000_000 + 250_000
    page = payroll.client.get(f"/v1/employers/{payroll.employer_id}/annual_totals?year=2026").json
    assert page["unpaid_months"] == ["2026-10"]
    assert [item["wages"] for item in totals(payroll, 2025)] == [9_000_000]
    assert totals(payroll, 2024) == []


def test_csv_holds_the_same_rows_and_no_formula(payroll):
    payroll.month("2026-08", [line(4_000_000 + n, name="Adi" if n else "=SUM(A)") for n in range(5)])
    target = f"/v1/employers/{payroll.employer_id}/annual_totals?year=2026"
    rows = table(payroll.client.get(target, headers=CSV))
    wanted = []
    for item in totals(payroll):
        row = {name: str(item[name]) for name in (
            "kpj", "nik_last_four", "full_name", "months", "wages", "worker_share", "employer_share")}
        wanted.append(row | {f"{p}_{side}": str(item["amounts"][p][side]) for p, side in PARTS})
        assert len(item["nik_last_four"]) == 4 and "nik" not in item
    for row in wanted:
        row["full_name"] = row["full_name"].replace("=", "'=", 1)
    assert rows == wanted and any(row["full_name"] == "'=SUM(A)" for row in rows)
    page = payroll.client.get(target + "&limit=2").json
    rest = payroll.client.get(f"{target}&after={page['next_after']}", headers=CSV)
    assert rest.expect(200).text.count("\r\n") == 3   # the broken download goes on, without a header
    payroll.client.get(target + "&limit=2", headers=CSV).expect(400)
    payroll.client.get(target, headers={"Accept": "text/html"}).expect(406)


@pytest.mark.parametrize("query", ["", "?year=26", "?year=1999", "?year=2026-10", "?year=x&limit=0"])
def test_a_year_that_is_none(payroll, query):
    payroll.client.get(f"/v1/employers/{payroll.employer_id}/annual_totals{query}").expect(400, "invalid_request")


def test_the_statement_of_a_month_that_was_not_paid(payroll):
    """October is due on 16 November, a Monday; on 17 December the second month of delay has begun."""
    opened = payroll.open("2026-10")
    payroll.send(opened["id"], [line(12_000_000)])
    billing = payroll.client.get(f"/v1/billings/{payroll.finalise(opened['id'])['billing_id']}").json
    assert billing["due_date"] == "2026-11-16"
    now = statement(payroll)
    assert now["as_of"] == "2026-11-05"
    told, = now["billings"]
    assert (told["billing_id"], told["outstanding"], told["fine"]) == (billing["id"], billing["amount"], 0)
    assert told["amounts"] == billing["amounts"]
    per_month = int(billing["amount"] * 0.02 + 0.5)
    for day, months in (("2026-11-16", 0), ("2026-11-17", 1), ("2026-12-16", 1), ("2026-12-17", 2)):
        then = statement(payroll, f"?as_of={day}")
        assert then["fine"] == then["billings"][0]["fine"] == months * per_month, day
    # November's return is due on 15 December.
    assert statement(payroll, "?as_of=2026-12-15")["unreported_months"] == []
    assert statement(payroll, "?as_of=2026-12-16")["unreported_months"] == ["2026-11"]
    payroll.pay(billing["id"])
    paid = statement(payroll)
    assert (paid["billings"], paid["outstanding"], paid["fine"], paid["credit"]) == ([], 0, 0, 0)
    assert [p["amount"] for p in paid["payments"]] == [billing["amount"]]
    assert statement(payroll, "?as_of=2026-12-17")["billings"] == []


def test_what_was_paid_late_still_costs_its_fine(payroll):
    opened = payroll.open("2026-08")
    payroll.send(opened["id"], [line(12_000_000)])
    billing = payroll.pay(payroll.finalise(opened["id"])["billing_id"])   # on 5 November, due on 15 September
    told, = statement(payroll)["billings"]
    assert (told["paid"], told["outstanding"]) == (billing["amount"], 0)
    assert told["fine"] == 2 * int(billing["amount"] * 0.02 + 0.5)


def agrees(payroll, query=""):
    """The statement by billing, which says what getBilling and the obligations say today."""
    told = statement(payroll, query)
    found = {item["billing_id"]: (item["paid"], item["outstanding"], item["fine"]) for item in told["billings"]}
    assert told["outstanding"] == sum(item[1] for item in found.values())
    assert told["fine"] == sum(item[2] for item in found.values())
    base = f"/v1/employers/{payroll.employer_id}"
    if not query:
        for item in payroll.client.get(f"{base}/billings").expect(200).json["items"]:
            one = payroll.client.get(f"/v1/billings/{item['id']}").expect(200).json
            due, fine = one["amount"] - one["paid_amount"], one["fine_amount"] - one["fine_paid_amount"]
            assert found.get(one["id"]) == ((one["paid_amount"], due, fine) if due or fine else None)
        months = payroll.client.get(f"{base}/obligations").expect(200).json["items"]
        assert told["outstanding"] == sum(m["billed"] - m["paid"] for m in months)
    return found


def test_money_of_a_fine_is_in_the_statement_once(payroll, bank):
    """September, due on 15 October and paid on 1 November, costs 2 % of 1,159,389: 23,188."""
    late = billed(payroll, "2026-09")
    notify(bank, late["payment_code"], 1_159_389, paid_at="2026-11-01T01:00:00Z")
    following = billed(payroll, "2026-10")
    both = notify(bank, following["payment_code"], 1_159_389 + 20_000)
    assert agrees(payroll) == {late["id"]: (1_159_389, 0, 3_188)}
    notify(bank, following["payment_code"], 3_188)
    assert agrees(payroll) == {}
    last = billed(payroll, "2026-11")
    assert agrees(payroll) == {last["id"]: (0, 1_159_389, 0)}
    notify(bank, last["payment_code"], 1_149_389)
    assert agrees(payroll) == {last["id"]: (1_149_389, 10_000, 0)}   # less than went to the fine
    # What stands now: September's money, 3,188 of October's, and the last; October is due on 16 November.
    reverse(bank, both["id"])
    assert agrees(payroll) == {late["id"]: (1_159_389, 0, 23_188), following["id"]: (3_188, 1_156_201, 0),
                               last["id"]: (1_149_389, 10_000, 0)}
    # 2 % of 1,156,201 are 23,124.02. September's money was all there on 1 November: it costs no further month.
    assert agrees(payroll, "?as_of=2026-11-17") == {
        late["id"]: (1_159_389, 0, 23_188), following["id"]: (3_188, 1_156_201, 23_124),
        last["id"]: (1_149_389, 10_000, 0)}
    assert agrees(payroll, "?as_of=2026-11-04") == {}   # nothing was billed then


def test_the_statement_as_csv(payroll):
    opened = payroll.open("2026-10")
    payroll.send(opened["id"], [line(12_000_000)])
    payroll.finalise(opened["id"])
    payroll.month("2026-09", [line(1_000_000)])
    told = statement(payroll, "?as_of=2026-12-17")
    rows = table(payroll.client.get(f"/v1/employers/{payroll.employer_id}/statement?as_of=2026-12-17", headers=CSV))
    assert [row["entry"] for row in rows] == ["billing"] * len(told["billings"]) + ["unreported", "payment", "credit",
                                                                                    "total"]
    for row, item in zip(rows, told["billings"]):
        assert (row["period"], row["reference"], row["amount"], row["fine"]) == (
            item["period"], item["payment_code"], str(item["amount"]), str(item["fine"]))
        assert row["jp_worker"] == str(item["amounts"]["jp"]["worker"])
    assert (rows[-1]["outstanding"], rows[-1]["fine"]) == (str(told["outstanding"]), str(told["fine"]))


@pytest.mark.parametrize("day", ["2026-02-30", "9999-12-31", "x"])
def test_a_day_that_is_none(payroll, day):
    payroll.client.get(f"/v1/employers/{payroll.employer_id}/statement?as_of={day}").expect(400, "invalid_request")


def test_nobody_else_sees_the_account(payroll, actors, api):
    base = f"/v1/employers/{payroll.employer_id}"
    stranger, officer = actors.payroll()["token"], actors.officer("manage_billing")["token"]
    for headers in (None, CSV):
        api.get(f"{base}/annual_totals?year=2026", token=stranger, headers=headers).expect(404)
        api.get(f"{base}/statement", token=stranger, headers=headers).expect(404)
        api.get(f"{base}/annual_totals?year=2026", token=officer, headers=headers).expect(403)
        api.get(f"{base}/statement", token=officer, headers=headers).expect(200)


def test_a_certificate_is_verified_by_whoever_is_shown_it(payroll, api):
    employer = api.acting(payroll.actor["employer_token"])
    payroll.month("2026-10", [line(5_000_000), line(6_000_000)])
    base = f"/v1/employers/{payroll.employer_id}/certificates"
    rehearsed = employer.post(f"{base}?validate_only=true", {"kind": "employer_membership"}).expect(200).json
    api.get(f"/v1/verifications/{rehearsed['verification_code']}").expect(404)
    issued = employer.post(base, {"kind": "employer_membership"}).expect(201)
    words = issued.json
    assert (words["active_workers"], words["arrears"]) == (2, {"months": 0, "outstanding": 0, "fines": 0})
    again = employer.get(issued.headers["Location"]).expect(200)
    assert again.body == issued.body
    told = api.get(words["verification"]).expect(200).json
    assert told["content_sha256"] == hashlib.sha256(again.body).hexdigest()
    assert told["holder"] == {"npp": words["npp"], "name": words["name"]}
    assert api.get(words["verification"].lower()).expect(200).json == told
    assert [item["id"] for item in employer.get(base).expect(200).json["items"]] == [words["id"]]
    cells = {row["field"]: row["value"] for row in table(employer.get(issued.headers["Location"], headers=CSV))}
    assert cells["verification_code"] == words["verification_code"] and cells["arrears_months"] == "0"
    for code in ("0000-0000-0000-0000-0000", "x", "%00", words["verification_code"][:-1]):
        assert api.get(f"/v1/verifications/{code}", check=False).status in (400, 404)


def test_a_certificate_says_what_was_so_when_it_was_issued(payroll, api):
    employer = api.acting(payroll.actor["employer_token"])
    base = f"/v1/employers/{payroll.employer_id}/certificates"
    before = employer.post(base, {"kind": "employer_membership"}).expect(201)
    opened = payroll.open("2026-08")
    payroll.send(opened["id"], [line(5_000_000)])
    owed = payroll.finalise(opened["id"])
    after = employer.post(base, {"kind": "employer_membership"}).expect(201).json
    due = payroll.client.get(f"/v1/billings/{owed['billing_id']}").json["amount"]
    # The months of delay began on 16 September and 16 October.
    assert after["arrears"] == {"months": 1, "outstanding": due, "fines": 2 * int(due * 0.02 + 0.5)}
    assert employer.get(before.headers["Location"]).body == before.body


def test_whoever_owes_a_fine_alone_is_not_certified_clean(payroll, bank, api):
    """September, due on 15 October and paid on 1 November: 2 % of 1,159,389 are 23,187.78."""
    employer = api.acting(payroll.actor["employer_token"])
    base = f"/v1/employers/{payroll.employer_id}/certificates"
    late = billed(payroll, "2026-09")
    notify(bank, late["payment_code"], late["amount"], paid_at="2026-11-01T01:00:00Z")
    for paid, fines in ((0, 23_188), (20_000, 3_188), (3_188, 0)):
        if paid:
            notify(bank, late["payment_code"], paid)
        words = employer.post(base, {"kind": "employer_membership"}).expect(201).json
        assert words["arrears"] == {"months": 0, "outstanding": 0, "fines": fines}
