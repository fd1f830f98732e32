"""A member's new e-mail address or phone number: codes, races, limits, and what a stranger can't learn."""
import concurrent.futures
import itertools

import psycopg
import pytest

from actors import PASSWORD
from client import Client, at_once
from test_jobs import eventually
from timing import assert_alike

CHANGES = "/v1/members/me/contact_changes"
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def own_db(own):
    with own.cluster.connect(own.database) as connection:
        yield connection


@pytest.fixture
def member(own_actors):
    return own_actors.member()


def fresh_address():
    return f"alamat.baru{next(numbers)}@smile.test"


def start(client, member, status=201, code=None, **contact):
    return client.post(CHANGES, contact, token=member["token"]).expect(status, code).json


def confirm(client, member, change, code, **more):
    return client.post(f"{CHANGES}/{change['id']}/confirmation", {"code": code} | more, token=member["token"])


def change_email(client, actors, member, address, **more):
    waiting = start(client, member, email=address)
    return confirm(client, member, waiting, actors.mailed_token(address), **more).expect(200).json


def wrong(code):
    return f"{(int(code) + 1) % 1_000_000:06}"


def test_the_code_is_good_once_however_many_show_it_at_once(own, own_api, own_actors, member):
    address = fresh_address()
    waiting = start(own_api, member, email=address)
    code = own_actors.mailed_token(address)
    answers = at_once(own, 5, lambda client: confirm(client, member, waiting, code).status)
    assert sorted(answers) == [200, 410, 410, 410, 410]
    assert [mail["template"] for mail in own_actors.mails(address)] == ["security_notice", "contact_code"]


def test_a_hundred_tries_at_once_cannot_pass_the_limit_of_five(own, own_api, own_actors, member):
    address = fresh_address()
    waiting = start(own_api, member, email=address)
    code = own_actors.mailed_token(address)
    answers = at_once(own, 100, lambda client: confirm(client, member, waiting, wrong(code)).status)
    assert answers.count(422) == 5 and set(answers) <= {422, 410, 503}, answers
    confirm(own_api, member, waiting, code).expect(410, "contact_change_ended")
    seen = own_api.get(f"{CHANGES}/{waiting['id']}", token=member["token"]).expect(200).json
    assert seen["status"] == "ended"


def test_only_the_newest_code_of_a_kind_is_good(own_api, own_actors, member):
    first, second = fresh_address(), fresh_address()
    earlier = start(own_api, member, email=first)
    number = start(own_api, member, phone="+628120000001")
    later = start(own_api, member, email=second)
    confirm(own_api, member, earlier, own_actors.mailed_token(first)).expect(410, "contact_change_ended")
    confirm(own_api, member, later, own_actors.mailed_token(first)).expect(422, "contact_code_wrong")
    confirm(own_api, member, later, own_actors.mailed_token(second)).expect(200)
    confirm(own_api, member, number, own_actors.mailed_token("+628120000001")).expect(200)


def test_a_code_lives_ten_minutes_to_the_second(own_api, own_actors, member, later):
    one, other = fresh_address(), fresh_address()
    later(0)
    waiting = start(own_api, member, email=one)
    later(599)
    confirm(own_api, member, waiting, own_actors.mailed_token(one)).expect(200)
    member = own_actors.member()
    waiting = start(own_api, member, email=other)
    later(599 + 600)
    confirm(own_api, member, waiting, own_actors.mailed_token(other)).expect(410, "contact_change_ended")


def test_a_sixth_change_in_a_day_is_refused(own, own_api, member, own_db):
    """Nobody is written to at will; of many at once five go through."""
    answers = at_once(own, 12, lambda client: client.post(CHANGES, {"email": fresh_address()}, token=member["token"]))
    assert sorted({answer.status for answer in answers}) == [201, 429]
    assert [answer.status for answer in answers].count(201) == 5
    refused = next(answer for answer in answers if answer.status == 429)
    assert refused.code == "too_many_attempts" and 86_000 < int(refused.headers["Retry-After"]) <= 86_400
    own_db.execute("UPDATE smile.contact_change SET created_at = created_at - interval '1 day'")
    start(own_api, member, email=fresh_address())


# MARK: what a stranger can't learn

def bare(answer, address):
    varying = {"X-Request-Id", "Date", "Location"}
    body = {k: v for k, v in answer.json.items() if k not in ("id", "created_at", "expires_at", "request_id")}
    assert body.pop("email", address) == address
    return answer.status, body, {k: len(v) for k, v in answer.headers.items() if k not in varying}


