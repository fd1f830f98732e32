"""Everything about one account locks in one order, so that no two requests wait for each other.

Each function runs against each other one while a third connection holds a row that both come by: the first waits there,
the second as far as it gets, then the row is let go. Two that locked in opposite orders would end in a deadlock. What
came of them is undone, so all start from the same rows."""
import concurrent.futures
import itertools
import secrets
import time

import psycopg
import pytest

from client import Client



def digest():
    return secrets.token_bytes(32)


class Person:
    """A member with two sessions and everything that can be under way for an account at one moment."""

    def __init__(self, server, actors, db):
        self.server, self.db = server, db
        api = actors.client
        member = actors.member()
        self.other = actors.log_in(member["email"])
        self.token, self.refresh = member["token"], member["refresh_token"]
        self.session, self.member, self.email = member["session_id"], member["member_id"], member["email"]
        self.account, self.grant = db.execute(
            "SELECT account_id, id FROM smile.account_grant WHERE member_id = %s", [self.member]).fetchone()
        self.hash, = db.execute("SELECT password_hash FROM smile.account WHERE id = %s", [self.account]).fetchone()
        self.new_hash = self.hash[:-1] + ("." if self.hash[-1] != "." else "/")
        self.reset, self.confirmation, self.challenge = digest(), digest(), digest()
        api.put("/v1/members/me/bank_account", {"bank_code": "014", "number": "7418529630", "holder_name": "Budi"},
                token=self.token).expect(201)
        self.change = api.post("/v1/members/me/contact_changes", {"email": f"baru.{member['kpj']}@smile.test"},
                               token=self.token).expect(201).json["id"]
        self.code, = db.execute("SELECT code_digest FROM smile.contact_change WHERE id = %s", [self.change]).fetchone()
        waiting, = db.execute(
            "INSERT INTO smile.account_grant (account_id, kind, employer_id, employer_role) "
            "VALUES (%s, 'employer', %s, 'admin') RETURNING id", [self.account, actors.employer()["id"]]).fetchone()
        db.execute("INSERT INTO smile.mail_token (digest, purpose, account_id, grant_id, expires_at) VALUES "
                   "(%s, 'password_reset', %s, NULL, smile.security_now() + interval '1 hour'), "
                   "(%s, 'registration', %s, %s, smile.security_now() + interval '1 hour')",
                   [self.reset, self.account, self.confirmation, self.account, waiting])
        db.execute("UPDATE smile.mail_token SET created_at = created_at - interval '1 day' WHERE account_id = %s",
                   [self.account])
        db.execute("INSERT INTO smile.mfa_challenge (digest, account_id, grant_id, session_id, expires_at) "
                   "VALUES (%s, %s, %s, %s, smile.security_now() + interval '1 hour')",
                   [self.challenge, self.account, self.grant, self.session])
        # Each of them as the session's own, so that a refresh has one to clear away.
        db.execute("UPDATE smile.access_token SET expires_at = smile.security_now() + interval '1 hour' "
                   "WHERE account_id = %s", [self.account])
        db.execute("INSERT INTO smile.access_token (digest, session_id, account_id, kind, member_id, access, "
                   "permissions, expires_at) SELECT %s, session_id, account_id, kind, member_id, access, permissions, "
                   "smile.security_now() FROM smile.access_token WHERE digest = sha256(%s)",
                   [digest(), self.token.encode()])

    def work(self, name):
        """(SQL, its parameters) of one request's change."""
        some = [digest(), digest()]
        return {
            "report_compromise": ("SELECT smile.report_compromise(NULL, %s)", [self.new_hash]),
            "reset_password": ("SELECT smile.reset_password(%s, %s, NULL, NULL)", [self.reset, self.new_hash]),
            "request_password_reset": ("SELECT smile.request_password_reset(%s, %s, gen_random_uuid(), 'x')",
                                       [self.email, some[0]]),
            "change_password": ("SELECT smile.change_password(%s, %s, %s, %s)", [self.hash, self.new_hash, *some]),
            "refresh_session": ("SELECT smile.refresh_session(sha256(%s), %s, %s)", [self.refresh.encode(), *some]),
            "confirm_contact_change": ("SELECT smile.confirm_contact_change(%s, %s, true)", [self.change, self.code]),
            "finish_log_in": ("SELECT smile.finish_log_in(%s, NULL, NULL, NULL, NULL, %s, 'x', false, %s, %s)",
                              [self.challenge, digest(), *some]),
            "put_bank_account": ("SELECT smile.put_bank_account('014', 'Budi', 'x', '1234', '*')", []),
            "confirm_registration": ("SELECT smile.confirm_registration(%s)", [self.confirmation]),
            "open_session": (
                "SELECT smile.open_session(%s, %s, NULL, NULL, NULL, NULL, %s, 'x', false, %s, %s, %s, %s, "
                "gen_random_uuid(), 'x')",
                [self.account, self.hash, digest(), *some, digest(), digest()]),
            "switch_grant": ("SELECT smile.switch_grant(%s, %s, %s, %s, %s, gen_random_uuid(), 'x')",
                             [self.grant, *some, digest(), digest()]),
            "step_up": ("SELECT smile.step_up(%s, NULL, NULL, NULL, %s)", [self.hash, some[0]]),
            "log_out": ("SELECT smile.log_out()", []),
            "end_other_sessions": ("SELECT smile.end_other_sessions()", []),
        }[name]

    def held(self, what):
        """The statement that holds a row which many of them come by."""
        return {
            "member": ("SELECT FROM smile.member WHERE id = %s FOR NO KEY UPDATE", [self.member]),
            "account": ("SELECT FROM smile.account WHERE id = %s FOR NO KEY UPDATE", [self.account]),
            "mailed tokens": ("SELECT FROM smile.mail_token WHERE account_id = %s FOR UPDATE", [self.account]),
            "challenge": ("SELECT FROM smile.mfa_challenge WHERE account_id = %s FOR UPDATE", [self.account]),
            "session": ("SELECT FROM smile.session WHERE id = %s FOR UPDATE", [self.session]),
            "access tokens": ("SELECT FROM smile.access_token WHERE session_id = %s FOR UPDATE", [self.session]),
        }[what]


