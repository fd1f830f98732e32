"""The real processes: what dies costs only itself, and what is told to end loses nothing."""
import http.client
import os
import signal
import threading
import time

import pytest

from client import Client
from server import Server
from test_jobs import eventually

PATIENCE = 30   # seconds; the machine may be busy with other things


class Load:
    """Clients that ask all the time; each request on a connection of its own unless `keep_alive`."""

    def __init__(self, server, clients=12, keep_alive=False):
        self.server, self.keep_alive = server, keep_alive
        self.answered = self.refused = 0
        self.lost = []
        self.ending = threading.Event()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.ask) for _ in range(clients)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        self.wait_for(200)
        return self

    def __exit__(self, *_):
        self.ending.set()
        for thread in self.threads:
            thread.join()

    def wait_for(self, more):
        """Until so many further requests were answered."""
        deadline, wanted = time.monotonic() + PATIENCE, self.answered + more
        while self.answered < wanted:
            assert time.monotonic() < deadline, f"{self.answered} answered, {self.lost}"
            time.sleep(0.005)

    def ask(self):
        connection = None
        while not self.ending.is_set():
            if connection is None:
                connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=10)
                try:
                    connection.connect()
                except ConnectionError:
                    with self.lock:
                        self.refused += 1   # nobody listens: the client knows that nothing was done
                    connection = None
                    time.sleep(0.01)
                    continue
            try:
                connection.request("GET", "/health/ready")
                response = connection.getresponse()
                response.read()
                with self.lock:
                    self.answered += 1
                if not self.keep_alive or response.will_close:
                    connection.close()
                    connection = None
            except (OSError, http.client.HTTPException) as error:
                with self.lock:
                    self.lost.append(f"{type(error).__name__}: {error}")
                connection.close()
                connection = None


@pytest.fixture
def own_server(make_server):
    server = make_server()
    yield server
    server.stop()


def test_a_worker_that_traps_costs_its_own_requests_only(own_server):
    before = own_server.children()
    clients = 12
    with Load(own_server, clients, keep_alive=True) as load:
        os.kill(own_server.worker(), signal.SIGILL)
        load.wait_for(500)
        deadline = time.monotonic() + PATIENCE
        while len(own_server.children()) < len(before):
            assert time.monotonic() < deadline, "the worker was not replaced"
            time.sleep(0.01)
        load.wait_for(500)
    assert len(load.lost) <= clients and load.refused == 0, load.lost
    after = own_server.children()
    assert len(set(before) & set(after)) == len(before) - 1, "only the one that trapped was replaced"


def test_term_under_load_loses_nothing(own_server):
    with Load(own_server) as load:
        assert own_server.stop() == 0
    assert load.lost == []
    assert load.answered > 200


def test_hup_replaces_every_worker_and_refuses_nobody(own_server):
    before = set(own_server.children())
    with Load(own_server) as load:
        own_server.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + PATIENCE
        while before & set(own_server.children()):
            assert time.monotonic() < deadline, f"still running: {before & set(own_server.children())}"
            time.sleep(0.05)
        load.wait_for(200)
    assert load.lost == [] and load.refused == 0