def test_an_address_of_another_account_tells_nothing_in_words_or_in_time(own, own_actors, own_db):
    """Same words, same length, same time; its owner is told, and no code opens it."""
    member, holder = own_actors.member(), own_actors.member()
    free = "x" * (len(holder["email"]) - len("@smile.test")) + "@smile.test"
    with Client(own, member["token"]) as client:
        def ask(address):
            return client.post(CHANGES, {"email": address})

        def forget():
            own_db.execute("UPDATE smile.contact_change SET created_at = created_at - interval '2 days'")

        changes = {}
        for address in (holder["email"], free):
            changes[address] = ask(address).expect(201)
        assert bare(changes[holder["email"]], holder["email"]) == bare(changes[free], free)
        assert own_actors.mails(holder["email"])[0]["template"] == "contact_in_use"
        assert "token" not in own_actors.mails(holder["email"])[0]

        taken = ask(holder["email"]).expect(201).json
        waiting = ask(free).expect(201).json   # each takes the other's place: one waits at a time
        forget()
        for address in (holder["email"], free):
            waiting = ask(address).expect(201).json
            codes = ["000000"] * 5 if address != free else [wrong(own_actors.mailed_token(free))] * 5
            tried = [confirm(client, member, waiting, code) for code in [*codes, "000000"]]
            assert [answer.status for answer in tried] == [422] * 5 + [410]
            assert {answer.code for answer in tried[:5]} == {"contact_code_wrong"}
        assert taken["id"] != waiting["id"]
        forget()
        assert_alike(lambda: ask(holder["email"]), lambda: ask(free), before=forget)


def test_two_accounts_that_prove_one_address_at_once_get_it_once(own, own_actors):
    """Who shows the code owns the mailbox, so the loser may be told."""
    members, address = [own_actors.member() for _ in range(2)], fresh_address()
    with Client(own) as client:
        waiting = []
        for member in members:
            change = start(client, member, email=address)
            waiting.append((member, change, own_actors.mailed_token(address)))
        todo = iter(waiting)
        answers = at_once(own, 2, lambda client: confirm(client, *next(todo)))
        assert sorted(answer.status for answer in answers) == [200, 409]
        assert next(answer for answer in answers if answer.status == 409).code == "account_exists"
        own_actors.log_in(address)


def test_a_report_that_came_first_stops_the_change(own_api, own_actors, own_db, member):
    address = fresh_address()
    waiting = start(own_api, member, email=address)
    own_db.execute("INSERT INTO smile.compromise_report (account_id, member_id) SELECT account_id, member_id "
                   "FROM smile.account_grant WHERE member_id = %s AND active", [member["member_id"]])
    confirm(own_api, member, waiting, own_actors.mailed_token(address)).expect(409, "account_reported")
    assert own_api.get("/v1/members/me", token=member["token"]).json["email"] == member["email"]


# MARK: what follows a change

def test_what_went_to_the_old_address_opens_nothing_any_more(own_api, own_actors, member):
    own_api.post("/v1/password_resets", {"identifier": member["email"]}).expect(202)
    token = own_actors.mailed_token(member["email"])
    change_email(own_api, own_actors, member, fresh_address())
    own_api.post("/v1/password_resets/confirmation", {"token": token, "new_password": "layang layang di atas sawah"}
                 ).expect(410, "reset_token_invalid")


@pytest.mark.parametrize("ends", [True, False, None])
def test_other_sessions_end_if_that_is_wanted(ends, own_api, own_actors, member):
    other = own_actors.log_in(member["email"])
    more = {} if ends is None else {"end_other_sessions": ends}
    change_email(own_api, own_actors, member, fresh_address(), **more)
    own_api.get("/v1/account", token=member["token"]).expect(200)
    own_api.get("/v1/account", token=other["token"]).expect(401 if ends else 200)
    own_api.post("/v1/sessions/refresh", {"refresh_token": other["refresh_token"]}).expect(401 if ends else 200)


