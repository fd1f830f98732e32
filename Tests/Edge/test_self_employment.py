"""Members who pay for themselves. Amounts by hand from PP 44/2015 (JKK by band, JKM 6,800), PP 46/2015 (JHT 2 % of the
band's base) and PP 50/2025 (half of JKK and JKM for a time)."""
import contextlib
import itertools
import os
import random

import psycopg
import pytest

from actors import PASSWORD
from client import Client, at_once, new_key
from payroll import Payroll

SPELL = "/v1/members/me/self_employment"
BILLINGS = f"{SPELL}/billings"
references = itertools.count(1)


class SelfEmployed:
    """A member with an account who pays for themselves, on a server whose business clock the test moves."""

    def __init__(self, server, actors, clock, about=None, **terms):
        self.clock, self.about = clock, about or actors.member()
        self.id = self.about["member_id"]
        self.client = Client(server, self.about["token"])
        body = {"income_base": 1_000_000, "with_jht": False, "sector": "other", "funding": "own"} | terms
        self.client.post(SPELL, body, key=True).expect(201)
        self.bank = Client(server, actors.once("bank", actors.bank)["token"])

    def bill(self, months=1, start=None, status=201, code=None, query=""):
        body = {"months": months} | ({"from": start} if start else {})
        return self.client.post(f"{BILLINGS}{query}", body, key=True).expect(status, code).json

    def pay(self, billing, amount=None, status=201):
        amount = billing["amount"] if amount is None else amount
        return self.bank.post("/v1/payments", {
            "payment_code": billing["payment_code"], "amount": amount, "paid_at": self.clock.instant,
            "bank_reference": f"BPU{next(references)}"}, key=True).expect(status).json

    def reverse(self, payment):
        return self.bank.post(f"/v1/payments/{payment['id']}/reversal", {
            "reason": "bank_error", "reversed_at": self.clock.instant}, key=True).expect(201).json

    def state(self):
        return self.client.get(SPELL).expect(200).json

    def months(self):
        """What is paid of each month, by period."""
        items = self.client.get("/v1/members/me/contributions?limit=200").expect(200).json["items"]
        return {item["period"]: item for item in items if item["segment"] == "self_employed"}

    def billing(self, billing):
        return self.client.get(f"{BILLINGS}/{billing['id']}").expect(200).json


class Clock:
    """The business clock of the module's server."""

    def __init__(self, connection):
        self.connection = connection
        self.set("2026-11-05")

    def set(self, day, hour=9):
        self.instant = f"{day}T{hour:02}:00:00+07:00"
        self.connection.execute("UPDATE smile.clock SET business_at = %s", [self.instant])


@pytest.fixture
def own_db(own):
    with own.cluster.connect(own.database) as connection:
        connection.autocommit = True
        yield connection
        assert connection.execute("SELECT smile.ledger_sum()").fetchone() == (0,)
        assert connection.execute(
            "SELECT count(*) FROM (SELECT FROM smile.posting GROUP BY transaction_id HAVING sum(amount) <> 0) AS t"
        ).fetchone() == (0,)


@pytest.fixture
def clock(own_db):
    clock = Clock(own_db)
    yield clock
    clock.set("2026-11-05")


@pytest.fixture
def enrol(own, own_actors, clock):
    return lambda **terms: SelfEmployed(own, own_actors, clock, **terms)


@pytest.fixture
def officers(own, own_actors):
    def officer(permission):
        return Client(own, own_actors.officer(permission)["token"])
    return officer


def worker_side(amounts):
    return tuple(amounts[programme]["worker"] for programme in ("jht", "jkk", "jkm"))


def amounts(billing):
    return {month["period"]: worker_side(month["amounts"]) for month in billing["months"]}


@pytest.mark.parametrize("sector, today, expected", [
    ("transport", "2025-12-05", {"2025-12": (0, 10_000, 6_800), "2026-01": (0, 5_000, 3_400)}),
    ("transport", "2027-03-05", {"2027-03": (0, 5_000, 3_400), "2027-04": (0, 10_000, 6_800)}),
    ("other", "2026-03-05", {"2026-03": (0, 10_000, 6_800), "2026-04": (0, 5_000, 3_400)}),
    ("other", "2026-12-05", {"2026-12": (0, 5_000, 3_400), "2027-01": (0, 10_000, 6_800)}),
])
def test_a_relief_holds_in_its_months(enrol, clock, sector, today, expected):
    """16,800 a month, 8,400 with the relief; one billing across its bound."""
    clock.set(today)
    billing = enrol(sector=sector).bill(2)
    assert amounts(billing) == expected and billing["amount"] == 25_200
    assert [m.get("relief") for m in billing["months"]] == [
        {"jkk": 5_000, "jkm": 3_400} if part == (0, 5_000, 3_400) else None for part in expected.values()]


@pytest.mark.parametrize("funding", ["state_budget", "regional_budget"])
def test_a_public_budget_gets_no_relief(enrol, funding):
    billing = enrol(funding=funding).bill(1)
    assert amounts(billing) == {"2026-11": (0, 10_000, 6_800)}
    assert [p["parameter"] for p in billing["parameters_used"]] == ["bpu.contribution_idr"]


def test_the_covid_months_cost_one_per_cent(enrol, clock, own_actors):
    """PP 49/2020: JKM Rp68, and 1 % of the lowest band's JKK; JHT wasn't eased. That it began in August 2020 is from
    memory."""
    about = own_actors.member()   # hired in 2024
    clock.set("2021-01-05")
    billing = enrol(about=about, with_jht=True, funding="state_budget").bill(2)
    assert amounts(billing) == {"2021-01": (20_000, 100, 68), "2021-02": (20_000, 10_000, 6_800)}
    assert billing["months"][0]["relief"] == {"jkk": 9_900, "jkm": 6_732} and not billing["verified"]


