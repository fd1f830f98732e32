"""Conversations: .http files of requests and the answers that they must get.

    # What the file is about.
    @member budi                              an actor: {{budi.token}}, {{budi.kpj}} and so on
    ### A member reads the own record         the title of an exchange
    GET /v1/members/me
    Authorization: Bearer {{budi.token}}

    HTTP/1.1 200
    ETag: {{etag}}

    {"id": "<uuid>", "full_name": "{{budi.full_name}}", "*": "<any>"}

In a request {{name}} is a known value, {{key:x}} an Idempotency-Key and {{uuid:x}} an id, both made at the first use;
a body `< path` is that file. In an answer {{name}} captures, or compares when the name is known; <any> <uuid> <instant>
<date> <month> <int> <string> <bool> match what they say, <absent> a member that must not be there, <none> an empty
body; "*" in an object admits further members, "<more>" ends a list that may go on. An answer without a body is judged
by the contract alone.
"""
import json
import re
import uuid

from client import new_key
from cluster import ROOT
from contract import pretty

PLACEHOLDER = re.compile(r"\{\{\s*([\w.:-]+)\s*\}\}")
TYPES = {
    "<any>": r"(?s:.*)",
    "<uuid>": r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    "<instant>": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(\+00:00|\+07:00)",
    "<date>": r"\d{4}-\d\d-\d\d",
    "<month>": r"\d{4}-\d\d",
    "<string>": r"(?s:.*)",
}
KINDS = {"<int>": int, "<bool>": bool, "<string>": str}


class Exchange:
    def __init__(self, title, line, actors):
        self.title, self.line, self.actors = title, line, actors
        self.method = self.target = None
        self.headers, self.expected_headers = {}, {}
        self.body = self.expected_body = ""
        self.status = None


def parse(text):
    """The exchanges of one file."""
    exchanges, actors, part, exchange = [], [], "preamble", None
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("### "):
            exchange = Exchange(line[4:], number, actors)
            exchanges.append(exchange)
            actors, part = [], "request line"
        elif part in ("preamble", "request line") and (not line.strip() or line.startswith("#")):
            continue
        elif part in ("preamble", "request line") and line.startswith("@"):
            (actors if part == "preamble" else exchange.actors).append(line[1:].split())
        elif part == "preamble":
            raise ValueError(f"line {number}: expected a comment, @actor or ### title")
        elif part == "request line":
            exchange.method, exchange.target = line.split(None, 1)
            part = "headers"
        elif part in ("headers", "body") and line.startswith("HTTP/1.1 "):
            exchange.status = int(line.split()[1])
            part = "expected headers"
        elif part in ("headers", "expected headers"):
            if not line.strip():
                part = "body" if part == "headers" else "expected body"
                continue
            name, value = line.split(":", 1)
            (exchange.headers if part == "headers" else exchange.expected_headers)[name] = value.strip()
        elif part == "body":
            exchange.body += line + "\n"
        else:
            exchange.expected_body += line + "\n"
    for exchange in exchanges:
        if exchange.status is None:
            raise ValueError(f"line {exchange.line}: {exchange.title!r} expects no answer")
    return exchanges


class Mismatch(AssertionError):
    pass


