"""A bank's statement of a day: what notices missed is booked, what is known changes nothing, nothing sinks the file."""
import concurrent.futures
import hashlib
import itertools
import os
import random

import pytest

from client import Client, new_key
from payroll import balanced, bank, line, nik, payroll, Payroll  # noqa: F401
from test_payments import (UNKNOWN, accounts, billed, billing, credit, months, notify, officer,  # noqa: F401
                           reference, resolve, reverse)
from test_signatures import Bank

HEADER = "type,bank_reference,payment_code,amount,at,reason"
WHEN = "2026-11-05T01:00:00Z"
days = itertools.count()


def day():
    """A day whose statement this module hasn't sent yet."""
    number = next(days)
    return f"{2000 + number // 28}-01-{number % 28 + 1:02}"


def paid(about, ref, amount=None, at=WHEN):
    code = about if isinstance(about, str) else about["payment_code"]
    return f"payment,{ref},{code},{about['amount'] if amount is None else amount},{at},"


def taken_back(ref, amount, at="2026-11-05T01:30:00Z", reason="bank_error"):
    return f"reversal,{ref},,{amount},{at},{reason}"


def total(rows):
    fields = [row.split(",") for row in rows]
    return sum(int(f[3]) * (1 if f[0] == "payment" else -1) for f in fields)


def send(bank, rows, status=201, code_=None, date=None, count=None, amount=None, more="", **headers):
    body = "\n".join([HEADER, *rows]) + "\n"
    query = (f"statement_date={date or day()}&count={len(rows) if count is None else count}"
             f"&amount={total(rows) if amount is None else amount}{more}")
    return bank.post(f"/v1/payment_statements?{query}", body=body.encode(), key=True,
                     headers={"Content-Type": "text/csv"} | headers).expect(status, code_)


def outcomes(answer):
    return [(item["outcome"], *(e["code"] for e in item.get("errors", []))) for item in answer.json["items"]]


def test_a_missed_payment_is_booked_as_a_notice_books_it(payroll, bank, db):
    one, other = billed(payroll, "2026-10"), billed(payroll, "2026-11")
    told = notify(bank, one["payment_code"], one["amount"])
    ref = reference()
    rows = [paid(one, told["bank_reference"]), paid(other, ref)]
    answer = send(bank, rows)
    assert outcomes(answer) == [("known",), ("posted",)]
    assert [item["row"] for item in answer.json["items"]] == [1, 2]
    assert answer.json["items"][0]["payment_id"] == told["id"]
    assert answer.json["outcomes"]["known"] == answer.json["outcomes"]["posted"] == 1
    assert answer.json["content_sha256"] == hashlib.sha256(("\n".join([HEADER, *rows]) + "\n").encode()).hexdigest()
    assert billing(payroll, other)["status"] == "paid" and months(db, payroll) == 2 and credit(payroll) == 0
    # The notice that comes after all, a minute off: the same payment.
    late = notify(bank, other["payment_code"], other["amount"], 200, ref=ref, paid_at="2026-11-05T01:01:00Z")
    assert late["settled"] and late["applied"] == other["amount"]
    notify(bank, other["payment_code"], other["amount"] + 1, 409, ref=ref, code_="bank_reference_used")
    notify(bank, other["payment_code"], other["amount"], 409, ref=ref, paid_at="2026-11-04T01:01:00Z")
    assert months(db, payroll) == 2 and credit(payroll) == 0
    fetched = bank.get(f"/v1/payment_statements/{answer.json['id']}").expect(200).json
    assert fetched == answer.json


def test_the_same_file_again_changes_nothing(payroll, bank, db):
    about, date = billed(payroll), day()
    rows = [paid(about, reference())]
    first = send(bank, rows, date=date)
    before = accounts(db, payroll)
    assert send(bank, rows, 200, date=date).json == first.json
    send(bank, rows + [paid(about, reference())], 409, "statement_exists", date=date)
    assert outcomes(send(bank, rows)) == [("known",)]   # told again by another day's
    assert accounts(db, payroll) == before


