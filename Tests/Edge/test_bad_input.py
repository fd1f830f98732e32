"""What is wrong with a file or happens on its way: one whole effect or none, and a clear answer."""
import base64
import codecs
import contextlib
import hashlib
import json
import socket
import struct

import pytest

from payroll import balanced, bank, HEADER, line, nik, payroll  # noqa: F401
from test_jobs import eventually

CSV, NDJSON, JSON = "text/csv", "application/x-ndjson", "application/json"
PERSON = {"full_name": "Adi Nugroho", "birth_date": "1985-01-15", "sex": "male"}


def person(wage, **more):
    return {"nik": nik(), "wage": wage} | PERSON | more


def written(form, people):
    """The same people as a file of that form."""
    if form == NDJSON:
        return "\n".join(json.dumps(each) for each in people) + "\n"
    if form == JSON:
        return json.dumps({"lines": people})
    quoted = [['"' + str(each.get(name, "")).replace('"', '""') + '"' for name in HEADER.split(",")] for each in people]
    return "\n".join([HEADER, *map(",".join, quoted)]) + "\n"


def put(payroll, return_id, body, form=CSV, status=200, code=None, **headers):
    body = body if isinstance(body, bytes) else body.encode()
    return payroll.client.put(f"/v1/returns/{return_id}/lines", body=body, headers={
        "Content-Type": form, "Prefer": "wait=10"} | headers).expect(status, code).json


def codes(payroll, return_id):
    """Of each line, what was found in it."""
    return [[f["code"] for f in got.get("findings", [])] for got in payroll.lines(return_id)]


# MARK: connections that break

def chunked(body):
    """As chunks of RFC 9112 section 7.1, the last one, which ends the body, apart."""
    pieces = [body[at:at + 8_000] for at in range(0, len(body), 8_000)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces), b"0\r\n\r\n"


def head(payroll, return_id, form, framing):
    return (f"PUT /v1/returns/{return_id}/lines HTTP/1.1\r\nHost: 127.0.0.1:{payroll.client.server.port}\r\n"
            f"Authorization: Bearer {payroll.client.token}\r\nContent-Type: {form}\r\n{framing}\r\n\r\n").encode()


@contextlib.contextmanager
def connected(payroll):
    with socket.create_connection(("127.0.0.1", payroll.client.server.port), timeout=20) as connection:
        yield connection


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("form", [CSV, NDJSON, JSON])
def test_an_upload_that_breaks_off_leaves_nothing(payroll, db, form, framing):
    """At every twentieth of it, a byte before its end, and without the chunk that ends it."""
    opened = payroll.open("2026-10")["id"]
    payroll.send(opened, [line(7)])
    before = payroll.client.get(f"/v1/returns/{opened}").expect(200)
    body = written(form, [person(5_000_000) for _ in range(2_000)]).encode()
    sent, how, most = body, f"Content-Length: {len(body)}", len(body) - 1
    if framing == "chunked":
        sent, how, most = chunked(body)[0], "Transfer-Encoding: chunked", None
    for cut in [len(sent) * part // 20 for part in range(20)] + [most]:
        with connected(payroll) as connection:
            connection.sendall(head(payroll, opened, form, how) + sent[:cut])
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            while piece := connection.recv(65_536):   # until the server has done with it
                answer += piece
        assert not answer or answer.startswith(b"HTTP/1.1 4"), answer[:200]
        after = payroll.client.get(f"/v1/returns/{opened}").expect(200)
        assert (after.body, after.headers["ETag"]) == (before.body, before.headers["ETag"]), cut
    assert [got["wage"] for got in payroll.lines(opened)] == [7]
    assert db.execute("SELECT count(*) FROM smile.job WHERE parameters ->> 'return_id' = %s", [opened]
                      ).fetchone() == (0,)


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("size", [20, 2_000])
def test_who_hangs_up_before_the_answer_finds_all_or_nothing(payroll, size, framing):
    """The whole body came; whether anybody listens to the answer changes nothing of what becomes of it."""
    body = written(CSV, [person(5_000_000) for _ in range(size)]).encode()
    sent, how = body, f"Content-Length: {len(body)}"
    if framing == "chunked":
        sent, how = b"".join(chunked(body)), "Transfer-Encoding: chunked"
    for _ in range(5):
        opened = payroll.open("2026-10", "supplementary")["id"]
        payroll.send(opened, [line(7)])
        with connected(payroll) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))   # close() resets
            connection.sendall(head(payroll, opened, CSV, how) + sent)
        # A whole upload that is sent again ends up where the first one would have.
        eventually(lambda: "pending_job_id" not in payroll.client.get(f"/v1/returns/{opened}").json)
        shown = payroll.client.get(f"/v1/returns/{opened}").json
        assert (shown["counts"]["accepted"], shown["totals"]["wages"]) in ((1, 7), (size, size * 5_000_000))
        eventually(lambda: payroll.client.put(f"/v1/returns/{opened}/lines", body=body, headers={
            "Content-Type": CSV, "Prefer": "wait=10"}).status == 200)
        assert payroll.client.get(f"/v1/returns/{opened}").json["counts"]["accepted"] == size


