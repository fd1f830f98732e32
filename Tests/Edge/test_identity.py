"""Accounts, sessions, tokens and roles where a conversation isn't enough: clocks, races, other workers."""
import contextlib
import subprocess
import unicodedata
import urllib.parse

import psycopg
import pytest

from actors import PASSWORD, Actors
from client import Client, at_once
from server import PROGRAMS


def log_in(client, actor):
    return Actors(client).try_log_in(actor["email"], actor["password"])


def refresh(client, token):
    return client.post("/v1/sessions/refresh", {"refresh_token": token})


# MARK: tokens and clocks

def test_an_access_token_lives_15_minutes_to_the_second(own_api, own_actors, later):
    session = log_in(own_api, own_actors.member()).expect(201).json
    later(15 * 60 - 2)
    own_api.get("/v1/members/me", token=session["access_token"]).expect(200)
    later(15 * 60 + 1)
    own_api.get("/v1/members/me", token=session["access_token"]).expect(401, "invalid_token")


@pytest.mark.parametrize("kind,idle", [("member", 30 * 60), ("officer", 15 * 60)])
def test_a_session_ends_when_it_is_idle(kind, idle, own_api, own_actors, later):
    actor = getattr(own_actors, kind)()
    first = log_in(own_api, actor).expect(201).json
    later(idle - 2)
    second = refresh(own_api, first["refresh_token"]).expect(200).json
    later(idle - 2 + idle + 2)
    refresh(own_api, second["refresh_token"]).expect(401, "invalid_refresh_token")


@pytest.mark.parametrize("kind,status", [("member", 200), ("officer", 401)])
def test_a_front_end_that_refreshes_after_a_401_is_in_time_for_members_alone(kind, status, own_api, own_actors, later):
    """An officer's token lives as long as the session may be idle: integrators are told to refresh before."""
    waiting, diligent = (getattr(own_actors, kind)() for _ in range(2))
    later(15 * 60 - 10)
    refreshed = refresh(own_api, diligent["refresh_token"]).expect(200).json
    later(15 * 60 + 1)
    own_api.get("/v1/account", token=waiting["token"]).expect(401, "invalid_token")
    refresh(own_api, waiting["refresh_token"]).expect(status)
    own_api.get("/v1/account", token=refreshed["access_token"]).expect(200)


@pytest.mark.parametrize("how", ["step-up", "change of password"])
def test_showing_a_password_is_use_of_the_session(how, own_api, own_actors, later):
    """The access token that it gives lives 15 minutes; who refreshes when it ends isn't idle."""
    officer = own_actors.officer()
    later(4 * 60)
    if how == "step-up":
        own_api.post("/v1/sessions/step_up", {"password": PASSWORD}, token=officer["token"]).expect(200)
        token = officer["refresh_token"]
    else:
        token = own_api.put("/v1/account/password", {
            "current_password": PASSWORD, "new_password": "pagi yang sangat cerah di desa"},
            token=officer["token"]).expect(200).json["refresh_token"]
    later(4 * 60 + 15 * 60 - 2)
    refresh(own_api, token).expect(200)


@pytest.mark.parametrize("kind,absolute", [("member", 12 * 3600), ("officer", 8 * 3600)])
def test_a_session_ends_for_good_however_often_it_is_refreshed(kind, absolute, own_api, own_actors, later):
    actor = getattr(own_actors, kind)()
    token = log_in(own_api, actor).expect(201).json["refresh_token"]
    for moment in range(600, absolute, 600):
        later(moment)
        token = refresh(own_api, token).expect(200).json["refresh_token"]
    later(absolute + 1)
    refresh(own_api, token).expect(401, "invalid_refresh_token")


def test_two_refreshes_at_once_give_the_same_successor(own, own_api, own_actors):
    session = log_in(own_api, own_actors.member()).expect(201).json
    answers = at_once(own, 8, lambda client: refresh(client, session["refresh_token"]).expect(200).json)
    assert len({answer["refresh_token"] for answer in answers}) == 1
    assert len({answer["access_token"] for answer in answers}) == 8
    for answer in answers:
        own_api.get("/v1/members/me", token=answer["access_token"]).expect(200)


def test_a_refresh_token_that_comes_back_later_ends_the_session(own_api, own_actors, later):
    session = log_in(own_api, own_actors.member()).expect(201).json
    successor = refresh(own_api, session["refresh_token"]).expect(200).json
    later(9)
    refresh(own_api, session["refresh_token"]).expect(200)
    later(11)
    refresh(own_api, session["refresh_token"]).expect(401, "invalid_refresh_token")
    own_api.get("/v1/members/me", token=successor["access_token"]).expect(401)
    refresh(own_api, successor["refresh_token"]).expect(401)


def test_a_session_that_has_ended_is_dead_on_every_worker(own, own_api, own_actors):
    member = own_actors.member()
    own_api.delete("/v1/sessions/current", token=member["token"]).expect(204)
    answers = at_once(own, 16, lambda client: client.get("/v1/members/me", token=member["token"]).status)
    assert answers == [401] * 16


