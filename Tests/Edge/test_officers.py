"""Officers: who may make and change them, and what that does to their sessions."""
import concurrent.futures
import json

import psycopg
import pytest

from client import Client

FIRST = "hujan turun di bulan juni"


@pytest.fixture(scope="module")
def head(actors):
    return actors.officer("manage_officers")


@pytest.fixture(scope="module")
def second(actors):
    """Another one, for four eyes."""
    return actors.officer("manage_officers")


def invite(client, head, email, permissions=("review_claims",), **more):
    return client.post("/v1/officers", {"email": email, "full_name": "Rina Kartika", "permissions": list(permissions)},
                       token=head["token"], key=True, **more)


def change(client, head, officer_id, body, etag=None):
    etag = etag or client.get(f"/v1/officers/{officer_id}", token=head["token"]).expect(200).headers["ETag"]
    return client.request("PATCH", f"/v1/officers/{officer_id}", body, token=head["token"], headers={"If-Match": etag})


def approve(client, approver, officer_id, etag="*"):
    return client.post(f"/v1/officers/{officer_id}/approval", token=approver["token"], key=True,
                       headers={"If-Match": etag})


def by_account(client, head, account_id):
    """The officer of an account, looked for through all pages."""
    after = ""
    while True:
        page = client.get(f"/v1/officers?limit=200{after}", token=head["token"]).expect(200).json
        for item in page["items"]:
            if item["account_id"] == account_id:
                return item
        after = f"&after={page['next_after']}"


def test_an_invited_officer_sets_the_first_password_and_works(api, actors, head, second):
    """Once another officer than the inviting one has approved what the invited may do."""
    made = invite(api, head, "baru.petugas@smile.test").expect(201).json
    token = actors.mailed_token("baru.petugas@smile.test")
    api.post("/v1/password_resets/confirmation", {"token": token, "new_password": FIRST}).expect(204)
    session = actors.log_in("baru.petugas@smile.test", FIRST)
    api.get("/v1/claim_queue", token=session["token"]).expect(403, "insufficient_scope")
    approve(api, second, made["id"]).expect(200)
    session = actors.log_in("baru.petugas@smile.test", FIRST)
    api.get("/v1/claim_queue", token=session["token"]).expect(200)
    api.get("/v1/officers", token=session["token"]).expect(403, "insufficient_scope")
    assert made["active"] is True


def test_the_first_officer_chooses_a_password_with_what_smile_admin_prints(own, own_api, own_actors, later):
    """Nobody made that password, and the token is good once, for a day. Who has an account gets none."""
    def made(email):
        return json.loads(own.run("smile-admin", "create-officer", "--email", email, "--name", "Rina Kartika",
                                  "--permissions", "manage_officers"))

    def choose(token, status):
        own_api.post("/v1/password_resets/confirmation", {"token": token, "new_password": FIRST}).expect(status)
    printed = made("petugas.pertama@smile.test")
    assert printed.keys() == {"account_id", "email", "password_token"}
    choose(printed["password_token"], 204)
    choose(printed["password_token"], 410)
    session = own_actors.log_in("petugas.pertama@smile.test", FIRST)
    own_api.get("/v1/officers", token=session["token"]).expect(200)
    again, member = made("petugas.pertama@smile.test"), own_actors.member()
    assert "password_token" not in again and "password_token" not in made(member["email"])
    own_actors.log_in(member["email"])
    late = made("petugas.lambat@smile.test")["password_token"]
    later(86_401)
    choose(late, 410)


def test_who_has_an_account_gets_the_role_beside_the_others(api, actors, head):
    member = actors.member()
    invite(api, head, member["email"]).expect(201)
    assert all(mail["template"] != "officer_invitation" for mail in actors.mails(member["email"]))
    grants = api.get("/v1/account", token=member["token"]).expect(200).json["grants"]
    assert [grant["kind"] for grant in grants] == ["member", "officer"]


def test_nobody_changes_their_own_permissions(api, head):
    own = by_account(api, head, head["id"])
    for body in ({"permissions": ["manage_officers", "pay_claims"]}, {"active": False}):
        change(api, head, own["id"], body).expect(403, "own_permissions")
    api.get("/v1/officers", token=head["token"]).expect(200)


