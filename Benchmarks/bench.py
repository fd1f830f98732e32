"""make bench: the server against pgbench with the very same SQL, on the same machine, in one run.

Prints a table and writes docs/benchmarks.md. Needs wrk, h2load (nghttp2-client) and pgbench; `make bench` installs
them. BENCH_MEMBERS, BENCH_SECONDS and BENCH_ROUNDS make a smaller run for trying things out; BENCH_MILLION=1 sends a
return of a million lines as well, some minutes more.
"""
import datetime
import http.client
import os
import pathlib
import platform
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "Tests" / "Edge"))

import bulk  # noqa: E402
import returns  # noqa: E402
from cluster import Cluster  # noqa: E402
from server import PROGRAMS, Server, free_port  # noqa: E402

MEMBERS = int(os.environ.get("BENCH_MEMBERS", 1_000_000))
MONTHS = 12
TOKENS = 100
SECONDS = int(os.environ.get("BENCH_SECONDS", 10))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", 5))
CONNECTIONS = 16
FLOOD_SECONDS = int(os.environ.get("BENCH_FLOOD_SECONDS", 30))
TICK = os.sysconf("SC_CLK_TCK")


def run(*command, **options):
    done = subprocess.run([str(part) for part in command], text=True, capture_output=True, **options)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def statement(name, path):
    """A statement's SQL as the server sends it, from the source that declares it."""
    text = (ROOT / "Sources" / "SocialSecurity" / path).read_text()
    found = re.search(r'"%s",\s*(?:"""(.*?)"""|"([^"]*)")' % re.escape(name), text, re.S)
    return " ".join((found[1] or found[2]).split())


def cpu_of(processes):
    """Seconds of CPU that they have used, the kernel's on their behalf included."""
    total = 0
    for pid in processes:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def wait_for(port):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.01)
    raise SystemExit(f"nothing listens on {port}")


def token(number):
    return "sat_" + str(number).rjust(43, "0")


# Each try names somebody else, so that what is measured is the hashing and not the throttle of one account.
LOG_INS = """
local n, counts = 0, {}
local threads = {}
function setup(thread) table.insert(threads, thread) end
function init() hashed, busy, other = 0, 0, 0 end
function delay() return 100 end
function request()
  n = n + 1
  return wrk.format('POST', '/v1/sessions', {['Content-Type'] = 'application/json'},
    string.format('{"identifier": "nobody%d@flood.example", "password": "perahu kertas biru laut"}', n))
end
function response(status, headers)
  if status == 401 then hashed = hashed + 1
  elseif status == 503 and (headers['Retry-After'] or headers['retry-after']) then busy = busy + 1
  else other = other + 1 end
end
function done()
  for _, name in ipairs({'hashed', 'busy', 'other'}) do
    local sum = 0
    for _, thread in ipairs(threads) do sum = sum + thread:get(name) end
    io.write(name, '=', sum, '\\n')
  end
end
"""


