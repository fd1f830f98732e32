"""Claims: states, conditions, money and races, beyond what the conversations play."""
import concurrent.futures

import psycopg
import pytest

from actors import Actors
from client import Client, new_key

PDF = b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n"
TABLES = ("claim", "claim_requirement", "claim_document", "claim_event", "claim_decision", "claim_approval",
          "claim_payment", "document", "document_chunk", "document_usage")


class Walk:
    """One member's claim, the officer who handles it and the one who approves."""

    def __init__(self, server, member, officer, approver):
        self.person = member
        self.member, self.officer, self.approver = (
            Client(server, actor["token"]) for actor in (member, officer, approver))

    def open(self, reason="retirement_age"):
        claim = self.member.post("/v1/claims", {"type": "jht", "reason": reason}, key=True).expect(201).json
        self.path = f"/v1/claims/{claim['id']}"
        for requirement in claim["requirements"]:
            document = self.member.request("POST", f"/v1/documents?purpose={requirement['document_kind']}", body=PDF,
                                           headers={"Content-Type": "application/pdf"}).json
            self.act(self.member, "documents", {"document_id": document["id"]})
        return self

    def act(self, client, action, body=None, status=200, code=None):
        return client.post(f"{self.path}/{action}", body, key=True).expect(status, code).json

    def submit(self):
        self.act(self.member, "submission")
        return self

    def decide(self):
        self.act(self.officer, "assignment")
        return self.act(self.officer, "decision", {"decision": "approve", "reason": "Lengkap."})

    def order(self):
        self.submit().decide()
        self.act(self.approver, "approval")
        return self

    def pay(self):
        return self.act(self.officer, "payment", {"reference": new_key()})


@pytest.fixture(scope="module")
def officer(actors):
    return actors.officer("review_claims", "approve_claims", "pay_claims")


@pytest.fixture(scope="module")
def approver(actors):
    return actors.officer("approve_claims")


@pytest.fixture
def walk(server, actors, officer, approver):
    """walk(balance) is the claim of a new claimant with that balance."""
    return lambda balance=684_000: Walk(server, actors.claimant(balance), officer, approver)


@pytest.mark.parametrize("balance,tax", [(1, 0), (50_000_000, 0), (50_000_001, 0), (50_000_019, 0), (50_000_020, 1),
                                         (60_684_001, 534_200), (1_000_000_000, 47_500_000)])
def test_the_final_tax_of_a_balance(balance, tax, walk, db):
    """PP 68/2009 Art. 5: nothing up to 50 million, 5 % of what is above, rounded down to whole rupiah."""
    paid = walk(balance).open().order().pay()["payment"]
    assert (paid["gross"], paid["tax"], paid["net"]) == (balance, tax, balance - tax)
    postings = dict(db.execute("SELECT account, amount FROM smile.posting WHERE transaction_id = %s",
                               [paid["ledger_transaction_id"]]).fetchall())
    wanted = {"fund.jht": balance, "payable.tax": -tax, "bank": tax - balance}
    assert postings == {account: amount for account, amount in wanted.items() if amount}
    assert db.execute("SELECT smile.ledger_sum()").fetchone()[0] == 0


def test_what_is_paid_later_in_the_window_is_taxed_as_one(walk, db):
    """40 million, then 20 more: the second payment bears the tax of 60 million. From the third year on another law."""
    claim = walk(40_000_000).open().order()
    assert claim.pay()["payment"]["tax"] == 0
    give(db, claim.person, 20_000_000)
    decided = claim.open().submit().decide()["decision"]
    assert (decided["gross"], decided["tax"]) == (20_000_000, 500_000)
    steps = {step["code"]: step for step in decided["computation"]["steps"]}
    assert steps["paid_in_window"]["value"] == 40_000_000 and steps["tax_bracket_2"]["base"] == 10_000_000
    claim.act(claim.approver, "approval")
    claim.pay()
    db.execute("ALTER TABLE smile.claim_payment DISABLE TRIGGER ALL")
    db.execute("UPDATE smile.claim_payment SET paid_at = paid_at - interval '2 years' WHERE claim_id IN "
               "(SELECT id FROM smile.claim WHERE member_id = %s)", [claim.person["member_id"]])
    db.execute("ALTER TABLE smile.claim_payment ENABLE TRIGGER ALL")
    give(db, claim.person, 1_000_000)
    claim.open().submit()
    claim.act(claim.officer, "assignment")
    claim.act(claim.officer, "decision", {"decision": "approve", "reason": "Lengkap."}, 422, "tax_not_computable")


