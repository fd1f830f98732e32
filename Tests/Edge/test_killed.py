"""The whole server is killed while PostgreSQL holds a change up at one of its tables: the change is whole or it isn't
there, and whoever sends the same request again has it once."""
import concurrent.futures
import http.client
import os
import signal

import pytest

from client import Client, new_key
from payroll import HEADER, line, Payroll
from test_jobs import eventually


@pytest.fixture(scope="module")
def own(make_server):
    return make_server()


@pytest.fixture(scope="module")
def firm(own, actors_on):
    """A payroll client and the bank; their tokens outlive the server."""
    actors = actors_on(own)
    return actors.payroll(), actors.bank()["token"]


@pytest.fixture
def payroll(own, firm):
    return Payroll(Client(own), firm[0], Client(own, firm[1]))


@pytest.fixture
def database(own):
    with own.cluster.connect(own.database) as connection:
        yield connection
        assert connection.execute("SELECT smile.ledger_sum()").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM smile.return_staging").fetchone() == (0,)


def killed_at(table, own, database, ask):
    """The request reaches the table, then every process of the server is killed, then the table is free again."""
    def waits():
        return database.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'smile_api'"
            " AND wait_event_type = 'Lock'").fetchone()[0]

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        with own.cluster.connect(own.database) as holder, holder.transaction():
            holder.execute(f"LOCK TABLE smile.{table} IN SHARE MODE")
            answer = pool.submit(ask)
            eventually(lambda: waits() or answer.done())
            assert not answer.done(), answer.result()
            os.killpg(own.process.pid, signal.SIGKILL)
            own.process.wait()
        with pytest.raises((OSError, http.client.HTTPException)):
            answer.result()
    # What PostgreSQL had in hand it may still end.
    eventually(lambda: database.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename LIKE 'smile%'"
    ).fetchone() == (0,))
    own.start()


def draft(payroll, lines):
    opened = payroll.open("2026-10", "supplementary")["id"]
    payroll.send(opened, lines)
    return opened


def counted(database, return_id):
    """The return's status and wages, its billings, and the ledger's rows about them."""
    return database.execute(
        "SELECT r.status, r.totals ->> 'wages', count(DISTINCT b.id), count(DISTINCT t.id),"
        " count(DISTINCT e.id) FROM smile.contribution_return AS r"
        " LEFT JOIN smile.billing AS b ON b.return_id = r.id LEFT JOIN smile.ledger_transaction AS t"
        " ON t.subject_id = b.id LEFT JOIN smile.return_line AS l ON l.return_id = r.id"
        " LEFT JOIN smile.employment AS e ON e.member_id = l.member_id WHERE r.id = %s GROUP BY r.id",
        [return_id]).fetchone()


@pytest.mark.parametrize("table", ["contribution_return", "member", "national_id", "member_number", "employment",
                                   "billing", "ledger_transaction", "posting", "audit_log", "idempotency_key"])
def test_a_finalisation(own, payroll, database, table):
    opened, key = draft(payroll, [line(5_000_000), line(6_000_000)]), new_key()

    def finalise():
        return payroll.client.acting(payroll.client.token).post(f"/v1/returns/{opened}/finalisation", key=key)

    killed_at(table, own, database, finalise)
    nothing, whole = ("open", "11000000", 0, 0, 0), ("finalised", "11000000", 1, 1, 2)
    assert counted(database, opened) in (nothing, whole)
    finalise().expect(200)
    assert counted(database, opened) == whole


@pytest.mark.parametrize("size,table", [(10, "return_staging"), (10, "return_line"), (10, "finding"),
                                        (1_500, "return_staging"), (1_500, "job"), (1_500, "contribution_return")])
def test_an_upload(own, payroll, database, size, table):
    opened = draft(payroll, [line(7)])
    body = "\n".join([HEADER, *(line(0) for _ in range(size))]).encode()   # each with a finding

    def send():
        return payroll.client.acting(payroll.client.token).put(f"/v1/returns/{opened}/lines", body=body, headers={
            "Content-Type": "text/csv", "Prefer": "wait=10"})

    def lines():
        return database.execute("SELECT count(*), count(*) FILTER (WHERE wage = 7) FROM smile.return_line"
                                " WHERE return_id = %s", [opened]).fetchone()

    killed_at(table, own, database, send)
    eventually(lambda: "pending_job_id" not in payroll.client.get(f"/v1/returns/{opened}").json)
    assert lines() in ((1, 1), (size, 0))
    send().expect(200)
    assert lines() == (size, 0)


@pytest.mark.parametrize("table", ["payment", "ledger_transaction", "posting", "billing", "contribution", "audit_log"])
def test_a_payment(own, payroll, database, table):
    billing = payroll.finalise(draft(payroll, [line(5_000_000)]))["billing_id"]
    shown = payroll.client.get(f"/v1/billings/{billing}").expect(200).json
    notice = {"payment_code": shown["payment_code"], "amount": shown["amount"], "paid_at": "2026-11-05T01:30:00Z",
              "bank_reference": f"KILLED-{table}"}

    def pay():
        return payroll.bank.acting(payroll.bank.token).post("/v1/payments", notice, key=True)

    def standing():
        return database.execute(
            "SELECT b.status, b.received_amount, (SELECT count(*) FROM smile.payment AS p WHERE p.billing_id = b.id),"
            " (SELECT count(*) FROM smile.contribution AS c JOIN smile.return_line AS l ON l.member_id = c.member_id"
            " WHERE l.return_id = b.return_id) FROM smile.billing AS b WHERE b.id = %s", [billing]).fetchone()

    killed_at(table, own, database, pay)
    nothing, whole = ("unpaid", 0, 0, 0), ("paid", shown["amount"], 1, 1)
    assert standing() in (nothing, whole)
    # By the bank's reference, another key notwithstanding.
    assert pay().status in (200, 201)
    assert standing() == whole