def test_a_dead_jobs_process_is_replaced(own_server):
    before = set(own_server.children())
    os.kill(own_server.jobs_process(), signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE
    while not set(own_server.children()) - before:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert own_server.health("ready") == 200


def test_the_jobs_process_outlives_a_table_that_is_locked_while_it_looks_at_the_schema(make_server):
    """What PostgreSQL gave up waiting for says nothing about the statements: it asks again, on another connection."""
    server = make_server(start=False)
    asking = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() " \
             "AND application_name = 'smile-start-check'"
    with server.cluster.connect(server.database) as holder, server.cluster.connect(server.database) as db:
        with holder.transaction():
            holder.execute("LOCK TABLE smile.claim IN ACCESS EXCLUSIVE MODE")
            server.start()
            before = server.children()
            first = eventually(lambda: db.execute(f"{asking} AND wait_event_type = 'Lock'").fetchone())
            eventually(lambda: db.execute(f"{asking} AND wait_event_type = 'Lock' AND pid <> %s", first).fetchone())
        eventually(lambda: not db.execute(asking).rowcount)
    assert server.children() == before, server.complaints()


def test_a_dead_supervisor_takes_its_workers_along(make_server):
    server = make_server()
    children = server.children()
    server.process.kill()
    server.process.wait()
    server.process = None
    deadline = time.monotonic() + PATIENCE
    while any(os.path.exists(f"/proc/{pid}") for pid in children):
        assert time.monotonic() < deadline, "workers outlive their supervisor"
        time.sleep(0.02)


def ends_with(server, *words):
    server.start(wait=False)
    assert server.process.wait(20) == 78   # EX_CONFIG
    server.process = None
    for word in words:
        assert word in server.log()


def until_ready_is(status, server):
    deadline = time.monotonic() + PATIENCE
    while server.health("ready") != status:
        assert time.monotonic() < deadline, server.log()
        time.sleep(0.05)


def test_a_database_that_is_away_at_the_start_is_waited_for(make_server):
    server = make_server(start=False, cluster_of_its_own=True)
    server.cluster.stop()
    server.start(wait=False)
    until_ready_is(503, server)
    assert server.health("live") == 200 and "PostgreSQL doesn't answer" in server.log()
    with Client(server) as client:
        refused = client.get("/v1/parameters?as_of=2026-10-01").expect(503)
        assert int(refused.headers["Retry-After"]) >= 1
        server.cluster.start()
        deadline = time.monotonic() + PATIENCE   # each worker finds the database again by itself
        while client.get("/v1/parameters?as_of=2026-10-01").status != 200:
            assert time.monotonic() < deadline, server.log()
            time.sleep(0.05)
    server.wait_until_ready()


def test_a_server_that_waits_for_its_database_ends_when_it_is_told(make_server):
    server = make_server(start=False, cluster_of_its_own=True)
    server.cluster.stop()
    server.start(wait=False)
    until_ready_is(503, server)
    assert server.stop() == 0
    server.process = None


def test_a_database_that_comes_back_with_another_schema_is_refused(make_server):
    server = make_server(start=False, cluster_of_its_own=True)
    server.cluster.create("smile_empty")
    server.cluster.stop()
    waiting = Server(server.cluster, "smile_empty").start(wait=False)
    try:
        until_ready_is(503, waiting)
        waiting.cluster.start()
        deadline = time.monotonic() + PATIENCE
        while "smile-migrate up" not in waiting.log():
            assert time.monotonic() < deadline and waiting.health("ready") != 200
            time.sleep(0.05)
    finally:
        waiting.process.kill()
        waiting.process.wait()


def test_a_database_that_refuses_us_is_not_waited_for(cluster):
    ends_with(Server(cluster, "smile_nowhere"), "smile_nowhere")


def test_an_unknown_schema_is_refused(cluster):
    cluster.create("smile_empty")
    ends_with(Server(cluster, "smile_empty"), "smile-migrate up")


def test_every_wrong_setting_is_named_at_once(make_server):
    ends_with(make_server(start=False, WORKERS="many", ENVIRONMENT="moon"), "WORKERS", "ENVIRONMENT")


def test_more_workers_than_postgresql_has_connections_for_are_refused(make_server):
    ends_with(make_server(start=False, WORKERS="60"), "max_connections", "WORKERS")


def test_dev_listens_on_loopback_only(make_server):
    ends_with(make_server(start=False, LISTEN="0.0.0.0:18080"), "LISTEN")


def test_a_file_of_keys_that_others_may_read_is_refused(make_server):
    server = make_server(start=False)
    os.chmod(server.settings["KEY_FILE"], 0o444)
    ends_with(server, "KEY_FILE")


def test_production_has_no_sandbox_routes(make_server):
    server = make_server(ENVIRONMENT="production", PASSWORD_COST=5, MAIL_COMMAND="true")
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    connection.request("GET", "/v1/sandbox/outbox")
    assert connection.getresponse().status == 404
