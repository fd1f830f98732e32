"""What happened to an account's security: whose list it is, and who is written to."""
import psycopg
import pytest

from actors import PASSWORD

KINDS = {"new_device", "failed_attempts", "password_changed", "password_reset", "contact_changed", "factor_added",
         "factor_removed", "recovery_code_used", "bank_account_changed", "refresh_token_reused", "session_limit",
         "compromise_reported"}


@pytest.fixture
def noted(db):
    """noted(email, kind, details, former) notes an event as a definer function does."""
    def note(email, kind, details="{}", former=None):
        db.execute("SELECT smile.note_security_event(a.id, %s, %s, %s) FROM smile.account AS a WHERE a.email = %s",
                   [kind, details, former, email])
    return note


def events(client, token, query=""):
    return client.get(f"/v1/account/security_events{query}", token=token).expect(200).json


def test_the_kinds_that_somebody_else_may_have_caused_are_mailed(db):
    assert KINDS <= {code for (code,) in db.execute("SELECT code FROM smile.security_event_kind WHERE mailed")}


def test_a_changed_address_is_told_too(actors, noted):
    member = actors.member()
    noted(member["email"], "contact_changed", former="dulu.sekali@smile.test")
    for address in (member["email"], "dulu.sekali@smile.test"):
        assert actors.mails(address)[0]["template"] == "security_notice"


def test_the_address_in_the_members_record_is_told_too(actors, noted, db):
    """Who changes the account's address doesn't silence the record's."""
    member = actors.member()
    db.execute("UPDATE smile.member SET email = 'di.catatan@smile.test' WHERE id = %s", [member["member_id"]])
    noted(member["email"], "password_changed")
    assert len(actors.mails("di.catatan@smile.test")) == 1


def test_a_notice_speaks_the_accounts_language_and_names_the_details(api, actors, noted, db):
    member = actors.member()
    noted(member["email"], "failed_attempts", '{"tries": 50}')
    assert "50 failed attempts to log in" in actors.mails(member["email"])[0]["text"]
    db.execute("UPDATE smile.account SET language = 'id' WHERE email = %s", [member["email"]])
    noted(member["email"], "failed_attempts", '{"tries": 10}')
    assert "10 percobaan masuk yang gagal" in actors.mails(member["email"])[0]["text"]
    newest = events(api, member["token"], "?limit=1")["items"][0]
    assert (newest["title"], newest["details"]) == ("10 failed attempts to log in", {"tries": 10})


def test_everybody_sees_their_own_events_page_by_page(api, actors, noted):
    one, other = actors.member(), actors.member()
    for _ in range(5):
        noted(one["email"], "logged_in")
        noted(other["email"], "factor_added")
    seen, after = [], ""
    while True:
        page = events(api, one["token"], f"?limit=2{after}")
        seen += page["items"]
        if "next_after" not in page:
            break
        after = f"&after={page['next_after']}"
    ids = [item["id"] for item in seen]
    assert ids == sorted(set(ids), reverse=True) and len(ids) >= 5
    assert "factor_added" not in {item["kind"] for item in seen}


def test_the_server_writes_to_nobody_but_its_caller(cluster, server):
    with psycopg.connect(cluster.url(server.database, "smile_api")) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT smile.note_security_event(gen_random_uuid(), 'password_reset')")


