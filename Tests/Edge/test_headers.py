"""Headers that every answer carries, and what the server refuses before it looks at a route."""
import json
import time

import pytest

import walk
from client import Client, parse_raw, send_raw
from contract import contract

OK = "GET /health/live HTTP/1.1\r\nHost: localhost\r\n"
REFUSED = {
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two hosts": (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    "bare garbage": (b"hello\r\n\r\n", 400),
    "an old protocol": (b"GET / HTTP/0.9\r\n\r\n", 505),
    "both framings": (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
                      b"0\r\n\r\n", 400),
    "a signed length": (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: +3\r\n\r\nabc", 400),
    "a space before the colon": (b"GET / HTTP/1.1\r\nHost: localhost\r\nX : y\r\n\r\n", 400),
    "a very long target": (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
    "too many header bytes": (OK.encode() + b"X-Padding: " + b"a" * 100_000 + b"\r\n\r\n", 431),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_refused_request_is_answered_like_any_other(what, server):
    data, status = REFUSED[what]
    answer = parse_raw(send_raw(server, data))
    assert answer.status == status
    contract().check_every(answer)
    contract().check_problem(answer)


def test_a_refused_request_is_in_the_access_log(server):
    """With what was wrong with its framing, and nothing of what it said."""
    for what, (data, status) in REFUSED.items():
        request_id = parse_raw(send_raw(server, data)).headers["X-Request-Id"]
        deadline = time.monotonic() + 10
        while request_id not in server.log() and time.monotonic() < deadline:
            time.sleep(0.05)   # the access log is written in batches
        entry = json.loads(next(line for line in server.log().splitlines() if request_id in line))
        assert entry["status"] == status and entry["cause"].startswith("framing: "), what
        assert entry.keys() == {"at", "request_id", "status", "us", "db_us", "round_trips", "cause"}


def test_a_host_that_is_not_ours_gets_421(make_server):
    server = make_server(ALLOWED_HOSTS="api.smile.test")
    for host, status in (("api.smile.test", 200), ("API.smile.test:443", 200), ("evil.example", 421)):
        request = f"GET /health/live HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        answer = parse_raw(send_raw(server, request.encode()))
        assert answer.status == status, host
        contract().check_every(answer)


@pytest.mark.parametrize("operation", contract().operations, ids=lambda o: o.id)
def test_each_route_carries_the_headers(operation, api):
    """The client's check does the work; here every route is walked, open or not."""
    answer = api.request(operation.method, walk.target(operation, "nonsense=1"), **walk.options(operation))
    assert answer.status in (400, 401), answer
    assert "Content-Language" in answer.headers


def test_a_request_id_is_taken_over_only_if_it_is_a_uuid(api):
    given = "019a3b2c-5e8f-7c3d-9a1b-2c3d4e5f6a7b"
    assert api.get("/health/live", headers={"X-Request-Id": given}).headers["X-Request-Id"] == given
    assert api.get("/health/live", headers={"X-Request-Id": "42'; --"}).headers["X-Request-Id"] != "42'; --"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost", "https://smile.evil.example"])
def test_no_origin_is_reflected(origin, api):
    answer = api.get("/health/live", headers={"Origin": origin})
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("language,expected", [("id", "id"), ("en", "en"), ("en-GB, id;q=0.5", "en"), ("fr", "id"),
                                               (None, "id")])
def test_problems_speak_the_language_asked_for(language, expected, api):
    answer = api.get("/v1/nothing", headers={"Accept-Language": language})
    assert answer.headers["Content-Language"] == expected


@pytest.mark.parametrize("whose", ["member", "officer"])
def test_what_the_client_has_already_is_not_sent_again(whose, server, actors):
    with Client(server, actors.member()["token"]) as client:
        target, purpose = "/v1/members/me", {}
        member = client.get(target).expect(200).json
        if whose == "officer":
            client.token, target = actors.officer("read_members")["token"], f"/v1/members/{member['id']}"
            purpose = {"Access-Purpose": f"member:{member['id']}"}
        tag = client.get(target, headers=purpose).expect(200).headers["ETag"]
        unchanged = client.get(target, headers={"If-None-Match": f'"other", W/{tag}'} | purpose).expect(304)
        assert unchanged.body == b"" and unchanged.headers["ETag"] == tag
        client.get(target, headers={"If-None-Match": '"other"'} | purpose).expect(200)
