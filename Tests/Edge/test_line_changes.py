"""Lines mended one by one: what is sent by key replaces, adds and removes; the rest stands, judged again."""
import concurrent.futures
import hashlib
import json
import random

import pytest

from payroll import balanced, bank, HEADER, line, nik, payroll  # noqa: F401

CSV = {"Content-Type": "text/csv", "Prefer": "wait=10"}


def mend(payroll, return_id, body, status=200, query="", code=None, **headers):
    target = f"/v1/returns/{return_id}/lines{query}"
    if isinstance(body, dict):
        return payroll.client.patch(target, body).expect(status, code).json
    return payroll.client.patch(target, body=body.encode(), headers=CSV | headers).expect(status, code).json


def told(payroll, return_id):
    return [(got["line"], got.get("line_key"), got.get("wage"), got["status"]) for got in payroll.lines(return_id)]


def test_a_line_replaces_that_of_its_key_and_the_rest_stands(payroll):
    opened = payroll.open("2026-10")["id"]
    payroll.send(opened, [line(5_000_000, key="A"), line("", key="B"), line(7_000_000, key="C")])
    report = mend(payroll, opened, "\n".join([HEADER, line(6_000_000, key="B"), line(8_000_000, key="D")]))
    assert told(payroll, opened) == [(1, "A", 5_000_000, "accepted"), (2, "B", 6_000_000, "accepted"),
                                     (3, "C", 7_000_000, "accepted"), (4, "D", 8_000_000, "accepted")]
    assert report["outcome"] == "accepted" and report["totals"]["wages"] == 26_000_000
    assert payroll.client.get(f"/v1/returns/{opened}/findings").json["items"] == []
    payroll.finalise(opened)


def test_a_line_is_removed_by_its_key(payroll):
    """In all three forms; a key that isn't there is no fault, so that sending twice is safe."""
    opened = payroll.open("2026-10")["id"]
    payroll.send(opened, [line(1, key=key) for key in "ABCDE"])
    for _ in range(2):
        mend(payroll, opened, {"lines": [{"line_key": "A", "remove": True}, {"line_key": "Z", "remove": True}]})
        assert told(payroll, opened)[0][:2] == (2, "B")
    mend(payroll, opened, json.dumps({"line_key": "C", "remove": True}), **{"Content-Type": "application/x-ndjson"})
    mend(payroll, opened, "line_key,remove\nE,true\n")
    assert [got[1] for got in told(payroll, opened)] == ["B", "D"]
    mend(payroll, opened, "line_key,remove\nB,true\nD,true\n")
    assert payroll.lines(opened) == []
    payroll.client.post(f"/v1/returns/{opened}/finalisation", key=True).expect(422, "return_without_lines")


def test_what_compares_lines_is_judged_again(payroll):
    """The first of two lines of a worker goes: the second stands. Back pay and control totals follow."""
    same, opened = nik(), payroll.open("2026-10", declared_totals={"lines": 1})["id"]
    payroll.send(opened, [line(1, key="A", number=same), line(2, key="B", number=same, back_pay="1000000,2026-09"),
                          line(3, key="C"), line(4, key="C")])
    assert [got[3] for got in told(payroll, opened)] == ["accepted", "rejected", "accepted", "rejected"]
    mend(payroll, opened, "line_key,remove\nA,true\n")
    assert [got[1:] for got in told(payroll, opened)] == [("B", 2, "accepted"), ("C", 3, "accepted"),
                                                          ("C", 4, "rejected")]
    assert payroll.lines(opened)[0]["back_pay_amounts"]["jht"] == {"employer": 37_000, "worker": 20_000}
    # One line of the key replaces both.
    report = mend(payroll, opened, "\n".join([HEADER, line(5, key="C")]))
    assert [got[:3] for got in told(payroll, opened)] == [(2, "B", 2), (3, "C", 5)]
    assert report["totals"]["amounts"]["jht"]["employer"] == 37_000
    found = payroll.client.get(f"/v1/returns/{opened}/findings").json["items"]
    assert [(f["code"], f["params"]) for f in found] == [("declared_lines_differ", {"declared": 1, "found": 2})]
    assert report["outcome"] == "accepted_with_warnings"


@pytest.mark.parametrize("rows,code,pointer", [
    ([line(1, key="B"), line(1)], "line_key_required", "/lines/1/line_key"),
    ([line(1, key="B"), "x"], "line_key_required", "/lines/1/line_key"),
    ([line(1, key="K" * 65)], "line_key_required", "/lines/0/line_key"),
    ([line(1, key="B"), line(2, key="A"), line(3, key="B")], "line_key_twice", "/lines/2/line_key")])
def test_a_change_without_clear_keys_changes_nothing(payroll, rows, code, pointer):
    opened = payroll.open("2026-10")["id"]
    payroll.send(opened, [line(5_000_000, key="A")])
    before = payroll.client.get(f"/v1/returns/{opened}").json
    problem = mend(payroll, opened, "\n".join([HEADER, *rows]), 422, code=code)
    assert [(e["pointer"], e["code"]) for e in problem["errors"]] == [(pointer, code)]
    assert payroll.client.get(f"/v1/returns/{opened}").json == before


