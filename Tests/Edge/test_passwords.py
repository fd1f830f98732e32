"""Passwords: which are refused, their change, their reset, and what a stranger can't learn from it."""
import concurrent.futures
import random

import psycopg
import pytest

from actors import PASSWORD
from client import Client
from cluster import ROOT
from timing import assert_alike

NEW = "layang layang di atas sawah"
LIST = ROOT / "Migrations" / "blocked_passwords.csv"


@pytest.fixture(scope="module")
def own(make_server):
    """A server whose clock these tests may move."""
    return make_server()


@pytest.fixture(scope="module")
def own_actors(own, actors_on):
    return actors_on(own)


@pytest.fixture
def own_api(own):
    with Client(own) as client:
        yield client


@pytest.fixture
def later(own_db, own_actors):
    """later(seconds) moves the security clock to so long after the test's start."""
    start = own_db.execute("SELECT security_offset FROM smile.clock").fetchone()[0]
    yield lambda seconds: own_db.execute(
        "UPDATE smile.clock SET security_offset = %s + make_interval(secs => %s)", [start, seconds])
    own_db.execute("UPDATE smile.clock SET security_offset = %s", [start])
    own_actors.known.clear()


def log_in(client, email, password):
    return client.post("/v1/sessions", {"identifier": email, "password": password})


def change(client, token, current, new):
    return client.put("/v1/account/password", {"current_password": current, "new_password": new}, token=token)


def ask(client, identifier):
    client.post("/v1/password_resets", {"identifier": identifier}).expect(202)


def reset(client, token, password=NEW):
    return client.post("/v1/password_resets/confirmation", {"token": token, "new_password": password})


def at_once(server, count, work):
    def one(number):
        with Client(server) as client:
            return work(client, number)
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


# MARK: which are refused

def blocked():
    return [line for line in LIST.read_text().splitlines() if not line.startswith("#")]


def problems(api, password, **about):
    answer = api.post("/v1/password_checks", {"password": password} | about).expect(200).json
    codes = [problem["code"] for problem in answer["problems"]]
    assert answer["acceptable"] == (not codes)
    return codes


def test_the_list_is_long_enough_sorted_and_says_where_it_comes_from():
    words = blocked()
    assert len(set(words)) == len(words) >= 10_000
    assert words == sorted(words, key=str.encode) and all(word == word.lower() for word in words)
    assert "Copyright" in LIST.read_text()[:1000]


def test_words_of_the_list_are_refused_as_they_stand_and_dressed(api):
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    source = random.Random(seed)
    words = blocked()
    whole = [word for word in words if len(word) >= 15]
    assert len(whole) > 10
    dressed = [word.title() + "!" + "20261122334455"[:max(14 - len(word), 1)] for word in source.sample(
        [word for word in words if word.isalpha()], 60)]
    for password in whole + dressed:
        if len(password) >= 15:
            assert problems(api, password) in (["password_common"], ["password_sequence"]), password


@pytest.mark.parametrize("password,code", [
    ("password12345678", "password_common"), ("P4$$w0rd!!!!!!!!", "password_common"),
    ("BISMILLAHIRRAHMANIRRAHIM", "password_common"), ("$3cret-2026-11-22", "password_common"),
    ("rahasiarahasiarahasia", "password_common"), ("Jakarta 2026 2026", "password_common"),
    ("123456789012345", "password_sequence"), ("qwertyuiopasdfghjkl", "password_sequence"),
    ("zyxwvutsrqponmlkji", "password_sequence"), ("3edc4rfv5tgb6yhn", "password_sequence"),
    ("abcabcabcabcabcab", "password_sequence"), ("aaaaaaaaaaaaaaaaaaab", "password_sequence"),
    ("bpjs-ketenagakerjaan", "password_personal"), ("smile-smile-smile-1", "password_personal"),
    ("wirawan.i.made.95", "password_personal"), ("made@contoh.id-1995", "password_personal"),
    ("24111995-26000000001", "password_personal"), ("5171012411950003ab", "password_personal"),
    ("pendek", "password_too_short"), ("x" * 14, "password_too_short"), ("abcde " * 43, "password_too_long"),
    ("perahu-kertas-di-laut", None), ("made suka makan rujak pedas", None), ("kuda hitam di padang 1995", None),
    ("Zażółć gęślą jaźń", None), ("正しい馬電池ホチキス漢字平仮名片仮名", None),
])
def test_what_is_easy_to_guess_is_refused_and_nothing_else(password, code, api):
    about = {"full_name": "I Made Wirawan", "email": "made@contoh.id", "birth_date": "1995-11-24",
             "kpj": "26000000001", "nik": "5171012411950003"}
    assert problems(api, password, **about) == ([code] if code else [])


