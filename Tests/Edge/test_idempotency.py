"""What a key promises while the first request with it is under way, and where none is taken."""
import psycopg
import pytest

from client import Client, new_key

CLAIM = {"type": "jht", "reason": "layoff"}


@pytest.fixture
def member(server, actors):
    with Client(server, actors.member()["token"]) as client:
        yield client


@pytest.fixture
def transaction(cluster, server):
    """A transaction of somebody else's, undone at the end."""
    with psycopg.connect(cluster.url(server.database)) as connection:
        yield connection
        connection.rollback()


def test_a_request_with_the_same_key_under_way_gets_409(member, transaction):
    key, account = new_key(), member.get("/v1/account").json["id"]
    transaction.execute("INSERT INTO smile.idempotency_key (principal, key, fingerprint) "
                        "VALUES (%s, %s, sha256('another'))", [account, key])
    answer = member.post("/v1/claims", CLAIM, key=key).expect(409, "idempotency_in_flight")
    assert int(answer.headers["Retry-After"]) > 0
    transaction.rollback()
    member.post("/v1/claims", CLAIM, key=key).expect(201)


def test_waiting_for_anything_else_is_no_conflict_of_keys(member, transaction):
    transaction.execute("LOCK TABLE smile.claim IN ACCESS EXCLUSIVE MODE")
    member.post("/v1/claims", CLAIM, key=True).expect(503, "busy")
    transaction.rollback()
    member.post("/v1/claims", CLAIM, key=True).expect(201)


@pytest.mark.parametrize("method, target", [("POST", "/v1/sessions"), ("PUT", "/v1/sandbox/clock")])
def test_an_open_change_takes_no_key(method, target, api):
    api.request(method, target, {}, key=True).expect(400, "idempotency_key_refused")


def test_a_secret_answer_takes_no_key(member):
    body = {"grant_id": "01930000-0000-7000-8000-000000000000"}
    member.request("PUT", "/v1/sessions/current/role", body, key=True).expect(400, "idempotency_key_refused")
