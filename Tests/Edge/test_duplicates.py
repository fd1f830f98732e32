"""Nothing lost, nothing doubled: the sender's own number and the content each find what was sent before, also when both
come at once; receipts stay."""
import concurrent.futures

from client import new_key
from payroll import balanced, bank, HEADER, line, nik, payroll, Payroll  # noqa: F401


def at_once(*calls):
    """The answers to calls that were made at the same time."""
    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


def opening(payroll, **body):
    return lambda: payroll.client.acting(payroll.client.token).post(
        f"/v1/employers/{payroll.employer_id}/returns", body, key=True)


def test_whoever_opens_again_is_told_the_original_and_its_receipt(payroll):
    target = f"/v1/employers/{payroll.employer_id}/returns"
    first = payroll.open("2026-10", client_reference="A-1")["id"]
    again = ({"period": "2026-10", "kind": "regular"}, "return_exists"), (
        {"period": "2026-09", "kind": "supplementary", "client_reference": "A-1"}, "client_reference_used")
    for body, code in again:
        problem = payroll.client.post(target, body, key=True).expect(409, code).json
        assert (problem["return_id"], problem["return_status"]) == (first, "open")
        assert problem["received_at"] and "receipt" not in problem
    payroll.send(first, [line(5_000_000)])
    payroll.finalise(first)
    receipt = payroll.client.get(f"/v1/returns/{first}/receipt").expect(200)
    for body, code in again:
        problem = payroll.client.post(target, body, key=True).expect(409, code).json
        assert (problem["return_id"], problem["return_status"]) == (first, "finalised")
        assert problem["receipt_id"] == receipt.json["receipt_id"]
        assert payroll.client.get(problem["receipt"]).expect(200).body == receipt.body
    # Nor does who finalises under another key stay without it.
    problem = payroll.client.post(f"/v1/returns/{first}/finalisation", key=True).expect(409, "return_not_open").json
    assert problem["receipt_id"] == receipt.json["receipt_id"]


def test_who_comes_at_once_is_told_the_same(payroll):
    """One return; all the others learn which."""
    for body, code in (
            ({"period": "2026-09", "kind": "regular"}, "return_exists"),
            ({"period": "2026-10", "kind": "supplementary", "client_reference": "B"}, "client_reference_used")):
        answers = at_once(*[opening(payroll, **body)] * 12)
        made = [answer.json["id"] for answer in answers if answer.status == 201]
        refused = [answer.json for answer in answers if answer.status == 409]
        assert (len(made), len(refused)) == (1, 11)
        assert {(problem["code"], problem["return_id"]) for problem in refused} == {(code, made[0])}


def test_a_request_repeated_at_once_has_one_effect(payroll):
    """One is done; the others are told so byte for byte, or to come back; whoever does gets the same."""
    target, key = f"/v1/employers/{payroll.employer_id}/returns", new_key()

    def ask():
        return payroll.client.acting(payroll.client.token).post(
            target, {"period": "2026-10", "kind": "supplementary"}, key=key)
    answers = at_once(*[ask] * 40)
    first, = (answer for answer in answers if answer.status == 201 and "Idempotency-Replayed" not in answer.headers)
    for answer in answers:
        if answer.status == 409:
            assert answer.code == "idempotency_in_flight" and int(answer.headers["Retry-After"]) > 0
        else:
            assert answer.expect(201).body == first.body
    again = ask().expect(201)
    assert (again.body, again.headers["Idempotency-Replayed"]) == (first.body, "true")
    assert [item["id"] for item in payroll.client.get(target).json["items"]] == [first.json["id"]]


def test_a_number_that_was_given_up_is_free_again(payroll):
    first = payroll.open("2026-10", client_reference="C")["id"]
    payroll.client.request("DELETE", f"/v1/returns/{first}", headers={"If-Match": "*"}).expect(204)
    assert payroll.open("2026-10", client_reference="C")["id"] != first


def uploading(payroll, opened, lines):
    text = "\n".join([HEADER, *lines]) + "\n"
    return lambda: payroll.client.acting(payroll.client.token).put(
        f"/v1/returns/{opened}/lines", body=text.encode(), headers={"Content-Type": "text/csv"})


