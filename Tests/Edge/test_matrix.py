"""Who may do what to whose: docs/authorisation.csv, walked cell by cell.

The table is written by hand, apart from the code and the contract, and must say the same as both. Every operation is
asked by every kind of caller (each role, permission and scope by itself, no token, an expired one) for what is the
caller's own, another's, nobody's, and for what can't be an id. An operation without a row fails."""
import csv
import json
import subprocess
import uuid

import pytest

import walk
from client import Client
from cluster import ROOT
from contract import contract
from server import PROGRAMS
from world import World

with open(ROOT / "docs" / "authorisation.csv", newline="") as file:
    ROWS = list(csv.DictReader(file))
TABLE = {row["operation"]: dict(grant.rsplit("=", 1) for grant in row["policy"].split()) for row in ROWS}
STEP_UP = {row["operation"] for row in ROWS if row["step_up"]}
GUARDED = walk.guarded()
MALFORMED = "not-an-id"


def test_the_table_the_routes_and_the_contract_say_the_same():
    printed = subprocess.run([PROGRAMS / "smile-server", "--routes"], capture_output=True, text=True, check=True).stdout
    routes = [json.loads(line) for line in printed.splitlines()]
    served = {route["operation_id"]: set(route["access"]) for route in routes}
    documented = {operation.id: set(operation.access) for operation in contract().operations}
    assert {name: set(policy) for name, policy in TABLE.items()} == served == documented
    assert len(ROWS) == len(TABLE), "an operation has two rows"
    said = {operation.id for operation in contract().operations if operation.spec.get("x-step-up")}
    assert STEP_UP == {route["operation_id"] for route in routes if route["step_up"]} == said
    assert {relation for policy in TABLE.values() for relation in policy.values()} <= {"own", "any"}


@pytest.fixture(scope="module")
def world(make_server, actors_on):
    """Made when the first cell is asked: a step-up is good for five minutes."""
    server = make_server()
    return World(server, actors_on(server))


def placeholders(operation):
    """Those of the path that take an id."""
    return [p["name"] for p in contract().parameters(operation)
            if p["in"] == "path" and "enum" not in contract().resolve(p["schema"])]


def send(client, operation, ids, **more):
    """A request that is right in form. Changes are rehearsed where they can be."""
    target = walk.target(operation)
    base, _, query = target.partition("?")
    for name, given, wanted in zip(operation.path.split("/"), base.split("/"), operation.path.split("/")):
        if name.startswith("{") and name[1:-1] in ids:
            base = base.replace(given, ids[name[1:-1]], 1)
    names = {p["name"] for p in contract().parameters(operation)}
    if "validate_only" in names:
        query = "&".join(filter(None, [query, "validate_only=true"]))
    options = walk.options(operation)
    headers = options.pop("headers", {})
    if "If-Match" in names:
        headers = headers | {"If-Match": "*"}
    if "Access-Purpose" in names:
        headers = headers | {"Access-Purpose": "claim:42"}
    return client.request(operation.method, f"{base}?{query}" if query else base, headers=headers | more, **options)


def variants(world, operation, caller):
    """(whose, ids) for each relation that an id can have to a caller."""
    names = placeholders(operation)
    mine, other = (world.ids(side, operation, caller) for side in (world.mine, world.other))
    missing = [name for name in names if name not in mine or name not in other]
    assert not missing, f"world.py has nothing for {missing} of {operation.id}"
    yield "own", {name: mine[name] for name in names}
    yield "another's", {name: other[name] for name in names}
    yield "nobody's", {name: mine[name] for name in names} | {names[-1]: str(uuid.uuid4())}
    yield "malformed", {name: mine[name] for name in names} | {names[-1]: MALFORMED}
    if len(names) > 1:
        yield "another's in one's own", {name: mine[name] for name in names} | {names[-1]: other[names[-1]]}


def relation(caller, policy):
    """What the table gives this caller: None, own or any."""
    given = {policy[grant] for grant in caller.access & policy.keys()}
    return "any" if "any" in given else "own" if given else None


def check_refused(caller, operation, answer, what):
    kinds = {grant.split(":")[0] for grant in operation.access}
    expected = "insufficient_scope" if caller.kind in kinds else "wrong_role"
    assert (answer.status, answer.code) == (403, expected), f"{caller.name}, {what}: {answer}"


