"""Money that comes in: whichever way and in whichever order it is told of, every rupiah is in one place."""
import concurrent.futures
import itertools
import os
import random

import pytest

from client import Client, new_key
from payroll import balanced, bank, line, payroll, Payroll  # noqa: F401

UNKNOWN = "999999999991"
references = itertools.count(1)


def reference():
    return f"PAY{next(references)}"


def notify(bank, code, amount, status=201, ref=None, paid_at="2026-11-05T01:00:00Z", code_=None, **options):
    return bank.post("/v1/payments", {"payment_code": code, "amount": amount, "paid_at": paid_at,
                                      "bank_reference": ref or reference()}, key=True, **options
                     ).expect(status, code_).json


def reverse(bank, payment, status=201, reason="bank_error", code_=None, **options):
    return bank.post(f"/v1/payments/{payment}/reversal", {"reason": reason, "reversed_at": "2026-11-05T01:30:00Z"},
                     key=True, **options).expect(status, code_).json


def billed(payroll, period="2026-10", wage=12_000_000, kind="regular"):
    opened = payroll.open(period, kind)
    payroll.send(opened["id"], [line(wage)])
    return payroll.client.get(f"/v1/billings/{payroll.finalise(opened['id'])['billing_id']}").expect(200).json


def billing(payroll, about):
    return payroll.client.get(f"/v1/billings/{about['id']}").expect(200).json


def credit(payroll):
    return payroll.client.get(f"/v1/employers/{payroll.employer_id}/billings").expect(200).json["credit"]


def accounts(db, payroll):
    """What the ledger says of an employer, by account."""
    return dict(db.execute("SELECT account, sum(amount)::bigint FROM smile.posting WHERE employer_id = %s "
                           "GROUP BY account HAVING sum(amount) <> 0", [payroll.employer_id]).fetchall())


def months(db, payroll):
    return db.execute("SELECT count(*) FROM smile.contribution WHERE employer_id = %s", [payroll.employer_id]
                      ).fetchone()[0]


@pytest.fixture
def officer(actors, api):
    found = actors.once("billing officer", lambda: actors.officer("manage_billing"))
    actors.prove(found["token"])
    return api.acting(found["token"])


@pytest.fixture
def second(actors, api, officer):
    """Another officer, who lets money move."""
    found = actors.once("second billing officer", lambda: actors.officer("manage_billing"))
    actors.prove(found["token"])
    return api.acting(found["token"])


def resolve(officer, exception, status=200, code_=None, second=None, decided=200, decided_code=None, **body):
    """What an officer asks for; where it moves money, what comes of it by the second one."""
    asked = officer.post(f"/v1/payment_exceptions/{exception}/resolution", body, key=True).expect(status, code_).json
    if second is None:
        return asked
    return decide(second, exception, decided, decided_code)


def decide(officer, exception, status=200, code_=None, approved=True):
    return officer.post(f"/v1/payment_exceptions/{exception}/decision", {"approved": approved}, key=True
                        ).expect(status, code_).json


def test_a_reference_is_its_own_banks(payroll, bank, api, actors):
    """Another bank that uses the number first blocks nobody, and can't take the payment back."""
    about, number = billed(payroll), reference()
    stranger = api.acting(actors.bank()["token"])
    taken = notify(stranger, UNKNOWN, 1, ref=number)
    made = notify(bank, about["payment_code"], about["amount"], ref=number)
    assert made["id"] != taken["id"] and made["settled"]
    reverse(stranger, made["id"], 404)
    assert notify(bank, about["payment_code"], about["amount"], 200, ref=number) == made
    notify(bank, about["payment_code"], about["amount"] + 1, 409, ref=number, code_="bank_reference_used")
    assert billing(payroll, about)["status"] == "paid"


def test_a_surplus_pays_what_is_open_and_then_the_next_month(payroll, bank, db):
    """The order of allocation: the code's own billing, open ones by due date, the next one when it is issued."""
    first, second = billed(payroll, "2026-10"), billed(payroll, "2026-11")
    made = notify(bank, second["payment_code"], second["amount"] + 1_000)
    assert (made["applied"], made["settled"]) == (second["amount"], True)
    assert (billing(payroll, first)["paid_by_credit"], credit(payroll)) == (1_000, 0)
    notify(bank, first["payment_code"], first["amount"])
    assert (billing(payroll, first)["paid_by_credit"], credit(payroll)) == (0, 1_000)
    third = billed(payroll, "2026-11", kind="supplementary")
    assert (third["paid_amount"], third["paid_by_credit"], third["status"]) == (1_000, 1_000, "partially_paid")
    assert credit(payroll) == 0
    notify(bank, third["payment_code"], third["amount"] - 1_000)
    assert billing(payroll, third)["status"] == "paid" and months(db, payroll) == 3
    assert "receivable.employer" not in accounts(db, payroll)
    assert "payable.employer_credit" not in accounts(db, payroll)


