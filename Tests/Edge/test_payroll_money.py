"""Races around wages and money, whose they are, and where every rupiah is."""
import concurrent.futures
import json

import psycopg
import pytest

from payroll import BY_HAND, balanced, bank, line, nik, numbers, payroll, Payroll  # noqa: F401


def test_a_nik_does_not_buy_a_name(payroll, actors, api):
    """Who hires by NIK knows the worker's name; otherwise the answer would tell it, rehearsed without a trace."""
    number = nik()
    payroll.month("2026-09", [line(5_000_000, number=number)])
    other = actors.payroll("workers:write")
    hired = {"nik": number, "full_name": "Siapa Saja", "birth_date": "1985-01-15", "wage": 1,
             "start_date": "2026-11-01"}
    answer = api.acting(other["token"]).post(
        f"/v1/employers/{other['employer_id']}/workers?validate_only=true", hired).expect(422)
    assert answer.json["code"] == "identity_mismatch" and "Adi" not in answer.text


def test_two_finalise_at_once_and_one_does(payroll):
    opened = payroll.open("2026-10")
    payroll.send(opened["id"], [line(5_000_000) for _ in range(20)])

    def finalise(_):
        with payroll.client.acting(payroll.client.token) as client:
            return client.post(f"/v1/returns/{opened['id']}/finalisation", key=True).status

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(finalise, range(4))) == [200, 409, 409, 409]
    billings = payroll.client.get(f"/v1/employers/{payroll.employer_id}/billings").json["items"]
    assert len(billings) == 1


def test_the_same_notice_many_times_at_once_pays_once(payroll, bank, db):
    opened = payroll.open("2026-10")
    payroll.send(opened["id"], [line(5_000_000)])
    billing = payroll.client.get(f"/v1/billings/{payroll.finalise(opened['id'])['billing_id']}").json
    notice = {"payment_code": billing["payment_code"], "amount": billing["amount"], "paid_at": "2026-11-05T01:00:00Z",
              "bank_reference": f"RACE{next(numbers)}"}

    def notify(_):
        with bank.acting(bank.token) as client:
            answer = client.post("/v1/payments", notice, key=True)
            return answer.status, answer.json["id"]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(notify, range(8)))
    assert sorted(status for status, _ in answers) == [200] * 7 + [201]
    assert len({payment for _, payment in answers}) == 1
    assert db.execute("SELECT count(*) FROM smile.contribution WHERE employer_id = %s", [payroll.employer_id]
                      ).fetchone() == (1,)


def test_two_employers_with_the_same_new_worker_make_one_member(api, actors, bank, db):
    one, two = (Payroll(api, actors.payroll(), bank) for _ in range(2))
    number = nik()
    returns = [p.open("2026-10")["id"] for p in (one, two)]
    for p, r in zip((one, two), returns):
        p.send(r, [line(5_000_000, number=number)])
    one.finalise(returns[0])
    two.finalise(returns[1], 409)
    two.send(returns[1], [line(5_000_000, number=number)])
    assert two.lines(returns[1])[0]["match"] == "new_employment"
    two.finalise(returns[1])
    kpj = [p.lines(r)[0].get("kpj") for p, r in zip((one, two), returns)][0]
    assert db.execute("SELECT count(*) FROM smile.employment AS e JOIN smile.member_number AS n USING (member_id)"
                      " WHERE n.kpj = %s", [kpj]).fetchone() == (2,)


def test_hiring_one_person_many_times_at_once_makes_one_member(api, actors, db):
    """Employers who hire the same unknown person at the same moment."""
    number = nik()
    form = {"nik": number, "full_name": "Adi Nugroho", "birth_date": "1985-01-15", "wage": 1,
            "start_date": "2026-10-01"}
    employers = [actors.employer() for _ in range(4)]

    def hire(employer):
        with api.acting(employer["token"]) as client:
            return client.post(f"/v1/employers/{employer['id']}/workers", form, key=True).expect(201).json["member_id"]

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(hire, employers))) == 1


def test_returns_with_the_same_new_people_finalised_at_once_make_each_a_member_once(api, actors, bank, db):
    numbers_of_all = [nik() for _ in range(30)]
    both = [Payroll(api, actors.payroll(), bank) for _ in range(2)]
    returns = [p.open("2026-10")["id"] for p in both]
    for p, r, order in zip(both, returns, (1, -1)):
        p.send(r, [line(5_000_000, number=number) for number in numbers_of_all[::order]])
    before = db.execute("SELECT count(*) FROM smile.member").fetchone()[0]

    def finalise(pair):
        return pair[0].client.post(f"/v1/returns/{pair[1]}/finalisation", key=True).status

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(finalise, zip(both, returns))) == [200, 409]
    assert db.execute("SELECT count(*) FROM smile.member").fetchone()[0] == before + 30


