"""The rule catalogue: every example is sent and gets exactly its finding; codes stay what they are."""
import base64
import csv
import pathlib
import random
import re

import psycopg
import pytest

from cluster import ROOT
from payroll import balanced, bank, HEADER, line, nik, Payroll, payroll  # noqa: F401

CODES = pathlib.Path(__file__).with_name("rule_codes.csv")


def rules(api, language="en", query=""):
    items, after = [], ""
    while True:
        page = api.get(f"/v1/rules?limit=20{query}{after}", headers={"Accept-Language": language}).expect(200).json
        items += page["items"]
        if "next_after" not in page:
            return items
        after = f"&after={page['next_after']}"


def body_of(example):
    if "body_base64" in example:
        return base64.b64decode(example["body_base64"])
    return example["body"].replace("…", "x" * example.get("fill", 0)).encode()


class Stage:
    """What comes before an example: returns, the record, and what the one worker says."""

    def __init__(self, payroll, actors):
        self.payroll, self.actors, self.token, self.report = payroll, actors, None, None
        self.base = f"/v1/employers/{payroll.employer_id}/workers"
        self.employer = payroll.client.acting(payroll.actor["employer_token"])

    def prepare(self, steps):
        for step in steps:
            getattr(self, next(name for name in step if name not in ("period", "body", "wage_from")))(step)

    def kind(self, step):
        opened = self.payroll.open(step["period"], step["kind"])["id"]
        if "body" in step:
            self.payroll.client.put(f"/v1/returns/{opened}/lines", body=step["body"].encode(), headers={
                "Content-Type": "text/csv"}).expect(200)
        self.payroll.finalise(opened)

    def workers(self):
        return self.payroll.client.get(self.base).expect(200).json["items"]

    def ended(self, step):
        for worker in self.workers():
            self.employer.post(f"{self.base}/{worker['id']}/termination", {
                "end_date": step["ended"], "reason": "layoff"}, key=True).expect(200)

    def wage(self, step):
        worker, = self.workers()
        tag = self.employer.get(f"{self.base}/{worker['id']}").headers["ETag"]
        self.employer.patch(f"{self.base}/{worker['id']}", step, headers={"If-Match": tag}).expect(200)

    def say(self, what, step):
        worker, = self.workers()
        member = self.actors.once("worker of the examples", lambda: self.actors.account_of(
            worker | {"nik": "3174011501850901"}))
        self.report = self.payroll.client.acting(member["token"]).post(
            f"/v1/members/me/{what}", {"employment_id": worker["id"]} | step, key=True).expect(201).json["id"]

    def leave_report(self, step):
        self.say("leave_reports", step["leave_report"])

    def wage_dispute(self, step):
        self.say("wage_disputes", step["wage_dispute"])

    def answer(self, step):
        self.employer.post(f"/v1/worker_reports/{self.report}/answer", step["answer"], key=True).expect(200)

    def decision(self, step):
        officer = self.actors.once("officer", lambda: self.actors.officer("all"))
        self.employer.acting(officer["token"]).post(
            f"/v1/worker_reports/{self.report}/decision", step["decision"], key=True).expect(200)


def check_texts(told, rule):
    assert told["rule"] == f"/v1/rules/{rule['code']}"
    assert {name: told[name] for name in ("severity", "message", "fix", "source", "citation", "verified")} == {
        "message": rule["description"]} | {name: rule[name] for name in (
            "severity", "fix", "source", "citation", "verified")}


def check_finding(told, rule):
    """Complete: texts, what the rule rests on, and exactly the parameters that it promises."""
    check_texts(told, rule)
    assert sorted(told["params"]) == sorted(rule["parameters"]), told


def check_month(payroll, rule, example):
    """A discrepancy of a month, told to the employer."""
    found = payroll.client.get(
        f"/v1/employers/{payroll.employer_id}/discrepancies?period={example['period']}").expect(200).json["items"]
    assert [item["code"] for item in found] == [rule["code"]]
    told, = found
    check_texts(told, rule)


