"""Rehearsals: the report of the real thing, whatever is sent, and not a row changed; a token that holds finalising to
what was shown; the preference that asks for a rehearsal too."""
import contextlib
import json
import os
import random
import signal

import pytest

from client import Client
from payroll import balanced, bank, HEADER, line, nik, Payroll, payroll  # noqa: F401

ROLLBACK = {"Prefer": "tx=rollback"}
# What only the real thing has, or only the rehearsal; the ids of what was made are others each time.
OWN = {"loaded_at", "finalised_at", "billing_id", "preview_token"}


def finalise(payroll, opened, token=None, query="", **headers):
    body = {} if token is None else {"preview_token": token}
    return payroll.client.post(f"/v1/returns/{opened}/finalisation{query}", body, key=not query, headers=headers)


def previewed(payroll, opened):
    return finalise(payroll, opened, query="?validate_only=true").expect(200).json["preview_token"]


def reclassify(db, payroll, risk_class):
    db.execute("UPDATE smile.employer_risk_class SET risk_class = %s WHERE employer_id = %s",
               [risk_class, payroll.employer_id])


def test_who_finalises_with_a_preview_gets_its_numbers(payroll):
    opened = payroll.open("2026-10")["id"]
    lines = [line(5_000_000), line(6_000_000, back_pay="250000,2026-08")]
    shown = payroll.send(opened, lines, "?validate_only=true")
    assert "preview_token" not in payroll.send(opened, lines)
    rehearsed = finalise(payroll, opened, query="?validate_only=true").expect(200).json
    # Both rehearsals showed the same, so they stand for the same; either will do.
    assert rehearsed["preview_token"] == shown["preview_token"]
    done = finalise(payroll, opened, shown["preview_token"]).expect(200).json
    assert done["totals"] == shown["totals"] == rehearsed["totals"] and "preview_token" not in done
    finalise(payroll, opened, shown["preview_token"]).expect(409, "return_not_open")


def test_a_preview_holds_only_what_it_showed(payroll, db):
    """Other content, another parameter, another amount: each refuses by its name, and nothing is billed."""
    opened, number = payroll.open("2026-10")["id"], nik()
    payroll.send(opened, [line(5_000_000, number=number)])
    token = previewed(payroll, opened)

    def changed():
        problem = finalise(payroll, opened, token).expect(409, "preview_outdated").json
        assert payroll.client.get(f"/v1/returns/{opened}").json["status"] == "open"
        return problem["changed"]
    payroll.send(opened, [line(5_000_000, number=number, key="K1")])
    assert changed() == ["content"]
    payroll.send(opened, [line(5_000_001, number=number)])
    assert changed() == ["content", "amounts"]
    payroll.send(opened, [line(5_000_000, number=number)])
    assert previewed(payroll, opened) == token   # as it was
    reclassify(db, payroll, 4)
    assert changed() == ["parameters"]
    assert finalise(payroll, opened).expect(409, "return_outdated").json["changed"] == ["line_amounts"]
    payroll.send(opened, [line(5_000_000, number=number)])
    assert changed() == ["parameters", "amounts"]
    assert finalise(payroll, opened, previewed(payroll, opened)).expect(200).json["totals"]["amounts"]["jkk"][
        "employer"] == 63_500   # 1.27 %


def test_what_other_returns_changed_is_named(payroll):
    """A supplement of the same worker, and back pay above what was reported since."""
    number, other = nik(), nik()
    lines = [line(5_000_000, number=number)]
    first, second = (payroll.open("2026-10", "supplementary")["id"] for _ in range(2))
    payroll.month("2026-08", [line(4_000_000, number=number), line(4_000_000, number=other)])
    for opened in (first, second):
        payroll.send(opened, lines)
    token = previewed(payroll, second)
    finalise(payroll, first).expect(200)
    assert finalise(payroll, second, token).expect(409, "return_outdated").json["changed"] == ["other_returns"]
    late = payroll.open("2026-10", "supplementary")["id"]
    payroll.send(late, [line(1_000_000, number=other, back_pay="9000000,2026-09")])
    token = previewed(payroll, late)
    # JP's ceiling of September is reached by both together.
    payroll.month("2026-09", [line(11_000_000, number=other)])
    assert finalise(payroll, late, token).expect(409, "return_outdated").json["changed"] == ["back_pay"]


@pytest.mark.parametrize("token", ["", "prv1", "prv1...", "prv1.." + "0" * 64, "prv2.." + ".".join(["0" * 64] * 2),
                                   "prv1.." + ".".join(["A" * 64] * 2)])
def test_a_token_that_is_none_is_refused(payroll, token):
    opened = payroll.open("2026-10")["id"]
    problem = finalise(payroll, opened, token).expect(400, "invalid_request").json
    assert problem["errors"][0]["pointer"] == "/preview_token"


