"""The release processes as an operator starts them: supervisor, workers, jobs."""
import base64
import http.client
import os
import pathlib
import re
import secrets
import signal
import socket
import subprocess
import tempfile
import time

from cluster import ROOT

PROGRAMS = ROOT / ".build" / "release"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_keys(folder):
    path = pathlib.Path(folder, "keys")
    path.write_text(f"k1 {base64.b64encode(secrets.token_bytes(32)).decode()}\n")
    path.chmod(0o400)
    return path


class Server:
    """One `smile-server` on a free port; `settings` are environment variables that overrule the defaults below."""

    def __init__(self, cluster, database, **settings):
        self.cluster, self.database = cluster, database
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="server-", dir=cluster.home))   # goes with the cluster
        self.port, self.metrics_port = free_port(), free_port()
        self.settings = {
            "DATABASE_URL": cluster.url(database, "smile_api"),
            "JOBS_DATABASE_URL": cluster.url(database, "smile_jobs"),
            "ENVIRONMENT": "dev",
            "LISTEN": f"127.0.0.1:{self.port}",
            "METRICS_LISTEN": f"127.0.0.1:{self.metrics_port}",
            "WORKERS": "2",
            "PASSWORD_COST": "1",
            "RATE_LIMITS": "off",
            "SMILE_DATA": str(self.folder),
            "KEY_FILE": str(make_keys(self.folder)),
            "SWIFT_BACKTRACE": "enable=no",
        } | {name: str(value) for name, value in settings.items()}
        self.log_path = self.folder / "log"
        self.process = None

    @property
    def environment(self):
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        return kept | self.settings

    def run(self, program, *arguments, user="postgres", **options):
        """One of the other programs, to its end, as the database's superuser unless told otherwise; its output."""
        environment = self.environment | {"DATABASE_URL": self.cluster.url(self.database, user)}
        done = subprocess.run([PROGRAMS / program, *arguments], env=environment, cwd=ROOT, text=True,
                              capture_output=True, timeout=60, **options)
        assert done.returncode == 0, f"{program} {' '.join(arguments)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def start(self, wait=True):
        self.process = subprocess.Popen([PROGRAMS / "smile-server"], env=self.environment, cwd=ROOT,
                                        stdin=subprocess.DEVNULL, stdout=self.log_path.open("ab"),
                                        stderr=subprocess.STDOUT, start_new_session=True)
        if wait:
            self.wait_until_ready()
        return self

    def wait_until_ready(self, within=20):
        deadline = time.monotonic() + within
        while self.health("ready") != 200:
            if self.process.poll() is not None:
                raise AssertionError(f"smile-server ended with {self.process.returncode}:\n{self.log()}")
            if time.monotonic() > deadline:
                raise AssertionError(f"not ready within {within} s:\n{self.log()}")
            time.sleep(0.02)

    def health(self, which):
        """The status of /health/<which>, or None while nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            host = self.settings.get("ALLOWED_HOSTS", "127.0.0.1")
            connection.request("GET", f"/health/{which}", headers={"Host": host})
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def children(self):
        """Process ids of the workers and the jobs process."""
        path = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        return [int(pid) for pid in pathlib.Path(path).read_text().split()]

    def worker(self):
        """One of the processes that serve."""
        return next(pid for pid in self.children() if self.role(pid) == "worker")

    def jobs_process(self):
        return next(pid for pid in self.children() if self.role(pid) == "jobs")

    def role(self, pid):
        return next((word for word in ("worker", "jobs") if word in self.command(pid)), None)

    def command(self, pid):
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()

    def stop(self, within=20):
        """Drains, as SIGTERM asks; the exit code."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(within)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                raise AssertionError(f"smile-server did not end within {within} s of SIGTERM:\n{self.log()}")
        return self.process and self.process.returncode

    def log(self):
        text = self.log_path.read_text(errors="replace") if self.log_path.exists() else ""
        return text[-20_000:]

    def complaints(self):
        """The lines of the whole log that are about no request: what the processes and their supervisor say."""
        lines = self.log_path.read_text(errors="replace").splitlines() if self.log_path.exists() else []
        return "\n".join(line for line in lines if '"request_id"' not in line)

    def metric(self, name):
        """The sum over all label sets of one metric."""
        connection = http.client.HTTPConnection("127.0.0.1", self.metrics_port, timeout=5)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        return sum(float(value) for value in re.findall(rf"^{name}(?:{{.*?}})? (\S+)$", text, re.M))
