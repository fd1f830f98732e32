"""JP of August 2020 to January 2021 that PP 49/2020 Art. 17 let medium and large employers defer: 1 % on time, the
rest by 15 April 2022, with no fine before. Worked out by hand: of 12,000,000 in October 2020 JP is 2 % and 1 % of the
ceiling 8,939,700, 178,794 and 89,397. One per cent of that is 1,787.94 and 893.97; 177,006 and 88,503 are deferred,
265,509 together. JHT 684,000, JKK 1,068 and JKM 360 are due on time too: 688,110 with JP, on 30 November 2020."""
import concurrent.futures

import pytest

from payroll import balanced, bank, line, payroll  # noqa: F401
from test_classification import business_day, officer  # noqa: F401
from test_late_fine import fine, months
from test_payments import billed, billing, notify, reverse

ON_TIME, DEFERRED = 688_110, 265_509


def grant(officer, payroll, status=201, code=None, **more):
    form = {"kind": "jp_deferral", "valid_from": "2020-08", "valid_to": "2021-01"} | more
    return officer.post(f"/v1/employers/{payroll.employer_id}/reliefs", form, key=True).expect(status, code).json


def other(payroll, about):
    return billing(payroll, {"id": about["deferral"]["other_billing_id"]})


def obligation(payroll, period="2020-10"):
    found = payroll.client.get(f"/v1/employers/{payroll.employer_id}/obligations?from={period}&to={period}")
    month, = found.expect(200).json["items"]
    return month, found.json["arrears"]


def jp(db, payroll):
    return db.execute("SELECT wage, jht_employer, jp_employer, jp_worker FROM smile.contribution "
                      "WHERE employer_id = %s", [payroll.employer_id]).fetchall()


def test_a_month_makes_two_billings(payroll, officer):
    relief = grant(officer, payroll)
    assert "industry" not in relief
    about = billed(payroll, "2020-10")
    later = other(payroll, about)
    assert (about["amount"], about["due_date"]) == (ON_TIME, "2020-11-30")
    assert (about["amounts"]["jp"], about["amounts"]["jht"]) == (
        {"employer": 1_788, "worker": 894}, {"employer": 444_000, "worker": 240_000})
    assert (later["amount"], later["due_date"], later["period"]) == (DEFERRED, "2022-04-15", "2020-10")
    assert later["amounts"] == {
        "jht": {"employer": 0, "worker": 0}, "jkk": {"employer": 0, "to_jkp": 0}, "jkm": {"employer": 0, "to_jkp": 0},
        "jp": {"employer": 177_006, "worker": 88_503}, "jkp": {"recomposed": 0, "state": 0}}
    told = later["deferral"]
    assert told | {"parameters_used": [], "verified": None} == {
        "part": "deferred", "other_billing_id": about["id"], "other_due_date": "2020-11-30",
        "other_jp": {"employer": 1_788, "worker": 894}, "on_time_pct": "1", "settle_from": "2021-05-15",
        "settle_by": "2022-04-15", "verified": None, "parameters_used": []}
    assert about["deferral"]["part"] == "on_time"
    assert about["deferral"]["other_jp"] == {"employer": 177_006, "worker": 88_503}
    # The first month of the relief is from memory, and so nothing of it is verified.
    assert told["verified"] is False and {u["parameter"] for u in told["parameters_used"]} == {
        "relief.covid.pay_now_pct", "relief.covid.settle_from", "relief.covid.settle_by",
        "relief.covid.deferral_sizes"}
    listed = payroll.client.get(f"/v1/employers/{payroll.employer_id}/billings").expect(200).json["items"]
    assert {item["id"] for item in listed} == {about["id"], later["id"]}
    returned = payroll.client.get(f"/v1/returns/{about['return_id']}").expect(200).json
    assert (returned["billing_id"], returned["totals"]["due"]) == (about["id"], ON_TIME + DEFERRED)


