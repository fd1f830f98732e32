"""The fine for paying late, worked out by hand: 2 % a month, 0.5 % in the months of PP 49/2020, no fine on fines."""
import pytest

from payroll import balanced, bank, line, payroll  # noqa: F401
from test_payments import billed, notify, reverse


def fine(payroll, about, day):
    return payroll.client.get(f"/v1/billings/{about['id']}?as_of={day}").expect(200).json["late_fine"]


def months(found):
    return [(m["starts_on"], m["ends_on"], m["outstanding"], m["rate_pct"], m["fine"]) for m in found["months"]]


def test_a_begun_month_counts_as_a_whole_one(payroll):
    """Due on Monday 16 November 2026, for the 15th is a Sunday; 2 % of 1,159,389 are 23,187.78."""
    about = billed(payroll, "2026-10")
    assert about["due_date"] == "2026-11-16" and "late_fine" not in about
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
    notify(bank, about["payment_code"], 500_000, paid_at="2026-10-20T01:00:00Z")
    assert fine(payroll, about, "2027-11-05")["amount"] == 30_000
    reverse(bank, in_time["id"])
    assert [m["outstanding"] for m in fine(payroll, about, "2026-11-20")["months"]] == [1_159_389, 659_389, 159_389]


def test_the_months_of_pp_49_2020_cost_less(payroll):
    """Each month of delay by the rate of its first day."""
    about = billed(payroll, "2020-06")
    assert about["due_date"] == "2020-07-15"
    found = fine(payroll, about, "2021-03-15")
    assert [(m["starts_on"], m["rate_pct"]) for m in found["months"]] == [
        ("2020-07-16", "2.0"), ("2020-08-16", "0.5"), ("2020-09-16", "0.5"), ("2020-10-16", "0.5"),
        ("2020-11-16", "0.5"), ("2020-12-16", "0.5"), ("2021-01-16", "0.5"), ("2021-02-16", "2.0")]
    assert len(found["parameters_used"]) == 3 and not found["verified"]


@pytest.mark.parametrize("day", ["tomorrow", "2026-02-30", "2026-11-05&as_of=2026-11-06"])
def test_a_day_that_is_none(payroll, day):
    payroll.client.get(f"/v1/billings/{billed(payroll)['id']}?as_of={day}").expect(400)
