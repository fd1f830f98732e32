"""Authenticators, codes by mail, recovery codes, step-up: races, limits, clocks, and what a dump holds of them."""
import base64
import concurrent.futures
import json
import re
import subprocess

import psycopg
import pytest

from actors import PASSWORD, Actors
from client import Client, at_once
from timing import assert_alike


@pytest.fixture
def at_zero(later, own):
    """The clock is this test's from here on, and nothing has been counted yet."""
    with own.cluster.connect(own.database) as connection:
        connection.execute("DELETE FROM smile.log_in_throttle")
    later(0)
    return later


def ask(client, actor, **more):
    return client.post("/v1/sessions", {"identifier": actor["email"], "password": PASSWORD} | more)


def challenge(client, actor):
    return ask(client, actor).expect(401, "mfa_required").json["challenge"]


def meet(client, wanted, code):
    return client.post("/v1/sessions/mfa", {"challenge": wanted, "code": code})


def enrol(actors, actor):
    """An authenticator for this actor; adds its secret and recovery codes. The code of this moment stays unused."""
    api = actors.client.acting(actor["token"])
    secret = api.post("/v1/account/totp").expect(200).json["secret"]
    code = actors.totp_code(secret, 1)["code"]
    codes = api.post("/v1/account/totp/confirmation", {"code": code}).expect(200).json["recovery_codes"]
    return actor | {"secret": secret, "recovery_codes": codes}


# MARK: single use

def test_a_code_cannot_be_used_twice_by_a_hundred_tries_at_once(own, own_api, own_actors, at_zero):
    member = enrol(own_actors, own_actors.member())
    wanted, code = challenge(own_api, member), own_actors.totp_code(member["secret"])["code"]
    answers = at_once(own, 100, lambda client: meet(client, wanted, code).status)
    assert answers.count(201) == 1 and set(answers) <= {201, 401, 429}, answers
    meet(own_api, challenge(own_api, member), code).expect(401, "invalid_code")


@pytest.mark.parametrize("factor", ["step", "recovery code"])
def test_nor_where_no_limit_of_tries_stands_before_it(factor, own, own_api, own_actors, at_zero):
    """A hundred challenges of one account, each met with the same right code, as the server meets them."""
    member = enrol(own_actors, own_actors.member())
    bare = base64.b32decode(member["recovery_codes"][0].replace("-", ""))
    with own.cluster.connect(own.database) as connection:
        totp, step = connection.execute(
            "SELECT t.id, t.last_step + 1 FROM smile.totp AS t JOIN smile.account AS a ON a.id = t.account_id "
            "WHERE a.email = %s", [member["email"]]).fetchone()
        connection.execute(
            "INSERT INTO smile.mfa_challenge (digest, account_id, grant_id, expires_at) "
            "SELECT sha256((%s || n)::bytea), a.id, g.id, smile.security_now() + interval '5 minutes' "
            "FROM smile.account AS a JOIN smile.account_grant AS g ON g.account_id = a.id, "
            "generate_series(1, 100) AS n "
            "WHERE a.email = %s", [factor, member["email"]])
    shown = (totp, step, None) if factor == "step" else (None, None, bare)

    def one(number):
        with psycopg.connect(own.cluster.url(own.database, "smile_api"), autocommit=True) as connection:
            try:
                connection.execute(
                    "SELECT smile.finish_log_in(sha256(%s), %s, %s, sha256(%s), NULL, sha256(%s), "
                    "sha256('source'), false, sha256(%s), sha256(%s))",
                    [f"{factor}{number}".encode(), *shown, *(f"{what}{factor}{number}".encode() for what in "dar")])
                return True
            except psycopg.Error as error:
                assert error.sqlstate == "SM401", error
                return False
    with concurrent.futures.ThreadPoolExecutor(100) as pool:
        assert list(pool.map(one, range(1, 101))).count(True) == 1