def test_the_oldest_session_gives_way_to_the_eleventh(own_api, own_actors):
    member = own_actors.member()
    for _ in range(10):
        log_in(own_api, member).expect(201)
    own_api.get("/v1/members/me", token=member["token"]).expect(401)
    newest = log_in(own_api, member).expect(201).json["access_token"]
    assert len(own_api.get("/v1/sessions", token=newest).expect(200).json["items"]) == 10


# MARK: what a token is derived from

@pytest.mark.parametrize("change", [
    "UPDATE smile.account SET status = 'disabled' WHERE email = %(email)s",
    "UPDATE smile.account SET password_changed_at = smile.security_now() WHERE email = %(email)s",
    "UPDATE smile.account_grant SET permissions = '{read_audit}' "
    "WHERE account_id = (SELECT id FROM smile.account WHERE email = %(email)s)",
    "UPDATE smile.account_grant SET active = false "
    "WHERE account_id = (SELECT id FROM smile.account WHERE email = %(email)s)",
], ids=["disabled", "password", "permissions", "grant"])
def test_a_token_dies_with_what_it_was_derived_from(change, own, own_api, own_actors):
    officer = own_actors.officer("read_members")
    search = {"kpj": "99999999999"}
    own_api.post("/v1/members/search", search, token=officer["token"]).expect(200)
    with own.cluster.connect(own.database) as connection:
        connection.execute(change, officer)
    own_api.post("/v1/members/search", search, token=officer["token"]).expect(401, "invalid_token")


def test_a_session_that_opens_while_its_account_is_disabled_ends_too(own, own_actors):
    """The disabling waits for the log-in that came first, and then sees its session."""
    member = own_actors.member()
    with own.cluster.connect(own.database) as opening, own.cluster.connect(own.database) as disabling:
        account, = opening.execute("SELECT id FROM smile.account WHERE email = %s", [member["email"]]).fetchone()
        with opening.transaction():
            assert opening.execute(
                "SELECT (smile.open_session(a.id, a.password_hash, NULL, NULL, NULL, NULL, sha256('d'), sha256('s'), "
                "false, sha256('a'), sha256('b'), NULL, NULL, NULL, NULL)).status FROM smile.account AS a "
                "WHERE a.id = %s", [account]).fetchone() == (201,)
            disabling.execute("SET lock_timeout = '100ms'")
            disable = "UPDATE smile.account SET status = 'disabled' WHERE id = %s"
            with pytest.raises(psycopg.errors.LockNotAvailable):
                disabling.execute(disable, [account])
        disabling.execute(disable, [account])
        assert disabling.execute("SELECT count(*) FROM smile.session WHERE account_id = %s AND ended_at IS NULL",
                                 [account]).fetchone() == (0,)


def test_one_person_acts_in_several_roles_one_at_a_time(own_api, own_actors):
    """A member registers a firm with the address of the own account: one account, two grants."""
    member = own_actors.member()
    form = {"name": "PT Milik Sendiri", "npwp": "099999999999999", "industry": "Jasa", "size": "small",
            "risk_class": 1, "address": "Jl. Sendiri 1", "email": "kantor.sendiri@smile.test", "phone": "+62215559999",
            "contact": {"full_name": member["full_name"], "email": member["email"]}, "password": "tidak dipakai lagi"}
    made = own_api.post("/v1/employer_registrations", form).expect(201).json
    officer = own_actors.officer("manage_employers")
    own_api.post(f"/v1/employer_registrations/{made['id']}/approval", {}, token=officer["token"], key=True).expect(200)
    own_actors.confirm(member["email"])
    session = log_in(own_api, member).expect(201).json
    grants = own_api.get("/v1/account", token=session["access_token"]).expect(200).json["grants"]
    assert [grant["kind"] for grant in grants] == ["member", "employer"]
    own_api.get("/v1/clients", token=session["access_token"]).expect(403, "wrong_role")
    switched = own_api.put("/v1/sessions/current/role", {"grant_id": grants[1]["id"]},
                           token=session["access_token"]).expect(200).json
    own_api.get("/v1/clients", token=switched["access_token"]).expect(200)
    own_api.get("/v1/members/me", token=switched["access_token"]).expect(403, "wrong_role")
    own_api.get("/v1/clients", token=session["access_token"]).expect(401)
    assert switched["session"]["id"] == session["session"]["id"]


# MARK: log-in

def wrong(client, actor, source):
    body = {"identifier": actor["email"], "password": "salah sama sekali"}
    return client.post("/v1/sessions", body, headers={"X-Forwarded-For": source})


def test_a_wrong_password_and_an_unknown_account_look_alike(own_api, own_actors):
    known = wrong(own_api, own_actors.member(), "203.0.113.20")
    unknown = wrong(own_api, {"email": "siapa@smile.test"}, "203.0.113.20")
    assert known.status == unknown.status == 401
    differing = {"request_id"}
    assert {k: v for k, v in known.json.items() if k not in differing} == {
        k: v for k, v in unknown.json.items() if k not in differing}
    varying = {"X-Request-Id", "Date"}
    assert {k: v for k, v in known.headers.items() if k not in varying} == {
        k: v for k, v in unknown.headers.items() if k not in varying}