class Bench:
    def __init__(self):
        self.cluster = Cluster(durable=True)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="smile-bench-"))
        self.rows = []
        self.server = None

    def row(self, what, value, target, met):
        self.rows.append((what, value, target, "yes" if met else "NO"))
        print(f"{what:<58} {value:>18}   {target:<28} {'yes' if met else 'NO'}", flush=True)

    def prepare(self):
        self.cluster.create("bench")
        self.server = Server(self.cluster, "bench", RATE_LIMITS="off", ENVIRONMENT="production", PASSWORD_COST="7")
        self.server.run("smile-migrate", "up")
        started = time.monotonic()
        run(self.cluster.programs / "psql", "-q", "-v", f"members={MEMBERS}", "-v", f"months={MONTHS}",
            "-v", f"tokens={TOKENS}", "-f", ROOT / "Benchmarks" / "generate.sql", self.cluster.url("bench"))
        print(f"{MEMBERS:,} members and {MEMBERS * MONTHS:,} contributions in {time.monotonic() - started:.0f} s")

    # the server against pgbench

    @staticmethod
    def read_sql(number):
        """The two statements of GET /v1/members/me with that token, values in place of parameters."""
        values = [f"sha256('{token(number)}')", "'{member}'", "false", "'127.0.0.1'",
                  "'019ac3f2-7c11-7d5e-9b6a-2f6d1c1e8a01'", "NULL"]
        authenticate = statement("web.authenticate", "Web/WebStatements.swift")
        return (re.sub(r"\$(\d)", lambda found: values[int(found[1]) - 1], authenticate),
                statement("members.me", "Members/MemberStatements.swift"))

    def pgbench_scripts(self):
        """One script a token."""
        for number in range(1, TOKENS + 1):
            path = self.folder / f"me{number}.sql"
            path.write_text("\\startpipeline\n%s;\n%s;\n\\endpipeline\n" % self.read_sql(number))
            yield path

    def pgbench(self, scripts):
        text = run(self.cluster.programs / "pgbench", "-n", "-M", "prepared", "-c", CONNECTIONS, "-j", 2, "-T", SECONDS,
                   *[part for script in scripts for part in ("-f", script)], self.cluster.url("bench", "smile_api"))
        return float(re.search(r"tps = ([0-9.]+)", text)[1])

    def wrk_script(self):
        path = self.folder / "tokens.lua"
        path.write_text(
            f"local n = 0\nrequest = function()\n  n = n % {TOKENS} + 1\n"
            "  return wrk.format('GET', '/v1/members/me', "
            "{['Authorization'] = 'Bearer sat_' .. string.format('%043d', n)})\nend\n")
        return path

    def wrk(self, script, port=None, processes=None):
        processes = processes or self.workers()
        before = cpu_of(processes)
        text = run("wrk", "-t", 2, "-c", CONNECTIONS, "-d", f"{SECONDS}s", "-s", script,
                   f"http://127.0.0.1:{port or self.server.port}")
        cpu = cpu_of(processes) - before
        if "Non-2xx" in text:
            raise SystemExit(f"answers other than 200:\n{text}")
        requests = int(re.search(r"(\d+) requests in", text)[1])
        return float(re.search(r"Requests/sec:\s+([0-9.]+)", text)[1]), cpu / requests * 1e6

    def workers(self):
        return [pid for pid in self.server.children() if self.server.role(pid) == "worker"]

    def start_relays(self):
        """As many yardsticks as there are workers, on a port of their own."""
        program, port = self.folder / "relay", free_port()
        flags = run("pg_config", "--includedir").strip()
        run("cc", "-O2", f"-I{flags}", "-o", program, ROOT / "Benchmarks" / "relay" / "relay.c", "-lpq")
        relays = [subprocess.Popen([program, str(port), self.cluster.url("bench", "smile_api"), *self.read_sql(1)])
                  for _ in self.workers()]
        wait_for(port)
        return relays, port

    def resident(self):
        """The largest worker's resident memory, in MB."""
        return max(int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1])
                   for pid in self.workers()) * 1024 / 1e6

    def reads(self):
        scripts = list(self.pgbench_scripts())
        script = self.wrk_script()
        self.wrk(script)
        ratios, rates, base, cpu, floor = [], [], [], [], []
        relays, relay_port = self.start_relays()
        for _ in range(ROUNDS):
            reference = self.pgbench(scripts)
            floor.append(self.wrk(script, relay_port, [relay.pid for relay in relays])[1])
            rate, used = self.wrk(script)
            base.append(reference)
            rates.append(rate)
            ratios.append(rate / reference)
            cpu.append(used)
        for relay in relays:
            relay.kill()
        ratio, used = statistics.median(ratios), statistics.median(cpu)
        self.row("GET /v1/members/me, 16 connections, against pgbench", f"{ratio:.2f}", "at least 0.70", ratio >= 0.7)
        self.row("  requests a second, server and pgbench",
                 f"{statistics.median(rates):,.0f} and {statistics.median(base):,.0f}", "", True)
        self.row("  server CPU a request", f"{used:.1f} µs", "at most 20 µs", used <= 20)
        self.row("  the same through 60 lines of C (Benchmarks/relay)", f"{statistics.median(floor):.1f} µs", "", True)
        return statistics.median(rates)

    def latency(self, rate):
        """p50 and p99 with requests sent on a schedule, at half of what the server can do."""
        per_client = max(1, int(rate / 2 / CONNECTIONS))
        log = self.folder / "latency.log"
        run("h2load", "--h1", "-c", CONNECTIONS, "-t", 1, f"--rps={per_client}", f"--duration={SECONDS}",
            f"--log-file={log}", "-H", f"Authorization: Bearer {token(1)}",
            f"http://127.0.0.1:{self.server.port}/v1/members/me")
        lines = [line.split("\t") for line in log.read_text().splitlines()]
        if any(line[1] != "200" for line in lines):
            raise SystemExit("answers other than 200 under half load")
        times = sorted(int(line[2]) for line in lines)
        p50, p99 = times[len(times) // 2], times[len(times) * 99 // 100]
        self.row("p99 at half that load, against p50", f"{p99 / p50:.1f}", "under 5", p99 < 5 * p50)
        self.row("  p50 and p99", f"{p50 / 1000:.2f} and {p99 / 1000:.2f} ms", "", True)

    def flood(self, rate):
        """Members read at a quarter of what the server can do: alone, then while 500 log-ins a second are offered."""
        script = self.folder / "log_ins.lua"
        script.write_text(LOG_INS)
        quiet = self.read_p99(rate / 4)
        # A connection sends every 100 ms or when its answer has come, so 200 of them keep offering 500 a second.
        attack = subprocess.Popen(
            ["wrk", "-t", "1", "-c", "200", "-d", f"{FLOOD_SECONDS + 4}s", "-s", script,
             f"http://127.0.0.1:{self.server.port}"], stdout=subprocess.PIPE, text=True)
        time.sleep(2)
        loud = self.read_p99(rate / 4)
        text = attack.communicate()[0]
        offered = float(re.search(r"Requests/sec:\s+([0-9.]+)", text)[1])
        answers = {kind: int(count) for kind, count in re.findall(r"^(\w+)=(\d+)$", text, re.M)}
        self.row("p99 of reads under a flood of log-ins, against quiet", f"{loud / quiet:.2f}", "under 2",
                 loud < 2 * quiet)
        self.row("  p99 quiet and under the flood", f"{quiet / 1000:.2f} and {loud / 1000:.2f} ms", "", True)
        self.row("  log-ins offered a second", f"{offered:.0f}", "at least 500", offered >= 500)
        self.row("  refused with 503 and Retry-After, of all", f"{answers['busy']} of {sum(answers.values())}",
                 "all but what was hashed", answers["busy"] > 0 and answers["other"] == 0)

    def read_p99(self, rate):
        log = self.folder / "reads.log"
        run("h2load", "--h1", "-c", 8, "-t", 1, f"--rps={max(1, int(rate / 8))}", f"--duration={FLOOD_SECONDS}",
            f"--log-file={log}", "-H", f"Authorization: Bearer {token(1)}",
            f"http://127.0.0.1:{self.server.port}/v1/members/me")
        lines = [line.split("\t") for line in log.read_text().splitlines()]
        if any(line[1] != "200" for line in lines):
            raise SystemExit("reads were answered with something other than 200")
        times = sorted(int(line[2]) for line in lines)
        return times[len(times) * 99 // 100]

    # small returns

    def small_returns(self):
        """In the same database, as a development installation; Benchmarks/payrolls.sql has those who send in time."""
        self.server.stop()
        run(self.cluster.programs / "psql", "-q", "-v", f"employers={returns.employers_needed(FLOOD_SECONDS)}",
            "-f", ROOT / "Benchmarks" / "payrolls.sql", self.cluster.url("bench"))
        with self.cluster.connect("bench") as connection:
            connection.execute("UPDATE smile.deployment SET environment = 'dev'")
        server = Server(self.cluster, "bench", RATE_LIMITS="off", PASSWORD_COST="1").start()
        try:
            found = returns.measure(server, self.wrk_script(), FLOOD_SECONDS)
        finally:
            server.stop()
        for name, (times, rate, reads) in list(found.items())[1:]:
            p99, lines = times[len(times) * 99 // 100], rate * returns.LINES
            self.row(f"p99 of small returns {name} while members read", f"{p99:.0f} ms", "under 250 ms", p99 < 250)
            self.row("  lines a second, 10 a return, from 50 clients", f"{lines:.0f}", "450",
                     lines >= 0.95 * returns.LINES_A_SECOND)
            self.row("  p50; reads a second meanwhile", f"{times[len(times) // 2]:.0f} ms; {reads:,.0f}", "", True)
        noise = found["yardstick"][0]
        self.row("  p50 and p99 of /health/live in their place",
                 f"{noise[len(noise) // 2]:.0f} and {noise[len(noise) * 99 // 100]:.0f} ms", "", True)

    # the process

    def start_up(self):
        """From the start of the process to the first 200 of /health/ready; the database runs already."""
        times = []
        for _ in range(5):
            server = Server(self.cluster, "bench", RATE_LIMITS="off", ENVIRONMENT="production", PASSWORD_COST="7")
            started = time.monotonic()
            server.start(wait=False)
            while not self.is_ready(server.port):
                time.sleep(0.002)
            times.append((time.monotonic() - started) * 1000)
            server.stop()
        median = statistics.median(times)
        self.row("ready after start, schema check included", f"{median:.0f} ms", "within 200 ms", median <= 200)

    @staticmethod
    def is_ready(port):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            connection.request("GET", "/health/ready")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def sizes(self):
        stripped = self.folder / "smile-server"
        run("strip", "-o", stripped, PROGRAMS / "smile-server")
        size = stripped.stat().st_size / 1e6
        self.row("stripped server binary", f"{size:.1f} MB", "under 15 MB", size < 15)

    def allocations(self):
        text = run(ROOT / "Benchmarks" / "count_allocations.sh")
        count = float(re.findall(r"([0-9.]+)\s*allocations", text)[-1])
        self.row("allocations for a hello request", f"{count:g}", "at most 12", count <= 12)

    # a payroll month

    def bulk(self):
        """On a database of its own; passwords are hashed cheaply, or the hash's memory would be what is measured."""
        self.cluster.create("bulk")
        server = Server(self.cluster, "bulk", RATE_LIMITS="off", PASSWORD_COST="1")
        server.run("smile-migrate", "up")
        server.start()
        try:
            bare, served, peak = bulk.measure(self.cluster, server, self.folder)
        finally:
            server.stop()
        for month, reference, seconds in zip(("all workers new", "all workers known"), bare, served):
            self.row(f"100,000 lines to posted, against psql, {month}", f"{seconds / reference:.2f}", "at most 3",
                     seconds <= 3 * reference)
            self.row("  server and bare COPY and SQL", f"{seconds:.1f} and {reference:.1f} s", "", True)
        self.row("  largest process meanwhile, peak", f"{peak:.0f} MB", "under 64 MB", peak < 64)

    def million(self):
        """A database and a server of its own, as for 100,000."""
        self.cluster.create("million")
        server = Server(self.cluster, "million", RATE_LIMITS="off", PASSWORD_COST="1")
        server.run("smile-migrate", "up")
        with self.cluster.connect("million") as connection:
            connection.execute("UPDATE smile.deployment SET environment = 'dev'")
        server.start()
        try:
            seconds, peak = bulk.sent(server, self.folder, 1_000_000)
        finally:
            server.stop()
        self.row("1,000,000 lines sent and checked, largest process's peak", f"{peak:.0f} MB", "under 64 MB", peak < 64)
        self.row("  from first byte to report", f"{seconds:.0f} s", "", True)

    def all(self):
        self.prepare()
        self.server.start()
        idle = self.resident()
        self.row("idle worker, resident", f"{idle:.1f} MB", "under 20 MB", idle < 20)
        rate = self.reads()
        self.latency(rate)
        self.flood(rate)
        self.start_up()
        self.small_returns()
        self.sizes()
        self.allocations()
        self.bulk()
        if os.environ.get("BENCH_MILLION"):
            self.million()

    def write(self):
        commit = run("git", "-C", ROOT, "rev-parse", "--short", "HEAD").strip()
        memory = int(re.search(r"MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text())[1]) / 1024 ** 2
        lines = [
            "# Benchmarks", "",
            "Written by `make bench`: everything in one run on one machine with the same data, the server against",
            "pgbench with the very same pipelined SQL. Ratios and CPU time carry over to other machines; rates don't.",
            "Rate limits are off (they would stop a load test), everything else is as in production, access log",
            "included.", "",
            f"- Machine: {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.release()}, "
            f"PostgreSQL {self.version()}",
            f"- Commit {commit}, {datetime.date.today()}, {MEMBERS:,} members, {MEMBERS * MONTHS:,} contributions, "
            "fsync on,",
            f"  median of {ROUNDS} alternating rounds of {SECONDS} s", "",
            "| What | Measured | Target | Met |", "|---|---|---|---|",
        ]
        lines += [f"| {what.strip()} | {value} | {target} | {met} |" for what, value, target, met in self.rows]
        (ROOT / "docs" / "benchmarks.md").write_text("\n".join(lines) + "\n")

    def version(self):
        return run(self.cluster.programs / "psql", "--version").split()[2]


def main():
    bench = Bench()
    try:
        bench.all()
        bench.write()
    finally:
        if bench.server:
            bench.server.stop()
        bench.cluster.destroy()
    return 1 if any(met == "NO" for *_, met in bench.rows) else 0


if __name__ == "__main__":
    sys.exit(main())
