"""Lines and findings as CSV and NDJSON: all that the pages of JSON hold, streamed, and nothing a spreadsheet runs."""
import csv
import http.client
import io
import json

import pytest

from client import Client
from payroll import balanced, bank, HEADER, line, payroll, Payroll  # noqa: F401

CSV, NDJSON = "text/csv", "application/x-ndjson"
PROGRAMMES = [("jht", "employer"), ("jht", "worker"), ("jkk", "employer"), ("jkk", "to_jkp"), ("jkm", "employer"),
              ("jkm", "to_jkp"), ("jp", "employer"), ("jp", "worker"), ("jkp", "recomposed"), ("jkp", "state")]


def export(client, target, media, status=200):
    answer = client.get(target, headers={"Accept": media}).expect(status)
    assert status != 200 or answer.headers["Content-Type"].startswith(media)
    return answer


def table(answer):
    assert answer.text.endswith("\r\n") and "\n" not in answer.text.replace("\r\n", "")
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


def pages(client, target):
    items, after = [], ""
    while after is not None:
        page = client.get(target + ("&" if "?" in target else "?") + "limit=200" + (after and f"&after={after}"))
        items += page.expect(200).json["items"]
        after = page.json.get("next_after")
    return items


def amounts_cells(prefix, amounts):
    return {f"{prefix}{programme}_{side}": str(amounts[programme][side]) if amounts else ""
            for programme, side in PROGRAMMES}


def cells(item):
    """A line of JSON as the cells of its row."""
    row = {name: str(item.get(name, "")) for name in (
        "line", "line_key", "status", "match", "kpj", "nik_last_four", "full_name", "birth_date", "wage", "back_pay",
        "back_pay_period")}
    for prefix in ("", "back_pay_"):
        row |= amounts_cells(prefix, item.get(f"{prefix}amounts"))
    row["findings"] = " ".join(":".join(filter(None, (f.get("field"), f["code"]))) for f in item.get("findings", []))
    row |= {name: str(item.get(name, "")) for name in ("jp_wage", "jkp_wage", "wage_before")}
    for name in ("debit", "credit"):
        row |= amounts_cells(f"{name}_", item.get(name))
    row["messages"] = " ".join(f["message"] for f in item.get("findings", []))
    return row


@pytest.fixture(scope="module")
def sent(server, actors):
    """A return of 700 lines of every kind, and its address."""
    made = Payroll(Client(server), actors.payroll(), None)
    lines = [line(5_000_000 + n, key=f"K{n}") for n in range(690)]
    lines += [line(5, back_pay="100000,2026-09"), line(""), line("x", key="A"), line(7, key="A"), line(0), "x",
              line(9, kpj="123"), line(9, name=""), line("1.5", born="1990-02-31"), line(9, born="2026-12-01")]
    opened = made.open("2026-10")
    made.send(opened["id"], lines)
    return made.client, f"/v1/returns/{opened['id']}"


def test_csv_holds_what_the_pages_hold(sent):
    client, target = sent
    assert table(export(client, f"{target}/lines", CSV)) == [cells(item) for item in pages(client, f"{target}/lines")]


@pytest.mark.parametrize("what", ["lines", "findings", "lines?status=rejected"])
def test_ndjson_holds_what_the_pages_hold(sent, what):
    client, target = sent
    rows = [json.loads(row) for row in export(client, f"{target}/{what}", NDJSON).text.splitlines()]
    assert rows == pages(client, f"{target}/{what}") and rows


def test_findings_as_csv(sent):
    client, target = sent
    names = ("line", "field", "code", "severity", "message", "fix", "rule", "citation", "source", "pointer")
    rows = table(export(client, f"{target}/findings", CSV))
    assert [row | {"params": json.loads(row["params"])} for row in rows] == [
        {name: str(item.get(name, "")) for name in names} | {
            "verified": str(item["verified"]).lower(), "params": item["params"]}
        for item in pages(client, f"{target}/findings")]


def test_a_revision_is_told_against_what_stood(payroll):
    """Two thirds of the wages change; the columns add up to what the return owes and gives back."""
    opened = payroll.open("2026-10")
    payroll.send(opened["id"], [line(5_000_000 + n) for n in range(30)])
    payroll.finalise(opened["id"])
    kpjs = [row["kpj"] for row in payroll.lines(opened["id"])]
    revised = payroll.open("2026-10", "revised", reason="Salah kurs")
    report = payroll.send(revised["id"], [
        line(5_000_000 + n + (n % 3 - 1) * 1_000_000, kpj=kpj, number="") for n, kpj in enumerate(kpjs)])
    target = f"/v1/returns/{revised['id']}/lines"
    rows = table(export(payroll.client, target, CSV))
    assert rows == [cells(item) for item in pages(payroll.client, target)]
    assert [int(row["wage_before"]) for row in rows] == [5_000_000 + n for n in range(30)]
    sums = {name: sum(int(row[f"{name}_{programme}_{side}"]) for row in rows for programme, side in PROGRAMMES
                      if side in ("employer", "worker")) for name in ("debit", "credit")}
    assert sums == {"debit": report["totals"]["due"], "credit": report["totals"]["credit"]} and all(sums.values())


