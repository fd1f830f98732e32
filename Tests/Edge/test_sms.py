"""SMS: out through the operator's gateway, over HTTPS, signed, tried again, and erased once taken."""
import base64
import contextlib
import hmac
import http.server
import json
import os
import secrets
import socket
import ssl
import subprocess
import threading
import time

import pytest

from client import Client
from test_jobs import eventually
from test_processes import ends_with

NUMBER = "+628120000777"


def certificate(folder, name="localhost"):
    """A certificate for that name that vouches for itself: (certificate, key)."""
    made = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-days", "1", "-out", made[0],
                    "-keyout", made[1]], check=True, capture_output=True)
    made[0].chmod(0o444)
    return made


class Gateway(http.server.ThreadingHTTPServer):
    """Keeps what it is sent and answers with the next of `statuses`, then 200."""

    def __init__(self, folder, name="localhost"):
        super().__init__(("127.0.0.1", 0), Take)
        self.taken, self.statuses = [], []
        self.certificate, key = certificate(folder, name)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, key)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        """A handshake that the other side gave up."""


class Take(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.taken.append((self.path, dict(self.headers.items()), body))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 200)
        if self.path == "/sms/away":
            self.send_header("Location", "/elsewhere")
        self.end_headers()

    do_GET = do_POST

    def log_message(self, *_):
        pass


@pytest.fixture
def gateway(tmp_path):
    tmp_path.chmod(0o755)
    made = Gateway(tmp_path)
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def texting(make_server, gateway, tmp_path):
    """texting(path) is a server whose SMS go to the gateway's path."""
    key = secrets.token_bytes(32)

    def make(path="/sms", host="localhost", **settings):
        key_file = tmp_path / f"hook.{secrets.token_hex(4)}"
        key_file.write_text(f"whsec_{base64.b64encode(key).decode()}\n")
        key_file.chmod(0o400)
        server = make_server(SMS_HOOK_URL=f"https://{host}:{gateway.server_port}{path}", SMS_HOOK_KEY_FILE=key_file,
                             **{"SMS_HOOK_CA_FILE": gateway.certificate} | settings)
        server.hook_key = key
        return server
    return make


def ask_for_code(server, actors_on, number=NUMBER):
    """A member wants another phone number: who it is, and the change."""
    member = actors_on(server).member()
    with Client(server, member["token"]) as client:
        change = client.post("/v1/members/me/contact_changes", {"phone": number}).expect(201).json
    return member, change


def row(server):
    with server.cluster.connect(server.database) as connection:
        return connection.execute("SELECT id::text, attempts, delivered_at IS NOT NULL, sealed_parameters IS NULL, "
                                  "next_attempt_at - created_at, failed_at IS NOT NULL FROM smile.outbox "
                                  "WHERE channel = 'sms' ORDER BY created_at").fetchone()


def test_a_code_goes_to_the_gateway_signed_and_is_erased(texting, gateway, actors_on):
    server = texting("/sms?from=smile")
    member, change = ask_for_code(server, actors_on)
    path, headers, body = eventually(lambda: gateway.taken)[0]
    sent = json.loads(body)
    assert path == "/sms?from=smile" and headers["Content-Type"] == "application/json"
    assert sent["to"] == NUMBER and sent["language"] == "en" and len(sent["text"]) <= 160
    headers = {name.lower(): value for name, value in headers.items()}
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    code = base64.b64encode(hmac.digest(server.hook_key, signed, "sha256")).decode()
    assert headers["webhook-signature"] == f"v1,{code}" and headers["webhook-id"] == sent["id"]
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
    eventually(lambda: row(server)[2])
    assert row(server)[:4] == (sent["id"], 1, True, True)
    shown = next(word.strip(",.") for word in sent["text"].split() if word.strip(",.").isdigit())
    assert shown not in server.log() and NUMBER not in server.log()
    with Client(server, member["token"]) as client:
        client.post(f"/v1/members/me/contact_changes/{change['id']}/confirmation", {"code": shown}).expect(200)
    eventually(lambda: len(gateway.taken) == 3)   # both numbers are told
    assert {json.loads(body)["to"] for _, _, body in gateway.taken[1:]} == {NUMBER, member["phone"]}


def test_a_busy_gateway_is_asked_again_under_the_same_id(texting, gateway, actors_on):
    """5 seconds later; nothing is lost meanwhile, and nothing erased."""
    gateway.statuses = [503]
    server = texting()
    ask_for_code(server, actors_on)
    eventually(lambda: row(server)[1] == 1 and row(server)[4].total_seconds() < 60)
    assert row(server)[2:4] == (False, False)
    eventually(lambda: row(server)[2])
    assert row(server)[1] == 2
    assert len({json.loads(body)["id"] for _, _, body in gateway.taken}) == 1 and len(gateway.taken) == 2