def test_a_password_is_judged_in_one_spelling(api):
    """The list holds `jalapeño` composed; typed decomposed and in capitals it is the same word."""
    assert problems(api, "JALAPEN\u0303O") == problems(api, "jalape\u00f1o")
    assert problems(api, "abcde\u0301fghi\u0301jklmno") == problems(api, "abcd\u00e9fgh\u00edjklmno")


def test_a_check_keeps_nothing(api, db, server):
    secret = "kata-yang-tidak-boleh-tersimpan"
    before = db.execute("SELECT sum(n_tup_ins) FROM pg_stat_user_tables WHERE schemaname = 'smile'").fetchone()
    problems(api, secret, full_name="Siapa Saja")
    assert secret not in server.log()
    assert db.execute(
        "SELECT sum(n_tup_ins) FROM pg_stat_user_tables WHERE schemaname = 'smile'").fetchone() == before


def test_nul_and_overlong_passwords_are_refused(api, actors):
    member = actors.member()
    for password in ("abc\0def ghi jkl mno", "x y z " * 50):
        answer = change(api, member["token"], PASSWORD, password).expect(400)
        assert answer.json["errors"][0]["pointer"] == "/new_password"
    api.post("/v1/password_resets/confirmation", {"token": "A" * 43, "new_password": "x" * (1 << 20)}).expect(413)


# MARK: change

def test_a_change_ends_every_other_session_and_every_old_token(own_api, own_actors):
    member = own_actors.member()
    other = log_in(own_api, member["email"], PASSWORD).expect(201).json
    changed = change(own_api, member["token"], PASSWORD, NEW).expect(200).json
    assert changed["session"]["id"] == member["session_id"]
    for token in (member["token"], other["access_token"]):
        own_api.get("/v1/account", token=token).expect(401)
    for token in (member["refresh_token"], other["refresh_token"]):
        own_api.post("/v1/sessions/refresh", {"refresh_token": token}).expect(401)
    assert len(own_api.get("/v1/sessions", token=changed["access_token"]).expect(200).json["items"]) == 1
    own_api.post("/v1/sessions/refresh", {"refresh_token": changed["refresh_token"]}).expect(200)
    log_in(own_api, member["email"], PASSWORD).expect(401)
    log_in(own_api, member["email"], NEW).expect(201)
    assert any("Password changed" in mail["text"] for mail in own_actors.mails(member["email"])
               if mail["template"] == "security_notice")


def test_a_hash_that_is_made_anew_ends_no_session(own_api, own_actors, own_db):
    """What a log-in does when the cost has changed: the password is the same."""
    member = own_actors.member()
    own_db.execute("UPDATE smile.account SET password_hash = password_hash || 'x' WHERE email = %s", [member["email"]])
    own_api.get("/v1/account", token=member["token"]).expect(200)


def test_of_two_changes_at_once_one_wins(own, own_actors, own_api):
    member = own_actors.member()
    passwords = [f"{NEW} nomor {name}" for name in ("satu", "dua", "tiga", "empat")]
    answers = at_once(own, 4, lambda client, number: change(client, member["token"], PASSWORD, passwords[number]))
    statuses = [answer.status for answer in answers]
    assert statuses.count(200) == 1 and set(statuses) <= {200, 401, 409, 422}, statuses   # 422: judged by the new one
    opened = [log_in(own_api, member["email"], password).status for password in passwords]
    assert opened == [201 if status == 200 else 401 for status in statuses]


def test_a_password_that_changed_meanwhile_is_not_overwritten(own, own_actors, own_api):
    """The other change stands between this one's comparison and its write: it is under way when this one begins."""
    member = own_actors.member()
    with psycopg.connect(own.cluster.url(own.database)) as other, own.cluster.connect(own.database) as watcher, \
            concurrent.futures.ThreadPoolExecutor(1) as pool:
        other.execute("UPDATE smile.account SET password_hash = password_hash || 'x' WHERE email = %s",
                      [member["email"]])
        answer = pool.submit(change, own_api, member["token"], PASSWORD, NEW)
        waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"
        while not answer.done() and not watcher.execute(waits).fetchone()[0]:
            pass
        other.commit()
        answer.result(10).expect(409, "password_changed_meanwhile")
    log_in(own_api, member["email"], NEW).expect(401)


