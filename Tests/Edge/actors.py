"""People and machines for a test, made as the world makes them: through the API and smile-admin."""
import base64
import datetime
import hmac
import itertools
import json
import struct
import time
import urllib.parse

import webhooks

PASSWORD = "perahu-kertas-di-laut-7"
EVERY_PERMISSION = ("read_members", "verify_members", "manage_employers", "review_claims", "approve_claims",
                    "pay_claims", "manage_billing", "manage_parameters", "publish", "manage_officers", "manage_clients",
                    "read_audit")
EVERY_SCOPE = ("returns:write", "returns:read", "billings:read", "workers:write", "workers:read")
FRESH = 200   # seconds: a log-in counts as proof of identity for 300
numbers = itertools.count(1)   # one for the process: what it makes never meets what another made


class Actors:
    """Each method makes somebody new and returns what a test needs of them, the token among it."""

    def __init__(self, client):
        self.client, self.server = client, client.server
        self.known = {}

    def once(self, kind, make):
        """Somebody whom other actors need and who may be the same for all; logged in anew before that grows stale."""
        made, at = self.known.get(kind, (None, 0))
        if made is not None and time.monotonic() - at < FRESH:
            return made
        made = make() if made is None else made | self.log_in(made["email"])
        self.known[kind] = made, time.monotonic()
        return made

    def log_in(self, identifier, password=PASSWORD, **more):
        session = self.try_log_in(identifier, password, **more).expect(201).json
        return {"token": session["access_token"], "refresh_token": session["refresh_token"],
                "session_id": session["session"]["id"], "device_token": session.get("device_token")}

    def try_log_in(self, identifier, password=PASSWORD, **more):
        """The answer; where a second factor is asked for, that to the code that was mailed."""
        answer = self.client.post("/v1/sessions", {"identifier": identifier, "password": password} | more)
        if answer.status != 401 or answer.code != "mfa_required":
            return answer
        return self.client.post("/v1/sessions/mfa", {
            "challenge": answer.json["challenge"], "code": self.mailed_token(identifier)})

    def switch(self, email, grant):
        """The answer's body once the client's session acts in that grant, by a code that was mailed."""
        asked = self.client.put("/v1/sessions/current/role", {"grant_id": grant}).expect(401, "mfa_required").json
        code = {"challenge": asked["challenge"], "code": self.mailed_token(email)}
        return self.client.post("/v1/sessions/mfa", code).expect(200).json

    def prove(self, token):
        """The person has proved who they are just now: what made a token long ago isn't what a test is about."""
        with self.server.cluster.connect(self.server.database) as connection:
            connection.execute("UPDATE smile.access_token SET stepped_up_at = smile.security_now() "
                               "WHERE digest = sha256(%s) AND session_id IS NOT NULL", [token.encode()])

    def mailed_token(self, recipient):
        """The token of the newest mail to that address that carries one."""
        return next(mail["token"] for mail in self.mails(recipient) if "token" in mail)

    def mails(self, recipient):
        """The last mails to that address, newest first."""
        query = urllib.parse.urlencode({"recipient": recipient, "limit": 20})
        return self.client.get(f"/v1/sandbox/outbox?{query}").expect(200).json["items"]

    def confirm(self, email):
        self.client.post("/v1/registrations/confirmation", {"token": self.mailed_token(email)}).expect(200)

    def mailed_code(self, email):
        return {"code": self.mailed_token(email)}

    def totp_code(self, secret, steps_ago=0):
        """What an authenticator with this secret shows now, or showed so many steps ago (RFC 6238)."""
        with self.server.cluster.connect(self.server.database) as connection:
            clock = "SELECT extract(epoch FROM smile.security_now())::float"
            moment = connection.execute(clock).fetchone()[0]
        if moment % 30 > 28:   # the code must not change on its way
            time.sleep(30 - moment % 30)
            moment += 2
        counter = struct.pack(">q", int(moment) // 30 - int(steps_ago))
        digest = hmac.new(base64.b32decode(secret), counter, "sha1").digest()
        offset = digest[-1] & 15
        number = struct.unpack(">I", digest[offset:offset + 4])[0] & 0x7FFFFFFF
        return {"code": f"{number % 1_000_000:06}"}

    def officer_account(self, *permissions):
        """An officer who hasn't logged in, with these permissions, `all` for every one, none without."""
        granted = EVERY_PERMISSION if permissions == ("all",) else permissions
        email = f"petugas{next(numbers)}@smile.test"
        made = json.loads(self.server.run("smile-admin", "create-officer", "--email", email, "--name", "Petugas Uji",
                                          "--permissions", ",".join(granted), "--password-stdin", input=PASSWORD))
        return {"id": made["account_id"], "email": email, "password": PASSWORD}

    def officer(self, *permissions):
        """The same with a session."""
        made = self.officer_account(*permissions)
        return made | self.log_in(made["email"])

    def registration(self):
        """An employer's registration that nobody has decided on yet."""
        number = next(numbers)
        email = f"hrd{number}@smile.test"
        form = {"name": f"PT Uji Coba {number}", "npwp": f"{number:015}", "industry": "Perdagangan besar",
                "size": "medium", "risk_class": 3, "address": f"Jl. Merdeka {number}, Jakarta",
                "email": f"kantor{number}@smile.test", "phone": f"+6221{number:08}",
                "contact": {"full_name": "Dewi Lestari", "email": email}, "password": PASSWORD}
        made = self.client.post("/v1/employer_registrations", form).expect(201).json
        return {"id": made["id"], "name": form["name"], "npwp": form["npwp"], "email": email, "password": PASSWORD}

    def employer(self):
        """An approved employer and its administrator's session."""
        registration = self.registration()
        approved = self.client.acting(self.once("officer", lambda: self.officer("all"))["token"]).post(
            f"/v1/employer_registrations/{registration['id']}/approval", {}, key=True).expect(200).json
        self.confirm(registration["email"])
        return registration | {"id": approved["employer_id"], "registration_id": registration["id"]} | self.log_in(
            registration["email"])

    def worker(self, employer_token=None, employer_id=None, first_born=datetime.date(1985, 3, 1)):
        """Somebody hired by this employer, or by one that all such workers share: a member without an account."""
        if employer_id is None:
            shared = self.once("employer", self.employer)
            employer_token, employer_id = shared["token"], shared["id"]
        number = next(numbers)
        born = first_born + datetime.timedelta(days=number % 3000)
        person = {"nik": f"317401{born:%d%m%y}{number % 9999 + 1:04}", "full_name": "Budi Santoso",
                  "birth_date": born.isoformat(), "sex": "male"}
        hired = self.client.acting(employer_token).post(
            f"/v1/employers/{employer_id}/workers", person | {"wage": 7_500_000, "start_date": "2024-01-01"}, key=True
        ).expect(201).json
        return person | {"kpj": hired["kpj"], "member_id": hired["member_id"], "employment_id": hired["id"],
                         "employer_id": employer_id}

    def member(self, employer_token=None, employer_id=None, **about):
        """A worker with a confirmed account and a session."""
        return self.account_of(self.worker(employer_token, employer_id, **about))

    def account_of(self, worker):
        """A confirmed account and a session for this worker."""
        number = next(numbers)
        email = f"anggota{number}@smile.test"
        form = {name: worker[name] for name in ("kpj", "nik", "full_name", "birth_date")}
        form |= {"email": email, "phone": f"+62811{number:08}", "password": PASSWORD}
        self.client.post("/v1/registrations", form).expect(202)
        self.confirm(email)
        return worker | {"email": email, "phone": form["phone"], "password": PASSWORD} | self.log_in(email)

    def claimant(self, balance="684000"):
        """A member over 56 whose employment has ended, with this JHT balance: who may claim it. Set up in the database,
        since the road there is long."""
        member = self.member(first_born=datetime.date(1960, 1, 1))
        with self.server.cluster.connect(self.server.database) as connection:
            connection.execute("UPDATE smile.employment SET end_date = '2026-10-31', end_reason = 'retirement' "
                               "WHERE id = %s", [member["employment_id"]])
            connection.execute(
                "SELECT smile.book('test_balance', 'member', gen_random_uuid(), ARRAY["
                "('fund.jht', %(member)s, NULL, NULL, -%(balance)s), ('bank', NULL, NULL, NULL, %(balance)s)"
                "]::smile.posting_line[])", {"member": member["member_id"], "balance": int(balance)})
        return member

    def client_of(self, employer_token, *scopes):
        """A payroll client of this employer with its token."""
        made = self.client.acting(employer_token).post(
            "/v1/clients", {"name": f"Gaji {next(numbers)}", "scopes": list(scopes)}).expect(201).json
        return {"id": made["id"], "secret": made["secret"], "token": self.oauth_token(made["id"], made["secret"])}

    def payroll(self, *scopes):
        """A payroll client with these scopes (all of them unless named), of an employer of its own."""
        employer = self.employer()
        made = self.client_of(employer["token"], *(scopes or EVERY_SCOPE))
        return made | {"employer_id": employer["id"], "employer_token": employer["token"]}

    def bank(self):
        made = json.loads(self.server.run("smile-admin", "create-bank-client", "--name", f"Bank {next(numbers)}"))
        token = self.oauth_token(made["client_id"], made["client_secret"])
        webhooks.keys[token] = made["signing_key"]
        return {"id": made["client_id"], "secret": made["client_secret"], "key": made["signing_key"], "token": token}

    def oauth_token(self, client_id, secret):
        body = urllib.parse.urlencode({"grant_type": "client_credentials", "client_id": client_id,
                                       "client_secret": secret}).encode()
        return self.client.post("/v1/oauth/token", body=body, headers={
            "Content-Type": "application/x-www-form-urlencoded"}).expect(200).json["access_token"]
