"""Obligations, arrears, and digests that a payroll system computes over its own records."""
import hashlib
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
        assert month["wages_sha256"] == digest(f"{kpj},{row[0]}" for kpj, row in rows.items())
        assert month["content_sha256"] == digest(",".join(map(str, [kpj, *row])) for kpj, row in rows.items())
        assert month["billed"] == month["outstanding"] + month["paid"]
    finalised(payroll, "2026-10", [line(1_000_000)], "supplementary")
    after = summary(payroll, "from=2026-07&to=2026-10")
    assert [a == b for a, b in zip(before, after)] == [True, True, True, False]
    assert summary(payroll, "period=2026-10") == after[-1:]


@pytest.mark.parametrize("wage", [4_000_000, 6_000_000])
def test_a_revision_counts_as_what_it_says(wage, payroll):
    kept, = finalised(payroll, "2026-10", [line(5_000_000)])
    opened = payroll.open("2026-10", "revised", reason="Salah ketik")
    payroll.send(opened["id"], [line(wage, kpj=kept["kpj"], number="")])
    payroll.finalise(opened["id"])
    month, = summary(payroll, "period=2026-10")
    assert (month["members"], month["wages"]) == (1, wage)
    assert month["wages_sha256"] == digest([f"{kept['kpj']},{wage}"])


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
    assert obligations(payroll)["arrears"] == {"months": 2, "outstanding": owed, "oldest": "2026-07"}
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
                                   "from=2026-10&to=2026-09", "period=202610", "from=2026-01&to=2027-01"])
def test_a_range_that_is_none(payroll, query):
    payroll.client.get(f"/v1/employers/{payroll.employer_id}/summary?{query}").expect(400, "invalid_request")


@pytest.mark.parametrize("after", ["x", "2026-13", "019ac3f2-1a00-7e00-8000-00000000e001"])
def test_a_cursor_that_is_none(payroll, after):
    payroll.client.get(f"/v1/employers/{payroll.employer_id}/obligations?after={after}").expect(400)