def test_an_address_that_only_the_record_had_is_told_too(own_api, own_actors, own_db, member):
    own_db.execute("UPDATE smile.member SET email = 'lama.sekali@smile.test' WHERE id = %s", [member["member_id"]])
    address = fresh_address()
    change_email(own_api, own_actors, member, address)
    for told in ("lama.sekali@smile.test", member["email"], address):
        assert own_actors.mails(told)[0]["template"] == "security_notice", told
    assert own_api.get("/v1/members/me", token=member["token"]).json["email"] == address


def test_a_new_number_is_proved_by_sms_and_both_numbers_are_told(own_api, own_actors, own_db, member):
    number = f"+62813{next(numbers):08}"
    waiting = start(own_api, member, phone=number)
    mail, = own_actors.mails(number)
    assert (mail["channel"], mail["template"]) == ("sms", "contact_code")
    before = own_api.get("/v1/members/me", token=member["token"]).headers["ETag"]
    confirm(own_api, member, waiting, mail["token"]).expect(200)
    for told in (number, member["phone"]):
        newest = own_actors.mails(told)[0]
        assert (newest["channel"], newest["template"]) == ("sms", "contact_notice")
    seen = own_api.get("/v1/members/me", token=member["token"])
    assert seen.json["phone"] == number and seen.headers["ETag"] != before
    assert own_db.execute("SELECT phone FROM smile.account WHERE email = %s", [member["email"]]).fetchone() == (number,)
    start(own_api, member, 422, "contact_unchanged", phone=number)


def test_a_number_that_was_typed_at_registration_gets_codes_once_it_is_proved(own_api, own_actors, own_db, member):
    """ASVS 6.6.1: until then a wrong digit would send an officer's codes to a stranger."""
    waiting = start(own_api, member, phone=member["phone"])
    make_officer(own_db, member)
    officer = next(grant["id"] for grant in own_api.get("/v1/account", token=member["token"]).json["grants"]
                   if grant["kind"] == "officer")

    def methods():
        asked = own_api.put("/v1/sessions/current/role", {"grant_id": officer}, token=member["token"])
        return asked.expect(401, "mfa_required").json["methods"]
    assert methods() == ["email"]
    confirm(own_api, member, waiting, own_actors.mailed_token(member["phone"])).expect(200)
    assert methods() == ["email", "sms"]
    own_db.execute("UPDATE smile.account SET phone = '+628119998886' WHERE email = %s", [member["email"]])
    assert methods() == ["email"]


def test_without_somebody_to_send_it_an_sms_is_refused_by_name(make_server):
    """In production nobody would ever read it."""
    server = make_server(ENVIRONMENT="production", PASSWORD_COST=5, start=False)
    database = server.cluster.url(server.database)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE smile.deployment SET environment = 'production'")
        account, = connection.execute(
            "INSERT INTO smile.account (email, full_name, password_hash, status, confirmed_at, phone) "
            "VALUES ('siti@smile.test', 'Siti', repeat('x', 30), 'active', now(), '+62811111111') RETURNING id"
        ).fetchone()
        connection.execute("WITH m AS (INSERT INTO smile.member (full_name, birth_date) VALUES ('Siti', '1980-01-01') "
                           "RETURNING id) INSERT INTO smile.account_grant (account_id, kind, member_id, active) "
                           "SELECT %s, 'member', id, true FROM m", [account])
        token = "sat_" + "A" * 43
        connection.execute("WITH s AS (INSERT INTO smile.session (account_id, grant_id, expires_at) "
                           "SELECT g.account_id, g.id, now() + interval '1 hour' FROM smile.account_grant AS g "
                           "RETURNING id) SELECT smile.mint_access_token(id, sha256(%s)) FROM s", [token.encode()])
    server.start()
    with Client(server, token) as client:
        client.post(CHANGES, {"phone": "+628122222222"}).expect(422, "sms_unavailable")
        client.post(CHANGES, {"phone": "+628122222222"}, token="sat_" + "B" * 43).expect(401)
        client.post(CHANGES, {"email": "siti.baru@smile.test"}).expect(201)


# MARK: what a password alone must not do

def make_officer(own_db, member):
    own_db.execute("INSERT INTO smile.account_grant (account_id, kind, permissions, active) SELECT account_id, "
                   "'officer', '{read_members}', true FROM smile.account_grant WHERE member_id = %s",
                   [member["member_id"]])


