"""What happens to a worker after the hire: bounds, races, lists, and who may."""
import concurrent.futures
import json
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


@pytest.mark.parametrize("changes, code", [({"birth_date": "1985-01-16"}, "nik_birth_date_differs"),
                                           ({"sex": "female"}, "nik_sex_differs")])
def test_a_nik_that_disagrees_is_no_reason_to_refuse_a_hire(payroll, changes, code):
    """A NIK stays the same when the birth date is corrected. The hire tells it as the line of a return does."""
    worker = hire(payroll, nik("850115"), **changes)
    opened = payroll.open("2026-10", "supplementary")["id"]
    payroll.send(opened, [line(1, kpj=worker["kpj"], number=worker["nik"], born=worker["birth_date"],
                               sex=worker["sex"])])
    told = [got for got in payroll.lines(opened) if got["status"] == "warned"][0]["findings"]
    assert [(f["code"], f["severity"]) for f in told] == [(code, "warning")]
    texts = ("code", "severity", "message", "fix", "rule", "field")
    assert [{name: f[name] for name in texts} | {"pointer": "/nik"} for f in told] == [
        {name: f[name] for name in (*texts, "pointer")} for f in worker["findings"]]
    payroll.finalise(opened)
    assert "findings" not in payroll.client.get(path(payroll, f"/{worker['id']}")).json
    assert "findings" not in hire(payroll)

    line_of_list = {"action": "hire", "nik": nik("850115"), "full_name": "Adi Nugroho", "birth_date": "1985-01-15",
                    "sex": "male", "wage": 1, "start_date": "2026-01-01"}
    sent = {"changes": [line_of_list, line_of_list | {"nik": nik("850115")} | changes]}
    report = payroll.client.post(path(payroll, "/changes"), sent, key=True, headers={
        "Accept-Language": "id"}).expect(200)
    assert report.headers["Content-Language"] == "id" and "findings" not in report.json["items"][0]
    assert [(f["code"], f["pointer"]) for f in report.json["items"][1]["findings"]] == [(code, "/changes/1/nik")]
    assert report.json["items"][1]["findings"][0]["message"] != told[0]["message"]


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


def test_a_hire_waits_for_whoever_judges_the_employers_workers(payroll, cluster, server):
    """A finalisation and a list of changes hold the employer's row; a hire comes before or after, never between."""
    with psycopg.connect(cluster.url(server.database)) as other, concurrent.futures.ThreadPoolExecutor(1) as pool:
        other.execute("SELECT FROM smile.employer WHERE id = %s FOR NO KEY UPDATE", [payroll.employer_id])
        hired = pool.submit(hire, payroll)
        while other.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock'",
                            [server.database]).fetchone() == (0,):
            assert not hired.done(), "the hire didn't wait"
        other.rollback()
        assert hired.result()["id"]


def test_a_hire_and_a_finalisation_at_once_agree(payroll, server):
    """Hired by hand and by a return at the same moment: one spell, and the return stands or is refused as outdated."""
    people = [nik() for _ in range(8)]
    opened = payroll.open("2026-10")["id"]
    payroll.send(opened, [line(5_000_000, number=number) for number in people])

    def act(number):
        with payroll.client.acting(payroll.client.token) as client:
            if number is None:
                return client.post(f"/v1/returns/{opened}/finalisation", key=True).status
            return client.post(path(payroll), {
                "nik": number, "full_name": "Adi Nugroho", "birth_date": "1985-01-15", "wage": 5_000_000,
                "start_date": "2026-10-15"}, key=True).status

    with concurrent.futures.ThreadPoolExecutor(9) as pool:
        *hires, final = list(pool.map(act, [*people, None]))
    assert final in (200, 409) and set(hires) <= {201, 409}
    if final == 409:
        payroll.send(opened, [line(5_000_000, number=number) for number in people])
        payroll.finalise(opened)
    workers = payroll.client.get(path(payroll, "?limit=50")).expect(200).json["items"]
    assert len(workers) == 8 == len({worker["member_id"] for worker in workers})


def test_one_person_hired_many_times_at_once_has_one_spell(payroll, server):
    number = nik()
    clients = [Client(server, payroll.client.token) for _ in range(6)]
    form = {"nik": number, "full_name": "Adi Nugroho", "birth_date": "1985-01-15", "wage": 1,
            "start_date": "2026-01-01"}
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        statuses = list(pool.map(lambda client: client.post(path(payroll), form, key=True).status, clients))
    assert sorted(statuses) == [201, 409, 409, 409, 409, 409]


def test_one_worker_terminated_many_times_at_once_ends_once(payroll, server, db):
    worker = hire(payroll)
    clients = [Client(server, payroll.client.token) for _ in range(6)]
    days = [f"2026-10-{day}" for day in range(20, 26)]
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        statuses = list(pool.map(lambda client, day: client.post(
            path(payroll, f"/{worker['id']}/termination"), {"end_date": day, "reason": "resignation"}, key=True
        ).status, clients, days))
    assert sorted(statuses) == [200, 409, 409, 409, 409, 409]
    assert db.execute("SELECT count(*) FROM smile.audit_log WHERE subject_id = %s AND action = 'worker.ended'",
                      [worker["id"]]).fetchone() == (1,)