class Conversation:
    """Plays the exchanges of a file against one client; names live from one exchange to the next."""

    def __init__(self, client, actors):
        self.client, self.actors = client, actors
        self.names = {}

    def play(self, text):
        for exchange in parse(text):
            try:
                self.play_one(exchange)
            except AssertionError as error:
                raise AssertionError(f"line {exchange.line}, {exchange.title!r}: {error}") from None

    def play_one(self, exchange):
        for kind, name, *rest in exchange.actors:
            for field, value in getattr(self.actors, kind)(*map(self.fill, rest)).items():
                self.names[f"{name}.{field}"] = value
        body = self.fill(exchange.body.strip("\n"))
        if body.startswith("< "):
            body = (ROOT / body[2:].strip()).read_bytes()
        headers = {name: self.fill(value) for name, value in exchange.headers.items()}
        answer = self.client.request(exchange.method, self.fill(exchange.target), body=body or None, headers=headers)
        if answer.status != exchange.status:
            raise Mismatch(f"expected {exchange.status}, got {answer.status}: {answer.text[:2000]}")
        for name, expected in exchange.expected_headers.items():
            if name not in answer.headers:
                raise Mismatch(f"no header {name}")
            self.match(expected, answer.headers[name], name)
        self.match_body(exchange.expected_body.strip(), answer)

    def match_body(self, expected, answer):
        if expected == "<none>":
            if answer.body:
                raise Mismatch(f"expected no body, got {answer.text[:500]}")
        elif expected.startswith(("{", "[")):
            try:
                self.match(json.loads(expected), answer.json, "")
            except Mismatch as mismatch:
                raise Mismatch(f"{mismatch}\n{pretty(answer.json)[:3000]}") from None
        elif expected:
            self.match(expected, answer.text.strip(), "body")

    def fill(self, text):
        """The text with its placeholders replaced by what they stand for."""
        def value(found):
            name = found[1]
            if name not in self.names:
                kind = name.split(":")[0]
                if ":" not in name or kind not in ("key", "uuid"):
                    raise Mismatch(f"nothing has been captured as {{{{{name}}}}}")
                self.names[name] = new_key() if kind == "key" else str(uuid.uuid4())
            return str(self.names[name])
        return PLACEHOLDER.sub(value, text)

    def match(self, expected, got, where):
        if isinstance(expected, dict):
            self.match_object(expected, got, where)
        elif isinstance(expected, list):
            self.match_list(expected, got, where)
        elif isinstance(expected, str):
            self.match_text(expected, got, where)
        elif expected != got or isinstance(expected, bool) != isinstance(got, bool):
            raise Mismatch(f"{where}: expected {expected!r}, got {got!r}")

    def match_object(self, expected, got, where):
        if not isinstance(got, dict):
            raise Mismatch(f"{where}: expected an object, got {got!r}")
        for name, value in expected.items():
            if name == "*":
                continue
            if value == "<absent>":
                if name in got:
                    raise Mismatch(f"{where}/{name}: must be absent, is {got[name]!r}")
            elif name not in got:
                raise Mismatch(f"{where}/{name}: is missing")
            else:
                self.match(value, got[name], f"{where}/{name}")
        further = got.keys() - expected.keys()
        if further and "*" not in expected:
            raise Mismatch(f"{where}: unexpected members {sorted(further)}")

    def match_list(self, expected, got, where):
        open_end = expected[-1:] == ["<more>"]
        wanted = expected[:-1] if open_end else expected
        if not isinstance(got, list) or len(got) < len(wanted) or (len(got) > len(wanted) and not open_end):
            raise Mismatch(f"{where}: expected {len(wanted)} elements, got {got!r}"[:500])
        for index, value in enumerate(wanted):
            self.match(value, got[index], f"{where}/{index}")

    def match_text(self, expected, got, where):
        if expected == "<any>":
            return
        if expected in KINDS:
            if not isinstance(got, KINDS[expected]) or (expected == "<int>" and isinstance(got, bool)):
                raise Mismatch(f"{where}: expected {expected}, got {got!r}")
            return
        whole = PLACEHOLDER.fullmatch(expected)
        if whole:
            if self.names.setdefault(whole[1], got) != got:
                raise Mismatch(f"{where}: expected {self.names[whole[1]]!r}, got {got!r}")
            return
        self.match_pattern(expected, got, where)

    def match_pattern(self, expected, got, where):
        """Text with placeholders inside: /v1/claims/{{claim}}, <uuid>."""
        pattern, captured = "", []
        for piece in re.split(r"(\{\{\s*[\w.:-]+\s*\}\}|<[a-z]+>)", expected):
            placeholder = PLACEHOLDER.fullmatch(piece)
            if piece in TYPES:
                pattern += TYPES[piece]
            elif placeholder and placeholder[1] not in self.names:
                captured.append(placeholder[1])
                pattern += "(.+?)"
            else:
                pattern += re.escape(self.fill(piece))
        found = re.fullmatch(pattern, got) if isinstance(got, str) else None
        if not found:
            raise Mismatch(f"{where}: expected {expected!r}, got {got!r}")
        self.names.update(zip(captured, found.groups()))