def test_a_code_of_the_step_before_is_taken_and_none_before_that(own_api, own_actors, at_zero):
    member = enrol(own_actors, own_actors.member())
    at_zero(120)
    meet(own_api, challenge(own_api, member), own_actors.totp_code(member["secret"], 2)["code"]).expect(401)
    meet(own_api, challenge(own_api, member), own_actors.totp_code(member["secret"], -1)["code"]).expect(401)
    meet(own_api, challenge(own_api, member), own_actors.totp_code(member["secret"], 1)["code"]).expect(201)


def test_a_recovery_code_is_good_once_in_any_spelling_and_the_owner_hears_of_it(own_api, own_actors, at_zero):
    member = enrol(own_actors, own_actors.member())
    code = member["recovery_codes"][3]
    session = meet(own_api, challenge(own_api, member), code.lower().replace("-", " ")).expect(201).json
    meet(own_api, challenge(own_api, member), code).expect(401, "invalid_code")
    account = own_api.get("/v1/account", token=session["access_token"]).expect(200).json
    assert account["second_factors"] == {"totp": True, "recovery_codes_left": 9}
    events = own_api.get("/v1/account/security_events", token=session["access_token"]).expect(200).json["items"]
    assert {"factor_added", "recovery_code_used"} <= {event["kind"] for event in events}


def test_an_authenticator_in_use_stays_good_until_the_next_one_has_shown_a_code(own_api, own_actors, at_zero):
    member = enrol(own_actors, own_actors.member())
    api = own_api.acting(member["token"])
    second = api.post("/v1/account/totp").expect(200).json["secret"]
    meet(own_api, challenge(own_api, member), own_actors.totp_code(second)["code"]).expect(401)
    meet(own_api, challenge(own_api, member), own_actors.totp_code(member["secret"])["code"]).expect(201)
    code = own_actors.totp_code(second, 1)["code"]
    api.post("/v1/account/totp/confirmation", {"code": code}).expect(200)
    meet(own_api, challenge(own_api, member), own_actors.totp_code(second)["code"]).expect(201)


def test_a_secret_waits_an_hour_for_its_first_code(own_api, own_actors, at_zero):
    member = own_actors.member()
    secret = own_api.post("/v1/account/totp", token=member["token"]).expect(200).json["secret"]
    at_zero(3601)
    session = own_actors.log_in(member["email"])
    own_api.post("/v1/account/totp/confirmation", own_actors.totp_code(secret), token=session["token"]).expect(409)


# MARK: codes by mail

def test_only_the_newest_code_is_good_and_a_new_one_comes_once_a_minute(own_api, own_actors, at_zero):
    officer = own_actors.officer_account()
    wanted = challenge(own_api, officer)
    first = own_actors.mailed_token(officer["email"])

    def resend():
        own_api.post("/v1/sessions/mfa/resend", {"challenge": wanted}).expect(202)
        return own_actors.mailed_token(officer["email"])
    assert re.fullmatch(r"\d{6}", first)
    assert resend() == first
    at_zero(61)
    second = resend()
    assert len([mail for mail in own_actors.mails(officer["email"]) if mail["template"] == "log_in_code"]) == 2
    if second != first:   # one in a million
        meet(own_api, wanted, first).expect(401, "invalid_code")
    meet(own_api, wanted, second).expect(201)


def test_five_codes_are_sent_for_a_challenge_at_the_most(own_api, own_actors, at_zero):
    officer = own_actors.officer_account()
    wanted = challenge(own_api, officer)
    for number in range(1, 9):
        at_zero(number * 61)
        own_api.post("/v1/sessions/mfa/resend", {"challenge": wanted}).expect(202)
    assert len(own_actors.mails(officer["email"])) == 5


def test_a_code_can_go_to_the_phone_where_there_is_one(own, own_api, own_actors, at_zero):
    officer = own_actors.officer_account()
    with own.cluster.connect(own.database) as connection:
        connection.execute("UPDATE smile.account SET phone = '+628119998887', proved_phone = '+628119998887' "
                           "WHERE email = %s", [officer["email"]])
    answer = ask(own_api, officer).expect(401).json
    assert answer["methods"] == ["email", "sms"]
    at_zero(61)
    own_api.post("/v1/sessions/mfa/resend", {"challenge": answer["challenge"], "channel": "sms"}).expect(202)
    message, = own_actors.mails("+628119998887")
    assert message["channel"] == "sms"
    meet(own_api, answer["challenge"], message["token"]).expect(201)