# MARK: encodings, line ends, quotes

@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32-le"])
def test_a_file_that_is_no_utf_8_is_told_so(payroll, encoding):
    opened, people = payroll.open("2026-10")["id"], [person(5_000_000), person(6_000_000)]
    problem = put(payroll, opened, written(CSV, people).encode(encoding), status=400, code="invalid_request")
    assert [(e["parameter"], e["code"]) for e in problem["errors"]] == [("header", "malformed_header")]
    assert "UTF-8" in problem["errors"][0]["message"]
    put(payroll, opened, written(JSON, people).encode(encoding), JSON, 400, "invalid_json")
    report = put(payroll, opened, written(NDJSON, people).encode(encoding), NDJSON)
    assert report["outcome"] == "rejected" and report["totals"]["due"] == 0
    assert {code for found in codes(payroll, opened) for code in found} == {"encoding_invalid"}


@pytest.mark.parametrize("form", [CSV, NDJSON])
def test_a_line_in_another_encoding_costs_no_other_line(payroll, form):
    opened = payroll.open("2026-10")["id"]
    rows = written(form, [person(1), person(2, full_name="Andre"), person(3), person(4, full_name="Siti Ratna")])
    wrong = rows.encode().replace(b"Andre", b"Andr\xe9").replace(b"Siti Ratna", "Siti".encode("utf-16"))
    put(payroll, opened, wrong, form)
    assert codes(payroll, opened) == [[], ["encoding_invalid"], [], ["encoding_invalid"]]


@pytest.mark.parametrize("form,status", [(CSV, 200), (NDJSON, 200), (JSON, 400)])
def test_a_byte_order_mark_is_passed_over_where_no_rule_forbids_it(payroll, form, status):
    """JSON text has none (RFC 8259 section 8.1)."""
    opened = payroll.open("2026-10")["id"]
    told = put(payroll, opened, codecs.BOM_UTF8 + written(form, [person(5), person(6)]).encode(), form, status)
    assert told["code"] == "invalid_json" if status == 400 else told["outcome"] == "accepted"


@pytest.mark.parametrize("form", [CSV, NDJSON])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r\n\r\n\n"])
def test_lines_may_end_as_they_like(payroll, form, end):
    opened = payroll.open("2026-10")["id"]
    rows = written(form, [person(5), person(6)]).splitlines()
    for text in (end.join(rows), end.join(rows) + end, rows[0] + "\r\n" + end.join(rows[1:])):
        assert put(payroll, opened, text, form)["counts"]["accepted"] == 2


def test_a_carriage_return_alone_ends_no_line(payroll):
    opened = payroll.open("2026-10")["id"]
    problem = put(payroll, opened, "\r".join([HEADER, line(5), line(6)]), status=400, code="invalid_request")
    assert [e["code"] for e in problem["errors"]] == ["malformed_header"]
    put(payroll, opened, "\n".join([HEADER, line(5), line(6) + "\r" + line(7), line(8)]))
    assert codes(payroll, opened) == [[], ["line_malformed"], []]