def test_a_credit_may_pay_the_whole_next_billing(payroll, bank, db):
    first = billed(payroll, "2026-10")
    notify(bank, first["payment_code"], 3 * first["amount"])
    second = billed(payroll, "2026-11")
    assert (second["status"], second["paid_at"]) == ("paid", second["issued_at"])
    assert months(db, payroll) == 2 and credit(payroll) == 3 * first["amount"] - first["amount"] - second["amount"]


def test_what_a_finalisation_would_do_with_a_credit_leaves_no_trace(payroll, bank, db):
    first = billed(payroll, "2026-10")
    notify(bank, first["payment_code"], 2 * first["amount"])
    opened = payroll.open("2026-11")
    payroll.send(opened["id"], [line(12_000_000)])
    before = accounts(db, payroll)
    payroll.client.post(f"/v1/returns/{opened['id']}/finalisation?validate_only=true").expect(200)
    assert accounts(db, payroll) == before and credit(payroll) == first["amount"]


def test_a_reversal_takes_the_months_back_and_a_new_payment_brings_them_again(payroll, bank, api, actors, db):
    member = actors.member(payroll.actor["employer_token"], payroll.employer_id)
    mine = api.acting(member["token"])
    opened = payroll.open("2026-10")
    payroll.send(opened["id"], [line(12_000_000, kpj=member["kpj"], number=member["nik"], name=member["full_name"],
                                     born=member["birth_date"])])
    about = {"id": payroll.finalise(opened["id"])["billing_id"]}
    about = billing(payroll, about)
    before = accounts(db, payroll)
    for time in range(1, 3):
        made = notify(bank, about["payment_code"], about["amount"])
        assert mine.get("/v1/members/me/balances").json["jht"]["balance"] == 684_000
        back = reverse(bank, made["id"])
        assert reverse(bank, made["id"], 200) == back
        reverse(bank, made["id"], 409, reason="fraud", code_="payment_already_reversed")
        assert notify(bank, about["payment_code"], about["amount"], 200, ref=made["bank_reference"]) == made
        assert mine.get("/v1/members/me/balances").json["jht"]["balance"] == 0
        assert mine.get("/v1/members/me/contributions").json["items"] == []
        assert len(mine.get("/v1/members/me/balances/jht/entries").json["items"]) == 2 * time
        assert accounts(db, payroll) == before
        open_again = billing(payroll, about)
        assert (open_again["status"], open_again["received_amount"]) == ("unpaid", 0) and "paid_at" not in open_again


def test_a_reversal_spares_what_others_of_the_month_paid(payroll, bank, db):
    """A supplement adds to a member's month; taking one back leaves the other."""
    regular, more = billed(payroll, "2026-10"), billed(payroll, "2026-10", 5_000_000, "supplementary")
    notify(bank, regular["payment_code"], regular["amount"])
    made = notify(bank, more["payment_code"], more["amount"])
    assert months(db, payroll) == 2
    reverse(bank, made["id"])
    assert db.execute("SELECT wage FROM smile.contribution WHERE employer_id = %s", [payroll.employer_id]
                      ).fetchall() == [(12_000_000,)]


def test_a_reversal_that_takes_a_surplus_opens_what_the_surplus_paid(payroll, bank, db):
    first = billed(payroll, "2026-10")
    made = notify(bank, first["payment_code"], 2 * first["amount"])
    second = billed(payroll, "2026-11")
    assert second["status"] == "paid"
    reverse(bank, made["id"])
    assert [billing(payroll, b)["status"] for b in (first, second)] == ["unpaid", "unpaid"]
    assert months(db, payroll) == 0 and credit(payroll) == 0


@pytest.mark.parametrize("typed", [lambda code: UNKNOWN, lambda code: code[:-1] + str((int(code[-1]) + 1) % 10)],
                         ids=["unknown", "mistyped"])
