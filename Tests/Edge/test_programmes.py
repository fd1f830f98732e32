"""Which programmes an employer of a size is in, and JP by choice. PP 6/2025 Art. 4(3): medium and large employers in
JKK, JKM, JHT and JP; micro and small ones in the first three at least. Of 7,500,000 JP is 150,000 and 75,000."""
import concurrent.futures

import pytest

from payroll import balanced, bank, line, payroll  # noqa: F401
from test_classification import business_day, officer  # noqa: F401

NOTHING, JP = {"employer": 0, "worker": 0}, {"employer": 150_000, "worker": 75_000}


@pytest.fixture
def boss(payroll, api):
    return api.acting(payroll.actor["employer_token"])


@pytest.fixture
def small(payroll, db):
    for table in ("employer_size", "employer"):
        db.execute(f"UPDATE smile.{table} SET size = 'small' WHERE {'employer_' if table != 'employer' else ''}id = %s",
                   [payroll.employer_id])
    return payroll


def choose(client, payroll, month="2026-11", takes_part=True, programme="jp", query=""):
    return client.post(f"/v1/employers/{payroll.employer_id}/programmes{query}", {
        "programme": programme, "takes_part": takes_part, "valid_from": month}, key=not query)


def programmes(payroll, query=""):
    found = payroll.client.get(f"/v1/employers/{payroll.employer_id}/programmes{query}").expect(200).json
    return {item["programme"]: item["participation"] for item in found["items"]}, found


def jp(payroll, period, close=False):
    """What a worker's line costs for JP; the draft is given up or finalised."""
    opened = payroll.open(period)
    payroll.send(opened["id"], [line(7_500_000)])
    amounts = payroll.lines(opened["id"])[0]["amounts"]
    if close:
        payroll.finalise(opened["id"])
    else:
        etag = payroll.client.get(f"/v1/returns/{opened['id']}").headers["ETag"]
        payroll.client.delete(f"/v1/returns/{opened['id']}", headers={"If-Match": etag}).expect(204)
    assert amounts["jkp"]["state"] == (11_000 if period >= "2021-03" else 0)   # the choice changes nothing of JKP
    return amounts["jp"]


@pytest.mark.parametrize("size, jp_is", [("micro", "open"), ("small", "open"), ("medium", "mandatory"),
                                         ("large", "mandatory")])
def test_programmes_by_size(payroll, db, size, jp_is):
    db.execute("UPDATE smile.employer_size SET size = %s WHERE employer_id = %s", [size, payroll.employer_id])
    duty = {"jht": "mandatory", "jkk": "mandatory", "jkm": "mandatory", "jp": jp_is}
    told, found = programmes(payroll)
    assert told == duty | {"jkp": "automatic"} and (found["period"], found["size"]) == ("2026-11", size)
    # Read in PP 6/2025; the choice is inferred from it.
    assert {item["programme"]: item["verified"] for item in found["items"]} == {
        "jht": True, "jkk": True, "jkm": True, "jkp": True, "jp": False}
    before, found = programmes(payroll, "?period=2020-10")
    assert before == duty and not any(item["verified"] for item in found["items"])


def test_jp_is_charged_from_the_chosen_month_on(small, boss, business_day, db):
    assert jp(small, "2026-11") == NOTHING
    choose(boss, small, query="?validate_only=true").expect(200)
    assert jp(small, "2026-11") == NOTHING
    told = choose(boss, small, "2026-12").expect(201)
    assert told.headers["Location"] == f"/v1/employers/{small.employer_id}/programmes"
    assert [(c["programme"], c["valid_from"], c["takes_part"]) for c in told.json["choices"]] == [
        ("jp", "2026-12", True)]
    assert programmes(small)[0]["jp"] == "open" and programmes(small, "?period=2027-01")[0]["jp"] == "chosen"
    assert jp(small, "2026-11", close=True) == NOTHING
    business_day("2027-01-05")
    opened = small.open("2026-12")
    small.send(opened["id"], [line(7_500_000, back_pay="1000000,2026-11")])
    computed, = small.lines(opened["id"])
    # What was earned before the choice takes no part.
    assert (computed["amounts"]["jp"], computed["back_pay_amounts"]["jp"]) == (JP, NOTHING)
    months = small.client.get(f"/v1/returns/{opened['id']}/parameters").expect(200).json["months"]
    assert [(m["period"], m["size"], m["jp_chosen"]) for m in months] == [
        ("2026-12", "small", True), ("2026-11", "small", False)]
    details, = db.execute("SELECT details FROM smile.audit_log WHERE action = 'employer.programme_chosen' "
                          "AND subject_id = %s", [small.employer_id]).fetchone()
    assert details == {"programme": "jp", "valid_from": "2026-12", "takes_part": True}


