"""A payroll client of an employer of its own, and lines for it; the fixtures of every payroll test."""
import itertools
import json

import pytest

from books import judge_books

HEADER = "line_key,kpj,nik,full_name,birth_date,sex,wage,back_pay,back_pay_period"
numbers = itertools.count(1)


@pytest.fixture(autouse=True)
def balanced(db):
    """After each test here; after the others once a module."""
    yield
    judge_books(db)


@pytest.fixture(scope="module")
def bank(server, actors):
    from client import Client
    return Client(server, actors.bank()["token"])


class Payroll:
    """A payroll client of an employer of its own."""

    def __init__(self, api, actor, bank):
        self.actor, self.bank, self.employer_id = actor, bank, actor["employer_id"]
        self.client = api.acting(actor["token"])

    def open(self, period, kind="regular", status=201, **more):
        return self.client.post(f"/v1/employers/{self.employer_id}/returns", {"period": period, "kind": kind} | more,
                                key=True).expect(status).json

    def send(self, return_id, lines, query="", status=200, **options):
        text = "\n".join([HEADER, *lines]) + "\n"
        headers = {"Content-Type": "text/csv", "Prefer": "wait=10"} | options.pop("headers", {})
        return self.client.put(f"/v1/returns/{return_id}/lines{query}", body=text.encode(), headers=headers,
                               **options).expect(status).json

    def lines(self, return_id):
        return self.client.get(f"/v1/returns/{return_id}/lines?limit=200").expect(200).json["items"]

    def finalise(self, return_id, status=200):
        return self.client.post(f"/v1/returns/{return_id}/finalisation", key=True, headers={
            "Prefer": "wait=10"}).expect(status).json

    def pay(self, billing_id, reference=None):
        billing = self.client.get(f"/v1/billings/{billing_id}").expect(200).json
        self.bank.post("/v1/payments", {
            "payment_code": billing["payment_code"], "amount": billing["amount"] - billing["paid_amount"],
            "paid_at": "2026-11-05T01:30:00Z", "bank_reference": reference or f"T{next(numbers)}"
        }, key=True).expect(201)
        return billing

    def month(self, period, lines, kind="regular"):
        """From nothing to paid; the lines as they were computed, and the billing."""
        opened = self.open(period, kind)
        self.send(opened["id"], lines)
        computed = self.lines(opened["id"])
        return computed, self.pay(self.finalise(opened["id"])["billing_id"])


@pytest.fixture
def payroll(api, actors, bank):
    return Payroll(api, actors.payroll(), bank)


def nik(born="850115"):
    """A NIK that nobody has; `born` is YYMMDD."""
    number = next(numbers)
    return f"3578{number // 9_999 + 1:02}{born[4:]}{born[2:4]}{born[:2]}{number % 9_999 + 1:04}"


def line(wage, *, key="", kpj="", number=None, name="Adi Nugroho", born="1985-01-15", back_pay=",", sex="male"):
    number = nik(born[2:].replace("-", "")) if number is None else number
    return f"{key},{kpj},{number},{name},{born},{sex},{wage},{back_pay}"