def test_a_preference_rehearses_too_and_says_so(payroll, api):
    target = f"/v1/employers/{payroll.employer_id}/returns"
    for preference in ("tx=rollback", 'wait=10, TX="rollback"'):
        # A rehearsal needs no key.
        answer = payroll.client.post(target, {"period": "2026-10", "kind": "regular"}, headers={
            "Prefer": preference}).expect(200)
        assert answer.headers.get_all("Preference-Applied") == ["tx=rollback"]
    assert payroll.client.get(target).json["items"] == []
    opened = payroll.open("2026-10")["id"]
    rehearsed = payroll.send(opened, [line(5_000_000)], headers=ROLLBACK)
    assert rehearsed["counts"]["lines"] == 1 and rehearsed["preview_token"]
    assert payroll.client.get(f"/v1/returns/{opened}", headers=ROLLBACK).expect(200).json["counts"]["lines"] == 0
    payroll.client.request("DELETE", f"/v1/returns/{opened}", headers=ROLLBACK | {"If-Match": "*"}).expect(204)
    assert payroll.client.get(f"/v1/returns/{opened}").json["status"] == "open"
    # Where nothing can be rehearsed, nothing is said to have been.
    answer = api.post("/v1/password_checks", {"password": "salam hangat dari gudang"}, headers=ROLLBACK).expect(200)
    assert "Preference-Applied" not in answer.headers


def reported(payroll, opened, lines, media, query="", status=200):
    text = "\n".join([HEADER, *lines]) + "\n"
    return payroll.client.put(f"/v1/returns/{opened}/lines{query}", body=text.encode(), headers={
        "Content-Type": "text/csv", "Accept": media}).expect(status)


@pytest.mark.parametrize("media", ["text/csv", "application/x-ndjson"])
def test_a_report_comes_as_rows_beside_those_sent(payroll, media):
    """Rehearsed or not, an upload can answer with the lines as they are exported afterwards, in the order sent."""
    opened = payroll.open("2026-10")["id"]
    lines = [line(5_000_000 + n, key=f"K{n}") for n in range(300)]
    lines[7], lines[250] = line("-1", key="K7"), "x"
    rehearsed = reported(payroll, opened, lines, media, "?validate_only=true")
    assert payroll.client.get(f"/v1/returns/{opened}").json["counts"]["lines"] == 0
    real = reported(payroll, opened, lines, media)
    exported = payroll.client.get(f"/v1/returns/{opened}/lines", headers={"Accept": media}).expect(200)
    assert rehearsed.body == real.body == exported.body
    assert {answer.headers["Content-Type"] for answer in (rehearsed, real)} == {f"{media}; charset=utf-8"}
    rows = real.text.splitlines()
    if media == "text/csv":
        assert len(rows) == 301 and "A wage can't be below zero." in rows[8] and rows[251].startswith("251,,rejected")
    else:
        assert [json.loads(row)["line"] for row in rows] == list(range(1, 301))


def test_a_report_as_rows_has_a_limit_and_a_job_none(payroll):
    opened = payroll.open("2026-10")["id"]
    lines = [line(5_000_000) for _ in range(10_001)]
    problem = reported(payroll, opened, lines, "text/csv", "?validate_only=true", 422).json
    assert (problem["code"], problem["maximum"]) == ("report_too_long", "10000")
    assert len(reported(payroll, opened, lines[1:], "text/csv", "?validate_only=true").text.splitlines()) == 10_001
    reported(payroll, opened, lines, "text/html", status=406)
    job = reported(payroll, opened, lines, "text/csv", status=202).json
    ended = payroll.client.get(f"/v1/jobs/{job['id']}", headers={"Prefer": "wait=10"}).expect(200).json
    assert ended["result"]["counts"]["lines"] == 10_001


@pytest.fixture(scope="module")
def quiet(make_server, actors_on):
    """A server on which nothing happens but what is asked for."""
    server = make_server()
    actors = actors_on(server)
    made = Payroll(Client(server), actors.payroll(), Client(server, actors.bank()["token"]))
    stranger = actors.worker()
    jobs = server.jobs_process()
    os.kill(jobs, signal.SIGSTOP)
    with server.cluster.connect(server.database) as connection:
        yield made, stranger, connection
    os.kill(jobs, signal.SIGCONT)


class Untouched:
    """Looks at every row of every table."""

    def __init__(self, db):
        self.db = db
        self.tables = [name for name, in db.execute(
            "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'smile'::regnamespace")]
        assert len(self.tables) > 50

    def sums(self):
        look = "SELECT count(*), sum(hashtextextended(x::text, 0)) FROM {} AS x"
        return {table: self.db.execute(look.format(table)).fetchone() for table in self.tables}

    @contextlib.contextmanager
    def by(self):
        before = self.sums()
        yield
        after = self.sums()
        assert {table for table in self.tables if before[table] != after[table]} == set()