def repeated(payroll, opened):
    found = payroll.client.get(f"/v1/returns/{opened}/findings").expect(200).json["items"]
    return [f["params"]["return_id"] for f in found if f["code"] == "content_repeated"]


def test_the_same_file_twice_at_once_is_there_once(payroll):
    opened = payroll.open("2026-10")["id"]
    lines = [line(5_000_000 + n) for n in range(50)]
    answers = at_once(*[uploading(payroll, opened, lines)] * 4)
    assert [answer.status for answer in answers] == [200] * 4
    assert len({str(answer.json["totals"]) for answer in answers}) == 1
    kept = payroll.client.get(f"/v1/returns/{opened}").json
    assert kept["counts"]["lines"] == 50 and kept["totals"] == answers[0].json["totals"]
    assert repeated(payroll, opened) == []


def test_the_same_file_for_two_returns_at_once_counts_once(payroll, db):
    """The later upload names the earlier one; of two finalisations one makes members and a bill."""
    for _ in range(5):
        first, second = (payroll.open("2026-10", "supplementary")["id"] for _ in range(2))
        numbers = [nik() for _ in range(10)]
        lines = [line(5_000_000, number=number) for number in numbers]
        for answer in at_once(uploading(payroll, first, lines), uploading(payroll, second, lines)):
            answer.expect(200)
        assert sorted(repeated(payroll, first) + repeated(payroll, second)) in ([first], [second])
        answers = at_once(*(lambda opened=opened: payroll.client.acting(payroll.client.token).post(
            f"/v1/returns/{opened}/finalisation", key=True) for opened in (first, second)))
        assert sorted(answer.status for answer in answers) == [200, 409]
        won = next(answer.json["id"] for answer in answers if answer.status == 200)
        lost = second if won == first else first
        report = payroll.send(lost, lines)
        assert report["outcome"] == "rejected"
        told = {(f["code"], f["params"].get("return_id")) for f in report["findings"]["items"]}
        assert told == {("worker_already_reported", won), ("content_repeated", won)}
        payroll.client.post(f"/v1/returns/{lost}/finalisation", key=True).expect(422, "return_without_lines")
        billed = db.execute("SELECT count(*) FROM smile.billing WHERE return_id = ANY (%s::uuid[])", [[first, second]])
        assert billed.fetchone() == (1,)
    members = db.execute("SELECT count(DISTINCT member_id), count(*) FROM smile.employment WHERE employer_id = %s",
                         [payroll.employer_id]).fetchone()
    assert members == (50, 50)


def test_what_the_sender_computed_is_compared_programme_by_programme(payroll):
    """PP 44, 45 and 46/2015 at class III: 5.7 % JHT, 0.89 % JKK, 0.30 % JKM, 3 % JP of 7,500,000."""
    due = {"jht": 427_500, "jkk": 66_750, "jkm": 22_500, "jp": 225_000}
    right = payroll.open("2026-09", declared_totals={"lines": 1, "wages": 7_500_000} | due)["id"]
    report = payroll.send(right, [line(7_500_000)])
    assert report["outcome"] == "accepted" and "findings" not in report
    assert report["declared_difference"] == dict.fromkeys(["lines", "wages", *due], 0)
    declared = {"jht": 427_501, "jkk": 0, "jp": 225_000}
    wrong = payroll.open("2026-10", declared_totals=declared)["id"]
    report = payroll.send(wrong, [line(7_500_000)])
    assert report["declared_totals"] == declared and report["outcome"] == "accepted_with_warnings"
    assert report["declared_difference"] == {"jht": -1, "jkk": 66_750, "jp": 0}
    assert [(f["pointer"], f["field"], f["params"]) for f in report["findings"]["items"]] == [
        ("/declared_totals/jht", "jht", {"declared": 427_501, "found": 427_500}),
        ("/declared_totals/jkk", "jkk", {"declared": 0, "found": 66_750})]
    read = payroll.client.get(f"/v1/returns/{wrong}").expect(200).json
    assert read["declared_difference"] == report["declared_difference"]
    opened = payroll.open("2026-08")["id"]
    assert "declared_difference" not in payroll.send(opened, [line(1)])