def test_one_bad_row_never_sinks_the_file(payroll, bank, db):
    about = billed(payroll)
    good = reference()
    rows = ["payment,A1,10000000001,5,2026-11-05T01:00:00Z,", f"payment,A2,{UNKNOWN},-5,yesterday,",
            f"refund,A3,{UNKNOWN},5,{WHEN},", "payment,A4", f"payment,a b,{UNKNOWN},5,{WHEN},", paid(about, good),
            f"payment,A5,{UNKNOWN},5,2026-11-05T02:06:00Z,", f'payment,"A6,{UNKNOWN},5,{WHEN},',]
    answer = send(bank, rows, amount=0)
    assert outcomes(answer) == [
        ("rejected", "invalid_payment_code"), ("rejected", "out_of_range", "invalid_format"),
        ("rejected", "not_allowed"), ("rejected", "field_count_differs"), ("rejected", "invalid_format"), ("posted",),
        ("rejected", "instant_lies_ahead"), ("rejected", "line_malformed")]
    assert "amount" not in answer.json["counted"] and answer.json["counted"]["count"] == 8
    assert billing(payroll, about)["status"] == "paid"


def test_control_totals_that_differ_refuse_the_file_as_a_whole(payroll, bank, db):
    about, date = billed(payroll), day()
    rows = [paid(about, reference())]
    found = send(bank, rows, 422, "control_totals_differ", date=date, count=2)
    assert [e["parameter"] for e in found.json["errors"]] == ["count"]
    found = send(bank, rows, 422, "control_totals_differ", date=date, amount=about["amount"] - 1)
    assert [e["parameter"] for e in found.json["errors"]] == ["amount"]
    assert billing(payroll, about)["status"] == "unpaid"
    send(bank, rows, date=date)   # nothing of it was kept
    assert billing(payroll, about)["status"] == "paid"


def test_what_disagrees_waits_for_an_officer(payroll, bank, officer, db):
    about = billed(payroll)
    told = notify(bank, about["payment_code"], about["amount"])
    before = accounts(db, payroll)
    unknown, again = reference(), reference()
    answer = send(bank, [paid(about, told["bank_reference"], about["amount"] + 1), paid(UNKNOWN, unknown, 700),
                         paid(about, again), taken_back(told["bank_reference"], 5), taken_back("NEVER-SEEN", 9)])
    assert outcomes(answer) == [
        ("exception", "statement_differs"), ("exception", "payment_code_unknown"),
        ("exception", "billing_already_paid"), ("exception", "reversal_differs"), ("awaiting_payment",)]
    assert accounts(db, payroll)["payable.employer_credit"] == -about["amount"]   # the second payment
    queue = officer.get("/v1/payment_exceptions?status=open&limit=200").expect(200).json["items"]
    mine = [e for e in queue if e.get("statement", {}).get("id") == answer.json["id"]]
    assert sorted((e["statement"]["row"], e["reason"]) for e in mine) == [
        (1, "statement_differs"), (4, "reversal_differs"), (5, "reversal_without_payment")]
    resolve(officer, mine[0]["id"], 422, "action_not_possible", action="return")
    resolve(officer, mine[0]["id"], 400, action="dismiss")
    done = resolve(officer, mine[0]["id"], action="dismiss", reason="The bank says that its notice was right.")
    assert (done["resolution"], done["dismissal_reason"]) == ("dismissed", "The bank says that its notice was right.")
    resolve(officer, mine[0]["id"], 409, "exception_already_resolved", action="dismiss", reason="Again.")
    reverse(bank, answer.json["items"][2]["payment_id"])
    assert accounts(db, payroll) == before


def test_a_reversal_may_come_before_its_payment(payroll, bank, officer, db):
    about, ref = billed(payroll), reference()
    before = accounts(db, payroll)
    answer = send(bank, [taken_back(ref, about["amount"])])
    assert outcomes(answer) == [("awaiting_payment",)]
    made = notify(bank, about["payment_code"], about["amount"], ref=ref)
    assert made["reversed_at"] == "2026-11-05T01:30:00+00:00" and not made["settled"]
    assert accounts(db, payroll) == before and months(db, payroll) == 0
    done = officer.get("/v1/payment_exceptions?status=resolved&limit=200").expect(200).json["items"]
    assert next(e for e in done if e.get("statement", {}).get("id") == answer.json["id"])["resolution"] == "reversed"


