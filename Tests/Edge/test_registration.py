"""Registration: whose name it is, whose account it becomes, and what a stranger can't learn from it."""
import concurrent.futures

import pytest

from actors import PASSWORD
from client import Client
from timing import assert_alike


def form(worker, email, **changed):
    about = {name: worker[name] for name in ("kpj", "nik", "full_name", "birth_date")}
    return about | {"email": email, "phone": "+628120000000", "password": PASSWORD} | changed


def register(client, worker, email, **changed):
    return client.post("/v1/registrations", form(worker, email, **changed))


def log_in(client, email, password=PASSWORD):
    return client.post("/v1/sessions", {"identifier": email, "password": password})


def templates(actors, email):
    return [mail["template"] for mail in actors.mails(email)]


@pytest.mark.parametrize("one,other,same", [
    ("Siti Rahayu", "SITI RAHAYU", True), ("Siti Rahayu", "siti   rahayu", True), ("Siti Rahayu", "SitiRahayu", True),
    ("Siti Rahayu", "Dr. Siti Rahayu, S.Kom.", True), ("Siti Rahayu", "Hj. Siti Rahayu", True),
    ("Siti Rahayu", "Ir. Hj. SITI RAHAYU, M.Sc., Ph.D.", True), ("Siti Rahayu", "Prof. Dr. dr. Siti Rahayu, Sp.", True),
    ("Budi Santoso", "H. Budi Santoso S.H.", True), ("Budi Santoso", "Drs. Budi Santoso, M.M.", True),
    ("Budi Santoso", "KH. Budi Santoso, Lc., M.Ag.", True), ("Budi Santoso", "Budi Santoso, A.Md.Kep.", True),
    ("Budi Santoso", "apt. Budi Santoso, S.Farm.", True), ("Budi Santoso", "Budi Santoso, S.I.Kom., M.I.Kom.", True),
    ("Muhammad Ya'qub", "Muhammad Yaqub", True), ("Muhammad Ya’qub", "Muhammad Ya`qub", True),
    ("José Núñez", "Jose Nunez", True), ("Jose\u0301 Nu\u0301n\u0303ez", "José Núñez", True),
    ("Nguyễn Văn Đức", "Nguyen Van Duc", True), ("ＳＩＴＩ", "siti", True), ("Sri-Mulyani", "Sri Mulyani", True),
    ("Siti Rahayu", "Siti Rahayuni", False), ("Siti Rahayu", "Rahayu Siti", False), ("Siti Rahayu", "Siti", False),
    ("Budi", "Budiman", False), ("Hadi", "Adi", False), ("Drajat", "Rajat", False), ("Irwan", "Wan", False),
    ("Prof", "Ir", False), ("Ir", "ir.", True), ("Seno", "No", False), ("Stefani", "Efani", False),
])
def test_names_as_people_write_them(one, other, same, db):
    assert db.execute("SELECT smile.same_name(%s, %s), smile.same_name(%s, %s)", [one, other, other, one]
                      ).fetchone() == (same, same)


def test_an_employers_user_becomes_a_member_under_the_same_account(api, actors):
    employer = actors.employer()
    worker = actors.worker(employer["token"], employer["id"])
    register(api, worker, employer["email"], password="tidak akan dipakai", username="tak.dipakai").expect(202)
    assert templates(actors, employer["email"])[0] == "grant_confirmation"
    actors.confirm(employer["email"])
    assert templates(actors, employer["email"])[0] == "security_notice"
    log_in(api, employer["email"], "tidak akan dipakai").expect(401)
    log_in(api, "tak.dipakai").expect(401)
    session = log_in(api, employer["email"]).expect(201).json
    account = api.get("/v1/account", token=session["access_token"]).expect(200).json
    assert [grant["kind"] for grant in account["grants"]] == ["employer", "member"]
    assert account["grants"][1]["member_id"] == worker["member_id"] and "username" not in account


def test_an_account_takes_no_second_membership(api, actors):
    member, other = actors.member(), actors.worker()
    register(api, other, member["email"]).expect(202)
    assert templates(actors, member["email"])[0] == "address_in_use"
    register(api, other, "sendiri@smile.test").expect(202)
    actors.confirm("sendiri@smile.test")