def test_only_officers_record_that_it_left(small, boss, officer, business_day):
    choose(boss, small).expect(201)
    choose(boss, small, "2026-12", takes_part=False).expect(403, "field_not_yours")
    choose(officer, small, "2026-12", takes_part=False).expect(201)
    assert jp(small, "2026-11", close=True) == JP
    business_day("2026-12-05")
    assert jp(small, "2026-12") == NOTHING


def test_what_a_choice_cannot_be(small, payroll, boss, officer, api, actors, db):
    refused = choose(boss, small, "2026-10").expect(422, "month_is_past")
    assert refused.json["errors"][0]["pointer"] == "/valid_from"
    choose(boss, small, programme="jht").expect(400)
    jp(small, "2026-11", close=True)
    choose(boss, small).expect(409, "month_already_reported")
    choose(api.acting(actors.employer()["token"]), small).expect(404)
    choose(small.client, small).expect(403)
    db.execute("UPDATE smile.employer_size SET size = 'medium' WHERE employer_id = %s", [small.employer_id])
    refused = choose(boss, small, "2026-12").expect(422, "programme_not_voluntary")
    assert refused.json["errors"][0]["pointer"] == "/programme"


def test_a_duty_is_no_choice_and_ends_with_the_size(small, boss, officer, business_day):
    """A firm that chose JP, grew and shrank is in JP all the time."""
    choose(boss, small).expect(201)
    officer.patch(f"/v1/employers/{small.employer_id}", {"size": "medium"}, headers={"If-Match": "*"}).expect(200)
    assert programmes(small)[0]["jp"] == "mandatory" and jp(small, "2026-11", close=True) == JP
    business_day("2026-12-05")
    officer.patch(f"/v1/employers/{small.employer_id}", {"size": "small"}, headers={"If-Match": "*"}).expect(200)
    assert programmes(small)[0]["jp"] == "chosen" and jp(small, "2026-12") == JP


def test_a_draft_checked_without_the_choice_is_not_billed(small, boss):
    opened = small.open("2026-11")
    small.send(opened["id"], [line(7_500_000)])
    choose(boss, small).expect(201)
    assert small.finalise(opened["id"], 409)["code"] == "return_outdated"
    small.send(opened["id"], [line(7_500_000)])
    billing = small.client.get(f"/v1/billings/{small.finalise(opened['id'])['billing_id']}").expect(200).json
    assert billing["amounts"]["jp"] == JP


def test_a_choice_and_a_finalisation_at_once(small, boss):
    """One of the two comes first, and the month is billed as it was checked."""
    opened = small.open("2026-11")
    small.send(opened["id"], [line(7_500_000)])
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        finalised = pool.submit(small.client.acting(small.client.token).post,
                                f"/v1/returns/{opened['id']}/finalisation", key=True)
        chosen = pool.submit(choose, boss, small)
    assert (finalised.result().status, chosen.result().status) in ((200, 409), (409, 201))


def test_the_calculator_knows_the_choice(api):
    form = {"period": "2026-10", "wage": 7_500_000, "risk_class": 3, "size": "micro", "birth_date": "1985-01-15"}
    for chosen, amounts in ((False, NOTHING), (True, JP)):
        told = api.post("/v1/calculators/contribution", form | {"jp_chosen": chosen}).expect(200).json
        assert told["amounts"]["jp"] == amounts
    refused = api.post("/v1/calculators/contribution", form | {"size": "large", "jp_chosen": True})
    assert refused.expect(422, "programme_not_voluntary").json["errors"][0]["pointer"] == "/jp_chosen"


@pytest.mark.parametrize("period", ["2026-13", "x", "2026-10&period=2026-11"])
def test_a_month_that_is_none(payroll, period):
    payroll.client.get(f"/v1/employers/{payroll.employer_id}/programmes?period={period}").expect(400)
