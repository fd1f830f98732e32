"""Fines are charged in steps: what is left alone stays right, whatever happens to the money and to the clock."""
import calendar
import collections
import datetime
import itertools
import os
import random

import pytest

from client import Client
from payroll import Payroll, line

references = itertools.count(1)
START = datetime.date(2026, 7, 20)


def jakarta_day(instant):
    return (instant + datetime.timedelta(hours=7)).date()


def months_later(day, count):
    """As PostgreSQL adds months to a date: the same day, or the month's last one."""
    year, month = divmod(day.year * 12 + day.month - 1 + count, 12)
    return day.replace(year=year, month=month + 1, day=min(day.day, calendar.monthrange(year, month + 1)[1]))


def outstanding(billings, receipts, credits, day):
    """What was open of each billing at the end of that day: its own money first, then what is more, and what revisions
    gave back, to the one that was due first. Fines take nothing."""
    received = collections.Counter()
    for billing, amount, paid_at in receipts:
        if jakarta_day(paid_at) <= day:
            received[billing] += amount
    spare = sum(amount for amount, granted_at in credits if jakarta_day(granted_at) <= day)
    spare += sum(max(received[b.id] - b.amount, 0) for b in billings)
    still = {}
    for b in sorted(billings, key=lambda each: (each.due_date, each.id.int)):
        rest = max(b.amount - received[b.id], 0)
        taken = min(rest, spare) if jakarta_day(b.issued_at) <= day else 0
        spare -= taken
        still[b.id] = rest - taken
    return still


