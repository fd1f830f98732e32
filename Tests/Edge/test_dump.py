"""What the thief of a dump holds, and who reads the logs: no usable token, password, NIK, account number or key.

A client remembers every secret that it sends or is shown while much of what the API can do is done once; then each of
them is looked for, in the forms in which it could stand there, in what pg_dump writes and in all logs."""
import base64
import csv
import io
import itertools
import json
import re
import subprocess
import urllib.parse

import pytest

from actors import EVERY_SCOPE, PASSWORD, Actors
from client import Client
from payroll import HEADER, Payroll, line, nik
from world import Side

# Members of JSON objects, and fields of forms, that hold something secret or a person's number.
SECRET = {"access_token", "refresh_token", "device_token", "token", "challenge", "password", "current_password",
          "new_password", "secret", "client_secret", "key", "recovery_codes", "nik", "number"}
PREFIX = re.compile(r"^(s[a-z]{2}|whsec)_")   # of our tokens and of a bank's key; within one, _ is a character
LEAST = 12   # shorter ones (codes of six digits) would be found by chance: tests of their own look for them
numbers = itertools.count(1)


class Witness(Client):
    """A client that remembers what it must not find again: what it was, by its text."""

    def __init__(self, server, token=None, language="en", seen=None):
        super().__init__(server, token, language)
        self.seen = {} if seen is None else seen

    def acting(self, token):
        return Witness(self.server, token, self.language, self.seen)

    def exchange_once(self, method, target, body, headers):
        answer = super().exchange_once(method, target, body, headers)
        if "Authorization" in headers:
            self.keep("access_token", headers["Authorization"].split(" ")[-1])
        kind = headers.get("Content-Type", "")
        if kind == "application/json":
            self.look(json.loads(body))
        elif kind == "text/csv":
            for row in csv.DictReader(io.StringIO(body.decode())):
                self.keep("nik", row.get("nik"))
        elif kind == "application/x-www-form-urlencoded":
            self.look(dict(urllib.parse.parse_qsl(body.decode())))
        if (answer.headers.get("Content-Type") or "").startswith("application/json"):
            self.look(answer.json)
        return answer

    def look(self, node, name=None):
        if isinstance(node, dict):
            for name, value in node.items():
                self.look(value, name)
        elif isinstance(node, list):
            for value in node:
                self.look(value, name)
        elif name in SECRET:
            self.keep(name, node)

    def keep(self, name, value):
        if isinstance(value, str) and len(value) >= LEAST:
            self.seen.setdefault(value, name)


def bytes_of(secret):
    """The secret as text, and what it is the spelling of: base64 (of tokens, of a bank's key), base32 (of TOTP)."""
    bare = PREFIX.sub("", secret)
    yield from {secret.encode(), bare.encode()}
    for decode, text in ((base64.urlsafe_b64decode, bare + "=" * (-len(bare) % 4)), (base64.b64decode, bare),
                         (base64.b32decode, secret.replace("-", ""))):
        try:
            raw = decode(text)
        except ValueError:
            continue
        if len(raw) >= LEAST:
            yield raw


def spellings(secret):
    """How it may stand in a text: as it is, in hex (as pg_dump writes bytea), in base64 at any offset."""
    yield from {secret, PREFIX.sub("", secret)}
    for raw in bytes_of(secret):
        yield raw.hex()
        for offset in range(3):
            coded = base64.b64encode(b"\0" * offset + raw).decode().rstrip("=")
            inner = coded[(0, 2, 3)[offset]:-2]   # characters that depend on nothing but the secret
            yield from {inner, inner.replace("+", "-").replace("/", "_")}


def found_in(text, seen, folder):
    """Which of the secrets stand in a text, by what they are. grep looks for all at once."""
    patterns = {spelling: what for secret, what in seen.items() for spelling in spellings(secret)
                if len(spelling) >= LEAST}
    (folder / "patterns").write_text("\n".join(patterns))
    (folder / "text").write_text(text)
    hits = subprocess.run(["grep", "-aoFf", folder / "patterns", folder / "text"], capture_output=True, text=True)
    assert hits.returncode in (0, 1), hits.stderr
    return sorted({(patterns[hit], hit) for hit in hits.stdout.split()})


