"""docs/integrators.md as it stands: its requests are sent, its answers compared, its digest computed."""
import csv
import io
import re
import subprocess
import sys

import pytest

from client import Client
from cluster import ROOT
from conversation import Conversation
from payroll import Payroll, balanced, bank  # noqa: F401

PAGE = (ROOT / "docs" / "integrators.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
SCOPES = ("returns:write", "returns:read", "billings:read", "workers:read")


def blocks(language):
    return [text for kind, text in BLOCK.findall(PAGE) if kind == language]


def own_table(requests, conversation):
    """What the payroll system holds: the wages it sent, by the numbers that its workers were given."""
    sent = next(text for text in requests if text.startswith("PUT"))
    body = sent.split("\n\n")[1]
    wages = {row["line_key"]: row["wage"].replace(".", "") for row in csv.DictReader(io.StringIO(body))}
    client = Client(conversation.client.server, conversation.names["token"])
    lines = client.get(f"/v1/returns/{conversation.names['return']}/lines").expect(200).json["items"]
    return "kpj,wage\n" + "".join(f"{line['kpj']},{wages[line['line_key']]}\n" for line in reversed(lines))


@pytest.fixture(scope="module")
def month(actors, bank):  # noqa: F811
    """The page played from credentials to the summary; the employer pays when it is told the payment code."""
    payroll = actors.payroll(*SCOPES)
    conversation = Conversation(Client(actors.server), actors)
    conversation.names |= {"client_id": payroll["id"], "client_secret": payroll["secret"],
                           "employer_id": payroll["employer_id"]}
    for number, text in enumerate(blocks("http"), 1):
        conversation.play(f"### Request {number} of the page\n{text}")
        if "payment_code" in text:
            Payroll(Client(actors.server), payroll, bank).pay(conversation.names["billing"])
    return conversation


def test_a_vendor_gets_from_credentials_to_a_reconciled_month(month, tmp_path):
    (tmp_path / "october.csv").write_text(own_table(blocks("http"), month))
    script, = blocks("python")
    printed = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert printed.stdout.strip() == month.names["wages_digest"]
    shell, = re.findall(r"`(tail [^`]+sha256sum)`", PAGE)
    printed = subprocess.run(shell, shell=True, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert printed.stdout.split()[0] == month.names["wages_digest"]


def test_one_wrong_wage_shows_in_the_digest(month, tmp_path):
    script, = blocks("python")
    table = own_table(blocks("http"), month).replace(",6500000", ",6500001")
    (tmp_path / "october.csv").write_text(table)
    printed = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert printed.stdout.strip() != month.names["wages_digest"]


def test_whatever_the_page_names_exists(contract):
    """No path on the page is out of date, and no proof missing."""
    proofs = set(re.findall(r"`(test_\w+\.py)`", PAGE))
    assert len(proofs) > 8 and {name for name in proofs if not (ROOT / "Tests/Edge" / name).exists()} == set()
    known = {(operation.method, operation.path) for operation in contract.operations}
    named = {(method, path.split("?")[0]) for method, path in re.findall(
        r"`(GET|POST|PUT|PATCH|DELETE) (/v1[^\s`]+)`", PAGE)}
    assert named and named <= known, named - known