def test_no_fine_before_its_own_last_day(payroll, officer):
    """0.5 % of 265,509 are 1,327.545; of 688,110 3,440.55."""
    grant(officer, payroll)
    about = billed(payroll, "2020-10")
    later = other(payroll, about)
    assert fine(payroll, later, "2022-04-15")["months"] == []
    assert months(fine(payroll, later, "2022-05-16")) == [
        ("2022-04-16", "2022-05-15", DEFERRED, "0.5", 1_328), ("2022-05-16", "2022-06-15", DEFERRED, "0.5", 1_328)]
    assert months(fine(payroll, about, "2020-12-01")) == [("2020-12-01", "2020-12-31", ON_TIME, "0.5", 3_441)]
    # From 1 December 2020, and from 16 April 2022, to 5 November 2026.
    assert billing(payroll, about)["fine_amount"] == 72 * 3_441
    assert billing(payroll, later)["fine_amount"] == 55 * 1_328


def test_the_months_from_report_to_the_last_day(payroll, officer, bank, db, business_day):
    grant(officer, payroll)
    business_day("2020-11-10")
    about = billed(payroll, "2020-10")
    later = other(payroll, about)
    month, arrears = obligation(payroll)
    assert (month["state"], month["due_date"], month["outstanding"]) == ("due", "2020-11-30", ON_TIME + DEFERRED)
    business_day("2020-12-02")
    month, arrears = obligation(payroll)
    assert (month["state"], arrears) == ("overdue", {"months": 1, "outstanding": ON_TIME, "oldest": "2020-10",
                                                     "affected_persons": 1})
    notify(bank, about["payment_code"], ON_TIME, paid_at="2020-11-30T16:59:00Z")
    month, arrears = obligation(payroll)
    assert (month["state"], month["due_date"], arrears) == ("due", "2022-04-15", {"months": 0, "outstanding": 0})
    assert month["deferred"] == {"due_date": "2022-04-15", "billed": DEFERRED, "paid": 0, "outstanding": DEFERRED}
    assert jp(db, payroll) == [(12_000_000, 444_000, 1_788, 894)]
    business_day("2021-05-18")
    first = notify(bank, later["payment_code"], 100_000, paid_at="2021-05-17T02:00:00Z")
    business_day("2022-04-15")
    assert obligation(payroll)[0]["state"] == "due"
    statement = payroll.client.get(f"/v1/employers/{payroll.employer_id}/statement").expect(200).json
    assert [(b["billing_id"], b["due_date"], b["outstanding"], b["fine"], b["amounts"]["jp"]["worker"])
            for b in statement["billings"]] == [(later["id"], "2022-04-15", 165_509, 0, 88_503)]
    business_day("2022-04-17")
    month, arrears = obligation(payroll)
    assert (month["state"], arrears) == ("overdue", {"months": 1, "outstanding": 165_509, "oldest": "2020-10",
                                                     "affected_persons": 1})
    assert fine(payroll, later, "2022-04-17")["amount"] == 828          # 0.5 % of 165,509: 827.545
    notify(bank, later["payment_code"], 165_509, paid_at="2022-04-15T16:59:59Z")
    assert (obligation(payroll)[0]["state"], billing(payroll, later)["fine_amount"]) == ("paid", 0)
    assert jp(db, payroll) == [(12_000_000, 444_000, 178_794, 89_397)]
    business_day("2026-11-05")
    reverse(bank, first["id"])
    # 0.5 % of 100,000 for each month from 16 April 2022 to 5 November 2026.
    assert (obligation(payroll)[0]["state"], billing(payroll, later)["fine_amount"]) == ("overdue", 55 * 500)
    assert jp(db, payroll) == [(12_000_000, 444_000, 1_788, 894)]


def test_the_deferred_part_may_come_first(payroll, officer, bank, db):
    grant(officer, payroll)
    about = billed(payroll, "2020-10")
    made = notify(bank, other(payroll, about)["payment_code"], DEFERRED, paid_at="2021-06-01T02:00:00Z")
    assert jp(db, payroll) == [(0, 0, 177_006, 88_503)]
    notify(bank, about["payment_code"], ON_TIME, paid_at="2020-11-30T02:00:00Z")
    assert jp(db, payroll) == [(12_000_000, 444_000, 178_794, 89_397)]
    reverse(bank, made["id"])
    assert jp(db, payroll) == [(12_000_000, 444_000, 1_788, 894)]


