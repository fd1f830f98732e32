"""Documents: what is taken for one, who sees it, and that bytes come back as they came."""
import concurrent.futures
import http.client
import pathlib
import socket
import struct
import zlib

import pytest

from client import Client

PDF = b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n"
MIB = 1 << 20


def chunk(kind, data, crc=None):
    crc = zlib.crc32(kind + data) if crc is None else crc
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)


def png(width=1, height=1, pixels=b"\x00\x00", extra=b""):
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(pixels)) + chunk(
        b"IEND", b"")


def jpeg(width=16, height=16, coded=b"\x11\xff\x00\x22\xff\xd0\x33"):
    frame = b"\xff\xc0\x00\x0b\x08" + struct.pack(">HH", height, width) + b"\x01\x01\x11\x00"
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" + coded
    return b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00" + frame + scan + b"\xff\xd9"


WHOLE = {"application/pdf": PDF, "image/png": png(), "image/jpeg": jpeg()}


@pytest.fixture(scope="module")
def sri(server, actors):
    member = actors.member()
    with Client(server, member["token"]) as client:
        client.person = member
        yield client


def upload(client, data, media="application/pdf", purpose="other", **options):
    return client.request("POST", f"/v1/documents?purpose={purpose}", body=data, headers={"Content-Type": media},
                          **options)


@pytest.mark.parametrize("media", WHOLE)
def test_what_was_handed_in_comes_back(media, sri):
    made = upload(sri, WHOLE[media], media).json
    answer = sri.get(f"/v1/documents/{made['id']}/content").expect(200)
    assert answer.body == WHOLE[media]
    assert answer.headers["Content-Type"] == media
    assert answer.headers["Content-Disposition"] == "attachment"


