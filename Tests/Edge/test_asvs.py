"""OWASP ASVS 5.0, chapters V6, V7 and V8, levels 1 and 2: docs/asvs.csv names a test for each requirement. And the
tests of requirements that ask for a page, or for something that no other test is about."""
import ast
import csv
import functools
import json
import re

import pytest

from client import Client
from cluster import ROOT
from contract import contract

# The requirements that apply. V6.2.6, 6.2.7 and 7.4.4 are a user interface's, 6.8 and 7.6.1 want another identity
# provider.
REQUIRED = """
V6.1.1 V6.1.2 V6.1.3 V6.2.1 V6.2.2 V6.2.3 V6.2.4 V6.2.5 V6.2.8 V6.2.9 V6.2.10 V6.2.11 V6.2.12 V6.3.1 V6.3.2 V6.3.3
V6.3.4 V6.4.1 V6.4.2 V6.4.3 V6.4.4 V6.5.1 V6.5.2 V6.5.3 V6.5.4 V6.5.5 V6.6.1 V6.6.2 V6.6.3 V7.1.1 V7.1.2 V7.2.1 V7.2.2
V7.2.3 V7.2.4 V7.3.1 V7.3.2 V7.4.1 V7.4.2 V7.4.3 V7.4.5 V7.5.1 V7.5.2 V7.6.2 V8.1.1 V8.1.2 V8.2.1 V8.2.2 V8.2.3 V8.3.1
V8.4.1""".split()

with open(ROOT / "docs" / "asvs.csv", newline="") as file:
    ROWS = list(csv.DictReader(file))
POLICY = (ROOT / "docs" / "security.md").read_text()


@functools.lru_cache(None)
def named_in(name):
    """What a file of tests calls its tests: functions, or the titles of a conversation."""
    path, = [path for folder in ("Edge", "Conversations", "Tidy") for path in (ROOT / "Tests" / folder).glob(name)]
    text = path.read_text()
    if path.suffix == ".http":
        return {line[4:].strip() for line in text.splitlines() if line.startswith("### ")}
    return {node.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)}


def test_each_requirement_has_one_row():
    assert sorted(row["id"] for row in ROWS) == sorted(REQUIRED)
    assert {row["level"] for row in ROWS} == {"1", "2"}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_the_tests_of_a_requirement_exist(row):
    named = [test.strip() for test in row["tests"].split(";")]
    for test in named:
        file, name = test.split("::")
        assert name in named_in(file), f"{row['id']} names {test}, which doesn't exist"


# MARK: what is written down

def hours(interval):
    return f"{interval.total_seconds() / 3600:g} h"


def test_the_policy_says_its_numbers(db):
    """V6.1.1, V7.1.1, V7.1.2: what docs/security.md says is what the database does."""
    limits = {kind: db.execute("SELECT * FROM smile.session_limits(%s)", [kind]).fetchone()
              for kind in ("member", "officer")}
    idle, absolute, most = limits["member"]
    assert f"{idle.total_seconds() / 60:g} min idle and {hours(absolute)} in all" in POLICY
    officers_idle, officers_absolute, officers_most = limits["officer"]
    assert f"officers {officers_idle.total_seconds() / 60:g} min and {hours(officers_absolute)}" in POLICY
    assert f"{most} at once, officers {officers_most}, the oldest gives way" in POLICY
    limiter = (ROOT / "Sources" / "SocialSecurity" / "Web" / "RateLimiter.swift").read_text()
    for bucket, number in re.findall(r"case \.(\w+): ([\d_]+)\n", limiter):
        assert f"`{bucket}` {int(number.replace('_', '')):,} a minute" in POLICY, bucket
    assert "## Why sessions end when they do" in POLICY


def test_the_words_of_this_service_are_written_down():
    """V6.1.2."""
    script = (ROOT / ".make" / "blocked-passwords").read_text()
    assert "`.make/blocked-passwords`" in POLICY
    listed = set((ROOT / "Migrations" / "blocked_passwords.csv").read_text().splitlines())
    for word in ("smile", "bpjs", "bpjsketenagakerjaan", "jamsostek", "jaminansosial", "iuran", "klaim"):
        assert word in script and word in listed, word


def gives_a_token(operation):
    """Whether a good answer of it holds a token that opens something."""
    for status, response in operation.spec["responses"].items():
        for content in contract().resolve(response).get("content", {}).values() if status.startswith("2") else ():
            if "access_token" in properties(content.get("schema", {})):
                return True
    return False


