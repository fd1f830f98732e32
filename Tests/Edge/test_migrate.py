"""smile-migrate on directories of its own: what it refuses, and an interruption at every statement."""
import contextlib
import os
import pathlib
import re
import socket
import subprocess
import threading

import psycopg
import pytest

import server

COUNTED = """
CREATE SEQUENCE public.statements;
CREATE FUNCTION public.count_statement() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  -- What CREATE EXTENSION does inside is one statement of ours.
  IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() WHERE in_extension) THEN RETURN; END IF;
  IF nextval('public.statements') = current_setting('test.end_at')::bigint THEN
    PERFORM pg_terminate_backend(pg_backend_pid());
  END IF;
END $$;
CREATE EVENT TRIGGER count_statements ON ddl_command_end EXECUTE FUNCTION public.count_statement();
"""
UNCOUNTED = """
DROP EVENT TRIGGER count_statements; DROP FUNCTION public.count_statement; DROP SEQUENCE public.statements;
"""

SMALL = {
    "0001_roles.sql": """-- role: superuser
        DO $$ BEGIN
          PERFORM pg_advisory_xact_lock(1);
          IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'smile_owner') THEN CREATE ROLE smile_owner; END IF;
        END $$;
        CREATE SCHEMA small AUTHORIZATION smile_owner;
        """,
    "0002_persons.sql": """-- Persons; the semicolon in 'a;b' and $$ ; $$ must not matter.
        CREATE TABLE small.person (id bigint PRIMARY KEY, name text NOT NULL DEFAULT 'a;b');
        CREATE INDEX person_name ON small.person (name);
        INSERT INTO small.person SELECT n, 'person ' || n FROM generate_series(1, 500) AS n;
        CREATE FUNCTION small.one() RETURNS int LANGUAGE sql AS $$ SELECT 1; $$;
        """,
    "0005_letters.sql": """
        CREATE TABLE small.letter (person bigint REFERENCES small.person, body text);
        ALTER TABLE small.person ADD COLUMN letters int NOT NULL DEFAULT 0;
        COMMENT ON TABLE small.letter IS 'one row a letter';
        """,
    "0006_index.sql": """-- transaction: none
        -- Without a lock that stops writers; repeatable.
        CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS person_name_once ON small.person (name);
        CREATE INDEX CONCURRENTLY IF NOT EXISTS letter_person ON small.letter (person);
        """,
}


@pytest.fixture
def directory(tmp_path):
    """A writable copy of the small migrations."""
    for name, text in SMALL.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def start(url, directory, *arguments):
    environment = {"PATH": os.environ["PATH"], "DATABASE_URL": url}
    return subprocess.Popen([server.PROGRAMS / "smile-migrate", *arguments, "--directory", str(directory)],
                            env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def migrate(url, directory, *arguments):
    """Exit code, stdout, stderr."""
    process = start(url, directory, *arguments)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def schema(cluster, database):
    """The schema and the rows of the bookkeeping, without what differs between two runs of the same."""
    dump = subprocess.run([cluster.programs / "pg_dump", "--schema-only", cluster.url(database)],
                          capture_output=True, text=True, check=True).stdout
    with cluster.connect(database) as connection:
        rows = connection.execute("SELECT version, name, checksum FROM smile_migration.applied ORDER BY 1").fetchall()
        invalid = connection.execute("SELECT count(*) FROM pg_index WHERE NOT indisvalid").fetchone()
    assert invalid == (0,)
    return [line for line in dump.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))], rows


@pytest.fixture(scope="module")
def fresh(cluster, tmp_path_factory):
    """What the small migrations make when nothing disturbs them."""
    folder = tmp_path_factory.mktemp("fresh")
    for name, text in SMALL.items():
        (folder / name).write_text(text)
    cluster.create("migrate_fresh")
    code, out, err = migrate(cluster.url("migrate_fresh"), folder, "up")
    assert code == 0 and out.splitlines()[-1] == "4 applied", err
    return schema(cluster, "migrate_fresh")


