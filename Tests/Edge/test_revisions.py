"""Revised returns: a month is corrected by another return, whose differences are billed or credited."""
import concurrent.futures
import random

import pytest

from payroll import balanced, bank, line, nik, payroll  # noqa: F401

NOTHING = {"jht": {"employer": 0, "worker": 0}, "jkk": {"employer": 0, "to_jkp": 0},
           "jkm": {"employer": 0, "to_jkp": 0}, "jp": {"employer": 0, "worker": 0},
           "jkp": {"recomposed": 0, "state": 0}}
# 1,000,000 more or less at risk class III, above JKP's ceiling of 5,000,000 and below JP's of 11,086,300:
# JHT 3.7 % and 2 %, JKK 0.89 %, JKM 0.3 %, JP 2 % and 1 %.
MILLION = {"jht": {"employer": 37_000, "worker": 20_000}, "jkk": {"employer": 8_900, "to_jkp": 0},
           "jkm": {"employer": 3_000, "to_jkp": 0}, "jp": {"employer": 20_000, "worker": 10_000},
           "jkp": {"recomposed": 0, "state": 0}}
MILLION_IN_ALL = 37_000 + 20_000 + 8_900 + 3_000 + 20_000 + 10_000


def revise(payroll, lines, period="2026-09", reason="Upah salah tulis"):
    opened = payroll.open(period, "revised", reason=reason)["id"]
    return opened, payroll.send(opened, lines)


def posted(db, payroll, period="2026-09"):
    """The members' months: wage, JHT, and everything; and what the funds and the ledger hold of the employer."""
    return db.execute("SELECT wage, jht_employer + jht_worker, jht_employer + jht_worker + jkk + jkm + jp_employer"
                      " + jp_worker FROM smile.contribution WHERE employer_id = %s AND period = %s::date ORDER BY wage",
                      [payroll.employer_id, f"{period}-01"]).fetchall()


def balance(db, payroll, account):
    return db.execute("SELECT coalesce(sum(amount), 0)::bigint FROM smile.posting WHERE employer_id = %s"
                      " AND account LIKE %s", [payroll.employer_id, account]).fetchone()[0]


def test_more_becomes_a_billing_and_less_a_credit(payroll, db):
    up, down, same = nik(), nik(), nik()
    payroll.month("2026-09", [line(6_000_000, number=up), line(8_000_000, number=down), line(7_000_000, number=same)])
    opened, report = revise(payroll, [line(7_000_000, number=up), line(7_000_000, number=down)])
    assert report["reason"] == "Upah salah tulis" and report["kind"] == "revised"
    totals = report["totals"]
    assert (totals["wages"], totals["due"], totals["credit"]) == (14_000_000, MILLION_IN_ALL, MILLION_IN_ALL)
    assert totals["amounts"] == totals["credit_amounts"] == MILLION
    assert [(got["debit"], got["credit"]) for got in payroll.lines(opened)] == [(MILLION, NOTHING), (NOTHING, MILLION)]
    finalised = payroll.finalise(opened)
    assert balance(db, payroll, "payable.employer_credit") in (-MILLION_IN_ALL, 0)   # or the billing took it at once
    if payroll.client.get(f"/v1/billings/{finalised['billing_id']}").json["status"] != "paid":
        billing = payroll.pay(finalised["billing_id"])
        assert billing["amount"] == MILLION_IN_ALL and billing["amounts"] == MILLION
    whole = 7 * MILLION_IN_ALL
    assert posted(db, payroll) == [(7_000_000, 399_000, whole)] * 3
    assert balance(db, payroll, "billed.%") == 0
    receipt = payroll.client.get(f"/v1/returns/{opened}/receipt").expect(200).json
    assert receipt["kind"] == "revised" and receipt["totals"] == totals


def test_what_was_finalised_stays_as_it_was(payroll):
    number = nik()
    first = payroll.open("2026-09")["id"]
    payroll.send(first, [line(6_000_000, number=number)])
    payroll.finalise(first)
    before = [payroll.client.get(f"/v1/returns/{first}{part}").body for part in ("", "/lines", "/receipt")]
    opened, _ = revise(payroll, [line(5_000_000, number=number)])
    payroll.finalise(opened)
    assert [payroll.client.get(f"/v1/returns/{first}{part}").body for part in ("", "/lines", "/receipt")] == before


