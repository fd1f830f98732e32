"""Risk class, size and reliefs of an employer: what a month costs follows from what held in it, and nothing that was
reported is ever computed anew behind anybody's back. Amounts are worked out from the law."""
import concurrent.futures
import time

import pytest

from client import new_key
from payroll import balanced, bank, line, payroll, Payroll   # noqa: F401

RELIEF = {"kind": "labour_intensive", "industry": "textile_garment", "valid_from": "2025-02", "valid_to": "2026-01"}


@pytest.fixture
def officer(api, actors):
    """A client of an officer who manages employers and has just logged in."""
    return api.acting(actors.officer("manage_employers")["token"])


@pytest.fixture
def business_day(db):
    """business_day('2027-02-03') moves the business clock, until the test is over."""
    before, = db.execute("SELECT business_at FROM smile.clock").fetchone()
    yield lambda day: db.execute("UPDATE smile.clock SET business_at = %s::date + interval '3 hours'", [day])
    db.execute("UPDATE smile.clock SET business_at = %s", [before])


def set_class(officer, payroll, month, risk_class):
    return officer.post(f"/v1/employers/{payroll.employer_id}/risk_classes", {
        "valid_from": month, "risk_class": risk_class, "reason": "Pemeriksaan lapangan"}, key=True)


def grant(officer, payroll, query="", **more):
    return officer.post(f"/v1/employers/{payroll.employer_id}/reliefs{query}", RELIEF | more, key=not query)


def staff(db, payroll, count, since="2024-01-01"):
    """So many workers, set up in the database, since the road there is long."""
    db.execute("""
        WITH made AS (
          INSERT INTO smile.member (full_name, birth_date)
          SELECT 'Pekerja Uji', '1990-01-01' FROM generate_series(1, %s) RETURNING id)
        INSERT INTO smile.employment (member_id, employer_id, start_date, wage)
        SELECT m.id, %s, %s, 5000000 FROM made AS m""", [count, payroll.employer_id, since])


def jkk(payroll, period, wage, **more):
    """What JKK costs, and how much of it goes on to JKP, in a draft that is given up."""
    opened = payroll.open(period)
    payroll.send(opened["id"], [line(wage, **more)])
    amounts, = payroll.lines(opened["id"])
    etag = payroll.client.get(f"/v1/returns/{opened['id']}").headers["ETag"]
    payroll.client.delete(f"/v1/returns/{opened['id']}", headers={"If-Match": etag}).expect(204)
    return amounts["amounts"]["jkk"]["employer"], amounts["amounts"]["jkk"]["to_jkp"]


# PP 44/2015 Art. 16(1): 0.24, 0.54, 0.89, 1.27, 1.74 % of 7,500,000.
@pytest.mark.parametrize("risk_class, due", [(1, 18_000), (2, 40_500), (3, 66_750), (4, 95_250), (5, 130_500)])
def test_each_class_costs_its_rate_from_its_month_on(risk_class, due, payroll, officer, business_day):
    set_class(officer, payroll, "2026-11", risk_class).expect(201)
    business_day("2026-12-03")
    assert jkk(payroll, "2026-11", 7_500_000) == (due, 7_000)
    assert jkk(payroll, "2026-10", 7_500_000) == (66_750, 7_000)   # class III, as it was


def test_back_pay_is_charged_by_the_class_of_its_month(payroll, officer, business_day):
    set_class(officer, payroll, "2026-11", 5).expect(201)
    business_day("2026-12-03")
    opened = payroll.open("2026-11")
    payroll.send(opened["id"], [line(7_500_000, back_pay="1000000,2026-10")])
    computed, = payroll.lines(opened["id"])
    assert computed["amounts"]["jkk"]["employer"] == 130_500                # 1.74 %
    assert computed["back_pay_amounts"]["jkk"]["employer"] == 8_900         # 0.89 %


def test_the_past_and_what_was_reported_stay(payroll, officer):
    set_class(officer, payroll, "2026-10", 5).expect(422, "month_is_past")
    payroll.month("2026-11", [line(7_500_000)])
    answer = set_class(officer, payroll, "2026-11", 5).expect(409, "month_already_reported")
    assert answer.json["period"] == "2026-11"
    set_class(officer, payroll, "2026-12", 5).expect(201)
    history = officer.get(f"/v1/employers/{payroll.employer_id}/risk_classes").expect(200).json["items"]
    assert [(item["valid_from"], item["risk_class"]) for item in history] == [("2026-12", 5), ("2015-07", 3)]


def test_a_draft_checked_with_another_class_is_not_billed(payroll, officer):
    opened = payroll.open("2026-11")
    payroll.send(opened["id"], lines := [line(7_500_000)])
    set_class(officer, payroll, "2026-11", 5).expect(201)
    assert payroll.finalise(opened["id"], 409)["code"] == "return_outdated"
    payroll.send(opened["id"], lines)
    billing = payroll.finalise(opened["id"])["billing_id"]
    amounts = payroll.client.get(f"/v1/billings/{billing}").expect(200).json["amounts"]
    assert amounts["jkk"]["employer"] == 130_500


