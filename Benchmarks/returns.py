"""Small returns from many payroll systems at once while members read at full speed.

50 clients each send months of 10 workers, opened, loaded and finalised, on a schedule: 450 lines a second in all. A
request's time counts from when it was due, so that a server that falls behind shows. Three loads:

- in time: one employer after another sends the month before, as payroll bureaus do; a year of each is reported and
  paid, its workers are known, nothing is late.
- eight years late: 50 employers who never pay send one month after another from 2018 on, each of which brings a
  hundred months of fines. Nobody works like that; it shows what debts cost.
- the yardstick: as many requests for /health/live, which touch no database, on the same schedule under the same
  reading, which is what this machine and the measuring itself take.
"""
import itertools
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
    """One payroll system. It sends `months`, each an employer's id and token, a period and the lines."""

    def __init__(self, number, server, months):
        super().__init__(daemon=True)
        self.number, self.months = number, iter(months)
        self.client = Client(server)
        self.times, self.faults = [], []

    def exchange(self, due, method, target, wanted, body=b"", headers=None):
        answer = self.client.request(method, target, body=body, headers=headers, check=False)
        self.times.append(time.monotonic() - due)
        if answer.status != wanted:
            self.faults.append(repr(answer))
        return answer

    def send_month(self, due):
        employer, self.client.token, period, lines = next(self.months)
        opened = self.exchange(due, "POST", f"/v1/employers/{employer}/returns", 201,
                               b'{"period": "%s", "kind": "regular"}' % period.encode(),
                               {"Content-Type": "application/json", "Idempotency-Key": new_key()})
        target = opened.headers["Location"]
        self.exchange(time.monotonic(), "PUT", f"{target}/lines", 200, lines.encode(), {"Content-Type": "text/csv"})
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


def employers_needed(seconds):
    """How many have to be there, for each sends one month in time."""
    return CLIENTS * int(seconds / PACE + 2)


def in_time(number, seconds):
    """October 2026 of each employer of Benchmarks/payrolls.sql whose turn it is at that client."""
    for firm in range(number + 1, employers_needed(seconds) + 1, CLIENTS):
        lines = "kpj,full_name,birth_date,wage\n" + "".join(
            f"9{firm:08}{worker:02},Pekerja,1985-01-15,{5_000_000 + worker}\n" for worker in range(LINES))
        yield f"00000010-0000-7000-8000-{firm:012x}", f"sat_1{firm:042}", "2026-10", lines


def overdue(number, payroll):
    """Month after month of the same workers, whom the first one brings."""
    lines = "nik,full_name,birth_date,wage\n" + "".join(
        f"9{number // 10}{number % 10:02}01150185{line:04},Pekerja,1985-01-15,{5_000_000 + line}\n"
        for line in range(1, LINES + 1))
    for month in itertools.count():
        yield payroll["employer_id"], payroll["token"], f"{FIRST_YEAR + month // 12}-{month % 12 + 1:02}", lines


def measure(server, script, seconds):
    """`script` is wrk's, which reads as members. Gives for each load by name the times (ms, sorted), returns a second
    and reads a second meanwhile."""
    actors = Actors(Client(server))
    late = [overdue(number, actors.payroll()) for number in range(CLIENTS)]
    for number, months in enumerate(late):
        System(number, server, months).send_month(time.monotonic())   # the workers become members
    loads = {"yardstick": ("ask_three", [()] * CLIENTS),
             "in time": ("send_month", [in_time(number, seconds) for number in range(CLIENTS)]),
             "eight years late": ("send_month", late)}
    found = {}
    for name, (work, months) in loads.items():
        with Readers(server, script) as readers:
            times, rate = phase([System(number, server, each) for number, each in enumerate(months)], work, seconds)
        found[name] = times, rate, readers.rate
    return found