def test_who_has_proved_no_number_gets_no_code_by_sms(own_api, own_actors, own_db, at_zero):
    """As officers who are no members: only these prove numbers. Asked for all the same, it is answered and not sent."""
    officer = own_actors.officer_account()
    own_db.execute("UPDATE smile.account SET phone = '+628119997776' WHERE email = %s", [officer["email"]])
    asked = ask(own_api, officer).expect(401).json
    assert asked["methods"] == ["email"]
    at_zero(61)
    own_api.post("/v1/sessions/mfa/resend", {"challenge": asked["challenge"], "channel": "sms"}).expect(202)
    assert own_actors.mails("+628119997776") == [] and len(own_actors.mails(officer["email"])) == 1


def test_a_challenge_ends_after_ten_minutes_and_with_the_password_it_was_given_for(own, own_api, own_actors, at_zero):
    officer = own_actors.officer_account()
    late, changed = challenge(own_api, officer), challenge(own_api, officer)
    code = own_actors.mailed_token(officer["email"])
    with own.cluster.connect(own.database) as connection:
        connection.execute("UPDATE smile.account SET password_changed_at = smile.security_now() WHERE email = %s",
                           [officer["email"]])
    meet(own_api, changed, code).expect(401, "invalid_code")
    last = challenge(own_api, officer)
    code = own_actors.mailed_token(officer["email"])
    at_zero(601)
    for wanted in (late, last):
        meet(own_api, wanted, code).expect(401, "invalid_code")


def test_five_wrong_codes_end_a_challenge_and_close_the_account_to_codes_for_a_quarter_of_an_hour(
        own_api, own_actors, at_zero):
    member = enrol(own_actors, own_actors.member())
    wanted = challenge(own_api, member)
    for _ in range(5):
        meet(own_api, wanted, "000000").expect(401, "invalid_code")
    meet(own_api, wanted, member["recovery_codes"][0]).expect(401, "invalid_code")
    refused = meet(own_api, challenge(own_api, member), member["recovery_codes"][0]).expect(429)
    assert 890 <= int(refused.headers["Retry-After"]) <= 900
    at_zero(901)
    meet(own_api, challenge(own_api, member), member["recovery_codes"][0]).expect(201)


def test_a_challenge_is_not_met_through_a_front_end_that_was_revoked_meanwhile(own, own_api, own_actors, at_zero):
    officer = own_actors.officer_account()
    with own.cluster.connect(own.database) as connection:
        front_end, = connection.execute("INSERT INTO smile.client (name, kind, scopes) "
                                        "VALUES ('Aplikasi', 'application', '{}') RETURNING id::text").fetchone()
        wanted = ask(own_api, officer, client_id=front_end).expect(401, "mfa_required").json["challenge"]
        connection.execute("UPDATE smile.client SET revoked_at = smile.security_now() WHERE id = %s", [front_end])
    meet(own_api, wanted, own_actors.mailed_token(officer["email"])).expect(422, "unknown_client")


# MARK: what a stranger learns

VARYING = {"X-Request-Id", "Date"}


def looks(answer):
    body = {name: value for name, value in answer.json.items() if name != "request_id"}
    return answer.status, body, sorted((n, v) for n, v in answer.headers.items() if n not in VARYING)


def test_unknown_challenges_and_wrong_codes_look_alike_and_take_as_long(own, own_api, own_actors, at_zero):
    member = enrol(own_actors, own_actors.member())
    wanted, unknown = challenge(own_api, member), "smc_" + "A" * 43
    assert looks(meet(own_api, wanted, "000000")) == looks(meet(own_api, unknown, "000000"))
    with own.cluster.connect(own.database) as connection:
        assert_alike(
            lambda: meet(own_api, wanted, "000000").expect(401), lambda: meet(own_api, unknown, "000000").expect(401),
            before=lambda: connection.execute(
                "DELETE FROM smile.log_in_throttle; UPDATE smile.mfa_challenge SET tries = 0"))


