"""Uploads of very many lines: refused as a whole when they are mostly repetitions, and never held in memory."""
import pathlib
import re

import pytest

from client import Client
from payroll import HEADER, Payroll, line, nik

CSV = {"Content-Type": "text/csv"}


@pytest.fixture(scope="module")
def own(make_server, actors_on):
    """A server of its own; passwords are hashed cheaply, or the hash's memory would be what is measured."""
    server = make_server(PASSWORD_COST="1")
    return server, actors_on(server)


@pytest.fixture
def payroll(own):
    made = Payroll(Client(own[0]), own[1].payroll(), None)
    made.client.connection.timeout = 900
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


@pytest.mark.full
@pytest.mark.timeout(900)
def test_a_million_identical_lines_take_little_memory_and_leave_nothing(own, payroll):
    opened = payroll.open("2026-10")["id"]
    text = HEADER + "\n" + (line(5_000_000, number=nik()) + "\n") * 1_000_000
    job = ended(payroll, put(payroll, opened, text).expect(202).json["id"])
    assert (job["status"], job["problem_code"]) == ("failed", "lines_repeated")
    nothing_stands(own, payroll, opened)
    peaks = [int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) / 1024
             for pid in own[0].children()]
    assert max(peaks) < 64, peaks
