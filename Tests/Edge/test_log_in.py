"""Log-in under attack: limits, known devices, what a stranger can learn or spoil, and passwords hashed anew."""
import base64
import pathlib
import secrets
import tempfile

import psycopg
import pytest

from actors import PASSWORD
from client import Client, at_once
from server import Server
from timing import assert_alike

WRONG = "salah sama sekali"


def try_log_in(client, identifier, password=WRONG, source="203.0.113.1", **more):
    return client.post("/v1/sessions", {"identifier": identifier, "password": password} | more,
                       headers={"X-Forwarded-For": source})


@pytest.fixture
def fresh(own):
    """Nothing has been counted yet."""
    with own.cluster.connect(own.database) as connection:
        connection.execute("DELETE FROM smile.log_in_throttle")


@pytest.fixture
def at_zero(later):
    """The clock is this test's from here on."""
    later(0)
    return later


def test_a_hundred_tries_at_once_cannot_pass_the_limit_of_five(own, own_api, own_actors, fresh):
    member = own_actors.member()
    sources = iter(range(1, 101))
    answers = at_once(own, 100, lambda client: try_log_in(
        client, member["email"], source=f"198.51.100.{next(sources)}"))
    statuses = [answer.status for answer in answers]
    assert 1 <= statuses.count(401) <= 5
    assert set(statuses) <= {401, 429, 503}, statuses   # 503: the queue of hashes is full
    refused = next(answer for answer in answers if answer.status == 429)
    assert refused.code == "too_many_attempts" and 0 < int(refused.headers["Retry-After"]) <= 31


def test_an_attack_does_not_keep_the_owner_out(own_api, own_actors, fresh):
    """On a known device the owner gets in at once, also from the attacker's own network; that ends the count."""
    member = own_actors.member()
    for _ in range(5):
        try_log_in(own_api, member["email"]).expect(401, "invalid_credentials")
    try_log_in(own_api, member["email"], PASSWORD).expect(429, "too_many_attempts")
    try_log_in(own_api, member["email"], PASSWORD, source="198.51.100.7").expect(429)
    for source in ("203.0.113.1", "198.51.100.8"):
        try_log_in(own_api, member["email"], PASSWORD, source, device_token=member["device_token"]).expect(201)
    try_log_in(own_api, member["email"], PASSWORD, source="198.51.100.7").expect(201)


def test_the_waiting_time_doubles_up_to_an_hour(own_api, own_actors, fresh, at_zero):
    member, moment = own_actors.member(), 0
    for _ in range(5):
        try_log_in(own_api, member["email"]).expect(401)
    for wait in (30, 60, 120, 240, 480, 960, 1920, 3600, 3600):
        at_zero(moment)
        refused = try_log_in(own_api, member["email"], PASSWORD).expect(429)
        assert wait - 2 <= int(refused.headers["Retry-After"]) <= wait
        at_zero(moment + wait - 3)
        try_log_in(own_api, member["email"], PASSWORD).expect(429)
        moment += wait + 1
        at_zero(moment)
        try_log_in(own_api, member["email"]).expect(401)


def test_after_a_hundred_failures_in_a_row_only_a_known_device_opens_it(own, own_api, own_actors, fresh, at_zero):
    """NIST SP 800-63B-4, section 3.2.2. The owner was told at the 10th and at the 50th."""
    member = own_actors.member()
    for number in range(100):
        at_zero(number * 3601)
        try_log_in(own_api, member["email"], source=f"203.0.113.{number}").expect(401)
    at_zero(100 * 3601 + 86_400)
    refused = try_log_in(own_api, member["email"], PASSWORD).expect(429)
    assert int(refused.headers["Retry-After"]) > 20 * 86_400
    answer = try_log_in(own_api, member["email"], PASSWORD, device_token=member["device_token"]).expect(201).json
    try_log_in(own_api, member["email"], PASSWORD).expect(201)
    events = own_api.get("/v1/account/security_events?limit=200",
                         token=answer["access_token"]).expect(200).json["items"]
    assert sorted(e["details"]["tries"] for e in events if e["kind"] == "failed_attempts") == [10, 50]
    notices = [mail["text"] for mail in own_actors.mails(member["email"]) if mail["template"] == "security_notice"]
    assert sum("50 failed attempts" in text or "50 percobaan" in text for text in notices) == 1


