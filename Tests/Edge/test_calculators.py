"""The open calculators say what the real thing says: random wages against returns, and fines against billings."""
import random

import pytest

from payroll import BY_HAND, Payroll, balanced, bank, line, payroll  # noqa: F401

BORN = ["1985-01-15", "1950-01-01", "1967-10-01", "1972-10-01", "2005-06-30"]


def calculate(api, status=200, **about):
    form = {"period": "2026-10", "wage": 12_000_000, "risk_class": 3, "size": "medium", "birth_date": BORN[0]}
    return api.post("/v1/calculators/contribution", form | about).expect(status).json


@pytest.mark.parametrize("period,wage", sorted(BY_HAND))
def test_cases_worked_out_by_hand(api, period, wage):
    told = calculate(api, period=period, wage=wage)
    assert told["amounts"] == BY_HAND[period, wage]
    assert told["worker_share"] == told["amounts"]["jht"]["worker"] + told["amounts"]["jp"]["worker"]
    assert told["due"] == told["worker_share"] + told["employer_share"]


@pytest.mark.parametrize("size", ["micro", "medium"])
def test_it_says_what_a_return_says(api, actors, bank, db, size):  # noqa: F811
    """Random months, wages, ages and classes: each line is calculated again without the employer."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    for _ in range(4):
        firm, risk_class = Payroll(api, actors.payroll(), bank), chance.randint(1, 5)
        db.execute("UPDATE smile.employer SET size = %s WHERE id = %s", [size, firm.employer_id])
        db.execute("UPDATE smile.employer_size SET size = %s WHERE employer_id = %s", [size, firm.employer_id])
        db.execute("UPDATE smile.employer_risk_class SET risk_class = %s WHERE employer_id = %s",
                   [risk_class, firm.employer_id])
        period = chance.choice(["2026-10", "2026-02", "2024-12", "2021-03", "2020-10", "2019-05", "2015-07"])
        sent = [(chance.choice([chance.randrange(1, 200), chance.randrange(30_000_000)]), chance.choice(BORN))
                for _ in range(12)]
        opened = firm.open(period)
        firm.send(opened["id"], [line(wage, born=born) for wage, born in sent])
        for (wage, born), row in zip(sent, firm.lines(opened["id"]), strict=True):
            told = calculate(api, period=period, wage=wage, risk_class=risk_class, size=size, birth_date=born)
            assert told["amounts"] == row["amounts"], (period, wage, born, risk_class)
            assert (told.get("jp_wage"), told.get("jkp_wage")) == (row.get("jp_wage"), row.get("jkp_wage"))
        month, = firm.client.get(f"/v1/returns/{opened['id']}/parameters").json["months"]
        assert told["parameters_used"] == month["parameters_used"]


def test_the_relief_halves_the_rate_of_jkk(api):
    """PP 7/2025 Art. 4(1): 0.445 % instead of 0.89 % for class III; from February 2025 to January 2026."""
    told = calculate(api, period="2025-10", labour_intensive=True)
    assert told["amounts"]["jkk"]["employer"] == 53_400
    refused = calculate(api, 422, period="2026-10", labour_intensive=True)
    assert refused["errors"][0]["pointer"] == "/labour_intensive"


def test_the_late_charge_is_that_of_a_billing(api, payroll):  # noqa: F811
    opened = payroll.open("2026-08")
    payroll.send(opened["id"], [line(12_000_000), line(7_777_777)])
    billing = payroll.finalise(opened["id"])["billing_id"]
    for day in ("2026-09-15", "2026-09-16", "2026-10-15", "2026-10-16", "2027-09-30"):
        real = payroll.client.get(f"/v1/billings/{billing}?as_of={day}").expect(200).json
        told = api.post("/v1/calculators/late_charge", {
            "period": "2026-08", "amount": real["amount"], "as_of": day}).expect(200).json
        assert (told["late_fine"], told["due_date"]) == (real["late_fine"], real["due_date"])


@pytest.mark.parametrize("path,body,pointer", [
    ("contribution", {"period": "2015-06"}, "/period"), ("late_charge", {"period": "2015-06"}, "/period"),
    ("late_charge", {"period": "2026-12"}, "/period"), ("late_charge", {"as_of": "2030-01-01"}, "/as_of")])
def test_what_cannot_be_calculated(api, path, body, pointer):
    form = {"contribution": {"wage": 1, "risk_class": 3, "size": "medium", "birth_date": BORN[0]},
            "late_charge": {"period": "2026-08", "amount": 1}}[path]
    answer = api.post(f"/v1/calculators/{path}", form | body).expect(422)
    assert answer.json["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize("about", [{"wage": -1}, {"wage": 10**30}, {"wage": 1.5}, {"risk_class": 6}, {"size": "giant"},
                                   {"birth_date": "1985-02-30"}, {"name": "Adi"}, {"labour_intensive": "ya"}])
def test_input_that_is_none(api, about):
    calculate(api, 400, **about)
