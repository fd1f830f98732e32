"""What somebody tries who means no good: tokens where none belong or that are none, and guesses in parallel."""
import hashlib
import subprocess
import unicodedata
import uuid

import pytest

from actors import PASSWORD
from client import at_once
from test_jobs import eventually
from test_log_in import fresh
from test_second_factors import challenge, enrol, meet

WRONG = "salah sama sekali"
NOT_TOKENS = {
    "short": "A" * 42, "long": "A" * 44, "nothing": "", "another alphabet": "A" * 42 + "+",
    "padded": "A" * 43 + "=", "not the shortest spelling": "A" * 42 + "B", "another script": "А" * 43,
    "a space": " " + "A" * 42, "a quote": "A" * 42 + "'", "a percent sign": "A" * 40 + "%41",
}


# MARK: tokens

def test_a_token_in_a_path_or_query_is_taken_nowhere_and_logged_nowhere(own, own_api, own_actors):
    """Not even beside a good one in the header; neither the server's log nor PostgreSQL's has it."""
    member = own_actors.member()
    token, bearer = member["token"], {"Authorization": f"Bearer {member['token']}"}
    asked = []

    def ask(target, *statuses, **headers):
        asked.append(str(uuid.uuid4()))
        answer = own_api.request("GET", target, headers=headers | {"X-Request-Id": asked[-1]}, check=False)
        assert answer.status in statuses, f"{target}: {answer}"
        assert f"={token}" not in answer.text
    for name in ("access_token", "token", "authorization"):
        ask(f"/v1/members/me?{name}={token}", 401)
        ask(f"/v1/members/me?{name}={token}", 400, **bearer)
    ask(f"/v1/members/me?{token}", 400, **bearer)
    ask(f"/v1/sessions/{token}", 404, 405, **bearer)
    ask(f"/v1/members/{token}", 401)
    ask(f"/v1/{token}", 404)
    ask("/v1/members/me", 401, Cookie=f"access_token={token}")
    ask("/v1/members/me", 401, Authorization=f"Basic {token}")
    ask("/v1/members/me", 200, **bearer)
    eventually(lambda: all(request in own.log() for request in asked))
    for log in (own.log(), own.cluster.log()):
        assert token not in log and token[4:] not in log


@pytest.mark.parametrize("text", NOT_TOKENS.values(), ids=NOT_TOKENS)
def test_what_can_be_no_token_is_answered_like_an_unknown_one(text, own_api):
    """A refresh token, a challenge, a device's: nothing tells that the form alone was wrong."""
    asked = {
        "/v1/sessions/refresh": ("refresh_token", "srt_", {}),
        "/v1/sessions/mfa": ("challenge", "smc_", {"code": "123456"}),
        "/v1/sessions/mfa/resend": ("challenge", "smc_", {}),
    }
    for path, (name, prefix, more) in asked.items():
        unknown = own_api.post(path, {name: prefix + "A" * 43} | more)
        for malformed in (prefix + text, "sat_" + "A" * 43):
            answer = own_api.post(path, {name: malformed} | more)
            assert without_ids(answer) == without_ids(unknown), f"{path}: {answer}"


def without_ids(answer):
    varying = {"X-Request-Id", "Server-Timing", "Date"}
    return (answer.status, {k: v for k, v in answer.json.items() if k != "request_id"},
            {k: v for k, v in answer.headers.items() if k not in varying})


def test_a_token_expired_a_second_ago_opens_nothing(own_api, own_actors, later):
    """An access token by the security clock, on reads, on changes and on what ends sessions."""
    member = own_actors.member()
    later(15 * 60 + 1)
    for method, path in (("GET", "/v1/members/me"), ("DELETE", "/v1/sessions/current"), ("DELETE", "/v1/sessions"),
                         ("POST", "/v1/account/compromise_reports")):
        own_api.request(method, path, {} if method == "POST" else None, token=member["token"]).expect(
            401, "invalid_token")
    own_api.post("/v1/sessions/refresh", {"refresh_token": member["refresh_token"]}).expect(200)


# MARK: guesses in parallel

def test_a_hundred_codes_at_once_cannot_pass_the_limit_of_five(own, own_api, own_actors, fresh):
    """All answers are alike, so the count is read where it is kept; the right code comes too late."""
    member = enrol(own_actors, own_actors.member())
    wanted = challenge(own_api, member)
    right = own_actors.totp_code(member["secret"])["code"]
    wrong = f"{(int(right) + 1) % 1_000_000:06}"
    answers = at_once(own, 100, lambda client: meet(client, wanted, wrong).status)
    assert set(answers) <= {401, 429, 503}, answers
    with own.cluster.connect(own.database) as connection:
        tries, = connection.execute(
            "SELECT c.tries FROM smile.mfa_challenge AS c JOIN smile.account AS a ON a.id = c.account_id "
            "WHERE a.email = %s", [member["email"]]).fetchone()
    assert tries == 5
    meet(own_api, wanted, right).expect(401, "invalid_code")


def test_a_hundred_passwords_at_once_cannot_pass_a_sessions_limit_of_five(own, own_api, own_actors, fresh):
    member = own_actors.member()
    answers = at_once(own, 100, lambda client: client.post(
        "/v1/sessions/step_up", {"password": WRONG}, token=member["token"]).status)
    assert 1 <= answers.count(401) <= 5 and set(answers) <= {401, 429, 503}, answers
    change = {"current_password": WRONG, "new_password": "layang layang di atas sawah"}
    own_api.put("/v1/account/password", change, token=member["token"]).expect(429, "too_many_attempts")


# MARK: passwords

def test_composed_and_decomposed_are_one_password_wherever_it_is_shown(own_api, own_actors):
    """Chosen decomposed, shown composed, and the other way round: log-in, step-up, change."""
    composed = "kéju dan jalapeño di pasar Åre"
    decomposed = unicodedata.normalize("NFD", composed)
    assert composed != decomposed and unicodedata.is_normalized("NFC", composed)
    member = own_actors.member()
    token = own_api.put("/v1/account/password", {"current_password": PASSWORD, "new_password": decomposed},
                        token=member["token"]).expect(200).json["access_token"]
    own_actors.log_in(member["email"], composed)
    token = own_api.post("/v1/sessions/step_up", {"password": composed}, token=token).expect(200).json["access_token"]
    own_api.put("/v1/account/password", {"current_password": composed, "new_password": PASSWORD},
                token=token).expect(200)


# MARK: the thief of a dump

def test_a_dump_holds_no_code_nor_what_it_could_be_guessed_from(own, own_api, own_actors):
    """Six digits under a plain hash would be read by trying a million."""
    member = own_actors.member()
    address = "kode.di.dump@smile.test"
    change = own_api.post("/v1/members/me/contact_changes", {"email": address}, token=member["token"]).expect(201).json
    code = own_actors.mailed_token(address)
    with own.cluster.connect(own.database) as connection:
        message, digest = connection.execute(
            "SELECT message_id::text, code_digest FROM smile.contact_change WHERE id = %s", [change["id"]]).fetchone()
    dump = subprocess.run([own.cluster.programs / "pg_dump", own.cluster.url(own.database, "smile_backup")], check=True,
                          capture_output=True, text=True).stdout
    assert address in dump and digest.hex() in dump
    assert f'"{code}"' not in dump and f"\t{code}\t" not in dump
    around = ["", message, message.replace("-", ""), change["id"], address, member["member_id"]]
    plain = [first + code + last for first in around for last in ("", *around)]
    for text in plain:
        for kind in ("sha256", "sha1", "md5", "sha512"):
            assert hashlib.new(kind, text.encode()).hexdigest() not in dump