def test_a_known_device_has_ten_tries_and_then_one_in_a_quarter_of_an_hour(own_api, own_actors, fresh, at_zero):
    member = own_actors.member()
    known = {"device_token": member["device_token"]}
    for _ in range(10):
        try_log_in(own_api, member["email"], **known).expect(401)
    refused = try_log_in(own_api, member["email"], PASSWORD, **known).expect(429)
    assert 890 <= int(refused.headers["Retry-After"]) <= 900
    try_log_in(own_api, member["email"], PASSWORD).expect(201)   # as a device that nobody knows
    try_log_in(own_api, member["email"]).expect(401)
    at_zero(901)
    try_log_in(own_api, member["email"], PASSWORD, **known).expect(201)


def test_a_device_is_known_to_its_own_account_for_half_a_year(own_api, own_actors, fresh, at_zero):
    one, other = own_actors.member(), own_actors.member()
    for _ in range(5):
        try_log_in(own_api, one["email"]).expect(401)
    for token in (other["device_token"], "sdt_" + "A" * 43, "sdt_short", ""):
        try_log_in(own_api, one["email"], PASSWORD, device_token=token).expect(429)
    at_zero(181 * 86_400)
    for _ in range(5):
        try_log_in(own_api, one["email"]).expect(401)
    try_log_in(own_api, one["email"], PASSWORD, device_token=one["device_token"]).expect(429)


def test_one_source_has_a_hundred_failures_an_hour_over_all_accounts(own_api, own_actors, fresh, at_zero):
    member = own_actors.member()
    for number in range(100):
        try_log_in(own_api, f"siapa{number}@smile.test", source="203.0.113.77").expect(401)
    refused = try_log_in(own_api, "siapa@smile.test", source="203.0.113.77").expect(429)
    assert 3590 <= int(refused.headers["Retry-After"]) <= 3600
    try_log_in(own_api, member["email"], PASSWORD, "203.0.113.77").expect(429)
    try_log_in(own_api, member["email"], PASSWORD, "203.0.113.77", device_token=member["device_token"]).expect(201)
    try_log_in(own_api, member["email"], PASSWORD, "203.0.113.78").expect(201)
    at_zero(3601)
    try_log_in(own_api, "siapa@smile.test", source="203.0.113.77").expect(401)


def test_one_source_at_one_account_waits_a_day_after_fifty(own, own_api, own_actors, fresh, at_zero):
    """Also where the owner's log-ins end the account's own count each time."""
    member = own_actors.member()
    known = {"device_token": member["device_token"]}
    for number in range(50):
        at_zero(number * 601)   # a hundred an hour is the source's own limit
        if number % 5 == 0:
            try_log_in(own_api, member["email"], PASSWORD, "192.0.2.5", **known).expect(201)
        try_log_in(own_api, member["email"], source="203.0.113.99").expect(401)
    try_log_in(own_api, member["email"], PASSWORD, "192.0.2.5", **known).expect(201)
    refused = try_log_in(own_api, member["email"], PASSWORD, "203.0.113.99").expect(429)
    assert int(refused.headers["Retry-After"]) > 80_000
    try_log_in(own_api, member["email"], PASSWORD, "203.0.113.98").expect(201)


ATTACK = """
DO $attack$
BEGIN
  FOR number IN 1 .. 1000 LOOP
    BEGIN
      PERFORM smile.begin_log_in('{email}', sha256('typed'), sha256(gen_random_uuid()::text::bytea), true, NULL);
      IF FOUND THEN
        PERFORM set_config('attack.through', (current_setting('attack.through')::int + 1)::text, false);
      END IF;
    EXCEPTION WHEN SQLSTATE 'SM429' THEN NULL;
    END;
  END LOOP;
END
$attack$
"""