def test_the_code_of_another_role_cannot_be_redirected(own_api, own_actors, own_db, member):
    """An officer's code goes by mail. Who knows the password alone gets as far as the membership, and must neither take
    the code to another mailbox nor put an authenticator in its place."""
    make_officer(own_db, member)
    start(own_api, member, 403, "second_factor_required", email=fresh_address())
    own_api.post("/v1/account/totp", token=member["token"]).expect(403, "second_factor_required")
    officer = next(grant["id"] for grant in own_api.get("/v1/account", token=member["token"]).json["grants"]
                   if grant["kind"] == "officer")
    asked = own_api.put("/v1/sessions/current/role", {"grant_id": officer}, token=member["token"]).expect(401).json
    shown = {"challenge": asked["challenge"], "code": own_actors.mailed_token(member["email"])}
    acting = own_api.post("/v1/sessions/mfa", shown).expect(200).json
    mine = next(grant["id"] for grant in own_api.get("/v1/account", token=acting["access_token"]).json["grants"]
                if grant["kind"] == "member")
    back = own_api.put("/v1/sessions/current/role", {"grant_id": mine}, token=acting["access_token"]).expect(200).json
    own_api.post("/v1/account/totp", token=back["access_token"]).expect(200)
    change_email(own_api, own_actors, {"token": back["access_token"]}, fresh_address())


def test_a_code_that_was_sent_before_does_not_outlive_the_change(own_api, own_actors, own_db, member):
    """A challenge whose code went to the old mailbox is gone."""
    make_officer(own_db, member)
    own_db.execute("UPDATE smile.session SET second_factor_at = NULL WHERE id = %s", [member["session_id"]])
    officer = next(grant["id"] for grant in own_api.get("/v1/account", token=member["token"]).json["grants"]
                   if grant["kind"] == "officer")
    asked = own_api.put("/v1/sessions/current/role", {"grant_id": officer}, token=member["token"]).expect(401).json
    code = own_actors.mailed_token(member["email"])
    own_db.execute("UPDATE smile.session SET second_factor_at = now() WHERE id = %s", [member["session_id"]])
    change_email(own_api, own_actors, member, fresh_address())
    own_api.post("/v1/sessions/mfa", {"challenge": asked["challenge"], "code": code}).expect(401, "invalid_code")


def test_of_a_change_and_a_reset_at_once_the_later_one_sees_the_earlier(own, own_api, own_actors, own_db, member):
    """Both wait for the account; what was sent to the old address opens nothing once the change has come first."""
    own_api.post("/v1/password_resets", {"identifier": member["email"]}).expect(202)
    reset = {"token": own_actors.mailed_token(member["email"]), "new_password": "layang layang di atas sawah"}
    address = fresh_address()
    waiting = start(own_api, member, email=address)
    code = own_actors.mailed_token(address)
    waiters = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"

    def waits(count):
        eventually(lambda: own_db.execute(waiters).fetchone() == (count,))
    with own.cluster.connect(own.database) as holder, concurrent.futures.ThreadPoolExecutor(2) as pool:
        with holder.transaction():
            holder.execute("SELECT FROM smile.account WHERE email = %s FOR NO KEY UPDATE", [member["email"]])
            changing = pool.submit(lambda: confirm(Client(own), member, waiting, code))
            waits(1)
            resetting = pool.submit(lambda: Client(own).post("/v1/password_resets/confirmation", reset))
            waits(2)
        changing.result().expect(200)
        resetting.result().expect(410, "reset_token_invalid")
    assert own_api.get("/v1/members/me", token=member["token"]).json["email"] == address


def test_old_changes_go(own_db, own_actors, own_api, member):
    """They hold addresses: 90 days."""
    change = start(own_api, member, email=fresh_address())["id"]
    own_db.execute("UPDATE smile.contact_change SET created_at = created_at - interval '91 days' WHERE id = %s",
                   [change])
    own_db.execute("SELECT smile.purge_identity()")
    assert own_db.execute("SELECT FROM smile.contact_change WHERE id = %s", [change]).rowcount == 0


def test_who_knows_the_password_of_the_old_address_alone_is_a_stranger(own_api, own_actors, member):
    address = fresh_address()
    change_email(own_api, own_actors, member, address)
    own_api.post("/v1/sessions", {"identifier": member["email"], "password": PASSWORD}).expect(401)
    own_api.post("/v1/sessions", {"identifier": address, "password": PASSWORD}).expect(201)
    newcomer = own_actors.member()
    change_email(own_api, own_actors, newcomer, member["email"])   # the old address is free again
    own_actors.log_in(member["email"])
