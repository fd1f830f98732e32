"""The calendar of holidays: officers keep it, and due days follow it until the month is billed."""
import pytest

from payroll import balanced, bank, line, payroll  # noqa: F401
from test_payments import billed, billing


@pytest.fixture
def officer(actors, api):
    found = actors.once("calendar officer", lambda: actors.officer("manage_parameters"))
    actors.prove(found["token"])
    return api.acting(found["token"])


@pytest.fixture
def holiday(officer):
    """Declares a day; the calendar is as before when the test has ended."""
    declared = []

    def declare(day):
        officer.put(f"/v1/holidays/{day}", {"name_id": "Cuti", "name_en": "Leave", "verified": True}).expect(201)
        declared.append(day)
    yield declare
    for day in declared:
        officer.delete(f"/v1/holidays/{day}").expect(204)


def due(payroll, period):
    found = payroll.client.get(f"/v1/employers/{payroll.employer_id}/obligations?from={period}&to={period}").json
    return found["items"][0]["due_date"]


def test_due_days_move_until_the_month_is_billed(payroll, holiday):
    """October is due on Monday 16 November 2026, for the 15th is a Sunday."""
    first = billed(payroll, "2026-10")
    assert first["due_date"] == due(payroll, "2026-10") == "2026-11-16"
    holiday("2026-11-16")
    assert billing(payroll, first)["due_date"] == due(payroll, "2026-10") == "2026-11-16"
    assert billed(payroll, "2026-10", kind="supplementary")["due_date"] == "2026-11-17"


def test_in_the_months_of_pp_49_2020_the_working_day_before(payroll, holiday):
    """September 2020 was due on 30 October, a Friday."""
    holiday("2020-10-30")
    holiday("2020-10-29")
    assert billed(payroll, "2020-09")["due_date"] == "2020-10-28"


def test_the_calendar_leaves_a_trace(officer, holiday, db):
    holiday("2032-01-02")
    assert db.execute("SELECT role, details ->> 'day' FROM smile.audit_log WHERE action = 'holiday.added' "
                      "ORDER BY at DESC LIMIT 1").fetchone() == ("officer", "2032-01-02")


def test_only_who_keeps_the_law_keeps_the_calendar(api, actors, payroll):
    stranger = api.acting(actors.once("billing officer", lambda: actors.officer("manage_billing"))["token"])
    for client in (stranger, payroll.client):
        client.put("/v1/holidays/2032-01-05", {"name_id": "A", "name_en": "A", "verified": False}).expect(403)
        client.delete("/v1/holidays/2026-12-25").expect(403)
