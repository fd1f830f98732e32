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
        # RFC 6750 section 3.1: no error is named to whoever showed nothing.
        error = ', error="invalid_token"' if headers else ""
        assert answer.headers["WWW-Authenticate"] == f'Bearer realm="smile"{error}', what


def test_a_401_or_403_names_what_is_wrong_with_the_token_and_nothing_else(api, actors, callers):
    """RFC 6750 section 3.1; for a step-up RFC 9470 section 3."""
    member, realm = actors.member(), 'Bearer realm="smile"'
    refused = api.post("/v1/sessions", {"identifier": member["email"], "password": "salah"}).expect(401)
    assert refused.headers["WWW-Authenticate"] == realm
    refused = api.post("/v1/sessions/refresh", {"refresh_token": "srt_" + "A" * 43}).expect(401)
    assert refused.headers["WWW-Authenticate"] == realm
    refused = callers["officer"].get("/v1/claim_queue").expect(403, "insufficient_scope")
    assert refused.headers["WWW-Authenticate"] == f'{realm}, error="insufficient_scope"'
    refused = api.get("/v1/claim_queue", token=member["token"]).expect(403, "wrong_role")
    assert "WWW-Authenticate" not in refused.headers
    with actors.server.cluster.connect(actors.server.database) as connection:
        connection.execute("UPDATE smile.access_token SET stepped_up_at = stepped_up_at - interval '5 minutes' "
                           "WHERE digest = sha256(%s)", [member["token"].encode()])
    refused = api.post("/v1/account/totp", token=member["token"]).expect(401, "step_up_required")
    assert refused.headers["WWW-Authenticate"] == (
        f'{realm}, error="insufficient_user_authentication", max_age="300"')


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