# Worked out by hand from PP 44/2015, 45/2015, 46/2015 and PP 6/2025 at risk class III.
BY_HAND = {
    ("2026-10", 12_000_000): {
        "jht": {"employer": 444_000, "worker": 240_000}, "jkk": {"employer": 106_800, "to_jkp": 7_000},
        "jkm": {"employer": 36_000, "to_jkp": 0}, "jp": {"employer": 221_726, "worker": 110_863},
        "jkp": {"recomposed": 7_000, "state": 11_000}},
    ("2026-02", 12_000_000): {   # ceiling 10,547,400
        "jht": {"employer": 444_000, "worker": 240_000}, "jkk": {"employer": 106_800, "to_jkp": 7_000},
        "jkm": {"employer": 36_000, "to_jkp": 0}, "jp": {"employer": 210_948, "worker": 105_474},
        "jkp": {"recomposed": 7_000, "state": 11_000}},
    ("2026-10", 4_999_950): {    # 184,998.15; 99,999; 44,499.555; 14,999.85; 99,999; 49,999.5; 6,999.93; 10,999.89
        "jht": {"employer": 184_998, "worker": 99_999}, "jkk": {"employer": 44_500, "to_jkp": 7_000},
        "jkm": {"employer": 15_000, "to_jkp": 0}, "jp": {"employer": 99_999, "worker": 50_000},
        "jkp": {"recomposed": 7_000, "state": 11_000}},
    ("2024-12", 12_000_000): {   # before PP 6/2025: JKM gives 0.10 % to JKP as well; ceiling 10,042,300
        "jht": {"employer": 444_000, "worker": 240_000}, "jkk": {"employer": 106_800, "to_jkp": 7_000},
        "jkm": {"employer": 36_000, "to_jkp": 5_000}, "jp": {"employer": 200_846, "worker": 100_423},
        "jkp": {"recomposed": 12_000, "state": 11_000}},
    ("2020-10", 12_000_000): {   # PP 49/2020: 1 % of JKK's 0.89 % and JKM's 0.30 %; ceiling 8,939,700; before JKP
        "jht": {"employer": 444_000, "worker": 240_000}, "jkk": {"employer": 1_068, "to_jkp": 0},
        "jkm": {"employer": 360, "to_jkp": 0}, "jp": {"employer": 178_794, "worker": 89_397},
        "jkp": {"recomposed": 0, "state": 0}},
    ("2021-03", 12_000_000): {   # PP 37/2021: 0.14 % of JKK and 0.10 % of JKM of at most 5,000,000; ceiling 8,754,600
        "jht": {"employer": 444_000, "worker": 240_000}, "jkk": {"employer": 106_800, "to_jkp": 7_000},
        "jkm": {"employer": 36_000, "to_jkp": 5_000}, "jp": {"employer": 175_092, "worker": 87_546},
        "jkp": {"recomposed": 12_000, "state": 11_000}},
    # Rates that change within a month hold from the next one on: JKM gives nothing to JKP since 7 February 2025, and
    # JKP began on 2 February 2021.
    ("2025-02", 12_000_000): {   # ceiling 10,042,300
        "jht": {"employer": 444_000, "worker": 240_000}, "jkk": {"employer": 106_800, "to_jkp": 7_000},
        "jkm": {"employer": 36_000, "to_jkp": 5_000}, "jp": {"employer": 200_846, "worker": 100_423},
        "jkp": {"recomposed": 12_000, "state": 11_000}},
    ("2025-03", 12_000_000): {   # ceiling 10,547,400
        "jht": {"employer": 444_000, "worker": 240_000}, "jkk": {"employer": 106_800, "to_jkp": 7_000},
        "jkm": {"employer": 36_000, "to_jkp": 0}, "jp": {"employer": 210_948, "worker": 105_474},
        "jkp": {"recomposed": 7_000, "state": 11_000}},
    ("2021-01", 12_000_000): {   # the last month of PP 49/2020; ceiling 8,939,700
        "jht": {"employer": 444_000, "worker": 240_000}, "jkk": {"employer": 1_068, "to_jkp": 0},
        "jkm": {"employer": 360, "to_jkp": 0}, "jp": {"employer": 178_794, "worker": 89_397},
        "jkp": {"recomposed": 0, "state": 0}},
    ("2021-02", 12_000_000): {
        "jht": {"employer": 444_000, "worker": 240_000}, "jkk": {"employer": 106_800, "to_jkp": 0},
        "jkm": {"employer": 36_000, "to_jkp": 0}, "jp": {"employer": 178_794, "worker": 89_397},
        "jkp": {"recomposed": 0, "state": 0}},
    ("2019-05", 12_000_000): {   # before JKP; ceiling 8,512,400
        "jht": {"employer": 444_000, "worker": 240_000}, "jkk": {"employer": 106_800, "to_jkp": 0},
        "jkm": {"employer": 36_000, "to_jkp": 0}, "jp": {"employer": 170_248, "worker": 85_124},
        "jkp": {"recomposed": 0, "state": 0}},
}