def run(payroll, actors, rule, example):
    Stage(payroll, actors).prepare(example.get("given", []))
    if rule["applies_to"] == "month":
        return check_month(payroll, rule, example)
    more = {"declared_totals": example["declared_totals"]} if "declared_totals" in example else {}
    if example["kind"] == "revised":
        more["reason"] = "Contoh"
    opened = payroll.open(example["period"], example["kind"], **more)["id"]
    payroll.client.request(example["method"], f"/v1/returns/{opened}/lines", body=body_of(example), headers={
        "Content-Type": example["media_type"]}).expect(200)
    found = payroll.client.get(f"/v1/returns/{opened}/findings", headers={"Accept-Language": "en"}).json["items"]
    wanted = [(example["finding"].get("line"), example["finding"].get("field"), rule["code"])]
    told = [(f.get("line"), f.get("field"), f["code"]) for f in found if f["code"] not in example.get("also", [])]
    assert told == wanted, example
    assert len(found) == 1 + len(example.get("also", [])), found
    told = next(f for f in found if f["code"] == rule["code"])
    check_finding(told, rule)
    line, field = example["finding"].get("line"), example["finding"].get("field")
    whole = {"declared_lines_differ": "/declared_totals/lines", "declared_wages_differ": "/declared_totals/wages",
             "declared_due_differs": f"/declared_totals/{field}"}
    assert told.get("pointer") == (f"/lines/{line - 1}" + (f"/{field}" if field else "") if line else
                                   whole.get(rule["code"]))


def test_every_example_gets_exactly_its_finding(api, actors, bank):
    catalogue = [rule for rule in rules(api) if not rule["deprecated"]]
    assert [rule["code"] for rule in catalogue if not rule.get("examples")] == []
    fresh = Payroll(api, actors.payroll(), bank)
    for rule in catalogue:
        for example in rule["examples"]:
            # What needs no past may share an employer: a draft is given up again.
            payroll = Payroll(api, actors.payroll(), bank) if example.get("given") else fresh
            run(payroll, actors, rule, example)
            for opened in payroll.client.get(f"/v1/employers/{payroll.employer_id}/returns").json["items"]:
                if opened["status"] == "open":
                    tag = payroll.client.get(f"/v1/returns/{opened['id']}").headers["ETag"]
                    payroll.client.request("DELETE", f"/v1/returns/{opened['id']}", headers={
                        "If-Match": tag}).expect(204)


def test_codes_are_never_reused_and_never_vanish(api):
    """rule_codes.csv remembers each code with what it means; it only ever grows."""
    with open(CODES, newline="") as file:
        known = [tuple(row.values()) for row in csv.DictReader(file)]
    served = sorted((rule["code"], rule["severity"], rule["applies_to"], rule["title"]) for rule in rules(api))
    assert sorted(known) == served
    assert len({code for code, *_ in known}) == len(known)


def test_every_text_stands_in_both_languages(api):
    for one, other in zip(rules(api, "id"), rules(api, "en"), strict=True):
        for text in ("title", "description", "fix"):
            assert one[text] and other[text] and one[text] != other[text], one["code"]
    api.get("/v1/rules/no_such_rule").expect(404)


# The laws that rules may cite, each article as it was read: nothing else passes for one.
ARTICLES = {("PP 46/2015", "16(1)"): "secondary", ("PP 86/2013", "13(4)"): "law"}
STANDARDS = {"Dukcapil, NIK", "RFC 3339", "RFC 3629", "RFC 4180"}


