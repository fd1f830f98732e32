"""The jobs process: mails through MAIL_COMMAND, queued work as its owner sees it, old rows cleared away."""
import concurrent.futures
import email
import email.policy
import json
import re
import stat
import time

import pytest
import yaml

from client import Client


def eventually(question, within=15):
    """Asks until the answer is true; the wait is for an event of another process, bounded."""
    deadline = time.monotonic() + within
    while not (answer := question()):
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)
    return answer


@pytest.fixture
def mailing(make_server, tmp_path):
    """A server whose mail program drops each mail into a folder, or refuses while the file `refuse` is there."""
    tmp_path.chmod(0o755)
    program = tmp_path / "sendmail"
    program.write_text(f"""#!/bin/sh
[ "$1" = -t ] && [ $# = 1 ] || exit 64
[ ! -e {tmp_path}/refuse ] || exit 75
cat > {tmp_path}/$$.part && mv {tmp_path}/$$.part {tmp_path}/$$.mail
""")
    program.chmod(program.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    server = make_server(MAIL_COMMAND=f"{program} -t", MAIL_FROM="smile@agency.test")
    server.mails = lambda: [email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
                            for path in sorted(tmp_path.glob("*.mail"))]
    server.refuse = tmp_path / "refuse"
    return server


def ask_for_confirmation(server):
    """A registration that matches nobody: a mail goes out all the same."""
    with Client(server) as client:
        client.post("/v1/registrations", {
            "kpj": "12345678901", "nik": "3174010101800001", "full_name": "Tidak Ada", "birth_date": "1980-01-01",
            "email": "tidak.ada@smile.test", "phone": "+628111111111", "password": "perahu-kertas-di-laut-7",
        }).expect(202)


def test_the_jobs_process_sleeps_when_there_is_nothing_to_do(make_server):
    """Once it has kept house, none of its connections begins anything for a second; it looks again after 30 s."""
    server = make_server()
    with server.cluster.connect(server.database) as db:
        eventually(lambda: db.execute("SELECT FROM smile.job WHERE status = 'succeeded'").rowcount)
        eventually(lambda: db.execute("""
            SELECT count(*) > 0 AND bool_and(state = 'idle' AND clock_timestamp() - state_change > interval '1 second')
            FROM pg_stat_activity WHERE datname = current_database() AND usename = 'smile_jobs'""").fetchone()[0])


def test_a_mail_goes_out_through_the_mail_program(mailing):
    ask_for_confirmation(mailing)
    mail = eventually(mailing.mails)[0]
    assert mail["To"] == "tidak.ada@smile.test" and "smile@agency.test" in mail["From"]
    assert mail["Subject"] and mail["Message-ID"] and mail["Auto-Submitted"] == "auto-generated"
    assert mail.get_content().strip()
    with mailing.cluster.connect(mailing.database) as connection:
        eventually(lambda: connection.execute("SELECT delivered_at FROM smile.outbox").fetchone()[0])


def test_a_mailed_token_works_and_is_erased_once_delivered(mailing, actors_on):
    actors = actors_on(mailing)
    registration = actors.registration()
    mailing.refuse.touch()   # the officer's code to log in with would be erased before it is read
    token = actors.officer("all")["token"]
    mailing.refuse.unlink()
    with Client(mailing, token) as officer:
        officer.post(f"/v1/employer_registrations/{registration['id']}/approval", {}, key=True).expect(200)
    def tokens():   # other mails carry a code to log in with and a token for the registration's papers
        texts = [mail.get_content() for mail in mailing.mails() if mail["Subject"] == "Konfirmasi pendaftaran akun"]
        return [found[0] for text in texts if (found := re.search(r"^[A-Za-z0-9_-]{43}$", text, re.M))]
    token, = eventually(tokens)
    with mailing.cluster.connect(mailing.database) as connection:
        eventually(lambda: connection.execute(
            "SELECT bool_and(delivered_at IS NOT NULL) FROM smile.outbox").fetchone()[0])
        assert connection.execute("SELECT DISTINCT sealed_parameters FROM smile.outbox").fetchall() == [(None,)]
    with Client(mailing) as anyone:
        anyone.post("/v1/registrations/confirmation", {"token": token}).expect(200)


def test_a_refused_mail_is_tried_again(mailing):
    """5 seconds later the second try; the row says how often it was tried."""
    mailing.refuse.touch()
    ask_for_confirmation(mailing)
    with mailing.cluster.connect(mailing.database) as connection:
        def row():
            return connection.execute("SELECT attempts, delivered_at, next_attempt_at - created_at FROM smile.outbox"
                                      ).fetchone()
        eventually(lambda: row()[0] == 1 and row()[2].total_seconds() < 60)
        mailing.refuse.unlink()
        eventually(lambda: row()[1] is not None)
        assert row()[0] == 2
    assert len(mailing.mails()) == 1


@pytest.mark.parametrize("tries,seconds", list(enumerate(
    [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400], 1)))
def test_the_pauses_between_tries(tries, seconds, db):
    assert db.execute("SELECT smile.retry_delay(%s)", [tries]).fetchone()[0].total_seconds() == seconds


def test_after_nine_tries_a_message_is_given_up_with_its_token(cluster, server):
    with cluster.connect(server.database) as connection, connection.transaction(force_rollback=True):
        key = connection.execute(
            "INSERT INTO smile.outbox (channel, recipient, template, attempts, sealed_parameters) "
            "VALUES ('email', 'a@b.test', 'x', 10, 'x') RETURNING id, created_at").fetchone()
        connection.execute("SELECT smile.message_failed(%s, %s)", key)
        assert connection.execute("SELECT failed_at IS NOT NULL, sealed_parameters FROM smile.outbox WHERE id = %s",
                                  key[:1]).fetchone() == (True, None)


@pytest.mark.parametrize("template,age,tries,given_up", [
    ("log_in_code", 0, 1, False), ("contact_code", 0, 2, False), ("log_in_code", 305, 3, True),
    ("contact_code", 301, 2, True), ("password_reset", 305, 3, False), ("contact_notice", 86_400, 3, False),
])
def test_a_code_that_would_come_too_late_is_given_up(template, age, tries, given_up, cluster, server):
    """It lives ten minutes; the next try would be after 5 s, 5 min, 30 min."""
    with cluster.connect(server.database) as connection, connection.transaction(force_rollback=True):
        key = connection.execute(
            "INSERT INTO smile.outbox (created_at, channel, recipient, template, attempts, sealed_parameters) "
            "VALUES (smile.security_now() - make_interval(secs => %s), 'sms', '+628111', %s, %s, 'x') "
            "RETURNING id, created_at", [age, template, tries]).fetchone()
        connection.execute("SELECT smile.message_failed(%s, %s)", key)
        assert connection.execute(
            "SELECT failed_at IS NOT NULL, sealed_parameters IS NULL, next_attempt_at > smile.security_now() "
            "FROM smile.outbox WHERE id = %s", key[:1]).fetchone() == (given_up, given_up, not given_up)


def test_a_job_is_seen_by_whom_it_belongs_to(server, actors, db):
    member, other = actors.member(), actors.member()
    job = db.execute(
        "INSERT INTO smile.job (kind, account_id, done, total) SELECT 'test', g.account_id, 40, 100 "
        "FROM smile.account_grant AS g WHERE g.member_id = %s AND g.active RETURNING id",
        [member["member_id"]]).fetchone()[0]
    with Client(server, member["token"]) as client:
        answer = client.get(f"/v1/jobs/{job}").expect(200).json
        assert answer["status"] == "queued" and answer["progress"] == {"done": 40, "total": 100}
    with Client(server, other["token"]) as client:
        client.get(f"/v1/jobs/{job}").expect(404)


def test_who_prefers_to_wait_gets_the_result_as_soon_as_it_is_there(server, actors, db):
    member = actors.member()
    # What runs already when the jobs process begins would be taken for lost.
    eventually(lambda: db.execute("SELECT FROM smile.job WHERE kind = 'housekeeping'").rowcount)
    job = db.execute(
        "INSERT INTO smile.job (kind, account_id, status) SELECT 'test', g.account_id, 'running' "
        "FROM smile.account_grant AS g WHERE g.member_id = %s AND g.active RETURNING id",
        [member["member_id"]]).fetchone()[0]

    def wait():
        with Client(server, member["token"]) as client:
            return client.get(f"/v1/jobs/{job}", headers={"Prefer": "wait=10"}).expect(200)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        started = time.monotonic()
        waiting = pool.submit(wait)
        with pytest.raises(concurrent.futures.TimeoutError):
            waiting.result(timeout=1)
        db.execute("SELECT smile.finish_job(%s, '{\"rows\": 3}')", [job])
        answer = waiting.result(timeout=5)
    assert answer.json["status"] == "succeeded" and answer.json["result"] == {"rows": 3}
    assert answer.headers["Preference-Applied"] == "wait=10"
    assert time.monotonic() - started < 5


def test_the_jobs_process_keeps_house_and_says_so(server, db):
    """Ordered by itself at its start; the report stays in the job's row."""
    def report():
        row = db.execute("SELECT status, result FROM smile.job WHERE kind = 'housekeeping'").fetchone()
        return row if row and row[0] not in ("queued", "running") else None
    status, result = eventually(report)
    assert status == "succeeded" and result["ledger_sum"] == 0 and "idempotency_keys" in result["expired"]
    assert result["fined_employers"] >= 0


def test_two_takers_never_take_the_same_job(cluster, server):
    """FOR UPDATE SKIP LOCKED: the second passes over what the first holds."""
    with cluster.connect(server.database) as first, cluster.connect(server.database) as second:
        first.execute("INSERT INTO smile.job (kind) VALUES ('skip'), ('skip')")
        with first.transaction(), second.transaction():
            taken = [c.execute("SELECT id FROM smile.take_job('{skip}')").fetchone() for c in (first, second)]
            assert None not in taken and taken[0] != taken[1]
            assert second.execute("SELECT id FROM smile.take_job('{skip}')").fetchone() is None
        first.execute("DELETE FROM smile.job WHERE kind = 'skip'")


def test_old_rows_are_cleared_away(cluster, server):
    with cluster.connect(server.database) as connection, connection.transaction(force_rollback=True):
        for days in (29, 31):
            connection.execute(
                "INSERT INTO smile.idempotency_key (principal, key, fingerprint, created_at) VALUES "
                "(gen_random_uuid(), %s, decode(repeat('00', 32), 'hex'), "
                "smile.security_now() - %s * interval '1 day')",
                [f"lama-sekali-{days:04}", days])
        gone = connection.execute("SELECT smile.expire_old_rows()").fetchone()[0]
        assert gone["idempotency_keys"] == 1


def test_a_production_database_shows_no_outbox_whatever_the_server_thinks(make_server):
    """ENVIRONMENT says dev; the database was declared production."""
    server = make_server(start=False)
    with server.cluster.connect(server.database) as connection:
        connection.execute("UPDATE smile.deployment SET environment = 'production'")
    server.start()
    with Client(server) as client:
        client.get("/v1/sandbox/outbox", check=False).expect(404)
        client.put("/v1/sandbox/clock", {"now": None}, check=False).expect(404)


def test_a_production_server_has_no_sandbox_and_speaks_of_none(make_server, contract):
    server = make_server(ENVIRONMENT="production", PASSWORD_COST=5)
    with Client(server) as client:
        client.get("/v1/sandbox/outbox", check=False).expect(404)
        client.put("/v1/sandbox/clock", {"now": None}, check=False).expect(404)
        served = client.get("/openapi.json").expect(200).json
        text = client.get("/openapi.yaml").expect(200).text
    assert json.loads(json.dumps(yaml.safe_load(text), default=str)) == served
    sandbox = {path for path in contract.spec["paths"] if path.startswith("/v1/sandbox/")}
    assert sandbox and served["paths"].keys() == contract.spec["paths"].keys() - sandbox
    assert "/sandbox/" not in text