def test_a_month_that_costs_nothing_is_paid(enrol, own_db):
    """Were the relief ever whole, there would be nothing to pay and nobody to ask for it."""
    own_db.execute("UPDATE smile.legal_parameter SET value = '0' WHERE parameter = 'relief.bpu_other_pct_of_normal'")
    try:
        member = enrol()
        billing = member.bill(3)
    finally:
        own_db.execute("UPDATE smile.legal_parameter SET value = '50' "
                       "WHERE parameter = 'relief.bpu_other_pct_of_normal'")
    assert (billing["amount"], billing["status"]) == (16_800, "partially_paid")
    assert [m["status"] for m in billing["months"]] == ["paid", "paid", "unpaid"]
    member.pay(billing)
    assert member.state()["credit"] == 0 and len(member.months()) == 3


def test_halves_of_a_rupiah_are_rounded_up_by_a_rule_that_is_remembered(enrol, own_db):
    """33 % of 6,800 are 2,244; of 10,000, 3,300; 12.345 % of 6,800 are 839.46, of 10,000 are 1,234.5."""
    def set_to(value):
        own_db.execute("UPDATE smile.legal_parameter SET value = %s "
                       "WHERE parameter = 'relief.bpu_other_pct_of_normal'", [value])
    try:
        set_to("12.345")
        billing = enrol(income_base=1_000_000).bill(1)
        set_to("33")
        whole = enrol(income_base=1_000_000).bill(1)
    finally:
        set_to("50")
    assert amounts(billing) == {"2026-11": (0, 1_235, 839)} and amounts(whole) == {"2026-11": (0, 3_300, 2_244)}
    used = [{p["parameter"] for p in b["parameters_used"]} for b in (billing, whole)]
    assert "pu.contribution_rounding" in used[0] and "pu.contribution_rounding" not in used[1]


def test_a_band_with_jht_over_the_bound_of_a_relief(enrol, clock):
    """JKK 12,000, JKM 6,800 and 2 % of 1,200,000 in December; half of the first two from January. Due on the 15th of
    the month itself, which in February 2026 is a Sunday."""
    clock.set("2025-12-05")
    billing = enrol(sector="transport", income_base=1_200_000, with_jht=True).bill(3)
    assert amounts(billing) == {
        "2025-12": (24_000, 12_000, 6_800), "2026-01": (24_000, 6_000, 3_400), "2026-02": (24_000, 6_000, 3_400)}
    assert billing["amount"] == 42_800 + 33_400 + 33_400
    assert worker_side(billing["amounts"]) == (72_000, 24_000, 13_600)
    assert [m["due_date"] for m in billing["months"]] == ["2025-12-15", "2026-01-15", "2026-02-16"]
    assert (billing["due_date"], billing["due_at"]) == ("2025-12-15", "2025-12-15T16:59:59+00:00")
    assert {(p["programme"], p["parameter"], p["value"]) for p in billing["parameters_used"]} == {
        ("JKM", "bpu.contribution_idr", "6800"), ("JHT", "bpu.rate_of_band_pct", "2.0"),
        ("JKK", "relief.bpu_transport_pct_of_normal", "50"), ("JKM", "relief.bpu_transport_pct_of_normal", "50")}


@pytest.mark.parametrize("base, with_jht, verified", [
    (1_200_000, False, True),
    (1_200_000, True, False),    # since when the rate of JHT holds is remembered only
    (1_000_000, False, False),   # the lowest band was derived
])
def test_how_sure_the_amounts_are(enrol, base, with_jht, verified):
    billing = enrol(income_base=base, with_jht=with_jht).bill(1)
    assert billing["verified"] is billing["months"][0]["verified"] is verified


def test_what_is_paid_is_the_members(enrol, own_db):
    member = enrol(income_base=1_200_000, with_jht=True)
    billing = member.bill(2)
    paid = member.pay(billing)
    assert (paid["billing_id"], paid["applied"], paid["settled"]) == (billing["id"], 66_800, True)
    assert member.billing(billing)["status"] == "paid"
    months = member.months()
    assert {period: worker_side(item["amounts"]) for period, item in months.items()} == {
        "2026-11": (24_000, 6_000, 3_400), "2026-12": (24_000, 6_000, 3_400)}
    assert months["2026-11"]["income_base"] == 1_200_000 and "employer" not in months["2026-11"]
    assert member.client.get("/v1/members/me/balances").expect(200).json["jht"] == {"balance": 48_000}
    entries = member.client.get("/v1/members/me/balances/jht/entries").expect(200).json["items"]
    assert [(e["kind"], e["period"], e["amount"], e["balance"]) for e in entries] == [
        ("own_month_paid", "2026-12", 24_000, 48_000), ("own_month_paid", "2026-11", 24_000, 24_000)]
    booked = own_db.execute(
        "SELECT account, sum(amount)::bigint FROM smile.posting WHERE transaction_id IN ("
        "SELECT transaction_id FROM smile.posting WHERE member_id = %s) GROUP BY account HAVING sum(amount) <> 0",
        [member.id]).fetchall()
    assert dict(booked) == {"bank": 66_800, "fund.jht": -48_000, "fund.jkk": -12_000, "fund.jkm": -6_800}


def test_one_programme_and_one_employer(enrol):
    """A question about one programme or one employer finds the months that have it."""
    member = enrol()
    member.pay(member.bill(1))
    ask = "/v1/members/me/contributions?"
    only = member.client.get(f"{ask}programme=jkm").expect(200).json["items"]
    assert [item["amounts"] for item in only] == [{"jkm": {"employer": 0, "worker": 3_400, "to_jkp": 0}}]
    for none in ("programme=jp", "programme=jht", f"employer_id={member.about['employer_id']}"):
        assert member.client.get(f"{ask}{none}").expect(200).json["items"] == [], none


def test_money_pays_whole_months_the_earliest_first(enrol):
    member = enrol()
    billing = member.bill(2)
    assert member.pay(billing, 10_000)["applied"] == 8_400
    now = member.billing(billing)
    assert (now["status"], now["received_amount"], now["paid_amount"]) == ("partially_paid", 10_000, 8_400)
    assert [m["status"] for m in now["months"]] == ["paid", "unpaid"] and now["due_date"] == "2026-12-15"
    assert member.state()["credit"] == 1_600
    assert member.pay(billing, 6_800)["settled"]
    assert (member.state()["credit"], member.state()["paid_until"]) == (0, "2026-12")


