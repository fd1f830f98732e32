"""The legal parameters behind a return's amounts: all that the computation reads, and enough to compute it again."""
import random
import re
from decimal import ROUND_HALF_UP, Decimal

import pytest

from payroll import BY_HAND, balanced, bank, line, payroll  # noqa: F401

READ = re.compile(r"smile\.parameter(?:_text|_or_null)?\('(\w+)', (?:format\('([^']+)'|'([^']+)')")


def basis(payroll, return_id):
    return payroll.client.get(f"/v1/returns/{return_id}/parameters").expect(200).json


def values(month):
    return {(row["programme"], row["parameter"]): row["value"] for row in month["parameters_used"]}


def sent(payroll, period, lines):
    opened = payroll.open(period)
    payroll.send(opened["id"], lines)
    return opened["id"]


def recomputed(wage, month):
    """By the published parameters alone, as a payroll system does it."""
    used = values(month)
    assert used["ALL", "pu.contribution_rounding"] == "half_up"

    def part(base, *rates):
        factor = Decimal(1)
        for rate in rates:
            factor *= Decimal(rate) / 100
        return int((base * factor).quantize(Decimal(1), ROUND_HALF_UP))
    jkk = next(value for (programme, name), value in used.items() if programme == "JKK" and "class_" in name)
    covid = {p: used.get((p, "relief.covid.factor_pct_of_normal"), "100") for p in ("JKK", "JKM")}
    jp_wage = min(wage, int(used["JP", "wage_ceiling_idr"]))
    jkp_wage = min(wage, int(used.get(("JKP", "wage_ceiling_idr"), 0)))
    amounts = {
        "jht": {"employer": part(wage, used["JHT", "pu.rate.employer_pct"]),
                "worker": part(wage, used["JHT", "pu.rate.worker_pct"])},
        "jkk": {"employer": part(wage, jkk, covid["JKK"]),
                "to_jkp": part(jkp_wage, used.get(("JKK", "recomposition_to_jkp_pct"), 0))},
        "jkm": {"employer": part(wage, used["JKM", "pu.rate.employer_pct"], covid["JKM"]),
                "to_jkp": part(jkp_wage, used.get(("JKM", "recomposition_to_jkp_pct"), 0))},
        "jp": {"employer": part(jp_wage, used["JP", "pu.rate.employer_pct"]),
               "worker": part(jp_wage, used["JP", "pu.rate.worker_pct"])}}
    amounts["jkp"] = {"recomposed": amounts["jkk"]["to_jkp"] + amounts["jkm"]["to_jkp"],
                      "state": part(jkp_wage, used.get(("JKP", "rate.state_pct"), 0))}
    return amounts


@pytest.mark.parametrize("period", sorted({period for period, _ in BY_HAND}))
def test_a_payroll_recomputes_every_line_from_what_it_is_told(payroll, period):
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    opened = sent(payroll, period, [line(chance.randrange(1_000_000, 30_000_000)) for _ in range(25)])
    told = basis(payroll, opened)
    month, = told["months"]
    assert (month["period"], month["risk_class"], told["return_id"]) == (period, 3, opened)
    assert month["reliefs"] == (["covid"] if period in ("2020-10", "2021-01") else [])
    assert month["verified"] == all(row["verified"] for row in month["parameters_used"])
    used = values(month)
    for row in payroll.lines(opened):
        assert row["amounts"] == recomputed(row["wage"], month)
        assert row["jp_wage"] == min(row["wage"], int(used["JP", "wage_ceiling_idr"]))
        if ("JKP", "wage_ceiling_idr") in used:
            assert row["jkp_wage"] == min(row["wage"], int(used["JKP", "wage_ceiling_idr"]))
        else:
            assert "jkp_wage" not in row


def test_back_pay_brings_its_month(payroll):
    opened = sent(payroll, "2026-10", [line(5_000_000), line(5_000_000, back_pay="100000,2026-02"),
                                       line(5_000_000, back_pay="100000,2020-10")])
    months = basis(payroll, opened)["months"]
    assert [month["period"] for month in months] == ["2026-10", "2020-10", "2026-02"]
    assert [values(month)["JP", "wage_ceiling_idr"] for month in months] == ["11086300", "8939700", "10547400"]


def test_who_takes_no_part_in_jp_has_no_such_wage(payroll):
    """Past the age of JP and JKP, and a line that was refused."""
    opened = sent(payroll, "2026-10", [line(5_000_000, born="1950-01-01"), line("x")])
    for row in payroll.lines(opened):
        assert "jp_wage" not in row and "jkp_wage" not in row


def test_a_finalised_return_keeps_what_it_was_computed_with(payroll, db):
    """The agency may learn better; the bill and what it rests on stay."""
    opened = sent(payroll, "2026-10", [line(20_000_000)])
    draft = basis(payroll, opened)
    payroll.finalise(opened)
    with db.transaction(force_rollback=False):
        db.execute("UPDATE smile.employer_risk_class SET risk_class = 5 WHERE employer_id = %s",
                   [payroll.employer_id])
    assert basis(payroll, opened) == draft
    later = sent(payroll, "2026-09", [line(20_000_000)])
    assert basis(payroll, later)["months"][0]["risk_class"] == 5


def test_every_parameter_that_is_read_is_told(payroll, db):
    """The names in the function that computes against those told, over all months that differ in them."""
    source, = db.execute("SELECT prosrc FROM pg_proc WHERE proname = 'rates_for'").fetchone()
    read = {(programme, pattern or name) for programme, pattern, name in READ.findall(source)}
    assert len(read) > 12
    told = set()
    for period in sorted({period for period, _ in BY_HAND}):
        told |= set(values(basis(payroll, payroll.open(period)["id"])["months"][0]))
    for programme, name in read:
        wanted = re.compile(re.escape(name).replace("%s", "[IV]+"))
        assert any(p == programme and wanted.fullmatch(n) for p, n in told), (programme, name)


def test_only_who_may_see_the_return_sees_them(payroll, actors, api):
    opened = sent(payroll, "2026-10", [line(5_000_000)])
    target = f"/v1/returns/{opened}/parameters"
    api.get(target, token=actors.payroll()["token"]).expect(404)
    assert api.get(target, token=actors.officer("manage_billing")["token"]).expect(200).json == basis(payroll, opened)