def test_a_thousand_wrong_tries_a_minute_for_an_hour(own, own_api, own_actors, fresh, at_zero):
    """A minute of the attack is 1,000 calls of the function that counts and judges each try, as the server's role, from
    as many sources; two more come over HTTP, under a name of their own and with the right password even. All 60,000
    over HTTP would say no more and take the better part of this test run. The owner on a known device logs in at the
    first try, each time."""
    member = own_actors.member()
    known = {"device_token": member["device_token"]}
    with psycopg.connect(own.cluster.url(own.database, "smile_api"), autocommit=True) as attacker:
        attacker.execute("SELECT set_config('attack.through', '0', false)")
        for minute in range(60):
            at_zero(60 * minute)
            attacker.execute(ATTACK.format(email=member["email"]))
            for source in ("203.0.113.5", "203.0.113.6"):
                assert try_log_in(own_api, member["email"], PASSWORD, source).status in (401, 429)
            if minute % 10 == 9:
                try_log_in(own_api, member["email"], PASSWORD, "192.0.2.9", **known).expect(201)
        through = int(attacker.execute("SELECT current_setting('attack.through')").fetchone()[0])
    # Five at once and one after 30 s, 1, 2, 4 min; six times anew, because the owner came in between.
    assert 6 * 5 <= through <= 6 * 9


def test_an_identifier_that_nobody_has_is_throttled_like_one_that_somebody_has(own_api, own_actors, fresh, at_zero):
    member = own_actors.member()

    def course(identifier, source):
        seen = []
        for moment in (0, 0, 0, 0, 0, 0, 31, 31, 92):
            at_zero(moment)
            answer = try_log_in(own_api, identifier, source=source)
            seen.append((answer.status, answer.headers.get("Retry-After") is not None, answer.code))
        return seen
    assert course(member["email"], "203.0.113.41") == course("siapa.lagi@smile.test", "203.0.113.42")


@pytest.fixture
def two_names(own_api, own_actors):
    """An account that has a username besides its address."""
    worker, name = own_actors.worker(), f"dua.nama{secrets.randbelow(10**9)}"
    form = {name: worker[name] for name in ("kpj", "nik", "full_name", "birth_date")}
    form |= {"email": f"{name}@smile.test", "phone": "+628120000001", "username": name, "password": PASSWORD}
    own_api.post("/v1/registrations", form).expect(202)
    own_actors.confirm(form["email"])
    return form["email"], name


def test_all_names_of_an_account_share_one_count(own_api, two_names, fresh, at_zero):
    """Beyond it the right password is no better than a wrong one, and a stranger can't see that it wasn't tried."""
    email, username = two_names
    for identifier in (email, username, username.upper(), email, username):
        try_log_in(own_api, identifier).expect(401)
    unknown = looks(try_log_in(own_api, "siapa@smile.test"))
    assert looks(try_log_in(own_api, email, PASSWORD)) == unknown
    assert looks(try_log_in(own_api, username, PASSWORD, "198.51.100.7")) == unknown
    at_zero(31)
    try_log_in(own_api, username, PASSWORD).expect(201)


def test_of_a_hundred_tries_at_once_under_two_names_five_count(own, own_db, two_names, fresh):
    names = iter(range(100))

    def one(client):
        number = next(names)
        return try_log_in(client, two_names[number % 2], source=f"198.51.100.{number}")
    assert {answer.status for answer in at_once(own, 100, one)} <= {401, 429, 503}
    tries = ("SELECT t.tries FROM smile.log_in_throttle AS t JOIN smile.account AS a "
             "ON t.key = smile.throttle_key('account', smile.throttle_subject(a.id)) WHERE a.email = %s")
    assert 1 <= own_db.execute(tries, [two_names[0]]).fetchone()[0] <= 5


def test_whoever_kept_trying_one_name_is_told_to_wait_and_the_other_name_is_not_the_wiser(
        own_api, two_names, fresh, at_zero):
    """Tries under one name, then under the other: an account's two names answer like two that nobody has."""
    def course(first, second, source):
        seen, steps = [], [(0, first)] * 6 + [(0, second)] * 6 + [(31, first), (31, second), (31, second), (92, first)]
        for moment, identifier in steps:
            at_zero(moment)
            answer = try_log_in(own_api, identifier, source=source)
            status, body, headers = looks(answer)
            waits = round(int(answer.headers.get("Retry-After", 0)), -1)
            seen.append((status, body.get("code"), sorted(name for name, _ in headers), waits))
        return seen
    assert course(*two_names, "203.0.113.51") == course("siapa.satu@smile.test", "siapa.dua", "203.0.113.52")


