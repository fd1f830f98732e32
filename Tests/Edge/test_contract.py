"""openapi.yaml is valid, equals the route table both ways, and its examples obey its own schemas."""
import json
import subprocess

import openapi_spec_validator
import pytest

from contract import contract, examples
from server import PROGRAMS

EXAMPLES = list(examples(contract().spec["paths"], ("paths",)))


def test_openapi_is_valid():
    openapi_spec_validator.validate(contract().spec)


def test_the_route_table_is_the_contract():
    printed = subprocess.run([PROGRAMS / "smile-server", "--routes"], capture_output=True, text=True, check=True).stdout
    routes = [json.loads(line) for line in printed.splitlines()]
    served = {(r["method"], r["path"], r["operation_id"], tuple(sorted(r["access"])), r["step_up"]) for r in routes}
    documented = {(o.method, o.path, o.id, tuple(sorted(o.access)), o.spec.get("x-step-up", False))
                  for o in contract().operations}
    assert served - documented == set(), "served but not in openapi.yaml"
    assert documented - served == set(), "in openapi.yaml but not served"


def test_operation_ids_are_unique():
    ids = [o.id for o in contract().operations]
    assert sorted(set(ids)) == sorted(ids)


@pytest.mark.parametrize("steps,value", EXAMPLES, ids=["/".join(steps[1:3] + steps[3:-3]) for steps, _ in EXAMPLES])
def test_examples_obey_their_schema(steps, value):
    contract().validate(value, *steps)


@pytest.mark.parametrize("operation", contract().operations, ids=lambda o: o.id)
def test_each_operation_has_examples_and_says_who_may_call(operation):
    """A newcomer reads the examples first; the access matrix reads x-access."""
    spec = operation.spec
    guarded = spec.get("security", contract().spec.get("security"))
    assert bool(operation.access) == bool(guarded), "x-access and security contradict each other"
    bodies = [spec["requestBody"]] if "requestBody" in spec else []
    bodies += [response for status, response in spec["responses"].items() if status.startswith("2")]
    for body in map(contract().resolve, bodies):
        for media, content in body.get("content", {}).items():
            if media.endswith("json"):
                assert "example" in content or "examples" in content, f"{media} has no example"


def objects(node, pointer=""):
    if isinstance(node, dict):
        if node.get("type") == "object" and "properties" in node:
            yield pointer, node
        for key, value in node.items():
            if key not in ("example", "examples"):
                yield from objects(value, f"{pointer}/{key}")


def test_no_object_admits_undocumented_fields():
    """Else a leaked column would pass every check. RFC 9457 lets problems carry extension members."""
    open_ones = [pointer for pointer, node in objects(contract().spec)
                 if node.get("additionalProperties") is not False and not pointer.endswith("/schemas/Problem")]
    assert open_ones == []


def test_the_contract_is_served(api):
    """/openapi.yaml is the file itself; /openapi.json says the same."""
    raw = api.get("/openapi.yaml", check=False).expect(200)
    with open(PROGRAMS.parents[1] / "openapi.yaml", "rb") as file:
        assert raw.body == file.read()
    spec = json.loads(json.dumps(contract().spec, default=str))
    assert api.get("/openapi.json", check=False).expect(200).json == spec
