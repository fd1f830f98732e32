"""What an employer's arrears do to its workers' benefits: who pays first, as the worker, the employer and officers read
it. The clock stands on 2026-11-05, so that September is the last month that is due."""
import datetime
import json

import pytest

from client import Client
from payroll import balanced, bank, line, nik, payroll, Payroll  # noqa: F401
from test_claims import Walk

PROTECTION = "/v1/members/me/protection"
# PP 6/2025 Art. 39(1); JKK and JKM on its pattern, from memory.
UP_TO_THREE = {"jkp": "agency_pays", "jkk": "agency_pays", "jkm": "agency_pays", "jht": "account_pays",
               "jp": "months_missing"}
BEYOND = UP_TO_THREE | dict.fromkeys(("jkp", "jkk", "jkm"), "employer_pays_first")


@pytest.fixture
def late(payroll, db):
    """An employer that was approved in June and has reported nothing."""
    db.execute("UPDATE smile.employer SET approved_at = '2026-06-10 02:00+00' WHERE id = %s", [payroll.employer_id])
    return payroll


@pytest.fixture
def worker(late, actors, api):
    """Somebody who works there, with an account."""
    about = actors.member(late.actor["employer_token"], late.employer_id)
    return about | {"client": api.acting(about["token"])}


@pytest.fixture(scope="module")
def billing_officer(actors, server):
    return Client(server, actors.officer("manage_billing")["token"])


def effects(found):
    return {e["programme"]: e["effect"] for e in found}


def protection(client, day=None):
    found = client.get(PROTECTION + (f"?as_of={day}" if day else "")).expect(200).json
    employment, = found["employments"]
    assert "self_employment" not in found
    return employment


def report(payroll, period, worker=None, wage=6_000_000):
    opened = payroll.open(period)
    about = line(wage) if worker is None else line(
        wage, kpj=worker["kpj"], number=worker["nik"], name=worker["full_name"], born=worker["birth_date"])
    payroll.send(opened["id"], [about])
    return payroll.finalise(opened["id"])["billing_id"]


@pytest.mark.parametrize("day, months, wanted", [
    ("2026-07-15", 0, {}),           # June is due on the 15th of July, a Wednesday
    ("2026-07-16", 1, UP_TO_THREE),
    ("2026-10-15", 3, UP_TO_THREE),   # September is due on this Thursday
    ("2026-10-16", 4, BEYOND),
    (None, 4, BEYOND)])
def test_who_pays_first_follows_from_the_day_of_the_event(worker, day, months, wanted):
    found = protection(worker["client"], day)
    assert (found["arrears_months"], effects(found["effects"]), found["employed"]) == (months, wanted, True)
    assert found["unpaid_months"] == [f"2026-{month:02}" for month in range(6, 6 + months)]
    for effect in found["effects"]:
        assert effect["verified"] == (effect["programme"] == "jkp")


def test_what_is_paid_later_changes_no_earlier_day(late, worker):
    billing = report(late, "2026-06", worker)
    assert protection(worker["client"])["arrears_months"] == 4   # reported, not paid
    late.pay(billing)
    now = protection(worker["client"])
    assert (now["arrears_months"], effects(now["effects"])) == (3, UP_TO_THREE)
    assert now["unpaid_months"] == ["2026-07", "2026-08", "2026-09"]
    then = protection(worker["client"], "2026-10-16")
    assert (then["arrears_months"], effects(then["effects"])) == (4, BEYOND)
    # June's contributions have come since.
    assert then["unpaid_months"] == ["2026-07", "2026-08", "2026-09"]


def test_a_payment_that_becomes_known_late_counts_from_its_day(late, worker, db):
    """The bank tells today of what was paid on the last day; the billing was there by then."""
    billing = report(late, "2026-09", worker)
    db.execute("ALTER TABLE smile.contribution_return DISABLE TRIGGER ALL")
    db.execute("UPDATE smile.contribution_return SET finalised_at = '2026-10-10' WHERE employer_id = %s",
               [late.employer_id])
    db.execute("ALTER TABLE smile.contribution_return ENABLE TRIGGER ALL")
    db.execute("UPDATE smile.billing SET issued_at = '2026-10-10' WHERE id = %s", [billing])
    assert protection(worker["client"], "2026-10-16")["arrears_months"] == 4
    about = late.client.get(f"/v1/billings/{billing}").expect(200).json
    late.bank.post("/v1/payments", {"payment_code": about["payment_code"], "amount": about["amount"],
                                    "paid_at": "2026-10-15T16:59:59Z", "bank_reference": f"LATE-{billing[:8]}"},
                   key=True).expect(201)   # a second before midnight in Jakarta
    assert protection(worker["client"], "2026-10-15")["arrears_months"] == 3
    assert protection(worker["client"], "2026-10-16")["arrears_months"] == 3


