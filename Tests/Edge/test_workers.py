"""What happens to a worker after the hire: bounds, races, lists, and who may."""
import concurrent.futures
import random

import psycopg
import pytest

from client import Client, new_key
from payroll import Payroll, bank, line, nik  # noqa: F401  (fixtures)


@pytest.fixture
def payroll(api, actors, bank):  # noqa: F811
    return Payroll(api, actors.payroll(), bank)


def path(payroll, rest=""):
    return f"/v1/employers/{payroll.employer_id}/workers{rest}"


def hire(payroll, number=None, status=201, **changes):
    form = {"nik": number or nik(), "full_name": "Adi Nugroho", "birth_date": "1985-01-15", "sex": "male",
            "wage": 5_000_000, "start_date": "2026-01-01"} | changes
    return form | payroll.client.post(path(payroll), form, key=True).expect(status).json


def change(payroll, worker, body, if_match="*"):
    return payroll.client.patch(path(payroll, f"/{worker['id']}"), body, headers={"If-Match": if_match})


def end(payroll, worker, day, reason="resignation"):
    return payroll.client.post(path(payroll, f"/{worker['id']}/termination"), {"end_date": day, "reason": reason},
                               key=True)


@pytest.mark.parametrize("changes, pointer, code", [
    ({"start_date": "2027-11-07"}, "/start_date", "date_too_far_ahead"),
    ({"start_date": "1985-01-15"}, "/start_date", "start_before_birth")])
def test_a_hire_within_bounds(payroll, changes, pointer, code):
    refused = hire(payroll, status=422, **changes)
    assert (refused["code"], refused["errors"][0]["pointer"]) == (code, pointer)
    hire(payroll, start_date="2027-11-06")


@pytest.mark.parametrize("day, reason, code", [
    ("2025-12-31", "resignation", "end_before_start"), ("2027-11-07", "contract_end", "date_too_far_ahead"),
    ("2026-11-06", "death", "date_too_far_ahead")])
def test_an_end_within_bounds(payroll, day, reason, code):
    worker = hire(payroll)
    end(payroll, worker, day, reason).expect(422, code)
    change(payroll, worker, {"end_date": day, "end_reason": reason}).expect(422, code)
    end(payroll, worker, "2026-11-05", "death").expect(200)


def test_an_end_that_a_finalised_return_contradicts(payroll):
    worker = hire(payroll)
    opened = payroll.open("2026-10")
    payroll.send(opened["id"], [line(5_000_000, kpj=worker["kpj"], number=worker["nik"])])
    end(payroll, worker, "2026-09-30").expect(200)   # a draft contradicts nothing
    change(payroll, worker, {"end_date": None, "end_reason": None}).expect(200)
    payroll.finalise(opened["id"])
    refused = end(payroll, worker, "2026-09-30").expect(409, "end_contradicts_return").json
    assert refused["period"] == "2026-10"
    end(payroll, worker, "2026-10-02").expect(200)   # within the reported month
    change(payroll, worker, {"end_date": "2026-09-30"}).expect(409, "end_contradicts_return")
    assert change(payroll, worker, {"end_date": "2026-10-01", "end_reason": "layoff"}).expect(200).json[
        "end_reason"] == "layoff"


def test_an_end_is_taken_back(payroll):
    worker = hire(payroll)
    end(payroll, worker, "2026-10-31").expect(200)
    again = change(payroll, worker, {"end_date": None}).expect(200).json
    assert "end_date" not in again and "end_reason" not in again
    change(payroll, worker, {"end_date": "2026-10-31"}).expect(422, "end_date_and_reason")
    change(payroll, worker, {"end_reason": "layoff"}).expect(422, "end_date_and_reason")


def test_wages_count_from_their_day(payroll):
    worker = hire(payroll)
    change(payroll, worker, {"wage": 6_000_000, "wage_from": "2026-07-01"}).expect(200)
    change(payroll, worker, {"wage": 7_000_000, "wage_from": "2026-12-01"}).expect(200)
    change(payroll, worker, {"wage": 5_500_000, "wage_from": "2026-03-01"}).expect(200)
    now = change(payroll, worker, {"wage": 6_100_000, "wage_from": "2026-07-01"}).expect(200).json
    assert now["wage"] == 6_100_000
    assert [(w["from"], w["wage"]) for w in now["wages"]] == [
        ("2026-01-01", 5_000_000), ("2026-03-01", 5_500_000), ("2026-07-01", 6_100_000), ("2026-12-01", 7_000_000)]
    for day, code in (("2025-12-31", "wage_outside_employment"), ("2027-12-01", "date_too_far_ahead")):
        change(payroll, worker, {"wage": 1, "wage_from": day}).expect(422, code)


