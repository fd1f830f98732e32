"""Pages of a list that changes while it is read: whatever stood when reading began comes once, nothing comes twice."""
import pytest

from payroll import balanced, bank, line, nik, payroll, Payroll  # noqa: F401


def opens(payroll):
    return payroll.open("2026-10", "supplementary")["id"]


def bills(payroll):
    opened = opens(payroll)
    payroll.send(opened, [line(5_000_000)])
    return payroll.finalise(opened)["billing_id"]


def hires(payroll):
    return payroll.client.post(f"/v1/employers/{payroll.employer_id}/workers", {
        "nik": nik(), "full_name": "Adi Nugroho", "birth_date": "1985-01-15", "wage": 5_000_000,
        "start_date": "2026-10-01"}, key=True).expect(201).json["id"]


def gives_up(payroll, known):
    payroll.client.request("DELETE", f"/v1/returns/{known}", headers={"If-Match": "*"}).expect(204)


def is_paid(payroll, known):
    payroll.pay(known)


def leaves(payroll, known):
    payroll.client.post(f"/v1/employers/{payroll.employer_id}/workers/{known}/termination", {
        "end_date": "2026-10-31", "reason": "layoff"}, key=True).expect(200)


@pytest.mark.parametrize("what, add, change", [
    ("returns", opens, gives_up), ("billings", bills, is_paid), ("workers", hires, leaves)])
def test_a_list_that_changes_while_it_is_read(payroll, what, add, change):
    before = [add(payroll) for _ in range(11)]
    untouched = [before[0], before[-1], *before[1:-1]]   # the ends first
    seen, after = [], ""
    while after is not None:
        page = payroll.client.get(f"/v1/employers/{payroll.employer_id}/{what}?limit=3{after}").expect(200).json
        seen += [item["id"] for item in page["items"]]
        after = f"&after={page['next_after']}" if "next_after" in page else None
        # One more, and another state for one that was told already or will be.
        add(payroll)
        change(payroll, untouched.pop(0))
    assert len(seen) == len(set(seen))
    assert set(before) <= set(seen)
