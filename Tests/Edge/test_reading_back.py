"""Obligations, arrears, and digests that a payroll system computes over its own records."""
import csv
import hashlib
import io
import json
import random

import pytest

from payroll import Payroll, balanced, bank, line, nik  # noqa: F401  (fixtures)

PARTS = (("jht", "employer"), ("jht", "worker"), ("jkk", "employer"), ("jkm", "employer"), ("jp", "employer"),
         ("jp", "worker"))


@pytest.fixture
def payroll(api, actors, bank):  # noqa: F811
    return Payroll(api, actors.payroll(), bank)


def digest(lines):
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def summary(payroll, query):
    return payroll.client.get(f"/v1/employers/{payroll.employer_id}/summary?{query}").expect(200).json["items"]


def obligations(payroll, query=""):
    return payroll.client.get(f"/v1/employers/{payroll.employer_id}/obligations{query}").expect(200).json


def own_records(lines):
    """{month: {kpj: [wage, amounts ...]}} from the lines as they came back, back pay in its month."""
    months = {}
    for row in lines:
        parts = [(row["period"], row["wage"], row["amounts"])]
        if "back_pay" in row:
            parts.append((row["back_pay_period"], row["back_pay"], row["back_pay_amounts"]))
        for period, wage, amounts in parts:
            sums = months.setdefault(period, {}).setdefault(row["kpj"], [0] * 7)
            new = [wage] + [amounts[programme][side] for programme, side in PARTS]
            months[period][row["kpj"]] = [a + b for a, b in zip(sums, new)]
    return months


def hire(payroll, first_day):
    payroll.client.post(f"/v1/employers/{payroll.employer_id}/workers", {
        "nik": nik(), "full_name": "Adi Nugroho", "birth_date": "1985-01-15", "wage": 5_000_000,
        "start_date": first_day}, key=True).expect(201)


def finalised(payroll, period, lines, kind="regular"):
    opened = payroll.open(period, kind)
    payroll.send(opened["id"], lines)
    payroll.finalise(opened["id"])
    return [row | {"period": period} for row in payroll.lines(opened["id"]) if row["status"] != "rejected"]