OPEN = {"reset_password", "request_password_reset", "refresh_session", "finish_log_in", "confirm_registration",
        "open_session"}
WORK = sorted(OPEN | {"report_compromise", "change_password", "confirm_contact_change", "put_bank_account",
                      "switch_grant", "step_up", "log_out", "end_other_sessions"})
HELD = ["member", "account", "mailed tokens", "challenge", "session", "access tokens"]


@pytest.fixture(scope="module")
def person(own, own_actors, own_db):
    own_db.execute(f'ALTER ROLE smile_api IN DATABASE "{own.database}" SET deadlock_timeout = \'50ms\'')
    return Person(own, own_actors, own_db)


@pytest.fixture(scope="module")
def lines(own, person):
    """Two connections as the server's role."""
    with psycopg.connect(own.cluster.url(own.database, "smile_api")) as one:
        with psycopg.connect(own.cluster.url(own.database, "smile_api")) as other:
            yield one, other


def run(line, person, name):
    """As one request does it; undone. Returns the SQLSTATE of a refusal."""
    statement, parameters = person.work(name)
    try:
        if name in OPEN:
            line.execute("SELECT smile.open_call('127.0.0.1', gen_random_uuid())")
        else:
            line.execute("SELECT smile.authenticate(sha256(%s), '{member}', false, '127.0.0.1', gen_random_uuid(), "
                         "NULL)", [person.token.encode()])
        line.execute(statement, parameters)
        return None
    except psycopg.Error as error:
        return error.sqlstate
    finally:
        line.rollback()


def settled(db, line, outcome):
    """Has ended, or waits for a lock."""
    while not outcome.done():
        waits, = db.execute("SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = %s",
                            [line.info.backend_pid]).fetchone()
        if waits:
            return
        time.sleep(0.002)


@pytest.mark.parametrize("first", WORK)
def test_no_two_changes_of_an_account_wait_for_each_other(first, own, own_db, person, lines):
    with own.cluster.connect(own.database) as holder, concurrent.futures.ThreadPoolExecutor(2) as pool:
        for second, what in itertools.product(WORK, HELD):
            with holder.transaction():
                assert holder.execute(*person.held(what)).rowcount, f"no {what} is there to be held"
                outcomes = []
                for line, name in zip(lines, (first, second)):
                    outcomes.append(pool.submit(run, line, person, name))
                    settled(own_db, line, outcomes[-1])
            ended = [outcome.result() for outcome in outcomes]
            assert "40P01" not in ended, f"{first}, then {second}, while the {what} was held: {ended}"


@pytest.mark.parametrize("name", WORK)
def test_each_of_them_works(name, person, lines):
    """Else nothing would be locked, and nothing be proved: only the code of the challenge is wrong."""
    assert run(lines[0], person, name) == ("SM401" if name == "finish_log_in" else None)


def test_a_refresh_and_a_change_of_password_at_once(own, own_actors):
    """Over HTTP, in two tabs: the new password's tokens are good whoever came first."""
    for _ in range(5):
        member = own_actors.member()
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            changing = pool.submit(lambda: Client(own, member["token"]).put("/v1/account/password", {
                "current_password": member["password"], "new_password": "layang layang di atas sawah"}))
            refreshing = pool.submit(lambda: Client(own).post(
                "/v1/sessions/refresh", {"refresh_token": member["refresh_token"]}))
        changed, refreshed = changing.result(), refreshing.result()
        assert changed.status in (200, 401) and refreshed.status in (200, 401), (changed, refreshed)
        if changed.status == 200:
            Client(own).get("/v1/members/me", token=changed.json["access_token"]).expect(200)
