"""Writers that never give up, while the database crashes and workers are killed: nothing acknowledged is lost, nothing
is done twice. SECONDS=600 SEED=3 make chaos tries longer, elsewhere."""
import collections
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
    """Hires one person after another. Whatever happens to a request, it sends it again with the same key."""

    def __init__(self, number, server, employer, ending):
        super().__init__(daemon=True)   # a failed test must end although its writers never give up
        self.number, self.server, self.employer, self.ending = number, server, employer, ending
        self.acknowledged, self.retries, self.surprises = [], 0, []

    def run(self):
        count = 0
        while not self.ending.is_set():
            count += 1
            person = {"nik": f"32730112{self.number:02}88{count:04}", "full_name": f"Pekerja {self.number}",
                      "birth_date": "1988-03-12", "sex": "male", "wage": 5_000_000, "start_date": "2026-01-01"}
            self.hire(person, new_key())

    def hire(self, person, key):
        while True:
            try:
                with Client(self.server, self.employer["token"]) as client:
                    answer = client.post(f"/v1/employers/{self.employer['id']}/workers", person, key=key)
            except (OSError, http.client.HTTPException):
                answer = None
            if answer is not None and answer.status == 201:
                self.acknowledged.append(Hire(person["nik"], answer.json["id"]))
                return
            if answer is not None and answer.status not in (409, 503):   # 409: the first try is still under way
                self.surprises.append(repr(answer))
                return
            self.retries += 1
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


@pytest.mark.chaos
@pytest.mark.timeout(SECONDS + 300)
def test_nothing_acknowledged_is_lost_and_nothing_is_done_twice(make_server, actors_on):
    print(f"SEED={SEED} SECONDS={SECONDS}")
    dice = random.Random(SEED)
    server = make_server(cluster_of_its_own=True)
    employer = actors_on(server).employer()
    ending = threading.Event()
    writers = [Writer(number, server, employer, ending) for number in range(1, WRITERS + 1)]
    for writer in writers:
        writer.start()
    faults = collections.Counter()
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        faults[disturb(server, dice)] += 1
    ending.set()
    for writer in writers:
        writer.join(60)
        assert not writer.is_alive(), "a writer never got an answer"
    assert [surprise for writer in writers for surprise in writer.surprises] == []

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