def test_a_wage_told_ahead_is_the_member_s_on_its_day(own, own_api, own_actors):
    """And nobody else's: another member sees nothing of it."""
    employer = own_actors.employer()
    member = own_actors.member(employer["token"], employer["id"])
    firm, person = own_api.acting(employer["token"]), own_api.acting(member["token"])
    spell = f"/v1/employers/{employer['id']}/workers/{member['employment_id']}"
    firm.patch(spell, {"wage": 9_000_000, "wage_from": "2026-11-20"}, headers={"If-Match": "*"}).expect(200)

    def shown():
        return person.get("/v1/members/me/employments").expect(200).json["items"][0]["wage"]

    with own.cluster.connect(own.database) as connection:
        before = connection.execute("SELECT business_at FROM smile.clock").fetchone()[0]
        try:
            for day, wage in (("2026-11-19", 7_500_000), ("2026-11-20", 9_000_000)):
                connection.execute("UPDATE smile.clock SET business_at = %s", [f"{day}T09:00:00+07:00"])
                assert shown() == wage == firm.get(spell).expect(200).json["wage"]
        finally:
            connection.execute("UPDATE smile.clock SET business_at = %s", [before])


def test_a_nik_that_disagrees_is_no_reason_to_refuse_a_hire(payroll):
    """A NIK stays the same when the birth date is corrected (the line of a return gets a warning)."""
    for changes in ({"birth_date": "1985-01-16"}, {"sex": "female"}):
        worker = hire(payroll, nik("850115"), **changes)
        opened = payroll.open("2026-10", "supplementary")["id"]
        payroll.send(opened, [line(1, kpj=worker["kpj"], number=worker["nik"], born=worker["birth_date"],
                                   sex=worker["sex"])])
        assert [(got["status"], [f["severity"] for f in got["findings"]]) for got in payroll.lines(opened)] == [
            ("warned", ["warning"])]
        payroll.finalise(opened)


def test_a_member_works_for_several_employers_at_once(payroll, api, actors, bank):
    """Each reports its own wage; the month has a row of each."""
    other = Payroll(api, actors.payroll(), bank)
    worker = hire(payroll)
    hire(other, worker["nik"])
    for firm, wage in ((payroll, 5_000_000), (other, 3_000_000)):
        firm.month("2026-10", [line(wage, kpj=worker["kpj"], number=worker["nik"])])
        hire(firm, worker["nik"], 409, start_date="2026-02-01")   # spells with one employer don't overlap


@pytest.mark.parametrize("wage", [-1, 0.5, "1", 10**30, None], ids=str)
def test_a_wage_that_is_none(payroll, wage):
    change(payroll, hire(payroll), {"wage": wage, "wage_from": "2026-07-01"}).expect(400)


def test_a_transfer_between_units(payroll, api, actors, db):
    units = [payroll.client.post(f"/v1/employers/{payroll.employer_id}/units", {
        "code": code, "name": code}).expect(201).json["id"] for code in ("A", "B")]
    another = actors.payroll()
    foreign = api.acting(another["token"]).post(f"/v1/employers/{another['employer_id']}/units", {
        "code": "A", "name": "A"}).expect(201).json["id"]
    worker = hire(payroll)
    for unit in units:
        assert change(payroll, worker, {"unit_id": unit}).expect(200).json["unit_id"] == unit
    change(payroll, worker, {"unit_id": foreign}).expect(422, "unit_unknown")
    payroll.client.patch(f"/v1/employers/{payroll.employer_id}/units/{units[0]}", {"active": False}, headers={
        "If-Match": "*"}).expect(200)
    change(payroll, worker, {"unit_id": units[0]}).expect(422, "unit_unknown")
    assert "unit_id" not in change(payroll, worker, {"unit_id": None}).expect(200).json
    before = [row[0].get("unit_before") for row in db.execute(
        "SELECT details FROM smile.audit_log WHERE subject_id = %s AND action = 'worker.changed' ORDER BY at, id",
        [worker["id"]])]
    assert before == [None, units[0], units[1]]


def test_of_two_changes_at_once_one_wins(payroll, server):
    worker = hire(payroll)
    clients = [Client(server, payroll.client.token) for _ in range(4)]
    etag = payroll.client.get(path(payroll, f"/{worker['id']}")).expect(200).headers["ETag"]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(lambda client: client.patch(
            path(payroll, f"/{worker['id']}"), {"job_title": "Mandor"}, headers={"If-Match": etag}).status, clients))
    assert sorted(statuses) == [200, 412, 412, 412]


