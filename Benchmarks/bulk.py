"""A payroll month of 100,000 lines from first byte to posted contributions, against the bare SQL (bulk.sql).

Two months each: in the first all workers are new, in the second all are known. Both sides start from the same migrated
database in the same cluster.
"""
import hashlib
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "Tests" / "Edge"))

import psycopg  # noqa: E402
from actors import Actors  # noqa: E402
from client import Client  # noqa: E402

PERIODS = ("2026-09", "2026-10")
UPLOAD = "11111111-1111-4111-8111-111111111111"


def people(count):
    """A roster of workers whom nobody knows yet: (nik, name, birth date, wage)."""
    for number in range(count):
        day, month, year = number % 28 + 1, number // 28 % 12 + 1, 70 + number // 336 % 30
        yield (f"{11 + number // 10_000 % 80:02}{number // 9_999 % 10_000:04}{day:02}{month:02}{year:02}"
               f"{number % 9_999 + 1:04}", f"Pekerja {'abcdefghij'[number % 10]}", f"19{year}-{month:02}-{day:02}",
               2_000_000 + number % 14_000 * 1_000)


def write_csv(path, count):
    with open(path, "w") as file:
        file.write("line_key,nik,full_name,birth_date,wage\n")
        for number, (nik, name, born, wage) in enumerate(people(count), 1):
            file.write(f"W{number},{nik},{name},{born},{wage}\n")


def write_staged(path, count):
    """The same lines as the server would hand them to COPY."""
    sealed = "ab" * 47
    with open(path, "w") as file:
        for number, (nik, name, born, wage) in enumerate(people(count), 1):
            index = hashlib.md5(nik.encode()).hexdigest()
            file.write(f"{UPLOAD}\t{number}\tW{number}\t\\N\t\\\\x{index}\t\\\\x{sealed}\t{nik[-4:]}\t{name}\t{born}"
                       f"\t\\N\t{wage}\t\\N\t\\N\t\\N\tf\n")


def bare(cluster, database, staged):
    """Seconds of each month in psql."""
    seconds = []
    for period in PERIODS:
        started = time.monotonic()
        with open(staged) as rows:
            subprocess.run([cluster.programs / "psql", "-q", "-v", f"upload={UPLOAD}", "-v", f"period={period}-01",
                            "-f", ROOT / "Benchmarks" / "bulk.sql", cluster.url(database)],
                           check=True, stdin=rows, stdout=subprocess.DEVNULL)
        seconds.append(time.monotonic() - started)
    return seconds


def result_of(client, answer):
    """What comes of a job."""
    job = answer.expect(202).json
    while job["status"] in ("queued", "running"):
        job = client.get(f"/v1/jobs/{job['id']}", headers={"Prefer": "wait=10"}).expect(200).json
    assert job["status"] == "succeeded", job
    return job["result"]


def served(server, csv):
    """Seconds of each month over HTTP: opened, sent, finalised, paid and posted."""
    actors = Actors(Client(server))
    payroll, bank = actors.payroll(), actors.bank()
    client = Client(server, payroll["token"])
    client.connection.timeout = 300
    notify = Client(server, bank["token"])
    notify.connection.timeout = 300
    body = csv.read_bytes()
    seconds = []
    for period in PERIODS:
        started = time.monotonic()
        opened = client.post(f"/v1/employers/{payroll['employer_id']}/returns", {
            "period": period, "kind": "regular"}, key=True).expect(201).json["id"]
        report = result_of(client, client.put(f"/v1/returns/{opened}/lines", body=body, headers={
            "Content-Type": "text/csv"}))
        assert report["outcome"] == "accepted", report
        billing = result_of(client, client.post(f"/v1/returns/{opened}/finalisation", key=True))["billing_id"]
        bill = client.get(f"/v1/billings/{billing}").expect(200).json
        notify.post("/v1/payments", {
            "payment_code": bill["payment_code"], "amount": bill["amount"], "paid_at": "2026-11-05T01:00:00Z",
            "bank_reference": f"BULK-{period}"}, key=True).expect(201)
        seconds.append(time.monotonic() - started)
    return seconds


def peak_resident(pid):
    """The most memory that a process ever held, in MB."""
    return int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) * 1024 / 1e6


def sent(server, folder, lines):
    """Seconds until so many lines were sent and checked, and the largest process's peak in MB."""
    csv = folder / "many.csv"
    write_csv(csv, lines)
    payroll = Actors(Client(server)).payroll()
    client = Client(server, payroll["token"])
    client.connection.timeout = 600
    opened = client.post(f"/v1/employers/{payroll['employer_id']}/returns", {
        "period": "2026-10", "kind": "regular"}, key=True).expect(201).json["id"]
    started = time.monotonic()
    report = result_of(client, client.put(f"/v1/returns/{opened}/lines", body=csv.read_bytes(), headers={
        "Content-Type": "text/csv"}))
    assert report["counts"]["accepted"] == lines, report
    return time.monotonic() - started, max(peak_resident(pid) for pid in server.children())


def measure(cluster, server, folder, lines=100_000):
    """(seconds of the bare months, seconds of the served ones, the largest process's peak in MB). `server` serves a
    freshly migrated database of this cluster; the bare side gets a copy of it, taken before."""
    csv, staged = folder / "month.csv", folder / "month.staged"
    write_csv(csv, lines)
    write_staged(staged, lines)
    cluster.create("bulk_bare")
    type(server)(cluster, "bulk_bare").run("smile-migrate", "up")
    with psycopg.connect(cluster.url(server.database), autocommit=True) as connection:
        connection.execute("UPDATE smile.deployment SET environment = 'dev'")
    expected = bare(cluster, "bulk_bare", staged)
    got = served(server, csv)
    peak = max(peak_resident(pid) for pid in server.children())
    return expected, got, peak