def test_nobody_learns_whether_a_code_was_sent(own, own_api, own_actors, at_zero):
    officer = own_actors.officer_account()
    wanted, unknown = challenge(own_api, officer), "smc_" + "A" * 43

    def resend(what):
        return own_api.post("/v1/sessions/mfa/resend", {"challenge": what}).expect(202)
    known = resend(wanted), resend(unknown)
    assert known[0].json == known[1].json
    with own.cluster.connect(own.database) as connection:
        assert_alike(lambda: resend(wanted), lambda: resend(unknown), before=lambda: connection.execute(
            "UPDATE smile.mfa_challenge SET codes_sent = 1, code_sent_at = '-infinity' WHERE codes_sent > 0"))


# MARK: who is asked for a second factor

def test_an_administrator_shows_a_second_factor_where_the_employer_wants_it(own, own_api, own_actors, at_zero):
    employer = own_actors.employer()
    seen = own_api.get(f"/v1/employers/{employer['id']}", token=employer["token"]).expect(200).json
    own.run("smile-admin", "second-factor-policy", "--npp", seen["npp"], "--required")
    own_api.get(f"/v1/employers/{employer['id']}", token=employer["token"]).expect(401, "invalid_token")
    wanted = challenge(own_api, employer)
    meet(own_api, wanted, own_actors.mailed_token(employer["email"])).expect(201)
    with own.cluster.connect(own.database) as connection:
        connection.execute("UPDATE smile.account_grant SET employer_role = 'payroll' WHERE employer_id = %s",
                           [employer["id"]])
    ask(own_api, employer).expect(201)
    with own.cluster.connect(own.database) as connection:
        connection.execute("UPDATE smile.account_grant SET employer_role = 'admin' WHERE employer_id = %s",
                           [employer["id"]])
    challenge(own_api, employer)
    own.run("smile-admin", "second-factor-policy", "--npp", seen["npp"], "--optional")
    ask(own_api, employer).expect(201)
    with pytest.raises(AssertionError, match="no employer"):
        own.run("smile-admin", "second-factor-policy", "--npp", "0", "--required")


