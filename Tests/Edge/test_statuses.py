"""Statuses that every operation gives alike, generated from openapi.yaml where it documents them."""
import time
import uuid

import pytest

import walk
from client import Client, new_key
from contract import contract


def documenting(status, only=lambda operation: True):
    return [o for o in contract().operations if str(status) in o.spec["responses"] and only(o)]


def has_body(operation):
    return "requestBody" in operation.spec


def names_something(operation):
    """Whether a placeholder of the path takes any id, so that one that names nothing can be sent."""
    return any(p["in"] == "path" and "enum" not in contract().resolve(p["schema"])
               for p in contract().parameters(operation))


def merged(options, **headers):
    return options | {"headers": options.get("headers", {}) | headers}


@pytest.mark.parametrize("operation", documenting(400), ids=lambda o: o.id)
def test_an_unknown_query_parameter_gets_400(operation, caller_of):
    answer = caller_of(operation).request(operation.method, walk.target(operation, "nonsense=1"),
                                          **walk.options(operation))
    answer.expect(400)
    assert any(error.get("parameter") == "nonsense" for error in answer.json["errors"]), answer


@pytest.mark.parametrize("operation", documenting(404, names_something), ids=lambda o: o.id)
def test_what_is_not_there_gets_404(operation, caller_of):
    # Any day may become a holiday; only what is no day isn't there.
    target = "/v1/holidays/2026-02-30" if operation.id == "putHoliday" else walk.target(operation)
    caller_of(operation).request(operation.method, target, **walk.options(operation)).expect(404)


@pytest.mark.parametrize("operation", documenting(415, has_body), ids=lambda o: o.id)
def test_another_media_type_or_a_coded_body_gets_415(operation, caller_of):
    options = walk.options(operation)
    key = {"key": new_key()} if "key" in options else {}
    caller = caller_of(operation)
    caller.request(operation.method, walk.target(operation), body=b"<a/>",
                   headers={"Content-Type": "application/xml"}, **key).expect(415)
    caller.request(operation.method, walk.target(operation), **merged(options, **{"Content-Encoding": "gzip"})
                   ).expect(415)


@pytest.mark.parametrize("operation", documenting(413, has_body), ids=lambda o: o.id)
def test_a_body_that_is_too_large_gets_413(operation, server, caller_of):
    """Refused by its declared length, before it is sent."""
    media = next(iter(walk.media_types(operation)))
    key = {"Idempotency-Key": new_key()} if "key" in walk.options(operation) else {}
    with Client(server, caller_of(operation).token) as client:
        client.request(operation.method, walk.target(operation), body=iter(()), headers={
            "Content-Type": media, "Content-Length": str(10**12), **key}).expect(413)


@pytest.mark.parametrize("operation", documenting(428), ids=lambda o: o.id)
def test_a_change_names_what_it_is_based_on(operation, contract):
    """The contract lets If-Match be absent only so that the answer can be 428."""
    names = {parameter["name"] for parameter in contract.parameters(operation)}
    assert "If-Match" in names and "412" in operation.spec["responses"]


@pytest.fixture(scope="module")
def crippled(make_server):
    """A server whose database goes away after it was ready."""
    server = make_server(cluster_of_its_own=True)
    server.cluster.stop()
    deadline = time.monotonic() + 10
    while server.health("ready") == 200 and time.monotonic() < deadline:
        time.sleep(0.05)
    return server


@pytest.mark.parametrize("operation", documenting(503), ids=lambda o: o.id)
def test_without_a_database_every_operation_says_503_and_when_to_come_back(operation, crippled, caller_of):
    with Client(crippled, caller_of(operation).token) as client:
        answer = client.request(operation.method, walk.target(operation), **walk.options(operation))
    answer.expect(503)
    assert int(answer.headers["Retry-After"]) > 0


def test_without_a_database_the_process_is_alive_but_not_ready(crippled):
    assert crippled.health("live") == 200
    assert crippled.health("ready") == 503


@pytest.fixture(scope="module")
def limited(make_server):
    """A server that takes this test for its proxy: so an address can be invented and its bucket emptied."""
    return make_server(PROXIES="127.0.0.1,192.0.2.1", RATE_LIMITS="on")


@pytest.mark.parametrize("operation", documenting(429, lambda o: not o.access), ids=lambda o: o.id)
def test_who_asks_too_often_gets_429_and_when_to_come_back(operation, limited, request):
    """An address of its own for each operation; 20 or 60 a minute, so the 61st is refused at the latest."""
    number = contract().operations.index(operation)
    with Client(limited) as client:
        for _ in range(200):
            answer = client.request(operation.method, walk.target(operation), **merged(
                walk.options(operation), **{"X-Forwarded-For": f"203.0.113.{number}"}))
            if answer.status == 429:
                break
    answer.expect(429)
    assert int(answer.headers["Retry-After"]) > 0


@pytest.fixture(scope="module")
def hurried(limited, actors_on):
    """hurried(operation): somebody who may call it and has used up what goes in a minute: 300 requests of a person,
    3,000 of a machine. The first is let through unseen, and what has come back meanwhile is used up too."""
    actors = actors_on(limited)
    made = {"member": actors.member(), "employer": actors.employer(), "officer": actors.officer("all"),
            "client": actors.payroll(), "bank": actors.bank()}
    clients = {kind: Client(limited, actor["token"]) for kind, actor in made.items()}

    def caller(operation):
        client = clients[walk.kind_of_caller(operation)]
        for _ in range(4_000):
            if client.get(f"/v1/jobs/{uuid.uuid4()}").status == 429:
                return client
        raise AssertionError("nobody is limited here")
    return caller


@pytest.mark.parametrize("operation", documenting(429, lambda o: o.access), ids=lambda o: o.id)
def test_whose_minute_is_used_up_gets_429_from_every_operation(operation, hurried):
    """Whatever else may be wrong with the request."""
    client = hurried(operation)
    answers = (client.request(operation.method, walk.target(operation), **walk.options(operation)) for _ in range(50))
    answer = next(answer for answer in answers if answer.status == 429)
    assert answer.expect(429, "rate_limited").headers["RateLimit"].split(";")[1] == "r=0"
    assert int(answer.headers["Retry-After"]) > 0


def test_every_operation_has_a_limit_and_says_so():
    """The server counts whatever is asked of it; no operation is left out."""
    assert [o.id for o in contract().operations if "429" not in o.spec["responses"]] == []


def test_a_token_does_not_widen_the_limit_of_log_ins(limited, actors_on):
    token = actors_on(limited).officer()["token"]
    with Client(limited, token) as client:
        client.get("/v1/account").expect(200)   # the limiter knows now whose it is
        statuses = {client.post("/v1/sessions", {}, headers={"X-Forwarded-For": "198.51.100.7"}).status
                    for _ in range(40)}
    assert statuses == {400, 429}


def test_a_proxy_is_not_limited_by_its_own_address(limited):
    with Client(limited) as client:
        for _ in range(100):
            client.get("/health/live", headers={"X-Forwarded-For": "192.0.2.1"}).expect(200)