def test_one_person_hired_by_two_lists_at_once_has_one_spell(payroll, server, db):
    form = {"action": "hire", "full_name": "Adi Nugroho", "birth_date": "1985-01-15", "wage": 1,
            "start_date": "2026-01-01"}
    people = [form | {"nik": nik()} for _ in range(20)]
    def send(order):
        client = Client(server, payroll.client.token)
        return client.post(path(payroll, "/changes"), {"changes": order}, key=True).expect(200).json["counts"]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        counts = list(pool.map(send, [people, people[::-1]]))
    assert sum(c["done"] for c in counts) == 20 and sum(c["refused"] for c in counts) == 20
    assert db.execute("SELECT count(*), count(DISTINCT member_id) FROM smile.employment WHERE employer_id = %s",
                      [payroll.employer_id]).fetchone() == (20, 20)


def test_lists_do_what_single_calls_do(payroll):
    """Random lists on one employer, the same calls one by one on another: the same outcomes, the same workers."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    workers = [[hire(payroll) for _ in range(4)] for _ in range(2)]
    singles, items = [], []
    for _ in range(30):
        which = chance.randrange(4)
        day = chance.choice(["2025-06-01", "2026-05-31", "2026-11-05", "2028-01-01"])
        body = chance.choice([{"wage": chance.randrange(10**7), "wage_from": day}, {"job_title": day},
                              {"end_date": None}, {"end_date": day, "end_reason": "layoff"}, None])
        single = workers[0][which]
        answer = end(payroll, single, day) if body is None else change(payroll, single, body)
        singles.append("done" if answer.status == 200 else answer.code)
        items.append({"employment_id": workers[1][which]["id"]} | (
            {"action": "termination", "end_date": day, "reason": "resignation"} if body is None
            else {"action": "change"} | body))
    report = payroll.client.post(path(payroll, "/changes"), {"changes": items}, key=True).expect(200).json
    assert [item.get("code", item["outcome"]) for item in report["items"]] == singles
    own = ("id", "member_id", "kpj", "nik_last_four")
    left, right = [[{name: value for name, value in payroll.client.get(path(payroll, f"/{worker['id']}")).expect(
        200).json.items() if name not in own} for worker in side] for side in workers]
    assert left == right


def test_a_list_that_breaks_the_contract_does_nothing(payroll, db):
    good = {"action": "hire", "nik": nik(), "full_name": "Adi Nugroho", "birth_date": "1985-01-15", "wage": 1,
            "start_date": "2026-01-01"}
    wrong = [good, good | {"wage": -1}, {"action": "fire"}]
    refused = payroll.client.post(path(payroll, "/changes"), {"changes": wrong}, key=True)
    answer = refused.expect(400, "invalid_request").json
    assert {error["pointer"] for error in answer["errors"]} >= {"/changes/1/wage", "/changes/2/action"}
    payroll.client.post(path(payroll, "/changes"), {"changes": []}, key=True).expect(400)
    payroll.client.post(path(payroll, "/changes"), {"changes": [good] * 501}, key=True).expect(400)
    assert db.execute("SELECT count(*) FROM smile.employment WHERE employer_id = %s",
                      [payroll.employer_id]).fetchone() == (0,)


def test_a_list_can_be_rehearsed_and_repeated(payroll, db):
    body = {"changes": [{"action": "hire", "nik": nik(), "full_name": "Adi Nugroho", "birth_date": "1985-01-15",
                         "wage": 1, "start_date": "2026-01-01"}]}
    rehearsed = payroll.client.post(path(payroll, "/changes?validate_only=true"), body).expect(200).json["counts"]
    key = "a-list-that-is-repeated"
    first = payroll.client.post(path(payroll, "/changes"), body, key=key).expect(200)
    again = payroll.client.post(path(payroll, "/changes"), body, key=key).expect(200)
    assert first.body == again.body and first.json["counts"] == rehearsed
    assert again.headers["Idempotency-Replayed"] == "true"


def test_another_employers_worker_is_nobody_in_a_list(payroll, actors):
    worker = actors.worker()
    items = payroll.client.post(path(payroll, "/changes"), {"changes": [
        {"action": "change", "employment_id": worker["employment_id"], "job_title": "x"},
        {"action": "termination", "employment_id": worker["employment_id"], "end_date": "2026-11-01",
         "reason": "layoff"}]}, key=True).expect(200).json["items"]
    assert [item["code"] for item in items] == ["not_found"] * 2


def test_changes_with_the_key_of_changes_under_way_get_409(payroll, cluster, server):
    key = new_key()
    with psycopg.connect(cluster.url(server.database)) as other:
        other.execute("INSERT INTO smile.idempotency_key (principal, key, fingerprint) "
                      "VALUES (%s, %s, sha256('another'))", [payroll.actor["id"], key])
        wanted = {"changes": [{"action": "termination", "employment_id": "019ac3f2-7c11-7d5e-9b6a-2f6d1c1e8a01",
                               "end_date": "2026-10-31", "reason": "resignation"}]}
        payroll.client.post(path(payroll, "/changes"), wanted, key=key).expect(409, "idempotency_in_flight")
        other.rollback()
