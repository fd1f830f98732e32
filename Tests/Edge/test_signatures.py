"""Signed bodies of the bank channel, as Standard Webhooks 1.0 writes them."""
import base64
import concurrent.futures
import itertools
import json
import time

import pytest

from client import Client, new_key
from payroll import balanced  # noqa: F401
from webhooks import sign

numbers = itertools.count(1)


def test_the_example_of_the_specification():
    """From the reference implementation's tests, so that what is tested below is the standard."""
    assert sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330,
                b'{"test": 2432232314}') == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.fixture
def officer(actors, api):
    found = actors.once("client officer", lambda: actors.officer("manage_clients"))
    actors.prove(found["token"])
    return api.acting(found["token"])


class Bank:
    """A bank with the signing key that it was made with."""

    def __init__(self, api, actors, officer):
        self.actor = actors.bank()
        self.client, self.officer = api.acting(self.actor["token"]), officer
        self.keys = f"/v1/clients/{self.actor['id']}/signing_keys"
        known, = officer.get(f"/v1/clients/{self.actor['id']}").expect(200).json["signing_keys"]
        self.key = {"id": known["id"], "key": self.actor["key"]}

    def add(self, status=201, code=None):
        return self.officer.post(self.keys).expect(status, code).json

    def send(self, status, code=None, key=None, message_id=None, at=None, body=None, path="/v1/payments", **headers):
        number = next(numbers)
        body = body or json.dumps({"payment_code": "999999999991", "amount": 1 + number, "bank_reference": f"S{number}",
                                   "paid_at": "2026-11-05T01:00:00Z"}).encode()
        message_id, at = message_id or f"msg_{number}", str(at or int(time.time()))
        signed = {"webhook-id": message_id, "webhook-timestamp": at, "Content-Type": "application/json",
                  "webhook-signature": sign(key or self.key["key"], message_id, at, body)}
        return self.client.post(path, body=body, key=True, headers=signed | headers).expect(status, code)


@pytest.fixture
def signer(api, actors, officer):
    return Bank(api, actors, officer)


def test_what_is_signed_is_taken_and_what_is_not_isn_t(signer):
    signer.send(201)
    for missing in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        signer.send(403, "signature_required", **{missing: None})
    for wrong in ("v1,", "v1,!!!", "g0hM9SsE", "v2," + "A" * 43 + "=", "v1," + "A" * 43 + "="):
        signer.send(403, "invalid_signature", **{"webhook-signature": wrong})
    signer.send(403, "invalid_signature", key="whsec_" + base64.b64encode(bytes(32)).decode())
    signer.send(403, "invalid_signature", message_id="with space")
    signer.send(403, "invalid_signature", message_id="a" * 65)


def test_a_changed_byte_and_a_changed_id_fit_no_signature(signer):
    body = b'{"payment_code":"999999999991","amount":5,"paid_at":"2026-11-05T01:00:00Z","bank_reference":"CHANGED"}'
    at = str(int(time.time()))
    right = sign(signer.key["key"], "msg_changed", at, body)
    for change in ({"body": body.replace(b"5,", b"6,")}, {"message_id": "msg_changes"},
                   {"at": str(int(at) - 1)}, {"body": body + b" "}):
        arguments = {"message_id": "msg_changed", "at": at, "body": body} | change
        signer.send(403, "invalid_signature", **arguments, **{"webhook-signature": right})
    signer.send(201, message_id="msg_changed", at=at, body=body, **{"webhook-signature": right})


def test_five_minutes_on_the_security_clock(signer):
    """Either way; the business clock, which stands in November here, doesn't matter."""
    now = int(time.time())
    for off in (-290, 290):
        signer.send(201, at=now + off)
    for off in (-310, 310):
        signer.send(403, "invalid_signature", at=now + off)
    for at in ("x", "1e9", "-5", "9" * 30):
        signer.send(403, "invalid_signature", at=at)


