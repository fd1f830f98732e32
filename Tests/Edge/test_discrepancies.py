"""Where the record and the returns disagree, and what workers say of both."""
import json
import random

import pytest

from client import at_once
from payroll import Payroll, balanced, bank, line, payroll  # noqa: F401


class Firm(Payroll):
    """An employer with its administrator, and its workers by name."""

    def __init__(self, api, actors, bank):
        super().__init__(api, actors.payroll(), bank)
        self.boss = api.acting(self.actor["employer_token"])
        self.actors, self.base = actors, f"/v1/employers/{self.employer_id}"

    def hire(self):
        """A worker since 2024 with 7,500,000 a month, and an account."""
        member = self.actors.member(self.actor["employer_token"], self.employer_id)
        return member | {"client": self.client.acting(member["token"])}

    def report(self, period, wages, kind="regular"):
        """A finalised return with these wages of workers."""
        opened = self.open(period, kind, **({"reason": "Salah"} if kind == "revised" else {}))
        self.send(opened["id"], [line(wage, kpj=worker["kpj"], number="", name=worker["full_name"],
                                      born=worker["birth_date"]) for worker, wage in wages])
        self.finalise(opened["id"])

    def found(self, query="period=2026-10", client=None):
        answer = (client or self.client).get(f"{self.base}/discrepancies?{query}").expect(200).json
        return answer["items"]

    def codes(self, query="period=2026-10"):
        return [(item["code"], item["worker"]["kpj"]) for item in self.found(query)]


@pytest.fixture
def firm(api, actors, bank):  # noqa: F811
    return Firm(api, actors, bank)


@pytest.fixture
def officer(api, actors):
    made = actors.once("officer", lambda: actors.officer("all"))
    return api.acting(made["token"])


def say_left(worker, day="2026-09-30", status=201, **more):
    return worker["client"].post("/v1/members/me/leave_reports", {
        "employment_id": worker["employment_id"], "last_day": day, "reason": "resignation"} | more, key=True
    ).expect(status).json


def dispute(worker, wage, period="2026-10", status=201, **more):
    return worker["client"].post("/v1/members/me/wage_disputes", {
        "employment_id": worker["employment_id"], "period": period, "claimed_wage": wage} | more, key=True
    ).expect(status).json


