"""`make demo`: the main job, again and again on the same database, against the shared server."""
import subprocess
import sys
import time

import pytest

import server as server_module
from cluster import ROOT


def walk(server, db):
    environment = server.environment | {"MIGRATE_DATABASE_URL": server.cluster.url(server.database),
                                        "SMILE_ADMIN": str(server_module.PROGRAMS / "smile-admin")}
    before = db.execute("SELECT business_at FROM smile.clock").fetchone()[0]
    try:
        return subprocess.run([sys.executable, "-B", ROOT / "Examples" / "demo.py"], env=environment, text=True,
                              capture_output=True, timeout=120)
    finally:
        db.execute("UPDATE smile.clock SET business_at = %s", [before])   # the demo lets the clock run at its end


@pytest.mark.parametrize("run", ["first", "second", "third"])
def test_the_main_job_from_registration_to_paid_claim(run, server, db):
    started = time.monotonic()
    done = walk(server, db)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert time.monotonic() - started < 45
    assert "All as expected" in done.stdout
    assert db.execute("SELECT smile.ledger_sum()").fetchone()[0] == 0


def test_once_every_worker_of_56_has_an_account_it_says_so(server, db):
    taken = [row[0] for row in db.execute("""
        WITH person AS MATERIALIZED (
          SELECT m.id, gen_random_uuid() AS account FROM smile.member AS m
          WHERE m.birth_date BETWEEN '1969-11-06' AND '1970-10-31' AND NOT EXISTS (
            SELECT FROM smile.account_grant AS g WHERE g.member_id = m.id AND g.active)),
        made AS (
          INSERT INTO smile.account (id, email, full_name, password_hash)
          SELECT p.account, p.account || '@demo.test', 'Orang Lain', repeat('x', 20) FROM person AS p)
        INSERT INTO smile.account_grant (account_id, kind, member_id, active)
        SELECT p.account, 'member', p.id, true FROM person AS p RETURNING account_id""").fetchall()]
    try:
        done = walk(server, db)
    finally:
        db.execute("DELETE FROM smile.account_grant WHERE account_id = ANY (%s)", [taken])
        db.execute("DELETE FROM smile.account WHERE id = ANY (%s)", [taken])
    assert done.returncode == 1 and "has an account from an earlier run" in done.stderr, done.stderr


def test_the_generator_writes_the_files_that_lie_beside_it(tmp_path):
    subprocess.run([sys.executable, "-B", ROOT / "Examples" / "make_payroll.py", "--payroll", tmp_path / "payroll",
                    "--members", tmp_path / "members"], check=True, timeout=60)
    for made, kept in (("payroll", "payroll-2026-10.csv"), ("members", "members-2026-09.csv")):
        assert (tmp_path / made).read_bytes() == (ROOT / "Examples" / kept).read_bytes()
