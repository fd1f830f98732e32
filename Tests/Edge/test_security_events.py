"""What happened to an account's security: whose list it is, who is written to, and what a dump tells a thief."""
import base64
import itertools
import re
import subprocess

import psycopg
import pytest

from actors import PASSWORD
from client import Client

NEW = "layang layang di atas sawah"
KINDS = {"new_device", "failed_attempts", "password_changed", "password_reset", "contact_changed", "factor_added",
         "factor_removed", "recovery_code_used", "bank_account_changed", "refresh_token_reused", "session_limit",
         "compromise_reported"}


@pytest.fixture
def noted(db):
    """noted(email, kind, details, former) notes an event as a definer function does."""
    def note(email, kind, details="{}", former=None):
        db.execute("SELECT smile.note_security_event(a.id, %s, %s, %s) FROM smile.account AS a WHERE a.email = %s",
                   [kind, details, former, email])
    return note


def events(client, token, query=""):
    return client.get(f"/v1/account/security_events{query}", token=token).expect(200).json


def test_the_kinds_that_somebody_else_may_have_caused_are_mailed(db):
    assert KINDS <= {code for (code,) in db.execute("SELECT code FROM smile.security_event_kind WHERE mailed")}


def test_a_changed_address_is_told_too(actors, noted):
    member = actors.member()
    noted(member["email"], "contact_changed", former="dulu.sekali@smile.test")
    for address in (member["email"], "dulu.sekali@smile.test"):
        assert actors.mails(address)[0]["template"] == "security_notice"


def test_the_address_in_the_members_record_is_told_too(actors, noted, db):
    """Who changes the account's address doesn't silence the record's."""
    member = actors.member()
    db.execute("UPDATE smile.member SET email = 'di.catatan@smile.test' WHERE id = %s", [member["member_id"]])
    noted(member["email"], "password_changed")
    assert len(actors.mails("di.catatan@smile.test")) == 1


def test_a_notice_speaks_the_accounts_language_and_names_the_details(api, actors, noted, db):
    member = actors.member()
    noted(member["email"], "failed_attempts", '{"tries": 50}')
    assert "50 failed attempts to log in" in actors.mails(member["email"])[0]["text"]
    db.execute("UPDATE smile.account SET language = 'id' WHERE email = %s", [member["email"]])
    noted(member["email"], "failed_attempts", '{"tries": 10}')
    assert "10 percobaan masuk yang gagal" in actors.mails(member["email"])[0]["text"]
    newest = events(api, member["token"], "?limit=1")["items"][0]
    assert (newest["title"], newest["details"]) == ("10 failed attempts to log in", {"tries": 10})


def test_everybody_sees_their_own_events_page_by_page(api, actors, noted):
    one, other = actors.member(), actors.member()
    for _ in range(5):
        noted(one["email"], "logged_in")
        noted(other["email"], "factor_added")
    seen, after = [], ""
    while True:
        page = events(api, one["token"], f"?limit=2{after}")
        seen += page["items"]
        if "next_after" not in page:
            break
        after = f"&after={page['next_after']}"
    ids = [item["id"] for item in seen]
    assert ids == sorted(set(ids), reverse=True) and len(ids) >= 5
    assert "factor_added" not in {item["kind"] for item in seen}


def test_the_server_writes_to_nobody_but_its_caller(cluster, server):
    with psycopg.connect(cluster.url(server.database, "smile_api")) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT smile.note_security_event(gen_random_uuid(), 'password_reset')")


def test_an_officers_session_stands_in_nobody_elses_list(api, actors, db):
    head, officer = actors.officer("manage_officers"), actors.officer("publish")
    grant, = db.execute("SELECT id FROM smile.account_grant WHERE account_id = %s", [officer["id"]]).fetchone()
    etag = api.get(f"/v1/officers/{grant}", token=head["token"]).headers["ETag"]
    api.request("PATCH", f"/v1/officers/{grant}", {"permissions": []}, token=head["token"],
                headers={"If-Match": etag}).expect(200)
    changed = events(api, actors.log_in(officer["email"])["token"])["items"]
    assert [item.get("session_id") for item in changed if item["kind"] == "grant_changed"] == [None]