def properties(node, seen=None):
    """The names of all properties of a schema, however deep."""
    seen = set() if seen is None else seen
    if isinstance(node, list):
        return set().union(*(properties(each, seen) for each in node), set())
    if not isinstance(node, dict):
        return set()
    if "$ref" in node:
        if node["$ref"] in seen:
            return set()
        seen.add(node["$ref"])
        node = contract().resolve(node)
    names = set(node["properties"]) if isinstance(node.get("properties"), dict) else set()
    return names.union(*(properties(value, seen) for value in node.values()))


def test_every_way_in_is_written_down():
    """V6.1.3, V6.3.4, V7.6.2: what gives a token stands in the table, and what stands there gives one."""
    table = POLICY.split("## Ways in")[1].split("\n## ")[0]
    written = set(re.findall(r"^\| `(\w+)`", table, re.M))
    assert written == {operation.id for operation in contract().operations if gives_a_token(operation)}


def test_there_are_no_hints_and_no_secret_questions():
    """V6.4.2: nothing of the kind can be sent or read."""
    names = properties(list(contract().spec["components"]["schemas"].values()))
    assert len(names) > 100
    assert not [name for name in names if re.search(r"hint|question|answer|maiden|mother", name)
                and name not in ("token_type_hint", "inquiry")
                # What an employer says to a worker's report.
                and name not in ("answer", "answer_due", "answer_note", "answered_at")]


# Where Swift's own generator serves, which asks the system too: nothing of it is a secret.
OTHER_RANDOM = {
    "ConnectionPool.swift": "jitter", "Database.swift": "jitter", "Listener.swift": "jitter",
    "Transaction.swift": "jitter", "MailedToken.swift": "the id of a row", "RequestID.swift": "ids of requests",
    "SharedMemory.swift": "where the limits' buckets lie",
}


def test_secrets_come_from_the_generator_for_secrets():
    """V6.5.3, V7.2.3: that of OpenSSL, whose failure is an error and not a weak secret."""
    other = re.compile(r"\.random\(in:|SystemRandomNumberGenerator|randomElement|shuffled\(|\brand\(|arc4random")
    found = {path.name for path in (ROOT / "Sources").rglob("*.swift") if other.search(path.read_text())}
    assert found == set(OTHER_RANDOM)
    assert "RAND_bytes_ex(" in (ROOT / "Sources" / "CLibCrypto" / "shim.h").read_text()
    fresh = (ROOT / "Sources" / "SocialSecurity" / "Sessions" / "FreshToken.swift").read_text()
    assert "SecureRandom.bytes(32)" in fresh


# MARK: accounts

@pytest.fixture(scope="module")
def own(make_server):
    return make_server()


@pytest.fixture(scope="module")
def own_actors(own, actors_on):
    return actors_on(own)


@pytest.fixture
def own_api(own):
    with Client(own) as client:
        yield client


def test_a_new_installation_has_no_account(make_server):
    """V6.3.2."""
    server = make_server(start=False)
    with server.cluster.connect(server.database) as connection:
        assert connection.execute("SELECT count(*) FROM smile.account").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM smile.client").fetchone() == (0,)


def test_a_password_of_ten_years_still_opens(own, own_api, own_actors):
    """V6.2.10: on the security clock."""
    member = own_actors.member()
    with own.cluster.connect(own.database) as connection:
        connection.execute("UPDATE smile.clock SET security_offset = interval '10 years'")
        own_actors.log_in(member["email"])
        connection.execute("UPDATE smile.clock SET security_offset = '0'")
    own_actors.known.clear()   # in ten years sessions are deleted


def test_tokens_are_unique_random_and_long(own, own_api, own_actors):
    """V7.2.3: 256 bits each; of all bits of 200 tokens about half are set (six standard deviations)."""
    bank = own_actors.bank()
    tokens = {own_actors.oauth_token(bank["id"], bank["secret"]) for _ in range(200)}
    assert len(tokens) == 200 and all(re.fullmatch(r"sat_[\w-]{43}", token) for token in tokens)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    # The last of 43 characters carries four bits and two zeroes.
    bits = "".join(f"{alphabet.index(character):06b}" for token in tokens for character in token[4:-1])
    assert abs(bits.count("1") / len(bits) - 0.5) < 6 * 0.5 / len(bits) ** 0.5