def test_memberships_that_wait_for_one_account_at_once_give_it_one(api, actors, db):
    employer = actors.employer()
    first, second = actors.worker(), actors.worker()
    tokens = []
    for worker in (first, second):
        register(api, worker, employer["email"]).expect(202)
        tokens.append(actors.mailed_token(employer["email"]))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        statuses = list(pool.map(lambda token: Client(api.server).post(
            "/v1/registrations/confirmation", {"token": token}).status, tokens))
    assert sorted(statuses) == [200, 409]


def test_a_confirmation_token_lives_24_hours_to_the_second(make_server, actors_on):
    server = make_server()
    actors = actors_on(server)
    with Client(server) as client, server.cluster.connect(server.database) as connection:
        tokens = []
        for number in range(2):
            register(client, actors.worker(), f"tunggu{number}@smile.test").expect(202)
            tokens.append(actors.mailed_token(f"tunggu{number}@smile.test"))
        for seconds, token, status in ((24 * 3600 - 5, tokens[0], 200), (24 * 3600 + 2, tokens[1], 410)):
            connection.execute("UPDATE smile.clock SET security_offset = make_interval(secs => %s)", [seconds])
            client.post("/v1/registrations/confirmation", {"token": token}).expect(status)


def test_a_resend_makes_the_older_token_worthless(api, actors, db):
    email = "sekali.lagi@smile.test"
    register(api, actors.worker(), email).expect(202)
    first = actors.mailed_token(email)
    api.post("/v1/registrations/resend", {"email": email}).expect(202)
    assert actors.mailed_token(email) == first, "once a minute at the most"
    db.execute("UPDATE smile.mail_token SET created_at = created_at - interval '2 minutes'")
    api.post("/v1/registrations/resend", {"email": email}).expect(202)
    second = actors.mailed_token(email)
    assert second != first
    api.post("/v1/registrations/confirmation", {"token": first}).expect(410)
    api.post("/v1/registrations/confirmation", {"token": second}).expect(200)


def test_who_keeps_asking_for_a_resend_leaves_the_owner_a_good_token(api, actors, db):
    email = "berulang.kali@smile.test"
    register(api, actors.worker(), email).expect(202)
    for _ in range(8):
        db.execute("UPDATE smile.mail_token SET created_at = created_at - interval '2 minutes'")
        api.post("/v1/registrations/resend", {"email": email}).expect(202)
    assert templates(actors, email).count("registration_confirmation") == 5
    actors.confirm(email)


def test_who_keeps_asking_for_a_reset_keeps_nobody_from_a_resend(api, actors, db):
    """Where an account waits for a further role, both go to one address."""
    employer = actors.employer()
    register(api, actors.worker(employer["token"], employer["id"]), employer["email"]).expect(202)
    for _ in range(5):
        db.execute("UPDATE smile.mail_token SET created_at = created_at - interval '20 minutes'")
        api.post("/v1/password_resets", {"identifier": employer["email"]}).expect(202)
    assert templates(actors, employer["email"]).count("password_reset") >= 4
    api.post("/v1/registrations/resend", {"email": employer["email"]}).expect(202)
    assert templates(actors, employer["email"])[0] == "grant_confirmation"


# MARK: what a stranger can do to a mailbox

@pytest.fixture
def at_zero(later):
    later(0)
    return later


def test_an_address_gets_three_notices_a_day_whoever_causes_them(own_api, own_actors, at_zero):
    """From as many sources, in as many names, under as many tags of the one mailbox as anybody likes."""
    worker, sent = own_actors.worker(), "korban{}@smile.test"
    tags = ["", "+a", "+b", "", "+c", "+"]

    def notices():
        return sum(templates(own_actors, sent.format(tag)).count("registration_mismatch") for tag in set(tags))

    def attack():
        for tag in tags:
            register(own_api, worker, sent.format(tag), birth_date="1950-01-01").expect(202)
    attack()
    assert notices() == 3
    register(own_api, worker, "orang.lain@smile.test", birth_date="1950-01-01").expect(202)
    assert templates(own_actors, "orang.lain@smile.test") == ["registration_mismatch"]
    at_zero(86_401)
    attack()
    assert notices() == 6