def give(db, person, rupiah):
    db.execute("SELECT smile.book('test_balance', 'member', gen_random_uuid(), ARRAY["
               "('fund.jht', %(member)s, NULL, NULL, -%(rupiah)s), ('bank', NULL, NULL, NULL, %(rupiah)s)"
               "]::smile.posting_line[])", {"member": person["member_id"], "rupiah": rupiah})


def test_a_claim_is_paid_once_whoever_asks_at_once(server, walk, officer, db):
    claim = walk().open().order()

    def pay(number):
        with Client(server, officer["token"]) as client:
            return client.post(f"{claim.path}/payment", {"reference": f"{new_key()}-{number}"}, key=True).status
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        statuses = list(pool.map(pay, range(10)))
    assert statuses.count(200) == 1 and set(statuses) <= {200, 409, 503}, statuses
    assert balance(db, claim.person) == 0
    assert db.execute("SELECT count(*) FROM smile.claim_payment WHERE claim_id = %s",
                      [claim.path.split("/")[-1]]).fetchone()[0] == 1


def test_one_claim_is_open_at_a_time_whoever_asks_at_once(server, walk):
    claim = walk()

    def create(_):
        with Client(server, claim.person["token"]) as client:
            return client.post("/v1/claims", {"type": "jht", "reason": "retirement_age"}, key=True).status
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        statuses = list(pool.map(create, range(10)))
    assert statuses.count(201) == 1 and set(statuses) <= {201, 409, 503}, statuses


def test_the_same_key_at_once_has_one_effect(server, walk):
    claim, key = walk(), new_key()

    def create(_):
        with Client(server, claim.person["token"]) as client:
            return client.post("/v1/claims", {"type": "jht", "reason": "retirement_age"}, key=key)
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(create, range(10)))
    assert {a.status for a in answers} <= {201, 409, 503}
    assert len({a.body for a in answers if a.status == 201}) == 1
    assert len(claim.member.get("/v1/claims").json["items"]) == 1


def balance(db, person):
    return db.execute("SELECT smile.jht_balance(%s)", [person["member_id"]]).fetchone()[0]


def test_a_balance_that_shrank_is_not_paid(walk, db):
    claim = walk(684_000).open().order()
    give(db, claim.person, -1)
    claim.act(claim.officer, "payment", {"reference": new_key()}, 409, "balance_changed")
    assert balance(db, claim.person) == 683_999


def test_what_changed_since_the_submission_is_judged_again(walk, db):
    claim = walk().open().submit()
    claim.act(claim.officer, "assignment")
    db.execute("UPDATE smile.employment SET end_date = NULL, end_reason = NULL WHERE id = %s",
               [claim.person["employment_id"]])
    problem = claim.act(claim.officer, "decision", {"decision": "approve", "reason": "Lengkap."}, 422,
                        "claim_not_ready")
    assert [e["code"] for e in problem["errors"]] == ["membership_still_active"]


@pytest.mark.parametrize("reason,changes,codes", [
    ("retirement_age", "birth_date = '1970-11-05'", set()),            # 56 on that very day
    ("retirement_age", "birth_date = '1970-11-06'", {"age_not_reached"}),
    ("resignation", "", {"employment_end_reason_differs", "waiting_time_not_over"}),
    ("layoff", "", {"employment_end_reason_differs", "waiting_time_not_over"}),
])
def test_ages_and_waiting_times(reason, changes, codes, walk, db):
    """The business clock stands at 2026-11-05, the employment ended on 2026-10-31."""
    claim = walk().open(reason)
    if changes:
        db.execute(f"UPDATE smile.member SET {changes} WHERE id = %s", [claim.person["member_id"]])
    answer = claim.member.post(f"{claim.path}/submission", key=True)
    assert {e["code"] for e in answer.json.get("errors", [])} == codes, answer


@pytest.mark.parametrize("last_day,status", [("2026-10-05", 200), ("2026-10-06", 422)])
def test_a_month_after_a_resignation(last_day, status, walk, db):
    claim = walk().open("resignation")
    db.execute("UPDATE smile.employment SET end_date = %s, end_reason = 'resignation' WHERE id = %s",
               [last_day, claim.person["employment_id"]])
    claim.member.post(f"{claim.path}/submission", key=True).expect(status)


