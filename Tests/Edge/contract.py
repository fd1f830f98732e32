"""openapi.yaml as the judge of every exchange, and the record of which documented statuses were seen."""
import collections
import functools
import json
import re

import jsonschema
import referencing
import referencing.jsonschema
import yaml

from cluster import ROOT

METHODS = ("get", "put", "post", "delete", "patch", "head", "options")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
EVERY_ANSWER = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}

Operation = collections.namedtuple("Operation", "method path id access spec")


class Violation(AssertionError):
    """The server said something that the contract doesn't."""


class Contract:
    def __init__(self, path=ROOT / "openapi.yaml"):
        self.spec = yaml.load(path.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        resource = referencing.Resource.from_contents(self.spec, referencing.jsonschema.DRAFT202012)
        self.registry = referencing.Registry().with_resource("urn:smile", resource)
        self.operations = [
            Operation(method.upper(), path, spec["operationId"], tuple(spec.get("x-access", [])), spec)
            for path, item in self.spec["paths"].items() for method, spec in item.items() if method in METHODS]
        self.patterns = sorted(
            ((re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)) + "$"), path) for path in self.spec["paths"]),
            key=lambda pair: pair[1].count("{"))   # a literal segment goes before a placeholder
        self.seen = collections.defaultdict(set)

    def operation(self, method, target):
        path = target.split("?")[0]
        method = "GET" if method == "HEAD" else method
        for pattern, template in self.patterns:
            if pattern.match(path):
                return next((o for o in self.operations if (o.method, o.path) == (method, template)), None)
        return None

    def resolve(self, node):
        while "$ref" in node:
            node = functools.reduce(lambda at, key: at[key.replace("~1", "/")], node["$ref"][2:].split("/"), self.spec)
        return node

    def parameters(self, operation):
        shared = self.spec["paths"][operation.path].get("parameters", [])
        return [self.resolve(p) for p in [*shared, *operation.spec.get("parameters", [])]]

    @functools.lru_cache(None)
    def validator(self, pointer):
        return jsonschema.Draft202012Validator(
            {"$ref": f"urn:smile#{pointer}"}, registry=self.registry,
            format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)

    def pointer_of(self, *steps):
        """The JSON pointer that these steps lead to, following every $ref on the way."""
        node, pointer = self.spec, ""
        for step in steps:
            node, pointer = node[step], pointer + "/" + step.replace("~", "~0").replace("/", "~1")
            while isinstance(node, dict) and "$ref" in node and step != "schema":
                pointer = node["$ref"][1:]
                node = self.resolve(node)
        return pointer

    def validate(self, value, *steps):
        errors = sorted(self.validator(self.pointer_of(*steps)).iter_errors(value), key=lambda e: list(e.path))
        if errors:
            raise Violation("\n".join(f"/{'/'.join(map(str, e.path))}: {e.message[:300]}" for e in errors[:5]))

    def check(self, method, target, answer):
        """Raises Violation unless the answer is one that the contract gives for this operation."""
        self.check_every(answer)
        operation = self.operation(method, target)
        if operation is None:
            if answer.status < 400:
                raise Violation(f"{method} {target} is not in openapi.yaml and answered {answer.status}")
            self.check_problem(answer)
            return
        where = f"{method} {operation.path} {answer.status}"
        documented = operation.spec["responses"]
        if str(answer.status) not in documented:
            raise Violation(f"{where}: this status is not documented. {answer.text[:500]}")
        self.seen[operation.method, operation.path].add(str(answer.status))
        response = self.resolve(documented[str(answer.status)])
        for name, header in response.get("headers", {}).items():
            if self.resolve(header).get("required") and name not in answer.headers:
                raise Violation(f"{where}: the header {name} is missing")
            pattern = self.resolve(self.resolve(header).get("schema", {})).get("pattern")
            if pattern and not re.search(pattern, answer.headers.get(name, "")) and name in answer.headers:
                raise Violation(f"{where}: the header {name} is {answer.headers[name]!r}, not {pattern}")
        if method == "HEAD":
            return
        content = response.get("content", {})
        if not content:
            if answer.body:
                raise Violation(f"{where}: no body is documented, got {answer.text[:200]}")
            return
        media = (answer.headers.get("Content-Type") or "").split(";")[0].strip()
        known = next((m for m in (media, media.split("/")[0] + "/*", "*/*") if m in content), None)
        if known is None:
            raise Violation(f"{where}: media type {media!r} is not documented")
        if media.endswith(("/json", "+json")) and "schema" in content[known]:
            try:
                self.validate(answer.json, "paths", operation.path, operation.method.lower(), "responses",
                              str(answer.status), "content", known, "schema")
            except Violation as violation:
                raise Violation(f"{where}: {violation}\n{answer.text[:1000]}") from None
        if media == "application/problem+json":
            self.check_problem(answer)

    def check_every(self, answer):
        """What holds for every answer of every route."""
        for name, value in EVERY_ANSWER.items():
            if answer.headers.get(name) != value:
                raise Violation(f"{answer.status}: {name} is {answer.headers.get(name)!r}, not {value!r}")
        if not UUID.fullmatch(answer.headers.get("X-Request-Id") or ""):
            raise Violation(f"{answer.status}: X-Request-Id is {answer.headers.get('X-Request-Id')!r}")
        if "Cache-Control" not in answer.headers and answer.status != 304:
            raise Violation(f"{answer.status}: no Cache-Control")
        if "Server" in answer.headers:
            raise Violation("the Server header tells what runs here")

    def check_problem(self, answer):
        """RFC 9457, and nothing of the database or the machine in it."""
        media = (answer.headers.get("Content-Type") or "").split(";")[0]
        if media != "application/problem+json":
            raise Violation(f"{answer.status} as {media!r}: {answer.text[:200]}")
        self.validate(answer.json, "components", "schemas", "Problem")
        if answer.json["status"] != answer.status or answer.json["request_id"] != answer.headers["X-Request-Id"]:
            raise Violation(f"the problem contradicts its answer: {answer.text[:500]}")
        said = answer.text.replace(answer.json.get("challenge") or "challenge", "")   # random letters say nothing
        if re.search(r"PQ|SQLSTATE|pg_|smile\.|\.swift|violates", said):
            raise Violation(f"the problem tells of the machinery: {answer.text[:500]}")

    def unseen(self):
        """(method, path, status) for each documented status that no exchange has had."""
        return [(o.method, o.path, status) for o in self.operations for status in o.spec["responses"]
                if status not in self.seen[o.method, o.path]]


@functools.lru_cache(None)
def contract():
    """The one contract of this run; openapi.yaml is read once."""
    return Contract()


def examples(node, pointer=()):
    """(steps to the schema, value) for every example of a media type object in the document."""
    if isinstance(node, dict):
        if "schema" in node:
            if "example" in node:
                yield (*pointer, "schema"), node["example"]
            for example in node.get("examples", {}).values() if isinstance(node.get("examples"), dict) else ():
                if isinstance(example, dict) and "value" in example:
                    yield (*pointer, "schema"), example["value"]
        for key, value in node.items():
            if key not in ("example", "examples"):
                yield from examples(value, (*pointer, key))


def pretty(value):
    return json.dumps(value, ensure_ascii=False, indent=2)