def fines_by_hand(db, employer, today):
    """2 % of what was open on the eve of each begun month of delay, by the rows that the employer has."""
    row = collections.namedtuple("row", "id amount due_date issued_at")
    billings = [row(*each) for each in db.execute(
        "SELECT id, amount, due_date, issued_at FROM smile.billing WHERE employer_id = %s", [employer])]
    receipts = db.execute(
        "SELECT billing_id, amount - returned_amount, paid_at FROM smile.payment "
        "WHERE employer_id = %s AND reversed_at IS NULL", [employer]).fetchall()
    credits = db.execute(
        "SELECT amount, granted_at FROM smile.return_credit WHERE employer_id = %s", [employer]).fetchall()
    eves = {}
    for b in billings:
        for number in itertools.count(1):
            begins = months_later(b.due_date + datetime.timedelta(days=1), number - 1)
            if begins > today:
                break
            eves.setdefault(begins - datetime.timedelta(days=1), []).append((b.id, number))
    fines = {}
    for eve, begun in eves.items():
        still = outstanding(billings, receipts, credits, eve)
        fines |= {key: (still[key[0]], (still[key[0]] * 2 + 50) // 100) for key in begun if still[key[0]]}
    return fines


def charged(db, employer):
    return {(billing, number): (still, amount) for billing, number, still, amount in db.execute(
        "SELECT billing_id, number, outstanding, amount FROM smile.late_fine WHERE employer_id = %s", [employer])}


def told(db, employer):
    """The fines of each billing by the trail of their changes."""
    return dict(db.execute("""
        SELECT b.id, coalesce(sum(m.amount - coalesce(m.was, 0)), 0)::bigint
        FROM smile.billing AS b
        LEFT JOIN smile.audit_log AS a ON a.subject_id = b.id AND a.action = 'billing.fined'
        LEFT JOIN LATERAL json_to_recordset(a.details -> 'months') AS m (number integer, was bigint, amount bigint)
          ON true
        WHERE b.employer_id = %s GROUP BY b.id""", [employer]).fetchall())


class Story:
    """One employer, to whom something happens at each step."""

    def __init__(self, api, actors, db, chance):
        self.db, self.chance, self.today = db, chance, START
        self.set_clock(START)
        self.bank = Client(api.server, actors.bank()["token"])
        self.payroll = Payroll(api, actors.payroll(), self.bank)
        self.employer, self.codes, self.workers = self.payroll.employer_id, [], {}

    def set_clock(self, day):
        self.today = day
        self.db.execute("UPDATE smile.clock SET business_at = %s", [f"{day}T09:00:00+07:00"])

    def instant(self):
        """Some moment of the last year, not ahead."""
        day = self.today - datetime.timedelta(days=self.chance.randrange(1, 300))
        return f"{day}T{self.chance.randrange(24):02}:30:00Z"

    def finalise(self, opened):
        billing = self.payroll.finalise(opened["id"]).get("billing_id")
        if billing:
            self.codes.append(self.payroll.client.get(f"/v1/billings/{billing}").expect(200).json["payment_code"])

    def bill(self):
        month = months_later(self.today.replace(day=1), -self.chance.randrange(10))
        period = f"{month:%Y-%m}"
        opened = self.payroll.open(period, "supplementary" if period in self.workers else "regular")
        self.payroll.send(opened["id"], [line(self.chance.randrange(1, 9_000_000))])
        self.finalise(opened)
        self.workers.setdefault(period, self.payroll.lines(opened["id"])[0]["kpj"])

    def revise(self):
        if begun := [period for period in self.workers if period <= f"{self.today:%Y-%m}"]:
            period = self.chance.choice(begun)
            opened = self.payroll.open(period, "revised", reason="Upah salah tulis")
            self.payroll.send(opened["id"], [line(
                self.chance.randrange(1, 9_000_000), kpj=self.workers[period], number="")])
            self.finalise(opened)

    def pay(self):
        if self.codes:
            self.bank.post("/v1/payments", {
                "payment_code": self.chance.choice(self.codes), "amount": self.chance.randrange(1, 3_000_000),
                "paid_at": self.instant(), "bank_reference": f"STEP{next(references)}"}, key=True).expect(201)

    def reverse(self):
        """A payment that doesn't lie ahead of a clock that was set back."""
        now = f"{self.today}T02:00:00Z"
        if known := [row[0] for row in self.db.execute(
                "SELECT id FROM smile.payment WHERE employer_id = %s AND reversed_at IS NULL AND paid_at <= %s "
                "ORDER BY id", [self.employer, now])]:
            self.bank.post(f"/v1/payments/{self.chance.choice(known)}/reversal", {
                "reason": "bank_error", "reversed_at": now}, key=True).expect(201)

    def go_on(self):
        self.set_clock(min(self.today + datetime.timedelta(days=self.chance.randrange(1, 45)),
                           datetime.date(2026, 12, 28)))
        while self.db.execute("SELECT smile.charge_begun_months()").fetchone()[0]:
            pass

    def go_back(self):
        self.set_clock(max(self.today - datetime.timedelta(days=self.chance.randrange(1, 40)), START))

    def check(self, what):
        assert charged(self.db, self.employer) == fines_by_hand(self.db, self.employer, self.today), what
        assert told(self.db, self.employer) == dict(self.db.execute(
            "SELECT id, fine_amount FROM smile.billing WHERE employer_id = %s", [self.employer]).fetchall()), what
        assert self.db.execute("SELECT smile.ledger_sum()").fetchone() == (0,), what


def test_steps_end_where_a_computation_from_scratch_does(own_api, own_actors, own_db):
    """Billings, revisions, payments, reversals and steps of the clock in any order."""
    seed = int(os.environ.get("SEED", random.randrange(2**32)))
    print(f"SEED={seed}")
    chance = random.Random(seed)
    for _ in range(3):
        story = Story(own_api, own_actors, own_db, chance)
        for step in range(40):
            event = chance.choices(
                [story.bill, story.revise, story.pay, story.reverse, story.go_on, story.go_back], [5, 3, 6, 2, 4, 1])[0]
            event()
            own_db.execute("SELECT smile.settle(%s::uuid)", [story.employer])
            story.check(f"SEED={seed} step {step}: {event.__name__}")


def test_a_return_leaves_the_fines_of_other_months_alone(own_api, own_actors, own_db):
    """Not one row of theirs is written again when another month is billed, late or in time."""
    story = Story(own_api, own_actors, own_db, random.Random(1))
    story.set_clock(datetime.date(2026, 11, 5))
    for period in ("2025-01", "2025-02"):
        opened = story.payroll.open(period)
        story.payroll.send(opened["id"], [line(5_000_000)])
        story.finalise(opened)

    def versions():
        return own_db.execute(
            "SELECT billing_id, number, xmin FROM smile.late_fine WHERE employer_id = %s ORDER BY 1, 2",
            [story.employer]).fetchall()
    before = versions()
    assert len(before) == 21 + 20   # from 18 February and 18 March 2025 to 5 November 2026
    for period, fines in (("2026-10", 0), ("2025-03", 19)):
        opened = story.payroll.open(period)
        story.payroll.send(opened["id"], [line(5_000_000)])
        story.finalise(opened)
        assert [each for each in versions() if each in before] == before
        assert len(versions()) == len(before) + fines


@pytest.fixture
def many_late(own_db):
    """250 employers, one billing each, late for the first time on 16 November 2026."""
    with own_db.transaction(force_rollback=True):
        own_db.execute("SET LOCAL session_replication_role = replica")
        own_db.execute("""
            WITH made AS (
              INSERT INTO smile.employer (npp, name, npwp, industry, address, email, phone, status)
              SELECT 'L' || lpad(n::text, 7, '0'), 'PT L', '6' || lpad(n::text, 14, '0'), 'x', 'x', 'l@x.example',
                '+622110000', 'active'
              FROM generate_series(1, 250) AS n RETURNING id, npp),
            told AS (
              INSERT INTO smile.contribution_return (employer_id, period, kind, status, finalised_at, receipt)
              SELECT m.id, '2026-10-01', 'regular', 'finalised', now(), '{}' FROM made AS m
              RETURNING id, employer_id)
            INSERT INTO smile.billing (employer_id, return_id, payment_code, period, due_date, jht_employer, jht_worker,
              jkk, jkm, jp_employer, jp_worker, jkp_from_jkk, jkp_from_jkm, jkp_state)
            SELECT t.employer_id, t.id, '7' || lpad((row_number() OVER ())::text, 11, '0'), '2026-10-01', '2026-11-16',
              1000000, 0, 0, 0, 0, 0, 0, 0, 0
            FROM told AS t""")
        own_db.execute("SET LOCAL session_replication_role = origin")
        yield own_db


def test_all_months_that_have_begun_are_charged_in_batches(many_late):
    many_late.execute("UPDATE smile.clock SET business_at = '2026-11-17T09:00:00+07:00'")
    many_late.execute("SET LOCAL ROLE smile_jobs")
    batches = [many_late.execute("SELECT smile.charge_begun_months()").fetchone()[0]]
    while batches[-1]:
        batches.append(many_late.execute("SELECT smile.charge_begun_months()").fetchone()[0])
    many_late.execute("RESET ROLE")
    assert batches[-1] == 0 and max(batches) <= 50 and sum(batches) >= 250
    assert many_late.execute("SELECT count(*), sum(fine_amount) FROM smile.billing WHERE payment_code LIKE '7%'"
                             ).fetchone() == (250, 250 * 20_000)


def test_employers_whose_rows_are_held_are_passed_over(own_api, own_actors, own_db, own):
    """Neither waits for the other; who was passed over is charged afterwards."""
    late = [Story(own_api, own_actors, own_db, random.Random(1)) for _ in range(2)]
    for story in late:
        opened = story.payroll.open("2026-06")
        story.payroll.send(opened["id"], [line(5_000_000)])
        story.finalise(opened)
    own_db.execute("UPDATE smile.clock SET business_at = '2026-08-18T09:00:00+07:00'")

    def fined(story):
        return len(charged(own_db, story.employer))
    before = [fined(story) for story in late]
    with own.cluster.connect(own.database) as other, other.transaction():
        other.execute("SELECT FROM smile.employer WHERE id = %s FOR NO KEY UPDATE", [late[0].employer])
        with own_db.transaction():
            own_db.execute("SET LOCAL lock_timeout = '1s'")
            while own_db.execute("SELECT smile.charge_begun_months()").fetchone()[0]:
                pass
        assert [fined(story) for story in late] == [before[0], before[1] + 1]
    while own_db.execute("SELECT smile.charge_begun_months()").fetchone()[0]:
        pass
    assert [fined(story) for story in late] == [before[0] + 1, before[1] + 1]


def test_employers_do_not_wait_for_each_other(own_api, own_actors, own_db):
    """While one's late return is being finalised, another's is finalised and paid, fines and all."""
    one, two = (Story(own_api, own_actors, own_db, random.Random(1)) for _ in range(2))
    drafts = []
    for story in (one, two):
        drafts.append(story.payroll.open("2026-05"))
        story.payroll.send(drafts[-1]["id"], [line(5_000_000)])
    with own_db.transaction(force_rollback=True):
        own_db.execute("SELECT set_config('smile.role', 'employer', true), set_config('smile.employer_id', %s, true)",
                       [one.employer])
        own_db.execute("SELECT smile.finalise_return(%s)", [drafts[0]["id"]])
        assert charged(own_db, one.employer)
        two.finalise(drafts[1])
        two.pay()
    assert charged(own_db, two.employer) and not charged(own_db, one.employer)