def test_a_log_in_does_not_get_past_a_policy_that_is_set_at_that_moment(own, own_actors, own_db, at_zero):
    """The policy waits for the log-in that came first, and ends its session."""
    employer = own_actors.employer()
    policy = "SELECT smile.set_second_factor_policy(e.npp, true) FROM smile.employer AS e WHERE e.id = %s"
    with own.cluster.connect(own.database) as opening:
        with opening.transaction():
            assert opening.execute(
                "SELECT (smile.open_session(a.id, a.password_hash, NULL, NULL, NULL, NULL, sha256('d'), sha256('s'), "
                "false, sha256('a'), sha256('b'), NULL, NULL, NULL, NULL)).status FROM smile.account AS a "
                "WHERE a.email = %s", [employer["email"]]).fetchone() == (201,)
            own_db.execute("SET lock_timeout = '100ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                own_db.execute(policy, [employer["id"]])
        assert own_db.execute(policy, [employer["id"]]).fetchone() == (True,)
    assert own_db.execute(
        "SELECT count(*) FROM smile.session AS s JOIN smile.account AS a ON a.id = s.account_id "
        "WHERE a.email = %s AND s.ended_at IS NULL", [employer["email"]]).fetchone() == (0,)


def test_a_new_authenticator_is_asked_of_who_has_just_shown_the_password_alone(own_api, own_actors, at_zero):
    """Or they could take it off at once."""
    member = own_actors.member()
    other = own_api.acting(own_actors.log_in(member["email"])["token"])
    enrol(own_actors, member)
    other.delete("/v1/account/totp").expect(401, "step_up_required")
    other.post("/v1/account/recovery_codes").expect(401, "step_up_required")
    other.post("/v1/sessions/step_up", {"password": PASSWORD}).expect(422)
    other.get("/v1/members/me").expect(200)
    assert own_api.get("/v1/account", token=member["token"]).expect(200).json["second_factors"]["totp"] is True
    own_api.delete("/v1/account/totp", token=member["token"]).expect(204)


def test_a_session_shows_a_second_factor_before_it_acts_as_an_officer(own, own_api, own_actors, at_zero):
    member = own_actors.member()
    own.run("smile-admin", "create-officer", "--email", member["email"], "--name", "Petugas Uji", "--permissions",
            "read_members", "--password-stdin", input=PASSWORD)
    api = own_api.acting(own_actors.log_in(member["email"])["token"])   # acts as a member, as the last session did
    grants = {grant["kind"]: grant["id"] for grant in api.get("/v1/account").expect(200).json["grants"]}

    def choose(kind, token=None):
        return api.put("/v1/sessions/current/role", {"grant_id": grants[kind]}, token=token)
    asked = choose("officer").expect(401, "mfa_required").json
    api.post("/v1/members/search", {"kpj": member["kpj"]}).expect(403, "wrong_role")
    code = own_actors.mailed_token(member["email"])
    switched = meet(own_api, asked["challenge"], code).expect(200).json
    token = switched["access_token"]
    assert switched["session"]["grant"]["kind"] == "officer" and "device_token" not in switched
    api.get("/v1/account").expect(401)   # the token from before
    api.post("/v1/members/search", {"kpj": member["kpj"]}, token=token).expect(200)
    token = choose("member", token).expect(200).json["access_token"]
    choose("officer", token).expect(200)   # shown once, it counts for the session


def test_a_session_asks_for_five_challenges_and_waits_then(own, own_api, own_actors, at_zero):
    """Each sends a mail; the session may be a thief's."""
    member = own_actors.member()
    own.run("smile-admin", "create-officer", "--email", member["email"], "--name", "Petugas Uji", "--permissions",
            "read_members", "--password-stdin", input=PASSWORD)
    api = own_api.acting(own_actors.log_in(member["email"])["token"])
    officer = api.get("/v1/account").expect(200).json["grants"][1]["id"]
    for _ in range(5):
        api.put("/v1/sessions/current/role", {"grant_id": officer}).expect(401)
    api.put("/v1/sessions/current/role", {"grant_id": officer}).expect(429, "too_many_attempts")


# MARK: step-up

def test_step_up_is_throttled_by_session(own_api, own_actors, at_zero):
    member = own_actors.member()
    api, other = own_api.acting(member["token"]), own_api.acting(own_actors.log_in(member["email"])["token"])
    for _ in range(5):
        api.post("/v1/sessions/step_up", {"password": "salah sama sekali"}).expect(401, "invalid_credentials")
    refused = api.post("/v1/sessions/step_up", {"password": PASSWORD}).expect(429, "too_many_attempts")
    assert 25 <= int(refused.headers["Retry-After"]) <= 30
    other.post("/v1/sessions/step_up", {"password": PASSWORD}).expect(200)
    at_zero(31)
    api.post("/v1/sessions/step_up", {"password": PASSWORD}).expect(200)


def test_a_step_up_counts_in_its_own_session_alone(own_api, own_actors, at_zero):
    """Whoever stole another session waits in vain for the owner's password; refreshing doesn't carry it over."""
    member = own_actors.member()
    stolen = own_actors.log_in(member["email"])
    at_zero(301)
    stepped = own_api.post("/v1/sessions/step_up", {"password": PASSWORD}, token=member["token"]).expect(200).json
    own_api.post("/v1/account/totp", token=stepped["access_token"]).expect(200)
    own_api.post("/v1/account/totp", token=stolen["token"]).expect(401, "step_up_required")
    fresh = own_api.post("/v1/sessions/refresh", {"refresh_token": stolen["refresh_token"]}).expect(200).json
    own_api.post("/v1/account/totp", token=fresh["access_token"]).expect(401, "step_up_required")


def test_step_up_leaves_the_other_tab_its_refresh_token(own_api, own_actors, at_zero):
    member = own_actors.member()
    stepped = own_api.post("/v1/sessions/step_up", {"password": PASSWORD}, token=member["token"]).expect(200).json
    own_api.get("/v1/members/me", token=member["token"]).expect(401)
    own_api.get("/v1/members/me", token=stepped["access_token"]).expect(200)
    refreshed = own_api.post("/v1/sessions/refresh", {"refresh_token": member["refresh_token"]}).expect(200).json
    own_api.get("/v1/members/me", token=refreshed["access_token"]).expect(200)
    assert refreshed["session"]["stepped_up_at"] == stepped["session"]["stepped_up_at"]


def test_first_codes_are_throttled(own_api, own_actors, at_zero):
    api = own_api.acting(own_actors.member()["token"])
    api.post("/v1/account/totp").expect(200)
    for _ in range(5):
        api.post("/v1/account/totp/confirmation", {"code": "000000"}).expect(422, "wrong_code")
    api.post("/v1/account/totp/confirmation", {"code": "000000"}).expect(429, "too_many_attempts")


# MARK: sessions

def test_a_new_device_and_the_end_of_the_oldest_session_are_told_to_the_owner(own_api, own_actors, at_zero):
    officer = own_actors.officer()
    known = {"device_token": officer["device_token"]}

    def told():
        return [mail["text"] for mail in own_actors.mails(officer["email"]) if mail["template"] == "security_notice"]
    assert told() == []   # the first device of all is no news

    def log_in(**more):
        answer = ask(own_api, officer, **more).expect(401).json
        return meet(own_api, answer["challenge"], own_actors.mailed_token(officer["email"])).expect(201).json
    assert "device_token" not in log_in(**known)
    assert told() == []
    newest = log_in(device_name="Laptop kantor")
    assert len(told()) == 1
    sessions = own_api.get("/v1/sessions", token=newest["access_token"]).expect(200).json["items"]
    assert len(sessions) == 3 and sessions[0]["device_name"] == "Laptop kantor"
    last = log_in(**known)
    assert len(told()) == 2
    own_api.get("/v1/account", token=officer["token"]).expect(401)
    events = own_api.get("/v1/account/security_events", token=last["access_token"]).expect(200).json["items"]
    assert [e["kind"] for e in events if e["kind"] != "logged_in"] == ["session_limit", "new_device"]


def test_a_session_that_idleness_has_ended_is_not_ended_again(own_api, own_actors, later):
    """Who logs in daily and never logs out isn't written to about sessions that ended long ago."""
    member = own_actors.member()
    for day in range(1, 13):
        later(day * 86_400)
        last = own_actors.log_in(member["email"], device_token=member["device_token"])
    events = own_api.get("/v1/account/security_events?limit=50", token=last["token"]).expect(200).json["items"]
    assert {event["kind"] for event in events} == {"logged_in", "account_confirmed"}


def test_a_change_of_role_keeps_to_the_limit_of_the_role(own, own_api, own_actors, at_zero):
    """Nobody acts as an officer in more than three places by logging in as a member first."""
    member = own_actors.member()
    sessions = [member] + [own_actors.log_in(member["email"], device_token=member["device_token"]) for _ in range(4)]
    with own.cluster.connect(own.database) as connection:
        connection.execute("INSERT INTO smile.account_grant (account_id, kind, permissions, active) SELECT id, "
                           "'officer', '{read_members}', true FROM smile.account WHERE email = %s", [member["email"]])
    grants = own_api.get("/v1/account", token=member["token"]).expect(200).json["grants"]
    officer, = [grant["id"] for grant in grants if grant["kind"] == "officer"]
    with Client(own, member["token"]) as client:   # the oldest session, which stays because it is the one in use
        Actors(client).switch(member["email"], officer)
    alive = [own_api.get("/v1/account", token=each["token"]).status == 200 for each in sessions[1:]]
    assert alive == [False, False, True, True]


def test_log_ins_at_once_keep_to_the_limit_of_sessions(own, own_api, own_actors, at_zero):
    member = own_actors.member()
    known = {"device_token": member["device_token"]}
    for _ in range(9):
        ask(own_api, member, **known).expect(201)
    answers = at_once(own, 6, lambda client: ask(client, member, **known).expect(201).json["access_token"])
    assert len(own_api.get("/v1/sessions", token=answers[-1]).json.get("items", [])) <= 10
    with own.cluster.connect(own.database) as connection:
        alive = connection.execute("SELECT count(*) FROM smile.session AS s JOIN smile.account AS a ON a.id = "
                                   "s.account_id WHERE a.email = %s AND s.ended_at IS NULL", [member["email"]])
        assert alive.fetchone() == (10,)


def test_a_session_shows_where_it_was_used_last(own_api, own_actors, at_zero):
    member = own_actors.member()
    refreshed = own_api.post("/v1/sessions/refresh", {"refresh_token": member["refresh_token"]},
                             headers={"X-Forwarded-For": "198.51.100.44"}).expect(200).json
    assert refreshed["session"]["address"] == "198.51.100.44"
    assert refreshed["session"]["refreshed_at"] > refreshed["session"]["created_at"]


# MARK: traces

def test_a_dump_holds_no_second_factor(own, own_api, own_actors, at_zero):
    member, officer = enrol(own_actors, own_actors.member()), own_actors.officer_account()
    waiting = challenge(own_api, member)
    challenge(own_api, officer)
    code = own_actors.mailed_token(officer["email"])
    done = subprocess.run([own.cluster.programs / "pg_dump", own.cluster.url(own.database, "smile_backup")], check=True,
                          capture_output=True, text=True).stdout
    assert member["email"] in done
    bare = {"secret": base64.b32decode(member["secret"]), "recovery code": base64.b32decode(
        member["recovery_codes"][0].replace("-", ""))}
    for what, secret in {"secret": member["secret"], "recovery code": member["recovery_codes"][0],
                         "device token": member["device_token"], "challenge": waiting}.items():
        body = secret.split("_", 1)[-1]
        for form in (secret, body, body.encode().hex(), bare.get(what, b"\0").hex()):
            assert form == "00" or form not in done, f"the dump holds the {what}"
    assert json.dumps(code) not in done
    with own.cluster.connect(own.database) as connection:
        stored, = connection.execute(
            "SELECT o::text FROM smile.outbox AS o WHERE o.recipient = %s ORDER BY o.created_at DESC LIMIT 1",
            [officer["email"]]).fetchone()
        assert code not in stored


def test_what_is_dead_of_it_is_deleted(own, own_api, own_actors, at_zero):
    member = own_actors.member()
    challenge(own_api, own_actors.officer_account())
    own_api.post("/v1/account/totp", token=member["token"]).expect(200)
    at_zero(200 * 86_400)
    with own.cluster.connect(own.database) as connection:
        connection.execute("SET ROLE smile_jobs")
        connection.execute("SELECT smile.purge_identity()")
        connection.execute("RESET ROLE")
        for table in ("mfa_challenge", "known_device", "totp"):
            unused = "confirmed_at IS NULL" if table == "totp" else "true"
            assert connection.execute(f"SELECT count(*) FROM smile.{table} WHERE {unused}").fetchone() == (0,), table


# MARK: what the operator can do

def test_the_operator_takes_a_lost_authenticator_off(own, own_api, own_actors, at_zero):
    """Password and authenticator, then both and the codes are lost: after this the password alone opens the account."""
    member = enrol(own_actors, own_actors.member())
    ask(own_api, member).expect(401, "mfa_required")
    assert json.loads(own.run("smile-admin", "remove-authenticator", "--email", member["email"].upper())) == {
        "removed": member["email"]}
    own_api.get("/v1/members/me", token=member["token"]).expect(401, "invalid_token")
    session = ask(own_api, member).expect(201).json
    events = own_api.get("/v1/account/security_events", token=session["access_token"]).expect(200).json["items"]
    assert "factor_removed" in [event["kind"] for event in events]
    with pytest.raises(AssertionError, match="no authenticator"):
        own.run("smile-admin", "remove-authenticator", "--email", member["email"])