def test_what_is_another_employers_is_not_there(payroll, api, actors):
    opened = payroll.open("2026-10")
    payroll.send(opened["id"], [line(5_000_000)])
    billing = payroll.finalise(opened["id"])["billing_id"]
    stranger = api.acting(actors.payroll()["token"])
    for target in (f"/v1/returns/{opened['id']}", f"/v1/returns/{opened['id']}/lines", f"/v1/billings/{billing}",
                   f"/v1/returns/{opened['id']}/findings", f"/v1/returns/{opened['id']}/receipt",
                   f"/v1/employers/{payroll.employer_id}", f"/v1/employers/{payroll.employer_id}/returns",
                   f"/v1/employers/{payroll.employer_id}/billings", f"/v1/employers/{payroll.employer_id}/workers"):
        stranger.get(target).expect(404)
    stranger.put(f"/v1/returns/{opened['id']}/lines", body=b"x", headers={"Content-Type": "text/csv"}).expect(404)
    stranger.post(f"/v1/returns/{opened['id']}/finalisation", key=True).expect(404)


def test_without_a_context_nothing_is_seen(payroll, server, cluster):
    """The server's role by itself reads no payroll and can neither read the staging table nor book."""
    payroll.month("2026-10", [line(5_000_000)])
    with psycopg.connect(cluster.url(server.database, "smile_api"), autocommit=True) as bare:
        for table in ("contribution_return", "return_line", "finding", "billing", "payment", "contribution", "posting",
                      "employer", "employment", "employer_registration"):
            assert bare.execute(f"SELECT count(*) FROM (SELECT id_or_row.ctid FROM smile.{table} AS id_or_row) AS x"
                                if table != "employer_registration" else f"SELECT count(id) FROM smile.{table}"
                                ).fetchone() == (0,), table
        for refused in ("SELECT FROM smile.return_staging", "DELETE FROM smile.posting", "TRUNCATE smile.posting",
                        "SELECT smile.book('x', 'x', smile.uuid7(), '{}')", "SELECT smile.next_kpj()",
                        "SELECT password_hash FROM smile.employer_registration",
                        "INSERT INTO smile.contribution (member_id) VALUES (smile.uuid7())"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                bare.execute(refused)


def test_the_ledger_takes_only_what_balances_and_keeps_it(db):
    with pytest.raises(psycopg.errors.CheckViolation), db.transaction():
        db.execute("SELECT smile.book('test', 'test', smile.uuid7(), ARRAY[('bank', NULL, NULL, NULL, 5)]"
                   "::smile.posting_line[])")
    with pytest.raises(psycopg.errors.CheckViolation), db.transaction():
        db.execute("SELECT smile.book('test', 'test', smile.uuid7(), ARRAY[('bank', NULL, NULL, NULL, 5),"
                   " ('fund.jht', NULL, NULL, NULL, -5)]::smile.posting_line[])")
    for change in ("UPDATE smile.posting SET amount = 1", "DELETE FROM smile.posting", "TRUNCATE smile.posting",
                   "DELETE FROM smile.ledger_transaction"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), db.transaction():
            db.execute(change)


def test_the_members_money_is_in_the_ledger(payroll, api, actors):
    """A member sees the month when it is paid, and not before."""
    member = actors.member(payroll.actor["employer_token"], payroll.employer_id)
    mine = api.acting(member["token"])
    opened = payroll.open("2026-10")
    payroll.send(opened["id"], [line(12_000_000, kpj=member["kpj"], number=member["nik"], name=member["full_name"],
                                     born=member["birth_date"])])
    billing = payroll.finalise(opened["id"])["billing_id"]
    assert mine.get("/v1/members/me/contributions").expect(200).json["items"] == []
    payroll.pay(billing)
    item = mine.get("/v1/members/me/contributions").expect(200).json["items"][0]
    assert (item["period"], item["wage"], item["employer"]["id"]) == ("2026-10", 12_000_000, payroll.employer_id)
    assert item["amounts"] == BY_HAND["2026-10", 12_000_000]
    only = mine.get("/v1/members/me/contributions?programme=jp").expect(200).json["items"][0]["amounts"]
    assert only == {"jp": {"employer": 221_726, "worker": 110_863}}
    balances = mine.get("/v1/members/me/balances").expect(200).json
    assert (balances["jht"]["balance"], balances["jp"]["months"]) == (684_000, 1)
    entries = mine.get("/v1/members/me/balances/jht/entries").expect(200).json["items"]
    assert [(e["kind"], e["period"], e["amount"], e["balance"]) for e in entries] == [
        ("contributions_posted", "2026-10", 684_000, 684_000)]


def test_pages_of_months_go_on_without_gap_or_repeat(payroll, api, actors):
    member = actors.member(payroll.actor["employer_token"], payroll.employer_id)
    mine = api.acting(member["token"])
    periods = [f"2026-{month:02}" for month in range(1, 6)]
    for period in periods:
        payroll.month(period, [line(5_000_000, kpj=member["kpj"], number=member["nik"], name=member["full_name"],
                                    born=member["birth_date"])])
    for path, field in (("contributions", "period"), ("balances/jht/entries", "period")):
        seen, after = [], ""
        while True:
            page = mine.get(f"/v1/members/me/{path}?limit=2{after}").expect(200).json
            seen += [item[field] for item in page["items"]]
            if "next_after" not in page:
                break
            after = f"&after={page['next_after']}"
        assert seen == periods[::-1], path
    inside = mine.get("/v1/members/me/contributions?from=2026-02&to=2026-03").expect(200).json["items"]
    assert [item["period"] for item in inside] == ["2026-03", "2026-02"]