def test_the_digests_are_what_python_computes(payroll):
    """Three random months with a supplement and back pay across months; then one cell changes one month."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    kept = finalised(payroll, "2026-08", [line(chance.randrange(1, 30_000_000)) for _ in range(20)])
    kpjs = [row["kpj"] for row in kept]
    def again(wage, kpj, **more):
        return line(wage, kpj=kpj, number="", **more)
    kept += finalised(payroll, "2026-09", [again(
        chance.randrange(1, 30_000_000), kpj, back_pay=f"{chance.randrange(1, 10**6)},2026-08" if n % 3 == 0 else ",")
        for n, kpj in enumerate(chance.sample(kpjs, 15))])
    kept += finalised(payroll, "2026-09", [line(5_000_000)], "supplementary")
    rejected = line(5_000_000, kpj="99999999999", number="")
    kept += finalised(payroll, "2026-10", [again(7_000_000, kpj) for kpj in kpjs] + [rejected])
    before = summary(payroll, "from=2026-07&to=2026-10")
    own = own_records(kept)
    for month in before:
        rows = own.get(month["period"], {})
        assert month["members"] == len(rows) and month["wages"] == sum(row[0] for row in rows.values())
        assert month["due"] == sum(sum(row[1:]) for row in rows.values())
        assert month["lines"] == sum(row["period"] == month["period"] for row in kept)
        assert month["wages_digest"] == digest(f"{kpj},{row[0]}" for kpj, row in rows.items())
        assert month["content_digest"] == digest(",".join(map(str, [kpj, *row])) for kpj, row in rows.items())
        assert month["billed"] == month["outstanding"] + month["paid"]
    finalised(payroll, "2026-10", [line(1_000_000)], "supplementary")
    after = summary(payroll, "from=2026-07&to=2026-10")
    assert [a == b for a, b in zip(before, after)] == [True, True, True, False]
    assert summary(payroll, "period=2026-10") == after[-1:]


FIELDS = ["kpj", "wage", "jht_employer", "jht_worker", "jkk", "jkm", "jp_employer", "jp_worker"]


def month_rows(payroll, period, media="application/x-ndjson", query=""):
    return payroll.client.get(f"/v1/employers/{payroll.employer_id}/lines?period={period}{query}", headers={
        "Accept": media}).expect(200)


def test_any_changed_cell_changes_one_month_and_its_rows_say_which(payroll):
    """Random months; then one member's wage, once by a revision and once by back pay: one digest is another, the rows
    behind it differ in one member, and Python makes the digest of them."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    kpjs = [row["kpj"] for row in finalised(payroll, "2026-06", [line(chance.randrange(1, 30_000_000))
                                                                 for _ in range(8)])]
    for period in ("2026-07", "2026-08", "2026-09"):
        finalised(payroll, period, [line(chance.randrange(1, 30_000_000), kpj=kpj, number="")
                                    for kpj in chance.sample(kpjs, 6)])
    periods = [f"2026-{number:02}" for number in range(6, 11)]

    def state():
        rows = {period: [json.loads(row) for row in month_rows(payroll, period).text.splitlines()]
                for period in periods}
        for month in summary(payroll, "from=2026-06&to=2026-10"):
            held = rows[month["period"]]
            assert [row["kpj"] for row in held] == sorted(row["kpj"] for row in held)
            assert month["wages_digest"] == digest(f"{row['kpj']},{row['wage']}" for row in held)
            assert month["content_digest"] == digest(",".join(str(row[name]) for name in FIELDS) for row in held)
        return rows, {month["period"]: (month["wages_digest"], month["content_digest"])
                      for month in summary(payroll, "from=2026-06&to=2026-10")}

    def differing(one, other):
        return [period for period in periods if one[period] != other[period]]
    rows, digests = state()
    for _ in range(3):
        period = chance.choice(periods[:3])
        row = chance.choice(rows[period])
        opened = payroll.open(period, "revised", reason="Satu sel")["id"]
        payroll.send(opened, [line(row["wage"] + chance.choice([-1, 1, 1_000_000]), kpj=row["kpj"], number="")])
        payroll.finalise(opened)
        new_rows, new_digests = state()
        assert differing(digests, new_digests) == differing(rows, new_rows) == [period]
        changed = [new["kpj"] for new, old in zip(new_rows[period], rows[period], strict=True) if new != old]
        assert changed == [row["kpj"]]
        rows, digests = new_rows, new_digests
    # Back pay for September comes with October, so it changes September, and October has its own line.
    finalised(payroll, "2026-10", [line(1_000_000, kpj=rows["2026-09"][0]["kpj"], number="", back_pay="1,2026-09")])
    assert differing(digests, state()[1]) == ["2026-09", "2026-10"]


def test_the_rows_of_a_month_in_every_form(payroll):
    finalised(payroll, "2026-09", [line(5_000_000 + n) for n in range(5)])
    rows = [json.loads(row) for row in month_rows(payroll, "2026-09").text.splitlines()]
    assert len(rows) == 5 and list(rows[0]) == FIELDS
    table = month_rows(payroll, "2026-09", "text/csv").text
    assert list(csv.DictReader(io.StringIO(table, newline=""))) == [
        {name: str(value) for name, value in row.items()} for row in rows]
    chosen = month_rows(payroll, "2026-09", "text/csv", "&fields=wage,kpj").text
    # The text itself is what the digest is of.
    text = chosen.split("\r\n", 1)[1].replace("\r\n", "\n").removesuffix("\n")
    assert summary(payroll, "period=2026-09")[0]["wages_digest"] == hashlib.sha256(text.encode()).hexdigest()
    seen, after = [], ""
    while after is not None:
        page = month_rows(payroll, "2026-09", "application/json", f"&fields=kpj,jkk&limit=2{after}").json
        assert page["period"] == "2026-09" and len(page["items"]) <= 2
        seen, after = seen + page["items"], f"&after={page['next_after']}" if "next_after" in page else None
    assert seen == [{"kpj": row["kpj"], "jkk": row["jkk"]} for row in rows]
    behind = month_rows(payroll, "2026-09", query=f"&after={rows[2]['kpj']}").text
    assert [json.loads(row) for row in behind.splitlines()] == rows[3:]
    for query in ("", "?period=2026-09&fields=", "?period=2026-09&fields=kpj,kpj", "?period=2026-09&after=x",
                  "?period=2026-09&fields=name"):
        payroll.client.get(f"/v1/employers/{payroll.employer_id}/lines{query}").expect(400, "invalid_request")
    payroll.client.get(f"/v1/employers/{payroll.employer_id}/lines?period=2026-09&limit=1", headers={
        "Accept": "text/csv"}).expect(400)