def test_a_line_mended_after_a_change_does_not_hide_the_others(payroll, officer):
    """Lines that stay keep the amounts of the former class: the whole return is to be sent again."""
    opened = payroll.open("2026-11")
    payroll.send(opened["id"], [line(7_500_000, key="a"), line(7_500_000, key="b", born="1985-01-16")])
    set_class(officer, payroll, "2026-11", 5).expect(201)
    payroll.client.request("PATCH", f"/v1/returns/{opened['id']}/lines", body=(
        "line_key,kpj,nik,full_name,birth_date,sex,wage,back_pay,back_pay_period\n"
        + line(8_000_000, key="a") + "\n").encode(), headers={"Content-Type": "text/csv"}).expect(200)
    assert payroll.finalise(opened["id"], 409)["code"] == "return_outdated"


def test_the_class_waits_for_a_finalisation_under_way(payroll, officer, server, db):
    """One of the two comes first; never is a month billed by one class and recorded with another."""
    opened = payroll.open("2026-11")
    payroll.send(opened["id"], [line(7_500_000)])
    with concurrent.futures.ThreadPoolExecutor(2) as pool, server.cluster.connect(server.database) as holder:
        holder.autocommit = False
        holder.execute("SELECT FROM smile.employer WHERE id = %s FOR UPDATE", [payroll.employer_id])
        calls = [pool.submit(payroll.client.acting(payroll.client.token).post,
                             f"/v1/returns/{opened['id']}/finalisation", key=True),
                 pool.submit(set_class, officer, payroll, "2026-11", 5)]
        deadline = time.monotonic() + 1.5
        with server.cluster.connect(server.database) as watcher:
            while time.monotonic() < deadline and watcher.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                    "AND wait_event_type = 'Lock'").fetchone()[0] < 2:
                pass
        holder.rollback()
        statuses = [call.result().status for call in calls]
    assert statuses in ([200, 409], [409, 201])


def test_the_tag_of_an_employer_changes_with_the_month_that_brings_a_class(payroll, officer, business_day):
    set_class(officer, payroll, "2026-12", 5).expect(201)
    target = f"/v1/employers/{payroll.employer_id}"
    before = officer.get(target).expect(200)
    business_day("2026-12-03")
    after = officer.get(target, headers={"If-None-Match": before.headers["ETag"]}).expect(200)
    assert (before.json["risk_class"], after.json["risk_class"]) == (3, 5)
    officer.patch(target, {"address": "Jl. Baru 1"}, headers={"If-Match": after.headers["ETag"]}).expect(200)


def test_a_class_for_this_month_changes_the_tag_at_once(payroll, officer):
    target = f"/v1/employers/{payroll.employer_id}"
    tags = set()
    for risk_class in (4, 5):
        set_class(officer, payroll, "2026-11", risk_class).expect(201)
        answer = officer.get(target).expect(200)
        tags.add((answer.headers["ETag"], answer.json["risk_class"]))
    assert len({tag for tag, _ in tags}) == 2 and {found for _, found in tags} == {4, 5}


def test_a_decision_leaves_a_row_and_a_message(payroll, officer, api, actors, db):
    set_class(officer, payroll, "2026-12", 5).expect(201)
    details, = db.execute("SELECT details FROM smile.audit_log WHERE action = 'employer.risk_class_changed' "
                          "AND subject_id = %s", [payroll.employer_id]).fetchone()
    assert details == {"valid_from": "2026-12", "risk_class_before": 3, "risk_class": 5}
    email = api.get(f"/v1/employers/{payroll.employer_id}", token=officer.token).json["email"]
    assert actors.mails(email)[0]["template"] == "risk_class_changed"


def change(officer, payroll, **patch):
    return officer.patch(f"/v1/employers/{payroll.employer_id}", patch, headers={"If-Match": "*"})


def test_a_size_holds_from_this_month_on(payroll, officer, db):
    """JP is a duty of medium and large firms alone: 2 % and 1 % of 7,500,000 before, nothing from this month on."""
    change(officer, payroll, size="small").expect(200)
    opened = payroll.open("2026-11")
    payroll.send(opened["id"], [line(7_500_000, back_pay="1000000,2026-10")])
    computed, = payroll.lines(opened["id"])
    assert computed["amounts"]["jp"] == {"employer": 0, "worker": 0}
    assert computed["back_pay_amounts"]["jp"] == {"employer": 20_000, "worker": 10_000}
    payroll.finalise(opened["id"])
    change(officer, payroll, size="large").expect(409, "month_already_reported")
    details, = db.execute("SELECT details FROM smile.audit_log WHERE action = 'employer.changed' AND subject_id = %s",
                          [payroll.employer_id]).fetchone()
    assert details == {"fields": ["size"], "size_before": "medium"}


