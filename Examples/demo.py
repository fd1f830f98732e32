#!/usr/bin/env python3
"""Walks the main job against the server at LISTEN: from an employer's registration to a paid claim.

Prints each step with its answer and ends with 1 at the first surprise. It can be repeated on the same database: every
run brings an employer of its own, which sends the payroll month that lies beside this script, and follows another one
of its workers who retire. All amounts are computed here once more, from GET /v1/parameters, and compared. Needs a
development installation (`make run`).
"""
import http.client
import json
import os
import pathlib
import random
import secrets
import subprocess
import sys
import time
import urllib.parse

from payroll_month import WRONG, Law, Month, due, total
from signed_message import signed

HERE = pathlib.Path(__file__).resolve().parent
NOW = "2026-11-05T09:00:00+07:00"
PASSWORD = "perahu-kertas-di-laut-" + secrets.token_hex(4)
RUN = secrets.token_hex(4)

class Surprise(Exception):
    pass


def expect(is_so, what):
    if not is_so:
        raise Surprise(what)


def equal(got, wanted, what):
    expect(got == wanted, f"{what}: expected {wanted!r}, got {got!r}")


class Caller:
    """One caller on one connection; prints what it asks and what it gets."""

    def __init__(self, token=None):
        self.token, self.connection = token, None

    def request(self, method, path, body=None, status=200, key=False, quiet=False, headers=None):
        sent = {"Accept-Language": "en"} | (headers or {})
        if body is not None and not isinstance(body, bytes):
            body, sent["Content-Type"] = json.dumps(body).encode(), "application/json"
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        if key:
            sent["Idempotency-Key"] = secrets.token_urlsafe(24)
        if self.connection is None:
            self.connection = connect()
        self.connection.request(method, path, body, sent)
        response = self.connection.getresponse()
        data = response.read()
        if not quiet:
            text = data.decode("utf-8", "replace").replace("\n", " ")
            print(f"     {method} {path} -> {response.status} {text[:150]}{'…' if len(text) > 150 else ''}")
        if response.status != status:
            raise Surprise(f"{method} {path}: expected {status}, got {response.status}: {data[:2000].decode()}")
        self.headers = response.headers
        is_json = "json" in (response.headers.get("Content-Type") or "")
        return json.loads(data) if is_json and data else data

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, body=None, status=201, **options):
        return self.request("POST", path, body, status, **options)

    def pages(self, path):
        """Every item of a list."""
        items, after = [], None
        while True:
            sign = "&" if "?" in path else "?"
            page = self.get(path + (f"{sign}after={urllib.parse.quote(after)}" if after else ""), quiet=True)
            items += page["items"]
            after = page.get("next_after")
            if after is None:
                print(f"     GET {path} -> {len(items)} items")
                return items


class UnixConnection(http.client.HTTPConnection):
    def connect(self):
        import socket
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.host)


def connect():
    listen = os.environ.get("LISTEN", "127.0.0.1:8080")
    if listen.startswith(("/", "unix:")):
        return UnixConnection(listen.removeprefix("unix:"), timeout=30)
    return http.client.HTTPConnection(listen, timeout=30)


def step(text):
    print(f"\n  {text}")


def admin(*arguments, **options):
    """smile-admin, as the database's owner; its one line of JSON."""
    program = os.environ.get("SMILE_ADMIN", HERE.parent / ".build" / "release" / "smile-admin")
    environment = dict(os.environ)
    environment["DATABASE_URL"] = environment.get("MIGRATE_DATABASE_URL", environment.get("DATABASE_URL", ""))
    done = subprocess.run([program, *arguments], env=environment, text=True, capture_output=True, **options)
    print(f"     smile-admin {' '.join(arguments[:3])} … -> {done.returncode}")
    expect(done.returncode == 0, f"smile-admin: {done.stderr}")
    return json.loads(done.stdout)


def log_in(identifier):
    return Caller(anyone.post("/v1/sessions", credentials(identifier))["access_token"])


