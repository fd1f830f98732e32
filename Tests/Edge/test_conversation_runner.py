"""The runner must notice what differs: a judge that accepts everything proves nothing."""
import pytest

from client import Answer
from conversation import Conversation, Mismatch, parse

TEXT = """# A greeting.
@member budi
### Hello
POST /v1/greetings?loud=true
Idempotency-Key: {{key:a}}
Content-Type: application/json

{"to": "{{budi.name}}"}

HTTP/1.1 201
Location: /v1/greetings/{{greeting}}

{"id": "{{greeting}}", "at": "<instant>", "tags": ["a", "<more>"], "error": "<absent>"}

### Again
GET /v1/greetings/{{greeting}}

HTTP/1.1 404
"""
ID = "019a3b2c-0000-7000-8000-000000000001"


class Recorder:
    """Stands for a client: keeps what was asked, answers what it was given."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    def request(self, method, target, body=None, headers=None):
        self.asked.append((method, target, body, headers))
        return self.answers.pop(0)


class Actors:
    def member(self):
        return {"name": "Budi"}


def answers(body):
    return (Answer(201, {"Location": f"/v1/greetings/{ID}"}, body.encode()), Answer(404, {}, b""))


GOOD = f'{{"id": "{ID}", "at": "2026-11-05T02:00:00+00:00", "tags": ["a", "b"]}}'


def test_a_file_is_played_in_order_with_its_names_filled_in():
    client = Recorder(*answers(GOOD))
    Conversation(client, Actors()).play(TEXT)
    assert client.asked[0][:3] == ("POST", "/v1/greetings?loud=true", '{"to": "Budi"}')
    assert len(client.asked[0][3]["Idempotency-Key"]) == 32
    assert client.asked[1][:2] == ("GET", f"/v1/greetings/{ID}")


@pytest.mark.parametrize("wrong", [
    GOOD.replace("0001\"", "0002\""),
    GOOD.replace("T02", " 02"),
    GOOD.replace('"a", "b"', '"b"'),
    GOOD.replace('"a", "b"', ""),
    GOOD.replace('"tags"', '"error": 1, "tags"'),
    GOOD.replace('"tags"', '"extra": 1, "tags"'),
    GOOD.replace('"at": "2026-11-05T02:00:00+00:00", ', ""),
])
def test_any_difference_is_noticed(wrong):
    with pytest.raises(AssertionError, match="line 3, 'Hello'"):
        Conversation(Recorder(*answers(wrong)), Actors()).play(TEXT)


def test_a_name_that_nobody_captured_is_an_error():
    with pytest.raises(Mismatch, match="nobody"):
        Conversation(Recorder(), Actors()).fill("{{nobody}}")


def test_an_exchange_without_an_expected_answer_is_an_error():
    with pytest.raises(ValueError, match="expects no answer"):
        parse("### Alone\nGET /\n")