def test_a_code_that_nobody_gave_out_waits_for_an_officer(typed, payroll, bank, officer, second, db):
    """Also one whose check digit is wrong: the money is there, whatever was typed."""
    about = billed(payroll)
    code = typed(about["payment_code"])
    made = notify(bank, code, about["amount"])
    assert (made["applied"], made["settled"], "billing_id" in made) == (0, False, False)
    exception = made["exception"]["id"]
    queue = officer.get("/v1/payment_exceptions?status=open&limit=200").expect(200).json["items"]
    assert next(e for e in queue if e["id"] == exception)["payment"]["amount"] == about["amount"]
    asked = resolve(officer, exception, action="assign", payment_code=about["payment_code"])
    assert (asked["status"], asked["requested"]["action"]) == ("open", "assign")
    assert billing(payroll, about)["status"] == "unpaid"
    decide(officer, exception, 403, "own_request")
    resolve(second, exception, 409, "resolution_requested", action="return")
    decide(officer, exception, approved=False)   # taken away again
    decide(second, exception, 409, "resolution_not_requested")
    done = resolve(officer, exception, second=second, action="assign", payment_code=about["payment_code"])
    assert (done["resolution"], done["payment"]["billing_id"]) == ("assigned", about["id"])
    assert billing(payroll, about)["status"] == "paid" and months(db, payroll) == 1
    reverse(bank, made["id"])
    assert billing(payroll, about)["status"] == "unpaid" and months(db, payroll) == 0
    assert notify(bank, code, about["amount"], 200, ref=made["bank_reference"]) == made


def test_a_billing_paid_twice_waits_for_an_officer_and_pays_nothing_twice(payroll, bank, officer, second, db):
    about = billed(payroll)
    notify(bank, about["payment_code"], about["amount"])
    again = [notify(bank, about["payment_code"], about["amount"]) for _ in range(2)]
    assert [a["exception"]["reason"] for a in again] == ["billing_already_paid"] * 2
    assert credit(payroll) == 2 * about["amount"] and months(db, payroll) == 1
    resolve(officer, again[0]["exception"]["id"], 422, "action_not_possible", action="assign",
            payment_code=about["payment_code"])
    done = resolve(officer, again[0]["exception"]["id"], second=second, action="return")
    assert (done["resolution"], done["payment"]["returned_amount"]) == ("returned", about["amount"])
    assert accounts(db, payroll)["payable.refund"] == -about["amount"] and credit(payroll) == about["amount"]
    resolve(officer, again[0]["exception"]["id"], 409, "exception_already_resolved", action="keep")
    billed(payroll, "2026-11")   # takes the credit
    resolve(officer, again[1]["exception"]["id"], second=second, decided=409, decided_code="credit_already_used",
            action="return")
    decide(second, again[1]["exception"]["id"], approved=False)
    resolve(officer, again[1]["exception"]["id"], action="keep")
    reverse(bank, again[0]["id"])   # the bank fetched it itself
    assert "payable.refund" not in accounts(db, payroll)


def test_suspense_goes_back_whole_and_a_reversal_closes_the_queue(bank, officer, second, db):
    def suspense():
        return db.execute("SELECT coalesce(sum(amount), 0)::bigint FROM smile.posting "
                          "WHERE account = 'payable.suspense'").fetchone()[0]
    before = suspense()
    one, other = notify(bank, UNKNOWN, 700), notify(bank, UNKNOWN, 50)
    assert suspense() == before - 750
    assert resolve(officer, one["exception"]["id"], second=second, action="return")["payment"]["returned_amount"] == 700
    reverse(bank, other["id"])
    assert suspense() == before
    resolve(officer, other["exception"]["id"], 409, "exception_already_resolved", action="return")


def test_what_lies_ahead_is_refused(payroll, bank):
    about = billed(payroll)
    notify(bank, about["payment_code"], 1, 422, paid_at="2026-11-05T02:06:00Z", code_="instant_lies_ahead")
    made = notify(bank, about["payment_code"], 1, paid_at="2026-11-05T02:04:00Z")   # a clock that runs fast
    reverse(bank, made["id"], 422, code_="reversed_before_paid")


