"""Two of everything, so that a caller can ask for what is their own and for what is another's."""
import dataclasses
import itertools

from actors import EVERY_PERMISSION, EVERY_SCOPE
from client import Client

PDF = b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n"
PERMISSIONS = tuple(dict.fromkeys((*EVERY_PERMISSION, "manage_officers")))
numbers = itertools.count(1)


@dataclasses.dataclass
class Caller:
    """Somebody with a token: what they are called here, and what they may say of themselves in an access list."""
    name: str
    kind: str
    access: frozenset
    token: str
    client: Client


class Side:
    """A member with a submitted claim, and an employer with workers, returns, a billing and a payroll client."""

    def __init__(self, actors):
        self.actors, self.api = actors, actors.client
        self.member, self.employer = actors.claimant(), actors.employer()
        self.payroll = actors.client_of(self.employer["token"], *EVERY_SCOPE)
        self.registration = actors.registration()
        self.ids = {"member_id": self.member["member_id"], "employer_id": self.employer["id"],
                    "session_id": self.member["session_id"], "registration_id": self.registration["id"]}
        self.worker = actors.worker(self.employer["token"], self.employer["id"])
        self.ids["employment_id"] = self.worker["employment_id"]
        self.ids["unit_id"] = self.api.post(f"/v1/employers/{self.employer['id']}/units", {
            "code": "P1", "name": "Pabrik"}, token=self.employer["token"]).expect(201).json["id"]
        self.make_client()
        self.make_claim()
        self.make_own_billing()
        self.make_people()
        self.make_returns()
        self.make_payment()
        self.ids["certificate_id"] = self.api.post(f"/v1/employers/{self.employer['id']}/certificates", {
            "kind": "employer_membership"}, token=self.employer["token"]).expect(201).json["id"]
        self.documents = {"employer": self.upload(self.employer["token"], "other"), "registration": self.paper()}

    def make_client(self):
        made = self.api.post("/v1/clients", {"name": "Gaji", "scopes": ["returns:read"]},
                             token=self.employer["token"]).expect(201).json
        self.ids |= {"client_id": made["id"], "secret_id": made["secrets"][0]["id"]}

    def make_own_billing(self):
        """The member pays for themselves as well; and a band that nobody has approved."""
        token = self.member["token"]
        self.api.post("/v1/members/me/self_employment", {
            "income_base": 1_000_000, "with_jht": False, "sector": "other", "funding": "own"}, token=token,
            key=True).expect(201)
        self.ids["own_billing_id"] = self.api.post(
            "/v1/members/me/self_employment/billings", {"months": 1}, token=token, key=True).expect(201).json["id"]
        base = 10_000_000 + next(numbers) * 1000
        with self.actors.server.cluster.connect(self.actors.server.database) as connection:
            self.ids["band_id"], = connection.execute(
                "INSERT INTO smile.income_band (base, jkk, valid_from, instrument, certainty, grade) "
                "VALUES (%s, %s, '2015-07-01', 'PP 44/2015', 'a test', 'memory') RETURNING id", [base, base // 100]
            ).fetchone()

    def make_people(self):
        """An officer, and a report that somebody else uses the member's account; in the database, for a real report
        would end the member's session."""
        with self.actors.server.cluster.connect(self.actors.server.database) as connection:
            self.ids["officer_id"], = connection.execute(
                "SELECT id FROM smile.account_grant WHERE kind = 'officer' AND account_id = %s",
                [self.actors.officer("publish")["id"]]).fetchone()
            self.ids["user_id"], = connection.execute(
                "SELECT id FROM smile.account_grant WHERE employer_id = %s", [self.employer["id"]]).fetchone()
            self.ids["relief_id"], = connection.execute(
                "INSERT INTO smile.employer_relief (employer_id, kind, industry, valid_from, valid_to) "
                "VALUES (%s, 'labour_intensive', 'footwear', '2025-02-01', '2025-02-01') RETURNING id",
                [self.employer["id"]]).fetchone()
            self.ids["report_id"], = connection.execute(
                "INSERT INTO smile.compromise_report (account_id, member_id) SELECT account_id, member_id "
                "FROM smile.account_grant WHERE kind = 'member' AND active AND member_id = %s RETURNING id",
                [self.member["member_id"]]).fetchone()
            self.ids["change_id"], = connection.execute(
                "INSERT INTO smile.contact_change (account_id, kind, address, message_id, expires_at) "
                "SELECT account_id, 'email', 'pindah@smile.test', gen_random_uuid(), now() + interval '1 hour' "
                "FROM smile.account_grant WHERE kind = 'member' AND active AND member_id = %s RETURNING id",
                [self.member["member_id"]]).fetchone()
            self.ids["worker_report_id"], = connection.execute(
                "INSERT INTO smile.worker_report (kind, member_id, employer_id, employment_id, period, claimed_wage, "
                "answer_due) VALUES ('wage', %s, %s, %s, '2026-08-01', 8000000, '2026-11-30') RETURNING id",
                [self.member["member_id"], self.employer["id"], self.member["employment_id"]]).fetchone()

    def upload(self, token, purpose):
        return self.api.request("POST", f"/v1/documents?purpose={purpose}", body=PDF, token=token,
                                headers={"Content-Type": "application/pdf"}).expect(201).json["id"]

    def paper(self):
        """A document of the registration that waits."""
        token = self.actors.mailed_token(self.registration["email"])
        return self.api.request(
            "POST", f"/v1/employer_registrations/{self.registration['id']}/documents?purpose=employer_registration",
            body=PDF, headers={"Content-Type": "application/pdf", "Registration-Token": token}).expect(201).json["id"]

    def make_claim(self):
        token = self.member["token"]
        claim = self.api.post("/v1/claims", {"type": "jht", "reason": "retirement_age"}, token=token,
                              key=True).expect(201).json
        self.ids["claim_id"] = claim["id"]
        for requirement in claim["requirements"]:
            self.ids["document_id"] = self.upload(token, requirement["document_kind"])
            self.api.post(f"/v1/claims/{claim['id']}/documents", {"document_id": self.ids["document_id"]}, token=token,
                          key=True).expect(200)
        self.api.post(f"/v1/claims/{claim['id']}/submission", token=token, key=True).expect(200)

    def make_returns(self):
        """One that is billed, and a draft."""
        self.ids["finalised"] = self.open_return("2026-08")
        person = self.worker
        row = f",{person['kpj']},{person['nik']},{person['full_name']},{person['birth_date']},male,7500000,,"
        header = "line_key,kpj,nik,full_name,birth_date,sex,wage,back_pay,back_pay_period"
        self.api.put(f"/v1/returns/{self.ids['finalised']}/lines", body=f"{header}\n{row}\n".encode(),
                     token=self.payroll["token"], headers={"Content-Type": "text/csv"}).expect(200)
        self.ids["billing_id"] = self.api.post(
            f"/v1/returns/{self.ids['finalised']}/finalisation", token=self.payroll["token"], key=True
        ).expect(200).json["billing_id"]
        self.ids["return_id"] = self.open_return("2026-09")

    def make_payment(self):
        """Of a bank of this side's own, under a code that was never given out."""
        self.bank, self.signer = self.actors.bank(), self.actors.bank()["id"]
        made = self.api.post("/v1/payments", {
            "payment_code": "999999999991", "amount": 1, "paid_at": "2026-11-05T01:00:00Z", "bank_reference": "W1"},
            token=self.bank["token"], key=True).expect(201).json
        self.ids |= {"payment_id": made["id"], "exception_id": made["exception"]["id"]}
        self.payment_statement = self.api.post(
            "/v1/payment_statements?statement_date=2026-11-01&count=0&amount=0", token=self.bank["token"], key=True,
            body=b"type,bank_reference,payment_code,amount,at,reason\n", headers={"Content-Type": "text/csv"}
        ).expect(201).json["id"]

    def open_return(self, period):
        return self.api.post(f"/v1/employers/{self.employer['id']}/returns", {"period": period, "kind": "regular"},
                             token=self.payroll["token"], key=True).expect(201).json["id"]


class World:
    def __init__(self, server, actors):
        self.server, self.actors = server, actors
        self.mine, self.other = Side(actors), Side(actors)
        self.callers = list(self.make_callers())

    def make_callers(self):
        yield self.caller("member", "member", {"member"}, self.mine.member["token"])
        for role, access in {"admin": {"employer:payroll", "employer:admin"}, "payroll": {"employer:payroll"},
                             "viewer": set()}.items():
            token = self.mine.employer["token"] if role == "admin" else self.colleague(role)
            yield self.caller(f"employer's {role}", "employer", {"employer"} | access, token)
        yield self.caller("officer of nothing", "officer", {"officer"}, self.actors.officer()["token"])
        for permission in PERMISSIONS:
            yield self.caller(f"officer {permission}", "officer", {"officer", f"officer:{permission}"},
                              self.actors.officer(permission)["token"])
        for scope in EVERY_SCOPE:
            token = self.actors.client_of(self.mine.employer["token"], scope)["token"]
            yield self.caller(f"client {scope}", "client", {"client", f"client:{scope}"}, token)
        yield self.caller("bank", "bank", {"bank", "bank:payments:notify"}, self.mine.bank["token"])

    def caller(self, name, kind, access, token):
        return Caller(name, kind, frozenset(access | {"any"}), token, Client(self.server, token))

    def sql(self, statement, parameters=None):
        with self.server.cluster.connect(self.server.database) as connection:
            return connection.execute(statement, parameters).fetchone()

    def colleague(self, role):
        """Another user of the same employer."""
        email = f"rekan{next(numbers)}@smile.test"
        boss = self.mine.employer
        about = {"email": email, "role": role, "admin": boss["email"], "employer": boss["id"]}
        self.sql("""
            WITH made AS (
              INSERT INTO smile.account (email, full_name, password_hash, status, confirmed_at)
              SELECT %(email)s, 'Rekan Kerja', a.password_hash, 'active', a.confirmed_at
              FROM smile.account AS a WHERE a.email = %(admin)s RETURNING id)
            INSERT INTO smile.account_grant (account_id, kind, employer_id, employer_role, active)
            SELECT id, 'employer', %(employer)s, %(role)s, true FROM made RETURNING id""", about)
        return self.actors.log_in(email)["token"]

    def ids(self, side, operation, caller):
        """What fills the placeholders of a path: a caller's own things, or another's."""
        found = dict(side.ids)
        if operation.id == "getReceipt":
            found["return_id"] = found["finalised"]
        if "{day}" in operation.path:
            found["day"] = self.sql(
                "INSERT INTO smile.holiday (day, name_id, name_en) VALUES ('2031-05-06', 'Uji', 'Test') "
                "ON CONFLICT (day) DO UPDATE SET name_en = 'Test' RETURNING day")[0]
        if operation.id == "getPaymentStatement":
            found["statement_id"] = side.payment_statement
        if caller.kind == "employer":
            found["document_id"] = side.documents["employer"]
        if "officer:manage_employers" in caller.access:
            found["document_id"] = side.documents["registration"]
        if operation.id in ("createSigningKey", "deleteSigningKey"):
            found |= {"client_id": side.signer, "key_id": self.signing_key_of(side)}
        if "session_id" in operation.path and side is self.mine:
            found["session_id"] = self.session_of(caller)
        if operation.id == "getOwnCompromiseReport" and side is self.mine:
            found["report_id"] = self.report_of(caller)
        if "job_id" in operation.path:
            found["job_id"] = self.job_of(caller if side is self.mine else None)
        return {name: str(value) for name, value in found.items() if value}

    def session_of(self, caller):
        """One more session of the caller's account, to be ended; none for a machine."""
        row = self.sql("""
            INSERT INTO smile.session (account_id, grant_id, expires_at)
            SELECT s.account_id, s.grant_id, s.expires_at
            FROM smile.session AS s JOIN smile.access_token AS t ON t.session_id = s.id
            WHERE t.digest = sha256(%s) RETURNING id""", [caller.token.encode()])
        return row[0] if row else self.mine.ids["session_id"]

    def signing_key_of(self, side):
        return self.sql("INSERT INTO smile.client_signing_key (id, client_id, key_sealed, revoked_at) "
                        "VALUES (gen_random_uuid(), %s, '', NULL) RETURNING id", [side.signer])[0]

    def report_of(self, caller):
        """An open report on the caller's account; none for a machine."""
        row = self.sql("""
            WITH reporter AS (
              SELECT t.account_id, t.member_id FROM smile.access_token AS t
              WHERE t.digest = sha256(%s) AND t.account_id IS NOT NULL),
            made AS (
              INSERT INTO smile.compromise_report (account_id, member_id)
              SELECT r.account_id, r.member_id FROM reporter AS r
              ON CONFLICT (account_id) WHERE closed_at IS NULL DO NOTHING RETURNING id)
            SELECT id FROM made UNION ALL
            SELECT c.id FROM smile.compromise_report AS c JOIN reporter AS r ON r.account_id = c.account_id
            WHERE c.closed_at IS NULL""", [caller.token.encode()])
        return row[0] if row else self.mine.ids["report_id"]

    def job_of(self, caller):
        return self.sql("""
            INSERT INTO smile.job (kind, status, account_id, client_id)
            SELECT 'matrix', 'running', t.account_id, t.client_id
            FROM (SELECT) AS nobody LEFT JOIN smile.access_token AS t ON t.digest = sha256(%s) RETURNING id""",
                        [caller.token.encode() if caller else b""])[0]

    def expired_token(self):
        """One that was good until a second ago."""
        token = self.actors.log_in(self.mine.member["email"])["token"]
        self.sql("UPDATE smile.access_token SET expires_at = smile.security_now() - interval '1 second' "
                 "WHERE digest = sha256(%s) RETURNING 1", [token.encode()])
        return token