def test_every_rule_says_what_it_rests_on(api):
    for rule in rules(api):
        assert rule["citation"] and rule["fix"] and rule["verified"] == (
            rule["grade"] not in ("memory", "policy")), rule["code"]
        if rule["source"] == "law":
            assert ARTICLES[rule["instrument"], rule["article"]] == rule["grade"]
            assert rule["citation"] == f"{rule['instrument']} Art. {rule['article']}"
        elif rule["source"] == "standard":
            assert rule["instrument"] in STANDARDS and rule["citation"].startswith(rule["instrument"])
        else:
            assert (rule["source"], rule["citation"]) == ("agency_policy", "Agency policy") and not rule["verified"]
            assert "instrument" not in rule and "article" not in rule
    told = {rule["code"]: rule["citation"] for rule in rules(api, "id")}
    assert told["wage_disputed"] == "PP 86/2013 Pasal 13 ayat (4)"
    assert told["name_missing"] == "Kebijakan badan"


def test_rules_are_listed_by_what_they_speak_of(api):
    every = rules(api)
    parts = {subject: rules(api, query=f"&applies_to={subject}") for subject in ("line", "return", "month")}
    for subject, items in parts.items():
        assert items and items == [rule for rule in every if rule["applies_to"] == subject]
    assert sum(map(len, parts.values())) == len(every)
    api.get("/v1/rules?applies_to=person").expect(400)


def test_a_rule_stays(api, db):
    """Not even a migration takes a code away or gives it to something else; it can only end."""
    for change in ("DELETE FROM smile.rule WHERE code = 'wage_zero'",
                   "UPDATE smile.rule SET code = 'wage_null' WHERE code = 'wage_zero'",
                   "UPDATE smile.rule SET applies_to = 'month' WHERE code = 'wage_zero'"):
        with pytest.raises(psycopg.errors.RaiseException, match="stays"):
            db.execute(change)
    with pytest.raises(psycopg.errors.NotNullViolation):
        db.execute("INSERT INTO smile.rule (code, severity, applies_to, title_id, title_en, description_id,"
                   " description_en, fix_id, fix_en) VALUES ('x', 'error', 'line', '-', '-', '-', '-', '-', '-')")
    db.execute("UPDATE smile.rule SET valid_to = '2027-12-31' WHERE code = 'wage_zero'")
    try:
        rule = api.get("/v1/rules/wage_zero").expect(200).json
        assert (rule["deprecated"], rule["valid_from"], rule["valid_to"]) == (True, "2026-11-01", "2027-12-31")
    finally:
        db.execute("UPDATE smile.rule SET valid_to = NULL WHERE code = 'wage_zero'")
    assert api.get("/v1/rules/wage_zero").json["deprecated"] is False


def test_whatever_is_sent_every_finding_is_complete(payroll, api):
    """Random cells, many of them broken: each finding carries a code of the catalogue and all that it promises."""
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    scraps = ["", "0", "-1", "1.5", "9" * 31, "7500000", "x", "1985-01-15", "1985-13-01", "2026-09", "2026-13", "male",
              "A", "K" * 65, "N" * 101, "14022334455", "3174011501850901", "3174015501850902", '"', '"a,b"', "\x01"]

    def cell(column):
        fine = {"line_key": "", "kpj": "", "nik": nik(), "full_name": "Adi Nugroho", "birth_date": "1985-01-15",
                "sex": "male", "wage": str(chance.randrange(1, 10**8)), "back_pay": "", "back_pay_period": ""}
        return fine[column] if chance.random() < 0.8 else chance.choice(scraps)
    catalogue = {language: {rule["code"]: rule for rule in rules(api, language)} for language in ("id", "en")}
    opened = payroll.open("2026-10", declared_totals={"lines": 3, "wages": 1})["id"]
    lines = [",".join(cell(column) for column in HEADER.split(",")) for _ in range(200)]
    payroll.send(opened, lines + lines[:20])
    for language, known in catalogue.items():
        found, after = [], ""
        while after is not None:
            page = payroll.client.get(f"/v1/returns/{opened}/findings?limit=200{after}", headers={
                "Accept-Language": language}).expect(200).json
            found, after = found + page["items"], f"&after={page['next_after']}" if "next_after" in page else None
        assert len({f["code"] for f in found}) > 15
        for finding in found:
            check_finding(finding, known[finding["code"]])
            assert finding["pointer"].startswith("/lines/" if "line" in finding else "/declared_totals/")