def test_a_credit_leaves_the_members_month_when_the_month_is_paid(payroll, db):
    """Wages ten times too high, noticed before a rupiah was paid."""
    number = nik()
    first = payroll.open("2026-09")["id"]
    payroll.send(first, [line(8_000_000, number=number)])
    billing = payroll.finalise(first)["billing_id"]
    opened, report = revise(payroll, [line(7_000_000, number=number)])
    assert "billing_id" not in payroll.finalise(opened)
    assert posted(db, payroll) == []
    if payroll.client.get(f"/v1/billings/{billing}").json["status"] != "paid":
        payroll.pay(billing)
    assert posted(db, payroll) == [(7_000_000, 399_000, 7 * MILLION_IN_ALL)]
    assert balance(db, payroll, "billed.%") == 0 and balance(db, payroll, "fund.jht") == -399_000


def test_a_worker_too_many_is_taken_out(payroll, db):
    number = nik()
    payroll.month("2026-09", [line(7_000_000, number=number)])
    opened, report = revise(payroll, [line(0, number=number)], reason="Bukan pekerja kami\nsejak Agustus")
    assert report["totals"]["due"] == 0 and report["totals"]["credit"] == 7 * MILLION_IN_ALL
    payroll.finalise(opened)
    assert posted(db, payroll) == [(0, 0, 0)] and balance(db, payroll, "fund.%") == 0
    assert balance(db, payroll, "billed.%") == 0
    assert balance(db, payroll, "receivable.state") == 0   # the state's part of JKP went back as well


def test_revisions_build_on_each_other(payroll, db):
    """And one that was compared with what no longer stands is checked again."""
    number = nik()
    payroll.month("2026-09", [line(6_000_000, number=number)])
    late, _ = revise(payroll, [line(9_000_000, number=number)])
    first, _ = revise(payroll, [line(8_000_000, number=number)])
    payroll.pay(payroll.finalise(first)["billing_id"])
    assert payroll.finalise(late, 409)["code"] == "return_outdated"
    payroll.send(late, [line(9_000_000, number=number)])
    assert payroll.lines(late)[0]["debit"] == MILLION
    payroll.pay(payroll.finalise(late)["billing_id"])
    assert posted(db, payroll) == [(9_000_000, 513_000, 9 * MILLION_IN_ALL)]


def test_a_month_of_two_returns_is_revised_as_one(payroll, db):
    """The regular return's worker gets more and the supplement's less, in one revision; then another takes it back."""
    first, forgotten = nik(), nik()
    payroll.month("2026-09", [line(6_000_000, number=first)])
    payroll.month("2026-09", [line(8_000_000, number=forgotten)], "supplementary")
    for wages, totals in (((7_000_000, 7_000_000), (MILLION_IN_ALL, MILLION_IN_ALL)),
                          ((6_000_000, 8_000_000), (MILLION_IN_ALL, MILLION_IN_ALL)),
                          ((6_000_000, 7_000_000), (0, MILLION_IN_ALL))):
        opened, report = revise(payroll, [line(wage, number=number)
                                          for wage, number in zip(wages, (first, forgotten))])
        assert (report["totals"]["due"], report["totals"]["credit"]) == totals
        settle(payroll, [payroll.finalise(opened).get("billing_id")])
    assert [row[0] for row in posted(db, payroll)] == [6_000_000, 7_000_000]
    assert balance(db, payroll, "billed.%") == 0


def test_what_was_paid_and_corrected_pays_the_next_month(payroll, db):
    """A credit after payment: the next billing asks for that much less, and the money is where the months are."""
    number = nik()
    payroll.month("2026-10", [line(8_000_000, number=number)])
    opened, _ = revise(payroll, [line(7_000_000, number=number)], "2026-10")
    assert "billing_id" not in payroll.finalise(opened)
    assert balance(db, payroll, "payable.employer_credit") == -MILLION_IN_ALL
    following = payroll.open("2026-11")["id"]
    payroll.send(following, [line(7_000_000, number=number)])
    billing = payroll.client.get(f"/v1/billings/{payroll.finalise(following)['billing_id']}").expect(200).json
    assert (billing["amount"], billing["paid_by_credit"]) == (7 * MILLION_IN_ALL, MILLION_IN_ALL)
    payroll.pay(billing["id"])
    assert balance(db, payroll, "payable.employer_credit") == 0 and balance(db, payroll, "billed.%") == 0
    for period in ("2026-10", "2026-11"):
        assert posted(db, payroll, period) == [(7_000_000, 399_000, 7 * MILLION_IN_ALL)]