def log_in_officer(identifier):
    """Officers show a second factor: without an authenticator it is a code by mail."""
    asked = anyone.post("/v1/sessions", credentials(identifier), 401)
    equal((asked["code"], asked["methods"]), ("mfa_required", ["email"]), "the second factor of an officer")
    session = anyone.post("/v1/sessions/mfa", {"challenge": asked["challenge"], "code": mailed_token(identifier)})
    return Caller(session["access_token"])


def credentials(identifier):
    return {"identifier": identifier, "password": PASSWORD, "device_name": "demo"}


def mails_to(recipient, **options):
    return anyone.get(f"/v1/sandbox/outbox?limit=1&recipient={urllib.parse.quote(recipient)}", **options)["items"]


def mailed_token(recipient):
    mails = mails_to(recipient)
    expect(mails and mails[0].get("token"), f"a mail with a token for {recipient}")
    return mails[0]["token"]


def confirm(email):
    anyone.post("/v1/registrations/confirmation", {"token": mailed_token(email)}, 200)


def client_token(client_id, client_secret):
    form = urllib.parse.urlencode(
        {"grant_type": "client_credentials", "client_id": client_id, "client_secret": client_secret}).encode()
    answer = anyone.post("/v1/oauth/token", form, 200, quiet=True,
                         headers={"Content-Type": "application/x-www-form-urlencoded"})
    print("     POST /v1/oauth/token -> 200")
    return Caller(answer["access_token"])


def law_of(first_day):
    return Law(first_day, anyone.pages(f"/v1/parameters?as_of={first_day}&limit=200"))


def register_employer(officer):
    form = {"name": f"PT Demo {RUN}", "npwp": f"{secrets.randbelow(10**15):015}", "industry": "Perdagangan besar",
            "size": "medium", "risk_class": 3, "address": "Jl. Merdeka 1, Jakarta", "email": f"kantor-{RUN}@demo.test",
            "phone": "+622155500012", "contact": {"full_name": "Dewi Lestari", "email": f"hrd-{RUN}@demo.test"},
            "password": PASSWORD}
    registration = anyone.post("/v1/employer_registrations", form)
    employer_id = officer.post(
        f"/v1/employer_registrations/{registration['id']}/approval", {}, 200, key=True)["employer_id"]
    confirm(form["contact"]["email"])
    user = log_in(form["contact"]["email"])
    employer = user.get(f"/v1/employers/{employer_id}")
    equal((employer["status"], len(employer["npp"])), ("active", 8), "the employer and its NPP")
    return user, employer_id


def send_return(payroll, employer_id, month):
    opened = payroll.post(f"/v1/employers/{employer_id}/returns", {
        "period": "2026-10", "kind": "regular", "client_reference": f"2026-10-{RUN}",
        "declared_totals": {"lines": len(month.lines)}}, key=True)
    started = time.monotonic()
    job = payroll.request("PUT", f"/v1/returns/{opened['id']}/lines", month.bytes, 202,
                          headers={"Content-Type": "text/csv"})
    job = payroll.get(f"/v1/jobs/{job['id']}", headers={"Prefer": "wait=10"})
    print(f"     {len(month.lines)} lines in {time.monotonic() - started:.2f} s")
    equal((job["status"], job["progress"]["done"]), ("succeeded", len(month.lines)), "the job")
    return job["result"]


def pay(bank, key, billing, reference, status):
    notice = json.dumps({
        "payment_code": billing["payment_code"], "amount": billing["amount"], "paid_at": "2026-11-05T01:30:00+00:00",
        "bank_reference": reference}).encode()
    return bank.post("/v1/payments", notice, status, key=True, headers={
        "Content-Type": "application/json"} | signed(key, notice))


def finalise(payroll, report):
    """A job too, for so many lines; here the caller prefers to wait for what comes of it."""
    done = payroll.post(f"/v1/returns/{report['id']}/finalisation", {}, 200, key=True, headers={"Prefer": "wait=10"})
    equal(done["status"], "finalised", "the return")
    return payroll.get(f"/v1/billings/{done['billing_id']}")