def test_a_month_of_which_a_supplement_is_open_is_in_arrears_but_pays_for_the_others(late, worker):
    late.pay(report(late, "2026-06", worker))
    more = late.open("2026-06", "supplementary")
    late.send(more["id"], [line(5_000_000)])
    late.finalise(more["id"])
    found = protection(worker["client"])
    assert found["arrears_months"] == 4 and found["unpaid_months"] == ["2026-07", "2026-08", "2026-09"]


def test_a_former_employer_stands_there_while_it_owes_months(late, worker, db, actors, api):
    db.execute("UPDATE smile.employment SET end_date = '2026-08-15', end_reason = 'layoff' WHERE id = %s",
               [worker["employment_id"]])
    found = protection(worker["client"])
    assert (found["employed"], found["arrears_months"]) == (False, 4)
    assert found["unpaid_months"] == ["2026-06", "2026-07", "2026-08"]
    # An accident or a death after the employment isn't its affair.
    assert effects(found["effects"]) == {name: BEYOND[name] for name in ("jht", "jp", "jkp")}
    for period in ("2026-06", "2026-07", "2026-08"):
        late.pay(report(late, period, worker))
    assert worker["client"].get(PROTECTION).expect(200).json == {"as_of": "2026-11-05", "employments": []}


def test_a_closed_employers_jkp_is_paid_for_longer(late, worker, db):
    """PP 6/2025 Art. 39A: up to six months."""
    db.execute("UPDATE smile.employer SET status = 'closed', closed_as = 'bankruptcy', closed_on = '2026-10-31' "
               "WHERE id = %s", [late.employer_id])
    jkp = next(e for e in protection(worker["client"])["effects"] if e["programme"] == "jkp")
    assert (jkp["effect"], jkp["limit_months"], jkp["instrument"]) == ("agency_pays", 6, "PP 6/2025 Art 39A")
    assert effects(protection(worker["client"])["effects"])["jkk"] == "employer_pays_first"


def test_a_member_sees_no_employer_but_their_own(worker, actors, api):
    stranger = api.acting(actors.member()["token"])
    assert late_name(worker) not in json.dumps(stranger.get(PROTECTION).expect(200).json)
    worker["client"].get(f"{PROTECTION}?as_of=2026-11-06").expect(422, "day_lies_ahead")
    worker["client"].get(f"{PROTECTION}?as_of=2026-02-30").expect(400, "invalid_request")


def late_name(worker):
    return worker["client"].get(PROTECTION).json["employments"][0]["employer"]["name"]


def test_an_officer_opens_it_with_a_purpose_and_leaves_a_trace(worker, actors, api, db):
    officer = api.acting(actors.officer("read_members")["token"])
    path = f"/v1/members/{worker['member_id']}/protection?as_of=2026-10-15"
    officer.get(path).expect(400, "access_purpose_required")
    seen = officer.get(path, headers={"Access-Purpose": "claim:7"}).expect(200).json
    assert seen == worker["client"].get(f"{PROTECTION}?as_of=2026-10-15").expect(200).json
    assert db.execute("SELECT count(*) FROM smile.audit_log WHERE action = 'protection.read' AND subject_id = %s",
                      [worker["member_id"]]).fetchone() == (1,)


def test_the_employer_reads_how_many_people_it_concerns(late, worker, actors):
    """Three: the worker, one who came in September, one who left in June; not one who came in October."""
    hired = [("2026-09-30", None), ("2026-06-01", "2026-06-01"), ("2026-10-01", None)]
    for start, end in hired:
        made = late.client.post(f"/v1/employers/{late.employer_id}/workers", {
            "nik": nik("900101"), "full_name": "Sari Dewi", "birth_date": "1990-01-01", "wage": 5_000_000,
            "start_date": start}, key=True).expect(201).json
        if end:
            late.client.post(f"/v1/employers/{late.employer_id}/workers/{made['id']}/termination", {
                "end_date": end, "reason": "resignation"}, key=True).expect(200)
    found = late.client.get(f"/v1/employers/{late.employer_id}/obligations").expect(200).json
    assert (found["arrears"]["months"], found["arrears"]["affected_persons"]) == (4, 3)


def every(officer, query=""):
    """All pages, two at a time."""
    items, after = [], ""
    while after is not None:
        page = officer.get(f"/v1/employer_arrears?limit=2{query}{after}").expect(200).json
        assert len(page["items"]) <= 2
        items += page["items"]
        after = f"&after={page['next_after']}" if "next_after" in page else None
    assert [i["employer"]["id"] for i in items] == sorted({i["employer"]["id"] for i in items})
    return {item["employer"]["id"]: item for item in items}