def test_back_pay_fills_what_a_revision_left_free(payroll):
    """Although the revision's credit waits for the supplement's billing: JP's ceiling is 11,086,300, so that all of
    1,000,000 on top of 8,000,000 counts, 2 % and 1 %."""
    number = nik()
    payroll.month("2026-09", [line(12_000_000, number=number)])
    forgotten = payroll.open("2026-09", "supplementary")["id"]
    payroll.send(forgotten, [line(5_000_000)])
    payroll.finalise(forgotten)
    payroll.finalise(revise(payroll, [line(8_000_000, number=number)])[0])
    opened = payroll.open("2026-10")["id"]
    payroll.send(opened, [line(5_000_000, number=number, back_pay="1000000,2026-09")])
    assert payroll.lines(opened)[0]["back_pay_amounts"]["jp"] == {"employer": 20_000, "worker": 10_000}


def test_only_reported_workers_are_revised_and_without_back_pay(payroll, actors):
    number, stranger = nik(), actors.worker(payroll.actor["employer_token"], payroll.employer_id)
    payroll.month("2026-09", [line(6_000_000, number=number)])
    opened, report = revise(payroll, [
        line(1), line(1, kpj=stranger["kpj"], number=stranger["nik"], name=stranger["full_name"],
                      born=stranger["birth_date"]),
        line(1, number=number, back_pay="1,2026-08")])
    assert [[f["code"] for f in got["findings"]] for got in payroll.lines(opened)] == [
        ["worker_not_reported"], ["worker_not_reported"], ["back_pay_not_revised"]]
    assert report["outcome"] == "rejected" and report["totals"]["credit"] == 0


def test_a_revision_heeds_the_back_pay_of_its_month(payroll, db):
    """10,000,000 and 1,000,000 of back pay exceed September's JP ceiling of 11,086,300 by nothing; 10,500,000 would
    exceed it by 413,700: of the 500,000 only 86,300 count, JP 1,726 and 863."""
    number = nik()
    payroll.month("2026-09", [line(10_000_000, number=number)])
    payroll.month("2026-10", [line(5_000_000, number=number, back_pay="1000000,2026-09")])
    opened, _ = revise(payroll, [line(10_500_000, number=number)])
    debit = payroll.lines(opened)[0]["debit"]
    assert debit["jp"] == {"employer": 1_726, "worker": 863}
    assert debit["jht"] == {"employer": 18_500, "worker": 10_000}
    payroll.pay(payroll.finalise(opened)["billing_id"])
    # And back pay heeds the revision: nothing is left below the ceiling.
    later = payroll.open("2026-11")["id"]
    payroll.send(later, [line(5_000_000, number=number, back_pay="1000000,2026-09")])
    assert payroll.lines(later)[0]["back_pay_amounts"]["jp"] == {"employer": 0, "worker": 0}


@pytest.mark.parametrize("form,status,code", [
    ({"kind": "revised"}, 422, "reason_required"), ({"kind": "regular", "reason": "x"}, 422, "reason_not_taken"),
    ({"kind": "revised", "reason": "x"}, 409, "nothing_to_revise"), ({"kind": "revised", "reason": ""}, 400, None),
    ({"kind": "revised", "reason": "x" * 501}, 400, None), ({"kind": "no_activity", "period": "2026-11"}, 422,
                                                         "period_not_over")])
def test_what_a_revision_needs(payroll, form, status, code):
    answer = payroll.client.post(f"/v1/employers/{payroll.employer_id}/returns", {"period": "2026-09"} | form, key=True)
    answer.expect(status, code)


def test_revisions_at_once_end_as_if_one_came_after_the_other(payroll, db):
    number = nik()
    payroll.month("2026-09", [line(6_000_000, number=number)])
    returns = [revise(payroll, [line(wage, number=number)])[0] for wage in (7_000_000, 8_000_000, 5_000_000)]

    def finalise(return_id):
        with payroll.client.acting(payroll.client.token) as client:
            return client.post(f"/v1/returns/{return_id}/finalisation", key=True).status

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        assert sorted(pool.map(finalise, returns)) == [200, 409, 409]