# What it says ------------------------------------------------------------------------------------------------------


def test_a_second_run_finds_nothing_to_do(cluster, directory, fresh):
    cluster.create("migrate_twice")
    url = cluster.url("migrate_twice")
    code, _, err = migrate(url, directory, "verify")
    assert code == 1 and "0001_roles.sql is not applied (4 missing). Run: smile-migrate up" in err
    assert migrate(url, directory, "up")[0] == 0
    assert migrate(url, directory, "up")[:2] == (0, "nothing to do\n")
    assert migrate(url, directory, "verify")[0] == 0
    code, out, _ = migrate(url, directory, "status")
    assert code == 0 and all(f"{name}  applied 20" in out for name in SMALL)
    with cluster.connect("migrate_twice") as connection:
        owners = connection.execute("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'small'").fetchall()
        rows = connection.execute("SELECT version, duration_ms >= 0, app FROM smile_migration.applied").fetchall()
    assert owners == [("smile_owner",)]
    assert rows == [(version, True, "smile-migrate") for version in (1, 2, 5, 6)]


def edit(directory):
    (directory / "0002_persons.sql").write_text(SMALL["0002_persons.sql"] + "-- a word\n")


def rename(directory):
    (directory / "0002_persons.sql").rename(directory / "0002_people.sql")


def remove(directory):
    (directory / "0005_letters.sql").unlink()


def fill_a_gap(directory):
    (directory / "0003_late.sql").write_text("SELECT 1;")


@pytest.mark.parametrize("change, words", [
    (edit, ["0002_persons.sql was edited after it had been applied", "smile-migrate new NAME"]),
    (rename, ["0002_people.sql was applied under the name 0002_persons.sql"]),
    (remove, ["0005_letters.sql, which this program doesn't know", "newer"]),
    (fill_a_gap, ["0003_late.sql is not applied, but the later 0006_index.sql is"]),
])
def test_a_story_that_differs_is_refused_before_any_change(change, words, cluster, directory):
    database = f"migrate_{change.__name__}"
    cluster.create(database)
    url = cluster.url(database)
    assert migrate(url, directory, "up")[0] == 0
    before = schema(cluster, database)
    change(directory)
    (directory / "0009_next.sql").write_text("CREATE TABLE small.next ();")
    for command in ("up", "verify", "status"):
        code, _, err = migrate(url, directory, command)
        assert code == 1 and all(word in err for word in words), err
    assert schema(cluster, database) == before


@pytest.mark.parametrize("name, text, words", [
    ("7_short.sql", b"SELECT 1", "NNNN_name.sql"),
    ("0007-dash.sql", b"SELECT 1", "NNNN_name.sql"),
    ("0007_Upper.sql", b"SELECT 1", "NNNN_name.sql"),
    ("0002_double.sql", b"SELECT 1", "the same number"),
    ("0007_bytes.sql", b"SELECT '\xff'", "UTF-8"),
    ("0007_nul.sql", b"SELECT '\0'", "NUL"),
])
def test_a_file_that_cannot_be_one_is_refused_before_any_change(name, text, words, cluster, directory):
    (directory / name).write_bytes(text)
    database = "migrate_refused_" + re.sub(r"\W+", "_", name).lower()
    cluster.create(database)
    code, out, err = migrate(cluster.url(database), directory, "up")
    assert (code, out) == (1, "") and words in err


def test_a_failing_file_leaves_nothing_and_names_its_line(cluster, directory):
    (directory / "0007_bad.sql").write_text("CREATE TABLE small.half ();\n\nSELECT nonsense;\n")
    cluster.create("migrate_bad")
    url = cluster.url("migrate_bad")
    code, out, err = migrate(url, directory, "up")
    assert code == 1 and "0006_index.sql applied" in out
    assert '0007_bad.sql failed and was rolled back: column "nonsense" does not exist (SQLSTATE 42703, line 3)' in err
    with cluster.connect("migrate_bad") as connection:
        assert connection.execute("SELECT to_regclass('small.half')").fetchone() == (None,)
    (directory / "0007_bad.sql").write_text("CREATE TABLE small.half ();")
    assert migrate(url, directory, "up")[1].endswith("1 applied\n")


