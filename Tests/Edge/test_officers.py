"""Officers: who may make and change them, and what that does to their sessions."""
import concurrent.futures

import pytest

from client import Client

FIRST = "hujan turun di bulan juni"


@pytest.fixture(scope="module")
def head(actors):
    return actors.officer("manage_officers")


def invite(client, head, email, permissions=("review_claims",), **more):
    return client.post("/v1/officers", {"email": email, "full_name": "Rina Kartika", "permissions": list(permissions)},
                       token=head["token"], key=True, **more)


def change(client, head, officer_id, body, etag=None):
    etag = etag or client.get(f"/v1/officers/{officer_id}", token=head["token"]).expect(200).headers["ETag"]
    return client.request("PATCH", f"/v1/officers/{officer_id}", body, token=head["token"], headers={"If-Match": etag})


def by_account(client, head, account_id):
    """The officer of an account, looked for through all pages."""
    after = ""
    while True:
        page = client.get(f"/v1/officers?limit=200{after}", token=head["token"]).expect(200).json
        for item in page["items"]:
            if item["account_id"] == account_id:
                return item
        after = f"&after={page['next_after']}"


def test_an_invited_officer_sets_the_first_password_and_works(api, actors, head):
    made = invite(api, head, "baru.petugas@smile.test").expect(201).json
    token = actors.mailed_token("baru.petugas@smile.test")
    api.post("/v1/password_resets/confirmation", {"token": token, "new_password": FIRST}).expect(204)
    session = actors.log_in("baru.petugas@smile.test", FIRST)
    api.get("/v1/claim_queue", token=session["token"]).expect(200)
    api.get("/v1/officers", token=session["token"]).expect(403, "insufficient_scope")
    assert made["active"] is True


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


def test_who_comes_back_is_the_same_officer(api, actors, head):
    officer = actors.officer("review_claims")
    known = by_account(api, head, officer["id"])
    change(api, head, known["id"], {"active": False}).expect(200)
    invite(api, head, officer["email"]).expect(409, "officer_exists")
    assert change(api, head, known["id"], {"active": True}).expect(200).json["permissions"] == ["review_claims"]
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


def test_every_change_leaves_a_row_and_tells_the_officer(api, actors, head, db):
    officer = actors.officer("publish")
    known = by_account(api, head, officer["id"])
    change(api, head, known["id"], {"permissions": ["read_audit"]}).expect(200)
    details, = db.execute("SELECT details FROM smile.audit_log WHERE action = 'officer.changed' AND subject_id = %s "
                          "AND account_id = %s", [officer["id"], head["id"]]).fetchone()
    assert (details["permissions_before"], details["permissions"]) == (["publish"], ["read_audit"])
    assert actors.mails(officer["email"])[0]["template"] == "security_notice"


def test_who_was_sent_away_gets_no_new_token_by_asking(api, actors, head, db):
    """The role that is gone isn't one that waits for its confirmation."""
    officer = actors.officer("publish")
    change(api, head, by_account(api, head, officer["id"])["id"], {"active": False}).expect(200)
    api.post("/v1/password_resets", {"identifier": officer["email"]}).expect(202)
    db.execute("UPDATE smile.mail_token SET created_at = created_at - interval '2 minutes'")
    api.post("/v1/registrations/resend", {"email": officer["email"]}).expect(202)
    templates = {mail["template"] for mail in actors.mails(officer["email"])}
    assert not templates & {"registration_confirmation", "grant_confirmation"}
