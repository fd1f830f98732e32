"""Amounts against figures worked out by hand, and the law that they rest on."""
import json
import re

import psycopg
import pytest

from payroll import BY_HAND, balanced, bank, line, nik, payroll  # noqa: F401


@pytest.mark.parametrize("period,wage", BY_HAND, ids=lambda value: str(value))
def test_amounts_worked_out_by_hand(payroll, period, wage):
    computed, billing = payroll.month(period, [line(wage)])
    assert computed[0]["amounts"] == billing["amounts"] == BY_HAND[period, wage]
    sides = [BY_HAND[period, wage][programme] for programme in ("jht", "jkk", "jkm", "jp")]
    assert billing["amount"] == sum(side["employer"] + side.get("worker", 0) for side in sides)


def test_who_is_too_old_for_jp_and_jkp(payroll):
    """JP ends at 59 in 2026 (PP 45/2015 Art. 15); JKP wants members who join below 54 (PP 6/2025 Art. 4)."""
    born = ["1972-10-02", "1972-10-01", "1967-10-02", "1967-10-01"]   # 53, 54, 58 and 59 on 2026-10-01
    computed, _ = payroll.month("2026-10", [line(10_000_000, born=day) for day in born])
    assert [(c["amounts"]["jp"]["worker"], c["amounts"]["jkp"]["state"]) for c in computed] == [
        (100_000, 11_000), (100_000, 0), (100_000, 0), (0, 0)]


def test_the_size_of_a_firm_decides_on_jp(payroll, db):
    db.execute("UPDATE smile.employer_size SET size = 'small' WHERE employer_id = %s", [payroll.employer_id])
    computed, _ = payroll.month("2026-10", [line(10_000_000)])
    assert computed[0]["amounts"]["jp"] == {"employer": 0, "worker": 0}
    assert computed[0]["amounts"]["jkp"]["state"] == 11_000


def test_back_pay_belongs_to_the_month_it_was_earned_in(payroll):
    """February's ceiling of 10,547,400 leaves 547,400 of 1,000,000 on top of 10,000,000; JKP is over its ceiling."""
    number = nik()
    payroll.month("2026-02", [line(10_000_000, number=number)])
    computed, billing = payroll.month("2026-10", [line(5_000_000, number=number, back_pay="1000000,2026-02")])
    assert computed[0]["back_pay_amounts"] == {
        "jht": {"employer": 37_000, "worker": 20_000}, "jkk": {"employer": 8_900, "to_jkp": 0},
        "jkm": {"employer": 3_000, "to_jkp": 0}, "jp": {"employer": 10_948, "worker": 5_474},
        "jkp": {"recomposed": 0, "state": 0}}
    assert billing["amounts"]["jht"]["employer"] == 185_000 + 37_000


def test_back_pay_heeds_the_ceiling_of_its_own_month(payroll):
    """JP's ceiling is 10,547,400 in February 2026 and 11,086,300 in March: of 500,000 on top of 11,000,000 nothing and
    86,300 count, which is 1,726 and 863. JHT 3.7 % and 2 %, JKK 0.89 %, JKM 0.3 % of all of it; JKP was full before."""
    early, late = nik(), nik()
    for period in ("2026-02", "2026-03"):
        payroll.month(period, [line(11_000_000, number=number) for number in (early, late)])
    computed, billing = payroll.month("2026-04", [
        line(5_000_000, number=early, back_pay="500000,2026-02"),
        line(5_000_000, number=late, back_pay="500000,2026-03")])
    assert [got["back_pay_amounts"] for got in computed] == [
        {"jht": {"employer": 18_500, "worker": 10_000}, "jkk": {"employer": 4_450, "to_jkp": 0},
         "jkm": {"employer": 1_500, "to_jkp": 0}, "jp": {"employer": each, "worker": half},
         "jkp": {"recomposed": 0, "state": 0}} for each, half in ((0, 0), (1_726, 863))]
    # Twice 5,000,000: 185,000, 100,000, 44,500, 15,000, 100,000 and 50,000.
    assert billing["amount"] == 2 * 494_500 + 2 * 34_450 + 1_726 + 863