def test_a_broken_download_goes_on_behind_its_last_line(sent):
    client, target = sent
    whole = export(client, f"{target}/lines", CSV).text.splitlines()
    assert export(client, f"{target}/lines?after=450", CSV).text.splitlines() == whole[451:]
    assert export(client, f"{target}/lines?after=99999", CSV).text == ""
    assert len(export(client, f"{target}/lines?status=rejected", CSV).text.splitlines()) - 1 == len(
        pages(client, f"{target}/lines?status=rejected"))


def test_nothing_in_csv_is_a_formula(payroll):
    names = ["=cmd()", "+Adi", "-Adi+Ali", "@SUM(A)", "Ali, \"Si\" Kumis", "＝Adi", "Budi =Adi"]
    opened = payroll.open("2026-10")
    quoted = ['"' + name.replace('"', '""') + '"' for name in names]
    payroll.send(opened["id"], [line(5, name=name, key=f"=K{n}") for n, name in enumerate(quoted)])
    answer = export(payroll.client, f"/v1/returns/{opened['id']}/lines", CSV)
    rows = table(answer)
    assert [row["full_name"] for row in rows] == [
        "'=cmd()", "'+Adi", "'-Adi+Ali", "'@SUM(A)", 'Ali, "Si" Kumis', "'＝Adi", "Budi =Adi"]
    assert [row["line_key"] for row in rows] == [f"'=K{n}" for n in range(len(names))]
    as_told = [json.loads(row) for row in export(
        payroll.client, f"/v1/returns/{opened['id']}/lines", NDJSON).text.splitlines()]
    assert [row["full_name"] for row in as_told] == names   # JSON needs no such care


def test_a_return_without_lines_is_a_header_or_nothing(payroll):
    opened = payroll.open("2026-10")
    assert table(export(payroll.client, f"/v1/returns/{opened['id']}/lines", CSV)) == []
    assert export(payroll.client, f"/v1/returns/{opened['id']}/lines", NDJSON).body == b""


def test_what_is_asked_for_wrongly_is_refused_before_a_byte(sent, server, actors):
    client, target = sent
    for list_ in ("lines", "findings"):
        export(client, f"{target}/{list_}", "text/html", 406)
        export(client, f"{target}/{list_}?limit=5", CSV, 400)
        assert client.get(f"{target}/{list_}", headers={"Accept": "text/html, */*;q=0.1"}).json["items"]
        stranger = Client(server, actors.payroll()["token"])
        export(stranger, f"{target}/{list_}", CSV, 404)
        export(Client(server), f"{target}/{list_}", CSV, 401)


def test_an_officer_s_export_leaves_one_row(sent, server, actors, db):
    _, target = sent
    officer = Client(server, actors.officer("manage_billing")["token"])
    assert len(export(officer, f"{target}/lines", NDJSON).text.splitlines()) == 700
    assert db.execute("SELECT count(*) FROM smile.audit_log WHERE action = 'return.read' AND subject_id = %s",
                      [target.split("/")[-1]]).fetchone() == (1,)


def test_a_return_that_changes_meanwhile_cuts_the_stream(payroll, server):
    """Far more than the buffers on the way hold: the reader sees that the end never came."""
    opened = payroll.open("2026-10")
    payroll.send(opened["id"], [line(5_000_000) for _ in range(25_000)])
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("GET", f"/v1/returns/{opened['id']}/lines", headers={
        "Authorization": f"Bearer {payroll.client.token}", "Accept": NDJSON})
    answer = connection.getresponse()
    assert answer.status == 200 and answer.read(1_000)
    payroll.send(opened["id"], [line(5)])
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        answer.read()


def test_a_large_export_needs_little_memory(payroll, server):
    opened = payroll.open("2026-10")
    payroll.send(opened["id"], [line(5_000_000) for _ in range(30_000)])
    assert len(export(payroll.client, f"/v1/returns/{opened['id']}/lines", CSV).text.splitlines()) == 30_001
    for pid in server.children():
        status = open(f"/proc/{pid}/status").read()
        assert int(status.split("VmHWM:")[1].split()[0]) < 64 * 1024
