"""The people who act for an employer: how they come, what each role may do, and that they are gone when they are."""
import concurrent.futures
import json
import subprocess
import time

import pytest

from actors import PASSWORD
from client import Client
from server import PROGRAMS

ACCEPTANCE = "/v1/employer_invitations/acceptance"
BARRED = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest.fixture
def firm(actors):
    """An employer whose administrator has just logged in."""
    return actors.employer()


def users(firm):
    return f"/v1/employers/{firm['id']}/users"


def invite(api, firm, email, role="payroll", **more):
    return api.post(users(firm), {"email": email, "full_name": "Rina Kartika", "role": role}, token=firm["token"],
                    key=True, **more)


def join(api, actors, firm, email, role):
    """A colleague with an account and a session of their own."""
    user = invite(api, firm, email, role).expect(201).json
    api.post(ACCEPTANCE, {"token": actors.mailed_token(email), "password": PASSWORD}).expect(200)
    return {"id": user["id"], "email": email} | actors.log_in(email)


def change(api, firm, user_id, role, token=None):
    return api.patch(f"{users(firm)}/{user_id}", {"role": role}, token=token or firm["token"],
                     headers={"If-Match": "*"})


def remove(api, firm, user_id, token=None):
    return api.delete(f"{users(firm)}/{user_id}", token=token or firm["token"], headers={"If-Match": "*"})


def own_id(api, firm):
    """Of the administrator who came with the registration."""
    return next(user["id"] for user in api.get(users(firm), token=firm["token"]).expect(200).json["items"]
                if user["email"] == firm["email"])


def test_a_viewer_reads_and_writes_nothing(api, actors, firm):
    viewer = join(api, actors, firm, "lihat@smile.test", "viewer")["token"]
    base = f"/v1/employers/{firm['id']}"
    for target in (base, f"{base}/workers", f"{base}/units", f"{base}/returns", f"{base}/billings",
                   f"{base}/obligations", f"{base}/users"):
        api.get(target, token=viewer).expect(200)
    for target, body in ((f"{base}/returns", {"period": "2026-10", "kind": "regular"}),
                         (f"{base}/units", {"code": "P1", "name": "Pabrik"})):
        api.post(target, body, token=viewer, key=target.endswith("returns")).expect(403, "insufficient_scope")
    api.request("POST", "/v1/documents?purpose=other", body=b"%PDF-1.4\n", token=viewer,
                headers={"Content-Type": "application/pdf"}).expect(403, "insufficient_scope")


def test_a_viewer_may_change_nothing_but_the_own_account():
    printed = subprocess.run([PROGRAMS / "smile-server", "--routes"], capture_output=True, text=True, check=True).stdout
    changes = [route for route in map(json.loads, printed.splitlines())
               if route["method"] != "GET" and "employer" in route["access"]]
    assert [r["path"] for r in changes if not r["path"].startswith(("/v1/account/", "/v1/sessions"))] == []


def test_payroll_writes_wages_and_leaves_users_clients_and_the_firm_alone(api, actors, firm):
    payroll = join(api, actors, firm, "gaji@smile.test", "payroll")["token"]
    base = f"/v1/employers/{firm['id']}"
    api.post(f"{base}/returns", {"period": "2026-10", "kind": "regular"}, token=payroll, key=True).expect(201)
    api.get("/v1/clients", token=payroll).expect(403, "insufficient_scope")
    invite(api, firm | {"token": payroll}, "teman@smile.test").expect(403, "insufficient_scope")
    remove(api, firm, own_id(api, firm), payroll).expect(403, "insufficient_scope")
    api.patch(base, {"address": "Jl. Lain 1"}, token=payroll, headers={"If-Match": "*"}).expect(
        403, "insufficient_scope")


def test_who_has_an_account_gets_the_role_beside_the_others(api, actors, firm):
    member = actors.member()
    invite(api, firm, member["email"], "admin").expect(201)
    accepted = api.post(ACCEPTANCE, {"token": actors.mailed_token(member["email"])}).expect(200).json
    assert (accepted["employer_id"], accepted["role"]) == (firm["id"], "admin")
    grants = api.get("/v1/account", token=member["token"]).expect(200).json["grants"]
    assert [grant["kind"] for grant in grants] == ["member", "employer"]
    assert actors.mails(member["email"])[0]["template"] == "security_notice"
    actors.log_in(member["email"])   # the password is the one it was


