"""What a request costs the database, counted on the wire and in PostgreSQL's own books: one round trip with its token
check, and no write for a read."""
import pytest

from client import Client
from wire import Wire

READS = 40


@pytest.fixture(scope="module")
def wire(cluster):
    made = Wire(cluster.home)
    yield made
    made.close()


@pytest.fixture(scope="module")
def own(make_server, wire):
    """A server that reaches its database through the wire; its jobs process doesn't."""
    server = make_server(start=False)
    server.settings["DATABASE_URL"] = server.settings["DATABASE_URL"].replace(server.cluster.home, wire.host)
    return server.start()


@pytest.fixture(scope="module")
def tokens(own, actors_on):
    actors = actors_on(own)
    return {"member": actors.member()["token"], "employer": actors.employer()["token"],
            "officer": actors.officer("all")["token"], "client": actors.payroll()["token"]}


READING = [("member", "/v1/members/me"), ("member", "/v1/members/me/balances"), ("employer", "/v1/clients"),
           ("officer", "/v1/employer_registrations"), ("client", "/v1/employers"), (None, "/v1/parameters")]


def read(own, token, target):
    with Client(own, token) as api:
        for _ in range(READS):
            api.get(target).expect(200)


@pytest.mark.parametrize("kind,target", READING)
def test_the_token_check_adds_no_round_trip(kind, target, own, tokens, wire):
    """With a token as without: one Sync a request, and no statement besides who the caller is and what is read."""
    token = tokens.get(kind)
    # Until the caller is known to the limits of each worker, and each connection has prepared what it is asked.
    for _ in range(20):
        wire.forget()
        read(own, token, target)
        if wire.sent["P"] == 0 and wire.sent["B"] == 2 * READS:
            break
    assert wire.sent["S"] == READS, f"{wire.sent} {wire.statements}"
    assert wire.sent["Q"] == wire.sent["P"] == 0, wire.sent
    assert wire.sent["B"] == 2 * READS == sum(wire.statements.values()), wire.statements
    assert wire.statements["web.authenticate" if token else "web.open"] == READS, wire.statements


def next_transaction(own):
    """The first transaction id that nobody has: every write, and every row lock, takes one."""
    with own.cluster.connect(own.database) as connection:
        return connection.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint").fetchone()[0]


@pytest.mark.parametrize("kind,target", READING)
def test_the_token_check_writes_nothing(kind, target, own, tokens):
    """The jobs process and other databases of the cluster write now and then; of several windows one is quiet. If a
    read wrote, none would be."""
    taken = []
    for _ in range(10):
        before = next_transaction(own)
        read(own, tokens.get(kind), target)
        taken.append(next_transaction(own) - before)
        if taken[-1] == 0:
            return
    raise AssertionError(f"{READS} reads took so many transaction ids: {taken}")


def test_a_write_does_take_a_transaction_id(own, tokens):
    """Else the test above would prove nothing."""
    before = next_transaction(own)
    with Client(own, tokens["employer"]) as api:
        api.post("/v1/clients", {"name": "Gaji", "scopes": ["returns:read"]}).expect(201)
    assert next_transaction(own) > before