def test_five_wrong_tries_close_the_way_of_one_session_for_a_while(own_api, own_actors, later):
    member = own_actors.member()
    other = own_actors.log_in(member["email"])
    for _ in range(5):
        change(own_api, member["token"], "salah sama sekali", NEW).expect(422, "current_password_wrong")
    refused = change(own_api, member["token"], PASSWORD, NEW).expect(429, "too_many_attempts")
    assert 0 < int(refused.headers["Retry-After"]) <= 30
    change(own_api, other["token"], "salah sama sekali", NEW).expect(422, "current_password_wrong")
    later(31)
    change(own_api, member["token"], PASSWORD, NEW).expect(200)


def test_an_old_password_is_a_reason_to_think_and_no_more(own_api, own_actors, own_db):
    member = own_actors.member()
    fresh = own_api.get("/v1/account", token=member["token"]).expect(200)
    assert "password_advice" not in fresh.json
    own_db.execute("ALTER TABLE smile.account DISABLE TRIGGER account_stops")
    own_db.execute("UPDATE smile.account SET password_changed_at = password_changed_at - interval '731 days' "
                   "WHERE email = %s", [member["email"]])
    own_db.execute("ALTER TABLE smile.account ENABLE TRIGGER account_stops")
    old = own_api.get("/v1/account", token=member["token"]).expect(200)
    assert old.json["password_advice"] == "consider_change" and old.headers["ETag"] != fresh.headers["ETag"]
    own_actors.log_in(member["email"])
    changed = change(own_api, member["token"], PASSWORD, NEW).expect(200).json
    account = own_api.get("/v1/account", token=changed["access_token"]).expect(200).json
    assert "password_advice" not in account and account["password_changed_at"] > old.json["password_changed_at"]


@pytest.mark.parametrize("way,known", [("change", 1), ("reset", 0), ("report", 0)])
def test_which_devices_a_new_password_leaves_known(way, known, own_api, own_actors, own_db):
    """And the failures that were counted for the account are over in each case."""
    member = own_actors.member()
    for _ in range(3):
        log_in(own_api, member["email"], "salah sama sekali").expect(401)
    account, = own_db.execute("SELECT id FROM smile.account WHERE email = %s", [member["email"]]).fetchone()
    counted = ("SELECT count(*) FROM smile.log_in_throttle "
               "WHERE key = smile.throttle_key('account', smile.throttle_subject(%s))")
    assert own_db.execute(counted, [account]).fetchone() == (1,)
    if way == "change":
        change(own_api, member["token"], PASSWORD, NEW).expect(200)
    elif way == "report":
        own_api.post("/v1/account/compromise_reports", {}, token=member["token"]).expect(201)
    else:
        ask(own_api, member["email"])
        reset(own_api, own_actors.mailed_token(member["email"])).expect(204)
    assert own_db.execute(counted, [account]).fetchone() == (0,)
    assert own_db.execute("SELECT count(*) FROM smile.known_device WHERE account_id = %s",
                          [account]).fetchone() == (known,)


# MARK: reset

def test_a_reset_ends_every_session_and_opens_none(own_api, own_actors):
    member = own_actors.member()
    ask(own_api, member["email"].upper())
    assert reset(own_api, own_actors.mailed_token(member["email"])).expect(204).body == b""
    own_api.get("/v1/account", token=member["token"]).expect(401)
    own_api.post("/v1/sessions/refresh", {"refresh_token": member["refresh_token"]}).expect(401)
    log_in(own_api, member["email"], PASSWORD).expect(401)
    token = log_in(own_api, member["email"], NEW).expect(201).json["access_token"]
    kinds = [item["kind"] for item in own_api.get("/v1/account/security_events", token=token).json["items"]]
    assert "password_reset" in kinds and "password_reset_requested" in kinds


def test_a_username_finds_the_account_too(own_api, own_actors, own_db):
    member = own_actors.member()
    own_db.execute("UPDATE smile.account SET username = 'lupa.sandi' WHERE email = %s", [member["email"]])
    ask(own_api, "Lupa.Sandi")
    reset(own_api, own_actors.mailed_token(member["email"])).expect(204)


def test_a_reset_token_lives_15_minutes_to_the_second(own_api, own_actors, later):
    first, second = own_actors.member(), own_actors.member()
    for member in (first, second):
        ask(own_api, member["email"])
    tokens = [own_actors.mailed_token(member["email"]) for member in (first, second)]
    later(15 * 60 - 2)
    reset(own_api, tokens[0]).expect(204)
    later(15 * 60 + 2)
    reset(own_api, tokens[1]).expect(410, "reset_token_invalid")


def test_only_the_newest_token_works_and_one_a_minute_is_mailed(own_api, own_actors, later):
    member = own_actors.member()
    ask(own_api, member["email"])
    first = own_actors.mailed_token(member["email"])
    ask(own_api, member["email"])
    assert own_actors.mailed_token(member["email"]) == first
    later(61)
    ask(own_api, member["email"])
    second = own_actors.mailed_token(member["email"])
    assert second != first
    reset(own_api, first).expect(410, "reset_token_invalid")
    reset(own_api, second).expect(204)


