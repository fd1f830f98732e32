"""An employer whose units pay for themselves: a billing for each unit, which together are what the return costs."""
import concurrent.futures
import random

import pytest

from payroll import BY_HAND, Payroll, balanced, bank, line, nik, payroll  # noqa: F401
from test_classification import officer  # noqa: F401
from test_jp_deferral import DEFERRED, ON_TIME, grant
from test_revisions import balance, posted, revise, settle
from test_workers import change, hire

SIDES = [("jht", "employer"), ("jht", "worker"), ("jkk", "employer"), ("jkk", "to_jkp"), ("jkm", "employer"),
         ("jkm", "to_jkp"), ("jp", "employer"), ("jp", "worker"), ("jkp", "recomposed"), ("jkp", "state")]
WHOLE = 1_159_389   # BY_HAND of 12,000,000 in October, all sides but the state's


@pytest.fixture
def by_unit(payroll, api):  # noqa: F811
    """Asks for billings by unit, or no longer."""
    def ask(wanted=True):
        return api.acting(payroll.actor["employer_token"]).patch(
            f"/v1/employers/{payroll.employer_id}", {"billing_per_unit": wanted}, headers={"If-Match": "*"}
        ).expect(200).json
    ask()
    return ask


def unit(payroll, code):
    return payroll.client.post(f"/v1/employers/{payroll.employer_id}/units", {"code": code, "name": code}).expect(
        201).json["id"]


def staff(payroll, units, **about):
    """A worker in each of these units, None for none."""
    made = [hire(payroll, **about) for _ in units]
    for worker, where in zip(made, units):
        if where is not None:
            change(payroll, worker, {"unit_id": where}).expect(200)
    return made


def lines_of(workers, wages):
    return [line(wage, kpj=worker["kpj"], number=worker["nik"]) for worker, wage in zip(workers, wages)]


def finalised(payroll, lines, period="2026-10", kind="regular", **more):
    opened = payroll.open(period, kind, **more)["id"]
    payroll.send(opened, lines)
    return payroll.finalise(opened)


def billing(payroll, item):
    return payroll.client.get(f"/v1/billings/{item['id']}").expect(200).json


def summed(amounts):
    return {side: sum(a[side[0]][side[1]] for a in amounts) for side in SIDES}


def test_each_unit_gets_its_own_billing(payroll, by_unit, db):
    units = [unit(payroll, code) for code in ("PABRIK", "KANTOR")]
    workers = staff(payroll, [*units, None, units[0]])
    answer = finalised(payroll, lines_of(workers, [12_000_000, 4_999_950, 12_000_000, 12_000_000]))
    assert "billing_id" not in answer
    assert {item.get("unit_id"): item["amount"] for item in answer["billings"]} == {
        units[0]: 2 * WHOLE, units[1]: sum(BY_HAND["2026-10", 4_999_950][p].get(s, 0) for p in (
            "jht", "jkk", "jkm", "jp") for s in ("employer", "worker")), None: WHOLE}
    assert sum(item["amount"] for item in answer["billings"]) == answer["totals"]["due"]
    full = {item.get("unit_id"): billing(payroll, item) for item in answer["billings"]}
    assert full[None]["amounts"] == BY_HAND["2026-10", 12_000_000]
    assert full[units[1]]["amounts"] == BY_HAND["2026-10", 4_999_950]
    assert [got.get("unit_id") for got in payroll.lines(answer["id"])] == [*units, None, units[0]]
    assert len({b["payment_code"] for b in full.values()}) == 3
    assert {b["due_date"] for b in full.values()} == {"2026-11-16"}
    receipt = payroll.client.get(f"/v1/returns/{answer['id']}/receipt").expect(200).json
    assert receipt["billings"] == answer["billings"] and "billing_id" not in receipt

    def months():
        return [row[0] for row in posted(db, payroll, "2026-10")]

    payroll.pay(full[units[1]]["id"])
    assert months() == [4_999_950]
    obligation = payroll.client.get(f"/v1/employers/{payroll.employer_id}/obligations?from=2026-10").json["items"][-1]
    assert (obligation["state"], obligation["outstanding"]) == ("due", 3 * WHOLE) and len(obligation["billings"]) == 3
    payroll.pay(full[None]["id"])
    payroll.pay(full[units[0]]["id"])
    assert months() == [4_999_950] + [12_000_000] * 3
    assert balance(db, payroll, "billed.%") == 0


