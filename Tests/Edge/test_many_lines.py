"""Uploads of very many lines: refused as a whole when they are mostly repetitions, and never held in memory."""
import pathlib
import re
import time

import pytest

from client import Client
from payroll import HEADER, Payroll, line, nik

CSV = {"Content-Type": "text/csv"}
MILLION = 1_000_000


@pytest.fixture(scope="module")
def own(make_server, actors_on):
    """A server of its own; passwords are hashed cheaply, or the hash's memory would be what is measured."""
    server = make_server(PASSWORD_COST="1")
    return server, actors_on(server)


@pytest.fixture
def payroll(own):
    server, actors = own
    made = Payroll(Client(server), actors.payroll(), Client(server, actors.bank()["token"]))
    for client in (made.client, made.bank):
        client.connection.timeout = 900
    return made


def put(payroll, opened, text, query=""):
    return payroll.client.put(f"/v1/returns/{opened}/lines{query}", body=text.encode(), headers=CSV)


def ended(payroll, job_id):
    job = {"status": "queued"}
    while job["status"] in ("queued", "running"):
        job = payroll.client.get(f"/v1/jobs/{job_id}", headers={"Prefer": "wait=10"}).expect(200).json
    return job


def nothing_stands(own, payroll, opened):
    shown = payroll.client.get(f"/v1/returns/{opened}").expect(200).json
    assert shown["counts"]["lines"] == 0 and "outcome" not in shown and "pending_job_id" not in shown
    with own[0].cluster.connect(own[0].database) as connection:
        for table in ("return_staging", "finding", "return_line"):
            assert connection.execute(f"SELECT count(*) FROM smile.{table}").fetchone() == (0,)


@pytest.mark.parametrize("repeated", [line(5_000_000, number="3578011501850001"), "x", ",,,,,,,,"])
def test_little_but_repetitions_is_refused_as_a_whole(own, payroll, repeated):
    opened = payroll.open("2026-10")["id"]
    text = "\n".join([HEADER, *[repeated] * 20_001])
    problem = put(payroll, opened, text, "?validate_only=true").expect(422, "lines_repeated").json
    assert (problem["lines"], problem["different"]) == ("20001", "1")
    job = ended(payroll, put(payroll, opened, text).expect(202).json["id"])
    assert (job["status"], job["problem_code"]) == ("failed", "lines_repeated")
    nothing_stands(own, payroll, opened)


def test_repetitions_among_more_others_are_findings(payroll):
    """One bad line never sinks the file: 10,500 of them don't either where 10,600 others are good."""
    opened = payroll.open("2026-10")["id"]
    same = line(5_000_000)
    text = "\n".join([HEADER, *[same] * 10_501, *(line(5_000_000) for _ in range(10_600))])
    job = ended(payroll, put(payroll, opened, text).expect(202).json["id"])
    assert job["result"]["counts"] == {"lines": 21_101, "accepted": 10_601, "warned": 0, "rejected": 10_500}
    payroll.client.request("DELETE", f"/v1/returns/{opened}", headers={"If-Match": "*"}).expect(204)


def peaks(server):
    """The most memory that each process ever had resident, in MiB."""
    status = [pathlib.Path(f"/proc/{pid}/status").read_text() for pid in server.children()]
    return [int(re.search(r"VmHWM:\s+(\d+)", text)[1]) / 1024 for text in status]


@pytest.mark.full
@pytest.mark.timeout(900)
@pytest.mark.parametrize("form", ["text/csv", "application/x-ndjson"])
def test_a_million_identical_lines_take_little_memory_and_leave_nothing(own, payroll, form):
    opened = payroll.open("2026-10")["id"]
    row = '{"nik":"3578011501850001","full_name":"Adi","birth_date":"1985-01-15","wage":5000000}'
    text = HEADER + "\n" + (line(5_000_000, number=nik()) + "\n") * MILLION if form == "text/csv" else (
        row + "\n") * MILLION
    job = ended(payroll, payroll.client.put(f"/v1/returns/{opened}/lines", body=text.encode(), headers={
        "Content-Type": form}).expect(202).json["id"])
    assert (job["status"], job["problem_code"]) == ("failed", "lines_repeated")
    nothing_stands(own, payroll, opened)
    assert max(peaks(own[0])) < 64, peaks(own[0])


@pytest.mark.full
@pytest.mark.timeout(900)
def test_a_million_workers_take_little_memory_and_are_all_paid_for(own, payroll):
    """From the first byte to posted contributions. 5,000,000 at risk class III: 185,000, 100,000, 44,500, 15,000,
    100,000 and 50,000."""
    opened = payroll.open("2026-10")["id"]
    text = "".join(f"{320_000 + each // 9_999}150185{each % 9_999 + 1:04},Adi Nugroho,1985-01-15,5000000\n"
                   for each in range(MILLION))
    began = time.monotonic()
    took = {}

    def note(what):
        took[what] = round(time.monotonic() - began - sum(took.values()), 1)

    job = put(payroll, opened, "nik,full_name,birth_date,wage\n" + text).expect(202).json["id"]
    note("received and staged")
    loaded = ended(payroll, job)["result"]
    note("checked")
    assert (loaded["outcome"], loaded["counts"]["accepted"]) == ("accepted", MILLION)
    assert loaded["totals"]["due"] == MILLION * 494_500
    job = payroll.client.post(f"/v1/returns/{opened}/finalisation", key=True).expect(202).json["id"]
    billing = ended(payroll, job)["result"]["billing_id"]
    note("finalised")
    payroll.pay(billing)
    note("paid")
    print(took, peaks(own[0]))
    with own[0].cluster.connect(own[0].database) as connection:
        counted = connection.execute("SELECT count(*), sum(c.wage) FROM smile.contribution AS c"
                                     " WHERE c.employer_id = %s", [payroll.employer_id]).fetchone()
        assert counted == (MILLION, MILLION * 5_000_000)
        assert connection.execute("SELECT smile.ledger_sum()").fetchone() == (0,)
    assert max(peaks(own[0])) < 64, peaks(own[0])