def test_a_surplus_is_the_members_and_pays_the_next_billing(enrol, clock):
    member = enrol()
    member.pay(member.bill(1), 20_000)
    assert member.state()["credit"] == 11_600
    second = member.bill(1)
    assert (second["status"], second["received_amount"], second["paid_amount"]) == ("paid", 0, 8_400)
    assert member.client.get(BILLINGS).expect(200).json["credit"] == 3_200
    again = member.pay(second)   # nobody turns money away
    assert again["exception"]["reason"] == "billing_already_paid" and again["applied"] == 0
    assert member.state()["credit"] == 11_600
    clock.set("2026-12-05")
    assert member.bill(1)["status"] == "unpaid"   # January costs 16,800 again


def test_a_payment_that_the_bank_takes_back(enrol):
    member = enrol(income_base=1_200_000, with_jht=True)
    billing = member.bill(1)
    payment = member.pay(billing)
    member.reverse(payment)
    now = member.billing(billing)
    assert (now["status"], now["paid_amount"], now["received_amount"]) == ("unpaid", 0, 0)
    assert member.months() == {}
    assert member.client.get("/v1/members/me/balances").expect(200).json["jht"] == {"balance": 0}
    assert member.pay(billing)["settled"] and list(member.months()) == ["2026-11"]


def test_any_order_of_payments_and_reversals_ends_in_the_same_months(enrol, clock):
    """The same events in another order leave the same months paid and the same credit."""
    seed = int(os.environ.get("SEED") or random.randrange(2**32))
    print(f"SEED={seed}")
    chance = random.Random(seed)
    events = [(chance.randrange(2), chance.choice([4_200, 8_400, 9_000, 16_800, 40_000]), chance.random() < 0.4)
              for _ in range(8)]
    ends = []
    for _ in range(3):
        member = enrol()
        bills, waiting = [member.bill(2), member.bill(2, "2027-01")], []
        for which, amount, is_reversed in chance.sample(events, len(events)):
            payment = member.pay(bills[which], amount)
            if is_reversed:
                waiting.append(payment)
            if waiting and chance.random() < 0.5:
                member.reverse(waiting.pop(chance.randrange(len(waiting))))
        for payment in waiting:
            member.reverse(payment)
        ends.append((sorted(member.months()), member.state()["credit"], [
            [member.billing(b)[name] for name in ("status", "paid_amount", "received_amount")] for b in bills]))
    assert ends[0] == ends[1] == ends[2]
    received = sum(amount for _, amount, is_reversed in events if not is_reversed)
    assert sum(row[1] for row in ends[0][2]) + ends[0][1] == received


def test_a_month_is_billed_once_however_many_ask(own, enrol, own_db):
    member = enrol()
    answers = at_once(own, 6, lambda client: client.post(
        BILLINGS, {"months": 1, "from": "2026-11"}, token=member.about["token"], key=True))
    assert sorted(a.status for a in answers) == [201, 409, 409, 409, 409, 409]
    assert {a.code for a in answers if a.status == 409} == {"month_already_billed"}
    assert own_db.execute("SELECT count(*) FROM smile.self_employed_month WHERE member_id = %s", [member.id]
                          ).fetchone() == (1,)


def test_whoever_pays_twice_at_once_has_paid_once(own, enrol, clock):
    member = enrol()
    billing = member.bill(1)

    def pay(client):
        return client.post("/v1/payments", {
            "payment_code": billing["payment_code"], "amount": 8_400, "paid_at": clock.instant,
            "bank_reference": f"BPU{next(references)}"}, token=member.bank.token, key=True).expect(201).json
    answers = at_once(own, 4, pay)
    assert sorted(a["applied"] for a in answers) == [0, 0, 0, 8_400]
    assert (list(member.months()), member.state()["credit"]) == (["2026-11"], 25_200)


def test_a_billing_that_is_paid_and_withdrawn_at_once(own, enrol, clock):
    """Whichever comes first, every rupiah is with a paid month or the member's credit."""
    for _ in range(4):
        member = enrol()
        billing, turns = member.bill(2), itertools.count()

        def act(client):
            if next(turns) % 2:
                return client.post(f"{BILLINGS}/{billing['id']}/withdrawal", token=member.about["token"], key=True)
            return client.post("/v1/payments", {
                "payment_code": billing["payment_code"], "amount": 16_800, "paid_at": clock.instant,
                "bank_reference": f"BPU{next(references)}"}, token=member.bank.token, key=True).expect(201)
        answers = at_once(own, 2, act)
        paid_first = 409 in [a.status for a in answers]
        assert (len(member.months()), member.state()["credit"]) == ((2, 0) if paid_first else (0, 16_800))
        assert member.billing(billing)["status"] == ("paid" if paid_first else "withdrawn")


def test_the_database_keeps_a_month_from_being_paid_twice(enrol, own_db):
    member = enrol()
    billing = member.bill(1)
    member.pay(billing)
    with pytest.raises(psycopg.errors.UniqueViolation, match="self_employed_month_once"):
        own_db.execute("""
            WITH made AS (
              INSERT INTO smile.self_employed_billing (member_id, payment_code, amount)
              VALUES (%s, '000000000000', 1) RETURNING id)
            INSERT INTO smile.self_employed_month (billing_id, member_id, period, self_employment_id, due_date,
              income_base, jht, jkk, jkm, jkk_relief, jkm_relief, income_band_id, parameter_ids, verified)
            SELECT made.id, m.member_id, m.period, m.self_employment_id, m.due_date, m.income_base, m.jht, m.jkk, m.jkm,
              0, 0, m.income_band_id, m.parameter_ids, false
            FROM made, smile.self_employed_month AS m WHERE m.member_id = %s""", [member.id, member.id])