@pytest.mark.parametrize("way", ["log-in", "reset"])
def test_what_ends_the_count_ends_it_under_all_names(way, own_api, own_actors, two_names, fresh):
    email, username = two_names
    device = try_log_in(own_api, email, PASSWORD).expect(201).json["device_token"]
    for identifier in two_names:
        for _ in range(5):
            try_log_in(own_api, identifier).expect(401)
        try_log_in(own_api, identifier, PASSWORD).expect(429)
    password = PASSWORD
    if way == "log-in":
        try_log_in(own_api, email, PASSWORD, device_token=device).expect(201)
    else:
        password = "pagi yang sangat cerah di desa"
        own_api.post("/v1/password_resets", {"identifier": username}).expect(202)
        own_api.post("/v1/password_resets/confirmation", {
            "token": own_actors.mailed_token(email), "new_password": password}).expect(204)
    for identifier in two_names:
        try_log_in(own_api, identifier, password).expect(201)


@pytest.mark.parametrize("way", ["log-in", "reset"])
def test_who_tried_a_name_before_it_was_somebodys_keeps_its_owner_out_no_longer_than_another(
        way, own_api, own_actors, fresh):
    """Nothing shows that the name has an owner by now, until the owner proves it."""
    member = own_actors.member()
    name = f"calon{secrets.randbelow(10**9)}@smile.test"
    for _ in range(5):
        try_log_in(own_api, name).expect(401)
    api = own_api.acting(member["token"])
    change = api.post("/v1/members/me/contact_changes", {"email": name}).expect(201).json["id"]
    api.post(f"/v1/members/me/contact_changes/{change}/confirmation", own_actors.mailed_code(name)).expect(200)
    try_log_in(own_api, name, PASSWORD).expect(429, "too_many_attempts")
    password = PASSWORD
    if way == "log-in":
        try_log_in(own_api, name, PASSWORD, device_token=member["device_token"]).expect(201)
    else:
        password = "pagi yang sangat cerah di desa"
        own_api.post("/v1/password_resets", {"identifier": name}).expect(202)
        own_api.post("/v1/password_resets/confirmation", {
            "token": own_actors.mailed_token(name), "new_password": password}).expect(204)
    try_log_in(own_api, name, password).expect(201)


def test_the_table_of_tries_names_nobody(own, own_api, own_actors, fresh):
    member = own_actors.member()
    try_log_in(own_api, member["email"])
    with own.cluster.connect(own.database) as connection:
        rows = connection.execute("SELECT t::text FROM smile.log_in_throttle AS t").fetchall()
    assert rows and not any(member["email"] in row or "203.0.113" in row for (row,) in rows)


# MARK: what a stranger learns

VARYING = {"X-Request-Id", "Date"}


def looks(answer):
    """All of an answer that isn't its own id or its time."""
    body = {name: value for name, value in answer.json.items() if name != "request_id"}
    return answer.status, body, sorted((n, v) for n, v in answer.headers.items() if n not in VARYING)


def test_a_wrong_password_and_an_unknown_account_look_alike_and_take_as_long(own, own_api, own_actors, fresh):
    member = own_actors.member()["email"]
    assert looks(try_log_in(own_api, member)) == looks(try_log_in(own_api, "siapa@smile.test"))
    with own.cluster.connect(own.database) as connection:
        assert_alike(lambda: try_log_in(own_api, member).expect(401),
                     lambda: try_log_in(own_api, "siapa@smile.test").expect(401),
                     before=lambda: connection.execute("DELETE FROM smile.log_in_throttle"))