def test_a_transfer_after_finalisation_moves_nothing(payroll, by_unit, db):
    """What is paid and then reversed is taken from those for whom it was paid."""
    units = [unit(payroll, code) for code in ("A", "B")]
    workers = staff(payroll, units)
    answer = finalised(payroll, lines_of(workers, [5_000_000, 7_000_000]))
    of = {item["unit_id"]: item["id"] for item in answer["billings"]}
    change(payroll, workers[0], {"unit_id": units[1]}).expect(200)
    payment = payroll.pay(of[units[0]], "UNIT-REVERSED")
    assert [row[0] for row in posted(db, payroll, "2026-10")] == [5_000_000]
    change(payroll, workers[0], {"unit_id": None}).expect(200)
    found = db.execute("SELECT id FROM smile.payment WHERE billing_id = %s", [of[units[0]]]).fetchone()[0]
    payroll.bank.post(f"/v1/payments/{found}/reversal", {
        "reason": "bank_error", "reversed_at": "2026-11-05T01:45:00Z"}, key=True).expect(201)
    assert posted(db, payroll, "2026-10") == [] and payment["amount"] > 0
    payroll.pay(of[units[1]])
    assert [row[0] for row in posted(db, payroll, "2026-10")] == [7_000_000]


def test_the_choice_counts_from_the_next_finalisation_on(payroll, by_unit):
    where = unit(payroll, "A")
    first = staff(payroll, [where])
    drafted = payroll.open("2026-09")["id"]
    payroll.send(drafted, lines_of(first, [5_000_000]))
    assert by_unit(False)["billing_per_unit"] is False
    whole = payroll.finalise(drafted)
    assert [item["id"] for item in whole["billings"]] == [whole["billing_id"]] and "unit_id" not in whole["billings"][0]
    by_unit()
    assert finalised(payroll, lines_of(first, [5_000_000]))["billings"][0]["unit_id"] == where
    again = payroll.client.get(f"/v1/returns/{drafted}").expect(200).json
    assert again["billings"] == whole["billings"]


def test_a_unit_that_costs_nothing_gets_no_billing(payroll, by_unit, db):
    """A wage of 1 costs nobody anything, one of 228 the state a rupiah: both reach the months at once."""
    units = [unit(payroll, code) for code in ("A", "B", "C")]
    workers = staff(payroll, units)
    answer = finalised(payroll, lines_of(workers, [1, 228, 5_000_000]))
    assert sorted(item["unit_id"] for item in answer["billings"]) == sorted(units[2:]) or len(answer["billings"]) == 2
    assert [row[0] for row in posted(db, payroll, "2026-10")][:1] == [1]
    settle(payroll, [item["id"] for item in answer["billings"]])
    assert [row[0] for row in posted(db, payroll, "2026-10")] == [1, 228, 5_000_000]
    assert balance(db, payroll, "billed.%") == 0


def test_too_much_under_one_unit_pays_another(payroll, by_unit):
    units = [unit(payroll, code) for code in ("A", "B")]
    answer = finalised(payroll, lines_of(staff(payroll, units), [12_000_000, 12_000_000]))
    one, two = (billing(payroll, item) for item in answer["billings"])
    payroll.bank.post("/v1/payments", {
        "payment_code": one["payment_code"], "amount": one["amount"] + 1_000, "paid_at": "2026-11-05T01:30:00Z",
        "bank_reference": f"UNIT-MORE-{one['payment_code']}"}, key=True).expect(201)
    assert billing(payroll, {"id": two["id"]})["paid_by_credit"] == 1_000