def test_who_has_an_account_gets_three_notices_a_day_of_registrations_elsewhere(own_api, own_actors, at_zero):
    member = own_actors.member()
    for number in range(5):
        register(own_api, member, f"pencuri{number}@smile.test").expect(202)
    assert templates(own_actors, member["email"]).count("account_exists") == 3


def test_confirmations_to_one_address_slow_down_and_never_stop(own_api, own_actors, own_db, at_zero):
    """Five, then one after 15 min, after 30, and one an hour; what waits can be had by a resend when it may be mailed
    again."""
    email = "banyak.surat@smile.test"
    workers = [own_actors.worker() for _ in range(6)]

    def mailed():
        return templates(own_actors, email).count("registration_confirmation")
    for worker in workers:
        register(own_api, worker, email).expect(202)
    assert mailed() == 5
    count, moments = 5, [14, 16, 44, 47, 104, 108, 167, 169]
    for minutes, allowed in zip(moments, [0, 1] * 4):
        at_zero(60 * minutes)
        own_db.execute("UPDATE smile.mail_token SET created_at = created_at - interval '1 day'")
        own_api.post("/v1/registrations/resend", {"email": email}).expect(202)
        count += allowed
        assert mailed() == count, minutes
    own_actors.confirm(email)


def test_the_allowance_of_mails_names_nobody(own_api, own_actors, own_db):
    email = "tanpa.nama@smile.test"
    register(own_api, own_actors.worker(), email, birth_date="1950-01-01").expect(202)
    rows = own_db.execute("SELECT t::text, encode(t.key, 'escape') FROM smile.log_in_throttle AS t").fetchall()
    assert rows and not any("tanpa" in text for row in rows for text in row)
    plain, = own_db.execute("SELECT count(*) FROM smile.log_in_throttle "
                            "WHERE key = smile.throttle_key('mail notice', sha256(%s))", [email.encode()]).fetchone()
    assert plain == 0


# MARK: what a stranger can't learn

def bare(answer):
    varying = {"X-Request-Id", "Date"}
    return answer.status, answer.body, {k: v for k, v in answer.headers.items() if k not in varying}


@pytest.fixture(scope="module")
def strangers(make_server, actors_on):
    """Questions whose answers must not differ: (name, asked one way, asked another way, what happens in between)."""
    server = make_server()
    actors = actors_on(server)
    clients = [Client(server) for _ in range(4)]
    worker, member, employer = actors.worker(), actors.member(), actors.employer()
    register(clients[0], worker, "menunggu@smile.test").expect(202)
    connection = server.cluster.connect(server.database)

    def unlimited():
        """Each time a mail goes out: the longest way against the shortest."""
        connection.execute("DELETE FROM smile.log_in_throttle")

    def aged():
        unlimited()
        connection.execute("UPDATE smile.mail_token SET created_at = created_at - interval '1 day' "
                           "WHERE used_at IS NULL")

    def resend(email):
        return clients[3].post("/v1/registrations/resend", {"email": email})

    yield [
        ("success and mismatch", lambda: register(clients[0], worker, "baru@smile.test"),
         lambda: register(clients[0], worker, "baru@smile.test", birth_date="1950-01-01"), unlimited),
        ("success and an existing account", lambda: register(clients[1], worker, "baru.juga@smile.test"),
         lambda: register(clients[1], member, "lain@smile.test"), unlimited),
        ("success and an address with another role", lambda: register(clients[2], worker, "baru.lagi@smile.test"),
         lambda: register(clients[2], worker, employer["email"]), unlimited),
        ("resend", lambda: resend("menunggu@smile.test"), lambda: resend("siapa@smile.test"), aged),
    ]
    connection.close()


def test_registration_and_resend_tell_nothing_in_words(strangers):
    for name, one, other, _ in strangers:
        assert bare(one()) == bare(other()), name


def test_registration_and_resend_tell_nothing_in_time(strangers):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        judged = [pool.submit(assert_alike, one, other, before=before) for _, one, other, before in strangers]
        for (name, *_), outcome in zip(strangers, judged):
            assert outcome.exception() is None, f"{name}: {outcome.exception()}"