def test_a_file_may_not_end_its_own_transaction(cluster, directory):
    (directory / "0007_commit.sql").write_text("CREATE TABLE small.half ();\nCOMMIT;\n")
    cluster.create("migrate_commit")
    code, _, err = migrate(cluster.url("migrate_commit"), directory, "up")
    assert code == 1 and "ends its own transaction" in err


def test_a_lock_that_is_held_is_waited_for_and_then_named(cluster, directory):
    cluster.create("migrate_locked")
    url = cluster.url("migrate_locked")
    assert migrate(url, directory, "up")[0] == 0
    (directory / "0007_column.sql").write_text("ALTER TABLE small.person ADD COLUMN born date;")
    with psycopg.connect(url) as reader:
        reader.execute("SELECT count(*) FROM small.person")
        code, _, err = migrate(url, directory, "up", "--lock-timeout", "1")
        assert code == 1 and "0007_column.sql failed" in err and "run smile-migrate up again" in err
    assert migrate(url, directory, "up")[0] == 0


def test_new_makes_the_next_file(directory):
    code, out, _ = migrate("", directory, "new", "add_things")
    assert (code, out) == (0, f"{directory}/0007_add_things.sql\n")
    assert pathlib.Path(out.strip()).read_text().startswith("-- ")
    assert migrate("", directory, "new", "Bad-Name")[0] == 1


@pytest.mark.parametrize("arguments", [(), ("down",), ("up", "now"), ("up", "--fast"), ("new",)])
def test_what_is_not_understood_gets_the_usage(arguments, directory):
    code, out, err = migrate("host=/nowhere", directory, *arguments)
    assert (code, out) == (2, "") and err.startswith("usage: smile-migrate up | status | verify | new NAME")


def test_without_a_database_it_says_so(directory):
    code, _, err = migrate("host=/nowhere", directory, "up")
    assert code == 1 and "can't be reached" in err
    assert "DATABASE_URL is not set" in migrate("", directory, "up")[2]


# Two at once -------------------------------------------------------------------------------------------------------


def test_a_second_one_waits_for_the_first(cluster, directory, fresh):
    """Also while the first builds an index concurrently, which waits for every transaction that is open."""
    (directory / "0003_slow.sql").write_text("SELECT pg_sleep(1);")
    cluster.create("migrate_two")
    url = cluster.url("migrate_two")
    running = [start(url, directory, "up") for _ in range(4)]
    results = [process.communicate(timeout=60) + (process.returncode,) for process in running]
    assert all(code == 0 for _, _, code in results), results
    assert sorted(out.splitlines()[-1] for out, _, _ in results) == ["5 applied"] + ["nothing to do"] * 3
    assert sum("another migration is running" in out for out, _, _ in results) == 3
    assert schema(cluster, "migrate_two")[0] == fresh[0]


# Interruptions -----------------------------------------------------------------------------------------------------


@pytest.fixture
def empty(cluster, request):
    """empty(): the database of this test, as it was before any migration. Much cheaper than a new one each time."""
    database = "migrate_" + re.sub(r"\W+", "_", request.node.name)[-40:].lower()
    cluster.create(database)

    def make():
        with cluster.connect(database) as connection:
            connection.execute("DROP SCHEMA IF EXISTS small, smile_migration CASCADE")
        return database

    return make


def interrupted_at(number, cluster, database, directory):
    """Ends the session after its number-th DDL statement; False when there were fewer."""
    with cluster.connect(database) as connection:
        connection.execute(f"ALTER DATABASE {database} SET test.end_at = '{number}'")
        connection.execute(COUNTED)
    code, _, err = migrate(cluster.url(database), directory, "up")
    with cluster.connect(database) as connection:
        connection.execute(UNCOUNTED)
        connection.execute(f"ALTER DATABASE {database} RESET test.end_at")
    assert code == 0 or "terminat" in err or "can't be reached" in err or "closed" in err, err
    return code != 0