def test_the_last_event_of_a_month(payroll):
    def last(period):
        return summary(payroll, f"period={period}")[0].get("last_event")
    assert last("2026-08") is None
    opened = payroll.open("2026-08")["id"]
    payroll.send(opened, [line(5_000_000)])
    assert last("2026-08") is None
    billing = payroll.finalise(opened)["billing_id"]
    at = payroll.client.get(f"/v1/returns/{opened}").json["finalised_at"]
    assert last("2026-08") == {"kind": "return_finalised", "at": at, "return_id": opened}
    told = payroll.client.get(f"/v1/billings/{billing}").json
    paid = payroll.bank.post("/v1/payments", {
        "payment_code": told["payment_code"], "amount": told["amount"], "paid_at": "2026-11-05T01:30:00Z",
        "bank_reference": f"EVENT-{told['payment_code']}"}, key=True).expect(201).json
    event = last("2026-08")
    assert (event["kind"], event["billing_id"]) == ("billing_paid", billing) and event["at"] >= at
    payroll.bank.post(f"/v1/payments/{paid['id']}/reversal", {
        "reason": "returned", "reversed_at": "2026-11-05T01:45:00Z"}, key=True).expect(201)
    assert last("2026-08")["kind"] == "billing_reopened"
    # Back pay is a line of October's return, and an event of August too.
    number = payroll.lines(opened)[0]["kpj"]
    later = payroll.open("2026-10")["id"]
    payroll.send(later, [line(5_000_000, kpj=number, number="", back_pay="100000,2026-08")])
    payroll.finalise(later)
    assert {last(period)["return_id"] for period in ("2026-08", "2026-10")} == {later}


def test_three_years_come_in_pages_of_months(payroll):
    kept = finalised(payroll, "2024-01", [line(5_000_000)])
    seen, after, pages = [], "", 0
    while after is not None:
        page = payroll.client.get(
            f"/v1/employers/{payroll.employer_id}/summary?from=2023-11&to=2026-10{after}").expect(200).json
        seen, pages = seen + page["items"], pages + 1
        after = f"&after={page['next_after']}" if "next_after" in page else None
    assert pages == 3 and len(seen) == 36
    assert [month["period"] for month in seen] == sorted({month["period"] for month in seen})
    assert [month["period"] for month in seen if month["members"]] == ["2024-01"] and len(kept) == 1
    assert seen == payroll.client.get(
        f"/v1/employers/{payroll.employer_id}/summary?from=2023-11&to=2026-10&limit=36").expect(200).json["items"]
    for query in ("from=2023-10&to=2026-10", "period=2026-10&limit=37", "period=2026-10&after=x"):
        payroll.client.get(f"/v1/employers/{payroll.employer_id}/summary?{query}").expect(400)


@pytest.mark.parametrize("wage", [4_000_000, 6_000_000])
def test_a_revision_counts_as_what_it_says(wage, payroll):
    kept, = finalised(payroll, "2026-10", [line(5_000_000)])
    opened = payroll.open("2026-10", "revised", reason="Salah ketik")
    payroll.send(opened["id"], [line(wage, kpj=kept["kpj"], number="")])
    payroll.finalise(opened["id"])
    month, = summary(payroll, "period=2026-10")
    assert (month["members"], month["wages"]) == (1, wage)
    assert month["wages_digest"] == digest([f"{kept['kpj']},{wage}"])


def test_a_draft_counts_for_nothing(payroll):
    opened = payroll.open("2026-10")
    payroll.send(opened["id"], [line(5_000_000)])
    month, = summary(payroll, "period=2026-10")
    assert (month["members"], month["billed"]) == (0, 0)
    # Nobody works there before a return is finalised, so nothing is owed.
    assert obligations(payroll)["items"] == []


def test_a_month_from_open_to_paid(payroll, db):
    def state(period):
        return next(item["state"] for item in obligations(payroll)["items"] if item["period"] == period)
    hire(payroll, "2026-07-10")
    assert state("2026-11") == "open"
    opened = payroll.open("2026-10")
    payroll.send(opened["id"], [line(5_000_000)])
    billing = payroll.finalise(opened["id"])["billing_id"]
    item = obligations(payroll, "?from=2026-10&to=2026-10")["items"][0]
    assert (item["state"], item["billings"], [r["id"] for r in item["returns"]]) == ("due", [billing], [opened["id"]])
    assert item["outstanding"] == item["billed"] > 0
    payroll.pay(billing)
    assert state("2026-10") == "paid"
    payroll.finalise(payroll.open("2026-09", "no_activity")["id"])
    assert state("2026-09") == "paid"
    late = payroll.open("2026-08")
    payroll.send(late["id"], [line(5_000_000)])
    payroll.finalise(late["id"])
    assert state("2026-08") == "overdue"
    db.execute("UPDATE smile.employer SET approved_at = '2026-06-30 20:00+00' WHERE id = %s", [payroll.employer_id])
    assert state("2026-07") == "missing"   # July in Jakarta
    owed = summary(payroll, "period=2026-08")[0]["outstanding"]
    assert obligations(payroll)["arrears"] == {
        "months": 2, "outstanding": owed, "oldest": "2026-07", "affected_persons": 2}
    assert {e["effect"] for e in obligations(payroll)["arrears_effects"]} == {
        "agency_pays", "account_pays", "months_missing"}
    assert [i["period"] for i in obligations(payroll, "?state=missing")["items"]] == ["2026-07"]