def refused(server):
    """Whether the first try has failed."""
    return eventually(lambda: row(server)[1] == 1 and row(server)[4].total_seconds() < 60)


def test_nobody_is_followed_elsewhere(texting, gateway, actors_on):
    gateway.statuses = [307, 307, 307]
    server = texting("/sms/away")
    ask_for_code(server, actors_on)
    refused(server)
    assert {path for path, _, _ in gateway.taken} == {"/sms/away"}


@pytest.mark.parametrize("wrong", ["no authority vouches", "another name"])
def test_a_gateway_that_cannot_prove_its_name_gets_nothing(wrong, texting, gateway, actors_on):
    server = texting(SMS_HOOK_CA_FILE="") if wrong == "no authority vouches" else texting(host="127.0.0.1")
    ask_for_code(server, actors_on)
    refused(server)
    assert gateway.taken == []


def test_other_users_of_the_machine_see_neither_number_nor_code(texting, actors_on):
    """The command line of what carries them holds nothing; a gateway that doesn't answer keeps it there to be read."""
    with contextlib.closing(socket.socket()) as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(1)
        server = texting(host=f"localhost:{deaf.getsockname()[1]}/x?was=")   # its own port stands behind, as a value

        def carrier():
            for pid in filter(str.isdigit, os.listdir("/proc")):
                with contextlib.suppress(OSError):
                    if "curl" in (line := server.command(pid)) and parent(pid) == server.jobs_process():
                        return line
        ask_for_code(server, actors_on)
        assert eventually(carrier).split() == ["curl", "--disable", "--config", "-"]


def parent(pid):
    with open(f"/proc/{pid}/stat") as file:
        return int(file.read().rpartition(")")[2].split()[1])


@pytest.mark.parametrize("settings,named", [
    ({"SMS_HOOK_URL": "http://gateway.example/sms", "SMS_HOOK_KEY_FILE": "x"}, "SMS_HOOK_URL"),
    ({"SMS_HOOK_URL": "https://user:secret@gateway.example/sms", "SMS_HOOK_KEY_FILE": "x"}, "SMS_HOOK_URL"),
    ({"SMS_HOOK_URL": 'https://gateway.example/" -o /tmp/x', "SMS_HOOK_KEY_FILE": "x"}, "SMS_HOOK_URL"),
    ({"SMS_HOOK_URL": "https://gateway.example/sms"}, "SMS_HOOK_KEY_FILE"),
    ({"SMS_HOOK_KEY_FILE": "x"}, "SMS_HOOK_URL"),
])
def test_wrong_settings_are_named(settings, named, make_server):
    ends_with(make_server(start=False, **settings), named)


def test_a_key_that_others_may_read_is_refused(make_server, tmp_path):
    key_file = tmp_path / "hook"
    key_file.write_text(f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}\n")
    key_file.chmod(0o444)
    ends_with(make_server(start=False, SMS_HOOK_URL="https://gateway.example/sms", SMS_HOOK_KEY_FILE=key_file),
              "SMS_HOOK_KEY_FILE", "mode 0444")


def test_where_nothing_sends_sms_the_factor_is_refused_by_name(make_server):
    """An officer with a phone, in production without a gateway: only mail is named, and asking for SMS says why not."""
    server = make_server(ENVIRONMENT="production", PASSWORD_COST=5, MAIL_COMMAND="true")
    password = "perahu-kertas-di-laut-7"
    server.run("smile-admin", "create-officer", "--email", "petugas.sms@smile.test", "--name", "Petugas",
               "--permissions", "publish", "--password-stdin", input=password)
    with server.cluster.connect(server.database) as connection:
        connection.execute("UPDATE smile.account SET phone = %s, proved_phone = %s", [NUMBER, NUMBER])
    with Client(server) as client:
        asked = client.post("/v1/sessions", {"identifier": "petugas.sms@smile.test", "password": password}).expect(
            401, "mfa_required").json
        assert asked["methods"] == ["email"]
        for challenge in (asked["challenge"], "smc_" + "A" * 43):
            refused = client.post("/v1/sessions/mfa/resend", {"challenge": challenge, "channel": "sms"})
            assert refused.expect(422, "sms_unavailable").json["errors"][0]["pointer"] == "/channel"
