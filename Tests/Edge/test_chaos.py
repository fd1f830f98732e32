"""Writers that never give up, while the database crashes and workers are killed: nothing acknowledged is lost, nothing
is done twice. SECONDS=600 SEED=3 make chaos tries longer, elsewhere."""
import collections
import datetime
import http.client
import os
import random
import signal
import threading
import time

import pytest

from client import Client, new_key

SEED = int(os.environ.get("SEED", "1"))
SECONDS = int(os.environ.get("SECONDS", "60"))
WRITERS = 8

Hire = collections.namedtuple("Hire", "nik employment_id")


class Writer(threading.Thread):
    """Does one thing after another. Whatever happens to a request, it sends it again with the same key."""

    def __init__(self, number, server, token, ending):
        super().__init__(daemon=True)   # a failed test must end although its writers never give up
        self.number, self.server, self.token, self.ending = number, server, token, ending
        self.acknowledged, self.retries, self.surprises, self.last = [], 0, [], None

    def run(self):
        count = 0
        while not self.ending.is_set() and not self.surprises:
            count += 1
            self.act(count)

    def insist(self, method, target, wanted, token=None, **options):
        """The answer with a wanted status, or None after a surprise."""
        while True:
            try:
                with Client(self.server, token or self.token) as client:
                    answer = client.request(method, target, **options)
            except (OSError, http.client.HTTPException):
                answer = None
            self.last = (method, target, answer)
            if answer is not None and answer.status in wanted:
                return answer
            if answer is not None and answer.status not in (409, 503):   # 409: the first try is still under way
                self.surprises.append(repr(answer))
                return None
            self.retries += 1
            time.sleep(0.05)


class Hirer(Writer):
    """Hires one person after another."""

    def __init__(self, number, server, employer, ending):
        super().__init__(number, server, employer["token"], ending)
        self.employer = employer

    def act(self, count):
        person = {"nik": f"32730112{self.number:02}88{count:04}", "full_name": f"Pekerja {self.number}",
                  "birth_date": "1988-03-12", "sex": "male", "wage": 5_000_000, "start_date": "2026-01-01"}
        answer = self.insist("POST", f"/v1/employers/{self.employer['id']}/workers", [201], json_body=person,
                             key=new_key())
        if answer is not None:
            self.acknowledged.append(Hire(person["nik"], answer.json["id"]))


