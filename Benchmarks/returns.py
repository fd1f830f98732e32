"""Small returns from many payroll systems at once while members read at full speed.

50 clients each send a month of the same 10 workers, opened, loaded and finalised, on a schedule: 450 lines a second in
all. A request's time counts from when it was due, so that a server that falls behind shows. The yardstick beside it:
as many requests for /health/live, which touch no database, on the same schedule under the same reading, which is what
this machine and the measuring itself take.
"""
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "Tests" / "Edge"))

from actors import Actors  # noqa: E402
from client import Client, new_key  # noqa: E402

CLIENTS, LINES, LINES_A_SECOND = 50, 10, 450
# Seconds between two returns of one client.
PACE = CLIENTS * LINES / LINES_A_SECOND
FIRST_YEAR = 2018


class System(threading.Thread):
    """One employer's payroll system. The first month, before the schedule begins, brings its workers."""

    def __init__(self, number, server, payroll):
        super().__init__(daemon=True)
        self.number, self.employer_id = number, payroll["employer_id"]
        self.client = Client(server, payroll["token"])
        self.month, self.times, self.faults = 0, [], []
        self.lines = "nik,full_name,birth_date,wage\n" + "".join(
            f"9{number // 10}{number % 10:02}01150185{line:04},Pekerja,1985-01-15,{5_000_000 + line}\n"
            for line in range(1, LINES + 1))

    def exchange(self, due, method, target, wanted, body=b"", headers=None):
        answer = self.client.request(method, target, body=body, headers=headers, check=False)
        self.times.append(time.monotonic() - due)
        if answer.status != wanted:
            self.faults.append(repr(answer))
        return answer

    def send_month(self, due):
        period = f"{FIRST_YEAR + self.month // 12}-{self.month % 12 + 1:02}"
        self.month += 1
        opened = self.exchange(due, "POST", f"/v1/employers/{self.employer_id}/returns", 201,
                               b'{"period": "%s", "kind": "regular"}' % period.encode(),
                               {"Content-Type": "application/json", "Idempotency-Key": new_key()})
        target = opened.headers["Location"]
        self.exchange(time.monotonic(), "PUT", f"{target}/lines", 200, self.lines.encode(),
                      {"Content-Type": "text/csv"})
        self.exchange(time.monotonic(), "POST", f"{target}/finalisation", 200, headers={"Idempotency-Key": new_key()})

    def ask_three(self, due):
        for _ in range(3):
            self.exchange(due, "GET", "/health/live", 200)
            due = time.monotonic()

    def plan(self, work, start, end):
        self.times, self.work, self.start_at, self.end_at = [], work, start + self.number * PACE / CLIENTS, end

    def run(self):
        due = self.start_at
        while due < self.end_at:
            time.sleep(max(0, due - time.monotonic()))
            self.work(due)
            due += PACE


def phase(systems, work, seconds):
    """Milliseconds of the requests, in order, and how many returns a second there were."""
    start = time.monotonic() + 1
    for system in systems:
        system.plan(getattr(system, work), start, start + seconds)
        system.start()
    for system in systems:
        system.join()
    faults = [fault for system in systems for fault in system.faults]
    if faults:
        raise SystemExit(f"{len(faults)} answers other than expected: {faults[0]}")
    times = sorted(each * 1000 for system in systems for each in system.times)
    return times, len(times) / 3 / (time.monotonic() - start)


class Readers:
    """Members who read at full speed inside of the context; afterwards `rate` is how many a second."""

    def __init__(self, server, script):
        self.command = ["wrk", "-t", "1", "-c", "16", "-d", "1h", "-s", script, f"http://127.0.0.1:{server.port}"]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)   # wrk says what it measured, and ends
        text = self.process.communicate()[0]
        if "Non-2xx" in text:
            raise SystemExit(f"answers other than 200 to readers:\n{text}")
        self.rate = float(re.search(r"Requests/sec:\s+([0-9.]+)", text)[1])


def measure(server, script, seconds):
    """`script` is wrk's, which reads as members. Gives the times (ms, sorted) of the yardstick and of the returns,
    returns a second, and reads a second meanwhile."""
    actors = Actors(Client(server))
    payrolls = [actors.payroll() for _ in range(CLIENTS)]

    def systems(month):
        made = [System(number, server, payroll) for number, payroll in enumerate(payrolls)]
        for system in made:
            system.month = month
        return made

    for system in systems(0):
        system.send_month(time.monotonic())   # the workers become members
    with Readers(server, script):
        noise, _ = phase(systems(1), "ask_three", seconds)
    with Readers(server, script) as readers:
        times, rate = phase(systems(1), "send_month", seconds)
    return noise, times, rate, readers.rate