def test_planted_faults_are_found_and_nothing_else(firm):
    """Fifteen workers: some forgotten, some cut, some with a raise that was recorded and not reported."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    workers = [firm.actors.worker(firm.actor["employer_token"], firm.employer_id) for _ in range(15)]
    firm.report("2026-09", [(worker, 7_500_000) for worker in workers])
    wanted, wages = [], []
    for worker in workers:
        fault = chance.choice(["none", "none", "forgotten", "cut", "raise", "just not"])
        if fault == "forgotten":
            wanted.append(("employment_not_reported", worker["kpj"]))
            continue
        wages.append((worker, {"cut": 5_249_999, "just not": 5_250_000}.get(fault, 7_500_000)))
        if fault == "cut":
            wanted.append(("wage_dropped", worker["kpj"]))
        if fault == "raise":
            path = f"{firm.base}/workers/{worker['employment_id']}"
            tag = firm.boss.get(path).headers["ETag"]
            firm.boss.patch(path, {"wage": 8_000_000, "wage_from": "2026-10-01"}, headers={"If-Match": tag}).expect(200)
            wanted.append(("wage_change_not_reported", worker["kpj"]))
    assert firm.codes() == []   # the month isn't reported yet
    firm.report("2026-10", wages) if wages else firm.finalise(firm.open("2026-10", "no_activity")["id"])
    assert sorted(firm.codes()) == sorted(wanted)
    pages, after = [], ""
    while after is not None:
        page = firm.client.get(f"{firm.base}/discrepancies?period=2026-10&limit=2{after}").expect(200).json
        pages += [(item["code"], item["worker"]["kpj"]) for item in page["items"]]
        after = f"&after={page['next_after']}" if "next_after" in page else None
    assert pages == firm.codes()
    assert firm.codes("") == firm.codes()   # the last month that is over
    cut = [one for one in firm.codes() if one[0] == "wage_dropped"]
    assert firm.codes("code=wage_dropped") == cut


def test_the_suggested_line_mends_it(firm):
    forgotten, raised = firm.hire(), firm.hire()
    path = f"{firm.base}/workers/{raised['employment_id']}"
    firm.boss.patch(path, {"wage": 9_000_000, "wage_from": "2026-09-01"}, headers={
        "If-Match": firm.boss.get(path).headers["ETag"]}).expect(200)
    firm.report("2026-10", [(raised, 7_500_000)])
    for item in firm.found():
        suggestion = item["suggestion"]
        opened = firm.open("2026-10", suggestion["kind"], **(
            {"reason": "Kenaikan"} if suggestion["kind"] == "revised" else {}))
        report = firm.client.put(f"/v1/returns/{opened['id']}/lines", {"lines": [suggestion["line"]]}).expect(200).json
        assert report["outcome"] == "accepted"
        firm.finalise(opened["id"])
    assert firm.codes() == []
    assert {forgotten["kpj"], raised["kpj"]} == {row["kpj"] for row in firm.client.get(
        f"{firm.base}/workers").json["items"]}


def test_who_came_or_left_within_the_month_has_no_sharp_drop(firm):
    worker = firm.hire()
    firm.report("2026-09", [(worker, 7_500_000)])
    firm.report("2026-10", [(worker, 2_000_000)])
    assert firm.codes() == [("wage_dropped", worker["kpj"])]
    firm.boss.post(f"{firm.base}/workers/{worker['employment_id']}/termination", {
        "end_date": "2026-10-09", "reason": "layoff"}, key=True).expect(200)
    assert firm.codes() == []


def test_a_leave_that_the_employer_agrees_on_ends_the_employment(firm):
    worker = firm.hire()
    report = say_left(worker)
    assert (report["status"], report["answer_due"]) == ("open", "2026-11-16")   # the seventh working day
    assert firm.codes() == [("leave_reported", worker["kpj"])]
    assert firm.codes("period=2026-08") == []
    answered = firm.boss.post(f"/v1/worker_reports/{report['id']}/answer", {"agrees": True}, key=True).expect(200).json
    assert answered["status"] == "agreed"
    spell = firm.boss.get(f"{firm.base}/workers/{worker['employment_id']}").json
    assert (spell["end_date"], spell["end_reason"]) == ("2026-09-30", "resignation")
    assert firm.codes() == []
    assert worker["client"].get(f"/v1/worker_reports/{report['id']}").expect(200).json == answered
    say_left(worker, status=409)


def test_a_leave_that_contradicts_a_return_is_not_agreed_on_by_halves(firm):
    worker = firm.hire()
    firm.report("2026-10", [(worker, 7_500_000)])
    report = say_left(worker)
    firm.boss.post(f"/v1/worker_reports/{report['id']}/answer", {"agrees": True}, key=True).expect(
        409, "end_contradicts_return")
    assert worker["client"].get(f"/v1/worker_reports/{report['id']}").json["status"] == "open"


def test_the_officer_decides_what_is_contested(firm, officer):
    worker = firm.hire()
    firm.report("2026-10", [(worker, 7_500_000)])
    report = say_left(worker, note="Paklaring terlampir")
    target = f"/v1/worker_reports/{report['id']}"
    decision = {"upheld": True, "note": "Paklaring sah"}
    early = officer.post(f"{target}/decision", decision, key=True).expect(409, "answer_awaited")
    assert early.json["answer_due"] == "2026-11-16"
    firm.boss.post(f"{target}/answer", {"agrees": False}, key=True).expect(422, "note_required")
    firm.boss.post(f"{target}/answer", {"agrees": False, "note": "Masih bekerja"}, key=True).expect(200)
    firm.boss.post(f"{target}/answer", {"agrees": True}, key=True).expect(409, "report_already_answered")
    decided = officer.post(f"{target}/decision", decision, key=True).expect(200).json
    assert decided["status"] == "upheld"
    assert firm.boss.get(f"{firm.base}/workers/{worker['employment_id']}").json["end_date"] == "2026-09-30"
    assert firm.codes() == [("reported_without_employment", worker["kpj"])]
    officer.post(f"{target}/decision", decision, key=True).expect(409, "report_already_decided")


@pytest.mark.parametrize("ended_before", [False, True])
def test_an_end_is_audited_where_there_is_one(firm, officer, db, ended_before):
    worker = firm.hire()
    report = say_left(worker)
    target = f"/v1/worker_reports/{report['id']}"
    firm.boss.post(f"{target}/answer", {"agrees": False, "note": "Masih bekerja"}, key=True).expect(200)
    if ended_before:
        db.execute("UPDATE smile.employment SET end_date = '2026-10-31', end_reason = 'resignation' WHERE id = %s",
                   [worker["employment_id"]])
    officer.post(f"{target}/decision", {"upheld": True, "note": "Paklaring sah"}, key=True).expect(200)
    ends = db.execute("SELECT count(*) FROM smile.audit_log WHERE action = 'worker.ended' AND subject_id = %s",
                      [worker["employment_id"]]).fetchone()[0]
    assert ends == (0 if ended_before else 1)


@pytest.mark.parametrize("whose", ["member", "employer"])
def test_nobody_decides_in_their_own_case(firm, actors, api, db, whose):
    worker, officer = firm.hire(), actors.officer("manage_employers")
    report = dispute(worker, 9_000_000, confidential=True)
    db.execute({
        "member": "UPDATE smile.account_grant SET account_id = %s WHERE member_id = %s",
        "employer": "INSERT INTO smile.account_grant (account_id, kind, employer_id, employer_role, active) "
                    "VALUES (%s, 'employer', %s, 'viewer', true)"}[whose],
               [officer["id"], {"member": worker["member_id"], "employer": firm.employer_id}[whose]])
    api.acting(officer["token"]).post(f"/v1/worker_reports/{report['id']}/decision", {
        "upheld": True, "note": "Sah"}, key=True).expect(403, "own_case")


def test_a_dismissed_report_leaves_everything_as_it_was(firm, officer):
    worker = firm.hire()
    report = say_left(worker)
    target = f"/v1/worker_reports/{report['id']}"
    firm.boss.post(f"{target}/answer", {"agrees": False, "note": "Masih bekerja"}, key=True).expect(200)
    officer.post(f"{target}/decision", {"upheld": False, "note": "Absensi sah"}, key=True).expect(200)
    assert "end_date" not in firm.boss.get(f"{firm.base}/workers/{worker['employment_id']}").json
    assert firm.codes() == []
    say_left(worker)   # and may be said again


def test_a_wage_is_disputed_until_a_revision_says_it(firm):
    worker = firm.hire()
    firm.report("2026-10", [(worker, 7_500_000)])
    report = dispute(worker, 9_000_000)
    told, = firm.found()
    assert (told["code"], told["reported_wage"], told["expected_wage"]) == ("wage_disputed", 7_500_000, 9_000_000)
    assert told["report_id"] == report["id"] and told["suggestion"]["kind"] == "revised"
    firm.boss.post(f"/v1/worker_reports/{report['id']}/answer", {"agrees": True}, key=True).expect(200)
    assert firm.codes() == [("wage_disputed", worker["kpj"])]   # agreed isn't mended
    firm.report("2026-10", [(worker, 9_000_000)], "revised")
    assert firm.codes() == []


def test_what_is_confidential_never_reaches_the_employer(firm, officer):
    worker = firm.hire()
    firm.report("2026-10", [(worker, 7_500_000)])
    report = dispute(worker, 9_000_000, confidential=True)
    assert "answer_due" not in report
    assert firm.codes() == [] and firm.boss.get("/v1/worker_reports").json["items"] == []
    firm.boss.get(f"/v1/worker_reports/{report['id']}").expect(404)
    firm.boss.post(f"/v1/worker_reports/{report['id']}/answer", {"agrees": True}, key=True).expect(404)
    assert firm.found(client=officer) == []
    officer.get(f"/v1/worker_reports/{report['id']}").expect(200)
    officer.post(f"/v1/worker_reports/{report['id']}/decision", {"upheld": True, "note": "Slip gaji sah"},
                 key=True).expect(200)
    assert firm.codes() == [] and report["id"] not in firm.boss.get("/v1/worker_reports").text


def test_nobody_reports_for_another(firm, actors, api):
    worker, colleague = firm.hire(), firm.hire()
    borrowed = worker | {"client": colleague["client"]}
    assert say_left(borrowed, status=422)["code"] == "employment_unknown"
    assert dispute(borrowed, 1, status=422)["code"] == "employment_unknown"
    report = say_left(worker)
    colleague["client"].get(f"/v1/worker_reports/{report['id']}").expect(404)
    assert colleague["client"].get("/v1/worker_reports").json["items"] == []
    stranger = api.acting(actors.employer()["token"])
    stranger.get(f"/v1/worker_reports/{report['id']}").expect(404)
    stranger.post(f"/v1/worker_reports/{report['id']}/answer", {"agrees": True}, key=True).expect(404)
    stranger.get(f"{firm.base}/discrepancies").expect(404)


@pytest.mark.parametrize("day,code", [("2023-12-31", "end_before_start"), ("2026-11-06", "date_too_far_ahead")])
def test_a_day_on_which_nobody_left(firm, day, code):
    assert say_left(firm.hire(), day, status=422)["code"] == code


@pytest.mark.parametrize("period", ["2023-12", "2026-12"])
def test_a_month_outside_the_employment(firm, period):
    assert dispute(firm.hire(), 1, period, status=422)["code"] == "not_employed_then"


def test_one_report_about_the_same_thing(firm, server):
    worker = firm.hire()

    def say(client):
        return client.post("/v1/members/me/leave_reports", {
            "employment_id": worker["employment_id"], "last_day": "2026-09-30", "reason": "resignation"},
            token=worker["token"], key=True)
    answers = at_once(server, 8, say)
    assert sorted(answer.status for answer in answers) == [201] + [409] * 7
    assert {answer.code for answer in answers if answer.status == 409} == {"report_pending"}


def test_answers_and_decisions_at_once_are_one(firm, server):
    """Eight answers of which half agree: one stands, and the employment ended only if it agreed."""
    for _ in range(3):
        worker = firm.hire()
        report = say_left(worker)
        words = iter([{"agrees": n % 2 == 0, "note": "x"} for n in range(8)])
        answers = at_once(server, 8, lambda client: client.post(
            f"/v1/worker_reports/{report['id']}/answer", next(words), token=firm.actor["employer_token"], key=True))
        assert sorted(answer.status for answer in answers) == [200] + [409] * 7
        agreed = next(answer for answer in answers if answer.status == 200).json["status"] == "agreed"
        spell = firm.boss.get(f"{firm.base}/workers/{worker['employment_id']}").json
        assert ("end_date" in spell) == agreed


def test_an_officers_look_leaves_a_trace(firm, officer, db):
    count = "SELECT count(*) FROM smile.audit_log WHERE action = 'discrepancies.read' AND subject_id = %s"
    firm.found()
    assert db.execute(count, [firm.employer_id]).fetchone() == (0,)
    firm.found(client=officer)
    assert db.execute(count, [firm.employer_id]).fetchone() == (1,)


@pytest.mark.parametrize("query", ["period=2026-13", "code=lost", "after=x", "after=.wage_dropped",
                                   "after=019ac3f2-1a00-7e00-8000-00000000e001.lost"])
def test_a_question_that_is_none(firm, query):
    firm.client.get(f"{firm.base}/discrepancies?{query}").expect(400, "invalid_request")


def mails_of(actors, address):
    """The templates that this address was sent, with everything in them, newest first."""
    return [(mail["template"], json.dumps(mail)) for mail in actors.mails(address)]


def test_who_is_told_of_a_report(firm, actors, db):
    """The employer that there is one, the worker that it was answered and decided, officers what waits for them; and
    nobody by mail who reported what."""
    address = db.execute("SELECT email FROM smile.employer WHERE id = %s", [firm.employer_id]).fetchone()[0]
    officer = actors.officer("manage_employers")
    other = actors.officer("manage_billing")
    worker = firm.hire()

    def of_reports(recipient):
        return [one for one in mails_of(actors, recipient) if one[0].startswith("worker_report")]

    db.execute("SELECT smile.keep_house(0)")
    before = len(of_reports(officer["email"]))
    report = dispute(worker, 9_000_000, note="Slip gaji terlampir")
    dispute(worker, 9_000_000, period="2026-09")   # one mail for what comes within the hour
    told = of_reports(address)
    assert [template for template, _ in told] == ["worker_report_to_answer"]
    for secret in (worker["full_name"], worker["kpj"], worker["member_id"], "9000000", "Slip", worker["email"]):
        assert secret not in told[0][1]
    db.execute("SELECT smile.keep_house(0)")
    assert len(of_reports(officer["email"])) == before   # the employer has its days
    firm.boss.post(f"/v1/worker_reports/{report['id']}/answer", {"agrees": False, "note": "Sesuai kontrak"}, key=True
                   ).expect(200)
    assert of_reports(worker["email"])[0][0] == "worker_report_answered"
    assert report["id"] in of_reports(worker["email"])[0][1] and "kontrak" not in of_reports(worker["email"])[0][1]
    for _ in range(2):   # once for each report
        db.execute("SELECT smile.keep_house(0)")
    assert [template for template, _ in of_reports(officer["email"])][:1] == ["worker_reports_to_decide"]
    assert len(of_reports(officer["email"])) == before + 1 and of_reports(other["email"]) == []
    firm.client.acting(officer["token"]).post(f"/v1/worker_reports/{report['id']}/decision", {
        "upheld": False, "note": "Kontrak sah"}, key=True).expect(200)
    assert [of_reports(who)[0][0] for who in (worker["email"], address)] == ["worker_report_decided"] * 2


def test_of_a_confidential_report_only_officers_are_told(firm, actors, db):
    address = db.execute("SELECT email FROM smile.employer WHERE id = %s", [firm.employer_id]).fetchone()[0]
    officer, worker = actors.officer("manage_employers"), firm.hire()
    db.execute("SELECT smile.keep_house(0)")
    report = dispute(worker, 9_000_000, confidential=True)
    db.execute("SELECT smile.keep_house(0)")
    assert mails_of(actors, officer["email"])[0][0] == "worker_reports_to_decide"
    firm.client.acting(officer["token"]).post(f"/v1/worker_reports/{report['id']}/decision", {
        "upheld": True, "note": "Slip sah"}, key=True).expect(200)
    assert mails_of(actors, worker["email"])[0][0] == "worker_report_decided"
    assert not [one for one in mails_of(actors, address) if one[0].startswith("worker_report")]
