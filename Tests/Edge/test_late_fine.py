"""The fine for paying late, worked out by hand: 2 % a month, 0.5 % for the months of PP 49/2020, no fine on fines."""
import datetime
import itertools
import os
import random

import pytest

from payroll import balanced, bank, line, payroll  # noqa: F401
from test_payments import accounts, billed, billing, credit, months as paid_months, notify, reverse


def fine(payroll, about, day):
    return payroll.client.get(f"/v1/billings/{about['id']}?as_of={day}").expect(200).json["late_fine"]


def months(found):
    return [(m["starts_on"], m["ends_on"], m["outstanding"], m["rate_pct"], m["fine"]) for m in found["months"]]


def charged(payroll, about):
    """What was charged; the preview of today says the same."""
    found = billing(payroll, about)
    preview, fines = fine(payroll, about, "2026-11-05"), found.get("charged_fines")
    assert found["fine_amount"] == preview["amount"] and (fines is None) == (preview["months"] == [])
    if fines is not None:
        assert months(fines) == months(preview) and fines["parameters_used"] == preview["parameters_used"]
        assert (fines["amount"], fines["paid_amount"]) == (found["fine_amount"], found["fine_paid_amount"])
        assert fines["verified"] == preview["verified"]
    return found


def test_a_begun_month_counts_as_a_whole_one(payroll):
    """Due on Monday 16 November 2026, for the 15th is a Sunday; 2 % of 1,159,389 are 23,187.78."""
    about = billed(payroll, "2026-10")
    assert about["due_date"] == "2026-11-16" and "late_fine" not in about and "charged_fines" not in about
    assert fine(payroll, about, "2026-11-16") | {"as_of": ""} == {
        "as_of": "", "amount": 0, "verified": True, "months": [], "parameters_used": []}
    first = fine(payroll, about, "2026-11-17")
    assert months(first) == [("2026-11-17", "2026-12-16", 1_159_389, "2.0", 23_188)]
    assert first["amount"] == fine(payroll, about, "2026-12-16")["amount"] == 23_188
    second = fine(payroll, about, "2026-12-17")
    assert [m["fine"] for m in second["months"]] == [23_188, 23_188] and second["amount"] == 46_376
    used = second["parameters_used"]
    assert [(u["parameter"], u["value"], u["valid_from"]) for u in used] == [
        ("pu.late_fine_pct_per_month", "2.0", "2021-02-01")]
    assert second["verified"] == all(u["verified"] for u in used)


def test_what_was_paid_in_time_bears_no_fine_and_a_reversal_brings_it_back(payroll, bank):
    """Due on 15 September 2026: paid in part on that day in Jakarta, the rest bears 2 %."""
    about = billed(payroll, "2026-08")
    assert about["due_date"] == "2026-09-15"
    in_time = notify(bank, about["payment_code"], 159_389, paid_at="2026-09-15T16:59:59Z")
    notify(bank, about["payment_code"], 500_000, paid_at="2026-09-15T17:00:00Z")
    assert months(fine(payroll, about, "2026-11-05")) == [
        ("2026-09-16", "2026-10-15", 1_000_000, "2.0", 20_000), ("2026-10-16", "2026-11-15", 500_000, "2.0", 10_000)]
    assert charged(payroll, about)["fine_amount"] == 30_000
    notify(bank, about["payment_code"], 500_000, paid_at="2026-10-20T01:00:00Z")
    assert fine(payroll, about, "2027-11-05")["amount"] == 30_000
    reverse(bank, in_time["id"])
    assert [m["outstanding"] for m in fine(payroll, about, "2026-11-20")["months"]] == [1_159_389, 659_389, 159_389]
    # 2 % of 1,159,389 and of 659,389.
    assert charged(payroll, about)["fine_amount"] == 23_188 + 13_188


