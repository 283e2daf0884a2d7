"""Nothing is sent to this machine, to its links or past the administrator's networks unasked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import ip_network

import pytest

from contouring.errors import AddressRefusedError, DeliveryError
from tests.workers.destinations.http_servers import Reply, run_http_server
from tests.workers.processes import find_free_port
from workers.destinations.addresses import AddressGuard
from workers.destinations.http_peer import HttpPeer

BYPASSES = [
    *("127.0.0.1", "localhost", "LOCALHOST", "localhost.", "127.0.0.1.", "127.8.9.10"),
    *("127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0X7F.1", "0177.0.0.1"),
    *("017700000001", "0", "00", "0.0.0.0", "0.1.2.3", "::", "::1", "0:0:0:0:0:0:0:1"),
    *("::ffff:127.0.0.1", "::ffff:7f00:1", "::127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"),
    *("2001:0:7f00:1::", "2001:0:808:808:0:0:80ff:fffe", "169.254.169.254", "2852039166"),
    *("0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518", "::ffff:169.254.169.254"),
    *("64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::", "fe80::1", "fe80::1%lo", "224.0.0.1", "ff02::1"),
    *("255.255.255.255", "240.0.0.1", "fec0::1", "１２７.０.０.１", "①②⑦.⓪.⓪.①", "127。0。0。1"),
    *("pacs.example\\@127.0.0.1", "127.0.0.1:80", "127.0.0.1 ", "127.0.0.1\t", "", "[::1]", "%00"),
    "a" * 64,
]


def answering(*addresses: str) -> AddressGuard:
    """A guard whose resolver gives every name these addresses."""
    return AddressGuard(resolve=lambda _host, _port: addresses)


@pytest.mark.parametrize("host", BYPASSES)
def test_no_way_of_writing_it_leads_to_this_machine_or_to_a_link(host: str) -> None:
    """By this machine's own resolver, which understands most of them."""
    with pytest.raises(AddressRefusedError):
        AddressGuard().find_address(host, 80)


@pytest.mark.parametrize("host", BYPASSES)
def test_no_address_that_a_name_may_have_leads_there_either(host: str) -> None:
    """A name server is somebody else's."""
    try:
        guard = answering(AddressGuard(allows_local=True).find_address(host, 80))
    except AddressRefusedError:
        return

    with pytest.raises(AddressRefusedError):
        guard.find_address("pacs.example", 80)


def test_one_wrong_address_among_several_refuses_the_name() -> None:
    """Which of them would be used is chance."""
    with pytest.raises(AddressRefusedError, match="allow_local"):
        answering("10.1.2.3", "127.0.0.1").find_address("pacs.example", 80)


def test_a_name_without_an_address_is_told() -> None:
    """Some resolvers answer with nothing."""
    with pytest.raises(AddressRefusedError, match="no address"):
        answering().find_address("pacs.example", 80)


@pytest.mark.parametrize("host", ["10.1.2.3", "192.168.7.7", "fd00::7", "8.8.8.8"])
def test_machines_of_the_hospital_and_beyond_are_allowed(host: str) -> None:
    """Destinations are in private networks, mostly."""
    assert AddressGuard().find_address(host, 104) == host


def test_this_machine_is_allowed_where_the_administrator_says_so() -> None:
    """A planning system may run on it."""
    assert AddressGuard(allows_local=True).find_address("127.0.0.1", 104) == "127.0.0.1"


@pytest.mark.parametrize(
    ("host", "is_allowed"),
    [("10.1.2.3", True), ("10.2.2.3", False), ("fd00::7", True), ("::ffff:10.1.2.3", False)],
)
def test_only_addresses_of_the_allowed_networks_are_connected_to(
    host: str, is_allowed: bool
) -> None:
    """And only as they are written there."""
    guard = AddressGuard((ip_network("10.1.0.0/16"), ip_network("fd00::/8")))

    if is_allowed:
        assert guard.find_address(host, 104) == host
    else:
        with pytest.raises(AddressRefusedError, match="allowed_networks"):
            guard.find_address(host, 104)


def test_a_name_that_changes_its_address_leads_nowhere_else() -> None:
    """It is resolved once for each request, and where it led is where the request goes."""
    answers: Iterator[Sequence[str]] = iter([["127.0.0.2"], ["127.0.0.1"]])
    guard = AddressGuard(
        (ip_network("127.0.0.2/32"),), allows_local=True, resolve=lambda _h, _p: next(answers)
    )
    port = find_free_port()
    with run_http_server("127.0.0.2", port) as meant, run_http_server("127.0.0.1", port) as other:
        peer = HttpPeer(f"http://pacs.example:{port}/dicom-web", guard)

        answer = peer.ask("GET", "/studies")
        with pytest.raises(AddressRefusedError):
            peer.ask("GET", "/studies")

    assert answer.is_success
    assert [asked.headers["Host"] for asked in meant.asked] == [f"pacs.example:{port}"]
    assert other.asked == []


def test_a_redirect_is_not_followed() -> None:
    """It would lead past every check."""
    with run_http_server() as other, run_http_server() as first:
        first.answer(Reply(307, headers={"Location": other.url}))

        answer = first.peer.ask("POST", "/studies", content=b"structures")

    assert answer.status == 307
    assert other.asked == []


def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would connect to what we do not."""
    with run_http_server() as proxy, run_http_server() as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)

        server.peer.ask("GET", "/studies")

    assert (len(server.asked), len(proxy.asked)) == (1, 0)


def test_a_refused_address_is_told_with_its_reason() -> None:
    """In the job's delivery, where the administrator looks."""
    with pytest.raises(DeliveryError) as error:
        AddressGuard().find_address("169.254.169.254", 80)

    assert error.value.fault == (
        "169.254.169.254 is not connected to: it is this machine or its link; if that is meant, "
        "give the destination allow_local: true."
    )