def test_a_password_that_is_not_tried_takes_as_long_as_a_wrong_one(own, own_api, own_db, two_names, fresh):
    """Beyond the limit that an account's names share, also for the right password."""
    email, username = two_names
    for _ in range(5):
        try_log_in(own_api, email).expect(401)
    own_db.execute("UPDATE smile.log_in_throttle SET next_at = 'infinity' WHERE next_at > smile.security_now()")
    assert_alike(lambda: try_log_in(own_api, username, PASSWORD).expect(401),
                 lambda: try_log_in(own_api, "siapa@smile.test").expect(401),
                 before=lambda: own_db.execute("DELETE FROM smile.log_in_throttle WHERE next_at < 'infinity'"))


def test_a_disabled_and_an_unconfirmed_account_look_like_none(own, own_api, own_actors, fresh):
    disabled, waiting = own_actors.member()["email"], own_actors.registration()["email"]
    with own.cluster.connect(own.database) as connection:
        connection.execute("UPDATE smile.account SET status = 'disabled' WHERE email = %s", [disabled])
    unknown = looks(try_log_in(own_api, "siapa@smile.test"))
    for email in (disabled, waiting):
        assert looks(try_log_in(own_api, email, PASSWORD)) == unknown


# MARK: passwords

def test_a_body_of_a_megabyte_is_no_password(own_api):
    try_log_in(own_api, "siapa@smile.test", "x" * (1 << 20)).expect(413)


def test_256_characters_that_differ_at_the_end_are_two_passwords(own, own_api, own_actors):
    email = "panjang.sekali@smile.test"
    password = "".join(secrets.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(255))
    worker = own_actors.worker()
    form = {name: worker[name] for name in ("kpj", "nik", "full_name", "birth_date")}
    own_api.post("/v1/registrations", form | {
        "email": email, "phone": "+628120000002", "password": password + "a"}).expect(202)
    own_actors.confirm(email)
    try_log_in(own_api, email, password + "b").expect(401)
    try_log_in(own_api, email, password).expect(401)
    try_log_in(own_api, email, password + "a").expect(201)


def test_a_log_in_hashes_anew_when_cost_or_pepper_have_changed(own, own_api, own_actors):
    member = own_actors.member()

    def stored():
        with own.cluster.connect(own.database) as connection:
            return connection.execute(
                "SELECT password_hash FROM smile.account WHERE email = %s", [member["email"]]).fetchone()[0]
    before = stored()
    keys = pathlib.Path(own.settings["KEY_FILE"]).read_text()
    with tempfile.NamedTemporaryFile("w", prefix="keys-") as file:
        file.write(f"k2 {base64.b64encode(secrets.token_bytes(32)).decode()}\n{keys}")
        file.flush()
        other = Server(own.cluster, own.database, PASSWORD_COST=2, KEY_FILE=file.name).start()
        try:
            with Client(other) as client:
                try_log_in(client, member["email"]).expect(401)
                assert stored() == before
                try_log_in(client, member["email"], PASSWORD).expect(201)
                after = stored()
                assert before.split(":")[0] == "k1" and after.split(":")[0] == "k2"
                assert before.split("$")[2] != after.split("$")[2]   # yescrypt's parameters
                try_log_in(client, member["email"], PASSWORD).expect(201)
                assert stored() == after
        finally:
            other.stop()
    own_api.get("/v1/members/me", token=member["token"]).expect(200)   # the same password: its sessions live on


def test_a_password_that_was_changed_while_it_was_verified_opens_nothing(own, own_actors):
    member = own_actors.member()
    opens = ("SELECT smile.open_session(id, %s, NULL, NULL, NULL, NULL, sha256('d'), sha256('s'), false, sha256('a'), "
             "sha256('r'), sha256('c'), sha256('o'), gen_random_uuid(), '') FROM smile.account WHERE email = %s")
    with own.cluster.connect(own.database) as connection:
        verified, = connection.execute(
            "UPDATE smile.account SET password_hash = password_hash || 'x' WHERE email = %s "
            "RETURNING left(password_hash, -1)", [member["email"]]).fetchone()
        with pytest.raises(psycopg.Error) as refused:
            connection.execute(opens, [verified, member["email"]])
        assert (refused.value.sqlstate, refused.value.diag.message_primary) == ("SM401", "invalid_credentials")
        connection.execute(opens, [verified + "x", member["email"]])
