"""Machine clients and front ends where a conversation isn't enough: change-over, networks, clocks, races, quotas."""
import base64
import concurrent.futures
import time
import urllib.parse
import uuid

import psycopg
import pytest

from client import Client

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
INSIDE, OUTSIDE = {"X-Forwarded-For": "203.0.113.7"}, {"X-Forwarded-For": "198.51.100.7"}
ORIGIN = "https://jaminan.example"


@pytest.fixture(scope="module")
def own(make_server):
    """A server whose clock these tests may move and whose peers they may invent."""
    return make_server(PROXIES="127.0.0.1")


@pytest.fixture(scope="module")
def own_actors(own, actors_on):
    return actors_on(own)


@pytest.fixture
def own_api(own):
    with Client(own) as client:
        yield client


@pytest.fixture
def firm(own_actors):
    """An employer whose administrator has just logged in."""
    return own_actors.employer()


@pytest.fixture
def officer(own_actors):
    return own_actors.officer("manage_clients")


@pytest.fixture
def later(own, own_actors):
    """later(seconds) moves the security clock to so long after the test's start."""
    with own.cluster.connect(own.database) as connection:
        yield lambda seconds: connection.execute(
            "UPDATE smile.clock SET security_offset = make_interval(secs => %s)", [seconds])
        connection.execute("UPDATE smile.clock SET security_offset = '0'")
    own_actors.known.clear()


def post_form(api, path, headers=None, **fields):
    body = urllib.parse.urlencode({name: value for name, value in fields.items() if value is not None}).encode()
    return api.post(path, body=body, headers=FORM | (headers or {}))


def get_token(api, client_id, secret, headers=None, scope=None):
    return post_form(api, "/v1/oauth/token", headers, grant_type="client_credentials", client_id=client_id,
                     client_secret=secret, scope=scope)


def introspect(api, client, token):
    return post_form(api, "/v1/oauth/introspect", token=token, client_id=client["id"], client_secret=client["secret"])


def make(api, token, **settings):
    settings = {"name": "Payroll", "scopes": ["billings:read", "returns:read"]} | settings
    settings = {name: value for name, value in settings.items() if value is not None}
    return api.post("/v1/clients", settings, token=token).expect(201).json


def approve(api, client, officer, etag="*"):
    """Another officer's approval of the client's first secret."""
    return api.post(f"/v1/clients/{client['id']}/secrets/{client['secrets'][0]['id']}/approval", token=officer["token"],
                    key=True, headers={"If-Match": etag})


def works(api, token):
    return api.get("/v1/employers", token=token).status


# MARK: secrets

def test_two_secrets_are_alive_for_changing_over_and_no_third(own_api, firm):
    client = make(own_api, firm["token"])
    secrets = f"/v1/clients/{client['id']}/secrets"
    second = own_api.post(secrets, {}, token=firm["token"]).expect(201).json
    own_api.post(secrets, {}, token=firm["token"]).expect(409, "too_many_secrets")
    first_token = get_token(own_api, client["id"], client["secret"]).expect(200).json["access_token"]
    second_token = get_token(own_api, client["id"], second["secret"]).expect(200).json["access_token"]
    assert works(own_api, first_token) == works(own_api, second_token) == 200

    first_id = client["secrets"][0]["id"]
    own_api.delete(f"{secrets}/{first_id}", token=firm["token"]).expect(204)
    get_token(own_api, client["id"], client["secret"]).expect(401)
    assert works(own_api, first_token) == 401, "the token that was got with it is dead at once"
    assert works(own_api, second_token) == 200
    own_api.delete(f"{secrets}/{first_id}", token=firm["token"]).expect(404)
    seen = own_api.get(f"/v1/clients/{client['id']}", token=firm["token"]).expect(200).json["secrets"]
    assert [secret["id"] for secret in seen] == [second["id"]] and "last_used_at" in seen[0]
    own_api.post(secrets, {}, token=firm["token"]).expect(201)


def test_secrets_added_at_once_cannot_pass_two(own, own_api, firm):
    client = make(own_api, firm["token"])

    def add(_):
        with Client(own, firm["token"]) as api:
            return api.post(f"/v1/clients/{client['id']}/secrets", {}).status
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        statuses = sorted(pool.map(add, range(12)))
    assert statuses == [201] + [409] * 11
    seen = own_api.get(f"/v1/clients/{client['id']}", token=firm["token"]).expect(200).json["secrets"]
    assert len(seen) == 2