def test_who_keeps_asking_for_a_reset_leaves_the_owner_a_good_token(own_api, own_actors, later):
    """A request a minute for somebody else's account: every mail but a few is withheld, and the last one works."""
    member = own_actors.member()
    for minute in range(14):
        later(61 * minute)
        ask(own_api, member["email"])
    assert sum(mail["template"] == "password_reset" for mail in own_actors.mails(member["email"])) == 3
    reset(own_api, own_actors.mailed_token(member["email"])).expect(204)
    later(61 * 16)
    ask(own_api, member["email"])
    assert sum(mail["template"] == "password_reset" for mail in own_actors.mails(member["email"])) == 4


def test_resets_asked_for_all_day_are_mailed_once_an_hour_at_last(own_api, own_actors, later):
    """Five, one after 15 min, one after 30, then one an hour, here four quarters. And every one that is mailed works:
    whoever asks for it, it comes to the owner."""
    member = own_actors.member()
    for quarter in range(4 * 12):
        later(901 * quarter)
        ask(own_api, member["email"])
    assert sum(mail["template"] == "password_reset" for mail in own_actors.mails(member["email"])
               ) == 5 + 1 + 1 + len(range(11, 4 * 12, 4))
    later(901 * 4 * 13)
    ask(own_api, member["email"])
    reset(own_api, own_actors.mailed_token(member["email"])).expect(204)


def test_requests_at_once_mail_one_token(own, own_api, own_actors):
    member = own_actors.member()
    at_once(own, 8, lambda client, _: ask(client, member["email"]))
    assert sum(mail["template"] == "password_reset" for mail in own_actors.mails(member["email"])) == 1


def test_of_confirmations_at_once_one_wins(own, own_api, own_actors):
    member = own_actors.member()
    ask(own_api, member["email"])
    token = own_actors.mailed_token(member["email"])
    passwords = [f"{NEW} nomor {number}" for number in range(8)]
    statuses = [answer.status for answer in at_once(
        own, 8, lambda client, number: reset(client, token, passwords[number]))]
    assert statuses.count(204) == 1 and statuses.count(410) == 7, statuses
    assert log_in(own_api, member["email"], passwords[statuses.index(204)]).status == 201


def test_a_change_makes_a_mailed_token_worthless(own_api, own_actors):
    member = own_actors.member()
    ask(own_api, member["email"])
    token = own_actors.mailed_token(member["email"])
    change(own_api, member["token"], PASSWORD, NEW).expect(200)
    reset(own_api, token, "hujan turun di bulan juni").expect(410)


def test_a_registration_token_resets_nothing_and_the_other_way_round(own_api, own_actors):
    member = own_actors.member()
    ask(own_api, member["email"])
    token = own_actors.mailed_token(member["email"])
    own_api.post("/v1/registrations/confirmation", {"token": token}).expect(410)
    reset(own_api, token).expect(204)


@pytest.mark.parametrize("status", ["disabled", "unknown"])
def test_who_has_no_live_account_gets_no_mail(status, own_api, own_actors, own_db):
    email = f"{status}@smile.test"
    if status == "disabled":
        email = own_actors.member()["email"]
        own_db.execute("UPDATE smile.account SET status = 'disabled' WHERE email = %s", [email])
    ask(own_api, email)
    assert all(mail["template"] != "password_reset" for mail in own_actors.mails(email))


# MARK: what a stranger can't learn

def bare(answer):
    varying = {"X-Request-Id", "Date"}
    return answer.status, answer.body, {k: v for k, v in answer.headers.items() if k not in varying}


def test_a_reset_tells_nothing_in_words_or_in_time(own, own_actors, own_db):
    member = own_actors.member()
    with Client(own) as client:
        def known():
            return client.post("/v1/password_resets", {"identifier": member["email"]})

        def unknown():
            return client.post("/v1/password_resets", {"identifier": "tidak.ada@smile.test"})

        assert bare(known()) == bare(unknown())
        # Each time the account is asked for, a token is mailed: the longest way against the shortest.
        assert_alike(known, unknown, before=lambda: own_db.execute(
            "WITH lifted AS (DELETE FROM smile.log_in_throttle) "
            "UPDATE smile.mail_token SET created_at = created_at - interval '1 hour'"))
        mailed, = own_db.execute("SELECT count(*) FROM smile.outbox WHERE template = 'password_reset' "
                                 "AND recipient = %s", [member["email"]]).fetchone()
        assert mailed > 300
