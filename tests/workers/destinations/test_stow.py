"""A structure set stored by STOW-RS: by a real archive, and by servers that answer oddly."""

from __future__ import annotations

import json
import logging
import ssl
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contouring.errors import DeliveryError
from tests.dicom_peers import USER, Orthanc, run_orthanc
from tests.workers.destinations.http_servers import (
    LOCAL,
    HttpServer,
    Reply,
    make_keys,
    run_http_server,
)
from workers.destinations.addresses import AddressGuard
from workers.destinations.certificates import Certificates
from workers.destinations.credentials import Credentials, Secret
from workers.destinations.http_peer import HttpPeer
from workers.destinations.parcels import Parcel
from workers.destinations.stow import StowReceiver

TOKEN_VARIABLE = "OARLOCK_TEST_TOKEN"
EMPTY_ANSWERS = [
    Reply(200),
    Reply(204),
    Reply(200, b"<NativeDicomModel/>"),
    Reply(200, b"[]"),
    Reply(200, b"[" * 100_000),
    Reply(200, json.dumps({"00081199": {"vr": "SQ"}}).encode()),
]


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """An archive that wants a password."""
    with run_orthanc(tmp_path_factory.mktemp("orthanc"), password="secret") as running:
        yield running


def receiver_of(orthanc: Orthanc, password: Path) -> StowReceiver:
    """The archive as a destination."""
    credentials = Credentials(Secret(password), USER)
    url = str(orthanc.http.base_url).rstrip("/")
    return StowReceiver(HttpPeer(f"{url}/dicom-web", LOCAL, credentials=credentials))


def storing(parcel: Parcel, sequence: str, status: int = 200, **more: Any) -> Reply:
    """An answer that names our instance in a sequence; `more`: tags of its item."""
    item = {
        "00081150": {"vr": "UI", "Value": [parcel.sop_class_uid]},
        "00081155": {"vr": "UI", "Value": [parcel.sop_instance_uid]},
        **{tag.lstrip("_"): {"vr": "US", "Value": [code]} for tag, code in more.items()},
    }
    body = json.dumps({sequence: {"vr": "SQ", "Value": [item]}}).encode()
    return Reply(status, body, {"Content-Type": "application/dicom+json"})


def stored(parcel: Parcel, **more: Any) -> Reply:
    """An answer in ReferencedSOPSequence."""
    return storing(parcel, "00081199", **more)


def refused(parcel: Parcel, reason: int, status: int = 409) -> Reply:
    """An answer in FailedSOPSequence."""
    return storing(parcel, "00081198", status, _00081197=reason)


def test_orthanc_stores_the_same_bytes_once(
    orthanc: Orthanc, parcel: Parcel, tmp_path: Path
) -> None:
    """However often it is sent."""
    password = tmp_path / "password"
    password.write_text("secret\n")
    receiver = receiver_of(orthanc, password)

    notes = [receiver.send(parcel) for _ in range(2)]
    found = receiver.probe()

    assert (notes, found) == (["", ""], "it answers searches.")
    (name,) = orthanc.http.get("/instances").json()
    assert orthanc.fetch(name) == parcel.file.read_bytes()


def test_a_wrong_password_is_told(orthanc: Orthanc, parcel: Parcel, tmp_path: Path) -> None:
    """It is read anew for each try, so that mending the file mends the delivery."""
    password = tmp_path / "password"
    password.write_text("wrong")
    receiver = receiver_of(orthanc, password)

    for attempt in (lambda: receiver.send(parcel), receiver.probe):
        with pytest.raises(DeliveryError, match="check the credentials"):
            attempt()