def test_the_operator_ends_the_sessions_of_one_or_of_all(own, own_api, own_actors):
    """V7.4.5: at the next request; machines go on."""
    one, other, payroll = own_actors.member(), own_actors.member(), own_actors.payroll()

    def alive(actor):
        return own_api.get("/v1/members/me", token=actor["token"]).status == 200
    assert json.loads(own.run("smile-admin", "end-sessions", "--email", one["email"].upper()))["ended"] == "1"
    assert not alive(one) and alive(other)
    own_api.post("/v1/sessions/refresh", {"refresh_token": one["refresh_token"]}).expect(401)
    assert int(json.loads(own.run("smile-admin", "end-sessions", "--everybody"))["ended"]) >= 1
    assert not alive(other)
    own_api.get("/v1/employers", token=payroll["token"]).expect(200)
    assert json.loads(own.run("smile-admin", "end-sessions", "--email", "nobody@smile.test"))["ended"] == "0"
    own_actors.log_in(one["email"])
    own_actors.known.clear()   # their sessions have ended too
    with own.cluster.connect(own.database) as connection:
        assert connection.execute("SELECT count(*) FROM smile.audit_log WHERE action = 'session.all_ended' "
                                  "AND role = 'operator'").fetchone() == (3,)


def test_the_operator_disables_an_account_and_enables_it_again(own, own_api, own_actors):
    """V7.4.2: its sessions end at the next request, and neither log-in, refresh nor a mailed token opens anything."""
    member = own_actors.member()
    own_api.post("/v1/password_resets", {"identifier": member["email"]}).expect(202)
    reset = {"token": own_actors.mailed_token(member["email"]), "new_password": "sampan kayu di tepi danau 8"}
    assert json.loads(own.run("smile-admin", "disable-account", "--email", member["email"].upper())) == {
        "disabled": member["email"]}
    own_api.get("/v1/members/me", token=member["token"]).expect(401, "invalid_token")
    own_api.post("/v1/sessions/refresh", {"refresh_token": member["refresh_token"]}).expect(401)
    own_api.post("/v1/password_resets/confirmation", reset).expect(410)
    own_actors.try_log_in(member["email"]).expect(401, "invalid_credentials")
    with pytest.raises(AssertionError, match="no active account"):
        own.run("smile-admin", "disable-account", "--email", member["email"])
    own.run("smile-admin", "enable-account", "--email", member["email"])
    own_api.get("/v1/members/me", token=member["token"]).expect(401)
    own_actors.log_in(member["email"])


# MARK: second factors

def enrol(api, actors, member):
    """An authenticator for this member: its secret and the recovery codes."""
    secret = api.post("/v1/account/totp", token=member["token"]).expect(200).json["secret"]
    codes = api.post("/v1/account/totp/confirmation", actors.totp_code(secret, 1), token=member["token"]).expect(200)
    return secret, codes.json["recovery_codes"]


def test_a_reset_password_is_no_way_around_the_authenticator(own_api, own_actors):
    """V6.4.3: the mailed token changes the password and opens nothing; the authenticator is asked for as before."""
    member = own_actors.member()
    secret, _ = enrol(own_api, own_actors, member)
    own_api.post("/v1/password_resets", {"identifier": member["email"]}).expect(202)
    password = "sampan kayu di tepi danau 8"
    answer = own_api.post("/v1/password_resets/confirmation", {
        "token": own_actors.mailed_token(member["email"]), "new_password": password})
    assert answer.status in (200, 204) and "access_token" not in answer.text
    asked = own_api.post("/v1/sessions", {"identifier": member["email"], "password": password}).expect(
        401, "mfa_required").json
    own_api.post("/v1/sessions/mfa", {"challenge": asked["challenge"], "code": "000000"}).expect(401)
    own_api.post("/v1/sessions/mfa", {"challenge": asked["challenge"]} | own_actors.totp_code(secret)).expect(201)


def test_codes_are_long_enough(own_api, own_actors):
    """V6.5.4: six digits that are sent and tried five times; 120 bits where a code is kept; 160 of a seed."""
    secret, codes = enrol(own_api, own_actors, own_actors.member())
    assert len(secret) * 5 >= 160
    assert len(codes) == len(set(codes)) == 10
    for code in codes:
        letters = re.sub(r"\W", "", code)
        assert len(letters) * 5 >= 120 and re.fullmatch(r"[A-Z2-7]+", letters.upper()), code
    officer = own_actors.officer_account()
    own_api.post("/v1/sessions", {"identifier": officer["email"], "password": officer["password"]}).expect(401)
    assert re.fullmatch(r"\d{6}", own_actors.mailed_token(officer["email"]))