def check_lines(payroll, report, month, law, september):
    """Each of the thousand outcomes, and every rupiah of those that stand. Returns the sums."""
    lines = payroll.pages(f"/v1/returns/{report['id']}/lines?limit=200")
    equal(len(lines), len(month.lines), "outcomes")
    faults, all_amounts, matches = {}, [], {True: set(), False: set()}
    for number, (sent, got) in enumerate(zip(month.lines, lines), 1):
        equal((got["line"], got["line_key"]), (number, sent["line_key"]), "the order of the lines")
        fault = month.fault(sent)
        errors = [f for f in got.get("findings", []) if f["severity"] == "error"]
        if fault:
            faults[fault] = number
            equal([(f.get("field", ""), f["code"]) for f in errors], [WRONG[fault]], f"line {number} ({fault})")
            expect(errors[0]["message"], f"line {number}: a reason")
            equal(got["status"], "rejected", f"line {number}")
            print(f"     line {number:3}: {errors[0].get('field') or '(line)':10} {errors[0]['code']:17} "
                  f"{errors[0]['message']}")
            continue
        expect(got["status"] != "rejected" and not errors, f"line {number} should stand: {got}")
        matches[bool(sent["kpj"])].add(got["match"])
        wanted = law.amounts(int(sent["wage"]), sent["birth_date"], "2026-10-01")
        equal(got["amounts"], wanted, f"amounts of line {number}")
        all_amounts.append(wanted)
        if sent["back_pay"]:
            wanted = september.amounts(int(sent["back_pay"]), sent["birth_date"], "2026-09-01")
            equal(got["back_pay_amounts"], wanted, f"back pay of line {number}")
            all_amounts.append(wanted)
    equal(sorted(faults), sorted(WRONG), "the ten kinds of wrong lines")
    equal(matches[True], {"new_employment"}, "who came with a KPJ")
    expect(matches[False] in ({"new_member"}, {"new_employment"}), f"who came without: all new or all known: {matches}")
    known = sum(bool(line["kpj"]) for line in month.lines if not month.fault(line))
    new = len(month.lines) - len(WRONG) - known
    print(f"     {known} lines that stand are of members, {new} of new people"
          f"{', whom an earlier run has made members' if matches[False] == {'new_employment'} else ''}")
    equal(report["counts"]["rejected"], len(WRONG), "rejected lines")
    return total(all_amounts)


def pdf(title):
    """A small file that is a PDF from its first to its last byte."""
    return (f"%PDF-1.4\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n2 0 obj\n<< /Type /Pages /Kids [] /Count 0 "
            f">>\nendobj\n% {title} {RUN}\ntrailer\n<< /Root 1 0 R /Size 3 >>\n%%EOF\n").encode()


def claim_benefit(member, officer, approver):
    """From the papers to the money; returns the paid claim."""
    documents = {}
    for purpose in ("membership_card", "identity_card"):
        documents[purpose] = member.post(f"/v1/documents?purpose={purpose}&file_name={purpose}.pdf", pdf(purpose),
                                         headers={"Content-Type": "application/pdf"})["id"]
    same = member.get(f"/v1/documents/{documents['identity_card']}/content")
    equal(same, pdf("identity_card"), "the document as handed in")
    claim = member.post("/v1/claims", {"type": "jht", "reason": "retirement_age"}, key=True)
    path = f"/v1/claims/{claim['id']}"
    blocked = member.post(f"{path}/submission", status=422, key=True)
    equal({e["code"] for e in blocked["errors"]}, {"document_missing"}, "what stands in the way")
    for document in documents.values():
        member.post(f"{path}/documents", {"document_id": document}, 200, key=True)
    submitted = member.post(f"{path}/submission", status=200, key=True)
    equal((submitted["state"], submitted["due_on"]), ("submitted", "2026-11-12"), "the submitted claim")

    expect(any(item["id"] == claim["id"] for item in officer.pages("/v1/claim_queue?state=submitted&limit=200")),
           "the claim in the queue")
    officer.post(f"{path}/assignment", status=200, key=True)
    officer.post(f"{path}/decision", {"decision": "approve", "reason": "Dokumen lengkap."}, 200, key=True)
    officer.post(f"{path}/approval", status=403, key=True)
    approver.post(f"{path}/approval", status=200, key=True)
    officer.post(f"{path}/payment", {"reference": f"TRX-{RUN}"}, 200, key=True)
    officer.post(f"{path}/payment", {"reference": f"TRX-{RUN}-2"}, 409, key=True)

    events = member.get(f"{path}/timeline")["items"]
    states = [event["to"] for event in events if event["kind"] == "state_changed"]
    equal(states, ["submitted", "verification", "approved", "tax_computed", "payment_ordered", "paid"], "the timeline")
    return member.get(path)