@pytest.mark.parametrize("period,wage,amounts", [
    # PP 49/2020: JKK and JKM at a hundredth, 0.0089 % and 0.003 %; there is no JKP yet.
    ("2021-01", 4_500_000, {"jkk": {"employer": 89, "to_jkp": 0}, "jkm": {"employer": 30, "to_jkp": 0},
                            "jkp": {"recomposed": 0, "state": 0}}),
    ("2021-02", 4_500_000, {"jkk": {"employer": 8_900, "to_jkp": 0}, "jkm": {"employer": 3_000, "to_jkp": 0},
                            "jkp": {"recomposed": 0, "state": 0}}),
    # PP 37/2021: JKP of the 500,000 below its ceiling, 0.14 % of JKK, 0.10 % of JKM and the state's 0.22 %.
    ("2021-03", 4_500_000, {"jkk": {"employer": 8_900, "to_jkp": 700}, "jkm": {"employer": 3_000, "to_jkp": 500},
                            "jkp": {"recomposed": 1_200, "state": 1_100}}),
    # PP 6/2025: nothing of JKM any more.
    ("2025-03", 4_500_000, {"jkk": {"employer": 8_900, "to_jkp": 700}, "jkm": {"employer": 3_000, "to_jkp": 0},
                            "jkp": {"recomposed": 700, "state": 1_100}})])
def test_back_pay_has_the_relief_and_the_rates_of_its_own_month(payroll, period, wage, amounts):
    """1,000,000 more, below the JP ceiling of the month: JHT 3.7 % and 2 %, JP 2 % and 1 %."""
    number = nik()
    payroll.month(period, [line(wage, number=number)])
    computed, _ = payroll.month("2026-10", [line(5_000_000, number=number, back_pay=f"1000000,{period}")])
    assert computed[0]["back_pay_amounts"] == {
        "jht": {"employer": 37_000, "worker": 20_000}, "jp": {"employer": 20_000, "worker": 10_000}} | amounts


def test_back_pay_of_a_former_employment_has_its_jkp(payroll):
    """Joined at 52, left, and came back at 54: too old to join JKP now (PP 6/2025 Art. 4), in it in the month before.
    1,000,000 on top of 4,000,000: 0.14 % and 0.22 %."""
    boss = payroll.client.acting(payroll.actor["employer_token"])
    base = f"/v1/employers/{payroll.employer_id}/workers"
    of = {"number": nik("720115"), "name": "Adi Nugroho", "born": "1972-01-15"}
    person = {"nik": of["number"], "full_name": of["name"], "birth_date": of["born"], "wage": 4_000_000}
    hired = boss.post(base, person | {"start_date": "2024-02-01"}, key=True).expect(201).json["id"]
    payroll.month("2025-06", [line(4_000_000, **of)])
    boss.post(f"{base}/{hired}/termination", {"end_date": "2025-12-31", "reason": "resignation"}, key=True).expect(200)
    boss.post(base, person | {"start_date": "2026-09-01"}, key=True).expect(201)
    computed, _ = payroll.month("2026-09", [line(4_000_000, back_pay="1000000,2025-06", **of)])
    assert computed[0]["amounts"]["jkp"] == {"recomposed": 0, "state": 0}
    assert computed[0]["back_pay_amounts"]["jkp"] == {"recomposed": 1_400, "state": 2_200}


def test_a_legal_parameter_holds_from_its_day_on(api):
    def ceiling(day):
        rows = api.get(f"/v1/parameters?as_of={day}&programme=jp&limit=200").expect(200).json["items"]
        assert all(row["programme"] in ("JP", "ALL") or "JP" in row["programme"].split("+") for row in rows)
        return next(row["value"] for row in rows if row["parameter"] == "wage_ceiling_idr")

    assert [ceiling(day) for day in ("2026-02-28", "2026-03-01", "2021-03-01")] == ["10547400", "11086300", "8754600"]