def test_the_same_message_again_and_another_under_its_id(signer, db):
    body = b'{"payment_code":"999999999991","amount":7,"paid_at":"2026-11-05T01:00:00Z","bank_reference":"REPLAYED"}'
    made = signer.send(201, message_id="msg_again", body=body).json
    assert signer.send(200, message_id="msg_again", body=body).json == made
    signer.send(409, "message_id_used", message_id="msg_again", body=body.replace(b"REPLAYED", b"OTHER"))
    signer.send(409, "message_id_used", message_id="msg_again", path=f"/v1/payments/{made['id']}/reversal",
                body=b'{"reason":"fraud","reversed_at":"2026-11-05T01:30:00Z"}')
    assert db.execute("SELECT count(*) FROM smile.payment WHERE client_id = %s", [signer.actor["id"]]
                      ).fetchone() == (1,)


def test_two_messages_under_one_id_at_once(signer, server):
    def send(number):
        body = (b'{"payment_code":"999999999991","amount":7,"paid_at":"2026-11-05T01:00:00Z","bank_reference":"AT%d"}'
                % number)
        at = str(int(time.time()))
        with Client(server, signer.actor["token"]) as client:
            return client.post("/v1/payments", body=body, key=new_key(), headers={
                "Content-Type": "application/json", "webhook-id": "msg_once", "webhook-timestamp": at,
                "webhook-signature": sign(signer.key["key"], "msg_once", at, body)}).status

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(send, range(4))) == [201, 409, 409, 409]


def test_two_keys_for_a_change_over(signer):
    second = signer.add()
    signer.add(409, "too_many_signing_keys")
    signer.send(201, key=second["key"])
    signer.send(201)
    known = signer.officer.get(f"/v1/clients/{signer.actor['id']}").expect(200).json["signing_keys"]
    assert [k["id"] for k in known] == [signer.key["id"], second["id"]] and "key" not in known[0]
    signer.officer.delete(f"{signer.keys}/{signer.key['id']}").expect(204)
    signer.officer.delete(f"{signer.keys}/{signer.key['id']}").expect(404)
    signer.send(403, "invalid_signature")
    signer.send(201, key=second["key"])
    signer.officer.delete(f"{signer.keys}/{second['id']}").expect(204)
    signer.send(403, "invalid_signature", key=second["key"])   # without a key, nothing fits


def test_a_bank_that_has_no_key_yet_reports_nothing(signer, api, actors, officer):
    """Made by an officer, it has a secret first; a key is asked for apart."""
    signer.officer.delete(f"{signer.keys}/{signer.key['id']}").expect(204)
    notice = {"payment_code": "999999999991", "amount": 1, "bank_reference": "UNSIGNED",
              "paid_at": "2026-11-05T01:00:00Z"}
    for path, sent in (("/v1/payments", notice), (f"/v1/payments/{'0' * 8}-0000-7000-8000-{'0' * 12}/reversal", {})):
        signer.client.post(path, sent, key=True, headers={"webhook-id": None}).expect(403, "signature_required")
    signer.client.post("/v1/payment_statements?statement_date=2026-11-01&count=0&amount=0", body=b"x\n", key=True,
                       headers={"Content-Type": "text/csv", "webhook-id": None}).expect(403, "signature_required")
    added = signer.add()
    signer.send(201, key=added["key"])


def test_a_key_is_its_banks_and_only_banks_sign(signer, api, actors, officer, db):
    other = Bank(api, actors, officer)
    signer.send(403, "invalid_signature", key=other.key["key"])
    officer.delete(f"{signer.keys}/{other.key['id']}").expect(404)
    payroll = actors.payroll()
    officer.post(f"/v1/clients/{payroll['id']}/signing_keys").expect(409, "client_without_signatures")
    raw = base64.b64decode(signer.key["key"].removeprefix("whsec_"))
    assert db.execute("SELECT count(*) FROM smile.client_signing_key WHERE position(%s in key_sealed) > 0", [raw]
                      ).fetchone() == (0,)


def test_a_signature_is_no_identity(signer):
    """401 before anything is said about signatures."""
    signer.client.post("/v1/payments", {}, key=True, headers={"Authorization": None}).expect(401)
    signer.client.post("/v1/payments", body=b"x" * 70_000, key=True, headers={
        "Content-Type": "application/json"}).expect(413)
    signer.client.post("/v1/payments", body=b"x", key=True, headers={"Content-Type": "text/plain"}).expect(415)
