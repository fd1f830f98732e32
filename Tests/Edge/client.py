"""A small HTTP client that keeps its connection, lets the contract judge every answer, and signs for banks."""
import concurrent.futures
import http.client
import io
import json
import secrets
import socket
import time

import webhooks
from contract import contract

IDLE = 30   # seconds after which a connection isn't trusted to be open still


def new_key():
    """An Idempotency-Key that nobody has used."""
    return secrets.token_urlsafe(24)


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        """The problem's stable code."""
        return self.json["code"]

    def expect(self, status, code=None):
        assert self.status == status, f"expected {status}, got {self.status}: {self.text[:2000]}"
        if code is not None:
            assert self.code == code, self.text[:2000]
        return self

    def __repr__(self):
        return f"<{self.status} {self.text[:300]}>"


class Client:
    """Requests as one caller. `check=False` sends what the contract doesn't foresee."""

    def __init__(self, server, token=None, language="en"):
        self.server, self.token, self.language = server, token, language
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        self.used_at = time.monotonic()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def acting(self, token):
        """The same server as another caller, on a connection of its own."""
        return Client(self.server, token, self.language)

    def request(self, method, target, json_body=None, *, body=None, headers=None, token=None, key=None, check=True):
        sent = {"Accept-Language": self.language}
        if json_body is not None:
            body = json.dumps(json_body, ensure_ascii=False).encode()
            sent["Content-Type"] = "application/json"
        if token or self.token:
            sent["Authorization"] = f"Bearer {token or self.token}"
        if key:
            sent["Idempotency-Key"] = new_key() if key is True else key
        sent |= headers or {}
        if not any(name.startswith("webhook-") for name in sent):
            sent |= webhooks.headers(method, target, sent.get("Authorization"), body)
        sent = {name: value for name, value in sent.items() if value is not None}
        answer = self.exchange(method, target, body, sent)
        if check:
            contract().check(method, target, answer)
        return answer

    def exchange(self, method, target, body, headers):
        if time.monotonic() - self.used_at > IDLE:
            self.connection.close()
        self.used_at = time.monotonic()
        fresh = self.connection.sock is None
        try:
            return self.exchange_once(method, target, body, headers)
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            self.connection.close()
            if fresh or method not in ("GET", "HEAD"):
                raise
            return self.exchange_once(method, target, body, headers)   # an idle connection that the server closed

    def exchange_once(self, method, target, body, headers):
        self.connection.request(method, target, body, headers)
        response = self.connection.getresponse()
        return Answer(response.status, response.headers, response.read())

    def get(self, target, **options):
        return self.request("GET", target, **options)

    def post(self, target, json_body=None, **options):
        return self.request("POST", target, json_body, **options)

    def put(self, target, json_body=None, **options):
        return self.request("PUT", target, json_body, **options)

    def patch(self, target, json_body=None, **options):
        return self.request("PATCH", target, json_body, **options)

    def delete(self, target, **options):
        return self.request("DELETE", target, **options)


def at_once(server, count, work):
    """The answers of `count` calls of work(client), started together on connections of their own."""
    def one(_):
        with Client(server) as client:
            return work(client)
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def send_raw(server, data, timeout=5):
    """Sends bytes as they are; everything that came back until the server closed."""
    with socket.create_connection(("127.0.0.1", server.port), timeout) as connection:
        connection.sendall(data)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
        return received


def parse_raw(received):
    """The first answer in what came back, as an Answer."""
    class Reader:
        def __init__(self, data):
            self.data = io.BytesIO(data)

        def makefile(self, *_):
            return self.data

    response = http.client.HTTPResponse(Reader(received))
    response.begin()
    return Answer(response.status, response.headers, response.read())