def test_quotes_are_those_of_rfc_4180(payroll):
    opened = payroll.open("2026-10")["id"]
    rows = [line(1, name='"Adi ""Si Kumis"" Nugroho, S.H."'), line(2, name='""""'), line(3, name='Adi "Si" Kumis'),
            line(4, name='"Adi" Nugroho'), line(5, name='"Adi\nNugroho"'), line(6, name="'Adi'"), line(7),
            '"', line(8), line(9)]
    report = put(payroll, opened, "\n".join([HEADER, *rows]))
    got = payroll.lines(opened)
    assert got[0]["full_name"] == 'Adi "Si Kumis" Nugroho, S.H.' and got[5]["full_name"] == "'Adi'"
    assert codes(payroll, opened) == [
        [], ["name_malformed"], ["line_malformed"], ["line_malformed"], ["name_malformed"], [], [], ["line_malformed"]]
    assert report["counts"]["lines"] == 8   # the quote that is never closed takes what follows with it


@pytest.mark.parametrize("form,wanted", [(CSV, "line_too_long"), (NDJSON, "line_too_long"), (JSON, None)])
def test_a_line_of_a_mebibyte(payroll, form, wanted):
    """A body of JSON is one value, and its limit that of the whole."""
    opened = payroll.open("2026-10")["id"]
    people = [person(5), person(6, full_name="x" * (1 << 20)), person(7)]
    if wanted is None:
        put(payroll, opened, written(form, people), form, 413, "payload_too_large")
        people[1]["full_name"] = "x" * (1 << 19)
        problem = put(payroll, opened, written(form, people), form, 400, "invalid_request")
        assert [e["pointer"] for e in problem["errors"]] == ["/lines/1/full_name"]
    else:
        put(payroll, opened, written(form, people), form)
        assert codes(payroll, opened) == [[], [wanted], []]


# MARK: wages

WAGES = {
    "-1": "wage_negative", "-0": "wage_negative", "-1.5": "wage_negative", "1.5": "wage_not_whole",
    "5000000.00": "wage_not_whole", "5000000,00": "wage_not_whole", "1" + "0" * 30: "wage_too_large",
    "1000000000001": "wage_too_large", "9223372036854775808": "wage_too_large", "-1" + "0" * 30: "wage_negative",
    "1e5": "wage_malformed", "1E+30": "wage_malformed", "+5": "wage_malformed", "0x10": "wage_malformed",
    "5.000.000": "wage_malformed", "5,000,000": "wage_malformed", "5 000 000": "wage_malformed",
    "5_000_000": "wage_malformed", "٥٠٠٠٠٠٠": "wage_malformed", "５００": "wage_malformed",
    "Rp5000000": "wage_malformed", "NaN": "wage_malformed", "Infinity": "wage_malformed", "-": "wage_malformed",
    ".": "wage_malformed", "": "wage_missing", "0": "wage_zero", "000": "wage_zero", "0005000000": None,
    "1000000000000": None,
}


@pytest.mark.parametrize("form", [CSV, NDJSON, JSON])
def test_a_wage_is_whole_rupiah_in_plain_digits(payroll, form):
    """Numbers of JSON and text in all three forms; the file's other lines stand."""
    opened = payroll.open("2026-10")["id"]
    body = written(form, [person(wage) for wage in WAGES])
    numbers = [wage for wage in WAGES if form != CSV and is_json_number(wage)]
    for wage in numbers:   # as JSON numbers, where they are some
        body = body.replace(f'"wage": "{wage}"', f'"wage": {wage}')
    assert form == CSV or len(numbers) > 8
    report = put(payroll, opened, body, form)
    assert codes(payroll, opened) == [[code] if code else [] for code in WAGES.values()]
    assert report["counts"] == {"lines": len(WAGES), "accepted": 2, "warned": 2, "rejected": len(WAGES) - 4}
    assert report["totals"]["wages"] == 5_000_000 + 1_000_000_000_000


