"""A month that is taken back after its JHT was paid out: no account falls below zero, and nothing is lost."""
import concurrent.futures

import pytest

from payroll import balanced, bank, line, payroll  # noqa: F401
from test_payments import accounts, billing, notify, officer, reverse  # noqa: F401

JHT = 684_000   # 5.7 % of 12,000,000


@pytest.fixture
def paid_month(payroll, bank, api, actors):
    """A member with an account, October billed and paid."""
    member = actors.member(payroll.actor["employer_token"], payroll.employer_id)
    opened = payroll.open("2026-10")
    payroll.send(opened["id"], [of(member, 12_000_000)])
    about = billing(payroll, {"id": payroll.finalise(opened["id"])["billing_id"]})
    return member, about, notify(bank, about["payment_code"], about["amount"])


def of(member, wage):
    return line(wage, kpj=member["kpj"], number=member["nik"], name=member["full_name"], born=member["birth_date"])


def pay_out(db, member, amount):
    """As a claim's payment books it."""
    db.execute("SELECT smile.book('benefit_paid', 'test', gen_random_uuid(), ARRAY["
               "('fund.jht', %(m)s, NULL, NULL, %(a)s), ('payable.benefit', %(m)s, NULL, NULL, -%(a)s)"
               "]::smile.posting_line[])", {"m": member["member_id"], "a": amount})


def balance(api, member):
    mine = api.acting(member["token"])
    entries = mine.get("/v1/members/me/balances/jht/entries").expect(200).json["items"]
    assert entries[0]["balance"] == mine.get("/v1/members/me/balances").json["jht"]["balance"]
    return entries[0]["balance"]


def advance(officer, member):
    found = officer.get("/v1/jht_advances?limit=200").expect(200).json["items"]
    return sum(item["amount"] for item in found if item["member_id"] == member["member_id"])


@pytest.mark.parametrize("paid_out", [JHT, 600_000])
def test_a_reversal_after_the_payout(payroll, bank, api, officer, db, paid_month, paid_out):
    member, about, made = paid_month
    pay_out(db, member, paid_out)
    assert (balance(api, member), advance(officer, member)) == (JHT - paid_out, 0)
    reverse(bank, made["id"])
    assert (balance(api, member), advance(officer, member)) == (0, paid_out)
    assert billing(payroll, about)["status"] == "unpaid"   # which collects it
    again = notify(bank, about["payment_code"], about["amount"])
    assert (balance(api, member), advance(officer, member)) == (JHT - paid_out, 0)
    reverse(bank, again["id"])
    assert (balance(api, member), advance(officer, member)) == (0, paid_out)


def test_contributions_that_come_later_make_up_for_it(payroll, bank, api, officer, db, paid_month):
    member, about, made = paid_month
    pay_out(db, member, JHT)
    reverse(bank, made["id"])
    opened = payroll.open("2026-11")
    payroll.send(opened["id"], [of(member, 6_000_000)])   # 342,000 of JHT
    following = billing(payroll, {"id": payroll.finalise(opened["id"])["billing_id"]})
    notify(bank, following["payment_code"], following["amount"])
    assert (balance(api, member), advance(officer, member)) == (0, JHT - 342_000)
    notify(bank, about["payment_code"], about["amount"])
    assert (balance(api, member), advance(officer, member)) == (342_000, 0)


def test_a_lower_wage_after_the_payout_and_a_billing_that_opens_again(payroll, bank, api, officer, db, paid_month):
    member, about, made = paid_month
    pay_out(db, member, JHT)
    revised = payroll.open("2026-10", "revised", reason="Upah salah.")
    payroll.send(revised["id"], [of(member, 6_000_000)])
    payroll.finalise(revised["id"])
    assert (balance(api, member), advance(officer, member)) == (0, 342_000)
    before = accounts(db, payroll)
    reverse(bank, made["id"])   # the credit pays a part of what is open again
    open_again = billing(payroll, about)
    assert open_again["status"] == "partially_paid" and open_again["paid_by_credit"] > 0
    assert (balance(api, member), advance(officer, member)) == (0, JHT)
    notify(bank, about["payment_code"], about["amount"])
    assert (balance(api, member), advance(officer, member)) == (0, 342_000)
    assert accounts(db, payroll) == before
    assert db.execute("SELECT wage FROM smile.contribution WHERE member_id = %s", [member["member_id"]]
                      ).fetchall() == [(6_000_000,)]


BLOCKED = "SELECT cardinality(pg_blocking_pids(%s)) > 0"


@pytest.mark.parametrize("first, second", [(-100, 150), (150, -100), (-100, -50)])
def test_a_credit_and_a_debit_at_once(payroll, actors, api, officer, server, db, first, second):
    """Two employers' months, booked for one member by two transactions of which neither sees the other. Two credits
    don't wait for each other."""
    member = actors.member(payroll.actor["employer_token"], payroll.employer_id)
    with server.cluster.connect(server.database) as one, server.cluster.connect(server.database) as other, \
            concurrent.futures.ThreadPoolExecutor(1) as pool:
        one.autocommit = False
        pay_out(one, member, first)
        call = pool.submit(pay_out, other, member, second)
        while not call.done() and not db.execute(BLOCKED, [other.info.backend_pid]).fetchone()[0]:
            pass
        assert call.done() == (first < 0 and second < 0)
        one.commit()
        call.result(10)
    owed = first + second
    assert (balance(api, member), advance(officer, member)) == (max(-owed, 0), max(owed, 0))


def test_advances_are_for_officers(payroll, bank):
    payroll.client.get("/v1/jht_advances").expect(403)
    bank.get("/v1/jht_advances").expect(403)
