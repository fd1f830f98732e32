"""How many statements a return costs the database never depends on how many lines it has, those inside of functions
counted too: pg_stat_statements sees them all. Only PostgreSQL's own looks at foreign keys are a row each."""
import pytest

from client import Client
from payroll import HEADER, Payroll, line
from test_jobs import eventually

# Up to 64 KiB one value carries the lines, beyond that a COPY does.
SIZES = (10, 800, 1_200, 4_000)


@pytest.fixture(scope="module")
def own(make_server, actors_on):
    server = make_server(start=False, cluster_of_its_own=True)
    with server.cluster.connect("postgres") as connection:
        connection.execute("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")
    server.cluster.stop()
    server.cluster.start()
    with server.cluster.connect(server.database) as connection:
        connection.execute("CREATE EXTENSION pg_stat_statements")
        connection.execute("ALTER SYSTEM SET pg_stat_statements.track = 'all'")
        connection.execute("SELECT pg_reload_conf()")
    server.start()
    with server.cluster.connect(server.database) as connection:   # its functions are counted as the server's are
        eventually(lambda: connection.execute("SELECT FROM smile.job WHERE status = 'succeeded'").rowcount)
    return server, actors_on(server)


class Counter:
    """Calls of statements by the server's role, by their ids: the text of one depends on who plans it first, since only
    a statement that is parsed anew comes with placeholders. `texts` has one of each."""

    def __init__(self, connection):
        self.connection, self.texts = connection, {}

    def during(self, work):
        self.connection.execute("SELECT pg_stat_statements_reset()")
        work()
        rows = self.connection.execute(
            "SELECT queryid, min(query), sum(calls)::bigint FROM pg_stat_statements AS s"
            " JOIN pg_roles AS r ON r.oid = s.userid"
            " WHERE r.rolname IN ('smile_api', 'smile_owner') AND query NOT LIKE '%FOR KEY SHARE OF x'"
            # Not BEGIN and the like, which a worker says on its other connections too.
            " AND query LIKE '%smile.%' GROUP BY queryid").fetchall()
        self.texts |= {query: text for query, text, _ in rows}
        return {query: calls for query, _, calls in rows}


def test_statements_do_not_depend_on_lines(own):
    server, actors = own
    loading, finalising = {}, {}
    with server.cluster.connect(server.database) as connection:
        counter = Counter(connection)
        for size in SIZES:
            payroll = Payroll(Client(server), actors.payroll(), None)
            opened = payroll.open("2026-10")["id"]
            # Some of each kind: new people, a warning, an error, back pay, a worker twice.
            same = line(5_000_000)
            rows = [line(5_000_000 + each, key=f"K{each}") for each in range(size - 5)] + [
                line(0), line("x"), line(1, back_pay="1000000,2025-08"), same, same]
            payroll.send(opened, rows)   # 1,000 and more by a job
            text = "\n".join([HEADER, *rows]).encode()

            def load():
                payroll.client.put(f"/v1/returns/{opened}/lines?validate_only=true", body=text, headers={
                    "Content-Type": "text/csv"}).expect(200)

            def finalise():
                payroll.client.post(f"/v1/returns/{opened}/finalisation?validate_only=true").expect(200)

            load()   # functions are compiled and plans are made
            finalise()
            loading[size], finalising[size] = counter.during(load), counter.during(finalise)
    assert sum(loading[10].values()) > 20 < sum(finalising[10].values())
    for few, many in ((loading[10], loading[800]), (loading[1_200], loading[4_000]),
                      *((finalising[10], finalising[size]) for size in SIZES)):
        assert few == many, {counter.texts[query]: (few.get(query), many.get(query))
                             for query in few.keys() | many.keys() if few.get(query) != many.get(query)}
    # What carries the lines is all that differs between few and many.
    work = [{query: times for query, times in each.items() if "return_staging" not in counter.texts[query]
             and "smile.stage_lines(" not in counter.texts[query]} for each in (loading[10], loading[1_200])]
    assert work[0] == work[1]