def test_a_payment_and_its_reversal_in_one_file_and_rows_twice(payroll, bank, db):
    about, ref = billed(payroll), reference()
    before = accounts(db, payroll)
    answer = send(bank, [taken_back(ref, about["amount"]), paid(about, ref), paid(about, ref), paid(about, ref, 7),
                         taken_back(ref, about["amount"]), taken_back(ref, 7)])
    assert outcomes(answer) == [("reversed",), ("posted",), ("known",), ("exception", "statement_differs"),
                                ("known",), ("exception", "reversal_differs")]
    assert accounts(db, payroll) == before and months(db, payroll) == 0
    early = reference()
    assert outcomes(send(bank, [paid(about, early), taken_back(early, about["amount"], "2026-11-05T00:59:00Z")])) == [
        ("posted",), ("rejected", "reversed_before_paid")]


def test_a_reversal_that_fits_is_found_among_those_that_do_not(payroll, bank, db):
    """Other amounts and other moments take no place: in one file, in several, before the payment and after it."""
    about = billed(payroll)
    before = accounts(db, payroll)
    told = notify(bank, about["payment_code"], about["amount"])
    ref, amount = told["bank_reference"], about["amount"]
    answer = send(bank, [taken_back(ref, 5), taken_back(ref, amount, "2026-11-05T00:59:00Z"), taken_back(ref, amount),
                         taken_back(ref, amount, "2026-11-05T01:31:00Z")])
    assert outcomes(answer) == [("exception", "reversal_differs"), ("rejected", "reversed_before_paid"), ("reversed",),
                                ("known",)]
    assert accounts(db, payroll) == before
    later = reference()
    early = "2026-11-05T00:59:00Z"   # before the payment was made
    waiting = send(bank, [taken_back(later, 5), taken_back(later, amount, early), taken_back(later, 5)])
    assert outcomes(waiting) == [("awaiting_payment",), ("awaiting_payment",), ("known",)]
    made = notify(bank, about["payment_code"], amount, ref=later)
    assert made["settled"] and "reversed_at" not in made
    reasons = db.execute("SELECT array_agg(reason ORDER BY reason) FROM smile.payment_exception WHERE payment_id = %s",
                         [made["id"]]).fetchone()[0]
    assert reasons == ["reversal_differs", "reversal_without_payment"]
    assert db.execute("SELECT array_agg(DISTINCT resolution) FROM smile.payment_exception WHERE statement_id = %s",
                      [waiting.json["id"]]).fetchone()[0] == ["reversed"]
    back = reverse(bank, made["id"])
    assert reverse(bank, made["id"], 200) == back
    assert outcomes(send(bank, [taken_back(later, amount), taken_back(later, 6)])) == [
        ("known",), ("exception", "reversal_differs")]
    assert accounts(db, payroll) == before and months(db, payroll) == 0


def test_a_mark_other_line_ends_and_a_line_of_a_mebibyte_cost_no_row(payroll, bank, db):
    about, other = billed(payroll, "2026-10"), billed(payroll, "2026-11")
    rows = [paid(about, reference()).encode(), b"payment," + b"9" * (1 << 20), b'payment,"' + b"9" * (1 << 20),
            b"payment,\xff\xfe," + b",,,", paid(other, reference()).encode()]
    body = b"\xef\xbb\xbf" + HEADER.encode() + b"\r\n" + b"\r\n".join(rows)   # and no line end at the end
    answer = bank.post(f"/v1/payment_statements?statement_date={day()}&count=5&amount=0", body=body, key=True,
                       headers={"Content-Type": "text/csv"}).expect(201)
    assert [row[:2] for row in outcomes(answer)] == [
        ("posted",), ("rejected", "line_too_long"), ("rejected", "line_too_long"), ("rejected", "encoding_invalid"),
        ("posted",)]
    assert [billing(payroll, b)["status"] for b in (about, other)] == ["paid", "paid"]
    shuffled = "reason,at,amount,payment_code,bank_reference,type\n,2026-11-05T01:00:00Z,7,"
    answer = bank.post(f"/v1/payment_statements?statement_date={day()}&count=1&amount=7", key=True, body=(
        f"{shuffled}{about['payment_code']},{reference()},payment\n").encode(), headers={"Content-Type": "text/csv"})
    assert outcomes(answer.expect(201)) == [("exception", "billing_already_paid")]