def test_any_revisions_end_where_the_last_wages_would_have(payroll, db):
    """Random wages, revised over and over, paid in between or not: the months are those of the last wages."""
    seed = random.randrange(10**9)
    print("seed", seed)
    chance = random.Random(seed)
    # 227 and 228 cost the employer the same and the state 0 and 1; 1 costs nobody anything.
    wages = [3_000_000, 4_999_950, 5_000_001, 9_876_543, 11_086_300, 12_345_678, 0, 1, 227, 228, 333]
    people = [nik() for _ in range(5)]
    standing = {number: chance.choice(wages[:6]) for number in people}
    first = payroll.open("2026-09")["id"]
    payroll.send(first, [line(wage, number=number) for number, wage in standing.items()])
    bills = [payroll.finalise(first)["billing_id"]]
    for _ in range(6):
        change = {number: chance.choice(wages) for number in chance.sample(people, 3)}
        opened, rehearsed = revise(payroll, [line(wage, number=number) for number, wage in change.items()])
        bills.append(payroll.finalise(opened).get("billing_id"))
        standing |= change
        if chance.random() < 0.4:
            settle(payroll, bills)
    settle(payroll, bills)
    other = [line(wage, number=number) for number, wage in standing.items()]
    checked = payroll.open("2026-09", "revised", reason="Pemeriksaan")["id"]
    totals = payroll.send(checked, other)["totals"]
    assert (totals["due"], totals["credit"]) == (0, 0), "what stands isn't what the last wages cost"
    assert [row[0] for row in posted(db, payroll)] == sorted(standing.values())
    computed = sorted(sum(got["amounts"][programme].get(side, 0) for programme in ("jht", "jkk", "jkm", "jp")
                          for side in ("employer", "worker")) for got in payroll.lines(checked))
    assert sorted(row[2] for row in posted(db, payroll)) == computed
    assert balance(db, payroll, "billed.%") == 0
    assert balance(db, payroll, "fund.jkp") == -sum(got["amounts"]["jkp"]["recomposed"] + got["amounts"]["jkp"]["state"]
                                                    for got in payroll.lines(checked))


def test_wages_that_cost_nothing_reach_the_month_and_can_be_revised(payroll, db):
    """Rounded to whole rupiah, 1 costs nobody anything, and 228 costs the state a rupiah more than 227."""
    number = nik()
    first = payroll.open("2026-09")["id"]
    payroll.send(first, [line(1, number=number)])
    assert "billing_id" not in payroll.finalise(first)
    assert posted(db, payroll) == [(1, 0, 0)]
    for wage, state in ((227, 0), (228, 1), (0, 0)):
        opened, _ = revise(payroll, [line(wage, number=number)])
        settle(payroll, [payroll.finalise(opened).get("billing_id")])
        assert [row[0] for row in posted(db, payroll)] == [wage]
        assert db.execute("SELECT jkp_state FROM smile.contribution WHERE employer_id = %s", [payroll.employer_id]
                          ).fetchall() == [(state,)]
        assert balance(db, payroll, "receivable.state") == state


def test_one_payment_settles_two_billings_of_a_month_that_was_revised(payroll, db):
    """What the revision took off leaves the month when all of it has been posted, and neither before nor never."""
    one, two = nik(), nik()
    bills = []
    for kind, number in (("regular", one), ("supplementary", two)):
        opened = payroll.open("2026-09", kind)["id"]
        payroll.send(opened, [line(8_000_000, number=number)])
        bills.append(payroll.client.get(f"/v1/billings/{payroll.finalise(opened)['billing_id']}").json)
    for number in (one, two):
        payroll.finalise(revise(payroll, [line(7_000_000, number=number)])[0])
    assert posted(db, payroll) == []
    payroll.bank.post("/v1/payments", {
        "payment_code": bills[0]["payment_code"], "amount": 14 * MILLION_IN_ALL, "paid_at": "2026-10-10T01:30:00Z",
        "bank_reference": f"BOTH{one}"}, key=True).expect(201)
    assert posted(db, payroll) == [(7_000_000, 399_000, 7 * MILLION_IN_ALL)] * 2
    assert balance(db, payroll, "billed.%") == 0


def settle(payroll, bills):
    for billing in filter(None, bills):
        if payroll.client.get(f"/v1/billings/{billing}").json["status"] != "paid":
            payroll.pay(billing)
