"""What the generated tests need to call any operation: a path that fits it, a body that would be taken."""
import urllib.parse
import uuid

from contract import contract


def target(operation, query=""):
    """The operation's path with each placeholder filled by something well-formed that names nothing."""
    path = operation.path
    for parameter in contract().parameters(operation):
        if parameter["in"] == "path":
            schema = contract().resolve(parameter["schema"])
            value = (schema["enum"][0] if "enum" in schema else str(schema["example"]) if schema.get("format") == "date"
                     else str(uuid.uuid4()))
            path = path.replace(f"{{{parameter['name']}}}", value)
    required = [f"{p['name']}={value_of(p)}" for p in contract().parameters(operation)
                if p["in"] == "query" and p.get("required")]
    query = "&".join([*required, *([query] if query else [])])
    return f"{path}?{query}" if query else path


def value_of(parameter):
    if "example" in parameter:
        return parameter["example"]
    schema = contract().resolve(parameter["schema"])
    return schema.get("enum", [schema.get("default", "x")])[0]


def media_types(operation):
    body = contract().resolve(operation.spec.get("requestBody", {}))
    return body.get("content", {})


def body(operation):
    """(media type, value) of the first example of the request's body, or (None, None)."""
    for media, content in media_types(operation).items():
        if "example" in content:
            return media, content["example"]
        for example in content.get("examples", {}).values():
            return media, example["value"]
    return None, None


def options(operation):
    """Client.request's arguments for a request that is right in form."""
    media, value = body(operation)
    arguments = {"key": True} if any(p["name"] == "Idempotency-Key" for p in contract().parameters(operation)) else {}
    if media is None:
        return arguments
    if media.endswith("json") and not media.endswith("ndjson"):
        return arguments | {"json_body": value}
    text = urllib.parse.urlencode(value) if isinstance(value, dict) else value
    return arguments | {"body": text.encode(), "headers": {"Content-Type": media}}


def kind_of_caller(operation):
    """Of which kind somebody may be who calls it: member, employer, officer, client, bank, or nobody in particular."""
    kind = next(iter(operation.access), "nobody").split(":")[0]
    return "member" if kind == "any" else kind


def guarded():
    return [o for o in contract().operations if o.access]