def test_a_withdrawn_billing_frees_its_months(enrol, officers):
    member = enrol(income_base=1_200_000)
    first = member.bill(3)
    member.pay(first, 9_400)
    withdrawn = member.client.post(f"{BILLINGS}/{first['id']}/withdrawal", key=True).expect(200).json
    assert [m["status"] for m in withdrawn["months"]] == ["paid", "withdrawn", "withdrawn"]
    assert withdrawn["status"] == "withdrawn" and "due_date" not in withdrawn
    member.client.post(f"{BILLINGS}/{first['id']}/withdrawal", key=True).expect(409, "nothing_to_withdraw")
    assert member.bill(1)["first_period"] == "2026-12"
    late = member.pay(first, 5_000)
    assert late["exception"]["reason"] == "billing_withdrawn"
    assert member.state()["credit"] == 5_000
    officer = officers("manage_billing")
    exception = late["exception"]["id"]
    officer.post(f"/v1/payment_exceptions/{exception}/resolution", {"action": "assign", "payment_code":
                 first["payment_code"]}, key=True).expect(422, "action_not_possible")
    officer.post(f"/v1/payment_exceptions/{exception}/resolution", {"action": "return"}, key=True).expect(200)
    done = officers("manage_billing").post(f"/v1/payment_exceptions/{exception}/decision", {"approved": True}, key=True
                                           ).expect(200)
    assert done.json["payment"]["returned_amount"] == 5_000 and done.json["payment"]["member_id"] == member.id
    assert member.state()["credit"] == 0


def test_a_mistyped_code_is_assigned_to_the_member(enrol, officers):
    member = enrol()
    billing = member.bill(1)
    astray = member.pay({"payment_code": "999999999991", "amount": 8_400})
    exception = f"/v1/payment_exceptions/{astray['exception']['id']}"
    officers("manage_billing").post(f"{exception}/resolution", {
        "action": "assign", "payment_code": billing["payment_code"]}, key=True).expect(200)
    assert member.billing(billing)["status"] == "unpaid"   # until another officer has agreed
    officers("manage_billing").post(f"{exception}/decision", {"approved": True}, key=True).expect(200)
    assert member.billing(billing)["status"] == "paid"


def test_nobody_sees_or_withdraws_anothers_billing(enrol, own_db):
    mine, other = enrol(), enrol()
    billing = mine.bill(1)
    other.client.get(f"{BILLINGS}/{billing['id']}").expect(404)
    other.client.post(f"{BILLINGS}/{billing['id']}/withdrawal", key=True).expect(404)
    assert other.client.get(BILLINGS).expect(200).json == {"items": [], "credit": 0}
    assert mine.billing(billing)["status"] == "unpaid"


def test_inactive_after_three_unpaid_months_and_active_again_by_paying(enrol, clock, officers):
    """January is paid. April falls due on Wednesday the 15th; when it is over, three in a row are open."""
    clock.set("2026-01-05")
    member = enrol()
    assert (member.state()["status"], member.state()["unpaid_months"]) == ("waiting", 0)
    member.pay(member.bill(1))
    assert (member.state()["status"], member.state()["paid_until"]) == ("active", "2026-01")
    clock.set("2026-04-15", hour=23)
    now = member.state()
    assert (now["status"], now["unpaid_months"]) == ("active", 2) and "inactive_since" not in now
    clock.set("2026-04-16", hour=0)
    now = member.state()
    assert (now["status"], now["unpaid_months"], now["inactive_since"]) == ("inactive", 3, "2026-04-16")
    clock.set("2026-06-01")
    assert member.state()["unpaid_months"] == 4 and member.state()["inactive_since"] == "2026-04-16"
    officer = officers("read_members")
    officer.get(f"/v1/members/{member.id}/self_employment").expect(400, "access_purpose_required")
    seen = officer.get(f"/v1/members/{member.id}/self_employment", headers={"Access-Purpose": "call:1"}).expect(200)
    assert seen.json == member.state() and seen.json["status"] == "inactive"
    member.pay(member.bill(1, "2026-06"))
    now = member.state()
    assert (now["status"], now["unpaid_months"], now["arrears_months"]) == ("active", 0, 4)
    arrears = member.bill(4)   # what is open is due, the earliest first, at the price of its month
    assert amounts(arrears) == {"2026-02": (0, 10_000, 6_800), "2026-03": (0, 10_000, 6_800),
                                "2026-04": (0, 5_000, 3_400), "2026-05": (0, 5_000, 3_400)}
    member.pay(arrears)
    assert member.state()["arrears_months"] == 0


def test_the_tag_tells_that_a_month_has_fallen_due(enrol, clock):
    member = enrol()
    tag = member.client.get(SPELL).expect(200).headers["ETag"]
    member.client.get(SPELL, headers={"If-None-Match": tag}).expect(304)
    clock.set("2026-11-17")
    member.client.get(SPELL, headers={"If-None-Match": tag}).expect(200)


@contextlib.contextmanager
def before_the_relief(db):
    """The world before PP 50/2025 was known: its rows aren't there yet."""
    db.execute("UPDATE smile.legal_parameter SET parameter = 'not_yet.' || parameter "
               "WHERE parameter LIKE 'relief.bpu%'")
    try:
        yield
    finally:
        db.execute("UPDATE smile.legal_parameter SET parameter = substr(parameter, 9) WHERE parameter LIKE 'not_yet.%'")


