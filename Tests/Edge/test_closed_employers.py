"""Employers that went bankrupt or closed: what they still owe, and what their arrears do (PP 6/2025 Art. 39, 39A)."""
import pytest

from payroll import balanced, bank, line, payroll  # noqa: F401
from test_classification import officer  # noqa: F401
from test_reading_back import hire, obligations


def change(client, payroll, **patch):
    return client.patch(f"/v1/employers/{payroll.employer_id}", patch, headers={"If-Match": "*"})


def jkp(payroll):
    found, = [e for e in obligations(payroll)["arrears_effects"] if e["programme"] == "jkp"]
    return found["effect"], found["limit_months"]


def test_a_closed_employer_owes_up_to_its_last_month_and_has_the_longer_limit(payroll, officer, db):
    """Missing from April to September; October isn't due yet. Closed in August it owes five months, within the six."""
    hire(payroll, "2026-04-01")
    db.execute("UPDATE smile.employer SET approved_at = '2026-04-01' WHERE id = %s", [payroll.employer_id])
    assert obligations(payroll)["arrears"]["months"] == 6 and jkp(payroll) == ("employer_pays_first", 3)
    closed = change(officer, payroll, closed_as="bankruptcy", closed_on="2026-08-20").expect(200).json
    assert (closed["status"], closed["closed_as"], closed["closed_on"]) == ("closed", "bankruptcy", "2026-08-20")
    found = obligations(payroll)
    assert (found["items"][0]["period"], found["arrears"]["months"]) == ("2026-08", 5)
    assert jkp(payroll) == ("agency_pays", 6)
    # What came before can be reported and paid, and stays owed till then.
    payroll.month("2026-08", [line(5_000_000)])
    assert obligations(payroll)["arrears"]["months"] == 4
    opened = change(officer, payroll, closed_as=None, closed_on=None).expect(200).json
    assert opened["status"] == "active" and "closed_on" not in opened
    assert obligations(payroll)["arrears"]["months"] == 5 and jkp(payroll) == ("employer_pays_first", 3)
    details = [row[0] for row in db.execute(
        "SELECT details FROM smile.audit_log WHERE action = 'employer.changed' AND subject_id = %s ORDER BY id",
        [payroll.employer_id])]
    assert details == [{"fields": ["closed_as", "closed_on"], "closed_as": "bankruptcy"},
                       {"fields": ["closed_as", "closed_on"], "closed_on_before": "2026-08-20"}]


@pytest.mark.parametrize("months, open_, closed", [
    (3, ("agency_pays", 3), ("agency_pays", 6)), (4, ("employer_pays_first", 3), ("agency_pays", 6)),
    (6, ("employer_pays_first", 3), ("agency_pays", 6)), (7, ("employer_pays_first", 3), ("employer_pays_first", 6))])
def test_the_limits(months, open_, closed, db):
    for is_closed, wanted in ((False, open_), (True, closed)):
        found, = db.execute("SELECT smile.arrears_effects(%s, %s)", [months, is_closed]).fetchone()
        effects = {e["programme"]: (e["effect"], e.get("limit_months")) for e in found}
        assert effects["jkp"] == wanted
        # Of the other programmes no such rule was found.
        assert effects["jkk"] == effects["jkm"] == (("agency_pays" if months <= 3 else "employer_pays_first"), 3)


@pytest.mark.parametrize("patch, status, code, pointer", [
    ({"closed_as": "closure", "closed_on": "2026-11-06"}, 422, "closure_in_future", "/closed_on"),
    ({"closed_as": "closure"}, 400, "required", "/closed_on"), ({"closed_on": None}, 400, "required", "/closed_as"),
    ({"closed_as": None, "closed_on": "2026-11-01"}, 400, "required", "/closed_as"),
    ({"closed_as": "holiday", "closed_on": "2026-11-01"}, 400, "not_allowed", "/closed_as"),
    ({"closed_as": "closure", "closed_on": "2026-02-30"}, 400, "invalid_format", "/closed_on")])
def test_what_is_no_closure(payroll, officer, patch, status, code, pointer):
    answer = change(officer, payroll, **patch).expect(status)
    assert [(e["pointer"], e["code"]) for e in answer.json["errors"]] == [(pointer, code)]


def test_the_employer_itself_is_not_asked(payroll, api):
    admin = api.acting(payroll.actor["employer_token"])
    change(admin, payroll, closed_as="closure", closed_on="2026-11-01").expect(403, "field_not_yours")


def test_a_firm_that_came_back_under_another_number_stays_closed(payroll, officer, actors):
    other = actors.employer()
    number = officer.get(f"/v1/employers/{payroll.employer_id}").expect(200).json["npwp"]
    change(officer, payroll, closed_as="closure", closed_on="2026-11-01").expect(200)
    officer.patch(f"/v1/employers/{other['id']}", {"npwp": number}, headers={"If-Match": "*"}).expect(200)
    change(officer, payroll, closed_as=None, closed_on=None).expect(409, "npwp_already_registered")