def test_a_new_spell_and_the_end_of_the_old_one_at_once(payroll, server):
    """Terminated and hired again at the same moment: two spells that don't overlap, or the new one is refused."""
    worker = hire(payroll)
    clients = [Client(server, payroll.client.token) for _ in range(2)]
    form = {name: worker[name] for name in ("nik", "full_name", "birth_date")} | {
        "wage": 1, "start_date": "2026-10-16"}

    def act(step):
        if step == 0:
            return clients[0].post(path(payroll, f"/{worker['id']}/termination"), {
                "end_date": "2026-10-15", "reason": "contract_end"}, key=True).status
        return clients[1].post(path(payroll), form, key=True).status

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        ended, again = pool.map(act, range(2))
    assert ended == 200 and again in (201, 409)
    if again == 409:
        payroll.client.post(path(payroll), form, key=True).expect(201)
    # And an end that is moved into the next spell is refused.
    change(payroll, worker, {"end_date": "2026-10-16", "end_reason": "contract_end"}).expect(409, "employment_overlaps")
    change(payroll, worker, {"end_date": None, "end_reason": None}).expect(409, "employment_overlaps")


def test_one_list_sent_twice_at_once_under_two_keys_is_done_once(payroll, server):
    workers = [hire(payroll) for _ in range(5)]
    wanted = {"changes": [{"action": "termination", "employment_id": worker["id"], "end_date": "2026-10-31",
                           "reason": "layoff"} for worker in workers]}
    clients = [Client(server, payroll.client.token) for _ in range(3)]
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        reports = list(pool.map(lambda client: client.post(path(payroll, "/changes"), wanted, key=True).expect(
            200).json, clients))
    assert sorted(report["counts"]["done"] for report in reports) == [0, 0, 5]
    assert {item["code"] for report in reports for item in report["items"] if item["outcome"] == "refused"} == {
        "employment_already_ended"}


def test_lists_of_two_employers_with_the_same_people_in_opposite_order(payroll, api, actors, bank, server):
    """Each new person is made a member once, whoever comes first, and no list is lost to the other's locks."""
    other = Payroll(api, actors.payroll(), bank)
    people = [{"action": "hire", "nik": nik(), "full_name": "Adi Nugroho", "birth_date": "1985-01-15", "wage": 1,
               "start_date": "2026-01-01"} for _ in range(30)]

    def send(firm, order):
        return Client(server, firm.client.token).post(path(firm, "/changes"), {"changes": order}, key=True).expect(
            200).json["items"]

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        one, two = pool.map(send, (payroll, other), (people, people[::-1]))
    assert [item["worker"]["member_id"] for item in one] == [item["worker"]["member_id"] for item in two[::-1]]


def test_another_employers_ids_are_nothing(payroll, api, actors, bank):
    """Whoever knows the ids of another employer's people, units and lists gets no further than a stranger."""
    other = Payroll(api, actors.payroll(), bank)
    worker, own = hire(payroll), hire(other)
    theirs = payroll.client.post(f"/v1/employers/{payroll.employer_id}/units", {"code": "A", "name": "A"}).expect(
        201).json["id"]
    for employer in (payroll.employer_id, other.employer_id):
        target = f"/v1/employers/{employer}/workers/{worker['id']}"
        other.client.get(target).expect(404)
        other.client.patch(target, {"job_title": "x"}, headers={"If-Match": "*"}).expect(404)
        other.client.post(f"{target}/termination", {"end_date": "2026-10-31", "reason": "layoff"}, key=True).expect(404)
    other.client.post(path(payroll), {
        "nik": nik(), "full_name": "Adi Nugroho", "birth_date": "1985-01-15", "wage": 1, "start_date": "2026-01-01"
    }, key=True).expect(404)
    other.client.post(path(payroll, "/changes"), {"changes": [
        {"action": "change", "employment_id": worker["id"], "job_title": "x"}]}, key=True).expect(404)
    change(other, own, {"unit_id": theirs}).expect(422, "unit_unknown")
    listed = other.client.post(path(other, "/changes"), {"changes": [
        {"action": "change", "employment_id": own["id"], "unit_id": theirs}]}, key=True).expect(200).json["items"]
    assert [item["code"] for item in listed] == ["unit_unknown"]
    other.client.patch(f"/v1/employers/{other.employer_id}/units/{theirs}", {"name": "x"}, headers={
        "If-Match": "*"}).expect(404)
    assert payroll.client.get(path(payroll, f"/{worker['id']}")).json["wage"] == 5_000_000


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


COLUMNS = ("line_key", "action", "nik", "full_name", "birth_date", "sex", "wage", "start_date", "employment_id",
           "wage_from", "job_title", "end_date", "reason")


