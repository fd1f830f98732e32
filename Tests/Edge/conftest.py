import contextlib
import datetime
import itertools
import pathlib
import signal

import psycopg
import pytest

from actors import Actors
from books import judge_books
from client import Client
from cluster import Cluster
from contract import contract as the_contract
from server import Server
from walk import kind_of_caller

# The business clock of the walkthrough: a Thursday, before the due date of the wage month 2026-10.
BUSINESS_NOW = datetime.datetime.fromisoformat("2026-11-05T09:00:00+07:00")


def pytest_configure():
    """SIGTERM ends a run as Ctrl-C does, so that no server and no cluster outlives it."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_collection_modifyitems(config, items):
    """What judges the whole run comes last; where tests were chosen, it is deselected, and pytest says so."""
    judges = [item for item in items if item.get_closest_marker("last")]
    items[:] = [item for item in items if item not in judges]
    if config.option.keyword or any("::" in name or name.endswith(".py") for name in config.args):
        config.hook.pytest_deselected(items=judges)
    else:
        items.extend(judges)


@pytest.fixture(scope="session")
def cluster():
    made = Cluster()
    yield made
    made.destroy()


@pytest.fixture(scope="session")
def migrated(cluster):
    """The name of a migrated, otherwise empty database: the template of every other one."""
    cluster.create("smile_template")
    Server(cluster, "smile_template").run("smile-migrate", "up")
    prepare(cluster, "smile_template")
    return "smile_template"


def prepare(cluster, database):
    """A development installation at the business clock of the walkthrough."""
    with cluster.connect(database) as connection:
        connection.execute("UPDATE smile.clock SET business_at = %s", [BUSINESS_NOW])
        connection.execute("UPDATE smile.deployment SET environment = 'dev'")


databases = itertools.count()
shared = []


@pytest.fixture(scope="module", autouse=True)
def books_of_a_module():
    """The shared server's books, after each module; those of the others are judged when they stop."""
    yield
    for server in shared:
        with server.cluster.connect(server.database) as connection:
            judge_books(connection)


@contextlib.contextmanager
def servers(cluster, template):
    """A function that starts servers, each on a copy of the migrated database; all are stopped at the end, and their
    books judged."""
    made, clusters = [], []

    def make(start=True, cluster_of_its_own=False, **settings):
        if cluster_of_its_own:
            where, database = Cluster(durable=True), "smile"
            clusters.append(where)
            where.create(database)
            Server(where, database).run("smile-migrate", "up")
            prepare(where, database)
        else:
            where, database = cluster, f"smile_{next(databases)}"
            where.create(database, template=template)
        server = Server(where, database, **settings)
        made.append(server)
        return server.start() if start else server

    yield make
    ran = [server for server in made if server.process]
    codes = [server.stop() for server in made]
    try:
        for server in ran:
            server.cluster.start()   # a test may have left it stopped
            with server.cluster.connect(server.database) as connection:
                judge_books(connection)
    finally:
        for each in clusters:
            each.destroy()
    assert not any(codes), f"a server ended with {codes}"


@pytest.fixture(scope="module")
def make_server(cluster, migrated):
    """make_server(**settings) starts a server of this module's own."""
    with servers(cluster, migrated) as make:
        yield make


@pytest.fixture(scope="module")
def own(make_server):
    """A server of this module whose clock its tests may move and whose peers they may invent."""
    return make_server(PROXIES="127.0.0.1")


@pytest.fixture(scope="module")
def own_actors(own, actors_on):
    return actors_on(own)


@pytest.fixture
def own_api(own):
    with Client(own) as client:
        yield client


@pytest.fixture(scope="module")
def own_db(own):
    """Its database, as superuser."""
    with own.cluster.connect(own.database) as connection:
        yield connection


@pytest.fixture
def later(own, own_actors):
    """later(seconds) moves the security clock to so long after the test's start."""
    with own.cluster.connect(own.database) as connection:
        start = connection.execute("SELECT security_offset FROM smile.clock").fetchone()[0]
        yield lambda seconds: connection.execute(
            "UPDATE smile.clock SET security_offset = %s + make_interval(secs => %s)", [start, seconds])
        connection.execute("UPDATE smile.clock SET security_offset = %s", [start])
    own_actors.known.clear()   # their sessions may have met their end, and the jobs process have deleted them


@pytest.fixture(scope="session")
def server(cluster, migrated):
    """The server that most tests share. None of its processes may die on the way."""
    with servers(cluster, migrated) as make:
        made = make()
        before = made.children()
        shared.append(made)
        yield made
        shared.clear()
        assert made.children() == before, f"a process of the shared server died:\n{made.complaints()}"


@pytest.fixture
def api(server):
    with Client(server) as client:
        yield client


@pytest.fixture(scope="session")
def db(cluster, server):
    """The shared server's database, as superuser."""
    with psycopg.connect(cluster.url(server.database), autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def actors_on():
    """actors_on(server) makes officers, employers, members and clients there, through the API and smile-admin."""
    return lambda server: Actors(Client(server))


@pytest.fixture(scope="session")
def actors(server, actors_on):
    return actors_on(server)


@pytest.fixture(scope="session")
def callers(server, actors):
    """One caller of each kind; the officer has no permission, the payroll client one scope."""
    tokens = {"member": actors.member(), "employer": actors.employer(), "officer": actors.officer(),
              "client": actors.payroll("billings:read"), "bank": actors.bank()}
    return {kind: Client(server, actor["token"]) for kind, actor in tokens.items()}


@pytest.fixture(scope="session")
def caller_of(server, actors):
    """caller_of(operation): somebody who may call it."""
    persons = {"member": actors.member, "employer": actors.employer, "officer": lambda: actors.officer("all")}
    machines = {"client": actors.payroll, "bank": actors.bank}
    known = {"nobody": Client(server)}

    def caller(operation):
        kind = kind_of_caller(operation)
        if kind in persons:
            return Client(server, actors.once(f"caller {kind}", persons[kind])["token"])
        if kind not in known:
            known[kind] = Client(server, machines[kind]()["token"])
        return known[kind]

    return caller


@pytest.fixture(scope="session")
def contract():
    return the_contract()


@pytest.fixture(scope="session")
def examples():
    """The folder of the payroll month and the other sample files."""
    return pathlib.Path(__file__).resolve().parents[2] / "Examples"