def test_no_month_is_owed_before_the_first_worker(payroll, db):
    db.execute("UPDATE smile.employer SET approved_at = '2024-01-15' WHERE id = %s", [payroll.employer_id])
    assert obligations(payroll) == {"items": [], "arrears": {"months": 0, "outstanding": 0}}
    payroll.finalise(payroll.open("2026-05", "no_activity")["id"])
    assert [item["period"] for item in obligations(payroll)["items"]] == ["2026-05"]
    hire(payroll, "2026-09-30")
    assert [(item["period"], item["state"]) for item in obligations(payroll)["items"]] == [
        ("2026-11", "open"), ("2026-10", "open"), ("2026-09", "missing"), ("2026-05", "paid")]
    # Somebody who had worked there before the approval makes no month before it.
    hire(payroll, "2020-01-01")
    assert obligations(payroll, "?limit=200")["items"][-1]["period"] == "2024-01"


def test_pages_hold_every_month_once(payroll, db):
    hire(payroll, "2024-01-31")
    db.execute("UPDATE smile.employer SET approved_at = '2024-01-15' WHERE id = %s", [payroll.employer_id])
    seen, after = [], ""
    while after is not None:
        page = obligations(payroll, f"?limit=10{after}")
        assert page["arrears"]["months"] == 33   # January 2024 to September 2026: October isn't due yet
        seen += [item["period"] for item in page["items"]]
        after = f"&after={page['next_after']}" if "next_after" in page else None
    assert seen == [f"{n // 12}-{n % 12 + 1:02}" for n in range(2026 * 12 + 10, 2024 * 12 - 1, -1)]


def test_what_arrears_do_to_benefits(db):
    """Up to three months the agency pays; beyond, the employer does first (PP 6/2025 Art. 39(1)). JKK and JKM follow
    the same pattern from memory. JHT pays what is in the account, by what was announced; that months are missing in JP
    is concluded from its rule of density. Only what was read in the law counts as verified."""
    def effects(count):
        found = db.execute("SELECT smile.arrears_effects(%s, false)", [count]).fetchone()[0]
        return found and {e["programme"]: (e["effect"], e["verified"], e["grade"]) for e in found}
    rest = {"jht": ("account_pays", False, "found"), "jp": ("months_missing", False, "derived")}
    assert effects(0) is None
    assert effects(3) == rest | {"jkp": ("agency_pays", True, "law"), "jkk": ("agency_pays", False, "memory"),
                                 "jkm": ("agency_pays", False, "memory")}
    assert effects(4) == rest | {"jkp": ("employer_pays_first", True, "law"), "jkm": (
        "employer_pays_first", False, "memory"), "jkk": ("employer_pays_first", False, "memory")}


def test_the_officer_sees_the_arrears(payroll, actors, api):
    officer = actors.officer("manage_billing")
    seen = api.get(f"/v1/employers/{payroll.employer_id}/obligations", token=officer["token"]).expect(200).json
    assert seen == obligations(payroll)


@pytest.mark.parametrize("query", ["period=2026-10&from=2026-10", "from=2026-10", "to=2026-10",
                                   "from=2026-10&to=2026-09", "period=202610", "from=2023-01&to=2026-02"])
def test_a_range_that_is_none(payroll, query):
    payroll.client.get(f"/v1/employers/{payroll.employer_id}/summary?{query}").expect(400, "invalid_request")


@pytest.mark.parametrize("after", ["x", "2026-13", "019ac3f2-1a00-7e00-8000-00000000e001"])
def test_a_cursor_that_is_none(payroll, after):
    payroll.client.get(f"/v1/employers/{payroll.employer_id}/obligations?after={after}").expect(400)
