"""A return is judged again when it is finalised: what changed since its lines were checked refuses it, all of it."""
import concurrent.futures

import psycopg
import pytest

from client import new_key
from payroll import balanced, bank, line, nik, payroll  # noqa: F401
from test_employer_users import join


@pytest.fixture
def worker(payroll, actors):
    """A worker of this employer since long ago."""
    return actors.worker(payroll.actor["employer_token"], payroll.employer_id)


def of(worker, wage=5_000_000, **options):
    given = {"kpj": worker["kpj"], "number": worker["nik"], "name": worker["full_name"], "born": worker["birth_date"]}
    return line(wage, **given | options)


def dismiss(payroll, worker, day="2026-09-30"):
    return payroll.client.acting(payroll.actor["employer_token"]).post(
        f"/v1/employers/{payroll.employer_id}/workers/{worker['employment_id']}/termination",
        {"end_date": day, "reason": "layoff"}, key=True).expect(200)


def refused(payroll, return_id, status, code, **options):
    """The refusal, which leaves the return as it was and posts nothing."""
    before = payroll.client.get(f"/v1/returns/{return_id}").expect(200)
    answer = payroll.client.post(f"/v1/returns/{return_id}/finalisation", key=True, **options).expect(status, code)
    after = payroll.client.get(f"/v1/returns/{return_id}").expect(200)
    if "Prefer" not in options.get("headers", {}):   # a job takes the return and gives it back
        assert after.body == before.body
    assert after.json["status"] == "open"
    assert payroll.client.get(f"/v1/employers/{payroll.employer_id}/billings").json["items"] == []
    return answer.json


def test_a_worker_who_left_meanwhile_refuses_the_return(payroll, worker, db):
    opened = payroll.open("2026-10")["id"]
    payroll.send(opened, [line(5_000_000), of(worker), line(6_000_000)])
    dismiss(payroll, worker)
    problem = refused(payroll, opened, 422, "lines_no_longer_stand", headers={"Accept-Language": "id"})
    message = db.execute("SELECT description_id FROM smile.rule WHERE code = 'worker_ended'").fetchone()[0]
    assert problem["errors"] == [{"pointer": "/lines/1/kpj", "code": "worker_ended", "message": message,
                                  "rule": "/v1/rules/worker_ended"}]
    english = refused(payroll, opened, 422, "lines_no_longer_stand", headers={"Accept-Language": "en"})
    assert english["errors"][0]["message"] == payroll.client.get("/v1/rules/worker_ended", headers={
        "Accept-Language": "en"}).json["description"]
    # A fresh check says the same, and what is left can be closed.
    payroll.send(opened, [line(5_000_000), of(worker)])
    assert [[f["code"] for f in got.get("findings", [])] for got in payroll.lines(opened)] == [[], ["worker_ended"]]
    assert payroll.finalise(opened)["counts"] == {"lines": 2, "accepted": 1, "warned": 0, "rejected": 1}


def test_an_end_within_the_month_changes_nothing(payroll, worker):
    opened = payroll.open("2026-10")["id"]
    payroll.send(opened, [of(worker)])
    dismiss(payroll, worker, "2026-10-01")
    payroll.finalise(opened)


def test_who_came_back_after_the_month_was_no_worker_in_it(payroll, worker):
    opened, before = payroll.open("2026-10")["id"], payroll.open("2026-07")["id"]
    for each in (opened, before):
        payroll.send(each, [of(worker)])
    dismiss(payroll, worker)
    payroll.client.acting(payroll.actor["employer_token"]).post(f"/v1/employers/{payroll.employer_id}/workers", {
        "kpj": worker["kpj"], "nik": worker["nik"], "full_name": worker["full_name"],
        "birth_date": worker["birth_date"], "wage": 1, "start_date": "2026-11-01"}, key=True).expect(201)
    refused(payroll, opened, 422, "lines_no_longer_stand")
    payroll.send(opened, [of(worker)])
    assert [f["code"] for f in payroll.lines(opened)[0]["findings"]] == ["worker_ended"]
    payroll.finalise(before)


@pytest.mark.parametrize("field", ["kpj", "nik"])
@pytest.mark.parametrize("change", [
    "UPDATE smile.member SET birth_date = birth_date + 1 WHERE id = %s",
    "UPDATE smile.national_id SET last_four = '0000' WHERE member_id = %s",
])
def test_a_member_whose_data_were_corrected_is_somebody_else(payroll, worker, db, change, field):
    opened = payroll.open("2026-10")["id"]
    payroll.send(opened, [of(worker, **({"kpj": ""} if field == "nik" else {}))])
    assert payroll.lines(opened)[0]["status"] == "accepted"
    db.execute(change, [worker["member_id"]])
    errors = refused(payroll, opened, 422, "lines_no_longer_stand")["errors"]
    assert [(e["pointer"], e["code"]) for e in errors] == [(f"/lines/0/{field}", "identity_mismatch")]


@pytest.mark.parametrize("change", [
    "UPDATE smile.employer_risk_class SET risk_class = 5 WHERE employer_id = %s",
    "UPDATE smile.employer_size SET size = 'micro' WHERE employer_id = %s",
])
@pytest.mark.parametrize("kind", ["regular", "revised"])
def test_other_rates_are_told_before_they_are_billed(payroll, worker, db, change, kind):
    period = "2026-10"
    if kind == "revised":
        first = payroll.open(period)["id"]
        payroll.send(first, [of(worker, 1)])   # too little to be billed
        payroll.finalise(first)
    opened = payroll.open(period, kind, **({"reason": "Salah tulis"} if kind == "revised" else {}))["id"]
    checked = payroll.send(opened, [of(worker, 12_000_000)])["totals"]["due"]
    db.execute(change, [payroll.employer_id])
    refused(payroll, opened, 409, "return_outdated")
    again = payroll.send(opened, [of(worker, 12_000_000)])["totals"]["due"]
    finalised = payroll.finalise(opened)
    assert finalised["totals"]["due"] == again != checked
    billing = payroll.client.get(f"/v1/billings/{finalised['billing_id']}").json
    assert billing["amount"] == again


