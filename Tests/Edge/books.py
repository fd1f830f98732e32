"""The agency's books, of which every test leaves the sum at zero."""


def judge_books(connection):
    """Whatever was done, the ledger sums up to nothing, as a whole and for each transaction."""
    assert connection.execute("SELECT smile.ledger_sum()").fetchone() == (0,)
    assert connection.execute(
        "SELECT count(*) FROM (SELECT FROM smile.posting GROUP BY transaction_id HAVING sum(amount) <> 0) AS t"
        ).fetchone() == (0,)
    assert connection.execute("SELECT count(*) FROM smile.return_staging").fetchone() == (0,)