def test_nobody_gives_or_takes_the_permission_to_manage_officers(api, actors, head):
    peer = by_account(api, head, actors.officer("manage_officers", "publish")["id"])
    change(api, head, peer["id"], {"permissions": ["publish"]}).expect(403, "permission_not_grantable")
    change(api, head, peer["id"], {"permissions": ["manage_officers"]}).expect(200)
    change(api, head, peer["id"], {"active": False}).expect(200)


def test_nobody_approves_the_registration_that_gives_them_a_role(api, actors, db):
    """Else an officer could be the administrator of an employer that nobody else has looked at."""
    officer, registration = actors.officer("manage_employers"), actors.registration()
    db.execute("UPDATE smile.employer_registration SET contact_email = %s WHERE id = %s",
               [officer["email"], registration["id"]])
    path = f"/v1/employer_registrations/{registration['id']}/approval"
    api.post(path, {}, token=officer["token"], key=True).expect(403, "own_registration")
    api.post(path, {}, token=actors.officer("manage_employers")["token"], key=True).expect(200)


@pytest.mark.parametrize("body", [{"active": False}, {"permissions": []}], ids=["sent away", "fewer permissions"])
def test_a_change_acts_on_the_next_request_of_every_worker(body, api, actors, head, server):
    officer = actors.officer("review_claims")
    change(api, head, by_account(api, head, officer["id"])["id"], body).expect(200)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        statuses = set(pool.map(lambda _: Client(server, officer["token"]).get("/v1/claim_queue").status, range(8)))
    assert statuses == {401}
    api.post("/v1/sessions/refresh", {"refresh_token": officer["refresh_token"]}).expect(401)


def test_nobody_makes_a_second_self(api, actors, head, second):
    """Neither by an invitation, nor by a change, nor through an officer who was sent away; nor for oneself by asking
    another's request. What was requested first is replaced by what is requested last, and approved as it stood."""
    made = invite(api, head, "diri.kedua@smile.test", ("approve_claims",)).expect(201).json
    approve(api, head, made["id"]).expect(403, "own_request")
    change(api, head, made["id"], {"permissions": ["approve_claims", "pay_claims"]}).expect(200)
    approve(api, head, made["id"]).expect(403, "own_request")
    seen = api.get(f"/v1/officers/{made['id']}", token=second["token"]).expect(200)
    assert (seen.json["permissions"], seen.json["requested_by"]) == ([], head["id"])
    change(api, head, made["id"], {"permissions": ["approve_claims", "manage_parameters"]}).expect(200)
    approve(api, second, made["id"], seen.headers["ETag"]).expect(412, "etag_mismatch")
    approved = approve(api, second, made["id"]).expect(200).json
    assert approved["permissions"] == ["approve_claims", "manage_parameters"]
    change(api, head, made["id"], {"active": False}).expect(200)
    back = change(api, head, made["id"], {"active": True}).expect(200).json
    assert (back["permissions"], back["requested_permissions"]) == ([], ["approve_claims", "manage_parameters"])
    approve(api, head, made["id"]).expect(403, "own_request")
    own = by_account(api, head, second["id"])
    change(api, head, own["id"], {"permissions": ["manage_officers", "publish"]}).expect(200)
    approve(api, second, own["id"]).expect(403, "own_permissions")


def test_a_request_that_adds_nothing_withdraws_the_one_before(api, actors, head, second):
    officer = by_account(api, head, actors.officer("publish")["id"])
    change(api, head, officer["id"], {"permissions": ["publish", "read_audit"]}).expect(200)
    after = change(api, second, officer["id"], {"permissions": ["publish"]}).expect(200).json
    assert after["permissions"] == ["publish"] and "requested_permissions" not in after
    approve(api, second, officer["id"]).expect(409, "nothing_requested")


def test_a_request_ends_no_session_and_an_approval_does(api, actors, head, second):
    officer = actors.officer("review_claims")
    known = by_account(api, head, officer["id"])
    change(api, head, known["id"], {"permissions": ["review_claims", "publish"]}).expect(200)
    api.get("/v1/claim_queue", token=officer["token"]).expect(200)
    approve(api, second, known["id"]).expect(200)
    api.get("/v1/claim_queue", token=officer["token"]).expect(401)