def test_two_files_of_one_day_at_once_are_one(server, payroll, bank, db):
    """Different ones: the first is that day's, the other is refused whole."""
    about, date = billed(payroll), day()
    files = [f"{HEADER}\n{paid(about, reference(), 1_000 + n)}\n".encode() for n in range(4)]

    def act(number):
        with Client(server, bank.token) as client:
            return client.post(
                f"/v1/payment_statements?statement_date={date}&count=1&amount={1_000 + number}", body=files[number],
                key=True, headers={"Content-Type": "text/csv"}).status

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(act, range(4))) == [201, 409, 409, 409]
    assert db.execute("SELECT count(*) FROM smile.payment WHERE employer_id = %s", [payroll.employer_id]
                      ).fetchone() == (1,)


@pytest.mark.parametrize("query, status", [
    ("statement_date=2026-11-05&count=0", 400), ("count=0&amount=0", 400), ("statement_date=2026-11-05&amount=0", 400),
    ("statement_date=2026-02-30&count=0&amount=0", 400), ("statement_date=2026-11-05&count=-1&amount=0", 400),
    ("statement_date=2026-11-05&count=0&amount=1.5", 400), ("statement_date=2026-11-06&count=0&amount=0", 422)])
def test_what_is_announced(bank, query, status):
    bank.post(f"/v1/payment_statements?{query}", body=HEADER.encode(), key=True, headers={"Content-Type": "text/csv"}
              ).expect(status)


@pytest.mark.parametrize("body, codes", [
    (b"", ["malformed_header"]), (b"type,amount\n", ["missing_column"] * 4),
    (HEADER.encode() + b",type,colour\n", ["repeated_column", "unknown_column"])])
def test_a_header_that_is_none(bank, body, codes):
    found = bank.post(f"/v1/payment_statements?statement_date={day()}&count=0&amount=0", body=body, key=True,
                      headers={"Content-Type": "text/csv"}).expect(400)
    assert [e["code"] for e in found.json["errors"]] == codes


def test_a_statement_is_its_own_banks(api, actors, bank, officer, payroll):
    sent = send(bank, [])
    assert sent.json["items"] == [] and sent.json["counted"] == {"count": 0, "amount": 0}
    stranger = api.acting(actors.bank()["token"])
    stranger.get(f"/v1/payment_statements/{sent.json['id']}").expect(404)
    assert officer.get(f"/v1/payment_statements/{sent.json['id']}").expect(200).json == sent.json
    payroll.client.get(f"/v1/payment_statements/{sent.json['id']}").expect(403)
    send(stranger, [], date=sent.json["statement_date"])   # another bank's day


def test_a_statement_is_signed(api, actors, payroll, bank):
    clients = actors.once("client officer", lambda: actors.officer("manage_clients"))
    actors.prove(clients["token"])
    signing = Bank(api, actors, api.acting(clients["token"]))
    about = billed(payroll)
    row = paid(about, reference())
    path = f"/v1/payment_statements?statement_date={day()}&count=1&amount={about['amount']}"
    body = f"{HEADER}\n{row}\n".encode()
    csv = {"Content-Type": "text/csv"}
    signing.client.post(path, body=body, key=True, headers=csv | {"webhook-id": None}).expect(403, "signature_required")
    signing.send(403, "invalid_signature", key="whsec_" + "A" * 43 + "=", path=path, body=body, **csv)
    assert billing(payroll, about)["status"] == "unpaid"
    signing.send(201, path=path, body=body, message_id="stmt_1", **csv)
    assert billing(payroll, about)["status"] == "paid"
    signing.send(200, path=path, body=body, message_id="stmt_1", **csv)
    signing.send(409, "message_id_used", path=path, body=body + row.replace(",PAY", ",QAY").encode() + b"\n",
                 message_id="stmt_1", **csv)


def test_a_large_statement_is_a_job(payroll, bank, db):
    about, ref, date = billed(payroll), reference(), day()
    rows = [paid(about, f"{ref}-{n}", 1) for n in range(999)] + [paid(about, ref, about["amount"] - 999)]
    job = send(bank, rows, 202, date=date)
    assert job.headers["location"] == f"/v1/jobs/{job.json['id']}" and job.json["kind"] == "reconcile_statement"
    done = bank.get(job.headers["location"], headers={"Prefer": "wait=10"}).expect(200).json
    assert done["status"] == "succeeded" and done["result"]["outcomes"] == {
        "posted": 1000, "reversed": 0, "known": 0, "awaiting_payment": 0, "exception": 0, "rejected": 0}
    found = bank.get(f"/v1/payment_statements/{done['result']['statement_id']}?limit=200&after=900").expect(200).json
    assert [item["row"] for item in found["items"]] == list(range(901, 1001)) and "next_after" not in found
    assert billing(payroll, about)["status"] == "paid"
    again = send(bank, rows, 200, date=date)
    assert len(again.json["items"]) == 1000 and again.json["status"] == "processed"
    waited = send(bank, rows, Prefer="wait=10")
    assert waited.json["outcomes"]["known"] == 1000 and waited.headers["preference-applied"] == "wait=10"