@pytest.fixture(scope="module")
def everything(make_server):
    """(the server, who has seen all, somebody whose address the dump does hold)."""
    server = make_server()
    with Witness(server) as witness:
        actors = Actors(witness)
        sides = [Side(actors) for _ in range(2)]
        password(witness, actors)
        factors(witness, actors)
        contacts(witness, actors)
        officers(witness, actors, sides[0])
        machines(witness, actors, sides[0])
        invitations(witness, actors, sides[0])
        registrations(witness, actors)
        payroll(witness, actors, sides[0])
        witness.post("/v1/account/compromise_reports", {}, token=actors.member()["token"]).expect(201)
        yield server, witness.seen, sides[0].member["email"]


# MARK: what is done

def password(api, actors):
    """Chosen, changed, forgotten, chosen anew; sessions opened, refreshed, and a token that came back."""
    member, chosen = actors.member(), "layang layang di atas sawah"
    api.put("/v1/account/password", {"current_password": PASSWORD, "new_password": chosen}, token=member["token"]
            ).expect(200)
    session = actors.log_in(member["email"], chosen, device_token=member["device_token"])
    for _ in range(2):
        api.post("/v1/sessions/refresh", {"refresh_token": session["refresh_token"]}).expect(200)
    api.post("/v1/sessions", {"identifier": member["email"], "password": "salah sama sekali ini"}).expect(401)
    api.post("/v1/password_checks", {"password": "sedang dipikirkan saja"}).expect(200)
    api.post("/v1/password_resets", {"identifier": member["email"]}).expect(202)
    api.post("/v1/password_resets/confirmation", {
        "token": actors.mailed_token(member["email"]), "new_password": "hujan turun di bulan juni"}).expect(204)
    api.post("/v1/password_resets", {"identifier": actors.member()["email"]}).expect(202)


def factors(api, actors):
    """An authenticator; log-in with it, and with a recovery code; one challenge that is never met."""
    member = actors.member()
    secret = api.post("/v1/account/totp", token=member["token"]).expect(200).json["secret"]
    codes = api.post("/v1/account/totp/confirmation", actors.totp_code(secret, 1), token=member["token"]
                     ).expect(200).json["recovery_codes"]
    for code in (actors.totp_code(secret), {"code": codes[0]}, None):
        asked = api.post("/v1/sessions", {"identifier": member["email"], "password": PASSWORD}).expect(401).json
        if code:
            api.post("/v1/sessions/mfa", {"challenge": asked["challenge"]} | code).expect(201)
    api.post("/v1/sessions", {"identifier": actors.officer_account()["email"], "password": PASSWORD}).expect(401)


def contacts(api, actors):
    """A bank account, and two addresses-to-be: one confirmed."""
    member = actors.member()
    for name in ("pindah", "ragu"):
        address = f"{name}.{member['kpj']}@smile.test"
        change = api.post("/v1/members/me/contact_changes", {"email": address}, token=member["token"]).expect(201).json
        if name == "pindah":
            api.post(f"/v1/members/me/contact_changes/{change['id']}/confirmation", actors.mailed_code(address),
                     token=member["token"]).expect(200)
    account = {"bank_code": "014", "number": "7418529630741", "holder_name": "Budi Santoso"}
    tag = api.put("/v1/members/me/bank_account", account, token=member["token"]).expect(201).headers["ETag"]
    api.put("/v1/members/me/bank_account", account | {"number": "9638527410963"}, token=member["token"],
            headers={"If-Match": tag}).expect(200)


def officers(api, actors, side):
    """Invited by one; another looks a person up by the number, and opens the record."""
    head, reader = actors.officer("manage_officers"), actors.officer("read_members")
    invited = f"petugas.undangan{next(numbers)}@smile.test"
    api.post("/v1/officers", {"email": invited, "full_name": "Rina Kartika", "permissions": ["publish"]},
             token=head["token"], key=True).expect(201)
    actors.mailed_token(invited)
    api.post("/v1/members/search", {"nik": side.member["nik"]}, token=reader["token"]).expect(200)
    api.get(f"/v1/members/{side.member['member_id']}", token=reader["token"], headers={"Access-Purpose": "claim:42"}
            ).expect(200)