class Roster:
    """Lines of every kind: workers of two units and none, new ones, strangers, nonsense."""

    def __init__(self, chance, payroll, stranger):
        self.chance, self.payroll, self.stranger = chance, payroll, stranger
        employer = payroll.client.acting(payroll.actor["employer_token"])
        base = f"/v1/employers/{payroll.employer_id}"
        units = [employer.post(f"{base}/units", {"code": code, "name": code}, key=True).expect(201).json["id"]
                 for code in ("PABRIK", "KANTOR")]
        self.people = []
        for number in range(12):
            person = nik()
            hired = {"nik": person, "full_name": "Adi Nugroho", "birth_date": "1985-01-15", "wage": 5_000_000,
                     "start_date": "2026-06-01"}
            answer = employer.post(f"{base}/workers", hired, key=True).expect(201)
            worker = answer.json
            self.people.append((person, worker["kpj"]))
            if number < 8:
                employer.patch(f"{base}/workers/{worker['id']}", {"unit_id": units[number % 2]}, headers={
                    "If-Match": answer.headers["ETag"]}).expect(200)
            if number > 9:
                employer.post(f"{base}/workers/{worker['id']}/termination", {
                    "end_date": "2026-09-15", "reason": "layoff"}, key=True).expect(200)

    def wage(self):
        chance = self.chance
        return chance.choice([chance.randrange(1, 30_000_000)] * 8 + [0, "-5", "", "1.5", "1e9", "7.500.000", 10**13])

    def row(self, month):
        chance = self.chance
        person, kpj = chance.choice(self.people)
        number, kpj = chance.choice([(person, ""), ("", kpj), (person, kpj), (nik(), ""), (nik(), ""), ("", ""),
                                     (self.stranger["nik"], ""), ("", self.stranger["kpj"]), ("12", "")])
        earlier = [f"2026-{number:02}" for number in range(5, month + 2)] + ["2015-01", "x"]
        back_pay = chance.choice([","] * 4 + [f"{chance.randrange(1, 5_000_000)},{chance.choice(earlier)}", "5,", ",x"])
        text = line(self.wage(), key=chance.choice(["", "", "A", f"K{chance.randrange(99)}"]), kpj=kpj, number=number,
                    name=chance.choice(["Adi Nugroho"] * 6 + ["", "Orang Lain", '"Nugroho, ""A"""']),
                    born=chance.choice(["1985-01-15"] * 6 + ["1960-05-05", "1990-02-31"]), back_pay=back_pay,
                    sex=chance.choice(["male", "male", "female", "x", ""]))
        return chance.choice([text] * 20 + ["x", 'a,"b', text + ","])

    def lines(self, month):
        return [self.row(month) for _ in range(self.chance.randrange(1, 40))]


def both(untouched, act):
    """What a change answers when it is rehearsed, by either way of asking, and then for real."""
    with untouched.by():
        rehearsed = act("?validate_only=true", {})
        preferred = act("", ROLLBACK)
    assert rehearsed.status == preferred.status and rehearsed.status in (200, 409, 422)
    real = act("", {})
    assert real.status == rehearsed.status, (rehearsed, real)
    reports = [{name: value for name, value in answer.json.items() if name not in OWN | {"request_id"}}
               for answer in (rehearsed, preferred, real)]
    for report in reports:
        for billing in report.get("billings", []):
            assert billing.pop("id") and billing.pop("payment_code")
    assert reports[0] == reports[1] == reports[2]
    return rehearsed, real


def test_any_roster_rehearsed_is_the_roster_sent(quiet):
    """Random months of every kind of return, mended here and there: rehearsals change no row of any table, and what
    they report, down to each finding and rupiah, is what becomes of it."""
    payroll, stranger, db = quiet
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    roster, untouched = Roster(chance, payroll, stranger), Untouched(db)
    done = set()
    for month, kind in [(8, "regular"), (8, "supplementary"), (9, "regular"), (8, "revised"), (9, "supplementary"),
                        (10, "regular"), (9, "revised"), (10, "supplementary"), (10, "revised")]:
        if kind == "revised" and f"2026-{month:02}" not in done:
            continue
        declared = {name: chance.randrange(10**8) for name in ("lines", "wages", "jht", "jkk", "jkm", "jp")
                    if chance.random() < 0.3}
        opened = payroll.open(f"2026-{month:02}", kind, **({"declared_totals": declared} if declared else {}),
                              **({"reason": "Salah"} if kind == "revised" else {}))["id"]

        def send(method, lines, query, headers):
            text = "\n".join([HEADER, *lines]) + "\n"
            return payroll.client.request(method, f"/v1/returns/{opened}/lines{query}", body=text.encode(), headers={
                "Content-Type": "text/csv"} | headers)
        lines = roster.lines(month) + [line(6_000_000 + month, key="SURE")]
        rehearsed, _ = both(untouched, lambda *how: send("PUT", lines, *how))
        mended = [line(roster.wage(), key=key) for key in chance.sample(["SURE", "A", "NEW", "K1"], 2)]
        both(untouched, lambda *how: send("PATCH", mended, *how))

        def close(query, headers):
            return payroll.client.post(f"/v1/returns/{opened}/finalisation{query}", key=not (query or headers),
                                       headers=headers)
        before = payroll.client.get(f"/v1/returns/{opened}").expect(200).json
        answer, real = both(untouched, close)
        if real.status == 200:
            assert real.json["totals"] == before["totals"]
            assert ("billing_id" in answer.json) == ("billing_id" in real.json)
            done.add(f"2026-{month:02}")
    assert done
