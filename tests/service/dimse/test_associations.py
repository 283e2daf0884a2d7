"""Who may have an association, how many, and what a connection may cost."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from pynetdicom import _config

from service.dimse import node as node_module
from service.dimse.node import Node
from tests.service.dimse.peers import RunningNode, associate, run_node
from tests.workers.destinations.http_servers import make_keys
from tests.workers.processes import find_free_port, wait_until
from workers.audit.audit_store import AuditFilter, AuditStore
from workers.audit.entries import AuditRecord
from workers.audit.events import AuditEvent
from workers.database import open_engine
from workers.settings import Settings

SOURCES = """
format: 1
sources:
  - {name: PACS, kind: dimse, calling_ae: PACS}
  - {name: scanner, kind: dimse, calling_ae: CT1, called_ae: HEAD_NECK}
  - {name: elsewhere, kind: dimse, calling_ae: FAR, address: 192.0.2.0/24}
"""
ABORT = 7  # type of the PDU (PS3.8 9.3.8)
A_ABORT_BYTES = 10


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """A node that takes from the sources of a file."""
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "sources.yaml").write_text(SOURCES)
    with run_node(folder, sources=folder / "sources.yaml") as running:
        yield running


@pytest.mark.parametrize(
    ("calling_ae", "called_ae", "answer"),
    [
        ("PACS", "OARLOCK", "PACS"),
        ("CT1", "HEAD_NECK", "scanner"),
        ("PACS", "OTHER", "Called AE title not recognised"),
        ("CT1", "OARLOCK", "Calling AE title not recognised"),
        ("FAR", "OARLOCK", "Calling AE title not recognised"),
        ("NOBODY", "OARLOCK", "Calling AE title not recognised"),
    ],
)
def test_only_sources_that_are_known_are_admitted(
    guarded: RunningNode, calling_ae: str, called_ae: str, answer: str
) -> None:
    """By title and address; one that calls another title must say so in the file."""
    association = guarded.associate(calling_ae=calling_ae, called_ae=called_ae)

    if association.is_established:
        association.release()
        assert f"as source {answer}" in guarded.log.read_text()
    else:
        assert association.is_rejected
        assert association.acceptor.primitive.reason_str == answer


def test_a_sender_is_known_by_its_address_on_a_node_for_both_kinds(tmp_path: Path) -> None:
    """Such a node sees 127.0.0.1 as ::ffff:127.0.0.1."""
    if not _has_both_kinds():
        pytest.skip("this machine has IPv4 alone")
    known = "format: 1\nsources: [{name: scanner, kind: dimse, address: 127.0.0.0/8}]\n"
    (tmp_path / "sources.yaml").write_text(known)
    with run_node(tmp_path, sources=tmp_path / "sources.yaml", dimse_host="::") as node:
        association = node.associate()

        assert association.is_established
        association.release()


def test_any_called_title_will_do_where_the_site_says_so(tmp_path: Path) -> None:
    """Some modalities can only be told an address."""
    with run_node(tmp_path, dimse_requires_called_ae=False) as node:
        association = node.associate(called_ae="WHATEVER")

        assert association.is_established
        association.release()


def test_as_many_associations_as_allowed_go_on_at_once_and_no_more(
    tmp_path: Path, series: list[Path]
) -> None:
    """The next one is told to try again later, and is taken when one has ended."""
    with run_node(tmp_path) as node:
        associations = [node.associate(calling_ae=f"S{number}") for number in range(25)]

        rejected = node.associate(calling_ae="ONE_MORE")
        statuses = {one.send_c_store(series[0]).Status for one in associations}
        associations[0].release()

        assert rejected.is_rejected
        assert rejected.acceptor.primitive.result_str == "Rejected Transient"
        assert rejected.acceptor.primitive.reason_str == "Local limit exceeded"
        assert statuses == {0}
        wait_until(lambda: _is_admitted(node), "a free place")
        for one in associations:
            one.release()


def test_a_pdu_that_announces_too_much_is_answered_with_an_abort(node: RunningNode) -> None:
    """Before any memory is asked for it."""
    for kind in (1, 4):
        with socket.create_connection(("127.0.0.1", node.port), 20) as connection:
            connection.sendall(struct.pack(">BxL", kind, 0xFFFFFFFF))

            assert connection.recv(A_ABORT_BYTES)[0] == ABORT

    association = node.associate()
    association.dul.socket.send(struct.pack(">BxL", 4, 2**20 + 1))
    wait_until(lambda: association.is_aborted, "the abort")


@pytest.fixture
def hasty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Port of a node, in this process, that waits for nobody longer than half a second."""
    for name in ("ACSE_SECONDS", "DIMSE_SECONDS", "IDLE_SECONDS"):
        monkeypatch.setattr(node_module, name, 0.5)
    for name in ("UNRESTRICTED_STORAGE_SERVICE", "LOG_HANDLER_LEVEL"):
        monkeypatch.setattr(_config, name, getattr(_config, name))  # a node sets them
    port = find_free_port()
    node = Node(Settings(data=tmp_path / "data", reserve_bytes=0), port)
    node.start()
    yield port
    node.stop()