def retire(user, employer_id, month):
    """Ends the employment of everyone who is 56: who is still employed anywhere can't claim, now or in a later run."""
    wanted = {row["kpj"] for row in month.retiring}
    workers = [w for w in user.pages(f"/v1/employers/{employer_id}/workers?limit=200") if w["kpj"] in wanted]
    equal(len(workers), len(wanted), "the workers of 56")
    for worker in workers:
        user.post(f"/v1/employers/{employer_id}/workers/{worker['id']}/termination",
                  {"end_date": "2026-10-31", "reason": "retirement"}, 200, key=True, quiet=worker is not workers[0])
    print(f"     {len(workers)} employments ended")


def register(month):
    """Registers one of them who has no account yet, which only the mail tells; their line of the file, the address."""
    candidates = [row for row in month.retiring if not row["back_pay"]]
    for number, row in enumerate(random.sample(candidates, len(candidates)), 1):
        email = f"{row['line_key'].lower()}-{RUN}@demo.test"
        anyone.post("/v1/registrations", {name: row[name] for name in ("kpj", "nik", "full_name", "birth_date")} | {
            "email": email, "phone": "+628111234567", "password": PASSWORD}, 202, quiet=number > 1)
        if mails_to(email, quiet=True):
            print(f"     a mail came for line {row['line_key']}, the {number}. who was tried")
            return row, email
    raise Surprise(f"each of the {len(candidates)} workers of 56 in the file has an account from an earlier run; "
                   "`make reset` begins anew")


def withheld(law, balance):
    """The final income tax on a first payment (PP 68/2009)."""
    upto = int(law.number("JHT", "tax.final_bracket1_upto_idr"))
    return int(min(balance, upto) * law.number("JHT", "tax.final_bracket1_pct") / 100
               + max(balance - upto, 0) * law.number("JHT", "tax.final_bracket2_pct") / 100)


def follow_worker(month, employer_id, officer, approver, law):
    row, email = register(month)
    confirm(email)
    member = log_in(email)
    step("4c. The worker reads profile, contributions and balance.")
    equal(member.get("/v1/members/me")["full_name"], row["full_name"], "the profile")
    amounts = law.amounts(int(row["wage"]), row["birth_date"], "2026-10-01")
    here = member.pages(f"/v1/members/me/contributions?employer_id={employer_id}")
    equal([(c["period"], c["amounts"]) for c in here], [("2026-10", amounts)], "the contributions of this employer")
    # The employers of earlier runs have paid for this worker as well.
    everywhere = total(c["amounts"] for c in member.pages("/v1/members/me/contributions"))["jht"]
    balance = everywhere["employer"] + everywhere["worker"]
    equal(member.get("/v1/members/me/balances")["jht"]["balance"], balance, "the JHT balance")
    step("4d. The worker hands in papers and claims; one officer decides, another approves, and it is paid.")
    claim = claim_benefit(member, officer, approver)
    equal(claim["state"], "paid", "the claim")
    tax = withheld(law, balance)
    equal({k: claim["payment"][k] for k in ("gross", "tax", "net")},
          {"gross": balance, "tax": tax, "net": balance - tax}, "the payment")
    equal(member.get("/v1/members/me/balances")["jht"]["balance"], 0, "the JHT balance after it")
    step("4e. The worker logs out; the token is dead on every worker process.")
    member.request("DELETE", "/v1/sessions/current", status=204)
    for _ in range(24):
        Caller(member.token).get("/v1/members/me", status=401, quiet=True)
    print("     24 fresh connections -> 401 each")