def test_a_rehearsed_statement_leaves_no_trace(payroll, bank, db):
    about, date, ref = billed(payroll), day(), reference()
    before = accounts(db, payroll)
    told = send(bank, [paid(about, ref)], 200, date=date, more="&validate_only=true")
    assert outcomes(told) == [("posted",)] and accounts(db, payroll) == before
    assert outcomes(send(bank, [paid(about, ref)], date=date)) == [("posted",)]


def test_the_same_file_and_its_notices_at_once(server, payroll, bank, db):
    """A statement of twenty payments, sent four times, while their notices come in."""
    about, date = billed(payroll), day()
    rows = [paid(about, reference(), 1_000) for _ in range(20)]
    body = "\n".join([HEADER, *rows]).encode()

    def act(turn):
        with Client(server, bank.token) as client:
            if turn % 6 == 0:
                return client.post(f"/v1/payment_statements?statement_date={date}&count=20&amount=20000", body=body,
                                   key=True, headers={"Content-Type": "text/csv"}).status
            _, ref, code, amount, at, _ = rows[turn % 20].split(",")
            return client.post("/v1/payments", {"payment_code": code, "amount": int(amount), "paid_at": at,
                                                "bank_reference": ref}, key=True).status

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(act, range(24)))
    assert answers <= {200, 201}
    assert billing(payroll, about)["received_amount"] == 20_000
    assert db.execute("SELECT count(*) FROM smile.payment WHERE employer_id = %s", [payroll.employer_id]
                      ).fetchone() == (20,)


def test_a_job_that_fails_for_good_lets_the_bank_send_the_day_again(payroll, bank, db):
    sent = send(bank, []).json["id"]
    with db.transaction(force_rollback=True):
        job = db.execute("INSERT INTO smile.job (kind, status) VALUES ('reconcile_statement', 'running') RETURNING id"
                         ).fetchone()[0]
        db.execute("UPDATE smile.payment_statement SET job_id = %s, processed_at = NULL WHERE id = %s", [job, sent])
        db.execute("SELECT smile.fail_job(%s, 'internal_error', false)", [job])
        assert db.execute("SELECT count(*) FROM smile.payment_statement WHERE id = %s", [sent]).fetchone() == (0,)


class Story:
    """What an employer does, always in this order: three months are billed, and two of them corrected."""

    def __init__(self, payroll):
        self.payroll, self.persons, self.bills = payroll, {}, []
        self.steps = [lambda: self.bill("2026-09"), lambda: self.bill("2026-10"), lambda: self.revise("2026-10", 14),
                      lambda: self.bill("2026-11"), lambda: self.revise("2026-09", 9)]

    def go_on(self):
        self.steps.pop(0)()

    def code(self, number):
        """Of the billing with this number, which is issued for it if need be: September, October, what more October
        costs, November."""
        while len(self.bills) <= number:
            self.go_on()
        return self.bills[number]["payment_code"]

    def bill(self, period):
        self.persons[period] = nik()
        self.finalise(self.payroll.open(period), period, 12)

    def revise(self, period, millions):
        self.finalise(self.payroll.open(period, "revised", reason="Upah salah tulis"), period, millions)

    def finalise(self, opened, period, millions):
        self.payroll.send(opened["id"], [line(millions * 1_000_000, number=self.persons[period])])
        done = self.payroll.finalise(opened["id"])
        if "billing_id" in done:
            self.bills.append(billing(self.payroll, {"id": done["billing_id"]}))


