"""How many statements a return costs the database never depends on how many lines it has, those inside of functions
counted too: pg_stat_statements sees them all. Only PostgreSQL's own looks at foreign keys are a row each."""
import pytest

from client import Client
from payroll import HEADER, Payroll, line
from test_jobs import eventually
from test_return_jobs import asleep

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
    """Calls of statements by our roles, definer functions' too, by their ids: the text of one depends on who plans it
    first, since only a statement that is parsed anew comes with placeholders. `texts` has one of each."""

    def __init__(self, connection):
        self.connection, self.texts = connection, {}

    def during(self, work):
        self.connection.execute("SELECT pg_stat_statements_reset()")
        work()
        rows = self.connection.execute(
            "SELECT queryid, min(query), sum(calls)::bigint FROM pg_stat_statements AS s"
            " JOIN pg_roles AS r ON r.oid = s.userid"
            " WHERE r.rolname LIKE 'smile%' AND query NOT LIKE '%FOR KEY SHARE OF x'"
            # Not BEGIN and the like, which a worker says on its other connections too.
            " AND query LIKE '%smile.%' GROUP BY queryid").fetchall()
        self.texts |= {query: text for query, text, _ in rows}
        return {query: calls for query, _, calls in rows}


def some_of_each(size):
    """New people, a warning, an error, back pay, a worker twice."""
    same = line(5_000_000)
    return [line(5_000_000 + each, key=f"K{each}") for each in range(size - 5)] + [
        line(0), line("x"), line(1, back_pay="1000000,2025-08"), same, same]


def differing(counter, few, many):
    return {counter.texts[query]: (few.get(query), many.get(query))
            for query in few.keys() | many.keys() if few.get(query) != many.get(query)}


def test_statements_do_not_depend_on_lines(own):
    """Of an upload, a finalisation and a payment; the jobs process, which has other work besides, sleeps meanwhile."""
    server, actors = own
    bank = Client(server, actors.bank()["token"])
    loading, finalising, paying = {}, {}, {}
    with server.cluster.connect(server.database) as connection:
        counter = Counter(connection)
        for size in SIZES:
            payroll = Payroll(Client(server), actors.payroll(), bank)
            opened = payroll.open("2026-10")["id"]
            rows = some_of_each(size)
            payroll.send(opened, rows)   # 1,000 and more by a job
            text = "\n".join([HEADER, *rows]).encode()

            def load():
                payroll.client.put(f"/v1/returns/{opened}/lines?validate_only=true", body=text, headers={
                    "Content-Type": "text/csv"}).expect(200)

            def finalise():
                payroll.client.post(f"/v1/returns/{opened}/finalisation?validate_only=true").expect(200)

            with asleep(server):
                load()   # functions are compiled and plans are made
                finalise()
                loading[size], finalising[size] = counter.during(load), counter.during(finalise)
            billing = payroll.client.get(f"/v1/billings/{payroll.finalise(opened)['billing_id']}").expect(200).json

            def pay():
                bank.post("/v1/payments?validate_only=true", {
                    "payment_code": billing["payment_code"], "amount": billing["amount"],
                    "paid_at": "2026-11-05T01:30:00Z", "bank_reference": "COUNTED"}).expect(200)

            with asleep(server):
                pay()
                paying[size] = counter.during(pay)
    for each in (loading, finalising, paying):
        assert sum(each[10].values()) > 20
    for few, many in ((loading[10], loading[800]), (loading[1_200], loading[4_000]),
                      *((each[10], each[size]) for each in (finalising, paying) for size in SIZES)):
        assert few == many, differing(counter, few, many)
    # What carries the lines is all that differs between few and many.
    work = [{query: times for query, times in each.items() if "return_staging" not in counter.texts[query]
             and "smile.stage_lines(" not in counter.texts[query]} for each in (loading[10], loading[1_200])]
    assert work[0] == work[1]


def test_a_job_s_statements_do_not_depend_on_lines_either(own):
    """Those that the same upload would make at once; the others are the jobs process's looking for work."""
    server, actors = own
    counted = []
    with server.cluster.connect(server.database) as connection:
        counter = Counter(connection)

        def done(answer):
            job = answer.expect(202).json["id"]
            eventually(lambda: connection.execute("SELECT status FROM smile.job WHERE id = %s", [job]
                                                  ).fetchone()[0] == "succeeded")

        for size in (1_200, 4_000):
            payroll = Payroll(Client(server), actors.payroll(), None)
            target = f"/v1/returns/{payroll.open('2026-10')['id']}"
            text = "\n".join([HEADER, *some_of_each(size)]).encode()

            def load(query=""):
                return payroll.client.put(f"{target}/lines{query}", body=text, headers={"Content-Type": "text/csv"})

            load("?validate_only=true").expect(200)
            done(load())
            at_once = counter.during(lambda: load("?validate_only=true").expect(200))
            by_job = counter.during(lambda: done(load()))
            counted.append({query: calls for query, calls in by_job.items() if query in at_once})
    assert len(counted[0]) > 10 and counted[0] == counted[1], differing(counter, *counted)