def test_a_relief_that_comes_after_the_payment_is_credited_to_the_next_month(enrol, clock, own_db):
    """Three months at 16,800 were paid; the relief of the two in 2026 gives back 8,400 each with the next billing, of
    which March takes 8,400. The billing of before stays as it is."""
    clock.set("2025-12-05")
    with before_the_relief(own_db):
        member = enrol(sector="transport")
        first = member.bill(3)
        assert first["amount"] == 50_400
        member.pay(first)
    clock.set("2026-03-05")
    second = member.bill(1)
    assert amounts(second) == {"2026-03": (0, 5_000, 3_400)}
    assert (second["status"], second["received_amount"]) == ("paid", 0)
    assert member.state()["credit"] == 8_400
    now = member.billing(first)
    assert (now["amount"], now["status"]) == (50_400, "paid")
    assert (now["received_amount"], now["paid_amount"]) == (50_400, 33_600)
    assert amounts(now) == amounts(first) and [m.get("credit") for m in now["months"]] == [None, 8_400, 8_400]
    assert worker_side(member.months()["2026-02"]["amounts"]) == (0, 5_000, 3_400)
    assert member.bill(1)["status"] == "paid" and member.state()["credit"] == 0   # nothing is given back twice


def test_months_that_are_billed_stay_when_the_law_changes(enrol, clock, own_db):
    clock.set("2026-02-05")
    with before_the_relief(own_db):
        member = enrol(sector="transport")
        first = member.bill(1)
    assert member.billing(first)["amount"] == 16_800
    member.client.post(f"{BILLINGS}/{first['id']}/withdrawal", key=True).expect(200)
    assert member.bill(1)["amount"] == 8_400


def change(member, body, status=200, code=None, tag=None):
    tag = tag or member.client.get(SPELL).expect(200).headers["ETag"]
    return member.client.patch(SPELL, body, headers={"If-Match": tag}).expect(status, code).json


def test_other_terms_from_a_coming_month(enrol):
    member = enrol()
    stale = member.client.get(SPELL).expect(200).headers["ETag"]
    changed = change(member, {"from": "2026-12", "income_base": 1_200_000, "with_jht": True})
    assert [(t["from"], t["income_base"], t["with_jht"]) for t in changed["terms"]] == [
        ("2026-11", 1_000_000, False), ("2026-12", 1_200_000, True)]
    change(member, {"from": "2027-01", "sector": "transport"}, 412, "etag_mismatch", tag=stale)
    member.client.patch(SPELL, {"from": "2027-01", "sector": "transport"}).expect(428)
    billing = member.bill(2)
    assert amounts(billing) == {"2026-11": (0, 5_000, 3_400), "2026-12": (24_000, 6_000, 3_400)}
    change(member, {"from": "2026-12", "with_jht": False}, 409, "month_already_billed")
    change(member, {"from": "2026-11", "with_jht": False}, 422, "month_has_passed")
    change(member, {"from": "2027-12", "with_jht": False}, 422, "period_too_far_ahead")
    change(member, {"from": "2027-01", "income_base": 1_400_000}, 422, "income_band_not_in_force")
    change(member, {"income_base": 1_200_000}, 400)
    assert len(change(member, {"from": "2027-02", "sector": "transport"})["terms"]) == 3
    assert [t["from"] for t in change(member, {"from": "2027-01", "with_jht": False})["terms"]] == [
        "2026-11", "2026-12", "2027-01"]


def test_an_end_and_another_beginning(enrol, clock):
    member = enrol()
    member.bill(2)
    change(member, {"last_period": "2026-11"}, 409, "month_already_billed")
    change(member, {"last_period": "2026-09"}, 422, "month_has_passed")
    assert change(member, {"last_period": "2026-12"})["last_period"] == "2026-12"
    member.bill(1, "2027-01", 422, "period_outside_self_employment")
    member.bill(1, status=409, code="month_already_billed")
    assert "last_period" not in change(member, {"last_period": None})
    change(member, {"last_period": "2026-12"})
    terms = {"income_base": 1_000_000, "with_jht": False, "sector": "other", "funding": "own"}
    member.client.post(SPELL, terms, key=True).expect(409, "already_self_employed")
    clock.set("2027-02-10")
    now = member.state()
    assert (now["status"], now["arrears_months"]) == ("ended", 2)
    change(member, {"last_period": None}, 409, "self_employment_ended")
    again = member.client.post(SPELL, terms, key=True).expect(201).json
    assert (again["first_period"], again["status"]) == ("2027-02", "waiting")
    assert member.bill(1)["first_period"] == "2027-02"


def test_what_cannot_be_billed(enrol, own, own_actors, clock):
    stranger = Client(own, own_actors.member()["token"])
    stranger.post(BILLINGS, {"months": 1}, key=True).expect(404)
    stranger.get(SPELL).expect(404)
    member = enrol()
    member.bill(1, "2026-10", 422, "period_outside_self_employment")
    member.bill(2, "2027-11", 422, "period_too_far_ahead")
    for months in (0, 13, -1, 1.5, 10**30):
        member.bill(months, status=400)
    before = member.bill(12, query="?validate_only=true", status=200)
    assert len(before["months"]) == 12 and member.client.get(BILLINGS).expect(200).json["items"] == []
    assert member.bill(12)["amount"] == before["amount"]
    member.bill(1, "2026-12", 409, "month_already_billed")
    assert member.bill(1)["first_period"] == "2027-11"
    member.bill(1, status=422, code="period_too_far_ahead")


@pytest.mark.parametrize("more, code", [
    ({"first_period": "2026-10"}, "month_has_passed"), ({"first_period": "2027-12"}, "period_too_far_ahead"),
    ({"income_base": 1_100_000}, "income_band_not_in_force")])
def test_how_one_cannot_enrol(own, own_actors, clock, more, code):
    member = Client(own, own_actors.member()["token"])
    body = {"income_base": 1_000_000, "with_jht": True, "sector": "other", "funding": "own"} | more
    member.post(SPELL, body, key=True).expect(422, code)
    member.get(SPELL).expect(404)


def test_the_same_request_bills_once(enrol):
    member, key = enrol(), new_key()
    first = member.client.post(BILLINGS, {"months": 1}, key=key).expect(201)
    again = member.client.post(BILLINGS, {"months": 1}, key=key).expect(201)
    assert again.body == first.body and again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["Location"] == f"{BILLINGS}/{first.json['id']}"