def test_it_is_one_part_of_the_right_type_and_length(
    http_server: HttpServer, parcel: Parcel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PS3.18 10.5.1: multipart/related of application/dicom, with the length and our token."""
    monkeypatch.setenv(TOKEN_VARIABLE, "to-ken")
    http_server.answer(stored(parcel))
    peer = replace(http_server.peer, credentials=Credentials(Secret(variable=TOKEN_VARIABLE)))

    StowReceiver(peer).send(parcel)

    (asked,) = http_server.asked
    kind, _, boundary = asked.headers["Content-Type"].rpartition("; boundary=")
    head, body, tail = asked.body.split(f"--{boundary}".encode())
    assert (asked.method, asked.path) == ("POST", "/studies")
    assert asked.headers["Authorization"] == "Bearer to-ken"
    assert asked.headers["Accept"] == "application/dicom+json"
    assert kind == 'multipart/related; type="application/dicom"'
    assert (head, tail) == (b"", b"--\r\n")
    assert body == (
        b"\r\nContent-Type: application/dicom\r\n\r\n" + parcel.file.read_bytes() + b"\r\n"
    )


def test_a_missing_secret_is_told_and_nothing_is_sent(
    http_server: HttpServer, parcel: Parcel, tmp_path: Path
) -> None:
    """With the place that it should be in."""
    for secret in (Secret(tmp_path / "none"), Secret(variable="OARLOCK_TEST_UNSET")):
        peer = replace(http_server.peer, credentials=Credentials(secret))

        with pytest.raises(DeliveryError, match=r"none|OARLOCK_TEST_UNSET"):
            StowReceiver(peer).send(parcel)

    assert http_server.asked == []


def test_a_warning_is_a_success_with_a_note(http_server: HttpServer, parcel: Parcel) -> None:
    """PS3.18 Table 10.5.1-2: attributes may have been coerced."""
    http_server.answer(stored(parcel, status=202, _00081196=0xB000))

    note = StowReceiver(http_server.peer).send(parcel)

    assert note == "stored with a warning: 0xB000 (it changed attributes)."


def test_an_answer_in_a_list_is_understood(http_server: HttpServer, parcel: Parcel) -> None:
    """Some servers answer with a list of one."""
    reply = stored(parcel)
    http_server.answer(replace(reply, body=b"[" + reply.body + b"]"))

    assert StowReceiver(http_server.peer).send(parcel) == ""


@pytest.mark.parametrize("status", [200, 202, 409])
def test_an_instance_that_failed_was_not_delivered(
    http_server: HttpServer, parcel: Parcel, status: int
) -> None:
    """Whatever the status says."""
    http_server.answer(refused(parcel, 0xA700, status))

    with pytest.raises(DeliveryError, match="0xA700"):
        StowReceiver(http_server.peer).send(parcel)


def test_what_the_server_has_already_was_delivered(http_server: HttpServer, parcel: Parcel) -> None:
    """An earlier try arrived, and its answer did not."""
    http_server.answer(refused(parcel, 0x0111))

    assert StowReceiver(http_server.peer).send(parcel) == "it was there already."


@pytest.mark.parametrize("reply", EMPTY_ANSWERS)
def test_a_server_that_says_nothing_is_asked(
    http_server: HttpServer, parcel: Parcel, reply: Reply
) -> None:
    """200 with an empty body is common, and so is an answer in XML only."""
    found = json.dumps([{"00080018": {"vr": "UI", "Value": [parcel.sop_instance_uid]}}])
    http_server.answer(reply, Reply(200, found.encode()))

    note = StowReceiver(http_server.peer).send(parcel)

    assert note.endswith("without saying what it stored; asked for it, it has it.")
    assert http_server.asked[1].path == (
        f"/studies/{parcel.study_instance_uid}/instances?SOPInstanceUID={parcel.sop_instance_uid}"
    )


@pytest.mark.parametrize("reply", [Reply(200, b"[]"), Reply(204)])
def test_a_server_that_says_nothing_and_has_nothing_did_not_take_it(
    http_server: HttpServer, parcel: Parcel, reply: Reply
) -> None:
    """A proxy in between may have said the 200."""
    http_server.answer(Reply(200), reply)

    with pytest.raises(DeliveryError, match="does not have it"):
        StowReceiver(http_server.peer).send(parcel)


def test_a_server_that_cannot_be_asked_is_believed(http_server: HttpServer, parcel: Parcel) -> None:
    """Its 200 is all there is, and the note says so."""
    http_server.answer(Reply(200), Reply(404))

    note = StowReceiver(http_server.peer).send(parcel)

    assert note == (
        "it answered HTTP 200 without saying what it stored, and cannot be asked (HTTP 404)."
    )


@pytest.mark.parametrize(
    ("reply", "hint"),
    [
        (Reply(302, headers={"Location": "http://elsewhere/"}), "not followed"),
        (Reply(401), "credentials"),
        (Reply(404), "check the url"),
        (Reply(409), "its log"),
        (Reply(413), "of this size"),
        (Reply(503, b"Patient CANARY is being moved"), "HTTP 503: its log says why"),
    ],
)
def test_a_refusal_is_told_with_a_hint_and_without_the_servers_words(
    http_server: HttpServer, parcel: Parcel, reply: Reply, hint: str
) -> None:
    """They may name the patient."""
    http_server.answer(reply)

    with pytest.raises(DeliveryError, match=hint) as error:
        StowReceiver(http_server.peer).send(parcel)

    assert "CANARY" not in error.value.fault


def test_a_server_that_is_not_there_is_told(http_server: HttpServer, parcel: Parcel) -> None:
    """With its address, and without the patient's UIDs."""
    with run_http_server() as gone:
        peer = gone.peer

    with pytest.raises(DeliveryError, match=r"127\.0\.0\.1:\d+ gave no answer") as error:
        StowReceiver(peer).send(parcel)

    assert parcel.study_instance_uid not in error.value.fault


def test_no_uid_comes_into_the_log(
    http_server: HttpServer, parcel: Parcel, caplog: pytest.LogCaptureFixture
) -> None:
    """A search for it has it in its address, which the HTTP library would log."""
    http_server.answer(Reply(200), Reply(404))

    with caplog.at_level(logging.INFO):
        StowReceiver(http_server.peer).send(parcel)

    assert parcel.sop_instance_uid in http_server.asked[-1].path
    assert parcel.sop_instance_uid not in caplog.text


def test_an_endless_answer_is_not_read_to_its_end(http_server: HttpServer, parcel: Parcel) -> None:
    """Nor kept in memory."""
    http_server.answer(Reply(200, b"[" + b" " * 5_000_000), Reply(404))

    assert "cannot be asked" in StowReceiver(http_server.peer).send(parcel)


def test_a_server_without_searches_can_be_probed(http_server: HttpServer) -> None:
    """STOW-RS may be all that it has."""
    http_server.answer(Reply(404), Reply(200))

    assert StowReceiver(http_server.peer).probe() == "it is there; it answers no searches."


def test_tls_is_verified_by_the_name_and_not_by_the_address(parcel: Parcel, tmp_path: Path) -> None:
    """And we show a certificate of our own where the server wants one."""
    server, ours = make_keys(tmp_path, "pacs.example"), make_keys(tmp_path, "oarlock.example")
    wanting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    wanting.load_cert_chain(server.certificate, server.key)
    wanting.load_verify_locations(ours.certificate)
    wanting.verify_mode = ssl.CERT_REQUIRED
    guard = AddressGuard(allows_local=True, resolve=lambda _host, _port: ["127.0.0.1"])
    with run_http_server(tls=wanting) as running:
        running.answer(stored(parcel))
        port = running.url.rpartition(":")[2]
        certificates = Certificates(server.certificate, ours.certificate, ours.key)
        right = HttpPeer(f"https://pacs.example:{port}", guard, certificates=certificates)
        wrong_name = replace(right, url=f"https://other.example:{port}")
        stranger = replace(right, certificates=Certificates(server.certificate))

        note = StowReceiver(right).send(parcel)
        with pytest.raises(DeliveryError, match=r"not valid for 'other\.example'"):
            StowReceiver(wrong_name).send(parcel)
        with pytest.raises(DeliveryError, match="gave no answer"):
            StowReceiver(stranger).send(parcel)

    assert note == ""
    assert len(running.asked) == 1


def test_a_certificate_that_is_not_there_is_told(parcel: Parcel, tmp_path: Path) -> None:
    """Before anything is connected to."""
    peer = HttpPeer("https://pacs.example", LOCAL, certificates=Certificates(tmp_path / "ca.pem"))

    with pytest.raises(DeliveryError, match=r"ca\.pem"):
        StowReceiver(peer).send(parcel)


def test_a_password_is_sent_as_it_stands(http_server: HttpServer, tmp_path: Path) -> None:
    """RFC 7617, in UTF-8 and with its colons."""
    file = tmp_path / "password"
    file.write_text("pass:wörd\n")
    peer = replace(http_server.peer, credentials=Credentials(Secret(file), "oarlock"))

    peer.ask("GET", "/studies")

    expected = b64encode("oarlock:pass:wörd".encode()).decode()
    assert http_server.asked[0].headers["Authorization"] == f"Basic {expected}"
