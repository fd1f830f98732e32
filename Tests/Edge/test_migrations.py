"""smile-migrate: once only, whatever happens on the way."""
import os
import random
import subprocess
import time

import pytest

from server import PROGRAMS, Server

SEED = int(os.environ.get("SEED", "7"))


def migrator(cluster, database, *arguments):
    server = Server(cluster, database)
    return subprocess.Popen([PROGRAMS / "smile-migrate", *arguments], text=True, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, cwd=PROGRAMS.parents[1],
                            env=server.environment | {"DATABASE_URL": cluster.url(database)})


def run(cluster, database, *arguments):
    process = migrator(cluster, database, *arguments)
    output, _ = process.communicate(timeout=60)
    return process.returncode, output


def schema(cluster, database):
    """The schema as SQL, without what differs between two dumps of the same."""
    dump = subprocess.run([cluster.programs / "pg_dump", "--schema-only", cluster.url(database)],
                          capture_output=True, text=True, check=True).stdout
    return [line for line in dump.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))]


def test_ten_at_once_migrate_once(cluster, migrated):
    cluster.create("migrate_ten")
    processes = [migrator(cluster, "migrate_ten", "up") for _ in range(10)]
    for process in processes:
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0, output
    assert schema(cluster, "migrate_ten") == schema(cluster, migrated)


def test_up_again_changes_nothing_and_verify_agrees(cluster, migrated):
    cluster.create("migrate_again", template=migrated)
    before = schema(cluster, "migrate_again")
    assert run(cluster, "migrate_again", "up")[0] == 0
    assert run(cluster, "migrate_again", "verify")[0] == 0
    assert schema(cluster, "migrate_again") == before


def test_status_names_what_is_missing(cluster):
    cluster.create("migrate_none")
    _, output = run(cluster, "migrate_none", "status")
    assert "0001_roles_and_context" in output


@pytest.mark.parametrize("round", range(5))
def test_a_migrator_that_is_killed_leaves_what_a_second_one_completes(round, cluster, migrated):
    moment = random.Random(SEED + round).uniform(0.005, 0.4)
    print(f"SEED={SEED + round}: killed after {moment:.3f} s")
    database = f"migrate_killed_{round}"
    cluster.create(database)
    process = migrator(cluster, database, "up")
    time.sleep(moment)   # the moment is the point: any
    process.kill()
    process.communicate()
    code, output = run(cluster, database, "up")
    assert code == 0, output
    assert run(cluster, database, "verify")[0] == 0
    assert schema(cluster, database) == schema(cluster, migrated)