def test_nobody_has_an_account_or_a_role_before_the_token_comes_back(api, actors, firm, db):
    invite(api, firm, "belum@smile.test", "admin").expect(201)
    assert db.execute("SELECT count(*) FROM smile.account WHERE email = 'belum@smile.test'").fetchone() == (0,)
    # So its true owner may register with that address at any time.
    member = actors.member()
    db.execute("UPDATE smile.account SET email = 'belum@smile.test' WHERE email = %s", [member["email"]])
    api.post(ACCEPTANCE, {"token": actors.mailed_token("belum@smile.test"), "password": PASSWORD}).expect(
        422, "password_not_taken")
    api.post(ACCEPTANCE, {"token": actors.mailed_token("belum@smile.test")}).expect(200)


def test_nobody_acts_twice_for_one_employer(api, actors, firm, db):
    """A user's address may have become the invited one since."""
    invite(api, firm, "dua.kali@smile.test", "admin").expect(201)
    db.execute("UPDATE smile.account SET email = 'dua.kali@smile.test' WHERE email = %s", [firm["email"]])
    api.post(ACCEPTANCE, {"token": actors.mailed_token("dua.kali@smile.test")}).expect(409, "account_exists")


def test_an_invitation_lives_for_a_week(api, actors, firm, db):
    user = invite(api, firm, "lambat@smile.test").expect(201).json
    token = actors.mailed_token("lambat@smile.test")
    life, = db.execute("SELECT expires_at - created_at FROM smile.employer_invitation WHERE id = %s",
                       [user["id"]]).fetchone()
    assert life.days == 7 and life.seconds == 0
    db.execute("UPDATE smile.employer_invitation SET created_at = created_at - interval '7 days', "
               "expires_at = expires_at - interval '7 days' WHERE id = %s", [user["id"]])
    api.post(ACCEPTANCE, {"token": token, "password": PASSWORD}).expect(410, "invitation_invalid")
    listed = api.get(f"{users(firm)}/{user['id']}", token=firm["token"]).expect(200).json
    assert listed["status"] == "expired"
    invite(api, firm, "lambat@smile.test").expect(201)
    emails = [item["email"] for item in api.get(users(firm), token=firm["token"]).json["items"]]
    assert emails.count("lambat@smile.test") == 1


def test_a_withdrawn_invitation_is_worth_nothing(api, actors, firm):
    user = invite(api, firm, "batal@smile.test").expect(201).json
    token = actors.mailed_token("batal@smile.test")
    remove(api, firm, user["id"]).expect(204)
    api.post(ACCEPTANCE, {"token": token, "password": PASSWORD}).expect(410, "invitation_invalid")


def test_one_token_brought_by_many_at_once_makes_one_user(server, api, actors, firm, db):
    invite(api, firm, "banyak@smile.test").expect(201)
    body = {"token": actors.mailed_token("banyak@smile.test"), "password": PASSWORD}
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        statuses = sorted(pool.map(lambda _: Client(server).post(ACCEPTANCE, body).status, range(4)))
    assert statuses == [200, 410, 410, 410]
    assert db.execute("SELECT count(*) FROM smile.account WHERE email = 'banyak@smile.test'").fetchone() == (1,)


def test_an_address_is_not_flooded(api, firm):
    for _ in range(3):
        remove(api, firm, invite(api, firm, "banjir@smile.test").expect(201).json["id"]).expect(204)
    answer = invite(api, firm, "banjir@smile.test").expect(429, "invitation_quota_used")
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize("how", ["removed", "another role"])
def test_a_removal_acts_on_the_next_request_of_every_worker(how, server, api, actors, firm, db):
    user = join(api, actors, firm, f"pergi.{len(how)}@smile.test", "payroll")
    if how == "removed":
        remove(api, firm, user["id"]).expect(204)
    else:
        change(api, firm, user["id"], "viewer").expect(200)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        statuses = set(pool.map(
            lambda _: Client(server, user["token"]).get(f"/v1/employers/{firm['id']}").status, range(8)))
    assert statuses == {401}
    api.post("/v1/sessions/refresh", {"refresh_token": user["refresh_token"]}).expect(401)
    assert actors.mails(user["email"])[0]["template"] == "security_notice"
    action = "employer_user.removed" if how == "removed" else "employer_user.changed"
    assert db.execute("SELECT count(*) FROM smile.audit_log WHERE action = %s AND subject_id = %s",
                      [action, user["id"]]).fetchone() == (1,)


def test_only_the_sessions_in_that_role_end(api, actors, firm):
    member = actors.member()
    user = invite(api, firm, member["email"], "viewer").expect(201).json
    api.post(ACCEPTANCE, {"token": actors.mailed_token(member["email"])}).expect(200)
    remove(api, firm, user["id"]).expect(204)
    api.get("/v1/members/me", token=member["token"]).expect(200)