def as_csv(changes, separator="\r\n", mark=b""):
    rows = [",".join(COLUMNS)] + [
        ",".join('"' + str(change[name]).replace('"', '""') + '"' if name in change else "" for name in COLUMNS)
        for change in changes]
    return mark + separator.join(rows).encode() + separator.encode()


def as_ndjson(changes):
    return "\n".join(json.dumps(change) for change in changes).encode()


def send_file(payroll, body, kind="text/csv", query="?validate_only=true", **options):
    return payroll.client.post(path(payroll, f"/changes{query}"), body=body, headers={"Content-Type": kind}, **options)


def test_a_list_says_the_same_as_json_csv_and_ndjson(payroll):
    worker, other = hire(payroll), hire(payroll)
    changes = [
        {"line_key": "a", "action": "hire", "nik": nik("850115"), "full_name": 'Ni Made "Ayu", S.E.',
         "birth_date": "1985-01-15", "sex": "female", "wage": 1_000, "start_date": "2026-01-01"},
        {"line_key": "b", "action": "change", "employment_id": worker["id"], "wage": 6_000_000,
         "wage_from": "2026-07-01", "job_title": "Mandor"},
        {"action": "termination", "employment_id": other["id"], "end_date": "2025-12-31", "reason": "layoff"},
        {"action": "termination", "employment_id": other["id"], "end_date": "2026-10-31", "reason": "layoff"}]
    wanted = payroll.client.post(path(payroll, "/changes?validate_only=true"), {"changes": changes}).expect(200).json
    assert [item["outcome"] for item in wanted["items"]] == ["done", "done", "refused", "done"]
    assert [f["code"] for f in wanted["items"][0]["findings"]] == ["nik_sex_differs"]

    def told(answer):
        report = answer.expect(200).json
        for item in report["items"]:   # made anew each time
            for name in ("id", "member_id", "kpj"):
                item.get("worker", {}).pop(name, None)
        return report

    for item in wanted["items"]:
        for name in ("id", "member_id", "kpj"):
            item.get("worker", {}).pop(name, None)
    for body, kind in ((as_csv(changes), "text/csv"), (as_csv(changes, "\n", b"\xef\xbb\xbf"), "text/csv"),
                       (as_ndjson(changes), "application/x-ndjson")):
        assert told(send_file(payroll, body, kind)) == wanted
    key = new_key()
    done = send_file(payroll, as_csv(changes), query="", key=key).expect(200)
    assert told(send_file(payroll, as_csv(changes), query="", key=key)) == told(done)   # a repetition
    assert send_file(payroll, as_csv(changes[:1]), query="", key=key).expect(422, "idempotency_key_reused")
    cleared = f"action,employment_id,job_title\nchange,{worker['id']},null\n"
    report = send_file(payroll, cleared.encode(), query="", key=True).expect(200).json
    assert "job_title" not in report["items"][0]["worker"]


@pytest.mark.parametrize("body, pointer, code", [
    (b"action,employment_id\nfire,x\n", "/changes/0/action", "not_allowed"),
    (b"action,salary\nhire,1\n", "/changes/0/salary", "unknown_field"),
    (b"action,nik\nhire\n", "/changes/0", "invalid_format"),
    (b'action,nik\nhire,"1\n', "/changes/0", "invalid_format"),
    (b"action,full_name\nhire,\xff\n", "/changes/0", "invalid_format"),
    (b"action,wage\nhire,007\n", "/changes/0/wage", "wrong_type"),
    (b"action,wage\nhire,1e9\n", "/changes/0/wage", "wrong_type"),
    (b"action,nik\n", "/changes", "too_few"), (b"", "/changes", "too_few"),
    (b"action\n" + b"hire\n" * 501, "/changes", "too_many")])
def test_a_file_that_can_t_be_read(payroll, body, pointer, code):
    errors = send_file(payroll, body).expect(400, "invalid_request").json["errors"]
    assert (pointer, code) in [(error["pointer"], error["code"]) for error in errors]


@pytest.mark.parametrize("body", [b"{}]}\n", b'{"action": "hire"},{"action": "hire"}\n', b"[]\n", b"1\n"])
def test_ndjson_that_is_none(payroll, body):
    errors = send_file(payroll, body, "application/x-ndjson").expect(400, "invalid_request").json["errors"]
    assert [(error["pointer"], error["code"]) for error in errors] == [("/changes/0", "invalid_format")]


def test_a_file_is_for_those_who_may_send_one(payroll, api, actors):
    body = as_csv([{"action": "change", "employment_id": hire(payroll)["id"], "job_title": "x"}])
    send_file(payroll, body, "text/tab-separated-values").expect(415)
    stranger = api.acting(actors.payroll("workers:read")["token"])
    stranger.post(path(payroll, "/changes"), body=body, headers={"Content-Type": "text/csv"}, key=True).expect(403)
    send_file(payroll, b"x" * ((1 << 20) + 1)).expect(413)
