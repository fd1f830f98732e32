"""Papers of an employer's registration: who may send them, who sees them, and what becomes of them."""
import concurrent.futures

import pytest

from client import Client
from world import PDF

PAPER = {"Content-Type": "application/pdf"}


@pytest.fixture
def officer(api, actors):
    return api.acting(actors.officer("manage_employers")["token"])


@pytest.fixture
def waiting(actors):
    """A registration that waits, with the token that its contact was mailed."""
    made = actors.registration()
    return made | {"papers": actors.mailed_token(made["email"])}


def send(api, registration, token, content=PDF, purpose="employer_registration"):
    return api.request("POST", f"/v1/employer_registrations/{registration['id']}/documents?purpose={purpose}",
                       body=content, headers=PAPER | {"Registration-Token": token})


def approve(officer, registration):
    return officer.post(f"/v1/employer_registrations/{registration['id']}/approval", {}, key=True)


def pdf(number, length=0):
    return PDF.replace(b"<< /Type /Catalog >>", b"<< /Type /Catalog >> %% %d" % number + b"x" * length)


def test_only_the_mailed_token_opens_a_registration(api, actors, waiting, db):
    other = actors.registration()
    send(api, other, waiting["papers"]).expect(404)
    send(api, waiting, "A" * 43).expect(404)
    send(api, waiting, "A" * 42).expect(404)
    send(api, waiting, waiting["papers"]).expect(201)
    db.execute("UPDATE smile.employer_registration SET papers_until = smile.security_now() WHERE id = %s",
               [waiting["id"]])
    send(api, waiting, waiting["papers"], pdf(2)).expect(404)


def test_a_registration_holds_five_papers(api, waiting):
    for number in range(5):
        send(api, waiting, waiting["papers"], pdf(number)).expect(201)
    send(api, waiting, waiting["papers"], pdf(5)).expect(422, "document_quota_exceeded")


def test_a_registration_holds_20_mebibytes(api, waiting):
    for number in range(2):
        send(api, waiting, waiting["papers"], pdf(number, (10 << 20) - 1024)).expect(201)
    send(api, waiting, waiting["papers"], pdf(2, 4096)).expect(422, "document_quota_exceeded")


def test_papers_are_the_employers_after_the_approval(api, actors, waiting, officer, db):
    paper = send(api, waiting, waiting["papers"]).expect(201).json["id"]
    approve(officer, waiting).expect(200)
    actors.confirm(waiting["email"])
    employer = actors.log_in(waiting["email"])["token"]
    assert [item["id"] for item in api.get("/v1/documents", token=employer).expect(200).json["items"]] == [paper]
    assert api.get(f"/v1/documents/{paper}/content", token=employer, check=False).expect(200).body == PDF
    # What was decided on stays, and the door is shut.
    api.delete(f"/v1/documents/{paper}", token=employer, headers={"If-Match": "*"}).expect(409, "document_in_use")
    send(api, waiting, waiting["papers"], pdf(2)).expect(404)
    assert officer.get(f"/v1/documents/{paper}/content", check=False).expect(200).body == PDF
    used = db.execute("SELECT files FROM smile.document_usage AS u JOIN smile.employer_registration AS r "
                      "ON r.employer_id = u.owner_id WHERE r.id = %s", [waiting["id"]]).fetchone()
    assert used == (1,)


def test_papers_of_a_rejected_registration_are_gone(api, waiting, officer, db):
    paper = send(api, waiting, waiting["papers"]).expect(201).json["id"]
    officer.post(f"/v1/employer_registrations/{waiting['id']}/rejection", {"reason": "Ganda"}, key=True).expect(200)
    officer.get(f"/v1/documents/{paper}").expect(404)
    assert db.execute("SELECT count(*) FROM smile.document_chunk WHERE document_id = %s", [paper]).fetchone() == (0,)
    kept, = db.execute("SELECT password_hash FROM smile.employer_registration WHERE id = %s",
                       [waiting["id"]]).fetchone()
    assert kept is None
    send(api, waiting, waiting["papers"]).expect(404)
    approve(officer, waiting).expect(409, "registration_already_decided")


def test_officers_see_papers_of_registrations_and_no_other_documents(api, actors, waiting, officer):
    paper = send(api, waiting, waiting["papers"]).expect(201).json["id"]
    firm = actors.employer()
    other = api.request("POST", "/v1/documents?purpose=other", body=PDF, token=firm["token"], headers=PAPER)
    officer.get(f"/v1/documents/{other.expect(201).json['id']}").expect(404)
    for permission in ("review_claims", "manage_billing"):
        answer = api.get(f"/v1/documents/{paper}", token=actors.officer(permission)["token"])
        assert answer.status in (403, 404)


def test_reading_a_paper_leaves_a_trace(api, waiting, officer, db):
    paper = send(api, waiting, waiting["papers"]).expect(201).json["id"]
    officer.get(f"/v1/documents/{paper}/content", check=False).expect(200)
    assert db.execute("SELECT count(*) FROM smile.audit_log WHERE action = 'document.read' AND subject_id = %s",
                      [paper]).fetchone() == (1,)


def test_whom_a_registration_names_does_not_reject_it_either(api, actors, waiting, db):
    officer = actors.officer("manage_employers")
    db.execute("UPDATE smile.employer_registration SET contact_email = %s WHERE id = %s",
               [officer["email"], waiting["id"]])
    api.post(f"/v1/employer_registrations/{waiting['id']}/rejection", {"reason": "Ganda"}, token=officer["token"],
             key=True).expect(403, "own_registration")


def test_a_paper_that_comes_with_the_approval_is_the_employers_or_refused(server, api, waiting, officer, db):
    """Never one that belongs to nobody."""
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        papers = [pool.submit(send, Client(server), waiting, waiting["papers"], pdf(n)) for n in range(4)]
        pool.submit(approve, officer, waiting).result().expect(200)
        statuses = {paper.result().status for paper in papers}
    assert statuses <= {201, 404}
    assert db.execute("SELECT count(*) FROM smile.document WHERE registration_id = %s AND employer_id IS NULL",
                      [waiting["id"]]).fetchone() == (0,)


def test_one_address_is_not_flooded_with_registrations(api, actors, db):
    """Each registration is taken; the mails stop."""
    form = {"name": "PT Banjir", "npwp": "888888888888888", "industry": "Air", "size": "micro", "risk_class": 1,
            "address": "Jl. Air 1", "email": "kantor@banjir.test", "phone": "+62215550009",
            "contact": {"full_name": "Tirta", "email": "banjir.kontak@smile.test"}, "password": "air-bah-yang-panjang"}
    for _ in range(7):
        api.post("/v1/employer_registrations", form).expect(201)
    assert len(actors.mails("banjir.kontak@smile.test")) == 5
