"""Large returns as jobs: 1,000 lines or more are checked, and finalised, by the jobs process."""
import contextlib
import json
import os
import signal

import pytest

from client import Client, new_key
from payroll import HEADER, Payroll, line, nik
from test_employer_users import ACCEPTANCE, invite
from test_jobs import eventually

CSV = {"Content-Type": "text/csv"}


def csv(count, **options):
    return "\n".join([HEADER, *(line(5_000_000, **options) for _ in range(count))]).encode()


@pytest.fixture(scope="module")
def own(make_server, actors_on):
    """A server whose jobs process may be stopped and killed, and its bank."""
    server = make_server()
    actors = actors_on(server)
    return server, actors, Client(server, actors.bank()["token"])


@pytest.fixture
def payroll(own):
    server, actors, bank = own
    return Payroll(Client(server), actors.payroll(), bank)


@pytest.fixture
def database(own):
    with own[0].cluster.connect(own[0].database) as connection:
        yield connection
        assert connection.execute("SELECT count(*) FROM smile.return_staging").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM smile.contribution_return WHERE pending_job IS NOT NULL"
                                  ).fetchone() == (0,)


@contextlib.contextmanager
def asleep(server):
    """Nobody takes a job meanwhile."""
    jobs = server.jobs_process()
    os.kill(jobs, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(jobs, signal.SIGCONT)


def put(payroll, return_id, body, query="", **headers):
    return payroll.client.put(f"/v1/returns/{return_id}/lines{query}", body=body, headers=CSV | headers)


def ended(payroll, job_id):
    job = payroll.client.get(f"/v1/jobs/{job_id}", headers={"Prefer": "wait=10"}).expect(200).json
    assert job["status"] in ("succeeded", "failed"), job
    return job


def rows(count):
    return [{"nik": nik(), "full_name": "Adi Nugroho", "birth_date": "1985-01-15", "wage": 5_000_000}
            for _ in range(count)]


FORMS = {
    "text/csv": csv,
    "application/x-ndjson": lambda count: "\n".join(json.dumps(row) for row in rows(count)).encode(),
    "application/json": lambda count: json.dumps({"lines": rows(count)}).encode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_thousand_lines_are_a_job_and_fewer_are_not(form, payroll, database):
    opened = payroll.open("2026-10")
    put(payroll, opened["id"], FORMS[form](999), **{"Content-Type": form}).expect(200)
    body = FORMS[form](1_000)
    rehearsed = put(payroll, opened["id"], body, "?validate_only=true", **{"Content-Type": form}).expect(200).json
    answer = put(payroll, opened["id"], body, **{"Content-Type": form}).expect(202)
    assert answer.headers["Location"] == f"/v1/jobs/{answer.json['id']}"
    assert answer.json["kind"] == "load_lines" and answer.json["progress"]["total"] == 1_000
    job = ended(payroll, answer.json["id"])
    assert job["status"] == "succeeded" and job["progress"] == {"done": 1_000, "total": 1_000}
    assert job["result"] == payroll.client.get(f"/v1/returns/{opened['id']}").json
    same = ("outcome", "counts", "totals", "content_sha256")
    assert {k: rehearsed[k] for k in same} == {k: job["result"][k] for k in same}


def test_who_prefers_to_wait_gets_the_report_itself(payroll, database):
    opened = payroll.open("2026-10")
    answer = put(payroll, opened["id"], csv(1_000), Prefer="respond-async, wait=10").expect(200)
    assert answer.headers["Preference-Applied"] == "wait=10"
    again = payroll.client.get(f"/v1/returns/{opened['id']}")
    assert answer.json == again.json and answer.headers["ETag"] == again.headers["ETag"]
    put(payroll, opened["id"], csv(1_000), Prefer="wait=0").expect(202)
    eventually(lambda: "pending_job_id" not in payroll.client.get(f"/v1/returns/{opened['id']}").json)


def test_while_a_job_has_a_return_nobody_else_changes_it(own, payroll, database):
    opened = payroll.open("2026-10")
    put(payroll, opened["id"], csv(3)).expect(200)
    target = f"/v1/returns/{opened['id']}"
    with asleep(own[0]):
        job = put(payroll, opened["id"], csv(1_000)).expect(202).json["id"]
        refused = put(payroll, opened["id"], csv(1_000), Prefer="wait=1").expect(409, "return_under_way")
        assert refused.json["job_id"] == job
        refused = put(payroll, opened["id"], csv(1)).expect(409, "return_under_way")
        assert refused.headers["Retry-After"] == "1"
        payroll.client.post(f"{target}/finalisation", key=True).expect(409, "return_under_way")
        shown = payroll.client.get(target)
        assert shown.json["pending_job_id"] == job and shown.json["counts"]["lines"] == 3
        assert len(payroll.lines(opened["id"])) == 3   # what stood stands until the job is done
        payroll.client.request("DELETE", target, headers={"If-Match": shown.headers["ETag"]}).expect(204)
    job = ended(payroll, job)
    assert (job["status"], job["problem_code"]) == ("failed", "return_not_open")
    assert payroll.client.get(target).json["status"] == "discarded"


def test_a_large_return_is_finalised_by_a_job_once(payroll, database):
    opened = payroll.open("2026-10")
    put(payroll, opened["id"], csv(1_000), Prefer="wait=10").expect(200)
    target, key = f"/v1/returns/{opened['id']}/finalisation", new_key()
    assert payroll.client.post(f"{target}?validate_only=true", key=new_key()).expect(200).json["status"] == "finalised"
    answer = payroll.client.post(target, key=key).expect(202)
    job = ended(payroll, answer.json["id"])
    assert job["kind"] == "finalise_return" and job["result"]["status"] == "finalised"
    replayed = payroll.client.post(target, key=key, headers={"Prefer": "wait=10"}).expect(202)
    assert replayed.headers["Idempotency-Replayed"] == "true" and replayed.body == answer.body
    payroll.client.post(target, key=new_key()).expect(409, "return_not_open")
    billing = payroll.pay(job["result"]["billing_id"])
    assert billing["amount"] == job["result"]["totals"]["due"]
    assert database.execute("SELECT smile.ledger_sum()").fetchone() == (0,)


def test_who_waits_for_a_finalisation_is_led_to_the_billing(payroll, database):
    opened = payroll.open("2026-10")
    put(payroll, opened["id"], csv(1_000), Prefer="wait=10").expect(200)
    answer = payroll.client.post(f"/v1/returns/{opened['id']}/finalisation", key=True, headers={
        "Prefer": "wait=10"}).expect(200)
    assert answer.headers["Location"] == f"/v1/billings/{answer.json['billing_id']}"


def test_what_can_t_be_finalised_is_said_at_once(payroll, database):
    opened = payroll.open("2026-10")
    put(payroll, opened["id"], "\n".join([HEADER, *["x"] * 1_000]).encode(), Prefer="wait=10").expect(200)
    payroll.client.post(f"/v1/returns/{opened['id']}/finalisation", key=True).expect(422, "return_without_lines")


def test_lines_that_a_crash_of_the_database_took_are_asked_for_again(own, payroll, database):
    """The staging table is unlogged: recovery empties it."""
    opened = payroll.open("2026-10")
    put(payroll, opened["id"], csv(2)).expect(200)
    with asleep(own[0]):
        job = put(payroll, opened["id"], csv(1_000)).expect(202).json["id"]
        database.execute("TRUNCATE smile.return_staging")
    assert ended(payroll, job)["problem_code"] == "upload_lost"
    assert payroll.client.get(f"/v1/returns/{opened['id']}").json["counts"]["lines"] == 2
    put(payroll, opened["id"], csv(1_000), Prefer="wait=10").expect(200)


def test_a_mistake_of_ours_lets_go_of_the_return(payroll, database):
    opened = payroll.open("2026-10")
    database.execute("CREATE FUNCTION smile.break() RETURNS trigger LANGUAGE plpgsql AS "
                     "$$ BEGIN RAISE EXCEPTION USING ERRCODE = 'XX000'; END $$")
    database.execute("CREATE TRIGGER break BEFORE INSERT ON smile.return_line FOR EACH STATEMENT "
                     "EXECUTE FUNCTION smile.break()")
    try:
        job = ended(payroll, put(payroll, opened["id"], csv(1_000)).expect(202).json["id"])
        assert (job["status"], job["problem_code"]) == ("failed", "internal_error")
    finally:
        database.execute("DROP FUNCTION smile.break() CASCADE")
    put(payroll, opened["id"], csv(1_000), Prefer="wait=10").expect(200)


def test_a_killed_jobs_process_costs_nothing_and_doubles_nothing(own, payroll, database):
    server = own[0]
    opened = payroll.open("2026-10")
    put(payroll, opened["id"], csv(1_000), Prefer="wait=10").expect(200)
    with server.cluster.connect(server.database) as other, other.transaction():
        # The job waits for a row; its process is killed in the middle.
        other.execute("SELECT FROM smile.employer WHERE id = %s FOR UPDATE", [payroll.employer_id])
        job = payroll.client.post(f"/v1/returns/{opened['id']}/finalisation", key=True).expect(202).json["id"]
        eventually(lambda: database.execute("SELECT status FROM smile.job WHERE id = %s", [job]
                                            ).fetchone()[0] == "running")
        os.kill(server.jobs_process(), signal.SIGKILL)
    eventually(lambda: payroll.client.get(f"/v1/jobs/{job}").json["status"] == "succeeded", within=30)
    counted = [database.execute(f"SELECT count(*) FROM {rows}", [opened["id"]]).fetchone()[0] for rows in (
        "smile.billing WHERE return_id = %s",
        "smile.audit_log WHERE subject_id = %s AND action = 'return.finalised'")]
    assert counted == [1, 1]


def test_a_job_that_waits_keeps_no_other_waiting(own, payroll, database):
    server, actors, bank = own
    slow, other = payroll, Payroll(Client(server), actors.payroll(), bank)
    opened = slow.open("2026-10")
    with server.cluster.connect(server.database) as holder, holder.transaction():
        with asleep(server):
            job = put(slow, opened["id"], csv(1_000)).expect(202).json["id"]
            holder.execute("SELECT FROM smile.contribution_return WHERE id = %s FOR UPDATE", [opened["id"]])
        put(other, other.open("2026-10")["id"], csv(1_000), Prefer="wait=4").expect(200)
    eventually(lambda: slow.client.get(f"/v1/jobs/{job}").json["status"] == "succeeded", within=45)


def test_what_a_job_does_is_written_down_as_its_caller_s(payroll, database):
    opened = payroll.open("2026-10")
    put(payroll, opened["id"], csv(1_000), Prefer="wait=10").expect(200)
    told = database.execute("SELECT action, role, client_id::text, request_id FROM smile.audit_log "
                            "WHERE subject_id = %s ORDER BY at, id", [opened["id"]]).fetchall()
    assert [row[0] for row in told] == ["return.opened", "return.load_lines_queued", "return.loaded"]
    assert told[1][1:] == told[2][1:] and told[1][1] == "client" and told[1][2]


def test_a_caller_sees_no_job_of_another(own, payroll, database):
    opened = payroll.open("2026-10")
    job = put(payroll, opened["id"], csv(1_000)).expect(202).json["id"]
    ended(payroll, job)
    Client(own[0], own[1].payroll()["token"]).get(f"/v1/jobs/{job}").expect(404)


def test_a_job_is_the_employer_s_and_no_longer_a_former_colleague_s(own, payroll, database):
    """Whoever is told that a job has the return may follow it; who left the firm sees nothing of it, nor does a machine
    of the firm that has no business with returns."""
    server, actors, _ = own
    firm = {"id": payroll.employer_id, "token": payroll.actor["employer_token"]}
    api = Client(server)
    member = actors.member()
    invite(api, firm, member["email"]).expect(201)
    api.post(ACCEPTANCE, {"token": actors.mailed_token(member["email"])}).expect(200)
    grant = next(g for g in api.get("/v1/account", token=member["token"]).expect(200).json["grants"]
                 if g.get("employer_id") == firm["id"])
    colleague = api.put("/v1/sessions/current/role", {"grant_id": grant["id"]}, token=member["token"]).expect(
        200).json["access_token"]

    opened = payroll.open("2026-10")["id"]
    job = api.put(f"/v1/returns/{opened}/lines", body=csv(1_000), headers=CSV, token=colleague).expect(202).json["id"]
    target = f"/v1/jobs/{job}"
    api.get(target, token=colleague, headers={"Prefer": "wait=10"}).expect(200)
    others = {scope: actors.client_of(firm["token"], scope)["token"] for scope in ("returns:read", "workers:read")}
    for token in (firm["token"], payroll.client.token, others["returns:read"]):
        assert api.get(target, token=token).expect(200).json["result"]["id"] == opened
    api.get(target, token=others["workers:read"]).expect(404)
    api.delete(f"/v1/employers/{firm['id']}/users/{grant['id']}", token=firm["token"], headers={"If-Match": "*"}
               ).expect(204)
    api.get(target, token=actors.log_in(member["email"])["token"]).expect(404)


@pytest.mark.parametrize("tries,seconds", [(1, 1), (2, 2), (3, 5), (4, 10), (5, 30), (6, 60), (12, 86_400), (13, None)])
def test_a_job_that_was_kept_from_its_work_soon_tries_again(database, tries, seconds):
    """Its sender waits for it, as nobody does for a mail."""
    job = database.execute("INSERT INTO smile.job (kind, status, attempts) VALUES ('unknown', 'running', %s)"
                           " RETURNING id", [tries]).fetchone()[0]
    database.execute("SELECT smile.fail_job(%s, 'unavailable', true)", [job])
    status, pause = database.execute("DELETE FROM smile.job WHERE id = %s RETURNING status, run_after -"
                                     " smile.security_now()", [job]).fetchone()
    if seconds is None:
        assert status == "failed"
    else:
        assert status == "queued" and seconds - 1 < pause.total_seconds() <= seconds


def test_a_job_keeps_to_its_preview_too(own, payroll, database):
    """What changes between the order and the job's run refuses the job, and says what it was."""
    opened = payroll.open("2026-10")["id"]
    put(payroll, opened, csv(1_000), Prefer="wait=10").expect(200)
    target = f"/v1/returns/{opened}/finalisation"
    token = payroll.client.post(f"{target}?validate_only=true").expect(200).json["preview_token"]
    change = "UPDATE smile.employer_risk_class SET risk_class = %s WHERE employer_id = %s"
    with asleep(own[0]):
        job = payroll.client.post(target, {"preview_token": token}, key=True).expect(202).json["id"]
        database.execute(change, [4, payroll.employer_id])
    job = ended(payroll, job)
    assert (job["status"], job["problem_code"], job["result"]) == (
        "failed", "preview_outdated", {"changed": ["parameters"]})
    database.execute(change, [3, payroll.employer_id])
    answer = payroll.client.post(target, {"preview_token": token}, key=True, headers={"Prefer": "wait=10"}).expect(200)
    assert answer.json["status"] == "finalised"