class Reporter(Writer):
    """Opens a return, sends its lines, closes it and pays in one way or another, over and over; every sixth return is
    large enough for COPY and the jobs process."""

    def __init__(self, number, server, payroll, bank, ending):
        super().__init__(number, server, payroll["token"], ending)
        self.employer_id, self.bank = payroll["employer_id"], bank["token"]

    def act(self, count):
        size = 1_500 if count % 6 == 0 else 10
        text = "nik,full_name,birth_date,wage\n" + "".join(
            f"{11 + self.number}{count:04}120388{each:04},Pekerja,1988-03-12,5000000\n" for each in range(1, size + 1))
        opened = self.insist("POST", f"/v1/employers/{self.employer_id}/returns", [201], key=new_key(), json_body={
            "period": "2026-10", "kind": "supplementary", "client_reference": f"C{count}"})
        if opened is None:
            return
        target = f"/v1/returns/{opened.json['id']}"
        billing = None
        while billing is None and not self.surprises:
            # A job can lose its lines to a crash of the database: they are sent again.
            loaded = self.insist("PUT", f"{target}/lines", [200, 202], body=text.encode(), headers={
                "Content-Type": "text/csv", "Prefer": "wait=5"})
            if loaded is None or not self.settled(target):
                continue
            if self.insist("GET", target, [200]).json["counts"]["lines"] != size:
                continue
            self.insist("POST", f"{target}/finalisation", [200, 202], key=new_key(), headers={"Prefer": "wait=5"})
            self.settled(target)
            billing = self.insist("GET", target, [200]).json.get("billing_id")
        bill = billing and self.insist("GET", f"/v1/billings/{billing}", [200])
        if not bill:
            return
        bill, reference = bill.json, f"CHAOS-{self.number}-{count}"
        # One in three is told of by the day's statement, one in three is taken back and paid again.
        paid = self.state_payment(bill, reference, count) if count % 3 == 0 else self.notify(bill, reference)
        if paid and count % 3 == 1:
            back = self.insist("POST", f"/v1/payments/{paid.json['id']}/reversal", [200, 201], token=self.bank,
                               key=new_key(), json_body={"reason": "bank_error", "reversed_at": "2026-11-05T01:30:00Z"})
            paid = back and self.notify(bill, f"{reference}-AGAIN")
        if paid:
            self.acknowledged.append((opened.json["id"], size))

    def notify(self, bill, reference):
        return self.insist("POST", "/v1/payments", [200, 201], token=self.bank, key=new_key(), json_body={
            "payment_code": bill["payment_code"], "amount": bill["amount"], "paid_at": "2026-11-05T01:00:00Z",
            "bank_reference": reference})

    def state_payment(self, bill, reference, count):
        """By a statement of a day of its own; every other one is long enough for the jobs process, which may fail for
        good when its database keeps dying: then the day is sent again."""
        parts = [1] * 1_000 if count % 2 == 0 else []
        parts.append(bill["amount"] - sum(parts))
        rows = "".join(f"payment,{reference}-{n},{bill['payment_code']},{part},2026-11-05T01:00:00Z,\n"
                       for n, part in enumerate(parts))
        body = f"type,bank_reference,payment_code,amount,at,reason\n{rows}".encode()
        date = datetime.date(2000, 1, 1) + datetime.timedelta(days=1_000 * self.number + count)
        target = f"/v1/payment_statements?statement_date={date}&count={len(parts)}&amount={bill['amount']}"
        while not self.surprises:
            sent = self.insist("POST", target, [200, 201, 202], token=self.bank, key=new_key(), body=body, headers={
                "Content-Type": "text/csv", "Prefer": "wait=5"})
            if sent is None or sent.status != 202 and sent.json["status"] == "processed":
                return sent
            time.sleep(0.05)

    def settled(self, target):
        """Waits until no job has the return."""
        while True:
            answer = self.insist("GET", target, [200])
            if answer is None or "pending_job_id" not in answer.json:
                return answer is not None
            time.sleep(0.05)


def disturb(server, dice):
    """One fault; returns when the processes are back, the writers meanwhile go on."""
    what = dice.choice(["database crashes", "database restarts", "a worker is killed", "every worker is killed",
                        "the workers are replaced", "connections are cut"])
    if what == "database crashes":
        server.cluster.crash()
        server.cluster.start()
    elif what == "database restarts":
        server.cluster.stop()
        server.cluster.start()
    elif what == "a worker is killed":
        # After several deaths in a row the supervisor pauses before the next start: then there may be none to kill.
        for pid in [pid for pid in server.children() if server.role(pid) == "worker"][:1]:
            os.kill(pid, signal.SIGKILL)
    elif what == "every worker is killed":
        for pid in server.children():
            os.kill(pid, signal.SIGKILL)
    elif what == "the workers are replaced":
        server.process.send_signal(signal.SIGHUP)
    else:
        with server.cluster.connect("postgres") as connection:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'smile_api'")
    time.sleep(dice.uniform(0.2, 1.5))
    return what


def endure(server, writers, ending):
    """Lets the writers write for SECONDS amid faults, and end; the count of each fault."""
    print(f"SEED={SEED} SECONDS={SECONDS}")
    dice = random.Random(SEED)
    for writer in writers:
        writer.start()
    faults = collections.Counter()
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        faults[disturb(server, dice)] += 1
    ending.set()
    for writer in writers:
        writer.join(60)
        assert not writer.is_alive(), f"a writer never got further than {writer.last}"
    assert [surprise for writer in writers for surprise in writer.surprises] == []
    return faults


