"""Returns of no activity: nobody worked, nothing is owed, and what turns out otherwise is mended."""

from payroll import balanced, bank, line, payroll  # noqa: F401

HEADERS = {"Content-Type": "text/csv"}


def test_a_month_without_activity_is_reported_and_costs_nothing(payroll):
    opened = payroll.open("2026-09", "no_activity")["id"]
    payroll.client.put(f"/v1/returns/{opened}/lines", body=b"x", headers=HEADERS).expect(409, "return_takes_no_lines")
    payroll.client.patch(f"/v1/returns/{opened}/lines", body=b"x", headers=HEADERS).expect(409, "return_takes_no_lines")
    closed = payroll.finalise(opened)
    assert closed["status"] == "finalised" and "billing_id" not in closed and "totals" not in closed
    assert payroll.client.get(f"/v1/returns/{opened}/receipt").expect(200).json["kind"] == "no_activity"
    payroll.client.post(f"/v1/returns/{opened}/finalisation", key=True).expect(409, "return_not_open")


def test_a_regular_return_comes_instead_of_a_draft_and_not_after_a_closed_one(payroll):
    """What was finalised is never overwritten: who worked after all comes by a supplement."""
    draft = payroll.open("2026-09", "no_activity")["id"]
    assert payroll.open("2026-09", "regular", 409)["return_id"] == draft
    payroll.client.request("DELETE", f"/v1/returns/{draft}", headers={"If-Match": "*"}).expect(204)
    regular = payroll.open("2026-09")["id"]
    assert payroll.open("2026-09", "no_activity", 409)["return_id"] == regular
    payroll.client.request("DELETE", f"/v1/returns/{regular}", headers={"If-Match": "*"}).expect(204)

    closed = payroll.open("2026-09", "no_activity")["id"]
    payroll.finalise(closed)
    assert payroll.open("2026-09", "regular", 409)["return_id"] == closed
    assert payroll.open("2026-09", "revised", 409, reason="Ada pekerja")["code"] == "nothing_to_revise"
    # 5,000,000 at risk class III: 185,000, 100,000, 44,500, 15,000, 100,000 and 50,000.
    computed, billing = payroll.month("2026-09", [line(5_000_000)], "supplementary")
    assert billing["amount"] == 494_500 and computed[0]["status"] == "accepted"
    more = payroll.open("2026-09", "revised", reason="Salah tulis")["id"]
    assert payroll.send(more, [line(6_000_000, kpj=payroll.lines(billing["return_id"])[0]["kpj"], number="")]
                        )["totals"]["due"] > 0


def test_who_was_employed_in_a_month_without_activity_is_told(payroll, actors):
    """The employer may say so, since wages can stop; the record and the return are shown to disagree."""
    worker = actors.worker(payroll.actor["employer_token"], payroll.employer_id)
    payroll.finalise(payroll.open("2026-09", "no_activity")["id"])
    found = payroll.client.get(f"/v1/employers/{payroll.employer_id}/discrepancies?period=2026-09").expect(200).json
    assert [(item["code"], item["worker"]["kpj"]) for item in found["items"]] == [
        ("employment_not_reported", worker["kpj"])]
    assert found["items"][0]["suggestion"]["kind"] == "supplementary"