@pytest.mark.parametrize(
    "sent",
    [b"", b"\x01\x00", b"\x01\x00\x00\x00\x00\xff half a request"],
    ids=["nothing", "half a header", "half a request"],
)
def test_a_connection_that_asks_for_nothing_is_closed(hasty: int, sent: bytes) -> None:
    """It would keep a thread for ever."""
    with socket.create_connection(("127.0.0.1", hasty), 20) as connection:
        connection.sendall(sent)

        assert _is_closed(connection)


def test_an_association_that_is_silent_is_ended(hasty: int) -> None:
    """Also in the middle of a PDU, where the library would wait for the rest of it."""
    for sent in (b"", struct.pack(">BxL", 4, 100) + b"some of it"):
        association = associate(hasty)

        association.dul.socket.send(sent)

        wait_until(lambda ended=association: not ended.is_established, "the end", 20)


def test_hundreds_of_idle_connections_leave_the_node_answering(node: RunningNode) -> None:
    """Those for which there is no thread are closed at once."""
    idle = [socket.create_connection(("127.0.0.1", node.port)) for _ in range(300)]
    closed = [one for one in idle if _is_closed_already(one)]
    for one in idle:
        one.close()

    assert len(closed) > 100
    wait_until(lambda: node.run("echoscu").returncode == 0, "an answer")


def test_with_a_ca_only_senders_with_a_certificate_of_it_are_heard(
    tmp_path: Path, series: list[Path]
) -> None:
    """And nothing is understood that is not encrypted."""
    ours, theirs, others = (make_keys(tmp_path, name) for name in ("node", "pacs", "other"))
    with run_node(
        tmp_path,
        dimse_tls_cert=ours.certificate,
        dimse_tls_key=ours.key,
        dimse_tls_ca=theirs.certificate,
    ) as node:
        silent = socket.create_connection(("127.0.0.1", node.port))  # in nobody's way
        speaking = ("+cf", ours.certificate, series[0])

        known = node.run("storescu", "+tls", theirs.key, theirs.certificate, *speaking)
        unknown = node.run("storescu", "+tls", others.key, others.certificate, *speaking)
        plain = node.run("storescu", series[0])

        silent.close()
        assert known.returncode == 0, known.stderr
        assert (unknown.returncode != 0, plain.returncode != 0) == (True, True)
        assert len(node.find_kept()) == 1


def test_a_source_is_known_by_its_certificate_whatever_it_says_of_itself(
    tmp_path: Path, series: list[Path]
) -> None:
    """Anybody may take a title; the CA has signed both certificates, and only one is the PACS's."""
    ours, theirs, others = (make_keys(tmp_path, name) for name in ("node", "pacs", "other"))
    (tmp_path / "ca.pem").write_bytes(
        theirs.certificate.read_bytes() + others.certificate.read_bytes()
    )
    (tmp_path / "sources.yaml").write_text(
        "format: 1\n"
        "sources: [{name: PACS, kind: dimse, calling_ae: STORESCU, certificate: CN=pacs}]\n"
    )
    with run_node(
        tmp_path,
        sources=tmp_path / "sources.yaml",
        dimse_tls_cert=ours.certificate,
        dimse_tls_key=ours.key,
        dimse_tls_ca=tmp_path / "ca.pem",
    ) as node:
        speaking = ("+cf", ours.certificate, series[0])

        known = node.run("storescu", "+tls", theirs.key, theirs.certificate, *speaking)
        unknown = node.run("storescu", "+tls", others.key, others.certificate, *speaking)

        assert known.returncode == 0, known.stderr
        assert "Calling AE Title Not Recognized" in unknown.stderr + unknown.stdout
        assert "certificate 'CN=other'" in node.log.read_text()
        assert [one.actor.proof for one in find_refusals(node)] == ["certificate 'CN=other'"]
        assert len(node.find_kept()) == 1


def find_refusals(node: RunningNode) -> list[AuditRecord]:
    """What is recorded of those that were rejected."""
    engine = open_engine(Settings(data=node.data).sql_url)
    try:
        return list(AuditStore(engine).search(AuditFilter(event=AuditEvent.NODE_REFUSED)))
    finally:
        engine.dispose()


def _has_both_kinds() -> bool:
    try:
        with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True):
            return True
    except OSError:
        return False


def _is_admitted(node: RunningNode) -> bool:
    association = node.associate(calling_ae="ONE_MORE")
    if association.is_established:
        association.release()
    return bool(association.is_released)


def _is_closed(connection: socket.socket) -> bool:
    """Once it is; an abort may come first."""
    try:
        while connection.recv(100):
            pass
    except ConnectionError:
        pass
    return True


def _is_closed_already(connection: socket.socket) -> bool:
    connection.settimeout(0.01)
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True
    except TimeoutError:
        return False