def test_each_unit_defers_its_own_part_of_jp(payroll, by_unit, officer, db):  # noqa: F811
    """PP 49/2020: two billings a unit, and each brings its part to the workers of its unit."""
    grant(officer, payroll)
    units = [unit(payroll, "A"), None]
    workers = staff(payroll, units, start_date="2020-01-01")
    answer = finalised(payroll, lines_of(workers, [12_000_000] * 2), "2020-10")
    assert [(item["due_date"], item.get("unit_id"), item["amount"]) for item in answer["billings"]] == [
        ("2020-11-30", units[0], ON_TIME), ("2020-11-30", None, ON_TIME),
        ("2022-04-15", units[0], DEFERRED), ("2022-04-15", None, DEFERRED)]
    assert answer["totals"]["due"] == 2 * (ON_TIME + DEFERRED) and "billing_id" not in answer
    first, _, later, _ = (billing(payroll, item) for item in answer["billings"])
    assert first["deferral"]["other_billing_id"] == later["id"]
    assert later["deferral"]["other_billing_id"] == first["id"]
    jp = "SELECT wage, jp_employer, jp_worker FROM smile.contribution WHERE employer_id = %s"
    for item, wanted in ((first, (12_000_000, 1_788, 894)), (later, (12_000_000, 178_794, 89_397))):
        if billing(payroll, item)["status"] != "paid":
            payroll.pay(item["id"])
        assert db.execute(jp, [payroll.employer_id]).fetchall() == [wanted]


def test_one_late_payment_settles_two_returns_and_a_correction_of_the_second(payroll, db):
    """The correction waits for the months that it takes from, in whatever order they are posted."""
    one, two = nik(), nik()
    first = finalised(payroll, [line(7_000_000, number=one)], "2026-09")
    finalised(payroll, [line(8_000_000, number=two)], "2026-09", "supplementary")
    opened, _ = revise(payroll, [line(7_000_000, number=two)])
    payroll.finalise(opened)
    owed = sum(b["amount"] - b["paid_amount"] for b in payroll.client.get(
        f"/v1/employers/{payroll.employer_id}/billings").json["items"])
    payroll.bank.post("/v1/payments", {
        "payment_code": billing(payroll, {"id": first["billing_id"]})["payment_code"], "amount": owed,
        "paid_at": "2026-10-10T01:30:00Z", "bank_reference": f"BOTH-{first['billing_id']}"}, key=True).expect(201)
    assert [row[:2] for row in posted(db, payroll)] == [(7_000_000, 399_000)] * 2
    assert balance(db, payroll, "billed.%") == 0 and balance(db, payroll, "fund.jht") == -2 * 399_000


def test_late_units_are_fined_each(payroll, by_unit):
    """September's wages were due on 15 October; 2 % for each begun month of what each owes, one begun on 5 November."""
    units = [unit(payroll, code) for code in ("A", "B")]
    answer = finalised(payroll, lines_of(staff(payroll, units), [12_000_000, 6_000_000]), "2026-09")
    for item in answer["billings"]:
        assert billing(payroll, item)["fine_amount"] == (item["amount"] * 2 + 50) // 100


