"""What happens within a month: contributions are monthly, of the wage that was reported for it. Amounts of October
2026 at risk class III are worked out by hand: JHT 3.7 and 2 %, JKK 0.89 %, JKM 0.30 %, JP 2 and 1 %; of at most
5,000,000 the employer's JKK gives 0.14 % to JKP and the state 0.22 %."""
import pytest

from payroll import balanced, bank, line, nik, payroll  # noqa: F401

AMOUNTS = {
    6_000_000: {
        "jht": {"employer": 222_000, "worker": 120_000}, "jkk": {"employer": 53_400, "to_jkp": 7_000},
        "jkm": {"employer": 18_000, "to_jkp": 0}, "jp": {"employer": 120_000, "worker": 60_000},
        "jkp": {"recomposed": 7_000, "state": 11_000}},
    3_096_774: {   # 16 of 31 days of 6,000,000: 114,580.638; 61,935.48; 27,561.2886; 9,290.322; 61,935.48; 30,967.74;
                   # 4,335.4836; 6,812.9028
        "jht": {"employer": 114_581, "worker": 61_935}, "jkk": {"employer": 27_561, "to_jkp": 4_335},
        "jkm": {"employer": 9_290, "to_jkp": 0}, "jp": {"employer": 61_935, "worker": 30_968},
        "jkp": {"recomposed": 4_335, "state": 6_813}},
    5_500_000: {
        "jht": {"employer": 203_500, "worker": 110_000}, "jkk": {"employer": 48_950, "to_jkp": 7_000},
        "jkm": {"employer": 16_500, "to_jkp": 0}, "jp": {"employer": 110_000, "worker": 55_000},
        "jkp": {"recomposed": 7_000, "state": 11_000}},
}


def hire(payroll, start, wage=6_000_000):
    form = {"nik": nik(), "full_name": "Adi Nugroho", "birth_date": "1985-01-15", "wage": wage, "start_date": start}
    return form | payroll.client.post(f"/v1/employers/{payroll.employer_id}/workers", form, key=True).expect(201).json


def report(payroll, worker, wage, period="2026-10"):
    """A finalised month of that worker: its findings and amounts."""
    opened = payroll.open(period)
    payroll.send(opened["id"], [line(wage, kpj=worker["kpj"], number="")])
    computed, = payroll.lines(opened["id"])
    payroll.finalise(opened["id"])
    return [f["code"] for f in computed.get("findings", [])], computed["amounts"]


def discrepancies(payroll, period="2026-10"):
    boss = payroll.client.acting(payroll.actor["employer_token"])
    return [item["code"] for item in boss.get(
        f"/v1/employers/{payroll.employer_id}/discrepancies?period={period}").expect(200).json["items"]]


@pytest.mark.parametrize("wage", [6_000_000, 3_096_774])
@pytest.mark.parametrize("start, end", [("2026-10-16", None), ("2026-01-01", "2026-10-16"),
                                        ("2026-10-10", "2026-10-20")])
def test_who_comes_or_goes_within_a_month_is_charged_what_was_paid(payroll, wage, start, end):
    """Whether the employer pays the whole month or the days: nothing is prorated, and nothing is wrong with either."""
    worker = hire(payroll, start)
    if end:
        payroll.client.post(f"/v1/employers/{payroll.employer_id}/workers/{worker['id']}/termination", {
            "end_date": end, "reason": "contract_end"}, key=True).expect(200)
    assert report(payroll, worker, wage) == ([], AMOUNTS[wage])
    assert discrepancies(payroll) == []


def test_a_wage_that_changes_within_a_month_counts_from_the_next_one_on(payroll):
    """5,000,000 until the 15th and 6,000,000 since: whatever was paid of both is right for October, and November wants
    6,000,000."""
    worker = hire(payroll, "2026-01-01", 5_000_000)
    payroll.client.patch(f"/v1/employers/{payroll.employer_id}/workers/{worker['id']}", {
        "wage": 6_000_000, "wage_from": "2026-10-16"}, headers={"If-Match": "*"}).expect(200)
    assert report(payroll, worker, 5_500_000) == ([], AMOUNTS[5_500_000])
    assert discrepancies(payroll) == []
    report(payroll, worker, 5_000_000, "2026-11")
    assert discrepancies(payroll, "2026-11") == ["wage_change_not_reported"]


def test_who_leaves_and_comes_back_within_a_month_has_one_line(payroll):
    worker = hire(payroll, "2026-01-01")
    base = f"/v1/employers/{payroll.employer_id}/workers"
    payroll.client.post(f"{base}/{worker['id']}/termination", {"end_date": "2026-10-09", "reason": "contract_end"},
                        key=True).expect(200)
    payroll.client.post(base, {
        "kpj": worker["kpj"], "nik": worker["nik"], "full_name": "Adi Nugroho", "birth_date": "1985-01-15",
        "wage": 6_000_000, "start_date": "2026-10-20"}, key=True).expect(201)
    assert report(payroll, worker, 6_000_000) == ([], AMOUNTS[6_000_000])
    assert discrepancies(payroll) == []


def test_an_age_that_is_reached_within_a_month_counts_from_the_next_one_on(payroll):
    """59 on 15 October 2026: in JP that month still (PP 45/2015 Art. 15), not in November."""
    month, = payroll.month("2026-10", [line(6_000_000, born="1967-10-15")])[0]
    after, = payroll.month("2026-11", [line(6_000_000, born="1967-10-15")])[0]
    assert [m["amounts"]["jp"] for m in (month, after)] == [
        {"employer": 120_000, "worker": 60_000}, {"employer": 0, "worker": 0}]
