"""What a stranger learns of the API: nothing. Who may do what to whose is test_matrix.py's."""
import pytest

import walk
from client import Client
from contract import METHODS, contract

STRANGERS = {
    "no token": {},
    "another scheme": {"Authorization": "Basic c21pbGU6c21pbGU="},
    "a malformed token": {"Authorization": "Bearer sat_short"},
    "a token that is too long": {"Authorization": "Bearer sat_" + "A" * 44},
    "another alphabet": {"Authorization": "Bearer sat_" + "A" * 42 + "+"},
    "an unknown token": {"Authorization": "Bearer sat_" + "A" * 43},
    "a refresh token": {"Authorization": "Bearer srt_" + "A" * 43},
    "two tokens": {"Authorization": "Bearer sat_" + "A" * 43 + ", Bearer sat_" + "B" * 43},
}


@pytest.mark.parametrize("operation", walk.guarded(), ids=lambda o: o.id)
def test_a_stranger_gets_401_whatever_else_is_wrong(operation, api):
    for what, headers in STRANGERS.items():
        answer = api.request(operation.method, walk.target(operation, "nonsense=1"), headers=headers)
        assert answer.status == 401, f"{what}: {answer}"
        assert answer.headers["WWW-Authenticate"].startswith("Bearer"), what


@pytest.mark.parametrize("operation", walk.guarded(), ids=lambda o: o.id)
def test_a_token_in_the_query_is_no_token(operation, api, callers):
    token = callers["member"].token
    assert api.request(operation.method, walk.target(operation, f"access_token={token}")).status == 401


@pytest.mark.parametrize("path", sorted(contract().spec["paths"]))
def test_a_method_that_a_path_lacks_gets_405_and_allow(path, api):
    operations = [o for o in contract().operations if o.path == path]
    methods = {o.method for o in operations}
    for method in {m.upper() for m in METHODS} - methods - {"HEAD", "OPTIONS"} | {"TRACE", "PROPFIND"}:
        answer = api.request(method, walk.target(operations[0]).split("?")[0])
        assert answer.status in ((405,) if method in map(str.upper, METHODS) else (405, 501)), f"{method}: {answer}"
        if answer.status == 405:
            assert methods <= {m.strip() for m in answer.headers["Allow"].split(",")}


@pytest.mark.parametrize("target", ["/", "/v1", "/v1/", "/v1/nothing", "/v2/members/me", "/v1/members/me/",
                                    "/v1//members", "/health", "/metrics", "/problems/"])
def test_what_does_not_exist_gets_404(target, api):
    assert api.get(target).status == (400 if "//" in target else 404)