def test_any_months_by_unit_end_where_they_end_as_a_whole(api, actors, bank, db):  # noqa: F811
    """Random rosters, back pay and corrections, paid in any order: by unit and as a whole the books are the same."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    split, whole = (Payroll(api, actors.payroll(), bank) for _ in range(2))
    api.acting(split.actor["employer_token"]).patch(f"/v1/employers/{split.employer_id}", {
        "billing_per_unit": True}, headers={"If-Match": "*"}).expect(200)
    units = [unit(split, code) for code in "ABC"]
    where = [chance.choice([*units, None]) for _ in range(8)]
    people = {split: staff(split, where), whole: [hire(whole) for _ in where]}
    bills = {split: [], whole: []}
    wages = [1, 228, 3_000_000, 4_999_950, 5_000_001, 9_876_543, 11_086_300, 12_345_678]

    def both(period, kind, picked, **more):
        """The same return of both; by unit it must add up."""
        sent = [(i, chance.choice(wages), chance.choice([",", "150000,2026-08"]) if kind == "regular" else ",")
                for i in picked]
        for firm in (split, whole):
            made = finalised(firm, [line(wage, kpj=people[firm][i]["kpj"], number=people[firm][i]["nik"],
                                         back_pay=extra) for i, wage, extra in sent], period, kind, **more)
            bills[firm] += [item["id"] for item in made.get("billings", [])]
            if firm is split:
                parts = [billing(firm, item) for item in made.get("billings", [])]
                assert len(parts) == len({part.get("unit_id") for part in parts})
                assert sum(part["amount"] for part in parts) == made["totals"]["due"]
                told = summed([part["amounts"] for part in parts])
                total = summed([made["totals"]["amounts"]])
                # What costs an employer nothing has no billing, and may cost the state a rupiah for each line.
                assert {s: n for s, n in told.items() if s[0] != "jkp"} == {
                    s: n for s, n in total.items() if s[0] != "jkp"}
                assert 0 <= total["jkp", "state"] - told["jkp", "state"] <= len(sent)

    def settle_both():
        for firm in (split, whole):
            settle(firm, chance.sample(bills[firm], len(bills[firm])))

    everyone = range(len(where))
    early = chance.sample(everyone, 5)
    both("2026-08", "regular", everyone)
    both("2026-09", "regular", early)
    both("2026-09", "supplementary", [i for i in everyone if i not in early])
    for _ in range(4):
        if chance.random() < 0.5:
            settle_both()
        if chance.random() < 0.5:   # what was billed stays with its unit
            moved = people[split][chance.choice(everyone)]
            change(split, moved, {"unit_id": chance.choice([*units, None])}).expect(200)
        both("2026-09", "revised", chance.sample(everyone, 4), reason="Upah salah tulis")
    settle_both()
    for period in ("2026-08", "2026-09"):
        assert sorted(posted(db, split, period)) == sorted(posted(db, whole, period))
    for account in ("billed.%", "fund.jht", "fund.jkk", "fund.jkm", "fund.jp", "fund.jkp", "receivable.state",
                    "receivable.employer"):
        assert balance(db, split, account) == balance(db, whole, account), account


def test_a_transfer_and_a_finalisation_at_once(payroll, by_unit, server):
    """The line goes with the unit that stood; nothing is billed twice or not at all."""
    units = [unit(payroll, code) for code in ("A", "B")]
    workers = staff(payroll, [units[0]] * 6)
    opened = payroll.open("2026-10")["id"]
    payroll.send(opened, lines_of(workers, [5_000_000] * 6))

    def act(step):
        with payroll.client.acting(payroll.client.token) as client:
            if step == 6:
                return client.post(f"/v1/returns/{opened}/finalisation", key=True).status
            return client.patch(f"/v1/employers/{payroll.employer_id}/workers/{workers[step]['id']}", {
                "unit_id": units[1]}, headers={"If-Match": "*"}).status

    with concurrent.futures.ThreadPoolExecutor(7) as pool:
        assert list(pool.map(act, [0, 1, 2, 6, 3, 4, 5])) == [200] * 7
    made = payroll.client.get(f"/v1/returns/{opened}").expect(200).json
    counted = {}
    for got in payroll.lines(opened):
        counted[got["unit_id"]] = counted.get(got["unit_id"], 0) + 1
    each = made["totals"]["due"] // 6
    assert {item["unit_id"]: item["amount"] for item in made["billings"]} == {u: n * each for u, n in counted.items()}