def test_the_contributions_of_pp_49_2020_cost_less(payroll):
    """The rate is that of the contribution's month, however late it is: those of August 2020 to January 2021 bear
    0.5 %, and were due on the 30th of the month after, or the working day before (30 January and 28 February 2021 are
    a Saturday and a Sunday)."""
    for period, due, rate, verified in (
            ("2020-07", "2020-08-15", "2.0", False), ("2020-08", "2020-09-30", "0.5", False),
            ("2020-12", "2021-01-29", "0.5", False), ("2021-01", "2021-02-26", "0.5", False),
            ("2021-02", "2021-03-15", "2.0", False)):
        about = billed(payroll, period)
        # Saturday 15 August 2020, and 17 August: the holidays of 2020 aren't in the calendar.
        assert about["due_date"] == ("2020-08-17" if period == "2020-07" else due)
        found = fine(payroll, about, "2021-05-01")
        assert {m["rate_pct"] for m in found["months"]} == {rate}
        assert {m["fine"] for m in found["months"]} == {
            (about["amount"] * int(rate.replace(".", "")) + 500) // 1000}   # tenths of a per cent, rounded half up
        assert len(found["parameters_used"]) == 1


def test_a_fine_is_paid_with_the_next_month(payroll, bank, db):
    """September, paid on 1 November: a month late. Its fine is due with October's contribution, in whose month the
    delay began, and the employer's alone: the members' months and the funds aren't touched by it."""
    late = billed(payroll, "2026-09")
    assert late["due_date"] == "2026-10-15"
    notify(bank, late["payment_code"], late["amount"], paid_at="2026-11-01T01:00:00Z")
    found = charged(payroll, late)
    assert (found["status"], found["fine_amount"], found["fine_paid_amount"]) == ("paid", 23_188, 0)
    assert [(m["number"], m["due_date"]) for m in found["charged_fines"]["months"]] == [(1, "2026-11-16")]
    assert accounts(db, payroll)["receivable.late_fine"] == 23_188
    assert accounts(db, payroll)["income.late_fine"] == -23_188 and paid_months(db, payroll) == 1
    following = billed(payroll, "2026-10")
    assert following["fines_due_with_it"] == 23_188
    notify(bank, following["payment_code"], following["amount"] + 23_188)
    found = charged(payroll, late)
    assert found["fine_paid_amount"] == 23_188 and found["charged_fines"]["months"][0]["paid_amount"] == 23_188
    assert billing(payroll, following)["fines_due_with_it"] == 0 and credit(payroll) == 0
    assert "receivable.late_fine" not in accounts(db, payroll)
    # What comes after finds the fine paid.
    assert billed(payroll, "2026-11")["paid_by_credit"] == 0


def test_contributions_come_before_fines(payroll, bank):
    """Money under one code that is too little for all: its own billing, then what else is due, then the fine that is
    due the same day, and last what is due later."""
    late, following, more = billed(payroll, "2026-09"), billed(payroll, "2026-10"), billed(
        payroll, "2026-10", kind="supplementary")
    notify(bank, late["payment_code"], late["amount"], paid_at="2026-11-01T01:00:00Z")
    last = billed(payroll, "2026-11")
    notify(bank, following["payment_code"], following["amount"] + more["amount"] + 20_000)
    assert billing(payroll, more)["status"] == "paid" and billing(payroll, last)["paid_amount"] == 0
    assert billing(payroll, late)["fine_paid_amount"] == 20_000
    notify(bank, following["payment_code"], 4_000)
    assert billing(payroll, late)["fine_paid_amount"] == 23_188
    assert billing(payroll, last)["paid_by_credit"] == 812


def test_a_reversal_recalculates_and_a_payment_that_becomes_known_late_forgives(payroll, bank, db):
    about = billed(payroll, "2026-09")
    assert charged(payroll, about)["fine_amount"] == 23_188   # already late when it was billed
    made = notify(bank, about["payment_code"], about["amount"], paid_at="2026-10-15T16:00:00Z")
    assert charged(payroll, about)["fine_amount"] == 0   # it was in time
    assert "income.late_fine" not in accounts(db, payroll)
    reverse(bank, made["id"])
    assert charged(payroll, about)["fine_amount"] == 23_188
    notify(bank, about["payment_code"], 1_000_000, paid_at="2026-10-15T16:00:00Z")
    assert charged(payroll, about)["fine_amount"] == 3_188   # 2 % of 159,389: 3,187.78


def test_money_for_a_fine_is_no_second_payment(payroll, bank):
    about = billed(payroll, "2026-09")
    notify(bank, about["payment_code"], about["amount"], paid_at="2026-11-01T01:00:00Z")
    assert "exception" not in notify(bank, about["payment_code"], 23_188)
    assert charged(payroll, about)["fine_paid_amount"] == 23_188 and credit(payroll) == 0
    assert notify(bank, about["payment_code"], 1)["exception"]["reason"] == "billing_already_paid"


def test_months_of_delay_are_charged_as_they_begin(payroll, db):
    """The jobs process charges them though nobody pays: as smile_jobs, at a later time."""
    about = billed(payroll, "2026-09")
    with db.transaction(force_rollback=True):
        db.execute("SET LOCAL ROLE smile_jobs")
        db.execute("SELECT set_config('smile.now', '2026-11-16T01:00:00Z', true)")
        assert db.execute("SELECT smile.charge_begun_months()").fetchone()[0] >= 1
        while db.execute("SELECT smile.charge_begun_months()").fetchone()[0]:
            pass
        db.execute("RESET ROLE")
        assert db.execute("SELECT fine_amount FROM smile.billing WHERE id = %s", [about["id"]]).fetchone() == (46_376,)
        assert db.execute("SELECT smile.ledger_sum()").fetchone() == (0,)


def test_what_is_open_for_a_fine_alone_is_looked_at_once_a_month_of_delay(payroll, bank, db):
    """November's money in advance, of which September's fine, due before, takes 23,188: so much of November stays open
    after its due day, 15 December, and costs no fine, in its first month of delay or its second."""
    late, following = billed(payroll, "2026-09"), billed(payroll, "2026-10")
    notify(bank, late["payment_code"], late["amount"], paid_at="2026-11-01T01:00:00Z")
    notify(bank, following["payment_code"], following["amount"] + 1_159_389)
    last = billed(payroll, "2026-11")
    assert (last["paid_amount"], last["amount"]) == (1_136_201, 1_159_389)
    with db.transaction(force_rollback=True):
        for day, begins in (("2026-12-17", "2027-01-16"), ("2026-12-18", "2027-01-16"), ("2027-01-17", "2027-02-16")):
            db.execute("SELECT set_config('smile.now', %s, true)", [f"{day}T01:00:00Z"])
            db.execute("SET LOCAL ROLE smile_jobs")
            while db.execute("SELECT smile.charge_begun_months()").fetchone()[0]:
                pass
            db.execute("RESET ROLE")
            assert db.execute("SELECT next_fine_on::text FROM smile.billing WHERE id = %s", [last["id"]]
                              ).fetchone() == (begins,)
        assert db.execute("SELECT fine_amount, paid_amount FROM smile.billing WHERE id = %s", [last["id"]]
                          ).fetchone() == (0, 1_136_201)


@pytest.mark.parametrize("day", ["tomorrow", "2026-02-30", "2026-11-05&as_of=2026-11-06"])
def test_a_day_that_is_none(payroll, day):
    payroll.client.get(f"/v1/billings/{billed(payroll)['id']}?as_of={day}").expect(400)