def test_nobody_handles_a_claim_of_their_own(walk, db, actors):
    """An officer whose account also acts as the claimant."""
    claim = walk().open().submit()
    db.execute("""
        INSERT INTO smile.account_grant (account_id, kind, permissions, active)
        SELECT g.account_id, 'officer', '{review_claims,approve_claims,pay_claims}', true
        FROM smile.account_grant AS g WHERE g.member_id = %s AND g.kind = 'member' AND g.active
        """, [claim.person["member_id"]])
    grant = db.execute("""
        SELECT o.id FROM smile.account_grant AS o JOIN smile.account_grant AS m ON m.account_id = o.account_id
        WHERE m.member_id = %s AND m.active AND o.kind = 'officer'
        """, [claim.person["member_id"]]).fetchone()[0]
    switched = Actors(claim.member).switch(claim.person["email"], str(grant))
    own = claim.member.acting(switched["access_token"])
    claim.act(own, "assignment", None, 403, "own_claim")
    claim.act(claim.officer, "assignment")
    claim.act(own, "decision", {"decision": "approve", "reason": "Saya sendiri."}, 403, "own_claim")
    claim.act(claim.officer, "decision", {"decision": "approve", "reason": "Lengkap."})
    claim.act(own, "approval", None, 403, "own_claim")
    claim.act(claim.approver, "approval")
    claim.act(own, "payment", {"reference": new_key()}, 403, "own_claim")


def test_nobody_pays_what_they_approved(server, actors, officer, walk, db):
    """Not through the API, and not in the database whatever function tries."""
    both = actors.officer("approve_claims", "pay_claims")
    claim = Walk(server, actors.claimant(), officer, both).open().order()
    claim.act(claim.approver, "payment", {"reference": new_key()}, 403, "own_approval")
    claim_id = claim.path.split("/")[-1]
    for approver, violation in (("a.approved_by", psycopg.errors.CheckViolation),
                                ("gen_random_uuid()", psycopg.errors.ForeignKeyViolation)):
        with pytest.raises(violation):
            db.execute(f"INSERT INTO smile.claim_payment (claim_id, decision_number, ledger_transaction_id, reference, "
                       f"gross, tax, net, approved_by, paid_by) SELECT a.claim_id, a.decision_number, t.id, 'x', "
                       f"684000, 0, 684000, {approver}, a.approved_by FROM smile.claim_approval AS a "
                       f"CROSS JOIN (SELECT id FROM smile.ledger_transaction LIMIT 1) AS t WHERE a.claim_id = %s",
                       [claim_id])
    assert claim.pay()["state"] == "paid"


def test_nobody_approves_their_own_decision(walk, db):
    """Not through the API, and not in the database whatever function tries."""
    claim = walk().open().submit()
    claim.decide()
    claim.act(claim.officer, "approval", None, 403, "own_decision")
    claim_id = claim.path.split("/")[-1]
    for decider, violation in (("d.decided_by", psycopg.errors.CheckViolation),
                               ("gen_random_uuid()", psycopg.errors.ForeignKeyViolation)):
        with pytest.raises(violation):
            db.execute(f"INSERT INTO smile.claim_approval (claim_id, decision_number, decided_by, approved_by) "
                       f"SELECT d.claim_id, d.number, {decider}, d.decided_by FROM smile.claim_decision AS d "
                       "WHERE d.claim_id = %s", [claim_id])
    claim.act(claim.approver, "approval")
    claim.pay()


def test_a_claim_is_decided_by_whom_it_is_assigned_to(server, walk, actors):
    claim = walk().open().submit()
    claim.act(claim.officer, "assignment")
    with Client(server, actors.officer("review_claims")["token"]) as other:
        claim.act(other, "decision", {"decision": "reject", "reason": "Tidak."}, 409, "claim_not_assigned_to_you")
        claim.act(other, "assignment")
        claim.act(other, "decision", {"decision": "reject", "reason": "Tidak."})