def test_memory_and_announcements_are_not_verified(api):
    items, after = [], ""
    while True:
        page = api.get(f"/v1/parameters?limit=50{after}").expect(200).json
        items += page["items"]
        if "next_after" not in page:
            break
        after = f"&after={page['next_after']}"
    assert len(items) > 100
    for row in items:
        unsure = any(word in row["certainty"].lower() for word in ("memory", "infer", "announcement"))
        assert row["verified"] == (not unsure), row
        # What the agency chose or announced itself is no law, whoever printed it.
        is_own = row["instrument"].startswith("agency")
        assert (row["grade"] == "policy") == is_own and not (is_own and row["verified"]), row
    own = {row["parameter"] for row in items if row["grade"] == "policy"}
    assert {"discrepancy.wage_drop_pct", "worker_report.answer_working_days", "selfservice.jmo_limit_idr",
            "bpu.inactive_after_unpaid_months"} <= own


def test_no_row_can_say_that_policy_is_law(db):
    for row in (("agency policy", "found:S1", "policy"), ("agency policy", "found:S1", "found"),
                ("PP 6/2025", "inferred", "policy")):
        with pytest.raises(psycopg.errors.CheckViolation), db.transaction():
            db.execute("INSERT INTO smile.legal_parameter (programme, parameter, value, valid_from, instrument, "
                       "certainty, grade) VALUES ('ALL', 'test.row', '1', '2015-07-01', %s, %s, %s)", row)


def test_every_parameter_is_computed_with_or_says_that_it_is_not(db):
    """A name counts as read where a function says it: whole, as a pattern, or as a prefix and what follows; or where
    a reason of claims names it. Whoever begins to read one, or stops, changes its purpose in the same migration."""
    functions = db.execute("SELECT pg_get_functiondef(p.oid) FROM pg_proc AS p "
                           "WHERE p.pronamespace = 'smile'::regnamespace AND p.prokind = 'f'").fetchall()
    literals = [set(re.findall(r"'([^'\s]+)'", text)) for text, in functions]
    said = set().union(*literals, *db.execute("SELECT age_parameter, wait_parameter FROM smile.claim_reason"))
    patterns = [re.compile(re.escape(text).replace("%s", "[A-Za-z_]+")) for text in said if text and "%s" in text]

    def is_read(name):
        return (name in said or any(pattern.fullmatch(name) for pattern in patterns if "\\." in pattern.pattern)
                or any(text.endswith(".") and name.startswith(text) and name[len(text):] in each
                       for each in literals for text in each))
    rows = db.execute("SELECT DISTINCT programme, parameter, purpose FROM smile.legal_parameter").fetchall()
    assert len(rows) > 100
    wrong = [row for row in rows if is_read(row[1]) != (row[2] == "computed")]
    assert wrong == []


def test_every_code_of_the_server_is_a_rule(db):
    """The line reader's codes live in Swift; each must be in the catalogue, or an upload would fail."""
    import pathlib
    import re
    from cluster import ROOT
    source = (pathlib.Path(ROOT) / "Sources/SocialSecurity/Returns")
    text = "".join(path.read_text() for path in (source / "PayrollLine.swift", source / "PayrollReader.swift"))
    codes = set(re.findall(r'unreadable: "(\w+)"|note\(\.\w+, "(\w+)"\)|or: "(\w+)"', text))
    codes = {code for group in codes for code in group if code}
    codes |= {f"wage_{fault}" for fault in ("malformed", "negative", "not_whole", "too_large")}
    codes |= {"wage_missing", "birth_date_missing", "birth_date_invalid"}
    assert len(codes) > 20
    known = {row[0] for row in db.execute("SELECT code FROM smile.rule")}
    assert codes - known == set()