def completes(cluster, database, directory, wanted):
    code, _, err = migrate(cluster.url(database), directory, "up")
    assert code == 0, err
    assert schema(cluster, database) == wanted


def test_an_interruption_at_every_statement(cluster, directory, fresh, empty):
    number = 1
    while interrupted_at(number, cluster, database := empty(), directory):
        completes(cluster, database, directory, fresh)
        number += 1
    assert number > 10, "the small migrations have more statements than that"


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_interruptions_all_over_the_product(cluster, migrated):
    """Every 20th statement of the real migrations, from a start that SEED chooses; EVERY=1 takes them all."""
    seed, every = int(os.environ.get("SEED", "7")), int(os.environ.get("EVERY", "20"))
    print(f"SEED={seed} EVERY={every}")
    directory = pathlib.Path(__file__).resolve().parents[2] / "Migrations"
    wanted, number, interrupted = schema(cluster, migrated), 1 + seed % every, True
    while interrupted:
        database = f"product_at_{number}"
        cluster.create(database)
        interrupted = interrupted_at(number, cluster, database, directory)
        completes(cluster, database, directory, wanted)
        with cluster.connect("postgres") as connection:
            connection.execute(f"DROP DATABASE {database} WITH (FORCE)")
        number += every
    assert number > 100


class CountingProxy:
    """A relay to the cluster's socket that cuts the client's line at its n-th message: before it, or on its reply."""

    def __init__(self, path, number, on_reply):
        self.path, self.number, self.on_reply = path, number, on_reply
        self.count, self.struck = 0, False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        client, _ = self.listener.accept()
        upstream = socket.socket(socket.AF_UNIX)
        upstream.connect(self.path)
        threading.Thread(target=self.answer, args=(upstream, client), daemon=True).start()
        with contextlib.suppress(OSError):
            while data := client.recv(65_536):
                self.count += 1
                if self.count == self.number:
                    self.struck = True
                    if not self.on_reply:
                        break
                upstream.sendall(data)
        self.cut(client, upstream)

    def answer(self, upstream, client):
        with contextlib.suppress(OSError):
            while data := upstream.recv(65_536):
                if self.struck:
                    break
                client.sendall(data)
        self.cut(client, upstream)

    @staticmethod
    def cut(*sockets):
        for one in sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


@pytest.mark.parametrize("on_reply", [False, True], ids=["before", "reply"])
def test_a_line_cut_at_every_message(on_reply, cluster, directory, fresh, empty):
    number = 1
    while True:
        database = empty()
        proxy = CountingProxy(f"{cluster.home}/.s.PGSQL.5432", number, on_reply)
        url = f"host=127.0.0.1 port={proxy.port} dbname={database} user=postgres sslmode=disable gssencmode=disable"
        code, _, err = migrate(url, directory, "up")
        completes(cluster, database, directory, fresh)
        if code == 0:   # only the farewell was cut, or nothing
            break
        assert proxy.struck and err
        number += 1
    assert number > 25


def test_a_half_built_index_is_found_and_built_again(cluster, directory, fresh):
    cluster.create("migrate_index")
    url = cluster.url("migrate_index")
    text = (directory / "0006_index.sql").read_text()
    (directory / "0006_index.sql").unlink()
    assert migrate(url, directory, "up")[0] == 0
    (directory / "0006_index.sql").write_text(text)
    with cluster.connect("migrate_index") as connection:
        connection.execute("INSERT INTO small.person VALUES (1001, 'person 1')")
        code, _, err = migrate(url, directory, "up")
        assert code == 1 and "0006_index.sql failed" in err and "person_name_once" in err
        assert connection.execute("SELECT count(*) FROM pg_index WHERE NOT indisvalid").fetchone() == (1,)
        connection.execute("DELETE FROM small.person WHERE id = 1001")
    code, out, err = migrate(url, directory, "up")
    assert code == 0 and "dropping the invalid index small.person_name_once" in out, err
    assert schema(cluster, "migrate_index") == fresh