def machines(api, actors, side):
    """A second secret, a bank's signing key, tokens asked about and given back."""
    made = actors.client_of(side.employer["token"], *EVERY_SCOPE)
    api.post(f"/v1/clients/{made['id']}/secrets", {}, token=side.employer["token"]).expect(201)
    form = {"client_id": made["id"], "client_secret": made["secret"], "token": made["token"]}
    for path in ("introspect", "revoke"):
        api.post(f"/v1/oauth/{path}", body=urllib.parse.urlencode(form).encode(), headers={
            "Content-Type": "application/x-www-form-urlencoded"}).expect(200)
    manager = actors.officer("manage_clients")
    api.post(f"/v1/clients/{actors.bank()['id']}/signing_keys", token=manager["token"]).expect(201)


def invitations(api, actors, side):
    """One colleague comes, another doesn't."""
    users = f"/v1/employers/{side.employer['id']}/users"
    for comes in (True, False):
        email = f"rekan.undangan{next(numbers)}@smile.test"
        api.post(users, {"email": email, "full_name": "Rina Kartika", "role": "payroll"},
                 token=side.employer["token"], key=True).expect(201)
        token = actors.mailed_token(email)
        if comes:
            api.post("/v1/employer_invitations/acceptance", {"token": token, "password": PASSWORD}).expect(200)


def registrations(api, actors):
    """A member's that waits, one that fits no record, and an employer's whose papers wait."""
    waiting = actors.worker()
    form = {name: waiting[name] for name in ("kpj", "nik", "full_name", "birth_date")}
    form |= {"phone": "+628120000000", "password": "kopi tubruk tanpa gula"}
    api.post("/v1/registrations", form | {"email": "tunggu@smile.test"}).expect(202)
    actors.mailed_token("tunggu@smile.test")
    api.post("/v1/registrations", form | {"email": "salah@smile.test", "nik": "3273011212880042"}).expect(202)
    actors.mailed_token(actors.registration()["email"])


def payroll(api, actors, side):
    """People looked up; lines that are right, wrong in other fields or in the number itself; a job's worth of them."""
    works = Payroll(api, side.payroll | {"employer_id": side.employer["id"]}, None)
    works.client.post("/v1/member_verifications", {"persons": [
        {name: side.worker[name] for name in ("kpj", "nik", "full_name", "birth_date")}]}).expect(200)
    opened = works.open("2026-10")["id"]
    right, wrong = [line(5_000_000) for _ in range(3)], line(5_000_000, number=nik())
    broken = [wrong.replace("5000000", "lima juta"), wrong.replace(",male,", ",x,"),
              line(5_000_000, number="327301991288004X"), line(5_000_000, number="32730112128800429")]
    works.send(opened, [*right, *broken])
    works.client.get(f"/v1/returns/{opened}/findings").expect(200)
    works.send(opened, [*right, *broken, *(line(5_000_000) for _ in range(1_000))])


# MARK: what is found

def dumped(server):
    return subprocess.run([server.cluster.programs / "pg_dump", server.cluster.url(server.database, "smile_backup")],
                          check=True, capture_output=True, text=True).stdout


def test_a_dump_holds_nothing_that_opens_anything(everything, tmp_path):
    server, seen, email = everything
    kinds = set(seen.values())
    assert kinds >= SECRET - {"current_password"}, "the walk has left something out"
    dump = dumped(server)
    # A dump that held a secret would be found: an address that it does hold is looked for in the same way.
    assert found_in(dump, {email: "an address"}, tmp_path) == [("an address", email)]
    assert found_in(dump, seen, tmp_path) == []


def test_no_key_stands_in_a_dump(everything):
    server, _, _ = everything
    dump = dumped(server)
    keys = re.findall(r"^k\d+ (\S+)$", (server.folder / "keys").read_text(), re.M)
    assert keys and all(key not in dump and base64.b64decode(key).hex() not in dump for key in keys)


def test_no_log_holds_one_either(everything, tmp_path):
    """Neither the server's nor PostgreSQL's, of which a refused row or statement could be the cause."""
    server, seen, _ = everything
    log = server.log_path.read_text()
    assert log.count('"route"') > 100
    for text in (log, server.cluster.log()):
        assert found_in(text, seen, tmp_path) == []