def test_the_limits_in_findings_are_those_that_hold(payroll, api):
    """What a finding calls the most is still taken, and one more isn't."""
    assert {rule["code"] for rule in rules(api) if "maximum" in rule["parameters"]} == {
        "wage_too_large", "name_malformed", "line_key_malformed", "line_too_long"}
    opened = payroll.open("2026-10")["id"]
    payroll.send(opened, [line(10**12), line(10**12 + 1), line(1, name="N" * 100), line(1, name="N" * 101),
                          line(1, key="K" * 64), line(1, key="K" * 65)])
    told = [(got["line"], [(f["code"], f["params"]["maximum"]) for f in got.get("findings", [])])
            for got in payroll.lines(opened)]
    assert told == [(1, []), (2, [("wage_too_large", 10**12)]), (3, []), (4, [("name_malformed", 100)]), (5, []),
                    (6, [("line_key_malformed", 64)])]


def test_whatever_is_found_is_a_rule(db):
    """The database holds the findings of all tests of this run: none has a code of its own."""
    assert db.execute("SELECT count(*) FROM smile.finding AS f LEFT JOIN smile.rule AS r USING (code)"
                      " WHERE r.code IS NULL").fetchone() == (0,)


def test_whatever_could_be_found_is_a_rule(api, db, contract):
    """What the reader of lines and the search for discrepancies can say, by their sources, whether a test met it or
    not; findings in the database can't but be rules, by a foreign key."""
    known = {rule["code"]: rule["applies_to"] for rule in rules(api)}
    source = (ROOT / "Sources/SocialSecurity/Returns/PayrollLine.swift").read_text()
    written = set(re.findall(r'"([a-z]+(?:_[a-z]+)+)"', source))
    assert len(written) > 12
    # The faults of a wage are written without their subject.
    assert {code for code in written if code not in known and f"wage_{code}" not in known} == set()
    body, = db.execute("SELECT pg_get_functiondef('smile.month_discrepancies'::regproc)").fetchone()
    searched = set(re.findall(r"SELECT '([a-z_]+)'::text", body))
    of_months = {code for code, what in known.items() if what == "month"}
    assert searched == of_months == set(contract.spec["components"]["schemas"]["DiscrepancyCode"]["enum"])
    foreign = db.execute("SELECT count(*) FROM pg_constraint WHERE conrelid = 'smile.finding'::regclass"
                         " AND contype = 'f' AND confrelid = 'smile.rule'::regclass AND convalidated").fetchone()
    assert foreign == (1,)


def test_the_same_content_again_names_the_other_return(payroll):
    """Until one of the two is given up, or other lines stand in it; of another month it may be the same."""
    body = [line(7_500_000)]
    first = payroll.open("2026-10", "supplementary")["id"]
    payroll.send(first, body)
    second = payroll.open("2026-10", "supplementary")["id"]

    def told(opened):
        found = payroll.client.get(f"/v1/returns/{opened}/findings").expect(200).json["items"]
        return [f["params"] for f in found if f["code"] == "content_repeated"]
    assert payroll.send(second, body)["outcome"] == "accepted_with_warnings"
    assert (told(first), told(second)) == ([], [{"return_id": first}])
    payroll.send(second, [line(7_600_000)])
    assert told(second) == []
    tag = payroll.client.get(f"/v1/returns/{first}").headers["ETag"]
    payroll.client.request("DELETE", f"/v1/returns/{first}", headers={"If-Match": tag}).expect(204)
    for opened in (second, payroll.open("2026-11")["id"]):
        assert payroll.send(opened, body)["outcome"] == "accepted"
        assert told(opened) == []