@pytest.mark.parametrize("operation", GUARDED, ids=lambda o: o.id)
def test_each_cell(operation, world):
    assert operation.id in TABLE, "an operation without a row in docs/authorisation.csv"
    policy, names = TABLE[operation.id], placeholders(operation)
    for caller in world.callers:
        given = relation(caller, policy)
        if not names:
            check_without_id(world, operation, caller, given)
            continue
        for whose, ids in variants(world, operation, caller):
            answer = send(caller.client, operation, ids)
            if given is None:
                check_refused(caller, operation, answer, whose)
            elif whose == "own" or (whose == "another's" and given == "any"):
                let_in = answer.status < 500 and answer.status not in (400, 401, 403, 404, 428)
                assert let_in, f"{caller.name}, {whose}: {answer}"
            else:
                assert answer.status == 404, f"{caller.name}, {whose}: {answer}"


def check_without_id(world, operation, caller, given):
    """A list or a record of one's own tells nothing of another's. A change that can't be rehearsed is kept from
    happening by a query that nobody knows: 400 says that the caller was let in."""
    safe = operation.method == "GET" or any(p["name"] == "validate_only" for p in contract().parameters(operation))
    if safe:
        answer = send(caller.client, operation, {})
    else:
        answer = caller.client.request(operation.method, walk.target(operation, "nonsense=1"),
                                       **walk.options(operation))
    if given is None:
        check_refused(caller, operation, answer, "no id")
        return
    assert answer.status < 500 and answer.status not in (401, 403), f"{caller.name}: {answer}"
    assert safe or answer.status == 400, f"{caller.name}: {answer}"
    if operation.method == "GET" and given == "own":
        leaked = [name for name, value in world.other.ids.items() if str(value) in answer.text]
        assert not leaked, f"{caller.name} sees another's {leaked}"


@pytest.mark.parametrize("operation", [o for o in GUARDED if o.id in STEP_UP], ids=lambda o: o.id)
def test_who_may_but_has_not_proved_it_lately_gets_401(operation, world):
    """RFC 9470. Whoever may not gets 403 all the same, and a machine has nothing to step up with."""
    for caller in world.callers:
        given = relation(caller, TABLE[operation.id])
        if given is None or caller.kind in ("client", "bank"):
            continue
        world.sql("UPDATE smile.access_token SET stepped_up_at = stepped_up_at - interval '5 minutes' "
                  "WHERE digest = sha256(%s) RETURNING 1", [caller.token.encode()])
        for _, ids in variants(world, operation, caller) if placeholders(operation) else [("", {})]:
            send(caller.client, operation, ids).expect(401, "step_up_required")
        world.sql("UPDATE smile.access_token SET stepped_up_at = smile.security_now() "
                  "WHERE digest = sha256(%s) RETURNING 1", [caller.token.encode()])


@pytest.mark.parametrize("operation", GUARDED, ids=lambda o: o.id)
def test_without_a_token_and_with_an_expired_one_every_cell_is_401(operation, world):
    member = world.callers[0]
    names = placeholders(operation)
    cells = [ids for _, ids in variants(world, operation, member)] if names else [{}]
    with Client(world.server) as nobody:
        for ids in cells:
            send(nobody, operation, ids).expect(401, "invalid_token")
            answer = send(nobody, operation, ids, Authorization=f"Bearer {expired(world)}").expect(401, "invalid_token")
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def expired(world):
    if not hasattr(world, "expired"):
        world.expired = world.expired_token()
    return world.expired


@pytest.mark.parametrize("operation", [o for o in contract().operations if not o.access], ids=lambda o: o.id)
def test_what_is_open_asks_nobody_who_they_are(operation, world):
    """Nor does it look at a token: an expired one changes nothing."""
    with Client(world.server) as nobody:
        for headers in ({}, {"Authorization": f"Bearer {expired(world)}"}):
            answer = nobody.request(operation.method, walk.target(operation, "nonsense=1"), headers=headers)
            assert answer.status in (400, 404), f"{headers}: {answer}"


def test_every_role_of_the_table_has_a_caller(world):
    wanted = {grant for policy in TABLE.values() for grant in policy}
    assert wanted <= set().union(*(caller.access for caller in world.callers))