def test_any_order_of_notices_statements_and_reversals_ends_in_the_same_balances(api, actors, db):
    """Random payments of three months (one late), of a correction, and of codes that nobody gave out, some taken back:
    each employer's bank tells of them in another order, by notices, statements or both, more than once, with reversals
    among them that fit no payment, and between the employer's own returns and revisions."""
    seed = int(os.environ.get("SEED", random.randrange(2**32)))
    print(f"SEED={seed}")
    rng = random.Random(seed)
    facts = [(f"F{n}", rng.choice([0, 1, 2, 3, 3, None]), rng.randrange(1, 1_400_000),
              f"2026-{rng.choice(['10-10', '10-20', '11-01'])}T01:00:{n:02}Z", rng.random() < 0.4) for n in range(10)]
    ends = []
    for turn in range(4):
        actor = actors.bank()
        bank = api.acting(actor["token"])
        payroll = Payroll(api, actors.payroll(), bank)
        story = Story(payroll)
        told = [(kind, fact) for fact in facts for kind in ("payment", *(["reversal"] if fact[4] else []))]
        told += rng.choices(told, k=6)   # told again
        told += [(kind, fact) for fact in rng.choices(facts, k=6) for kind in ("other amount", "too early")]
        rng.shuffle(told)
        known, waiting = {}, []
        for kind, (ref, which, amount, at, _) in told:
            while story.steps and rng.random() < 0.2:
                story.go_on()
            code = UNKNOWN if which is None else story.code(which)
            if kind == "payment" and rng.random() < 0.5:
                known[ref] = bank.post("/v1/payments", {"payment_code": code, "amount": amount, "paid_at": at,
                                                        "bank_reference": ref}, key=True).json["id"]
            elif kind == "reversal" and ref in known and rng.random() < 0.5:
                assert bank.post(f"/v1/payments/{known[ref]}/reversal", {
                    "reason": "bank_error", "reversed_at": "2026-11-05T01:30:00Z"}, key=True).status in (200, 201)
            else:
                waiting.append({
                    "payment": lambda: paid(code, ref, amount, at), "reversal": lambda: taken_back(ref, amount),
                    "other amount": lambda: taken_back(ref, amount + 1),
                    "too early": lambda: taken_back(ref, amount, "2026-10-09T00:00:00Z")}[kind]())
            if waiting and rng.random() < 0.3:
                send(bank, waiting)
                waiting = []
        while story.steps:
            story.go_on()
        send(bank, waiting)
        last = [billing(payroll, b) for b in story.bills]
        suspense = db.execute("""
            SELECT coalesce(sum(x.amount), 0)::bigint FROM smile.posting AS x
            JOIN smile.ledger_transaction AS t ON t.id = x.transaction_id
            JOIN smile.payment AS p ON p.id = t.subject_id
            WHERE p.client_id = %s AND x.account = 'payable.suspense'""", [actor["id"]]).fetchone()
        jht = db.execute("""
            SELECT array_agg(t.amount ORDER BY t.amount) FROM (
              SELECT sum(x.amount)::bigint AS amount FROM smile.posting AS x
              WHERE x.employer_id = %s AND x.account = 'fund.jht' GROUP BY x.member_id) AS t
            WHERE t.amount <> 0""", [payroll.employer_id]).fetchone()
        ends.append(([(b["received_amount"], b["paid_amount"], b["paid_by_credit"], b["status"], b["fine_amount"],
                       b["fine_paid_amount"], b.get("paid_at")) for b in last],
                     credit(payroll), accounts(db, payroll), months(db, payroll), suspense, jht))
        wanted = [0] * len(story.bills)   # what stands of each code, by the facts alone
        for _, which, amount, _, is_reversed in facts:
            if which is not None and not is_reversed:
                wanted[which] += amount
        assert [b["received_amount"] for b in last] == wanted, f"SEED={seed}"
    assert all(end == ends[0] for end in ends), f"SEED={seed}: {ends}"


def test_whatever_moved_money_left_an_audit_row(payroll, bank, db):
    """Of all that the tests of this run did so far: no transaction of the ledger without a row of the audit log that
    was written together with it."""
    about = billed(payroll)
    reverse(bank, notify(bank, about["payment_code"], about["amount"])["id"])
    send(bank, [paid(about, reference())])
    silent = db.execute("""
        SELECT DISTINCT t.kind FROM smile.ledger_transaction AS t
        WHERE NOT EXISTS (SELECT FROM smile.audit_log AS a WHERE a.xmin = t.xmin)
          -- What tests book by themselves has no caller.
          AND NOT EXISTS (SELECT FROM smile.ledger_transaction AS o
            WHERE o.xmin = t.xmin AND (o.kind = 'test_balance' OR o.subject_kind = 'test'))""").fetchall()
    assert silent == []
