"""Member verification: one answer for every mismatch, a quota, a trace."""
import concurrent.futures
import itertools

import pytest

from client import Client

PATH = "/v1/member_verifications"


@pytest.fixture
def payroll(api, actors):
    actor = actors.payroll("workers:write")
    return actor | {"client": api.acting(actor["token"])}


def person(worker, **changes):
    return {name: worker[name] for name in ("kpj", "nik", "full_name", "birth_date")} | changes


def results(payroll, *persons):
    answer = payroll["client"].post(PATH, {"persons": list(persons)}).expect(200).json
    return [item["result"] for item in answer["items"]]


def test_every_mismatch_has_the_same_answer(payroll, actors):
    """All 14 ways of mixing two people, and numbers that nobody has."""
    one = actors.worker()
    two = {"nik": "3174014101850099", "full_name": "Siti Aminah", "birth_date": "1985-01-01"}
    two["kpj"] = payroll["client"].post(f"/v1/employers/{payroll['employer_id']}/workers", two | {
        "wage": 1, "start_date": "2026-01-01"}, key=True).expect(201).json["kpj"]
    names = ("kpj", "nik", "full_name", "birth_date")
    mixed = [person(one, **{name: two[name] for name in chosen})
             for size in (1, 2, 3) for chosen in itertools.combinations(names, size)]
    nobody = [person(one, kpj="99999999999"), person(one, nik="3174010101859998")]
    answer = payroll["client"].post(PATH, {"persons": mixed + nobody}).expect(200).json
    assert {tuple(sorted(item)) for item in answer["items"]} <= {("line", "result"), ("line", "result", "warnings")}
    assert {item["result"] for item in answer["items"]} == {"no_match"}
    assert answer["counts"] == {"persons": 16, "matched": 0, "not_matched": 16}


def test_it_says_what_a_hire_says(payroll, api, actors):
    worker = actors.worker()
    for wanted, result, status in ((person(worker, full_name="BUDI  SANTOSO, S.H."), "match", 201),
                                   (person(worker, full_name="Budi Santosa"), "no_match", 422)):
        assert results(payroll, wanted) == [result]
        payroll["client"].post(f"/v1/employers/{payroll['employer_id']}/workers",
                               wanted | {"wage": 1, "start_date": "2026-01-01"}, key=True).expect(status)


def test_warnings_speak_of_what_was_sent_alone(payroll, actors):
    """They are the same for somebody whom nobody knows."""
    worker = actors.worker()
    strange = person(worker, birth_date="1999-12-31") | {"sex": "female"}
    items = payroll["client"].post(PATH, {"persons": [strange, strange | {"kpj": "99999999999"}]}).expect(200).json[
        "items"]
    assert [item["warnings"] for item in items] == [["nik_birth_date_differs", "nik_sex_differs"]] * 2


@pytest.mark.parametrize("persons", [[], [{"kpj": "1"}], "x", [1]], ids=str)
def test_bad_input_is_400(persons, payroll):
    payroll["client"].post(PATH, {"persons": persons}).expect(400, "invalid_request")


def test_more_than_200_are_400(payroll, actors):
    payroll["client"].post(PATH, {"persons": [person(actors.worker())] * 201}).expect(400, "invalid_request")


def test_after_500_mismatches_in_a_day_nothing_is_answered(payroll, actors, db, api):
    worker = actors.worker()
    wrong = person(worker, full_name="Bukan Dia")
    for _ in range(3):
        assert set(results(payroll, *[wrong] * 200)) == {"no_match"}
    answer = payroll["client"].post(PATH, {"persons": [person(worker)]}).expect(429, "verification_quota_used")
    assert 86_000 < int(answer.headers["Retry-After"]) <= 86_400
    another = api.acting(actors.payroll("workers:write")["token"])
    another.post(PATH, {"persons": [person(worker)]}).expect(200)
    db.execute("UPDATE smile.verification_quota SET window_ends_at = smile.security_now() WHERE employer_id = %s",
               [payroll["employer_id"]])
    assert results(payroll, person(worker)) == ["match"]


def test_many_at_once_use_the_quota_up_together(payroll, actors, server, db):
    wrong = person(actors.worker(), full_name="Bukan Dia")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: Client(server, payroll["token"]).post(
            PATH, {"persons": [wrong] * 100}).status, range(8)))
    assert sorted(statuses) == [200] * 5 + [429] * 3
    assert db.execute("SELECT persons, mismatches FROM smile.verification_quota WHERE employer_id = %s",
                      [payroll["employer_id"]]).fetchone() == (500, 500)


def test_each_leaves_a_row_without_names(payroll, actors, db):
    worker = actors.worker()
    results(payroll, person(worker), person(worker, kpj="99999999999"))
    rows = db.execute("SELECT details FROM smile.audit_log WHERE action = 'members.verified' AND client_id = %s",
                      [payroll["id"]]).fetchall()
    assert rows == [({"persons": 2, "matched": 1},)]