def test_a_large_return_is_refused_with_the_same_words(payroll, worker):
    """By a job: in its result, and to who waits for it as if it had been done at once."""
    opened = payroll.open("2026-10")["id"]
    payroll.send(opened, [of(worker), *(line(5_000_000) for _ in range(999))])
    dismiss(payroll, worker)
    rehearsed = payroll.client.post(f"/v1/returns/{opened}/finalisation?validate_only=true").expect(
        422, "lines_no_longer_stand").json
    waited = refused(payroll, opened, 422, "lines_no_longer_stand", headers={"Prefer": "wait=10"})
    assert waited["errors"] == rehearsed["errors"] and waited["errors"][0]["pointer"] == "/lines/0/kpj"
    job = payroll.client.post(f"/v1/returns/{opened}/finalisation", key=True).expect(202).json["id"]
    job = payroll.client.get(f"/v1/jobs/{job}", headers={"Prefer": "wait=10"}).expect(200).json
    assert (job["status"], job["problem_code"]) == ("failed", "lines_no_longer_stand")
    assert [e["code"] for e in job["result"]["errors"]] == ["worker_ended"]


def test_no_more_than_two_hundred_lines_are_named(payroll, db):
    numbers = [nik() for _ in range(201)]
    payroll.month("2026-09", [line(5_000_000, number=number) for number in numbers])
    opened = payroll.open("2026-10")["id"]
    payroll.send(opened, [line(5_000_000, number=number) for number in numbers])
    db.execute("UPDATE smile.employment SET end_date = '2026-09-30', end_reason = 'layoff' WHERE employer_id = %s",
               [payroll.employer_id])
    errors = payroll.client.post(f"/v1/returns/{opened}/finalisation", key=True).expect(
        422, "lines_no_longer_stand").json["errors"]
    assert [e["pointer"] for e in errors] == [f"/lines/{number}/nik" for number in range(200)]


def test_an_end_that_comes_in_between_is_seen(payroll, worker, cluster, server, db):
    """The finalisation waits for the termination that is under way, and then sees it."""
    opened = payroll.open("2026-10")["id"]
    payroll.send(opened, [of(worker)])
    with psycopg.connect(cluster.url(server.database)) as other:
        other.execute("SELECT FROM smile.employer WHERE id = %s FOR SHARE", [payroll.employer_id])
        other.execute("UPDATE smile.employment SET end_date = '2026-09-30', end_reason = 'layoff' WHERE id = %s",
                      [worker["employment_id"]])
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(payroll.client.post, f"/v1/returns/{opened}/finalisation", key=new_key())
            while not db.execute("SELECT 1 FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)"
                                 " WHERE NOT l.granted AND a.datname = current_database()").fetchone():
                assert not waiting.done(), waiting.result()
            other.commit()
            waiting.result().expect(422, "lines_no_longer_stand")


def test_of_a_termination_and_a_finalisation_at_once_neither_is_half_done(payroll, actors, api):
    """Either the return stands, and the end within a reported month is refused, or the end stands."""
    for _ in range(6):
        worker = actors.worker(payroll.actor["employer_token"], payroll.employer_id)
        opened = payroll.open("2026-10", "supplementary")["id"]
        payroll.send(opened, [of(worker)])

        def end():
            with payroll.client.acting(payroll.actor["employer_token"]) as client:
                return client.post(f"/v1/employers/{payroll.employer_id}/workers/{worker['employment_id']}/termination",
                                   {"end_date": "2026-09-30", "reason": "layoff"}, key=True)

        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            ended = pool.submit(end)
            with payroll.client.acting(payroll.client.token) as client:
                closed = client.post(f"/v1/returns/{opened}/finalisation", key=True)
        if closed.status == 200:
            ended.result().expect(409, "end_contradicts_return")
        else:
            closed.expect(422, "lines_no_longer_stand")
            ended.result().expect(200)


@pytest.mark.parametrize("size", [5, 1_000])
def test_of_two_users_at_once_one_closes_the_return(payroll, actors, api, db, size):
    """By a job where it is large: the other one is told of it, or that the return is closed."""
    firm = {"id": payroll.employer_id, "token": payroll.actor["employer_token"]}
    colleague = join(api, actors, firm, f"rekan{size}@smile.test", "payroll")
    opened = payroll.open("2026-10")["id"]
    payroll.send(opened, [line(5_000_000) for _ in range(size)])

    def close(token):
        with payroll.client.acting(token) as client:
            return client.post(f"/v1/returns/{opened}/finalisation", key=True, headers={"Prefer": "wait=10"})

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        answers = sorted(pool.map(close, (firm["token"], colleague["token"])), key=lambda answer: answer.status)
    assert answers[0].expect(200).json["status"] == "finalised"
    assert answers[1].expect(409).code in ("return_not_open", "return_under_way")
    assert len(payroll.client.get(f"/v1/employers/{payroll.employer_id}/billings").json["items"]) == 1
    assert db.execute("SELECT count(*) FROM smile.audit_log WHERE action = 'return.finalised' AND subject_id = %s",
                      [opened]).fetchone() == (1,)