def test_what_is_paid_too_much_goes_to_what_is_due_first(payroll, officer, bank, business_day):
    grant(officer, payroll)
    business_day("2020-11-10")
    about = billed(payroll, "2020-10")
    later = other(payroll, about)
    notify(bank, about["payment_code"], ON_TIME + 50_000, paid_at="2020-11-09T02:00:00Z")
    assert billing(payroll, later)["paid_by_credit"] == 50_000
    business_day("2020-12-10")
    following = billed(payroll, "2020-11")
    assert (following["due_date"], following["paid_by_credit"]) == ("2020-12-30", 50_000)
    assert billing(payroll, later)["paid_by_credit"] == 0


def test_a_revision_is_split_too(payroll, officer, db):
    """From 6,000,000 to 7,000,000: JP 20,000 and 10,000 more, of which 200 and 100 on time. To 13,000,000 no JP more
    than the ceiling brings: from 8,939,700 on there is nothing to defer."""
    grant(officer, payroll)
    payroll.month("2020-10", [line(6_000_000)])
    kpj, = db.execute("SELECT kpj FROM smile.return_line WHERE employer_id = %s", [payroll.employer_id]).fetchone()

    def revise(wage):
        opened = payroll.open("2020-10", "revised", reason="Salah upah")
        payroll.send(opened["id"], [line(wage, kpj=kpj, number="")])
        return billing(payroll, {"id": payroll.finalise(opened["id"])["billing_id"]})
    first = revise(7_000_000)
    assert (first["amounts"]["jp"], first["deferral"]["other_jp"]) == (
        {"employer": 200, "worker": 100}, {"employer": 19_800, "worker": 9_900})
    revise(12_000_000)
    last = revise(13_000_000)
    assert last["amounts"]["jp"] == {"employer": 0, "worker": 0} and "deferral" not in last


def test_a_revision_down_that_one_payment_settles_with_both_parts(payroll, officer, bank, db, business_day):
    """From 12,000,000 to 6,000,000: JHT 342,000, JKK 534, JKM 180 and JP 58,794 and 29,397 less, 430,905 together,
    which pays all but 257,205 of what is due on time. A payment of that and of the deferred part settles both at once,
    and only with both is there as much JP as the revision takes off."""
    grant(officer, payroll)
    business_day("2020-11-10")
    about = billed(payroll, "2020-10")
    later = other(payroll, about)
    kpj, = db.execute("SELECT kpj FROM smile.return_line WHERE employer_id = %s", [payroll.employer_id]).fetchone()
    opened = payroll.open("2020-10", "revised", reason="Salah upah")
    payroll.send(opened["id"], [line(6_000_000, kpj=kpj, number="")])
    payroll.finalise(opened["id"])
    assert billing(payroll, about)["paid_by_credit"] == ON_TIME - 257_205
    business_day("2020-11-20")
    made = notify(bank, about["payment_code"], 257_205 + DEFERRED, paid_at="2020-11-19T02:00:00Z")
    assert [billing(payroll, each)["status"] for each in (about, later)] == ["paid", "paid"]
    assert jp(db, payroll) == [(6_000_000, 222_000, 120_000, 60_000)]
    business_day("2026-11-05")
    reverse(bank, made["id"])
    assert [billing(payroll, each)["status"] for each in (about, later)] == ["partially_paid", "unpaid"]
    assert jp(db, payroll) == []