def test_who_was_removed_gets_no_new_token_by_asking(api, actors, firm, db):
    user = join(api, actors, firm, "kembali@smile.test", "admin")
    remove(api, firm, user["id"]).expect(204)
    api.post("/v1/password_resets", {"identifier": user["email"]}).expect(202)
    db.execute("UPDATE smile.mail_token SET created_at = created_at - interval '2 minutes'")
    api.post("/v1/registrations/resend", {"email": user["email"]}).expect(202)
    templates = {mail["template"] for mail in actors.mails(user["email"])}
    assert not templates & {"registration_confirmation", "grant_confirmation"}
    actors.try_log_in(user["email"]).expect(401)   # no role is left


def test_invitations_of_who_is_no_administrator_any_more_are_worth_nothing(api, actors, firm):
    for number, end in enumerate((lambda user: remove(api, firm, user["id"]).expect(204),
                                  lambda user: change(api, firm, user["id"], "viewer").expect(200))):
        boss = join(api, actors, firm, f"bekas{number}@smile.test", "admin")
        invite(api, firm | {"token": boss["token"]}, f"kroni{number}@smile.test", "admin").expect(201)
        end(boss)
        api.post(ACCEPTANCE, {"token": actors.mailed_token(f"kroni{number}@smile.test"), "password": PASSWORD}).expect(
            410, "invitation_invalid")


def test_with_another_administrator_one_may_go(api, actors, firm):
    join(api, actors, firm, "kedua@smile.test", "admin")
    remove(api, firm, own_id(api, firm)).expect(204)
    api.get(users(firm), token=firm["token"]).expect(401)