def walk():
    step("1a. smile-admin creates the first officers and the bank's client, and imports members of before.")
    email, other = f"petugas-{RUN}@demo.test", f"penyetuju-{RUN}@demo.test"
    admin("create-officer", "--email", email, "--name", "Petugas Demo", "--permissions",
          "read_members,manage_employers,review_claims,approve_claims,pay_claims", "--password-stdin", input=PASSWORD)
    admin("create-officer", "--email", other, "--name", "Penyetuju Demo", "--permissions", "approve_claims",
          "--password-stdin", input=PASSWORD)
    bank_client = admin("create-bank-client", "--name", f"Bank Demo {RUN}")
    imported = admin("import-members", "--file", str(Month().members_file))
    print(f"     {json.dumps(imported)}")
    officer, approver = log_in_officer(email), log_in_officer(other)
    step("1b. An employer registers; the officer approves it; it gets its NPP and a user.")
    user, employer_id = register_employer(officer)
    step("1c. The employer creates a payroll client, which gets a token.")
    made = user.post("/v1/clients", {"name": "Gaji", "scopes": [
        "returns:write", "returns:read", "billings:read", "workers:write", "workers:read"]}, quiet=True)
    payroll, bank = client_token(made["id"], made["secret"]), client_token(
        bank_client["client_id"], bank_client["client_secret"])

    step("2a. The payroll client sends Examples/payroll-2026-10.csv: 1,000 lines, ten wrong in ten ways.")
    month, october, september = Month(), law_of("2026-10-01"), law_of("2026-09-01")
    report = send_return(payroll, employer_id, month)
    equal(report["outcome"], "partially_accepted", "the outcome")
    sums = check_lines(payroll, report, month, october, september)
    example = next(line for line in month.lines if line["wage"] == "12000000")
    amounts = october.amounts(12_000_000, example["birth_date"], "2026-10-01")
    print(f"     {example['line_key']}, wage 12,000,000 in 2026-10, risk class III: {json.dumps(amounts)}")
    step("2b. It finalises and gets a billing.")
    billing = finalise(payroll, report)
    try:
        equal(billing["due_date"], "2026-11-16", "the due date, the 15th being a Sunday")
        equal((billing["amounts"], billing["amount"]), (sums, due(sums)), "the billing's amounts, computed here")

        step("3. The bank's notice pays it, twice with the same reference.")
        first = pay(bank, bank_client["signing_key"], billing, f"OKT-{RUN}", 201)
        equal(pay(bank, bank_client["signing_key"], billing, f"OKT-{RUN}", 200), first, "the second notice")
        equal(payroll.get(f"/v1/billings/{billing['id']}")["status"], "paid", "the billing")
    finally:
        step("4a. The employer ends the employment of its workers of 56 on 2026-10-31.")
        retire(user, employer_id, month)
    step("4b. One of them registers and confirms by the mailed token.")
    follow_worker(month, employer_id, officer, approver, october)


def main():
    started = time.monotonic()
    try:
        step(f"0. The business clock stands at {NOW}.")
        anyone.request("PUT", "/v1/sandbox/clock", {"now": NOW})
        try:
            walk()
        finally:
            anyone.request("PUT", "/v1/sandbox/clock", {"now": None}, quiet=True)
    except (Surprise, OSError, http.client.HTTPException) as surprise:
        print(f"\nSurprise: {surprise}", file=sys.stderr)
        return 1
    print(f"\nAll as expected, in {time.monotonic() - started:.1f} s.")
    return 0


anyone = Caller()

if __name__ == "__main__":
    sys.exit(main())