@pytest.mark.parametrize("media", WHOLE)
def test_a_part_is_no_file(media, sri):
    """Cut at every 2 %, and with one byte more at the end of what must end there."""
    whole = WHOLE[media]
    for percent in range(0, 100, 2):
        part = whole[:len(whole) * percent // 100]
        if media == "application/pdf" and b"%%EOF" in part:
            continue
        upload(sri, part, media).expect(422, "document_malformed")
    if media != "application/pdf":
        upload(sri, whole + b"\x00", media).expect(422)


MALFORMED = {
    "a web page as PDF": ("application/pdf", b"<html>%PDF-1.4 %%EOF</html>"),
    "a PDF behind a byte": ("application/pdf", b" " + PDF),
    "a PDF whose end is too far from its end": ("application/pdf", PDF + b" " * 1100),
    "a zip as PNG": ("image/png", b"PK\x03\x04" + png()[4:]),
    "a wrong checksum": ("image/png", png().replace(chunk(b"IEND", b""), chunk(b"IEND", b"", crc=7))),
    "no image data": ("image/png", b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", b"\0" * 13) + chunk(b"IEND", b"")),
    "a picture of 3,600 megapixels": ("image/png", png(60_000, 60_000)),
    "a picture without width": ("image/png", png(0, 10)),
    "a chunk longer than the file": ("image/png", png(extra=struct.pack(">I", 0x7FFFFFFF) + b"tEXt")),
    "a script after a PNG": ("image/png", png() + b"<script>"),
    "a JPEG of 3,600 megapixels": ("image/jpeg", jpeg(60_000, 60_000)),
    "a JPEG without a frame": ("image/jpeg", b"\xff\xd8\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00\x11\xff\xd9"),
    "a JPEG with a zip behind it": ("image/jpeg", jpeg() + b"PK\x03\x04"),
    "a PNG declared as JPEG": ("image/jpeg", png()),
    "nothing": ("application/pdf", b""),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_what_only_looks_like_a_document_is_refused(what, sri):
    media, data = MALFORMED[what]
    upload(sri, data, media).expect(422, "document_malformed")


@pytest.mark.parametrize("name", ["../../etc/passwd.pdf", "laporan \"akhir\".pdf", "naskah;filename=x.exe;.pdf",
                                  "%s%n.pdf", "été.PDF", "契約.pdf"])
def test_a_name_is_data_only(name, sri):
    """It comes back as it was sent, and in the header as one escaped value."""
    import urllib.parse
    data = PDF.replace(b"Catalog", b"Catalog" + name.encode())
    answer = sri.request("POST", f"/v1/documents?purpose=other&file_name={urllib.parse.quote(name)}", body=data,
                         headers={"Content-Type": "application/pdf"}).expect(201)
    assert answer.json["file_name"] == name
    disposition = sri.get(f"/v1/documents/{answer.json['id']}/content").headers["Content-Disposition"]
    start = "attachment; filename*=UTF-8''"
    assert disposition.startswith(start)
    assert urllib.parse.unquote(disposition.removeprefix(start)) == name
    assert not set(disposition.removeprefix(start)) & set("\"; /\\'")


@pytest.mark.parametrize("name", ["x.pdf%00.exe", "a%0d%0aSet-Cookie:%20x.pdf", "%e2%80%aefdp.exe.pdf",
                                  "n" * 101 + ".pdf", "ktp.exe", "ktp", "pdf", ".", "x.pdf.", ""])
def test_a_name_that_would_mislead_is_refused(name, sri):
    sri.request("POST", f"/v1/documents?purpose=other&file_name={name}", body=PDF,
                headers={"Content-Type": "application/pdf"}).expect(400)


def test_ten_mebibytes_and_no_byte_more(sri):
    full = PDF[:-6] + b"%" * (10 * MIB - len(PDF) - 1) + b"\n%%EOF\n"
    assert len(full) == 10 * MIB
    made = upload(sri, full).expect(201).json
    assert sri.get(f"/v1/documents/{made['id']}/content").body == full
    sri.request("POST", "/v1/documents?purpose=other", body=iter(()), headers={
        "Content-Type": "application/pdf", "Content-Length": str(10 * MIB + 1)}).expect(413)
    sri.connection.close()


def test_nobody_is_read_before_being_known(server):
    """A stranger's ten megabytes are refused by their head."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.putrequest("POST", "/v1/documents?purpose=other")
    for name, value in {"Content-Type": "application/pdf", "Content-Length": str(10 * MIB), "Expect": "100-continue",
                        "Authorization": "Bearer sat_" + "A" * 43}.items():
        connection.putheader(name, value)
    connection.endheaders()
    assert connection.getresponse().status == 401
    connection.close()


@pytest.mark.parametrize("percent", range(0, 100, 10))
def test_an_upload_that_breaks_off_leaves_nothing(percent, server, sri):
    data = PDF[:-6] + b"%" * (600 << 10) + b"%d" % percent + b"\n%%EOF\n"
    before = len(sri.get("/v1/documents?limit=200").json["items"])
    with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
        connection.sendall(
            b"POST /v1/documents?purpose=other HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/pdf\r\n"
            b"Authorization: Bearer " + sri.token.encode() + b"\r\nContent-Length: %d\r\n\r\n" % len(data))
        connection.sendall(data[:len(data) * percent // 100])
    assert len(sri.get("/v1/documents?limit=200").json["items"]) == before
    assert upload(sri, data).status == 201


def test_the_same_upload_ten_times_at_once_is_one_document(server, sri):
    data = PDF.replace(b"Catalog", b"Catalog /Ten true")

    def one(_):
        with Client(server, sri.token) as client:
            return upload(client, data)
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(one, range(10)))
    assert {a.json["id"] for a in answers if a.status < 300}.__len__() == 1, answers
    assert sorted(a.status for a in answers).count(201) == 1
    assert {a.status for a in answers} <= {200, 201, 503}


def test_an_idempotency_key_is_taken_and_bound_to_the_bytes(sri):
    key = "kunci-unggah-dokumen-1"
    data = PDF.replace(b"Catalog", b"Catalog /Key 1")
    first = upload(sri, data, key=key).expect(201)
    again = upload(sri, data, key=key).expect(201)
    assert again.body == first.body and again.headers["Idempotency-Replayed"] == "true"
    upload(sri, data + b"\n", key=key).expect(422, "idempotency_key_reused")


def test_nobody_else_sees_it(server, actors, sri):
    made = upload(sri, PDF.replace(b"Catalog", b"Catalog /Private 1")).expect(201).json
    for token in (actors.member()["token"], actors.employer()["token"], actors.officer("all")["token"]):
        with Client(server, token) as other:
            other.get(f"/v1/documents/{made['id']}").expect(404)
            other.get(f"/v1/documents/{made['id']}/content").expect(404)


def test_the_quota_holds_under_parallel_uploads(server, actors, db):
    member = actors.member()
    db.execute("INSERT INTO smile.document_usage (owner_id, files, bytes) VALUES (%s, 197, 1)", [member["member_id"]])

    def one(number):
        with Client(server, member["token"]) as client:
            return upload(client, PDF.replace(b"Catalog", b"Catalog /N %d" % number)).status
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(one, range(8)))
    assert statuses.count(201) == 3 and set(statuses) <= {201, 422, 503}, statuses
    assert db.execute("SELECT files FROM smile.document_usage WHERE owner_id = %s",
                      [member["member_id"]]).fetchone()[0] == 200
    with Client(server, member["token"]) as client:
        upload(client, PDF.replace(b"Catalog", b"Catalog /N 99")).expect(422, "document_quota_exceeded")


@pytest.mark.parametrize("state", ["received", "infected", "unscannable"])
def test_only_what_a_scanner_lets_pass_is_handed_out(state, sri, db):
    made = upload(sri, PDF.replace(b"Catalog", b"Catalog /Scan /" + state.encode())).expect(201).json
    db.execute("UPDATE smile.document SET scan_state = %s WHERE id = %s", [state, made["id"]])
    sri.get(f"/v1/documents/{made['id']}/content").expect(409, "document_not_released")
    db.execute("UPDATE smile.document SET scan_state = 'clean' WHERE id = %s", [made["id"]])
    sri.get(f"/v1/documents/{made['id']}/content").expect(200)


def test_a_damaged_document_is_never_taken_for_whole(sri, db):
    """The digest is compared before the last piece leaves: the connection is cut instead."""
    data = PDF[:-6] + b"%" * (700 << 10) + b"\n%%EOF\n"
    made = upload(sri, data).expect(201).json
    db.execute("UPDATE smile.document_chunk SET content = set_byte(content, 5, 0) "
               "WHERE document_id = %s AND number = 1", [made["id"]])
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        sri.get(f"/v1/documents/{made['id']}/content")
    sri.connection.close()


def test_memory_doesn_t_grow_with_what_is_uploaded(server, actors):
    """Eight times ten megabytes at once; a worker stays under 64 MiB."""
    member = actors.member()
    before = max(resident(pid) for pid in server.children())

    def one(number):
        data = PDF[:-6] + b"%d" % number + b"%" * (9 * MIB) + b"\n%%EOF\n"
        with Client(server, member["token"]) as client:
            return upload(client, data).status
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(one, range(8)))
    assert set(statuses) <= {201, 503} and 201 in statuses, statuses
    after = max(resident(pid) for pid in server.children())
    assert after < max(64 * MIB, before + 8 * MIB), f"{before >> 20} MiB before, {after >> 20} MiB after"


def resident(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"no process {pid}")