def test_of_approvals_at_once_one_wins(server, api, actors, head, second):
    officer = by_account(api, head, actors.officer("publish")["id"])
    etag = change(api, head, officer["id"], {"permissions": ["read_audit"]}).expect(200).headers["ETag"]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        statuses = sorted(pool.map(
            lambda _: approve(Client(server), second, officer["id"], etag).status, range(4)))
    assert statuses == [200, 412, 412, 412]


def test_the_database_holds_the_four_eyes(api, actors, head, second, db):
    """Whatever function writes: as an officer nobody adds a permission that another one hasn't requested."""
    officer = by_account(api, head, actors.officer("publish")["id"])
    change(api, head, officer["id"], {"permissions": ["publish", "read_audit"]}).expect(200)
    writes = [
        (head, "approved_by = smile.account_id(), permissions = requested_permissions"),
        (head, "approved_by = smile.account_id(), requested_by = gen_random_uuid(), "
               "permissions = requested_permissions"),
        (second, "approved_by = smile.account_id(), permissions = requested_permissions || '{pay_claims}'"),
        (second, "permissions = requested_permissions"),
    ]
    for actor, change_of_row in writes:
        with pytest.raises(psycopg.Error) as refused, db.transaction():
            db.execute("SELECT set_config('smile.role', 'officer', true), set_config('smile.account_id', %s, true)",
                       [actor["id"]])
            db.execute(f"UPDATE smile.account_grant SET {change_of_row} WHERE id = %s", [officer["id"]])
        assert refused.value.sqlstate in ("SM403", "23514"), change_of_row


def test_who_comes_back_is_the_same_officer(api, actors, head, second):
    officer = actors.officer("review_claims")
    known = by_account(api, head, officer["id"])
    change(api, head, known["id"], {"active": False}).expect(200)
    invite(api, head, officer["email"]).expect(409, "officer_exists")
    change(api, head, known["id"], {"active": True}).expect(200)
    assert approve(api, second, known["id"]).expect(200).json["permissions"] == ["review_claims"]
    actors.log_in(officer["email"])


def test_of_two_changes_at_once_one_wins(server, api, actors, head):
    officer = by_account(api, head, actors.officer("publish")["id"])
    etag = api.get(f"/v1/officers/{officer['id']}", token=head["token"]).expect(200).headers["ETag"]
    wanted = [["review_claims"], ["approve_claims"]]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda permissions: change(
            Client(server), head, officer["id"], {"permissions": permissions}, etag), wanted))
    assert sorted(answer.status for answer in answers) == [200, 412]


def test_one_address_invited_at_once_is_one_officer(server, head):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        statuses = sorted(pool.map(
            lambda _: invite(Client(server), head, "sekali.saja@smile.test").status, range(4)))
    assert statuses == [201, 409, 409, 409]


def test_every_change_leaves_a_row_and_tells_the_officer(api, actors, head, second, db):
    officer = actors.officer("publish")
    known = by_account(api, head, officer["id"])
    change(api, head, known["id"], {"permissions": ["read_audit"]}).expect(200)
    approve(api, second, known["id"]).expect(200)
    row = "SELECT details FROM smile.audit_log WHERE action = %s AND subject_id = %s AND account_id = %s"
    details, = db.execute(row, ["officer.changed", officer["id"], head["id"]]).fetchone()
    assert (details["permissions_before"], details["permissions"]) == (["publish"], [])
    assert details["requested_permissions"] == ["read_audit"]
    details, = db.execute(row, ["officer.approved", officer["id"], second["id"]]).fetchone()
    assert (details["permissions"], details["requested_by"]) == (["read_audit"], head["id"])
    assert [mail["template"] for mail in actors.mails(officer["email"])][:2] == ["security_notice"] * 2


def test_who_was_sent_away_gets_no_new_token_by_asking(api, actors, head, db):
    """The role that is gone isn't one that waits for its confirmation."""
    officer = actors.officer("publish")
    change(api, head, by_account(api, head, officer["id"])["id"], {"active": False}).expect(200)
    api.post("/v1/password_resets", {"identifier": officer["email"]}).expect(202)
    db.execute("UPDATE smile.mail_token SET created_at = created_at - interval '2 minutes'")
    api.post("/v1/registrations/resend", {"email": officer["email"]}).expect(202)
    templates = {mail["template"] for mail in actors.mails(officer["email"])}
    assert not templates & {"registration_confirmation", "grant_confirmation"}