@pytest.mark.parametrize("actor", ["member", "officer", "jobs"])
def test_the_database_allows_the_transitions_of_the_table_and_no_other(actor, cluster, server):
    """Every pair of states, for each kind of actor, in the words of the trigger itself."""
    with cluster.connect(server.database) as connection:
        states = [row[0] for row in connection.execute("SELECT code FROM smile.claim_state")]
        allowed = set(connection.execute("SELECT from_state, to_state FROM smile.claim_transition WHERE actor = %s",
                                         [actor]).fetchall())
        member = connection.execute("SELECT id FROM smile.member LIMIT 1").fetchone()
        if member is None:
            member = connection.execute("INSERT INTO smile.member (full_name, birth_date) VALUES ('Uji', '1970-01-01') "
                                        "RETURNING id").fetchone()
        with connection.transaction(force_rollback=True):
            connection.execute("SELECT set_config('smile.role', %s, true)", [actor])
            connection.execute("ALTER TABLE smile.claim DISABLE TRIGGER claim_changes_as_allowed")
            connection.execute("DROP INDEX smile.claim_one_open")
            claims = {}
            for state in states:
                claims[state] = connection.execute(
                    "INSERT INTO smile.claim (member_id, claim_type, reason, state, submitted_at) "
                    "VALUES (%s, 'jht', 'retirement_age', %s, smile.now()) RETURNING id",
                    [member[0], state]).fetchone()[0]
            connection.execute("ALTER TABLE smile.claim ENABLE TRIGGER claim_changes_as_allowed")
            went = set()
            for before in states:
                for after in states:
                    try:
                        with connection.transaction(force_rollback=True):
                            connection.execute("UPDATE smile.claim SET state = %s WHERE id = %s",
                                               [after, claims[before]])
                            went.add((before, after))
                    except psycopg.Error as error:
                        assert error.sqlstate == "SM409", error
    assert went == allowed | {(state, state) for state in states}


def test_without_a_caller_the_server_s_role_sees_nothing(cluster, server, walk):
    walk().open().order().pay()
    with psycopg.connect(cluster.url(server.database, "smile_api"), autocommit=True) as connection:
        for table in TABLES:
            try:
                count = connection.execute(f"SELECT count(*) FROM smile.{table}").fetchone()[0]
            except psycopg.errors.InsufficientPrivilege:
                count = 0
            assert count == 0, table
        for table in ("claim_event", "claim_decision", "claim_approval", "claim_payment"):
            for change in (f"DELETE FROM smile.{table}", f"UPDATE smile.{table} SET claim_id = claim_id"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(change)


def test_every_step_left_one_audit_row(walk, db):
    claim = walk().open().order()
    claim.pay()
    rows = db.execute("SELECT action, role FROM smile.audit_log WHERE subject_id = %s ORDER BY at, id",
                      [claim.path.split("/")[-1]]).fetchall()
    assert sorted(rows) == sorted([
        ("claim.opened", "member"), ("claim.document_added", "member"), ("claim.document_added", "member"),
        ("claim.submitted", "member"), ("claim.assigned", "officer"), ("claim.decided", "officer"),
        ("claim.approved", "officer"), ("claim.paid", "officer")])


def test_an_officer_s_look_leaves_a_row_and_a_member_s_own_does_not(walk, db):
    claim = walk().open().submit()
    document = claim.member.get(claim.path).json["documents"][0]["id"]
    claim.member.get(f"/v1/documents/{document}/content")
    claim.officer.get(claim.path, headers={"Access-Purpose": f"claim:{claim.path.split('/')[-1]}"})
    claim.officer.get(f"/v1/documents/{document}/content")
    rows = db.execute("SELECT action, role, purpose IS NOT NULL FROM smile.audit_log "
                      "WHERE action IN ('claim.read', 'document.read') AND subject_id IN (%s, %s)",
                      [claim.path.split("/")[-1], document]).fetchall()
    assert sorted(rows) == [("claim.read", "officer", True), ("document.read", "officer", False)]


def test_the_queue_is_oldest_first_and_pages_without_gaps(server, walk, officer, db):
    mine = [walk().open().submit().path.split("/")[-1] for _ in range(5)]
    seen, after = [], None
    with Client(server, officer["token"]) as client:
        while True:
            page = client.get("/v1/claim_queue?limit=2" + (f"&after={after}" if after else "")).expect(200).json
            seen += [item["id"] for item in page["items"]]
            after = page.get("next_after")
            if after is None:
                break
    assert len(seen) == len(set(seen))
    assert [claim for claim in seen if claim in mine] == mine
    wanted = [str(row[0]) for row in db.execute(
        "SELECT id FROM smile.claim WHERE state IN ('submitted', 'verification', 'interview_scheduled', 'approved', "
        "'tax_computed', 'payment_ordered', 'payment_returned') ORDER BY submitted_at, id")]
    assert seen == wanted