def is_json_number(text):
    try:
        return type(json.loads(text)) in (int, float) and text not in ("NaN", "Infinity")
    except ValueError:
        return False


@pytest.mark.parametrize("amount", ["-1", "0", "1.5", "1e5", "1" + "0" * 30, "1.000"])
def test_back_pay_is_more_than_nothing_and_whole(payroll, amount):
    opened = payroll.open("2026-10")["id"]
    payroll.send(opened, [line(5), line(5, back_pay=f"{amount},2026-09")])
    assert codes(payroll, opened) == [[], ["back_pay_malformed"]]


# MARK: digests, totals, outcomes

def digest(name, text):
    return f"{name}=:{base64.b64encode(hashlib.new(name.replace('-', ''), text.encode()).digest()).decode()}:"


def test_whoever_sends_a_digest_has_it_checked(payroll):
    """Algorithms beside SHA-256 are passed over; one alone that nobody would check is refused (RFC 9530)."""
    opened, text = payroll.open("2026-10")["id"], written(CSV, [person(5)])
    good, other = digest("sha-256", text), digest("sha-512", text)
    for header in (good, f"{other}, {good}", f"{good} ,\t{other}", f"{digest('sha-256', 'x')}, {good}"):
        put(payroll, opened, text, **{"Content-Digest": header})
    before = payroll.client.get(f"/v1/returns/{opened}").json
    for header in (digest("sha-256", "x"), f"{other}, {digest('sha-256', 'x')}"):
        put(payroll, opened, text, status=400, code="digest_mismatch", **{"Content-Digest": header})
    for header in (other, "sha-256", good.upper(), good.replace(":", ""), f"{good},", "", "sha-256=:AAAA:"):
        problem = put(payroll, opened, text, status=400, code="invalid_request", **{"Content-Digest": header})
        assert [e["parameter"] for e in problem["errors"]] == ["Content-Digest"], header
    assert payroll.client.get(f"/v1/returns/{opened}").json == before


@pytest.mark.parametrize("declared,wanted", [
    ({"lines": 3, "wages": 11}, []), ({"lines": 3}, []), ({"wages": 11}, []), ({}, []), (None, []),
    ({"lines": 2, "wages": 11}, ["lines"]), ({"lines": 3, "wages": 12}, ["wages"]), ({"wages": 0}, ["wages"]),
    ({"lines": 0, "wages": 0}, ["lines", "wages"])])
def test_control_totals_are_compared_as_far_as_they_are_told(payroll, declared, wanted):
    """With what was sent, refused lines among it: a total differs when a line was lost on its way."""
    more = {} if declared is None else {"declared_totals": declared}
    opened = payroll.open("2026-10", **more)["id"]
    payroll.send(opened, [line(5), line(6), line("x")])
    found = payroll.client.get(f"/v1/returns/{opened}/findings").expect(200).json["items"]
    assert [(f["code"], f["pointer"], f["params"]) for f in found if "line" not in f] == [
        (f"declared_{name}_differ", f"/declared_totals/{name}",
         {"declared": declared[name], "found": {"lines": 3, "wages": 11}[name]}) for name in wanted]


@pytest.mark.parametrize("rows,outcome", [
    ([1, 2], "accepted"), ([1, 0], "accepted_with_warnings"), ([1, "x"], "partially_accepted"),
    ([0, "x"], "partially_accepted"), (["x", "-1"], "rejected")])
def test_an_outcome_has_four_levels(payroll, rows, outcome):
    opened = payroll.open("2026-10")["id"]
    report = payroll.send(opened, [line(wage) for wage in rows])
    assert report["outcome"] == outcome == payroll.client.get(f"/v1/returns/{opened}").json["outcome"]
    if outcome == "rejected":
        payroll.client.post(f"/v1/returns/{opened}/finalisation", key=True).expect(422, "return_without_lines")
    else:
        assert payroll.finalise(opened)["outcome"] == outcome