@pytest.mark.chaos
@pytest.mark.timeout(SECONDS + 300)
def test_nothing_acknowledged_is_lost_and_nothing_is_done_twice(make_server, actors_on):
    server = make_server(cluster_of_its_own=True)
    employer = actors_on(server).employer()
    ending = threading.Event()
    writers = [Hirer(number, server, employer, ending) for number in range(1, WRITERS + 1)]
    faults = endure(server, writers, ending)

    acknowledged = [hire for writer in writers for hire in writer.acknowledged]
    with server.cluster.connect(server.database) as connection:
        stored = [str(row[0]) for row in connection.execute(
            "SELECT e.id FROM smile.employment AS e WHERE e.employer_id = %s", [employer["id"]])]
        numbers = connection.execute("SELECT count(*), count(DISTINCT member_id) FROM smile.national_id").fetchone()
    print(f"{len(acknowledged)} acknowledged, {sum(w.retries for w in writers)} retries, {dict(faults)}")
    assert len(acknowledged) > SECONDS
    lost = {hire.employment_id for hire in acknowledged} - set(stored)
    assert lost == set(), f"{len(lost)} acknowledged and lost"
    assert len(stored) == len(acknowledged), "something was done that nobody was told of, or twice"
    assert numbers == (len(acknowledged), len(acknowledged)), "a person became two"


@pytest.mark.chaos
@pytest.mark.timeout(SECONDS + 300)
def test_a_return_is_billed_and_paid_once_or_not_at_all(make_server, actors_on):
    """Workers, jobs process and database die at any point of an upload, a finalisation, a payment, its reversal and a
    bank's statement."""
    server = make_server(cluster_of_its_own=True)
    actors = actors_on(server)
    bank, ending = actors.bank(), threading.Event()
    writers = [Reporter(number, server, actors.payroll(), bank, ending) for number in range(1, WRITERS + 1)]
    faults = endure(server, writers, ending)

    returns = dict(pair for writer in writers for pair in writer.acknowledged)
    lines = sum(returns.values())
    print(f"{len(returns)} returns, {lines} lines, {sum(w.retries for w in writers)} retries, {dict(faults)}")
    assert len(returns) > SECONDS / 4 and max(returns.values()) > 1_000
    with server.cluster.connect(server.database) as connection:
        def counted(query):
            return connection.execute(query).fetchone()

        stored = {str(row[0]): row[1] for row in connection.execute(
            "SELECT r.id, r.accepted FROM smile.contribution_return AS r WHERE r.status = 'finalised'")}
        assert stored == returns
        assert counted("SELECT count(*), count(*) FILTER (WHERE status = 'paid') FROM smile.billing") == (
            len(returns), len(returns))
        assert counted("SELECT count(*), sum(wage) FROM smile.contribution") == (lines, lines * 5_000_000)
        for people in ("member", "employment"):
            assert counted(f"SELECT count(*) FROM smile.{people}") == (lines,)
        assert counted("SELECT sum(amount) FILTER (WHERE reversed_at IS NULL) FROM smile.payment") == counted(
            "SELECT sum(amount) FROM smile.billing")
        assert counted("SELECT count(*) FROM smile.payment_exception") == (0,)
        assert counted("SELECT count(*) FROM smile.payment_reversal") == counted(
            "SELECT count(*) FROM smile.payment WHERE reversed_at IS NOT NULL")
        assert counted("SELECT count(*) FROM smile.payment_statement WHERE processed_at IS NULL") == (0,)
        assert counted("SELECT smile.ledger_sum()") == (0,)
        assert counted("SELECT count(*) FROM smile.return_staging") == (0,)
        assert counted("SELECT count(*) FROM smile.contribution_return WHERE pending_job IS NOT NULL") == (0,)