def test_one_firm_has_one_number_whichever_way_it_is_written(actors, api, officer):
    one, other = actors.employer(), actors.employer()
    officer.patch(f"/v1/employers/{one['id']}", {"npwp": "012345678905000"}, headers={"If-Match": "*"}).expect(200)
    officer.patch(f"/v1/employers/{other['id']}", {"npwp": "0012345678905000"}, headers={"If-Match": "*"}).expect(
        409, "npwp_already_registered")
    officer.patch(f"/v1/employers/{one['id']}", {"npwp": "0012345678905000"}, headers={"If-Match": "*"}).expect(200)


# PP 7/2025 Art. 4(1): half of 0.24, 0.89 and 1.74 %; of JKK 0.14 % of at most 5,000,000 goes on to JKP, and never more
# than there is: 0.12 % of 5,000,000 is 6,000.
@pytest.mark.parametrize("risk_class, wage, due, to_jkp", [
    (1, 5_000_000, 6_000, 6_000), (1, 10_000_000, 12_000, 7_000), (3, 7_500_000, 33_375, 7_000),
    (5, 7_500_000, 65_250, 7_000)])
def test_jkk_of_labour_intensive_industry_is_halved(risk_class, wage, due, to_jkp, payroll, officer, db):
    staff(db, payroll, 50)
    db.execute("UPDATE smile.employer_risk_class SET risk_class = %s WHERE employer_id = %s",
               [risk_class, payroll.employer_id])
    grant(officer, payroll).expect(201)
    assert jkk(payroll, "2025-02", wage) == (due, to_jkp)
    assert jkk(payroll, "2026-01", wage) == (due, to_jkp)
    full = {1: 24, 3: 89, 5: 174}[risk_class] * wage // 10_000
    assert jkk(payroll, "2025-01", wage)[0] == full
    assert jkk(payroll, "2026-02", wage)[0] == full


def test_the_open_point_of_the_relief_is_told(payroll, officer, db):
    staff(db, payroll, 50)
    grant(officer, payroll).expect(201)
    opened = payroll.open("2025-06")
    payroll.send(opened["id"], [line(7_500_000)])
    assert payroll.client.get(f"/v1/returns/{opened['id']}").expect(200).json["totals"]["verified"] is False
    rows = officer.get("/v1/parameters?as_of=2025-06-01&programme=jkk&limit=200").expect(200).json["items"]
    assert [row["verified"] for row in rows if row["parameter"] == "relief.labour_intensive.recomposition"] == [False]


def test_the_open_point_of_a_relief_is_that_of_its_employers_alone(payroll, officer, db, api, actors, bank):
    """Were everything sure that any month costs without the relief, whoever has none would be told so."""
    other = Payroll(api, actors.payroll(), bank)
    staff(db, payroll, 50)
    grant(officer, payroll).expect(201)
    with db.transaction(force_rollback=True):
        db.execute("UPDATE smile.legal_parameter SET certainty = 'found' WHERE grade <> 'policy' "
                   "AND NOT (programme = 'JKK' AND parameter LIKE 'relief.labour_intensive.%')")
        assert [db.execute("SELECT smile.rates_are_verified(%s, '2025-06-01')", [one.employer_id]).fetchone()
                for one in (other, payroll)] == [(True,), (False,)]


def test_back_pay_and_revisions_of_a_relief_month_use_it(payroll, officer, db):
    staff(db, payroll, 50)
    payroll.month("2025-03", [line(7_500_000)])            # at 0.89 %: 66,750
    grant(officer, payroll).expect(201)
    kpj = db.execute("SELECT kpj FROM smile.return_line WHERE employer_id = %s", [payroll.employer_id]).fetchone()[0]
    number = line(7_500_000, kpj=kpj, number="")
    revision = payroll.open("2025-03", "revised", reason="Keringanan PP 7/2025")
    payroll.send(revision["id"], [number])
    revised, = payroll.lines(revision["id"])
    assert revised["amounts"]["jkk"]["employer"] == 33_375     # 0.445 %
    assert revised["credit"]["jkk"]["employer"] == 33_375
    payroll.finalise(revision["id"])
    late = payroll.open("2026-10")
    payroll.send(late["id"], [line(7_500_000, kpj=kpj, number="", back_pay="1000000,2025-03")])
    computed, = payroll.lines(late["id"])
    assert computed["back_pay_amounts"]["jkk"]["employer"] == 4_450