def test_back_pay_is_due_with_its_return(payroll, officer):
    """7,500,000 in November brings 225,000 of JP, of which 1 % is on time; back pay of September, 30,000, is all."""
    grant(officer, payroll)
    opened = payroll.open("2020-11")
    payroll.send(opened["id"], [line(7_500_000, back_pay="1000000,2020-09")])
    about = billing(payroll, {"id": payroll.finalise(opened["id"])["billing_id"]})
    assert about["amounts"]["jp"] == {"employer": 1_500 + 20_000, "worker": 750 + 10_000}
    assert other(payroll, about)["amounts"]["jp"] == {"employer": 148_500, "worker": 74_250}


def test_only_its_months_and_only_while_it_stands(payroll, officer):
    relief = grant(officer, payroll, valid_from="2020-09", valid_to="2020-10")
    kept = billed(payroll, "2020-10")
    for period in ("2020-08", "2020-11"):
        about = billed(payroll, period)
        assert "deferral" not in about and about["amounts"]["jp"] == {"employer": 178_794, "worker": 89_397}
    officer.post(f"/v1/employers/{payroll.employer_id}/reliefs/{relief['id']}/withdrawal", {
        "reason": "Tidak memenuhi syarat"}, key=True).expect(200)
    assert "deferral" not in billed(payroll, "2020-09")
    now = billing(payroll, kept)
    assert (now["amounts"], now["deferral"]) == (kept["amounts"], kept["deferral"])
    assert other(payroll, kept)["amount"] == DEFERRED


def test_who_gets_it(payroll, officer, db):
    for patch, status, code in (({"valid_from": "2020-07"}, 422, "relief_not_in_force"),
                                ({"valid_to": "2021-02"}, 422, "relief_not_in_force"),
                                ({"valid_from": "2020-10", "valid_to": "2020-09"}, 422, "end_before_start"),
                                ({"industry": "footwear"}, 400, "invalid_request")):
        grant(officer, payroll, status, code, **patch)
    db.execute("INSERT INTO smile.employer_size VALUES (%s, '2020-12-01', 'small')", [payroll.employer_id])
    refused = grant(officer, payroll, 422, "size_without_relief")
    assert (refused["size"], refused["period"], refused["wanted"]) == ("small", "2020-12", "medium large")
    billed(payroll, "2020-09")
    assert grant(officer, payroll, 409, "month_already_reported", valid_to="2020-11")["period"] == "2020-09"
    grant(officer, payroll, valid_from="2020-10", valid_to="2020-11")
    grant(officer, payroll, 409, "relief_overlaps", valid_from="2020-11", valid_to="2020-11")


def test_a_grant_and_a_finalisation_at_once(payroll, officer):
    """Either the month is split, or the grant comes too late."""
    opened = payroll.open("2020-10")
    payroll.send(opened["id"], [line(12_000_000)])
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        finalised = pool.submit(payroll.client.acting(payroll.client.token).post,
                                f"/v1/returns/{opened['id']}/finalisation", key=True)
        granted = pool.submit(officer.post, f"/v1/employers/{payroll.employer_id}/reliefs", {
            "kind": "jp_deferral", "valid_from": "2020-08", "valid_to": "2021-01"}, key=True)
    found = billing(payroll, {"id": finalised.result().expect(200).json["billing_id"]})
    assert granted.result().status == (201 if "deferral" in found else 409)
    assert found["amount"] == (ON_TIME if "deferral" in found else ON_TIME + DEFERRED)


def test_the_calculator_says_what_the_billing_says(api, payroll, officer):
    grant(officer, payroll)
    later = other(payroll, billed(payroll, "2020-10"))
    form = {"period": "2020-10", "amount": DEFERRED, "as_of": "2022-05-16", "jp_deferred": True}
    told = api.post("/v1/calculators/late_charge", form).expect(200).json
    assert (told["due_date"], told["late_fine"]) == ("2022-04-15", fine(payroll, later, "2022-05-16"))
    told = api.post("/v1/calculators/late_charge", form | {"jp_deferred": False}).expect(200).json
    assert told["due_date"] == "2020-11-30"
    refused = api.post("/v1/calculators/late_charge", form | {"period": "2021-02"})
    assert refused.expect(422, "parameter_not_in_force").json["errors"][0]["pointer"] == "/jp_deferred"