def both_at_once(server, first, second):
    """The statuses of two calls that wait for the same rows, let go together."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool, server.cluster.connect(server.database) as holder:
        holder.autocommit = False
        holder.execute("SELECT FROM smile.account_grant WHERE employer_role = 'admin' ORDER BY id FOR UPDATE")
        calls = [pool.submit(call, Client(server)) for call in (first, second)]
        with server.cluster.connect(server.database) as watcher:
            deadline = time.monotonic() + 1.5
            while watcher.execute(BARRED).fetchone()[0] < 2 and time.monotonic() < deadline:
                pass
            barred = watcher.execute(BARRED).fetchone()[0]
        holder.rollback()
        return barred, sorted(call.result().status for call in calls)


def test_two_administrators_who_remove_each_other_leave_one(server, api, actors, firm):
    other = join(api, actors, firm, "saling@smile.test", "admin")
    mine = own_id(api, firm)
    assert both_at_once(server, lambda client: remove(client, firm, other["id"]),
                        lambda client: remove(client, firm, mine, other["token"])) == (2, [204, 401])
    left = [token for token in (firm["token"], other["token"]) if api.get(users(firm), token=token).status == 200]
    assert len(left) == 1


def test_two_administrators_who_both_give_up_leave_one(server, api, actors, firm, db):
    other = join(api, actors, firm, "menyerah@smile.test", "admin")
    mine = own_id(api, firm)
    assert both_at_once(server, lambda client: change(client, firm, mine, "viewer"),
                        lambda client: remove(client, firm, other["id"], other["token"])) in (
        (2, [200, 409]), (2, [204, 409]))
    assert db.execute("SELECT count(*) FROM smile.account_grant WHERE employer_id = %s AND employer_role = 'admin' "
                      "AND active", [firm["id"]]).fetchone() == (1,)


def test_an_employer_that_asks_administrators_for_a_second_factor_asks_a_new_one(server, api, actors, firm, db):
    user = join(api, actors, firm, "naik@smile.test", "viewer")
    npp, = db.execute("SELECT npp FROM smile.employer WHERE id = %s", [firm["id"]]).fetchone()
    db.execute("SELECT smile.set_second_factor_policy(%s, true)", [npp])
    renewed = actors.log_in(firm["email"])   # with the second factor that the policy wants
    change(api, firm, user["id"], "admin", renewed["token"]).expect(200)
    api.post("/v1/sessions", {"identifier": user["email"], "password": PASSWORD}).expect(401, "mfa_required")


@pytest.fixture
def officer(actors):
    """Who manages employers and has just logged in."""
    return actors.officer("manage_employers")


def orphaned(db, firm):
    """Nobody who may invite can act for the employer any more."""
    db.execute("UPDATE smile.account SET status = 'disabled' WHERE email = %s", [firm["email"]])


def test_an_officer_brings_back_an_employer_whose_administrators_are_gone(api, actors, firm, officer, db):
    early = invite(api, firm | {"token": officer["token"]}, "baru@smile.test", "admin")
    early.expect(409, "employer_has_administrator")
    orphaned(db, firm)
    by_officer = firm | {"token": officer["token"]}
    refused = invite(api, by_officer, "baru@smile.test", "payroll").expect(422, "administrator_wanted").json
    assert refused["errors"][0]["pointer"] == "/role"
    mistyped = invite(api, by_officer, "salah@smile.test", "admin").expect(201).json
    wrong = actors.mailed_token("salah@smile.test")
    user = invite(api, by_officer, "baru@smile.test", "admin").expect(201).json
    api.post(ACCEPTANCE, {"token": wrong, "password": PASSWORD}).expect(410, "invitation_invalid")
    api.post(ACCEPTANCE, {"token": actors.mailed_token("baru@smile.test"), "password": PASSWORD}).expect(200)
    renewed = actors.log_in("baru@smile.test")
    assert [item["id"] for item in api.get(users(firm), token=renewed["token"]).expect(200).json["items"]
            if item["status"] == "active" and item["email"] == "baru@smile.test"] == [user["id"]]
    invite(api, by_officer, "lagi@smile.test", "admin").expect(409, "employer_has_administrator")
    told = actors.mails(db.execute("SELECT email FROM smile.employer WHERE id = %s", [firm["id"]]).fetchone()[0])
    assert [mail["template"] for mail in told].count("employer_administrator_appointed") == 2
    assert "baru@" not in json.dumps(told)
    assert db.execute("SELECT count(*) FROM smile.audit_log WHERE action = 'employer_user.invited' AND subject_id IN "
                      "(%s, %s) AND account_id = %s", [user["id"], mistyped["id"], officer["id"]]).fetchone() == (2,)


def test_an_officer_makes_a_user_administrator_where_none_is_left(api, actors, firm, officer, db):
    user = join(api, actors, firm, "pengganti@smile.test", "payroll")
    change(api, firm, user["id"], "admin", officer["token"]).expect(409, "employer_has_administrator")
    orphaned(db, firm)
    change(api, firm, user["id"], "viewer", officer["token"]).expect(422, "administrator_wanted")
    change(api, firm, user["id"], "admin", officer["token"]).expect(200)
    invite(api, firm | actors.log_in(user["email"]), "staf@smile.test").expect(201)
    remove(api, firm, user["id"], officer["token"]).expect(403, "wrong_role")


def test_an_officer_appoints_nobody_at_the_own_employer_or_at_one_that_is_none(api, actors, firm, officer, db):
    db.execute("INSERT INTO smile.account_grant (account_id, kind, employer_id, employer_role, active) "
               "VALUES (%s, 'employer', %s, 'viewer', true)", [officer["id"], firm["id"]])
    orphaned(db, firm)
    by_officer = firm | {"token": officer["token"]}
    invite(api, by_officer, "sendiri@smile.test", "admin").expect(403, "own_employer")
    nowhere = by_officer | {"id": "019ac3f2-7c11-7d5e-9b6a-2f6d1c1e8a01"}
    invite(api, nowhere, "siapa@smile.test", "admin").expect(404, "not_found")
    other = actors.officer("manage_clients")
    invite(api, firm | {"token": other["token"]}, "siapa@smile.test", "admin").expect(403, "insufficient_scope")


def test_an_officer_who_has_not_just_proved_who_it_is_appoints_nobody(api, actors, firm, officer, db):
    orphaned(db, firm)
    db.execute("UPDATE smile.access_token SET stepped_up_at = stepped_up_at - interval '6 minutes' "
               "WHERE digest = sha256(%s)", [officer["token"].encode()])
    invite(api, firm | {"token": officer["token"]}, "basi@smile.test", "admin").expect(401, "step_up_required")


def test_two_officers_who_appoint_at_once_leave_one_invitation(server, api, actors, firm, officer, db):
    orphaned(db, firm)
    clients = [(Client(server), actors.officer("manage_employers")["token"], f"serentak{n}@smile.test")
               for n in range(3)]
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        statuses = list(pool.map(
            lambda c: invite(c[0], firm | {"token": c[1]}, c[2], "admin").status, clients))
    assert statuses == [201] * 3
    assert db.execute("SELECT count(*) FROM smile.employer_invitation WHERE employer_id = %s AND accepted_at IS NULL "
                      "AND revoked_at IS NULL", [firm["id"]]).fetchone() == (1,)