def test_back_pay_of_the_covid_months_pays_one_percent(payroll):
    """PP 49/2020 Art. 10: of 1,000,000, JKK 0.0089 % and JKM 0.003 %; JHT and JP as ever, up to 8,939,700; no JKP."""
    opened = payroll.open("2026-10")
    payroll.send(opened["id"], [line(7_500_000, back_pay="1000000,2020-10")])
    computed, = payroll.lines(opened["id"])
    assert computed["back_pay_amounts"] == {
        "jht": {"employer": 37_000, "worker": 20_000}, "jkk": {"employer": 89, "to_jkp": 0},
        "jkm": {"employer": 30, "to_jkp": 0}, "jp": {"employer": 20_000, "worker": 10_000},
        "jkp": {"recomposed": 0, "state": 0}}


@pytest.mark.parametrize("count, status", [(49, 422), (50, 201)])
def test_fifty_workers_are_enough(count, status, payroll, officer, db):
    staff(db, payroll, count)
    assert grant(officer, payroll).status == status


def test_workers_who_came_later_do_not_count(payroll, officer, db):
    staff(db, payroll, 50, since="2025-03-01")
    answer = grant(officer, payroll).expect(422, "too_few_workers")
    assert (answer.json["active_workers"], answer.json["wanted"]) == ("0", "50")
    grant(officer, payroll, valid_from="2025-03").expect(201)


def test_who_owes_january_2025_gets_no_relief(payroll, officer, db):
    staff(db, payroll, 50)
    opened = payroll.open("2025-01")
    payroll.send(opened["id"], [line(7_500_000)])
    billing = payroll.finalise(opened["id"])["billing_id"]
    assert grant(officer, payroll).expect(422, "jkk_in_arrears").json["paid_through"] == "2025-01"
    payroll.pay(billing)
    grant(officer, payroll).expect(201)


def test_a_month_has_one_relief(payroll, officer, db):
    staff(db, payroll, 50)
    grant(officer, payroll, "?validate_only=true").expect(200)
    grant(officer, payroll, valid_to="2025-07").expect(201)
    grant(officer, payroll, valid_from="2025-07").expect(409, "relief_overlaps")
    grant(officer, payroll, valid_from="2025-08").expect(201)
    listed = payroll.client.get(f"/v1/employers/{payroll.employer_id}/reliefs").expect(200).json["items"]
    months = [(item["valid_from"], item["valid_to"]) for item in listed]
    assert months == [("2025-02", "2025-07"), ("2025-08", "2026-01")]
    grant(officer, payroll, valid_from="2025-12", valid_to="2025-11").expect(422, "end_before_start")


def test_a_withdrawn_relief_stops_a_draft_and_leaves_what_was_billed(payroll, officer, db):
    staff(db, payroll, 50)
    relief = grant(officer, payroll).expect(201).json
    _, billed = payroll.month("2025-02", [line(7_500_000)])
    opened = payroll.open("2025-03")
    payroll.send(opened["id"], [line(7_500_000)])
    target = f"/v1/employers/{payroll.employer_id}/reliefs/{relief['id']}/withdrawal"
    officer.post(target, {}, key=True).expect(400)
    key = new_key()
    gone = officer.post(target, {"reason": "Bukan industri padat karya"}, key=key).expect(200).json
    assert gone["withdrawal_reason"] == "Bukan industri padat karya"
    officer.post(target, {"reason": "Lagi"}, key=key).expect(422, "idempotency_key_reused")
    officer.post(target, {"reason": "Lagi"}, key=True).expect(409, "relief_already_withdrawn")
    officer.post(target.replace(relief["id"], payroll.employer_id), {"reason": "Lagi"}, key=True).expect(404)
    assert payroll.finalise(opened["id"], 409)["code"] == "return_outdated"
    amounts = payroll.client.get(f"/v1/billings/{billed['id']}").expect(200).json["amounts"]
    assert amounts["jkk"]["employer"] == 33_375
    assert jkk_after(payroll, opened["id"]) == 66_750


def jkk_after(payroll, return_id):
    payroll.send(return_id, [line(7_500_000)])
    return payroll.lines(return_id)[0]["amounts"]["jkk"]["employer"]


def test_a_return_of_a_relief_month_names_the_relief_and_its_parameters(payroll, officer, db):
    staff(db, payroll, 50)
    grant(officer, payroll).expect(201)
    opened = payroll.open("2025-06")
    payroll.send(opened["id"], [line(7_500_000)])
    month, = payroll.client.get(f"/v1/returns/{opened['id']}/parameters").expect(200).json["months"]
    used = {row["parameter"]: row["value"] for row in month["parameters_used"] if row["programme"] == "JKK"}
    assert month["reliefs"] == ["labour_intensive"] and month["verified"] is False
    assert used["relief.labour_intensive.class_III_employer_pct"] == "0.445"
    assert used["relief.labour_intensive.recomposition"] == "at_most_jkk"
    assert not any(name.startswith("pu.rate.") for name in used)