def test_a_rehearsed_reversal_leaves_no_trace(payroll, bank, db):
    about = billed(payroll)
    made = notify(bank, about["payment_code"], about["amount"])
    before = accounts(db, payroll)
    bank.post(f"/v1/payments/{made['id']}/reversal?validate_only=true",
              {"reason": "returned", "reversed_at": "2026-11-05T01:30:00Z"}).expect(200)
    assert accounts(db, payroll) == before and billing(payroll, about)["status"] == "paid"


def test_notices_and_reversals_of_one_payment_at_once(server, payroll, bank, db):
    about = billed(payroll)
    made = notify(bank, about["payment_code"], about["amount"])

    def act(turn):
        with Client(server, bank.token) as client:
            if turn % 2:
                return client.post(f"/v1/payments/{made['id']}/reversal", {
                    "reason": "duplicate", "reversed_at": "2026-11-05T01:30:00Z"}, key=True).status
            return client.post("/v1/payments", {
                "payment_code": about["payment_code"], "amount": about["amount"], "paid_at": "2026-11-05T01:00:00Z",
                "bank_reference": made["bank_reference"]}, key=True).status

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = sorted(pool.map(act, range(16)))
    assert answers == [200] * 15 + [201]
    assert billing(payroll, about)["status"] == "unpaid" and months(db, payroll) == 0


def test_payments_while_the_next_month_is_finalised(server, payroll, bank, db):
    """A surplus on its way meets the billing that it should pay: in either order it does."""
    first = billed(payroll, "2026-10")
    opened = payroll.open("2026-11")
    payroll.send(opened["id"], [line(12_000_000)])

    def pay(amount):
        with Client(server, bank.token) as client:
            return client.post("/v1/payments", {
                "payment_code": first["payment_code"], "amount": amount, "paid_at": "2026-11-05T01:00:00Z",
                "bank_reference": reference()}, key=True).status

    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        paid = [pool.submit(pay, first["amount"] // 2 + 1) for _ in range(4)]
        finalised = pool.submit(payroll.finalise, opened["id"])
        assert [p.result() for p in paid] == [201] * 4
    second = billing(payroll, {"id": finalised.result()["billing_id"]})
    left = 4 * (first["amount"] // 2 + 1) - first["amount"] - second["amount"]
    assert credit(payroll) == max(left, 0) and second["paid_amount"] == min(
        second["amount"], 4 * (first["amount"] // 2 + 1) - first["amount"])


def test_two_officers_let_one_exception_move_money_once(server, payroll, bank, officer, second, db):
    about = billed(payroll)
    exception = notify(bank, UNKNOWN, about["amount"])["exception"]["id"]
    resolve(officer, exception, action="assign", payment_code=about["payment_code"])

    def act(_):
        with Client(server, second.token) as client:
            return client.post(f"/v1/payment_exceptions/{exception}/decision", {"approved": True}, key=True).status

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(act, range(4))) == [200, 409, 409, 409]
    assert billing(payroll, about)["received_amount"] == about["amount"] and months(db, payroll) == 1


def test_any_order_of_notices_and_reversals_ends_in_the_same_balances(api, actors, bank, db):
    """Random payments of three billings, some taken back: each employer gets them in another order, and one of them
    bills the third month last."""
    seed = int(os.environ.get("SEED", random.randrange(2**32)))
    print(f"SEED={seed}")
    rng = random.Random(seed)
    events = []
    for number in range(7):
        events.append((number, rng.randrange(3), rng.randrange(1, 1_500_000), rng.random() < 0.4))
    outcomes = []
    for turn in range(4):
        payroll = Payroll(api, actors.payroll(), bank)
        billings = [billed(payroll, period) for period in ("2026-08", "2026-09", "2026-10")]
        order = events if turn == 0 else rng.sample(events, len(events))
        to_reverse = []
        for number, which, amount, is_reversed in order:
            made = notify(bank, billings[which]["payment_code"], amount)
            if is_reversed:
                to_reverse.append(made["id"])
            while to_reverse and rng.random() < 0.5:
                reverse(bank, to_reverse.pop(rng.randrange(len(to_reverse))))
        for payment in to_reverse:
            reverse(bank, payment)
        last = [billing(payroll, b) for b in billings]
        outcomes.append(([(b["received_amount"], b["paid_amount"], b["paid_by_credit"], b["status"]) for b in last],
                         credit(payroll), accounts(db, payroll), months(db, payroll)))
    assert all(outcome == outcomes[0] for outcome in outcomes), f"SEED={seed}: {outcomes}"
