"""`make demo`: the main job, again and again on the same database, against the shared server."""
import subprocess
import sys
import time

import pytest

import server as server_module
from cluster import ROOT


@pytest.mark.parametrize("run", ["first", "second", "third"])
def test_the_main_job_from_registration_to_paid_claim(run, server, db):
    environment = server.environment | {"MIGRATE_DATABASE_URL": server.cluster.url(server.database),
                                        "SMILE_ADMIN": str(server_module.PROGRAMS / "smile-admin")}
    before = db.execute("SELECT business_at FROM smile.clock").fetchone()[0]
    started = time.monotonic()
    try:
        done = subprocess.run([sys.executable, "-B", ROOT / "Examples" / "demo.py"], env=environment, text=True,
                              capture_output=True, timeout=120)
    finally:
        db.execute("UPDATE smile.clock SET business_at = %s", [before])   # the demo lets the clock run at its end
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert time.monotonic() - started < 45
    assert "All as expected" in done.stdout
    assert db.execute("SELECT smile.ledger_sum()").fetchone()[0] == 0