def test_remove_is_for_changes_alone_and_true_or_false(payroll):
    opened = payroll.open("2026-10")["id"]
    payroll.client.put(f"/v1/returns/{opened}/lines", body=b"line_key,remove\nA,true\n", headers=CSV).expect(400)
    mend(payroll, opened, "line_key,remove\nA,perhaps\n")
    codes = [f["code"] for f in payroll.lines(opened)[0]["findings"]]
    assert "remove_invalid" in codes and "wage_missing" in codes
    mend(payroll, opened, "nik,full_name,birth_date,wage\n1,A,1985-01-15,1\n", 400)


def test_a_closed_return_is_not_mended(payroll):
    opened = payroll.open("2026-10")["id"]
    payroll.send(opened, [line(5_000_000, key="A")])
    payroll.finalise(opened)
    mend(payroll, opened, "line_key,remove\nA,true\n", 409, code="return_not_open")


def test_the_digest_goes_on_from_the_one_before(payroll):
    opened = payroll.open("2026-10")["id"]
    first = payroll.send(opened, [line(1, key="A")])["content_sha256"]
    body = "\n".join([HEADER, line(2, key="A")])
    mended = mend(payroll, opened, body)["content_sha256"]
    assert mended == hashlib.sha256(bytes.fromhex(first) + hashlib.sha256(body.encode()).digest()).hexdigest()
    # Found by either: the file that was sent, and what has become of it.
    for digest in (first, mended):
        found = payroll.client.get(f"/v1/employers/{payroll.employer_id}/returns?content_sha256={digest}").json["items"]
        assert [each["id"] for each in found] == [opened]


def test_mending_ends_where_sending_at_once_ends(payroll):
    """Random changes, rehearsed and then made; then the same lines sent whole to another return."""
    seed = random.randrange(10**9)
    print("seed", seed)
    chance = random.Random(seed)
    people = [nik() for _ in range(6)]

    def some(key):
        return line(chance.choice([5_000_000, 0, "", "-3", 12_000_000]), key=key, number=chance.choice(people),
                    back_pay=chance.choice([",", ",", "250000,2026-08"]))

    opened, rows = payroll.open("2026-10")["id"], {}
    for _ in range(8):
        change = {key: some(key) for key in chance.sample("ABCDEFGH", 4)}
        body = "\n".join([HEADER, *change.values()])
        rehearsed = mend(payroll, opened, body, query="?validate_only=true")
        made = mend(payroll, opened, body)
        for report in (rehearsed, made):
            report.pop("loaded_at")
        assert rehearsed.pop("preview_token") and rehearsed == made
        rows |= change
        gone = chance.choice("ABCDEFGH")
        mend(payroll, opened, f"line_key,remove\n{gone},true\n")
        rows.pop(gone, None)
    standing = payroll.lines(opened)
    whole = payroll.open("2026-10", "supplementary")["id"]
    sent = payroll.send(whole, [rows[got["line_key"]] for got in standing])
    for got, other in zip(standing, payroll.lines(whole), strict=True):
        for each in (got, other):
            for finding in each.get("findings", []):   # each upload counts its own lines
                finding["pointer"] = finding["pointer"].split("/", 3)[3:]
            numbers = {f.pop("line") and f.get("params", {}).pop("first_line", None) for f in each.get("findings", [])}
            assert len(numbers) <= 2 and each.pop("line")
        assert got == other
    mended = payroll.client.get(f"/v1/returns/{opened}").json
    same = ("outcome", "counts", "totals")
    assert {k: mended.get(k) for k in same} == {k: sent.get(k) for k in same}


def test_changes_at_once_all_stand(payroll):
    opened = payroll.open("2026-10")["id"]
    payroll.send(opened, [line(1, key="A")])

    def change(key):
        with payroll.client.acting(payroll.client.token) as client:
            return client.patch(f"/v1/returns/{opened}/lines", body="\n".join([HEADER, line(2, key=key)]).encode(),
                                headers=CSV).status

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert set(pool.map(change, "ABCDEFGH")) == {200}
    assert {got[1:3] for got in told(payroll, opened)} == {(key, 2) for key in "ABCDEFGH"}


def test_changes_of_a_large_return_are_a_job(payroll):
    opened = payroll.open("2026-10")["id"]
    payroll.send(opened, [line(5_000_000, key=f"K{number}") for number in range(1_000)])
    body = "\n".join([HEADER, line(6_000_000, key="K7")])
    job = mend(payroll, opened, body, 202, Prefer="wait=0")
    done = payroll.client.get(f"/v1/jobs/{job['id']}", headers={"Prefer": "wait=10"}).expect(200).json
    assert done["status"] == "succeeded" and done["result"]["totals"]["wages"] == 5_001_000_000
    mend(payroll, opened, "\n".join([HEADER, line(1)]), 422, code="line_key_required")
    # As many changes as need COPY.
    report = mend(payroll, opened, "\n".join(["line_key,remove", *(f"K{number},true" for number in range(9_000))]))
    assert report["counts"]["lines"] == 0