def test_a_page_at_a_time(enrol):
    member = enrol()
    made = [member.bill(1)["id"] for _ in range(3)]
    page = member.client.get(f"{BILLINGS}?limit=2").expect(200).json
    rest = member.client.get(f"{BILLINGS}?limit=2&after={page['next_after']}").expect(200).json
    assert [b["id"] for b in page["items"] + rest["items"]] == made[::-1] and "next_after" not in rest
    assert len(member.client.get(f"{BILLINGS}?status=unpaid").expect(200).json["items"]) == 3
    assert member.client.get(f"{BILLINGS}?status=paid").expect(200).json["items"] == []


def band(base, **more):
    return {"base": base, "income_from": base - 100_000, "income_to": base + 99_000, "jkk": base // 100,
            "valid_from": "2015-07", "instrument": "PP 44/2015 Lampiran II", "certainty": "a test",
            "grade": "law"} | more


def test_a_band_counts_when_another_officer_has_approved_it(own, own_actors, enrol, officers):
    one, two, member = officers("manage_parameters"), officers("manage_parameters"), enrol()
    made = one.post("/v1/income_bands", band(1_400_000), key=True).expect(201)
    assert made.headers["Location"] == f"/v1/income_bands/{made.json['id']}"
    change(member, {"from": "2026-12", "income_base": 1_400_000}, 422, "income_band_not_in_force")
    where = f"/v1/income_bands/{made.json['id']}"
    assert two.get(where).expect(200).json == made.json
    one.post(f"{where}/approval", key=True).expect(403, "own_proposal")
    assert two.post(f"{where}/approval", key=True).expect(200).json["verified"]
    two.post(f"{where}/approval", key=True).expect(409, "income_band_already_approved")
    change(member, {"from": "2026-12", "income_base": 1_400_000})
    assert amounts(member.bill(2))["2026-12"] == (0, 7_000, 3_400)
    bands = Client(own).get("/v1/income_bands").expect(200).json["items"]
    assert [b["base"] for b in bands] == [1_000_000, 1_200_000, 1_400_000]
    first = Client(own).get("/v1/income_bands?limit=1").expect(200).json
    rest = Client(own).get(f"/v1/income_bands?after={first['next_after']}").expect(200).json
    assert first["items"] + rest["items"] == bands


def test_a_later_row_takes_over_and_what_is_billed_stays(own, enrol, officers):
    one, two, member = officers("manage_parameters"), officers("manage_parameters"), enrol(income_base=1_200_000)
    before = member.bill(2)
    made = one.post("/v1/income_bands", band(1_200_000, jkk=13_000, valid_from="2026-12"), key=True).expect(201).json
    two.post(f"/v1/income_bands/{made['id']}/approval", key=True).expect(200)
    assert amounts(member.billing(before)) == amounts(before)
    assert amounts(member.bill(1)) == {"2027-01": (0, 13_000, 6_800)}
    then = Client(own).get("/v1/income_bands?as_of=2026-11-30").expect(200).json["items"]
    assert {b["base"]: b.get("valid_to") for b in then}[1_200_000] == "2026-11-30"
    twin = one.post("/v1/income_bands", band(1_200_000, valid_from="2026-12"), key=True).expect(201).json
    two.post(f"/v1/income_bands/{twin['id']}/approval", key=True).expect(409, "income_band_overlaps")


@pytest.mark.parametrize("more, code", [
    ({"income_to": 1_000_000}, "bounds_descend"), ({"jkk": 1_500_001}, "contribution_above_income")])
def test_a_band_that_cannot_be(officers, more, code):
    officers("manage_parameters").post("/v1/income_bands", band(1_500_000, **more), key=True).expect(422, code)


def test_who_has_no_employer_becomes_a_member_at_an_office(own, own_actors, officers, clock):
    person = {"nik": "3578011506900017", "full_name": "Joko Susilo", "birth_date": "1990-06-15", "sex": "male"}
    officer = officers("verify_members")
    answers = at_once(own, 3, lambda client: client.post("/v1/members", person, token=officer.token, key=True))
    assert sorted(a.status for a in answers) == [201, 409, 409]
    made = next(a for a in answers if a.status == 201)
    assert {a.code for a in answers if a.status == 409} == {"already_member"}
    assert made.json["segment"] == "self_employed" and made.headers["Location"] == f"/v1/members/{made.json['id']}"
    officer.post("/v1/members", person | {"nik": "3578011506900018", "birth_date": "2026-11-06"}, key=True).expect(
        422, "birth_date_lies_ahead")
    form = {"kpj": made.json["kpjs"][0], "email": "joko.susilo@smile.test", "phone": "+628119000017",
            "password": PASSWORD} | {name: person[name] for name in ("nik", "full_name", "birth_date")}
    Client(own).post("/v1/registrations", form).expect(202)
    own_actors.confirm(form["email"])
    joko = Client(own, own_actors.log_in(form["email"])["token"])
    joko.post(SPELL, {"income_base": 1_000_000, "with_jht": False, "sector": "transport", "funding": "own"},
              key=True).expect(201)
    assert joko.post(BILLINGS, {"months": 1}, key=True).expect(201).json["amount"] == 8_400


def test_a_wage_earner_may_pay_for_themselves_too(own, enrol, own_actors, clock):
    """One month at an employer and one's own beside it; each keeps its rules."""
    member = enrol(income_base=1_200_000, with_jht=True)
    payroll = Payroll(Client(own), own_actors.payroll(), member.bank)
    about = member.about
    row = f",{about['kpj']},{about['nik']},{about['full_name']},{about['birth_date']},male,12000000,,"
    payroll.month("2026-10", [row])
    member.pay(member.bill(1))
    items = member.client.get("/v1/members/me/contributions").expect(200).json["items"]
    assert [(i["period"], i["segment"]) for i in items] == [("2026-11", "self_employed"), ("2026-10", "wage_earner")]
    # 5.7 % of 12,000,000 and 24,000
    assert member.client.get("/v1/members/me/balances").expect(200).json["jht"] == {"balance": 708_000}
    first = member.client.get("/v1/members/me/contributions?limit=1").expect(200).json
    rest = member.client.get(f"/v1/members/me/contributions?after={first['next_after']}").expect(200).json
    assert first["items"] + rest["items"] == items


