"""The judge must notice what the contract doesn't say: each case is one lie."""
import json
import pathlib

import pytest
import yaml

from client import Answer
from contract import EVERY_ANSWER, Contract, Violation

SPEC = """
openapi: 3.1.0
paths:
  /v1/things/{thing_id}:
    get:
      operationId: getThing
      responses:
        '200':
          description: It.
          headers:
            ETag: {required: true, schema: {type: string}}
          content:
            application/json:
              schema: {$ref: '#/components/schemas/Thing'}
        '204': {description: Nothing.}
        '404': {$ref: '#/components/responses/NotFound'}
  /v1/things/mine:
    get:
      operationId: getMine
      responses:
        '204': {description: Nothing.}
components:
  responses:
    NotFound:
      description: None.
      content:
        application/problem+json:
          schema: {$ref: '#/components/schemas/Problem'}
  schemas:
    Thing:
      type: object
      additionalProperties: false
      required: [id]
      properties:
        id: {type: string, format: uuid}
        made_at: {type: string, format: date-time}
    Problem:
      type: object
      required: [type, title, status, detail, code, request_id]
"""
ID = "019a3b2c-5e8f-7c3d-9a1b-2c3d4e5f6a7b"
ALWAYS = {name.title(): value for name, value in EVERY_ANSWER.items()} | {
    "X-Request-Id": ID, "Cache-Control": "no-store"}
PROBLEM = {"type": "/problems/not_found", "title": "Not Found", "status": 404, "detail": "-", "code": "not_found",
           "request_id": ID}


class Fields(dict):
    """Header fields without regard to case."""

    def __init__(self, fields):
        super().__init__({name.lower(): value for name, value in fields.items() if value is not None})

    def get(self, name, default=None):
        return super().get(name.lower(), default)

    def __contains__(self, name):
        return super().__contains__(name.lower())

    def __getitem__(self, name):
        return super().__getitem__(name.lower())


@pytest.fixture
def judge(tmp_path):
    path = pathlib.Path(tmp_path, "openapi.yaml")
    path.write_text(SPEC)
    return Contract(path)


def answer(status, body=None, **headers):
    fields = ALWAYS | {"Content-Type": "application/problem+json" if status >= 400 else "application/json",
                       "ETag": '"1"'} | {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, Fields(fields), b"" if body is None else json.dumps(body).encode())


def test_what_the_contract_says_passes_and_is_recorded(judge):
    judge.check("GET", f"/v1/things/{ID}", answer(200, {"id": ID}))
    judge.check("GET", f"/v1/things/{ID}?x=y", answer(404, PROBLEM))
    judge.check("GET", "/v1/things/mine", answer(204))
    assert judge.unseen() == [("GET", "/v1/things/{thing_id}", "204")]


@pytest.mark.parametrize("lie", [
    answer(200, {"id": ID, "secret": 1}),
    answer(200, {"id": 7}),
    answer(200, {"id": "not-a-uuid"}),
    answer(200, {"id": ID, "made_at": "yesterday"}),
    answer(200, {"id": ID}, Content_Type="text/html"),
    answer(200, {"id": ID}, ETag=None),
    answer(200, {"id": ID}, X_Request_Id="1"),
    answer(200, {"id": ID}, X_Content_Type_Options=None),
    answer(200, {"id": ID}, Cache_Control=None),
    answer(200, {"id": ID}, Server="swift"),
    answer(201, {"id": ID}),
    answer(204, {"id": ID}),
    answer(404, PROBLEM, Content_Type="application/json"),
    answer(404, PROBLEM | {"status": 400}),
    answer(404, PROBLEM | {"request_id": ID.replace("0", "1")}),
    answer(404, PROBLEM | {"detail": "duplicate key violates constraint"}),
    answer(404, {"code": "not_found"}),
], ids=range(17))
def test_each_lie_is_noticed(judge, lie):
    with pytest.raises(Violation):
        judge.check("GET", f"/v1/things/{ID}", lie)


def test_an_operation_that_is_not_in_the_contract_may_only_fail(judge):
    judge.check("GET", "/v1/nothing", answer(404, PROBLEM))
    with pytest.raises(Violation):
        judge.check("GET", "/v1/nothing", answer(200, {}))


def test_a_literal_segment_goes_before_a_placeholder(judge):
    assert judge.operation("GET", "/v1/things/mine").id == "getMine"
    assert judge.operation("HEAD", f"/v1/things/{ID}").id == "getThing"
    assert judge.operation("POST", f"/v1/things/{ID}") is None
