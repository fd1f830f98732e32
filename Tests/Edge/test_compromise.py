"""A reported account: sessions, password, payouts and who may let them go; and how long a proof of identity counts."""
import concurrent.futures

import pytest

from actors import PASSWORD
from client import Client, at_once, new_key
from test_claims import Walk

NEW = "layang layang di atas sawah"


@pytest.fixture(scope="module")
def verifier(actors):
    return actors.officer("verify_members")


@pytest.fixture(scope="module")
def claims(actors):
    return actors.officer("review_claims", "pay_claims"), actors.officer("approve_claims")


def report(client, token):
    return client.post("/v1/account/compromise_reports", {}, token=token)


def close(client, verifier, report_id):
    return client.post(f"/v1/compromise_reports/{report_id}/closure", {"resolution": "Datang dengan KTP."},
                       token=verifier["token"], key=True)


def recover(client, actors, email):
    """The way back: a reset, then a log-in."""
    client.post("/v1/password_resets", {"identifier": email}).expect(202)
    client.post("/v1/password_resets/confirmation",
                {"token": actors.mailed_token(email), "new_password": NEW}).expect(204)
    return actors.log_in(email, NEW)


def test_a_report_stops_everything_and_the_way_back_is_the_reset(api, actors):
    member = actors.member()
    other = actors.log_in(member["email"])
    asked = api.post("/v1/password_resets", {"identifier": member["email"]}).expect(202)
    earlier = actors.mailed_token(member["email"])
    report(api, other["token"]).expect(201)
    for session in (member, other):
        api.get("/v1/account", token=session["token"]).expect(401)
        api.post("/v1/sessions/refresh", {"refresh_token": session["refresh_token"]}).expect(401)
    api.post("/v1/password_resets/confirmation", {"token": earlier, "new_password": NEW}).expect(410)
    api.post("/v1/sessions", {"identifier": member["email"], "password": PASSWORD}).expect(401)
    assert asked.status == 202


@pytest.fixture
def aged(db):
    """Makes the mails of a minute ago older, so that the next one is sent."""
    return lambda: db.execute("UPDATE smile.mail_token SET created_at = created_at - interval '2 minutes'")


def test_payouts_are_frozen_until_an_officer_has_closed_the_report(server, api, actors, verifier, claims):
    officer, approver = claims
    walk = Walk(server, actors.claimant(), officer, approver).open().order()
    second = actors.log_in(walk.person["email"])
    reported = report(api, walk.person["token"]).expect(201).json
    assert reported["payouts_frozen"] is True
    for token in (walk.person["token"], second["token"]):   # on every worker
        assert at_once(server, 16, lambda client: client.get("/v1/account", token=token).status) == [401] * 16
    walk.act(walk.officer, "payment", {"reference": new_key()}, 409, "payouts_frozen")
    back = recover(api, actors, walk.person["email"])["token"]
    own = f"/v1/account/compromise_reports/{reported['id']}"
    assert api.get(own, token=back).expect(200).json["payouts_frozen"] is True
    walk.act(walk.officer, "payment", {"reference": new_key()}, 409, "payouts_frozen")
    close(api, verifier, reported["id"]).expect(200)
    seen = api.get(own, token=back).expect(200).json
    assert (seen["status"], seen["payouts_frozen"]) == ("closed", False) and "closed_by" not in seen
    assert walk.pay()["state"] == "paid"


def test_who_took_the_account_over_cannot_redirect_the_payouts(api, actors, verifier, aged):
    """Neither bank account nor contacts change before an officer has looked, and a change that waited is over."""
    member = actors.member()
    account = {"bank_code": "014", "number": "7418529630", "holder_name": "Budi Santoso"}
    tag = api.put("/v1/members/me/bank_account", account, token=member["token"]).expect(201).headers["ETag"]
    changes = "/v1/members/me/contact_changes"
    address = f"pencuri.{member['kpj']}@smile.test"
    waiting = api.post(changes, {"email": address}, token=member["token"]).expect(201).json
    code = actors.mailed_token(address)
    reported = report(api, member["token"]).expect(201).json
    back = recover(api, actors, member["email"])["token"]
    other = account | {"number": "9638527410"}
    match = {"headers": {"If-Match": tag}, "token": back}
    api.put("/v1/members/me/bank_account", other, **match).expect(409, "account_reported")
    api.put("/v1/members/me/bank_account?validate_only=true", other, **match).expect(409, "account_reported")
    api.post(changes, {"phone": "+628120000009"}, token=back).expect(409, "account_reported")
    close(api, verifier, reported["id"]).expect(200)
    api.put("/v1/members/me/bank_account", other, **match).expect(200)
    api.post(f"{changes}/{waiting['id']}/confirmation", {"code": code}, token=back).expect(410, "contact_change_ended")
    api.post(changes, {"phone": "+628120000009"}, token=back).expect(201)


def test_a_new_bank_account_waits_for_a_report_that_came_first(server, actors, db):
    member = actors.member()
    account = {"bank_code": "014", "number": "7418529630", "holder_name": "Budi Santoso"}
    with server.cluster.connect(server.database) as other, concurrent.futures.ThreadPoolExecutor(1) as pool:
        with other.transaction():
            other.execute("SELECT FROM smile.member WHERE id = %s FOR NO KEY UPDATE", [member["member_id"]])
            other.execute("INSERT INTO smile.compromise_report (account_id, member_id) SELECT account_id, member_id "
                          "FROM smile.account_grant WHERE member_id = %s AND active", [member["member_id"]])
            changing = pool.submit(lambda: Client(server, member["token"]).put("/v1/members/me/bank_account", account))
            with pytest.raises(concurrent.futures.TimeoutError):
                changing.result(timeout=0.3)
        changing.result().expect(409, "account_reported")