def test_months_at_once_across_a_new_band_and_the_end_of_a_relief(own, enrol, officers):
    """Seven months in transport with JHT, in a band of 1,600,000 whose JKK rises from 16,000 to 20,000 in February
    2027, while the relief of one half ends in March 2027: 32,000 + 8,000 + 3,400 three times, 32,000 + 10,000 + 3,400
    twice, 32,000 + 20,000 + 6,800 twice."""
    one, two = officers("manage_parameters"), officers("manage_parameters")
    for changes in ({}, {"jkk": 20_000, "valid_from": "2027-02"}):
        made = one.post("/v1/income_bands", band(1_600_000, **changes), key=True).expect(201).json
        two.post(f"/v1/income_bands/{made['id']}/approval", key=True).expect(200)
    member = enrol(income_base=1_600_000, with_jht=True, sector="transport")
    billing = member.bill(7)
    assert amounts(billing) == {
        "2026-11": (32_000, 8_000, 3_400), "2026-12": (32_000, 8_000, 3_400), "2027-01": (32_000, 8_000, 3_400),
        "2027-02": (32_000, 10_000, 3_400), "2027-03": (32_000, 10_000, 3_400),
        "2027-04": (32_000, 20_000, 6_800), "2027-05": (32_000, 20_000, 6_800)}
    assert billing["amount"] == 3 * 43_400 + 2 * 45_400 + 2 * 58_800
    assert worker_side(billing["amounts"]) == (224_000, 84_000, 30_600)
    assert [b["jkk"] for b in billing["income_bands"]] == [16_000, 20_000]
    assert member.pay(billing)["settled"] and len(member.months()) == 7


def test_that_inactive_members_resume_by_one_month_is_not_certain(enrol, own_db):
    """The rows say so, and if the months between were to lapse, a row would do."""
    used = {p["parameter"]: (p["value"], p["verified"]) for p in enrol().state()["parameters_used"]}
    assert used == {"bpu.inactive_after_unpaid_months": ("3", False), "bpu.resumes_by": ("one_month_paid", False),
                    "bpu.months_of_inactivity": ("stay_due", False)}


def test_months_of_inactivity_would_lapse_by_another_row(enrol, clock, own_db):
    clock.set("2026-01-05")
    member = enrol()
    clock.set("2026-06-01")
    assert member.state()["arrears_months"] == 5
    member.pay(member.bill(1, "2026-06"))
    assert member.state()["arrears_months"] == 5
    own_db.execute("UPDATE smile.legal_parameter SET value = 'lapse' WHERE parameter = 'bpu.months_of_inactivity'")
    try:
        assert (member.state()["arrears_months"], member.state()["status"]) == (0, "active")
    finally:
        own_db.execute("UPDATE smile.legal_parameter SET value = 'stay_due' "
                       "WHERE parameter = 'bpu.months_of_inactivity'")


def test_the_segment_is_what_runs(own, own_actors, officers, clock):
    """A wage earner pays for themselves beside the employment, then without it, then is hired again; the tag tells."""
    firm = own_actors.employer()
    about = own_actors.member(firm["token"], firm["id"])
    member, boss = Client(own, about["token"]), Client(own, firm["token"])

    def segment():
        answer = member.get("/v1/members/me").expect(200)
        return answer.json["segment"], answer.headers["ETag"]

    assert segment()[0] == "wage_earner"
    member.post(SPELL, {"income_base": 1_000_000, "with_jht": False, "sector": "other", "funding": "own"}, key=True
                ).expect(201)
    assert segment()[0] == "wage_earner"
    boss.post(f"/v1/employers/{firm['id']}/workers/{about['employment_id']}/termination", {
        "end_date": "2026-11-30", "reason": "resignation"}, key=True).expect(200)
    said, tag = segment()
    assert said == "wage_earner"
    clock.set("2026-12-01")
    member.get("/v1/members/me", headers={"If-None-Match": tag}).expect(200)
    said, later = segment()
    assert (said, later != tag) == ("self_employed", True)
    member.patch("/v1/members/me", {"address": "Jl. Kenanga 3"}, headers={"If-Match": tag}).expect(412)
    member.patch("/v1/members/me", {"address": "Jl. Kenanga 3"}, headers={"If-Match": later}).expect(200)
    seen = officers("read_members").get(f"/v1/members/{about['member_id']}", headers={"Access-Purpose": "call:1"})
    assert seen.expect(200).json["segment"] == "self_employed"
    change(SelfEmployedView(member), {"last_period": "2026-12"})
    clock.set("2027-01-02")
    assert segment()[0] == "self_employed"   # nothing runs: what ran last
    form = {name: about[name] for name in ("nik", "full_name", "birth_date")}
    boss.post(f"/v1/employers/{firm['id']}/workers", form | {"wage": 1, "start_date": "2027-01-02"}, key=True
              ).expect(201)
    assert segment()[0] == "wage_earner"


class SelfEmployedView:
    """What change() needs of a member."""

    def __init__(self, client):
        self.client = client


def protected(member, day=None):
    found = member.client.get("/v1/members/me/protection" + (f"?as_of={day}" if day else "")).expect(200).json
    spell = found["self_employment"]
    assert spell["protected"] == (spell["status"] == "active")
    return spell["status"]


