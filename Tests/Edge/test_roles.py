"""Several grants under one account: a session acts in one at a time and changes without a new log-in."""
import concurrent.futures
import uuid

import pytest

from client import Client


@pytest.fixture
def person(server, api, actors, db):
    """A member who is an administrator of two employers as well; their session and their grants by kind."""
    member, firms = actors.member(), [actors.employer(), actors.employer()]
    for firm in firms:
        db.execute("""
            INSERT INTO smile.account_grant (account_id, kind, employer_id, employer_role, active)
            SELECT a.id, 'employer', %s, 'admin', true FROM smile.account AS a WHERE a.email = %s""",
                   [firm["id"], member["email"]])
    grants = api.get("/v1/account", token=member["token"]).expect(200).json["grants"]
    assert [grant["kind"] for grant in grants] == ["member", "employer", "employer"]
    return member | {"firms": firms, "grants": grants}


def switch(api, token, grant):
    return api.put("/v1/sessions/current/role", {"grant_id": grant["id"]}, token=token)


def refresh(api, token):
    return api.post("/v1/sessions/refresh", {"refresh_token": token})


def test_a_change_of_role_replaces_every_token_of_the_session(api, person):
    """The old access token is dead at once, the old refresh token too, and the session goes on."""
    member, first, second = person["grants"]
    api.get("/v1/employers", token=person["token"]).expect(403, "wrong_role")
    changed = switch(api, person["token"], first).expect(200).json
    assert changed["session"]["id"] == person["session_id"]
    assert changed["session"]["grant"]["id"] == first["id"]
    api.get("/v1/members/me", token=person["token"]).expect(401, "invalid_token")
    refresh(api, person["refresh_token"]).expect(401, "invalid_refresh_token")
    api.get("/v1/members/me", token=changed["access_token"]).expect(403, "wrong_role")
    seen = api.get("/v1/employers", token=changed["access_token"]).expect(200).json["items"]
    assert [employer["id"] for employer in seen] == [first["employer_id"]]
    api.get(f"/v1/employers/{second['employer_id']}", token=changed["access_token"]).expect(404)

    fresh = refresh(api, changed["refresh_token"]).expect(200).json
    assert fresh["session"]["grant"]["id"] == first["id"], "a refresh stays in the role"
    back = switch(api, fresh["access_token"], member).expect(200).json
    for token in (changed["access_token"], fresh["access_token"]):
        api.get("/v1/employers", token=token).expect(401)
    for token in (changed["refresh_token"], fresh["refresh_token"]):
        refresh(api, token).expect(401)
    api.get("/v1/members/me", token=back["access_token"]).expect(200)


def test_a_copy_of_the_account_grows_stale_with_a_new_role(api, actors, person, db):
    copy = api.get("/v1/account", token=person["token"]).expect(200).headers["ETag"]
    same = {"headers": {"If-None-Match": copy}, "token": person["token"]}
    api.get("/v1/account", **same).expect(304)
    db.execute("UPDATE smile.account_grant SET employer_role = 'viewer' WHERE id = %s", [person["grants"][2]["id"]])
    assert api.get("/v1/account", **same).expect(200).headers["ETag"] != copy


def test_only_an_active_grant_of_the_own_account_can_be_taken(api, actors, person, db):
    other = actors.employer()
    theirs, = api.get("/v1/account", token=other["token"]).expect(200).json["grants"]
    db.execute("UPDATE smile.account_grant SET active = false WHERE id = %s", [person["grants"][2]["id"]])
    for grant in (theirs, person["grants"][2], {"id": str(uuid.uuid4())}):
        refused = switch(api, person["token"], grant).expect(422, "unknown_grant")
        assert refused.json["errors"][0]["pointer"] == "/grant_id"
    api.get("/v1/members/me", token=person["token"]).expect(200)


def test_of_two_changes_at_once_one_wins_and_one_token_lives(server, api, person):
    """Both start from the same token; when one has committed, the other's token is dead."""
    def change(grant):
        with Client(server) as client:
            return switch(client, person["token"], grant)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(change, person["grants"][1:]))
    tokens = [answer.json["access_token"] for answer in answers if answer.status == 200]
    assert {answer.status for answer in answers} <= {200, 401} and tokens
    alive = [token for token in tokens if api.get("/v1/employers", token=token).status == 200]
    assert len(alive) == 1


def test_a_log_out_ends_what_a_refresh_and_a_change_of_role_at_that_moment_gave(server, api, actors, db):
    """In whatever order the three come: once the log-out was answered with 204, no token of the session opens anything.
    A change of role that came first has killed the token that the log-out showed."""
    for _ in range(10):
        member, firm = actors.member(), actors.once("employer", actors.employer)
        grant, = db.execute(
            "INSERT INTO smile.account_grant (account_id, kind, employer_id, employer_role, active) "
            "SELECT account_id, 'employer', %s, 'viewer', true FROM smile.account_grant WHERE member_id = %s "
            "RETURNING id", [firm["id"], member["member_id"]]).fetchone()
        works = [lambda client: client.delete("/v1/sessions/current", token=member["token"]),
                 lambda client: refresh(client, member["refresh_token"]),
                 lambda client: switch(client, member["token"], {"id": str(grant)})]
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            ended, refreshed, switched = pool.map(lambda work: work(Client(server)), works)
        given = [answer.json for answer in (refreshed, switched) if answer.status == 200]
        alive = [tokens for tokens in given if api.get("/v1/account", token=tokens["access_token"]).status == 200]
        if ended.status == 204:
            assert not alive
            for tokens in given:
                refresh(api, tokens["refresh_token"]).expect(401)
        else:
            assert ended.status == 401 and switched.status == 200 and switched.json in alive


def test_what_one_role_may_the_other_may_not(api, person):
    """The firm's clients aren't the member's, nor another firm's, though the person is the same."""
    _, first, second = person["grants"]
    acting = switch(api, person["token"], first).expect(200).json
    made = api.post("/v1/clients", {"name": "Gaji", "scopes": ["returns:read"]},
                    token=acting["access_token"]).expect(201)
    acting = switch(api, acting["access_token"], second).expect(200).json
    api.get(f"/v1/clients/{made.json['id']}", token=acting["access_token"]).expect(404)
    acting = switch(api, acting["access_token"], person["grants"][0]).expect(200).json
    api.get(f"/v1/clients/{made.json['id']}", token=acting["access_token"]).expect(403, "wrong_role")