def test_nobody_reads_anothers_report(api, actors, verifier):
    """Officers have a way of their own, with a purpose."""
    reported = report(api, actors.member()["token"]).expect(201)
    own = reported.headers["Location"]
    for token in (actors.member()["token"], verifier["token"]):
        api.get(own, token=token).expect(404)
    open_one = f"/v1/compromise_reports/{reported.json['id']}"
    for purpose in ("", "curiosity", "report:"):
        api.get(open_one, token=verifier["token"], headers={"Access-Purpose": purpose}).expect(
            400, "access_purpose_required")


def test_a_report_and_a_payment_at_once_have_an_order(server, api, actors, claims, db):
    """Whichever comes first: never a payment after the report was answered."""
    officer, approver = claims
    for _ in range(3):
        walk = Walk(server, actors.claimant(), officer, approver).open().order()
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            paying = pool.submit(lambda: Client(server, officer["token"]).post(
                f"{walk.path}/payment", {"reference": new_key()}, key=True).status)
            reporting = pool.submit(lambda: report(Client(server), walk.person["token"]).status)
            paid, reported = paying.result(), reporting.result()
        assert reported == 201 and paid in (200, 409)
        late, = db.execute(
            "SELECT count(*) FROM smile.claim_payment AS p JOIN smile.claim AS c ON c.id = p.claim_id "
            "WHERE c.member_id = %s", [walk.person["member_id"]]).fetchone()
        assert late == (1 if paid == 200 else 0)


def test_a_payment_waits_for_a_report_that_came_first(server, actors, claims, db):
    """The trigger locks the member's row: while a report is being written, no payment slips past it."""
    officer, approver = claims
    walk = Walk(server, actors.claimant(), officer, approver).open().order()
    with server.cluster.connect(server.database) as other, concurrent.futures.ThreadPoolExecutor(1) as pool:
        with other.transaction():
            account, = other.execute("SELECT account_id FROM smile.account_grant WHERE member_id = %s AND active",
                                     [walk.person["member_id"]]).fetchone()
            other.execute("SELECT FROM smile.member WHERE id = %s FOR NO KEY UPDATE", [walk.person["member_id"]])
            other.execute("INSERT INTO smile.compromise_report (account_id, member_id) VALUES (%s, %s)",
                          [account, walk.person["member_id"]])
            paying = pool.submit(lambda: Client(server, officer["token"]).post(
                f"{walk.path}/payment", {"reference": new_key()}, key=True))
            with pytest.raises(concurrent.futures.TimeoutError):
                paying.result(timeout=0.3)
        paying.result().expect(409, "payouts_frozen")


def test_a_second_report_joins_the_open_one(api, actors, aged):
    member = actors.member()
    first = report(api, member["token"]).expect(201).json
    session = recover(api, actors, member["email"])
    assert report(api, session["token"]).expect(201).json["id"] == first["id"]
    aged()
    recover(api, actors, member["email"])


def test_an_account_without_membership_freezes_nobody(api, actors):
    employer = actors.employer()
    assert report(api, employer["token"]).expect(201).json["payouts_frozen"] is False


def test_nobody_closes_a_report_of_their_own(api, actors, aged):
    officer = actors.officer("verify_members")
    reported = report(api, officer["token"]).expect(201).json
    session = recover(api, actors, officer["email"])
    answer = close(api, session, reported["id"])
    answer.expect(403, "own_report")


def test_who_looks_and_who_closes_leaves_a_row(api, actors, verifier, db):
    reported = report(api, actors.member()["token"]).expect(201).json
    api.get(f"/v1/compromise_reports/{reported['id']}", token=verifier["token"],
            headers={"Access-Purpose": "report:42"}).expect(200)
    close(api, verifier, reported["id"]).expect(200)
    rows = db.execute("SELECT action, account_id::text, purpose FROM smile.audit_log WHERE subject_id = %s "
                      "AND role = 'officer' ORDER BY at", [reported["id"]]).fetchall()
    assert rows == [("compromise_report.read", verifier["id"], "report:42"),
                    ("compromise_report.closed", verifier["id"], None)]


def test_what_moves_money_or_rights_wants_a_fresh_proof_of_identity(make_server, actors_on):
    """Five minutes after the log-in, by the security clock."""
    server = make_server()
    actors = actors_on(server)
    member, officer = actors.member(), actors.officer("verify_members", "manage_officers")
    account = {"bank_code": "014", "number": "7418529630", "holder_name": "Budi Santoso"}
    guarded = [
        (member, "PUT", "/v1/members/me/bank_account", account, {}),
        (member, "PUT", "/v1/account/password", {"current_password": PASSWORD, "new_password": NEW}, {}),
        (officer, "POST", f"/v1/compromise_reports/{member['member_id']}/closure", {"resolution": "x"}, {"key": True}),
        (officer, "POST", "/v1/officers", {"email": "a@smile.test", "full_name": "Ani", "permissions": []},
         {"key": True}),
        (officer, "PATCH", f"/v1/officers/{member['member_id']}", {"active": False}, {}),
    ]
    with Client(server) as client, server.cluster.connect(server.database) as connection:
        connection.execute("UPDATE smile.clock SET security_offset = interval '5 minutes 1 second'")
        for actor, method, path, body, options in guarded:
            client.request(method, path, body, token=actor["token"], **options).expect(401, "step_up_required")
        connection.execute("UPDATE smile.clock SET security_offset = interval '4 minutes'")
        client.put("/v1/members/me/bank_account", account, token=member["token"]).expect(201)