def register(client, worker, email, password):
    form = {name: worker[name] for name in ("kpj", "nik", "full_name", "birth_date")}
    form |= {"email": email, "phone": "+628120000000", "password": password}
    client.post("/v1/registrations", form).expect(202)


def test_a_password_counts_whole_and_in_every_spelling(own_api, own_actors):
    worker, email = own_actors.worker(), "panjang@smile.test"
    password = "café " + "x" * 250 + "é"
    register(own_api, worker, email, password)
    own_actors.confirm(email)

    def status(text):
        return own_api.post("/v1/sessions", {"identifier": email, "password": text}).status
    assert status(unicodedata.normalize("NFD", password)) == 201
    assert status(password[:-1] + "e") == 401
    assert status(password[:-1]) == 401
    assert status("café") == 401
    answer = own_api.post("/v1/sessions", {"identifier": email, "password": "abc\0def"})
    answer.expect(400)
    assert answer.json["errors"][0]["pointer"] == "/password"


def test_a_token_elsewhere_than_in_its_header_is_refused_and_not_logged(own, own_api, own_actors):
    token = own_actors.member()["token"]
    query = urllib.parse.urlencode({"access_token": token})
    own_api.get(f"/v1/members/me?{query}").expect(401)
    own_api.request("GET", "/v1/members/me", headers={"Cookie": f"access_token={token}"}).expect(401)
    assert token not in own.log()


# MARK: traces

def test_an_officer_leaves_a_trace_of_whose_record_was_opened_and_why(own, own_api, own_actors):
    officer, member = own_actors.officer("read_members"), own_actors.member()
    own_api.post("/v1/members/search", {"kpj": member["kpj"]}, token=officer["token"]).expect(200)
    own_api.get(f"/v1/members/{member['member_id']}", token=officer["token"],
                headers={"Access-Purpose": "claim:42"}).expect(200)
    with own.cluster.connect(own.database) as connection:
        rows = connection.execute(
            "SELECT action, purpose, subject_id::text FROM smile.audit_log "
            "WHERE account_id = %s AND role = 'officer' ORDER BY at", [officer["id"]]).fetchall()
    assert rows == [("member.searched", None, None), ("member.read", "claim:42", member["member_id"])]


def test_what_time_has_made_useless_is_deleted(own, own_api, own_actors, later):
    """By the role of the jobs process; what is alive stays."""
    session = log_in(own_api, own_actors.member()).expect(201).json
    later(16 * 60)
    fresh = refresh(own_api, session["refresh_token"]).expect(200).json
    with own.cluster.connect(own.database) as connection:
        def count(table, condition):
            return connection.execute(f"SELECT count(*) FROM smile.{table} WHERE {condition}").fetchone()[0]
        dead = "expires_at <= smile.security_now()"
        alive = count("access_token", f"NOT {dead}")
        connection.execute("SET ROLE smile_jobs")
        connection.execute("SELECT smile.purge_identity()")
        connection.execute("RESET ROLE")
        assert count("access_token", dead) == 0 and count("access_token", "true") == alive
    own_api.get("/v1/members/me", token=fresh["access_token"]).expect(200)


# MARK: smile-admin

@pytest.mark.parametrize("arguments,code", [
    ([], 2), (["fly"], 2), (["create-officer"], 2), (["create-officer", "--email", "x", "--name", "Y"], 2),
    (["create-bank-client", "--name", "A", "--name", "B"], 2), (["demo-data", "--name", "A"], 2),
    (["create-officer", "--email", "a@smile.test", "--name", "Y", "--permissions", "rule_the_world"], 1),
], ids=lambda value: " ".join(value) if isinstance(value, list) else str(value))
def test_smile_admin_refuses_what_it_does_not_understand(arguments, code, own):
    environment = own.environment | {"DATABASE_URL": own.cluster.url(own.database)}
    done = subprocess.run([PROGRAMS / "smile-admin", *arguments], env=environment, capture_output=True, text=True)
    assert done.returncode == code, done
    assert done.stderr.startswith("smile-admin: ") and done.stdout == ""


def test_demo_data_come_once_and_not_in_production(own, own_api):
    first = own.run("smile-admin", "demo-data")
    assert own.run("smile-admin", "demo-data") == first
    own_api.post("/v1/sessions", {"identifier": "siti@contoh.id", "password": "perahu-kertas-di-laut"}).expect(201)
    with pytest.raises(AssertionError, match="production"), changed(own, ENVIRONMENT="production", PASSWORD_COST="5"):
        own.run("smile-admin", "demo-data")


@contextlib.contextmanager
def changed(server, **settings):
    before = server.settings
    server.settings = before | settings
    try:
        yield
    finally:
        server.settings = before