def test_protection_follows_from_what_was_paid_by_the_day_of_the_event(enrol, clock):
    """January is paid and then nothing until June, which brings nothing back for what happened in May."""
    clock.set("2026-01-05")
    member = enrol(with_jht=True)
    assert protected(member) == "waiting"
    clock.set("2026-01-09")
    member.pay(member.bill(1))
    found = member.client.get("/v1/members/me/protection").expect(200).json["self_employment"]
    assert (found["programmes"], found["limit_months"], found["grade"]) == (["jht", "jkk", "jkm"], 3, "policy")
    clock.set("2026-06-01")
    assert (protected(member, "2026-04-15"), protected(member, "2026-04-16"), protected(member)) == (
        "active", "inactive", "inactive")
    member.pay(member.bill(1, "2026-06"))
    member.pay(member.bill(4))   # February to May
    assert protected(member) == "active"
    for day, status in (("2026-01-08", "waiting"), ("2026-01-09", "active"), ("2026-04-15", "active"),
                        ("2026-04-16", "inactive"), ("2026-05-31", "inactive"), ("2026-06-01", "active")):
        assert protected(member, day) == status, day
    assert "self_employment" not in member.client.get("/v1/members/me/protection?as_of=2025-12-31").expect(200).json


def test_what_a_bank_tells_late_protects_from_the_day_it_was_paid(enrol, clock):
    clock.set("2026-03-02")
    member = enrol()
    billing = member.bill(1)
    paid_at = clock.instant
    clock.set("2026-03-20")
    assert protected(member, "2026-03-10") == "waiting"
    clock.instant = paid_at   # what the bank says of it
    payment = member.pay(billing)
    assert (protected(member, "2026-03-01"), protected(member, "2026-03-10")) == ("waiting", "active")
    clock.set("2026-03-20")
    member.reverse(payment)
    assert protected(member, "2026-03-10") == "waiting"


def blockers(member, claim):
    answer = member.client.post(f"/v1/claims/{claim['id']}/submission", key=True)
    return sorted(e["code"] for e in answer.json.get("errors", []) if e["code"] != "document_missing")


def open_claim(member, reason):
    return member.client.post("/v1/claims", {"type": "jht", "reason": reason}, key=True).expect(201).json


def end_employment(own_db, member, born="1960-01-01"):
    own_db.execute("UPDATE smile.employment SET end_date = '2026-01-31', end_reason = 'resignation' "
                   "WHERE member_id = %s", [member.id])
    own_db.execute("UPDATE smile.member SET birth_date = %s WHERE id = %s", [born, member.id])


def test_nobody_claims_jht_while_they_pay_for_it(enrol, clock, own_db):
    """Three unpaid months make the spell inactive, and an inactive one hinders nothing. From memory, as the parameter
    says."""
    clock.set("2026-05-04")
    member = enrol(with_jht=True)
    end_employment(own_db, member)
    retired = open_claim(member, "retirement_age")
    assert blockers(member, retired) == ["no_balance"]   # nothing has been paid, so it isn't running yet
    member.pay(member.bill(1))
    assert blockers(member, retired) == ["self_employment_still_active"]
    clock.set("2026-08-20")
    assert member.state()["status"] == "inactive" and blockers(member, retired) == []
    assert own_db.execute("SELECT verified, grade FROM smile.legal_parameter "
                          "WHERE parameter = 'claim.while_self_employed'").fetchall() == [(False, "memory")]


def test_who_pays_for_accidents_alone_may_claim_the_jht_of_an_employment(enrol, clock, own_db):
    clock.set("2026-05-04")
    member = enrol(with_jht=False)
    end_employment(own_db, member)
    member.pay(member.bill(1))
    claim = open_claim(member, "resignation")
    assert blockers(member, claim) == ["no_balance"]


def test_a_month_after_the_self_employment_ended(enrol, clock, own_db):
    """PP 46/2015: whoever stops working; the wait of one month is from memory."""
    clock.set("2026-05-04")
    member = enrol(with_jht=True)
    end_employment(own_db, member, born="1990-01-01")
    member.pay(member.bill(1))
    claim = open_claim(member, "self_employment_ended")
    assert blockers(member, claim) == ["no_self_employment_ended", "self_employment_still_active"]
    change(member, {"last_period": "2026-05"})
    clock.set("2026-06-29")
    assert blockers(member, claim) == ["waiting_time_not_over"]
    clock.set("2026-06-30")   # a month after the last of May
    assert blockers(member, claim) == []
    reasons = member.client.get("/v1/claim_types").expect(200).json["items"][0]["reasons"]
    parameter, = next(r for r in reasons if r["code"] == "self_employment_ended")["parameters"]
    assert (parameter["value"], parameter["verified"]) == ("1", False)


def test_a_banks_statement_pays_and_takes_back_own_months(enrol, clock, own_db):
    """As it does the months of employers; a notice that comes late changes nothing."""
    member, other = enrol(), enrol()
    billing, others = member.bill(2), other.bill(1)
    at = "2026-11-05T01:00:00Z"

    def state(date, *rows):
        amount = sum(int(r.split(",")[3]) * (1 if r.startswith("payment") else -1) for r in rows)
        body = "\n".join(["type,bank_reference,payment_code,amount,at,reason", *rows]).encode()
        answer = member.bank.post(f"/v1/payment_statements?statement_date={date}&count={len(rows)}&amount={amount}",
                                  body=body, key=True, headers={"Content-Type": "text/csv"}).expect(201).json
        return [item["outcome"] for item in answer["items"]]

    assert state("2026-11-03", f"payment,OWN-1,{billing['payment_code']},{billing['amount']},{at},",
                 f"payment,OWN-2,{others['payment_code']},{others['amount']},{at},") == ["posted", "posted"]
    assert [member.billing(billing)["status"], other.billing(others)["status"]] == ["paid", "paid"]
    told = member.bank.post("/v1/payments", {
        "payment_code": billing["payment_code"], "amount": billing["amount"], "paid_at": at,
        "bank_reference": "OWN-1"}, key=True).expect(200).json
    assert told["settled"] and told["applied"] == billing["amount"]
    assert state("2026-11-04", f"reversal,OWN-1,,{billing['amount']},2026-11-05T01:30:00Z,bank_error",
                 f"payment,OWN-2,{others['payment_code']},{others['amount']},{at},") == ["reversed", "known"]
    assert member.billing(billing)["status"] == "unpaid" and member.months() == {} and protected(member) == "waiting"
    assert other.billing(others)["status"] == "paid" and protected(other) == "active"