def spellings(secret):
    """How a secret may stand in a dump: as text, in hex (as pg_dump writes bytea), in base64 at any offset."""
    raw = secret.encode()
    yield secret
    yield raw.hex()
    yield from (secret.split("_", 1)[-1], secret.split("_", 1)[-1].encode().hex())
    for offset in range(3):
        coded = base64.b64encode(b"\0" * offset + raw).decode().rstrip("=")
        inner = coded[(0, 2, 3)[offset]:-2]   # characters that depend on nothing but the secret
        yield inner
        yield inner.replace("+", "-").replace("/", "_")


def test_a_dump_after_everything_opens_nothing(make_server, actors_on):
    """Every secret that one long walk shows or sends, looked for in what pg_dump writes as smile_backup."""
    server = make_server()
    actors = actors_on(server)
    secrets = {}
    numbers = itertools.count(1)

    def keep(what, value):
        secrets[f"{what} {next(numbers)}"] = value
        return value

    def keep_session(session):
        for name, value in session.items():
            if name in ("token", "refresh_token", "access_token", "device_token") and value:
                keep(name, value)
        return session

    with Client(server) as client:
        head, member, bank = actors.officer("manage_officers"), actors.member(), actors.bank()
        payroll = actors.payroll()
        for actor in (head, member):
            keep_session(actor)
        for machine in (bank, payroll):
            keep("client secret", machine["secret"])
            keep("client token", machine["token"])
        keep("password", PASSWORD)
        keep("NIK", member["nik"])
        client.put("/v1/members/me/bank_account", {
            "bank_code": "014", "number": keep("account number", "7418529630741"), "holder_name": "Budi Santoso"},
            token=member["token"]).expect(201)
        keep_session(client.put("/v1/account/password", {
            "current_password": PASSWORD, "new_password": keep("password", NEW)}, token=member["token"]
        ).expect(200).json)
        session = keep_session(actors.log_in(member["email"], NEW))
        keep_session(client.post("/v1/sessions/refresh", {"refresh_token": session["refresh_token"]}).expect(200).json)
        client.post("/v1/password_resets", {"identifier": member["email"]}).expect(202)
        token = keep("reset token", actors.mailed_token(member["email"]))
        client.post("/v1/password_resets/confirmation", {
            "token": token, "new_password": keep("password", "hujan turun di bulan juni")}).expect(204)
        made = {"email": "diundang@smile.test", "full_name": "Rina Kartika", "permissions": ["publish"]}
        client.post("/v1/officers", made, token=head["token"], key=True).expect(201)
        keep("invitation", actors.mailed_token("diundang@smile.test"))
        waiting = actors.worker()
        keep("NIK", waiting["nik"])
        form = {name: waiting[name] for name in ("kpj", "nik", "full_name", "birth_date")}
        client.post("/v1/registrations", form | {
            "email": "tunggu@smile.test", "phone": "+628120000000",
            "password": keep("password", "kopi tubruk tanpa gula")}).expect(202)
        keep("registration token", actors.mailed_token("tunggu@smile.test"))
        reporter = keep_session(actors.member())
        client.post("/v1/account/compromise_reports", {}, token=reporter["token"]).expect(201)
    dump = subprocess.run([server.cluster.programs / "pg_dump", server.cluster.url(server.database, "smile_backup")],
                          check=True, capture_output=True, text=True).stdout
    assert member["email"] in dump and len(secrets) > 20
    # A dump that held a secret would be found: the mail's recipient is looked for in the same forms.
    assert sum(spelling in dump for spelling in spellings(member["email"])) >= 1
    for what, secret in secrets.items():
        for spelling in spellings(secret):
            assert spelling not in dump, f"the dump holds the {what.rsplit(' ', 1)[0]}"
    keys = re.findall(r"^k\d+ (\S+)$", (server.folder / "keys").read_text(), re.M)
    assert keys and all(key not in dump and base64.b64decode(key).hex() not in dump for key in keys)