def test_a_secret_is_taken_from_its_own_client_alone(own_api, firm, own_actors):
    """Neither another client's secret nor another employer's client."""
    mine, other = make(own_api, firm["token"]), make(own_api, firm["token"])
    get_token(own_api, mine["id"], other["secret"]).expect(401)
    rival = own_actors.employer()
    path = f"/v1/clients/{mine['id']}/secrets"
    own_api.post(path, {}, token=rival["token"]).expect(404)
    own_api.delete(f"{path}/{mine['secrets'][0]['id']}", token=rival["token"]).expect(404)
    own_api.delete(f"{path}/{other['secrets'][0]['id']}", token=firm["token"]).expect(404)
    get_token(own_api, mine["id"], mine["secret"]).expect(200)


def test_a_token_that_is_got_while_its_secret_is_revoked_dies_too(own, firm, own_api):
    """Whoever revokes waits for the token that came first, and then sees it."""
    client = make(own_api, firm["token"])
    with own.cluster.connect(own.database) as getting, own.cluster.connect(own.database) as revoking:
        with getting.transaction():
            refusal, = getting.execute(
                "SELECT refusal FROM smile.issue_client_token(%s, sha256(%s), NULL, sha256('spät'))",
                [client["id"], client["secret"].encode()]).fetchone()
            assert refusal is None
            revoking.execute("SET lock_timeout = '100ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                revoking.execute("SELECT version FROM smile.client WHERE id = %s FOR UPDATE", [client["id"]])
        own_api.delete(f"/v1/clients/{client['id']}/secrets/{client['secrets'][0]['id']}",
                       token=firm["token"]).expect(204)
        assert revoking.execute("SELECT count(*) FROM smile.access_token WHERE client_id = %s",
                                [client["id"]]).fetchone() == (0,)


# MARK: time

def test_a_secret_and_its_tokens_end_when_they_were_said_to(own, own_api, firm, later):
    """On the security clock, which the business clock of a sandbox doesn't move."""
    with own.cluster.connect(own.database) as connection:
        soon, = connection.execute("SELECT to_json(clock_timestamp() + interval '100 s')").fetchone()
    client = make(own_api, firm["token"])
    path = f"/v1/clients/{client['id']}/secrets"
    short = own_api.post(path, {"expires_at": soon}, token=firm["token"]).expect(201).json
    got = get_token(own_api, client["id"], short["secret"]).expect(200).json
    assert got["expires_in"] <= 100, "a token doesn't outlive its secret"
    later(98)
    assert works(own_api, got["access_token"]) == 200
    later(101)
    assert works(own_api, got["access_token"]) == 401
    get_token(own_api, client["id"], short["secret"]).expect(401)
    get_token(own_api, client["id"], client["secret"]).expect(200)
    later(365 * 86_400 + 1)
    get_token(own_api, client["id"], client["secret"]).expect(401)


def test_a_client_ends_when_it_was_said_to(own, own_api, firm, later):
    with own.cluster.connect(own.database) as connection:
        soon, = connection.execute("SELECT to_json(clock_timestamp() + interval '100 s')").fetchone()
    client = make(own_api, firm["token"], expires_at=soon)
    token = get_token(own_api, client["id"], client["secret"]).expect(200).json["access_token"]
    later(101)
    assert works(own_api, token) == 401
    get_token(own_api, client["id"], client["secret"]).expect(401)


@pytest.mark.parametrize("expiry", ["2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z"])
def test_a_secret_lives_a_year_at_the_most(expiry, own_api, firm):
    client = make(own_api, firm["token"])
    own_api.post(f"/v1/clients/{client['id']}/secrets", {"expires_at": expiry}, token=firm["token"]).expect(
        422, "expiry_out_of_range")


# MARK: networks

def test_a_client_is_taken_from_its_networks_alone(own, own_api, firm):
    """At the token endpoint and at every request; a stolen secret looks wrong from elsewhere, and the try is kept."""
    client = make(own_api, firm["token"], allowed_networks=["203.0.113.0/24", "2001:db8::/32"])
    assert client["allowed_networks"] == ["203.0.113.0/24", "2001:db8::/32"]
    refused = get_token(own_api, client["id"], client["secret"], OUTSIDE).expect(401)
    wrong = get_token(own_api, client["id"], "sck_" + "A" * 43, OUTSIDE).expect(401)
    assert refused.json == wrong.json == {"error": "invalid_client"}
    with own.cluster.connect(own.database) as connection:
        assert connection.execute(
            "SELECT address FROM smile.audit_log WHERE action = 'client.refused' AND subject_id = %s",
            [client["id"]]).fetchall() == [("198.51.100.7",)]
    token = get_token(own_api, client["id"], client["secret"], INSIDE).expect(200).json["access_token"]
    get_token(own_api, client["id"], client["secret"], {"X-Forwarded-For": "2001:db8::5"}).expect(200)
    own_api.get("/v1/employers", token=token, headers=INSIDE).expect(200)
    own_api.get("/v1/employers", token=token, headers=OUTSIDE).expect(403, "address_not_allowed")


def test_nobody_gets_into_a_network_by_saying_so(own_api, api, actors, firm):
    """What stands left of the proxy's own word is the client's invention; without a proxy all of it is."""
    client = make(own_api, firm["token"], allowed_networks=["203.0.113.0/24"])
    forged = [{"X-Forwarded-For": text} for text in (
        "203.0.113.7, 198.51.100.7", "203.0.113.7,198.51.100.7,127.0.0.1", "198.51.100.7, 203.0.113.7x",
        "203.0.113.7, unknown")] + [{"Forwarded": "for=203.0.113.7"}, {"X-Real-IP": "203.0.113.7"}]
    token = get_token(own_api, client["id"], client["secret"], INSIDE).expect(200).json["access_token"]
    for headers in forged:
        get_token(own_api, client["id"], client["secret"], headers).expect(401)
        own_api.get("/v1/employers", token=token, headers=headers).expect(403, "address_not_allowed")
    employer = actors.employer()
    unproxied = make(api, employer["token"], allowed_networks=["203.0.113.0/24"])
    get_token(api, unproxied["id"], unproxied["secret"], INSIDE).expect(401)


def test_new_networks_hold_from_the_next_request_on(own_api, firm):
    client = make(own_api, firm["token"])
    token = get_token(own_api, client["id"], client["secret"], OUTSIDE).expect(200).json["access_token"]
    changed = own_api.patch(f"/v1/clients/{client['id']}", {"allowed_networks": ["203.0.113.0/24"]},
                            token=firm["token"], headers={"If-Match": "*"}).expect(200).json
    assert changed["allowed_networks"] == ["203.0.113.0/24"]
    assert own_api.get("/v1/employers", token=token, headers=OUTSIDE).status == 401
    own_api.patch(f"/v1/clients/{client['id']}", {"allowed_networks": None}, token=firm["token"],
                  headers={"If-Match": "*"}).expect(200)
    get_token(own_api, client["id"], client["secret"], OUTSIDE).expect(200)


# MARK: changes

def test_fewer_scopes_kill_the_tokens_that_had_more_and_a_new_name_kills_none(own_api, firm):
    client = make(own_api, firm["token"])
    path, match = f"/v1/clients/{client['id']}", {"If-Match": "*"}
    token = get_token(own_api, client["id"], client["secret"]).expect(200).json["access_token"]
    own_api.patch(path, {"name": "Penggajian"}, token=firm["token"], headers=match).expect(200)
    assert works(own_api, token) == 200
    own_api.patch(path, {"scopes": ["returns:read"]}, token=firm["token"], headers=match).expect(200)
    assert works(own_api, token) == 401
    assert get_token(own_api, client["id"], client["secret"]).expect(200).json["scope"] == "returns:read"


def test_a_patch_that_changes_nothing_leaves_the_tag(own_api, firm):
    client = make(own_api, firm["token"])
    path = f"/v1/clients/{client['id']}"
    tag = own_api.get(path, token=firm["token"]).expect(200).headers["ETag"]
    for change in ({}, {"name": "Payroll"}):
        same = own_api.patch(path, change, token=firm["token"], headers={"If-Match": tag}).expect(200)
        assert same.headers["ETag"] == tag
    other = own_api.patch(path, {"name": "Lain"}, token=firm["token"], headers={"If-Match": tag}).expect(200)
    assert other.headers["ETag"] != tag


@pytest.mark.parametrize("field,value", [
    ("kind", "bank"), ("employer_id", str(uuid.uuid4())), ("requests_per_minute", 100_000),
    ("allowed_origins", [ORIGIN])])
def test_what_officers_give_an_employer_cannot_take(field, value, own_api, firm):
    settings = {"name": "Payroll", "scopes": ["returns:read"]}
    refused = own_api.post("/v1/clients", settings | {field: value}, token=firm["token"]).expect(403, "field_not_yours")
    assert refused.json["errors"][0]["pointer"] == f"/{field}"
    if field in ("requests_per_minute", "allowed_origins"):
        client = make(own_api, firm["token"])
        own_api.patch(f"/v1/clients/{client['id']}", {field: value}, token=firm["token"],
                      headers={"If-Match": "*"}).expect(403, "field_not_yours")


@pytest.mark.parametrize("settings,pointer", [
    ({"kind": "bank", "scopes": ["returns:read"]}, "/scopes"),
    ({"kind": "employer", "scopes": ["payments:notify"], "employer_id": "firm"}, "/scopes"),
    ({"kind": "application", "scopes": ["returns:read"]}, "/scopes"),
    ({"kind": "employer", "scopes": ["returns:read"]}, "/employer_id"),
    ({"kind": "bank", "scopes": ["payments:notify"], "employer_id": "firm"}, "/employer_id"),
    ({"kind": "employer", "scopes": ["returns:read"], "employer_id": str(uuid.uuid4())}, "/employer_id"),
    ({"kind": "bank", "scopes": ["payments:notify"], "allowed_origins": [ORIGIN]}, "/allowed_origins"),
    ({"kind": "application", "allowed_networks": ["10.0.0.0/8"]}, "/allowed_networks"),
    ({"kind": "application", "expires_at": "2099-01-01T00:00:00Z"}, "/expires_at"),
    ({"kind": "bank", "scopes": ["payments:notify"], "expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
])
def test_each_kind_has_its_own_settings(settings, pointer, own_api, officer, firm):
    settings = {"name": "Klien"} | settings
    if settings.get("employer_id") == "firm":
        settings["employer_id"] = firm["id"]
    refused = own_api.post("/v1/clients", settings, token=officer["token"]).expect(422)
    assert refused.json["errors"][0]["pointer"] == pointer


def test_an_officer_manages_the_clients_of_all(own_api, own_actors, officer, firm):
    """And an officer without the permission none."""
    bank = make(own_api, officer["token"], kind="bank", scopes=["payments:notify"], allowed_networks=["203.0.113.0/24"])
    approve(own_api, bank, own_actors.officer("manage_clients")).expect(200)
    assert get_token(own_api, bank["id"], bank["secret"], INSIDE).expect(200).json["scope"] == "payments:notify"
    theirs = make(own_api, officer["token"], kind="employer", employer_id=firm["id"])
    own_api.get(f"/v1/clients/{theirs['id']}", token=firm["token"]).expect(200)
    own_api.get(f"/v1/clients/{bank['id']}", token=firm["token"]).expect(404)
    mine = make(own_api, firm["token"])
    own_api.get(f"/v1/clients/{mine['id']}", token=officer["token"]).expect(200)
    listed = own_api.get("/v1/clients?limit=200", token=officer["token"]).expect(200).json["items"]
    assert {bank["id"], theirs["id"], mine["id"]} <= {client["id"] for client in listed}
    listed = own_api.get("/v1/clients", token=firm["token"]).expect(200).json["items"]
    assert {client["id"] for client in listed} == {theirs["id"], mine["id"]}
    own_api.delete(f"/v1/clients/{mine['id']}", token=officer["token"], headers={"If-Match": "*"}).expect(204)
    get_token(own_api, mine["id"], mine["secret"]).expect(401)


def test_an_officer_alone_makes_no_credential_that_opens(own_api, own_actors, officer, firm):
    """Neither an employer's nor a bank's, nor by a second secret of a client that is in use, nor by widening one that
    was approved for less."""
    second = own_actors.officer("manage_clients")
    theirs = make(own_api, officer["token"], kind="employer", employer_id=firm["id"], scopes=["billings:read"])
    get_token(own_api, theirs["id"], theirs["secret"]).expect(401)
    approve(own_api, theirs, officer).expect(403, "own_request")
    approve(own_api, theirs, firm).expect(403)
    approve(own_api, theirs, second).expect(200)
    get_token(own_api, theirs["id"], theirs["secret"]).expect(200)

    path, match = f"/v1/clients/{theirs['id']}", {"If-Match": "*"}
    widened = own_api.patch(path, {"scopes": ["billings:read", "returns:write"]}, token=officer["token"],
                            headers=match).expect(200)
    get_token(own_api, theirs["id"], theirs["secret"]).expect(401)
    approve(own_api, theirs, officer).expect(403, "own_request")
    own_api.patch(path, {"allowed_networks": ["198.51.100.0/24"]}, token=officer["token"], headers=match).expect(200)
    approve(own_api, theirs, second, widened.headers["ETag"]).expect(412, "etag_mismatch")
    approve(own_api, theirs, second).expect(200)
    own_api.patch(path, {"scopes": ["billings:read"]}, token=officer["token"], headers=match).expect(200)
    approve(own_api, theirs, second).expect(409, "nothing_requested")   # fewer scopes want no approval

    bank = own_actors.bank()
    get_token(own_api, bank["id"], bank["secret"]).expect(200)
    added = own_api.post(f"/v1/clients/{bank['id']}/secrets", {}, token=officer["token"]).expect(201).json
    get_token(own_api, bank["id"], added["secret"]).expect(401)
    get_token(own_api, bank["id"], bank["secret"]).expect(200)
    own_api.delete(f"/v1/clients/{bank['id']}/secrets/{added['id']}", token=second["token"]).expect(204)


def test_what_an_administrator_makes_for_the_own_firm_needs_no_officer(own_api, officer, firm):
    mine = make(own_api, firm["token"])
    get_token(own_api, mine["id"], mine["secret"]).expect(200)
    own_api.patch(f"/v1/clients/{mine['id']}", {"scopes": ["billings:read", "workers:write"]}, token=officer["token"],
                  headers={"If-Match": "*"}).expect(200)
    get_token(own_api, mine["id"], mine["secret"]).expect(200)
    approve(own_api, mine, officer).expect(409, "nothing_requested")


def test_of_approvals_of_a_secret_at_once_one_wins(own, own_api, own_actors, officer):
    second = own_actors.officer("manage_clients")
    bank = make(own_api, officer["token"], kind="bank", scopes=["payments:notify"])
    etag = own_api.get(f"/v1/clients/{bank['id']}", token=second["token"]).headers["ETag"]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        statuses = sorted(pool.map(lambda _: approve(Client(own), bank, second, etag).status, range(4)))
    assert statuses == [200, 412, 412, 412]


def test_clients_come_in_pages(own_api, own_actors):
    firm = own_actors.employer()
    made = [make(own_api, firm["token"])["id"] for _ in range(3)]
    first = own_api.get("/v1/clients?limit=2", token=firm["token"]).expect(200)
    assert [client["id"] for client in first.json["items"]] == made[:2]
    rest = own_api.get(f"/v1/clients?limit=2&after={first.json['next_after']}", token=firm["token"]).expect(200).json
    assert [client["id"] for client in rest["items"]] == made[2:] and "next_after" not in rest


# MARK: OAuth

def test_basic_credentials_are_form_encoded_and_not_shown_twice(own_api, own_actors):
    """RFC 6749, sections 2.3.1 and 5.2."""
    bank = own_actors.bank()
    pair = f"{urllib.parse.quote(bank['id'])}:{urllib.parse.quote(bank['secret'])}".replace("-", "%2D")
    basic = {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
    granted = post_form(own_api, "/v1/oauth/token", basic, grant_type="client_credentials").expect(200)
    assert granted.json["scope"] == "payments:notify"
    assert (granted.headers["Cache-Control"], granted.headers["Pragma"]) == ("no-store", "no-cache")
    both = post_form(own_api, "/v1/oauth/token", basic, grant_type="client_credentials", client_secret=bank["secret"])
    assert both.expect(400).json == {"error": "invalid_request"}
    broken = post_form(own_api, "/v1/oauth/token", {"Authorization": "Basic ####"}, grant_type="client_credentials")
    broken.expect(401)
    assert broken.headers["WWW-Authenticate"].startswith("Basic ")
    state = post_form(own_api, "/v1/oauth/introspect", basic, token=granted.json["access_token"]).expect(200).json
    assert state["active"] is True


def test_what_is_wrong_with_a_request_for_a_token_is_said_as_rfc_6749_has_it(own_api, own_actors):
    """Sections 5.2 and 3.2: no parameter twice, one without a value counts as left out, unknown ones are ignored."""
    bank = own_actors.bank()
    grant, shown = "grant_type=client_credentials", f"client_id={bank['id']}&client_secret={bank['secret']}"
    whole = f"{grant}&{shown}"

    def ask(body, *credentials):
        pair = base64.b64encode(":".join(credentials).encode()).decode()
        basic = {"Authorization": f"Basic {pair}"} if credentials else {}
        return own_api.post("/v1/oauth/token", body=body.encode(), headers=FORM | basic)
    mine = bank["id"], bank["secret"]
    for body, credentials in ((whole, ()), (grant, mine), (f"{grant}&client_secret=", mine), (f"{whole}&a=1&a=2", ()),
                              (f"{whole}&scope=", ()), (f"{whole}&scope=payments%3Anotify", ())):
        ask(body, *credentials).expect(200)
    for error, status, wrong in (
            ("invalid_request", 400, [
                (f"{whole}&{grant}", ()), (f"{whole}&client_secret={bank['secret']}", ()), (shown, ()), ("", mine),
                (whole, mine), (f"{grant}&client_id={uuid.uuid4()}", mine), (f"{whole}&scope=%ff", ()),
                (f"{whole}&scope=%00", ()), (f"{whole}&scope=%4", ()), (f"{whole}&scope=a b", ())]),
            ("invalid_client", 401, [
                (grant, ()), (f"{grant}&client_id={bank['id']}", ()), (grant, (bank["id"], bank["secret"], "x")),
                (grant, (bank["id"], bank["secret"] + "%3Ax")), (grant, (bank["id"], "")), (grant, ("", "")),
                (grant, (bank["id"],))]),
            ("unsupported_grant_type", 400, [(f"grant_type=password&{shown}", ()), (f"grant_type=x&{shown}", ())]),
            ("invalid_scope", 400, [
                (f"{whole}&scope=returns:write", ()), (f"{whole}&scope=payments:notify++payments:notify", ()),
                (f"{whole}&scope=+", ())])):
        for body, credentials in wrong:
            answer = ask(body, *credentials)
            assert (answer.status, answer.json) == (status, {"error": error}), f"{body}, {credentials}: {answer}"
            assert answer.headers["Cache-Control"] == "no-store"
            assert ("WWW-Authenticate" in answer.headers) == (status == 401)


def test_introspection_tells_a_client_of_its_own_tokens_alone(own, own_api, own_actors, later):
    """Every other text gets the same two words: another's token, a session's, a revoked one, none at all."""
    mine, other = own_actors.payroll("billings:read", "returns:read"), own_actors.payroll()
    member = own_actors.member()
    state = introspect(own_api, mine, mine["token"]).expect(200).json
    assert state == {"active": True, "scope": "returns:read billings:read", "client_id": mine["id"],
                     "token_type": "Bearer", "exp": state["exp"]}
    assert 0 < state["exp"] - time.time() <= 900
    others = [other["token"], member["token"], member["refresh_token"], "sat_" + "A" * 43, mine["secret"], "x", "%00"]
    for text in others:
        assert introspect(own_api, mine, text).expect(200).json == {"active": False}, text
    stranger = introspect(own_api, mine | {"secret": other["secret"]}, mine["token"])
    assert stranger.expect(401).json == {"error": "invalid_client"}
    post_form(own_api, "/v1/oauth/introspect", token=mine["token"]).expect(401)
    later(901)
    assert introspect(own_api, mine, mine["token"]).expect(200).json == {"active": False}


def test_a_client_gives_back_its_own_tokens_alone(own_api, own_actors):
    mine, other = own_actors.payroll(), own_actors.payroll()
    credentials = {"client_id": mine["id"], "client_secret": mine["secret"]}
    for text in (other["token"], "sat_" + "A" * 43, "x", mine["secret"]):
        assert post_form(own_api, "/v1/oauth/revoke", token=text, **credentials).expect(200).body == b""
    assert works(own_api, other["token"]) == works(own_api, mine["token"]) == 200
    post_form(own_api, "/v1/oauth/revoke", token=mine["token"], client_id=mine["id"]).expect(401)
    post_form(own_api, "/v1/oauth/revoke", token=mine["token"], client_id=mine["id"],
              client_secret=other["secret"]).expect(401)
    assert works(own_api, mine["token"]) == 200
    for _ in range(2):
        post_form(own_api, "/v1/oauth/revoke", token=mine["token"], token_type_hint="refresh_token",
                  **credentials).expect(200)
        assert works(own_api, mine["token"]) == 401


# MARK: front ends

def front_end(api, officer, **settings):
    return make(api, officer["token"], **({"kind": "application", "scopes": None} | settings))


def log_in_through(api, member, application):
    return api.post("/v1/sessions", {"identifier": member["email"], "password": member["password"],
                                     "client_id": application["id"]}).expect(201).json


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
def test_a_front_end_ends_the_sessions_that_were_opened_through_it(which, own_api, own_actors, officer):
    mine, other, member = front_end(own_api, officer), front_end(own_api, officer), own_actors.member()
    session = log_in_through(own_api, member, mine)
    post_form(own_api, "/v1/oauth/revoke", token=session[which], client_id=other["id"]).expect(200)
    post_form(own_api, "/v1/oauth/revoke", token=member["refresh_token"], client_id=mine["id"]).expect(200)
    own_api.get("/v1/members/me", token=session["access_token"]).expect(200)
    own_api.get("/v1/members/me", token=member["token"]).expect(200)
    post_form(own_api, "/v1/oauth/revoke", token=session[which], client_id=mine["id"]).expect(200)
    own_api.get("/v1/members/me", token=session["access_token"]).expect(401)
    own_api.post("/v1/sessions/refresh", {"refresh_token": session["refresh_token"]}).expect(401)
    own_api.get("/v1/members/me", token=member["token"]).expect(200)


def test_a_front_end_has_no_secret_and_gets_no_token(own_api, officer):
    application = front_end(own_api, officer)
    assert "secret" not in application and application["secrets"] == []
    own_api.post(f"/v1/clients/{application['id']}/secrets", {}, token=officer["token"]).expect(
        409, "client_without_secrets")
    get_token(own_api, application["id"], "sck_" + "A" * 43).expect(401)
    get_token(own_api, application["id"], None).expect(401)
    post_form(own_api, "/v1/oauth/introspect", token="x", client_id=application["id"]).expect(401)


def test_a_revoked_front_end_takes_its_sessions_with_it(own_api, own_actors, officer):
    application, member = front_end(own_api, officer), own_actors.member()
    session = log_in_through(own_api, member, application)
    own_api.delete(f"/v1/clients/{application['id']}", token=officer["token"], headers={"If-Match": "*"}).expect(204)
    own_api.get("/v1/members/me", token=session["access_token"]).expect(401)
    own_api.post("/v1/sessions", {"identifier": member["email"], "password": member["password"],
                                  "client_id": application["id"]}).expect(422, "unknown_client")
    post_form(own_api, "/v1/oauth/revoke", token="x", client_id=application["id"]).expect(401)


def test_no_session_opens_through_a_front_end_that_is_being_revoked(own, own_api, own_actors, officer):
    """It waits for the revocation, and is refused then."""
    application, member = front_end(own_api, officer), own_actors.member()
    opening = """
        INSERT INTO smile.session (account_id, grant_id, client_id, expires_at)
        SELECT s.account_id, s.grant_id, %s, s.expires_at FROM smile.session AS s WHERE s.id = %s"""
    with own.cluster.connect(own.database) as revoking, own.cluster.connect(own.database) as log_in:
        with revoking.transaction():
            revoking.execute("UPDATE smile.client SET revoked_at = smile.security_now() WHERE id = %s",
                             [application["id"]])
            log_in.execute("SET lock_timeout = '100ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                log_in.execute(opening, [application["id"], member["session_id"]])
        with pytest.raises(psycopg.Error, match="unknown_client"):
            log_in.execute(opening, [application["id"], member["session_id"]])


def eventually(condition, within=10):
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "not within the time"
        time.sleep(0.02)


def allowed_origin(server, origin):
    """What each of a dozen connections, so every worker, says of this origin."""
    def ask(_):
        with Client(server) as api:
            preflight = api.request("OPTIONS", "/v1/sessions", headers={
                "Origin": origin, "Access-Control-Request-Method": "POST"}, check=False)
            got = api.get("/v1/parameters", headers={"Origin": origin})
            assert (preflight.status == 204) == ("Access-Control-Allow-Origin" in preflight.headers)
            return preflight.headers.get("Access-Control-Allow-Origin"), got.headers.get("Access-Control-Allow-Origin")
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        return set(pool.map(ask, range(12)))


def test_the_origins_of_front_ends_may_call_from_browsers(own, own_api, officer):
    """Registered: at once on every worker. Changed or revoked: no more. Others: never."""
    assert allowed_origin(own, ORIGIN) == {(None, None)}
    application = front_end(own_api, officer, allowed_origins=[ORIGIN])
    eventually(lambda: allowed_origin(own, ORIGIN) == {(ORIGIN, ORIGIN)})
    assert allowed_origin(own, ORIGIN + ".evil.example") == {(None, None)}
    assert allowed_origin(own, "null") == {(None, None)}
    path, match = f"/v1/clients/{application['id']}", {"If-Match": "*"}
    changed = {"allowed_origins": ["https://lain.example"]}
    own_api.patch(path, changed, token=officer["token"], headers=match).expect(200)
    eventually(lambda: allowed_origin(own, ORIGIN) == {(None, None)})
    assert allowed_origin(own, "https://lain.example") == {("https://lain.example",) * 2}
    own_api.delete(path, token=officer["token"], headers=match).expect(204)
    eventually(lambda: allowed_origin(own, "https://lain.example") == {(None, None)})


# MARK: quotas

@pytest.fixture(scope="module")
def limited(make_server):
    return make_server(RATE_LIMITS="on", WORKERS="1")


def spend(api, target, token, most):
    """How many requests a token may send at once."""
    for count in range(most):
        answer = api.get(target, token=token, check=False)
        if answer.status == 429:
            assert int(answer.headers["Retry-After"]) > 0
            return count, answer.headers["RateLimit-Policy"]
        answer.expect(200)
    return most, answer.headers["RateLimit-Policy"]


def test_a_client_has_the_quota_that_an_officer_gave_it(limited, actors_on):
    """Changed without a restart; the first request of a token finds out whose it is and isn't counted for it."""
    actors = actors_on(limited)
    officer, client = actors.officer("manage_clients"), actors.payroll("returns:read")
    with Client(limited) as api:
        api.get("/v1/employers", token=client["token"]).expect(200)
        assert 'q=3000' in api.get("/v1/employers", token=client["token"]).headers["RateLimit-Policy"]
        api.patch(f"/v1/clients/{client['id']}", {"requests_per_minute": 7}, token=officer["token"],
                  headers={"If-Match": "*"}).expect(200)
        eventually(lambda: "q=7" in api.get("/v1/employers", token=client["token"]).headers["RateLimit-Policy"])
        count, policy = spend(api, "/v1/employers", client["token"], 20)
        assert count <= 7 and policy == '"client";q=7;w=60'


def test_a_front_end_shares_its_quota_among_all_who_come_through_it(limited, actors_on):
    """And nobody else pays for them. Each token's first requests find out whose it is and through whom it came."""
    actors = actors_on(limited)
    officer, stranger = actors.officer("manage_clients"), actors.member()
    members = [actors.member() for _ in range(2)]
    with Client(limited) as api:
        application = front_end(api, officer, requests_per_minute=12)
        tokens = [log_in_through(api, member, application)["access_token"] for member in members]

        def policy(token):
            answer = api.get("/v1/account", token=token, check=False)
            return answer.status == 429 and answer.headers["RateLimit-Policy"]
        eventually(lambda: all(policy(token) == '"client";q=12;w=60' for token in tokens))
        spent, standing = spend(api, "/v1/account", stranger["token"], 30)
        assert (spent, standing) == (30, '"account";q=300;w=60')
        api.patch(f"/v1/clients/{application['id']}", {"requests_per_minute": None}, token=officer["token"],
                  headers={"If-Match": "*"}).expect(200)
        eventually(lambda: api.get("/v1/account", token=tokens[0], check=False).status == 200)