class Walk:
    """Causes each kind of event as it comes about, to a member whose record names another address."""

    def __init__(self, server, actors):
        self.server, self.actors, self.api = server, actors, actors.client
        self.member, self.password = actors.member(), PASSWORD
        self.session = self.member
        self.record = f"di.catatan.{self.member['kpj']}@smile.test"
        self.sql("UPDATE smile.member SET email = %s WHERE id = %s", self.record, self.member["member_id"])

    def sql(self, statement, *parameters):
        with self.server.cluster.connect(self.server.database) as connection:
            connection.execute(statement, parameters)

    def call(self, method, path, body=None, status=200, **options):
        return self.api.request(method, path, body, token=self.session["token"], **options).expect(status)

    def log_in(self, **more):
        """As a device that is known, unless it is said otherwise."""
        self.session = self.actors.log_in(self.member["email"], self.password, **{
            "device_token": self.member["device_token"]} | more)

    def reset(self):
        self.sql("UPDATE smile.mail_token SET created_at = created_at - interval '1 hour'")
        self.api.post("/v1/password_resets", {"identifier": self.member["email"]}).expect(202)
        self.password += "+"
        self.api.post("/v1/password_resets/confirmation", {
            "token": self.actors.mailed_token(self.member["email"]), "new_password": self.password}).expect(204)

    def new_device(self):
        self.log_in(device_token="sdt_" + "A" * 43, device_name="Telepon baru")

    def failed_attempts(self):
        for _ in range(10):
            self.sql("UPDATE smile.log_in_throttle SET next_at = '-infinity'")
            self.api.post("/v1/sessions", {"identifier": self.member["email"], "password": "salah"}).expect(401)

    def password_changed(self):
        self.password += "!"
        self.session = {"token": self.call("PUT", "/v1/account/password", {
            "current_password": PASSWORD, "new_password": self.password}).json["access_token"]}

    def password_reset(self):
        self.reset()
        self.log_in()

    def factor_added(self):
        secret = self.call("POST", "/v1/account/totp").json["secret"]
        self.codes = self.call("POST", "/v1/account/totp/confirmation", self.actors.totp_code(secret, 1)
                               ).json["recovery_codes"]
        self.secret = secret

    def recovery_codes_made(self):
        self.factor_added()
        self.codes = self.call("POST", "/v1/account/recovery_codes").json["recovery_codes"]

    def recovery_code_used(self):
        self.factor_added()
        self.session = {"token": self.call("POST", "/v1/sessions/step_up", {"code": self.codes[0]}
                                           ).json["access_token"]}

    def factor_removed(self):
        self.factor_added()
        self.call("DELETE", "/v1/account/totp", status=204)

    def bank_account_changed(self):
        self.call("PUT", "/v1/members/me/bank_account", {
            "bank_code": "014", "number": "7418529630", "holder_name": "Budi Santoso"}, 201)

    def contact_changed(self):
        self.new_address = f"pindah.{self.member['kpj']}@smile.test"
        change = self.call("POST", "/v1/members/me/contact_changes", {"email": self.new_address}, 201).json
        self.call("POST", f"/v1/members/me/contact_changes/{change['id']}/confirmation",
                  self.actors.mailed_code(self.new_address))

    def refresh_token_reused(self):
        old = self.actors.log_in(self.member["email"], device_token=self.member["device_token"])["refresh_token"]
        self.api.post("/v1/sessions/refresh", {"refresh_token": old}).expect(200)
        self.sql("UPDATE smile.refresh_token SET used_at = used_at - interval '11 seconds' WHERE used_at IS NOT NULL")
        self.api.post("/v1/sessions/refresh", {"refresh_token": old}).expect(401)

    def session_limit(self):
        for _ in range(10):
            self.log_in()

    def compromise_reported(self):
        self.reported = self.call("POST", "/v1/account/compromise_reports", {}, 201).json["id"]
        self.reset()
        self.member.pop("device_token")
        self.session = self.actors.log_in(self.member["email"], self.password)

    def payouts_released(self):
        self.compromise_reported()
        officer = self.actors.once("verifier", lambda: self.actors.officer("verify_members"))
        self.api.post(f"/v1/compromise_reports/{self.reported}/closure", {"resolution": "KTP."},
                      token=officer["token"], key=True).expect(200)


@pytest.mark.parametrize("language", ["id", "en"])
@pytest.mark.parametrize("kind", sorted(KINDS | {"recovery_codes_made", "payouts_released"}))
def test_each_kind_is_caused_listed_and_mailed(kind, language, server, actors, db):
    """In the account's language, to the account's address and the record's; a changed address to the old one too."""
    walk = Walk(server, actors)
    walk.sql("UPDATE smile.account SET language = %s WHERE email = %s", language, walk.member["email"])
    getattr(walk, kind)()
    title, = db.execute("SELECT CASE %s WHEN 'en' THEN title_en ELSE title_id END FROM smile.security_event_kind "
                        "WHERE code = %s", [language, kind]).fetchone()
    listed = actors.client.acting(walk.session["token"])
    listed.language = language
    event = next(item for item in listed.get("/v1/account/security_events").expect(200).json["items"]
                 if item["kind"] == kind)
    for name, value in event["details"].items():
        title = title.replace(f"{{{name}}}", str(value))
    assert event["title"] == title and "{" not in title
    told = {walk.member["email"], walk.record} | ({walk.new_address} if kind == "contact_changed" else set())
    for address in told:
        notices = [mail for mail in actors.mails(address) if mail["template"] == "security_notice"]
        texts = [mail["text"] for mail in notices if title in mail["text"]]
        assert len(texts) == 1, (address, notices)
        assert texts[0].startswith("Dear" if language == "en" else "Yth.") and "127.0.0.1" in texts[0]
        assert {mail["language"] for mail in notices} == {language}


def test_an_officers_session_stands_in_nobody_elses_list(api, actors, db):
    head, officer = actors.officer("manage_officers"), actors.officer("publish")
    grant, = db.execute("SELECT id FROM smile.account_grant WHERE account_id = %s", [officer["id"]]).fetchone()
    etag = api.get(f"/v1/officers/{grant}", token=head["token"]).headers["ETag"]
    api.request("PATCH", f"/v1/officers/{grant}", {"permissions": []}, token=head["token"],
                headers={"If-Match": etag}).expect(200)
    changed = events(api, actors.log_in(officer["email"])["token"])["items"]
    assert [item.get("session_id") for item in changed if item["kind"] == "grant_changed"] == [None]
