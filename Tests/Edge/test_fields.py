"""Which fields whom: docs/fields.csv, held to the contract and the table of who may call what, and to the server.

The kinds of callers that a field's row names are those who may call an operation whose answer, or whose body, has the
field. Where the rule is narrower than the operations, the row names the tests that show it. That the server's answers
hold nothing else is what the client judges every answer by; that it takes nothing else is tested here."""
import csv
import re

import pytest

import walk
from cluster import ROOT
from contract import contract
from test_asvs import named_in, properties

with open(ROOT / "docs" / "fields.csv", newline="") as file:
    ROWS = list(csv.DictReader(file))
with open(ROOT / "docs" / "authorisation.csv", newline="") as file:
    KINDS = {row["operation"]: {grant.split("=")[0].split(":")[0] for grant in row["policy"].split()} or {"anyone"}
             for row in csv.DictReader(file)}
# What such a name holds may not be everybody's.
DELICATE = re.compile(r"nik|password$|secret|token$|key$|recovery_codes$|permission|account|closed_by|resolution|_four"
                      r"|holder_name|otpauth|challenge|requests_per|allowed_|scopes|birth_date|^phone$|^email$|^wage$")
# A preview's token is made of digests of what its caller sent, and opens nothing.
HARMLESS = {"line_key", "preview_token"}


def schemas(operation):
    """(those of its good answers, those of its body)."""
    contents = [content for status, response in operation.spec["responses"].items() if status.startswith("2")
                for content in contract().resolve(response).get("content", {}).values()]
    return ([content.get("schema", {}) for content in contents],
            [content.get("schema", {}) for content in walk.media_types(operation).values()])


FIELDS = {operation.id: tuple(map(properties, schemas(operation))) for operation in contract().operations}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["field"])
def test_a_field_is_read_and_written_by_whom_the_table_says(row):
    tests = row["tests"].split()
    for side, said in enumerate((row["read_by"], row["written_by"])):
        found = {kind for name, fields in FIELDS.items() if row["field"] in fields[side] for kind in KINDS[name]}
        if tests:
            assert set(said.split()) <= found
        else:
            assert set(said.split()) == found
    for test in tests:
        file, name = test.split("::")
        assert name in named_in(file), f"{test} doesn't exist"
    assert row["rule"]


def test_every_delicate_field_has_one_row():
    names = {name for fields in FIELDS.values() for side in fields for name in side}
    assert sorted(name for name in names - HARMLESS if DELICATE.search(name)) == sorted(
        row["field"] for row in ROWS if DELICATE.search(row["field"]))
    assert len({row["field"] for row in ROWS}) == len(ROWS) and {row["field"] for row in ROWS} <= names


WITH_JSON = [operation for operation in contract().operations
             if isinstance(walk.body(operation)[1], dict) and "application/json" in walk.media_types(operation)]


@pytest.mark.parametrize("operation", WITH_JSON, ids=lambda operation: operation.id)
def test_no_operation_takes_a_delicate_field_that_is_not_its_own(operation, caller_of):
    """Nor what would change whose thing it is (API3 of OWASP's API Security Top 10, mass assignment)."""
    schema = contract().resolve(walk.media_types(operation)["application/json"]["schema"])
    own = set(schema.get("properties", {})).union(*(
        contract().resolve(each).get("properties", {}) for word in ("oneOf", "anyOf", "allOf")
        for each in schema.get(word, [])))
    foreign = sorted(({row["field"] for row in ROWS} | {"id", "member_id", "role", "active", "verified"}) - own)
    options = walk.options(operation)
    options["json_body"] = options["json_body"] | dict.fromkeys(foreign, "x")
    headers = {"If-Match": "*"} if operation.method in ("PATCH", "DELETE", "PUT") else {}
    answer = caller_of(operation).request(operation.method, walk.target(operation), headers=headers, **options)
    answer.expect(400)
    refused = {error["pointer"] for error in answer.json["errors"] if error["code"] == "unknown_field"}
    assert refused >= {f"/{name}" for name in foreign}