def test_officers_list_those_who_are_behind(late, worker, billing_officer, api, actors, bank, db):
    punctual = Payroll(api, actors.payroll(), bank)
    punctual.pay(report(punctual, "2026-09"))   # it began in September
    billing = report(late, "2026-08", worker)
    found = every(billing_officer)
    assert punctual.employer_id not in found
    mine = found[late.employer_id]
    owed = late.client.get(f"/v1/billings/{billing}").expect(200).json
    assert (mine["months"], mine["oldest"], mine["outstanding"], mine["fines"], mine["affected_persons"]) == (
        4, "2026-06", owed["amount"], owed["fine_amount"], 1)
    assert owed["fine_amount"] > 0 and effects(mine["effects"]) == BEYOND
    # The same as the employer's own calendar says.
    own = late.client.get(f"/v1/employers/{late.employer_id}/obligations").expect(200).json
    assert own["arrears"] == {"months": 4, "oldest": "2026-06", "outstanding": owed["amount"], "affected_persons": 1}
    assert own["arrears_effects"] == mine["effects"]
    assert late.employer_id in every(billing_officer, "&min_months=4")
    assert late.employer_id not in every(billing_officer, "&min_months=5")
    for wrong in ("0", "1001", "x", "-1"):
        billing_officer.get(f"/v1/employer_arrears?min_months={wrong}").expect(400, "invalid_request")


def test_the_list_says_of_every_employer_what_its_calendar_says(late, worker, billing_officer, db):
    """Whatever the tests of this run left behind."""
    said = {str(employer): months for employer, months in db.execute("""
        SELECT e.id, count(*) FROM smile.employer AS e CROSS JOIN LATERAL smile.obligation_months(e.id) AS o
        WHERE o.state IN ('overdue', 'missing') GROUP BY e.id""").fetchall()}
    assert {employer: item["months"] for employer, item in every(billing_officer).items()} == said != {}


def test_a_page_may_be_empty_and_yet_name_the_next(own, own_actors, own_db):
    """One call looks at a thousand employers; the one that is behind comes after them."""
    own_db.execute("""
        INSERT INTO smile.employer
          (npp, name, npwp, industry, address, email, phone, status, registered_at, approved_at)
        SELECT (20000000 + n)::text, 'PT ' || n, (900000000000000 + n)::text, 'Jasa', 'Jl. Merdeka', n || '@pt.test',
          '+6221' || 1000000 + n, 'active', '2024-11-01', '2024-11-01'
        FROM generate_series(1, 1000) AS n""")
    payroll = own_actors.payroll()
    own_actors.worker(payroll["employer_token"], payroll["employer_id"])
    own_db.execute("UPDATE smile.employer SET approved_at = '2026-09-01' WHERE id = %s", [payroll["employer_id"]])
    officer = Client(own, own_actors.officer("manage_billing")["token"])
    first = officer.get("/v1/employer_arrears").expect(200)
    assert first.json["items"] == [] and f"after={first.json['next_after']}" in first.headers["Link"]
    second = officer.get(f"/v1/employer_arrears?after={first.json['next_after']}").expect(200).json
    assert [item["employer"]["id"] for item in second["items"]] == [payroll["employer_id"]] and (
        "next_after" not in second)


def test_jht_is_paid_though_months_are_open_and_the_claim_says_which(server, late, actors, db):
    """Nothing is blocked. What stood on the day of the decision stays, whatever is paid since."""
    about = actors.member(late.actor["employer_token"], late.employer_id, first_born=datetime.date(1960, 1, 1))
    db.execute("UPDATE smile.employment SET end_date = '2026-08-31', end_reason = 'resignation' WHERE id = %s",
               [about["employment_id"]])
    late.pay(report(late, "2026-06", about))
    officer = actors.officer("review_claims", "pay_claims")
    claim = Walk(server, about, officer, actors.officer("approve_claims")).open()
    assert "arrears" not in claim.member.get(claim.path).expect(200).json
    claim.submit()
    arrears = claim.member.get(claim.path).expect(200).json["arrears"]
    employer, = arrears["employers"]
    assert arrears["as_of"] == "2026-11-05"
    assert (employer["months"], employer["unpaid_months"]) == (3, ["2026-07", "2026-08"])
    assert employer["effect"] == {
        "programme": "jht", "effect": "account_pays", "instrument": "Permenaker 4/2022", "grade": "found",
        "verified": False}
    assert claim.officer.get(claim.path, headers={"Access-Purpose": "claim:1"}).expect(200).json["arrears"] == arrears
    late.pay(report(late, "2026-07", about))
    decided = claim.decide()
    # 5.7 % of 6,000,000 for each month that has come.
    assert (decided["decision"]["gross"], decided["arrears"]["employers"][0]["unpaid_months"]) == (
        684_000, ["2026-08"])
    claim.act(claim.approver, "approval")
    assert claim.pay()["payment"]["gross"] == 684_000
    late.pay(report(late, "2026-08", about))
    assert claim.member.get(claim.path).expect(200).json["arrears"] == decided["arrears"]
